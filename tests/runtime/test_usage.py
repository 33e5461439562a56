"""Used the wrong way: the error names the value and the remedy, comes before anything is queued, and nothing hangs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing

import trizmq
from trizmq import UsageError
from trizmq.errors import in_short

from .helpers import NOBODY, meet, run_alone

pytestmark = pytest.mark.deadline(15)


async def test_not_opened() -> None:
    pair = trizmq.Pair()
    with pytest.raises(UsageError, match=r"Pair is not open.*async with"):
        await pair.send(b"x")
    with pytest.raises(UsageError, match=r"Pair is not open.*async with"):
        await pair.receive()
    with pytest.raises(UsageError, match=r"Pair is not open.*async with"):
        pair.send_nowait(b"x")
    with pytest.raises(UsageError, match=r"Pair is not open.*async with"):
        pair.connect(NOBODY)
    with pytest.raises(UsageError, match=r"Pair is not open.*async with"):
        await pair.bind("tcp://127.0.0.1:*")
    with pytest.raises(UsageError, match=r"Pair is not open.*async with"):
        await pair.wait_connected()
    with pytest.raises(UsageError, match=r"Sub is not open.*async with"):
        trizmq.Sub().subscribe(b"")
    with pytest.raises(UsageError, match=r"Req is not open.*async with"):
        await trizmq.Req().request(b"")
    with pytest.raises(UsageError, match=r"Pub is not open.*async with"):
        await trizmq.Pub().wait_subscribed()
    assert "not opened" in repr(pair)


async def test_opened_twice() -> None:
    push = trizmq.Push()
    async with push:
        with pytest.raises(UsageError, match=r"Push-\d+ .*once.*new one"):
            async with push:
                pass
        await push.bind("tcp://127.0.0.1:*")  # the first use goes on
    with pytest.raises(UsageError, match=r"once.*new one"):
        async with push:
            pass


async def test_statistics_of_a_socket_that_was_never_opened() -> None:
    statistics = trizmq.Push().statistics()
    assert statistics.messages_sent == 0
    assert statistics.peers == ()


# ---- contexts


async def test_context_not_entered() -> None:
    with pytest.raises(UsageError, match=r"async with"):
        trizmq.Context().socket(trizmq.Push)


async def test_context_entered_twice() -> None:
    context = trizmq.Context()
    async with context:
        with pytest.raises(UsageError, match=r"once"):
            async with context:
                pass


async def test_a_context_wants_a_class() -> None:
    async with trizmq.Context() as context:
        with pytest.raises(UsageError, match=r"a class such as trizmq.Push, not 'PUSH'"):
            context.socket("PUSH")  # type: ignore[arg-type]


async def test_context_closed() -> None:
    async with trizmq.Context() as context:
        late = context.socket(trizmq.Push)
    with pytest.raises(UsageError, match=r"closed.*new one"):
        context.socket(trizmq.Push)
    with pytest.raises(UsageError, match=r"closed.*new one"):
        async with late:
            pass


# ---- elsewhere


def _everything(pair: trizmq.Pair, sub: trizmq.Sub) -> dict[str, Callable[[], object]]:
    return {
        "send_nowait": lambda: pair.send_nowait(b"x"),
        "receive_nowait": pair.receive_nowait,
        "connect": lambda: pair.connect(NOBODY),
        "disconnect": lambda: pair.disconnect(NOBODY),
        "unbind": lambda: pair.unbind(NOBODY),
        "readable": lambda: pair.readable,
        "writable": lambda: pair.writable,
        "subscribe": lambda: sub.subscribe(b"x"),
        "unsubscribe": lambda: sub.unsubscribe(b"x"),
        "option": lambda: setattr(pair, "send_hwm", 3),
    }


async def test_another_threads_run() -> None:
    async with trizmq.Pair() as pair, trizmq.Pair() as other, trizmq.Sub() as sub:
        await meet(pair, other, "inproc://x")

        async def elsewhere() -> None:
            for name, call in _everything(pair, sub).items():
                with pytest.raises(UsageError, match=r"belongs to another Trio run"):
                    call()
                    pytest.fail(f"{name} worked")
            for verb in (lambda: pair.send(b"x"), lambda: pair.send_many([b"x"]), pair.receive, pair.receive_many, pair.recv,
                         pair.wait_readable, pair.wait_writable, pair.wait_connected, pair.wait_drained, pair.aclose,
                         lambda: pair.bind("tcp://127.0.0.1:*")):  # fmt: skip
                with pytest.raises(UsageError, match=r"Pair-\d+ belongs to another Trio run.*tcp or ipc"):
                    await verb()

        await trio.to_thread.run_sync(trio.run, elsewhere)
        assert not other.readable, "nothing was queued"
        await pair.send(b"still works")
        assert await other.recv() == b"still works"


async def test_a_thread_without_a_run() -> None:
    async with trizmq.Pair() as pair, trizmq.Sub() as sub:
        await pair.bind("inproc://x")

        def elsewhere() -> None:
            for name, call in _everything(pair, sub).items():
                with pytest.raises(UsageError, match=r"belongs to another Trio run"):
                    call()
                    pytest.fail(f"{name} worked")

        await trio.to_thread.run_sync(elsewhere)
        assert pair.send_hwm == 1000, "an option was refused and set all the same"


def test_a_later_run() -> None:
    sockets: list[trizmq.Push] = []

    async def first() -> None:
        push = trizmq.Push()
        sockets.append(push)
        await push.__aenter__()
        push.connect(NOBODY)

    async def second() -> None:
        with pytest.raises((UsageError, trio.ClosedResourceError)):
            await sockets[0].send(b"x")
        with pytest.raises((UsageError, trio.ClosedResourceError)):
            sockets[0].connect(NOBODY)
        with pytest.raises(UsageError, match=r"once"):
            async with sockets[0]:
                pass

    trio.run(first)
    trio.run(second)


def test_default_contexts_of_two_runs_share_no_names() -> None:
    async def main() -> None:
        async with trizmq.Pull() as pull:
            await pull.bind("inproc://x")

    trio.run(main)
    trio.run(main)


def test_after_a_fork() -> None:
    """In a process of its own: a fork of the test runner would run the rest of its tests twice if anything went wrong."""
    program = """
        import os, sys, trio, trizmq

        async def main():
            async with trizmq.Pair() as pair, trizmq.Pair() as other, trizmq.Sub() as sub:
                await pair.bind("inproc://x")
                other.connect("inproc://x")
                pid = os.fork()
                if pid:
                    _, status = os.waitpid(pid, 0)
                    await other.send(b"still works")
                    assert await pair.recv() == b"still works"
                    assert not other.readable
                    sys.exit(os.waitstatus_to_exitcode(status))
                failures = []
                for name, call in {
                    "send_nowait": lambda: pair.send_nowait(b"x"), "receive_nowait": pair.receive_nowait,
                    "connect": lambda: pair.connect("tcp://127.0.0.1:1"), "subscribe": lambda: sub.subscribe(b"x"),
                    "option": lambda: setattr(pair, "send_hwm", 3), "writable": lambda: pair.writable,
                    "unbind": lambda: pair.unbind("inproc://x"),
                }.items():
                    try:
                        call()
                        failures.append(name)
                    except trizmq.UsageError as error:
                        if "fork" not in str(error) or "new socket" not in str(error):
                            failures.append(f"{name}: {error}")
                for name, call in {
                    "send": lambda: pair.send(b"x"), "receive": pair.receive, "bind": lambda: pair.bind("ipc://*"),
                    "wait_connected": pair.wait_connected, "aclose": pair.aclose,
                }.items():
                    try:
                        with trio.move_on_after(0.2):
                            await call()
                        failures.append(name)
                    except trizmq.UsageError as error:
                        if "fork" not in str(error):
                            failures.append(f"{name}: {error}")
                print(failures, flush=True)
                os._exit(len(failures))

        trio.run(main)
    """
    assert run_alone(program) == "[]\n"


# ---- endpoints


async def test_unbind_and_disconnect_of_what_is_not_there() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        pull.connect(NOBODY)
        with pytest.raises(trizmq.EndpointError, match=rf"tcp://127\.0\.0\.1:2.*not bound.*{bound}"):
            pull.unbind("tcp://127.0.0.1:2")
        with pytest.raises(trizmq.EndpointError, match=rf"tcp://127\.0\.0\.1:2.*not connected.*{NOBODY}"):
            pull.disconnect("tcp://127.0.0.1:2")
        pull.unbind(bound)
        with pytest.raises(trizmq.EndpointError, match=r"none"):
            pull.unbind(bound)
        pull.disconnect(NOBODY)
        with pytest.raises(trizmq.EndpointError, match=r"none"):
            pull.disconnect(NOBODY)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*", "inproc://x"])
async def test_a_cancelled_bind_has_bound_nothing(endpoint: str) -> None:
    async with trizmq.Pull() as pull:
        with trio.CancelScope() as scope:
            scope.cancel()
            await pull.bind(endpoint)
        assert scope.cancelled_caught
        assert "bound" not in repr(pull)


# ---- messages


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        ("text", TypeError, "str.*send_string"),
        (["text"], TypeError, "frame 0.*str"),
        ([b"x", "text"], TypeError, "frame 1.*str"),
        ([b"x", 7], TypeError, r"frame 1 .* is 7 \(int\)"),
        ([b"x", [b"y"]], TypeError, "frame 1.*list"),
        (7, TypeError, r"not 7 \(int\)"),
        (None, TypeError, r"not None \(NoneType\)"),
        ([], ValueError, "at least one frame"),
        ({b"x"}, TypeError, "set"),
    ],
)
async def test_what_is_no_message(message: object, error: type[Exception], text: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        with pytest.raises(error, match=text):
            await push.send(message)  # type: ignore[arg-type]
        with pytest.raises(error, match=text):
            push.send_nowait(message)  # type: ignore[arg-type]
        with pytest.raises(error, match=text):
            await push.send_many([b"good", message])  # type: ignore[list-item]
        assert not pull.readable, "nothing was queued"


async def test_buffers_are_copied_and_bytes_are_not() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        mutable = bytearray(b"before")
        fixed = b"by reference"
        await push.send([mutable, memoryview(mutable)[1:3], fixed])
        mutable[:] = b"after!"
        frames = await pull.receive()
        assert frames == [b"before", b"ef", fixed]
        assert all(type(part) is bytes for part in frames)
        assert frames[2] is fixed


async def test_the_callers_list_is_not_kept() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        frames = [b"a", b"b"]
        await push.send(frames)
        frames.append(b"c")
        assert await pull.receive() == [b"a", b"b"]


async def test_other_values() -> None:
    async with trizmq.Pair() as pair, trizmq.Sub() as sub:
        with pytest.raises(TypeError, match=r"endpoint.*not 5 \(int\)"):
            await pair.bind(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"endpoint.*not b'tcp://127\.0\.0\.1:1' \(bytes\)"):
            pair.connect(b"tcp://127.0.0.1:1")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"topic.*not 5 \(int\)"):
            sub.subscribe(5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"max_messages.*0"):
            await pair.receive_many(0)
        with pytest.raises(TypeError, match=r"not b'x' \(bytes\).*send"):
            await pair.send_string(b"x")  # type: ignore[arg-type]


class _Mute:
    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "value",
    [
        bytes(10**6),
        bytearray(10**6),
        "x" * 10**6,
        10**100,
        10**10_000,
        {1: "y" * 10**6},
        [bytes(10**6)] * 10**5,
        _Mute(),
        type("deque", (), {})(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_value_is_cut_in_errors(value: object) -> None:
    text = in_short(value)
    assert text.endswith(f"({type(value).__name__})")
    assert len(text) < 80


def test_a_forked_child_that_leaves_takes_nothing_with_it() -> None:
    """Its exception leaves as it is, and the parent's ipc file stays, even when the child's copy of the listener stops.

    (The child must not leave ``trio.run``: that would undo the parent's registrations with the operating system, with or
    without trizmq.)
    """
    run_alone(
        """
        import os, tempfile, trio, trizmq

        async def main():
            path = os.path.join(tempfile.mkdtemp(), "socket")
            try:
                async with trizmq.Pull() as pull:
                    await pull.bind(f"ipc://{path}")
                    child = os.fork()
                    if child == 0:
                        raise KeyError("the child's own")
                    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
                    assert os.path.exists(path)
            except KeyError:
                pull._core.endpoints.stop()
                os._exit(7)
            assert not os.path.exists(path)

        trio.run(main)
        """
    )
