"""What the tests of the runtime share: where to bind, raw peers, a relay that cuts, a transport in memory, the task tree."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair

import trizmq
from trizmq.endpoints import parse_host_port
from trizmq.transports.base import StreamLink, TransportOptions

#: A fresh endpoint of each transport, to be bound; what comes of it is what ``bind`` returns.
TRANSPORTS = {
    "tcp": "tcp://127.0.0.1:*",
    "ipc": f"ipc://{tempfile.gettempdir()}/trizmq-{os.getpid()}",
    "inproc": "inproc://here",
}
STREAMS = {name: endpoint for name, endpoint in TRANSPORTS.items() if name != "inproc"}

#: A tcp endpoint where nobody listens: port 1 is never given to a program by the system.
NOBODY = "tcp://127.0.0.1:1"


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no verb waits for: let everybody else run until it holds. The test's deadline bounds it.

    Not for what time alone brings about on an autojump clock, which does not jump while somebody waits for all to block.
    """
    while not condition():
        await trio.testing.wait_all_tasks_blocked(0.001)


async def meet(
    binder: trizmq.Socket, connector: trizmq.Socket, endpoint: str = "tcp://127.0.0.1:*", peers: int = 1
) -> str:
    """Bind one, connect the other, wait until both know each other."""
    bound = await binder.bind(endpoint)
    connector.connect(bound)
    await binder.wait_connected(peers)
    await connector.wait_connected()
    return bound


async def fill(socket: trizmq.Push, body: bytes) -> int:
    """Send until nothing more goes, however long one waits; how many messages went."""
    sent = 0
    while True:
        await trio.testing.wait_all_tasks_blocked(0.01)
        if not socket.writable:
            return sent
        while socket.writable:
            socket.send_nowait(body)
            sent += 1


async def start(nursery: trio.Nursery, function: Callable[..., Awaitable[object]], *args: object) -> Running:
    """Start a call in a task and wait until it waits; what comes of it is collected."""
    running = Running()
    nursery.start_soon(running.run, function, args)
    await trio.testing.wait_all_tasks_blocked(0.001)
    return running


class Running:
    """A call under way in a task: ``result`` or ``error``, and ``done``."""

    def __init__(self) -> None:
        self.done = False
        self.result: object = None
        self.error: BaseException | None = None

    async def run(self, function: Callable[..., Awaitable[object]], args: tuple[object, ...]) -> None:
        try:
            self.result = await function(*args)
        except Exception as error:
            self.error = error
        finally:
            self.done = True


def run_alone(program: str, time_limit: float = 10) -> str:
    """Run a program in a process of its own, for what could hang or fork the test runner; gives what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=time_limit,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- the task tree


def task_names() -> list[str]:
    """The names of all tasks of trizmq that are alive."""
    return sorted(task.name for task in _tasks(trio.lowlevel.current_root_task()) if task.name.startswith("trizmq "))


def _tasks(task: trio.lowlevel.Task | None) -> Iterator[trio.lowlevel.Task]:
    if task is None:
        return
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _tasks(child)


# ---- raw ZMTP


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + b"\x00" + bytes(31)
GREETING_30 = GREETING.replace(b"\x7f\x03\x01", b"\x7f\x03\x00")


def ready(socket_type: str, identity: bytes | None = None) -> bytes:
    body = b"\x05READY" + _property(b"Socket-Type", socket_type.encode())
    if identity is not None:
        body += _property(b"Identity", identity)
    return frame(body, flags=4)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) > 255:
        return bytes([flags | 2]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def message(*frames: bytes) -> bytes:
    return b"".join(frame(body, int(at < len(frames) - 1)) for at, body in enumerate(frames))


class RawPeer:
    """A peer of which every byte is ours."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._buffer = b""

    async def shake_hands(self, socket_type: str, identity: bytes | None = None, greeting: bytes = GREETING) -> bytes:
        """Both greetings and both READYs; returns the body of the peer's."""
        await self.stream.send_all(greeting + ready(socket_type, identity))
        await self.read(64)
        flags, body = await self.read_frame()
        assert flags & 4, "READY is a command"
        assert body.startswith(b"\x05READY")
        return body

    async def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError(f"the connection ended with {self._buffer!r}")
            self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def read_frame(self) -> tuple[int, bytes]:
        (flags,) = await self.read(1)
        size = struct.unpack(">Q", await self.read(8))[0] if flags & 2 else (await self.read(1))[0]
        return flags, await self.read(size)

    async def read_message(self) -> list[bytes]:
        frames = []
        while True:
            flags, body = await self.read_frame()
            assert not flags & 4, f"a command came instead of a message: {body!r}"
            frames.append(body)
            if not flags & 1:
                return frames

    async def read_messages_to_end(self) -> list[list[bytes]]:
        """All whole messages up to the end of the stream, however it ends; a torn one at its end is left out."""
        messages = []
        try:
            while True:
                messages.append(await self.read_message())
        except (EOFError, trio.BrokenResourceError):
            return messages

    async def closed(self) -> bool:
        """Wait for the end of the connection; True unless more data came before it."""
        try:
            return not await self.stream.receive_some()
        except trio.BrokenResourceError:
            return True


@asynccontextmanager
async def raw_connection(endpoint: str) -> AsyncIterator[RawPeer]:
    """Connect to what a socket has bound."""
    transport, _, address = endpoint.partition("://")
    if transport == "tcp":
        target = parse_host_port(address, endpoint, wildcards=False)
        stream: trio.abc.Stream = await trio.open_tcp_stream(target.host, target.port)
    else:
        stream = await trio.open_unix_socket(address)
    try:
        yield RawPeer(stream)
    finally:
        await trio.aclose_forcefully(stream)


class RawListener:
    """Where sockets connect to find raw peers."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self._accepted: list[trio.SocketStream] = []
        self.endpoint = "tcp://{}:{}".format(*listener.socket.getsockname())

    async def accept(self) -> RawPeer:
        stream = await self._listener.accept()
        self._accepted.append(stream)
        return RawPeer(stream)

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._listener)
        for stream in self._accepted:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def raw_listener() -> AsyncIterator[RawListener]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    raw = RawListener(listener)
    try:
        yield raw
    finally:
        with trio.CancelScope(shield=True):
            await raw.aclose()


# ---- a relay that cuts


class Relay:
    """Stands between two peers, and cuts connections: each after as many forwarded bytes as ``cuts`` says, in turn."""

    def __init__(self, target: str, cuts: Iterator[int]) -> None:
        self._host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._port = int(port)
        self._cuts = cuts
        self.connections = 0
        self.endpoint = ""

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.endpoint = "tcp://{}:{}".format(*listener.socket.getsockname())
        async with listener, trio.open_nursery() as nursery:
            task_status.started()
            while True:
                nursery.start_soon(self._serve, await listener.accept())

    async def _serve(self, near: trio.SocketStream) -> None:
        self.connections += 1
        left = next(self._cuts, None)
        async with near, await trio.open_tcp_stream(self._host, self._port) as far, trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            nursery.start_soon(self._copy, near, far, left, scope)
            nursery.start_soon(self._copy, far, near, None, scope)

    async def _copy(
        self, source: trio.SocketStream, target: trio.SocketStream, left: int | None, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(4096):
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                await target.send_all(data)
                if left == 0:
                    break
        except trio.BrokenResourceError:
            pass
        scope.cancel()


# ---- a transport in memory


class MemoryTransport:
    """``mem://name``: memory streams of trio.testing, so that a test decides what the network does, on any clock."""

    def __init__(self) -> None:
        self._listening: dict[str, trio.MemorySendChannel[StreamLink]] = {}
        #: When each attempt to connect was made.
        self.attempts: list[float] = []
        self._attempted = trio.Event()
        #: Called with both streams of each new connection, the connecting side's first.
        self.on_connect: Callable[
            [
                trio.StapledStream[MemorySendStream, MemoryReceiveStream],
                trio.StapledStream[MemorySendStream, MemoryReceiveStream],
            ],
            None,
        ] = lambda near, far: None

    def check_bind(self, address: str, endpoint: str) -> None:
        pass

    def check_connect(self, address: str, endpoint: str) -> None:
        pass

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> MemoryAcceptor:
        sender, receiver = trio.open_memory_channel[StreamLink](1000)
        self._listening[address] = sender
        return MemoryAcceptor(self._listening, address, endpoint, receiver)

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> StreamLink:
        self.attempts.append(trio.current_time())
        self._attempted.set()
        await trio.lowlevel.checkpoint()
        if address not in self._listening:
            raise ConnectionRefusedError("nobody listens")
        near, far = memory_stream_pair()
        self.on_connect(near, far)
        self._listening[address].send_nowait(StreamLink(far, "near"))
        return StreamLink(near, "far")

    async def wait_attempts(self, count: int) -> None:
        """Wait until so many attempts to connect have been made."""
        while len(self.attempts) < count:
            self._attempted = trio.Event()
            await self._attempted.wait()


class MemoryAcceptor:
    def __init__(
        self,
        listening: dict[str, trio.MemorySendChannel[StreamLink]],
        address: str,
        endpoint: str,
        links: trio.MemoryReceiveChannel[StreamLink],
    ) -> None:
        self._listening, self._address, self._links = listening, address, links
        self.endpoint = endpoint

    async def accept(self) -> StreamLink:
        return await self._links.receive()

    def close(self) -> None:
        self._listening.pop(self._address, None)
