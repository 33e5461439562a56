"""Many peers in little room: plain blocking sockets that do a handshake, say one message and fall silent.

The same for every server, so that what is compared is the servers alone.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from ..measuring import Control, IdleMemory
from ..scenarios import Settings

# ZMTP 3.0, mechanism NULL: signature, version, mechanism padded to 20 bytes, as-server, filler.
GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
HELLO = b"\x00\x05hello"


def connect_zmtp(address: tuple[str, int]) -> socket.socket:
    """A DEALER as small as can be. Waits for the server's READY, so that the handshake is over on both sides."""
    peer = socket.create_connection(address)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(GREETING)
    read_exactly(peer, len(GREETING))
    peer.sendall(READY + HELLO)
    flags, length = read_exactly(peer, 2)
    if flags != 4:
        raise RuntimeError(f"expected a command frame, got one with flags {flags}")
    read_exactly(peer, length)
    return peer


def connect_bare(address: tuple[str, int]) -> socket.socket:
    """The server sends the greeting back: not to overrun its backlog, as a handshake would not."""
    peer = socket.create_connection(address)
    peer.sendall(HELLO)
    read_exactly(peer, len(HELLO))
    return peer


def read_exactly(peer: socket.socket, size: int) -> bytes:
    data = peer.recv(size, socket.MSG_WAITALL)
    if len(data) != size:
        raise RuntimeError(f"the server closed the connection after {data!r}")
    return data


def connect_all(control: Control, settings: Settings, connect: Callable[[tuple[str, int]], socket.socket]) -> None:
    where = urlsplit(control.wait_endpoint())
    assert where.hostname is not None
    assert where.port is not None
    address = (where.hostname, where.port)
    peers = [connect(address) for _ in range(IdleMemory.WARM_UP_CONNECTIONS + settings.connections)]
    control.wait_end()
    del peers


def idle_zmtp_peers(control: Control, settings: Settings) -> None:
    connect_all(control, settings, connect_zmtp)


def idle_bare_peers(control: Control, settings: Settings) -> None:
    connect_all(control, settings, connect_bare)
