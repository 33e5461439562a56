"""Messages that sockets make themselves when connections begin and end (libzmq tests: hello_msg, disconnect_msg, hiccup_msg,
router_notify), over every transport, in their places among all others."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from trizmq import RouterNotify

from .helpers import GREETING, TRANSPORTS, meet, raw_connection, ready, until

pytestmark = pytest.mark.deadline(10)

everywhere = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


@everywhere
async def test_hello_both_ways(endpoint: str) -> None:
    async with (
        trizmq.Router(hello_message=b"from router") as router,
        trizmq.Dealer(hello_message=b"from dealer", routing_id=b"d") as dealer,
    ):
        await meet(router, dealer, endpoint)
        await dealer.send(b"next")
        await router.send([b"d", b"next"])
        assert [await router.receive(), await router.receive()] == [[b"d", b"from dealer"], [b"d", b"next"]]
        assert [await dealer.recv(), await dealer.recv()] == [b"from router", b"next"]


@everywhere
async def test_hello_goes_before_what_waited(endpoint: str) -> None:
    """To a binder that comes late; a nameless one that asks for notices is told of the peer before that."""
    async with trizmq.Dealer(hello_message=b"hello", reconnect_interval=0.01) as dealer:
        async with trizmq.Router() as place:
            bound = await place.bind(endpoint)
        dealer.connect(bound)
        await dealer.send(b"early")
        async with trizmq.Router(router_notify=RouterNotify.CONNECT, hello_message=b"hi") as router:
            await router.bind(bound)
            received = [await router.receive() for _ in range(3)]
            assert [message for _, message in received] == [b"", b"hello", b"early"]
            assert await dealer.recv() == b"hi"


async def test_hello_on_every_connection() -> None:
    async with trizmq.Dealer(hello_message=b"hello", reconnect_interval=0.01) as dealer, trizmq.Router() as router:
        await meet(router, dealer)
        for _ in range(3):
            assert (await router.receive())[1] == b"hello"
            router.disconnect_peer(router.peers()[0])


@everywhere
async def test_who_has_gone(endpoint: str) -> None:
    """After the last message of the peer, the notification before the message, as in libzmq."""
    async with trizmq.Router(router_notify=RouterNotify.BOTH, disconnect_message=b"gone") as router:
        async with trizmq.Dealer(routing_id=b"d") as dealer:
            await meet(router, dealer, endpoint)
            await dealer.send(b"1")
            await dealer.send(b"2")
        assert [await router.receive() for _ in range(5)] == [[b"d", body] for body in (b"", b"1", b"2", b"", b"gone")]
        with pytest.raises(trio.WouldBlock):
            router.receive_nowait()
        statistics = router.statistics()
        assert (statistics.messages_received, statistics.messages_sent) == (2, 0), (
            "notices are none of the peer's messages"
        )


@everywhere
async def test_hiccup(endpoint: str) -> None:
    """After what the connection had delivered; who bound hears of no hiccup, nor who disconnects."""
    async with trizmq.Dealer(hiccup_message=b"hiccup", reconnect_interval=0.01) as dealer:
        async with trizmq.Dealer(hiccup_message=b"not mine") as bound:
            at = await meet(bound, dealer, endpoint)
            await bound.send(b"last")
            await bound.wait_drained()
        assert [await dealer.recv(), await dealer.recv()] == [b"last", b"hiccup"]
        assert (dealer.statistics().messages_received, bound.statistics().messages_sent) == (1, 1)
        async with trizmq.Dealer(hiccup_message=b"not mine") as bound:
            await bound.bind(at)
            await dealer.wait_connected()
            dealer.disconnect(at)
            await until(lambda: not bound.peers())
            for one in bound, dealer:
                with pytest.raises(trio.WouldBlock):
                    one.receive_nowait()


async def test_nobody_hears_of_a_handshake_that_failed() -> None:
    async with trizmq.Router(router_notify=RouterNotify.BOTH, disconnect_message=b"gone") as router:
        endpoint = await router.bind("tcp://127.0.0.1:*")
        async with router.events() as events, raw_connection(endpoint) as raw:
            await raw.stream.send_all(GREETING + ready("PUB"))
            async for event in events:
                if isinstance(event, trizmq.HandshakeFailed):
                    break
        with pytest.raises(trio.WouldBlock):
            router.receive_nowait()


@everywhere
async def test_nobody_hears_of_a_peer_that_was_refused(endpoint: str) -> None:
    """Over inproc one side may have agreed before the other does not. (Over the rest that side has had a connection.)"""
    async with (
        trizmq.Router(router_notify=RouterNotify.BOTH, disconnect_message=b"gone", hello_message=b"hello") as router,
        trizmq.Router(routing_id=b"binder") as first,
        trizmq.Router(router_notify=RouterNotify.BOTH, routing_id=b"binder", hello_message=b"hello") as second,
    ):
        at = await meet(first, router, endpoint)
        assert await router.receive() == [b"binder", b""]
        other = at if endpoint.startswith("tcp") else at + "-2"
        async with router.events() as events:
            router.connect(await second.bind("tcp://127.0.0.1:*" if other == at else other))
            async for event in events:
                if isinstance(event, trizmq.HandshakeFailed):
                    break
        await trio.testing.wait_all_tasks_blocked(0.001)
        for one in (router, second) if endpoint.startswith("inproc") else (router,):
            with pytest.raises(trio.WouldBlock):
                one.receive_nowait()


async def test_a_router_that_connects_hears_of_its_peer() -> None:
    """Between two connections the notices stand in the order in which they happened."""
    async with trizmq.Router(router_notify=RouterNotify.BOTH, reconnect_interval=0.01) as router:
        async with trizmq.Dealer(routing_id=b"d") as dealer:
            at = await meet(dealer, router)
            await dealer.send(b"1")
            await dealer.wait_drained()
        async with trizmq.Dealer(routing_id=b"d") as dealer:
            await dealer.bind(at)
            await dealer.send(b"2")
            received = [await router.receive() for _ in range(5)]
    assert received == [[b"d", body] for body in (b"", b"1", b"", b"", b"2")]


async def test_notices_of_one_relation_are_bounded() -> None:
    """Where this side connects, and the queue is full, a notice is dropped and counted."""
    async with (
        trizmq.Dealer(hiccup_message=b"hiccup", receive_hwm=3, reconnect_interval=0.001) as dealer,
        trizmq.Dealer() as bound,
    ):
        await meet(bound, dealer)
        async with dealer.events() as events:
            for _ in range(5):
                await bound.wait_connected()
                await dealer.wait_connected()
                bound.disconnect_peer(bound.peers()[0])
                async for event in events:
                    if isinstance(event, trizmq.Disconnected):
                        break
        assert await dealer.receive_many(100) == [[b"hiccup"]] * 3
        assert dealer.statistics().drops == {trizmq.DropReason.RECEIVE_HWM: 2}


@everywhere
async def test_topics_count(endpoint: str) -> None:
    async with trizmq.XPub() as xpub, trizmq.Sub() as sub:
        for topic in "a", "a", "b":
            sub.subscribe(topic)
        await meet(xpub, sub, endpoint)
        await xpub.wait_subscribed("b")
        assert (xpub.topics_count, sub.topics_count) == (2, 2)
    with pytest.raises(trio.ClosedResourceError):
        sub.topics_count  # noqa: B018  # it raises
    with pytest.raises(trizmq.UsageError):
        trizmq.Pub().topics_count  # noqa: B018
