"""The gate: what the verbs find in place of the pattern while a socket cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ..messages import Packed
from ..patterns.base import Pattern


class Gate(Pattern):
    """Stands where the verbs expect the pattern while the socket cannot be used, and says why."""

    def __init__(self, refuse: Callable[[], Exception]) -> None:
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
