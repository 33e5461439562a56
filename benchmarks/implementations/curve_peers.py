"""Clients for CURVE handshakes: those of pyzmq, whoever the server is, so that what is compared is the servers."""

from __future__ import annotations

import zmq

from ..control import Control
from ..measuring import IdleMemory
from ..model import Settings
from .over_pyzmq.opening import connect, new_context, new_socket


def curve_peers(control: Control, settings: Settings) -> None:
    """Each connects at once and says one message."""
    endpoint = control.wait_endpoint()
    context = new_context()
    peers = []
    for _ in range(IdleMemory.WARM_UP_CONNECTIONS + settings.connections):
        peer = new_socket(context, zmq.DEALER)
        connect(peer, endpoint, settings)
        peer.send(b"hello")
        peers.append(peer)
    control.wait_end()
