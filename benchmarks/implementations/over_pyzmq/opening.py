"""Sockets as the settings want them."""

from __future__ import annotations

from typing import Any

import zmq

from ...control import Control, Skip
from ...model import Settings
from .. import curve_keys

Socket = zmq.Socket[bytes]


def new_context() -> zmq.Context[Socket]:
    """Room for as many sockets as any scenario needs: libzmq counts each connection's."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 20_000)
    return context


def new_socket(context: zmq.Context[Socket], kind: int) -> Socket:
    return context.socket(kind)


def address(settings: Settings) -> str:
    return "ipc://*" if settings.transport == "ipc" else "tcp://127.0.0.1:*"


def bind(sock: zmq.Socket[Any], settings: Settings) -> str:
    """Bind with the security that is wanted; any client is allowed in, since nobody listens to ZAP."""
    if settings.curve:
        need_curve()
        sock.curve_server = True
        sock.curve_secretkey = curve_keys.SERVER_SECRET.encode()
    sock.backlog = settings.backlog
    sock.bind(address(settings))
    return sock.getsockopt_string(zmq.LAST_ENDPOINT)


def set_subscriber(sock: zmq.Socket[Any], topics: list[bytes]) -> None:
    """Subscriptions above the high-water mark of sending would be lost without a word."""
    sock.sndhwm = 0
    for topic in topics:
        sock.subscribe(topic)


def bound(kind: int, control: Control, settings: Settings) -> Socket:
    sock = new_socket(new_context(), kind)
    if settings.heartbeat:
        sock.heartbeat_ivl = round(settings.heartbeat * 1000)
    control.tell_endpoint(bind(sock, settings))
    return sock


def set_publisher(sock: zmq.Socket[Any]) -> None:
    """An XPUB instead of a PUB only to hear who has subscribed; sending is the same. Nothing may be dropped."""
    sock.set(zmq.XPUB_NODROP, 1)
    sock.set(zmq.XPUB_VERBOSE, 1)


def connect(sock: zmq.Socket[Any], endpoint: str, settings: Settings) -> None:
    if settings.curve:
        need_curve()
        sock.curve_publickey = curve_keys.CLIENT_PUBLIC.encode()
        sock.curve_secretkey = curve_keys.CLIENT_SECRET.encode()
        sock.curve_serverkey = curve_keys.SERVER_PUBLIC.encode()
    sock.connect(endpoint)


def connected(kind: int, control: Control, settings: Settings) -> Socket:
    endpoint = control.wait_endpoint()
    sock = new_socket(new_context(), kind)
    connect(sock, endpoint, settings)
    return sock


def need_curve() -> None:
    if not zmq.has("curve"):
        raise Skip("this pyzmq was built without CURVE")
