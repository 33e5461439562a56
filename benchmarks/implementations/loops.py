"""The loops that are the same whatever the library, in both colours; what differs is the verb that is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

from ..measuring import RoundTrips, Throughput
from ..model import Settings

Message = TypeVar("Message")


def payload(settings: Settings) -> bytes:
    return b"x" * settings.size


def message(settings: Settings) -> bytes | list[bytes]:
    """As trizmq takes it: bytes where it is of one frame."""
    return payload(settings) if settings.frames == 1 else [payload(settings)] * settings.frames


def topics(settings: Settings) -> list[bytes]:
    """What a subscriber subscribes to; what is published begins with the last one."""
    return [b"%08d" % number for number in range(settings.topics)] or [b""]


def publication(settings: Settings) -> bytes:
    return topics(settings)[-1].ljust(settings.size, b"x")


def receive_until_enough(receive: Callable[[], object], settings: Settings) -> Throughput:
    throughput = Throughput(settings)
    while True:
        for _ in range(settings.block):
            receive()
        if throughput.count(settings.block):
            return throughput


def send_for_ever(send: Callable[[Message], object], message: Message) -> None:
    while True:
        send(message)


def send_until_enough(send: Callable[[Message], object], message: Message, settings: Settings) -> Throughput:
    throughput = Throughput(settings)
    while True:
        for _ in range(settings.block):
            send(message)
        if throughput.count(settings.block):
            return throughput


def echo_until_enough(
    receive: Callable[[], Message], send: Callable[[Message], object], settings: Settings
) -> Throughput:
    throughput = Throughput(settings)
    while True:
        for _ in range(settings.block):
            send(receive())
        if throughput.count(settings.block):
            return throughput


def echo_for_ever(receive: Callable[[], Message], send: Callable[[Message], object]) -> None:
    while True:
        send(receive())


def request_until_enough(
    send: Callable[[bytes], object], receive: Callable[[], object], settings: Settings
) -> RoundTrips:
    request = payload(settings)
    trips = RoundTrips(settings)
    while True:
        start = perf_counter()
        send(request)
        receive()
        if trips.add(start, perf_counter()):
            return trips


async def areceive_until_enough(
    receive: Callable[[], Awaitable[object]], settings: Settings, throughput: Throughput
) -> None:
    while True:
        for _ in range(settings.block):
            await receive()
        if throughput.count(settings.block):
            return


async def asend_for_ever(send: Callable[[Message], Awaitable[object]], message: Message) -> None:
    while True:
        await send(message)


async def asend_until_enough(
    send: Callable[[Message], Awaitable[object]], message: Message, settings: Settings
) -> Throughput:
    throughput = Throughput(settings)
    while True:
        for _ in range(settings.block):
            await send(message)
        if throughput.count(settings.block):
            return throughput


async def aecho_until_enough(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[object]], settings: Settings
) -> Throughput:
    throughput = Throughput(settings)
    while True:
        for _ in range(settings.block):
            await send(await receive())
        if throughput.count(settings.block):
            return throughput


async def aecho_for_ever(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[object]]
) -> None:
    while True:
        await send(await receive())


async def arequest_until_enough(
    send: Callable[[bytes], Awaitable[object]], receive: Callable[[], Awaitable[object]], settings: Settings
) -> RoundTrips:
    request = payload(settings)
    trips = RoundTrips(settings)
    while True:
        start = perf_counter()
        await send(request)
        await receive()
        if trips.add(start, perf_counter()):
            return trips
