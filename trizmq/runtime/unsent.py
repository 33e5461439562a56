"""What of a batch has gone out, when a write ended in the middle of it."""

from __future__ import annotations

from collections.abc import Callable

from ..messages import Packed
from ..transports.base import Buffer

_Encode = Callable[[list[Packed]], list[bytes]]


def _size_of(message: Packed, encode: _Encode) -> int:
    return sum(map(len, encode([message])))


def count_whole(messages: list[Packed], sent: int, encode: _Encode) -> tuple[int, int]:
    """How many of these messages have gone out whole with so many bytes, and how many bytes of the next one."""
    whole = 0
    while whole < len(messages) and sent >= (size := _size_of(messages[whole], encode)):
        sent -= size
        whole += 1
    return whole, max(sent, 0)


def count_sent(
    begun: list[Packed], batch: list[Packed], sent: int, first: list[Buffer], encode: _Encode
) -> tuple[int, int]:
    """The same of those ``begun`` and of the batch behind them.

    The rest of those begun stands in ``first``, a part of them was written before.
    """
    whole, part = count_whole(batch, sent - sum(map(len, first)), encode)
    if begun and not whole:
        before = sum(_size_of(message, encode) for message in begun) - len(first[0])
        of_begun, of_next = count_whole(begun, before + sent, encode)
        if of_begun < len(begun):
            return of_begun, of_next
    return whole + len(begun), part
