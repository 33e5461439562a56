"""What the body raises leaves ``async with`` as itself (design, promise 4)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from trizmq.transports.base import Link

from .helpers import NOBODY, meet, raw_connection, task_names
from .test_closing import SOCKET_TYPES

pytestmark = pytest.mark.deadline(10)


class Mine(Exception):
    pass


@pytest.mark.parametrize("kind", SOCKET_TYPES)
async def test_bare(kind: type[trizmq.Socket]) -> None:
    with pytest.raises(Mine) as caught:
        async with kind() as socket:
            await socket.bind("tcp://127.0.0.1:*")
            socket.connect(NOBODY)
            raise Mine
    assert type(caught.value) is Mine
    assert socket.closed
    assert task_names() == []


@pytest.mark.parametrize("kind", SOCKET_TYPES)
async def test_bare_with_a_context_around(kind: type[trizmq.Socket]) -> None:
    with pytest.raises(Mine):
        async with trizmq.Context() as context, context.socket(kind) as socket:
            await socket.bind("ipc://*" if kind is trizmq.Stream else "inproc://x")
            raise Mine
    assert task_names() == []


async def test_bare_out_of_a_context_with_open_sockets() -> None:
    """Sockets that were opened without being closed are closed by the context; the error still leaves bare."""
    with pytest.raises(Mine):
        async with trizmq.Context(linger=1000) as context:
            push = await context.socket(trizmq.Push).__aenter__()
            push.connect(NOBODY)
            await push.send(b"1")
            await context.socket(trizmq.Pull).__aenter__()
            raise Mine
    assert push.closed
    assert task_names() == []


async def test_does_not_linger() -> None:
    """None when the body failed."""
    push = trizmq.Push(linger=1000)
    with pytest.raises(Mine):
        async with push:
            push.connect(NOBODY)
            await push.send(b"1")
            raise Mine
    assert push.statistics().drops == {trizmq.DropReason.LINGER: 1}


async def test_bare_while_a_connection_fails() -> None:
    with pytest.raises(Mine):
        async with trizmq.Pull() as pull:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            async with raw_connection(endpoint) as peer:
                await peer.stream.send_all(b"rubbish" * 20)
                assert await peer.closed() or True
                raise Mine


async def test_bare_while_a_background_task_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Even a bug in the background at the same instant does not wrap it; the log tells of the bug."""
    from trizmq.runtime.session import Session

    failed = trio.Event()

    async def serve(self: object, link: Link) -> None:
        await link.aclose()
        failed.set()
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Session, "serve", serve)
    with pytest.raises(Mine):
        async with trizmq.Pull() as pull:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            async with raw_connection(endpoint):
                await failed.wait()
                raise Mine
    assert "a bug" in caplog.text
    assert task_names() == []


async def test_cancelled_body() -> None:
    with trio.CancelScope() as scope:
        async with trizmq.Push(linger=1000) as push:
            push.connect(NOBODY)
            await push.send(b"1")
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert push.closed
    assert task_names() == []


async def test_cancelled_in_a_verb() -> None:
    with trio.move_on_after(0.01) as scope:
        async with trizmq.Pull() as pull:
            await pull.receive()
    assert scope.cancelled_caught
    assert pull.closed


async def test_a_group_stays_that_group() -> None:
    group = ExceptionGroup("mine", [Mine()])
    with pytest.raises(ExceptionGroup) as caught:
        async with trizmq.Push():
            raise group
    assert caught.value is group


async def test_an_error_of_a_verb_leaves_bare() -> None:
    with pytest.raises(trizmq.StateError):
        async with trizmq.Rep() as rep:
            await rep.send(b"nobody asked")


async def test_the_bodys_value_is_returned() -> None:
    async def body() -> int:
        async with trizmq.Pair() as near, trizmq.Pair() as far:
            await meet(near, far, "inproc://x")
            return 7

    assert await body() == 7


def test_keyboard_interrupt_leaves_bare() -> None:
    async def main() -> None:
        async with trizmq.Push(linger=1000) as push:
            push.connect(NOBODY)
            await push.send(b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


def test_a_failing_main_ends_the_run() -> None:
    async def main() -> None:
        async with trizmq.Context() as context, context.socket(trizmq.Pull) as pull:
            await pull.bind("tcp://127.0.0.1:*")
            raise Mine

    with pytest.raises(Mine):
        trio.run(main)
