"""What closed sockets have sent over inproc to names that nobody has bound: it waits there for whoever does."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import trio

from ..transports.inproc import InprocNames
from .checkpoints import enable_ki_protection

if TYPE_CHECKING:
    from .inproc import InprocBinding, InprocConnection

_log = logging.getLogger("trizmq")

#: Once so many messages are left for a name, no further socket leaves any: short-lived ones must not fill the memory.
MOST_LEFT = 1000


class Leftovers:
    """Of one context: bounded, and not lost in silence."""

    def __init__(self, names: InprocNames[InprocBinding, InprocConnection]) -> None:
        self._names = names
        self._watching = self._ended = False
        self._left: Counter[str] = Counter()  # how many messages wait for each name
        #: The context has no end of its own: it is the default one of a Trio run.
        self.until_run_ends = False

    def has_room(self, name: str) -> bool:
        """Whether one more socket may leave what it has sent to a name."""
        return not self._ended and self._left[name] < MOST_LEFT

    def leave(self, name: str, count: int) -> None:
        """So many messages are left for a name: see to it that ``end`` is called."""
        self._left[name] += count
        if self.until_run_ends and not self._watching:
            self._watching = True
            trio.lowlevel.spawn_system_task(self._end_with_run, name="trizmq inproc leftovers")

    def taken(self, name: str, count: int) -> None:
        """Somebody has bound the name and taken so many."""
        self._left[name] -= count
        if not self._left[name]:
            del self._left[name]

    async def _end_with_run(self) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            self.end()
            raise

    @enable_ki_protection
    def end(self) -> None:
        """Nobody can bind a name any more: what is left is lost, which the sockets that sent it count and the log tells."""
        self._ended = True
        lost: Counter[str] = Counter()
        for connection in self._names.forget_all():
            lost[connection.endpoint] += connection.lose()
        for endpoint, count in lost.items():
            if count:
                _log.warning(
                    "%s: %d messages of closed sockets are lost, nobody has bound the name to take them",
                    endpoint,
                    count,
                )
