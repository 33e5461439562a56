"""statistics(): every message is somewhere, every drop has a reason (design, promise 2)."""

from __future__ import annotations

import dataclasses
import random
from contextlib import suppress

import pytest
import trio
import trio.testing

import trizmq
from trizmq import DropReason

from .helpers import NOBODY, STREAMS, TRANSPORTS, meet, message, raw_connection, until

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


@each_transport
async def test_counts(endpoint: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        await push.send_many([b"1", [b"2", b"two"], b"3"])
        for _ in range(3):
            await pull.receive()
        await push.wait_drained()
        assert push.statistics().messages_sent == 3
        assert pull.statistics().messages_received == 3
        assert push.statistics().messages_received == pull.statistics().messages_sent == 0
        assert push.statistics().dropped == pull.statistics().dropped == 0


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_bytes_on_the_wire(endpoint: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        await push.wait_drained()
        before = push.statistics().bytes_sent, pull.statistics().bytes_received
        await push.send_many([b"1", bytes(1000), [b"2", b"two"]])
        for _ in range(3):
            await pull.receive()
        wire = len(message(b"1") + message(bytes(1000)) + message(b"2", b"two"))
        assert push.statistics().bytes_sent - before[0] == wire
        assert pull.statistics().bytes_received - before[1] == wire


@each_transport
async def test_peers(endpoint: str) -> None:
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"d") as dealer:
        bound = await meet(router, dealer, endpoint)
        (near,), (far,) = router.statistics().peers, dealer.statistics().peers
        assert (near.endpoint, near.connected, near.socket_type, near.routing_id) == (bound, True, "DEALER", b"d")
        assert (far.endpoint, far.connected, far.socket_type, far.routing_id) == (bound, True, "ROUTER", b"")
        assert near.connections == far.connections == 1
        assert near.address
        assert far.address
        await dealer.send(b"x")
        await router.wait_readable()
        assert router.statistics().peers[0].inbound in (0, 1)  # 0 once the fair queue has taken it
        assert dataclasses.is_dataclass(near)
        with pytest.raises(dataclasses.FrozenInstanceError):
            near.connected = False  # type: ignore[misc]
        with pytest.raises(TypeError):
            router.statistics().drops[DropReason.LINGER] = 1  # type: ignore[index]


async def test_queue_depths() -> None:
    async with trizmq.Push(linger=0) as push:
        push.connect(NOBODY)
        await push.send_many([b"1", b"2"])
        (peer,) = push.statistics().peers
        assert (peer.endpoint, peer.connected, peer.outbound, peer.socket_type) == (NOBODY, False, 2, "")
        assert push.statistics().messages_sent == 0


async def test_a_snapshot_does_not_change() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        before = push.statistics()
        await push.send(b"x")
        assert before.messages_sent == 0
        assert push.statistics().messages_sent == 1


async def test_reconnects() -> None:
    async with trizmq.Push(reconnect_interval=0.01) as push:
        async with trizmq.Pull() as pull:
            endpoint = await meet(pull, push)
        async with trizmq.Pull() as pull:
            await pull.bind(endpoint)
            await pull.wait_connected()
            await push.wait_connected()
            assert push.statistics().reconnects == 1
            assert push.statistics().peers[0].connections == 2


# ---- every drop has its reason


@each_transport
async def test_publisher_at_the_high_water_mark(endpoint: str) -> None:
    async with trizmq.Pub(send_hwm=5) as pub, trizmq.Sub(receive_hwm=5) as sub:
        await meet(pub, sub, endpoint)
        sub.subscribe()
        await pub.wait_subscribed()
        body = bytes(1_000_000 if "inproc" not in endpoint else 1)
        for _ in range(100):
            pub.send_nowait(body)
        dropped = pub.statistics().drops[DropReason.SEND_HWM]
        assert dropped > 80
        for _ in range(100 - dropped):
            with trio.fail_after(5):
                await sub.receive()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not sub.readable
        assert pub.statistics().messages_sent == 100 - dropped


async def test_router() -> None:
    async with trizmq.Router(send_hwm=2) as router, trizmq.Dealer(routing_id=b"d", receive_hwm=2) as dealer:
        await meet(router, dealer, "inproc://x")
        await router.send([b"nobody", b"x"])
        assert router.statistics().drops == {DropReason.UNROUTABLE: 1}
        await router.send(b"no frames behind the id")
        assert router.statistics().drops[DropReason.MALFORMED] == 1
        for _ in range(7):
            await router.send([b"d", b"x"])
        assert router.statistics().drops[DropReason.SEND_HWM] == 3


@each_transport
async def test_rep_whose_asker_is_gone(endpoint: str) -> None:
    """Received before or after the peer went, a reply that goes nowhere is counted."""
    async with trizmq.Rep() as rep:
        bound = await rep.bind(endpoint)
        for count, receive_first in enumerate([True, False], 1):
            async with trizmq.Req() as req:
                req.connect(bound)
                await req.send(b"?")
                await rep.wait_readable()
                if receive_first:
                    await rep.receive()
            await until(lambda: not rep.statistics().peers)
            if not receive_first:
                await rep.receive()
            await rep.send(b"!")
            assert rep.statistics().drops == {DropReason.UNROUTABLE: count}


async def test_malformed_requests() -> None:
    async with trizmq.Rep() as rep, trizmq.Dealer() as dealer:
        await meet(rep, dealer, "inproc://x")
        await dealer.send_many([b"no envelope", [b"no", b"envelope"], [b"", b"good"]])
        assert await rep.recv() == b"good"
        assert rep.statistics().drops == {DropReason.MALFORMED: 2}


async def test_queued_for_an_accepted_peer_that_goes() -> None:
    async with trizmq.Router() as router:
        endpoint = await router.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            await peer.shake_hands("DEALER", b"d")
            await router.wait_connected()
            for _ in range(500):
                await router.send([b"d", bytes(100_000)])
        await until(lambda: not router.statistics().peers)
        statistics = router.statistics()
        assert statistics.drops[DropReason.PEER_GONE] > 0
        assert statistics.drops[DropReason.PEER_GONE] + statistics.messages_sent == 500


async def test_conflated() -> None:
    async with trizmq.Push(conflate=True, linger=0) as push:
        push.connect(NOBODY)
        for number in range(10):
            await push.send(b"%d" % number)
        assert push.statistics().drops == {DropReason.CONFLATED: 9}


async def test_unsubscribed_in_between() -> None:
    async with trizmq.Pub() as pub, trizmq.Sub() as sub:
        await meet(pub, sub, "inproc://x")
        sub.subscribe(b"a")
        sub.subscribe(b"b")
        await pub.wait_subscribed(b"b")
        await pub.send(b"a1")
        await pub.send(b"b1")
        sub.unsubscribe(b"a")
        assert await sub.recv() == b"b1"
        assert sub.statistics().drops == {DropReason.UNSUBSCRIBED: 1}


async def test_unexpected() -> None:
    async with trizmq.Pub() as pub:
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            await peer.shake_hands("SUB")
            await pub.wait_connected()
            await peer.stream.send_all(message(b"what a SUB never sends"))
            await until(lambda: pub.statistics().dropped == 1)
        assert pub.statistics().drops == {DropReason.UNEXPECTED: 1}


async def test_everything_is_somewhere() -> None:
    """Sent, waiting or dropped: the sum is what was given to send, whatever happened."""
    push = trizmq.Push(send_hwm=0, linger=0)
    async with push:
        push.connect(NOBODY)
        await push.send_many([b"x"] * 50)
        assert push.statistics().peers[0].outbound == 50
        push.disconnect(NOBODY)
        await until(lambda: not push.statistics().peers)
        assert push.statistics().drops == {DropReason.LINGER: 50}
    assert push.statistics().drops == {DropReason.LINGER: 50}


# ---- counters only grow


COUNTERS = [field.name for field in dataclasses.fields(trizmq.Statistics) if field.name not in ("drops", "peers")]


def grown(before: trizmq.Statistics, after: trizmq.Statistics) -> bool:
    return all(getattr(before, name) <= getattr(after, name) for name in COUNTERS) and all(
        count <= after.drops.get(reason, 0) for reason, count in before.drops.items()
    )


@each_transport
@pytest.mark.parametrize("seed", range(5))
async def test_counters_only_grow(endpoint: str, seed: int) -> None:
    """Peers come and go, connections are cut in the middle of writing, messages are withdrawn, queues overflow."""
    rng = random.Random(seed)
    body = bytes(300_000 if "inproc" not in endpoint else 10)
    async with trizmq.Context(reconnect_interval=0.001, linger=0, send_hwm=10, receive_hwm=10) as context:
        router = context.socket(trizmq.Router)
        dealer, req = context.socket(trizmq.Dealer), context.socket(trizmq.Req)
        async with router, dealer, req:
            bound = await router.bind(endpoint)
            sockets: list[trizmq.Router | trizmq.Dealer | trizmq.Req] = [router, dealer, req]
            dealer.connect(bound)
            req.connect(bound)
            seen = [socket.statistics() for socket in sockets]

            def look() -> None:
                for at, socket in enumerate(sockets):
                    now = socket.statistics()
                    assert grown(seen[at], now), (seen[at], now)
                    seen[at] = now

            async def step() -> None:
                match rng.randrange(8):
                    case 0:
                        await dealer.send(body)
                    case 1:
                        with suppress(trizmq.PeerLostError):
                            await req.request(body)
                    case 2:
                        for peer in router.peers():
                            await router.send([peer.routing_id, b"", body])
                    case 3:
                        await router.receive_many()
                    case 4 if connected := [peer for peer in router.peers() if peer.connected]:
                        router.disconnect_peer(rng.choice(connected))
                    case 5:
                        dealer.disconnect(bound)
                        dealer.connect(bound)
                    case 6:
                        async with context.socket(trizmq.Dealer) as other:
                            other.connect(bound)
                            await other.send_many([body] * rng.randrange(10))
                    case _:
                        await dealer.receive_many()

            for _ in range(150):
                with trio.move_on_after(rng.choice([0, 0.001, 0.003])):
                    await step()
                look()
        look()
