"""Connections that fail by the hundred, peers that stop reading, and networks that swallow everything."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

import pytest
import trio

import trizmq
from tests.footprint import Footprint, footprint
from tests.interop.driver import until as told
from tests.interop.peer import numbered, source_and_number
from tests.runtime.helpers import RawListener, meet, message, raw_connection, raw_listener, until

pytestmark = pytest.mark.deadline(40)
CLIENTS = 500


@pytest.mark.parametrize(("shaken", "times"), [(True, 1000), (False, 300)])
async def test_a_thousand_reconnects(shaken: bool, times: int) -> None:
    """The server accepts and closes, before or after the handshake. What is queued stays, and nothing else does."""
    async with (
        trizmq.Push(reconnect_interval=0.0001, reconnect_interval_max=0.0002) as push,
        raw_listener() as listener,
    ):

        async def fail(count: int) -> None:
            for _ in range(count):
                peer = await listener.accept()
                if shaken:
                    await peer.shake_hands("PULL")
                await trio.aclose_forcefully(peer.stream)
                listener._accepted.clear()

        push.connect(listener.endpoint)
        await fail(20)
        before = await once_connected(listener, push)
        await fail(times)
        after = await once_connected(listener, push)
        assert after.tasks == before.tasks
        assert after.descriptors == before.descriptors
        assert after.objects < before.objects + 300
        await push.send(b"still there")
        peer = await listener.accept()
        await peer.shake_hands("PULL")
        assert await peer.read_message() == [b"still there"]
        statistics = push.statistics()
        assert statistics.dropped == 0
        assert statistics.reconnects >= (times if shaken else 0)
        assert len(statistics.peers) == 1


async def once_connected(listener: RawListener, push: trizmq.Push) -> Footprint:
    """What there is while one connection stands; it is ended then."""
    peer = await listener.accept()
    await peer.shake_hands("PULL")
    await push.wait_connected()
    taken = await footprint()
    await trio.aclose_forcefully(peer.stream)
    return taken


async def test_five_hundred_clients_reconnect() -> None:
    """A server restarted under 500 clients: all come back, and all that they have sent meanwhile arrives."""
    count = CLIENTS if sys.platform == "linux" else 50  # elsewhere a process may open 256 files by default
    async with (
        trizmq.Context(reconnect_interval=0.5, reconnect_interval_max=1) as context,
        context.socket(trizmq.Pull, backlog=1000) as pull,
    ):
        before = await footprint()

        endpoint = await pull.bind("tcp://127.0.0.1:*")
        clients = [context.socket(trizmq.Push) for _ in range(count)]
        async with AsyncExitStack() as stack:
            watchers = []
            for client in clients:
                await stack.enter_async_context(client)
                client.connect(endpoint)
                watchers.append(client.events(10_000))
            for attempt in range(2):
                await pull.wait_connected(count)
                for client in clients:
                    await client.wait_connected()
                pull.unbind(endpoint)
                for events in watchers:
                    await told(events, trizmq.Disconnected)
                for number, client in enumerate(clients):
                    await client.send(b"%d %d" % (attempt, number))
                await pull.bind(endpoint)
                received = {await pull.recv() for _ in clients}
                assert received == {b"%d %d" % (attempt, number) for number in range(count)}
            for client in clients:
                assert client.statistics().reconnects == 2
                assert client.statistics().dropped == 0
        pull.unbind(endpoint)
        await until(lambda: not pull.statistics().peers)
        after = await footprint()
        assert after.tasks == before.tasks
        assert after.descriptors == before.descriptors


async def test_binder_restarted_under_load() -> None:
    """Requests go on while the server is replaced again and again; each reply is to its question."""
    restarts = 10
    asked = lost = 0
    over = False
    async with trizmq.Context(reconnect_interval=0.005, reconnect_interval_max=0.01) as context:
        async with trio.open_nursery() as nursery:

            async def ask(name: int) -> None:
                nonlocal asked, lost
                async with context.socket(trizmq.Req) as req:
                    req.connect(endpoint)
                    while not over:
                        question = b"%d of %d" % (asked, name)
                        try:
                            assert await req.request(question) == [question]
                            asked += 1
                        except trizmq.PeerLostError:
                            lost += 1

            endpoint = ""
            for restart in range(restarts):
                async with context.socket(trizmq.Router, send_hwm=0) as router:
                    endpoint = await router.bind(endpoint or "tcp://127.0.0.1:*")
                    if not restart:
                        for name in range(20):
                            nursery.start_soon(ask, name)
                    for _ in range(300):
                        await router.send(await router.receive())
            over = True
            async with context.socket(trizmq.Router) as router:
                await router.bind(endpoint)
                while len(nursery.child_tasks):
                    with trio.move_on_after(0.05):
                        await router.send(await router.receive())
    assert asked + lost >= 300 * (restarts - 1)
    assert asked > lost


async def test_half_open_connection() -> None:
    """The network swallows everything and tells nobody. With heartbeats both sides notice, and the queue survives."""
    async with (
        trizmq.Pull(heartbeat_interval=0.1, heartbeat_timeout=0.2) as pull,
        trizmq.Push(heartbeat_interval=0.1, heartbeat_timeout=0.2, reconnect_interval=0.01) as push,
        pull.events() as at_pull,
        push.events() as at_push,
        trio.open_nursery() as nursery,
    ):
        hole = BlackHole(await pull.bind("tcp://127.0.0.1:*"))
        await nursery.start(hole.run)
        push.connect(hole.endpoint)
        await push.send(b"before")
        assert await pull.recv() == b"before"
        hole.swallows = True
        for events in at_push, at_pull:
            assert "after a PING" in (await told(events, trizmq.Disconnected)).cause
        await push.send(b"queued")
        hole.swallows = False
        hole.cut()  # what was accepted meanwhile
        assert await pull.recv() == b"queued"
        assert push.statistics().reconnects == 1
        nursery.cancel_scope.cancel()


class BlackHole:
    """A relay that may swallow what it is given, while its connections stay open."""

    def __init__(self, target: str) -> None:
        self._port = int(target.rpartition(":")[2])
        self.endpoint = ""
        self.swallows = False
        self._scopes: list[trio.CancelScope] = []

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    def cut(self) -> None:
        for scope in self._scopes:
            scope.cancel()

    async def _serve(self, near: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            async with near, await trio.open_tcp_stream("127.0.0.1", self._port) as far:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, near, far)
                    nursery.start_soon(self._copy, far, near)

    async def _copy(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            async for data in source:
                if not self.swallows:
                    await target.send_all(data)
            if not self.swallows:
                await target.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


async def test_slow_readers() -> None:
    """Subscribers that do not read cost the publisher their own queues: bounded, and every drop is counted."""
    slow_readers, count, size = 5, 3000, 10_000
    async with trizmq.Pub(send_hwm=50) as pub, trizmq.Sub(receive_hwm=0) as sub, AsyncExitStack() as stack:
        sub.subscribe("")
        endpoint = await meet(pub, sub)
        for _ in range(slow_readers):
            slow = await stack.enter_async_context(raw_connection(endpoint))
            await slow.shake_hands("SUB")
            await slow.stream.send_all(message(b"\1"))
        await pub.wait_subscribed("", 1 + slow_readers)
        before = await footprint()
        for number in range(count):
            await pub.send(numbered("news", number, size))
            assert source_and_number(await sub.recv()) == ("news", number)  # the fast one misses nothing
        statistics = pub.statistics()
        queued = sum(peer.outbound for peer in statistics.peers)
        assert queued <= slow_readers * (50 + 1)  # one may have gone out in part
        assert statistics.messages_sent + queued + statistics.drops[trizmq.DropReason.SEND_HWM] == count * (
            1 + slow_readers
        )
        after = await footprint()
        assert after.resident < before.resident + 2 * slow_readers * 50 * size + 10_000_000
