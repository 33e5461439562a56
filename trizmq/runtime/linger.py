"""Lingering: waiting until what is queued is with the peers' systems, so that closing can lose none of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .session import Session
    from .socket import SocketCore

_log = logging.getLogger("trizmq")

# A closing socket says in the log what it waits for, once this much time has passed.
_SILENT_WAIT = 1.0
_FIRST_PAUSE = 0.005


async def linger(core: SocketCore) -> None:
    """Drain all sessions of a closing socket; say what is waited for when it takes long."""
    sessions = list(core.sessions)
    with trio.move_on_after(_SILENT_WAIT) as silent:
        await drain(core, sessions)
    if silent.cancelled_caught:
        waiting = [session for session in sessions if not session.drained]
        queues = ", ".join(f"{session.outbound.queued} messages to {session.endpoint}" for session in waiting)
        what = f"waiting to write {queues}" if queues else "waiting until what was written is delivered"
        _log.warning("%s: closing, %s; linger is %g s", core.name, what, core.options.linger)
        await drain(core, sessions)


async def drain(core: SocketCore, sessions: Sequence[Session]) -> None:
    """Wait until what these sessions have queued is written, and cannot be lost by closing their connections."""
    await core.settle(lambda: all(session.drained for session in sessions))
    engines = [session.engine for session in sessions if session.engine is not None]
    for engine in engines:
        await engine.finish(receives=core.pattern.receives, discard=core.closed)
    # no event tells that the peer's system has acknowledged everything, so we ask, less and less often
    pause = _FIRST_PAUSE
    while True:
        for engine in engines:
            engine.cut_if_delivered()
        with trio.move_on_after(pause):
            await core.settle(lambda: not any(session.engine in engines for session in sessions))
            return
        pause = min(pause * 2, _SILENT_WAIT)
