"""Frames of version 1 framing (ZMTP 1.0, RFC 13): length, flags, body. There are no commands."""

from __future__ import annotations

from ..errors import RemoteProtocolError
from ..messages import Packed
from .frames import LARGE, MORE


def frame_header_v1(flags: int, size: int) -> bytes:
    """The header of a frame. Its length counts the flags octet too, and is long from 255 on, as in libzmq."""
    if size < 254:
        return bytes((size + 1, flags))
    return b"\xff" + (size + 1).to_bytes(8, "big") + bytes((flags,))


def parse_header_v1(data: bytes | bytearray, position: int) -> tuple[int, int, int] | None:
    """Flags, start and size of the body of the frame at a position; None if its header is not complete.

    Raises:
        RemoteProtocolError: the length is 0, which leaves no room for the flags.
    """
    if position == len(data):
        return None
    start, length = position + 2, data[position]
    if length == 0xFF:
        start = position + 10
        if start > len(data):
            return None
        length = int.from_bytes(data[position + 1 : position + 9], "big")
    if not length:
        raise RemoteProtocolError("a version 1 frame of length 0, which has no room for its flags")
    return (data[start - 1], start, length - 1) if start <= len(data) else None


def open_frame_v1(flags: int, body: bytes) -> tuple[int, bytes]:
    """All flags but MORE are reserved, and ignored."""
    return flags & MORE, body


def encode_v1(batch: list[Packed]) -> list[bytes]:
    """The buffers to write for a batch to a ZMTP 1.0 peer."""
    buffers: list[bytes] = []
    parts: list[bytes] = []
    for message in batch:
        frames = [message] if isinstance(message, bytes) else message
        more = len(frames)
        for body in frames:
            more -= 1
            parts.append(frame_header_v1(MORE if more else 0, len(body)))
            if len(body) < LARGE:
                parts.append(body)
            else:
                buffers.append(b"".join(parts))
                buffers.append(body)
                parts.clear()
    if parts:
        buffers.append(b"".join(parts))
    return buffers
