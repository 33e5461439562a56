"""How much of a batch is sealed before it is written: the peer can open that while we seal more."""

from __future__ import annotations

from collections.abc import Iterator

from ..messages import Packed, frames_size

_MOST_SEALED = 128 * 1024


def portions(batch: list[Packed], *, sealed: bool) -> Iterator[tuple[list[Packed], list[Packed]]]:
    """What is to be encoded at once, and what of the batch comes after that; one portion at least, be it empty."""
    if not sealed:
        yield batch, []
        return
    while True:
        size = count = 0
        while count < len(batch) and size < _MOST_SEALED:
            size += frames_size(batch[count])
            count += 1
        portion, batch = batch[:count], batch[count:]
        yield portion, batch
        if not batch:
            return
