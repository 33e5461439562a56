"""Clocks and gauges that every implementation uses in the same way, and the line to the runner."""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import TextIO

from .scenarios import Settings

WARM_UP = 0.2
"""Part of the measured time that runs, untimed, before the clock starts."""


class Control:
    """What a worker says to its runner and hears from it: JSON lines over stdout and stdin."""

    def __init__(self, lines_in: TextIO, lines_out: TextIO) -> None:
        self._in = lines_in
        self._out = lines_out

    def tell_endpoint(self, endpoint: str) -> None:
        """This process is bound; the other one may connect."""
        self._tell({"endpoint": endpoint})

    def tell_result(self, **metrics: float) -> None:
        """The measurement is complete; the runner ends both processes when it reads this."""
        self._tell({"result": metrics})

    def wait_endpoint(self) -> str:
        """Blocks: to be called before an event loop starts."""
        return str(json.loads(self._in.readline())["endpoint"])

    def wait_end(self) -> None:
        """Blocks until the runner ends this process."""
        self._in.read()

    def _tell(self, message: object) -> None:
        print(json.dumps(message), file=self._out, flush=True)


class Throughput:
    """Counts received messages. The clock starts with the last block of the warm-up and stops with a block: compare
    libzmq's local_thr, whose clock starts with the first message and stops with the last."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.seconds
        self._warm_up = settings.seconds * WARM_UP
        self._first = 0.0
        self._start = 0.0
        self._elapsed = 0.0
        self._messages = 0

    def count(self, messages: int) -> bool:
        """Note that so many more have come. True once enough were seen."""
        now = perf_counter()
        if self._start:
            self._messages += messages
            self._elapsed = now - self._start
        elif not self._first:
            self._first = now
        elif now - self._first >= self._warm_up:
            self._start = now
        return self._elapsed >= self._seconds

    @property
    def rate(self) -> float:
        """Messages per second of the time that was measured."""
        return self._messages / self._elapsed


class RoundTrips:
    """Collects the time of each round trip after a warm-up."""

    def __init__(self, settings: Settings) -> None:
        self._begin = perf_counter() + settings.seconds * WARM_UP
        self._end = self._begin + settings.seconds
        self._samples: list[float] = []

    def add(self, start: float, end: float) -> bool:
        """Note one round trip. True once enough were seen."""
        if start >= self._begin:
            self._samples.append(end - start)
        return end >= self._end

    @property
    def percentiles(self) -> dict[str, float]:
        """The results of a round-trip scenario, in microseconds."""
        ordered = sorted(self._samples)
        return {"p50": percentile(ordered, 0.50) * 1e6, "p99": percentile(ordered, 0.99) * 1e6}


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
        self._result: dict[str, float] = {}

    def hello(self) -> bool:
        """Note that one more peer is connected and known. True once all are."""
        self._seen += 1
        if self._seen == self.WARM_UP_CONNECTIONS:
            self._memory = resident_memory()
            self._start = perf_counter()
        return self._seen == self.WARM_UP_CONNECTIONS + self._connections

    @property
    def metrics(self) -> dict[str, float]:
        """The results of an idle-connections scenario."""
        elapsed = perf_counter() - self._start
        growth = resident_memory() - self._memory
        return {"memory": growth / self._connections / 1024, "accepted": self._connections / elapsed}


def resident_memory() -> int:
    """Bytes of this process that are in memory, after a garbage collection."""
    gc.collect()
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # not Linux: the peak is the nearest thing; macOS counts it in bytes, others in KiB
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def measure_import(control: Control, settings: Settings, module: str) -> None:
    """Import the module in fresh interpreters that have imported trio already."""
    search = f"import sys; sys.path[:] = {sys.path!r}; "
    code = (
        f"{search}import time, trio; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-P", "-c", code]

    def once() -> float:
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    once()  # compiles the byte code and warms the file cache
    control.tell_result(**{"import": statistics.median(once() for _ in range(settings.repeats)) * 1e3})
