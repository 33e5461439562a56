"""inproc: two sockets of one context joined by two pipes. No wire, no engine, no task."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import IncompatiblePeerError
from ..events import BindFailed, Closed, DropReason, EndpointInfo, EndpointState, Listening
from ..patterns.base import Refused
from ..transports.inproc import InprocNames
from ..wire.connection import PeerInfo
from .handshake import tell_failure
from .session import Session

if TYPE_CHECKING:
    from .socket import SocketCore


class InprocBinding:
    """A bound name: what a listener is to tcp."""

    def __init__(
        self, core: SocketCore, endpoint: str, name: str, names: InprocNames[InprocBinding, InprocConnection]
    ) -> None:
        self.core = core
        self.endpoint = endpoint
        self._name = name
        self._names = names

    def open(self) -> None:
        """Take the name, and let in whoever waits for it. Raises OSError when it is taken."""
        try:
            waiting = self._names.bind(self._name, self)
        except OSError as error:
            self.core.tell(BindFailed(self.endpoint, error=str(error), errno=error.errno or 0))
            raise
        self.core.tell(Listening(self.endpoint))
        for connection in waiting:
            connection.offer(self)

    def retry(self) -> None:
        """A peer has gone: somebody who was refused may find room now."""
        if self._names.find(self._name) is self:
            for connection in self._names.take_waiting(self._name):
                connection.offer(self)

    def stop(self) -> None:
        """Let nobody in any more."""
        if self._names.find(self._name) is self:
            self._names.unbind(self._name)

    @property
    def info(self) -> EndpointInfo:
        """What applications see of it."""
        connections = self.core.endpoints.connections(self.endpoint)
        return EndpointInfo(self.endpoint, True, EndpointState.LISTENING, connections)

    def end(self) -> None:
        """The socket is closed."""
        self.core.tell(Closed(self.endpoint))

    def close(self) -> None:
        """``unbind``: free the name; connections that were made stay, as in libzmq."""
        self.stop()
        self.core.endpoints.ended(self)
        self.core.tell(Closed(self.endpoint))


class InprocConnection:
    """A connection to a name: what a connector is to tcp. It owns the session of its own side; joining makes the other."""

    def __init__(
        self,
        core: SocketCore,
        endpoint: str,
        name: str,
        names: InprocNames[InprocBinding, InprocConnection],
        routing_id: bytes,
    ) -> None:
        self.core = core
        self.endpoint = endpoint
        self._name = name
        self._names = names
        self._routing_id = routing_id
        self._session = self._new_session()
        self._binding: InprocBinding | None = None
        self._other: Session | None = None
        self._closed = False
        self._left = 0  # so many messages of the socket, which has ended, wait for a binder

    def _new_session(self) -> Session:
        return Session(self.core, self.endpoint, connecting=True, routing_id=self._routing_id, pair=self)

    # ---- joining

    def open(self) -> None:
        """Join the binder of the name, or wait for one.

        Raises:
            IncompatiblePeerError: somebody is bound there whose socket type cannot talk to ours.
        """
        binding = self._names.find(self._name)
        if binding is not None:
            self._check_types(binding)
        self._attach()
        self._offer_or_wait()

    def _attach(self) -> None:
        if not self.core.options.immediate:
            # a PAIR that has a peer already refuses, and is asked again at each offer
            with contextlib.suppress(Refused):
                self._session.attach()

    def _offer_or_wait(self) -> None:
        binding = self._names.find(self._name)
        if binding is not None:
            self.offer(binding)
        else:
            self._names.wait(self._name, self)

    def _check_types(self, binding: InprocBinding) -> None:
        ours, theirs = self.core.pattern, binding.core.pattern
        if theirs.name not in ours.accepts:
            raise IncompatiblePeerError(
                f"{self.endpoint} is bound by a {theirs.name}, a {ours.name} cannot talk to it; "
                f"it can to: {', '.join(sorted(ours.accepts))}",
                socket_type=theirs.name,
            )

    def offer(self, binding: InprocBinding) -> None:
        """Join this binder, or wait on when one side refuses the other."""
        try:
            self._check_types(binding)
            self._join(binding)
        except (IncompatiblePeerError, Refused) as refusal:
            tell_failure(self.core, self.endpoint, "", refusal)
            if isinstance(refusal, IncompatiblePeerError):
                refusal.socket_type = self.core.pattern.name  # what the other side sees
            tell_failure(binding.core, self.endpoint, "", refusal)
            if self._left or not self._closed:
                self._names.wait(self._name, self)

    def _join(self, binding: InprocBinding) -> None:
        near, far, session = self.core, binding.core, self._session
        other = Session(
            far, self.endpoint, connecting=False, pair=self, outbound=session.inbound, inbound=session.outbound
        )
        self._binding, self._other = binding, other
        if near.conflates or far.conflates:
            session.outbound.conflate(near.conflated)
            session.inbound.conflate(far.conflated)
        self.resize()
        try:
            other.connect(_introduction(near), self.endpoint)
            if not near.closed:
                session.connect(_introduction(far), self.endpoint)
        except Refused:
            self._binding = self._other = None
            self.resize()
            other.hand_over(joined=False)
            other.tell_disconnected("the other side does not take this peer")
            session.inbound.discard(lambda message: True)  # what the other side greeted us with
            raise
        for core, end in (far, other), (near, session):
            # they go in front of what the other side has sent before it was joined
            for notice in reversed(core.pattern.arrival_notices(end.peer)):
                end.inbound.note(notice, first=True)
        far.inproc_joined.add(self)
        far.counters.connections_accepted += 1
        near.counters.connections_made += 1
        # both sides share the pipes, and only now that both have agreed do they hear of what is in them
        session.outbound.on_data, session.inbound.on_room = other.arrived, other.on_room
        if session.outbound.queued:
            other.arrived()
        if near.closed:  # it has left messages for a late binder
            if self._left:
                near.home.leftovers.taken(self._name, self._left)
                near.counters.messages_sent += session.outbound.total
                near.counters.messages_received += session.inbound.total
            if greeted := session.inbound.total:
                near.drop(DropReason.UNREAD, session.peer, greeted)
            self.part(wait_again=False)
            return
        session.inbound.on_data, session.outbound.on_room = session.arrived, session.on_room
        if session.inbound.queued:
            session.arrived()

    def resize(self) -> None:
        """Apply high-water marks: the sender's and the receiver's make one limit, none with any is none (pipe.cpp)."""
        near = self.core.options
        outbound, inbound = self._session.outbound, self._session.inbound
        if self._binding is None:
            outbound.set_limit(near.send_hwm)
            outbound.set_byte_limit(near.send_hwm_bytes)
        else:
            far = self._binding.core.options
            outbound.set_limit(_sum_of_limits(near.send_hwm, far.receive_hwm))
            inbound.set_limit(_sum_of_limits(far.send_hwm, near.receive_hwm))
            # a limit in bytes is for memory, which both sides share here: one that only one side has holds as well
            outbound.set_byte_limit(near.send_hwm_bytes + far.receive_hwm_bytes)
            inbound.set_byte_limit(far.send_hwm_bytes + near.receive_hwm_bytes)

    # ---- parting

    def part(self, *, wait_again: bool) -> None:
        """End the pair. What either side has sent is the other's already and stays readable there."""
        binding, other, session = self._binding, self._other, self._session
        if binding is None or other is None:
            return
        self._binding = self._other = None
        binding.core.inproc_joined.discard(self)
        for end in (session, other):
            end.hand_over()
            end.tell_disconnected("the inproc connection was closed")
        if wait_again and not self._closed and not self.core.closed:
            self._session = self._new_session()
            self._attach()
            self._offer_or_wait()
        binding.retry()

    async def renew(self) -> None:
        """Part and join anew; in a task of its own, because patterns ask for it in the middle of something."""
        self.part(wait_again=True)

    async def reset(self) -> None:
        """Part, and do not come back until somebody else has left the binder: it was this pair that was not wanted."""
        if self._binding is None:
            return  # the pair has parted meanwhile, and the session that waits now is innocent
        self.part(wait_again=False)
        if not self._closed and not self.core.closed:
            self._session = self._new_session()
            self._attach()
            self._names.wait(self._name, self)

    @property
    def info(self) -> EndpointInfo:
        """What applications see of it."""
        connected = self._session.peer.connected
        state = EndpointState.CONNECTED if connected else EndpointState.WAITING
        return EndpointInfo(self.endpoint, False, state, int(connected))

    def stop(self) -> None:
        """Nothing: what is queued waits for a binder."""

    def close(self) -> None:
        """``disconnect``."""
        self._closed = True
        self._names.forget(self._name, self)
        self._session.retire()
        self.part(wait_again=False)
        self._session.end()
        self.core.endpoints.ended(self)
        self.core.tell(Closed(self.endpoint))

    def end(self) -> None:
        """The socket is closed. What it has queued for a name that nobody is bound to yet is left there for the binder."""
        self._closed = True
        if self._binding is not None:
            self.part(wait_again=False)
        elif self.core.leaves and self._session.outbound.queued and self.core.home.leftovers.has_room(self._name):
            self._left = self._session.outbound.queued
            self._session.hand_over(joined=False)
            self.core.home.leftovers.leave(self._name, self._left)
        else:
            self._names.forget(self._name, self)
            self._session.end()
        self.core.tell(Closed(self.endpoint))

    def lose(self) -> int:
        """Nobody will bind the name any more; returns how many messages were left for it."""
        count, outbound = self._left, self._session.outbound
        self._left = 0
        if count:
            outbound.take()
            outbound.release(count)
            self.core.drop(DropReason.LINGER, self._session.peer, count)
        return count


def _introduction(core: SocketCore) -> PeerInfo:
    """What a socket says of itself: what its READY would tell."""
    identity = core.identity if core.pattern.announces_identity else b""
    properties = {"Socket-Type": core.pattern.name.encode(), **core.options.metadata}
    if core.pattern.announces_identity:
        properties["Identity"] = identity
    return PeerInfo((3, 1), core.pattern.name, identity, MappingProxyType(properties))


def _sum_of_limits(sending: int, receiving: int) -> int:
    return sending + receiving if sending and receiving else 0
