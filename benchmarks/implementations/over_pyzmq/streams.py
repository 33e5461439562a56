"""One way, as fast as it goes."""

from __future__ import annotations

from dataclasses import replace

import zmq

from ...control import Control
from ...model import Settings
from ..loops import payload, receive_until_enough, send_for_ever
from .opening import bound, connected


def pull(control: Control, settings: Settings) -> None:
    sock = bound(zmq.PULL, control, settings)
    control.tell_result(rate=receive_until_enough(sock.recv, settings).rate)


def push(control: Control, settings: Settings) -> None:
    send_for_ever(connected(zmq.PUSH, control, settings).send, payload(settings))


def router(control: Control, settings: Settings) -> None:
    """Frame by frame, since the number of frames is known: ``recv_multipart`` asks after each, and takes far longer."""
    sock = bound(zmq.ROUTER, control, settings)
    frames = settings.frames + 1
    throughput = receive_until_enough(sock.recv, replace(settings, block=settings.block * frames))
    control.tell_result(rate=throughput.rate / frames)


def dealer(control: Control, settings: Settings) -> None:
    send = connected(zmq.DEALER, control, settings).send
    frame = payload(settings)
    flags = [*[zmq.SNDMORE] * (settings.frames - 1), 0]
    while True:
        for flag in flags:
            send(frame, flag)


def count_all(control: Control, settings: Settings) -> None:
    sock = bound(zmq.PULL, control, settings)
    missing = settings.messages
    while missing and sock.poll(1000):
        sock.recv()
        missing -= 1
    control.tell_result(lost=missing)


def send_and_close(control: Control, settings: Settings) -> None:
    sock = connected(zmq.PUSH, control, settings)
    for _ in range(settings.messages):
        sock.send(payload(settings))
    sock.close()
    sock.context.term()
    control.wait_end()
