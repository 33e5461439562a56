"""REQ: asks one peer at a time and waits for its reply."""

from __future__ import annotations

import random
import sys

from ..errors import PeerLostError, StateError
from ..events import DropReason
from ..messages import Packed
from ..options import ReqOptions
from .base import Drop, Peer
from .load_balance import Balancing
from .types import COMPATIBLE


class Req(Balancing):
    """REQ: sends a request to the next peer in rotation, then receives the reply of that peer and of no other.

    On the wire a request is ``[b"", *frames]`` (RFC 28); with ``req_correlate`` a 4-byte id in native byte order goes before
    that, which the reply has to repeat. Everything else that peers send is dropped and counted *when it arrives*, so nothing
    stale ever waits to be taken for a reply; libzmq drains its pipes at each ``send`` for the same end. A message that no
    REP could have sent (no empty delimiter) costs its sender the connection, as in libzmq.

    **A lost peer.** When the connection to the asked peer ends after the request was handed to it, ``receive`` raises
    :exc:`~trizmq.PeerLostError` once, and the socket may send again: libzmq waits for ever. A request that still waits in the
    queue of a peer being connected to survives.

    **A given up request** (:meth:`abandon`) must not wedge the socket, and its reply must never be taken for the reply to a
    later one, with the wire format of any REQ. It is withdrawn if it is still queued. If it has left:

    * A REP returns the envelope of a request, whatever it is, and its application never sees it (RFC 28). So from then on
      requests to REP peers carry an id, as with ``req_correlate``, and what comes without it, or with another, is stale.
    * The application behind a ROUTER sees the envelope, which may therefore not change. Such a peer now owes a reply, and is
      asked nothing until the debt is paid (the reply came, and was dropped) or void. While another peer can be asked it is.
      If all of them owe, the connection of one is renewed: a bound ROUTER knows an anonymous peer by its connection, so the
      stale reply can never arrive, and ``send`` returns False until a peer is usable again.
    * Where a new connection would not void the debt it is waited for: with a ``routing_id``, by which the late reply
      would find us again, and where the ROUTER is the connecting side, which keeps its queue. An application that cannot be
      sure that each request is answered sets ``req_correlate`` there. (If a connecting ROUTER that owes is lost and comes
      back, it is a new peer, and its debt is forgotten.)

    **req_relaxed** lets ``send`` give up the request under way. As in libzmq the rotation goes on regardless of what is
    owed, and without ``req_correlate`` a late reply to an earlier request may be taken for the reply. ``abandon`` makes
    proper debts of those requests too.
    """

    name = "REQ"
    accepts = COMPATIBLE[name]
    announces_identity = True
    options: ReqOptions

    def __init__(self, drop: Drop, options: ReqOptions) -> None:
        super().__init__(drop, options)
        self.options_changed()
        #: Who was asked and has not replied yet.
        self._asked: Peer | None = None
        #: The id that its reply has to carry, if the request was correlated.
        self._correlation: bytes | None = None
        #: How many messages were pushed into its queue behind the request.
        self._behind = 0
        #: The request as it was queued.
        self._request: list[bytes] = []
        self._reply: Packed | None = None
        #: Who sent it.
        self._replier: Peer
        self._lost = False
        self._counter = random.getrandbits(32)
        #: A request was given up after it had left: requests to REP peers carry an id from then on.
        self._wary = False
        #: How many replies to given up requests each peer owes.
        self._owed: dict[Peer, int] = {}
        #: Those who are asked nothing because they owe, and are not in the rotation; True: the connection is being reset.
        self._avoided: dict[Peer, bool] = {}

    def options_changed(self) -> None:
        self._relaxed, self._correlated = self.options.req_relaxed, self.options.req_correlate

    # ---- the life of a peer

    def join(self, peer: Peer) -> None:
        if peer not in self._avoided:
            super().join(peer)

    def connected(self, peer: Peer) -> None:
        super().connected(peer)
        if self.options.probe_router:
            peer.outbound.push(b"")
            if peer is self._asked:
                self._behind += 1

    def disconnected(self, peer: Peer) -> None:
        if self._owed.get(peer) and not self._voids(peer):
            if peer is self._asked and peer.outbound.queued <= self._behind:
                self._lose()
            super().disconnected(peer)
            return
        # with immediate the queue ends with the connection
        queued = 0 if self.options.immediate else peer.outbound.queued
        if peer is self._asked:
            if queued > self._behind:
                queued -= self._behind + 1  # the request is still there, and will be sent on the next connection
            else:
                queued = 0
                self._lose()
        owed = min(self._owed.get(peer, 0), queued)
        if owed:
            self._owed[peer] = owed
            if peer in self._avoided:
                self._avoided[peer] = False
        else:
            self._forgive(peer)
        super().disconnected(peer)

    def detach(self, peer: Peer) -> None:
        if peer is self._asked:
            self._lose()
        self._owed.pop(peer, None)
        self._avoided.pop(peer, None)
        super().detach(peer)

    def cut_short(self, peer: Peer, message: Packed) -> None:
        if peer is self._asked and message is self._request:
            self._asked = None
            self._lost = True
        elif owed := self._owed.get(peer, 0):
            if owed > 1:
                self._owed[peer] = owed - 1
            else:
                self._forgive(peer)

    def arrived(self, peer: Peer) -> None:
        inlet = peer.inbound
        while (batch := inlet.take()) is not None:
            for at, message in enumerate(batch):
                if not self._judge(peer, message):
                    # libzmq's req_session_t ends the connection here, and what it had sent after this is not read.
                    self.drop(DropReason.MALFORMED, peer, len(batch) - at)
                    peer.reset()
                    break
            inlet.release(len(batch))

    def end(self) -> None:
        if self._reply is not None:
            self._reply = None
            self.drop(DropReason.UNREAD, self._replier, 1)

    def _judge(self, peer: Peer, message: Packed) -> bool:
        """Keep the message if it is the reply that is due, else drop it. False: no REP could have sent it."""
        if isinstance(message, bytes):
            return False
        if not message[0]:
            correlation, start = None, 1
        elif len(message[0]) == 4 and len(message) > 2 and not message[1]:
            correlation, start = message[0], 2
        else:
            return False
        # What comes from a peer that is not connected came over an earlier connection.
        if peer is self._asked and peer.connected and correlation == self._correlation:
            self._asked = None
            self._replier = peer
            self._reply = message[start] if len(message) == start + 1 else message[start:]
            return True
        self.drop(DropReason.STALE_REPLY, peer, 1)
        owed = self._owed.get(peer, 0)
        if owed and correlation is None:
            if owed > 1:
                self._owed[peer] = owed - 1
            elif not self._avoided.get(peer, False):
                self._forgive(peer)  # but a connection that is being reset is of no use for a new request
        return True

    def _lose(self) -> None:
        if self._correlation is None and self._asked is not None and not self._voids(self._asked):
            self._wary = (
                True  # a REP that connects, or that knows us by our routing id, may answer on the next connection
            )
        self._asked = None
        self._lost = True

    def _forgive(self, peer: Peer) -> None:
        """The peer owes nothing any more."""
        self._owed.pop(peer, None)
        if self._avoided.pop(peer, None) is not None and (peer.connected or not self.options.immediate):
            self.join(peer)

    # ---- the verbs

    def send(self, message: Packed) -> bool:
        pending = self._asked is not None or self._reply is not None
        if pending and not self._relaxed:
            raise StateError("a request is under way: receive() its reply before the next send(), or set req_relaxed")
        correlation: bytes | None = None
        request = [b"", message] if type(message) is bytes else [b"", *message]
        balancer = self.balancer
        if self._correlated or (self._wary and (peer := balancer.next) is not None and peer.socket_type == "REP"):
            correlation = (self._counter + 1 & 0xFFFF_FFFF).to_bytes(4, sys.byteorder)
            request.insert(0, correlation)
        if not balancer.send(request):
            self._renew_one_that_owes()
            return False
        if pending:
            self._give_up(withdraw=False)
        self._counter += 1
        self._asked = balancer.last
        self._request = request
        self._correlation = correlation
        self._behind = 0
        self._lost = False
        return True

    def receive(self) -> Packed | None:
        reply = self._reply
        if reply is not None:
            self._reply = None
            return reply
        if self._asked is not None:
            return None
        if self._lost:
            self._lost = False
            raise PeerLostError(
                "the peer that was asked disconnected before it replied; it may have carried the request out or not: "
                "ask again if that does no harm"
            )
        raise StateError("no request is under way: send() one before receive()")

    def receive_many(self, most: int) -> list[Packed]:
        """One reply at most: the next one can be received after the next request."""
        reply = self.receive() if most > 0 else None
        return [] if reply is None else [reply]

    def unreceive(self, message: Packed) -> None:
        self._reply = message

    @property
    def sender(self) -> Peer:
        return self._replier

    def abandon(self) -> None:
        """Give up whatever is under way: the socket may send, and no reply to anything sent so far will be received.

        ``request()`` calls this when it is cancelled, and before it sends, so that with ``req_relaxed`` also what ``send``
        has left behind counts as a debt. Nothing happens if nothing is under way and nothing is owed.
        """
        self._give_up(withdraw=True)
        self._lost = False
        for peer in self._owed:
            if peer not in self._avoided:
                self._avoided[peer] = False
                self.balancer.detach(peer)

    def forget_relaxed(self) -> None:
        """With ``req_relaxed``, :meth:`abandon`: what ``send`` has left behind is a debt to a ``request()``."""
        if self.options.req_relaxed:
            self.abandon()

    def _give_up(self, *, withdraw: bool) -> None:
        """Nobody waits for the reply any more; who was asked without correlation owes it."""
        if self._reply is not None:
            self._reply = None
            self.drop(DropReason.STALE_REPLY, None, 1)
        elif self._asked is not None:
            withdrawn = withdraw and self._asked.outbound.withdraw(self._request)
            if not withdrawn and self._correlation is None:
                self._wary = True
                if self._asked.socket_type != "REP":
                    self._owed[self._asked] = self._owed.get(self._asked, 0) + 1
            self._asked = None

    def _voids(self, peer: Peer) -> bool:
        """Whether the end of the connection to this peer voids what it owes."""
        return not peer.accepted and not self.options.routing_id

    def _renew_one_that_owes(self) -> None:
        """If nobody else can ever be asked, void the debt of one peer by ending the connection that it would be paid on."""
        if self.balancer.has_members or True in self._avoided.values():
            return
        for peer in self._avoided:
            if peer.connected and self._voids(peer) and not peer.outbound.queued:
                self._avoided[peer] = True
                peer.renew()
                return

    @property
    def can_send(self) -> bool:
        pending = self._asked is not None or self._reply is not None
        return (not pending or self.options.req_relaxed) and self.balancer.can_send

    @property
    def can_receive(self) -> bool:
        return self._reply is not None or self._lost
