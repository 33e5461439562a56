"""A subscriber that has gone mute: the newest is dropped, or the oldest, or the sender waits; always counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

import trizmq
from tests.runtime.helpers import TRANSPORTS
from trizmq.testing import MemoryNetwork

pytestmark = pytest.mark.deadline(10)

HWM = 5
SENT = 1000
BODY = bytes(100_000)  # three fill the network


@pytest.fixture
def network() -> Iterator[MemoryNetwork]:
    network = MemoryNetwork()
    with network.host():
        yield network


@asynccontextmanager
async def mute(
    network: MemoryNetwork, kind: type[trizmq.Pub], *, drop_oldest: bool = False, xpub_nodrop: bool = False
) -> AsyncIterator[tuple[trizmq.Pub, trizmq.Sub]]:
    """A publisher with one subscriber to which nothing gets through."""
    async with (
        kind(send_hwm=HWM, drop_oldest=drop_oldest, xpub_nodrop=xpub_nodrop) as pub,
        trizmq.Sub(receive_hwm=0) as sub,
    ):
        sub.subscribe()
        sub.connect(await pub.bind("tcp://server:1"))
        await pub.wait_subscribed()
        network.stall()
        yield pub, sub


async def numbers(sub: trizmq.Sub) -> list[int]:
    """What comes before a long silence."""
    found = []
    with trio.move_on_after(1000):
        while True:
            number, _ = await sub.receive()
            found.append(int(number))
    return found


async def send_numbers(pub: trizmq.Pub) -> int:
    """Send until it is done or has to wait for long; how many were sent."""
    for number in range(SENT):
        with trio.move_on_after(1000) as waiting:
            await pub.send([b"%d" % number, BODY])
        if waiting.cancelled_caught:
            return number
    return SENT


@pytest.mark.parametrize("kind", [trizmq.Pub, trizmq.XPub])
async def test_the_newest_is_dropped(network: MemoryNetwork, kind: type[trizmq.Pub], autojump_clock: MockClock) -> None:
    async with mute(network, kind) as (pub, sub):
        assert await send_numbers(pub) == SENT
        network.heal()
        received = await numbers(sub)
        assert received == list(range(HWM)), "the mark counts what is being written"
        assert pub.statistics().drops == {trizmq.DropReason.SEND_HWM: SENT - HWM}


@pytest.mark.parametrize("kind", [trizmq.Pub, trizmq.XPub])
async def test_the_oldest_is_dropped(network: MemoryNetwork, kind: type[trizmq.Pub], autojump_clock: MockClock) -> None:
    async with mute(network, kind, drop_oldest=True) as (pub, sub):
        assert await send_numbers(pub) == SENT
        assert HWM < pub.peers()[0].outbound <= 2 * HWM, "what is being written is not counted"
        network.heal()
        received = await numbers(sub)
        assert received[-HWM:] == list(range(SENT - HWM, SENT))
        assert received == sorted(received)
        assert pub.statistics().drops == {trizmq.DropReason.SEND_HWM: SENT - len(received)}


@pytest.mark.parametrize("kind", [trizmq.Pub, trizmq.XPub])
async def test_the_sender_waits(network: MemoryNetwork, kind: type[trizmq.Pub], autojump_clock: MockClock) -> None:
    async with mute(network, kind, xpub_nodrop=True) as (pub, sub):
        sent = await send_numbers(pub)
        assert sent == HWM
        network.heal()
        assert await numbers(sub) == list(range(sent))
        assert not pub.statistics().drops


async def test_the_oldest_is_dropped_over_inproc() -> None:
    async with trizmq.Pub(send_hwm=2, drop_oldest=True) as pub, trizmq.Sub(receive_hwm=3) as sub:
        sub.subscribe()
        sub.connect(await pub.bind(TRANSPORTS["inproc"]))
        await pub.wait_subscribed()
        await pub.send_many(b"%d" % number for number in range(100))
        assert [await sub.recv() for _ in range(5)] == [b"95", b"96", b"97", b"98", b"99"]
        assert pub.statistics().drops == {trizmq.DropReason.SEND_HWM: 95}
