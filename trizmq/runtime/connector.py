"""The connector: one ``connect``, one session, and one connection after the other for it."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import trio

from ..events import (
    Closed,
    ConnectDelayed,
    Connected,
    ConnectRetried,
    ConnectStopped,
    DropReason,
    EndpointInfo,
    EndpointState,
)
from ..messages import Packed
from ..options import ReconnectStop
from ..transports.base import Transport
from .exposure import warn_of_wire
from .session import Session, time_if_any

if TYPE_CHECKING:
    from .socket import SocketCore

_log = logging.getLogger("trizmq")

# An attempt that takes longer than this is told to be delayed: on most networks it has a result long before.
_MOMENT = 0.25

# A connection that has held so long was one, even if it carried nothing.
_HELD = 1.0

# A message in the middle of which so many connections in a row have ended is not tried again: it is too large for the peer,
# or bad for it otherwise, and all behind it would wait for ever. libzmq gives it up at the first.
_MOST_CUTS = 5


class Connector:
    """Dials one endpoint for as long as the socket wants to be connected to it.

    The wait between attempts doubles, spread by jitter so that a restarted server is not met by all its clients at once.
    It starts anew only after a connection that was good for something: it carried messages, or held for a second. A peer that
    accepts and closes, before or after the handshake, is not hammered.
    """

    def __init__(self, core: SocketCore, endpoint: str, transport: Transport, address: str, routing_id: bytes) -> None:
        self._core = core
        self._transport = transport
        self._address = address
        self._scope = trio.CancelScope()
        self.endpoint = endpoint
        self.session = Session(core, endpoint, connecting=True, routing_id=routing_id)
        self.session.stop = self._scope.cancel
        self._attempts = 0
        self._last_error = ""
        self._retry_at: float | None = None  # while it waits
        self._cut_short: Packed | None = None  # in the middle of what the last connection ended
        self._cuts = 0  # so many times in a row

    async def run(self) -> None:
        """Dial, serve, wait, again, until ``close``."""
        core, session = self._core, self.session
        delay = core.options.reconnect_interval
        try:
            with self._scope:
                while True:
                    self._attempts += 1
                    out, into = session.outbound.released, session.inbound.total
                    ended, cause = await self._connect_once()
                    self._last_error = cause
                    wrote = not core.pattern.restates and session.outbound.released - out > session.said
                    if ended is ReconnectStop.AFTER_DISCONNECT:
                        self._give_up_what_is_not_taken(wrote)
                    if (core.closed or session.retired) and session.drained:
                        return
                    if session.closing and ended is ReconnectStop.AFTER_DISCONNECT:
                        return
                    if session.renewing:
                        session.renewing = False
                        continue
                    if ended & core.options.reconnect_stop:
                        core.tell(ConnectStopped(self.endpoint, cause=cause))
                        return
                    carried = wrote or session.inbound.total != into
                    if ended is ReconnectStop.AFTER_DISCONNECT and (carried or self._has_held):
                        delay = core.options.reconnect_interval
                    wait = delay * random.uniform(0.5, 1.5)
                    core.tell(ConnectRetried(self.endpoint, delay=wait, cause=cause))
                    self._retry_at = trio.current_time() + wait
                    await trio.sleep(wait)
                    self._retry_at = None
                    delay = min(delay * 2, core.options.reconnect_interval_max)
        finally:
            session.end()
            core.endpoints.ended(self)
            core.tell(Closed(self.endpoint))

    async def _connect_once(self) -> tuple[ReconnectStop, str]:
        """Dial and serve. How it ended, and why."""
        limit = self._core.options.connect_timeout
        link = None
        delay = trio.CancelScope()
        self._core.start(self._tell_delay, delay, name=f"delay {self.endpoint}")
        try:
            with trio.move_on_after(limit):
                link = await self._transport.connect(self._address, self.endpoint, self._core.options)
        except OSError as error:
            # a path that does not exist is for ipc what a refusal is for tcp: nobody listens
            refused = isinstance(error, (ConnectionRefusedError, FileNotFoundError))
            return ReconnectStop.REFUSED if refused else ReconnectStop.UNREACHABLE, str(error)
        finally:
            delay.cancel()
        if link is None:
            return ReconnectStop.UNREACHABLE, f"no connection within {limit:g} s"
        self._core.counters.connections_made += 1
        self._core.tell(Connected(self.endpoint, link.address))
        warn_of_wire(self._core, self.endpoint, link.address)
        shaken, cause = await self.session.serve(link)
        return ReconnectStop.AFTER_DISCONNECT if shaken else ReconnectStop.HANDSHAKE_FAILED, cause

    @property
    def _has_held(self) -> bool:
        """Whether the last connection has lived for a while."""
        since = self.session.since
        return since is not None and trio.current_time() - since >= _HELD

    def _give_up_what_is_not_taken(self, wrote: bool) -> None:
        """A connection has ended: if it was again in the middle of the same message, and that often enough, drop it."""
        session, core = self.session, self._core
        message = session.cut_short
        self._cuts = self._cuts + 1 if message is self._cut_short and not wrote else 1
        self._cut_short = message
        if message is None or self._cuts < _MOST_CUTS or not session.outbound.withdraw(message):
            return
        self._cut_short = None
        core.drop(DropReason.CUT_SHORT, session.peer, 1)
        size = len(message) if isinstance(message, bytes) else sum(map(len, message))
        _log.warning(
            "%s: a message of %d bytes to %s is dropped: %d connections in a row ended in the middle of it. "
            "Does the peer limit the size of messages (max_message_size)?",
            *(core.name, size, self.endpoint, _MOST_CUTS),
        )
        core.pattern.cut_short(session.peer, message)
        session.outbound.release(0)  # there may be room again
        core.peers_changed()  # also for who waits for an answer, or until all is written

    async def _tell_delay(self, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(_MOMENT)
            self._core.tell(ConnectDelayed(self.endpoint))

    def stop(self) -> None:
        """Nothing: a connection must live to write what is queued."""

    @property
    def info(self) -> EndpointInfo:
        """What applications see of it."""
        connected, retry_in = self.session.peer.connected, None
        if connected:
            state = EndpointState.CONNECTED
        elif self._retry_at is None:
            state = EndpointState.CONNECTING
        else:
            state, now = EndpointState.WAITING, time_if_any()
            retry_in = max(self._retry_at - now, 0.0) if now is not None else None
        return EndpointInfo(self.endpoint, False, state, int(connected), self._attempts, self._last_error, retry_in)

    def close(self) -> None:
        """``disconnect``: write what is queued, for as long as ``linger`` allows, then end."""
        self.session.retire()
        # also when all is written: closing with unread input resets the connection, and loses what the system still holds
        if self.session.engine is not None or not self.session.drained:
            self._core.start(self.session.finish, name=f"linger {self.endpoint}")
        else:
            self._scope.cancel()
