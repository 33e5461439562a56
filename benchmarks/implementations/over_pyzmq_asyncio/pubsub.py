"""One publisher, many subscribers."""

from __future__ import annotations

import asyncio

import zmq
import zmq.asyncio

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import areceive_until_enough, publication, topics
from ..over_pyzmq.opening import bind, connect, set_publisher, set_subscriber


def pub(control: Control, settings: Settings) -> None:
    async def main() -> None:
        sock = zmq.asyncio.Context().socket(zmq.XPUB)
        set_publisher(sock)
        control.tell_endpoint(bind(sock, settings))
        for _ in range(settings.subscribers * len(topics(settings))):
            await sock.recv()
        message = publication(settings)
        while True:
            try:
                await sock.send(message)
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
            set_subscriber(sock, topics(settings))
            connect(sock, endpoint, settings)
            tasks.append(asyncio.create_task(areceive_until_enough(sock.recv, settings, throughput)))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        control.tell_result(rate=throughput.rate)

    asyncio.run(main())
