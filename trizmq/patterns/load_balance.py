"""Load balancing: who gets the next message of a PUSH, DEALER or REQ."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..messages import Packed
from ..options import SocketOptions
from .base import Drop, Pattern, Peer


class LoadBalancer:
    """Strict rotation over the peers that have room (libzmq's ``lb_t``).

    A peer that turns out to be full leaves the rotation, and rejoins it at its end when it is writable again, so a thousand
    full peers cost nothing. A new peer joins at the end.
    """

    __slots__ = ("_members", "_on_route", "_only", "_rotation", "sent")

    def __init__(self, on_route: Callable[[Callable[[Packed], bool]], None] | None = None) -> None:
        #: Told what to call in place of :meth:`send` for as long as it is: the one peer of a rotation of one takes all.
        self._on_route = on_route
        self._rotation: deque[Peer] = deque()
        self._members: set[Peer] = set()
        #: Gives a message to the one peer of a rotation of one, which is what most sockets have.
        self._only: Callable[[Packed], bool] | None = None
        #: How many messages were given to one of several peers.
        self.sent = 0

    def attach(self, peer: Peer) -> None:
        """Let the peer take part; nothing happens if it does already."""
        self._members.add(peer)
        self.writable(peer)

    def detach(self, peer: Peer) -> None:
        """Give the peer no more messages; nothing happens if it takes no part."""
        self._members.discard(peer)
        if peer.active:
            peer.active = False
            self._rotation.remove(peer)
            self._rotation_changed()

    def writable(self, peer: Peer) -> None:
        """The peer has room again."""
        if not peer.active and peer in self._members:
            peer.active = True
            self._rotation.append(peer)
            self._rotation_changed()

    def _rotation_changed(self) -> None:
        rotation = self._rotation
        self._only = rotation[0].outbound.put if len(rotation) == 1 else None
        if self._on_route is not None:
            self._on_route(self._only or self.send)

    def send(self, message: Packed) -> bool:
        """Give the message to the next peer that has room; False if there is none. :attr:`last` tells who got it."""
        only = self._only
        if only is not None and only(message):
            return True
        rotation = self._rotation
        while rotation:
            if rotation[0].outbound.put(message):
                rotation.rotate(-1)
                self.sent += 1
                return True
            self._leave_first()
        return False

    def _leave_first(self) -> None:
        self._rotation.popleft().active = False
        self._rotation_changed()

    @property
    def next(self) -> Peer | None:
        """Who gets the next message; None if nobody has room."""
        rotation = self._rotation
        while rotation:
            if rotation[0].outbound.has_room:
                return rotation[0]
            self._leave_first()
        return None

    @property
    def last(self) -> Peer:
        """Who got the message, right after a ``send`` that returned True: it has gone to the end of the rotation."""
        return self._rotation[-1]

    @property
    def has_members(self) -> bool:
        """Whether anyone takes part, with room or without."""
        return bool(self._members)

    @property
    def can_send(self) -> bool:
        """Whether some peer has room now."""
        return any(peer.outbound.has_room for peer in self._rotation)


class Balancing(Pattern):
    """What the types share that balance their load: a peer takes part from ``connect`` on, before it is connected.

    libzmq counts a connecting pipe as active (tests/test_immediate.cpp), unless ``immediate`` is set: then only while a
    connection exists.
    """

    def __init__(self, drop: Drop, options: SocketOptions) -> None:
        super().__init__(drop, options)
        self.balancer = LoadBalancer(self.route)

    @property
    def sent(self) -> int:
        return self.balancer.sent

    def route(self, send: Callable[[Packed], bool]) -> None:
        """What gives a message to a peer has changed. Who sends as it is given calls that directly."""

    def attach(self, peer: Peer) -> None:
        super().attach(peer)
        if peer.connected or not self.options.immediate:
            self.join(peer)

    def connected(self, peer: Peer) -> None:
        super().connected(peer)
        self.join(peer)

    def join(self, peer: Peer) -> None:
        """Let the peer take part in the rotation."""
        self.balancer.attach(peer)

    def disconnected(self, peer: Peer) -> None:
        super().disconnected(peer)
        if self.options.immediate:
            self.balancer.detach(peer)

    def detach(self, peer: Peer) -> None:
        super().detach(peer)
        self.balancer.detach(peer)

    def writable(self, peer: Peer) -> None:
        self.balancer.writable(peer)

    @property
    def can_send(self) -> bool:
        return self.balancer.can_send
