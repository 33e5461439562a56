"""What is sent over inproc to a name that nobody has bound: it waits, is counted once, and is not lost in silence."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from trizmq import DropReason
from trizmq.runtime.leftovers import MOST_LEFT

from .helpers import NOBODY, run_alone, start, until

pytestmark = pytest.mark.deadline(20)

NAME = "inproc://nobody"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def leave(context: trizmq.Context, count: int, name: str = NAME, **options: Any) -> trizmq.Push:
    """Send so many messages to a name that nobody has bound, and close."""
    async with context.socket(trizmq.Push, send_hwm=0, **options) as push:
        push.connect(name)
        await push.send_many([b"x"] * count)
        assert push.statistics().messages_sent == 0
    return push


async def test_sent_is_what_a_peer_has_taken() -> None:
    async with trizmq.Context() as context:
        push = await leave(context, 10)
        assert (push.statistics().messages_sent, dict(push.statistics().drops)) == (0, {})
        async with context.socket(trizmq.Pull) as pull:
            await pull.bind(NAME)
            assert push.statistics().messages_sent == pull.statistics().messages_received == 10
            assert len(await pull.receive_many()) == 10
        assert (push.statistics().messages_sent, dict(push.statistics().drops)) == (10, {})
        assert pull.statistics().drops == {}


async def test_a_binder_that_does_not_read_counts_them() -> None:
    async with trizmq.Context() as context:
        push = await leave(context, 10)
        async with context.socket(trizmq.Pull) as pull:
            await pull.bind(NAME)
            assert await pull.recv() == b"x"
    assert (push.statistics().messages_sent, dict(push.statistics().drops)) == (10, {})
    assert pull.statistics().drops == {DropReason.UNREAD: 9}


async def test_the_end_of_the_context_tells_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    async with trizmq.Context() as context:
        one, two = await leave(context, 10), await leave(context, 5)
        other = await leave(context, 3, "inproc://other")
        open_still = await context.socket(trizmq.Push).__aenter__()
        open_still.connect(NAME)
        await open_still.send(b"x")
        assert not warnings(caplog)
    assert warnings(caplog) == [
        f"{NAME}: 16 messages of closed sockets are lost, nobody has bound the name to take them",
        "inproc://other: 3 messages of closed sockets are lost, nobody has bound the name to take them",
    ]
    for push, count in ((one, 10), (two, 5), (other, 3), (open_still, 1)):
        assert push.statistics().messages_sent == 0
        assert push.statistics().drops == {DropReason.LINGER: count}


def test_so_does_the_end_of_the_run() -> None:
    program = """
        import logging, sys, trio, trizmq

        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")

        async def main():
            async with trizmq.Push() as push:
                push.connect("inproc://nobody")
                await push.send_many([b"x"] * 10)
            pushes.append(await trizmq.Push().__aenter__())
            pushes[0].connect("inproc://nobody")
            await pushes[0].send(b"never closed")
            pushes.append(push)

        pushes = []
        for _ in range(2):
            trio.run(main)
            for push in pushes:
                print({reason.name: count for reason, count in push.statistics().drops.items()})
            pushes.clear()
    """
    once = (
        "WARNING trizmq inproc://nobody: 10 messages of closed sockets are lost, nobody has bound the name to take them\n"
        "{'LINGER': 1}\n{'LINGER': 10}\n"
    )
    assert run_alone(program) == once * 2


async def test_a_socket_that_is_still_closing_when_the_context_ends(nursery: trio.Nursery) -> None:
    """It cannot leave anything any more."""
    async with trizmq.Context() as context:
        push = context.socket(trizmq.Push, linger=0.05)
        await push.__aenter__()
        push.connect(NAME)
        await push.send(b"x")
        push.connect(NOBODY)
        await push.send_many([b"y", b"z"])
        closing = await start(nursery, push.aclose)
        assert not closing.done
    await until(lambda: closing.done)
    assert push.statistics().drops == {DropReason.LINGER: 3}
    assert push.statistics().messages_sent == 0


async def test_nothing_is_told_where_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    async with trizmq.Context() as context:
        await leave(context, 0)
        await leave(context, 3)
        async with context.socket(trizmq.Pull) as pull:
            await pull.bind(NAME)
            await pull.receive_many()
    assert not warnings(caplog)


async def test_wait_drained_waits_for_a_binder(nursery: trio.Nursery) -> None:
    async with trizmq.Context() as context, context.socket(trizmq.Push) as push:
        push.connect(NAME)
        await push.wait_drained()
        await push.send(b"x")
        draining = await start(nursery, push.wait_drained)
        assert not draining.done
        async with context.socket(trizmq.Pull) as pull:
            await pull.bind(NAME)
            await until(lambda: draining.done)
            assert draining.error is None
            await push.send(b"x")
            await push.wait_drained()  # the peer has it, read or not


async def test_disconnecting_gives_up_what_waits(nursery: trio.Nursery) -> None:
    async with trizmq.Context() as context, context.socket(trizmq.Push) as push:
        push.connect(NAME)
        await push.send(b"x")
        draining = await start(nursery, push.wait_drained)
        push.disconnect(NAME)
        await until(lambda: draining.done)
        assert push.statistics().drops == {DropReason.LINGER: 1}


async def test_closing_does_not_wait(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Context(linger=1000) as context:
        before = trio.current_time()
        push = await leave(context, 1)
        assert trio.current_time() - before < 1
        assert push.linger_report is not None
        assert (push.linger_report.unsent, push.linger_report.discarded) == ((), 0)


async def fails(context: trizmq.Context, push: trizmq.Push) -> None:
    async with push:
        push.connect(NAME)
        await push.send(b"x")
        raise KeyError


async def is_cancelled(context: trizmq.Context, push: trizmq.Push) -> None:
    with trio.CancelScope() as scope:
        async with push:
            push.connect(NAME)
            await push.send(b"x")
            scope.cancel()


async def is_cancelled_while_it_lingers(context: trizmq.Context, push: trizmq.Push) -> None:
    with trio.move_on_after(1):
        async with push:
            push.connect(NAME)
            await push.send(b"x")
            push.connect("tcp://127.0.0.1:1")
            await push.send_many([b"x"] * 2)  # one to each


async def has_a_bug(context: trizmq.Context, push: trizmq.Push) -> None:
    async with push:
        push.connect(NAME)
        await push.send(b"x")
        push._core.fail(RuntimeError("a bug"))


async def is_closed_by_its_context(context: trizmq.Context, push: trizmq.Push) -> None:
    await push.__aenter__()
    push.connect(NAME)
    await push.send(b"x")
    with trio.CancelScope() as scope:
        scope.cancel()
        await context.aclose()


@pytest.mark.parametrize(
    "end", [fails, is_cancelled, is_cancelled_while_it_lingers, has_a_bug, is_closed_by_its_context]
)
async def test_an_abrupt_end_leaves_nothing(end: Callable[..., Any], autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Context(linger=100) as context:
        push = context.socket(trizmq.Push)
        try:
            await end(context, push)
        except (KeyError, trizmq.InternalError):
            pass
        assert push.statistics().messages_sent == 0
        assert push.statistics().drops[DropReason.LINGER] == (3 if end is is_cancelled_while_it_lingers else 1)
        assert not context._home.inproc_names.waiting("nobody")
        if (report := push.linger_report) is not None:
            assert report.discarded == sum(one.discarded for one in report.unsent) == push.statistics().dropped


async def test_what_waits_for_a_name_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Sockets leave what they have until so many messages wait; then they say that they do not."""
    async with trizmq.Context() as context:
        first = await leave(context, MOST_LEFT - 1)
        whole = await leave(context, 50)
        assert not warnings(caplog)
        late = await leave(context, 5)
        assert warnings(caplog) == [f"{late._core.name}: closed with 5 messages unsent, they are discarded"]
        assert late.statistics().drops == {DropReason.LINGER: 5}
        assert late.linger_report is not None
        assert [(one.peer.endpoint, one.discarded) for one in late.linger_report.unsent] == [(NAME, 5)]
        other = await leave(context, 5, "inproc://other")
        async with context.socket(trizmq.Pull, receive_hwm=0) as pull:
            await pull.bind(NAME)
            await pull.bind("inproc://other")
            assert pull.statistics().messages_received == MOST_LEFT - 1 + 50 + 5
            sent = [push.statistics().messages_sent for push in (first, whole, late, other)]
            assert sent == [MOST_LEFT - 1, 50, 0, 5]
            await pull.receive_many(2 * MOST_LEFT)
        again = await leave(context, 5)
        assert not again.statistics().drops


async def test_many_short_lived_sockets_do_not_fill_the_memory() -> None:
    async with trizmq.Context() as context:

        async def some() -> int:
            for _ in range(MOST_LEFT // 2):
                await leave(context, 1, linger=0)
            gc.collect()
            return sum(isinstance(one, trizmq.Push) for one in gc.get_objects())

        await some()
        await some()
        before = await some()
        assert await some() <= before + 5
        assert len(context._home.inproc_names.waiting("nobody")) == MOST_LEFT


async def test_a_binder_of_the_wrong_type_takes_nothing_away() -> None:
    async with trizmq.Context() as context:
        push = await leave(context, 3)
        async with context.socket(trizmq.Pub) as pub:
            await pub.bind(NAME)
        async with context.socket(trizmq.Pull) as pull:
            await pull.bind(NAME)
            assert len(await pull.receive_many()) == 3
        assert push.statistics().messages_sent == 3


async def test_who_refuses_has_it_later() -> None:
    """A PAIR that has its peer takes what others have left when that one goes."""
    async with trizmq.Context() as context:
        async with context.socket(trizmq.Pair) as bound:
            await bound.bind(NAME)
            async with context.socket(trizmq.Pair) as first:
                first.connect(NAME)
                await first.send(b"first")
                for number in range(3):
                    async with context.socket(trizmq.Pair) as pair:
                        pair.connect(NAME)
                        await pair.send(b"%d" % number)
                assert await bound.recv() == b"first"
                assert not bound.readable
            assert [await bound.recv() for _ in range(3)] == [b"0", b"1", b"2"]


async def test_greetings_for_a_socket_that_is_closed() -> None:
    """What the binder says to it at once is its own unread."""
    async with trizmq.Context() as context:
        async with context.socket(trizmq.Dealer) as dealer:
            dealer.connect(NAME)
            await dealer.send(b"x")
        async with context.socket(trizmq.Router, hello_message=b"hello") as router:
            await router.bind(NAME)
            assert (await router.receive())[1] == b"x"
        there, here = router.statistics(), dealer.statistics()
        assert (there.messages_sent, there.messages_received, dict(there.drops)) == (1, 1, {})
        assert (here.messages_sent, here.messages_received, dict(here.drops)) == (1, 1, {DropReason.UNREAD: 1})


async def test_conflated() -> None:
    async with trizmq.Context() as context:
        push = await leave(context, 3, conflate=True)
        assert push.statistics().drops == {DropReason.CONFLATED: 2}
    assert push.statistics().drops == {DropReason.CONFLATED: 2, DropReason.LINGER: 1}
