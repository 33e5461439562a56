"""Fair queueing: whose message is received next by a PULL, SUB, XSUB, DEALER, ROUTER, REP or PAIR."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from ..events import DropReason
from ..messages import Packed, Run
from .base import Drop, Peer

#: What becomes of a batch when it is taken from a peer's inlet: the messages to be received, oldest first.
Admit: TypeAlias = Callable[[Peer, list[Packed]], list[Packed]]


class FairQueue:
    """One whole message per peer and turn, over the peers that have any (libzmq's ``fq_t``).

    Messages are taken from the inlets in whole batches, and each batch goes through ``admit`` once: what a socket type does
    with every message costs one comprehension. Credit is given back when a batch is used up.
    """

    __slots__ = ("_admit", "_owner", "_put_back", "_ready", "_single")

    def __init__(self, admit: Admit | None = None) -> None:
        self._admit = admit
        #: The peers that may have messages; the first one's turn is next.
        self._ready: deque[Peer] = deque()
        self._put_back = Peer(_NoPipe(), _NoPipe(), _nothing)
        #: Whose the message is that it holds.
        self._owner = self._put_back
        #: The batch of the only peer that has messages, which is what most sockets have; else empty.
        self._single: list[Packed] = []

    def arrived(self, peer: Peer) -> None:
        """The peer has messages; it gets its turn after those that were waiting."""
        if not peer.ready:
            peer.ready = True
            ready = self._ready
            self._single = [] if ready else peer.batch
            ready.append(peer)

    def _ready_changed(self) -> None:
        """Called after each change of who is ready, or of the batch of who is alone."""
        ready = self._ready
        self._single = ready[0].batch if len(ready) == 1 else []

    def receive(self) -> Packed | None:
        """The next message, or None if there is none. :attr:`last` tells whose it was."""
        single = self._single
        if single:
            message = single.pop()
            if not single:
                self._give_credit(self._ready[0])
            return message
        ready = self._ready
        while ready:
            peer = ready[0]
            batch = peer.batch
            if batch:
                message = batch.pop()
                if not batch:
                    self._give_credit(peer)
                ready.rotate(-1)
                return message
            self._refill(peer)
        return None

    def receive_many(self, most: int) -> list[Packed]:
        """Up to ``most`` messages in the order in which ``receive`` would give them."""
        messages: list[Packed] = []
        ready = self._ready
        while ready and (wanted := most - len(messages)) > 0:
            peer = ready[0]
            batch = peer.batch
            if not batch:
                self._refill(peer)
            elif len(ready) > 1:
                messages.append(batch.pop())
                if not batch:
                    self._give_credit(peer)
                ready.rotate(-1)
            elif len(batch) > wanted:
                messages += batch[: -wanted - 1 : -1]
                del batch[-wanted:]
            else:
                peer.batch = []
                self._ready_changed()
                batch.reverse()
                messages = messages + batch if messages else batch
                self._give_credit(peer)
        return messages

    def unreceive(self, message: Packed) -> None:
        """Put back the message received last: it is the next one again."""
        # A peer of its own holds it, at the head of the queue: so putting back costs ``receive`` nothing.
        if self._ready:  # else it was received long ago, and whose it was is forgotten
            self._owner = self.last
        put_back = self._put_back
        put_back.batch.append(message)
        if put_back.ready:
            self._ready.remove(put_back)
        put_back.ready = True
        self._ready.appendleft(put_back)
        self._ready_changed()

    @property
    def last(self) -> Peer:
        """Whose message it was, right after a ``receive`` that gave one: that peer has gone to the end of the queue."""
        last = self._ready[-1]
        return last if last is not self._put_back else self._owner

    @property
    def can_receive(self) -> bool:
        """Whether a message is there, and not only one that ``admit`` would discard."""
        ready = self._ready
        while ready:
            if ready[0].batch:
                return True
            self._refill(ready[0])
        return False

    def admit_again(self) -> None:
        """Apply ``admit``, which must be a filter, to the batches that were taken already: its condition has changed."""
        admit = self._admit
        if admit is not None:
            for peer in self._ready:
                if peer is not self._put_back:
                    batch = peer.batch[::-1]
                    batch = admit(peer, batch)
                    batch.reverse()
                    peer.batch = batch
            self._ready_changed()

    def forget(self, peer: Peer) -> list[Packed]:
        """Give up what was taken from this peer and not received; newest first."""
        batch, peer.batch = peer.batch, []
        self._ready_changed()
        return batch

    def give_up(self, drop: Drop) -> None:
        """Nobody will receive any more: drop what waits, all but what the socket has told itself."""
        unread: dict[Peer, int] = {}
        ready = self._ready
        while ready:
            peer = ready[0]
            if count := len(self.forget(peer)):
                sender = self._owner if peer is self._put_back else peer
                unread[sender] = unread.get(sender, 0) + count
            else:
                self._refill(peer)
        for peer, count in unread.items():
            if lost := count - peer.inbound.own(count):
                drop(DropReason.UNREAD, peer, lost)

    def _refill(self, peer: Peer) -> None:
        """Take the next batch of the peer at the head, whose batch is used up; without one it leaves the queue."""
        self._give_credit(peer)
        batch = peer.inbound.take()
        if batch is None:
            peer.ready = False
            del self._ready[0]
            self._ready_changed()
            return
        peer.taken = len(batch)
        if self._admit is not None:
            batch = self._admit(peer, batch)
        batch.reverse()
        peer.batch = batch
        if len(self._ready) == 1:
            self._single = batch

    def _give_credit(self, peer: Peer) -> None:
        if peer.taken:
            peer.inbound.release(peer.taken)
            peer.taken = 0


class _NoPipe:
    """Both ends of the pipe of the peer that holds a message put back: nothing comes, nothing goes."""

    __slots__ = ()
    has_room = False
    room = 0
    queued = 0

    def put(self, message: Packed) -> bool:
        return False

    def put_newest(self, message: Packed) -> int:
        return 0

    def put_run(self, run: Run, *, write: bool) -> None:
        pass

    def push(self, message: Packed) -> None:
        pass

    def note(self, message: Packed) -> None:
        pass

    def own(self, count: int) -> int:
        return 0

    def withdraw(self, message: Packed) -> bool:
        return False

    def discard(self, unwanted: Callable[[Packed], bool]) -> None:
        pass

    def take(self) -> list[Packed] | None:
        return None

    def release(self, count: int) -> None:
        pass


def _nothing(reason: str = "") -> None:
    pass
