"""PAIR: exactly one peer, both ways."""

from __future__ import annotations

from ..messages import Packed
from ..options import SocketOptions
from .base import Drop, Peer, Refused
from .fair_queuing import FairQueuing
from .types import COMPATIBLE


class Pair(FairQueuing):
    """PAIR: sends to and receives from its one peer; waits while there is none and while it is full.

    A second peer is refused, visibly, so that it tries again and gets in once the first has gone. (libzmq lets it complete
    its handshake and then never serves it.)
    """

    name = "PAIR"
    accepts = COMPATIBLE[name]

    def __init__(self, drop: Drop, options: SocketOptions) -> None:
        super().__init__(drop, options)
        self._peer: Peer | None = None

    def attach(self, peer: Peer) -> None:
        if self._peer is None:
            self._peer = peer
        elif self._peer is not peer:
            raise Refused("a PAIR has one peer, and this one has its peer: close that connection first")

    def connected(self, peer: Peer) -> None:
        self.attach(peer)

    def detach(self, peer: Peer) -> None:
        if self._peer is peer:
            self._peer = None

    def send(self, message: Packed) -> bool:
        peer = self._peer
        if peer is None or (not peer.connected and self.options.immediate):
            return False
        return peer.outbound.put(message)

    @property
    def can_send(self) -> bool:
        peer = self._peer
        if peer is None or (not peer.connected and self.options.immediate):
            return False
        return peer.outbound.has_room
