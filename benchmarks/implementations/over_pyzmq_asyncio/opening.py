"""Sockets as the settings want them."""

from __future__ import annotations

import zmq.asyncio

from ...control import Control
from ...model import Settings
from ..over_pyzmq.opening import bind, connect

Socket = zmq.asyncio.Socket


def bound(kind: int, control: Control, settings: Settings) -> Socket:
    sock = zmq.asyncio.Context().socket(kind)
    control.tell_endpoint(bind(sock, settings))
    return sock


def connected(kind: int, endpoint: str, settings: Settings) -> Socket:
    sock = zmq.asyncio.Context().socket(kind)
    connect(sock, endpoint, settings)
    return sock
