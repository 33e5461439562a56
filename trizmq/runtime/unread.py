"""What has come and is not received by the application, because it has closed the socket, or one connection of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..events import DropReason

if TYPE_CHECKING:
    from .session import Session
    from .socket import SocketCore

_log = logging.getLogger("trizmq")


def count_unread(core: SocketCore) -> None:
    """A socket has ended: count what waits to be received. Nothing can arrive any more."""
    core.pattern.end()
    if unread := core.drops.drops.get(DropReason.UNREAD, 0):
        _log.debug("%s: closed with %d messages unread", core.name, unread)
    core.drops.end(DropReason.UNREAD)


def count_discarded(core: SocketCore, session: Session, count: int) -> None:
    """Messages of a peer came while its connection was being closed, and were thrown away."""
    pattern = core.pattern
    if count and pattern.receives and not pattern.may_be_ignored:  # what comes to a PUB or XPUB are subscriptions
        core.counters.messages_received += count
        core.drop(DropReason.UNEXPECTED if session.closing else DropReason.UNREAD, session.peer, count)
