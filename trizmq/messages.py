"""The packed message: the one form in which a message travels between the layers.

A message of one frame travels as that frame itself (``bytes``), a message of several as a ``list`` of them. Most messages
have one frame, and ``bytes`` are not tracked by the garbage collector: a pipe that holds a thousand of them costs no
collection, and a whole batch of equal frames is encoded with one ``join``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from .errors import in_short

#: How many frames a message may have. A frame costs a sender two bytes and a receiver an object, so there is a limit.
#: Receivers take 65,536, which leaves room for envelopes.
MOST_FRAMES = 65_000

#: What travels inside: one frame as ``bytes``, several as a list of ``bytes`` (never an empty list).
Packed: TypeAlias = bytes | list[bytes]

#: What ``send`` takes as one frame.
Frame: TypeAlias = bytes | bytearray | memoryview

#: What ``send`` takes as one message: a frame, or a sequence of frames.
Sendable: TypeAlias = Frame | Sequence[Frame]


class Run(list[Packed]):
    """Messages that the same peers get, one after the other; once handed out it is only read.

    Whoever encodes it keeps here what it encoded it with and the buffers, so that it is done once for all its peers.
    """

    __slots__ = ("buffers", "encoder")

    encoder: object
    buffers: list[bytes]

    def __init__(self, messages: Iterable[Packed] = ()) -> None:
        super().__init__(messages)
        self.encoder = None
        self.buffers = []


def pack(message: Sendable) -> Packed:
    """Check a message given by the application and bring it into packed form.

    ``bytes`` are kept by reference, mutable buffers are copied, a sequence becomes a list of its own.

    Raises:
        TypeError: a frame is no bytes-like object; the text names its type and position.
        ValueError: the sequence is empty.
    """
    kind = type(message)
    if kind is bytes:
        return message  # type: ignore[return-value]  # mypy does not narrow by type()
    if kind is list or kind is tuple:  # a short way for what most messages of several frames are
        for frame in message:
            if type(frame) is not bytes:
                break
        else:
            if 1 < len(message) <= MOST_FRAMES:
                return list(message)  # type: ignore[arg-type]
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    if isinstance(message, str):
        raise TypeError("a message is made of bytes, not str: encode it first, or use send_string()")
    if not isinstance(message, Sequence):
        raise TypeError(f"a message is bytes-like or a sequence of bytes-likes, not {in_short(message)}")
    frames = [frame if type(frame) is bytes else _pack_frame(frame, at) for at, frame in enumerate(message)]
    if len(frames) == 1:
        return frames[0]
    if len(frames) > MOST_FRAMES:
        raise ValueError(f"a message has at most {MOST_FRAMES} frames, not {len(frames)}: peers of trizmq refuse more")
    if not frames:
        raise ValueError("a message has at least one frame: to send an empty message, send b''")
    return frames


def _pack_frame(frame: object, at: int) -> bytes:
    if isinstance(frame, (bytes, bytearray, memoryview)):
        return bytes(frame)
    remedy = "; encode it first" if isinstance(frame, str) else ""
    raise TypeError(f"frame {at} of the message is {in_short(frame)}, not bytes-like{remedy}")


def unpack(packed: Packed) -> list[bytes]:
    """Give a packed message the form that the application receives: a list of frames."""
    return [packed] if type(packed) is bytes else packed  # type: ignore[return-value]  # mypy does not narrow by type()


def frames_size(packed: Packed) -> int:
    """How many bytes the frames of a packed message hold, headers not counted."""
    return len(packed) if isinstance(packed, bytes) else sum(map(len, packed))


def batch_size(batch: Iterable[Packed]) -> int:
    """How many bytes the frames of all the messages of a batch hold, headers not counted."""
    return sum(map(frames_size, batch))
