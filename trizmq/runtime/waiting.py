"""Who waits for what at one socket, and who is woken by what happens to its peers."""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from ..patterns.base import Pattern, Peer
from .checkpoints import Lot, Watchers, checkpoint
from .gate import TellingGate
from .lease import Lease
from .monitor import DropLedger


class Waiting:
    """The half of a socket core that makes tasks wait; what it looks at is the other half's."""

    name: str
    exclusive: bool
    gate: Pattern
    pattern: Pattern
    sessions: Collection[object]
    drops: DropLedger
    check_home: Callable[[], None]
    check_open: Callable[[], None]

    def __init__(self) -> None:
        self.ended = False  # the nursery is over: no task can be started, no pattern is of use any more
        self.budget = 1
        self.every = 1  # the option checkpoint_every, which the verbs look at often
        self.senders = Lot()
        self.receivers = Lot()
        self.lease = Lease()
        self.watchers = Watchers(self._watched)  # wait_readable, wait_writable, pollers
        self.changes = Watchers(self.lease.recall)  # wait_connected, wait_subscribed, wait_drained, closing

        # made once: each connection refers to them, and the garbage collector would look at ten thousand
        self.on_progress = self.progressed
        self.on_arrival = self.peer_arrived

    # ---- what happens

    def peer_arrived(self, peer: Peer) -> None:
        """A peer's inbound pipe has messages."""
        if self.ended:
            return
        self.pattern.arrived(peer)
        if self.receivers.waiting:
            # who waits for anything else needs the reader
            others = self.watchers.events or self.changes.events or self.senders.waiting
            self.lease.wanted = self.receivers.waiting == len(self.sessions) == 1 and not others
            self.receivers.unpark_all()
        if self.exclusive and self.senders.waiting:
            self.senders.unpark_all()  # a stale reply that arrives may be what a REQ has waited for
        if self.watchers.events:
            self.watchers.notify()

    def peer_writable(self, peer: Peer) -> None:
        """A peer's outbound pipe has room again."""
        if self.ended:
            return
        self.drops.room_again(peer)
        self.pattern.writable(peer)
        self.senders.unpark_all()
        self.watchers.notify()

    def peers_changed(self) -> None:
        """A peer came or went, or we are closed: anything may be possible now, or have become impossible."""
        self.lease.recall()
        self.senders.unpark_all()
        self.receivers.unpark_all()
        self.watchers.notify()
        self.changes.notify()

    def progressed(self) -> None:
        """Something was written, or a subscription changed."""
        self.changes.notify()

    def _watched(self) -> None:
        """Somebody begins to watch what can be done."""
        self.lease.recall()
        if self.exclusive and self.gate is self.pattern:
            self.gate = TellingGate(self.pattern, self.watchers.notify)

    # ---- waiting for it

    async def wait_to_send(self) -> None:
        """Park a task that found no room. Woken, it tries again."""
        if self.exclusive and self.senders.waiting:
            raise trio.BusyResourceError(f"another task is sending on {self.name}")
        self.lease.recall()
        await self.senders.park()
        self.budget = self.every

    async def wait_to_receive(self) -> None:
        """Park a task that found no message, or let it read for itself. Woken, it tries again."""
        lease = self.lease
        if self.exclusive and (lease.taken or self.receivers.waiting):
            raise trio.BusyResourceError(f"another task is receiving from {self.name}")
        if lease.offered:
            await lease.read()
            if self.receivers.waiting:
                lease.recall()
        else:
            lease.wanted = False  # we wait for the reader
            await self.receivers.park()
        self.budget = self.every

    async def wait_ready(self, ready: Callable[[Pattern], bool]) -> None:
        """Wait until the pattern can do something."""
        await checkpoint()
        self.check_home()
        while not ready(self.gate):
            with self.watchers.watching() as changed:
                await changed.wait()

    async def settle(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on peers and queues holds, also while the socket is closing."""
        while not condition():
            with self.changes.watching() as changed:
                await changed.wait()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on peers, queues or subscriptions holds; ClosedResourceError once the socket is closed."""
        self.check_open()
        await checkpoint()

        def holds() -> bool:
            self.check_open()
            return condition()

        await self.settle(holds)
