"""``endpoints()``: what a socket is bound and connected to, and how each of these is doing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
import trio.testing

import trizmq
from trizmq import Closed, CloseFailed, ConnectRetried, EndpointInfo, EndpointState

from .helpers import NOBODY, TRANSPORTS, meet, until

pytestmark = pytest.mark.deadline(10)


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_both_sides(endpoint: str) -> None:
    """The endpoints that are shown are those that ``unbind`` and ``disconnect`` take."""
    async with trizmq.Pull() as pull, trizmq.Push() as one, trizmq.Push() as other:
        assert pull.endpoints() == ()
        bound = await meet(pull, one, endpoint)
        assert pull.endpoints() == (EndpointInfo(bound, True, EndpointState.LISTENING, 1),)
        attempts = int(not bound.startswith("inproc"))
        assert one.endpoints() == (EndpointInfo(bound, False, EndpointState.CONNECTED, 1, attempts),)
        other.connect(bound)
        await pull.wait_connected(2)
        assert [info.connections for info in pull.endpoints()] == [2]
        one.disconnect(one.endpoints()[0].endpoint)
        assert one.endpoints() == ()
        await until(lambda: [info.connections for info in pull.endpoints()] == [1])
        pull.unbind(pull.endpoints()[0].endpoint)
        assert pull.endpoints() == ()


async def test_several() -> None:
    async with trizmq.Pair() as pair:
        bound = [await pair.bind("tcp://127.0.0.1:*") for _ in range(2)]
        pair.connect(NOBODY)
        pair.connect(NOBODY)
        assert [(info.endpoint, info.bound) for info in pair.endpoints()] == [
            *((endpoint, True) for endpoint in bound),
            (NOBODY, False),
            (NOBODY, False),
        ]
        await pair.aclose()
        assert pair.endpoints() == ()


async def test_nobody_listens(autojump_clock: trio.testing.MockClock) -> None:
    """Connecting, then waiting; how often it was tried, why it failed, and when it will be tried again."""
    async with trizmq.Push(reconnect_interval=10, linger=0) as push, push.events() as events:
        push.connect(NOBODY)
        assert push.endpoints() == (EndpointInfo(NOBODY, False, EndpointState.CONNECTING, 0),)
        for attempt in (1, 2):
            event = await events.__anext__()
            while not isinstance(event, ConnectRetried):
                event = await events.__anext__()
            (info,) = push.endpoints()
            assert (info.state, info.attempts, info.connections) == (EndpointState.WAITING, attempt, 0)
            assert info.last_error == event.cause
            assert info.retry_in == pytest.approx(event.delay)
            await trio.sleep(event.delay / 2)
            assert push.endpoints()[0].retry_in == pytest.approx(event.delay / 2)


async def test_after_a_loss() -> None:
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval=0.01) as push:
        bound = await meet(pull, push)
        pull.disconnect_peer(pull.peers()[0])
        await until(lambda: push.statistics().reconnects == 1)
        assert push.endpoints() == (EndpointInfo(bound, False, EndpointState.CONNECTED, 1, 2, "closed by the peer"),)


async def test_inproc_without_a_binder() -> None:
    async with trizmq.Push() as push:
        push.connect("inproc://late")
        assert push.endpoints() == (EndpointInfo("inproc://late", False, EndpointState.WAITING, 0),)


async def test_who_was_not_let_in() -> None:
    async with trizmq.Pull(max_connections=1) as pull, trizmq.Push() as push:
        bound = await meet(pull, push)
        host, port = bound.removeprefix("tcp://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as refused:
            assert await refused.receive_some() == b""
        (info,) = pull.endpoints()
        assert (info.connections, info.last_error) == (1, "there are 1 connections already (max_connections)")


@pytest.mark.skipif(not hasattr(trio, "open_unix_socket"), reason="there are no Unix domain sockets")
@pytest.mark.parametrize("by", ["unbind", "aclose"])
async def test_a_file_that_cannot_be_removed(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CloseFailed: the listener is closed all the same (libzmq's ipc_listener.cpp, ZMQ_EVENT_CLOSE_FAILED)."""
    path = tmp_path / "socket"
    unlink = os.unlink

    def refuse(name: str) -> None:
        if name == str(path):
            raise PermissionError(13, "Permission denied", name)
        unlink(name)

    async with trizmq.Pull() as pull, pull.events() as events:
        bound = await pull.bind(f"ipc://{path}")
        monkeypatch.setattr("os.unlink", refuse)
        if by == "unbind":
            pull.unbind(bound)
        else:
            await pull.aclose()
        monkeypatch.undo()
        told = [await events.__anext__() for _ in range(3)]
        assert told[1:] == [CloseFailed(bound, "", f"[Errno 13] Permission denied: '{path}'", 13), Closed(bound)]
        assert (told[1].zmq_event, told[1].zmq_value) == (0x0100, 13)
        assert pull.endpoints() == ()
        with pytest.raises(ConnectionRefusedError):
            await trio.open_unix_socket(str(path))


async def test_a_file_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    async with trizmq.Pull() as pull, pull.events() as events:
        bound = await pull.bind(f"ipc://{tmp_path}/socket")
        (tmp_path / "socket").unlink()
        await pull.aclose()
        assert [type(event) async for event in events] == [trizmq.Listening, Closed]
        assert bound == f"ipc://{tmp_path}/socket"
