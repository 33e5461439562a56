"""Traffic through a frame guard: each frame, and each command, sealed in a message frame of its own (zmtp-wire.md 9).

The flags of those outer frames say nothing: MORE and COMMAND are inside, where nobody can change them. We send 0, as libzmq
drops what comes in a COMMAND frame, and do not look at what a peer sends, as libzmq's own MORE and COMMAND come from both.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RemoteProtocolError
from ..messages import Packed
from .commands import subscription_command
from .frames import COMMAND, LARGE, LONG, MORE, Decoder, frame_header
from .mechanisms.base import FrameGuard

_SHORT = [frame_header(0, size) for size in range(256)]


class GuardedEncoder:
    """Batches to bytes, sealed. The same batch gives other bytes each time: nonces are used up."""

    __slots__ = ("_seal", "_subscribing")

    def __init__(self, guard: FrameGuard, subscribing: bool) -> None:
        self._seal = guard.seal
        self._subscribing = subscribing  # our subscriptions travel as commands

    def command_frame(self, body: bytes) -> bytes:
        """A command as it goes on the wire."""
        head, box = self._seal(COMMAND, body)
        return frame_header(0, len(head) + len(box)) + head + box

    def encode(self, batch: list[Packed]) -> list[bytes]:
        """The buffers to write for a batch: what is small joined into few, large boxes by reference."""
        seal, subscribing, short = self._seal, self._subscribing, _SHORT
        buffers: list[bytes] = []
        parts: list[bytes] = []
        for message in batch:
            flags = 0
            if isinstance(message, bytes):
                body = message
                if subscribing and (command := subscription_command(message)):
                    flags, body = COMMAND, command
            else:
                *others, body = message
                for other in others:
                    head, box = seal(MORE, other)
                    if (size := len(head) + len(box)) < 256:
                        parts += short[size], head, box
                    else:
                        _add_long(size, head, box, parts, buffers)
            head, box = seal(flags, body)
            if (size := len(head) + len(box)) < 256:
                parts += short[size], head, box
            else:
                _add_long(size, head, box, parts, buffers)
        if parts:
            buffers.append(b"".join(parts))
        return buffers


def _add_long(size: int, head: bytes, box: bytes, parts: list[bytes], buffers: list[bytes]) -> None:
    parts += b"\x02" + size.to_bytes(8, "big"), head
    if size < LARGE:
        parts.append(box)
    else:
        buffers.append(b"".join(parts))
        buffers.append(box)
        parts.clear()


class GuardedDecoder(Decoder):
    """Messages from sealed frames. A frame that is not genuine ends the connection, after what came before it."""

    __slots__ = ("_max_sealed", "_open")

    def __init__(
        self, max_size: int, max_frames: int, command: Callable[[bytes], bytes | None], guard: FrameGuard
    ) -> None:
        super().__init__(max_size, max_frames, command)
        self._max_sealed = max_size + guard.overhead
        self._open = guard.open

    def decode(self, most: int) -> list[Packed]:
        """Up to ``most`` whole messages, in order."""
        if self._violation:
            raise RemoteProtocolError(self._violation)
        unseal, max_size = self._open, self._max_size
        messages: list[Packed] = []
        add = messages.append
        self.has_input = False
        try:
            if (sealed := self._body) is not None:
                self._body = None
                self._take(*unseal(sealed, 0, len(sealed)), messages)
                del sealed
            data, position = self._data, self._position
            end = len(data)
            while len(messages) < most:
                if position + 2 > end:
                    break
                flags = data[position]
                if flags & LONG:
                    start = position + 9
                    if start > end:
                        break
                    size = int.from_bytes(data[position + 1 : start], "big")
                else:
                    start = position + 2
                    size = data[position + 1]
                if size > self._max_sealed:
                    raise RemoteProtocolError(self._too_large(size, None))
                stop = start + size
                if stop > end:
                    self._begin_body(flags, start, stop - end)
                    position = end
                    break
                flags, body = unseal(data, start, stop)
                position = stop
                if not flags and self._frames is None and len(body) <= max_size:
                    add(body)
                else:
                    self._take(flags, body, messages)
            else:
                self.has_input = position < end
        except RemoteProtocolError as error:
            return self._violated(str(error), messages)
        if position == end:
            self._data, self._position = b"", 0
        else:
            self._position = position
        return messages
