"""Traffic through a frame guard: each frame, and each command, sealed in a message frame of its own (zmtp-wire.md 9)."""

from __future__ import annotations

from ..messages import Packed
from .commands import subscription_command
from .frames import COMMAND, MORE, frame_header
from .mechanisms.base import FrameGuard


class Guarded:
    """What the other modules do for open traffic, for traffic that a mechanism protects."""

    __slots__ = ("_guard", "_subscribing")

    def __init__(self, guard: FrameGuard, subscribing: bool) -> None:
        self._guard = guard
        self._subscribing = subscribing  # our subscriptions travel as commands

    def command_frame(self, body: bytes) -> bytes:
        """A command as it goes on the wire."""
        return self._seal(COMMAND, body)

    def encode(self, batch: list[Packed]) -> list[bytes]:
        """The buffers to write for a batch. The same batch gives other bytes each time: nonces are used up."""
        parts: list[bytes] = []
        for message in batch:
            if self._subscribing and (command := subscription_command(message)):
                parts.append(self._seal(COMMAND, command))
                continue
            *others, last = [message] if isinstance(message, bytes) else message
            parts += [self._seal(MORE, body) for body in others]
            parts.append(self._seal(0, last))
        return [b"".join(parts)]

    def open_frame(self, flags: int, body: bytes) -> tuple[int, bytes]:
        """Flags and body of what a frame holds; its outer flags mean nothing."""
        return self._guard.open(body)

    def _seal(self, flags: int, body: bytes) -> bytes:
        # flags 0: libzmq drops what comes in a COMMAND frame
        sealed = self._guard.seal(flags, body)
        return frame_header(0, len(sealed)) + sealed
