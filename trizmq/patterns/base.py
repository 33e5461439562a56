"""What every socket type is to the runtime: peers come and go, messages are offered and taken. No I/O, no Trio.

The runtime owns the pipes and the connections. It tells the pattern what happened (``attach``, ``connected``, ``arrived``,
...), asks it to ``send`` or to ``receive`` one message without waiting, and does the waiting itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from ..events import DropReason, PeerInfo
from ..messages import Packed, Run
from ..options import SocketOptions


class Outlet(Protocol):
    """The writing end of a pipe, towards one peer.

    None of its methods calls back into the pattern that uses it: patterns call them in the middle of a loop over peers. Who
    was told that there is no room, by ``put`` or by ``has_room``, hears ``writable`` when there is.
    """

    def put(self, message: Packed) -> bool:
        """Queue a message; False, and nothing is queued, at the high-water mark."""

    def put_newest(self, message: Packed) -> int:
        """Queue a message, at the high-water mark in place of the oldest that waits; how many were lost for it."""

    def put_run(self, run: Run, *, write: bool) -> None:
        """Queue messages for which the caller has seen that there is ``room``; the run is only read.

        With ``write`` they may be written at once instead.
        """

    def push(self, message: Packed) -> None:
        """Queue a message whatever the high-water mark says: subscriptions, probes, welcome messages."""

    def withdraw(self, message: Packed) -> bool:
        """Take back a queued message, told by identity; False if the connection has taken it."""

    def discard(self, unwanted: Callable[[Packed], bool]) -> None:
        """Take out the queued messages that are not wanted any more, of those that the connection has not taken."""

    @property
    def room(self) -> int:
        """How many messages ``put`` would take now, for all that is known of their sizes."""

    @property
    def has_room(self) -> bool:
        """Whether ``put`` would take a message now."""

    @property
    def queued(self) -> int:
        """How many messages have not yet been handed to the connection, those given by ``push`` included."""


class Inlet(Protocol):
    """The reading end of a pipe, from one peer."""

    def note(self, message: Packed) -> None:
        """Append a message of our own, as if it had come from the peer now; ``arrived`` may follow at once."""

    def own(self, count: int) -> int:
        """How many of the last ``count`` messages are our own."""

    def take(self) -> list[Packed] | None:
        """All messages that have arrived, oldest first; the list is the caller's own. None where there are none."""

    def release(self, count: int) -> None:
        """Give back the credit of ``count`` taken messages: the peer may send as many again."""


class Refused(Exception):
    """The pattern does not take this peer (now); the connection is to be closed, and may be tried again later."""


class Reset(Protocol):
    """Closes the connection to a peer."""

    def __call__(self, reason: str = "") -> None:
        """The reason is for those who watch events."""


class Peer:
    """One peer relation as the patterns see it. The runtime makes it; the fields below the line are the patterns' own."""

    __slots__ = (
        "accepted",
        "active",
        "batch",
        "close",
        "closed",
        "connected",
        "drops",
        "identity",
        "inbound",
        "local",
        "outbound",
        "ready",
        "renew",
        "reset",
        "routing_id",
        "snapshot",
        "socket_type",
        "spells",
        "taken",
        "topics",
    )

    def __init__(
        self,
        outbound: Outlet,
        inbound: Inlet,
        reset: Reset,
        routing_id: bytes = b"",
        renew: Callable[[], None] | None = None,
    ) -> None:
        self.outbound = outbound
        self.inbound = inbound
        #: Closes the connection to this peer, whose fault it is; a connecting side makes a new one after a while.
        self.reset = reset
        #: Replaces the connection to this peer by a new one at once, where this side can.
        self.renew = renew or reset
        #: Ends the relation for good: what is queued is written, for as long as ``linger`` allows, before the connection is
        #: closed. The pattern hears ``detach`` at once. The runtime sets it.
        self.close: Callable[[], None] = reset
        #: The Identity that the peer announced; known once it is connected.
        self.identity = b""
        #: Its socket type on the wire, "REP"; empty if it did not say.
        self.socket_type = ""
        #: Whether it connected to us: then its queue for us may outlive the connection, and not ours for it.
        self.accepted = False
        #: Whether it is in this process, so that what is queued for it is there to be received at once (inproc).
        self.local = False
        #: Whether a handshaken connection exists now. The runtime sets it before it calls ``connected``.
        self.connected = False
        #: What a ROUTER calls this peer: given at ``connect``, else the identity, else made by the pattern.
        self.routing_id = routing_id
        #: Makes the picture of this peer that applications see; the runtime sets it.
        self.snapshot: Callable[[], PeerInfo] | None = None
        #: What the runtime counts of ``drop``: messages in all by reason, and how many there were when the spell of drops
        #: under way began; None once the relation is over.
        self.drops: dict[DropReason, int] = {}
        self.spells: dict[DropReason, int] | None = {}
        # ---- the patterns' own, slots instead of dictionaries because they are touched for every message
        self.active = False  # in the rotation of a load balancer
        self.ready = False  # in the rotation of a fair queue
        self.batch: list[Packed] = []  # what the fair queue has taken from the inlet, newest first
        self.taken = 0  # how many messages that batch had: the credit to give back
        self.topics: dict[bytes, None] = {}  # subscriptions of this peer (PUB, XPUB)
        self.closed = False  # the application has closed it, and wants nothing more from it (STREAM)


#: Counts messages that are not delivered: reason, the peer concerned if there is one, how many.
Drop = Callable[[DropReason, "Peer | None", int], None]


class Pattern:
    """The behaviour of one socket type.

    Verbs never wait: ``send`` returns False and ``receive`` returns None where the application would have to wait. Every call
    that tells of a peer may end that wait, ``arrived`` and ``disconnected`` too (a REQ may send again, or learns that its
    peer is lost): the runtime looks at ``can_send`` and ``can_receive`` again after each.
    """

    #: The name on the wire, in the ``Socket-Type`` property.
    name: ClassVar[str]
    #: The socket types that may be at the other end (RFC 37, and libzmq's check_socket_type).
    accepts: ClassVar[frozenset[str]]
    #: Whether an Identity property is announced, even an empty one.
    announces_identity: ClassVar[bool] = False

    #: Whether it reads what its peers send; a PUSH or PUB does not.
    receives: ClassVar[bool] = True
    #: Whether all that it sends may be what it says anew on every connection: subscriptions.
    restates: ClassVar[bool] = False
    #: Whether applications may leave what comes unreceived for ever, and it bounds that by itself: an XPUB's notices.
    may_be_ignored: ClassVar[bool] = False

    #: Whether its connections carry plain bytes, with no protocol of ours (STREAM).
    raw: ClassVar[bool] = False
    #: Whether ``sent`` is kept, for types that send each message to one of many peers.
    counts_sent: ClassVar[bool] = False

    def __init__(self, drop: Drop, options: SocketOptions) -> None:
        self.drop = drop
        #: The options of the socket, read as they are now; every socket type narrows their type.
        self.options = options

    def options_changed(self) -> None:
        """An option was set: refresh what was derived from the options for the hot path."""

    # ---- the life of a peer

    def attach(self, peer: Peer) -> None:
        """A queue to this peer exists: after ``connect``, or when the handshake of an accepted connection is complete.

        May raise :exc:`Refused`; the peer is then not attached.
        """

    def connected(self, peer: Peer) -> None:
        """A handshaken connection to an attached peer exists, for the first time or again. May raise :exc:`Refused`."""

    def disconnected(self, peer: Peer) -> None:
        """The connection is lost; the peer stays attached, its queue stays, and ``connected`` may follow again.

        What the connection delivered has been announced by ``arrived`` before, except after a failed write: then input may
        still come, until ``connected`` is called again.
        """

    def ended(self, peer: Peer) -> None:
        """A connection that ``connected`` told of has come to its end, and all that it delivered is in the inlet.

        This may come after ``disconnected`` or ``detach``. Not told of connections that this side was asked to end, nor of
        those over inproc.
        """

    def detach(self, peer: Peer) -> None:
        """The relation is over: nothing more is sent to this peer. What it has sent stays readable."""

    # What a socket says and hears by itself when a connection begins and ends. The runtime puts it into the queues.

    def hello(self) -> bytes:
        """The message that is to go out first on every new connection; empty: none."""
        return b""

    def arrival_notices(self, peer: Peer) -> list[Packed]:
        """What is to be received before all that a new connection delivers."""
        return []

    def departure_notices(self, peer: Peer) -> list[Packed]:
        """What is to be received after all that a connection has delivered, which has ended."""
        return []

    def arrived(self, peer: Peer) -> None:
        """The peer's inlet, which was empty, holds messages now."""

    def cut_short(self, peer: Peer, message: Packed) -> None:
        """A message that was queued for the peer is dropped, because it did not take it (``CUT_SHORT``)."""

    def writable(self, peer: Peer) -> None:
        """The peer's outlet, which was full, has room again."""

    def end(self) -> None:
        """The socket is closed, and nothing more arrives: drop what the application has not received (``UNREAD``).

        What the socket has told itself is no loss: notices of connections and of subscriptions.
        """

    def flush(self, *, write: bool = False) -> bool:
        """Put what was held back into the queues, before anybody looks at them; whether there was any.

        With ``write`` it may be written at once: for a task of the runtime that has nothing else in mind.
        """
        return False

    # ---- the verbs

    @property
    def sent(self) -> int:
        """How many messages were given to one of several peers so far."""
        return 0

    def send(self, message: Packed) -> bool:
        """Take a message for delivery. True: taken, or dropped by the type's rules. False: the caller has to wait.

        The list of a message of several frames is the pattern's to keep, not to change: it may be retried.
        """
        raise NotImplementedError

    def receive(self) -> Packed | None:
        """The next message, or None where there is none yet."""
        raise NotImplementedError

    def receive_many(self, most: int) -> list[Packed]:
        """Up to ``most`` messages that are there, in the order in which ``receive`` would give them."""
        messages: list[Packed] = []
        while len(messages) < most and (message := self.receive()) is not None:
            messages.append(message)
        return messages

    def unreceive(self, message: Packed) -> None:
        """Put back the message that ``receive`` gave last, as if it had not been taken."""
        raise NotImplementedError

    @property
    def sender(self) -> Peer:
        """Whose message it was that ``receive`` gave; valid right after that only."""
        raise NotImplementedError

    @property
    def can_send(self) -> bool:
        """Whether ``send`` would take a message now. Never raises; False where the state forbids sending.

        Where that depends on the message, it answers for the message that was refused last.
        """
        return False

    @property
    def can_receive(self) -> bool:
        """Whether ``receive`` would give a message now. Never raises; False where the state forbids receiving.

        True also where ``receive`` has to tell of a lost peer (REQ), so that who waits for a reply hears of it.
        """
        return False
