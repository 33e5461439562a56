"""What a socket counts and tells: the counters behind ``statistics()``, and the watchers behind ``events()``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import trio

from ..events import DropReason, DropsBegan, DropsEnded, Event
from ..patterns.base import Peer
from .checkpoints import checkpoint

#: For tasks that tell ``nursery.start`` when they have begun, in modules that know no Trio.
TaskStatus: TypeAlias = trio.TaskStatus[None]
NO_TASK_STATUS: TaskStatus = trio.TASK_STATUS_IGNORED


class Counters:
    """Running totals of one socket; engines add to them once per batch."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "connections_accepted",
        "connections_made",
        "disconnects",
        "handshakes_failed",
        "messages_received",
        "messages_sent",
        "reconnects",
    )

    def __init__(self) -> None:
        self.messages_sent = 0
        self.messages_received = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.reconnects = 0
        self.connections_accepted = 0
        self.connections_made = 0
        self.handshakes_failed = 0
        self.disconnects = 0


class DropLedger:
    """Counts the messages that are not delivered, by reason and by peer, and tells when that begins and ends.

    A spell of drops, for one peer and one reason, begins with the first message and ends when the peer has room again or
    its relation is over, so that a flood of drops makes two events. Drops that concern no peer make a spell of the socket,
    which ends when another peer comes: it may be the one that was missing.
    """

    __slots__ = ("_spells", "_tell", "drops")

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self.drops: dict[DropReason, int] = {}
        self._spells: dict[DropReason, int] = {}

    def count(self, reason: DropReason, peer: Peer | None, count: int) -> None:
        """Messages are not delivered."""
        drops = self.drops
        before = drops.get(reason, 0)
        drops[reason] = before + count
        spells = self._spells
        if peer is not None:
            own_before = peer.drops.get(reason, 0)
            peer.drops[reason] = own_before + count
            if peer.spells is not None:
                spells, before = peer.spells, own_before
            else:
                peer = None
        if reason not in spells:
            spells[reason] = before
            self._tell(DropsBegan(*_place(peer), reason, _name(peer)))

    def room_again(self, peer: Peer) -> None:
        """The peer was full and is not any more."""
        if peer.spells and DropReason.SEND_HWM in peer.spells:
            self._end(DropReason.SEND_HWM, peer, peer.spells, peer.drops)

    def peer_came(self) -> None:
        """A handshake was completed."""
        for reason in list(self._spells):
            self.end(reason)

    def peer_went(self, peer: Peer) -> None:
        """The relation to a peer is over. What it has sent may still be dropped; that concerns no peer any more."""
        if peer.spells:
            for reason in list(peer.spells):
                self._end(reason, peer, peer.spells, peer.drops)
        peer.spells = None

    def end(self, reason: DropReason) -> None:
        """End the spell that concerns no peer, if there is one."""
        if reason in self._spells:
            self._end(reason, None, self._spells, self.drops)

    def _end(
        self, reason: DropReason, peer: Peer | None, spells: dict[DropReason, int], drops: dict[DropReason, int]
    ) -> None:
        count = drops[reason] - spells.pop(reason)
        self._tell(DropsEnded(*_place(peer), reason, _name(peer), count))


def _place(peer: Peer | None) -> tuple[str, str]:
    if peer is None or peer.snapshot is None:
        return "", ""
    info = peer.snapshot()
    return info.endpoint, info.address


def _name(peer: Peer | None) -> bytes:
    return b"" if peer is None else peer.routing_id or peer.identity


class EventWatcher:
    """The events of a socket from now on: an async iterator, and an ``async with`` that ends the watching.

    It holds at most ``limit`` events; a watcher that is slower loses the oldest and finds their number in ``missed``.
    The iteration ends when the socket is closed.
    """

    def __init__(self, monitor: Monitor, limit: int) -> None:
        self._monitor = monitor
        self._events: deque[Event] = deque(maxlen=limit)
        self._wake = trio.Event()
        self._closed = False
        #: How many events were lost because this watcher was slow.
        self.missed = 0

    def add(self, event: Event) -> None:
        """Called by the monitor for each event; never waits."""
        if len(self._events) == self._events.maxlen:
            self.missed += 1
        self._events.append(event)
        self._wake.set()

    def end(self) -> None:
        """No more events will come; those that are there can still be read."""
        self._closed = True
        self._wake.set()

    def __repr__(self) -> str:
        state = "ended" if self._closed else "watching"
        return f"<trizmq.EventWatcher {state}, {len(self._events)} events waiting, {self.missed} missed>"

    def __aiter__(self) -> EventWatcher:
        return self

    async def __anext__(self) -> Event:
        await checkpoint()  # before anything is taken, so that a cancelled call loses nothing
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            if self._wake.is_set():  # else others wait for the same one
                self._wake = trio.Event()
            await self._wake.wait()
        return self._events.popleft()

    async def aclose(self) -> None:
        """Stop watching."""
        self._monitor.discard(self)
        self.end()
        await checkpoint()

    async def __aenter__(self) -> EventWatcher:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class Monitor:
    """Hands each event to whoever watches."""

    __slots__ = ("_ended", "_watchers")

    def __init__(self) -> None:
        self._watchers: list[EventWatcher] = []
        self._ended = False

    def watch(self, limit: int) -> EventWatcher:
        """A new watcher."""
        watcher = EventWatcher(self, limit)
        if self._ended:
            watcher.end()
        else:
            self._watchers.append(watcher)
        return watcher

    def discard(self, watcher: EventWatcher) -> None:
        """Forget a watcher."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def tell(self, event: Event) -> None:
        """Something happened."""
        for watcher in self._watchers:
            watcher.add(event)

    def end(self) -> None:
        """The socket is closed: nothing more will happen."""
        self._ended = True
        for watcher in self._watchers:
            watcher.end()
        self._watchers.clear()
