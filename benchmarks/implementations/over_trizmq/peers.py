"""A server with many peers, which are raw sockets in another process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

import trizmq

from ...control import Control, need_descriptors
from ...measuring import IdleMemory, ProcessorTime, Throughput, busy_metrics, growth_metrics
from ...model import Settings
from ..loops import aecho_until_enough, asend_until_enough, payload
from ..raw_peers import WINDOW, ask_for_peers
from ..raw_peers import idle_zmtp_peers as idle_peers
from .opening import address, server_options

__all__ = ["idle_peers"]

Server = TypeVar("Server", trizmq.Push, trizmq.Dealer, trizmq.Router)


def idle_server(control: Control, settings: Settings) -> None:
    need_descriptors(settings.connections)

    async def main() -> None:
        memory = IdleMemory(settings)
        async with trizmq.Router(**server_options(settings)) as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            while True:
                await sock.receive()
                if memory.hello():
                    break
            control.tell_result(**memory.metrics)

    trio.run(main)


async def more_peers(control: Control, count: int, *, with_traffic: bool) -> None:
    """In a thread, since it blocks and the peers have to be welcomed meanwhile."""
    await trio.to_thread.run_sync(partial(ask_for_peers, control, count, with_traffic=with_traffic))


def growing_push(control: Control, settings: Settings) -> None:
    async def measure(sock: trizmq.Push, more: int) -> Throughput:
        return await asend_until_enough(sock.send, payload(settings), settings)

    trio.run(grow, trizmq.Push(**server_options(settings)), control, settings, measure)


def growing_dealer(control: Control, settings: Settings) -> None:
    async def measure(sock: trizmq.Dealer, more: int) -> Throughput:
        for _ in range(more * WINDOW):
            await sock.send(payload(settings))
        return await aecho_until_enough(sock.receive, sock.send, settings)

    trio.run(grow, trizmq.Dealer(**server_options(settings)), control, settings, measure)


def growing_router(control: Control, settings: Settings) -> None:
    async def measure(sock: trizmq.Router, more: int) -> Throughput:
        return await aecho_until_enough(sock.receive, sock.send, settings)

    trio.run(grow, trizmq.Router(**server_options(settings)), control, settings, measure)


async def grow(
    server: Server, control: Control, settings: Settings, measure: Callable[[Server, int], Awaitable[Throughput]]
) -> None:
    need_descriptors(max(settings.active))
    costs = []
    before = 0
    async with server as sock:
        control.tell_endpoint(await sock.bind(address(settings)))
        for peers in settings.active:
            await more_peers(control, peers - before, with_traffic=True)
            costs.append((await measure(sock, peers - before)).cost)
            before = peers
        control.tell_result(**growth_metrics(costs))


def busy_router(control: Control, settings: Settings) -> None:
    need_descriptors(sum(settings.active) + settings.connections)

    async def main() -> None:
        async with trizmq.Router(**server_options(settings)) as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await more_peers(control, sum(settings.active), with_traffic=True)
            alone = (await aecho_until_enough(sock.receive, sock.send, settings)).rate
            await more_peers(control, settings.connections, with_traffic=False)
            among = (await aecho_until_enough(sock.receive, sock.send, settings)).rate
            control.tell_result(**busy_metrics(alone, among))

    trio.run(main)


def heartbeat_router(control: Control, settings: Settings) -> None:
    need_descriptors(settings.connections)

    async def main() -> None:
        async with trizmq.Router(**server_options(settings)) as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await more_peers(control, settings.connections, with_traffic=True)
            processor = ProcessorTime(settings)
            await trio.sleep(settings.heartbeat * processor.INTERVALS)
            control.tell_result(**processor.metrics)

    trio.run(main)
