"""One task waiting for bytes per connection, and nothing else."""

from __future__ import annotations

import trio

from ...control import Control, need_descriptors
from ...measuring import IdleMemory
from ...model import Settings
from ..raw_peers import idle_bare_peers as idle_peers
from .connecting import listen

__all__ = ["idle_peers"]


def idle_server(control: Control, settings: Settings) -> None:
    need_descriptors(settings.connections)

    async def main() -> None:
        memory = IdleMemory(settings)
        all_there = trio.Event()

        async def serve(stream: trio.SocketStream) -> None:
            while hello := await stream.receive_some():
                await stream.send_all(hello)
                if memory.hello():
                    all_there.set()

        listener = await listen(control, settings)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            await all_there.wait()
            control.tell_result(**memory.metrics)
            nursery.cancel_scope.cancel()

    trio.run(main)
