"""What of a batch has gone out, when a write ended in the middle of it."""

from __future__ import annotations

from collections.abc import Callable

from ..messages import Packed
from ..transports.base import Buffer

_Encode = Callable[[list[Packed]], list[bytes]]


def _size_of(message: Packed, encode: _Encode) -> int:
    return sum(map(len, encode([message])))


def count_whole(messages: list[Packed], sent: int, encode: _Encode) -> int:
    """How many of these messages have gone out whole with so many bytes."""
    whole = 0
    while whole < len(messages) and (sent := sent - _size_of(messages[whole], encode)) >= 0:
        whole += 1
    return whole


def count_sent(begun: list[Packed], batch: list[Packed], sent: int, first: list[Buffer], encode: _Encode) -> int:
    """How many messages have gone out whole with ``sent`` bytes: of those ``begun``, and of the batch behind them.

    The rest of those begun stands in ``first``, a part of them was written before.
    """
    whole = count_whole(batch, sent - sum(map(len, first)), encode)
    if begun and not whole:
        before = sum(_size_of(message, encode) for message in begun) - len(first[0])
        return count_whole(begun, before + sent, encode)
    return whole + len(begun)
