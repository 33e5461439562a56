"""Peers that are not let in: a second one of a PAIR, a routing id that is taken, a type that does not fit (design 6)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from trizmq import HandshakeFailed, HandshakeSucceeded, IncompatiblePeerError

from .helpers import STREAMS, TRANSPORTS, meet, until

pytestmark = pytest.mark.deadline(15)

each_stream = pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


async def until_event(events: trizmq.EventWatcher, kind: type[trizmq.Event]) -> trizmq.Event:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the socket was closed before")


@each_transport
async def test_second_peer_of_a_pair(endpoint: str) -> None:
    """libzmq parks it, open and deaf. Here it is refused, keeps what it has queued, and gets in once the first has gone."""
    async with trizmq.Pair() as bound, trizmq.Pair(reconnect_interval=0.01, reconnect_interval_max=0.02) as second:
        events = bound.events()
        async with trizmq.Pair() as first:
            where = await meet(bound, first, endpoint)
            await until_event(events, HandshakeSucceeded)
            at_second = second.events()
            second.connect(where)
            await second.send(b"patient")
            await until_event(at_second, HandshakeFailed)
            await first.send(b"1")
            assert await bound.recv() == b"1"
            await bound.send(b"2")
            assert await first.recv() == b"2"
            assert bound.statistics().peers[0].connected
            assert len(bound.statistics().peers) == 1
        with trio.fail_after(5):
            assert await bound.recv() == b"patient"
            await bound.send(b"welcome")
            assert await second.recv() == b"welcome"
        assert second.statistics().dropped == 0


@each_stream
async def test_routing_id_that_is_taken(endpoint: str) -> None:
    """libzmq parks it. Here it is refused, keeps its messages, and gets in once the first has gone."""
    async with (
        trizmq.Router() as router,
        trizmq.Dealer(routing_id=b"X", reconnect_interval=0.01, reconnect_interval_max=0.02) as second,
    ):
        async with trizmq.Dealer(routing_id=b"X") as first:
            where = await meet(router, first, endpoint)
            at_second = second.events()
            second.connect(where)
            await second.send(b"from the second")
            failed = await until_event(at_second, HandshakeFailed)
            assert failed.endpoint == where
            await first.send(b"from the first")
            assert await router.receive() == [b"X", b"from the first"]
            await router.send([b"X", b"to the first"])
            assert await first.recv() == b"to the first"
        with trio.fail_after(5):
            assert await router.receive() == [b"X", b"from the second"]
            await router.send([b"X", b"to the second"])
            assert await second.recv() == b"to the second"


async def test_routing_id_that_is_taken_inproc() -> None:
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"X") as second:
        async with trizmq.Dealer(routing_id=b"X") as first:
            await meet(router, first, "inproc://x")
            second.connect("inproc://x")
            await second.send(b"from the second")
            await first.send(b"from the first")
            assert await router.receive() == [b"X", b"from the first"]
            assert not router.readable
        with trio.fail_after(5):
            assert await router.receive() == [b"X", b"from the second"]


@each_stream
async def test_the_bound_side_tells_why(endpoint: str) -> None:
    async with (
        trizmq.Router() as router,
        trizmq.Dealer(routing_id=b"X") as first,
        trizmq.Dealer(routing_id=b"X") as second,
    ):
        where = await meet(router, first, endpoint)
        events = router.events()
        second.connect(where)
        failed = await until_event(events, HandshakeFailed)
        assert isinstance(failed, HandshakeFailed)
        assert "b'X'" in failed.cause
        assert "router_handover" in failed.cause


COMPATIBLE = {
    "Pair": {"Pair"},
    "Req": {"Rep", "Router"},
    "Rep": {"Req", "Dealer"},
    "Dealer": {"Rep", "Dealer", "Router"},
    "Router": {"Req", "Dealer", "Router"},
    "Pub": {"Sub", "XSub"},
    "XPub": {"Sub", "XSub"},
    "Sub": {"Pub", "XPub"},
    "XSub": {"Pub", "XPub"},
    "Push": {"Pull"},
    "Pull": {"Push"},
}


@pytest.mark.parametrize("binder", COMPATIBLE)
@pytest.mark.parametrize("connector", COMPATIBLE)
async def test_every_pair_of_types_inproc(binder: str, connector: str) -> None:
    """Bound first: the error comes to the caller of connect. Connected first: it is an event, and others may still bind."""
    async with (
        getattr(trizmq, binder)() as near,
        getattr(trizmq, connector)() as far,
        getattr(trizmq, connector)() as early,
    ):
        events = early.events()
        early.connect("inproc://x")
        await near.bind("inproc://x")
        if connector in COMPATIBLE[binder]:
            far.connect("inproc://x")
            await far.wait_connected() if binder != "Pair" else None
            await early.wait_connected()
        else:
            with pytest.raises(IncompatiblePeerError, match=f"inproc://x.*{binder.upper()}.*{connector.upper()}"):
                far.connect("inproc://x")
            assert isinstance(await events.__anext__(), HandshakeFailed)
            assert "inproc" not in repr(far)
            assert not near.statistics().peers


@pytest.mark.parametrize("binder", COMPATIBLE)
@pytest.mark.parametrize("connector", COMPATIBLE)
async def test_every_pair_of_types_tcp(binder: str, connector: str) -> None:
    async with getattr(trizmq, binder)() as near, getattr(trizmq, connector)() as far:
        events = near.events()
        far.connect(await near.bind("tcp://127.0.0.1:*"))
        if connector in COMPATIBLE[binder]:
            await near.wait_connected()
            await far.wait_connected()
        else:
            failed = await until_event(events, HandshakeFailed)
            assert isinstance(failed, HandshakeFailed)
            assert connector.upper() in failed.cause
            assert not near.statistics().peers
            await until(lambda: not far.statistics().peers or not far.statistics().peers[0].connected)
