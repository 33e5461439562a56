"""What a process holds at a moment, to see after much coming and going that nothing was left behind."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from dataclasses import dataclass

import trio

from tests.interop.driver import tasks


@dataclass(frozen=True)
class Footprint:
    """Tasks by name, descriptors, objects that Python's collector knows, and resident bytes (0 where nobody tells)."""

    tasks: Counter[str]
    descriptors: int
    objects: int
    resident: int

    def __str__(self) -> str:
        return (
            f"{self.tasks.total()} tasks, {self.descriptors} descriptors, {self.objects} objects,"
            f" {self.resident / 1e6:.1f} MB"
        )


async def footprint() -> Footprint:
    """Take it when nothing moves any more, so that what is about to end is not counted."""
    await trio.testing.wait_all_tasks_blocked(0.05)
    gc.collect()
    # A heart sleeps on for as long as its last peer would have let it; there is one per socket, and not always.
    others = Counter({name: count for name, count in tasks().items() if not name.endswith(" heart")})
    return Footprint(others, len(descriptors()), len(gc.get_objects()), _resident())


def descriptors() -> list[str]:
    """The open descriptors, where the system shows them."""
    return os.listdir("/proc/self/fd") if sys.platform == "linux" else []


def _resident() -> int:
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
