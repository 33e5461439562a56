"""Links as Trio streams: SocketLink keeps every rule that trio.testing knows of; StreamLink makes a link of any stream."""

from __future__ import annotations

import socket
import struct

import pytest
import trio
import trio.testing

from trizmq.transports import sockets
from trizmq.transports.base import StreamLink
from trizmq.transports.sockets import SocketLink

pytestmark = pytest.mark.deadline(20)


async def make_pair() -> tuple[SocketLink, SocketLink]:
    near, far = socket.socketpair()
    return SocketLink(near, "near"), SocketLink(far, "far")


async def make_clogged_pair() -> tuple[SocketLink, SocketLink]:
    """Nothing more can be written on either side, as the checks of streams want it."""
    links = await make_pair()
    for link in links:
        while link.send_now(bytes(65536)):
            pass
    return links


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the checks leave some streams to the garbage collector
async def test_socket_link_is_a_stream() -> None:
    """Includes check_one_way_stream, both ways.

    check_half_closeable_stream wants send_eof to be a checkpoint; ours, by design, never waits: see the next test.
    """
    await trio.testing.check_two_way_stream(make_pair, make_clogged_pair)


async def test_half_closed() -> None:
    near, far = await make_pair()
    await near.send([b"last"])
    await near.send_eof()
    await near.send_eof()
    assert await far.receive_some(100) == b"last"
    assert await far.receive_some(100) == b""
    await far.send([b"still"])
    assert await near.receive_some(100) == b"still"
    with pytest.raises(trio.BrokenResourceError):
        await near.send([b"x"])
    await near.aclose()
    await far.send_eof()
    await far.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await far.send_eof()


async def test_gathered_sending() -> None:
    """Many buffers of all sizes, more than one system call takes, through a small socket: all bytes in order, counted."""
    near, far = await make_pair()
    buffers: list[bytes | memoryview] = []
    buffers += [bytes([number % 256]) * (number % 50) for number in range(3000)]
    buffers += [b"x" * 1_000_000, memoryview(b"end")]
    expected = b"".join(buffers)
    received = bytearray()

    async def receive() -> None:
        while len(received) < len(expected):
            received.extend(await far.receive_some(65536))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await near.send(buffers)
    assert received == expected
    assert near.bytes_sent == len(expected)
    await near.aclose()
    await far.aclose()


async def test_a_full_socket_is_not_given_all_buffers_again() -> None:
    """Python converts each buffer of a call, whether the system takes it or not."""
    near, far = await make_pair()
    given: list[int] = []

    class Counting(socket.socket):
        def sendmsg(self, buffers: list[bytes]) -> int:  # type: ignore[override]
            given.append(len(buffers))
            return super().sendmsg(buffers)

    inner = near._socket
    near._socket = Counting(inner.family, inner.type, fileno=inner.detach())
    near._socket.setblocking(False)
    buffers = [b"x" * 100_000] * 500
    missing = 50_000_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.send, buffers)
        while missing:
            missing -= len(await far.receive_some(65536))
    assert given[0] == 500
    assert sum(given) < 16 * len(given) + 500  # a few at a time: hardly more than that fits in
    given.clear()
    await near.send([b"x"] * 3000)  # and where there is room, all that one call takes
    assert given == [1024, 1024, 952]
    await near.aclose()
    await far.aclose()


async def test_bytes_sent_tells_how_far_a_cancelled_send_got() -> None:
    near, far = await make_pair()
    with trio.move_on_after(0.01) as scope:
        await near.send([b"x" * 10_000_000, b"y"])
    assert scope.cancelled_caught
    await near.aclose()
    received = 0
    while data := await far.receive_some(1 << 20):
        received += len(data)
    assert received == near.bytes_sent < 10_000_001
    await far.aclose()


async def test_send_now() -> None:
    near, far = await make_pair()
    with trio.testing.assert_no_checkpoints():
        assert near.send_now(b"hello") == 5
    assert await far.receive_some(100) == b"hello"
    while near.send_now(bytes(65536)):
        pass
    assert near.send_now(b"x") == 0
    await far.aclose()
    with pytest.raises(trio.BrokenResourceError):
        near.send_now(b"x")
    await near.aclose()
    with pytest.raises(trio.ClosedResourceError):
        near.send_now(b"x")


@pytest.mark.parametrize("gathers", [True, False])
async def test_receive_into(monkeypatch: pytest.MonkeyPatch, gathers: bool) -> None:
    monkeypatch.setattr(sockets, "_HAS_RECVMSG", gathers)
    near, far = await make_pair()
    place = bytearray(10)
    space = memoryview(place)
    assert far.receive_into(space) is None
    near.send_now(b"hello")
    assert far.receive_into(space) == (5, b"")
    assert place == b"hello" + bytes(5)
    near.send_now(b"0123456789")
    assert far.receive_into(space) == (10, b"")
    near.send_now(b"9876543210 and more")
    assert far.receive_into(space) == (10, b" and more" if gathers else b"")
    assert place == b"9876543210"
    if not gathers:
        assert await far.receive_some(100) == b" and more"
    near.send_now(bytes(9000))
    assert far.receive_into(space) == (10, bytes(1024) if gathers else b"")
    assert len(await far.receive_some(10_000)) == (9000 - 1034 if gathers else 8990)
    await near.aclose()
    assert far.receive_into(space) == (0, b"")
    await far.aclose()
    with pytest.raises(trio.ClosedResourceError):
        far.receive_into(space)


async def test_receive_into_from_a_broken_connection() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, socket.create_connection(listening.getsockname()) as one:
        other, _ = listening.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link = SocketLink(one, "one")
        other.close()  # with a reset
        await link.wait_readable()
        with pytest.raises(trio.BrokenResourceError):
            link.receive_into(memoryview(bytearray(10)))


async def test_flushed() -> None:
    near, far = await make_pair()
    near.send_now(b"hello")
    assert await far.receive_some(100) == b"hello"
    if near.flushed is not False:  # only Linux tells
        near.send_now(b"more")
        assert await far.receive_some(100) == b"more"
        assert near.flushed
    await near.aclose()
    assert near.flushed is False
    await far.aclose()


async def test_receiving_after_a_short_read_costs_no_failing_call() -> None:
    """After a read that came back short it waits for readability first (design 5, rule 3)."""
    near, far = await make_pair()
    calls = 0

    class Counting(socket.socket):
        def recv(self, size: int, flags: int = 0) -> bytes:
            nonlocal calls
            calls += 1
            return super().recv(size, flags)

    inner = far._socket
    counting = Counting(inner.family, inner.type, fileno=inner.detach())
    counting.setblocking(False)
    far._socket = counting
    for _ in range(10):
        near.send_now(b"x")
        assert await far.receive_some(100) == b"x"
    assert calls == 10
    await near.aclose()
    assert await far.receive_some(100) == b""
    await far.aclose()


async def test_stream_link() -> None:
    streams = trio.testing.memory_stream_pair()
    near, far = StreamLink(streams[0], "somewhere"), StreamLink(streams[1])
    assert near.address == "somewhere"
    assert near.send_now(b"never") == 0
    await near.send([b"he", memoryview(b"llo")])
    assert near.bytes_sent == 5
    assert await far.receive_some(100) == b"hello"
    assert not near.flushed
    await near.send_eof()
    assert await far.receive_some(100) == b""
    await far.send([b"still"])
    assert await near.receive_some(100) == b"still"
    await near.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await far.send([b"x"])


async def test_stream_link_over_a_stream_that_cannot_half_close() -> None:
    class Whole(trio.abc.Stream):
        async def send_all(self, data: object) -> None: ...
        async def wait_send_all_might_not_block(self) -> None: ...
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            return b""

        async def aclose(self) -> None: ...

    await StreamLink(Whole()).send_eof()
