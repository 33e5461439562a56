"""tcp://host:port: TCP over IPv4 and IPv6."""

from __future__ import annotations

import socket
import sys
from typing import Any

import trio

from ..endpoints import HostPort, parse_host_port, parse_tcp_target
from .base import TransportOptions
from .dialing import Resolved, dial
from .sockets import SocketAcceptor, SocketLink
from .tuning import tune


class Tcp:
    """The transport behind ``tcp://``.

    ``bind`` takes ``*``, a literal address or a name of this host, and ``*`` or ``0`` for any free port. ``connect`` takes
    a literal address or a name, resolved anew at each attempt, all its addresses tried (happy eyeballs); in front of it
    may stand the source, ``tcp://192.0.2.1:0;example.org:5555``. With ``socks_proxy`` the proxy is asked to connect, and it
    resolves the name.
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
            tune(listening, options)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted.host != "*")
            listening.bind(sockaddr)
            listening.listen(options.backlog)
        except OSError as error:
            listening.close()
            raise _named(error, endpoint) from None
        host, port = listening.getsockname()[:2]
        return SocketAcceptor(listening, f"tcp://{HostPort(host, port)}", lambda accepted: prepare(accepted, options))

    async def connect(self, address: str, endpoint: str, options: TransportOptions) -> SocketLink:
        """See :class:`~trizmq.transports.base.Transport`."""
        target = parse_tcp_target(address, endpoint)
        if not options.socks_proxy:
            return _link(await _dial(target.destination, target.source, options))
        from .socks import connect_through  # few programs have a proxy

        proxy = parse_tcp_target(options.socks_proxy, options.socks_proxy)
        connected = await _dial(proxy.destination, target.source or proxy.source, options)
        try:
            await connect_through(connected, target.destination, options)
        except BaseException:
            connected.close()
            raise
        return _link(connected, str(target.destination))


async def _local_address(wanted: HostPort, ipv6: bool) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    if wanted.host == "*":
        return (socket.AF_INET6, ("::", wanted.port)) if ipv6 else (socket.AF_INET, ("0.0.0.0", wanted.port))
    found = await trio.socket.getaddrinfo(
        wanted.host, wanted.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )
    # a name such as localhost may have both kinds of address; IPv4 first, as libzmq binds without ZMQ_IPV6
    family, _, _, _, sockaddr = min(found, key=lambda one: (one[0] == socket.AF_INET6) is not ipv6)
    return family, sockaddr


async def _dial(destination: HostPort, source: HostPort | None, options: TransportOptions) -> socket.socket:
    found = await trio.socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)

    async def connect(resolved: Resolved) -> socket.socket:
        return await _connect(resolved, source, options)

    return await dial(found, connect)


def _link(connected: socket.socket, behind_proxy: str = "") -> SocketLink:
    try:
        address = prepare(connected)
        return SocketLink(connected, behind_proxy or address)
    except OSError:
        connected.close()
        raise


async def _connect(resolved: Resolved, source: HostPort | None, options: TransportOptions) -> socket.socket:
    family, kind, protocol, _, sockaddr = resolved
    attempt = socket.socket(family, kind, protocol)
    try:
        tune(attempt, options)
        connecting = trio.socket.from_stdlib_socket(attempt)
        if source is not None:
            # several connections may leave from one port, to different destinations
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host = ("::" if family == socket.AF_INET6 else "0.0.0.0") if source.host == "*" else source.host
            local = await trio.socket.getaddrinfo(host, source.port, family=family, type=socket.SOCK_STREAM)
            await connecting.bind(local[0][4])
        await connecting.connect(sockaddr)
    except BaseException:
        attempt.close()
        raise
    return attempt


def prepare(connected: socket.socket, accepted_with: TransportOptions | None = None) -> str:
    """Set what every connection has, and tell the other side's address."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if accepted_with is not None:
        tune(connected, accepted_with, accepted=True)
    host, port = connected.getpeername()[:2]
    return str(HostPort(host, port))


def _named(error: OSError, endpoint: str) -> OSError:
    """The same error with the endpoint in its text."""
    return type(error)(error.errno, f"{error.strerror or error}: cannot bind {endpoint}")
