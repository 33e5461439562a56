"""The pipe: one direction of a peer relation, a Trio memory channel that carries open batches, with credit in messages.

Waking a task once per message costs 8 to 11 µs, so a pipe carries batches, and a batch stays open until it is taken: what
is put meanwhile is appended to the batch that lies in the channel. There is therefore never more than one batch in it.

Credit is exact: at most ``limit`` messages have been put and not been released. The reading side releases a message when
it is done with it (an engine when it is written, a socket when the application has it), not when it takes the batch.

A limit in bytes costs nothing where there is none: a pipe that has one lowers its numbers of messages so far that the short
way of ``put`` refuses every message, and decides on the long way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from ..messages import Packed, Run
from .byte_count import ByteCount

UNLIMITED = 1 << 62
_LOWERED = 1 << 63


class Holder(Protocol):
    """Who writes what waits in a pipe, and may do so a little later, with more of it."""

    def hold(self) -> bool:
        """A batch begins. True: it stays out of the channel, and ``write_held`` will be called soon."""

    def write_held(self) -> None:
        """Write the batch, or pass it on."""

    def write_run(self, run: Run) -> bool:
        """Messages find the pipe empty; True: they were written at once."""


class Pipe:
    """Carries packed messages one way. One task or socket writes, one reads; neither ``put`` nor ``take`` ever waits."""

    __slots__ = (
        "_bytes",
        "_greeted",
        "_limit",
        "_lowered",
        "_most",
        "_noted",
        "_notes",
        "_open",
        "_receive_channel",
        "_send_channel",
        "_starved",
        "by_hand",
        "direct",
        "holder",
        "on_data",
        "on_replaced",
        "on_room",
        "released",
    )

    def __init__(self, limit: int) -> None:
        self._send_channel, self._receive_channel = trio.open_memory_channel[list[Packed]](1)
        self._open: list[Packed] | None = None
        self._limit = limit or UNLIMITED
        # How many messages the open batch may hold: the limit less what was taken and not released. Counting this way,
        # ``put`` changes no number.
        self._most = self._limit
        self._bytes: ByteCount | None = None  # where bytes are limited too
        self._lowered = 0  # by how much ``_limit`` and ``_most`` are then lower
        self._starved = False
        self._noted = 0  # how many messages the reading side has put itself
        self._notes: tuple[int, ...] = ()  # those of them that wait: how many messages there were before each
        self._greeted = -1  # what ``released`` was when a greeting was put in front
        #: The open batch is not in the channel: its reader is at hand, or it is held back.
        self.by_hand = False
        #: How many messages were put and have left again so far: released, withdrawn, or discarded.
        self.released = 0
        #: Called when the pipe was empty and is not any more.
        self.on_data: Callable[[], None] | None = None
        #: Called when a writer was refused and there is room again.
        self.on_room: Callable[[], None] | None = None
        #: Told how many messages were replaced by newer ones, where only the newest is kept (``conflate``).
        self.on_replaced: Callable[[int], None] | None = None
        #: Offered a message that finds the pipe empty; True: it was written at once and need not be queued.
        self.direct: Callable[[Packed], bool] | None = None
        #: Offered runs of messages in the same way, and asked whether a batch that begins is held back.
        self.holder: Holder | None = None

    # ---- the writing side

    def put(self, message: Packed) -> bool:
        """Append a message; False, and nothing is queued, when the limit is reached."""
        batch = self._open
        if batch is not None:
            if len(batch) < self._most:
                batch.append(message)
                return True
        elif self._most > 0:
            if self.direct is not None and self.direct(message):
                self.released += 1
            else:
                self._open_with([message])
            return True
        if self.on_replaced is not None:
            return self._replace(message)
        if self._bytes is not None and self.room > 0:
            self.push(message)
            return True
        if self._written():
            return self.put(message)
        self._starved = True
        return False

    def put_run(self, run: Run, *, write: bool) -> None:
        """Append messages that the caller has seen to be within ``room``; with ``write`` they may be written at once."""
        if write and self._open is None and self.holder is not None and self.holder.write_run(run):
            self.released += len(run)
        else:
            self.put_batch(list(run))

    def put_newest(self, message: Packed) -> int:
        """Append a message, at the limit in place of the oldest that waits; the number of messages that were lost for it.

        What was taken cannot be lost any more, so it does not count here: a reader that holds on to as many messages as the
        limit allows would otherwise keep the newest ones out.
        """
        if self.on_replaced is not None:
            self._replace(message)
            return 0
        self.push(message)
        lost = 0
        batch = self._open or []
        while len(batch) > self._limit + self._lowered or (self._bytes and self._bytes.overflows and len(batch) > 1):
            oldest = batch.pop(0)
            lost += 1
            if self._bytes is not None:
                self._bytes.lose(oldest)
        return lost

    def push(self, message: Packed) -> None:
        """Append a message whatever the limit says."""
        if self._open is not None:
            self._open.append(message)
            if self._bytes is not None:
                self._bytes.put((message,))
        else:
            self._begin(message)

    def push_first(self, message: Packed) -> None:
        """Put a message in front of all that wait, whatever the limit says."""
        if self._open:
            self._open.insert(0, message)
            if self._bytes is not None:
                self._bytes.put((message,))
        else:
            self.push(message)

    def note(self, message: Packed, *, first: bool = False) -> None:
        """Append a message that the reading side makes itself, or put it in front; the writing side has not sent it."""
        self._noted += 1
        waiting = [at + first for at in self._notes if at >= self.released]
        if self.on_replaced is not None:
            self._replace(message)
        elif first:
            self.push_first(message)
        else:
            self.push(message)
        self._notes = (*waiting, self.released if first else self.released + self.queued - 1)

    def greet(self, message: Packed) -> None:
        """Put the message in front that a new connection begins with, in place of that which an earlier one never sent.

        What is in front goes out first, and comes back first (``restore``): if nothing was sent, it is still there.
        """
        if self._open:
            if self.on_replaced is not None:
                del self._open[:-1]
            elif self._greeted == self.released:
                unsent = self._open.pop(0)
                if self._bytes is not None:
                    self._bytes.lose(unsent)
        self.push_first(message)
        self._greeted = self.released

    def put_batch(self, batch: list[Packed]) -> None:
        """Append messages that the caller has seen to be within ``room``; the list is the pipe's from here on."""
        if self.on_replaced is not None:
            self._count_replaced(len(batch) - 1)
            self._replace(batch[-1])
        elif self._open is not None:
            self._open += batch
            if self._bytes is not None:
                self._bytes.put(batch)
        else:
            self._open_with(batch)

    def _begin(self, message: Packed) -> None:
        if self.direct is not None and self.direct(message):
            self.released += 1
        else:
            self._open_with([message])

    def hand(self, message: Packed) -> bool:
        """Give a message to an empty pipe whose reader is this very task, and takes it next; False: use ``put_batch``.

        Nothing goes from task to task here, so it does not pass through the channel.
        """
        if self._open is not None or self._most <= 0 or self.on_replaced is not None:
            return False
        self._open = [message]
        self.by_hand = True
        if self.on_data is not None:
            self.on_data()
        return True

    def _open_with(self, batch: list[Packed]) -> None:
        self._open = batch
        if self._bytes is not None:
            self._bytes.put(batch)
        elif self.holder is not None and self.on_replaced is None and self.holder.hold():
            self.by_hand = True
            return
        self._send_channel.send_nowait(batch)
        if self.on_data is not None:
            self.on_data()

    def pass_on(self) -> None:
        """Give a batch that was held back to the task that waits in ``get``; nothing happens where there is none."""
        if self.by_hand and self._open is not None:
            self.by_hand = False
            self._send_channel.send_nowait(self._open)
            if self.on_data is not None:
                self.on_data()

    def _written(self) -> bool:
        """The pipe is full: have written what is held back, and whether there is room then."""
        if not self.by_hand or self.holder is None or self._starved:  # ``on_room`` is not to be called from here
            return False
        self.holder.write_held()
        return self.room > 0

    def conflate(self, on_replaced: Callable[[int], None]) -> None:
        """Keep only the newest message from now on; high-water marks do not apply."""
        if self.on_replaced is None:
            self.set_byte_limit(0)
            self.set_limit(1)
            self.on_replaced = on_replaced
            if self._open:
                self._count_replaced(len(self._open) - 1)
                del self._open[:-1]

    def _replace(self, message: Packed) -> bool:
        if self._open:
            self._open[-1] = message
            self._notes = ()
            self._count_replaced(1)
        elif self._open is not None:
            self._open.append(message)
        else:
            self._begin(message)
        return True

    def _count_replaced(self, count: int) -> None:
        if count > 0 and self.on_replaced is not None:
            self.on_replaced(count)

    def withdraw(self, message: Packed) -> bool:
        """Take back a message that was put and not yet taken; False if it is too late. Told by identity, not equality."""
        batch = self._open or []
        for at, waiting in enumerate(batch):
            if waiting is message:
                place = self.released + self.queued - len(batch) + at
                self._notes = tuple(note + (note < place) for note in self._notes)
                del batch[at]
                if self._bytes is not None:
                    self._bytes.lose(message)
                self.released += 1
                return True
        return False

    def discard(self, unwanted: Callable[[Packed], bool]) -> None:
        """Take out the messages that are not wanted any more, of those that were put and not yet taken."""
        if self._open:
            before = len(self._open)
            self._open[:] = [message for message in self._open if not unwanted(message)]
            if self._bytes is not None:
                self._bytes.recount(self._open)
            self.released += before - len(self._open)

    @property
    def room(self) -> int:
        """How many messages ``put`` would take now, for all that is known of their sizes."""
        if self.on_replaced is not None:
            return UNLIMITED
        if self._bytes is None:
            return self._most - len(self._open or ())
        room = self._most + self._lowered - len(self._open or ())
        return min(room, 0) if self._bytes.full else room

    @property
    def has_room(self) -> bool:
        """Whether ``put`` would take a message now. Asking counts as being refused: ``on_room`` will follow."""
        if self.room > 0 or self._written():
            return True
        self._starved = True
        return False

    # ---- the reading side

    async def get(self) -> list[Packed]:
        """Wait for messages and take them all. A nudge gives an empty list. Cancelled: nothing was taken."""
        return self._taken(await self._receive_channel.receive())

    def take(self) -> list[Packed] | None:
        """Take all messages that are there; None where there are none."""
        batch = self._open
        if batch is None:
            return None
        if self.by_hand:
            self.by_hand = False
        else:
            self._receive_channel.receive_nowait()
        return self._taken(batch)

    def _taken(self, batch: list[Packed]) -> list[Packed]:
        self._open = None
        self._most -= len(batch)
        if self._bytes is not None:
            self._bytes.take(batch)
        return batch

    def release(self, count: int) -> None:
        """Give back the credit of messages taken."""
        self.released += count
        self._most += count
        if self._bytes is not None:
            self._bytes.release(count)
        if self._starved and self.room > 0:
            self._starved = False
            if self.on_room is not None:
                self.on_room()

    def charge(self, count: int = 1) -> None:
        """Count messages as taken, and not released, that ``direct`` or the holder has begun to write."""
        self.released -= count
        self._most -= count
        if self._bytes is not None:
            self._bytes.charge(count)

    def restore(self, messages: list[Packed]) -> None:
        """Put messages that were taken and not released back in front of all others."""
        if not messages:
            return
        self._most += len(messages)
        if self._bytes is not None:
            self._bytes.restore(messages)
        if self._open and self.on_replaced is not None:
            self._count_replaced(len(messages))
            self.released += len(messages)
        elif self._open is not None:
            self._open[:0] = messages
        else:
            self._open = messages
            self._send_channel.send_nowait(messages)
            if self.on_data is not None:
                self.on_data()

    def nudge(self) -> None:
        """Wake the task that waits in ``get``, with an empty batch where there is no other."""
        if self._open is None:
            self._open = []
            self._send_channel.send_nowait(self._open)
            if self.on_data is not None:
                self.on_data()
        else:
            self.pass_on()

    def tell_room(self) -> None:
        """Have ``on_room`` called when credit is next given back."""
        self._starved = True

    # ---- both

    @property
    def held(self) -> int:
        """How many messages are held back."""
        return len(self._open) if self.by_hand and self._open else 0

    @property
    def has_batch(self) -> bool:
        """Whether ``take`` would give anything, be it the empty batch of a nudge."""
        return self._open is not None

    @property
    def queued(self) -> int:
        """How many messages were put and not released: waiting, or taken and not yet done with."""
        return self._limit - self._most + len(self._open or ())

    @property
    def total(self) -> int:
        """How many messages the writing side has put so far."""
        return self.released + self.queued - self._noted

    def own(self, count: int) -> int:
        """How many of the last ``count`` messages the reading side has put itself."""
        first = self.released + self.queued - count
        return sum(at >= first for at in self._notes)

    def set_limit(self, limit: int) -> None:
        """Change the limit. What is queued stays; a smaller limit holds for what comes."""
        if self.on_replaced is not None:
            return
        self._move_limit((limit or UNLIMITED) - self._lowered)
        self.release(0)

    def set_byte_limit(self, limit: int) -> None:
        """Limit the bytes of what is put and not released as well, from now on; 0: no limit. One message may go beyond it."""
        if self.on_replaced is not None or limit == (self._bytes.limit if self._bytes else 0):
            return
        if self._bytes is not None and limit:
            self._bytes.limit = limit
        else:
            waiting = self._open or []
            self._bytes = ByteCount(limit, waiting, self.queued - len(waiting)) if limit else None
            self._lowered, difference = (_LOWERED if limit else 0), self._lowered - (_LOWERED if limit else 0)
            self._move_limit(self._limit + difference)
        self.release(0)

    def _move_limit(self, limit: int) -> None:
        self._limit, difference = limit, limit - self._limit
        self._most += difference
