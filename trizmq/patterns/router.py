"""ROUTER: each peer has a routing id, which is the first frame of every message to it and from it."""

from __future__ import annotations

from ..errors import HostUnreachable
from ..events import DropReason
from ..messages import Packed
from ..options import RouterNotify, RouterOptions
from .base import Drop, Peer, Refused
from .fair_queuing import FairQueuing, prepend_routing_id
from .made_ids import MadeIds
from .types import COMPATIBLE


class Router(FairQueuing):
    """ROUTER: receives ``[routing id, *frames]``, and sends ``frames`` to the peer that the first frame names.

    A peer's routing id is the one given at ``connect``; else the Identity that it announced; else one made here, five bytes
    of which the first is zero. A peer that was given one can be sent to before it is connected, others once they are.

    By default ``send`` never waits: what cannot be delivered is dropped and counted. With ``router_mandatory`` an unknown
    peer raises :exc:`~trizmq.HostUnreachable`, and a full one is waited for.
    """

    name = "ROUTER"
    accepts = COMPATIBLE[name]
    counts_sent = True
    announces_identity = True
    options: RouterOptions

    def __init__(self, drop: Drop, options: RouterOptions) -> None:
        super().__init__(drop, options, prepend_routing_id)
        self._peers: dict[bytes, Peer] = {}
        #: Those whose id was given at ``connect``: it stays, whatever they announce.
        self._given: set[Peer] = set()
        self._made = MadeIds()
        self._sent = 0

    # ---- the life of a peer

    def attach(self, peer: Peer) -> None:
        if peer.routing_id:
            if peer.connected or not self.options.immediate:
                self._claim(peer, peer.routing_id)
            self._given.add(peer)

    def connected(self, peer: Peer) -> None:
        if peer in self._given:
            self._claim(peer, peer.routing_id)
        elif peer.identity:
            self._claim(peer, peer.identity)
        elif not (peer.routing_id.startswith(b"\0") and self._peers.get(peer.routing_id) is peer):
            self._claim(peer, self._made.make(self._peers))
        if self.options.probe_router:
            peer.outbound.push(b"")

    def disconnected(self, peer: Peer) -> None:
        if self.options.immediate:
            self._unclaim(peer)

    def detach(self, peer: Peer) -> None:
        self._given.discard(peer)
        self._unclaim(peer)

    def hello(self) -> bytes:
        return self.options.hello_message

    def arrival_notices(self, peer: Peer) -> list[Packed]:
        return [b""] if RouterNotify.CONNECT in self.options.router_notify else []

    def departure_notices(self, peer: Peer) -> list[Packed]:
        # in libzmq's order; whose they are is put in front as for all that is received
        notices: list[Packed] = [b""] if RouterNotify.DISCONNECT in self.options.router_notify else []
        if peer.accepted and self.options.disconnect_message:
            notices.append(self.options.disconnect_message)
        return notices

    def _claim(self, peer: Peer, routing_id: bytes) -> None:
        """Let the peer be known by this id, and by no other; who has it already keeps it, or is handed over."""
        holder = self._peers.get(routing_id)
        if holder is peer:
            return
        if holder is not None and not self.options.router_handover:
            # libzmq leaves the newcomer connected, unserved for ever; refused it tries again, and gets in in its turn.
            raise Refused(
                f"another peer of this ROUTER has the routing id {routing_id!r}: choose another one, or set router_handover"
            )
        self._unclaim(peer)
        peer.routing_id = routing_id
        self._peers[routing_id] = peer
        if holder is not None:
            # As libzmq does (tests/test_router_handover.cpp), but its connection is really closed.
            self._given.discard(holder)
            holder.routing_id = self._made.make(self._peers)
            self._peers[holder.routing_id] = holder
            holder.reset()

    def _unclaim(self, peer: Peer) -> None:
        if self._peers.get(peer.routing_id) is peer:
            del self._peers[peer.routing_id]

    # ---- the verbs

    @property
    def sent(self) -> int:
        return self._sent

    def send(self, message: Packed) -> bool:
        if isinstance(message, bytes):
            self.drop(DropReason.MALFORMED, None, 1)  # a routing id and no message: libzmq swallows it too
            return True
        peer = self._peers.get(message[0])
        if peer is None:
            if self.options.router_mandatory:
                raise HostUnreachable(
                    f"no peer of this ROUTER has the routing id {message[0]!r}: it is not connected, or gone"
                )
            self.drop(DropReason.UNROUTABLE, None, 1)
            return True
        if peer.outbound.put(message[1] if len(message) == 2 else message[1:]):
            self._sent += 1
            return True
        if self.options.router_mandatory:
            return False
        self.drop(DropReason.SEND_HWM, peer, 1)
        return True

    @property
    def can_send(self) -> bool:
        """Always; with ``router_mandatory`` while any peer has room, as libzmq's ``POLLOUT``."""
        return not self.options.router_mandatory or any(peer.outbound.has_room for peer in self._peers.values())
