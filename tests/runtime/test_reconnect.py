"""Connections that are lost: what is queued survives, what was not sent is sent again, in order, and nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from trizmq.transports import STREAM_TRANSPORTS

from .helpers import TRANSPORTS, MemoryTransport, Relay, frame, meet, message, raw_listener, start, until

pytestmark = pytest.mark.deadline(20)


async def test_messages_queued_meanwhile_arrive() -> None:
    async with trizmq.Push(reconnect_interval=0.01) as push:
        async with trizmq.Pull() as pull:
            endpoint = await meet(pull, push)
            await push.send(b"before")
            assert await pull.recv() == b"before"
        await until(lambda: not push.statistics().peers[0].connected)
        await push.send_many([b"1", b"2", b"3"])
        async with trizmq.Pull() as pull:
            await pull.bind(endpoint)
            assert [await pull.recv() for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", TRANSPORTS["ipc"], "inproc://x"])
async def test_many_times(endpoint: str) -> None:
    async with trizmq.Push(reconnect_interval=0.01) as push:
        for number in range(5):
            async with trizmq.Pull() as pull:
                endpoint = await pull.bind(endpoint)
                if not number:
                    push.connect(endpoint)
                await push.send(b"%d" % number)
                assert await pull.recv() == b"%d" % number
            await until(lambda: not any(peer.connected for peer in push.statistics().peers))
        assert push.statistics().reconnects == (4 if "inproc" not in endpoint else push.statistics().reconnects)


@pytest.mark.parametrize("seed", range(6))
async def test_a_relay_that_cuts(seed: int, nursery: trio.Nursery) -> None:
    """Cut at random bytes, what arrives is in order and never doubled; what is missing was wholly given to the system."""
    rng = random.Random(seed)
    cuts = (rng.choice([rng.randrange(0, 100), rng.randrange(100, 300), rng.randrange(300, 30_000)]) for _ in range(12))
    count = 600
    async with (
        trizmq.Pull(receive_hwm=0) as pull,
        trizmq.Push(reconnect_interval=0.001, reconnect_interval_max=0.002) as push,
    ):
        relay = Relay(await pull.bind("tcp://127.0.0.1:*"), cuts)
        await nursery.start(relay.run)
        push.connect(relay.endpoint)
        received: list[int] = []

        async def receive() -> None:
            async for frames in pull:
                received.append(int(frames[0]))
                assert frames[1:] == [bytes(int(frames[0]) % 300)]

        receiving = await start(nursery, receive)
        for number in range(count):
            await push.send([b"%d" % number, bytes(number % 300)])
            if not number % 20:
                await trio.sleep(0.002)
        with trio.fail_after(10):
            while not receiving.error and (not received or received[-1] < 600):  # what was in flight at a cut is lost
                await push.send([b"%d" % count, bytes(count % 300)])
                count += 1
                await trio.testing.wait_all_tasks_blocked(0.003)
        assert receiving.error is None
        assert received == sorted(set(received)), "doubled or reordered"
        assert relay.connections > 5
        statistics = push.statistics()
        assert statistics.messages_sent + sum(peer.outbound for peer in statistics.peers) == count
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cut", [0, 1, 5, 64, 90, 100, 150, 1000])
async def test_what_was_not_sent_whole_is_sent_again(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network takes ``cut`` bytes of the first connection and breaks, which the sender is told: nothing is lost then."""
    messages = [b"%d" % number + bytes(20) for number in range(50)]
    transport = MemoryTransport()
    monkeypatch.setitem(STREAM_TRANSPORTS, "mem", transport)
    left = cut

    def on_connect(near: trio.abc.Stream, far: trio.abc.Stream) -> None:
        if len(transport.attempts) > 1:
            return
        sender = near.send_stream  # type: ignore[attr-defined]
        original = sender.send_all

        async def send_all(data: bytes) -> None:
            nonlocal left
            if len(data) <= left:
                left -= len(data)
                await original(data)
            else:
                near.receive_stream.close()  # type: ignore[attr-defined]
                await far.aclose()
                raise trio.BrokenResourceError("cut")

        sender.send_all = send_all

    transport.on_connect = on_connect
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval=0.001) as push:
        await pull.bind("mem://x")
        push.connect("mem://x")
        await push.send_many(messages)
        with trio.fail_after(5):
            assert [await pull.recv() for _ in range(50)] == messages
        assert len(transport.attempts) == 2 or cut >= 1000 + 64


async def test_subscriptions_are_replayed() -> None:
    """Once per topic, to each new connection, without the application doing anything (libzmq waits for its next call)."""
    async with raw_listener() as listener, trizmq.Sub(reconnect_interval=0.01) as sub:
        sub.subscribe(b"a")
        sub.subscribe(b"a")
        sub.subscribe(b"b")
        sub.subscribe(b"c")
        sub.unsubscribe(b"c")
        sub.connect(listener.endpoint)
        for _ in range(3):
            peer = await listener.accept()
            await peer.shake_hands("PUB")
            assert [await peer.read_frame() for _ in range(2)] == [
                (4, b"\x09SUBSCRIBEa"),
                (4, b"\x09SUBSCRIBEb"),
            ]
            if len(seen := sub.statistics().peers) and seen[0].connections == 3:
                break
            await trio.aclose_forcefully(peer.stream)
        sub.unsubscribe(b"a")
        sub.unsubscribe(b"a")
        assert await peer.read_frame() == (4, b"\x06CANCELa")
        await trio.aclose_forcefully(peer.stream)
        peer = await listener.accept()
        await peer.shake_hands("PUB")
        assert await peer.read_frame() == (4, b"\x09SUBSCRIBEb")
        await peer.stream.send_all(message(b"b1"))
        assert await sub.recv() == b"b1"


@pytest.mark.parametrize("kind", [trizmq.Sub, trizmq.XSub])
async def test_a_subscription_that_was_not_sent_and_then_ended_is_not_sent_later(
    kind: type[trizmq.Sub], memory: MemoryTransport, autojump_clock: trio.testing.MockClock
) -> None:
    """Queued when the connection broke, cancelled before the next: the publisher never hears of it."""
    far_ends: list[trio.abc.Stream] = []

    def on_connect(near: trio.abc.Stream, far: trio.abc.Stream) -> None:
        far_ends.append(far)
        sender = near.send_stream  # type: ignore[attr-defined]
        original = sender.send_all

        async def send_all(data: bytes) -> None:
            if b"SUBSCRIBEunsent" in data and len(far_ends) == 1:
                near.receive_stream.close()  # type: ignore[attr-defined]
                raise trio.BrokenResourceError("cut")
            await original(data)

        sender.send_all = send_all

    memory.on_connect = on_connect
    async with trizmq.XPub() as xpub, kind(reconnect_interval=1) as sub:
        sub.subscribe(b"kept")
        await meet(xpub, sub, "mem://x")
        assert await xpub.recv() == b"\x01kept"
        sub.subscribe(b"unsent")
        await until(lambda: not sub.statistics().peers[0].connected)
        sub.unsubscribe(b"unsent")
        await sub.wait_connected()
        with trio.move_on_after(0.1):
            while True:
                assert b"unsent" not in await xpub.recv()
        assert len(far_ends) == 2


async def test_publications_after_a_reconnect() -> None:
    async with trizmq.Sub(reconnect_interval=0.01) as sub:
        sub.subscribe(b"")
        endpoint = "tcp://127.0.0.1:*"
        for number in range(3):
            async with trizmq.Pub() as pub:
                endpoint = await pub.bind(endpoint)
                if not number:
                    sub.connect(endpoint)
                await pub.wait_subscribed(b"x")
                await pub.send(b"x%d" % number)
                assert await sub.recv() == b"x%d" % number


async def test_a_half_received_message_never_surfaces() -> None:
    async with trizmq.Pull() as pull, raw_listener() as listener:
        pull.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands("PUSH")
        await peer.stream.send_all(message(b"whole") + frame(b"first of two", 1) + b"\x00\x05sec")
        await trio.aclose_forcefully(peer.stream)
        peer = await listener.accept()
        await peer.shake_hands("PUSH")
        await peer.stream.send_all(message(b"next", b"one"))
        assert await pull.receive() == [b"whole"]
        assert await pull.receive() == [b"next", b"one"]


async def test_a_cut_while_a_large_message_is_written() -> None:
    """8 MB to a peer that reads a little and goes: the whole message goes to the next."""
    body = random.Random(1).randbytes(8_000_000)
    async with raw_listener() as listener, trizmq.Push(reconnect_interval=0.01) as push:
        push.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands("PULL")
        await push.wait_connected()
        await push.send([b"head", body])
        await push.send(b"tail")
        await peer.read(100_000)
        await trio.aclose_forcefully(peer.stream)
        peer = await listener.accept()
        await peer.shake_hands("PULL")
        assert await peer.read_message() == [b"head", body]
        assert await peer.read_message() == [b"tail"]


# ---- when to try again


async def attempts(push: trizmq.Push, transport: MemoryTransport, count: int) -> list[float]:
    transport.attempts.clear()
    push.connect("mem://nobody")
    await transport.wait_attempts(count)
    times = transport.attempts[:count]
    push.disconnect("mem://nobody")
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTransport:
    transport = MemoryTransport()
    monkeypatch.setitem(STREAM_TRANSPORTS, "mem", transport)
    return transport


async def test_back_off_doubles_up_to_its_limit(
    memory: MemoryTransport, autojump_clock: trio.testing.MockClock
) -> None:
    async with trizmq.Push(reconnect_interval=1, reconnect_interval_max=8) as push:
        waits = await attempts(push, memory, 9)
    for wait, nominal in zip(waits, [1, 2, 4, 8, 8, 8, 8, 8], strict=True):
        assert 0.49 * nominal <= wait <= 1.51 * nominal + 0.02, waits


async def test_back_off_is_spread(memory: MemoryTransport, autojump_clock: trio.testing.MockClock) -> None:
    """A restarted server is not met by all its clients at the same instant."""
    async with trizmq.Push(reconnect_interval=1, reconnect_interval_max=1) as push:
        waits = await attempts(push, memory, 30)
    assert len({round(wait, 2) for wait in waits}) > 10
    assert 0.8 < sum(waits) / len(waits) < 1.2


async def test_the_first_attempt_is_at_once(memory: MemoryTransport, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Push(reconnect_interval=100) as push, trizmq.Pull() as pull:
        await pull.bind("mem://x")
        before = trio.current_time()
        push.connect("mem://x")
        await push.wait_connected()
        assert trio.current_time() - before < 1


async def test_back_off_starts_anew_after_a_handshake(
    memory: MemoryTransport, autojump_clock: trio.testing.MockClock
) -> None:
    async with trizmq.Push(reconnect_interval=1, reconnect_interval_max=100) as push:
        events = push.events()
        push.connect("mem://x")
        await memory.wait_attempts(5)
        async with trizmq.Pull() as pull:
            await pull.bind("mem://x")
            await push.wait_connected()
            await trio.sleep(1)
        delays: list[float] = []
        async for event in events:
            if isinstance(event, trizmq.ConnectRetried):
                delays.append(event.delay)
            if isinstance(event, trizmq.HandshakeSucceeded):
                break
        assert delays[-1] > 4
        async for event in events:
            if isinstance(event, trizmq.ConnectRetried):
                assert 0.49 <= event.delay <= 1.51
                break


@pytest.mark.parametrize(
    ("make", "peer"),
    [
        (trizmq.Dealer, "ROUTER"),
        (partial(trizmq.Dealer, hello_message=b"hello"), "ROUTER"),
        (partial(trizmq.Dealer, probe_router=True), "ROUTER"),
        (trizmq.Sub, "PUB"),
    ],
)
async def test_a_peer_that_closes_after_the_handshake_is_not_hammered(make: Callable[..., Any], peer: str) -> None:
    """Nor if it gets what every connection gets: subscriptions and greetings. One that sends is good for something."""
    async with (
        raw_listener() as listener,
        make(reconnect_interval=0.001, reconnect_interval_max=64) as socket,
        socket.events() as events,
    ):
        if peer == "PUB":
            socket.subscribe()
        socket.connect(listener.endpoint)
        delays = []
        for sends in (*[False] * 6, True):
            raw = await listener.accept()
            await raw.shake_hands(peer)
            if sends:
                await raw.stream.send_all(message(b"x"))
            await raw.stream.aclose()
            async for event in events:
                if isinstance(event, trizmq.ConnectRetried):
                    delays.append(event.delay)
                    break
        assert delays[5] > 0.015
        assert delays[6] < 0.002


async def test_a_peer_that_accepts_and_refuses_is_not_hammered(
    memory: MemoryTransport, autojump_clock: trio.testing.MockClock
) -> None:
    """A type that does not fit: the connection is made each time, and the waits grow all the same (libzmq gives up)."""
    async with trizmq.Push(reconnect_interval=1, reconnect_interval_max=64) as push, trizmq.Pub() as pub:
        await pub.bind("mem://x")
        events = push.events()
        push.connect("mem://x")
        delays: list[float] = []
        async for event in events:
            if isinstance(event, trizmq.ConnectRetried):
                delays.append(event.delay)
                if len(delays) == 6:
                    break
        for delay, nominal in zip(delays, [1, 2, 4, 8, 16, 32], strict=True):
            assert 0.49 * nominal <= delay <= 1.51 * nominal, delays


async def test_disconnect_ends_the_attempts(memory: MemoryTransport, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Push(reconnect_interval=1) as push:
        push.connect("mem://x")
        await trio.sleep(10)
        made = len(memory.attempts)
        assert made
        push.disconnect("mem://x")
        await trio.sleep(100)
        assert len(memory.attempts) == made


async def test_a_silent_peer_is_given_up_and_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    async with raw_listener() as listener, trizmq.Push(handshake_timeout=5, reconnect_interval=1) as push:
        push.connect(listener.endpoint)
        times = []
        for _ in range(2):
            peer = await listener.accept()
            times.append(trio.current_time())
            assert await peer.read(10)
            await peer.closed()
        assert 5.4 < times[1] - times[0] < 6.6


@pytest.mark.parametrize("chunk", [1, 3])
async def test_whole_sockets_over_memory_streams_byte_by_byte(memory: MemoryTransport, chunk: int) -> None:
    def on_connect(near: trio.abc.Stream, far: trio.abc.Stream) -> None:
        for stream in (near, far):
            receiver = stream.receive_stream  # type: ignore[attr-defined]
            original = receiver.receive_some

            async def little(max_bytes: int | None = None, original: object = original) -> bytes:
                return await original(chunk)  # type: ignore[operator,no-any-return]

            receiver.receive_some = little

    memory.on_connect = on_connect
    async with trizmq.Dealer() as dealer, trizmq.Router() as router:
        await meet(router, dealer, "mem://x")
        await dealer.send([b"", b"a" * 300, b""])
        identity, *frames = await router.receive()
        assert frames == [b"", b"a" * 300, b""]
        await router.send([identity, b"reply"])
        assert await dealer.recv() == b"reply"
