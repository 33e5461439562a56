"""The heart: one slow loop per socket that pings its peers and gives up those that have gone silent (ZMTP heartbeats).

Time stamps are compared, no timer is set per message or per connection: the cost is one look at each connection per beat.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ..records import Record

if TYPE_CHECKING:
    from .socket import SocketCore

# The loop looks this often within the shortest period that matters: a peer is given up at most two looks too late.
_LOOKS_PER_PERIOD = 4
# ... but no more often than this, whatever the options and the peers ask for.
_SHORTEST_BEAT = 0.01


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Heartbeat(Record):
    """How a connection is watched: the options of that name, and what the heart is told."""

    interval: float
    timeout: float
    ttl: float
    need: Callable[[float], None]  #: have the connection looked at this often


NO_HEARTBEAT = Heartbeat(0.0, 0.0, 0.0, lambda period: None)


class Pulse:
    """The signs of life of one connection.

    As libzmq (zmtp-wire.md 6): a PING goes out every ``interval``, traffic or not, answered or not. The first that finds
    nothing to answer starts the ``timeout``, and whatever comes in is an answer.
    """

    __slots__ = ("_asked", "_due", "_heard", "_heartbeat", "_suspect", "fresh", "last_heard")

    def __init__(self, heartbeat: Heartbeat, now: float) -> None:
        self._heartbeat = heartbeat
        self._due = now + heartbeat.interval if heartbeat.interval else math.inf
        #: When something last came in, and that this was since the last look: the reader sets both for each chunk.
        self.last_heard, self.fresh = now, True
        self._look()

    def _look(self) -> None:
        if self.fresh:
            self.fresh = False
            self._heard = self.last_heard  # but this one is moved on while we do not read
            self._asked = math.inf  # when the first PING went out after that
            self._suspect = False

    def asked(self, now: float) -> None:
        """A PING went out."""
        self._look()
        self._asked = min(self._asked, now)
        self._due += self._heartbeat.interval  # on average as often as wanted
        if self._due <= now:  # but what was missed is not made up for
            self._due = now + self._heartbeat.interval

    def ping_due(self, now: float) -> bool:
        """Whether the next PING is due."""
        return now >= self._due

    def lost(self, now: float, ttl: float, *, reading: bool) -> str:
        """Why the peer is to be given up; empty: it is not.

        ``ttl`` is what the peer asked for in its PING. Nothing counts while we do not read, and a peer is given up only at
        the second look at its silence: if this whole process stood still, what it said may lie in the system's buffer.
        """
        self._look()
        if not reading:
            self._heard = now
            self._asked = now if self._asked < math.inf else math.inf
            reason = ""
        elif now - self._asked >= self._heartbeat.timeout:
            reason = f"nothing came for {now - self._asked:.3g} s after a PING"
        elif ttl and now - self._heard >= ttl:
            reason = f"nothing came for {ttl:.3g} s, the time to live that the peer gave in its PING"
        else:
            reason = ""
        suspect, self._suspect = self._suspect, bool(reason)
        return reason if suspect else ""


class Heart:
    """Beats while there is a connection to beat for, and as often as the most impatient of those that there are needs."""

    def __init__(self, core: SocketCore) -> None:
        self._core = core
        self._period = math.inf
        self._scope: trio.CancelScope | None = None

    def need(self, period: float) -> None:
        """Something has to be noticed within this many seconds from now on."""
        if period >= self._period:
            return
        self._period = period
        if self._scope is None:
            self._core.start(self._beat, name="heart")
        else:
            self._scope.deadline = trio.current_time()  # it sleeps for longer than that

    async def _beat(self) -> None:
        while True:
            with trio.move_on_after(max(self._period / _LOOKS_PER_PERIOD, _SHORTEST_BEAT)) as self._scope:
                await trio.sleep_forever()
            now = trio.current_time()
            for session in list(self._core.sessions):
                if session.engine is not None:
                    session.engine.beat(now)
            # Only now: a peer that asked for much with the ttl of a PING may have gone, and must not keep us busy for ever.
            engines = [session.engine for session in self._core.sessions if session.engine is not None]
            self._period = min((engine.period for engine in engines), default=math.inf)
            if self._period == math.inf:
                self._scope = None
                return
