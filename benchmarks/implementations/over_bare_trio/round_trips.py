"""There and back, one at a time."""

from __future__ import annotations

import trio

from ...control import Control
from ...model import Settings
from ..loops import aecho_for_ever, arequest_until_enough
from .connecting import dial, listen


def rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        stream = await (await listen(control, settings)).accept()
        await aecho_for_ever(stream.receive_some, stream.send_all)

    trio.run(main)


def req(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        stream = await dial(endpoint)
        trips = await arequest_until_enough(stream.send_all, stream.receive_some, settings)
        control.tell_result(**trips.percentiles)

    trio.run(main)
