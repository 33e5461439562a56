"""The engine: one live connection. It has the wire's state machine, a task that reads and a task that writes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from functools import partial
from time import perf_counter

import outcome
import trio

from ..errors import RemoteProtocolError
from ..messages import Packed, Run
from ..transports.base import Buffer, Link, PollableLink, pollable
from ..wire.connection import Connection
from ..wire.raw import RawConnection
from .checkpoints import enable_ki_protection
from .heart import NO_HEARTBEAT, Heartbeat, Pulse
from .intake import take_from_stream, take_in
from .lease import PATIENCE, Lease
from .monitor import Counters
from .pipe import Pipe
from .portions import portions
from .sweep import Sweep, Swept
from .unsent import count_sent, count_whole

# A lone message goes out from the sender's own task. What follows sooner than this is a burst and left to the writer, so
# that it pays one system call for many messages. A round trip brings inbound data, which lifts the rule.
_LONE_AFTER = 100e-6

# Answers to commands that wait to be written, in bytes. A peer that lets more pile up is not reading.
_MOST_CONTROL = 65536

# A receiver that reads for itself leaves what is larger to the reader.
_READ_SIZE_LENT = 65536

# Frames from this size on, and those that are sealed to it, are written by reference, in buffers of their own.
_LARGE = 16 * 1024 - 64

# As many messages are decoded at once, whatever the high-water mark allows: it bounds the time without a checkpoint.
_MOST_AT_ONCE = 4096

_NOTHING: list[Packed] = []  # one for all connections: the garbage collector looks at each


class Engine(Swept):
    """Moves messages between one link and the two pipes of a session."""

    __slots__ = (
        "_broken",
        "_clock",
        "_connection",
        "_control",
        "_counters",
        "_failure",
        "_full",
        "_given_up",
        "_heartbeat",
        "_idle",
        "_inbound",
        "_last_write",
        "_lease",
        "_link",
        "_nursery",
        "_on_drained",
        "_on_write_failed",
        "_outbound",
        "_pollable",
        "_pulse",
        "_quick",
        "_rest",
        "_rest_messages",
        "_room_event",
        "_sealed",
        "cut_short",
        "discarded",
        "finished",
        "was_cut",
    )

    def __init__(
        self,
        link: Link,
        connection: Connection | RawConnection,
        counters: Counters,
        on_drained: Callable[[], None],
        on_write_failed: Callable[[], None],
        heartbeat: Heartbeat | None = None,
        lease: Lease | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        super().__init__(sweep)
        self._link = link
        self._pollable = pollable(link)  # if others than the reader can read from it
        self._lease = lease or Lease()
        self._connection = connection
        self._counters = counters
        self._on_drained = on_drained  # everything that was queued is with the operating system
        self._on_write_failed = on_write_failed  # nothing more can be sent, though input may still come
        self._outbound: Pipe | None = None
        self._inbound: Pipe | None = None
        self._nursery: trio.Nursery | None = None
        self.was_cut = False  # this side has ended the connection
        self.cut_short: Packed | None = None  # the message in the middle of which the connection ended
        self._idle = False  # the writer waits for messages: the link may be written to by others
        self._last_write = 0.0
        self._rest: Buffer = b""  # what a direct write could not write; goes before everything else
        self._rest_messages = _NOTHING  # those that it belongs to
        self._control = b""  # commands that wait for the writer
        self._room_event: trio.Event | None = None
        self._broken: Exception | None = None
        self._heartbeat = heartbeat or NO_HEARTBEAT
        self._clock: trio.abc.Clock
        self._pulse: Pulse | None = None
        self._quick = False  # input has followed input shortly, and there was little of it
        self._sealed = False  # the mechanism protects the traffic
        self.finished = False  # our side of the stream has ended
        self._full = False  # the reader waits for room and not for the peer
        self._given_up = ""  # why the connection is given up
        self.discarded: int | None = None  # so many messages were thrown away; None: they are delivered
        self._failure: Exception | None = None  # what a receiver met that has read in the reader's place

    @property
    def heard(self) -> float:
        """When something last came in, by Trio's clock."""
        return self._pulse.last_heard if self._pulse is not None else trio.current_time()

    @property
    def address(self) -> str:
        """The other side's address."""
        return self._link.address

    async def exchange(self, outbound: Pipe, inbound: Pipe) -> None:
        """Move messages until the peer ends the connection; returns at the end of its stream.

        What was taken from the outbound pipe and cannot have reached the peer whole is put back into it. Messages that the
        peer sent before it closed are all delivered, even when writing to it fails long before.

        Raises:
            RemoteProtocolError: the peer broke the protocol.
            trio.BrokenResourceError: the connection broke.
        """
        self._outbound, self._inbound = outbound, inbound
        self._clock = trio.lowlevel.current_clock()
        pulse = self._pulse = Pulse(self._heartbeat, self._clock.current_time())
        self._sealed = self._connection.sealed
        self._heartbeat.need(self.period)
        inbound.on_room = self._on_room
        end: outcome.Error | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                if self.was_cut:
                    self._nursery.cancel_scope.cancel()
                self._idle = True
                if not outbound.queued:
                    self._on_drained()
                outbound.on_data = self._start_writer
                if outbound.has_batch:
                    self._start_writer()
                if out := self._connection.data_to_send():
                    self._send_control(out)
                outbound.direct, outbound.holder = self._write_now, self
                try:
                    await self._read(inbound, pulse)
                except Exception as error:  # captured, so that it leaves as itself and not as a group of one
                    end = outcome.Error(error)
                finally:
                    outbound.direct = outbound.on_data = outbound.holder = None
                    inbound.on_room = None
                    self._nursery.cancel_scope.cancel()
            if end is not None:
                end.unwrap()
        finally:
            self._nursery = None
            self._idle = False
            outbound.pass_on()  # to the next connection's writer
            if self._rest_messages:  # the writer has been cancelled before it began
                self._put_back(self._rest_messages, [], 0, [self._rest], outbound)
        if self._given_up:
            raise trio.BrokenResourceError(self._given_up)

    def cut(self, reason: str = "") -> None:
        """End the connection now; ``exchange`` returns, or raises BrokenResourceError where there is a reason to tell."""
        self._given_up, self.was_cut = reason, True
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def finish(self, *, receives: bool, discard: bool) -> None:
        """Everything was written: end our side of the stream in a way that cannot lose what the system still holds.

        Closing a TCP connection with unread input resets it, and what was not yet sent is gone; a libzmq that reads from
        ipc slowly loses what it has not read when the other side closes. Where either can be we say that we are done, and
        read to the peer's end, or until there is nothing to lose. With ``discard`` nobody will ever receive what is read.
        """
        if not receives and not self._link.waits_for_reader:
            self.cut()
            return
        if discard:
            self.discard()
        self.finished = True
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._link.send_eof()

    def discard(self) -> None:
        """Nobody will receive what comes from now on: read it, so that the peer can go on, and throw it away."""
        self.discarded = self.discarded or 0
        if self._room_event is not None:
            self._room_event.set()

    def cut_if_delivered(self) -> None:
        """After ``finish``: end the connection if the peer's system has everything, and ours holds nothing of the peer's."""
        if self._link.flushed and (self.discarded is not None or not self._connection.has_input):
            self.cut()

    def beat(self, now: float) -> None:
        """Called by the heart: give up a silent peer, or send the PING that is due."""
        pulse, connection = self._pulse, self._connection
        if pulse is None:
            return
        if reason := pulse.lost(now, connection.peer_ttl, reading=not self._full):
            self.cut(reason)
        elif pulse.ping_due(now) and not self._control and not self.finished:
            # what has not left yet needs no second one behind it
            connection.ping(self._heartbeat.ttl)
            if out := connection.data_to_send():  # peers before ZMTP 3.0 get nothing, and owe nothing
                pulse.asked(now)
                self._send_control(out)

    @property
    def period(self) -> float:
        """Within how many seconds ``beat`` has to notice something here; infinite: there is nothing to notice."""
        heartbeat = self._heartbeat
        ours = min(heartbeat.interval, heartbeat.timeout) if heartbeat.interval else math.inf
        return min(ours, self._connection.peer_ttl or math.inf)

    # ---- reading

    async def _read(self, inbound: Pipe, pulse: Pulse) -> None:
        connection, link, pollable, lease = self._connection, self._link, self._pollable, self._lease
        note, deliver = partial(self._note, pulse), partial(self._deliver, inbound)
        while True:
            while connection.has_input and not deliver():
                await self._wait_for_room(inbound)
            if lease.wanted and self._quick and pollable is not None and not self.finished:
                await lease.lend(self, pollable)
                if self._failure is not None:
                    raise self._failure
                continue
            try:
                if pollable is not None:
                    await pollable.wait_readable()
                    goes_on = take_in(pollable, connection, note, deliver)
                else:
                    goes_on = await take_from_stream(link, connection, note)
            except trio.BrokenResourceError as error:
                # some systems report a reset here that the writer has met already
                raise self._broken or error from None
            if not goes_on:
                connection.receive_eof()
                return

    def _note(self, pulse: Pulse, size: int) -> None:
        self._counters.bytes_received += size
        self._last_write, now = 0.0, self._clock.current_time()
        self._quick = size < _LARGE and now - pulse.last_heard < PATIENCE
        pulse.last_heard, pulse.fresh = now, True

    def _deliver(self, inbound: Pipe) -> bool:
        """Pass on what was received, and answer commands; False: there is more than the pipe has room for."""
        connection = self._connection
        while True:
            if self.discarded is not None:
                self.discarded += len(connection.next_batch(_MOST_AT_ONCE))
            elif (room := inbound.room) > 0:
                if batch := connection.next_batch(min(room, _MOST_AT_ONCE)):
                    self._counters.messages_received += len(batch)
                    inbound.put_batch(batch)
            else:
                return not connection.has_input
            if out := connection.data_to_send():
                self._send_control(out)
                if connection.peer_ttl:
                    self._heartbeat.need(self.period)
            if not connection.has_input:
                return True

    def read_now(self, link: PollableLink) -> bool:
        """For the lease: deliver what can be read without waiting. False: the reader has to go on, at the end for example."""
        inbound, pulse, connection = self._inbound, self._pulse, self._connection
        assert inbound is not None
        assert pulse is not None
        try:
            data = link.receive_now(_READ_SIZE_LENT)
            if data is None:
                return True
            if data:  # else the reader will find the same end
                self._note(pulse, len(data))
                if (message := connection.whole(data)) is not None and inbound.hand(message):
                    self._counters.messages_received += 1
                    return True
                connection.receive_data(data)
                return self._deliver(inbound) and len(data) < _READ_SIZE_LENT
        except trio.BrokenResourceError as error:
            self._failure = self._broken or error
        except Exception as error:
            self._failure = error
        return False

    def _on_room(self) -> None:
        if self._room_event is not None:
            self._room_event.set()
        self._all_received()

    async def _wait_for_room(self, inbound: Pipe) -> None:
        self._room_event = trio.Event()
        if not inbound.has_room:
            self._full = True
            await self._room_event.wait()
            self._full = False

    # ---- writing

    @property
    def drained(self) -> bool:
        """Whether everything that was queued is with the operating system."""
        written = self._idle or self._broken is not None  # and not in the middle of the rest of a direct write
        return written and self._outbound is not None and not self._outbound.queued and not self._rest

    def _start_writer(self) -> None:
        """Something is left for it. Many a peer is sent nothing that is not written directly, and a task costs 2 KiB."""
        nursery = self._nursery
        assert nursery is not None
        assert self._outbound is not None
        self._outbound.on_data = None
        start = partial(nursery.start_soon, self._write, name=f"trizmq writer {self._link.address}")
        if trio.lowlevel.current_task() is nursery.parent_task:
            start()
        else:
            nursery.parent_task.context.run(start)  # and not in that of the task that happens to send

    @enable_ki_protection
    async def _write(self) -> None:
        outbound = self._outbound
        assert outbound is not None
        while True:
            taken = await outbound.get()
            self._idle = False
            try:
                for batch, rest in portions(taken, sealed=self._sealed):
                    await self._write_batch(batch, rest, outbound)
            except trio.BrokenResourceError as error:
                # the reader goes on: the system may still hold messages that the peer sent before it closed
                self._broken = error
                outbound.direct = outbound.holder = None
                self._on_write_failed()
                return
            self._idle = True
            if not outbound.queued:
                self._on_drained()

    async def _write_batch(self, batch: list[Packed], rest: list[Packed], outbound: Pipe) -> None:
        link, counters = self._link, self._counters
        first: list[Buffer] = []
        if self._rest:
            first.append(self._rest)
            self._rest = b""
        if self._control:
            first.append(self._control)
            self._control = b""
        body = self._connection.encode(batch) if batch else []
        begun, self._rest_messages = self._rest_messages, _NOTHING
        before = link.bytes_sent
        try:
            await link.send([*first, *body] if first else body)
        except BaseException:
            outbound.restore(rest)
            # cancelled or broken: this link is not written to any more, so a message cut in two is as good as unsent
            self._put_back(begun, batch, link.bytes_sent - before, first, outbound)
            raise
        finally:
            self._last_write = perf_counter()
            counters.bytes_sent += link.bytes_sent - before
        if begun:
            batch = begun + batch
        counters.messages_sent += len(batch)
        if batch:
            outbound.release(len(batch))

    def _put_back(self, begun: list[Packed], batch: list[Packed], sent: int, first: list[Buffer], pipe: Pipe) -> None:
        """``sent`` bytes went out: of what was ``begun``, which stands in ``first``, and of the batch behind that."""
        whole, part = count_sent(begun, batch, sent, first, self._connection.encode)
        self._counters.messages_sent += whole
        pipe.release(whole)
        pipe.restore(unsent := (begun + batch)[whole:])
        self.cut_short = unsent[0] if part else None

    def _write_now(self, message: Packed) -> bool:
        """Called by the pipe for a message that finds it empty: write it from the sender's task if the engine is idle."""
        if not self._idle or self._sweep.holding:
            return False
        now = perf_counter()
        if self._sweep.takes_over(now) or now - self._last_write < _LONE_AFTER:
            return False
        # Not sealed in vain: that costs time, and a nonce.
        if self._sealed and (len(message) if isinstance(message, bytes) else max(map(len, message))) >= _LARGE:
            return False
        buffers = self._connection.encode([message])
        return len(buffers) == 1 and self._send_directly(buffers[0], [message], now)

    def write_run(self, run: Run) -> bool:
        """The same for a run, which others get too: it is encoded once for all that are not sealed."""
        if not self._idle or self._sealed:
            return False
        encode = self._connection.encode
        if run.encoder is not encode:
            run.encoder, run.buffers = encode, encode(run)
        return len(run.buffers) == 1 and self._send_directly(run.buffers[0], run, perf_counter())

    def _send_control(self, data: bytes) -> None:
        """Send a command: at once if nothing is under way, else in front of the next batch."""
        if self.finished:
            return
        # What waits goes first: sealed commands must arrive in the order in which they were sealed.
        if not (self._idle and not self._control and self._send_directly(data, [], perf_counter())):
            assert self._outbound is not None
            self._control += data
            if len(self._control) > _MOST_CONTROL:
                raise RemoteProtocolError("the peer sends PING after PING and reads no PONG")
            self._outbound.nudge()

    def _send_directly(self, buffer: Buffer, messages: list[Packed], now: float) -> bool:
        try:
            sent = self._link.send_now(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False  # the writer meets the same error, and knows what to do
        if not sent:
            return False
        self._last_write, whole = now, len(messages)
        self._counters.bytes_sent += sent
        if sent < len(buffer):
            whole, _ = count_whole(messages, sent, self._connection.encode)
            self._rest, self._rest_messages = memoryview(buffer)[sent:], messages[whole:]
            self._idle = False
            assert self._outbound is not None
            self._outbound.charge(len(messages) - whole)
            self._outbound.nudge()
        self._counters.messages_sent += whole
        return True
