"""Heartbeats (zmtp-wire.md 6; libzmq tests/test_heartbeats.cpp): who is gone without a word is noticed, who is not is not."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

import trizmq
from trizmq.runtime.heart import Heartbeat, Pulse
from trizmq.transports import STREAM_TRANSPORTS

from .helpers import GREETING, GREETING_30, MemoryAcceptor, MemoryTransport, RawPeer, frame, meet, message, start

pytestmark = pytest.mark.deadline(10)

PING = b"\x04PING\x00\x00"
PONG = frame(b"\x04PONG", 4)

Meet = Callable[[trizmq.Socket], Awaitable[RawPeer]]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTransport:
    transport = MemoryTransport()
    monkeypatch.setitem(STREAM_TRANSPORTS, "mem", transport)
    return transport


@pytest.fixture(params=["bound", "connected"])
async def meet_raw(request: pytest.FixtureRequest, memory: MemoryTransport) -> Meet:
    """Give a socket a raw peer, in both roles; called again for a connected one it waits for the next connection."""

    async def bound(socket: trizmq.Socket) -> RawPeer:
        await socket.bind("mem://x")
        link = await memory.connect("x", "mem://x", socket)
        return RawPeer(link.stream)

    acceptors: list[MemoryAcceptor] = []

    async def connected(socket: trizmq.Socket) -> RawPeer:
        if not acceptors:
            acceptors.append(await memory.bind("y", "mem://y", socket))
            socket.connect("mem://y")
        return RawPeer((await acceptors[0].accept()).stream)

    return bound if request.param == "bound" else connected


async def pings(peer: RawPeer, seconds: float) -> list[float]:
    """When PINGs come within so many seconds from now; whatever else comes is an error."""
    began = trio.current_time()
    times = []
    with trio.move_on_after(seconds):
        while True:
            flags, body = await peer.read_frame()
            assert (flags, body[:5]) == (4, b"\x04PING")
            times.append(trio.current_time() - began)
    return times


async def ended(events: trizmq.EventWatcher) -> trizmq.Disconnected:
    async for event in events:
        if isinstance(event, trizmq.Disconnected):
            return event
    raise AssertionError


@pytest.mark.parametrize("greeting", [GREETING, GREETING_30], ids=["3.1", "3.0"])
async def test_a_ping_goes_out_every_interval_whatever_comes_in(
    meet_raw: Meet, greeting: bytes, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    async with trizmq.Pull(heartbeat_interval=1, receive_hwm=0) as pull:
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH", greeting=greeting)

        async def chatter() -> None:
            while True:
                await peer.stream.send_all(message(b"x"))
                await trio.sleep(0.1)

        nursery.start_soon(chatter)
        times = await pings(peer, 10.4)
        nursery.cancel_scope.cancel()
    assert len(times) in (9, 10)
    for at, time in enumerate(times, 1):
        assert at - 0.01 <= time <= at + 0.27


async def test_the_bytes_of_a_ping(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull(heartbeat_interval=1, heartbeat_ttl=2.5) as pull:
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        assert await peer.read(9) == b"\x04\x07\x04PING\x00\x19"


async def test_none_by_default(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull() as pull:
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        assert await pings(peer, 1000) == []
        assert pull.statistics().peers[0].connected


async def test_a_silent_peer_is_given_up(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    """After ``heartbeat_interval`` by default; a connecting side connects again."""
    async with trizmq.Pull(heartbeat_interval=1, reconnect_interval=0.1) as pull:
        events = pull.events()
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        await pull.wait_connected()
        before = trio.current_time()
        assert "after a PING" in (await ended(events)).cause
        assert 1.9 <= trio.current_time() - before <= 2.8
        with trio.move_on_after(1):
            assert isinstance(await events.__anext__(), trizmq.ConnectRetried)
            peer = await meet_raw(pull)


async def test_unanswered_pings_go_on_until_the_timeout(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull(heartbeat_interval=1, heartbeat_timeout=5, reconnect_interval=1000) as pull:
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        times = []
        with pytest.raises(EOFError):
            while True:
                await peer.read_frame()
                times.append(trio.current_time())
        assert 5.9 <= trio.current_time() - times[0] + 1 <= 6.8
        assert 5 <= len(times) <= 6


@pytest.mark.parametrize("answer", [PONG, message(b"x"), frame(b"first of two", 1), b"\x00", PONG[:3]])
async def test_whatever_comes_is_an_answer(
    meet_raw: Meet, answer: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    async with trizmq.Pull(heartbeat_interval=1, receive_hwm=0) as pull:
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        await peer.read_frame()
        await trio.sleep(0.9)
        await peer.stream.send_all(answer)
        with trio.move_on_after(1) as scope:
            await ended(pull.events())
        assert scope.cancelled_caught


async def test_the_ttl_that_a_peer_gives(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    """Its PING is answered, and if it then says nothing it is given up: also by who has no heartbeats of its own."""
    async with trizmq.Pull(reconnect_interval=1000) as pull:
        events = pull.events()
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        for _ in range(3):
            await peer.stream.send_all(frame(b"\x04PING\x00\x14context", 4))
            assert await peer.read_frame() == (4, b"\x04PONGcontext")
            await trio.sleep(1.8)
        before = trio.current_time()
        assert "time to live" in (await ended(events)).cause
        assert 0.1 <= trio.current_time() - before <= 1.3


async def test_zmtp_2_peers_get_no_ping(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    """They have no such command. Nor are they given up for not answering."""
    async with trizmq.Push(heartbeat_interval=1) as push:
        peer = await meet_raw(push)
        await peer.stream.send_all(b"\xff" + bytes(8) + b"\x7f\x01\x07" + b"\x00\x00")  # a PULL without identity
        await push.wait_connected()
        await peer.read(12 + 2)
        await trio.sleep(100)
        await push.send(b"x")
        assert await peer.read_frame() == (0, b"x")
        assert push.statistics().peers[0].connected


async def test_zmtp_1_peers_get_no_ping(meet_raw: Meet, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Push(heartbeat_interval=1) as push:
        peer = await meet_raw(push)
        await peer.stream.send_all(b"\x01\x00")  # an anonymous identity
        await push.wait_connected()
        await trio.sleep(100)
        await push.send(b"x")
        await push.wait_drained()
        assert push.statistics().peers[0].connected


async def test_not_reading_is_our_doing(
    meet_raw: Meet, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """At the high-water mark nothing is read. The peer is not taken for dead, and hears from us all the same."""
    async with trizmq.Pull(heartbeat_interval=1, receive_hwm=2) as pull:
        peer = await meet_raw(pull)
        await peer.shake_hands("PUSH")
        await peer.stream.send_all(message(b"x") * 10)
        times = await pings(peer, 60.5)
        assert len(times) >= 58
        assert pull.statistics().peers[0].connected
        lost = await start(nursery, ended, pull.events())
        for _ in range(10):
            await pull.recv()
        await trio.sleep(0.5)
        assert not lost.done, "the timeout starts anew when it is read again"
        await trio.sleep(2)
        assert lost.done, "now the silence is the peer's"


async def test_a_process_that_stood_still(
    memory: MemoryTransport, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """What the peer has said meanwhile counts, whether the heart or the reader is woken first."""
    async with trizmq.Pull(heartbeat_interval=1, receive_hwm=0) as pull:
        await pull.bind("mem://x")
        peer = RawPeer((await memory.connect("x", "mem://x", pull)).stream)
        await peer.shake_hands("PUSH")
        for _ in range(30):
            await peer.read_frame()
            await peer.stream.send_all(PONG)
            autojump_clock.jump(100)
        assert pull.statistics().peers[0].connected


async def test_a_peer_that_does_not_read_gets_one_ping_not_many(
    memory: MemoryTransport, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """It sends, so it lives; but what is written to it stays here."""
    clogged = trio.Event()

    def on_connect(near: trio.abc.Stream, far: trio.abc.Stream) -> None:
        sender = far.send_stream  # type: ignore[attr-defined]
        original = sender.send_all

        async def send_all(data: bytes) -> None:
            if b"PING" in data:
                clogged.set()
                await trio.sleep_forever()
            await original(data)

        sender.send_all = send_all

    memory.on_connect = on_connect
    async with trizmq.Pull(heartbeat_interval=0.1, linger=0, receive_hwm=0) as pull:
        await pull.bind("mem://x")
        peer = RawPeer((await memory.connect("x", "mem://x", pull)).stream)
        await peer.shake_hands("PUSH")
        await clogged.wait()
        for _ in range(100):
            await peer.stream.send_all(message(b"x"))
            await trio.sleep(0.09)
        assert pull.statistics().peers[0].connected
        (session,) = pull._core.sessions
        assert session.engine is not None
        assert len(session.engine._control) < 20


@pytest.mark.deadline(60)
async def test_between_sockets(memory: MemoryTransport, autojump_clock: trio.testing.MockClock) -> None:
    async with (
        trizmq.Dealer(heartbeat_interval=0.5, heartbeat_timeout=0.2, heartbeat_ttl=1) as near,
        trizmq.Dealer(heartbeat_interval=0.7, heartbeat_ttl=2) as far,
    ):
        await meet(near, far, "mem://x")
        await trio.sleep(1000)
        assert near.statistics().reconnects == far.statistics().reconnects == 0
        await near.send(b"x")
        assert await far.recv() == b"x"


# ---- the rule itself


@pytest.fixture
async def pulse() -> Pulse:
    return Pulse(Heartbeat(1, 3, 0, lambda period: None), 100.0)


def lost(pulse: Pulse, now: float, *, ttl: float = 0, reading: bool = True) -> bool:
    """Looked at twice."""
    pulse.lost(now, ttl, reading=reading)
    return bool(pulse.lost(now, ttl, reading=reading))


async def test_the_timeout_runs_from_the_first_ping_without_answer(pulse: Pulse) -> None:
    assert not pulse.ping_due(100.9)
    assert pulse.ping_due(101)
    for now in (101, 102, 103):
        pulse.asked(now)
        assert not lost(pulse, now + 0.9)
    assert lost(pulse, 104)


async def test_it_takes_two_looks(pulse: Pulse) -> None:
    pulse.asked(101)
    assert not pulse.lost(200, 0, reading=True)
    pulse.last_heard, pulse.fresh = 200, True
    assert not lost(pulse, 201)
    pulse.asked(202)
    assert not pulse.lost(300, 0, reading=True)
    assert "98 s" in pulse.lost(300, 0, reading=True)


async def test_pings_that_were_missed_are_not_made_up_for(pulse: Pulse) -> None:
    pulse.asked(150)
    assert not pulse.ping_due(150.9)
    assert pulse.ping_due(151)


async def test_without_an_interval_no_ping_is_ever_due() -> None:
    pulse = Pulse(Heartbeat(0, 0, 0, lambda period: None), 0)
    assert not pulse.ping_due(1e9)
    assert not lost(pulse, 1e9)
    assert lost(pulse, 1e9, ttl=1)
    assert not lost(pulse, 1e9, ttl=1, reading=False)
    assert not lost(pulse, 1e9 + 0.9, ttl=1)
    assert not lost(pulse, math.inf)
