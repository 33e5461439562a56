"""The colour of each verb: what lets other tasks run, what can be cancelled, what does neither (design 5, rule 1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

import trizmq

from .helpers import NOBODY, TRANSPORTS, meet

pytestmark = pytest.mark.deadline(10)


@asynccontextmanager
async def pipeline(endpoint: str = "inproc://x", **options: int) -> AsyncIterator[tuple[trizmq.Push, trizmq.Pull]]:
    async with (
        trizmq.Context(**options) as context,
        context.socket(trizmq.Push) as push,
        context.socket(trizmq.Pull) as pull,
    ):
        await meet(pull, push, endpoint)
        yield push, pull


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_every_call_is_a_checkpoint_when_told_so(endpoint: str) -> None:
    """``checkpoint_every=1`` is Trio's literal rule."""
    async with pipeline(endpoint, checkpoint_every=1) as (push, pull):
        for _ in range(5):
            with trio.testing.assert_checkpoints():
                await push.send(b"x")
        for _ in range(2):
            await pull.wait_readable()
            with trio.testing.assert_checkpoints():
                await pull.receive()
            with trio.testing.assert_checkpoints():
                await pull.recv()


async def test_calls_that_are_always_checkpoints() -> None:
    async with pipeline() as (push, pull):
        with trio.testing.assert_checkpoints():
            await push.send_many([b"1", b"2"])
        with trio.testing.assert_checkpoints():
            await push.send_many([])
        with trio.testing.assert_checkpoints():
            await pull.receive_many()
        await push.send(b"x")
        with trio.testing.assert_checkpoints():
            await pull.wait_readable()
        with trio.testing.assert_checkpoints():
            await push.wait_writable()
        with trio.testing.assert_checkpoints():
            await push.wait_connected()
        with trio.testing.assert_checkpoints():
            await push.wait_drained()
        with trio.testing.assert_checkpoints():
            await pull.bind("inproc://y")
        with trio.testing.assert_checkpoints():
            await pull.bind("tcp://127.0.0.1:*")
        with trio.testing.assert_checkpoints():
            await pull.bind("ipc://*")


async def test_request_is_a_checkpoint() -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req, trio.open_nursery() as nursery:
        await meet(rep, req, "inproc://x")

        async def serve() -> None:
            async for request in rep:
                await rep.send(request)

        nursery.start_soon(serve)
        with trio.testing.assert_checkpoints():
            assert await req.request(b"x") == [b"x"]
        nursery.cancel_scope.cancel()


async def test_opening_and_closing_are_checkpoints() -> None:
    push = trizmq.Push()
    with trio.testing.assert_checkpoints():
        await push.__aenter__()
    with trio.testing.assert_checkpoints():
        await push.__aexit__(None, None, None)


async def test_plain_calls_are_none() -> None:
    async with trizmq.Pair() as pair, trizmq.Pair() as other:
        await meet(pair, other, "inproc://x")
        with trio.testing.assert_no_checkpoints():
            pair.send_nowait(b"x")
            other.receive_nowait()
            pair.connect(NOBODY)
            pair.disconnect(NOBODY)
            pair.statistics()
            pair.events()
            assert pair.writable
            assert not pair.readable


async def test_every_call_can_be_cancelled() -> None:
    """Every call looks whether it is cancelled, not only every 64th; and then nothing was sent, nothing was taken."""
    async with pipeline() as (push, pull):
        for _ in range(70):
            with trio.CancelScope() as scope:
                scope.cancel()
                await push.send(b"never")
            assert scope.cancelled_caught
            with trio.CancelScope() as scope:
                scope.cancel()
                await push.send_many([b"never"])
            assert scope.cancelled_caught
        assert not pull.readable
        await push.send(b"x")
        for _ in range(70):
            for verb in (pull.receive, pull.recv, pull.receive_many):
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await verb()
                assert scope.cancelled_caught
        assert await pull.recv() == b"x"


async def test_a_cancelled_request_was_not_sent_or_is_given_up() -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, "inproc://x")
        with trio.CancelScope() as scope:
            scope.cancel()
            await req.request(b"never")
        assert scope.cancelled_caught
        assert not rep.readable


@pytest.mark.parametrize("every", [1, 3, 64])
async def test_others_run_at_least_every_so_many_calls(every: int) -> None:
    """Sending without a pause, a task that only wants to run gets its turn."""
    async with pipeline(checkpoint_every=every, send_hwm=0) as (push, pull), trio.open_nursery() as nursery:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(count)
        await trio.lowlevel.checkpoint()
        before = turns
        for _ in range(640):
            await push.send(b"x")
        assert turns - before >= 640 // every - 1
        before = turns
        for _ in range(640):
            await pull.receive()
        assert turns - before >= 640 // every - 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_deadline_fires_on_time_under_a_flood(endpoint: str) -> None:
    """With the default, 50 ms stay 50 ms, for the sender and for the receiver."""
    async with pipeline(endpoint, send_hwm=0, receive_hwm=0) as (push, pull), trio.open_nursery() as nursery:
        before = trio.current_time()
        with trio.move_on_after(0.05):
            while True:
                await push.send(b"x")
        assert 0.04 < trio.current_time() - before < 0.5

        async def flood() -> None:
            while True:
                await push.send_many([b"x"] * 100)

        nursery.start_soon(flood)
        before = trio.current_time()
        with trio.move_on_after(0.05):
            while True:
                await pull.receive()
        assert 0.04 < trio.current_time() - before < 0.5
        nursery.cancel_scope.cancel()
