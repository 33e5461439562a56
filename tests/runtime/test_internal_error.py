"""A bug in the background is never silent: it ends the socket, surfaces at the next verb and at the end, and is logged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

import trizmq
from trizmq import InternalError
from trizmq.runtime.session import Session
from trizmq.transports.base import Link
from trizmq.wire.connection import Connection

from .helpers import meet, raw_connection, run_alone, start, task_names, until

pytestmark = pytest.mark.deadline(10)


class Bug(Exception):
    pass


@asynccontextmanager
async def broken_pull(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[trizmq.Pull, str]]:
    """A PULL whose next connection meets a bug."""

    async def serve(self: Session, link: Link) -> None:
        await link.aclose()
        raise Bug("injected")

    monkeypatch.setattr(Session, "serve", serve)
    async with trizmq.Pull() as pull:
        yield pull, await pull.bind("tcp://127.0.0.1:*")


async def test_surfaces_at_the_verb_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, nursery: trio.Nursery
) -> None:
    with pytest.raises(InternalError, match=r"Pull-\d+.*report") as at_the_end:
        async with broken_pull(monkeypatch) as (pull, endpoint):
            waiting = [await start(nursery, pull.receive), await start(nursery, pull.wait_readable),
                       await start(nursery, pull.wait_connected)]  # fmt: skip
            async with raw_connection(endpoint):
                await until(lambda: all(one.done for one in waiting))
            for one in waiting:
                assert type(one.error) is InternalError
                assert type(one.error.__cause__) is Bug
            with pytest.raises(InternalError):
                await pull.receive()
            with pytest.raises(InternalError):
                pull.connect(endpoint)
            with pytest.raises(InternalError):
                await pull.bind("ipc://*")
    assert type(at_the_end.value.__cause__) is Bug
    assert "injected" in caplog.text
    assert pull.closed
    assert task_names() == []


async def test_events_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InternalError):
        async with broken_pull(monkeypatch) as (pull, endpoint):
            events = pull.events()
            async with raw_connection(endpoint):
                with trio.fail_after(5):
                    async for _ in events:
                        pass


async def test_inproc_names_are_free_and_peers_know(monkeypatch: pytest.MonkeyPatch) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as next_pull:
        with pytest.raises(InternalError):
            async with broken_pull(monkeypatch) as (pull, endpoint):
                await meet(pull, push, "inproc://x")
                async with raw_connection(endpoint):
                    await until(lambda: pull.closed)
                await until(lambda: not any(peer.connected for peer in push.statistics().peers))
                await next_pull.bind("inproc://x")
                await push.send(b"goes on")
                assert await next_pull.recv() == b"goes on"


async def test_a_bug_in_one_connection_leaves_no_other_socket_hurt(monkeypatch: pytest.MonkeyPatch) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push)
        with pytest.raises(InternalError):
            async with broken_pull(monkeypatch) as (broken, endpoint), raw_connection(endpoint):
                await until(lambda: broken.closed)
        await push.send(b"fine")
        assert await pull.recv() == b"fine"


async def test_a_bug_in_the_engine_with_a_writer_that_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's and the writer's errors together are still one bug, and do not crash the run."""

    def next_batch(self: Connection, most: int) -> list[bytes]:
        raise Bug("in the reader")

    with pytest.raises(InternalError):
        async with trizmq.Pair() as pair:
            endpoint = await pair.bind("tcp://127.0.0.1:*")
            async with raw_connection(endpoint) as peer:
                await peer.shake_hands("PAIR")
                await pair.wait_connected()
                monkeypatch.setattr(Connection, "next_batch", next_batch)

                async def send(self: object, buffers: object) -> None:
                    try:
                        await trio.sleep_forever()
                    finally:
                        raise Bug("in the writer")

                monkeypatch.setattr("trizmq.transports.sockets.SocketLink.send", send)
                monkeypatch.setattr("trizmq.transports.sockets.SocketLink.send_now", lambda link, buffer: 0)
                await pair.send(b"x")
                await trio.testing.wait_all_tasks_blocked(0.001)
                await peer.stream.send_all(b"\x00\x01x")
                await until(lambda: pair.closed)
    assert task_names() == []


async def test_a_bug_of_the_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    async def accept(self: object) -> Link:
        raise Bug("in accept")

    monkeypatch.setattr("trizmq.transports.sockets.SocketAcceptor.accept", accept)
    with pytest.raises(InternalError) as caught:
        async with trizmq.Pull() as pull:
            await pull.bind("tcp://127.0.0.1:*")
            await pull.receive()
    assert type(caught.value.__cause__) is Bug


async def test_a_bug_while_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that happens while the socket lingers comes out as well; nothing hangs."""
    with pytest.raises(InternalError):
        async with trizmq.Push(linger=10) as push, trio.open_nursery() as nursery:
            push.connect("tcp://127.0.0.1:1")
            await push.send(b"x")
            closing = await start(nursery, push.aclose)
            assert not closing.done

            async def serve(self: Session, link: Link) -> None:
                await link.aclose()
                raise Bug

            monkeypatch.setattr(Session, "serve", serve)

            async def connect(self: object, *args: object) -> Link:
                raise Bug("in connect")

            monkeypatch.setattr("trizmq.transports.tcp.Tcp.connect", connect)
            await until(lambda: closing.done)
    assert task_names() == []


def test_a_bug_at_the_very_end_does_not_hang_the_run() -> None:
    """In a process of its own, with a time limit: where this fails, nothing inside the run can end it."""
    program = """
        import trio, trizmq
        from trizmq.runtime.endpoint_table import EndpointTable

        def broken(self):
            raise ZeroDivisionError("injected")

        EndpointTable.end_inproc = broken

        async def main():
            async with trizmq.Pull() as pull:
                await pull.bind("inproc://x")

        try:
            trio.run(main)
        except trizmq.InternalError as error:
            print(type(error.__cause__).__name__)
    """
    assert run_alone(program, 5) == "ZeroDivisionError\n"
