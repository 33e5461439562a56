"""One publisher, many subscribers."""

from __future__ import annotations

import zmq

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import publication, receive_until_enough, send_for_ever, topics
from .opening import bind, connect, new_context, new_socket, set_publisher, set_subscriber


def pub(control: Control, settings: Settings) -> None:
    sock = new_socket(new_context(), zmq.XPUB)
    set_publisher(sock)
    control.tell_endpoint(bind(sock, settings))
    for _ in range(settings.subscribers * len(topics(settings))):
        sock.recv()
    send_for_ever(sock.send, publication(settings))


def sub(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()
    context = new_context()
    socks = []
    for _ in range(settings.subscribers):
        sock = new_socket(context, zmq.SUB)
        set_subscriber(sock, topics(settings))
        connect(sock, endpoint, settings)
        socks.append(sock)
    if len(socks) == 1:  # noqa: SIM108
        throughput = receive_until_enough(socks[0].recv, settings)
    else:
        throughput = poll_until_enough(socks, settings)
    control.tell_result(rate=throughput.rate)


def poll_until_enough(socks: list[zmq.Socket[bytes]], settings: Settings) -> Throughput:
    """One thread for all, each ready socket read until it is empty; threads of their own for each were slower."""
    poller = zmq.Poller()
    for sock in socks:
        poller.register(sock, zmq.POLLIN)
    throughput = Throughput(settings)
    while True:
        for sock, _ in poller.poll():
            receive = sock.recv
            received = 0
            try:
                while received < settings.block:
                    receive(zmq.NOBLOCK)
                    received += 1
            except zmq.Again:
                pass
            if throughput.count(received):
                return throughput
