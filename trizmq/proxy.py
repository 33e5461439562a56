"""The proxy: passes messages between two sockets, both ways."""

from __future__ import annotations

from .errors import UsageError
from .runtime.forward import forward
from .runtime.verbs import ReceiveVerbs, SendVerbs
from .sockets import Socket


async def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> None:
    """Pass whole messages from each socket to the other until cancelled, or until a socket is closed.

    ROUTER and DEALER make a queue of requests, XSUB and XPUB a forwarder of publications, PULL and PUSH a streamer of
    tasks. Messages are moved in batches, and no more are taken than the other side has room for: a slow receiver slows the
    senders down. Cancelled: no message is taken without being passed on. One socket may be both ends: it echoes.

    Args:
        frontend: one end; where it cannot receive or not send, only the other direction runs.
        backend: the other end.
        capture: is sent a copy of every message that is passed on: a PUB, PUSH, PAIR or DEALER. One that waits holds the
            proxy up.

    Raises:
        trio.ClosedResourceError: one of the sockets is closed.
        UsageError: no message could ever pass between these types.
    """
    ends = [(frontend, backend)] if frontend is backend else [(frontend, backend), (backend, frontend)]
    directions = [
        (source._core, target._core)
        for source, target in ends
        if isinstance(source, ReceiveVerbs) and isinstance(target, SendVerbs)
    ]
    if not directions:
        raise UsageError(f"nothing can pass between a {type(frontend).__name__} and a {type(backend).__name__}")
    if capture is not None and not isinstance(capture, SendVerbs):
        raise UsageError(f"a {type(capture).__name__} cannot capture: it does not send; use a PUB or a PUSH")
    await forward(directions, capture._core if capture is not None else None)
