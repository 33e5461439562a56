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
import socket
from collections.abc import Awaitable, Callable
from itertools import count
from threading import get_ident

import trio

from ..errors import InternalError, UsageError
from ..events import DropReason, Event, LingerReport
from ..options import ConflateOptions, SocketOptions
from ..patterns.base import Drop, Pattern
from ..patterns.publish import Pub
from ..transports import transports_here
from ..wire.connection import WireConfig
from .admission import Admission
from .burst import Burst
from .checkpoints import checkpoint, checkpoint_if_cancelled, enable_ki_protection
from .endpoint_table import EndpointTable
from .gate import Gate
from .heart import Heart, Heartbeat
from .home import SocketHome
from .inproc import InprocConnection
from .linger import Closing, linger
from .monitor import Counters, DropLedger, EventWatcher, Monitor
from .owner import context_of, owner_here, part_cancelled
from .pipe import Pipe
from .securing import WireSecurity, in_force
from .session import Session
from .sweep import Sweep
from .unread import count_unread
from .waiting import Waiting

_log = logging.getLogger("trizmq")


class SocketCore(Waiting):
    """Everything about a socket that is not a verb."""

    def __init__(
        self, type_name: str, make_pattern: Callable[[Drop], Pattern], options: SocketOptions, exclusive: bool
    ) -> None:
        super().__init__()
        self.type_name = self.name = type_name
        #: REQ and REP: their verbs alternate, so two tasks cannot both wait in the same one.
        self.exclusive = exclusive
        self.options = options
        self._make_pattern = make_pattern
        self.gate: Pattern = Gate(self._not_open)
        self.pattern: Pattern
        self.sweep = Sweep(self)
        self.sessions: set[Session] = set()
        self.counters = Counters()
        self.peer_numbers = count(1)
        self._monitor = Monitor()
        self.drops = DropLedger(self._monitor.tell)
        self.drop = self.drops.count
        self._heart = Heart(self)
        self._heartbeat: Heartbeat | None = None
        self._wire_configs: dict[bool, tuple[WireSecurity, WireConfig]] = {}
        self.admission = Admission(self)
        self.endpoints = EndpointTable(self)
        #: A ``request()`` is under way.
        self.requesting = False
        #: Connections of others to names that are, or were, bound here.
        self.inproc_joined: set[InprocConnection] = set()
        #: It was said that this socket has less security than it seems to have.
        self.warned = False
        self._used = False
        self.closed = False
        self._bug: BaseException | None = None
        self._closing: Closing | None = None
        self._waits_for: list[SocketCore] = []  # closed in tasks of ours, and not ended yet
        self.linger_report: LingerReport | None = None
        self._scope = trio.CancelScope()
        self._binding: set[trio.CancelScope] = set()  # of the binds under way, which live in their callers' tasks
        self._nursery: trio.Nursery
        self.home: SocketHome
        self.thread = 0  # where it was opened

    # ---- opening and closing

    async def open(self, home: SocketHome) -> None:
        """Start the socket's own task."""
        if self._used:
            raise UsageError(f"{self.name} was opened before: a socket is used once, make a new one")
        self._used = True
        self.home = home
        self.transports = transports_here()
        self._pid = os.getpid()
        self.thread = get_ident()
        self._token = trio.lowlevel.current_trio_token()
        self.pattern = self._make_pattern(self.drop)
        self.every = self.options.checkpoint_every
        self._opened, self._finished = trio.Event(), trio.Event()
        self.name = home.admit(self)
        if isinstance(self.pattern, Pub):
            self.pattern.on_subscription = self.progressed
            self.pattern.on_burst = Burst(self, self.pattern).begin
        try:
            trio.lowlevel.spawn_system_task(self._run, name=f"trizmq {self.name}", context=context_of(self))
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
            # every way out passes here: aclose, a bug, and the end of a Trio run with this socket still open
            self.ended = True
            try:
                self._leave()
                if self._closing is not None:
                    self.linger_report = self._closing.report()
            except Exception as error:  # whatever it is must not keep those waiting who wait for our end
                self.fail(error)
            finally:
                self._monitor.end()
                self._finished.set()

    def _leave(self) -> None:
        self._shut(self._closed_error)
        self.endpoints.stop()
        self.endpoints.end_inproc()
        for connection in list(self.inproc_joined):
            connection.part(wait_again=True)
        count_unread(self)

    @property
    def leaves(self) -> bool:
        """Whether what is queued over inproc may be left for whoever binds the name: it ends by a close and nothing else."""
        return self._closing is not None and self._closing.orderly and self._bug is None

    def start(self, function: Callable[..., Awaitable[object]], *args: object, name: str) -> None:
        """Start a background task. What it raises unexpectedly ends the socket. No task is started once that has ended."""
        if self.ended:
            return
        self._nursery.start_soon(self._guard, function, args, name=f"trizmq {self.name} {name}")

    # Ctrl-C is for the user's tasks: Trio protects its system tasks from it, but not what is started in their nurseries
    @enable_ki_protection
    async def _guard(self, function: Callable[..., Awaitable[object]], args: tuple[object, ...]) -> None:
        try:
            await function(*args)
        except BaseException as error:
            self.caught(error)

    def caught(self, error: BaseException) -> None:
        """A background task was ended by this. Raises what is Trio's own of it."""
        cancelled, rest = part_cancelled(error)
        if isinstance(rest, Exception):
            self.fail(rest)
        elif rest is not None:
            self.surrender(rest)
        if cancelled is not None:
            raise cancelled

    def surrender(self, error: BaseException) -> None:
        """The user's code, called by us, raised what must not be swallowed: end the socket, and raise it where that is used.

        That is a KeyboardInterrupt, a SystemExit, anything that is no Exception. Our tasks cannot let it out: the run would
        end with Trio's internal error.
        """
        if isinstance(error, GeneratorExit) and not self.is_here:
            raise error  # Python's own: the run is gone, and its tasks with it
        what = type(error).__name__
        _log.error("%s: %s in an authenticator or filter ends this socket", self.name, what, exc_info=error)
        self._end(error)

    def fail(self, error: Exception) -> None:
        """A bug: end the socket, and let whoever uses it know."""
        _log.error("%s: a bug in trizmq ended this socket", self.name, exc_info=error)
        self._end(error)

    def _end(self, error: BaseException) -> None:
        if self._bug is None:
            self._bug = error
        self._shut(self._ended_by)
        self._scope.cancel()

    def raise_bug(self) -> None:
        """Raise what ended the socket, if it was a bug, or what the user's code wants to end more than that with."""
        if self._bug is not None:
            raise self._ended_by()

    def _ended_by(self) -> BaseException:
        if self._bug is not None and not isinstance(self._bug, Exception):
            return self._bug
        error = InternalError(f"{self.name}: a bug in trizmq ended this socket; please report it with its traceback")
        error.__cause__ = self._bug
        return error

    def _not_open(self) -> Exception:
        return UsageError(f"{self.name} is not open: use it inside 'async with'")

    def _closed_error(self) -> Exception:
        return trio.ClosedResourceError(f"{self.name} is closed")

    def _shut(self, refuse: Callable[[], BaseException]) -> None:
        """Let no verb in any more, and wake whoever waits in one."""
        if self.closed:
            return
        self.closed = True
        self.gate = Gate(refuse)
        self.home.dismiss(self)
        for scope in self._binding:
            scope.cancel()
        self.peers_changed()

    async def aclose(self, *, forcefully: bool = False) -> None:
        """Stop listening, write what is queued for up to ``linger`` seconds, then end everything.

        Cancelled: everything is ended at once, and what was queued is dropped and counted.

        In a task of our own, an authenticator's, all of that happens but that its end is waited for, which would wait for
        itself: that task is cancelled, here or at its next checkpoint.
        """
        if not self._used or self._finished.is_set():
            await checkpoint()
            return
        self.check_home()
        self._shut(self._closed_error)
        self.endpoints.stop()
        self._closing = self._closing or Closing(self, forcefully)
        try:
            if not forcefully:
                await checkpoint_if_cancelled()
                with trio.move_on_after(self.options.linger):
                    await linger(self)
                self._closing.orderly = True
        finally:
            self._scope.cancel()
            await self._wait_finished()
        await checkpoint()

    async def _wait_finished(self) -> None:
        owner = owner_here()
        if owner is not None:
            if self._waits_for_end_of(owner):
                return
            owner._waits_for.append(self)
        try:
            with trio.CancelScope(shield=True):
                await self._finished.wait()
        finally:
            if owner is not None:
                owner._waits_for.remove(self)

    def _waits_for_end_of(self, other: SocketCore) -> bool:
        return self is other or any(one._waits_for_end_of(other) for one in self._waits_for)

    # ---- is it ours

    def check_home(self) -> None:
        """Raise unless this is the run, thread and process in which the socket was opened."""
        if not self._used:
            raise self._not_open()
        if not self.closed and not self.is_here:  # a closed one says so by itself
            raise self.foreign_error()

    @property
    def is_here(self) -> bool:
        """Whether it was opened in this run, thread and process."""
        if not self._used:
            return False
        try:
            # a fork copies the token too
            return trio.lowlevel.current_trio_token() is self._token and os.getpid() == self._pid
        except RuntimeError:
            return False

    @property
    def forked(self) -> bool:
        """Whether this is a copy in a child process."""
        return self._used and os.getpid() != self._pid

    def foreign_error(self) -> Exception:
        """What to tell a caller from elsewhere."""
        if os.getpid() != self._pid:
            return UsageError(f"{self.name} was opened before a fork: make a new socket in this process")
        return UsageError(f"{self.name} belongs to another Trio run: open one in this run; between runs use tcp or ipc")

    def check_open(self) -> None:
        """Raise unless the socket is open and ours."""
        self.check_home()
        if self.closed:
            assert isinstance(self.gate, Gate)
            raise self.gate.refuse()

    # ---- endpoints

    async def bind(self, endpoint: str, listening: socket.socket | None = None) -> str:
        """See :meth:`trizmq.Socket.bind` and :meth:`trizmq.Socket.bind_socket`."""
        self.check_open()
        with trio.CancelScope() as scope:
            self._binding.add(scope)
            try:
                return await self.endpoints.bind(endpoint, listening, self.home, self._nursery)
            finally:
                self._binding.discard(scope)
        # a bind that resolves a name must not hold up the end of the socket
        raise self._closed_error()

    def connect(self, endpoint: str, routing_id: bytes) -> None:
        """See :meth:`trizmq.Socket.connect`."""
        self.check_open()
        self.endpoints.connect(endpoint, routing_id, self.home)

    def unbind(self, endpoint: str) -> None:
        """See :meth:`trizmq.Socket.unbind`."""
        self.check_open()
        self.endpoints.unbind(endpoint)

    def disconnect(self, endpoint: str) -> None:
        """See :meth:`trizmq.Socket.disconnect`."""
        self.check_open()
        self.endpoints.disconnect(endpoint)

    # ---- what sessions need

    @property
    def identity(self) -> bytes:
        """The routing id that this socket announces; empty where its type has none."""
        return getattr(self.options, "routing_id", b"")

    def wire_config(self, server: bool, security: WireSecurity) -> WireConfig:
        """What a connection has to know of this socket; one for all, until an option changes."""
        for_security, config = self._wire_configs.get(server, (None, None))
        if config is None or for_security is not security:
            config = self._new_wire_config(server, security)
            self._wire_configs[server] = security, config
        return config

    def _new_wire_config(self, server: bool, security: WireSecurity) -> WireConfig:
        return WireConfig(
            socket_type=self.pattern.name,
            accepts=self.pattern.accepts,
            identity=self.identity if self.pattern.announces_identity else None,
            server=server,
            mechanism=security._make,
            max_message_size=self.options.max_message_size,
            max_frames=self.options.max_frames,
            max_handshake_size=self.options.max_handshake_size,
            max_properties=self.options.max_properties,
            metadata=tuple(self.options.metadata.items()),
        )

    @property
    def security(self) -> WireSecurity:
        """What secures the next connection."""
        return in_force(self.options.security)

    def heartbeat(self) -> Heartbeat:
        """How connections are watched from now on; the same for all, until an option changes."""
        if self._heartbeat is None:
            options = self.options
            timeout = options.heartbeat_timeout or options.heartbeat_interval
            self._heartbeat = Heartbeat(options.heartbeat_interval, timeout, options.heartbeat_ttl, self._heart.need)
        return self._heartbeat

    def new_pipe(self, limit: int, byte_limit: int) -> Pipe:
        """A pipe as the options want it."""
        pipe = Pipe(limit)
        pipe.set_byte_limit(byte_limit)
        if self.conflates:
            pipe.conflate(self.conflated)
        return pipe

    @property
    def conflates(self) -> bool:
        """Whether only the newest message is kept, each way."""
        return isinstance(self.options, ConflateOptions) and self.options.conflate

    def conflated(self, count: int) -> None:
        """Messages were replaced by newer ones."""
        self.drop(DropReason.CONFLATED, None, count)

    def tell(self, event: Event) -> None:
        """Tell the watchers of events."""
        self._monitor.tell(event)

    # ---- looking

    def flush(self) -> None:
        """Before anybody looks at queues and counters: let nothing be held back. Who looks from elsewhere changes nothing."""
        if self.is_here:
            self.pattern.flush()

    @property
    def connected_peers(self) -> int:
        """How many handshaken connections there are."""
        return sum(session.usable for session in self.sessions)

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
        return f"{self.name} {state}{self.endpoints.describe()}"

    def check_settable(self) -> None:
        """Raise if options may not be set from here: an open socket belongs to its run."""
        if self._used:
            self.check_home()

    def option_changed(self, name: str) -> None:
        """Apply an option that was set while the socket is open."""
        if not self._used:
            return
        self._heartbeat = None
        self._wire_configs.clear()
        self.every = self.options.checkpoint_every
        self.pattern.flush()
        if "_hwm" in name:
            for session in self.sessions:
                session.resize()
        self.pattern.options_changed()
