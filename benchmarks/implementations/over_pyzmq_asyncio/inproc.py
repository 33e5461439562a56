"""Two tasks of one event loop."""

from __future__ import annotations

import asyncio

import zmq
import zmq.asyncio

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import aecho_for_ever, areceive_until_enough, arequest_until_enough, asend_for_ever, payload


def push_pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        context = zmq.asyncio.Context()
        throughput = Throughput(settings)
        receiver = context.socket(zmq.PULL)
        receiver.bind("inproc://here")
        sender = context.socket(zmq.PUSH)
        sender.connect("inproc://here")
        sending = asyncio.create_task(asend_for_ever(sender.send, payload(settings)))
        await areceive_until_enough(receiver.recv, settings, throughput)
        control.tell_result(rate=throughput.rate)
        sending.cancel()

    asyncio.run(main())


def req_rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        context = zmq.asyncio.Context()
        server = context.socket(zmq.REP)
        server.bind("inproc://here")
        client = context.socket(zmq.REQ)
        client.connect("inproc://here")
        serving = asyncio.create_task(aecho_for_ever(server.recv, server.send))
        control.tell_result(**(await arequest_until_enough(client.send, client.recv, settings)).percentiles)
        serving.cancel()

    asyncio.run(main())
