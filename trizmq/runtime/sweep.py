"""The sweep: while a socket sends thick and fast to many peers, one task writes for all of them, in turn.

Otherwise each message goes to another peer than the one before, and costs a system call of its own, or wakes that peer's
writer, 4 to 11 µs. What is sent meanwhile is held back in the pipes, so that batches grow while the socket is busy, as in
libzmq's I/O threads. Who has waited longest is written first, and within ``_PATIENCE``; at once, when the peer waits for
answers and all that it has sent is received; and everything, when fewer than ``_DENSE`` messages were sent between two passes
of the scheduler, or slowly. What a peer's system has no room for is left to its writer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from .checkpoints import Lot, checkpoint

if TYPE_CHECKING:
    from ..messages import Packed
    from ..transports.base import Buffer
    from ..wire.connection import Connection
    from ..wire.raw import RawConnection
    from .pipe import Pipe
    from .socket import SocketCore

# So many batches begun within so many seconds begin it.
_MANY = 16
_QUICK = 400e-6

# It goes on while at least so many messages are sent between two passes, and each within so many seconds: a task that need
# not wait sends 64, or answers 32. Where more is done for a message than to send it, little is to be gained.
_DENSE = 16
_SLOW = 50e-6

# No message waits longer than this, in seconds, but for the time that the writes to others take which are due as well.
_PATIENCE = 0.04

# A batch of so many is worth a system call, as one peer's are: whose turn is next does not wait for more.
_ENOUGH = 64

# So many peers are written to in one pass, beside those that wait for answers: or as many as messages were sent since the
# last one, so that a task that sends thousands without a pass cannot leave more behind than is written.
_MOST_AT_ONCE = 64


class Sweep:
    """Who holds messages back at one socket, and the task that writes them."""

    __slots__ = ("_core", "_lot", "_quick", "_sent", "_since", "_started", "answered", "holding", "now", "waiting")

    def __init__(self, core: SocketCore | None = None) -> None:
        self._core = core  # None: nothing is ever held back
        self._lot = Lot()
        self._started = False
        #: Messages are coming thick and fast: they are held back, not written one by one.
        self.holding = False
        self._since = 0.0  # when a batch began
        self._quick = 0  # how many there were since then
        self._sent = 0  # how many messages the pattern had sent at the last pass
        #: When that was.
        self.now = 0.0
        #: Those for whom something is held back, each once, and since when at most; the longest first.
        self.waiting: deque[tuple[float, Swept]] = deque()
        #: Those of them that wait for just that.
        self.answered: list[Swept] = []

    def takes_over(self, now: float) -> bool:
        """A batch begins: whether it is to be held back, as all that follow, and not to be written at once."""
        if now - self._since > _QUICK:
            self._since, self._quick = now, 0
        self._quick += 1
        if self._quick < _MANY:
            return False
        self._quick = 0
        core = self._core
        if core is None or core.ended or len(core.sessions) < 2 or not core.pattern.counts_sent:
            return False
        self.holding = True
        self._sent, self.now = core.pattern.sent, now
        if self._started:
            self._lot.unpark_all()
        else:
            self._started = True
            core.start(self._run, core, name="sweep")
        return True

    async def _run(self, core: SocketCore) -> None:
        quiet = 0
        while True:
            await checkpoint()
            sent = core.pattern.sent
            now = perf_counter()
            news, passed = sent - self._sent, now - self.now
            self._sent, self.now = sent, now
            if news:
                quiet = 0
                dense = news >= _DENSE and passed < news * _SLOW
            else:
                # Tasks take turns in any order: one pass without news means nothing, two mean that nobody sends.
                quiet += 1
                dense = quiet < 2
            if self._write(now - _PATIENCE if dense else now, max(_MOST_AT_ONCE, news)):
                core.progressed()
            if not (dense or self.waiting or self.answered):
                self.holding = False
                await self._lot.park()

    def _write(self, until: float, most: int) -> bool:
        """Write to those that wait for answers, and at most so many that have waited since then; whether there were any."""
        answered, self.answered = self.answered, []
        for engine in answered:
            engine.write_held()
        written = 0
        waiting = self.waiting
        while waiting and written < most:
            since, engine = waiting[0]
            if since > until and 0 < engine.held < _ENOUGH:
                break
            written += 1
            waiting.popleft()
            engine.waits = False
            engine.write_held()
        return bool(answered or written)


class Swept(ABC):
    """The half of an engine that holds messages back; what it looks at is the other half's."""

    __slots__ = ("_answered", "_sweep", "waits")

    _connection: Connection | RawConnection
    _idle: bool
    _inbound: Pipe | None
    _outbound: Pipe | None
    _sealed: bool

    def __init__(self, sweep: Sweep | None) -> None:
        self._sweep = sweep or Sweep()
        #: It stands among those who wait, be it with a batch that has been written meanwhile.
        self.waits = False
        self._answered = 0  # how many messages of this peer had been received when the last batch began

    def hold(self) -> bool:
        """Called by the outbound pipe when a batch begins: whether the sweep will write it."""
        sweep, inbound = self._sweep, self._inbound
        if not sweep.holding or not self._idle or inbound is None:
            return False
        answered, self._answered = self._answered, inbound.released
        if inbound.released > answered and not inbound.queued:
            sweep.answered.append(self)
        else:
            if not self.waits:
                self.waits = True
                sweep.waiting.append((sweep.now, self))
            inbound.tell_room()
        return True

    @property
    def held(self) -> int:
        """How many messages are held back."""
        return self._outbound.held if self._outbound is not None else 0

    def _all_received(self) -> None:
        """A batch of what the peer has sent is received."""
        if self._outbound is None or self._inbound is None or not self._outbound.by_hand:
            return
        if self._inbound.queued:
            self._inbound.tell_room()
        else:
            self._sweep.answered.append(self)

    def write_held(self) -> None:
        """Called by the sweep, or where the outbound pipe is full: write what is held back, or leave it to the writer."""
        outbound = self._outbound
        if outbound is None or not outbound.by_hand:
            return
        # what is sealed is not sealed in vain, and what is large is written by reference
        if self._idle and not self._sealed and (batch := outbound.take()):
            buffers = self._connection.encode(batch)
            if len(buffers) == 1 and self._send_directly(buffers[0], batch, perf_counter()):
                outbound.release(len(batch))
                return
            outbound.restore(batch)
        outbound.pass_on()

    @abstractmethod
    def _send_directly(self, buffer: Buffer, messages: list[Packed], now: float) -> bool:
        """Write now what can be written; True: it has begun, and the other half keeps what is left."""
