"""STREAM: each peer is a plain byte stream, with a routing id in front of what comes from it and of what goes to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ..errors import HostUnreachable
from ..events import DropReason
from ..messages import Packed
from ..options import StreamOptions
from .base import Drop, Peer, Refused
from .fair_queuing import FairQueuing, prepend_routing_id
from .made_ids import MadeIds


class Stream(FairQueuing):
    """STREAM: receives ``[routing id, bytes]``, and sends ``bytes`` to the connection that the routing id names.

    The routing id is the one given at ``connect``, else one made here: five bytes of which the first is zero. It belongs to
    an accepted connection, or to an endpoint that is connected to, and stays with that through all its connections.

    Empty bytes are about the connection itself: received, they tell that it was made, or has ended (``stream_notify``);
    sent, they close it. What was sent before them is written first. What has come and was not received is discarded then,
    and no notice of that end is given (libzmq's stream.cpp and raw_engine.cpp, measured with 4.3.5).
    """

    name = "STREAM"
    accepts = frozenset()
    raw = True
    options: StreamOptions

    def __init__(self, drop: Drop, options: StreamOptions) -> None:
        super().__init__(drop, options, self._admit)
        self._peers: dict[bytes, Peer] = {}
        self._made = MadeIds()

    # ---- the life of a peer

    def attach(self, peer: Peer) -> None:
        if not peer.routing_id:
            peer.routing_id = self._made.make(self._peers)
        if self._peers.setdefault(peer.routing_id, peer) is not peer:
            raise Refused(
                f"another connection of this STREAM has the routing id {peer.routing_id!r}: choose another one"
            )

    def connected(self, peer: Peer) -> None:
        self._notify(peer)

    def ended(self, peer: Peer) -> None:
        self._notify(peer)

    def _notify(self, peer: Peer) -> None:
        if self.options.stream_notify:
            peer.inbound.note(b"")

    def detach(self, peer: Peer) -> None:
        del self._peers[peer.routing_id]

    # ---- the verbs

    def send(self, message: Packed) -> bool:
        if isinstance(message, bytes) or len(message) != 2:
            frames = 1 if isinstance(message, bytes) else len(message)
            raise ValueError(
                f"a message to a STREAM has two frames, the routing id and the bytes to write (none: close), not {frames}"
            )
        routing_id, data = message
        peer = self._peers.get(routing_id)
        if peer is None:
            raise HostUnreachable(
                f"no connection of this STREAM has the routing id {routing_id!r}: it was never made, or has ended"
            )
        if data:
            return peer.outbound.put(data)
        peer.closed = True
        self._unwanted(peer, [chunk for _, chunk in cast("list[list[bytes]]", self.queue.forget(peer))])
        peer.close()
        return True

    @property
    def can_send(self) -> bool:
        """While any connection has room. (libzmq's ``POLLOUT`` is always set.)"""
        return any(peer.outbound.has_room for peer in self._peers.values())

    def _admit(self, peer: Peer, batch: list[Packed]) -> list[Packed]:
        if peer.closed:
            self._unwanted(peer, batch)
            return []
        return prepend_routing_id(peer, batch)

    def _unwanted(self, peer: Peer, chunks: Sequence[Packed]) -> None:
        if count := sum(map(bool, chunks)):  # notices are no loss
            self.drop(DropReason.UNEXPECTED, peer, count)
