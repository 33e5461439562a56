"""The body of a frame that arrives in several pieces, gathered in the one buffer that becomes the body. Sans-IO."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Final

# From this size on what is missing of a body is worth a place of its own that it is read to.
_WORTH_IT: Final = 16 * 1024

# How much larger than what has come of the body its buffer may be made; its peer has sent a quarter of it at least.
_AHEAD: Final = 4

# A peer that has sent a large frame whole is taken to send another one of its size, up to this one.
_MOST_PROVEN: Final = 4 * 1024 * 1024

# glibc's malloc gives freed memory back to the system from twice the size on of the largest mapped block that was freed so
# far, and at first from 128 KiB on (mallopt(3)). Then each large frame pays for fresh pages: half of the time of 1 MiB.
_KEPT: Final = 8 * 1024 * 1024


@cache
def keep_freed_memory() -> None:
    """Have malloc keep what it has for what is read next: once per process, and nothing of this block is ever touched."""
    bytes(_KEPT)


class Gathering:
    """One body after the other. What is announced takes no memory: a buffer grows with what has arrived.

    A BytesIO hands out what it holds without another copy, and can be written to from outside. That makes it the only way to
    read into what will be ``bytes``.
    """

    __slots__ = ("_arrived", "_buffer", "_proven", "_room", "_size")

    def __init__(self) -> None:
        self._buffer = BytesIO()
        self._size = 0  # of the whole body
        self._arrived = 0  # so much of it, which is where the buffer is written to next
        self._room = 0  # the buffer is so large; what follows what has arrived is zeros
        self._proven = 0

    def begin(self, piece: bytes | memoryview, missing: int) -> None:
        """A body begins with this piece."""
        self._buffer = BytesIO()
        self._arrived = self._room = self._buffer.write(piece)
        self._size = self._arrived + missing

    def add(self, piece: bytes | memoryview) -> None:
        """The next piece."""
        self._arrived += self._buffer.write(piece)

    def space(self) -> memoryview | None:
        """Where the next bytes can be put, to be told of with :meth:`filled`; None: not worth it, or not yet.

        Release it before anything else is called.
        """
        arrived = self._arrived
        if self._room <= arrived:
            room = min(self._size, max(arrived * _AHEAD, min(self._proven, _MOST_PROVEN)))
            if room - arrived < _WORTH_IT:
                return None
            keep_freed_memory()
            self._buffer.seek(room - 1)
            self._buffer.write(b"\0")
            self._buffer.seek(arrived)
            self._room = room
        with self._buffer.getbuffer() as whole:
            return whole[arrived:]

    def filled(self, count: int) -> None:
        """So many bytes were put into the space."""
        self._arrived += count
        self._buffer.seek(self._arrived)

    def take(self) -> bytes:
        """The body, once it is complete."""
        body = self._buffer.getvalue()
        self._buffer = BytesIO()
        self._proven = max(self._proven, self._size)
        return body
