"""The lease: a task that waits for a message reads the link itself, where nobody else needs what would come.

Usually the engine's reader waits for the link and wakes the receiver, two passes of Trio's scheduler for each message of a
round trip. Once a message has found a single receiver waiting, on a socket with a single peer, the reader lends the link:
from then on ``receive`` waits for it directly, reads, and delivers through the same pipe to the same pattern. This is the
counterpart of the sender that writes directly.

The reader takes the link back when a lease is not used for a moment, so that a peer's PING and its end are seen while the
application is busy; and at once when anybody else waits for anything, when a peer comes or goes, when there is no room, and
when the stream has ended or failed, which is the reader's to tell. It looks at the clock for that, which pays only while
messages follow each other quickly: after a pause there is no lease, until two have come in short order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from .checkpoints import on_system_clock

if TYPE_CHECKING:
    from ..transports.base import PollableLink
    from .engine import Engine

#: Messages that follow each other within this time, in seconds, are worth a lease; and a peer waits no longer than this for a
#: receiver that does not come back.
PATIENCE = 0.002


class Lease:
    """Who reads for one socket: its engines, or, while there is a lender, its receiver."""

    __slots__ = ("_lender", "_link", "_returned", "_scope", "_used", "offered", "taken", "wanted")

    def __init__(self) -> None:
        self._lender: Engine | None = None
        self._link: PollableLink
        self._returned: trio.Event
        self._scope: trio.CancelScope
        self._used = False
        #: The link is lent, and no receiver waits for it: the next one may.
        self.offered = False
        #: A receiver waits for it.
        self.taken = False
        #: A message has found a single receiver of a single peer waiting: the next one may read for itself.
        self.wanted = False

    async def lend(self, engine: Engine, link: PollableLink) -> None:
        """The reader's side: let receivers read until the link comes back."""
        self.wanted = False
        if not on_system_clock():  # one that stands still would never give the link back
            return
        self._lender, self._link, self.offered = engine, link, True
        self._returned = trio.Event()
        patience = PATIENCE
        try:
            while True:
                self._used = False
                with trio.move_on_after(patience) as self._scope:
                    await self._returned.wait()
                if self._returned.is_set() or not (self._used or self.taken):
                    return
                patience = PATIENCE if self._used else math.inf
        finally:
            self.recall()

    async def read(self) -> None:
        """The receiver's side, where the link is offered: wait for input and deliver it. Nothing may have come of it."""
        engine = self._lender
        self.offered, self.taken = False, True
        try:
            await self._link.wait_readable()
        except trio.ClosedResourceError:
            pass  # recalled
        except BaseException:
            self.taken = False
            self.recall()
            raise
        self.taken = False
        if engine is not None and self._lender is engine:
            self.offered = True
            self.read_now()

    def read_now(self) -> None:
        """Deliver what can be read without waiting, where the link is offered."""
        engine = self._lender
        assert engine is not None
        if not engine.read_now(self._link):
            self.recall()
        elif self._scope.deadline == math.inf:
            self.recall()  # the last one was long ago
        else:
            self._used = True

    def recall(self) -> None:
        """Give the link back to the reader now; nothing happens if it has it."""
        self.wanted = False
        if self._lender is not None:
            self._lender, self.offered = None, False
            self._returned.set()
            if self.taken:
                self._link.interrupt()
