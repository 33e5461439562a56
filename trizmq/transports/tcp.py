"""tcp://host:port: TCP over IPv4 and IPv6."""

from __future__ import annotations

import socket
import sys
from typing import Any

import trio

from ..endpoints import HostPort, parse_host_port, parse_tcp_target
from .base import TransportOptions
from .sockets import SocketAcceptor, SocketLink


class Tcp:
    """The transport behind ``tcp://``.

    ``bind`` takes ``*``, a literal address or a name of this host, and ``*`` or ``0`` for any free port. ``connect`` takes
    a literal address or a name, resolved anew at each attempt, all its addresses tried (happy eyeballs); in front of it
    may stand the source, ``tcp://192.0.2.1:0;example.org:5555``.
    """

    def check_bind(self, address: str, endpoint: str) -> None:
        """See :class:`~trizmq.transports.base.Transport`."""
        parse_host_port(address, endpoint, wildcards=True)

    def check_connect(self, address: str, endpoint: str) -> None:
        """See :class:`~trizmq.transports.base.Transport`."""
        parse_tcp_target(address, endpoint)

    async def bind(self, address: str, endpoint: str, options: TransportOptions) -> SocketAcceptor:
        """See :class:`~trizmq.transports.base.Transport`."""
        wanted = parse_host_port(address, endpoint, wildcards=True)
        try:
            family, sockaddr = await _local_address(wanted, options.ipv6)
            listening = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise _named(error, endpoint) from None
        try:
            if sys.platform == "win32":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted.host != "*")
            listening.bind(sockaddr)
            listening.listen(options.backlog)
        except OSError as error:
            listening.close()
            raise _named(error, endpoint) from None
        host, port = listening.getsockname()[:2]
        return SocketAcceptor(listening, f"tcp://{HostPort(host, port)}", _prepare)

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> SocketLink:
        """See :class:`~trizmq.transports.base.Transport`."""
        target = parse_tcp_target(address, endpoint)
        if target.source is None:
            # trio sees to resolving and to trying several addresses in parallel; its socket then becomes ours
            try:
                stream = await trio.open_tcp_stream(target.destination.host, target.destination.port)
            except OSError as error:
                raise _first_cause(error) from error
            theirs = stream.socket
            connected = socket.socket(theirs.family, theirs.type, theirs.proto, fileno=theirs.detach())
        else:
            connected = await _connect_from(target.source, target.destination)
        try:
            return SocketLink(connected, _prepare(connected))
        except OSError:
            connected.close()
            raise


async def _local_address(wanted: HostPort, ipv6: bool) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    if wanted.host == "*":
        return (socket.AF_INET6, ("::", wanted.port)) if ipv6 else (socket.AF_INET, ("0.0.0.0", wanted.port))
    found = await trio.socket.getaddrinfo(
        wanted.host, wanted.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )
    # a name such as localhost may have both kinds of address; IPv4 first, as libzmq binds without ZMQ_IPV6
    family, _, _, _, sockaddr = min(found, key=lambda one: (one[0] == socket.AF_INET6) is not ipv6)
    return family, sockaddr


async def _connect_from(source: HostPort, destination: HostPort) -> socket.socket:
    found = await trio.socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, _, _, _, sockaddr in found:
        attempt = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            # several connections may leave from one port, to different destinations
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host = ("::" if family == socket.AF_INET6 else "0.0.0.0") if source.host == "*" else source.host
            local = await trio.socket.getaddrinfo(host, source.port, family=family, type=socket.SOCK_STREAM)
            await attempt.bind(local[0][4])
            await attempt.connect(sockaddr)
        except OSError as error:
            attempt.close()
            failure = failure or error
        except BaseException:
            attempt.close()
            raise
        else:
            return socket.socket(attempt.family, attempt.type, attempt.proto, fileno=attempt.detach())
    raise failure or OSError(f"no address found for {destination}")


def _first_cause(error: OSError) -> OSError:
    """What went wrong with the first address: "connection refused" says more than "all attempts failed"."""
    causes = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else (error.__cause__,)
    return next((cause for cause in causes if isinstance(cause, OSError)), error)


def _prepare(connected: socket.socket) -> str:
    """Set what every connection has, and tell the other side's address."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port = connected.getpeername()[:2]
    return str(HostPort(host, port))


def _named(error: OSError, endpoint: str) -> OSError:
    """The same error with the endpoint in its text."""
    return type(error)(error.errno, f"{error.strerror or error}: cannot bind {endpoint}")
