"""PUSH and PULL: a pipeline. Each message goes to one of the workers, and comes from one of the ventilators."""

from __future__ import annotations

from collections.abc import Callable

from ..events import DropReason
from ..messages import Packed
from ..options import ConflateOptions
from .base import Drop, Peer
from .fair_queuing import FairQueuing
from .load_balance import Balancing
from .types import COMPATIBLE


class Push(Balancing):
    """PUSH: sends only, in rotation over the peers that have room; waits while there is none.

    What a peer sends is dropped and counted. (libzmq lets it pile up to the high-water mark, and then reads nothing more of
    that connection, not even its end.)
    """

    receives = False
    name = "PUSH"
    accepts = COMPATIBLE[name]
    counts_sent = True

    def __init__(self, drop: Drop, options: ConflateOptions) -> None:
        super().__init__(drop, options)
        self.route(self.balancer.send)

    def route(self, send: Callable[[Packed], bool]) -> None:
        self.send = send  # type: ignore[assignment,method-assign]  # a Python call less per message, or two

    def arrived(self, peer: Peer) -> None:
        while (batch := peer.inbound.take()) is not None:
            self.drop(DropReason.UNEXPECTED, peer, len(batch))
            peer.inbound.release(len(batch))


class Pull(FairQueuing):
    """PULL: receives only, one message per peer and turn."""

    name = "PULL"
    accepts = COMPATIBLE[name]

    def __init__(self, drop: Drop, options: ConflateOptions) -> None:
        super().__init__(drop, options)
