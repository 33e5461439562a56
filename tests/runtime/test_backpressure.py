"""Backpressure: a receiver that does not receive stops its sender, and nothing is lost when the sender then goes away."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq

from .helpers import STREAMS, TRANSPORTS, fill, meet, message, raw_connection, start, until

pytestmark = pytest.mark.deadline(20)

each_stream = pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


@each_stream
@pytest.mark.parametrize("hwm", [1, 3, 100])
async def test_the_reader_stops_at_the_high_water_mark(endpoint: str, hwm: int) -> None:
    """At most receive_hwm messages are taken off the wire before the application receives any."""
    async with trizmq.Pull(receive_hwm=hwm) as pull:
        bound = await pull.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PUSH")
            await peer.stream.send_all(message(b"x") * 1000)
            await pull.wait_readable()
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert pull.statistics().messages_received == hwm
            for _ in range(1000):
                await pull.receive()
            assert pull.statistics().messages_received == 1000


@each_transport
async def test_the_sender_is_stopped(endpoint: str) -> None:
    """Messages of 1 MB: a few per high-water mark, and what the system takes."""
    async with trizmq.Push(send_hwm=2) as push, trizmq.Pull(receive_hwm=2) as pull:
        await meet(pull, push, endpoint)
        sent = await fill(push, bytes(1_000_000))
        assert 4 <= sent <= 60
        for _ in range(sent):
            with trio.fail_after(5):
                await pull.receive()
        assert not pull.readable


@each_stream
@pytest.mark.parametrize("size", [1, 1000, 40_000])
async def test_a_peer_that_closes_while_we_are_full_loses_nothing(endpoint: str, size: int) -> None:
    """Everything the kernel holds still arrives. (libzmq loses it over ipc: 17 538 of 20 000 arrived.)"""
    count = 20_000 if size == 1 else 1000
    async with trizmq.Pull(receive_hwm=10) as pull:
        async with trizmq.Push(send_hwm=0, linger=20) as push:
            await meet(pull, push, endpoint)
            async with trio.open_nursery() as nursery:
                await push.send_many([b"%d" % number + bytes(size) for number in range(count)])
                closing = await start(nursery, push.aclose)
                for number in range(count):
                    with trio.fail_after(5):
                        assert (await pull.recv()).rstrip(b"\0") == b"%d" % number
                await until(lambda: closing.done)
        assert push.statistics().dropped == 0


@each_stream
async def test_a_raw_peer_that_closes_while_we_are_full(endpoint: str) -> None:
    """The connection is gone long before the application receives; what was in flight is all there, and in order."""
    async with trizmq.Pull(receive_hwm=10) as pull:
        bound = await pull.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PUSH")
            await peer.stream.send_all(b"".join(message(b"%d" % number) for number in range(5000)))
        await trio.testing.wait_all_tasks_blocked(0.01)
        for number in range(5000):
            with trio.fail_after(5):
                assert await pull.recv() == b"%d" % number
        await until(lambda: not pull.statistics().peers)


@each_stream
async def test_we_write_to_a_peer_that_closed_while_we_are_full(endpoint: str) -> None:
    """Writing fails first; what the peer sent before is received all the same."""
    async with trizmq.Pair(receive_hwm=10, linger=0) as pair:
        bound = await pair.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PAIR")
            await pair.wait_connected()
            await peer.stream.send_all(message(b"x") * 1000)
        await pair.wait_readable()
        for _ in range(5):
            with trio.move_on_after(0.01):
                await pair.send(b"into the void")
        for _ in range(1000):
            with trio.fail_after(5):
                assert await pair.recv() == b"x"


@each_transport
async def test_one_full_peer_does_not_stop_the_others(endpoint: str) -> None:
    async with trizmq.Push(send_hwm=1) as push, trizmq.Pull(receive_hwm=1) as slow, trizmq.Pull(receive_hwm=1) as quick:
        bound = await push.bind(endpoint)
        slow.connect(bound)
        quick.connect(bound)
        await push.wait_connected(2)
        body = bytes(1_000_000 if "inproc" not in endpoint else 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.send_many, [body] * 100)
            for _ in range(50):
                with trio.fail_after(5):
                    await quick.receive()
            nursery.cancel_scope.cancel()


@each_transport
async def test_partial_reading_frees_partial_room(endpoint: str, nursery: trio.Nursery) -> None:
    """Slowly received, everything arrives in order, and never more than the marks allow is under way."""
    async with trizmq.Push(send_hwm=3) as push, trizmq.Pull(receive_hwm=3) as pull:
        await meet(pull, push, endpoint)
        sending = await start(nursery, push.send_many, [b"%d" % number for number in range(200)])
        for number in range(200):
            assert await pull.recv() == b"%d" % number
            await trio.lowlevel.checkpoint()
        await until(lambda: sending.done)


@each_stream
async def test_unbind_keeps_what_was_received(endpoint: str) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        bound = await meet(pull, push, endpoint)
        await push.send_many([b"%d" % number for number in range(5)])
        await until(lambda: pull.statistics().messages_received == 5)
        pull.unbind(bound)
        await until(lambda: not pull.statistics().peers)
        assert [await pull.recv() for _ in range(5)] == [b"%d" % number for number in range(5)]


@each_transport
async def test_disconnect_keeps_what_was_received(endpoint: str) -> None:
    """Better than libzmq, which throws it away: what the peers have sent stays readable."""
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        bound = await meet(push, pull, endpoint)
        await push.send_many([b"%d" % number for number in range(5)])
        await pull.wait_readable()
        await trio.testing.wait_all_tasks_blocked(0.001)
        pull.disconnect(bound)
        await until(lambda: not pull.statistics().peers)
        assert [await pull.recv() for _ in range(5)] == [b"%d" % number for number in range(5)]
