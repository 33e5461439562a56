"""The poller: level-triggered, over any number of sockets, nothing taken, cancel-safe."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from trizmq import READABLE, WRITABLE, Poller, UsageError

from .helpers import TRANSPORTS, meet, start, until

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


@each_transport
async def test_level_triggered(endpoint: str, nursery: trio.Nursery) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        poller = Poller()
        poller.register(pull)
        waiting = await start(nursery, poller.wait)
        assert not waiting.done
        await push.send_many([b"1", b"2"])
        await until(lambda: waiting.done)
        assert waiting.result == {pull: READABLE}
        for number in (b"1", b"2"):
            assert await poller.wait() == {pull: READABLE}
            assert await poller.wait() == {pull: READABLE}
            assert await pull.recv() == number
        assert poller.poll_nowait() == {}


async def test_several_sockets_in_the_order_of_registration() -> None:
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.Pair) as first,
            context.socket(trizmq.Pair) as second,
            context.socket(trizmq.Pair) as other,
            context.socket(trizmq.Pair) as another,
        ):
            await meet(first, other, "inproc://1")
            await meet(second, another, "inproc://2")
            poller = Poller()
            poller.register(second, READABLE | WRITABLE)
            poller.register(first)
            assert await poller.wait() == {second: WRITABLE}
            await other.send(b"x")
            await another.send(b"x")
            ready = await poller.wait()
            assert ready == {second: READABLE | WRITABLE, first: READABLE}
            assert list(ready) == [second, first]
            poller.register(second, READABLE)
            assert await poller.wait() == {second: READABLE, first: READABLE}
            poller.unregister(second)
            assert await poller.wait() == {first: READABLE}


@each_transport
async def test_writable_again(endpoint: str, nursery: trio.Nursery) -> None:
    async with trizmq.Push(send_hwm=1) as push, trizmq.Pull(receive_hwm=1) as pull:
        poller = Poller()
        poller.register(push, WRITABLE)
        waiting = await start(nursery, poller.wait)
        assert not waiting.done, "without a peer there is nothing to write to"
        await meet(pull, push, endpoint)
        await until(lambda: waiting.done)
        body = bytes(10_000_000 if "inproc" not in endpoint else 1)
        while poller.poll_nowait():
            push.send_nowait(body)
            await trio.testing.wait_all_tasks_blocked(0.01)
        waiting = await start(nursery, poller.wait)
        assert not waiting.done
        while not waiting.done:
            await pull.receive()
            await trio.testing.wait_all_tasks_blocked(0.001)
        assert waiting.result == {push: WRITABLE}


async def test_cancelled() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        poller = Poller()
        poller.register(pull)
        for _ in range(10):
            with trio.move_on_after(0.001) as scope:
                await poller.wait()
            assert scope.cancelled_caught
        await push.send(b"x")
        with trio.CancelScope() as scope:
            scope.cancel()
            await poller.wait()
        assert scope.cancelled_caught
        assert await poller.wait() == {pull: READABLE}
        assert await pull.recv() == b"x"


async def test_is_a_checkpoint() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        poller = Poller()
        poller.register(push, WRITABLE)
        with trio.testing.assert_checkpoints():
            await poller.wait()
        with trio.testing.assert_no_checkpoints():
            poller.poll_nowait()


async def test_turns_of_rep(nursery: trio.Nursery) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, "inproc://x")
        poller = Poller()
        poller.register(rep, READABLE | WRITABLE)
        waiting = await start(nursery, poller.wait)
        await req.send(b"?")
        await until(lambda: waiting.done)
        assert waiting.result == {rep: READABLE}
        await rep.receive()
        assert await poller.wait() == {rep: WRITABLE}
        await rep.send(b"!")
        assert poller.poll_nowait() == {}


async def test_closed_while_waiting(nursery: trio.Nursery) -> None:
    async with trizmq.Pull() as pull, trizmq.Pull() as other:
        poller = Poller()
        poller.register(pull)
        poller.register(other)
        waiting = await start(nursery, poller.wait)
        await other.aclose()
        await until(lambda: waiting.done)
        assert type(waiting.error) is trio.ClosedResourceError
        assert "Pull-2" in str(waiting.error)


async def test_used_wrongly() -> None:
    poller = Poller()
    with pytest.raises(UsageError, match="no sockets"):
        await poller.wait()
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        with pytest.raises(UsageError, match="Push does not receive"):
            poller.register(push)
        with pytest.raises(UsageError, match="Pull does not send"):
            poller.register(pull, WRITABLE)
        with pytest.raises(UsageError, match="READABLE, WRITABLE"):
            poller.register(pull, READABLE & WRITABLE)
        with pytest.raises(UsageError, match=r"Pull.*not registered"):
            poller.unregister(pull)
    poller.register(trizmq.Pull())
    with pytest.raises(UsageError, match="async with"):
        await poller.wait()


async def test_every_type_can_be_watched_for_what_it_does() -> None:
    from .test_closing import SOCKET_TYPES

    for kind in SOCKET_TYPES:
        async with kind() as socket:
            poller = Poller()
            for event, verb in ((READABLE, "receive"), (WRITABLE, "send")):
                if hasattr(socket, verb):
                    poller.register(socket, event)
                    assert poller.poll_nowait().get(socket, READABLE & WRITABLE) in (READABLE & WRITABLE, event)
                else:
                    with pytest.raises(UsageError):
                        poller.register(socket, event)
