"""The lone ping beside a stream: when it is due, and the time that it carries."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

STAMP = "!d"
"""When the ping was sent. The clock is that of the system, the same in every process."""

PERIOD = 0.001


def ticks() -> Iterator[float]:
    """When each ping is due. One that is late does not make the next ones come in a burst."""
    due = perf_counter()
    while True:
        due = max(due + PERIOD, perf_counter())
        yield due
