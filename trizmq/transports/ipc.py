"""ipc://path: Unix domain sockets, by path, by a path that is chosen (``*``), or abstract (``@name``, Linux)."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
import sys
import tempfile

import trio

from ..errors import EndpointError
from .base import TransportOptions
from .sockets import SocketAcceptor, SocketLink, peer_credentials
from .tuning import tune

# sizeof(sockaddr_un.sun_path), which needs room for the terminating NUL unless the name is abstract
_MOST_BYTES = 108 if sys.platform == "linux" else 104


class Ipc:
    """The transport behind ``ipc://``. A path that a live socket owns is refused, a stale one replaced, ours removed."""

    def check_bind(self, address: str, endpoint: str) -> None:
        """See :class:`~trizmq.transports.base.Transport`."""
        if address != "*":
            self.check_connect(address, endpoint)

    def check_connect(self, address: str, endpoint: str) -> None:
        """See :class:`~trizmq.transports.base.Transport`."""
        if not hasattr(socket, "AF_UNIX"):
            raise EndpointError(
                f"endpoint {endpoint!r}: this platform has no Unix domain sockets; use tcp://127.0.0.1:*"
            )
        if address == "*":
            raise EndpointError(f"endpoint {endpoint!r}: '*' can be bound, not connected to; name the path")
        if "\0" in address:
            raise EndpointError(f"endpoint {endpoint!r}: a path has no NUL character; write @name for an abstract one")
        if address.startswith("@"):
            if sys.platform != "linux":
                raise EndpointError(f"endpoint {endpoint!r}: abstract names (@) exist on Linux only; use a path")
            if address == "@":
                raise EndpointError(f"endpoint {endpoint!r}: the abstract name after '@' is empty")
        try:
            encoded = os.fsencode(address)
        except UnicodeError as error:
            raise EndpointError(f"endpoint {endpoint!r}: the path cannot be encoded: {error}") from None
        # an abstract name starts with a NUL and does not end with one
        if len(encoded) >= _MOST_BYTES + address.startswith("@"):
            raise EndpointError(
                f"endpoint {endpoint!r}: the path is too long, the system allows {_MOST_BYTES - 1} bytes"
            )

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> SocketAcceptor:
        """See :class:`~trizmq.transports.base.Transport`."""
        folder = None
        if address == "*":
            if not hasattr(socket, "AF_UNIX"):
                self.check_connect("-", endpoint)
            folder = tempfile.mkdtemp(prefix="trizmq-")
            address = os.path.join(folder, "socket")
            endpoint = f"ipc://{address}"
        try:
            return await self._listen(address, endpoint, folder, options)
        except BaseException:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    async def _listen(
        self, address: str, endpoint: str, folder: str | None, options: TransportOptions
    ) -> SocketAcceptor:
        name = _system_name(address)
        if not name.startswith("\0"):
            await _remove_stale(name, endpoint)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            tune(listening, options)
            listening.bind(name)
            listening.listen(options.backlog)
            # not to be inherited by whoever binds the path after us: the file is removed only while it is ours
            ours = None if name.startswith("\0") else _SocketFile(name)
        except OSError as error:
            listening.close()
            raise type(error)(error.errno, f"{error.strerror or error}: cannot bind {endpoint}") from None

        def remove() -> None:
            try:
                if ours is not None:
                    ours.remove()
            finally:
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)

        def prepare(accepted: socket.socket) -> str:
            tune(accepted, options, accepted=True)
            return describe_peer(accepted)

        return SocketAcceptor(listening, endpoint, prepare, remove)

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> SocketLink:
        """See :class:`~trizmq.transports.base.Transport`."""
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            tune(attempt, options)
            await trio.socket.from_stdlib_socket(attempt).connect(_system_name(address))
            return SocketLink(attempt, describe_peer(attempt))
        except BaseException:
            attempt.close()
            raise


class _SocketFile:
    """The file of a bound path: removed only while it is ours, wherever the program has moved to."""

    def __init__(self, name: str) -> None:
        # the name that is bound stays as short as it was given: the system limits its length
        self._path = os.path.abspath(name)
        self._ours = os.stat(self._path)
        self._process = os.getpid()

    def remove(self) -> None:
        if os.getpid() != self._process:
            return  # a fork's copy: the file is the parent's
        with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
            if os.path.samestat(os.stat(self._path), self._ours):
                os.unlink(self._path)


def _system_name(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address


async def _remove_stale(path: str, endpoint: str) -> None:
    """Remove a socket file that nobody listens on any more; raise OSError when it is in use or is no socket."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EADDRINUSE, f"cannot bind {endpoint}: the path exists and is no socket; choose another")
    probe = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await probe.connect(path)
    except ConnectionRefusedError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    except BlockingIOError:  # its backlog is full: somebody listens
        raise OSError(errno.EADDRINUSE, f"cannot bind {endpoint}: another socket listens there") from None
    except FileNotFoundError:
        return
    else:
        raise OSError(errno.EADDRINUSE, f"cannot bind {endpoint}: another socket listens there")
    finally:
        probe.close()


def describe_peer(connected: socket.socket) -> str:
    """The peer's credentials as libzmq writes them in Peer-Address, where the platform tells them."""
    if (credentials := peer_credentials(connected)) is None:
        return "localhost"
    pid, uid, gid = credentials
    return f"localhost:{uid}:{gid}:{pid}"
