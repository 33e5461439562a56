"""JeroMQ 0.3.6, an implementation of ZMTP 2.0 that shares no code with libzmq, talks with us: requests, pipelines, topics.

Debian has it: ``apt install libjeromq-java default-jdk-headless``. Without it these tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

import trizmq
from tests.runtime.helpers import raw_listener

JAR = Path("/usr/share/java/jeromq.jar")
COUNT = 300

pytestmark = [
    pytest.mark.skipif(not JAR.exists(), reason=f"no {JAR}: apt install libjeromq-java"),
    pytest.mark.skipif(shutil.which("javac") is None, reason="no javac: apt install default-jdk-headless"),
    pytest.mark.deadline(60),
]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the peer is compiled."""
    folder = tmp_path_factory.mktemp("classes")
    source = Path(__file__).with_name("OldPeer.java")
    subprocess.run(["javac", "-cp", str(JAR), "-d", str(folder), str(source)], check=True, timeout=60)
    return folder


class JavaPeer:
    """A Java process with one socket."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._output = b""

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        while b"\n" not in self._output:
            data = await self._process.stdout.receive_some()
            assert data, "the peer ended; what it said is above"
            self._output += data
        line, _, self._output = self._output.partition(b"\n")
        return line.decode()

    async def done(self) -> None:
        """Wait until it has sent and received what it should."""
        assert await self.line() == "done"
        assert await self._process.wait() == 0


@pytest.fixture
async def java(classes: Path, nursery: trio.Nursery) -> AsyncIterator[Callable[..., Awaitable[JavaPeer]]]:
    """Starts peers: ``java(type, endpoint, count=..., identity=...)``; all end with the test."""
    processes: list[trio.Process] = []

    async def start(kind: str, endpoint: str, count: int = COUNT, *identity: str) -> JavaPeer:
        command = ["java", "-Xshare:auto", "-cp", f"{JAR}:{classes}", "OldPeer", kind, endpoint, str(count), *identity]
        processes.append(await trio.lowlevel.open_process(command, stdout=subprocess.PIPE))
        return JavaPeer(processes[-1])

    yield start
    for process in processes:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def joined(
    java: Callable[..., Awaitable[JavaPeer]], socket: trizmq.Socket, kind: str, java_binds: bool, *rest: object
) -> AsyncIterator[JavaPeer]:
    """The socket and a Java peer of a kind, one bound, the other connected to it."""
    if java_binds:
        peer = await java(kind, "*", *rest)
        socket.connect(f"tcp://127.0.0.1:{await peer.line()}")
    else:
        peer = await java(kind, await socket.bind("tcp://127.0.0.1:*"), *rest)
    await socket.wait_connected()
    yield peer


def message(number: int) -> list[bytes]:
    """The same as the Java side makes."""
    size = 70_000 if number % 50 == 49 else number % 300
    return [b"odd" if number % 2 else b"even", b"%d" % number, bytes([number % 256]) * size]


each_role = pytest.mark.parametrize("java_binds", [False, True], ids=["connects", "binds"])


async def test_it_speaks_zmtp_2_0(java: Callable[..., Awaitable[JavaPeer]]) -> None:
    async with raw_listener() as listener:
        await java("REQ", listener.endpoint)
        peer = await listener.accept()
        signature = await peer.read(10)
        await peer.stream.send_all(signature + b"\x03\x04")
        assert await peer.read(2) == b"\x01\x03", "revision 1 is ZMTP 2.0, 3 is REQ"
        assert await peer.read(2) == b"\x00\x00", "an empty identity in version 2 framing"


@each_role
async def test_it_asks(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Rep() as rep, joined(java, rep, "REQ", java_binds) as peer:
        for number in range(COUNT):
            assert await rep.receive() == message(number)
            await rep.send(message(number))
        await peer.done()


@each_role
async def test_it_replies(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Req() as req, joined(java, req, "REP", java_binds) as peer:
        for number in range(COUNT):
            assert await req.request(message(number)) == message(number)
        await peer.done()


@each_role
async def test_it_has_an_identity(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Router() as router, joined(java, router, "DEALER", java_binds, COUNT, "ABC"):
        for number in range(COUNT):
            assert await router.receive() == [b"ABC", *message(number)]
            await router.send([b"ABC", *message(number)])


@each_role
async def test_it_pushes(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Pull() as pull, joined(java, pull, "PUSH", java_binds) as peer:
        for number in range(COUNT):
            assert await pull.receive() == message(number)
        await peer.done()


@each_role
async def test_it_pulls(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Push() as push, joined(java, push, "PULL", java_binds) as peer:
        await push.send_many(message(number) for number in range(COUNT))
        await peer.done()


@each_role
async def test_it_publishes(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Sub() as sub:
        sub.subscribe(b"odd")
        async with joined(java, sub, "PUB", java_binds, 1_000_000):
            first = int((await sub.receive())[1])
            for number in range(first + 2, first + 202, 2):
                assert await sub.receive() == message(number)
            sub.subscribe(b"even")
            while (await sub.receive())[0] != b"even":
                pass


@each_role
async def test_it_subscribes(java: Callable[..., Awaitable[JavaPeer]], java_binds: bool) -> None:
    async with trizmq.Pub() as pub, joined(java, pub, "SUB", java_binds) as peer:
        await pub.wait_subscribed(b"even")
        for number in range(2 * COUNT):
            await pub.send(message(number))
        await peer.done()
        assert not pub.statistics().drops


async def test_heartbeats_do_not_disturb_it(java: Callable[..., Awaitable[JavaPeer]]) -> None:
    async with trizmq.Rep(heartbeat_interval=0.01) as rep, joined(java, rep, "REQ", False, 1) as peer:
        request = await rep.receive()
        with trio.move_on_after(0.3):
            await rep.wait_readable()
        await rep.send(request)
        await peer.done()
        assert rep.statistics().bytes_sent < 100
