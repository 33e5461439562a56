"""libzmq's tests of PUSH, PULL, conflate and high-water marks, written anew from the reference (section 4.1)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import STREAMS, TRANSPORTS, frame, meet, raw_connection, raw_listener, until
from trizmq import DropReason

from .test_request_reply import connect_all

pytestmark = pytest.mark.deadline(20)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
each_stream = pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)


@each_transport
async def test_spec_pushpull_round_robin_out(endpoint: str) -> None:
    """test_spec_pushpull: strict rotation over the peers."""
    async with trizmq.Context() as context, context.socket(trizmq.Push) as push:
        pulls = [await context.socket(trizmq.Pull).__aenter__() for _ in range(5)]
        await connect_all(push, endpoint, *pulls)
        for number in range(10):
            await push.send([b"%d" % number, b"more"])
        for number, pull in enumerate(pulls):
            assert await pull.receive() == [b"%d" % number, b"more"]
            assert await pull.receive() == [b"%d" % (number + 5), b"more"]


@each_stream
@pytest.mark.parametrize("waits", [True, False])
async def test_spec_pushpull_multipart_atomicity(endpoint: str, waits: bool) -> None:
    """test_spec_pushpull: the only connection dies in the middle of a message of large parts; only whole messages arrive."""
    body = bytes(1_000_000)
    async with trizmq.Push(linger=0, send_hwm=0) as push:
        bound = await push.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PULL")
            await push.wait_connected()
            for _ in range(3):
                await push.send([b"head", body, b"tail"])
            await peer.read(1_200_000)
        await until(lambda: not push.statistics().peers)
        async with trizmq.Pull() as pull:
            if waits:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(push.send, [b"next", b"message"])
                    pull.connect(bound)
                    assert await pull.receive() == [b"next", b"message"]
            else:
                with pytest.raises(trio.WouldBlock):
                    push.send_nowait(b"x")
                pull.connect(bound)
                await push.wait_connected()
                push.send_nowait([b"next", b"message"])
                assert await pull.receive() == [b"next", b"message"]


@each_stream
async def test_spec_pushpull_the_pusher_dies_in_the_middle(endpoint: str) -> None:
    """test_spec_pushpull, the other side: frames without their end never surface."""
    async with trizmq.Pull() as pull:
        bound = await pull.bind(endpoint)
        for _ in range(3):
            async with raw_connection(bound) as peer:
                await peer.shake_hands("PUSH")
                await peer.stream.send_all(frame(b"whole") + frame(b"head", 1) + frame(bytes(100_000), 1))
            assert await pull.receive() == [b"whole"]
        await until(lambda: not pull.statistics().peers)
        assert not pull.readable


@each_transport
async def test_conflate(endpoint: str) -> None:
    """test_conflate: of twenty numbers a PULL that conflates reads the last, and nothing more."""
    async with trizmq.Pull(conflate=True) as pull, trizmq.Push() as push:
        await meet(pull, push, endpoint)
        for number in range(20):
            await push.send([b"%d" % number, b"whole"])
        await push.wait_drained()
        if "inproc" not in endpoint:
            await until(lambda: pull.statistics().messages_received == 20)
        assert await pull.receive() == [b"19", b"whole"]
        assert not pull.readable
        assert (pull if "inproc" not in endpoint else push).statistics().drops == {DropReason.CONFLATED: 19}


@pytest.mark.parametrize(("kind", "peer_type"), [(trizmq.Push, "PULL"), (trizmq.Pub, "SUB"), (trizmq.Dealer, "DEALER")])
async def test_conflate_on_the_sender(kind: Any, peer_type: str) -> None:
    """The sender's queue keeps the newest; it never is full."""
    async with raw_listener() as listener, kind(conflate=True, send_hwm=1, linger=0) as sender:
        sender.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands(peer_type)
        await sender.wait_connected()
        if kind is trizmq.Pub:
            await peer.stream.send_all(frame(b"\x09SUBSCRIBE", 4))
            await sender.wait_subscribed()
        for number in range(200):
            sender.send_nowait(b"%d" % number + bytes(100_000))
        last = b""
        while not last.startswith(b"199\0"):
            (last,) = await peer.read_message()
        assert sender.statistics().drops[DropReason.CONFLATED] > 100


# ---- high-water marks


def count_sends(push: trizmq.Push, limit: int = 10_000) -> int:
    sent = 0
    while sent < limit:
        try:
            push.send_nowait(b"x")
        except trio.WouldBlock:
            break
        sent += 1
    return sent


async def test_hwm_defaults() -> None:
    """test_hwm, test_defaults: 1000 and 1000 make 2000 over inproc."""
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, "inproc://a")
        assert count_sends(push) == 2000
        assert len(await pull.receive_many(10_000)) == 2000
        push.send_nowait(b"one more")
        assert await pull.recv() == b"one more"


@pytest.mark.parametrize(
    ("send_hwm", "receive_hwm", "expected"), [(1, 0, None), (0, 1, None), (0, 0, None), (1, 1, 2), (2, 3, 5)]
)
@pytest.mark.parametrize("connect_first", [False, True])
async def test_hwm_inproc(send_hwm: int, receive_hwm: int, expected: int | None, connect_first: bool) -> None:
    """test_hwm, test_inproc_bind_first and _connect_first: the sum of both, and unlimited where one is."""
    async with trizmq.Pull(receive_hwm=receive_hwm) as pull, trizmq.Push(send_hwm=send_hwm) as push:
        if connect_first:
            push.connect("inproc://a")
            await pull.bind("inproc://a")
        else:
            await meet(pull, push, "inproc://a")
        sent = count_sends(push)
        assert sent == (expected or 10_000)
        assert len(await pull.receive_many(20_000)) == sent
        assert count_sends(push, 1) == 1, "after draining one more send works"


async def test_hwm_inproc_connect_and_close_first() -> None:
    """test_hwm: a sender of HWM 1 that connects, sends and closes before the bind: exactly one message is delivered."""
    async with trizmq.Context() as context, context.socket(trizmq.Pull) as pull:
        async with context.socket(trizmq.Push, send_hwm=1) as push:
            push.connect("inproc://a")
            assert count_sends(push, 10) == 1
        await pull.bind("inproc://a")
        assert await pull.recv() == b"x"
        assert not pull.readable


async def test_sockopt_hwm() -> None:
    """test_sockopt_hwm: 2+2 makes 4; raised while in use 1 to 5, with the receiver's 1, makes 6; lowered, nothing is lost."""
    async with trizmq.Pull(receive_hwm=2) as pull, trizmq.Push(send_hwm=2) as push:
        await meet(pull, push, "inproc://a")
        assert count_sends(push) == 4
    async with trizmq.Pull(receive_hwm=1) as pull, trizmq.Push(send_hwm=1) as push:
        await meet(pull, push, "inproc://a")
        push.send_hwm = 5
        assert count_sends(push) == 6
        push.send_hwm = 3
        assert count_sends(push) == 0
        assert len(await pull.receive_many()) == 6
        assert count_sends(push) == 4
        assert len(await pull.receive_many()) == 4


@each_transport
async def test_hwm_pubsub(endpoint: str) -> None:
    """test_hwm_pubsub: of an unread burst exactly the sender's mark arrives, as far as no other buffer takes any.

    Over tcp and ipc that is what waits for a stalled connection; over inproc the marks add up.
    """
    async with trizmq.XPub(send_hwm=100) as pub, trizmq.Sub(receive_hwm=10) as sub:
        await meet(pub, sub, endpoint)
        sub.subscribe()
        await pub.wait_subscribed()
        if endpoint.startswith("inproc"):
            for _ in range(1000):
                pub.send_nowait(b"x")
            assert len(await sub.receive_many(1000)) == 110
        else:
            for _ in range(1000):
                pub.send_nowait(bytes(100_000))
            arrived = 1000 - pub.statistics().drops[DropReason.SEND_HWM]
            assert 100 <= arrived <= 101, (
                "nothing was written meanwhile: no task has run since, except by direct writing"
            )
            for _ in range(arrived):
                await sub.receive()
        await pub.send(b"again")
        assert await sub.recv() == b"again"


@each_transport
async def test_hwm_pubsub_nodrop(endpoint: str) -> None:
    """test_hwm_pubsub: 6000 messages with a mark of 2000 and no dropping: the sender waits, nothing is lost."""
    async with trizmq.XPub(send_hwm=1000, xpub_nodrop=True) as pub, trizmq.Sub(receive_hwm=1000) as sub:
        await meet(pub, sub, endpoint)
        sub.subscribe()
        await pub.wait_subscribed()
        waited = 0
        received = 0
        for number in range(6000):
            while True:
                try:
                    pub.send_nowait(b"%d" % number)
                except trio.WouldBlock:
                    waited += 1
                    for message in await sub.receive_many(500):
                        assert message == [b"%d" % received]
                        received += 1
                    await trio.testing.wait_all_tasks_blocked()
                else:
                    break
        assert waited
        while received < 6000:
            for message in await sub.receive_many():
                assert message == [b"%d" % received]
                received += 1
        assert pub.statistics().dropped == 0


async def test_hwm_pubsub_credit_returns() -> None:
    """test_hwm_pubsub, reset_hwm: after a full burst was read, a second full burst goes through."""
    async with trizmq.Pub(send_hwm=5000) as pub, trizmq.Sub(receive_hwm=5000) as sub:
        await meet(pub, sub)
        sub.subscribe()
        await pub.wait_subscribed()
        for _ in range(2):
            for _ in range(5000):
                pub.send_nowait(b"x")
            received = 0
            while received < 5000:
                received += len(await sub.receive_many())
        assert pub.statistics().dropped == 0


# ---- immediate


async def test_immediate_off() -> None:
    """test_immediate: with a dead and a living peer half of ten messages waits for the dead one."""
    async with trizmq.Push(linger=0) as push, trizmq.Pull() as pull, raw_listener() as listener:
        await listener.aclose()
        push.connect(listener.endpoint)
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        await push.wait_connected()
        for number in range(10):
            push.send_nowait(b"%d" % number)
        received = [await pull.recv() for _ in range(5)]
        assert received == [b"1", b"3", b"5", b"7", b"9"]
        await push.wait_connected()
        assert not pull.readable


@each_transport
async def test_immediate_on(endpoint: str) -> None:
    """test_immediate: with immediate all ten go to the living peer; without one nothing is queued; later it goes on."""
    async with (
        trizmq.Push(immediate=True, reconnect_interval=0.01, reconnect_interval_max=0.02) as push,
        raw_listener() as listener,
    ):
        await listener.aclose()
        push.connect(listener.endpoint)
        push.connect("inproc://nobody")
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"x")
        async with trizmq.Pull() as pull:
            bound = await pull.bind(endpoint)
            push.connect(bound)
            await push.wait_connected()
            for number in range(10):
                push.send_nowait(b"%d" % number)
            assert [await pull.recv() for _ in range(10)] == [b"%d" % number for number in range(10)]
        await until(lambda: not any(peer.connected for peer in push.statistics().peers))
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"x")
        async with trizmq.Pull() as pull:
            await pull.bind(bound)
            await push.send(b"resumed")
            assert await pull.recv() == b"resumed"
        assert push.statistics().dropped == 0
