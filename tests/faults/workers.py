"""The test's side of ``worker.py``: a process that can be killed, stopped and asked."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio


class Worker:
    """A process that runs ``worker.py``."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._buffer = b""

    async def told(self, key: str) -> Any:
        """The next thing of this kind that it tells."""
        assert self._process.stdout is not None
        while True:
            while b"\n" not in self._buffer:
                data = await self._process.stdout.receive_some()
                assert data, "the worker has ended"
                self._buffer += data
            line, _, self._buffer = self._buffer.partition(b"\n")
            told = json.loads(line)
            if key in told:
                return told if key == "sent" else told[key]

    async def finish(self) -> dict[str, int]:
        """For a push: end the stream; what it has sent."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()
        result: dict[str, int] = await self.told("sent")
        return result

    async def end(self) -> dict[str, int]:
        """For a push of ours: end the stream, or send its end again; what it has sent."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(b"end\n")
        result: dict[str, int] = await self.told("sent")
        return result

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def worker(*arguments: str, prefix: Sequence[str] = ()) -> AsyncIterator[Worker]:
    """Start one; it is killed at the end."""
    command = [*prefix, sys.executable, str(Path(__file__).with_name("worker.py")), *arguments]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Worker(process)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            for pipe in process.stdin, process.stdout:
                assert pipe is not None
                await pipe.aclose()
