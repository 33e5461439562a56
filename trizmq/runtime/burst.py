"""A burst of publications: while messages come thick and fast, one task writes them to all subscribers, run by run.

Otherwise each subscriber's writer would be woken for what a publisher sends between two checkpoints, and would encode it
anew. What a subscriber's system has no room for is left to its writer.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from ..patterns.held import LONGEST
from ..patterns.publish import Pub
from .checkpoints import Lot, checkpoint

if TYPE_CHECKING:
    from .socket import SocketCore


# With so many messages between two passes the publisher goes on and on: some passes share the system calls, for so many
# seconds at most (one subscriber: 1.10 to 1.00 µs a message).
_DENSE = 32
_PATIENCE = 200e-6


class Burst:
    """Lets a publisher hold messages back, and flushes them at each pass of the scheduler; over when there were none."""

    def __init__(self, core: SocketCore, pattern: Pub) -> None:
        self._core = core
        self._pattern = pattern
        self._lot = Lot()
        self._started = False

    def begin(self) -> None:
        """A message was sent; what follows before the next pass may be held back."""
        if self._core.ended:
            return
        self._pattern.bursting = True
        if self._started:
            self._lot.unpark_all()
        else:
            self._started = True
            self._core.start(self._run, name="burst")

    async def _run(self) -> None:
        pattern = self._pattern
        waiting, since = 0, 0.0
        while True:
            await checkpoint()
            held = pattern.held_back
            if waiting + _DENSE <= held < LONGEST:
                now = perf_counter()
                since = since if waiting else now
                if now - since < _PATIENCE:
                    waiting = held
                    continue
            waiting = 0
            if not pattern.flush(write=True):
                pattern.bursting = False
                await self._lot.park()
