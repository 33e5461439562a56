"""Limits in bytes, from the option to the pipe: over a network, over inproc, and changed while the socket lives."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import trizmq
from tests.runtime.helpers import TRANSPORTS, meet, until
from trizmq.testing import MemoryNetwork

pytestmark = pytest.mark.deadline(10)


async def fill(push: trizmq.Push, size: int = 1000) -> int:
    """Send until there is no room for long; how many were sent."""
    sent = 0
    while True:
        with trio.move_on_after(10) as waiting:
            await push.send(bytes(size))
            sent += 1
        if waiting.cancelled_caught:
            return sent


async def test_what_waits_to_be_written(autojump_clock: MockClock) -> None:
    async with trizmq.Push(send_hwm_bytes=10_000, linger=0.0) as push:
        push.connect("tcp://127.0.0.1:1")
        assert await fill(push) == 10
        push.send_hwm_bytes = 15_000
        assert await fill(push) == 5
        push.send_hwm_bytes = 0
        assert await fill(push) == 1000 - 15


async def test_what_waits_to_be_received(autojump_clock: MockClock) -> None:
    """The reader stops at the limit, though the messages are few; then the network fills, and then the sender waits."""
    with MemoryNetwork().host():
        async with trizmq.Pull(receive_hwm_bytes=100_000) as pull, trizmq.Push(send_hwm_bytes=50_000) as push:
            await meet(pull, push)
            sent = await fill(push, 100)
            (peer,) = pull.statistics().peers
            assert 1000 <= peer.inbound <= 1000 + 3000, "the limit, and what the last read brought"
            assert sent <= (100_000 + 50_000 + 3 * 256 * 1024) / 100
            for _ in range(sent):
                assert await pull.recv() == bytes(100)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_everything_arrives(transport: str) -> None:
    async with trizmq.Pull(receive_hwm_bytes=1) as pull, trizmq.Push(send_hwm_bytes=1) as push:
        await meet(pull, push, TRANSPORTS[transport])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.send_many, [[b"%d" % number, bytes(number * 100)] for number in range(500)])
            for number in range(500):
                assert await pull.receive() == [b"%d" % number, bytes(number * 100)]
        assert push.statistics().messages_sent == pull.statistics().messages_received == 500


@pytest.mark.parametrize(("sending", "receiving", "accepted"), [(3000, 0, 3), (0, 3000, 3), (3000, 2000, 5)])
async def test_over_inproc_the_limits_add_up(
    sending: int, receiving: int, accepted: int, autojump_clock: MockClock
) -> None:
    async with trizmq.Pull(receive_hwm_bytes=receiving) as pull, trizmq.Push(send_hwm_bytes=sending) as push:
        await meet(pull, push, "inproc://x")
        assert await fill(push) == accepted
        await pull.receive()
        assert await pull.receive() == [bytes(1000)]
        while pull.readable:
            await pull.receive()
        assert await fill(push) == accepted


async def test_a_publisher_drops_by_bytes_too() -> None:
    async with trizmq.Pub(send_hwm_bytes=5000) as pub, trizmq.Sub() as sub:
        sub.subscribe()
        await meet(pub, sub, "inproc://x")
        await pub.wait_subscribed()
        await pub.send_many(bytes(1000) for _ in range(8))
        assert pub.statistics().drops == {trizmq.DropReason.SEND_HWM: 3}


async def test_bytes_survive_a_reconnect(autojump_clock: MockClock) -> None:
    """What was not sent whole goes back into the queue, and counts there."""
    network = MemoryNetwork()
    with network.host():
        async with trizmq.Pull() as pull, trizmq.Push(send_hwm_bytes=1_000_000) as push:
            await meet(pull, push, "tcp://server:1")
            network.stall()
            assert await fill(push, 100_000) == 10
            network.heal()
            network.cut()
            await until(lambda: not push.statistics().peers[0].connected)
            assert push.statistics().peers[0].outbound == 8, "two were with the network, and are lost"
            assert await fill(push, 100_000) == 2
            network.heal()
            for _ in range(10):
                assert await pull.recv() == bytes(100_000)
            assert await fill(push, 100_000) >= 10
