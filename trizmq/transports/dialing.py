"""Happy eyeballs (RFC 8305): of the several addresses of a name, the first that answers."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

import trio

#: As ``getaddrinfo`` gives it: family, type, protocol, canonical name, socket address.
Resolved: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

# "Connection Attempt Delay", RFC 8305 section 5; Trio's own open_tcp_stream waits as long.
_BETWEEN_ATTEMPTS = 0.25


async def dial(addresses: Sequence[Resolved], connect: Callable[[Resolved], Awaitable[socket.socket]]) -> socket.socket:
    """Try the addresses one after the other, without waiting long for one that does not answer.

    Raises:
        OSError: what went wrong with the first address: "connection refused" says more than "all attempts failed".
    """
    if len(addresses) == 1:
        return await connect(addresses[0])
    failures: dict[int, OSError] = {}
    winners: list[socket.socket] = []

    # Ctrl-C is for the user's tasks
    @trio.lowlevel.enable_ki_protection
    async def attempt(at: int, address: Resolved, failed: trio.Event) -> None:
        try:
            winners.append(await connect(address))
        except OSError as error:
            failures[at] = error
            failed.set()
        else:
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for at, address in enumerate(_alternating(addresses)):
                failed = trio.Event()
                nursery.start_soon(attempt, at, address, failed, name=f"trizmq dials {address[4][0]}")
                with trio.move_on_after(_BETWEEN_ATTEMPTS):
                    await failed.wait()
    except BaseException:
        while winners:
            winners.pop().close()
        raise
    if not winners:
        raise failures[0] if failures else OSError("the name has no address")
    winner, *late = winners
    for other in late:
        other.close()
    return winner


def _alternating(addresses: Sequence[Resolved]) -> list[Resolved]:
    """The system's order, but the two IP versions in turn, so that one that is broken costs one delay (section 4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]
