"""The lease: a receiver that reads the link itself loses nothing, and the reader is back whenever somebody needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

import trizmq
from trizmq.runtime import engine as engine_module
from trizmq.runtime import lease as lease_module
from trizmq.runtime.lease import Lease
from trizmq.wire.commands import make_ping

from .helpers import TRANSPORTS, RawPeer, Running, frame, meet, message, raw_connection, start, until

pytestmark = pytest.mark.deadline(10)


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease lasts, however slow this machine is; but not where the test is about its end."""
    patience = 0.05 if "busy" in request.node.name else 60.0
    monkeypatch.setattr(lease_module, "PATIENCE", patience)
    monkeypatch.setattr(engine_module, "PATIENCE", patience)


@asynccontextmanager
async def lent(nursery: trio.Nursery, receive_hwm: int = 1000) -> AsyncIterator[tuple[trizmq.Pull, RawPeer]]:
    """A PULL whose link is lent, and its one peer, a PUSH of which every byte is ours."""
    async with trizmq.Pull(receive_hwm=receive_hwm) as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            await peer.shake_hands("PUSH")
            await pull.wait_connected()
            first = await start(nursery, pull.receive)
            await peer.stream.send_all(message(b"first"))
            await finished(first)
            assert first.result == [b"first"]
            assert lease(pull).offered
            yield pull, peer


def lease(socket: trizmq.Socket) -> Lease:
    return socket._core.lease


async def finished(task: Running) -> None:
    await until(lambda: task.done)


async def receiving(nursery: trio.Nursery, pull: trizmq.Pull) -> Running:
    """A task that has taken the lease."""
    task = await start(nursery, pull.receive)
    assert lease(pull).taken
    return task


async def test_the_next_receiver_reads_for_itself(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        for number in range(5):
            task = await receiving(nursery, pull)
            await peer.stream.send_all(message(b"%d" % number))
            await finished(task)
            assert task.result == [b"%d" % number]
        statistics = pull.statistics()
        assert statistics.messages_received == 6
        assert statistics.bytes_received >= 6 * 3


async def test_what_comes_now_and_then_is_left_to_the_reader(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        task = await receiving(nursery, pull)
        lease(pull)._scope.cancel()  # as when its time is over
        await trio.testing.wait_all_tasks_blocked()
        assert lease(pull).taken, "nobody disturbs who waits"
        await peer.stream.send_all(message(b"x"))
        await finished(task)
        assert task.result == [b"x"]
        assert not lease(pull).offered


async def test_cancelled_it_has_taken_nothing(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        with trio.move_on_after(0.01) as scope:
            await pull.receive()
        assert scope.cancelled_caught
        assert not lease(pull).taken
        await peer.stream.send_all(message(b"second"))
        assert await pull.receive() == [b"second"]


async def test_who_comes_second_is_served_as_well(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        tasks = [await receiving(nursery, pull), await start(nursery, pull.receive), await start(nursery, pull.receive)]
        await peer.stream.send_all(message(b"a") + message(b"b"))
        await until(lambda: sum(task.done for task in tasks) == 2)
        await peer.stream.send_all(message(b"c"))
        await until(lambda: all(task.done for task in tasks))
        assert sorted(str(task.result) for task in tasks) == ["[b'a']", "[b'b']", "[b'c']"]


async def test_watchers_get_the_reader_back(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        watching = await start(nursery, pull.wait_readable)
        assert not lease(pull).offered
        await peer.stream.send_all(message(b"x"))
        await finished(watching)
        assert pull.receive_nowait() == [b"x"]


async def test_nobody_needs_to_wait_for_the_reader(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        assert not pull.readable
        await peer.stream.send_all(message(b"x") + message(b"y"))
        assert lease(pull).offered
        assert pull.readable
        assert pull.receive_nowait() == [b"x"]
        assert pull.receive_nowait() == [b"y"]
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()


async def test_a_ping_is_answered_while_the_application_is_busy(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (_, peer):
        await peer.stream.send_all(frame(make_ping(0, b"hello"), flags=4))
        assert await peer.read_frame() == (4, b"\4PONGhello")


async def test_a_ping_is_answered_by_the_receiver(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer):
        task = await receiving(nursery, pull)
        await peer.stream.send_all(frame(make_ping(0, b"hello"), flags=4))
        assert await peer.read_frame() == (4, b"\4PONGhello")
        await peer.stream.send_all(message(b"x"))
        await finished(task)
        assert task.result == [b"x"]


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "receiving"])
async def test_the_end_of_the_connection_is_seen(nursery: trio.Nursery, busy: bool) -> None:
    async with lent(nursery) as (pull, peer), pull.events() as events:
        if not busy:
            await receiving(nursery, pull)
        await peer.stream.aclose()
        async for event in events:
            if isinstance(event, trizmq.Disconnected):
                assert event.cause == "closed by the peer"
                break
        nursery.cancel_scope.cancel()


async def test_what_breaks_the_protocol_ends_the_connection(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer), pull.events() as events:
        task = await receiving(nursery, pull)
        await peer.stream.send_all(message(b"good") + b"\x02" + b"\xff" * 8)
        await finished(task)
        assert task.result == [b"good"]
        async for event in events:
            if isinstance(event, trizmq.Disconnected):
                assert "a frame announces" in event.cause
                break


async def test_a_newcomer_is_heard(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, peer), trizmq.Push() as push:
        task = await receiving(nursery, pull)
        push.connect(pull.peers()[0].endpoint)
        await pull.wait_connected(2)
        assert not lease(pull).taken
        await push.send(b"from the newcomer")
        await finished(task)
        assert task.result == [b"from the newcomer"]
        await peer.stream.send_all(message(b"from the first"))
        assert await pull.receive() == [b"from the first"]


async def test_closing_ends_the_wait(nursery: trio.Nursery) -> None:
    async with lent(nursery) as (pull, _):
        task = await receiving(nursery, pull)
        await pull.aclose()
        await finished(task)
        assert isinstance(task.error, trio.ClosedResourceError)


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 1_000_000])
async def test_what_is_large_comes_whole(nursery: trio.Nursery, size: int) -> None:
    async with lent(nursery) as (pull, peer):
        for _ in range(3):
            task = await start(nursery, pull.receive)
            await peer.stream.send_all(message(b"small", bytes(size)) + message(b"after"))
            await finished(task)
            assert task.result == [b"small", bytes(size)]
            assert await pull.receive() == [b"after"]


async def test_the_high_water_mark_holds(nursery: trio.Nursery) -> None:
    async with lent(nursery, receive_hwm=2) as (pull, peer):
        task = await receiving(nursery, pull)
        await peer.stream.send_all(b"".join(message(b"%d" % number) for number in range(50)))
        await finished(task)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert pull.peers()[0].inbound <= 2
        assert [task.result, *[await pull.receive() for _ in range(49)]] == [[b"%d" % number] for number in range(50)]


async def test_a_clock_that_stands_still_does_not_keep_the_link(mock_clock: trio.testing.MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push, trio.open_nursery() as nursery:
        await meet(pull, push)
        for number in range(3):
            task = await start(nursery, pull.receive)
            await push.send(b"%d" % number)
            await finished(task)
            assert not lease(pull).offered
        assert mock_clock.rate == 0


async def test_who_waits_to_write_is_not_disturbed(nursery: trio.Nursery) -> None:
    """Interrupting the receiver wakes the writer of the same link too."""
    async with trizmq.Dealer() as ours, trizmq.Dealer(receive_hwm=1) as theirs:
        await meet(ours, theirs)
        task = await start(nursery, ours.receive)
        await theirs.send(b"first")
        await finished(task)
        for number in range(20):
            await ours.send([b"%d" % number, bytes(1_000_000)])
        task = await start(nursery, ours.receive)
        assert lease(ours).taken
        assert ours.peers()[0].outbound, "the writer waits"
        lease(ours).recall()
        for number in range(20):
            assert (await theirs.receive())[0] == b"%d" % number
        await theirs.send(b"second")
        await finished(task)
        assert task.result == [b"second"]


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_one_task_at_a_time_waits_for_a_request(nursery: trio.Nursery, endpoint: str) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, endpoint)
        for _ in range(3):
            server = await start(nursery, rep.receive)
            with pytest.raises(trio.BusyResourceError, match="another task is receiving"):
                await rep.receive()
            await req.send(b"question")
            await finished(server)
            await rep.send(b"answer")
            assert await req.receive() == [b"answer"]


async def test_a_request_learns_that_its_peer_is_lost(nursery: trio.Nursery) -> None:
    async with trizmq.Req() as req:
        async with trizmq.Rep() as rep:
            await meet(rep, req)

            async def serve() -> None:
                for _ in range(5):
                    await rep.send((await rep.receive())[0])
                await rep.receive()

            nursery.start_soon(serve)
            for _ in range(5):
                assert await req.request(b"x") == [b"x"]
            task = await start(nursery, req.request, b"the last one")
            assert lease(req).taken
            await trio.testing.wait_all_tasks_blocked()
        await finished(task)
        assert isinstance(task.error, trizmq.PeerLostError)
