"""The listener: one bound endpoint, one accept loop. It starts a session for each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..events import (
    Accepted,
    AcceptFailed,
    BindFailed,
    Closed,
    CloseFailed,
    EndpointInfo,
    EndpointState,
    Listening,
)
from ..transports.base import Acceptor, Link, Transport
from .checkpoints import checkpoint
from .exposure import warn_of_door
from .session import Session

if TYPE_CHECKING:
    from .socket import SocketCore

# After a failed accept (no descriptors left, say) others get this long to free something. Trio's serve_listeners uses the
# same pause, and tells where the number comes from.
_PAUSE_AFTER_FAILURE = 0.1


class Listener:
    """Accepts connections on one endpoint of a socket."""

    def __init__(self, core: SocketCore, endpoint: str, transport: Transport, address: str) -> None:
        self._core = core
        self._transport = transport
        self._address = address
        self._scope = trio.CancelScope()
        self._connections: set[trio.CancelScope] = set()
        #: What was asked for, and after the bind what came of it.
        self.endpoint = endpoint
        self.bound = False
        self._acceptor: Acceptor | None = None
        self._last_error = ""

    async def run(self, task_status: trio.TaskStatus[str]) -> None:
        """Bind, tell the caller the resolved endpoint, then accept until ``close``. Errors of the bind are the caller's."""
        core = self._core
        try:
            acceptor = await self._transport.bind(self._address, self.endpoint, core.options)
        except OSError as error:
            core.tell(BindFailed(self.endpoint, error=str(error), errno=error.errno or 0))
            raise
        self._acceptor = acceptor
        self.endpoint = acceptor.endpoint
        try:
            self.bound = True
            core.endpoints.opened(self)
            core.tell(Listening(self.endpoint))
            warn_of_door(core, self.endpoint)
            task_status.started(self.endpoint)
            serve = self._serve  # one for all
            with self._scope:
                while True:
                    try:
                        link = await acceptor.accept()
                    except OSError as error:
                        self._last_error = str(error)
                        core.tell(AcceptFailed(self.endpoint, error=str(error), errno=error.errno or 0))
                        await trio.sleep(_PAUSE_AFTER_FAILURE)
                        continue
                    if refusal := core.admission.refusal(self.endpoint, link):
                        self._last_error = refusal
                        core.tell(AcceptFailed(self.endpoint, link.address, error=refusal))
                        await link.aclose()
                        continue
                    core.counters.connections_accepted += 1
                    core.tell(Accepted(self.endpoint, link.address))
                    session = Session(core, self.endpoint, connecting=False)
                    core.admission.enter(session)
                    core.start(serve, session, link, name=f"session {self.endpoint} from {link.address}")
                    if core.admission.crowded:
                        await checkpoint()  # those who are there have a turn before the next takes a place of theirs
        finally:
            core.endpoints.ended(self)
            self._free()
            core.tell(Closed(self.endpoint))

    async def _serve(self, session: Session, link: Link) -> None:
        scope = session.handshake
        self._connections.add(scope)
        session.stop = scope.cancel
        try:
            with scope:
                await session.serve(link)
        finally:
            session.end()  # the relation ends with its connection
            self._connections.discard(scope)
            self._core.admission.leave(session)

    def stop(self) -> None:
        """Accept no more connections; the address is free at once."""
        self._scope.cancel()
        self._free()

    def _free(self) -> None:
        if self._acceptor is None:
            return
        try:
            self._acceptor.close()
        except OSError as error:
            self._core.tell(CloseFailed(self.endpoint, error=str(error), errno=error.errno or 0))

    @property
    def info(self) -> EndpointInfo:
        """What applications see of it."""
        connections = self._core.endpoints.connections(self.endpoint)
        return EndpointInfo(self.endpoint, True, EndpointState.LISTENING, connections, last_error=self._last_error)

    def close(self) -> None:
        """``unbind``: accept no more connections, and end those that were accepted here, as libzmq does."""
        self.stop()
        for scope in self._connections:
            scope.cancel()
