"""Lingering: waiting until what is queued is with the peers' systems, so that closing can lose none of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import trio

from ..events import DropReason, LingerReport, Unsent

if TYPE_CHECKING:
    from .session import Session
    from .socket import SocketCore

_log = logging.getLogger("trizmq")

# A closing socket says in the log what it waits for, once this much time has passed.
_SILENT_WAIT = 1.0
_FIRST_PAUSE = 0.005


class Closing:
    """The account of a close: who is waited for, and what becomes of that."""

    def __init__(self, core: SocketCore, forcefully: bool) -> None:
        self._name = core.name
        self._drops = core.drops.drops
        self._forcefully = forcefully
        #: Nothing has cut it short: what is queued for names that nobody has bound may be left there.
        self.orderly = False
        self._limit = 0.0 if forcefully else core.options.linger
        self._began = trio.current_time()
        self._discarded = _lost(self._drops)
        # what is queued over inproc is the other side's, or is left for it if it can be
        sessions = sorted((one for one in core.sessions if not one.drained or one.pair is None), key=lambda one: one.id)
        waiting = [(one, one.snapshot()) for one in sessions]
        self._waiting = [(one, info, _lost(one.peer.drops)) for one, info in waiting if info.outbound]

    def report(self) -> LingerReport:
        """The close is over: what came of it, which the log tells too where anything was lost."""
        discarded = _lost(self._drops) - self._discarded
        if discarded:
            # whoever leaves by an exception or by Ctrl-C knows that it is abrupt
            level = logging.INFO if self._forcefully else logging.WARNING
            _log.log(level, "%s: closed with %d messages unsent, they are discarded", self._name, discarded)
        unsent = [(one, Unsent(info, _lost(one.peer.drops) - before)) for one, info, before in self._waiting]
        told = tuple(what for one, what in unsent if one.pair is None or what.discarded)
        return LingerReport(trio.current_time() - self._began, self._limit, told, discarded)


def _lost(drops: Mapping[DropReason, int]) -> int:
    """How many messages were queued and not written in the end: for lack of time, or because the peer did not take them."""
    return drops.get(DropReason.LINGER, 0) + drops.get(DropReason.CUT_SHORT, 0)


async def linger(core: SocketCore) -> None:
    """Drain all sessions of a closing socket; say what is waited for when it takes long."""
    sessions = [session for session in core.sessions if session.pair is None]
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
    engines = []
    for session in sessions:
        if (engine := session.engine) is not None:
            engines.append(engine)
            await engine.finish(receives=core.pattern.receives, discard=core.closed or session.closing)
    # no event tells that the peer's system has acknowledged everything, so we ask, less and less often
    pause = _FIRST_PAUSE
    while True:
        for engine in engines:
            engine.cut_if_delivered()
        with trio.move_on_after(pause):
            await core.settle(lambda: not any(session.engine in engines for session in sessions))
            return
        pause = min(pause * 2, _SILENT_WAIT)
