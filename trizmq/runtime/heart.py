"""The heart: one slow loop per socket that pings its peers and gives up those that have gone silent (ZMTP heartbeats).

Time stamps are compared, no timer is set per message or per connection: the cost is one look at each connection per beat.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .socket import SocketCore

# The loop looks this often within the shortest period that matters: a peer is given up at most that much too late.
_LOOKS_PER_PERIOD = 4
# ... but no more often than this, whatever the options and the peers ask for.
_SHORTEST_BEAT = 0.01


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
