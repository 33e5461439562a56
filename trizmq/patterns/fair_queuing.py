"""The part of every socket type that receives by fair queueing."""

from __future__ import annotations

from ..messages import Packed
from ..options import SocketOptions
from .base import Drop, Pattern, Peer
from .fair_queue import Admit, FairQueue


class FairQueuing(Pattern):
    """What the types share that receive by fair queueing. What a peer has sent stays readable after it is detached."""

    def __init__(self, drop: Drop, options: SocketOptions, admit: Admit | None = None) -> None:
        super().__init__(drop, options)
        self.queue = queue = FairQueue(admit)
        self.receive = queue.receive  # type: ignore[method-assign]  # one Python call less per message
        self.receive_many = queue.receive_many  # type: ignore[method-assign]  # the same
        self.arrived = queue.arrived  # type: ignore[method-assign]  # the same

    def unreceive(self, message: Packed) -> None:
        self.queue.unreceive(message)

    def end(self) -> None:
        self.queue.give_up(self.drop)

    @property
    def sender(self) -> Peer:
        return self.queue.last

    @property
    def can_receive(self) -> bool:
        return self.queue.can_receive


def prepend_routing_id(peer: Peer, batch: list[Packed]) -> list[Packed]:
    """Admit a batch with the peer's routing id in front of each message (ROUTER, STREAM)."""
    routing_id = peer.routing_id
    return [[routing_id, *message] if type(message) is list else [routing_id, message] for message in batch]  # type: ignore[list-item]
