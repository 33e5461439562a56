"""Contracts of libzmq's test_monitor: the sequence of events, their numbers and values, on both sides of each transport.

Where libzmq hides something we tell more: inproc has events, incompatible peers have their own, and a peer that is lost
because this side closed the connection is told as well.
"""

from __future__ import annotations

import errno

import pytest
import trio
import trio.testing

import trizmq
from trizmq import Event

from ..runtime.helpers import GREETING, NOBODY, STREAMS, TRANSPORTS, frame, meet, raw_connection, raw_listener, ready

pytestmark = pytest.mark.deadline(10)

# zmq.h
CONNECTED, DELAYED, RETRIED, LISTENING, BIND_FAILED = 0x0001, 0x0002, 0x0004, 0x0008, 0x0010
ACCEPTED, CLOSED, DISCONNECTED = 0x0020, 0x0080, 0x0200
FAILED_NO_DETAIL, SUCCEEDED, FAILED_PROTOCOL, FAILED_AUTH = 0x0800, 0x1000, 0x2000, 0x4000
INVALID_METADATA, MECHANISM_MISMATCH = 0x10000018, 0x11000002
UNSPECIFIED, UNEXPECTED_COMMAND, MALFORMED_COMMAND, MALFORMED_ERROR = 0x10000000, 0x10000001, 0x10000011, 0x10000015


async def take(events: trizmq.EventWatcher, count: int) -> list[Event]:
    with trio.fail_after(5):
        return [await events.__anext__() for _ in range(count)]


def numbers(events: list[Event]) -> list[tuple[int, int]]:
    return [(event.zmq_event, event.zmq_value) for event in events]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("closer", ["connector", "binder"])
async def test_a_connection_from_both_sides(transport: str, closer: str) -> None:
    async with trizmq.Rep() as rep, trizmq.Req(routing_id=b"me") as req:
        at_rep, at_req = rep.events(), req.events()
        bound = await meet(rep, req, TRANSPORTS[transport])
        with trio.fail_after(5):
            if closer == "connector":
                req.disconnect(bound)
                ends = await take(at_req, 4 if transport != "inproc" else 3)
                ended = await take(at_rep, 4 if transport != "inproc" else 3)
                await rep.aclose()
                await req.aclose()
                stopped = [event async for event in at_rep]
                assert numbers(stopped) == [(CLOSED, 0)]
                assert numbers(ended)[-1] == (DISCONNECTED, 0)
            else:
                await rep.aclose()
                ended = [event async for event in at_rep]
                ends = await take(at_req, 3 if transport != "inproc" else 2)
                assert set(numbers(ended)[-2:]) == {(CLOSED, 0), (DISCONNECTED, 0)}
                assert numbers(ends)[-1] == (DISCONNECTED, 0)
        begin = (
            [(LISTENING, 0), (ACCEPTED, 0), (SUCCEEDED, 0)]
            if transport != "inproc"
            else [(LISTENING, 0), (SUCCEEDED, 0)]
        )
        assert numbers(ended)[: len(begin)] == begin
        begin = [(CONNECTED, 0), (SUCCEEDED, 0)] if transport != "inproc" else [(SUCCEEDED, 0)]
        assert numbers(ends)[: len(begin)] == begin
        assert {event.endpoint for event in ended + ends} == {bound}
        (gone,) = (event for event in ended if isinstance(event, trizmq.Disconnected))
        assert (gone.socket_type, gone.routing_id) == ("REQ", b"me"), "who it was is told, other than by libzmq"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_bind_failed(transport: str) -> None:
    async with trizmq.Pull() as pull, trizmq.Pull() as other:
        bound = await pull.bind(TRANSPORTS[transport])
        events = other.events()
        with pytest.raises(OSError, match="cannot bind") as caught:
            await other.bind(bound)
        (failed,) = await take(events, 1)
        assert failed == trizmq.BindFailed(bound, error=str(caught.value), errno=errno.EADDRINUSE)
        assert numbers([failed]) == [(BIND_FAILED, errno.EADDRINUSE)]


async def test_retried() -> None:
    """The value is the delay in milliseconds; libzmq tells CLOSED of the attempt's descriptor as well."""
    async with trizmq.Push(reconnect_interval=0.2) as push:
        events = push.events()
        push.connect(NOBODY)
        (retried,) = await take(events, 1)
        assert retried.zmq_event == RETRIED
        assert 100 <= retried.zmq_value <= 300


async def test_a_connection_that_takes_long(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*args: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr("trizmq.transports.tcp.Tcp.connect", endless)
    async with trizmq.Push(connect_timeout=3) as push:
        events = push.events()
        push.connect("tcp://127.0.0.1:5")
        delayed, retried = await take(events, 2)
        assert numbers([delayed]) == [(DELAYED, errno.EINPROGRESS)]
        assert delayed == trizmq.ConnectDelayed("tcp://127.0.0.1:5")
        assert retried.zmq_event == RETRIED


HANDSHAKES: dict[str, tuple[bytes, type[Event], int, int]] = {
    "another mechanism": (
        GREETING.replace(b"NULL", b"MAGI"),
        trizmq.IncompatiblePeer,
        FAILED_PROTOCOL,
        MECHANISM_MISMATCH,
    ),
    "another type": (GREETING + ready("SUB"), trizmq.IncompatiblePeer, FAILED_PROTOCOL, INVALID_METADATA),
    "a zero identity": (
        GREETING + ready("PUSH", b"\0"),
        trizmq.HandshakeFailedProtocol,
        FAILED_PROTOCOL,
        INVALID_METADATA,
    ),
    "bad metadata": (
        GREETING + frame(b"\x05READY\x05Hello", 4),
        trizmq.HandshakeFailedProtocol,
        FAILED_PROTOCOL,
        INVALID_METADATA,
    ),
    "no command": (GREETING + frame(b"", 4), trizmq.HandshakeFailedProtocol, FAILED_PROTOCOL, MALFORMED_COMMAND),
    "another command": (
        GREETING + frame(b"\x05HELLO", 4),
        trizmq.HandshakeFailedProtocol,
        FAILED_PROTOCOL,
        UNEXPECTED_COMMAND,
    ),
    "an empty error": (
        GREETING + frame(b"\x05ERROR", 4),
        trizmq.HandshakeFailedProtocol,
        FAILED_PROTOCOL,
        MALFORMED_ERROR,
    ),
    "an error": (GREETING + frame(b"\x05ERROR\x02no", 4), trizmq.HandshakeFailedProtocol, FAILED_PROTOCOL, UNSPECIFIED),
    "not let in": (GREETING + frame(b"\x05ERROR\x03400", 4), trizmq.HandshakeFailedAuth, FAILED_AUTH, 400),
    "the end": (GREETING, trizmq.HandshakeFailed, FAILED_NO_DETAIL, errno.EPIPE),
}


@pytest.mark.parametrize("case", HANDSHAKES)
@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_handshake_failed(case: str, endpoint: str) -> None:
    data, kind, number, value = HANDSHAKES[case]
    async with trizmq.Pull() as pull:
        events = pull.events()
        bound = await pull.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.stream.send_all(data)
            if case == "the end":
                await trio.aclose_forcefully(peer.stream)
            failed = (await take(events, 3))[2]
        assert type(failed) is kind
        assert isinstance(failed, trizmq.HandshakeFailed)
        assert failed.zmq_event == number
        # unread bytes make the system send a reset
        assert failed.zmq_value in ((value, errno.ECONNRESET) if case == "the end" else (value,))
        assert failed.cause
        if isinstance(failed, trizmq.IncompatiblePeer):
            assert failed.socket_type == ("SUB" if case == "another type" else "")
        assert pull.statistics().handshakes_failed == pull.statistics().connections_accepted == 1


async def test_the_connecting_side_of_a_failed_handshake() -> None:
    async with raw_listener() as listener, trizmq.Push(reconnect_interval=0.001) as push:
        events = push.events()
        push.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.stream.send_all(GREETING + ready("SUB"))
        connected, failed, retried = await take(events, 3)
        assert numbers([connected, failed]) == [(CONNECTED, 0), (FAILED_PROTOCOL, INVALID_METADATA)]
        assert isinstance(failed, trizmq.IncompatiblePeer)
        assert failed.socket_type == "SUB"
        assert retried.zmq_event == RETRIED, "libzmq gives up for ever, silently"


async def test_a_handshake_that_takes_too_long(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull(handshake_timeout=3) as pull:
        events = pull.events()
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound):
            failed = [await events.__anext__() for _ in range(3)][2]
        assert numbers([failed]) == [(FAILED_NO_DETAIL, errno.ETIMEDOUT)]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_peer_that_is_refused(transport: str) -> None:
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"d") as one, trizmq.Dealer(routing_id=b"d") as two:
        bound = await meet(router, one, TRANSPORTS[transport])
        events = router.events()
        two.connect(bound)
        failed = (await take(events, 2 if transport != "inproc" else 1))[-1]
        assert isinstance(failed, trizmq.PeerRefused)
        assert "routing id" in failed.cause


async def test_an_incompatible_peer_over_inproc() -> None:
    """Who connects first learns of it when somebody binds."""
    async with trizmq.Push() as push, trizmq.Pub() as pub:
        near, far = push.events(), pub.events()
        push.connect("inproc://x")
        await pub.bind("inproc://x")
        (at_push,), (_, at_pub) = await take(near, 1), await take(far, 2)
        assert isinstance(at_push, trizmq.IncompatiblePeer)
        assert isinstance(at_pub, trizmq.IncompatiblePeer)
        assert (at_push.socket_type, at_pub.socket_type) == ("PUB", "PUSH")


async def test_a_reader_that_does_not_read_stops_nothing() -> None:
    """libzmq's monitor is a PAIR that the I/O thread writes to: some 2000 unread events freeze the whole context."""
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        events = pull.events(limit=10)
        bound = await meet(pull, push)
        for _ in range(50):
            async with trizmq.Push() as other:
                other.connect(bound)
                await other.send(b"x")
                assert await pull.recv() == b"x"
        assert events.missed > 100
        assert repr(events) == f"<trizmq.EventWatcher watching, 10 events waiting, {events.missed} missed>"
