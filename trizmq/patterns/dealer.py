"""DEALER: any number of peers both ways, without envelopes and without order of turns."""

from __future__ import annotations

from collections.abc import Callable

from ..messages import Packed
from ..options import DealerOptions
from .base import Drop, Peer
from .fair_queuing import FairQueuing
from .load_balance import Balancing
from .types import COMPATIBLE


class Dealer(Balancing, FairQueuing):
    """DEALER: sends in rotation as PUSH does, receives in turn as PULL does, and adds or removes nothing."""

    name = "DEALER"
    accepts = COMPATIBLE[name]
    counts_sent = True
    announces_identity = True
    options: DealerOptions

    def __init__(self, drop: Drop, options: DealerOptions) -> None:
        super().__init__(drop, options)
        self.route(self.balancer.send)

    def route(self, send: Callable[[Packed], bool]) -> None:
        self.send = send  # type: ignore[assignment,method-assign]  # a Python call less per message, or two

    def connected(self, peer: Peer) -> None:
        super().connected(peer)
        if self.options.probe_router:
            peer.outbound.push(b"")  # libzmq tests/test_probe_router.cpp: a ROUTER reads [id, b""]

    def hello(self) -> bytes:
        return self.options.hello_message

    def departure_notices(self, peer: Peer) -> list[Packed]:
        hiccup = self.options.hiccup_message
        return [hiccup] if hiccup and not peer.accepted else []  # libzmq tests/test_hiccup_msg.cpp
