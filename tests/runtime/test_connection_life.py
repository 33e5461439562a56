"""When to stop connecting, and how long to wait for what (libzmq tests/test_reconnect_options, test_stream_timeout)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from trizmq import ReconnectStop
from trizmq.transports import STREAM_TRANSPORTS

from .helpers import (
    GREETING,
    NOBODY,
    TRANSPORTS,
    MemoryTransport,
    RawPeer,
    meet,
    message,
    raw_connection,
    raw_listener,
    until,
)

pytestmark = pytest.mark.deadline(10)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTransport:
    transport = MemoryTransport()
    monkeypatch.setitem(STREAM_TRANSPORTS, "mem", transport)
    return transport


async def kinds_until_closed(events: trizmq.EventWatcher) -> list[str]:
    kinds = []
    async for event in events:
        if not isinstance(event, (trizmq.DropsBegan, trizmq.DropsEnded)):
            kinds.append(type(event).__name__)
        if isinstance(event, trizmq.Closed):
            return kinds
    raise AssertionError(kinds)


# ---- disconnect


async def test_disconnect_loses_nothing_although_input_is_unread() -> None:
    """Closing TCP with unread input resets it, and what the peer's system has not given out is gone."""
    async with (
        raw_listener() as listener,
        trizmq.Dealer(receive_hwm=1, receive_buffer=4096) as dealer,
        dealer.events() as events,
    ):
        dealer.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands("ROUTER")
        with trio.move_on_after(0.1):
            await peer.stream.send_all(message(bytes(1000)) * 10_000)
        for _ in range(50):
            await dealer.send(bytes(1000))
        await dealer.wait_drained()
        dealer.disconnect(listener.endpoint)
        assert not dealer.writable
        received = 0
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                nonlocal received
                async for _ in dealer:
                    received += 1

            nursery.start_soon(receive)
            assert await peer.read_messages_to_end() == [[bytes(1000)]] * 50
            await peer.stream.aclose()
            told = [event async for event in until_closed(events)]
            nursery.cancel_scope.cancel()
        assert received > 1, "what the peer had sent stays readable"
        assert [type(event) for event in told[-2:]] == [trizmq.Disconnected, trizmq.Closed]
        assert told[-2].cause == "closed by this side"


@pytest.mark.parametrize("count", [3, 200, 5000])
async def test_what_is_here_when_we_disconnect_stays_readable(count: int) -> None:
    """Also what is read and has no room in the queue yet."""
    async with trizmq.Push() as push, trizmq.Pull(receive_hwm=2) as pull:
        await meet(push, pull)
        await push.send_many([b"x"] * count)
        await push.wait_drained()
        await pull.wait_readable()
        await trio.testing.wait_all_tasks_blocked(0.01)
        (endpoint,) = pull.endpoints()
        pull.disconnect(endpoint.endpoint)
        await trio.testing.wait_all_tasks_blocked(0.01)
        for _ in range(count):
            assert await pull.recv() == b"x"
        await until(lambda: not pull.endpoints())


async def test_no_connection_follows_a_disconnect() -> None:
    """With ``immediate`` the relation ends with the first write that fails, while there is still something to be read."""
    async with (
        raw_listener() as listener,
        trizmq.Dealer(immediate=True, receive_hwm=2, reconnect_interval=0.001) as dealer,
        dealer.events() as events,
    ):
        dealer.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands("ROUTER")
        await dealer.wait_connected()
        await peer.stream.send_all(message(bytes(10_000)) * 11)
        await peer.stream.aclose()
        while dealer.writable:
            with contextlib.suppress(trio.WouldBlock):
                dealer.send_nowait(b"x")
            await trio.testing.wait_all_tasks_blocked(0.001)
        dealer.disconnect(listener.endpoint)
        for _ in range(11):
            await dealer.recv()
        assert await kinds_until_closed(events) == ["Connected", "HandshakeSucceeded", "Disconnected", "Closed"]


async def until_closed(events: trizmq.EventWatcher) -> AsyncIterator[Any]:
    async for event in events:
        yield event
        if isinstance(event, trizmq.Closed):
            return


# ---- reconnect_stop


@pytest.mark.parametrize("endpoint", [NOBODY, f"{TRANSPORTS['ipc']}-nobody"])
@pytest.mark.parametrize("stop", [ReconnectStop.REFUSED, ReconnectStop.ALWAYS])
async def test_stop_when_refused(endpoint: str, stop: ReconnectStop) -> None:
    """The endpoint is gone, what was queued for it is counted, and it can be connected to anew."""
    async with trizmq.Push(reconnect_stop=stop) as push:
        events = push.events()
        for number in (1, 2):
            push.connect(endpoint)
            await push.send(b"x")
            assert await kinds_until_closed(events) == ["ConnectStopped", "Closed"]
            assert push.statistics().peers == ()
            assert push.statistics().drops == {trizmq.DropReason.PEER_GONE: number}
            with pytest.raises(trizmq.EndpointError, match="not connected"):
                push.disconnect(endpoint)


async def test_the_event_says_why() -> None:
    async with trizmq.Push(reconnect_stop=ReconnectStop.REFUSED) as push:
        events = push.events()
        push.connect(NOBODY)
        event = await events.__anext__()
        assert isinstance(event, trizmq.ConnectStopped)
        assert event.endpoint == NOBODY
        assert "refused" in event.cause


async def test_stop_when_the_handshake_fails(autojump_clock: trio.testing.MockClock) -> None:
    """A mute peer; libzmq's test has the same sequence."""
    async with (
        raw_listener() as listener,
        trizmq.Push(handshake_timeout=1, reconnect_stop=ReconnectStop.HANDSHAKE_FAILED) as push,
    ):
        events = push.events()
        push.connect(listener.endpoint)
        await listener.accept()
        assert await kinds_until_closed(events) == ["Connected", "HandshakeFailed", "ConnectStopped", "Closed"]


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_stop_after_a_disconnect(transport: str) -> None:
    async with trizmq.Push(reconnect_stop=ReconnectStop.AFTER_DISCONNECT) as push:
        events = push.events()
        async with trizmq.Pull() as pull:
            await meet(pull, push, TRANSPORTS[transport])
        assert await kinds_until_closed(events) == [
            "Connected",
            "HandshakeSucceeded",
            "Disconnected",
            "ConnectStopped",
            "Closed",
        ]


async def test_other_failures_are_tried_again(memory: MemoryTransport, autojump_clock: trio.testing.MockClock) -> None:
    stop = ReconnectStop.ALWAYS & ~ReconnectStop.REFUSED
    async with trizmq.Push(reconnect_stop=stop, reconnect_interval=0.1, linger=0) as push:
        push.connect("mem://x")
        await memory.wait_attempts(5)
        async with trizmq.Pull() as pull:
            await pull.bind("mem://x")
            await push.wait_connected()


async def test_a_connection_renewed_by_ourselves_is_no_disconnect(memory: MemoryTransport) -> None:
    """A REQ whose request was given up gets a new connection to a ROUTER, whatever ``reconnect_stop`` says."""
    async with trizmq.Req(reconnect_stop=ReconnectStop.ALWAYS) as req, trizmq.Router() as router:
        await meet(router, req, "mem://x")
        with trio.move_on_after(0.01):
            await req.request(b"given up")
        await router.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(req.request, b"second")
            identity, *_, body = await router.receive()
            assert body == b"second"
            await router.send([identity, b"", b"reply"])


async def test_unreachable(monkeypatch: pytest.MonkeyPatch, memory: MemoryTransport) -> None:
    async def connect(*_: object) -> object:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(memory, "connect", connect)
    async with trizmq.Push(reconnect_stop=ReconnectStop.UNREACHABLE) as push:
        events = push.events()
        push.connect("mem://x")
        assert await kinds_until_closed(events) == ["ConnectStopped", "Closed"]


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", TRANSPORTS["ipc"]])
async def test_never_again_until_it_is_asked_for(endpoint: str, autojump_clock: trio.testing.MockClock) -> None:
    """libzmq tests/test_reconnect_ivl: with -1 there, an unbind and a bind later nothing flows until a new connect."""
    async with trizmq.Dealer(reconnect_stop=ReconnectStop.ALWAYS) as near, trizmq.Dealer() as far:
        endpoint = await meet(far, near, endpoint)
        far.unbind(endpoint)
        await until(lambda: not near.statistics().peers)
        await far.bind(endpoint)
        await trio.sleep(10)
        assert near.statistics().peers == far.statistics().peers == ()
        near.connect(endpoint)
        await near.send(b"x")
        assert await far.recv() == b"x"


async def test_pending_messages_of_a_stopped_endpoint_do_not_hold_up_the_close(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trizmq.Push(reconnect_stop=ReconnectStop.REFUSED, linger=1000) as push:
        push.connect(NOBODY)
        await push.send(b"x")
    assert trio.current_time() < 10


# ---- timeouts


async def test_connect_timeout(
    monkeypatch: pytest.MonkeyPatch, memory: MemoryTransport, autojump_clock: trio.testing.MockClock
) -> None:
    """An attempt that leads nowhere ends, and the next comes after the usual wait."""
    attempts: list[float] = []

    async def connect(*_: object) -> object:
        attempts.append(trio.current_time())
        await trio.sleep_forever()

    monkeypatch.setattr(memory, "connect", connect)
    async with trizmq.Push(connect_timeout=5, reconnect_interval=1, linger=0) as push:
        events = push.events()
        push.connect("mem://x")
        for _ in range(2):
            assert isinstance(await events.__anext__(), trizmq.ConnectDelayed)
            event = await events.__anext__()
            assert isinstance(event, trizmq.ConnectRetried)
            assert event.cause == "no connection within 5 s"
            await trio.sleep(event.delay)
        await until(lambda: len(attempts) == 3)
        assert 5.5 <= attempts[1] - attempts[0] <= 6.5
        assert 6 <= attempts[2] - attempts[1] <= 8


def test_the_handshake_timeout_is_libzmqs() -> None:
    assert trizmq.Push().handshake_timeout == 30


@pytest.mark.parametrize("said", [b"", GREETING[:5], GREETING], ids=["nothing", "a part", "a greeting"])
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_a_mute_peer_of_a_bound_socket(
    transport: str, said: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    async with trizmq.Pull(handshake_timeout=0.1) as pull:
        events = pull.events()
        async with raw_connection(await pull.bind(TRANSPORTS[transport])) as peer:
            await peer.stream.send_all(said)
            await drained(peer)
        kinds = [type(await events.__anext__()) for _ in range(3)]
        assert kinds == [trizmq.Listening, trizmq.Accepted, trizmq.HandshakeFailed]


async def test_a_mute_peer_of_a_connected_socket(autojump_clock: trio.testing.MockClock) -> None:
    async with raw_listener() as listener, trizmq.Pull(handshake_timeout=0.1) as pull:
        events = pull.events()
        pull.connect(listener.endpoint)
        await drained(await listener.accept())
        assert isinstance(await events.__anext__(), trizmq.Connected)
        event = await events.__anext__()
        assert isinstance(event, trizmq.HandshakeFailed)
        assert "0.1 s" in event.cause


async def drained(peer: RawPeer) -> None:
    """Read up to the end of the connection."""
    with pytest.raises(EOFError):
        await peer.read(1000)
