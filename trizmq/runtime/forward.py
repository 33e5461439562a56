"""Passing messages from one socket to another: the inside of the proxy."""

from __future__ import annotations

from collections.abc import Sequence

from .checkpoints import enable_ki_protection
from .poll import wait_any
from .socket import SocketCore

# As libzmq's proxy_burst_size: after so many messages one way, the other way gets its turn.
_BURST = 1000


async def forward(directions: Sequence[tuple[SocketCore, SocketCore]], capture: SocketCore | None) -> None:
    """Move messages from the first to the second of each pair until cancelled or a socket is closed."""
    cores = {core for direction in directions for core in direction} | ({capture} if capture is not None else set())

    def move_some() -> int:
        for core in cores:
            core.check_open()
        return sum(_move(source, target, capture) for source, target in directions)

    while True:
        await wait_any(list(cores), move_some)


@enable_ki_protection
def _move(source: SocketCore, target: SocketCore, capture: SocketCore | None) -> int:
    """Move what can be moved without waiting; the number of messages. Nothing is taken that cannot be passed on."""
    moved = 0
    take, give = source.gate, target.gate
    while moved < _BURST and take.can_receive:
        # a socket that is both ends may send only once it has received (REP)
        if target is not source and not give.can_send:
            break
        if capture is not None and not capture.gate.can_send:
            break
        message = take.receive()
        if message is None:
            break
        if not give.send(message):
            take.unreceive(message)
            break
        if capture is not None:
            capture.gate.send(message)
        moved += 1
    return moved
