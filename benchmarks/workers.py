"""The processes of a measurement: started together, heard, and ended with the first result."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import trio

from .control import Skip
from .model import Scenario, Settings

ROOT = Path(__file__).parent.parent


class MeasurementError(Exception):
    """A worker died, or told no result in time."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A trizmq to be measured: which revision it is (empty if there is only one), and how a process finds it."""

    revision: str
    environment: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def of(cls, package: Path | None, revision: str = "") -> Tree:
        """The tree in a folder; without one, what is installed, or else this."""
        environment = dict(os.environ)
        if package is not None:
            paths = [str(package.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
            environment["PYTHONPATH"] = os.pathsep.join(paths)
        # Asked of a process like those that measure, since these may see another trizmq than the runner does.
        command = [sys.executable, "-P", "-c", BOOT + VERSIONS]
        found = json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        return cls(revision, environment, {**found, "machine": machine})


async def converse(scenario: Scenario, name: str, settings: Settings, tree: Tree, timeout: float) -> dict[str, float]:  # noqa: ASYNC109
    """Start all roles at once, hand the endpoint of the first to the others, wait for the result of any.

    Raises ``MeasurementError``, or ``Skip`` if a worker says that this cannot be measured here.
    """
    told: list[dict[str, Any]] = []
    workers: list[Worker] = []
    try:
        with trio.move_on_after(timeout) as deadline:
            for role in scenario.roles:
                arguments = [name, role, settings.to_json(), str(timeout)]
                workers.append(await Worker.start(role, arguments, tree.environment))
            async with trio.open_nursery() as nursery:
                for worker in workers:
                    nursery.start_soon(hear, worker, workers, told, nursery.cancel_scope)
    finally:
        for worker in workers:
            worker.process.kill()
        with trio.CancelScope(shield=True):
            for worker in workers:
                await worker.process.wait()
    if told and "skip" in told[0]:
        raise Skip(told[0]["skip"])
    if told:
        result: dict[str, float] = told[0]["result"]
        return result
    reasons = [f"{worker.role}: {last}" for worker in workers if (last := worker.last_words())]
    if deadline.cancelled_caught:
        reasons.insert(0, f"no result within {timeout:g} s")
    raise MeasurementError("; ".join(reasons) or "ended without a result")


# The benchmarks are this tree's; otherwise it comes last, so that an installed trizmq (or another tree's) is measured.
BOOT = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import benchmarks; sys.path.append(sys.path.pop(0)); "
VERSIONS = """
import importlib.metadata, json, platform
found = {"python": platform.python_version()}
for name in ("trio", "pyzmq", "pyomq"):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = "not installed"
try:
    import zmq
    found["libzmq"] = zmq.zmq_version()
except ImportError as error:
    found["libzmq"] = str(error)
try:
    import trizmq
    build = "compiled" if trizmq.has("compiled") else "pure Python"
    found["trizmq"] = f"{getattr(trizmq, '__version__', 'unknown')}, {build}, in {list(trizmq.__path__)[0]}"
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


async def hear(worker: Worker, workers: Sequence[Worker], told: list[dict[str, Any]], scope: trio.CancelScope) -> None:
    """Pass on to the others what the worker tells, and keep its result. If a process ends without one, all has failed."""
    try:
        async with aclosing(worker.lines()) as lines:
            async for message in lines:
                if "result" in message or "skip" in message:
                    told.append(message)
                    break
                for other in workers:
                    if other is not worker:
                        await other.tell(message)
    except trio.BrokenResourceError:
        pass  # the other process is gone; its last words will say why
    scope.cancel()
