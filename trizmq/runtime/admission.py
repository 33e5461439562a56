"""Admission: who is let in of those who connect to what a socket has bound, and how many there may be.

Beyond ``max_connections`` a newcomer is closed at once: it learns that it is not served, and comes again. A connection that
has ended keeps its place while messages of it wait to be received: who comes, sends and goes, over and over, would
otherwise fill the memory of a socket whose application does not keep up. To leave a newcomer in the system's queue would
keep it, and everybody behind it, waiting for something that it cannot see.

Beyond ``max_handshakes`` it is the oldest handshake that has to go, not the newcomer. A peer that means it needs a round
trip or two; who opens connections and says nothing would otherwise hold all the places until ``handshake_timeout``. To keep
a good peer out, so many connections would have to be opened anew within each round trip of its own.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

from ..options import AcceptedPeer
from ..transports.base import Link
from ..transports.sockets import MOST_ACCEPTED
from .asking import host_of
from .pipe import Pipe
from .session import Session

if TYPE_CHECKING:
    from .socket import SocketCore

_log = logging.getLogger("trizmq")

_FEW = 16


class Admission:
    """The door of one socket."""

    def __init__(self, core: SocketCore) -> None:
        self._core = core
        self._inside: set[Session] = set()
        self._shaking: dict[Session, None] = {}  # the oldest first
        self._unread: set[Pipe] = set()  # of connections that have ended: what they sent and nobody has received
        self._look_at = _FEW  # how many those may be before those are forgotten that have been received since

    def refusal(self, endpoint: str, link: Link) -> str:
        """Why this connection is not let in; empty: it is."""
        options = self._core.options
        if len(self._inside) + len(self._unread) >= options.max_connections:
            self._forget_received()
            if len(self._inside) + len(self._unread) >= options.max_connections:
                ended = f", and {len(self._unread)} that ended are not received yet" if self._unread else ""
                return f"there are {len(self._inside)} connections already{ended} (max_connections)"
        if options.accept_filter is None:
            return ""
        pid, uid, gid = link.credentials or (None, None, None)
        peer = AcceptedPeer(endpoint, link.address, host_of(endpoint, link.address), pid, uid, gid)
        try:
            answer: object = options.accept_filter(peer)
        except Exception as error:  # the user's code: whatever it raises lets nobody in, and must not be overlooked
            _log.exception("%s: accept_filter failed for %s", self._core.name, link.address)
            return f"accept_filter failed: {error!r}"
        except BaseException as error:  # Ctrl-C or an exit of its own making: not ours to swallow
            self._core.surrender(error)
            return f"accept_filter failed: {error!r}"
        if answer is True:
            return ""
        if answer is False:
            return "refused by accept_filter"
        if inspect.iscoroutine(answer):
            answer.close()  # else Python warns that it was never awaited, much later
        wrong = f"accept_filter answered neither True nor False, but with a {type(answer).__name__}"
        _log.error("%s: %s; %s is not let in", self._core.name, wrong, link.address)
        return wrong

    def enter(self, session: Session) -> None:
        """A connection was accepted, and its handshake begins."""
        most = self._core.options.max_handshakes
        self._inside.add(session)
        while len(self._shaking) >= most:
            oldest = next(iter(self._shaking))
            del self._shaking[oldest]
            oldest.give_up_handshake(f"the oldest of more than {most} handshakes at once (max_handshakes)")
        self._shaking[session] = None

    @property
    def crowded(self) -> bool:
        """Whether the connections that may be accepted with one wait could take the places of handshakes under way."""
        return len(self._shaking) + MOST_ACCEPTED > self._core.options.max_handshakes

    def shaken(self, session: Session) -> None:
        """Its handshake is over, one way or the other."""
        self._shaking.pop(session, None)

    def leave(self, session: Session) -> None:
        """Its connection has ended."""
        self._inside.discard(session)
        self.shaken(session)
        if session.inbound.queued and not self._core.pattern.may_be_ignored:
            self._unread.add(session.inbound)
            if len(self._unread) > self._look_at:
                self._forget_received()
                self._look_at = max(_FEW, 2 * len(self._unread))

    def _forget_received(self) -> None:
        self._unread = {pipe for pipe in self._unread if pipe.queued}
