"""A burst of publications: while messages come thick and fast, one task writes them to all subscribers, run by run.

Otherwise each subscriber's writer would be woken for what a publisher sends between two checkpoints, and would encode it
anew. What a subscriber's system has no room for is left to its writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..patterns.publish import Pub
from .checkpoints import Lot, checkpoint

if TYPE_CHECKING:
    from .socket import SocketCore


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
        while True:
            await checkpoint()
            if not pattern.flush(write=True):
                pattern.bursting = False
                await self._lot.park()
