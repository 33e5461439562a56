"""The poller: waits for several sockets at once. A task per socket in a nursery is usually the better tool."""

from __future__ import annotations

import enum

from .errors import UsageError
from .runtime.poll import wait_any
from .runtime.verbs import ReceiveVerbs, SendVerbs
from .sockets import Socket


class PollEvent(enum.Flag):
    """What a socket is ready for."""

    READABLE = enum.auto()  #: ``receive_nowait`` would give a message
    WRITABLE = enum.auto()  #: ``send_nowait`` would take one


READABLE = PollEvent.READABLE
WRITABLE = PollEvent.WRITABLE


class Poller:
    """Tells which of its sockets are ready. Level-triggered: a socket is reported for as long as it is ready.

    Nothing is taken from any socket, and a cancelled wait changes nothing. Where each socket can have a task of its own, a
    nursery with one task per socket is simpler, fairer, and keeps the cancellation promises by itself; a poller is for
    code that has to look at several sockets in one place, or in an order of priority::

        poller = trizmq.Poller()
        poller.register(urgent)
        poller.register(bulk)
        while True:
            ready = await poller.wait()
            source = urgent if urgent in ready else bulk
            handle(source.receive_nowait())
    """

    def __init__(self) -> None:
        self._interests: dict[Socket, PollEvent] = {}

    def register(self, socket: Socket, events: PollEvent = READABLE) -> None:
        """Watch a socket, or watch it for something else from now on.

        Raises:
            UsageError: its type cannot do that: a PUSH is never readable, a PULL never writable.
        """
        if not events:
            raise UsageError("a poller watches for READABLE, WRITABLE or both; to stop watching, unregister the socket")
        if READABLE in events and not isinstance(socket, ReceiveVerbs):
            raise UsageError(f"a {type(socket).__name__} does not receive: it cannot be watched for READABLE")
        if WRITABLE in events and not isinstance(socket, SendVerbs):
            raise UsageError(f"a {type(socket).__name__} does not send: it cannot be watched for WRITABLE")
        self._interests[socket] = events

    def unregister(self, socket: Socket) -> None:
        """Stop watching a socket. Raises UsageError if it was not watched."""
        if socket not in self._interests:
            raise UsageError(f"{socket!r} is not registered with this poller")
        del self._interests[socket]

    def poll_nowait(self) -> dict[Socket, PollEvent]:
        """The sockets that are ready now, and for what; may be empty."""
        ready: dict[Socket, PollEvent] = {}
        for socket, interest in self._interests.items():
            state = PollEvent(0)
            if READABLE in interest and isinstance(socket, ReceiveVerbs) and socket.readable:
                state |= READABLE
            if WRITABLE in interest and isinstance(socket, SendVerbs) and socket.writable:
                state |= WRITABLE
            if state:
                ready[socket] = state
        return ready

    async def wait(self) -> dict[Socket, PollEvent]:
        """Wait until at least one socket is ready; all that are, in the order of registration, and for what.

        Raises:
            UsageError: no socket is registered: this would wait for ever.
            trio.ClosedResourceError: one of the sockets is closed.
        """
        if not self._interests:
            raise UsageError("this poller has no sockets: register one before waiting")
        return await wait_any([socket._core for socket in self._interests], self.poll_nowait)
