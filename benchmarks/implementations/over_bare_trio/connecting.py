"""The two ends of a TCP connection."""

from __future__ import annotations

from urllib.parse import urlsplit

import trio

from ...control import Control
from ...model import Settings


async def listen(control: Control, settings: Settings) -> trio.SocketListener:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=settings.backlog)
    host, port = listener.socket.getsockname()
    control.tell_endpoint(f"tcp://{host}:{port}")
    return listener


async def dial(endpoint: str) -> trio.SocketStream:
    where = urlsplit(endpoint)
    assert where.hostname is not None
    assert where.port is not None
    return await trio.open_tcp_stream(where.hostname, where.port)
