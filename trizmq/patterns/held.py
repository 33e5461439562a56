"""Messages that a publisher holds back for a moment, to put them into the queues of all who get them as one run."""

from __future__ import annotations

from collections.abc import Collection

from ..messages import Run
from .base import Peer

# What a run saves has long been saved with this many messages, and is not worth looking at each queue with less than these.
LONGEST = 256
_SHORTEST = 16


class Held:
    """A run of messages that all have the same recipients."""

    __slots__ = ("_quick", "most", "peers", "run", "slow")

    def __init__(self) -> None:
        #: The messages; at most ``most`` of them.
        self.run = Run()
        self.most = 0
        #: Whose they are, the very object that was given to ``begin``; None: nothing is held back.
        self.peers: Collection[Peer] | None = None
        self._quick: Collection[Peer] = ()
        #: Those for whom nothing is held back: their queues are next to full, and have to be asked for each message.
        self.slow: Collection[Peer] = ()

    def begin(self, peers: Collection[Peer], *, patient: bool) -> bool:
        """Hold back what is for these peers. There is room for ``most`` messages: a queue only empties meanwhile.

        ``patient``: all have room and nothing is dropped, so nobody has to be asked again before the run is full.
        """
        least = 1 if patient else _SHORTEST
        rooms = [peer.outbound.room for peer in peers]
        roomy = [room for room in rooms if room >= least]
        if not roomy:
            return False
        self.most = min(*roomy, LONGEST)
        if len(roomy) == len(rooms):
            self._quick, self.slow = peers, ()
        else:
            self._quick = [peer for peer, room in zip(peers, rooms, strict=True) if room >= least]
            self.slow = [peer for peer, room in zip(peers, rooms, strict=True) if room < least]
        self.peers = peers
        return True

    def flush(self, *, write: bool) -> bool:
        """Put the messages into the queues; whether there were any."""
        if self.peers is None:
            return False
        run, self.run = self.run, Run()
        quick, self._quick, self.slow, self.peers = self._quick, (), (), None
        for peer in quick:
            peer.outbound.put_run(run, write=write)
        return True
