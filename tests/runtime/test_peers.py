"""peers() and disconnect_peer(): who is there, and ending one connection."""

from __future__ import annotations

import dataclasses

import pytest
import trio
import trio.testing

import trizmq
from trizmq import DropReason, HostUnreachable

from .helpers import NOBODY, TRANSPORTS, meet, raw_connection, until

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


def test_one_class_under_two_names() -> None:
    assert trizmq.PeerInfo is trizmq.PeerStatistics


async def test_being_connected_to() -> None:
    async with trizmq.Push(linger=0) as push:
        push.connect(NOBODY)
        await push.send_many([b"1", b"2"])
        (peer,) = push.peers()
        assert (peer.endpoint, peer.connecting, peer.connected, peer.outbound) == (NOBODY, True, False, 2)
        assert (peer.address, peer.socket_type, peer.mechanism, peer.metadata) == ("", "", "", {})
        assert peer.connected_for is None
        assert peer.last_heard is None
        assert push.statistics().peers == (peer,)


@each_transport
async def test_the_eldest_come_first_and_keep_their_numbers(endpoint: str) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as one:
        bound = await meet(pull, one, endpoint)
        async with trizmq.Push() as two:
            two.connect(bound)
            await pull.wait_connected(2)
            before = [peer.id for peer in pull.peers()]
            assert before == sorted(before)
        await until(lambda: len(pull.peers()) == 1)
        assert [peer.id for peer in pull.peers()] == before[:1]
        async with trizmq.Push() as three:
            three.connect(bound)
            await pull.wait_connected(2)
            assert pull.peers()[0].id == before[0]
            assert pull.peers()[1].id not in before


async def test_times_are_trios(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as raw:
            await raw.shake_hands("PUSH")
            await pull.wait_connected()
            await trio.sleep(5)
            await raw.stream.send_all(b"\0\x01x")
            await pull.wait_readable()
            await trio.sleep(2)
            (peer,) = pull.peers()
            assert peer.connected_for == pytest.approx(7)
            assert peer.last_heard == pytest.approx(2)


async def test_statistics_can_be_looked_at_after_the_run() -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push)
        (peer,) = await trio.to_thread.run_sync(lambda: pull.statistics().peers)
        assert peer.connected
        assert peer.connected_for is None, "there is no clock in another thread"


# ---- disconnect_peer


@pytest.mark.parametrize("way", ["info", "routing id"])
@each_transport
async def test_disconnect_peer(endpoint: str, way: str) -> None:
    async with (
        trizmq.Router() as router,
        trizmq.Dealer(routing_id=b"d", reconnect_interval=0.01) as dealer,
        trizmq.Dealer(routing_id=b"other") as other,
    ):
        bound = await meet(router, dealer, endpoint)
        other.connect(bound)
        await router.wait_connected(2)
        await dealer.send(b"before")
        await router.wait_readable()
        events = router.events()
        info = next(peer for peer in router.peers() if peer.routing_id == b"d")
        router.disconnect_peer(info if way == "info" else b"d")
        event = await events.__anext__()
        assert isinstance(event, trizmq.Disconnected)
        assert event.routing_id == b"d"
        if endpoint != TRANSPORTS["inproc"]:
            assert event.cause == "closed by this side"
        assert await router.receive() == [b"d", b"before"], "what it has sent stays readable"
        await until(lambda: info.id not in [peer.id for peer in router.peers()])
        with pytest.raises(HostUnreachable, match=f"peer {info.id} "):
            router.disconnect_peer(info)
        if endpoint == TRANSPORTS["inproc"]:
            other.disconnect(bound)  # over inproc it comes back when somebody else leaves
        await router.wait_connected()
        await dealer.wait_connected()
        await dealer.send(b"after")
        assert await router.receive() == [b"d", b"after"]


async def test_the_connecting_side_waits_and_comes_again(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval=3) as push:
        await meet(pull, push)
        before = trio.current_time()
        (peer,) = push.peers()
        push.disconnect_peer(peer)
        await until(lambda: not pull.peers())
        assert push.peers()[0].id == peer.id, "the relation goes on, with its queue"
        await push.wait_connected()
        assert trio.current_time() - before == pytest.approx(3, rel=0.51)
        assert push.peers()[0].connections == 2
        assert push.statistics().disconnects == 1


async def test_all_of_one_identity() -> None:
    async with trizmq.Dealer() as server:
        bound = await server.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as one, raw_connection(bound) as two:
            await one.shake_hands("DEALER", b"same")
            await two.shake_hands("DEALER", b"same")
            await server.wait_connected(2)
            server.disconnect_peer(b"same")
            assert await one.closed()
            assert await two.closed()


async def test_nobody_to_disconnect() -> None:
    async with trizmq.Router() as router:
        router.connect(NOBODY)
        with pytest.raises(HostUnreachable, match="routing id b'nobody'"):
            router.disconnect_peer(b"nobody")
        with pytest.raises(HostUnreachable, match="not connected to the peer"):
            router.disconnect_peer(router.peers()[0])
        with pytest.raises(ValueError, match=r"peers\(\)"):
            router.disconnect_peer(b"")
        with pytest.raises(TypeError, match="routing id or an entry"):
            router.disconnect_peer("text")  # type: ignore[arg-type]
    with pytest.raises(trio.ClosedResourceError):
        router.disconnect_peer(b"x")
    with pytest.raises(trizmq.UsageError):
        trizmq.Pull().disconnect_peer(b"x")


# ---- drops, by peer


async def test_drops_by_peer() -> None:
    async with trizmq.Router(send_hwm=1) as router, trizmq.Dealer(routing_id=b"d", receive_hwm=1) as dealer:
        await meet(router, dealer, "inproc://x")
        for _ in range(5):
            await router.send([b"d", b"x"])
        await router.send([b"nobody", b"x"])
        (peer,) = router.peers()
        assert peer.drops == {DropReason.SEND_HWM: 3}
        assert peer.dropped == 3
        assert router.statistics().dropped == 4
        assert dataclasses.replace(peer, drops={}).dropped == 0


async def took(events: trizmq.EventWatcher) -> list[trizmq.DropsBegan | trizmq.DropsEnded]:
    """The drop events so far."""
    found: list[trizmq.DropsBegan | trizmq.DropsEnded] = []

    async def collect() -> None:
        async for event in events:
            if isinstance(event, (trizmq.DropsBegan, trizmq.DropsEnded)):
                found.append(event)  # noqa: PERF401  # the loop is left by a cancellation

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect)
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    return found


@each_transport
async def test_drops_begin_and_end(endpoint: str) -> None:
    """Two events for a spell, however many messages it costs; the next spell makes two more."""
    async with trizmq.Pub(send_hwm=5) as pub, trizmq.Sub(receive_hwm=5) as sub:
        bound = await meet(pub, sub, endpoint)
        sub.subscribe()
        await pub.wait_subscribed()
        (peer,) = pub.peers()
        events = pub.events()
        body = bytes(1_000_000 if "inproc" not in endpoint else 1)
        told = 0
        for _ in range(2):
            for _ in range(100):
                pub.send_nowait(body)
            began = trizmq.DropsBegan(bound, peer.address, DropReason.SEND_HWM)
            if "inproc" in endpoint:  # elsewhere the system takes what was queued, and there is room again
                assert await took(events) == [began]
            dropped = pub.statistics().drops[DropReason.SEND_HWM] - told
            for _ in range(100 - dropped):
                await sub.receive()
            ended = trizmq.DropsEnded(bound, peer.address, DropReason.SEND_HWM, b"", dropped)
            assert await took(events) == ([ended] if "inproc" in endpoint else [began, ended])
            told += dropped
        assert pub.peers()[0].drops == {DropReason.SEND_HWM: told}


async def test_drops_end_when_the_peer_goes() -> None:
    async with trizmq.Router(send_hwm=2) as router:
        bound = await router.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as raw:
            await raw.shake_hands("DEALER", b"d")
            await router.wait_connected()
            events = router.events()
            for _ in range(100):
                await router.send([b"d", bytes(1_000_000)])
        await until(lambda: not router.peers())
        drops = router.statistics().drops
        found = [event for event in await took(events) if event.reason is DropReason.SEND_HWM]
        assert isinstance(found[-1], trizmq.DropsEnded)
        assert {(event.endpoint, event.routing_id) for event in found} == {(bound, b"d")}
        counts = [event.count for event in found if isinstance(event, trizmq.DropsEnded)]
        assert len(counts) * 2 == len(found)
        assert sum(counts) == drops[DropReason.SEND_HWM]


async def test_what_was_queued_for_a_peer_that_goes() -> None:
    async with trizmq.Push(linger=0) as push:
        push.connect(NOBODY)
        await push.send_many([b"x"] * 50)
        events = push.events()
        push.disconnect(NOBODY)
        assert await took(events) == [
            trizmq.DropsBegan(NOBODY, "", DropReason.LINGER),
            trizmq.DropsEnded(NOBODY, "", DropReason.LINGER, b"", 50),
        ]


async def test_drops_that_concern_no_peer() -> None:
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"d") as dealer:
        events = router.events()
        for _ in range(10):
            await router.send([b"d", b"x"])
        assert await took(events) == [trizmq.DropsBegan("", "", DropReason.UNROUTABLE)]
        await meet(router, dealer)
        assert await took(events) == [trizmq.DropsEnded("", "", DropReason.UNROUTABLE, b"", 10)]
        await router.send([b"d", b"x"])
        assert await dealer.recv() == b"x"
