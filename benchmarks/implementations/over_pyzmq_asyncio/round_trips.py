"""There and back, one at a time."""

from __future__ import annotations

import asyncio

import zmq

from ...control import Control
from ...model import Settings
from ..loops import aecho_for_ever, arequest_until_enough
from .opening import bound, connected


def rep(control: Control, settings: Settings) -> None:
    async def main() -> None:
        sock = bound(zmq.REP, control, settings)
        await aecho_for_ever(sock.recv, sock.send)

    asyncio.run(main())


def req(control: Control, settings: Settings) -> None:
    endpoint = control.wait_endpoint()

    async def main() -> None:
        sock = connected(zmq.REQ, endpoint, settings)
        control.tell_result(**(await arequest_until_enough(sock.send, sock.recv, settings)).percentiles)

    asyncio.run(main())
