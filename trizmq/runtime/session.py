"""The session: one peer relation. It owns the two pipes and outlives, on the connecting side, any number of engines.

new ──attach──► attached ──handshake──► connected ──loss──► attached      (connecting side: the queue survives)
                                            └─────loss──► ended           (accepted side: it ends with its connection)
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import trio

from ..authentication import Allow, Decision, Deny, Security
from ..errors import RemoteProtocolError
from ..events import Disconnected, DropReason, HandshakeSucceeded, PeerInfo
from ..messages import Packed
from ..patterns.base import Peer, Refused
from ..transports.base import Link
from ..wire.connection import Connection
from ..wire.connection import PeerInfo as Introduction
from ..wire.mechanisms.base import AuthenticationError
from ..wire.raw import RawConnection
from .asking import decide, known_as, known_of
from .engine import Engine
from .handshake import explain, send_away, shake_hands, tell_failure
from .linger import drain
from .pipe import Pipe
from .unread import count_discarded

if TYPE_CHECKING:
    from .inproc import InprocConnection
    from .socket import SocketCore


class Session:
    """One peer of a socket, reached through one endpoint."""

    __slots__ = (
        "_attached",
        "_core",
        "_decision",
        "_handshake_refused",
        "_heard",
        "_introduction",
        "_keeps_queue",
        "_known",
        "address",
        "arrived",
        "closing",
        "connecting",
        "connections",
        "cut_short",
        "endpoint",
        "engine",
        "handshake",
        "id",
        "inbound",
        "outbound",
        "pair",
        "peer",
        "renewing",
        "retired",
        "said",
        "since",
        "stop",
    )

    def __init__(
        self,
        core: SocketCore,
        endpoint: str,
        *,
        connecting: bool,
        routing_id: bytes = b"",
        pair: InprocConnection | None = None,
        outbound: Pipe | None = None,
        inbound: Pipe | None = None,
    ) -> None:
        self._core = core
        self.id = next(core.peer_numbers)
        self.endpoint = endpoint
        self.connecting = connecting
        #: What joins this session to one of another socket over inproc; None where an engine serves it.
        self.pair = pair
        self._keeps_queue = connecting and not core.options.immediate
        options = core.options
        self.outbound = outbound or core.new_pipe(options.send_hwm, options.send_hwm_bytes)
        self.inbound = inbound or core.new_pipe(options.receive_hwm, options.receive_hwm_bytes)
        self.peer = Peer(self.outbound, self.inbound, self.reset, routing_id, self.renew)
        #: The inbound pipe was empty and is not any more.
        self.arrived = partial(core.on_arrival, self.peer)
        if pair is None:
            self.outbound.on_room = self.on_room
            self.inbound.on_data = self.arrived
        self.peer.accepted = not connecting
        self.peer.local = pair is not None
        self.peer.snapshot = self.snapshot
        self.peer.close = self.close
        #: Ends this session at once; set by the listener or connector that it belongs to.
        self.stop: Callable[[], None] = self.reset
        #: The application has closed it: there is no next connection for what the present one does not take.
        self.closing = False
        self.engine: Engine | None = None
        #: Around the handshake; of an accepted session around all of it.
        self.handshake = trio.CancelScope()
        self._handshake_refused = ""
        self._attached = False
        #: It takes no more messages, and ends when those that are queued are written.
        self.retired = False
        self.address = ""
        self.connections = 0
        self._introduction = Introduction((0, 0))
        self._decision: Decision | None = None  # what the authenticator said of the present connection
        self._known: Mapping[str, bytes] = self._introduction.properties
        self.said = 0  # with how many messages the present connection, or the last one, began: greetings and probes
        self.since: float | None = None  # when the present connection, or the last one, was made, by Trio's clock
        #: The message in the middle of which the last connection ended, if it was not this side that ended it.
        self.cut_short: Packed | None = None
        self._heard: float | None = None  # when something last came over an earlier one
        #: The connection is being replaced on our own wish: the next one need not wait.
        self.renewing = False

    # ---- the life of the relation

    def attach(self) -> None:
        """Let the pattern queue messages for this peer. Raises Refused."""
        if not self._attached:
            self._core.pattern.attach(self.peer)
            self._attached = True
            self._core.sessions.add(self)
            self._core.peers_changed()

    def connect(self, introduction: Introduction, address: str) -> None:
        """A handshaken connection exists. Raises Refused."""
        self.address = address
        self._introduction = introduction
        self._known = known_of(introduction.properties, self._decision)
        self.peer.identity, self.peer.socket_type = introduction.identity, introduction.socket_type
        self.attach()
        self.peer.connected = True
        before = self.outbound.released + self.outbound.queued
        try:
            if not self.retired:
                self._core.pattern.connected(self.peer)
        except Refused:
            self.peer.connected = False
            if not self._keeps_queue:
                self.end()
            raise
        self.said = self.outbound.released + self.outbound.queued - before
        if not self.retired:
            if hello := self._core.pattern.hello():
                self.outbound.greet(hello)
                self.said += 1
            if self.pair is None:  # over inproc the other side has still to agree
                for notice in self._core.pattern.arrival_notices(self.peer):
                    self.note(notice)
        self.connections += 1
        self.since = trio.current_time()
        if self.connections > 1:
            self._core.counters.reconnects += 1
        self._core.peers_changed()
        self._core.tell(HandshakeSucceeded(self.endpoint, address, introduction.socket_type, self._name, self._user_id))
        self._core.drops.peer_came()

    def note(self, notice: Packed) -> None:
        """Let the application receive a message that the socket makes itself, as if it came from this peer."""
        if self.peer.accepted or self.inbound.has_room:  # who is accepted has few, in the life of one connection
            self.inbound.note(notice)
        else:
            self._core.drop(DropReason.RECEIVE_HWM, self.peer, 1)

    def note_departure(self) -> None:
        """A handshaken connection has ended, and all that it delivered is in the queue."""
        if not self.retired:
            for notice in self._core.pattern.departure_notices(self.peer):
                self.note(notice)

    def lose(self) -> None:
        """The connection is lost, or nothing can be sent on it any more."""
        if not self.peer.connected:
            return
        self.peer.connected = False
        if self._keeps_queue:
            if not self.retired:
                self._core.pattern.disconnected(self.peer)
            self._core.peers_changed()
        else:
            self.end()

    def end(self) -> None:
        """The relation is over. What the peer has sent stays readable; what is queued for it is dropped and counted."""
        if not self._attached:
            return
        self._attached = False
        self.peer.connected = False
        self._core.sessions.discard(self)
        if not self.retired:
            self._core.pattern.detach(self.peer)
        queued = self.outbound.queued
        if queued > 0:
            self.outbound.take()
            self.outbound.release(queued)
            wanted = self.retired or self._core.closed
            self._core.drop(DropReason.LINGER if wanted else DropReason.PEER_GONE, self.peer, queued)
        self._core.drops.peer_went(self.peer)
        self._core.peers_changed()

    def hand_over(self, *, joined: bool = True) -> None:
        """The relation is over, and what is queued belongs to the other side already (inproc).

        With ``joined=False`` there was none: what is queued waits for a relation that comes to be.
        """
        if not self._attached:
            return
        self._attached = False
        self.peer.connected = False
        core = self._core
        if joined:
            core.counters.messages_sent += self.outbound.total
            core.counters.messages_received += self.inbound.total
        core.sessions.discard(self)
        if not self.retired:
            core.pattern.detach(self.peer)
        if joined and self.connections:
            self.note_departure()
        core.drops.peer_went(self.peer)
        core.peers_changed()

    def retire(self) -> None:
        """Take no more messages, but keep what is queued, to be written by an engine that still runs."""
        attached, self.retired = self._attached and not self.retired, True
        if attached:
            self._core.pattern.detach(self.peer)
            self._core.peers_changed()

    def close(self) -> None:
        """End the relation for good, once what is queued is written, or ``linger`` is over."""
        self.closing = True
        self.retire()
        if self.engine is not None:
            self.engine.discard()
        self._core.start(self.finish, name=f"linger {self.endpoint}")

    async def finish(self) -> None:
        """Write what is queued, for as long as ``linger`` allows, then end."""
        with trio.move_on_after(self._core.options.linger):
            await drain(self._core, [self])
        self.stop()

    def give_up_handshake(self, reason: str) -> None:
        """End the connection before it is one."""
        self._handshake_refused = reason
        self.handshake.cancel()

    def reset(self, reason: str = "") -> None:
        """Give up the connection; a connecting side makes a new one after its usual wait."""
        if self.pair is not None:
            self._core.start(self.pair.reset, name=f"reset {self.endpoint}")
        elif self.engine is not None:
            self.engine.cut(reason)

    def renew(self) -> None:
        """Give up the connection; a connecting side makes a new one at once."""
        if self.pair is not None:
            self._core.start(self.pair.renew, name=f"renew {self.endpoint}")
        else:
            self.renewing = self.engine is not None
            self.reset()

    @property
    def usable(self) -> bool:
        """Whether messages can go both ways now."""
        return self.peer.connected and not self.retired

    @property
    def drained(self) -> bool:
        """Whether nothing is queued for this peer any more. Over inproc it is with the other side, if there is one."""
        if self.pair is not None and self.peer.connected:
            return True
        self._core.pattern.flush()
        return self.engine.drained if self.engine is not None else not self.outbound.queued

    # ---- the life of a connection

    async def serve(self, link: Link) -> tuple[bool, str]:
        """Run one connection to its end.

        Returns whether its handshake was completed, and why it ended. Whatever the peer does costs this connection only.
        """
        core = self._core
        failed: Exception | None = None
        cause = "closed by this side"
        raw = core.pattern.raw
        security = core.security  # one for the whole handshake, whatever is set meanwhile
        connection = RawConnection() if raw else Connection(core.wire_config(not self.connecting, security))
        if self.connecting:  # an accepted session has one connection, which may be given up before this begins
            self.handshake = trio.CancelScope()
        self._decision = None
        engine = Engine(
            link, connection, core.counters, core.on_progress, self.lose, core.heartbeat(), core.lease, core.sweep
        )
        shaken = False
        try:
            scope = self.handshake
            scope.deadline = trio.current_time() + core.options.handshake_timeout
            # what an accepted session has is that of the whole session, which saves ten thousand of them a scope each
            with scope if self.connecting else nullcontext():
                info = await shake_hands(
                    link,
                    connection,
                    core.counters,
                    hold_back=not self.connecting,
                    ask=partial(self._ask, security, link.address),
                )
            if scope.cancel_called and (failure := self._given_up(connection)):
                raise failure
            scope.deadline = math.inf
            core.admission.shaken(self)
            self.engine = engine
            self.connect(info, link.address)
            shaken = True
            await engine.exchange(self.outbound, self.inbound)
            if self.renewing:
                cause = "renewed by this side"
            elif not (engine.was_cut or engine.finished):
                cause = "closed by the peer"
        except AuthenticationError as error:
            failed = self._with_reason(error)
            cause = str(failed)
            await send_away(link, connection, core.counters)
        except (RemoteProtocolError, Refused, trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            failed = error
            cause = explain(error)
        finally:
            self.engine = None
            self.cut_short = None if engine.was_cut else engine.cut_short
            if shaken:
                self._heard = engine.heard
                count_discarded(core, self, engine.discarded or 0)
                self.tell_disconnected(cause)
                if not self.retired:
                    core.pattern.ended(self.peer)
            else:
                tell_failure(core, self.endpoint, link.address, failed or self._given_up(connection))
            self.lose()
            if shaken:
                self.note_departure()
            with trio.CancelScope(shield=True):
                await link.aclose()
        return shaken, cause

    def _given_up(self, connection: Connection | RawConnection) -> Exception | None:
        """Why this side has ended the handshake; None: the session was stopped."""
        if self._handshake_refused:
            return trio.BrokenResourceError(self._handshake_refused)
        if trio.current_time() < self.handshake.deadline:
            return None
        limit = f"within {self._core.options.handshake_timeout:g} s"
        if isinstance(connection, Connection) and connection.authenticating:
            return TimeoutError(errno.ETIMEDOUT, f"the authenticator did not answer {limit}{known_as(connection)}")
        return TimeoutError(errno.ETIMEDOUT, f"the peer did not complete the handshake {limit}")

    async def _ask(self, security: Security, address: str, connection: Connection) -> str:
        """Whether the peer may come in, as a status of ZAP."""
        decision = await decide(self._core, security, self.endpoint, address, connection)
        if self.handshake.cancel_called:  # it could not be cancelled, and nobody is let in late
            raise self._given_up(connection) or trio.ClosedResourceError("closed by this side")
        self._decision = decision
        return "200" if isinstance(decision, Allow) else str(decision.status)

    def _with_reason(self, refusal: AuthenticationError) -> AuthenticationError:
        text = self._decision.text if isinstance(self._decision, Deny) else ""
        return AuthenticationError(f"{refusal}: {text}", refusal.status) if text else refusal

    def tell_disconnected(self, cause: str) -> None:
        """A handshaken connection, if there was one, has ended."""
        if self.connections:
            self._core.counters.disconnects += 1
            socket_type = self._introduction.socket_type
            self._core.tell(Disconnected(self.endpoint, self.address, cause, socket_type, self._name))

    # ---- what the pipes report

    def on_room(self) -> None:
        self._core.peer_writable(self.peer)

    def resize(self) -> None:
        """Apply changed high-water marks."""
        if self.pair is not None:
            self.pair.resize()
        else:
            options = self._core.options
            self.outbound.set_limit(options.send_hwm)
            self.outbound.set_byte_limit(options.send_hwm_bytes)
            self.inbound.set_limit(options.receive_hwm)
            self.inbound.set_byte_limit(options.receive_hwm_bytes)

    # ---- what others see

    @property
    def _name(self) -> bytes:
        return self.peer.routing_id or self.peer.identity

    @property
    def _user_id(self) -> str:
        return self._decision.user_id if isinstance(self._decision, Allow) else ""

    def snapshot(self) -> PeerInfo:
        """What applications see of this peer, as it is now."""
        self._core.flush()
        introduction, connected = self._introduction, self.peer.connected
        heard = self.engine.heard if self.engine is not None else self._heard
        now = time_if_any()
        return PeerInfo(
            endpoint=self.endpoint,
            address=self.address,
            connected=connected,
            socket_type=introduction.socket_type,
            routing_id=self._name,
            outbound=self.outbound.queued,
            inbound=self.inbound.queued,
            connections=self.connections,
            id=self.id,
            connecting=self.connecting,
            identity=introduction.identity,
            mechanism=introduction.mechanism,
            user_id=self._user_id,
            metadata=self._known,
            connected_for=now - self.since if connected and self.since is not None and now is not None else None,
            last_heard=now - heard if heard is not None and now is not None else None,
            drops=MappingProxyType(dict(self.peer.drops)) if self.peer.drops else _NO_DROPS,
        )


_NO_DROPS: MappingProxyType[DropReason, int] = MappingProxyType({})


def time_if_any() -> float | None:
    """Trio's time; None outside of its runs."""
    try:
        return trio.current_time()
    except RuntimeError:  # statistics may be looked at from anywhere, a debugger's thread for example
        return None
