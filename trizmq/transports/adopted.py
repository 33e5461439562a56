"""Sockets that listen already: opened by systemd or a parent process (socket activation), and handed over."""

from __future__ import annotations

import os
import socket
import sys

from ..endpoints import HostPort
from ..errors import EndpointError
from .base import Link, TransportOptions
from .ipc import describe_peer
from .sockets import SocketAcceptor
from .tcp import prepare


class Adopted:
    """A :class:`~trizmq.transports.base.Transport` for one listening socket, which it takes over.

    Raises:
        EndpointError: the socket does not listen, or not for streams over TCP or Unix domain sockets.
    """

    def __init__(self, listening: socket.socket) -> None:
        if not isinstance(listening, socket.socket):
            raise TypeError(f"expected a socket.socket that listens, not {type(listening).__name__}")
        if listening.fileno() < 0:
            raise EndpointError("the socket is closed; expected one that listens")
        tcp = listening.family in (socket.AF_INET, socket.AF_INET6)
        if not (tcp or listening.family == getattr(socket, "AF_UNIX", None)) or listening.type != socket.SOCK_STREAM:
            raise EndpointError(f"expected a stream socket over TCP or a Unix domain socket, not {listening}")
        # macOS knows the question and does not answer it
        if sys.platform == "linux":
            if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise EndpointError(f"the socket does not listen: call listen() first, or use bind(); {listening}")
        self._listening = listening
        self._tcp = tcp
        self.endpoint = f"tcp://{HostPort(*listening.getsockname()[:2])}" if tcp else _ipc_endpoint(listening)

    def check_bind(self, address: str, endpoint: str) -> None:
        """Nothing: it was checked when it was made."""

    def check_connect(self, address: str, endpoint: str) -> None:
        """It cannot be connected with."""
        raise EndpointError(f"endpoint {endpoint!r}: a listening socket can be bound only")

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> SocketAcceptor:
        """Take the socket over. What its path or port is, and whether it outlives us, is for those who opened it."""
        describe = (lambda accepted: prepare(accepted, options)) if self._tcp else describe_peer
        return SocketAcceptor(self._listening, self.endpoint, describe)

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> Link:
        """It cannot."""
        raise OSError("a listening socket can be bound only")


def _ipc_endpoint(listening: socket.socket) -> str:
    name = listening.getsockname()
    if isinstance(name, bytes):  # abstract
        return "ipc://@" + os.fsdecode(name[1:])
    return f"ipc://{name}"
