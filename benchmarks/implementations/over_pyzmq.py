"""pyzmq, blocking: libzmq with its I/O thread, and one call per message."""

from __future__ import annotations

import threading
from time import perf_counter

import zmq

from ..measuring import Control, IdleMemory, RoundTrips, Throughput, measure_import
from ..scenarios import Settings
from .silent_peers import idle_zmtp_peers as idle_peers

__all__ = ["idle_peers"]


def bound(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, control: Control, settings: Settings
) -> zmq.Socket[bytes]:
    sock = context.socket(kind)
    sock.bind("ipc://*" if settings.transport == "ipc" else "tcp://127.0.0.1:*")
    control.tell_endpoint(sock.getsockopt_string(zmq.LAST_ENDPOINT))
    return sock


def receive_until_enough(sock: zmq.Socket[bytes], settings: Settings) -> Throughput:
    throughput = Throughput(settings)
    receive = sock.recv
    while True:
        for _ in range(settings.block):
            receive()
        if throughput.count(settings.block):
            return throughput


def send_for_ever(sock: zmq.Socket[bytes], settings: Settings) -> None:
    payload = b"x" * settings.size
    send = sock.send
    while True:
        send(payload)


def request_until_enough(sock: zmq.Socket[bytes], settings: Settings) -> RoundTrips:
    payload = b"x" * settings.size
    trips = RoundTrips(settings)
    while True:
        start = perf_counter()
        sock.send(payload)
        sock.recv()
        if trips.add(start, perf_counter()):
            return trips


def reply_for_ever(sock: zmq.Socket[bytes]) -> None:
    while True:
        sock.send(sock.recv())


def pull(control: Control, settings: Settings) -> None:
    sock = bound(zmq.Context(), zmq.PULL, control, settings)
    control.tell_result(rate=receive_until_enough(sock, settings).rate)


def push(control: Control, settings: Settings) -> None:
    sock = zmq.Context().socket(zmq.PUSH)
    sock.connect(control.wait_endpoint())
    send_for_ever(sock, settings)


def rep(control: Control, settings: Settings) -> None:
    reply_for_ever(bound(zmq.Context(), zmq.REP, control, settings))


def req(control: Control, settings: Settings) -> None:
    sock = zmq.Context().socket(zmq.REQ)
    sock.connect(control.wait_endpoint())
    control.tell_result(**request_until_enough(sock, settings).percentiles)


def pub(control: Control, settings: Settings) -> None:
    # XPUB instead of PUB only to hear who has subscribed; sending is the same.
    context = zmq.Context()
    sock = context.socket(zmq.XPUB)
    sock.set(zmq.XPUB_NODROP, 1)
    sock.set(zmq.XPUB_VERBOSE, 1)
    sock.bind("tcp://127.0.0.1:*")
    control.tell_endpoint(sock.getsockopt_string(zmq.LAST_ENDPOINT))
    for _ in range(settings.subscribers):
        sock.recv()
    send_for_ever(sock, settings)


def sub(control: Control, settings: Settings) -> None:
    context = zmq.Context()
    endpoint = control.wait_endpoint()
    socks = []
    for _ in range(settings.subscribers):
        sock = context.socket(zmq.SUB)
        sock.subscribe(b"")
        sock.connect(endpoint)
        socks.append(sock)
    if len(socks) == 1:  # noqa: SIM108
        throughput = receive_until_enough(socks[0], settings)
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


def inproc_push_pull(control: Control, settings: Settings) -> None:
    context = zmq.Context()
    receiver = context.socket(zmq.PULL)
    receiver.bind("inproc://here")

    def sender() -> None:
        sock = context.socket(zmq.PUSH)
        sock.connect("inproc://here")
        send_for_ever(sock, settings)

    threading.Thread(target=sender, daemon=True).start()
    control.tell_result(rate=receive_until_enough(receiver, settings).rate)
    control.wait_end()


def inproc_req_rep(control: Control, settings: Settings) -> None:
    context = zmq.Context()
    server = context.socket(zmq.REP)
    server.bind("inproc://here")
    threading.Thread(target=reply_for_ever, args=(server,), daemon=True).start()
    client = context.socket(zmq.REQ)
    client.connect("inproc://here")
    control.tell_result(**request_until_enough(client, settings).percentiles)
    control.wait_end()


def idle_server(control: Control, settings: Settings) -> None:
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 20_000)
    memory = IdleMemory(settings)
    sock = bound(context, zmq.ROUTER, control, settings)
    while True:
        sock.recv_multipart()
        if memory.hello():
            break
    control.tell_result(**memory.metrics)


def import_time(control: Control, settings: Settings) -> None:
    measure_import(control, settings, "zmq")
