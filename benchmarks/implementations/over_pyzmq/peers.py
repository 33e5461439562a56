"""A server with many peers, which are raw sockets in another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import zmq

from ...control import Control, need_descriptors
from ...measuring import IdleMemory, ProcessorTime, Throughput, busy_metrics, growth_metrics
from ...model import Settings
from ..loops import echo_until_enough, payload, send_until_enough
from ..raw_peers import WINDOW, ask_for_peers
from ..raw_peers import idle_zmtp_peers as idle_peers
from .opening import Socket, bound

__all__ = ["idle_peers"]


def idle_server(control: Control, settings: Settings) -> None:
    need_descriptors(settings.connections)
    memory = IdleMemory(settings)
    sock = bound(zmq.ROUTER, control, settings)
    while True:
        sock.recv_multipart()
        if memory.hello():
            break
    control.tell_result(**memory.metrics)


def growing_push(control: Control, settings: Settings) -> None:
    grow(zmq.PUSH, control, settings, lambda sock, more: send_until_enough(sock.send, payload(settings), settings))


def growing_dealer(control: Control, settings: Settings) -> None:
    def measure(sock: Socket, more: int) -> Throughput:
        for _ in range(more * WINDOW):
            sock.send(payload(settings))
        return echo_until_enough(sock.recv, sock.send, settings)

    grow(zmq.DEALER, control, settings, measure)


def growing_router(control: Control, settings: Settings) -> None:
    grow(zmq.ROUTER, control, settings, lambda sock, more: echo(sock, settings))


def grow(kind: int, control: Control, settings: Settings, measure: Callable[[Socket, int], Throughput]) -> None:
    need_descriptors(max(settings.active))
    sock = bound(kind, control, settings)
    costs = []
    before = 0
    for peers in settings.active:
        ask_for_peers(control, peers - before, with_traffic=True)
        costs.append(measure(sock, peers - before).cost)
        before = peers
    control.tell_result(**growth_metrics(costs))


def echo(sock: zmq.Socket[Any], settings: Settings) -> Throughput:
    return echo_until_enough(sock.recv_multipart, sock.send_multipart, settings)


def busy_router(control: Control, settings: Settings) -> None:
    need_descriptors(sum(settings.active) + settings.connections)
    sock = bound(zmq.ROUTER, control, settings)
    ask_for_peers(control, sum(settings.active), with_traffic=True)
    alone = echo(sock, settings).rate
    ask_for_peers(control, settings.connections, with_traffic=False)
    control.tell_result(**busy_metrics(alone, echo(sock, settings).rate))


def heartbeat_router(control: Control, settings: Settings) -> None:
    need_descriptors(settings.connections)
    sock = bound(zmq.ROUTER, control, settings)
    ask_for_peers(control, settings.connections, with_traffic=True)
    processor = ProcessorTime(settings)
    time.sleep(settings.heartbeat * processor.INTERVALS)
    control.tell_result(**processor.metrics)
    sock.close()
