"""The one place that schedules: when a verb lets other tasks run, and where tasks wait for a socket.

A full checkpoint on every ``send`` costs a pass of Trio's scheduler per message: 52 k messages a second, because the
writer wakes between any two of them. So a call that need not wait checks for cancellation each time, and lets others run
at least every 64th time (the option ``checkpoint_every``). A deadline of 20 ms still fires after 20.3 ms. libzmq itself
looks at its mailbox once per 100 receives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trio import Event, WouldBlock
from trio.lowlevel import ParkingLot, checkpoint, checkpoint_if_cancelled, enable_ki_protection

__all__ = [
    "ParkingLot",
    "Watchers",
    "WouldBlock",
    "checkpoint",
    "checkpoint_if_cancelled",
    "enable_ki_protection",
]


class Watchers:
    """Tasks that wait until a condition holds, without taking anything: all are woken to look again."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: set[Event] = set()

    def notify(self) -> None:
        """Let everybody look again."""
        if self._events:
            events, self._events = self._events, set()
            for event in events:
                event.set()

    def add(self, event: Event) -> None:
        """Have an event set at the next change."""
        self._events.add(event)

    def discard(self, event: Event) -> None:
        """Forget an event that may have been added."""
        self._events.discard(event)

    @contextmanager
    def watching(self) -> Iterator[Event]:
        """An event that the next change sets; forgotten at the end, whatever happens."""
        event = Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)
