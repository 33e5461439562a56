"""Clocks and gauges that every implementation uses in the same way."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from time import perf_counter, process_time

from .model import Settings
from .scenarios import GROWTH, PERCENTILES

WARM_UP = 0.2
"""Part of the measured time that runs, untimed, before the clock starts."""


class Throughput:
    """Counts messages. The clock starts with the last block of the warm-up and stops with a block: compare libzmq's
    local_thr, whose clock starts with the first message and stops with the last."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.seconds
        self._warm_up = settings.seconds * WARM_UP
        self._first = 0.0
        self._start = 0.0
        self._elapsed = 0.0
        self._messages = 0
        self._processor_start = 0.0
        self._processor = 0.0

    def count(self, messages: int) -> bool:
        """Note that so many more have come (or gone). True once enough were seen."""
        now = perf_counter()
        if self._start:
            self._messages += messages
            self._elapsed = now - self._start
        elif not self._first:
            self._first = now
        elif now - self._first >= self._warm_up:
            self._start = now
            self._processor_start = process_time()
        if self._elapsed < self._seconds:
            return False
        self._processor = process_time() - self._processor_start
        return True

    @property
    def rate(self) -> float:
        """Messages per second of the time that was measured."""
        return self._messages / self._elapsed

    @property
    def cost(self) -> float:
        """Microseconds that the processor spent on a message in this process, all its threads together."""
        return self._processor / self._messages * 1e6


class RoundTrips:
    """Collects the time of each round trip (or one-way trip) after a warm-up."""

    def __init__(self, settings: Settings) -> None:
        self._begin = perf_counter() + settings.seconds * WARM_UP
        self._end = self._begin + settings.seconds
        self._samples: list[float] = []

    def add(self, start: float, end: float) -> bool:
        """Note one. True once enough were seen."""
        if start >= self._begin:
            self._samples.append(end - start)
        return end >= self._end and bool(self._samples)

    @property
    def percentiles(self) -> dict[str, float]:
        """The results of a round-trip scenario, in microseconds."""
        ordered = sorted(self._samples)
        return {metric.name: percentile(ordered, float(metric.name[1:]) / 100) * 1e6 for metric in PERCENTILES}


def percentile(ordered: Sequence[float], part: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class IdleMemory:
    """Growth of this process while so many peers connect, say one message each, and fall silent."""

    WARM_UP_CONNECTIONS = 50
    """They pay for what is loaded and allocated once; the growth is counted after them."""

    def __init__(self, settings: Settings) -> None:
        self._connections = settings.connections
        self._seen = 0
        self._start = 0.0
        self._memory = 0
        self._processor = 0.0

    def hello(self) -> bool:
        """Note that one more peer is connected and known. True once all are."""
        self._seen += 1
        if self._seen == self.WARM_UP_CONNECTIONS:
            self._memory = resident_memory()
            self._start = perf_counter()
            self._processor = process_time()
        return self._seen == self.WARM_UP_CONNECTIONS + self._connections

    @property
    def metrics(self) -> dict[str, float]:
        """The results of an idle-connections scenario, or one of handshakes."""
        elapsed = perf_counter() - self._start
        processor = process_time() - self._processor
        growth = resident_memory() - self._memory
        return {
            "memory": growth / self._connections / 1024,
            "accepted": self._connections / elapsed,
            "cost": processor / self._connections * 1e6,
        }


class ProcessorTime:
    """What this process, all its threads together, takes of a core while it does nothing but keep its connections."""

    INTERVALS = 4
    """So many are waited for: a full garbage collection costs as much as all heartbeats of one, and comes now and then."""

    EVERY = 30.0
    """Seconds between two heartbeats of a connection, for which the share of a core is told."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._start = process_time()

    @property
    def metrics(self) -> dict[str, float]:
        """The results of the heartbeats scenario, after so many whole intervals."""
        spent = (process_time() - self._start) / self.INTERVALS
        return {"beat": spent / self._settings.connections * 1e6, "share": spent / self.EVERY * 100}


def growth_metrics(costs: Sequence[float]) -> dict[str, float]:
    """The results of a growth scenario, from the cost of a message with each number of peers."""
    named = {f"cost_{peers}": cost for peers, cost in zip(GROWTH, costs, strict=True)}
    return {**named, "growth": costs[-1] / costs[0]}


def busy_metrics(alone: float, among: float) -> dict[str, float]:
    """The results of the scenario with traffic among idle connections, from its two rates."""
    return {"alone": alone, "among": among, "kept": among / alone}


def resident_memory() -> int:
    """Bytes of this process that are in memory, after a garbage collection."""
    gc.collect()
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # not Linux: the peak is the nearest thing; macOS counts it in bytes, others in KiB
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
