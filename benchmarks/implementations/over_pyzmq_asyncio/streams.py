"""One way, as fast as it goes."""

from __future__ import annotations

import asyncio

import zmq

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import areceive_until_enough, asend_for_ever, payload
from .opening import bound, connected


def pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        throughput = Throughput(settings)
        await areceive_until_enough(bound(zmq.PULL, control, settings).recv, settings, throughput)
        control.tell_result(rate=throughput.rate)

    asyncio.run(main())


def push(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        await asend_for_ever(connected(zmq.PUSH, endpoint, settings).send, payload(settings))

    asyncio.run(main())


def router(control: Control, settings: Settings) -> None:
    async def main() -> None:
        throughput = Throughput(settings)
        await areceive_until_enough(bound(zmq.ROUTER, control, settings).recv_multipart, settings, throughput)
        control.tell_result(rate=throughput.rate)

    asyncio.run(main())


def dealer(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        frames = [payload(settings)] * settings.frames
        await asend_for_ever(connected(zmq.DEALER, endpoint, settings).send_multipart, frames)

    asyncio.run(main())
