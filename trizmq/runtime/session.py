"""The session: one peer relation. It owns the two pipes and outlives, on the connecting side, any number of engines.

new ──attach──► attached ──handshake──► connected ──loss──► attached      (connecting side: the queue survives)
                                            └─────loss──► ended           (accepted side: it ends with its connection)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..errors import RemoteProtocolError
from ..events import Disconnected, DropReason, HandshakeFailed, HandshakeSucceeded, PeerStatistics
from ..patterns.base import Peer, Refused
from ..transports.base import Link
from ..wire.connection import Connection
from .engine import Engine
from .pipe import Pipe

if TYPE_CHECKING:
    from .inproc import InprocConnection
    from .socket import SocketCore


class Session:
    """One peer of a socket, reached through one endpoint."""

    __slots__ = (
        "_attached",
        "_core",
        "_handshake",
        "_handshake_refused",
        "_keeps_queue",
        "_retired",
        "address",
        "connecting",
        "connections",
        "endpoint",
        "engine",
        "inbound",
        "outbound",
        "pair",
        "peer",
        "renewing",
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
        self.endpoint = endpoint
        self.connecting = connecting
        #: What joins this session to one of another socket over inproc; None where an engine serves it.
        self.pair = pair
        self._keeps_queue = connecting and not core.options.immediate
        self.outbound = outbound or core.new_pipe(core.options.send_hwm)
        self.inbound = inbound or core.new_pipe(core.options.receive_hwm)
        if pair is None:
            self.outbound.on_room = self.on_room
            self.inbound.on_data = self.arrived
        self.peer = Peer(self.outbound, self.inbound, self.reset, routing_id, self.renew)
        self.peer.accepted = not connecting
        self.engine: Engine | None = None
        self._handshake = trio.CancelScope()
        self._handshake_refused = ""
        self._attached = False
        self._retired = False
        self.address = ""
        self.connections = 0
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

    def connect(self, peer_type: str, identity: bytes, address: str) -> None:
        """A handshaken connection exists. Raises Refused."""
        self.address = address
        self.peer.identity, self.peer.socket_type = identity, peer_type
        self.attach()
        self.peer.connected = True
        try:
            if not self._retired:
                self._core.pattern.connected(self.peer)
        except Refused:
            self.peer.connected = False
            if not self._keeps_queue:
                self.end()
            raise
        self.connections += 1
        if self.connections > 1:
            self._core.counters.reconnects += 1
        self._core.peers_changed()
        self._core.tell(HandshakeSucceeded(self.endpoint, address, peer_type, self.peer.routing_id or identity))

    def lose(self) -> None:
        """The connection is lost, or nothing can be sent on it any more."""
        if not self.peer.connected:
            return
        self.peer.connected = False
        if self._keeps_queue:
            if not self._retired:
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
        if not self._retired:
            self._core.pattern.detach(self.peer)
        queued = self.outbound.queued
        if queued > 0:
            self.outbound.take()
            self.outbound.release(queued)
            wanted = self._retired or self._core.closed
            self._core.drop(DropReason.LINGER if wanted else DropReason.PEER_GONE, self.peer, queued)
        self._core.peers_changed()

    def hand_over(self) -> None:
        """The relation is over, and what is queued belongs to the other side already (inproc)."""
        if not self._attached:
            return
        self._attached = False
        self.peer.connected = False
        core = self._core
        core.counters.messages_sent += self.outbound.total
        core.counters.messages_received += self.inbound.total
        core.sessions.discard(self)
        core.pattern.detach(self.peer)
        core.peers_changed()

    def retire(self) -> None:
        """Take no more messages, but keep what is queued, to be written by an engine that still runs."""
        if self._attached and not self._retired:
            self._retired = True
            self._core.pattern.detach(self.peer)

    def give_up_handshake(self, reason: str) -> None:
        """End the connection before it is one."""
        self._handshake_refused = reason
        self._handshake.cancel()

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
        return self.peer.connected and not self._retired

    @property
    def drained(self) -> bool:
        """Whether nothing is queued for this peer any more. Over inproc what is queued is the other side's."""
        if self.pair is not None:
            return True
        return self.engine.drained if self.engine is not None else not self.outbound.queued

    # ---- the life of a connection

    async def serve(self, link: Link) -> tuple[bool, str]:
        """Run one connection to its end.

        Returns whether its handshake was completed, and why it ended. Whatever the peer does costs this connection only.
        """
        core = self._core
        connection = Connection(core.wire_config(not self.connecting))
        if self.connecting:  # an accepted session has one connection, which may be given up before this begins
            self._handshake = trio.CancelScope()
        engine = Engine(link, connection, core.counters, core.progressed, self.lose, core.heartbeat())
        shaken = False
        try:
            limit = core.options.handshake_timeout
            self._handshake.deadline = trio.current_time() + limit
            with self._handshake:
                info = await engine.shake_hands(hold_back=not self.connecting)
            if self._handshake.cancelled_caught:
                late = f"the peer did not complete the handshake within {limit:g} s"
                raise trio.BrokenResourceError(self._handshake_refused or late)
            core.admission.shaken(self)
            self.engine = engine
            self.connect(info.socket_type, info.identity, link.address)
            shaken = True
            await engine.exchange(self.outbound, self.inbound)
            cause = "renewed by this side" if self.renewing else "closed by the peer"
        except (RemoteProtocolError, Refused, trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            cause = str(error) or type(error).__name__
        finally:
            self.engine = None
            self.lose()
            with trio.CancelScope(shield=True):
                await link.aclose()
        if shaken:
            core.tell(Disconnected(self.endpoint, link.address, cause))
        else:
            core.tell(HandshakeFailed(self.endpoint, link.address, cause))
        return shaken, cause

    async def run_accepted(self, link: Link) -> None:
        """Serve an accepted connection; the relation ends with it."""
        try:
            await self.serve(link)
        finally:
            self.end()

    # ---- what the pipes report

    def arrived(self) -> None:
        """The inbound pipe was empty and is not any more."""
        self._core.peer_arrived(self.peer)

    def on_room(self) -> None:
        self._core.peer_writable(self.peer)

    def resize(self) -> None:
        """Apply changed high-water marks."""
        if self.pair is not None:
            self.pair.resize()
        else:
            self.outbound.set_limit(self._core.options.send_hwm)
            self.inbound.set_limit(self._core.options.receive_hwm)

    def statistics(self) -> PeerStatistics:
        """A snapshot."""
        return PeerStatistics(
            endpoint=self.endpoint,
            address=self.address,
            connected=self.peer.connected,
            socket_type=self.peer.socket_type,
            routing_id=self.peer.routing_id or self.peer.identity,
            outbound=self.outbound.queued,
            inbound=self.inbound.queued,
            connections=self.connections,
        )
