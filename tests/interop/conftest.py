"""Fixtures for the tests against libzmq: pyzmq peers in processes of their own, and a place to meet them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.interop.driver import PeerProcess, nobody_there, running_peer


@pytest.fixture
async def start_peer(nursery: trio.Nursery) -> AsyncIterator[Callable[[], Awaitable[PeerProcess]]]:
    """Starts pyzmq processes; all end with the test."""
    async with AsyncExitStack() as stack:

        async def start() -> PeerProcess:
            return await stack.enter_async_context(running_peer(nursery))

        yield start


@pytest.fixture
async def peer(start_peer: Callable[[], Awaitable[PeerProcess]]) -> PeerProcess:
    """One pyzmq process."""
    return await start_peer()


@pytest.fixture
def wildcard(tmp_path: Path) -> Callable[[str], str]:
    """Makes endpoints to bind to, by transport: what the system chooses for tcp, a new path for ipc."""
    numbers = itertools.count()

    def endpoint(transport: str) -> str:
        return "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/{next(numbers)}"

    return endpoint


@pytest.fixture
def unbound(wildcard: Callable[[str], str]) -> Callable[[str], str]:
    """Makes endpoints, by transport, at which nobody listens yet."""

    def endpoint(transport: str) -> str:
        return wildcard("ipc") if transport == "ipc" else nobody_there()

    return endpoint
