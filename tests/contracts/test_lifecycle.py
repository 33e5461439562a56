"""libzmq's tests of contexts and their end, written anew from the reference's descriptions (section 4.1)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import NOBODY, TRANSPORTS, meet, start, task_names, until
from trizmq import Poller, UsageError

pytestmark = pytest.mark.deadline(15)


async def test_ctx_shutdown_wakes(nursery: trio.Nursery) -> None:
    """test_ctx_destroy: the end of a context wakes whoever waits in a socket or a poller; then it makes no more sockets."""
    context = trizmq.Context()
    async with context:
        pull = await context.socket(trizmq.Pull).__aenter__()
        push = await context.socket(trizmq.Push).__aenter__()
        poller = Poller()
        poller.register(pull)
        waiting = [
            await start(nursery, verb)
            for verb in (pull.receive, lambda: push.send(b"x"), poller.wait, pull.wait_connected)
        ]
        assert not any(one.done for one in waiting)
        await context.aclose()
        await until(lambda: all(one.done for one in waiting))
        assert [type(one.error) for one in waiting] == [trio.ClosedResourceError] * 4
        with pytest.raises(UsageError, match="closed"):
            context.socket(trizmq.Pull)
    assert pull.closed
    assert push.closed
    assert task_names() == []


async def test_ctx_shutdown_without_sockets() -> None:
    """test_ctx_destroy: a context that never had a socket."""
    async with trizmq.Context() as context:
        pass
    with pytest.raises(UsageError):
        context.socket(trizmq.Pull)


async def test_ctx_closes_side_by_side(autojump_clock: trio.testing.MockClock) -> None:
    """Three sockets that linger two seconds each take two seconds together."""
    before = trio.current_time()
    async with trizmq.Context(linger=2) as context:
        for _ in range(3):
            push = await context.socket(trizmq.Push).__aenter__()
            push.connect(NOBODY)
            await push.send(b"x")
    assert trio.current_time() - before == pytest.approx(2, abs=0.2)


async def test_ctx_cancelled_closes_at_once() -> None:
    with trio.CancelScope() as scope:
        async with trizmq.Context(linger=1000) as context:
            push = await context.socket(trizmq.Push).__aenter__()
            push.connect(NOBODY)
            await push.send(b"x")
            scope.cancel()
    assert scope.cancelled_caught
    assert push.closed


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_shutdown_stress(transport: str) -> None:
    """test_shutdown_stress: many sockets connect at once and close at once, again and again; nothing is left."""
    async with trizmq.Pub() as pub:
        endpoint = await pub.bind(TRANSPORTS[transport])

        async def connect_and_close() -> None:
            async with trizmq.Sub() as sub:
                sub.connect(endpoint)

        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(connect_and_close)
        await until(lambda: not pub.statistics().peers)
    assert task_names() == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_timeo(transport: str) -> None:
    """test_timeo: without waiting, at once; and what libzmq does with RCVTIMEO and SNDTIMEO is move_on_after."""
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()
        before = trio.current_time()
        with trio.move_on_after(0.05) as scope:
            await pull.receive()
        assert scope.cancelled_caught
        with trio.move_on_after(0.05) as scope:
            await push.send(b"never")
        assert scope.cancelled_caught
        assert 0.09 < trio.current_time() - before < 1
        await meet(pull, push, TRANSPORTS[transport])
        with trio.fail_after(1):
            await push.send(b"Hello")
            assert await pull.recv() == b"Hello"
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()


async def test_capabilities() -> None:
    """test_capabilities: has() answers for each name."""
    assert trizmq.has("ipc") in (True, False)
    assert not trizmq.has("pgm")
