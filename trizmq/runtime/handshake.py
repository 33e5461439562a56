"""The handshake of a connection, from its first byte until traffic may flow; and what is told of one that failed."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from ..errors import IncompatiblePeerError, RemoteProtocolError
from ..events import (
    PROTOCOL_UNSPECIFIED,
    HandshakeFailed,
    HandshakeFailedAuth,
    HandshakeFailedProtocol,
    IncompatiblePeer,
    PeerRefused,
)
from ..patterns.base import Refused
from ..transports.base import Link, pollable
from ..wire.connection import Connection, PeerInfo
from ..wire.raw import RawConnection
from .monitor import Counters

if TYPE_CHECKING:
    from .socket import SocketCore

# Who is refused is told within this many seconds, and this many bytes that it has sent meanwhile are read.
_LAST_WORD = 1.0
_MOST_UNREAD = 65536


async def shake_hands(
    link: Link,
    connection: Connection | RawConnection,
    counters: Counters,
    *,
    hold_back: bool = False,
    ask: Callable[[Connection], Awaitable[str]] | None = None,
) -> PeerInfo:
    """Exchange greetings and commands until traffic may flow.

    Where the mechanism has somebody to be asked, ``ask`` gives the answer, a status of ZAP; nothing is read meanwhile.

    With ``hold_back`` what is then still to be sent, the READY of a bound side, is left for the engine: until
    then the peer can be turned away, and sees a handshake that failed.

    Raises:
        AuthenticationError: this side has refused the peer: ``send_away`` tells it; or the peer this side.
        RemoteProtocolError: the peer broke the protocol or cannot be talked to.
        trio.BrokenResourceError: the connection broke, or ended too early.
    """
    if isinstance(connection, RawConnection):
        return connection.peer  # there is no handshake
    connection.start()
    if hold_back and (polled := pollable(link)) is not None:
        # Who has just connected has often greeted already, and our whole greeting goes out in one piece then.
        data = polled.receive_now(connection.read_size)
        if data:  # else the end is found below, or there is nothing yet
            counters.bytes_received += len(data)
            connection.receive_data(data)
    while True:
        if not (connection.ready and hold_back) and (out := connection.data_to_send()):
            await link.send([out])
            counters.bytes_sent += len(out)
        if connection.ready:
            return connection.peer
        if connection.authenticating:
            # without somebody to ask nobody comes in
            connection.authenticated(await ask(connection) if ask is not None else "500")
            continue
        data = await link.receive_some(connection.read_size)
        counters.bytes_received += len(data)
        if not data:
            connection.receive_eof()
            raise trio.BrokenResourceError("the peer closed the connection during the handshake")
        connection.receive_data(data)


async def send_away(link: Link, connection: Connection | RawConnection, counters: Counters) -> None:
    """After an AuthenticationError: tell the peer, where it is to be told, within a second."""
    out = connection.data_to_send()
    if not out:
        return
    with trio.move_on_after(_LAST_WORD), contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await link.send([out])
        counters.bytes_sent += len(out)
        # Closing with unread input, a READY that came meanwhile, resets the connection, and the last word is lost.
        await link.send_eof()
        unread = _MOST_UNREAD
        while unread > 0 and (data := await link.receive_some(4096)):
            unread -= len(data)


def explain(error: Exception) -> str:
    """Why, in words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def tell_failure(core: SocketCore, endpoint: str, address: str, error: Exception | None) -> None:
    """A connection came to nothing; None: this side has closed it."""
    core.counters.handshakes_failed += 1
    core.tell(_failure(endpoint, address, error))


def _failure(endpoint: str, address: str, error: Exception | None) -> HandshakeFailed:
    if error is None:
        return HandshakeFailed(endpoint, address, "closed by this side")
    cause = explain(error)
    if isinstance(error, IncompatiblePeerError):
        return IncompatiblePeer(endpoint, address, cause, error.code, error.socket_type)
    if isinstance(error, Refused):
        return PeerRefused(endpoint, address, cause)
    if isinstance(error, RemoteProtocolError):
        if error.code in (300, 400, 500):
            return HandshakeFailedAuth(endpoint, address, cause, error.code)
        if error.code >= PROTOCOL_UNSPECIFIED:
            return HandshakeFailedProtocol(endpoint, address, cause, error.code)
        return HandshakeFailed(endpoint, address, cause, error.code)
    code = error.errno if isinstance(error, OSError) else getattr(error.__cause__, "errno", None)
    return HandshakeFailed(endpoint, address, cause, code or errno.EPIPE)
