"""The home of sockets: what those of one context share, and what a fork does to all of them."""

from __future__ import annotations

import os
import weakref
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING

from ..authentication import Authenticator
from ..transports.inproc import InprocNames
from .gate import Gate
from .leftovers import Leftovers

if TYPE_CHECKING:
    from .inproc import InprocBinding, InprocConnection
    from .socket import SocketCore


class SocketHome:
    """The inproc names and the open sockets of one context, and how its ZAP handler is asked."""

    def __init__(self, ask_handler: Authenticator) -> None:
        #: Given from above, because asking takes a socket.
        self.ask_handler = ask_handler
        self.inproc_names: InprocNames[InprocBinding, InprocConnection] = InprocNames()
        self.leftovers = Leftovers(self.inproc_names)
        self.open_cores: set[SocketCore] = set()
        self._numbers = count(1)

    def admit(self, core: SocketCore) -> str:
        """A socket is opened here; returns its name, for tasks and texts."""
        self.open_cores.add(core)
        _open_anywhere.add(core)
        return f"{core.type_name}-{next(self._numbers)}"

    def dismiss(self, core: SocketCore) -> None:
        """A socket is closed."""
        self.open_cores.discard(core)
        _open_anywhere.discard(core)


#: Of the socket that an authenticator is asked for: a ZAP handler is looked for in the context of that socket.
home_here: ContextVar[SocketHome] = ContextVar("home_here")


# A fork copies open sockets into a process where nothing serves them. This table, which keeps nothing alive, lets the
# child's copies say so; it is the one thing that belongs to the process, as the fork does.
_open_anywhere: weakref.WeakSet[SocketCore] = weakref.WeakSet()


def _after_fork() -> None:
    for core in list(_open_anywhere):
        core.gate = Gate(core.foreign_error)
    _open_anywhere.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
