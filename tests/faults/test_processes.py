"""Processes killed and stopped in mid-stream: what is documented as kept is kept, what is lost is known."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import trizmq
from tests.faults.workers import worker
from tests.interop.driver import until
from tests.interop.peer import END, as_runs, numbered, source_and_number

if sys.platform == "win32":
    pytest.skip("Windows has no SIGKILL and no SIGSTOP", allow_module_level=True)

pytestmark = pytest.mark.deadline(30)
LIBRARIES = ["libzmq", "trizmq"]
FAST: dict[str, Any] = {"reconnect_interval": 0.01, "reconnect_interval_max": 0.05}


class Sender:
    """Sends numbers until it is told to end the stream."""

    def __init__(self, push: trizmq.Push) -> None:
        self._push = push
        self._over = False
        self.sent = 0
        self.ended = trio.Event()

    async def run(self) -> None:
        while not self._over:
            await self._push.send(numbered("ours", self.sent, 1000))
            self.sent += 1
        await self._push.send(numbered(END, 0))
        self.ended.set()

    async def end(self) -> None:
        self._over = True
        await self.ended.wait()


@pytest.mark.parametrize("library", LIBRARIES)
async def test_receiver_killed(library: str, unbound: Callable[[str], str]) -> None:
    """What was with the dead process is lost; everything after that goes to its successor, in order and once."""
    endpoint = unbound("tcp")
    async with trizmq.Push(**FAST) as push, push.events() as events, trio.open_nursery() as nursery:
        push.connect(endpoint)
        sender = Sender(push)
        async with worker(library, "pull", "bind", endpoint) as first:
            nursery.start_soon(sender.run)
            assert await first.told("first") == 0
            await first.kill()
        at_least = push.statistics().messages_sent
        assert (await until(events, trizmq.Disconnected)).cause
        async with worker(library, "pull", "bind", endpoint) as second:
            resumed = await second.told("first")
            await sender.end()
            (run,) = await second.told("runs")
            assert run == [resumed, sender.sent - resumed]
        statistics = push.statistics()
        # lost is only what the system had taken: the rest was queued, and is counted as sent when it really is
        assert statistics.messages_sent >= sender.sent + 1
        assert resumed <= at_least
        assert statistics.reconnects == 1
        assert statistics.dropped == 0


@pytest.mark.parametrize("library", LIBRARIES)
async def test_sender_killed(library: str) -> None:
    """What has arrived is a whole beginning of its stream, and its successor is served as if nothing had been."""
    async with trizmq.Pull() as pull, pull.events() as events:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with worker(library, "push", "connect", endpoint) as first:
            received = [source_and_number(await pull.recv())[1] for _ in range(2000)]
            await first.kill()
        while pull.statistics().peers or pull.readable:  # what had arrived is there first
            with trio.move_on_after(0.1):
                received.append(source_and_number(await pull.recv())[1])
        assert (await until(events, trizmq.Disconnected)).cause
        assert as_runs(received) == as_runs(range(len(received)))
        assert not pull.statistics().peers
        async with worker(library, "push", "connect", endpoint) as second:
            again = [source_and_number(await pull.recv())[1] for _ in range(2000)]
            assert again == list(range(2000))

            async def read_to_end() -> None:
                while (body := source_and_number(await pull.recv()))[0] != END:
                    again.append(body[1])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read_to_end)
                sent = (await second.finish())["sent"]
            assert as_runs(again) == as_runs(range(sent))


@pytest.mark.parametrize("library", LIBRARIES)
async def test_receiver_stopped(library: str) -> None:
    """While it is stopped we wait, with bounded queues; when it goes on nothing is missing."""
    async with trizmq.Push(send_hwm=100) as push, trio.open_nursery() as nursery:
        endpoint = await push.bind("tcp://127.0.0.1:*")
        sender = Sender(push)
        async with worker(library, "pull", "connect", endpoint) as receiver:
            nursery.start_soon(sender.run)
            assert await receiver.told("first") == 0
            receiver.stop()
            before = -1
            while before != sender.sent or push.writable:
                before = sender.sent
                await trio.testing.wait_all_tasks_blocked(0.1)
            assert [peer.outbound for peer in push.statistics().peers] == [100]
            receiver.go_on()
            await sender.end()
            assert await receiver.told("runs") == as_runs(range(sender.sent))
        assert push.statistics().reconnects == push.statistics().dropped == 0


@pytest.mark.parametrize("library", LIBRARIES)
async def test_sender_stopped(library: str) -> None:
    async with trizmq.Pull() as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with worker(library, "push", "connect", endpoint) as sender:
            received = [source_and_number(await pull.recv())[1] for _ in range(1000)]
            sender.stop()
            while True:
                with trio.move_on_after(0.1) as waiting:
                    received.append(source_and_number(await pull.recv())[1])
                if waiting.cancelled_caught:
                    break
            sender.go_on()
            received += [source_and_number(await pull.recv())[1] for _ in range(1000)]
            assert as_runs(received) == as_runs(range(len(received)))


# ---- a network that splits


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces of our own with a cable between them: 10.213.77.1 and .2."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("network namespaces are made with Linux's ip command")
    names = f"trizmq-{os.getpid()}-a", f"trizmq-{os.getpid()}-b"
    try:
        for name in names:
            ip("netns", "add", name)
        ip("-n", names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", names[1])
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.213.77.{number}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
    except subprocess.CalledProcessError as error:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
    try:
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("heartbeats", [False, True])
async def test_network_split_and_healed(heartbeats: bool) -> None:
    """Without heartbeats TCP hides it: nothing is lost. With them both sides notice, and go on when it is over."""
    options = ["heartbeat_interval=0.2", "reconnect_interval=0.02", "reconnect_interval_max=0.1"] if heartbeats else []
    with two_namespaces() as (near, far):
        async with (
            worker("trizmq", "pull", "bind", "tcp://10.213.77.2:5555", *options, prefix=in_namespace(far)) as pull,
        ):
            await pull.told("endpoint")
            async with worker(
                "trizmq", "push", "connect", "tcp://10.213.77.2:5555", *options, prefix=in_namespace(near)
            ) as push:
                await pull.told("first")
                ip("-n", near, "link", "set", "cable", "down")
                await trio.sleep(1)  # the length of the split
                ip("-n", near, "link", "set", "cable", "up")
                # what was written to a connection that is given up is lost with it, as documented, also the end of the stream
                runs = None
                while runs is None:
                    told = await push.end()
                    with trio.move_on_after(2 if heartbeats else 20):
                        runs = await pull.told("runs")
    numbers = [number for first, length in runs for number in range(first, first + length)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < told["sent"]
    if heartbeats:
        assert told["reconnects"] >= 1
        assert len(runs) <= told["reconnects"] + 1
    else:
        assert told["reconnects"] == 0
        assert runs == as_runs(range(told["sent"]))


def in_namespace(name: str) -> list[str]:
    return ["ip", "netns", "exec", name]


def test_wall_clock_is_not_looked_at() -> None:
    """Its jumps do not matter: all timers are Trio's, whose clock is monotonic, and so is ``perf_counter``."""
    forbidden = {"time", "time_ns", "localtime", "gmtime", "ctime", "now", "utcnow", "today", "datetime"}
    for path in Path(trizmq.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert not (node.value.id in ("time", "datetime") and node.attr in forbidden), f"{path}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and node.module in ("time", "datetime"):
                assert not forbidden & {alias.name for alias in node.names}, f"{path}:{node.lineno}"
