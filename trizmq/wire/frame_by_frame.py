"""Decoding frame by frame, for traffic that is rare: version 1 framing."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RemoteProtocolError
from ..messages import Packed
from .frames import Decoder


class FrameByFrameDecoder(Decoder):
    """A decoder that takes no short cuts, and is told what headers look like and what bodies mean."""

    __slots__ = ("_open", "_parse_header")

    def __init__(
        self,
        max_size: int,
        max_frames: int,
        command: Callable[[bytes], bytes | None],
        parse_header: Callable[[bytes, int], tuple[int, int, int] | None],
        open_frame: Callable[[int, bytes], tuple[int, bytes]],
    ) -> None:
        super().__init__(max_size, max_frames, command)
        self._parse_header = parse_header
        self._open = open_frame  # flags and body of a frame as sent -> flags and body of what it stands for

    def decode(self, most: int) -> list[Packed]:
        """Up to ``most`` whole messages, in order."""
        if self._violation:
            raise RemoteProtocolError(self._violation)
        messages: list[Packed] = []
        self.has_input = False
        try:
            while len(messages) < most:
                if (frame := self._next_frame()) is None:
                    break
                self._take(*self._open(*frame), messages)
            else:
                self.has_input = self._position < len(self._data) or self._body is not None
        except RemoteProtocolError as error:
            return self._violated(str(error), messages)
        return messages

    def _next_frame(self) -> tuple[int, bytes] | None:
        if self._body is not None:
            flags, body, self._body = self._flags, self._body, None
            return flags, body
        header = self._parse_header(self._data, self._position)
        if header is None:
            return None
        flags, start, size = header
        if size > self._max_size:
            raise RemoteProtocolError(self._too_large(size, None))
        stop = start + size
        self._position = min(stop, len(self._data))
        if stop > len(self._data):
            self._begin_body(flags, start, stop - len(self._data))
            return None
        return flags, self._data[start:stop]
