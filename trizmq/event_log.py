"""Events in the log: what a server operator switches on to see what happens to a socket."""

from __future__ import annotations

import logging
from dataclasses import fields

from .events import (
    AcceptFailed,
    BindFailed,
    CloseFailed,
    ConnectDelayed,
    ConnectRetried,
    DropReason,
    DropsBegan,
    DropsEnded,
    Event,
    HandshakeFailed,
)
from .runtime.monitor import NO_TASK_STATUS, TaskStatus
from .sockets import Socket

# What the owner of the socket may want to do something about. Everything else is the course of things.
_WARNINGS = (
    AcceptFailed,
    BindFailed,
    CloseFailed,
    ConnectDelayed,
    ConnectRetried,
    DropsBegan,
    DropsEnded,
    HandshakeFailed,
)
# Drops that are asked for, the other side of a message that somebody gave up, and what is left unread at a close.
_ORDINARY = {DropReason.CONFLATED, DropReason.UNSUBSCRIBED, DropReason.STALE_REPLY, DropReason.UNREAD}


async def log_events(
    socket: Socket,
    logger: logging.Logger | None = None,
    level: int = logging.INFO,
    *,
    task_status: TaskStatus = NO_TASK_STATUS,
) -> None:
    """Log the events of a socket, one line for each, until it is closed; to be started as a task.

    ``await nursery.start(trizmq.log_events, socket)`` begins at once; with ``start_soon`` what happens before the task runs
    is missed. The nursery has to be outside of the socket's ``async with``, or it waits for a task that waits for the
    socket to be closed.

    Args:
        socket: whose events.
        logger: where to; by default the logger ``trizmq.events``.
        level: of lines that tell the course of things, such as a new peer. What may need attention (a failure, a retry,
            drops) is logged at WARNING, or at this level if that is higher.
    """
    log = logger or logging.getLogger("trizmq.events")
    async with socket.events() as events:
        task_status.started()
        missed = 0
        async for event in events:
            if events.missed > missed:
                log.warning(
                    "%s: %d events are not in the log, it was too slow", socket._core.name, events.missed - missed
                )
                missed = events.missed
            log.log(_level(event, level), "%s: %s", socket._core.name, _line(event))


def _level(event: Event, level: int) -> int:
    if isinstance(event, (DropsBegan, DropsEnded)) and event.reason in _ORDINARY:
        return level
    return max(level, logging.WARNING) if isinstance(event, _WARNINGS) else level


def _line(event: Event) -> str:
    """``HandshakeFailed at tcp://127.0.0.1:5555 with 127.0.0.1:40022: cause='...', code=32``."""
    names = [field.name for field in fields(event) if field.name not in ("endpoint", "address")]
    values = {name: getattr(event, name) for name in names}
    told = ", ".join(f"{name}={_text(value)}" for name, value in values.items() if value not in ("", b""))
    place = (f" at {event.endpoint}" if event.endpoint else "") + (f" with {event.address}" if event.address else "")
    return f"{type(event).__name__}{place}" + (f": {told}" if told else "")


def _text(value: object) -> str:
    if isinstance(value, DropReason):
        return value.name
    return f"{value:.3g}" if isinstance(value, float) else repr(value)
