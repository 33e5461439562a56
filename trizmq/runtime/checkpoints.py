"""The one place that schedules: when a verb lets other tasks run, and where tasks wait for a socket.

A full checkpoint on every ``send`` costs a pass of Trio's scheduler per message: 52 k messages a second, because the
writer wakes between any two of them. So a call that need not wait checks for cancellation each time, and lets others run
at least every 64th time (the option ``checkpoint_every``). A deadline of 20 ms still fires after 20.3 ms. libzmq itself
looks at its mailbox once per 100 receives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trio import Event, WouldBlock
from trio.lowlevel import ParkingLot, checkpoint, checkpoint_if_cancelled, current_clock, enable_ki_protection

__all__ = [
    "Lot",
    "ParkingLot",
    "Watchers",
    "WouldBlock",
    "checkpoint",
    "checkpoint_if_cancelled",
    "enable_ki_protection",
    "on_system_clock",
]


def on_system_clock() -> bool:
    """Whether time passes by itself in this run, and not as a test wants it to."""
    return type(current_clock()).__name__ == "SystemClock"


class Lot:
    """Where tasks wait for their turn. As Trio's ParkingLot, which it uses, and it is free to ask whether anybody waits."""

    __slots__ = ("_lot", "_round", "waiting")

    def __init__(self) -> None:
        self._lot = ParkingLot()
        self._round = 0  # grows whenever all are woken
        #: How many wait.
        self.waiting = 0

    async def park(self) -> None:
        """Wait to be woken."""
        self.waiting += 1
        now = self._round
        try:
            await self._lot.park()
        except BaseException:
            if now == self._round:
                self.waiting -= 1
            raise

    def unpark_all(self) -> None:
        """Wake all who wait."""
        if self.waiting:
            self.waiting = 0
            self._round += 1
            self._lot.unpark_all()


class Watchers:
    """Tasks that wait until a condition holds, without taking anything: all are woken to look again."""

    __slots__ = ("_on_watch", "events")

    def __init__(self, on_watch: Callable[[], None]) -> None:
        #: What they wait for.
        self.events: set[Event] = set()
        self._on_watch = on_watch  # called when somebody begins to wait

    def notify(self) -> None:
        """Let everybody look again."""
        if self.events:
            events, self.events = self.events, set()
            for event in events:
                event.set()

    def add(self, event: Event) -> None:
        """Have an event set at the next change."""
        self.events.add(event)
        self._on_watch()

    def discard(self, event: Event) -> None:
        """Forget an event that may have been added."""
        self.events.discard(event)

    @contextmanager
    def watching(self) -> Iterator[Event]:
        """An event that the next change sets; forgotten at the end, whatever happens."""
        event = Event()
        self.add(event)
        try:
            yield event
        finally:
            self.events.discard(event)
