"""trizmq, with one await per message, or whole batches where the settings say so."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import trio

import trizmq

from ..measuring import Control, IdleMemory, RoundTrips, Throughput, measure_import
from ..scenarios import Settings
from .silent_peers import idle_zmtp_peers as idle_peers

__all__ = ["idle_peers"]


def address(settings: Settings) -> str:
    return "ipc://*" if settings.transport == "ipc" else "tcp://127.0.0.1:*"


async def receive_until_enough(sock: trizmq.Pull | trizmq.Sub, settings: Settings, throughput: Throughput) -> None:
    if settings.batched:
        most = settings.batch * 10
        while True:
            if throughput.count(len(await sock.receive_many(most))):
                return
    while True:
        for _ in range(settings.block):
            await sock.receive()
        if throughput.count(settings.block):
            return


async def send_for_ever(sock: trizmq.Push | trizmq.Pub, settings: Settings) -> None:
    payload = b"x" * settings.size
    if settings.batched:
        messages = [payload] * settings.batch
        while True:
            await sock.send_many(messages)
    while True:
        await sock.send(payload)


async def request_until_enough(sock: trizmq.Req, settings: Settings) -> RoundTrips:
    payload = b"x" * settings.size
    trips = RoundTrips(settings)
    while True:
        start = perf_counter()
        await sock.request(payload)
        if trips.add(start, perf_counter()):
            return trips


async def reply_for_ever(sock: trizmq.Rep) -> None:
    while True:
        await sock.send(await sock.receive())


def pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        throughput = Throughput(settings)
        async with trizmq.Pull() as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await receive_until_enough(sock, settings, throughput)
            control.tell_result(rate=throughput.rate)

    trio.run(main)


def push(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        async with trizmq.Push() as sock:
            sock.connect(endpoint)
            await send_for_ever(sock, settings)

    trio.run(main)


def rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        async with trizmq.Rep() as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await reply_for_ever(sock)

    trio.run(main)


def req(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        async with trizmq.Req() as sock:
            sock.connect(endpoint)
            control.tell_result(**(await request_until_enough(sock, settings)).percentiles)

    trio.run(main)


def pub(control: Control, settings: Settings) -> None:
    async def main() -> None:
        async with trizmq.Pub(xpub_nodrop=True) as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await sock.wait_subscribed(b"", settings.subscribers)
            await send_for_ever(sock, replace(settings, batched=False))  # only the receiving differs

    trio.run(main)


def sub(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        throughput = Throughput(settings)

        async def subscriber() -> None:
            async with trizmq.Sub() as sock:
                sock.subscribe(b"")
                sock.connect(endpoint)
                await receive_until_enough(sock, settings, throughput)
                control.tell_result(rate=throughput.rate)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for _ in range(settings.subscribers):
                nursery.start_soon(subscriber)

    trio.run(main)


def inproc_push_pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        throughput = Throughput(settings)
        async with trizmq.Pull() as receiver, trizmq.Push() as sender:
            await receiver.bind("inproc://here")
            sender.connect("inproc://here")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_for_ever, sender, settings)
                await receive_until_enough(receiver, settings, throughput)
                control.tell_result(rate=throughput.rate)
                nursery.cancel_scope.cancel()

    trio.run(main)


def inproc_req_rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        async with trizmq.Rep() as server, trizmq.Req() as client:
            await server.bind("inproc://here")
            client.connect("inproc://here")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reply_for_ever, server)
                control.tell_result(**(await request_until_enough(client, settings)).percentiles)
                nursery.cancel_scope.cancel()

    trio.run(main)


def idle_server(control: Control, settings: Settings) -> None:
    async def main() -> None:
        memory = IdleMemory(settings)
        async with trizmq.Router() as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            while True:
                await sock.receive()
                if memory.hello():
                    break
            control.tell_result(**memory.metrics)

    trio.run(main)


def import_time(control: Control, settings: Settings) -> None:
    measure_import(control, settings, "trizmq")
