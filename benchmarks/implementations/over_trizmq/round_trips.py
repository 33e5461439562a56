"""There and back, one at a time; and one way beside a stream."""

from __future__ import annotations

import struct
from time import perf_counter

import trio

import trizmq

from ...control import Control
from ...measuring import RoundTrips
from ...model import Settings
from ..loops import aecho_for_ever, asend_for_ever, payload
from ..pacing import STAMP, ticks
from .opening import address


async def request_until_enough(sock: trizmq.Req, settings: Settings) -> RoundTrips:
    """With the verb that is both in one."""
    request = payload(settings)
    trips = RoundTrips(settings)
    while True:
        start = perf_counter()
        await sock.request(request)
        if trips.add(start, perf_counter()):
            return trips


def rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        async with trizmq.Rep() as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await aecho_for_ever(sock.receive, sock.send)

    trio.run(main)


def req(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        async with trizmq.Req() as sock:
            sock.connect(endpoint)
            control.tell_result(**(await request_until_enough(sock, settings)).percentiles)

    trio.run(main)


def beside_pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        async with trizmq.Pull() as stream, trizmq.Pull() as pings, trio.open_nursery() as nursery:
            control.tell_endpoint(await stream.bind(address(settings)), await pings.bind(address(settings)))
            nursery.start_soon(receive_for_ever, stream)
            trips = RoundTrips(settings)
            while True:
                (start,) = struct.unpack(STAMP, await pings.recv())
                if trips.add(start, perf_counter()):
                    break
            control.tell_result(**trips.percentiles)
            nursery.cancel_scope.cancel()

    trio.run(main)


async def receive_for_ever(sock: trizmq.Pull) -> None:
    while True:
        await sock.receive()


def beside_push(control: Control, settings: Settings) -> None:
    endpoints = control.wait_endpoints()

    async def main() -> None:
        async with trizmq.Push() as stream, trizmq.Push() as pings, trio.open_nursery() as nursery:
            for sock, endpoint in zip((stream, pings), endpoints, strict=True):
                sock.connect(endpoint)
            nursery.start_soon(asend_for_ever, stream.send, payload(settings))
            for due in ticks():
                await trio.sleep(max(0.0, due - perf_counter()))
                await pings.send(struct.pack(STAMP, perf_counter()))

    trio.run(main)
