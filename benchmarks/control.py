"""The line between a worker and its runner, and through it to the other workers of the measurement."""

from __future__ import annotations

import json
from typing import Any, BinaryIO, TextIO


class Skip(Exception):
    """This cannot be measured here, and is no failure: something optional is missing."""


class Control:
    """What a worker says and hears: JSON lines over stdout and stdin."""

    def __init__(self, lines_in: BinaryIO, lines_out: TextIO) -> None:
        """``lines_in`` has to be without a buffer, or a line could wait in there, unseen by a selector."""
        self._in = lines_in
        self._out = lines_out

    def fileno(self) -> int:
        """Readable when there is something to ``hear``: for selectors."""
        return self._in.fileno()

    def tell_endpoint(self, *endpoints: str) -> None:
        """This process is bound; the others may connect."""
        self.tell("endpoints", endpoints)

    def tell_result(self, **metrics: float) -> None:
        """The measurement is complete; the runner ends all processes when it reads this."""
        self.tell("result", metrics)

    def tell_skip(self, reason: str) -> None:
        """There will be no measurement, and this is why."""
        self.tell("skip", reason)

    def tell(self, what: str, value: object) -> None:
        """Something that only the other processes of this measurement understand."""
        print(json.dumps({what: value}), file=self._out, flush=True)

    def wait_endpoint(self) -> str:
        """Blocks: to be called before an event loop starts."""
        return self.wait_endpoints()[0]

    def wait_endpoints(self) -> list[str]:
        """Where the other process has more than one. Blocks."""
        return [str(endpoint) for endpoint in self.hear("endpoints")]

    def hear(self, what: str) -> Any:
        """The value of the next thing that another process tells. Blocks."""
        return json.loads(self._in.readline())[what]

    def wait_end(self) -> None:
        """Blocks until the runner ends this process."""
        self._in.read()


def need_descriptors(connections: int) -> None:
    """Raise ``Skip`` if this process may not have so many; the worker has asked for as many as it may have."""
    import resource  # where there is one: the tests of the benchmarks' tables run anywhere

    needed = connections + 100  # what a process has anyway, and some room
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < needed:
        raise Skip(f"{needed:,} descriptors are needed, the system allows a process {allowed:,}")
