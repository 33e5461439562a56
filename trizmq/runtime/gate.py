"""Gates: what the verbs find in place of the pattern, or in front of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ..messages import Packed
from ..patterns.base import Pattern


class Gate(Pattern):
    """Stands where the verbs expect the pattern while the socket cannot be used, and says why."""

    def __init__(self, refuse: Callable[[], BaseException]) -> None:
        self.refuse = refuse

    def send(self, message: Packed) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    def receive(self) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    def receive_many(self, most: int) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    def unreceive(self, message: Packed) -> NoReturn:
        """Raise what stands in the way."""
        raise self.refuse()

    @property
    def can_send(self) -> bool:
        """Raise what stands in the way."""
        raise self.refuse()

    @property
    def can_receive(self) -> bool:
        """Raise what stands in the way."""
        raise self.refuse()


class TellingGate(Pattern):
    """In front of REQ and REP: their verbs change what can be done next, which tasks that wait for it have to hear."""

    def __init__(self, pattern: Pattern, tell: Callable[[], None]) -> None:
        self.pattern = pattern
        self.tell = tell

    def send(self, message: Packed) -> bool:
        """As the pattern."""
        sent = self.pattern.send(message)
        self.tell()
        return sent

    def receive(self) -> Packed | None:
        """As the pattern."""
        message = self.pattern.receive()
        self.tell()
        return message

    def receive_many(self, most: int) -> list[Packed]:
        """As the pattern."""
        messages = self.pattern.receive_many(most)
        self.tell()
        return messages

    def unreceive(self, message: Packed) -> None:
        """As the pattern."""
        self.pattern.unreceive(message)
        self.tell()

    @property
    def can_send(self) -> bool:
        """As the pattern."""
        return self.pattern.can_send

    @property
    def can_receive(self) -> bool:
        """As the pattern."""
        return self.pattern.can_receive
