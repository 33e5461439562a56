"""What a transport is: it checks addresses, accepts links and makes them. A link is a Trio stream with three extras."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeAlias, cast

import trio

from ..connection_options import ConnectionOptions

#: Bytes in any of the forms in which they are written.
Buffer = bytes | memoryview


class Link(Protocol):
    """A byte stream to one peer, as an engine uses it."""

    #: The other side's address, for people: ``127.0.0.1:40022``.
    address: str
    #: How many bytes have been handed to the operating system so far; tells what was sent when a send fails.
    bytes_sent: int
    #: Whether a peer may lose what it has not read when this side closes, even if it sends nothing itself.
    waits_for_reader: bool
    #: The process, user and group at the other end, where the system tells.
    credentials: tuple[int, int, int] | None

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes; ``b""`` at the end of the stream. Always a checkpoint.

        Raises:
            trio.BrokenResourceError: the connection broke.
        """

    async def send(self, buffers: Sequence[Buffer]) -> None:
        """Write all the buffers, in as few system calls as possible. A checkpoint only where it has to wait.

        Raises:
            trio.BrokenResourceError: the connection broke; ``bytes_sent`` tells how far it got.
        """

    def send_now(self, buffer: Buffer) -> int:
        """Write what can be written without waiting; the number of bytes taken, 0 where none can be.

        Raises:
            trio.BrokenResourceError: the connection broke.
        """

    async def send_eof(self) -> None:
        """Tell the other side that nothing more will come. Bytes can still be received."""

    @property
    def flushed(self) -> bool:
        """Whether closing now cannot lose anything: the peer's system has all that was sent, and nothing is unread here."""

    async def aclose(self) -> None:
        """Close at once. Does not wait."""


class PollableLink(Link, Protocol):
    """A link that can be waited for and read in two steps: a task that receives may then do it in the reader's place."""

    def wait_readable(self) -> Awaitable[None]:
        """Wait until :meth:`receive_now` gives something, or may. Always a checkpoint.

        Raises:
            trio.ClosedResourceError: the link was closed, or :meth:`interrupt` was called.
        """

    def receive_now(self, max_bytes: int) -> bytes | None:
        """As :meth:`receive_some`, but None where that would wait."""

    def receive_into(self, space: memoryview) -> tuple[int, bytes] | None:
        """Read without waiting, to this place: how many bytes came there, and a few that were behind them.

        None where that would wait; none of both at the end of the stream.
        """

    def interrupt(self) -> None:
        """End the wait of the task that waits in :meth:`wait_readable`."""


def pollable(link: Link) -> PollableLink | None:
    """The link, if it is pollable. (isinstance() of a protocol takes a twentieth of what accepting a connection does.)"""
    return cast("PollableLink", link) if hasattr(link, "receive_now") else None


class Acceptor(Protocol):
    """A bound address that gives links."""

    #: The endpoint with what the system chose filled in; can be connected to and unbound.
    endpoint: str

    async def accept(self) -> Link:
        """Wait for a connection. Cancelled: none was taken.

        Raises:
            OSError: this one could not be accepted; there may be others.
        """

    def close(self) -> None:
        """Stop listening and free the address, which can be bound again at once. A second call does nothing.

        Raises:
            OSError: that is done, but something is left behind, such as the file of an ipc path.
        """


#: The socket options that transports look at: those about connections.
TransportOptions: TypeAlias = ConnectionOptions


class Transport(Protocol):
    """One way to reach peers, known by the name in front of ``://``."""

    def check_bind(self, address: str, endpoint: str) -> None:
        """Raise EndpointError unless the address can be bound in principle. Opens nothing."""

    def check_connect(self, address: str, endpoint: str) -> None:
        """Raise EndpointError unless the address can be connected to in principle. Opens nothing."""

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> Acceptor:
        """Listen on an address.

        Raises:
            OSError: the address is taken, or not ours, or not allowed.
        """

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> Link:
        """Make a connection. Cancelled: there is none.

        Raises:
            OSError: it could not be made.
        """


class StreamLink:
    """Makes a link of any Trio stream: TLS, WebSocket, the memory streams of ``trio.testing``, a stream of your own."""

    def __init__(self, stream: trio.abc.Stream, address: str = "") -> None:
        self.stream = stream
        self.address = address
        self.bytes_sent = 0
        self.waits_for_reader = False
        self.credentials: tuple[int, int, int] | None = None

    async def receive_some(self, max_bytes: int) -> bytes:
        """See :class:`Link`."""
        return bytes(await self.stream.receive_some(max_bytes))

    async def send(self, buffers: Sequence[Buffer]) -> None:
        """See :class:`Link`."""
        data = b"".join(buffers)
        await self.stream.send_all(data)
        self.bytes_sent += len(data)

    def send_now(self, buffer: Buffer) -> int:
        """Never takes anything: a Trio stream has no way to write without waiting."""
        return 0

    async def send_eof(self) -> None:
        """See :class:`Link`; a stream that cannot half-close is left as it is."""
        if isinstance(self.stream, trio.abc.HalfCloseableStream):
            await self.stream.send_eof()

    @property
    def flushed(self) -> bool:
        """Not known for a stream in general."""
        return False

    async def aclose(self) -> None:
        """See :class:`Link`."""
        await trio.aclose_forcefully(self.stream)
