"""Starts the processes of each measurement, hears their result, ends them; the implementations in turn."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import trio

from .results import Measurement
from .scenarios import IMPLEMENTATIONS, Scenario, Settings

ROOT = Path(__file__).parent.parent
GIVE_UP_AFTER = 2
"""An implementation that failed so often in a scenario is not tried again in the same run."""


class MeasurementError(Exception):
    """A worker died, or told no result in time."""


class Runner:
    """Measures scenarios, passing on each measurement as soon as it is there."""

    def __init__(
        self,
        *,
        rounds: int,
        settings: Callable[[Settings], Settings],
        timeout: float,
        package: Path | None,
        record: Callable[[Measurement], None],
    ) -> None:
        self._rounds = rounds
        self._settings = settings
        self._timeout = timeout
        self._environment = dict(os.environ)
        if package is not None:
            paths = [str(package.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._environment["PYTHONPATH"] = os.pathsep.join(paths)
        self._record = record
        self._versions = self._find_versions()

    async def run(self, scenarios: Iterable[Scenario]) -> None:
        """One scenario after the other, each in all its rounds."""
        for scenario in scenarios:
            failures = dict.fromkeys(scenario.implementations, 0)
            for number in range(1, self._rounds + 1):
                for name in scenario.implementations:
                    if failures[name] < GIVE_UP_AFTER:
                        failures[name] += not await self._measure(scenario, name, number)

    async def _measure(self, scenario: Scenario, name: str, number: int) -> bool:
        settings = replace(self._settings(scenario.settings), batched=IMPLEMENTATIONS[name].batched)
        values: dict[str, float] = {}
        error = ""
        try:
            values = await self._converse(scenario, name, settings)
        except MeasurementError as failure:
            error = str(failure)
        for metric in scenario.metrics:
            measurement = Measurement(
                scenario=scenario.name,
                implementation=name,
                metric=metric.name,
                size=settings.size,
                round=number,
                value=values.get(metric.name),
                unit=metric.unit,
                error=error,
                seconds=settings.seconds,
                versions=self._versions,
                time=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            self._record(measurement)
        return not error

    async def _converse(self, scenario: Scenario, name: str, settings: Settings) -> dict[str, float]:
        """Start all roles at once, hand the endpoint of the first to the second, wait for the result of either."""
        results: list[dict[str, float]] = []
        workers: list[Worker] = []
        try:
            with trio.move_on_after(self._timeout) as deadline:
                for role in scenario.roles:
                    arguments = [name, role, settings.to_json(), str(self._timeout)]
                    workers.append(await Worker.start(role, arguments, self._environment))
                async with trio.open_nursery() as nursery:
                    for worker in workers:
                        nursery.start_soon(hear, worker, workers, results, nursery.cancel_scope)
        finally:
            for worker in workers:
                worker.process.kill()
            with trio.CancelScope(shield=True):
                for worker in workers:
                    await worker.process.wait()
        if results:
            return results[0]
        reasons = [f"{worker.role}: {last}" for worker in workers if (last := worker.last_words())]
        if deadline.cancelled_caught:
            reasons.insert(0, f"no result within {self._timeout:g} s")
        raise MeasurementError("; ".join(reasons) or "ended without a result")

    def _find_versions(self) -> dict[str, str]:
        """Asked of a process like those that measure, since these may see another trizmq than the runner does."""
        command = [sys.executable, "-P", "-c", BOOT + VERSIONS]
        found = subprocess.run(command, env=self._environment, check=True, stdout=subprocess.PIPE).stdout
        return {**json.loads(found), "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"}


# This tree comes last, so that an installed trizmq (or another tree's) is what gets measured.
BOOT = f"import sys; sys.path.append({str(ROOT)!r}); "
VERSIONS = """
import importlib.metadata, json, platform
found = {"python": platform.python_version()}
for name in ("trio", "pyzmq"):
    found[name] = importlib.metadata.version(name)
try:
    import zmq
    found["libzmq"] = zmq.zmq_version()
except ImportError as error:
    found["libzmq"] = str(error)
try:
    import trizmq
    found["trizmq"] = f"{getattr(trizmq, '__version__', 'unknown')} in {list(trizmq.__path__)[0]}"
except Exception as error:
    found["trizmq"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


class Worker:
    """One process of a measurement, and what it wrote to stderr."""

    def __init__(self, role: str, process: trio.Process, log: IO[bytes]) -> None:
        self.role = role
        self.process = process
        self._log = log

    @classmethod
    async def start(cls, role: str, arguments: Sequence[str], environment: dict[str, str]) -> Worker:
        """Start a process with these arguments of ``benchmarks.worker``."""
        log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        command = [sys.executable, "-P", "-c", BOOT + "from benchmarks.worker import main; main()", *arguments]
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        return cls(role, process, log)

    async def lines(self) -> AsyncGenerator[dict[str, Any], None]:
        """What the process tells, until it closes its end."""
        assert self.process.stdout is not None
        rest = b""
        async for chunk in self.process.stdout:
            *complete, rest = (rest + chunk).split(b"\n")
            for line in complete:
                yield json.loads(line)

    async def tell(self, message: dict[str, Any]) -> None:
        """Send one line; ``trio.BrokenResourceError`` if the process is gone."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(json.dumps(message).encode() + b"\n")

    def last_words(self) -> str:
        """The last line on stderr: of a traceback, the error."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        # Without the frame that a traceback draws around the members of an ExceptionGroup.
        words = (line.strip(" |+-") for line in reversed(lines))
        return next((line for line in words if any(map(str.isalpha, line))), "")


async def hear(
    worker: Worker, workers: Sequence[Worker], results: list[dict[str, float]], scope: trio.CancelScope
) -> None:
    """Pass on the worker's endpoint and keep its result. If a process ends without one, all has failed."""
    try:
        async with aclosing(worker.lines()) as lines:
            async for message in lines:
                if "result" in message:
                    results.append(message["result"])
                    break
                for other in workers:
                    if other is not worker:
                        await other.tell(message)
    except trio.BrokenResourceError:
        pass  # the other process is gone; its last words will say why
    scope.cancel()
