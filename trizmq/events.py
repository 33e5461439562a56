"""What a socket counts and tells: reasons for drops, the frozen statistics, and typed events."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


class DropReason(enum.Enum):
    """Why a message was not delivered. Every drop is counted under one of these."""

    SEND_HWM = "send_hwm"  #: the peer's queue was full (PUB, XPUB, XSUB, ROUTER, REP)
    UNROUTABLE = "unroutable"  #: no peer of a ROUTER or REP has that routing id, or it has gone
    CONFLATED = "conflated"  #: replaced by a newer message (``conflate``)
    LINGER = "linger"  #: still queued when the socket or its endpoint was closed
    PEER_GONE = "peer_gone"  #: queued for a peer that disconnected and does not come back to this queue
    MALFORMED = "malformed"  #: a message without the envelope its socket type needs (REP, REQ, ROUTER)
    STALE_REPLY = "stale_reply"  #: a reply to a REQ that nobody waits for any more, or from a peer that was not asked
    UNSUBSCRIBED = "unsubscribed"  #: matched no subscription of a SUB when it was to be read
    UNEXPECTED = "unexpected"  #: the socket type reads nothing from this peer (PUB, PUSH)


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """One peer relation, as :meth:`Socket.statistics` shows it."""

    endpoint: str  #: the endpoint that it came through
    address: str  #: the other side's address where there is one, else empty
    connected: bool  #: a handshaken connection exists now
    socket_type: str  #: the peer's socket type as it announced it, empty before the handshake
    routing_id: bytes  #: what a ROUTER calls it, else its announced Identity
    outbound: int  #: messages that wait to be written
    inbound: int  #: messages that wait to be received
    connections: int  #: how many connections this relation has had


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot of what a socket has done so far. The counters only grow; units are messages and bytes."""

    messages_sent: int  #: handed to the operating system, or to the peer over inproc
    messages_received: int  #: decoded and queued, or taken from the peer over inproc
    bytes_sent: int  #: bytes written to connections, headers included; inproc moves none
    bytes_received: int  #: bytes read from connections, headers included; inproc moves none
    reconnects: int  #: connections that replaced a lost one
    #: how many messages were not delivered, by reason
    drops: Mapping[DropReason, int] = field(default_factory=lambda: MappingProxyType({}))
    peers: tuple[PeerStatistics, ...] = ()  #: one entry for each peer relation

    @property
    def dropped(self) -> int:
        """How many messages were dropped for any reason."""
        return sum(self.drops.values())


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an endpoint or a connection of a socket."""

    endpoint: str  #: the endpoint of our side, as it was bound or connected
    address: str = ""  #: the other side's address, where there is one


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """An endpoint is bound and accepts connections."""


@dataclass(frozen=True, slots=True)
class Accepted(Event):
    """A connection was accepted; its handshake begins."""


@dataclass(frozen=True, slots=True)
class AcceptFailed(Event):
    """A connection could not be accepted."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class Connected(Event):
    """A connection was made; its handshake begins."""


@dataclass(frozen=True, slots=True)
class ConnectRetried(Event):
    """No connection now: the next attempt comes after ``delay`` seconds, because of ``cause``."""

    delay: float = 0.0
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ConnectStopped(Event):
    """The endpoint is given up because of ``cause``, as ``reconnect_stop`` asks; nothing is tried any more."""

    cause: str = ""


@dataclass(frozen=True, slots=True)
class HandshakeSucceeded(Event):
    """The peer may now exchange messages."""

    socket_type: str = ""
    routing_id: bytes = b""


@dataclass(frozen=True, slots=True)
class HandshakeFailed(Event):
    """The connection was closed during its handshake."""

    cause: str = ""


@dataclass(frozen=True, slots=True)
class Disconnected(Event):
    """A handshaken connection ended."""

    cause: str = ""


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """A listener or connector of ours was closed."""
