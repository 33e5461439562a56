"""Many peers in little room: plain blocking sockets that speak as much ZMTP as they must.

The same for every server, so that what is compared is the servers alone.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from ..control import Control, need_descriptors
from ..measuring import IdleMemory
from ..model import Settings

Address = tuple[str, int]

WAVE = 50
"""Peers that connect at once: enough to keep a server busy, less than anyone's backlog."""
WINDOW = 10
"""Messages under way between a server and each peer that has traffic: what one read can find is then the same for any
number of peers."""

# ZMTP 3.1, mechanism NULL: signature, version, mechanism padded to 20 bytes, as-server, filler.
GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
COMMAND = 4
HELLO = b"\x00\x05hello"
PONG = b"\x04PONG"
PING_HEAD = len(b"\x04PING") + 2  # the time to live; the context follows, which the PONG gives back


def ready(socket_type: bytes) -> bytes:
    body = b"\x05READY\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type
    return bytes((COMMAND, len(body))) + body


def frame(payload: bytes) -> bytes:
    """A message of one short frame."""
    return bytes((0, len(payload))) + payload


def dial(address: Address) -> socket.socket:
    peer = socket.create_connection(address)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def connect_zmtp(address: Address, count: int, socket_type: bytes, first: bytes = b"") -> list[socket.socket]:
    """Peers as small as can be. Waits for the server's READY, so that the handshakes are over."""
    peers: list[socket.socket] = []
    while len(peers) < count:
        wave = [dial(address) for _ in range(min(WAVE, count - len(peers)))]
        for peer in wave:
            peer.sendall(GREETING)
        for peer in wave:
            read_exactly(peer, len(GREETING))
            peer.sendall(ready(socket_type) + first)
        for peer in wave:
            flags, length = read_exactly(peer, 2)
            if flags != COMMAND:
                raise RuntimeError(f"expected a command frame, got one with flags {flags}")
            read_exactly(peer, length)
        peers += wave
    return peers


def connect_bare(address: Address, count: int) -> list[socket.socket]:
    """The server sends the greeting back: not to overrun its backlog, as a handshake would not."""
    peers: list[socket.socket] = []
    while len(peers) < count:
        wave = [dial(address) for _ in range(min(WAVE, count - len(peers)))]
        for peer in wave:
            peer.sendall(HELLO)
        for peer in wave:
            read_exactly(peer, len(HELLO))
        peers += wave
    return peers


def read_exactly(peer: socket.socket, size: int) -> bytes:
    data = peer.recv(size, socket.MSG_WAITALL)
    if len(data) != size:
        raise RuntimeError(f"the server closed the connection after {data!r}")
    return data


def wait_address(control: Control) -> Address:
    where = urlsplit(control.wait_endpoint())
    assert where.hostname is not None
    assert where.port is not None
    return where.hostname, where.port


# ---- silent after their first message


def idle_zmtp_peers(control: Control, settings: Settings) -> None:
    stay_idle(control, settings, lambda address, count: connect_zmtp(address, count, b"DEALER", HELLO))


def idle_bare_peers(control: Control, settings: Settings) -> None:
    stay_idle(control, settings, connect_bare)


def stay_idle(control: Control, settings: Settings, connect: Callable[[Address, int], list[socket.socket]]) -> None:
    count = IdleMemory.WARM_UP_CONNECTIONS + settings.connections
    need_descriptors(count)
    peers = connect(wait_address(control), count)
    control.wait_end()
    del peers


# ---- as many as the server asks for, and with traffic

Answer = Callable[[bytes], bytes]
"""What a peer sends when it has received this."""


def asking_peers(control: Control, settings: Settings) -> None:
    """DEALERs for a ROUTER: each message that comes back is sent again, so that as many as at first are under way."""
    serve(control, settings, b"DEALER", echo, first=frame(b"x" * settings.size) * WINDOW)


def echoing_peers(control: Control, settings: Settings) -> None:
    """DEALERs for a DEALER, which is the one to send first."""
    serve(control, settings, b"DEALER", echo)


def draining_peers(control: Control, settings: Settings) -> None:
    """PULLs for a PUSH."""
    serve(control, settings, b"PULL", lambda data: b"")


def answering_peers(control: Control, settings: Settings) -> None:
    """DEALERs that say nothing but PONG."""
    serve(control, settings, b"DEALER", pongs)


def echo(data: bytes) -> bytes:
    """Whole messages or not: it is the same stream of bytes both ways."""
    return data


def pongs(data: bytes) -> bytes:
    """One for each PING. The server sends nothing else, and each in one piece."""
    answers = b""
    while data:
        body, data = data[2 : 2 + data[1]], data[2 + data[1] :]
        answer = PONG + body[PING_HEAD:]
        answers += bytes((COMMAND, len(answer))) + answer
    return answers


def serve(control: Control, settings: Settings, socket_type: bytes, answer: Answer, first: bytes = b"") -> None:
    """Connect more whenever the server tells so, then say it; meanwhile answer for those that have traffic."""
    need_descriptors(sum(settings.active) + settings.connections)
    address = wait_address(control)
    idle = []
    wanted = 0
    with_traffic = False
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(0 if wanted else None):
                if isinstance(key.fileobj, socket.socket):
                    reply_to(key.fileobj, answer)
                else:
                    wanted, with_traffic = control.hear("connect")
            if not wanted:
                continue
            # A wave at a time: the others wait for their answers meanwhile.
            wave = connect_zmtp(address, min(WAVE, wanted), socket_type, first if with_traffic else b"")
            if with_traffic:
                for one in wave:
                    selector.register(one, selectors.EVENT_READ)
            else:
                idle += wave
            wanted -= len(wave)
            if not wanted:
                control.tell("ready", True)


def reply_to(peer: socket.socket, answer: Answer) -> None:
    data = peer.recv(1 << 16)
    if not data:
        raise RuntimeError("the server closed a connection")
    if reply := answer(data):
        peer.sendall(reply)


def ask_for_peers(control: Control, count: int, *, with_traffic: bool) -> None:
    """The server's side of it: returns when so many more are connected. Blocks."""
    control.tell("connect", (count, with_traffic))
    control.hear("ready")
