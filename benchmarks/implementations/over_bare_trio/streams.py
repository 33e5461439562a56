"""One way, as fast as it goes."""

from __future__ import annotations

import trio

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import asend_for_ever, payload
from .connecting import dial, listen


def pull(control: Control, settings: Settings) -> None:
    async def main() -> None:
        stream = await (await listen(control, settings)).accept()
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
        await asend_for_ever(stream.send_all, payload(settings))

    trio.run(main)
