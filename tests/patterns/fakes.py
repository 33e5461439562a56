"""Pipes in memory, and sockets made of a pattern and such pipes: what the tests of patterns/ run on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from trizmq.events import DropReason
from trizmq.messages import Packed, Run
from trizmq.options import SocketOptions
from trizmq.patterns import Pattern, Peer

P = TypeVar("P", bound=Pattern)
HWM = 1000


@dataclass
class FakeOutlet:
    """Keeps what was sent. ``written`` of the messages are with the connection already, ``taken`` on their way."""

    hwm: int = HWM
    messages: list[Packed] = field(default_factory=list)
    written: int = 0
    taken: int = 0

    def put(self, message: Packed) -> bool:
        if self.queued >= self.hwm:
            return False
        self.messages.append(message)
        return True

    def put_run(self, run: Run, *, write: bool) -> None:
        assert 0 < len(run) <= self.room
        self.messages += run

    def put_newest(self, message: Packed) -> int:
        self.messages.append(message)
        first = max(self.written, self.taken)
        if len(self.messages) - first <= self.hwm:
            return 0
        del self.messages[first]
        return 1

    def push(self, message: Packed) -> None:
        self.messages.append(message)

    def withdraw(self, message: Packed) -> bool:
        for at in range(max(self.written, self.taken), len(self.messages)):
            if self.messages[at] is message:
                del self.messages[at]
                return True
        return False

    def discard(self, unwanted: Callable[[Packed], bool]) -> None:
        first = max(self.written, self.taken)
        self.messages[first:] = [message for message in self.messages[first:] if not unwanted(message)]

    @property
    def room(self) -> int:
        return self.hwm - self.queued

    @property
    def has_room(self) -> bool:
        return self.queued < self.hwm

    @property
    def queued(self) -> int:
        return len(self.messages) - self.written

    def write(self) -> None:
        """Hand all that is queued to the connection."""
        self.written = len(self.messages)

    def read(self) -> list[Packed]:
        """All messages since the last time, which are then written, and with the other side."""
        messages, self.messages, self.written = self.messages, [], 0
        return messages


@dataclass
class FakeInlet:
    """Gives what the other side has sent, and keeps account of the credit."""

    messages: list[Packed] = field(default_factory=list)
    taken: int = 0  # taken and not released
    on_note: Callable[[], None] = lambda: None
    put: int = 0  # how many were put in before those that wait
    noted: list[int] = field(default_factory=list)  # which of all were put in by the pattern itself

    def note(self, message: Packed) -> None:
        self.messages.append(message)
        self.noted.append(self.put + len(self.messages) - 1)
        self.on_note()

    def own(self, count: int) -> int:
        first = self.put + len(self.messages) - count
        return sum(at >= first for at in self.noted)

    def take(self) -> list[Packed] | None:
        if not self.messages:
            return None
        batch, self.messages = self.messages, []
        self.taken += len(batch)
        self.put += len(batch)
        return batch

    def release(self, count: int) -> None:
        assert 0 <= count <= self.taken, "more credit given back than was taken"
        self.taken -= count


class FakePeer(Peer):
    """A peer whose pipes are in memory, with what a test asks it to do."""

    __slots__ = ("inlet", "name", "outlet", "resets")

    def __init__(self, name: str = "", *, hwm: int = HWM, routing_id: bytes = b"") -> None:
        self.name = name
        self.outlet = FakeOutlet(hwm)
        self.inlet = FakeInlet()
        self.resets = 0
        super().__init__(self.outlet, self.inlet, self._count_reset, routing_id)

    def __repr__(self) -> str:
        return f"<peer {self.name}>"

    def _count_reset(self, reason: str = "") -> None:
        self.resets += 1


class Rig(Generic[P]):
    """A pattern with its drop counters, driven the way the runtime does."""

    def __init__(self, pattern: type[P], options: SocketOptions) -> None:
        self.drops: Counter[DropReason] = Counter()
        self.dropped_for: Counter[Peer | None] = Counter()
        self.options = options
        self.pattern: P = pattern(self._drop, options)

    def _drop(self, reason: DropReason, peer: Peer | None, count: int) -> None:
        self.drops[reason] += count
        self.dropped_for[peer] += count

    def set(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self.options, name, value)
        self.pattern.options_changed()

    # ---- peers

    def peer(self, name: str = "", *, identity: bytes = b"", hwm: int = HWM, routing_id: bytes = b"") -> FakePeer:
        """An accepted, or at once connected, peer."""
        peer = FakePeer(name, hwm=hwm, routing_id=routing_id)
        self.pattern.attach(peer)
        return self.connect(peer, identity)

    def connecting(self, name: str = "", *, hwm: int = HWM, routing_id: bytes = b"") -> FakePeer:
        """A peer that is being connected to."""
        peer = FakePeer(name, hwm=hwm, routing_id=routing_id)
        self.pattern.attach(peer)
        return peer

    def connect(self, peer: FakePeer, identity: bytes = b"") -> FakePeer:
        peer.connected = True
        peer.identity = identity
        self.pattern.connected(peer)
        return peer

    def lose(self, peer: FakePeer) -> None:
        peer.connected = False
        self.pattern.disconnected(peer)

    def close(self, peer: FakePeer) -> None:
        self.lose(peer)
        self.pattern.detach(peer)

    def come(self, peer: FakePeer, *messages: Packed) -> None:
        """Messages arrive from the peer."""
        empty = not peer.inlet.messages
        peer.inlet.messages.extend(messages)
        if empty and messages:
            self.pattern.arrived(peer)

    # ---- the application

    def send(self, *messages: Packed) -> list[bool]:
        return [self.pattern.send(message) for message in messages]

    def receive_all(self) -> list[Packed]:
        messages = []
        while self.pattern.can_receive:
            message = self.pattern.receive()
            assert message is not None, "can_receive has to be exact"
            messages.append(message)
        return messages


def drain(rig: Rig[P], peer: FakePeer) -> list[Packed]:
    """The other side takes all that was sent to it, and there is room again."""
    full = not peer.outlet.has_room
    messages = peer.outlet.read()
    if full:
        rig.pattern.writable(peer)
    return messages
