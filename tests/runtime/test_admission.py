"""Who is let in, and how many: accept_filter, max_connections, max_handshakes, and a process without descriptors."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

import trizmq

from .helpers import TRANSPORTS, RawPeer, meet, raw_connection, run_alone, until

pytestmark = pytest.mark.deadline(20)


async def next_of(events: trizmq.EventWatcher, kind: type[trizmq.Event]) -> trizmq.Event:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError


# ---- accept_filter


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_who_is_refused(transport: str) -> None:
    """It sees its connection end, without a byte; once the filter lets it in it gets in."""
    welcome = False
    async with (
        trizmq.Pull(accept_filter=lambda peer: welcome) as pull,
        trizmq.Push(reconnect_interval=0.01, reconnect_interval_max=0.02) as push,
    ):
        events = pull.events()
        bound = await pull.bind(TRANSPORTS[transport])
        async with raw_connection(bound) as peer:
            assert await peer.closed()
        event = await next_of(events, trizmq.AcceptFailed)
        assert event.endpoint == bound
        assert event.address
        assert "accept_filter" in str(event)
        push.connect(bound)
        await next_of(events, trizmq.AcceptFailed)
        welcome = True
        await push.send(b"x")
        assert await pull.recv() == b"x"


async def test_what_the_filter_sees_of_tcp() -> None:
    seen: list[trizmq.AcceptedPeer] = []

    def local(peer: trizmq.AcceptedPeer) -> bool:
        seen.append(peer)
        return ipaddress.ip_address(peer.host) in ipaddress.ip_network("127.0.0.0/8")

    async with trizmq.Pull(accept_filter=local, ipv6=True) as pull, trizmq.Push() as push:
        try:
            bound = await pull.bind("tcp://*:*")
        except OSError:
            bound = await pull.bind("tcp://127.0.0.1:*")
        push.connect(f"tcp://127.0.0.1:{bound.rpartition(':')[2]}")
        await push.wait_connected()
    (peer,) = seen
    assert peer.endpoint == bound
    assert peer.host == "127.0.0.1", "also on a socket of both IP versions"
    assert peer.address.endswith(peer.address.rpartition(":")[2])
    assert (peer.pid, peer.uid, peer.gid) == (None, None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="SO_PEERCRED")
async def test_what_the_filter_sees_of_ipc() -> None:
    seen: list[trizmq.AcceptedPeer] = []

    def same_user(peer: trizmq.AcceptedPeer) -> bool:
        seen.append(peer)
        return peer.uid == os.getuid()

    async with trizmq.Pull(accept_filter=same_user) as pull, trizmq.Push() as push:
        await meet(pull, push, TRANSPORTS["ipc"])
    (peer,) = seen
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.getuid(), os.getgid())
    assert peer.address == f"localhost:{peer.uid}:{peer.gid}:{peer.pid}"
    assert peer.host == ""


async def test_a_filter_that_raises_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    def broken(peer: trizmq.AcceptedPeer) -> bool:
        raise KeyError("nobody")

    async with trizmq.Pull(accept_filter=broken) as pull:
        events = pull.events()
        with caplog.at_level(logging.ERROR, "trizmq"):
            async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as peer:
                assert await peer.closed()
        assert "KeyError('nobody')" in str(await next_of(events, trizmq.AcceptFailed))
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("answer", [1, "no", None, [True]])
async def test_a_filter_that_answers_otherwise_lets_nobody_in(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with trizmq.Pull(accept_filter=lambda peer: answer) as pull:
        events = pull.events()
        with caplog.at_level(logging.ERROR, "trizmq"):
            async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as peer:
                assert await peer.closed()
        assert f"with a {type(answer).__name__}" in str(await next_of(events, trizmq.AcceptFailed))
    assert "neither True nor False" in caplog.text


@pytest.mark.filterwarnings("error")
async def test_a_filter_that_returns_a_coroutine_lets_nobody_in() -> None:
    """Where it cannot be seen beforehand that it does."""

    async def late(peer: trizmq.AcceptedPeer) -> bool:
        return True

    async with trizmq.Pull(accept_filter=lambda peer: late(peer)) as pull:  # type: ignore[arg-type, return-value]  # noqa: PLW0108
        events = pull.events()
        async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as peer:
            assert await peer.closed()
        assert "with a coroutine" in str(await next_of(events, trizmq.AcceptFailed))


async def test_inproc_asks_no_filter() -> None:
    async with trizmq.Pull(accept_filter=lambda peer: False) as pull, trizmq.Push() as push:
        await meet(pull, push, "inproc://x")


# ---- how many


@contextlib.asynccontextmanager
async def many_raw(endpoint: str, count: int) -> AsyncIterator[list[RawPeer]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(raw_connection(endpoint)) for _ in range(count)]


async def test_one_connection_too_many_is_closed_at_once() -> None:
    """It may come again, and gets in once another has gone."""
    async with trizmq.Pull(max_connections=3) as pull:
        events = pull.events()
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with many_raw(bound, 3) as inside:
            for peer in inside:
                await peer.shake_hands("PUSH")
            async with raw_connection(bound) as late:
                assert await late.closed()
            assert "max_connections" in str(await next_of(events, trizmq.AcceptFailed))
            async with trizmq.Push(reconnect_interval=0.01, reconnect_interval_max=0.02) as push:
                push.connect(bound)
                await next_of(events, trizmq.AcceptFailed)
                await trio.aclose_forcefully(inside[0].stream)
                await push.send(b"x")
                assert await pull.recv() == b"x"


async def come_and_go(bound: str, socket_type: str, message: bytes) -> bool:
    """Connect, send, close; False if that was refused."""
    async with raw_connection(bound) as peer:
        try:
            await peer.shake_hands(socket_type)
        except (EOFError, trio.BrokenResourceError):
            return False
        await peer.stream.send_all(message)
        return True


async def test_who_comes_and_goes_cannot_fill_the_memory() -> None:
    """A connection keeps its place until what it sent is received."""
    async with trizmq.Pull(max_connections=5) as pull, pull.events() as events:
        bound = await pull.bind("tcp://127.0.0.1:*")
        for _ in range(5):
            assert await come_and_go(bound, "PUSH", b"\0\1x")
            await next_of(events, trizmq.Disconnected)
        assert not await come_and_go(bound, "PUSH", b"\0\1x")
        refused = await next_of(events, trizmq.AcceptFailed)
        assert "0 connections already, and 5 that ended are not received yet (max_connections)" in str(refused)
        for _ in range(2):
            assert await pull.recv() == b"x"
        for _ in range(2):
            assert await come_and_go(bound, "PUSH", b"\0\1x")
            await next_of(events, trizmq.Disconnected)
        assert [await pull.recv() for _ in range(5)] == [b"x"] * 5


async def test_what_was_received_is_forgotten() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        for _ in range(200):
            assert await come_and_go(bound, "PUSH", b"\0\1x")
            assert await pull.recv() == b"x"
        await until(lambda: not pull.peers())
        assert len(pull._core.admission._unread) <= 17


async def test_an_xpub_that_nobody_asks_for_notices_lets_subscribers_in() -> None:
    async with trizmq.XPub(max_connections=3) as xpub, xpub.events() as events:
        bound = await xpub.bind("tcp://127.0.0.1:*")
        for _ in range(10):
            assert await come_and_go(bound, "SUB", b"\0\2\1a")
            await next_of(events, trizmq.Disconnected)


async def test_idle_connections_do_not_keep_a_peer_out() -> None:
    """Of more handshakes than allowed the oldest is closed: who means it is done long before."""
    async with trizmq.Pull(max_handshakes=5) as pull, trizmq.Push(reconnect_interval=100) as push:
        events = pull.events()
        bound = await pull.bind("tcp://127.0.0.1:*")
        async with many_raw(bound, 20) as idle:
            push.connect(bound)
            await push.send(b"x")
            assert await pull.recv() == b"x"
            for peer in idle[:15]:
                with pytest.raises((EOFError, trio.BrokenResourceError)):
                    await peer.read(100)
            assert "max_handshakes" in str(await next_of(events, trizmq.HandshakeFailed))
            assert len(pull._core.admission._shaking) <= 5
        await until(lambda: len(pull._core.admission._inside) == 1)
    assert not pull._core.admission._inside


async def test_the_counts_return_to_zero() -> None:
    async with trizmq.Pull(handshake_timeout=0.05) as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        for said in (b"", b"garbage" * 20):
            async with many_raw(bound, 10) as peers:
                for peer in peers:
                    await peer.stream.send_all(said)
                await until(lambda: len(pull._core.admission._inside) == 10 or not pull._core.admission._shaking)
            await until(lambda: not pull._core.admission._inside)
        for _ in range(5):
            async with trizmq.Push() as push:
                push.connect(bound)
                await push.wait_connected()
        await until(lambda: not pull._core.admission._inside)
        assert not pull._core.admission._shaking


async def test_a_storm_of_clients_is_let_in() -> None:
    """More at once than there may be handshakes: all get in, if not at the first attempt."""
    async with contextlib.AsyncExitStack() as stack:
        pull = await stack.enter_async_context(trizmq.Pull(max_handshakes=4))
        bound = await pull.bind("tcp://127.0.0.1:*")
        for number in range(60):
            push = trizmq.Push(reconnect_interval=0.01, reconnect_interval_max=0.05)
            await stack.enter_async_context(push)
            push.connect(bound)
            push.send_nowait(b"%d" % number)
        assert {int(await pull.recv()) for _ in range(60)} == set(range(60))


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_NOFILE")
def test_without_descriptors() -> None:
    """accept() fails until there are some again; nobody who was inside notices, and who waits gets in then."""
    output = run_alone(
        """
        import os, resource, socket
        import trio, trizmq

        async def main():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            async with trizmq.Pull() as pull, trizmq.Push() as inside, trizmq.Push() as late:
                events = pull.events()
                bound = await pull.bind("tcp://127.0.0.1:*")
                inside.connect(bound)
                await inside.send(b"before")
                assert await pull.recv() == b"before"
                host, _, port = bound.removeprefix("tcp://").rpartition(":")
                client = socket.socket()  # made while there are descriptors
                taken = []
                try:
                    while True:
                        taken.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    pass
                client.connect((host, int(port)))
                failures = 0
                with trio.fail_after(5):
                    async for event in events:
                        failures += isinstance(event, trizmq.AcceptFailed)
                        if failures == 3:
                            print(event.error)
                            break
                    for number in range(100):
                        await inside.send(b"%d" % number)
                        assert await pull.recv() == b"%d" % number
                    for descriptor in taken:
                        os.close(descriptor)
                    late.connect(bound)
                    await late.send(b"after")
                    assert await pull.recv() == b"after"
                    client.close()
                print("recovered")

        trio.run(main)
        """
    )
    assert "Too many open files" in output
    assert "recovered" in output
