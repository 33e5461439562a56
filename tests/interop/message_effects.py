"""What pyzmq sees of the options about queues and messages, and of those of single socket types."""

from __future__ import annotations

import contextlib
from typing import Any

import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket, nobody_there, orders
from tests.interop.effects import LOCAL, hexed, seen
from tests.interop.peer import describe
from trizmq import RouterNotify

BODY = bytes(50_000)


# ---- queues


@seen("linger")
async def what_is_queued_at_the_end(peer: PeerProcess) -> None:
    """With it, a peer that comes after ``async with`` was left gets everything; without, nothing."""
    pull, endpoint = await peer.open("PULL"), nobody_there()
    for linger, text in (0, b"lost"), (20, b"kept"):
        async with trio.open_nursery() as nursery:
            sent = trio.Event()

            async def send_and_leave(linger: float, text: bytes, sent: trio.Event) -> None:
                async with trizmq.Push(linger=linger, reconnect_interval=0.01) as push:
                    push.connect(endpoint)
                    await push.send(text)
                    sent.set()

            nursery.start_soon(send_and_leave, linger, text, sent)
            await sent.wait()
            if linger:
                await pull.bind(endpoint)
    assert await pull.recv() == [hexed(b"kept")]


async def taken(push: Any) -> int:
    """How many messages can be sent to somebody who does not read."""
    sent = 0
    while True:
        with trio.move_on_after(0.3) as scope:
            await push.send([b"%d" % sent, BODY])
            sent += 1
        if scope.cancelled_caught:
            return sent


@seen("send_hwm", "send_hwm_bytes")
async def a_slow_reader_holds_us_up(peer: PeerProcess) -> None:
    """By so many messages or bytes, and what the system keeps; then the reader gets what was sent, in order."""
    counts = []
    for options in {"send_hwm": 2}, {"send_hwm": 0, "send_hwm_bytes": 100_000}, {"send_hwm": 60}:
        pull = await peer.open("PULL", RCVHWM=1, RCVBUF=20_000)
        async with trizmq.Push(send_buffer=20_000) as push:
            for name, value in options.items():
                setattr(push, name, value)
            await pull.connect(await push.bind(LOCAL))
            await push.wait_connected()
            counts.append(await taken(push))
            received = await pull.recv(counts[-1])
            assert received == [[(b"%d" % number).hex(), describe(BODY)] for number in range(counts[-1])]
    few, few_bytes, many = counts
    assert max(few, few_bytes) < 40 <= 60 <= many, counts


@seen("receive_hwm", "receive_hwm_bytes")
async def we_hold_up_the_sender(peer: PeerProcess) -> None:
    counts = []
    for options in {"receive_hwm": 2}, {"receive_hwm": 0, "receive_hwm_bytes": 100_000}, {"receive_hwm": 60}:
        push = await peer.open("PUSH", SNDHWM=1, SNDBUF=20_000)
        async with trizmq.Pull(receive_buffer=20_000) as pull:
            for name, value in options.items():
                setattr(pull, name, value)
            await push.connect(await pull.bind(LOCAL))
            counts.append(await push.do("send_until_full", message=orders([[BODY]])[0], patience_ms=300))
            for _ in range(counts[-1]):
                assert await pull.recv() == BODY
    few, few_bytes, many = counts
    assert max(few, few_bytes) < 40 <= 60 <= many, counts


@seen("conflate")
async def only_the_newest(peer: PeerProcess) -> None:
    pull, endpoint = await peer.open("PULL"), nobody_there()
    async with trizmq.Push(conflate=True, reconnect_interval=0.01) as push:
        push.connect(endpoint)
        for body in b"1", b"2", b"3":
            await push.send(body)
        await pull.bind(endpoint)
        await push.wait_drained()
        await push.send(b"end")
        assert await pull.recv_until(b"end") == [hexed(b"3")]


# ---- REQ, DEALER, ROUTER


@seen("probe_router")
async def probes(peer: PeerProcess) -> None:
    router = await peer.open("ROUTER")
    endpoint = await router.bind(LOCAL)
    for kind in trizmq.Dealer, trizmq.Req:
        # each under a name of its own: libzmq may not have noticed that the first has gone when the second comes
        async with kind(probe_router=True, routing_id=kind.__name__.encode()) as socket:
            socket.connect(endpoint)
            assert await router.recv() == [hexed(kind.__name__.encode(), b"")]
    async with trizmq.Router(probe_router=True) as ours:
        theirs = await peer.open("DEALER")
        await theirs.connect(await ours.bind(LOCAL))
        assert await theirs.recv() == [[""]]


@seen("req_correlate")
async def request_ids(peer: PeerProcess) -> None:
    """Four bytes in front of the delimiter; a reply with another id is not taken."""
    router = await peer.open("ROUTER")
    endpoint = await router.bind(LOCAL)
    async with trizmq.Req(req_correlate=True, routing_id=b"us") as req:
        req.connect(endpoint)
        await req.send(b"question")
        ((us, number, *rest),) = await router.recv()
        assert (us, len(number), rest) == (b"us".hex(), 8, hexed(b"", b"question"))
        await router.send([b"us", b"\0\0\0\0" if number != "00000000" else b"1234", b"", b"wrong"])
        await router.send([b"us", bytes.fromhex(number), b"", b"right"])
        assert await req.receive() == [b"right"]


@seen("req_relaxed")
async def a_second_request(peer: PeerProcess) -> None:
    """It goes out although the first has no reply yet; of the replies only its own is taken."""
    router = await peer.open("ROUTER")
    async with trizmq.Req(req_relaxed=True, req_correlate=True, routing_id=b"us") as req:
        req.connect(await router.bind(LOCAL))
        await req.send(b"first")
        await req.send(b"second")
        first, second = await router.recv(2)
        assert (first[-1], second[-1]) == (b"first".hex(), b"second".hex())
        for request in first, second:
            await router.send([bytes.fromhex(frame) for frame in request])
        assert await req.receive() == [b"second"]


@seen("router_mandatory")
async def nothing_is_dropped(peer: PeerProcess) -> None:
    """All of a stream arrives at a peer that begins to read late; without the option it would lose what found no room."""
    async with trizmq.Router(router_mandatory=True, send_hwm=5, send_buffer=20_000) as router:
        dealer = await peer.open("DEALER", ROUTING_ID="them", RCVHWM=1, RCVBUF=20_000)
        await dealer.connect(await router.bind(LOCAL))
        await router.wait_connected()
        async with trio.open_nursery() as nursery:

            async def produce() -> None:
                for number in range(200):
                    await router.send([b"them", b"%d" % number, BODY])

            nursery.start_soon(produce)
            await trio.testing.wait_all_tasks_blocked(0.05)
            received = await dealer.recv(200)
        assert [int(bytes.fromhex(number)) for number, _ in received] == list(range(200))
        assert not router.statistics().drops


@seen("router_handover")
async def who_comes_with_a_name_in_use(peer: PeerProcess) -> None:
    """The newcomer has it at once, and the connection of who had it ends."""
    async with trizmq.Router(router_handover=True) as router:
        endpoint = await router.bind(LOCAL)
        first = await peer.open("DEALER", ROUTING_ID="name", RECONNECT_IVL=-1)
        await first.do("watch")
        await first.connect(endpoint)
        await first.send([b"1"])
        assert await router.receive() == [b"name", b"1"]
        second = await peer.open("DEALER", ROUTING_ID="name")
        await second.connect(endpoint)
        await second.send([b"2"])
        assert await router.receive() == [b"name", b"2"]
        await first.event("DISCONNECTED")
        await router.send([b"name", b"for the second"])
        assert await second.recv() == [hexed(b"for the second")]


@seen("hello_message")
async def hello(peer: PeerProcess) -> None:
    """First on each connection, in both roles."""
    async with trizmq.Router(hello_message=b"hello") as router:
        dealer = await peer.open("DEALER", RECONNECT_IVL=10)
        await dealer.connect(await router.bind(LOCAL))
        for _ in range(3):
            assert await dealer.recv() == [hexed(b"hello")]
            router.disconnect_peer(router.peers()[0])
    theirs = await peer.open("ROUTER")
    async with trizmq.Dealer(hello_message=b"hello", routing_id=b"us") as ours:
        await ours.bind(LOCAL)
        ours.connect(await theirs.bind(LOCAL))
        await ours.send(b"after it")
        assert await theirs.recv(2) == [hexed(b"us", b"hello"), hexed(b"us", b"after it")]


@seen("router_notify", "disconnect_message")
async def told_of_pyzmq(peer: PeerProcess) -> None:
    async with trizmq.Router(router_notify=RouterNotify.BOTH, disconnect_message=b"gone") as router:
        dealer = await peer.open("DEALER", ROUTING_ID="them")
        await dealer.connect(await router.bind(LOCAL))
        await dealer.send([b"1"], [b"2"])
        await dealer.close(linger_ms=20_000)
        assert [await router.receive() for _ in range(5)] == [
            [b"them", body] for body in (b"", b"1", b"2", b"", b"gone")
        ]


@seen("hiccup_message")
async def hiccup(peer: PeerProcess) -> None:
    router = await peer.open("ROUTER")
    async with trizmq.Dealer(hiccup_message=b"hiccup", routing_id=b"us", reconnect_interval=0.01) as dealer:
        endpoint = await router.bind(LOCAL)
        dealer.connect(endpoint)
        await dealer.send(b"x")
        assert await router.recv() == [hexed(b"us", b"x")]
        await router.send([b"us", b"last"])
        await router.close(linger_ms=20_000)
        assert [await dealer.recv(), await dealer.recv()] == [b"last", b"hiccup"]


# ---- PUB, XPUB


async def subscribers(peer: PeerProcess, endpoint: str, *topics: str, **options: int) -> list[PeerSocket]:
    subs = []
    for topic in topics:
        sub = await peer.open("SUB", **options)
        await sub.set(SUBSCRIBE=topic)
        await sub.connect(endpoint)
        subs.append(sub)
    return subs


@seen("xpub_nodrop")
async def a_slow_subscriber_is_waited_for(peer: PeerProcess) -> None:
    async with trizmq.Pub(xpub_nodrop=True, send_hwm=5, send_buffer=20_000) as pub:
        (sub,) = await subscribers(peer, await pub.bind(LOCAL), "", RCVHWM=1, RCVBUF=20_000)
        await pub.wait_subscribed()
        async with trio.open_nursery() as nursery:

            async def produce() -> None:
                for number in range(200):
                    await pub.send([b"%d" % number, BODY])

            nursery.start_soon(produce)
            received = await sub.recv(200)
        assert [int(bytes.fromhex(number)) for number, _ in received] == list(range(200))


@seen("drop_oldest")
async def a_slow_subscriber_gets_the_newest(peer: PeerProcess) -> None:
    async with trizmq.Pub(drop_oldest=True, send_hwm=5, send_buffer=20_000) as pub:
        (sub,) = await subscribers(peer, await pub.bind(LOCAL), "", RCVHWM=1, RCVBUF=20_000)
        await pub.wait_subscribed()
        for number in range(200):
            await pub.send([b"%d" % number, BODY])
        lost = pub.statistics().drops[trizmq.DropReason.SEND_HWM]
        received = [int(bytes.fromhex(number)) for number, _ in await sub.recv(200 - lost)]
        assert received == sorted(received)
        assert received[-5:] == [195, 196, 197, 198, 199]


@seen("invert_matching")
async def what_does_not_match(peer: PeerProcess) -> None:
    async with trizmq.Pub(invert_matching=True) as pub, trizmq.Sub(invert_matching=True) as sub:
        (theirs,) = await subscribers(peer, await pub.bind(LOCAL), "a", INVERT_MATCHING=1)
        xpub = await peer.open("XPUB", INVERT_MATCHING=1)
        sub.connect(await xpub.bind(LOCAL))
        sub.subscribe("a")
        assert await xpub.recv() == [hexed(b"\1a")]
        await pub._core.wait_until(lambda: pub.topics_count == 1)  # before, it gets everything
        for text in b"a1", b"b1", b"a2", b"b2":
            await pub.send(text)
            await xpub.send([text])
        assert await theirs.recv(2) == [hexed(b"b1"), hexed(b"b2")]
        assert [await sub.recv(), await sub.recv()] == [b"b1", b"b2"]


@seen("max_subscriptions", "max_topic_size")
async def too_many_topics(peer: PeerProcess) -> None:
    async with trizmq.Pub(max_subscriptions=3, max_topic_size=10) as pub:
        endpoint = await pub.bind(LOCAL)
        for topics in ["1", "2", "3", "4"], ["x" * 10, "y" * 11]:
            sub = await peer.open("SUB", RECONNECT_IVL=-1)
            await sub.do("watch")
            await sub.connect(endpoint)
            for topic in topics[:-1]:
                await sub.set(SUBSCRIBE=topic)
                await pub.wait_subscribed(topic)
            await pub.send(topics[0].encode())
            assert await sub.recv() == [[topics[0].encode().hex()]]
            await sub.set(SUBSCRIBE=topics[-1])
            await sub.event("DISCONNECTED")


@seen("xpub_welcome_message")
async def welcome(peer: PeerProcess) -> None:
    async with trizmq.Pub(xpub_welcome_message=b"welcome") as pub:
        subs = await subscribers(peer, await pub.bind(LOCAL), "", "other")
        assert await subs[0].recv() == [hexed(b"welcome")]
        await pub.wait_subscribed("other", 2)
        await pub.send(b"other")
        assert await subs[1].recv() == [hexed(b"other")]


@seen("only_first_subscribe")
async def later_frames_are_data(peer: PeerProcess) -> None:
    """Of an XSUB's message of two frames; our XSUB with it passes the second one on as data."""
    async with trizmq.XPub(only_first_subscribe=True) as xpub, trizmq.XSub(only_first_subscribe=True) as xsub:
        theirs = await peer.open("XSUB")
        await theirs.connect(await xpub.bind(LOCAL))
        await theirs.send([b"\1first", b"\1second"])
        assert [await xpub.receive(), await xpub.receive()] == [[b"\1first"], [b"\1second"]]
        assert xpub.topics_count == 1
        await xpub.send(b"second")
        await xpub.send(b"first")
        assert await theirs.recv() == [hexed(b"first")]
        publisher = await peer.open("XPUB")
        xsub.connect(await publisher.bind(LOCAL))
        await xsub.wait_connected()
        await xsub.send([b"data", b"\1no topic"])
        assert await publisher.recv() == [hexed(b"data", b"\1no topic")]
        assert xsub.topics_count == 0


async def reported(peer: PeerProcess, **options: bool) -> list[bytes]:
    """What an XPUB receives of two pyzmq subscribers that subscribe to one topic and cancel it."""
    async with trizmq.XPub(**options) as xpub:  # type: ignore[arg-type]
        endpoint = await xpub.bind(LOCAL)
        subs = []
        for n in 1, 2:
            subs += await subscribers(peer, endpoint, "a")
            await xpub.wait_subscribed("a", n)
        for sub in subs:
            await sub.set(UNSUBSCRIBE="a")
            await sub.set(SUBSCRIBE="end")
        await xpub.wait_subscribed("end", 2)  # each one's connection is in order, the two are not
        received: list[bytes] = []
        with contextlib.suppress(trio.WouldBlock):
            while True:
                received += xpub.receive_nowait()
        return [notice for notice in received if notice[1:] != b"end"]


@seen("xpub_verbose", "xpub_verboser")
async def more_is_reported(peer: PeerProcess) -> None:
    assert (await reported(peer))[0] == b"\1a"
    assert (await reported(peer, xpub_verbose=True))[:2] == [b"\1a", b"\1a"]
    assert await reported(peer, xpub_verboser=True) == [b"\1a", b"\1a", b"\0a", b"\0a"]


@seen("xpub_manual")
async def another_topic(peer: PeerProcess) -> None:
    """What is applied is what the application says, not what the subscriber asked for."""
    async with trizmq.XPub(xpub_manual=True) as xpub:
        xsub = await peer.open("XSUB")
        await xsub.connect(await xpub.bind(LOCAL))
        await xsub.send([b"\1A"])
        assert await xpub.receive() == [b"\1A"]
        xpub.subscribe("B")
        await xpub.send(b"A")
        await xpub.send(b"B")
        assert await xsub.recv() == [hexed(b"B")]


@seen("xpub_manual_last_value")
async def last_value_caching(peer: PeerProcess) -> None:
    """A newcomer gets the last value, and who has it already does not get it twice."""
    async with trizmq.XPub(xpub_manual_last_value=True, xpub_verbose=True) as xpub:
        endpoint = await xpub.bind(LOCAL)
        (first,) = await subscribers(peer, endpoint, "price")
        assert await xpub.receive() == [b"\1price"]
        xpub.subscribe("price")
        await xpub.send(b"price 1")
        assert await first.recv() == [hexed(b"price 1")]
        (second,) = await subscribers(peer, endpoint, "price")
        assert await xpub.receive() == [b"\1price"]
        xpub.subscribe("price")
        await xpub.send(b"price 1")  # to the second only
        await xpub.send(b"price 2")
        assert await second.recv(2) == [hexed(b"price 1"), hexed(b"price 2")]
        assert await first.recv() == [hexed(b"price 2")]


# ---- XSUB


@seen("xsub_verbose_unsubscribe")
async def every_cancellation(peer: PeerProcess) -> None:
    for verbose, cancellations in (False, 1), (True, 2):
        xpub = await peer.open("XPUB", XPUB_VERBOSER=1)
        async with trizmq.XSub(xsub_verbose_unsubscribe=verbose) as xsub:
            xsub.connect(await xpub.bind(LOCAL))
            await xsub.wait_connected()
            for frame in b"\1a", b"\1a", b"\0a", b"\0a", b"\1end":
                await xsub.send(frame)
            received = [message for (message,) in await xpub.recv_until(b"\1end")]
            assert received.count(b"\1a".hex()) == 2
            assert received.count(b"\0a".hex()) == cancellations, (verbose, received)
