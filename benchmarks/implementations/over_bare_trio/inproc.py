"""Memory channels between two tasks."""

from __future__ import annotations

import trio

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import aecho_for_ever, areceive_until_enough, arequest_until_enough, asend_for_ever, payload


def push_pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        sender, receiver = trio.open_memory_channel[bytes](1000)  # as libzmq's default high-water mark
        throughput = Throughput(settings)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asend_for_ever, sender.send, payload(settings))
            await areceive_until_enough(receiver.receive, settings, throughput)
            control.tell_result(rate=throughput.rate)
            nursery.cancel_scope.cancel()

    trio.run(main)


def req_rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        send_request, receive_request = trio.open_memory_channel[bytes](1)
        send_reply, receive_reply = trio.open_memory_channel[bytes](1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(aecho_for_ever, receive_request.receive, send_reply.send)
            trips = await arequest_until_enough(send_request.send, receive_reply.receive, settings)
            control.tell_result(**trips.percentiles)
            nursery.cancel_scope.cancel()

    trio.run(main)
