"""The engine alone: one link, two pipes. The link is a fake whose every write can be stopped, cut in two or broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.testing

from trizmq.messages import Packed, Run
from trizmq.runtime import engine as engine_module
from trizmq.runtime.engine import Engine
from trizmq.runtime.handshake import shake_hands
from trizmq.runtime.monitor import Counters
from trizmq.runtime.pipe import Pipe
from trizmq.transports.base import Buffer, StreamLink
from trizmq.wire.connection import Connection, WireConfig

from .helpers import GREETING, frame, message, ready

pytestmark = pytest.mark.deadline(10)


class FakeLink:
    """Input is what the test feeds; output is kept. ``room`` bytes can be written, then writing waits, or breaks."""

    address = "fake"
    flushed = True
    waits_for_reader = False
    credentials: tuple[int, int, int] | None = None

    def __init__(self) -> None:
        self.bytes_sent = 0
        self.written = b""
        self.sends: list[int] = []  # the number of buffers of each send; 0 for a direct write
        self.room: float = float("inf")
        self.breaks = False  # at the end of the room
        self._more_room = trio.Event()
        self._feed, self._input = trio.open_memory_channel[bytes](1000)

    def feed(self, data: bytes) -> None:
        self._feed.send_nowait(data)

    async def receive_some(self, max_bytes: int) -> bytes:
        return await self._input.receive()

    async def send(self, buffers: Sequence[Buffer]) -> None:
        self.sends.append(len(buffers))
        data = b"".join(buffers)
        while data := data[self._write(data) :]:
            if self.breaks:
                raise trio.BrokenResourceError("broken on purpose")
            self._more_room = trio.Event()
            await self._more_room.wait()

    def send_now(self, buffer: Buffer) -> int:
        self.sends.append(0)
        return self._write(bytes(buffer))

    def _write(self, data: bytes) -> int:
        taken = data if self.room == float("inf") else data[: int(self.room)]
        self.room -= len(taken)
        self.written += taken
        self.bytes_sent += len(taken)
        return len(taken)

    def give_room(self, room: float) -> None:
        self.room = room
        self._more_room.set()

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Rig:
    def __init__(self) -> None:
        self.link = FakeLink()
        self.counters = Counters()
        self.failed = 0
        self.outbound, self.inbound = Pipe(1000), Pipe(1000)

    def engine(self) -> Engine:
        config = WireConfig(socket_type="PAIR", accepts=frozenset({"PAIR"}))
        return Engine(self.link, Connection(config), self.counters, lambda: None, self._on_write_failed)

    def _on_write_failed(self) -> None:
        self.failed += 1

    async def shake(self, engine: Engine) -> None:
        self.link.feed(GREETING)
        self.link.feed(ready("PAIR"))
        await shake_hands(self.link, engine._connection, self.counters)
        self.link.written = b""
        self.link.sends.clear()

    def left(self) -> list[object]:
        """What is in the outbound pipe now."""
        return list(self.outbound.take() or [])


@pytest.fixture(autouse=True)
def _no_pause_between_lone_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message counts as lone however soon it follows: the test must not depend on how fast it runs."""
    monkeypatch.setattr(engine_module, "_LONE_AFTER", -1.0)


async def test_a_lone_message_goes_out_without_the_writer(nursery: trio.Nursery) -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    rig.link.sends.clear()
    assert rig.outbound.put(b"lone")
    assert rig.link.written == message(b"lone"), "written before any other task ran"
    assert rig.link.sends == [0]
    assert rig.outbound.queued == 0
    assert rig.counters.messages_sent == 1
    nursery.cancel_scope.cancel()


async def test_a_burst_is_batched(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_LONE_AFTER", 10.0)
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    rig.link.sends.clear()
    for number in range(100):
        rig.outbound.put(b"%d" % number)
    await trio.testing.wait_all_tasks_blocked()
    assert rig.link.written == b"".join(message(b"%d" % number) for number in range(100))
    assert len(rig.link.sends) <= 2, f"100 messages took {len(rig.link.sends)} writes"
    nursery.cancel_scope.cancel()


async def test_what_a_direct_write_leaves_over_goes_first(nursery: trio.Nursery) -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    rig.link.room = 3
    rig.outbound.put(b"first")
    rig.outbound.put(b"second")
    await trio.testing.wait_all_tasks_blocked()
    assert rig.link.written == message(b"first")[:3]
    assert not engine.drained
    rig.link.give_room(float("inf"))
    await trio.testing.wait_all_tasks_blocked()
    assert rig.link.written == message(b"first") + message(b"second")
    assert engine.drained
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("written", range(40))
async def test_a_broken_writer_puts_back_what_was_not_written_whole(written: int) -> None:
    """Whatever number of bytes went out: what went out whole is sent, the rest is queued again, in order, once."""
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    messages: list[Packed] = [b"0", [b"1", b"", b"one"], b"2222222222", b"3"]
    wire = [message(b"0"), message(b"1", b"", b"one"), message(b"2222222222"), message(b"3")]
    for one in messages:
        rig.outbound.put(one)
    rig.link.room, rig.link.breaks = written, True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.failed == (written < sum(map(len, wire)))
        rig.link.feed(b"")  # the reader goes on until the peer's end
    ends = [sum(map(len, wire[: at + 1])) for at in range(4)]
    whole = sum(end <= written for end in ends)
    assert rig.left() == messages[whole:]
    assert rig.counters.messages_sent == whole
    assert rig.outbound.queued == 4 - whole


@pytest.mark.parametrize("ending", ["broken", "end of stream"])
@pytest.mark.parametrize("more", range(25))
async def test_a_direct_write_cut_in_two_is_put_back_unless_it_was_finished(more: int, ending: str) -> None:
    """The rest of a directly written message, then a batch: however far the writer gets, each message is in one place."""
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    direct, batch = b"directly", [b"second", b"third"]
    wire = [message(direct), *map(message, batch)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
        await trio.testing.wait_all_tasks_blocked()
        rig.link.room = 4
        rig.outbound.put(direct)
        for one in batch:
            rig.outbound.put(one)
        rig.link.room = more
        rig.link.breaks = ending == "broken"
        await trio.testing.wait_all_tasks_blocked()
        rig.link.feed(b"")
    ends = [sum(map(len, wire[: at + 1])) for at in range(3)]
    whole = sum(end <= more + 4 for end in ends)
    assert rig.left() == [direct, *batch][whole:]
    assert rig.counters.messages_sent == whole
    assert rig.outbound.queued == 3 - whole


@pytest.mark.parametrize("ending", ["broken", "end of stream", "all written"])
@pytest.mark.parametrize("more", range(0, 30, 3))
@pytest.mark.parametrize("room", range(22))
async def test_a_run_cut_anywhere_is_put_back_from_there(room: int, more: int, ending: str) -> None:
    """The credit of what is not written whole is held, and each message is in one place, however far the writer gets."""
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    run, batch = Run([b"first", [b"second", b""], b"3"]), [b"fourth", b"fifth"]
    wire = [message(b"first"), message(b"second", b""), message(b"3"), *map(message, batch)]
    ends = [sum(map(len, wire[: at + 1])) for at in range(5)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
        await trio.testing.wait_all_tasks_blocked()
        rig.link.room = room
        rig.outbound.put_run(run, write=True)
        assert rig.outbound.queued == 3 - sum(end <= room for end in ends[:3])
        assert rig.counters.messages_sent == sum(end <= room for end in ends[:3])
        for one in batch:
            rig.outbound.put(one)
        rig.link.room += more
        rig.link.breaks = ending == "broken"
        await trio.testing.wait_all_tasks_blocked()
        if ending == "all written":
            rig.link.give_room(float("inf"))
            await trio.testing.wait_all_tasks_blocked()
        rig.link.feed(b"")
    whole = 5 if ending == "all written" else sum(end <= more + room for end in ends)
    assert rig.left() == [*run, *batch][whole:]
    assert rig.counters.messages_sent == whole
    assert rig.outbound.queued == 5 - whole
    assert run == [b"first", [b"second", b""], b"3"]


async def test_the_writer_starts_when_something_is_left_for_it(nursery: trio.Nursery) -> None:
    """Also on a second connection, whose pipe has had a writer; and a nudge is enough."""
    rig = Rig()
    for number in range(3):
        engine = rig.engine()
        await rig.shake(engine)
        finished = trio.Event()

        async def exchange(engine: Engine = engine, finished: trio.Event = finished) -> None:
            await engine.exchange(rig.outbound, rig.inbound)
            finished.set()

        nursery.start_soon(exchange)
        await trio.testing.wait_all_tasks_blocked()
        rig.outbound.put(b"directly")
        await trio.testing.wait_all_tasks_blocked()
        assert rig.outbound.on_data is not None, "no writer"
        if number == 1:
            rig.outbound.nudge()
        rig.link.room = 2
        rig.outbound.put(b"in part")
        await trio.testing.wait_all_tasks_blocked()
        assert rig.outbound.on_data is None
        rig.link.give_room(float("inf"))
        await trio.testing.wait_all_tasks_blocked()
        assert rig.link.written == message(b"directly") + message(b"in part")
        rig.link.feed(b"")
        await finished.wait()
        rig.link = FakeLink()
    nursery.cancel_scope.cancel()


async def test_cut_before_the_writer_of_a_rest_has_started() -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
        await trio.testing.wait_all_tasks_blocked()
        rig.link.room = 4
        rig.outbound.put(b"directly")
        engine.cut()
    assert rig.left() == [b"directly"]
    assert rig.counters.messages_sent == 0
    assert rig.outbound.queued == 1


async def test_a_run_is_encoded_once(nursery: trio.Nursery) -> None:
    rigs = [Rig(), Rig()]
    for rig in rigs:
        engine = rig.engine()
        await rig.shake(engine)
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    run = Run([b"1", b"2"])
    for rig in rigs:
        rig.outbound.put_run(run, write=True)
        assert rig.link.written == message(b"1") + message(b"2")
    buffers = run.buffers
    assert rigs[0].outbound.queued == 0
    rigs[0].outbound.put_run(run, write=True)
    assert run.buffers is buffers
    rigs[0].outbound.put_run(run, write=False)
    rigs[0].outbound.put_run(run, write=True)
    assert rigs[0].outbound.queued == 4, "not at once, not past what waits"
    large = Run([b"1", bytes(100_000)])
    rigs[1].outbound.put_run(large, write=True)
    assert rigs[1].outbound.queued == 2, "large bodies are the writer's"
    nursery.cancel_scope.cancel()


async def test_a_direct_write_cut_in_two_and_the_peer_gone_before_the_writer_runs() -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
        await trio.testing.wait_all_tasks_blocked()
        rig.link.room = 4
        rig.link.feed(b"")  # wakes the reader first
        rig.outbound.put(b"directly")
    assert rig.left() == [b"directly"]
    assert rig.counters.messages_sent == 0
    assert rig.outbound.queued == 1


async def test_reads_on_after_writing_failed() -> None:
    """What the peer sent before it closed is delivered although writing to it has failed long before."""
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    rig.link.room, rig.link.breaks = 0, True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
        await trio.testing.wait_all_tasks_blocked()
        rig.outbound.put([b"two", b"frames"])
        await trio.testing.wait_all_tasks_blocked()
        assert rig.failed == 1
        rig.link.feed(message(b"a") + message(b"b", b"c"))
        rig.link.feed(message(b"d"))
        rig.link.feed(b"")
    assert rig.inbound.take() == [b"a", [b"b", b"c"], b"d"]


async def test_answers_ping_although_a_message_is_half_written(nursery: trio.Nursery) -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    rig.link.room = 3
    rig.outbound.put(b"first")
    rig.link.feed(frame(b"\x04PING\x00\x00ctx", flags=4))
    await trio.testing.wait_all_tasks_blocked()
    rig.link.give_room(float("inf"))
    await trio.testing.wait_all_tasks_blocked()
    assert rig.link.written == message(b"first") + frame(b"\x04PONGctx", flags=4)
    nursery.cancel_scope.cancel()


async def test_a_ping_that_cannot_be_answered_at_once_is_answered_later(nursery: trio.Nursery) -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    for room in (0, 5):
        rig.link.written = b""
        rig.link.room = room
        rig.link.feed(frame(b"\x04PING\x00\x00ctx", flags=4))
        await trio.testing.wait_all_tasks_blocked()
        rig.link.give_room(float("inf"))
        await trio.testing.wait_all_tasks_blocked()
        assert rig.link.written == frame(b"\x04PONGctx", flags=4)
    nursery.cancel_scope.cancel()


async def test_takes_no_more_than_there_is_room_for(nursery: trio.Nursery) -> None:
    rig = Rig()
    rig.inbound = Pipe(3)
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    rig.link.feed(b"".join(message(b"%d" % number) for number in range(10)))
    await trio.testing.wait_all_tasks_blocked()
    received: list[object] = []
    while batch := rig.inbound.take():
        assert len(batch) <= 3
        received += batch
        rig.inbound.release(len(batch))
        await trio.testing.wait_all_tasks_blocked()
    assert received == [b"%d" % number for number in range(10)]
    nursery.cancel_scope.cancel()


async def test_cut_ends_the_exchange(nursery: trio.Nursery) -> None:
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    rig.link.room = 2
    rig.outbound.put(b"unsent")
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    engine.cut()
    await trio.testing.wait_all_tasks_blocked()
    assert not nursery.child_tasks
    assert rig.left() == [b"unsent"]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
async def test_over_memory_streams(chunk: int, nursery: trio.Nursery) -> None:
    """Two engines over trio's memory streams, also when the network delivers one byte at a time."""
    streams = trio.testing.memory_stream_pair()

    def pump(sender: trio.testing.MemorySendStream, receiver: trio.testing.MemoryReceiveStream) -> None:
        while trio.testing.memory_stream_pump(sender, receiver, max_bytes=chunk):
            pass

    for sending, receiving in (streams, streams[::-1]):
        sender, receiver = sending.send_stream, receiving.receive_stream
        sender.send_all_hook = None

        async def deliver(sender: object = sender, receiver: object = receiver) -> None:
            pump(sender, receiver)  # type: ignore[arg-type]

        sender.send_all_hook = deliver
        original = receiver.receive_some

        async def little(max_bytes: int | None = None, original: Any = original) -> bytearray:
            return await original(chunk)  # type: ignore[no-any-return]

        receiver.receive_some = little  # type: ignore[method-assign]
    messages: list[Packed] = [b"", b"x" * 300, [b"a", b"", b"b" * 256], b"last"]
    pipes = []
    config = WireConfig(socket_type="PAIR", accepts=frozenset({"PAIR"}))

    async def run(stream: trio.abc.Stream, outbound: Pipe, inbound: Pipe) -> None:
        link, connection, counters = StreamLink(stream, "memory"), Connection(config), Counters()
        engine = Engine(link, connection, counters, lambda: None, lambda: None)
        await shake_hands(link, connection, counters)
        await engine.exchange(outbound, inbound)

    for stream in streams:
        outbound, inbound = Pipe(0), Pipe(0)
        for one in messages:
            outbound.put(one)
        pipes.append(inbound)
        nursery.start_soon(run, stream, outbound, inbound)
    await trio.testing.wait_all_tasks_blocked()
    for inbound in pipes:
        assert inbound.take() == messages
    nursery.cancel_scope.cancel()


async def test_commands_do_not_overtake_each_other(nursery: trio.Nursery) -> None:
    """Sealed commands have to arrive in the order in which they were sealed, also where the link has room again meanwhile."""
    rig = Rig()
    engine = rig.engine()
    await rig.shake(engine)
    nursery.start_soon(engine.exchange, rig.outbound, rig.inbound)
    await trio.testing.wait_all_tasks_blocked()
    rig.link.room = 0
    engine._send_control(b"first")
    rig.link.room = float("inf")
    engine._send_control(b"second")
    assert rig.outbound.put(b"lone")
    await trio.testing.wait_all_tasks_blocked()
    assert rig.link.written == b"firstsecond" + message(b"lone")
    nursery.cancel_scope.cancel()
