"""inproc://name: no bytes and no link, only names: who is bound to one, and who waits for it. One registry per context."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Generic, TypeVar

Binder = TypeVar("Binder")
Connector = TypeVar("Connector")


class InprocNames(Generic[Binder, Connector]):
    """Matches binders and connectors by name, in whichever order they come."""

    def __init__(self) -> None:
        self._bound: dict[str, Binder] = {}
        self._waiting: dict[str, list[Connector]] = {}

    def bind(self, name: str, binder: Binder) -> list[Connector]:
        """Take a name; the connectors that have waited for it, in the order in which they came, wait no more.

        Raises:
            OSError: EADDRINUSE, the name is bound in this context already.
        """
        if name in self._bound:
            raise OSError(errno.EADDRINUSE, f"cannot bind inproc://{name}: the name is bound in this context already")
        self._bound[name] = binder
        return self.take_waiting(name)

    def unbind(self, name: str) -> None:
        """Free a name."""
        self._bound.pop(name, None)

    def find(self, name: str) -> Binder | None:
        """Who is bound to a name."""
        return self._bound.get(name)

    def wait(self, name: str, connector: Connector) -> None:
        """Have a connector returned by the next ``bind`` of that name."""
        self._waiting.setdefault(name, []).append(connector)

    def take_waiting(self, name: str) -> list[Connector]:
        """The connectors that wait for a name, which they do no more."""
        return self._waiting.pop(name, [])

    def waiting(self, name: str) -> Sequence[Connector]:
        """The connectors that wait for a name."""
        return self._waiting.get(name, ())

    def forget_all(self) -> list[Connector]:
        """The connectors that wait for any name, which they do no more."""
        waiting, self._waiting = self._waiting, {}
        return [connector for several in waiting.values() for connector in several]

    def forget(self, name: str, connector: Connector) -> None:
        """Stop waiting."""
        waiting = self._waiting.get(name, [])
        if connector in waiting:
            waiting.remove(connector)
            if not waiting:
                del self._waiting[name]
