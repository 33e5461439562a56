"""The table of what options do that a libzmq peer can see: filled by ``connection_effects.py`` and ``message_effects.py``,
run by ``test_option_effects.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

import trizmq
from tests.hostile.section18 import greeting, ready
from tests.interop.driver import PeerProcess, PeerSocket

Case = Callable[[PeerProcess], Awaitable[None]]

#: By option: what pyzmq sees of it.
EFFECTS: dict[str, Case] = {}

#: What a peer cannot see, and why.
NO_WIRE_EFFECT = {
    "stream_notify": "what this application is told; its peers speak no ZMTP, and are sent nothing for it",
    "warn_insecure": "it is about this side's log",
    "checkpoint_every": "it says when other tasks run here",
    "connect_timeout": "it is about peers that are never reached",
    "backlog": "it is about connections that nobody has accepted yet, which the system keeps",
}

#: Seen in a file of their own.
ELSEWHERE = {"security": "test_security.py"}

LOCAL = "tcp://127.0.0.1:*"


def seen(*options: str) -> Callable[[Case], Case]:
    """What the function tries is the effect of these options."""

    def register(case: Case) -> Case:
        for option in options:
            assert option not in EFFECTS
            EFFECTS[option] = case
        return case

    return register


def hexed(*frames: bytes) -> list[str]:
    """A short message as the driver shows it."""
    return [frame.hex() for frame in frames]


class Wire:
    """One connection of a pyzmq STREAM: bytes as libzmq hands them on, and its end."""

    def __init__(self, stream: PeerSocket, name: str) -> None:
        self._stream = stream
        self._name = name
        self.received = b""
        self.closed = False

    @classmethod
    async def connect(cls, peer: PeerProcess, endpoint: str) -> Wire:
        stream = await peer.open("STREAM")
        await stream.connect(endpoint)
        ((name, empty),) = await stream.recv()
        assert empty == ""
        return cls(stream, name)

    async def send(self, data: bytes) -> None:
        await self._stream.send([bytes.fromhex(self._name), data])

    async def shake_hands(self, kind: bytes = b"DEALER") -> None:
        await self.send(greeting() + ready(kind=kind))
        await self.read_to(b"\x05READY")

    async def read_to(self, text: bytes) -> bytes:
        """Receive until this text has come; what stands in front of it and has not been read."""
        while text not in self.received:
            await self._read()
            assert not self.closed, "closed without that"
        before, _, self.received = self.received.partition(text)
        return before

    async def read_to_end(self) -> None:
        while not self.closed:
            await self._read()

    async def _read(self) -> None:
        ((name, data),) = await self._stream.recv()
        assert name == self._name
        self.closed = not data
        self.received += bytes.fromhex(data)


async def connections(stream: PeerSocket, count: int) -> None:
    """Wait until a bound STREAM has seen so many connections begin and end."""
    names: list[str] = []
    ends = 0
    while ends < count:
        ((name, data),) = await stream.recv()
        if name not in names:
            names.append(name)
        elif not data:
            ends += 1


async def told(events: trizmq.EventWatcher, kind: type[trizmq.Event], count: int = 1) -> None:
    """Wait for so many events of a kind."""
    with trio.fail_after(20):
        while count:
            count -= isinstance(await events.__anext__(), kind)
