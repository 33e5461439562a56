"""Waiting for any of several sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from .checkpoints import checkpoint
from .socket import SocketCore

T = TypeVar("T")


async def wait_any(cores: Sequence[SocketCore], look: Callable[[], T]) -> T:
    """Wait until ``look()`` finds something, looking again whenever one of the sockets has changed."""
    await checkpoint()
    while not (found := look()):
        changed = trio.Event()
        for core in cores:
            core.watchers.add(changed)
        try:
            await changed.wait()
        finally:
            for core in cores:
                core.watchers.discard(changed)
    return found
