"""Two threads of one process."""

from __future__ import annotations

import threading

import zmq

from ...control import Control
from ...model import Settings
from ..loops import echo_for_ever, payload, receive_until_enough, request_until_enough, send_for_ever


def push_pull(control: Control, settings: Settings) -> None:
    context = zmq.Context()
    receiver = context.socket(zmq.PULL)
    receiver.bind("inproc://here")

    def sender() -> None:
        sock = context.socket(zmq.PUSH)
        sock.connect("inproc://here")
        send_for_ever(sock.send, payload(settings))

    threading.Thread(target=sender, daemon=True).start()
    control.tell_result(rate=receive_until_enough(receiver.recv, settings).rate)
    control.wait_end()


def req_rep(control: Control, settings: Settings) -> None:
    context = zmq.Context()
    server = context.socket(zmq.REP)
    server.bind("inproc://here")
    threading.Thread(target=echo_for_ever, args=(server.recv, server.send), daemon=True).start()
    client = context.socket(zmq.REQ)
    client.connect("inproc://here")
    control.tell_result(**request_until_enough(client.send, client.recv, settings).percentiles)
    control.wait_end()
