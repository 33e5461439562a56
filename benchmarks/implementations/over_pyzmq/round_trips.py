"""There and back, one at a time; and one way beside a stream."""

from __future__ import annotations

import struct
import threading
import time
from time import perf_counter

import zmq

from ...control import Control
from ...measuring import RoundTrips
from ...model import Settings
from ..loops import echo_for_ever, payload, request_until_enough, send_for_ever
from ..pacing import STAMP, ticks
from .opening import bind, bound, connect, connected, new_context, new_socket


def rep(control: Control, settings: Settings) -> None:
    sock = bound(zmq.REP, control, settings)
    echo_for_ever(sock.recv, sock.send)


def req(control: Control, settings: Settings) -> None:
    sock = connected(zmq.REQ, control, settings)
    control.tell_result(**request_until_enough(sock.send, sock.recv, settings).percentiles)


def beside_pull(control: Control, settings: Settings) -> None:
    context = new_context()
    stream, pings = new_socket(context, zmq.PULL), new_socket(context, zmq.PULL)
    control.tell_endpoint(bind(stream, settings), bind(pings, settings))
    threading.Thread(target=receive_for_ever, args=(stream,), daemon=True).start()
    trips = RoundTrips(settings)
    while True:
        (start,) = struct.unpack(STAMP, pings.recv())
        if trips.add(start, perf_counter()):
            break
    control.tell_result(**trips.percentiles)
    control.wait_end()


def receive_for_ever(sock: zmq.Socket[bytes]) -> None:
    while True:
        sock.recv()


def beside_push(control: Control, settings: Settings) -> None:
    context = new_context()
    stream, pings = new_socket(context, zmq.PUSH), new_socket(context, zmq.PUSH)
    for sock, endpoint in zip((stream, pings), control.wait_endpoints(), strict=True):
        connect(sock, endpoint, settings)
    threading.Thread(target=send_for_ever, args=(stream.send, payload(settings)), daemon=True).start()
    for due in ticks():
        time.sleep(max(0.0, due - perf_counter()))
        pings.send(struct.pack(STAMP, perf_counter()))
