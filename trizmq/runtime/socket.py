"""The socket core: a nursery in a task of its own, the table of endpoints, the sessions, and who waits for what.

    SocketCore    the nursery, the pattern, the endpoints
     ├─ Listener  one per bind
     ├─ Connector one per connect
     └─ Session   one peer relation, owns the pipes
         └─ Engine one live connection, reads and writes

The nursery is not around the user's body: what the body raises leaves as itself. A failure in the background is data: the
expected ones become events and retries, an unexpected one is a bug that ends the socket and surfaces at the next verb.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Iterator
from threading import get_ident
from types import MappingProxyType
from typing import NoReturn, Protocol

import outcome
import trio

from ..endpoints import split_endpoint
from ..errors import EndpointError, InternalError, UsageError
from ..events import DropReason, Event, Statistics
from ..messages import Packed
from ..options import ConflateOptions, SocketOptions
from ..patterns.base import Drop, Pattern, Peer, Refused
from ..patterns.publish import Pub
from ..transports import find_transport
from ..transports.base import TransportOptions
from ..transports.inproc import InprocNames
from ..wire.connection import WireConfig
from .checkpoints import ParkingLot, Watchers, checkpoint
from .connector import Connector
from .inproc import InprocBinding, InprocConnection
from .listener import Listener
from .monitor import Counters, EventWatcher, Monitor
from .pipe import ConflatingPipe, Pipe
from .session import Session

_log = logging.getLogger("trizmq")

# A closing socket says in the log what it waits for, once this much time has passed.
_SILENT_WAIT = 1.0


class SocketHome(Protocol):
    """What the sockets of one context share."""

    @property
    def inproc_names(self) -> InprocNames[InprocBinding, InprocConnection]:
        """Who is bound to which inproc name, and who waits for one."""

    @property
    def socket_numbers(self) -> Iterator[int]:
        """Numbers for names."""

    @property
    def open_cores(self) -> set[SocketCore]:
        """The sockets that are open."""


class Endpoint(Protocol):
    """What the table of endpoints holds: a listener, a connector, or one of their inproc counterparts."""

    endpoint: str

    def stop(self) -> None:
        """The socket is closing: let nobody in any more."""

    def close(self) -> None:
        """``unbind`` or ``disconnect``."""


class Gate(Pattern):
    """Stands where the verbs expect the pattern while the socket cannot be used, and says why."""

    def __init__(self, refuse: Callable[[], Exception]) -> None:
        self.refuse = refuse

    def send(self, message: Packed) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    def receive(self) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    def receive_many(self, most: int) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    def unreceive(self, message: Packed) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    @property
    def can_send(self) -> bool:
        """Raise what stands in the way."""
        raise self.refuse()

    @property
    def can_receive(self) -> bool:
        """Raise what stands in the way."""
        raise self.refuse()


class SocketCore:
    """Everything about a socket that is not a verb."""

    def __init__(
        self, name: str, make_pattern: Callable[[Drop], Pattern], options: SocketOptions, exclusive: bool
    ) -> None:
        self.name = name
        #: REQ and REP: their verbs alternate, so two tasks cannot both wait in the same one.
        self.exclusive = exclusive
        self.options = options
        self._make_pattern = make_pattern
        self.gate: Pattern = Gate(self._not_open)
        self.pattern: Pattern
        self.sessions: set[Session] = set()
        self.counters = Counters()
        self._monitor = Monitor()
        self._binds: dict[str, Endpoint] = {}
        self._connects: dict[str, list[Endpoint]] = {}
        #: A ``request()`` is under way.
        self.requesting = False
        #: Connections of others to names that are, or were, bound here.
        self.inproc_joined: set[InprocConnection] = set()
        self._used = False
        self.closed = False
        self._bug: BaseException | None = None
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery
        self._home: SocketHome
        # ---- for the verbs
        self.thread = 0
        self.budget = 1
        self.senders = ParkingLot()
        self.receivers = ParkingLot()
        self.watchers = Watchers()  # wait_readable, wait_writable, pollers
        self._changes = Watchers()  # wait_connected, wait_subscribed, wait_drained, closing

    # ---- opening and closing

    async def open(self, home: SocketHome) -> None:
        """Start the socket's own task."""
        if self._used:
            raise UsageError(f"{self.name} was opened before: a socket is used once, make a new one")
        self._used = True
        self._home = home
        self._pid = os.getpid()
        self.thread = get_ident()
        self._token = trio.lowlevel.current_trio_token()
        self.pattern = self._make_pattern(self.drop)
        self._opened, self._finished = trio.Event(), trio.Event()
        self.name = f"{self.name}-{next(home.socket_numbers)}"
        if isinstance(self.pattern, Pub):
            self.pattern.on_subscription = self.progressed
        home.open_cores.add(self)
        _open_anywhere.add(self)
        try:
            trio.lowlevel.spawn_system_task(self._run, name=f"trizmq {self.name}")
            with trio.CancelScope(shield=True):
                await self._opened.wait()
            self.gate = self.pattern
            await checkpoint()
        except BaseException:
            await self.aclose(forcefully=True)
            raise

    async def _run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    self._opened.set()
                    await trio.sleep_forever()
        finally:
            self._shut(self._closed_error)
            self._finished.set()

    def start(self, function: Callable[..., Awaitable[object]], *args: object, name: str) -> None:
        """Start a background task of this socket. What it raises unexpectedly ends the socket."""
        self._nursery.start_soon(self._guard, function, args, name=f"trizmq {self.name} {name}")

    async def _guard(self, function: Callable[..., Awaitable[object]], args: tuple[object, ...]) -> None:
        result = await outcome.acapture(function, *args)
        if isinstance(result, outcome.Error) and isinstance(result.error, Exception):
            self._fail(result.error)
        else:
            result.unwrap()

    def _fail(self, error: Exception) -> None:
        _log.error("%s: a bug in trizmq ended this socket", self.name, exc_info=error)
        if self._bug is None:
            self._bug = error
        self._shut(self._internal_error)
        self._scope.cancel()

    def raise_bug(self) -> None:
        """Raise what ended the socket, if it was a bug."""
        if self._bug is not None:
            raise self._internal_error() from self._bug

    def _internal_error(self) -> Exception:
        error = InternalError(f"{self.name}: a bug in trizmq ended this socket; please report it with its traceback")
        error.__cause__ = self._bug
        return error

    def _not_open(self) -> Exception:
        return UsageError(f"{self.name} is not open: use it inside 'async with'")

    def _closed_error(self) -> Exception:
        return trio.ClosedResourceError(f"{self.name} is closed")

    def _shut(self, refuse: Callable[[], Exception]) -> None:
        """Let no verb in any more, and wake whoever waits in one."""
        if self.closed:
            return
        self.closed = True
        self.gate = Gate(refuse)
        self._home.open_cores.discard(self)
        _open_anywhere.discard(self)
        self.senders.unpark_all()
        self.receivers.unpark_all()
        self.watchers.notify()
        self._changes.notify()

    async def aclose(self, *, forcefully: bool = False) -> None:
        """Stop listening, write what is queued for up to ``linger`` seconds, then end everything.

        Cancelled: everything is ended at once, and what was queued is dropped and counted.
        """
        if not self._used or self._finished.is_set():
            await checkpoint()
            return
        self.check_home()
        self._shut(self._closed_error)
        for endpoint in self._all_endpoints():
            endpoint.stop()
        try:
            if not forcefully:
                with trio.move_on_after(self.options.linger):
                    await self._drain()
        finally:
            self._end_all()
            with trio.CancelScope(shield=True):
                await self._finished.wait()
            self._monitor.end()
        await checkpoint()

    async def _drain(self) -> None:
        def written() -> bool:
            return all(session.drained for session in self.sessions)

        with trio.move_on_after(_SILENT_WAIT) as silent:
            await self._watch(written)
        if silent.cancelled_caught:
            _log.warning("%s: closing, %s; linger is %g s", self.name, self._describe_queues(), self.options.linger)
            await self._watch(written)
        engines = [session.engine for session in self.sessions if session.engine is not None]
        for engine in engines:
            await engine.finish()
        await self._watch(lambda: not any(session.engine in engines for session in self.sessions))

    def _describe_queues(self) -> str:
        waiting = [(session.outbound.queued, session.endpoint) for session in self.sessions if not session.drained]
        return "waiting to write " + ", ".join(f"{count} messages to {endpoint}" for count, endpoint in waiting)

    def _end_all(self) -> None:
        for endpoint in self._all_endpoints():
            if isinstance(endpoint, InprocConnection):
                endpoint.end()
        for connection in list(self.inproc_joined):
            connection.part(wait_again=True)
        discarded = sum(session.outbound.queued for session in self.sessions)
        for session in list(self.sessions):
            session.end(DropReason.LINGER)
        if discarded > 0:
            _log.warning("%s: closed with %d messages unsent, they are discarded", self.name, discarded)
        self._scope.cancel()

    # ---- is it ours

    def check_home(self) -> None:
        """Raise unless this is the run, thread and process in which the socket was opened."""
        if not self._used:
            raise self._not_open()
        if self.closed:
            return  # says so by itself
        try:
            here = trio.lowlevel.current_trio_token() is self._token
        except RuntimeError:
            here = False
        if not here:
            raise self.foreign_error()

    def foreign_error(self) -> Exception:
        """What to tell a caller from elsewhere."""
        if os.getpid() != self._pid:
            return UsageError(f"{self.name} was opened before a fork: make a new socket in this process")
        return UsageError(f"{self.name} belongs to another Trio run: open a socket in this run, or use inproc or tcp")

    def check_open(self) -> None:
        """Raise unless the socket is open and ours."""
        self.check_home()
        if self.closed:
            assert isinstance(self.gate, Gate)
            raise self.gate.refuse()

    # ---- endpoints

    async def bind(self, endpoint: str) -> str:
        """See :meth:`trizmq.Socket.bind`."""
        self.check_open()
        transport, address = find_transport(endpoint)
        if transport is None:
            binding = InprocBinding(self, endpoint, address, self._home.inproc_names)
            binding.open()
            self._binds[endpoint] = binding
            await checkpoint()
            return endpoint
        transport.check_bind(address, endpoint)
        listener = Listener(self, endpoint, transport, address)
        bound: str = await self._nursery.start(self._run_listener, listener, name=f"trizmq {self.name} listener {endpoint}")
        return bound

    async def _run_listener(self, listener: Listener, *, task_status: trio.TaskStatus[str]) -> None:
        result = await outcome.acapture(listener.run, task_status)
        # an error before the endpoint is bound belongs to the caller of bind, who waits for it
        if listener.bound and isinstance(result, outcome.Error) and isinstance(result.error, Exception):
            self._fail(result.error)
        else:
            result.unwrap()

    def connect(self, endpoint: str, routing_id: bytes) -> None:
        """See :meth:`trizmq.Socket.connect`."""
        self.check_open()
        transport, address = find_transport(endpoint)
        if transport is None:
            connection = InprocConnection(self, endpoint, address, self._home.inproc_names, routing_id)
            connection.open()
            self._connects.setdefault(endpoint, []).append(connection)
            return
        transport.check_connect(address, endpoint)
        connector = Connector(self, endpoint, transport, address, routing_id)
        if not self.options.immediate:
            try:
                connector.session.attach()
            except Refused:
                pass  # a PAIR that has a peer: this one is offered again with each connection
        self._connects.setdefault(endpoint, []).append(connector)
        self.start(connector.run, name=f"connector {endpoint}")

    def endpoint_opened(self, listener: Listener) -> None:
        """A listener is bound."""
        self._binds[listener.endpoint] = listener

    def endpoint_closed(self, endpoint: Endpoint) -> None:
        """An endpoint has come to its end."""
        if self._binds.get(endpoint.endpoint) is endpoint:
            del self._binds[endpoint.endpoint]
        connects = self._connects.get(endpoint.endpoint, [])
        if endpoint in connects:
            connects.remove(endpoint)
            if not connects:
                del self._connects[endpoint.endpoint]

    def unbind(self, endpoint: str) -> None:
        """See :meth:`trizmq.Socket.unbind`."""
        self.check_open()
        split_endpoint(endpoint)
        bound = self._binds.pop(endpoint, None)
        if bound is None:
            raise EndpointError(f"{endpoint!r} is not bound here; bound are: {', '.join(self._binds) or 'none'}")
        bound.close()

    def disconnect(self, endpoint: str) -> None:
        """See :meth:`trizmq.Socket.disconnect`."""
        self.check_open()
        split_endpoint(endpoint)
        connections = self._connects.pop(endpoint, None)
        if connections is None:
            raise EndpointError(f"{endpoint!r} is not connected to; connected are: {', '.join(self._connects) or 'none'}")
        for connection in connections:
            connection.close()

    def _all_endpoints(self) -> list[Endpoint]:
        return [*self._binds.values(), *(one for several in self._connects.values() for one in several)]

    # ---- what sessions need

    def transport_options(self) -> TransportOptions:
        """The options that transports look at."""
        return TransportOptions(backlog=self.options.backlog, ipv6=self.options.ipv6)

    @property
    def identity(self) -> bytes:
        """The routing id that this socket announces; empty where its type has none."""
        return getattr(self.options, "routing_id", b"")

    def wire_config(self, server: bool) -> WireConfig:
        """What a connection has to know of this socket."""
        return WireConfig(
            socket_type=self.pattern.name,
            accepts=self.pattern.accepts,
            identity=self.identity if self.pattern.announces_identity else None,
            server=server,
            max_message_size=self.options.max_message_size,
        )

    def new_pipe(self, limit: int) -> Pipe:
        """A pipe as the options want it."""
        if isinstance(self.options, ConflateOptions) and self.options.conflate:
            return ConflatingPipe(lambda count: self.drop(DropReason.CONFLATED, None, count))
        return Pipe(limit)

    def peer_arrived(self, peer: Peer) -> None:
        """A peer's inbound pipe has messages."""
        self.pattern.arrived(peer)
        self.receivers.unpark_all()
        self.watchers.notify()

    def peer_writable(self, peer: Peer) -> None:
        """A peer's outbound pipe has room again."""
        self.pattern.writable(peer)
        self.senders.unpark_all()
        self.watchers.notify()

    def peers_changed(self) -> None:
        """A peer came or went: anything may be possible now, or have become impossible."""
        self.senders.unpark_all()
        self.receivers.unpark_all()
        self.watchers.notify()
        self._changes.notify()

    def progressed(self) -> None:
        """Something was written, or a subscription changed."""
        self._changes.notify()

    def drop(self, reason: DropReason, peer: Peer | None, count: int) -> None:
        """Count messages that are not delivered."""
        self.counters.drop(reason, count)

    def tell(self, event: Event) -> None:
        """Tell the watchers of events."""
        self._monitor.tell(event)

    # ---- waiting and looking

    async def wait_to_send(self) -> None:
        """Park a task that found no room. Woken, it tries again."""
        if self.exclusive and self.senders:
            raise trio.BusyResourceError(f"another task is sending on {self.name}")
        await self.senders.park()
        self.budget = self.options.checkpoint_every

    async def wait_to_receive(self) -> None:
        """Park a task that found no message. Woken, it tries again."""
        if self.exclusive and self.receivers:
            raise trio.BusyResourceError(f"another task is receiving from {self.name}")
        await self.receivers.park()
        self.budget = self.options.checkpoint_every

    async def wait_ready(self, ready: Callable[[Pattern], bool]) -> None:
        """Wait until the pattern can do something."""
        await checkpoint()
        self.check_home()
        while not ready(self.gate):
            with self.watchers.watching() as changed:
                await changed.wait()

    async def _watch(self, condition: Callable[[], bool]) -> None:
        while not condition():
            with self._changes.watching() as changed:
                await changed.wait()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on peers, queues or subscriptions holds; ClosedResourceError once the socket is closed."""
        self.check_open()
        await checkpoint()
        while not condition():
            with self._changes.watching() as changed:
                await changed.wait()
            self.check_open()

    @property
    def connected_peers(self) -> int:
        """How many handshaken connections there are."""
        return sum(session.peer.connected for session in self.sessions)

    @property
    def drained(self) -> bool:
        """Whether nothing is queued for any peer."""
        return all(session.drained for session in self.sessions)

    def watch_events(self, limit: int) -> EventWatcher:
        """See :meth:`trizmq.Socket.events`."""
        return self._monitor.watch(limit)

    def describe(self) -> str:
        """For people: name, state and endpoints."""
        state = "closed" if self.closed else "open" if self._used else "not opened"
        bound = "".join(f", bound to {endpoint}" for endpoint in self._binds)
        connected = "".join(f", connecting to {endpoint}" for endpoint in self._connects)
        return f"{self.name} {state}{bound}{connected}"

    def statistics(self) -> Statistics:
        """See :meth:`trizmq.Socket.statistics`."""
        counters = self.counters
        paired = [session for session in self.sessions if session.pair is not None]
        return Statistics(
            messages_sent=counters.messages_sent + sum(session.outbound.total for session in paired),
            messages_received=counters.messages_received + sum(session.inbound.total for session in paired),
            bytes_sent=counters.bytes_sent,
            bytes_received=counters.bytes_received,
            reconnects=counters.reconnects,
            drops=MappingProxyType(dict(counters.drops)),
            peers=tuple(session.statistics() for session in self.sessions),
        )

    def option_changed(self, name: str) -> None:
        """Apply an option that was set while the socket is open."""
        if not self._used:
            return
        self.check_home()
        if name in ("send_hwm", "receive_hwm"):
            for session in self.sessions:
                session.resize()
        self.pattern.options_changed()


# A fork copies open sockets into a process where nothing serves them. This table, which keeps nothing alive, lets the
# child's copies say so; it is the one thing that belongs to the process, as the fork does.
_open_anywhere: weakref.WeakSet[SocketCore] = weakref.WeakSet()


def _after_fork() -> None:
    for core in list(_open_anywhere):
        core.gate = Gate(core.foreign_error)
    _open_anywhere.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
