"""A connection without a protocol: the bytes of a STREAM, as they come and as they go. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from ..messages import Packed
from .connection import PeerInfo

# As much as an engine reads at once. It does not grow, so that ``receive_hwm`` chunks are a known number of bytes.
_READ_SIZE = 64 * 1024

# What is shorter is joined, so that many small chunks cost one system call and no list of a thousand buffers.
_LARGE = 2048


class RawConnection:
    """What :class:`~trizmq.wire.connection.Connection` is to the engine, with no greeting, no frames and no commands.

    It is ready from the first octet on. Each message is one chunk: what one read gave, or what is to be written. Where
    chunks begin and end means nothing to the peer.
    """

    __slots__ = ("_chunk",)

    ready: ClassVar[bool] = True
    #: Nothing is known of the peer but its address.
    peer: ClassVar[PeerInfo] = PeerInfo((0, 0))
    peer_ttl: ClassVar[float] = 0.0
    read_size: ClassVar[int] = _READ_SIZE
    #: Nobody is asked for this peer.
    authenticating: ClassVar[bool] = False
    sealed: ClassVar[bool] = False

    def __init__(self) -> None:
        self._chunk = b""

    def data_to_send(self) -> bytes:
        """There is nothing of our own to send, ever."""
        return b""

    def receive_data(self, data: bytes) -> None:
        """Take what was received."""
        self._chunk += data

    def space(self) -> None:
        """There are no frames whose place would be known beforehand."""

    def receive_eof(self) -> None:
        """The peer's stream has ended, which it may do anywhere."""

    def next_batch(self, most: int) -> list[Packed]:
        """What was received and not given yet."""
        chunk, self._chunk = self._chunk, b""
        return [chunk] if chunk else []

    def whole(self, data: bytes) -> bytes | None:
        """The same in one step, where nothing came before that was not given yet."""
        return None if self._chunk else data

    @property
    def has_input(self) -> bool:
        """Whether :meth:`next_batch` has something to give."""
        return bool(self._chunk)

    def ping(self, ttl: float, context: bytes = b"") -> None:
        """There is no such command: silence is no sign of anything in a protocol that we do not know."""

    @staticmethod
    def encode(batch: Sequence[Packed]) -> list[bytes]:
        """The buffers to write for a batch of chunks: small neighbours joined, large ones by reference."""
        buffers: list[bytes] = []
        small: list[bytes] = []
        for chunk in cast("Sequence[bytes]", batch):
            if len(chunk) < _LARGE:
                small.append(chunk)
                continue
            if small:
                buffers.append(b"".join(small))
                small = []
            buffers.append(chunk)
        if small:
            buffers.append(b"".join(small))
        return buffers
