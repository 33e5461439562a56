"""Admission: who is let in of those who connect to what a socket has bound, and how many there may be.

Beyond ``max_connections`` a newcomer is closed at once: it learns that it is not served, and comes again. To leave it in the
system's queue would keep it, and everybody behind it, waiting for something that it cannot see.

Beyond ``max_handshakes`` it is the oldest handshake that has to go, not the newcomer. A peer that means it needs a round
trip or two; who opens connections and says nothing would otherwise hold all the places until ``handshake_timeout``. To keep
a good peer out, so many connections would have to be opened anew within each round trip of its own.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..options import AcceptedPeer
from ..transports.base import Link
from .asking import host_of
from .session import Session

if TYPE_CHECKING:
    from .socket import SocketCore

_log = logging.getLogger("trizmq")


class Admission:
    """The door of one socket."""

    def __init__(self, core: SocketCore) -> None:
        self._core = core
        self._inside: set[Session] = set()
        self._shaking: dict[Session, None] = {}  # the oldest first

    def refusal(self, endpoint: str, link: Link) -> str:
        """Why this connection is not let in; empty: it is."""
        options = self._core.options
        if len(self._inside) >= options.max_connections:
            return f"there are {len(self._inside)} connections already (max_connections)"
        if options.accept_filter is None:
            return ""
        pid, uid, gid = link.credentials or (None, None, None)
        peer = AcceptedPeer(endpoint, link.address, host_of(endpoint, link.address), pid, uid, gid)
        try:
            return "" if options.accept_filter(peer) else "refused by accept_filter"
        except Exception as error:  # the user's code: whatever it raises lets nobody in, and must not be overlooked
            _log.exception("%s: accept_filter failed for %s", self._core.name, link.address)
            return f"accept_filter failed: {error!r}"

    def enter(self, session: Session) -> None:
        """A connection was accepted, and its handshake begins."""
        most = self._core.options.max_handshakes
        self._inside.add(session)
        while len(self._shaking) >= most:
            oldest = next(iter(self._shaking))
            del self._shaking[oldest]
            oldest.give_up_handshake(f"the oldest of more than {most} handshakes at once (max_handshakes)")
        self._shaking[session] = None

    def shaken(self, session: Session) -> None:
        """Its handshake is over, one way or the other."""
        self._shaking.pop(session, None)

    def leave(self, session: Session) -> None:
        """Its connection has ended."""
        self._inside.discard(session)
        self.shaken(session)
