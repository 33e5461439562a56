"""Whose task this is: code of the user, an authenticator, runs in tasks that a socket owns, and waits for when it closes."""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .socket import SocketCore

_owner: ContextVar[SocketCore] = ContextVar("trizmq_owner")


def context_of(core: SocketCore) -> Context:
    """The context of a socket's own task, by which it is known. Nothing is started from there, so no other task has it."""
    context = Context()
    context.run(_owner.set, core)
    return context


def owner_here() -> SocketCore | None:
    """The socket in whose nursery the current task runs, however deep; None: the task is the user's."""
    task, root = trio.lowlevel.current_task(), trio.lowlevel.current_root_task()
    while (nursery := task.parent_nursery) is not None and nursery.parent_task is not root:
        task = nursery.parent_task
    return task.context.get(_owner)


def part_cancelled(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """What of an exception is Trio's own, a cancellation that has to go on, and what is not."""
    if isinstance(error, BaseExceptionGroup):
        cancelled, rest = error.split(trio.Cancelled)
        return cancelled, rest if cancelled is not None else error
    return (error, None) if isinstance(error, trio.Cancelled) else (None, error)
