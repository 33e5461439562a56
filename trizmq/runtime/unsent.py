"""What of a batch has gone out when a write ended in the middle of it."""

from __future__ import annotations

from collections.abc import Callable

from ..messages import Packed

_Encode = Callable[[list[Packed]], list[bytes]]


def size_of(message: Packed, encode: _Encode) -> int:
    """How many bytes it takes on the wire."""
    return sum(map(len, encode([message])))


def count_whole(messages: list[Packed], sent: int, encode: _Encode) -> int:
    """How many of these messages have gone out whole with so many bytes."""
    whole = 0
    while whole < len(messages) and (sent := sent - size_of(messages[whole], encode)) >= 0:
        whole += 1
    return whole
