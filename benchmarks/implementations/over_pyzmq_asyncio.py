"""pyzmq.asyncio: what async programs use today."""

from __future__ import annotations

import asyncio
from time import perf_counter

import zmq
import zmq.asyncio

from ..measuring import Control, RoundTrips, Throughput, measure_import
from ..scenarios import Settings

Socket = zmq.asyncio.Socket


def bound(context: zmq.asyncio.Context, kind: int, control: Control, settings: Settings) -> Socket:
    sock = context.socket(kind)
    sock.bind("ipc://*" if settings.transport == "ipc" else "tcp://127.0.0.1:*")
    control.tell_endpoint(sock.getsockopt_string(zmq.LAST_ENDPOINT))
    return sock


async def receive_until_enough(sock: Socket, settings: Settings, throughput: Throughput) -> None:
    while True:
        for _ in range(settings.block):
            await sock.recv()
        if throughput.count(settings.block):
            return


async def send_for_ever(sock: Socket, settings: Settings) -> None:
    payload = b"x" * settings.size
    while True:
        await sock.send(payload)


async def request_until_enough(sock: Socket, settings: Settings) -> RoundTrips:
    payload = b"x" * settings.size
    trips = RoundTrips(settings)
    while True:
        start = perf_counter()
        await sock.send(payload)
        await sock.recv()
        if trips.add(start, perf_counter()):
            return trips


async def reply_for_ever(sock: Socket) -> None:
    while True:
        await sock.send(await sock.recv())


def pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        throughput = Throughput(settings)
        sock = bound(zmq.asyncio.Context(), zmq.PULL, control, settings)
        await receive_until_enough(sock, settings, throughput)
        control.tell_result(rate=throughput.rate)

    asyncio.run(main())


def push(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        sock = zmq.asyncio.Context().socket(zmq.PUSH)
        sock.connect(endpoint)
        await send_for_ever(sock, settings)

    asyncio.run(main())


def rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        await reply_for_ever(bound(zmq.asyncio.Context(), zmq.REP, control, settings))

    asyncio.run(main())


def req(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        sock = zmq.asyncio.Context().socket(zmq.REQ)
        sock.connect(endpoint)
        control.tell_result(**(await request_until_enough(sock, settings)).percentiles)

    asyncio.run(main())


def pub(control: Control, settings: Settings) -> None:
    async def main() -> None:
        context = zmq.asyncio.Context()
        sock = context.socket(zmq.XPUB)
        sock.set(zmq.XPUB_NODROP, 1)
        sock.set(zmq.XPUB_VERBOSE, 1)
        sock.bind("tcp://127.0.0.1:*")
        control.tell_endpoint(sock.getsockopt_string(zmq.LAST_ENDPOINT))
        for _ in range(settings.subscribers):
            await sock.recv()
        payload = b"x" * settings.size
        while True:
            try:
                await sock.send(payload)
            except zmq.Again:  # libzmq calls a full XPUB with NODROP writable, so pyzmq tries again and raises
                await asyncio.sleep(0)

    asyncio.run(main())


def sub(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        context = zmq.asyncio.Context()
        throughput = Throughput(settings)
        tasks = []
        for _ in range(settings.subscribers):
            sock = context.socket(zmq.SUB)
            sock.subscribe(b"")
            sock.connect(endpoint)
            tasks.append(asyncio.create_task(receive_until_enough(sock, settings, throughput)))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        control.tell_result(rate=throughput.rate)

    asyncio.run(main())


def inproc_push_pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        context = zmq.asyncio.Context()
        throughput = Throughput(settings)
        receiver = context.socket(zmq.PULL)
        receiver.bind("inproc://here")
        sender = context.socket(zmq.PUSH)
        sender.connect("inproc://here")
        sending = asyncio.create_task(send_for_ever(sender, settings))
        await receive_until_enough(receiver, settings, throughput)
        control.tell_result(rate=throughput.rate)
        sending.cancel()

    asyncio.run(main())


def inproc_req_rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        context = zmq.asyncio.Context()
        server = context.socket(zmq.REP)
        server.bind("inproc://here")
        client = context.socket(zmq.REQ)
        client.connect("inproc://here")
        serving = asyncio.create_task(reply_for_ever(server))
        control.tell_result(**(await request_until_enough(client, settings)).percentiles)
        serving.cancel()

    asyncio.run(main())


def import_time(control: Control, settings: Settings) -> None:
    measure_import(control, settings, "zmq.asyncio")
