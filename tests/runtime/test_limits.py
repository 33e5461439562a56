"""What a peer can make a socket hold is limited, and grows with what it has sent, never with what it announces."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

import trizmq

from .helpers import GREETING, RawPeer, frame, meet, message, raw_connection, ready, until

pytestmark = pytest.mark.deadline(30)


async def cause(events: trizmq.EventWatcher, kind: type[trizmq.Event]) -> str:
    """Why the next connection ended that ended in this way."""
    async for event in events:
        if isinstance(event, kind):
            return str(event.cause)  # type: ignore[attr-defined]
    raise AssertionError


# ---- subscriptions


@pytest.mark.parametrize(("kind", "manual"), [(trizmq.Pub, False), (trizmq.XPub, False), (trizmq.XPub, True)])
async def test_too_many_topics(kind: type[trizmq.Pub], manual: bool) -> None:
    """Who subscribes to one too many loses its connection and all its subscriptions; others keep theirs."""
    options: dict[str, Any] = {"max_subscriptions": 10}
    if manual:
        options["xpub_manual"] = True
    async with kind(**options) as pub, trizmq.Sub() as good:
        events = pub.events()
        good.subscribe(b"good")
        bound = await meet(pub, good)
        if not manual:
            await pub.wait_subscribed(b"good")
        async with raw_connection(bound) as peer:
            await peer.shake_hands("SUB")
            for _ in range(3):  # again is not more
                await peer.stream.send_all(b"".join(message(b"\x01%d" % topic) for topic in range(10)))
            await peer.stream.send_all(message(b"\x000") + message(b"\x0110"))
            asked = getattr(pub._core.pattern, "_asked", {})
            known = pub._core.pattern.index  # type: ignore[attr-defined]
            await until(lambda: b"10" in known or any(b"10" in topics for topics in asked.values()))
            assert len(pub.statistics().peers) == 2
            await peer.stream.send_all(b"".join(message(b"\x01more%d" % topic) for topic in range(100)))
            assert await peer.closed()
        assert "more than 10 topics (max_subscriptions)" in await cause(events, trizmq.Disconnected)
        if not manual:
            assert pub._core.pattern.topics_count == 1  # type: ignore[attr-defined]
            await pub.send(b"good 1")
            assert await good.recv() == b"good 1"


@pytest.mark.parametrize("subscribe", [b"\x01", b"\x00"])
async def test_too_long_a_topic(subscribe: bytes) -> None:
    async with trizmq.Pub(max_topic_size=10) as pub:
        events = pub.events()
        async with raw_connection(await pub.bind("tcp://127.0.0.1:*")) as peer:
            await peer.shake_hands("SUB")
            await peer.stream.send_all(message(subscribe + b"x" * 10))
            await peer.stream.send_all(message(subscribe + b"x" * 11))
            assert await peer.closed()
        assert "11 bytes (max_topic_size)" in await cause(events, trizmq.Disconnected)


async def test_a_hundred_thousand_topics_pass() -> None:
    async with trizmq.Pub() as pub, trizmq.Sub() as sub:
        for topic in range(100_000):
            sub.subscribe(b"topic %d" % topic)
        await meet(pub, sub)
        await pub.wait_subscribed(b"topic 99999")
        await pub.send(b"topic 99999")
        assert await sub.recv() == b"topic 99999"


async def test_too_many_topics_over_inproc() -> None:
    """The same rule; whose the subscriber is makes no difference."""
    async with trizmq.Pub(max_subscriptions=2) as pub, trizmq.Sub() as sub:
        events = pub.events()
        await meet(pub, sub, "inproc://x")
        for topic in (b"a", b"b", b"c", b"d"):
            sub.subscribe(topic)
        await cause(events, trizmq.Disconnected)


# ---- handshake


def with_properties(count: int, size: int = 0) -> bytes:
    one = b"\x03X-a" + struct.pack(">I", size) + bytes(size)
    return frame(ready("PUSH")[2:] + one * count, 4)


@pytest.mark.parametrize(
    ("option", "within", "beyond", "text"),
    [
        ({"max_handshake_size": 1000}, with_properties(1, 900), with_properties(1, 1000), "more than 1000"),
        ({"max_properties": 10}, with_properties(9), with_properties(10), "more than 10 properties"),
        ({}, with_properties(1, 60_000), with_properties(1, 70_000), "more than 65535"),
        ({}, with_properties(1000), with_properties(1030), "more than 1024 properties"),
    ],
)
async def test_handshakes(option: dict[str, Any], within: bytes, beyond: bytes, text: str) -> None:
    async with trizmq.Pull(**option) as pull:
        events = pull.events()
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as peer:
            await peer.stream.send_all(GREETING + within)
            await pull.wait_connected()
        async with raw_connection(bound) as peer:
            await peer.stream.send_all(GREETING + beyond)
            assert text in await cause(events, trizmq.HandshakeFailed)


# ---- messages


async def test_frames_of_a_message() -> None:
    async with trizmq.Push() as push, trizmq.Pull(max_frames=3) as pull:
        await meet(pull, push)
        await push.send([b"1", b"2", b"3"])
        assert await pull.receive() == [b"1", b"2", b"3"]
        events = pull.events()
        await push.send([b"1", b"2", b"3", b"4"])
        assert "3" in await cause(events, trizmq.Disconnected)


# ---- memory


async def grown(peer: RawPeer, pull: trizmq.Pull, data: bytes) -> int:
    """By how many bytes memory grows when this is received."""
    before = pull.statistics().bytes_received
    tracemalloc.start()
    try:
        (start, _) = tracemalloc.get_traced_memory()
        await peer.stream.send_all(data)
        await until(lambda: pull.statistics().bytes_received >= before + len(data))
        (_, peak) = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - start


LARGE = struct.pack(">Q", 1 << 30)


@pytest.mark.parametrize(
    "announced",
    [b"\x02" + LARGE, b"\x03" + LARGE, message(b"x") + b"\x02" + LARGE + b"some"],
    ids=["a frame", "the first of several", "after a message"],
)
async def test_memory_does_not_grow_with_what_is_announced(announced: bytes) -> None:
    """The largest message allowed is announced, and little of it comes: over fifty connections as over one."""
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PUSH")
            # what is read into is the system's doing, and freed at once: a megabyte at most when a large frame is expected
            assert await grown(peer, pull, announced) < 3 << 20
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert await grown(peer, pull, b"x" * 1000) < 3 << 20
            assert pull.statistics().peers[0].connected


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="tracemalloc")
async def test_memory_held_is_in_proportion_to_what_came() -> None:
    """A large message in crumbs, each a system call of its own: what is held is the bytes and not much more."""
    count, crumb = 3000, 200
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")

        def arrived(count: int) -> bool:
            return pull.statistics().bytes_received >= count

        async with raw_connection(bound) as peer:
            await peer.shake_hands("PUSH")
            await peer.stream.send_all(b"\x02" + struct.pack(">Q", 1 << 30))
            before = pull.statistics().bytes_received
            tracemalloc.start()
            try:
                for number in range(count):
                    await peer.stream.send_all(bytes(crumb))
                    expected = before + crumb * (number + 1)
                    if number % 10 == 0:
                        await until(partial(arrived, expected - 9))
                await until(lambda: pull.statistics().bytes_received >= before + count * crumb)
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert held < count * crumb * 2 + (1 << 20)


async def test_a_handshake_command_that_never_ends() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as peer:
            await peer.stream.send_all(GREETING)
            await peer.read(64)
            events = pull.events()
            assert await grown(peer, pull, b"\x06" + struct.pack(">Q", 1 << 40)) < 1 << 20
            assert "more than 65535" in await cause(events, trizmq.HandshakeFailed)
