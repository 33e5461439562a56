"""Trio without ZeroMQ: one ``send_all`` per message over TCP, and memory channels in the place of inproc.

No frames, no routing, no queue: the sizes are known, so counting the bytes counts the messages.
"""

from __future__ import annotations

from time import perf_counter

import trio

from ..measuring import Control, IdleMemory, RoundTrips, Throughput
from ..scenarios import Settings
from .silent_peers import idle_bare_peers as idle_peers

__all__ = ["idle_peers"]


async def listen(control: Control) -> trio.SocketListener:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1000)
    host, port = listener.socket.getsockname()
    control.tell_endpoint(f"tcp://{host}:{port}")
    return listener


async def dial(endpoint: str) -> trio.SocketStream:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


def pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        stream = await (await listen(control)).accept()
        throughput = Throughput(settings)
        size = settings.size
        received = messages = 0
        while True:
            received += len(await stream.receive_some())
            if received // size - messages >= settings.block:
                if throughput.count(received // size - messages):
                    break
                messages = received // size
        control.tell_result(rate=throughput.rate)

    trio.run(main)


def push(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        stream = await dial(endpoint)
        payload = b"x" * settings.size
        while True:
            await stream.send_all(payload)

    trio.run(main)


def rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        stream = await (await listen(control)).accept()
        while True:
            await stream.send_all(await stream.receive_some())

    trio.run(main)


def req(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        stream = await dial(endpoint)
        payload = b"x" * settings.size
        trips = RoundTrips(settings)
        while True:
            start = perf_counter()
            await stream.send_all(payload)
            await stream.receive_some()
            if trips.add(start, perf_counter()):
                break
        control.tell_result(**trips.percentiles)

    trio.run(main)


def inproc_push_pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        sender, receiver = trio.open_memory_channel[bytes](1000)  # as libzmq's default high-water mark
        throughput = Throughput(settings)

        async def send_for_ever() -> None:
            payload = b"x" * settings.size
            while True:
                await sender.send(payload)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_for_ever)
            while True:
                for _ in range(settings.block):
                    await receiver.receive()
                if throughput.count(settings.block):
                    break
            control.tell_result(rate=throughput.rate)
            nursery.cancel_scope.cancel()

    trio.run(main)


def inproc_req_rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        send_request, receive_request = trio.open_memory_channel[bytes](1)
        send_reply, receive_reply = trio.open_memory_channel[bytes](1)
        payload = b"x" * settings.size

        async def reply_for_ever() -> None:
            while True:
                await send_reply.send(await receive_request.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reply_for_ever)
            trips = RoundTrips(settings)
            while True:
                start = perf_counter()
                await send_request.send(payload)
                await receive_reply.receive()
                if trips.add(start, perf_counter()):
                    break
            control.tell_result(**trips.percentiles)
            nursery.cancel_scope.cancel()

    trio.run(main)


def idle_server(control: Control, settings: Settings) -> None:
    """One task waiting for bytes per connection, and nothing else."""

    async def main() -> None:
        memory = IdleMemory(settings)
        all_there = trio.Event()

        async def serve(stream: trio.SocketStream) -> None:
            while hello := await stream.receive_some():
                await stream.send_all(hello)
                if memory.hello():
                    all_there.set()

        listener = await listen(control)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            await all_there.wait()
            control.tell_result(**memory.metrics)
            nursery.cancel_scope.cancel()

    trio.run(main)
