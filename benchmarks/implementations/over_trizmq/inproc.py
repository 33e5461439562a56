"""Two tasks of one Trio run."""

from __future__ import annotations

import trio

import trizmq

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import aecho_for_ever
from .round_trips import request_until_enough
from .streams import receive_until_enough, send_for_ever


def push_pull(control: Control, settings: Settings) -> None:
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


def req_rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        async with trizmq.Rep() as server, trizmq.Req() as client:
            await server.bind("inproc://here")
            client.connect("inproc://here")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(aecho_for_ever, server.receive, server.send)
                control.tell_result(**(await request_until_enough(client, settings)).percentiles)
                nursery.cancel_scope.cancel()

    trio.run(main)
