"""The limit in bytes of a pipe: what waits in it and what was taken from it, for pipes that have such a limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..messages import Packed, batch_size, frames_size


class ByteCount:
    """Follows the messages of a pipe by their sizes. Credit comes back as a number of messages, so sizes are remembered."""

    __slots__ = ("_sizes", "_taken", "_waiting", "limit")

    def __init__(self, limit: int, waiting: list[Packed], taken: int) -> None:
        self.limit = limit
        self._waiting = batch_size(waiting)
        self._taken = 0
        #: Of the messages that were taken and not released, oldest first. Those from before the limit count nothing.
        self._sizes: deque[int] = deque([0] * taken)

    @property
    def full(self) -> bool:
        """Whether the limit is reached. The message that reaches it goes beyond: one larger than the limit gets through."""
        return self._waiting + self._taken >= self.limit

    @property
    def overflows(self) -> bool:
        """Whether what waits is more than the limit, without what was taken."""
        return self._waiting > self.limit

    def put(self, messages: Iterable[Packed]) -> None:
        """Messages wait."""
        self._waiting += batch_size(messages)

    def lose(self, message: Packed) -> None:
        """A message that waited does so no more."""
        self._waiting -= frames_size(message)

    def recount(self, waiting: list[Packed]) -> None:
        """Some of those that waited do so no more."""
        self._waiting = batch_size(waiting)

    def take(self, batch: list[Packed]) -> None:
        """Messages that waited are taken, all of them."""
        self._sizes.extend(map(frames_size, batch))
        self._taken += self._waiting
        self._waiting = 0

    def release(self, count: int) -> None:
        """The oldest messages taken are done with."""
        for _ in range(count):
            self._taken -= self._sizes.popleft()

    def charge(self, count: int) -> None:
        """So many messages are taken that never waited; their sizes are told by ``restore``."""
        self._sizes.extendleft([0] * count)

    def restore(self, messages: list[Packed]) -> None:
        """The last messages taken wait again."""
        for _ in messages:
            self._taken -= self._sizes.pop()
        self.put(messages)
