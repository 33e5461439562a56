"""What a socket counts and tells: reasons for drops, the frozen statistics, and typed events."""

from __future__ import annotations

import enum
import errno as system_errors
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Final

from .records import Record

# Values of zmq.h's ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: how the peer broke the protocol.
PROTOCOL_UNSPECIFIED: Final = 0x1000_0000
UNEXPECTED_COMMAND: Final = 0x1000_0001
KEY_EXCHANGE: Final = 0x1000_0003
MALFORMED_COMMAND: Final = 0x1000_0011
MALFORMED_MESSAGE: Final = 0x1000_0012
MALFORMED_HELLO: Final = 0x1000_0013
MALFORMED_INITIATE: Final = 0x1000_0014
MALFORMED_ERROR: Final = 0x1000_0015
MALFORMED_READY: Final = 0x1000_0016
MALFORMED_WELCOME: Final = 0x1000_0017
INVALID_METADATA: Final = 0x1000_0018
CRYPTOGRAPHIC: Final = 0x1100_0001
MECHANISM_MISMATCH: Final = 0x1100_0002


class DropReason(enum.Enum):
    """Why a message was not delivered. Every drop is counted under one of these."""

    SEND_HWM = "send_hwm"  #: the peer's queue was full (PUB, XPUB, XSUB, ROUTER, REP)
    RECEIVE_HWM = (
        "receive_hwm"  #: a notice that the socket makes itself (``hiccup_message``) found the peer's queue full
    )
    UNROUTABLE = "unroutable"  #: no peer of a ROUTER or REP has that routing id, or it has gone
    CONFLATED = "conflated"  #: replaced by a newer message (``conflate``)
    #: still queued when the socket or its endpoint was closed, or over inproc when nobody had bound the name to the end
    LINGER = "linger"
    #: several connections in a row ended in the middle of it; it is perhaps larger than the peer allows
    CUT_SHORT = "cut_short"
    PEER_GONE = "peer_gone"  #: queued for a peer that disconnected and does not come back to this queue
    MALFORMED = "malformed"  #: a message without the envelope its socket type needs (REP, REQ, ROUTER)
    STALE_REPLY = "stale_reply"  #: a reply to a REQ that nobody waits for any more, or from a peer that was not asked
    UNSUBSCRIBED = "unsubscribed"  #: matched no subscription of a SUB when it was to be read
    #: the socket type reads nothing from this peer (PUB, PUSH), or this side has closed the connection (STREAM)
    UNEXPECTED = "unexpected"
    UNREAD = "unread"  #: received, and not taken by the application before the socket was closed


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PeerInfo(Record):
    """One peer relation as it is at this moment: see :meth:`Socket.peers`. Times are seconds on Trio's clock."""

    endpoint: str  #: the endpoint of our side that it came through
    address: str  #: the other side's address where there is one, else empty
    connected: bool  #: a handshaken connection exists now
    socket_type: str  #: the peer's socket type as it announced it, empty before the handshake
    routing_id: bytes  #: what a ROUTER calls it, else its announced Identity
    outbound: int  #: messages that wait to be written
    inbound: int  #: messages that wait to be received
    connections: int  #: how many connections this relation has had
    id: int = 0  #: a number that no other peer relation of this socket has or will have
    connecting: bool = False  #: whether this side connects, and not the peer
    identity: bytes = b""  #: the Identity that it announced
    mechanism: str = ""  #: the security mechanism, ``"NULL"``; empty before the handshake and over inproc
    user_id: str = ""  #: who it is, where the mechanism tells
    #: the properties of its handshake, ``Socket-Type`` and ``X-...`` for example; over inproc what it would announce
    metadata: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING)
    connected_for: float | None = None  #: how long ago the present connection was ready; None without one
    last_heard: float | None = None  #: how long ago anything last came from it; None where nothing has, and over inproc
    #: messages to it or from it that were not delivered, by reason, since this relation began
    drops: Mapping[DropReason, int] = field(default_factory=lambda: _NO_DROPS)

    @property
    def dropped(self) -> int:
        """How many messages to it or from it were dropped for any reason."""
        return sum(self.drops.values())


_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_NO_DROPS: Mapping[DropReason, int] = MappingProxyType({})

#: The name under which ``statistics().peers`` knows it.
PeerStatistics = PeerInfo


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Statistics(Record):
    """A snapshot of what a socket has done so far. The counters only grow, also when peers come and go."""

    messages_sent: int  #: handed to the operating system, or to the peer over inproc
    messages_received: int  #: decoded and queued, or taken from the peer over inproc
    bytes_sent: int  #: bytes written to connections, headers included; inproc moves none
    bytes_received: int  #: bytes read from connections, headers included; inproc moves none
    reconnects: int  #: connections that replaced a lost one
    #: how many messages were not delivered, by reason
    drops: Mapping[DropReason, int] = field(default_factory=lambda: _NO_DROPS)
    peers: tuple[PeerInfo, ...] = ()  #: one entry for each peer relation, those that are being connected to included
    connections_accepted: int = 0  #: connections that peers made to us, whatever became of them
    connections_made: int = 0  #: connections that we made, whatever became of them
    handshakes_failed: int = 0  #: connections that ended before the peer could exchange messages
    disconnects: int = 0  #: handshaken connections that have ended

    @property
    def dropped(self) -> int:
        """How many messages were dropped for any reason."""
        return sum(self.drops.values())


class EndpointState(enum.Enum):
    """What an endpoint of ours is doing."""

    LISTENING = "listening"  #: it is bound, and accepts connections
    CONNECTING = "connecting"  #: an attempt to connect is under way, or its handshake
    CONNECTED = "connected"  #: the connection can be used
    WAITING = "waiting"  #: for the next attempt to connect; over inproc for somebody to bind the name


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EndpointInfo(Record):
    """One endpoint that a socket is bound or connected to, as it is at this moment: see :meth:`Socket.endpoints`."""

    endpoint: str  #: for :meth:`Socket.unbind` where it is bound, else for :meth:`Socket.disconnect`
    bound: bool  #: whether it is bound, and not connected to
    state: EndpointState
    connections: int  #: how many handshaken connections there are through it now
    attempts: int = 0  #: how often this side has tried to connect so far; 0 where it is bound, and over inproc
    last_error: str = ""  #: why the last attempt, connection or accept came to its end, empty while none has
    retry_in: float | None = None  #: in how many seconds the next attempt comes; None unless one is waited for


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Unsent(Record):
    """The messages that waited to be written to one peer when the socket was closed."""

    peer: PeerInfo  #: as it was then; ``peer.outbound`` is their number
    discarded: int  #: how many of them were not written in time


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LingerReport(Record):
    """What the close of a socket has waited for, and what was discarded: see :attr:`Socket.linger_report`."""

    seconds: float  #: how long it took, on Trio's clock
    limit: (
        float  #: how long it might have taken, ``linger``, or 0.0 where the block was left by an exception or cancelled
    )
    unsent: tuple[Unsent, ...]  #: the peers for whom messages waited
    discarded: int  #: how many messages were discarded in all, counted under ``DropReason.LINGER``

    @property
    def waited_for(self) -> int:
        """How many messages waited when the close began."""
        return sum(one.peer.outbound for one in self.unsent)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Event(Record):
    """Something that happened to an endpoint or a connection of a socket."""

    endpoint: str  #: the endpoint of our side, as it was bound or connected
    address: str = ""  #: the other side's address, where there is one

    #: what zmq.h calls it, a ``ZMQ_EVENT_...`` number; 0 where libzmq has no such event
    zmq_event: ClassVar[int] = 0

    @property
    def zmq_value(self) -> int:
        """What libzmq gives with it, be it an errno, milliseconds, or a code; 0 for what are descriptors there."""
        return 0


class Listening(Event):
    """An endpoint is bound and accepts connections."""

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x0008


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class BindFailed(Event):
    """An endpoint could not be bound; ``bind`` has raised the same error."""

    error: str = ""
    errno: int = 0

    zmq_event: ClassVar[int] = 0x0010

    @property
    def zmq_value(self) -> int:
        """The errno."""
        return self.errno


class Accepted(Event):
    """A connection was accepted; its handshake begins."""

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x0020


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AcceptFailed(Event):
    """A connection could not be accepted."""

    error: str = ""
    errno: int = 0

    zmq_event: ClassVar[int] = 0x0040

    @property
    def zmq_value(self) -> int:
        """The errno."""
        return self.errno


class ConnectDelayed(Event):
    """An attempt to connect has no result yet after a moment; it goes on. Told at most once for each attempt."""

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x0002

    @property
    def zmq_value(self) -> int:
        """``EINPROGRESS``."""
        return system_errors.EINPROGRESS


class Connected(Event):
    """A connection was made; its handshake begins."""

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x0001


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ConnectRetried(Event):
    """No connection now: the next attempt comes after ``delay`` seconds, because of ``cause``."""

    delay: float = 0.0
    cause: str = ""

    zmq_event: ClassVar[int] = 0x0004

    @property
    def zmq_value(self) -> int:
        """The delay in milliseconds."""
        return round(self.delay * 1000)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ConnectStopped(Event):
    """The endpoint is given up because of ``cause``, as ``reconnect_stop`` asks; nothing is tried any more."""

    cause: str = ""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class HandshakeSucceeded(Event):
    """The peer may now exchange messages."""

    socket_type: str = ""
    routing_id: bytes = b""  #: what a ROUTER calls it, else its announced Identity
    user_id: str = ""  #: who it is, as the authenticator said; empty without one

    zmq_event: ClassVar[int] = 0x1000


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class HandshakeFailed(Event):
    """The connection was closed during its handshake. Its subclasses tell of the cases in which it is known whose doing."""

    cause: str = ""
    code: int = 0  #: an errno; in the subclasses a code of zmq.h

    zmq_event: ClassVar[int] = 0x0800

    @property
    def zmq_value(self) -> int:
        """The code."""
        return self.code


class PeerRefused(HandshakeFailed):
    """This side does not take the peer (now): a second one of a PAIR, or one whose routing id another one has."""

    __slots__ = ()


class HandshakeFailedProtocol(HandshakeFailed):
    """The peer broke the protocol, or does not speak it; ``code`` says how (``ZMQ_PROTOCOL_ERROR_...``)."""

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x2000


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class IncompatiblePeer(HandshakeFailedProtocol):
    """The peer's socket type cannot talk to ours, or it uses another security mechanism."""

    socket_type: str = ""  #: the peer's, as it announced it; empty where the mechanism is what does not fit


class HandshakeFailedAuth(HandshakeFailed):
    """The peer was not let in, or we were not; ``code`` is the status: 300, 400 or 500 (RFC 27).

    Where this side has refused, ``cause`` says whom: its public key, user name or principal, and never a password.
    """

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x4000


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Disconnected(Event):
    """A handshaken connection ended."""

    cause: str = ""
    socket_type: str = ""  #: the peer's
    routing_id: bytes = b""  #: what a ROUTER called it, else its announced Identity

    zmq_event: ClassVar[int] = 0x0200


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DropsBegan(Event):
    """The first message was dropped for this reason, to or from this peer; :class:`DropsEnded` will say how many it was.

    Where no peer is concerned (``UNROUTABLE`` often) endpoint, address and routing id are empty.
    """

    reason: DropReason = DropReason.SEND_HWM
    routing_id: bytes = b""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DropsEnded(Event):
    """Nothing more is dropped for this reason now: the peer has room again, or is gone; without a peer: another one came."""

    reason: DropReason = DropReason.SEND_HWM
    routing_id: bytes = b""
    count: int = 0  #: messages dropped since :class:`DropsBegan`


class Closed(Event):
    """A listener or connector of ours was closed."""

    __slots__ = ()

    zmq_event: ClassVar[int] = 0x0080


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CloseFailed(Event):
    """A listener was closed, and has left something behind that it could not remove: the file of an ipc endpoint."""

    error: str = ""
    errno: int = 0

    zmq_event: ClassVar[int] = 0x0100

    @property
    def zmq_value(self) -> int:
        """The errno."""
        return self.errno
