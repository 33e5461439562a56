"""What belongs to one Trio run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import trio

from .checkpoints import enable_ki_protection
from .socket import SocketCore

T = TypeVar("T")


class RunLocal(Generic[T]):
    """One value per Trio run, made when it is first asked for: the only global state there is."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._variable: trio.lowlevel.RunVar[T] = trio.lowlevel.RunVar("trizmq")

    def get(self) -> T:
        """The value of the current run."""
        try:
            return self._variable.get()
        except LookupError:
            value = self._make()
            self._variable.set(value)
            return value


async def close_all(cores: Iterable[SocketCore], *, forcefully: bool) -> None:
    """Close sockets side by side."""
    async with trio.open_nursery() as nursery:
        for core in cores:
            nursery.start_soon(_close, core, forcefully, name=f"trizmq closing {core.name}")


@enable_ki_protection
async def _close(core: SocketCore, forcefully: bool) -> None:
    await core.aclose(forcefully=forcefully)
