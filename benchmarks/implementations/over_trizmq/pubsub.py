"""One publisher, many subscribers."""

from __future__ import annotations

import trio

import trizmq

from ...control import Control
from ...measuring import Throughput
from ...model import Settings
from ..loops import asend_for_ever, publication, topics
from .opening import address
from .streams import receive_until_enough


def pub(control: Control, settings: Settings) -> None:
    """Sends one by one in any case: only the receiving differs."""

    async def main() -> None:
        async with trizmq.Pub(xpub_nodrop=True) as sock:
            control.tell_endpoint(await sock.bind(address(settings)))
            await sock.wait_subscribed(topics(settings)[-1], settings.subscribers)
            await asend_for_ever(sock.send, publication(settings))

    trio.run(main)


def sub(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        throughput = Throughput(settings)

        async def subscriber() -> None:
            async with trizmq.Sub() as sock:
                for topic in topics(settings):
                    sock.subscribe(topic)
                sock.connect(endpoint)
                await receive_until_enough(sock, settings, throughput)
                control.tell_result(rate=throughput.rate)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for _ in range(settings.subscribers):
                nursery.start_soon(subscriber)

    trio.run(main)
