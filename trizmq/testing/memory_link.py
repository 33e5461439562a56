"""A connection within one process: bytes in two queues, as late, slow and wrong as the network says, on Trio's clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio

from ..runtime.checkpoints import ParkingLot, checkpoint
from ..transports.base import Buffer
from .faults import Faults

# As many bytes may be on their way and unread before a sender has to wait: what the buffers of a real connection hold.
_CAPACITY = 256 * 1024


class Way:
    """The bytes on their way from one end of a connection to the other."""

    def __init__(self, faults: Callable[[], Faults]) -> None:
        self.faults = faults
        self.changed = ParkingLot()
        self.broken = False
        #: The end that reads is closed: what is sent goes nowhere.
        self.reader_gone = False
        self._ended = False
        self._pieces: deque[tuple[float, bytes]] = deque()  # when it arrives, and what; b"" is the end of the stream
        self._size = 0
        self._position = 0

    def put(self, data: Buffer) -> int:
        """Send what there is room for; the number of bytes taken.

        Raises:
            trio.BrokenResourceError: the connection broke, or the other end is closed.
        """
        faults = self.faults()
        if self.broken or (self.reader_gone and not faults.stalled):
            raise trio.BrokenResourceError("the connection was reset")
        taken = bytes(data[: max(0, _CAPACITY - self._size)])
        if taken:
            self._append(_garbled(taken, self._position, faults.garble), faults)
            self._position += len(taken)
            self._size += len(taken)
        return len(taken)

    def end(self) -> None:
        """Nothing more will be sent."""
        if not self._ended:
            self._ended = True
            self._append(b"", self.faults())

    def _append(self, piece: bytes, faults: Faults) -> None:
        arrival = trio.current_time() + faults.delay
        if self._pieces:
            arrival = max(arrival, self._pieces[-1][0])  # a shorter delay lets nothing overtake
        self._pieces.append((arrival, piece))
        self.changed.unpark_all()

    def take(self, most: int) -> bytes | None:
        """What has arrived, ``b""`` at the end of the stream; None if nothing has.

        Raises:
            trio.BrokenResourceError: the connection broke.
        """
        if self.broken:
            raise trio.BrokenResourceError("the connection was reset")
        if not self._arrived(0):
            return None
        faults = self.faults()
        arrival, piece = self._pieces[0]
        if not piece:
            return b""
        taken = piece[: min(most, faults.dribble or most)]
        if len(taken) < len(piece):
            self._pieces[0] = arrival, piece[len(taken) :]
        else:
            self._pieces.popleft()
        self._size -= len(taken)
        self.changed.unpark_all()
        return taken

    async def wait(self) -> None:
        """Wait until something may have changed: bytes come, room, faults."""
        arrival = self._pieces[0][0] if self._pieces and not self.faults().stalled else float("inf")
        if arrival <= trio.current_time():
            arrival = float("inf")  # there already: it is room that is waited for
        with trio.move_on_at(arrival):
            await self.changed.park()

    def break_off(self) -> None:
        """The connection breaks: what is on its way is lost, and both ends know."""
        self.broken = True
        self._pieces.clear()
        self.changed.unpark_all()

    def _arrived(self, at: int) -> bool:
        return bool(self._pieces) and not self.faults().stalled and self._pieces[at][0] <= trio.current_time()

    @property
    def delivered(self) -> bool:
        """Whether the other side's system has all that was sent."""
        return not self._pieces or self._arrived(-1)

    @property
    def unread(self) -> bool:
        """Whether bytes have arrived that were not read."""
        return self._arrived(0) and bool(self._pieces[0][1])


def _garbled(data: bytes, position: int, every: int) -> bytes:
    if not every:
        return data
    changed = bytearray(data)
    for at in range(-(position + 1) % every, len(changed), every):
        changed[at] ^= 0xFF
    return bytes(changed)


class MemoryLink:
    """One end of a connection: a :class:`~trizmq.transports.base.Link`."""

    def __init__(self, address: str, incoming: Way, outgoing: Way, on_close: Callable[[], None]) -> None:
        self.address = address
        self.bytes_sent = 0
        self.waits_for_reader = False
        self.credentials: tuple[int, int, int] | None = None
        self._incoming = incoming
        self._outgoing = outgoing
        self._on_close = on_close
        self._closed = False

    async def receive_some(self, max_bytes: int) -> bytes:
        """See :class:`~trizmq.transports.base.Link`."""
        await checkpoint()
        while True:
            self._check_open()
            data = self._incoming.take(max_bytes)
            if data is not None:
                return data
            await self._incoming.wait()

    async def send(self, buffers: Sequence[Buffer]) -> None:
        """See :class:`~trizmq.transports.base.Link`."""
        rest = memoryview(b"".join(buffers))
        while True:
            self._check_open()
            taken = self._outgoing.put(rest)
            self.bytes_sent += taken
            rest = rest[taken:]
            if not rest:
                return
            await self._outgoing.wait()

    def send_now(self, buffer: Buffer) -> int:
        """Takes nothing: engines decide by the wall clock whether to write directly, and nothing here may depend on that."""
        self._check_open()
        return 0

    async def send_eof(self) -> None:
        """See :class:`~trizmq.transports.base.Link`."""
        self._check_open()
        self._outgoing.end()

    @property
    def flushed(self) -> bool:
        """See :class:`~trizmq.transports.base.Link`."""
        return not self._closed and self._outgoing.delivered and not self._incoming.unread

    async def aclose(self) -> None:
        """Close at once. What was sent arrives, as far as the network lets it."""
        if not self._closed:
            self._closed = True
            self._outgoing.end()
            self._incoming.reader_gone = True
            self._incoming.changed.unpark_all()
            self._on_close()
        await checkpoint()

    def reset(self) -> None:
        """Break the connection: the other end notices, and what was on its way is lost."""
        self._closed = True
        self._outgoing.break_off()
        self._incoming.break_off()
        self._on_close()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this connection was closed")
