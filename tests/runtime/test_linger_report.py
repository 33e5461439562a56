"""``linger_report``: what a close has waited for, for how long, and what it has discarded."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

import trizmq
from trizmq import LingerReport

from .helpers import NOBODY, meet, raw_listener

pytestmark = pytest.mark.deadline(20)


async def test_nothing_to_wait_for() -> None:
    async with trizmq.Push(linger=3) as push:
        before = push.linger_report
    report = push.linger_report
    assert before is None
    assert report is not None
    assert report == LingerReport(report.seconds, 3.0, (), 0)
    assert report.waited_for == 0
    assert report.seconds < 1
    await push.aclose()
    assert push.linger_report is report


@pytest.mark.parametrize("linger", [0, 0.5, 5])
async def test_linger_expires(linger: float, autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Push(linger=linger) as push:
        push.connect(NOBODY)
        await push.send_many([b"1", b"2", b"3"])
    report = push.linger_report
    assert report is not None
    assert (report.limit, report.waited_for, report.discarded) == (linger, 3, 3)
    assert report.seconds == pytest.approx(linger, abs=0.1)
    (one,) = report.unsent
    assert (one.peer.endpoint, one.peer.outbound, one.discarded) == (NOBODY, 3, 3)


async def test_all_was_written() -> None:
    async with raw_listener() as listener, trio.open_nursery() as nursery:
        async with trizmq.Push(send_hwm=0) as push:
            push.connect(listener.endpoint)
            peer = await listener.accept()
            await peer.shake_hands("PULL")
            await push.send_many([bytes(100_000)] * 100)
            nursery.start_soon(peer.read_messages_to_end)
            waiting = push.peers()[0].outbound
            assert waiting > 0, "the system took everything: the test is void"
    report = push.linger_report
    assert report is not None
    assert (report.waited_for, report.discarded) == (waiting, 0)
    assert [(one.peer.outbound, one.discarded) for one in report.unsent] == [(waiting, 0)]


async def test_each_peer_for_itself() -> None:
    """One that reads nothing and one that does: the report tells them apart, and its sum is what was discarded."""
    async with raw_listener() as deaf, raw_listener() as good, trio.open_nursery() as nursery:
        async with trizmq.Push(send_hwm=0, linger=1) as push:
            for listener in (deaf, good):
                push.connect(listener.endpoint)
                peer = await listener.accept()
                await peer.shake_hands("PULL")
            await push.wait_connected(2)
            await push.send_many([bytes(100_000)] * 300)
            nursery.start_soon(peer.read_messages_to_end)
        report = push.linger_report
    assert report is not None
    discarded = {one.peer.endpoint: one.discarded for one in report.unsent}
    assert discarded[deaf.endpoint] == report.discarded > 0
    assert discarded[good.endpoint] == 0


@pytest.mark.parametrize("how", ["raised", "cancelled"])
async def test_a_block_that_fails_waits_for_nothing(how: str) -> None:
    push = trizmq.Push(linger=1000)
    with pytest.raises(KeyError) if how == "raised" else trio.CancelScope() as scope:
        async with push:
            push.connect(NOBODY)
            await push.send(b"1")
            if how == "raised":
                raise KeyError
            assert isinstance(scope, trio.CancelScope)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    report = push.linger_report
    assert report is not None
    assert (report.limit, report.waited_for, report.discarded) == (0.0, 1, 1)
    assert report.seconds < 1


async def test_a_close_that_is_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Push(linger=math.inf) as push:
        push.connect(NOBODY)
        await push.send(b"1")
        with trio.move_on_after(7):
            await push.aclose()
        report = push.linger_report
    assert report is not None
    assert (report.limit, report.discarded) == (math.inf, 1)
    assert report.seconds == pytest.approx(7, abs=0.1)


async def test_inproc_is_not_waited_for() -> None:
    async with trizmq.Pull() as pull:
        async with trizmq.Push() as push:
            await meet(pull, push, "inproc://x")
            await push.send(b"1")
        assert push.linger_report is not None
        assert (push.linger_report.unsent, push.linger_report.discarded) == ((), 0)
        assert await pull.recv() == b"1"
