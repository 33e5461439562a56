"""The test's side of ``peer.py``: pyzmq sockets in other processes, as objects whose methods are orders.

pull = await peer.open("PULL", RCVHWM=10)
endpoint = await pull.bind("tcp://127.0.0.1:*")
received = await pull.begin("recv", count=3)    # goes on by itself; the order has been sent
assert await received.answer() == [...]
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import outcome
import trio

import trizmq
from tests.interop.peer import FrameOrder, describe

Told = TypeVar("Told", bound=trizmq.Event)

PEER = Path(__file__).with_name("peer.py")


class PeerError(Exception):
    """What pyzmq raised in the other process."""


class Pending:
    """The answer to an order that was sent."""

    def __init__(self) -> None:
        self._arrived = trio.Event()
        self._outcome: outcome.Outcome[Any] | None = None

    def settle(self, result: outcome.Outcome[Any]) -> None:
        self._outcome = result
        self._arrived.set()

    async def answer(self) -> Any:
        """Wait for it."""
        await self._arrived.wait()
        assert self._outcome is not None
        return self._outcome.unwrap()


class PeerSocket:
    """A pyzmq socket in another process."""

    def __init__(self, process: PeerProcess, name: str) -> None:
        self._process = process
        self.name = name

    async def begin(self, do: str, **details: Any) -> Pending:
        """Send an order. The orders of one socket are carried out in turn."""
        return await self._process.order({"socket": self.name, "do": do, **details})

    async def do(self, do: str, **details: Any) -> Any:
        """Send an order and wait for its answer."""
        return await (await self.begin(do, **details)).answer()

    async def bind(self, endpoint: str) -> str:
        result: str = await self.do("bind", endpoint=endpoint)
        return result

    async def connect(self, endpoint: str) -> None:
        await self.do("connect", endpoint=endpoint)

    async def set(self, **options: int | str) -> None:
        await self.do("set", **options)

    async def send(self, *messages: Sequence[bytes]) -> None:
        await self.do("send", messages=orders(messages))

    async def recv(self, count: int = 1) -> list[list[str]]:
        result: list[list[str]] = await self.do("recv", count=count)
        return result

    async def recv_until(self, last: bytes) -> list[list[str]]:
        result: list[list[str]] = await self.do("recv_until", last=last.hex())
        return result

    async def event(self, *wanted: str) -> str:
        """Wait for an event after ``do("watch")``, by its name without ``ZMQ_EVENT_``."""
        result: str = await self.do("event", wanted=wanted)
        return result

    async def close(self, linger_ms: int = 0) -> None:
        await self.do("close", linger_ms=linger_ms)


class PeerProcess:
    """A process that runs ``peer.py``."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders, self._answers = process.stdin, process.stdout
        self._numbers = itertools.count(1)
        self.pid = process.pid
        self._pending: dict[int, Pending] = {}
        self._writing = trio.Lock()

    async def order(self, order: dict[str, Any]) -> Pending:
        number, pending = next(self._numbers), Pending()
        self._pending[number] = pending
        async with self._writing:
            await self._orders.send_all((json.dumps({"id": number, **order}) + "\n").encode())
        return pending

    async def open(self, kind: str, **options: int | str) -> PeerSocket:
        """Make a socket; options are those of zmq.h without ``ZMQ_``."""
        socket = PeerSocket(self, f"{kind} {next(self._numbers)}")
        await socket.do("open", kind=kind, options=options)
        return socket

    async def read_answers(self) -> None:
        """Hand the answers to those who wait, until the process ends."""
        rest = b""
        async for data in self._answers:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                pending = self._pending.pop(answer["id"])
                if "error" in answer:
                    pending.settle(outcome.Error(PeerError(answer["error"])))
                else:
                    pending.settle(outcome.Value(answer["result"]))
        for pending in self._pending.values():
            pending.settle(outcome.Error(PeerError("the peer's process has ended")))


@asynccontextmanager
async def running_peer(
    nursery: trio.Nursery, python: str = sys.executable, env: Mapping[str, str] | None = None
) -> AsyncIterator[PeerProcess]:
    """Start a process, with our Python and environment unless said, and end it."""
    process = await trio.lowlevel.open_process(
        [python, str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    )
    peer = PeerProcess(process)
    nursery.start_soon(peer.read_answers, name="answers of the pyzmq peer")
    try:
        yield peer
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            await process.stdin.aclose()
            with trio.move_on_after(5):
                await process.wait()
            process.kill()
            await process.wait()


def nobody_there() -> str:
    """A tcp endpoint at which nobody listens yet, below the ports that systems give to whoever connects: nobody takes it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return f"tcp://127.0.0.1:{port}"


def orders(messages: Iterable[Sequence[bytes]]) -> list[list[FrameOrder]]:
    """Messages for an order."""
    return [[frame.hex() for frame in message] for message in messages]


def described(messages: Iterable[Sequence[bytes]]) -> list[list[str]]:
    """Messages as an answer shows them."""
    return [[describe(frame) for frame in message] for message in messages]


def tasks() -> Counter[str]:
    """The names of all tasks of this Trio run: a walk from the root."""
    found: Counter[str] = Counter()
    root = trio.lowlevel.current_root_task()
    waiting = [root] if root is not None else []
    while waiting:
        task = waiting.pop()
        found[task.name] += 1
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


async def until(events: trizmq.EventWatcher, kind: type[Told]) -> Told:
    """The next event of this kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the socket was closed without a {kind.__name__}")
