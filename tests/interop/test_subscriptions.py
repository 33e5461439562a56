"""Subscriptions between trizmq and pyzmq: what publishers are told, what is filtered where, and what a reconnect replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, described, orders, until

TIME = 20


async def test_xpub_is_told(peer: PeerProcess) -> None:
    """The first subscription to a topic and the last cancellation, over all subscribers; also when one just goes."""
    with trio.fail_after(TIME):
        async with trizmq.XPub() as xpub:
            endpoint = await xpub.bind("tcp://127.0.0.1:*")
            one, two = await peer.open("SUB"), await peer.open("XSUB")
            await one.connect(endpoint)
            await one.set(SUBSCRIBE="a")
            assert await xpub.receive() == [b"\1a"]
            await two.connect(endpoint)
            await two.send([b"\1a"], [b"\1b"])
            assert await xpub.receive() == [b"\1b"]  # "a" was there
            await one.set(UNSUBSCRIBE="a")
            await one.set(SUBSCRIBE="")
            assert await xpub.receive() == [b"\1"]
            await two.send([b"\0a"])
            assert await xpub.receive() == [b"\0a"]
            await two.close()
            assert await xpub.receive() == [b"\0b"]
            await one.close()
            assert await xpub.receive() == [b"\0"]
            with pytest.raises(trio.WouldBlock):
                xpub.receive_nowait()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"xpub_verbose": True}, [b"\1a", b"\1a", b"\0a"]),
        ({"xpub_verboser": True}, [b"\1a", b"\1a", b"\0a", b"\0a"]),
    ],
)
async def test_xpub_is_told_more(peer: PeerProcess, option: dict[str, Any], told: list[bytes]) -> None:
    with trio.fail_after(TIME):
        async with trizmq.XPub(**option) as xpub:
            endpoint = await xpub.bind("tcp://127.0.0.1:*")
            subs = [await peer.open("SUB") for _ in range(2)]
            for n, sub in enumerate(subs, 1):
                await sub.connect(endpoint)
                await sub.set(SUBSCRIBE="a")
                await xpub.wait_subscribed("a", n)
            for sub in subs:
                await sub.set(UNSUBSCRIBE="a")
                await sub.set(SUBSCRIBE="end")
            received: list[bytes] = []
            while received.count(b"\1end") < 2:
                received += await xpub.receive()
            assert [message for message in received if message != b"\1end"] == told


@pytest.mark.parametrize("kind", ["Sub", "XSub"])
async def test_pyzmq_xpub_is_told(peer: PeerProcess, kind: str) -> None:
    """Every subscription is sent, but of the cancellations only the last; a closed subscriber cancels everything."""
    with trio.fail_after(TIME):
        xpub = await peer.open("XPUB", XPUB_VERBOSER=1)
        endpoint = await xpub.bind("tcp://127.0.0.1:*")
        async with getattr(trizmq, kind)() as sub:
            sub.connect(endpoint)
            await sub.wait_connected()
            sub.subscribe("a")
            sub.subscribe("a")
            sub.subscribe("b")
            assert [message for (message,) in await xpub.recv(3)] == [b"\1a".hex(), b"\1a".hex(), b"\1b".hex()]
            sub.unsubscribe("a")
            sub.unsubscribe("a")
            sub.unsubscribe("never subscribed to")
            sub.subscribe("end")
            assert await xpub.recv(2) == described([[b"\0a"], [b"\1end"]])
        assert sorted(await xpub.recv(2)) == described([[b"\0b"], [b"\0end"]])


async def test_xsub_subscribes_by_sending(peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        async with trizmq.XSub() as xsub:
            xpub = await peer.open("XPUB")
            xsub.connect(await xpub.bind("tcp://127.0.0.1:*"))
            await xsub.send(b"\1topic")
            assert await xpub.recv() == described([[b"\1topic"]])
            await xpub.send([b"no"], [b"topic"])
            assert await xsub.receive() == [b"topic"]
            await xsub.send(b"\0topic")
            assert await xpub.recv() == described([[b"\0topic"]])
            await xsub.send(b"\1end")
            assert await xpub.recv() == described([[b"\1end"]])
            await xpub.send([b"topic"], [b"end"])
            assert await xsub.receive() == [b"end"]


async def test_many_topics(peer: PeerProcess) -> None:
    """A thousand topics each way; each subscriber gets what it wants and nothing else, in order."""
    wanted = [f"topic {number:04}/" for number in range(0, 2000, 2)]
    messages = [[f"topic {number:04}/suffix".encode(), b"%d" % number] for number in range(2000)]
    with trio.fail_after(TIME):
        async with trizmq.Pub(send_hwm=0) as pub, trizmq.Sub(receive_hwm=0) as sub:
            their_sub, their_xpub = (
                await peer.open("SUB", RCVHWM=0, SNDHWM=0),
                await peer.open("XPUB", SNDHWM=0, RCVHWM=0),
            )
            for topic in wanted:
                await their_sub.begin("set", SUBSCRIBE=topic)
                sub.subscribe(topic)
            await their_sub.set(SUBSCRIBE="topic/last")
            await their_sub.connect(await pub.bind("tcp://127.0.0.1:*"))
            sub.connect(await their_xpub.bind("tcp://127.0.0.1:*"))
            for topic in ["topic/last", *wanted]:
                await pub.wait_subscribed(topic)
            assert {message for (message,) in await their_xpub.recv(1000)} == {
                b"\1".hex() + topic.encode().hex() for topic in wanted
            }
            await their_xpub.do("send", messages=orders(messages))
            assert [await sub.receive() for _ in wanted] == messages[::2]
            receiving = await their_sub.begin("recv", count=1000)
            for message in messages:
                await pub.send(message)
            assert await receiving.answer() == described(messages[::2])


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_our_subscriptions_are_replayed(
    peer: PeerProcess, transport: str, wildcard: Callable[[str], str]
) -> None:
    """Each topic once, without its count; what was cancelled meanwhile is not."""
    with trio.fail_after(TIME):
        async with trizmq.Sub(reconnect_interval=0.01) as sub, sub.events() as events:
            xpub = await peer.open("XPUB")
            endpoint = await xpub.bind(wildcard(transport))
            sub.connect(endpoint)
            for topic in "a", "a", "b", "c":
                sub.subscribe(topic)
            assert sorted(await xpub.recv(3)) == described([[b"\1a"], [b"\1b"], [b"\1c"]])
            await xpub.close()
            await until(events, trizmq.Disconnected)
            sub.unsubscribe("b")
            sub.subscribe("d")
            again = await peer.open("XPUB")
            await again.bind(endpoint)
            assert sorted(await again.recv(3)) == described([[b"\1a"], [b"\1c"], [b"\1d"]])
            await again.send([b"b"], [b"d"])
            assert await sub.receive() == [b"d"]
            sub.unsubscribe("a")  # it was subscribed to twice, and still is
            sub.unsubscribe("c")
            assert await again.recv() == described([[b"\0c"]])
            assert sub.statistics().reconnects == 1


async def test_their_subscriptions_are_replayed(peer: PeerProcess) -> None:
    """A pyzmq SUB comes back to a publisher that had gone. (It needs to be in a call for that: hence the receive.)"""
    with trio.fail_after(TIME):
        sub = await peer.open("SUB", RECONNECT_IVL=10)
        await sub.set(SUBSCRIBE="a")
        async with trizmq.XPub() as xpub:
            endpoint = await xpub.bind("tcp://127.0.0.1:*")
            await sub.connect(endpoint)
            assert await xpub.receive() == [b"\1a"]
            await xpub.send(b"a first")
            receiving = await sub.begin("recv", count=2)
            await xpub.wait_drained()
            xpub.unbind(endpoint)
            assert await xpub.receive() == [b"\0a"]
            await xpub.bind(endpoint)
            assert await xpub.receive() == [b"\1a"]
            await xpub.send(b"a second")
            assert await receiving.answer() == described([[b"a first"], [b"a second"]])


async def test_pub_drops_for_the_slow_only(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    """A subscriber that does not read costs itself messages, counted; whole ones, and no other subscriber any."""
    with trio.fail_after(TIME):
        async with trizmq.Pub(send_hwm=100) as pub:
            endpoint = await pub.bind(wildcard("ipc"))
            slow, fast = await peer.open("SUB", RCVHWM=10), await peer.open("SUB", RCVHWM=0)
            for sub in slow, fast:
                await sub.connect(endpoint)
                await sub.set(SUBSCRIBE="")
            await pub.wait_subscribed(n=2)
            body = bytes(20_000)
            for start in range(0, 1000, 50):
                receiving = await fast.begin("recv", count=50)
                for number in range(start, start + 50):
                    await pub.send([b"%d" % number, body, b"last"])
                assert [message[0] for message in await receiving.answer()] == [
                    (b"%d" % number).hex() for number in range(start, start + 50)
                ]
            dropped = pub.statistics().drops[trizmq.DropReason.SEND_HWM]
            assert 0 < dropped <= 1000 - 100
            arrived = await slow.recv(1000 - dropped)
            assert all(len(message) == 3 and message[2] == b"last".hex() for message in arrived)
            assert [message[0] for message in arrived[:100]] == [(b"%d" % number).hex() for number in range(100)]
