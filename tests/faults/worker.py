"""A PUSH or PULL in a process of its own, with libzmq or trizmq inside, to be killed, stopped and cut off.

    python worker.py LIBRARY push|pull bind|connect ENDPOINT [OPTION=VALUE ...]

A pull tells in a line of JSON that it is bound, or has received its first message, then at the end of the stream the numbers
that it received, as runs. A push sends numbers until its standard input ends, then the end of the stream, and tells how many
it has sent and, if it is ours, how often it connected again. Ours can be asked as well, by a line, to end its stream and to
stay: what ends it may be lost with its connection, and each further line has it sent again.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.interop.peer import END, as_runs, numbered, source_and_number

SIZE = 1000


def tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Received:
    """The numbers of a stream."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def add(self, body: bytes) -> bool:
        """False at the end of the stream."""
        source, number = source_and_number(body)
        if source == END:
            tell({"runs": as_runs(self.numbers)})
            return False
        if not self.numbers:
            tell({"first": number})
        self.numbers.append(number)
        return True


def with_libzmq(kind: str, how: str, endpoint: str) -> None:
    import zmq

    socket = zmq.Context().socket(zmq.PULL if kind == "pull" else zmq.PUSH)
    getattr(socket, how)(endpoint)
    tell({"endpoint": socket.get_string(zmq.LAST_ENDPOINT)})
    if kind == "pull":
        received = Received()
        while received.add(socket.recv()):
            pass
        return
    os.set_blocking(0, False)
    for number in count():
        socket.send(numbered("worker", number, SIZE))
        if number % 50 == 0 and _order() == b"":
            socket.send(numbered(END, 0))
            tell({"sent": number + 1, "reconnects": 0})
            socket.close(10_000)
            socket.context.term()
            return


def with_trizmq(kind: str, how: str, endpoint: str, options: dict[str, Any]) -> None:
    import trio

    import trizmq

    async def pull() -> None:
        async with trizmq.Pull(**options) as socket:
            if how == "bind":
                await socket.bind(endpoint)
            else:
                socket.connect(endpoint)
            tell({"endpoint": endpoint})
            received = Received()
            while received.add(await socket.recv()):
                pass

    async def push() -> None:
        async with trizmq.Push(**options) as socket:
            if how == "bind":
                await socket.bind(endpoint)
            else:
                socket.connect(endpoint)
            tell({"endpoint": endpoint})
            sent = 0
            while (order := _order()) is None:
                for _ in range(50):
                    await socket.send(numbered("worker", sent, SIZE))
                    sent += 1
            while True:
                await socket.send(numbered(END, 0))
                tell({"sent": sent, "reconnects": socket.statistics().reconnects})
                if not order:
                    return
                await trio.lowlevel.wait_readable(0)
                order = _order()

    os.set_blocking(0, False)
    trio.run(pull if kind == "pull" else push)


def _order() -> bytes | None:
    """What has come by standard input, nothing at its end; None while nothing has."""
    try:
        return os.read(0, 100)
    except BlockingIOError:
        return None


def main(library: str, kind: str, how: str, endpoint: str, *options: str) -> None:
    values = {name: float(value) for name, _, value in (option.partition("=") for option in options)}
    if library == "libzmq":
        with_libzmq(kind, how, endpoint)
    else:
        with_trizmq(kind, how, endpoint, values)


if __name__ == "__main__":
    main(*sys.argv[1:])
