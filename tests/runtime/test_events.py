"""Events: what happened to endpoints and connections, in order, bounded, and over when the socket is closed."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from trizmq import (
    Accepted,
    Closed,
    Connected,
    ConnectRetried,
    Disconnected,
    Event,
    HandshakeFailed,
    HandshakeSucceeded,
    Listening,
)

from .helpers import GREETING, NOBODY, STREAMS, meet, raw_connection, raw_listener, until

pytestmark = pytest.mark.deadline(10)


async def take(events: trizmq.EventWatcher, count: int) -> list[Event]:
    with trio.fail_after(5):
        return [await events.__anext__() for _ in range(count)]


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_both_sides_of_a_connection(endpoint: str) -> None:
    """libzmq's test_monitor: LISTENING, ACCEPTED, HANDSHAKE_SUCCEEDED; CONNECTED, HANDSHAKE_SUCCEEDED; the end."""
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"d") as dealer:
        near, far = router.events(), dealer.events()
        bound = await meet(router, dealer, endpoint)
        at_router, at_dealer = await take(near, 3), await take(far, 2)
        assert [type(event) for event in at_router] == [Listening, Accepted, HandshakeSucceeded]
        assert [type(event) for event in at_dealer] == [Connected, HandshakeSucceeded]
        assert {event.endpoint for event in at_router + at_dealer} == {bound}
        assert at_router[2] == HandshakeSucceeded(bound, at_router[1].address, "DEALER", b"d")
        assert at_dealer[1] == HandshakeSucceeded(bound, at_dealer[0].address, "ROUTER", b"")
        await dealer.aclose()
        assert [type(event) for event in await take(near, 1)] == [Disconnected]
        assert [type(event) async for event in far][-1] is Closed
        router.unbind(bound)
        assert [type(event) for event in await take(near, 1)] == [Closed]


async def test_nobody_listens() -> None:
    async with trizmq.Push(reconnect_interval=0.001) as push:
        events = push.events()
        push.connect(NOBODY)
        for event in await take(events, 3):
            assert isinstance(event, ConnectRetried)
            assert event.endpoint == NOBODY
            assert event.delay > 0
            assert "refused" in event.cause.lower()


async def test_a_peer_that_speaks_something_else() -> None:
    async with trizmq.Pull() as pull:
        events = pull.events()
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            await peer.stream.send_all(GREETING.replace(b"NULL", b"MAGI"))
            with trio.fail_after(5):
                listening, accepted, failed = await take(events, 3)
        assert isinstance(failed, HandshakeFailed)
        assert failed.cause
        assert failed.address == accepted.address
        assert isinstance(listening, Listening)


async def test_a_socket_type_that_does_not_fit() -> None:
    async with trizmq.Pull() as pull, trizmq.Pub() as pub:
        near, far = pull.events(), pub.events()
        pub.connect(await pull.bind("tcp://127.0.0.1:*"))
        failed = (await take(near, 3))[2]
        assert isinstance(failed, HandshakeFailed)
        assert "PUB" in failed.cause
        assert "PULL" in failed.cause
        at_pub = await take(far, 3)
        assert [type(event) for event in at_pub] == [Connected, HandshakeFailed, ConnectRetried]


async def test_a_peer_that_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull(handshake_timeout=7) as pull:
        events = pull.events()
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            before = trio.current_time()
            await peer.read(10)
            failed = [await events.__anext__() for _ in range(3)][2]
            assert isinstance(failed, HandshakeFailed)
            assert "7 s" in failed.cause
            assert trio.current_time() - before == pytest.approx(7, abs=0.5)


async def test_a_lost_connection_is_retried() -> None:
    async with raw_listener() as listener, trizmq.Push(reconnect_interval=0.01) as push:
        events = push.events()
        push.connect(listener.endpoint)
        for _ in range(2):
            peer = await listener.accept()
            await peer.shake_hands("PULL")
            await push.wait_connected()
            await trio.aclose_forcefully(peer.stream)
            kinds = [type(event) for event in await take(events, 4)]
            assert kinds == [Connected, HandshakeSucceeded, Disconnected, ConnectRetried]


async def test_rubbish_ends_the_connection_with_its_cause() -> None:
    async with trizmq.Pull() as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            await peer.shake_hands("PUSH")
            await pull.wait_connected()
            events = pull.events()
            await peer.stream.send_all(b"\xff" * 9)
            (disconnected,) = await take(events, 1)
        assert isinstance(disconnected, Disconnected)
        assert disconnected.cause not in ("", "closed by the peer")


async def test_inproc() -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        near, far = pull.events(), push.events()
        await meet(pull, push, "inproc://x")
        assert [type(event) for event in await take(near, 2)] == [Listening, HandshakeSucceeded]
        assert [type(event) for event in await take(far, 1)] == [HandshakeSucceeded]
        push.disconnect("inproc://x")
        assert [type(event) for event in await take(near, 1)] == [Disconnected]
        assert [type(event) for event in await take(far, 2)] == [Disconnected, Closed]


async def test_a_slow_watcher_loses_the_oldest_and_knows_how_many() -> None:
    async with trizmq.Pull() as pull:
        slow, quick = pull.events(limit=2), pull.events()
        bound = [await pull.bind("tcp://127.0.0.1:*") for _ in range(5)]
        assert slow.missed == 3
        assert [event.endpoint for event in await take(slow, 2)] == bound[3:]
        assert [event.endpoint for event in await take(quick, 5)] == bound
        assert quick.missed == 0


async def test_ends_at_close() -> None:
    async with trizmq.Pull() as pull:
        events = pull.events()
        bound = await pull.bind("tcp://127.0.0.1:*")
        await pull.aclose()
        assert [event async for event in events] == [Listening(bound), Closed(bound)]
        assert [event async for event in events] == []
        assert [event async for event in pull.events()] == []


async def test_two_tasks_share_a_watcher(nursery: trio.Nursery) -> None:
    got: list[Event] = []
    ended = 0

    async def watch(events: trizmq.EventWatcher) -> None:
        nonlocal ended
        async for event in events:
            got.append(event)  # noqa: PERF401  # one by one: the test looks while it goes on
        ended += 1

    async with trizmq.Pull() as pull:
        events = pull.events()
        nursery.start_soon(watch, events)
        nursery.start_soon(watch, events)
        await trio.testing.wait_all_tasks_blocked()
        await pull.bind("inproc://a")
        await pull.bind("inproc://b")
        await until(lambda: len(got) == 2)
    await until(lambda: ended == 2)


async def test_watching_can_end_before_the_socket() -> None:
    async with trizmq.Pull() as pull:
        async with pull.events() as events:
            await pull.bind("inproc://a")
        await pull.bind("inproc://b")
        assert [event.endpoint async for event in events] == ["inproc://a"]


async def test_a_cancelled_wait_loses_no_event() -> None:
    async with trizmq.Pull() as pull:
        events = pull.events()
        await pull.bind("inproc://a")
        with trio.CancelScope() as scope:
            scope.cancel()
            await events.__anext__()
        assert scope.cancelled_caught
        assert await take(events, 1) == [Listening("inproc://a")]
