"""What a socket counts and tells: the counters behind ``statistics()``, and the watchers behind ``events()``."""

from __future__ import annotations

from collections import deque

import trio

from ..events import DropReason, Event
from .checkpoints import checkpoint


class Counters:
    """Running totals of one socket; engines add to them once per batch."""

    __slots__ = ("bytes_received", "bytes_sent", "drops", "messages_received", "messages_sent", "reconnects")

    def __init__(self) -> None:
        self.messages_sent = 0
        self.messages_received = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.reconnects = 0
        self.drops: dict[DropReason, int] = {}

    def drop(self, reason: DropReason, count: int) -> None:
        """Count messages that are not delivered."""
        self.drops[reason] = self.drops.get(reason, 0) + count


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
