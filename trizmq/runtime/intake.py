"""What one pass of an engine's reader takes in: as much as is there without waiting, up to a bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ..transports.base import Link, PollableLink
from ..wire.connection import Connection
from ..wire.raw import RawConnection

# So many bytes of large frames are read without a checkpoint in between; fewer where they have to be opened as well.
_MOST = 1024 * 1024
_MOST_SEALED = 256 * 1024


def take_in(
    link: PollableLink,
    connection: Connection | RawConnection,
    note: Callable[[int], None],
    deliver: Callable[[], bool],
) -> bool:
    """Read, and feed what came; False at the end of the stream. Large frames are read to where they will stay.

    There it is worth trying again even after a read that came back short: by then the peer has often sent more, and a failing
    call takes a tenth of a pass of the scheduler.
    """
    most = _MOST_SEALED if connection.sealed else _MOST
    while (space := connection.space()) is not None:
        with space:
            received = link.receive_into(space)
        if received is None:
            return True
        count, following = received
        if not count:
            return False
        size = count + len(following)
        note(size)
        cast("Connection", connection).filled(count, following)  # the other one has no space
        most -= size
        if (connection.has_input and not deliver()) or most <= 0:
            return True
    data = link.receive_now(connection.read_size)
    if data:
        note(len(data))
        connection.receive_data(data)
    return data != b""


async def take_from_stream(link: Link, connection: Connection | RawConnection, note: Callable[[int], None]) -> bool:
    """The same for a link that can only be waited for: read once."""
    if data := await link.receive_some(connection.read_size):
        note(len(data))
        connection.receive_data(data)
    return bool(data)
