"""The engine: one live connection. It has the wire's state machine, a task that reads and a task that writes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable
from time import perf_counter

import outcome
import trio

from ..errors import RemoteProtocolError
from ..messages import Packed
from ..transports.base import Buffer, Link
from ..wire.connection import Connection, PeerInfo
from .checkpoints import enable_ki_protection
from .heart import NO_HEARTBEAT, Heartbeat, Pulse
from .monitor import Counters
from .pipe import Pipe

# A lone message goes out from the sender's own task. What follows sooner than this is a burst and left to the writer, so
# that it pays one system call for many messages. A round trip brings inbound data, which lifts the rule.
_LONE_AFTER = 100e-6

# Answers to commands that wait to be written, in bytes. A peer that lets more pile up is not reading.
_MOST_CONTROL = 65536

# Frames from this size on, and those that are sealed to it, are written by reference, in buffers of their own.
_LARGE = 16 * 1024 - 64

# As many messages are decoded at once, whatever the high-water mark allows: it bounds the time without a checkpoint.
_MOST_AT_ONCE = 4096


# A peer that is sent away with an ERROR command gets this long, in seconds, to take it and go, and may send this many bytes.
_LAST_WORD = 1.0
_MOST_UNREAD = 65536


class Engine:
    """Moves messages between one link and the two pipes of a session."""

    __slots__ = (
        "_broken",
        "_connection",
        "_control",
        "_counters",
        "_discarding",
        "_finished",
        "_full",
        "_given_up",
        "_heartbeat",
        "_idle",
        "_inbound",
        "_last_write",
        "_link",
        "_on_drained",
        "_on_write_failed",
        "_outbound",
        "_pulse",
        "_rest",
        "_rest_message",
        "_room_event",
        "_scope",
        "_sealed",
    )

    def __init__(
        self,
        link: Link,
        connection: Connection,
        counters: Counters,
        on_drained: Callable[[], None],
        on_write_failed: Callable[[], None],
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._link = link
        self._connection = connection
        self._counters = counters
        self._on_drained = on_drained  # everything that was queued is with the operating system
        self._on_write_failed = on_write_failed  # nothing more can be sent, though input may still come
        self._outbound: Pipe | None = None
        self._inbound: Pipe | None = None
        self._scope = trio.CancelScope()
        self._idle = False  # the writer waits for messages: the link may be written to by others
        self._last_write = 0.0
        self._rest: Buffer = b""  # what a direct write could not write; goes before everything else
        self._rest_message: Packed | None = None  # the message that it belongs to
        self._control = b""  # commands that wait for the writer
        self._room_event = trio.Event()
        self._broken: Exception | None = None
        self._heartbeat = heartbeat or NO_HEARTBEAT
        self._pulse: Pulse | None = None
        self._sealed = False  # the mechanism protects the traffic
        self._finished = False  # our side of the stream has ended
        self._full = False  # the reader waits for room and not for the peer
        self._given_up = ""  # why the connection is given up
        self._discarding = False

    @property
    def heard(self) -> float:
        """When something last came in, by Trio's clock."""
        return self._pulse.last_heard if self._pulse is not None else trio.current_time()

    @property
    def in_part(self) -> int:
        """1 while a message that was written directly has gone out in part: it is in no queue, and not sent."""
        return int(self._rest_message is not None)

    @property
    def was_cut(self) -> bool:
        """Whether this side has ended the connection."""
        return self._scope.cancel_called

    @property
    def address(self) -> str:
        """The other side's address."""
        return self._link.address

    async def shake_hands(
        self, *, hold_back: bool = False, ask: Callable[[Connection], Awaitable[str]] | None = None
    ) -> PeerInfo:
        """Exchange greetings and commands until traffic may flow.

        Where the mechanism has somebody to be asked, ``ask`` gives the answer, a status of ZAP; nothing is read meanwhile.

        With ``hold_back`` what is then still to be sent, the READY of a bound side, goes out with ``exchange`` only: until
        then the peer can be turned away, and sees a handshake that failed.

        Raises:
            AuthenticationError: this side has refused the peer: ``send_away`` tells it; or the peer this side.
            RemoteProtocolError: the peer broke the protocol or cannot be talked to.
            trio.BrokenResourceError: the connection broke, or ended too early.
        """
        connection, link = self._connection, self._link
        connection.start()
        while True:
            if not (connection.ready and hold_back) and (out := connection.data_to_send()):
                await link.send([out])
                self._counters.bytes_sent += len(out)
            if connection.ready:
                return connection.peer
            if connection.authenticating:
                # without somebody to ask nobody comes in
                connection.authenticated(await ask(connection) if ask is not None else "500")
                continue
            data = await link.receive_some(connection.read_size)
            self._counters.bytes_received += len(data)
            if not data:
                connection.receive_eof()
                raise trio.BrokenResourceError("the peer closed the connection during the handshake")
            connection.receive_data(data)

    async def send_away(self) -> None:
        """After an AuthenticationError: tell the peer, where it is to be told, within a second."""
        out = self._connection.data_to_send()
        if not out:
            return
        with trio.move_on_after(_LAST_WORD), contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._link.send([out])
            self._counters.bytes_sent += len(out)
            # Closing with unread input, a READY that came meanwhile, resets the connection, and the last word is lost.
            await self._link.send_eof()
            unread = _MOST_UNREAD
            while unread > 0 and (data := await self._link.receive_some(4096)):
                unread -= len(data)

    async def exchange(self, outbound: Pipe, inbound: Pipe) -> None:
        """Move messages until the peer ends the connection; returns at the end of its stream.

        What was taken from the outbound pipe and cannot have reached the peer whole is put back into it. Messages that the
        peer sent before it closed are all delivered, even when writing to it fails long before.

        Raises:
            RemoteProtocolError: the peer broke the protocol.
            trio.BrokenResourceError: the connection broke.
        """
        self._outbound, self._inbound = outbound, inbound
        self._sealed = self._connection.sealed
        pulse = self._pulse = Pulse(self._heartbeat, trio.current_time())
        self._heartbeat.need(self.period)
        self._control = self._connection.data_to_send()
        if self._control:
            outbound.nudge()
        inbound.on_room = self._on_room
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, name=f"trizmq writer {self._link.address}")
                outbound.direct = self._write_now
                # captured, so that the peer's fault leaves as itself and not as a group of one
                end = await outcome.acapture(self._read, pulse)
                outbound.direct = None
                inbound.on_room = None
                nursery.cancel_scope.cancel()
            self._idle = False
            end.unwrap()
        if self._given_up:
            raise trio.BrokenResourceError(self._given_up)

    def cut(self, reason: str = "") -> None:
        """End the connection now; ``exchange`` returns, or raises BrokenResourceError where there is a reason to tell."""
        self._given_up = reason
        self._scope.cancel()

    async def finish(self, *, receives: bool, discard: bool) -> None:
        """Everything was written: end our side of the stream in a way that cannot lose what the system still holds.

        Closing a TCP connection with unread input resets it, and what was not yet sent is gone; and a libzmq that reads
        from an ipc connection slowly loses what it has not read when the other side closes. So where either can be we say
        that we are done, and read up to the peer's end, or until there is nothing to lose. With ``discard`` nobody will
        ever receive what is read.
        """
        if not receives and not self._link.waits_for_reader:
            self.cut()
            return
        self._discarding = discard
        self._room_event.set()
        self._finished = True
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._link.send_eof()

    def cut_if_delivered(self) -> None:
        """After ``finish``: end the connection if the peer's system has everything, and ours holds nothing of the peer's."""
        if self._link.flushed:
            self.cut()

    def beat(self, now: float) -> None:
        """Called by the heart: give up a silent peer, or send the PING that is due."""
        pulse, connection = self._pulse, self._connection
        if pulse is None:
            return
        if reason := pulse.lost(now, connection.peer_ttl, reading=not self._full):
            self.cut(reason)
        elif (
            pulse.ping_due(now) and not self._control and not self._finished
        ):  # what has not left yet needs no second one behind it
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

    async def _read(self, pulse: Pulse) -> None:
        connection, link, inbound, counters = self._connection, self._link, self._inbound, self._counters
        assert inbound is not None
        while True:
            while connection.has_input:
                if self._discarding:
                    connection.next_batch(_MOST_AT_ONCE)
                    continue
                if (room := inbound.room) <= 0:
                    await self._wait_for_room(inbound)
                    continue
                batch = connection.next_batch(min(room, _MOST_AT_ONCE))
                if not batch:
                    break
                counters.messages_received += len(batch)
                inbound.put_batch(batch)
            if out := connection.data_to_send():
                self._send_control(out)
                if connection.peer_ttl:
                    self._heartbeat.need(self.period)
            try:
                data = await link.receive_some(connection.read_size)
            except trio.BrokenResourceError as error:
                # some systems report a reset here that the writer has met already
                raise self._broken or error from None
            if not data:
                connection.receive_eof()
                return
            counters.bytes_received += len(data)
            self._last_write = 0.0
            pulse.heard(trio.current_time())
            connection.receive_data(data)

    def _on_room(self) -> None:
        self._room_event.set()

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

    @enable_ki_protection
    async def _write(self) -> None:
        outbound = self._outbound
        assert outbound is not None
        while True:
            self._idle = True
            if not outbound.queued:
                self._on_drained()
            batch = await outbound.get()
            self._idle = False
            try:
                await self._write_batch(batch, outbound)
            except trio.BrokenResourceError as error:
                # the reader goes on: the system may still hold messages that the peer sent before it closed
                self._broken = error
                outbound.direct = None
                self._on_write_failed()
                return

    async def _write_batch(self, batch: list[Packed], outbound: Pipe) -> None:
        link, counters = self._link, self._counters
        first: list[Buffer] = []
        rest_message = self._rest_message
        if self._rest:
            first.append(self._rest)
            self._rest = b""
        if self._control:
            first.append(self._control)
            self._control = b""
        body = self._connection.encode(batch) if batch else []
        before = link.bytes_sent
        try:
            await link.send([*first, *body] if first else body)
        except BaseException:
            # cancelled or broken: this link is not written to any more, so a message cut in two is as good as unsent
            self._put_back(batch, rest_message, link.bytes_sent - before - sum(map(len, first)), outbound)
            raise
        finally:
            self._rest_message = None
            self._last_write = perf_counter()
            counters.bytes_sent += link.bytes_sent - before
        counters.messages_sent += len(batch) + (rest_message is not None)
        if batch:
            outbound.release(len(batch))

    def _put_back(self, batch: list[Packed], rest_message: Packed | None, sent: int, outbound: Pipe) -> None:
        """``sent`` bytes of the encoded batch went out; negative: not even all of what stood before it."""
        rest_unsent = rest_message is not None and sent < 0
        whole = 0
        for message in batch:
            sent -= sum(map(len, self._connection.encode([message])))
            if sent < 0:
                break
            whole += 1
        self._counters.messages_sent += whole + (rest_message is not None and not rest_unsent)
        outbound.release(whole)
        unsent = batch[whole:]
        if rest_unsent and rest_message is not None:
            # written directly, in part: its credit was given back then
            outbound.charge()
            unsent.insert(0, rest_message)
        outbound.restore(unsent)

    def _write_now(self, message: Packed) -> bool:
        """Called by the pipe for a message that finds it empty: write it from the sender's task if the engine is idle."""
        if not self._idle:
            return False
        now = perf_counter()
        if now - self._last_write < _LONE_AFTER:
            return False
        # Not sealed in vain: that costs time, and a nonce.
        if self._sealed and (len(message) if isinstance(message, bytes) else max(map(len, message))) >= _LARGE:
            return False
        buffers = self._connection.encode([message])
        return len(buffers) == 1 and self._send_directly(buffers[0], message, now)

    def _send_control(self, data: bytes) -> None:
        """Send a command: at once if nothing is under way, else in front of the next batch."""
        if self._finished:
            return
        # What waits goes first: sealed commands must arrive in the order in which they were sealed.
        if not (self._idle and not self._control and self._send_directly(data, None, perf_counter())):
            assert self._outbound is not None
            self._control += data
            if len(self._control) > _MOST_CONTROL:
                raise RemoteProtocolError("the peer sends PING after PING and reads no PONG")
            self._outbound.nudge()

    def _send_directly(self, buffer: Buffer, message: Packed | None, now: float) -> bool:
        try:
            sent = self._link.send_now(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False  # the writer meets the same error, and knows what to do
        if not sent:
            return False
        self._last_write = now
        self._counters.bytes_sent += sent
        if sent < len(buffer):
            self._rest, self._rest_message = memoryview(buffer)[sent:], message
            self._idle = False
            assert self._outbound is not None
            self._outbound.nudge()
        elif message is not None:
            self._counters.messages_sent += 1
        return True
