"""Links and acceptors over the operating system's stream sockets, shared by tcp and ipc."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence

import trio

from .base import Buffer
from .tuning import TuningError

# One sendmsg takes at most this many buffers: IOV_MAX is 1024 on Linux and macOS.
_MOST_BUFFERS = 1024
_FEW_BUFFERS = 16
_HAS_SENDMSG = hasattr(socket.socket, "sendmsg")
_HAS_RECVMSG = hasattr(socket.socket, "recvmsg_into")

# So much behind a large frame is read with it: the next one's header at least, and little enough to be copied.
_BEHIND = 1024

# What Linux tells of a socket: bytes that the peer has not acknowledged (ipc: not read), and bytes that we have not read.
# The numbers are those of linux/sockios.h and asm-generic/ioctls.h.
_SIOCOUTQ = 0x5411
_FIONREAD = 0x541B

# Those who connect at the same time are accepted together: each pass of the scheduler costs as much as a few of them.
MOST_ACCEPTED = 16

# accept() fails for one connection, not for the listener: trio/_highlevel_socket.py collects where these come from.
CONNECTION_ERRORS = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH ECONNRESET"
    ).split()
    if hasattr(errno, name)
)


class SocketLink(trio.abc.HalfCloseableStream):
    """A connected stream socket: a :class:`~trizmq.transports.base.Link` that is a Trio stream as well.

    It uses the standard library's socket directly, because an engine must be able to write without waiting, and to read
    again without a system call that is known to fail: after a read that came back short it waits for readability first.
    """

    __slots__ = (
        "_behind",
        "_closed",
        "_drained",
        "_socket",
        "address",
        "bytes_sent",
        "credentials",
        "waits_for_reader",
    )

    def __init__(self, connected: socket.socket, address: str) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._drained = True
        self._closed = False
        self._behind: bytearray | None = None
        self.address = address
        self.bytes_sent = 0
        # libzmq takes the end of an ipc connection for an error and drops what it has not read (measured: 17,538 of 20,000)
        self.waits_for_reader = connected.family == getattr(socket, "AF_UNIX", None)
        self.credentials = peer_credentials(connected) if self.waits_for_reader else None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See :meth:`Link.receive_some`."""
        size = 65536 if max_bytes is None else max_bytes
        if size < 1:
            raise ValueError(f"max_bytes is at least 1, not {size}")
        while True:
            await self.wait_readable()
            if (data := self.receive_now(size)) is not None:
                return data

    def wait_readable(self) -> Awaitable[None]:
        """See :meth:`PollableLink.wait_readable`."""
        if self._closed:
            self._check_open()
        if self._drained:
            return trio.lowlevel.wait_readable(self._socket)  # noqa: ASYNC105  # the caller awaits it, with one frame less
        return trio.lowlevel.checkpoint()  # noqa: ASYNC105

    def receive_now(self, max_bytes: int) -> bytes | None:
        """See :meth:`PollableLink.receive_now`."""
        try:
            data = self._socket.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            self._drained = True
            return None
        except OSError as error:
            raise self._broken(error) from error
        self._drained = len(data) < max_bytes
        return data

    def receive_into(self, space: memoryview) -> tuple[int, bytes] | None:
        """See :meth:`PollableLink.receive_into`."""
        if (behind := self._behind) is None:
            behind = self._behind = bytearray(_BEHIND if _HAS_RECVMSG else 0)
        size = len(space)
        try:
            received = self._socket.recvmsg_into((space, behind))[0] if behind else self._socket.recv_into(space)
        except (BlockingIOError, InterruptedError):
            self._drained = True
            return None
        except OSError as error:
            raise self._broken(error) from error
        self._drained = received < size + len(behind)
        return (received, b"") if received <= size else (size, bytes(memoryview(behind)[: received - size]))

    def interrupt(self) -> None:
        """See :meth:`PollableLink.interrupt`. Trio wakes whoever waits to write as well."""
        if not self._closed:
            trio.lowlevel.notify_closing(self._socket)

    async def send(self, buffers: Sequence[Buffer]) -> None:
        """See :meth:`Link.send`."""
        if len(buffers) == 1:
            await self._send_one(buffers[0])
        elif _HAS_SENDMSG:
            await self._send_gathered(list(buffers))
        else:
            await self._send_one(b"".join(buffers))

    async def _send_one(self, buffer: Buffer) -> None:
        sent = self.send_now(buffer)
        if sent < len(buffer):
            rest = memoryview(buffer)[sent:]
            while rest:
                await self.wait_send_all_might_not_block()
                rest = rest[self.send_now(rest) :]

    async def _send_gathered(self, buffers: list[Buffer]) -> None:
        at, most = 0, _MOST_BUFFERS
        while at < len(buffers):
            self._check_open()
            try:
                sent = self._socket.sendmsg(buffers[at : at + most])
            except (BlockingIOError, InterruptedError):
                await self.wait_send_all_might_not_block()
                continue
            except OSError as error:
                raise self._broken(error) from error
            self.bytes_sent += sent
            first = at
            while at < len(buffers) and sent >= len(buffers[at]):
                sent -= len(buffers[at])
                at += 1
            if sent:
                buffers[at] = memoryview(buffers[at])[sent:]
            # each buffer costs something, taken or not, and a full socket will take about as many of them again
            most = min(max(2 * (at - first), _FEW_BUFFERS), _MOST_BUFFERS)

    def send_now(self, buffer: Buffer) -> int:
        """See :meth:`Link.send_now`."""
        if self._closed:
            self._check_open()
        try:
            sent = self._socket.send(buffer)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise self._broken(error) from error
        self.bytes_sent += sent
        return sent

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write everything; Trio's stream interface."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        await self._send_one(memoryview(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the system would take more bytes. May be woken for nothing."""
        self._check_open()
        try:
            await trio.lowlevel.wait_writable(self._socket)
        except trio.ClosedResourceError:
            self._check_open()  # else it was meant for a reader, see interrupt()

    async def send_eof(self) -> None:
        """See :meth:`Link.send_eof`. Never waits."""
        self._check_open()
        # the other side may have closed already
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    @property
    def flushed(self) -> bool:
        """See :meth:`Link.flushed`; only Linux tells."""
        if self._closed or sys.platform != "linux":
            return False
        try:
            return not (_ask(self._socket, _SIOCOUTQ) or _ask(self._socket, _FIONREAD))
        except OSError:
            return False

    async def aclose(self) -> None:
        """Close at once; tasks that use the link meanwhile get ``trio.ClosedResourceError``."""
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this connection was closed")

    def _broken(self, error: OSError) -> Exception:
        if self._closed:
            return trio.ClosedResourceError("this connection was closed")
        return trio.BrokenResourceError(str(error))


def peer_credentials(connected: socket.socket) -> tuple[int, int, int] | None:
    """The process, user and group at the other end of a Unix domain socket; only Linux tells all three."""
    if sys.platform != "linux":
        return None
    pid, uid, gid = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def _ask(connected: socket.socket, request: int) -> int:
    import fcntl

    (count,) = struct.unpack("i", fcntl.ioctl(connected, request, b"\0\0\0\0"))
    return int(count)


class SocketAcceptor:
    """A listening stream socket: an :class:`~trizmq.transports.base.Acceptor`."""

    def __init__(
        self,
        listening: socket.socket,
        endpoint: str,
        prepare: Callable[[socket.socket], str],
        cleanup: Callable[[], None] | None = None,
    ) -> None:
        listening.setblocking(False)
        self._socket = listening
        self._prepare = prepare
        self._cleanup = cleanup
        self._more = 0  # how many may be accepted before others get their turn
        self.endpoint = endpoint

    async def accept(self) -> SocketLink:
        """See :meth:`Acceptor.accept`."""
        while True:
            if self._more:
                self._more -= 1
                await trio.lowlevel.checkpoint_if_cancelled()
            else:
                await trio.lowlevel.wait_readable(self._socket)
                self._more = MOST_ACCEPTED - 1
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                self._more = 0
                continue
            except OSError as error:
                if error.errno in CONNECTION_ERRORS:
                    continue
                raise
            try:
                return SocketLink(accepted, self._prepare(accepted))
            except TuningError:
                accepted.close()
                raise
            except OSError:  # it was gone before we could ask for its address
                accepted.close()

    def close(self) -> None:
        """See :meth:`Acceptor.close`."""
        if self._socket.fileno() < 0:
            return
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()
        if self._cleanup is not None:
            self._cleanup()
