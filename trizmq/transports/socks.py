"""SOCKS5: ask a proxy to make a TCP connection (RFC 1928), with a user name and password where there are any (RFC 1929)."""

from __future__ import annotations

import errno
import os
import socket

import trio

from ..endpoints import HostPort
from .base import TransportOptions

_VERSION = 5
_NO_AUTHENTICATION, _USERNAME_PASSWORD, _NONE_ACCEPTABLE = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _DOMAIN_NAME, _IPV6 = 1, 3, 4

#: The replies of RFC 1928, section 6, as the system would report the same of a connection without a proxy.
_REPLIES = {
    1: ("general failure", errno.ECONNABORTED),
    2: ("not allowed by its rules", errno.EACCES),
    3: ("network unreachable", errno.ENETUNREACH),
    4: ("host unreachable", errno.EHOSTUNREACH),
    5: ("connection refused", errno.ECONNREFUSED),
    6: ("TTL expired", errno.ETIMEDOUT),
    7: ("it cannot CONNECT", errno.EOPNOTSUPP),
    8: ("it has no such type of address", errno.EAFNOSUPPORT),
}


async def connect_through(connected: socket.socket, destination: HostPort, options: TransportOptions) -> None:
    """Have the proxy at the other end of ``connected`` connect to a destination; afterwards the bytes are that peer's.

    It has ``handshake_timeout`` for that. A host name goes to the proxy as it is, not resolved here.

    Raises:
        OSError: the proxy does not let us, cannot reach the destination (as ``errno`` tells), or speaks no SOCKS5.
    """
    stream = trio.socket.from_stdlib_socket(connected)
    with trio.move_on_after(options.handshake_timeout):
        await _authenticate(stream, options)
        await _send(stream, bytes((_VERSION, _CONNECT, 0)) + _address(destination))
        version, reply, _, kind = await _receive(stream, 4)
        if version != _VERSION:
            raise _error(errno.EPROTO, f"it is no SOCKS5 proxy, it replied with version {version}")
        if reply:
            text, number = _REPLIES.get(reply, (f"reply {reply}", errno.ECONNABORTED))
            raise _error(number, f"{text}, for {destination}")
        # where the proxy connects from; of no use here, but it stands in front of what the peer sends
        if kind == _DOMAIN_NAME:
            (size,) = await _receive(stream, 1)
        elif kind in (_IPV4, _IPV6):
            size = 4 if kind == _IPV4 else 16
        else:
            raise _error(errno.EPROTO, f"it replied with an address of the unknown type {kind}")
        await _receive(stream, size + 2)
        return
    raise _error(errno.ETIMEDOUT, f"no answer within {options.handshake_timeout:g} s (handshake_timeout)")


async def _authenticate(stream: trio.socket.SocketType, options: TransportOptions) -> None:
    methods = bytes((_NO_AUTHENTICATION, _USERNAME_PASSWORD) if options.socks_username else (_NO_AUTHENTICATION,))
    await _send(stream, bytes((_VERSION, len(methods))) + methods)
    version, method = await _receive(stream, 2)
    if version != _VERSION:
        raise _error(errno.EPROTO, f"it is no SOCKS5 proxy, it answered with version {version}")
    if method not in methods:
        remedy = "" if options.socks_username else "; set socks_username and socks_password"
        raise _error(errno.EACCES, f"it wants another way of authentication than we have{remedy}")
    if method == _USERNAME_PASSWORD:
        name, password = (
            value.encode("utf-8", "surrogateescape") for value in (options.socks_username, options.socks_password)
        )
        await _send(stream, b"\1" + bytes((len(name),)) + name + bytes((len(password),)) + password)
        _, status = await _receive(stream, 2)
        if status:
            raise _error(errno.EACCES, f"it does not accept the password of {options.socks_username!r}")


def _address(destination: HostPort) -> bytes:
    host, port = destination.host, destination.port.to_bytes(2, "big")
    for family, kind in (socket.AF_INET, _IPV4), (socket.AF_INET6, _IPV6):
        try:
            return bytes((kind,)) + socket.inet_pton(family, host) + port
        except OSError:
            continue
    name = host.encode("idna")
    if len(name) > 255:
        raise _error(errno.ENAMETOOLONG, f"SOCKS5 has no room for a host name of {len(name)} bytes")
    return bytes((_DOMAIN_NAME, len(name))) + name + port


async def _send(stream: trio.socket.SocketType, data: bytes) -> None:
    while data:
        data = data[await stream.send(data) :]


async def _receive(stream: trio.socket.SocketType, size: int) -> bytes:
    """Exactly so many bytes: what follows is the peer's."""
    data = b""
    while len(data) < size:
        more = await stream.recv(size - len(data))
        if not more:
            raise _error(errno.ECONNRESET, "it closed the connection")
        data += more
    return data


def _error(number: int, text: str) -> OSError:
    return OSError(number, f"{os.strerror(number)}: the SOCKS proxy failed: {text}")
