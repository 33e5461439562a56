"""Who wants what: the topics of many subscribers (PUB, XPUB), and the counted topics of one (SUB, XSUB).

A topic is a prefix. Matching asks a dictionary once for each *length* that a subscribed topic has, so its cost does not grow
with the number of topics, and one dictionary of prefixes does what libzmq's tries do (``generic_mtrie``, ``radix_tree``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator

from ..messages import Packed
from .base import Peer

#: How the frames begin that subscribe to a topic, or cancel that.
SUBSCRIBE_OR_CANCEL = frozenset({b"\1", b"\0"})


def is_subscription(message: Packed) -> bool:
    """Whether a message is nothing but a subscription or a cancellation."""
    return isinstance(message, bytes) and message[:1] in SUBSCRIBE_OR_CANCEL


class _Lengths:
    """The distinct lengths of the topics that exist, shortest first."""

    __slots__ = ("_topics", "distinct")

    def __init__(self) -> None:
        self.distinct: list[int] = []
        self._topics: dict[int, int] = {}

    def add(self, length: int) -> None:
        count = self._topics.get(length, 0)
        if not count:
            insort(self.distinct, length)
        self._topics[length] = count + 1

    @property
    def single(self) -> int | None:
        """The length, if there is one only."""
        return self.distinct[0] if len(self.distinct) == 1 else None

    def remove(self, length: int) -> None:
        count = self._topics.pop(length) - 1
        if count:
            self._topics[length] = count
        else:
            del self.distinct[bisect_left(self.distinct, length)]


class SubscriptionIndex:
    """The topics of all subscribers. Per peer a topic is a member of a set, as in libzmq: it is there or not, however often
    it was subscribed (a libzmq SUB sends every subscription, but only the last cancellation)."""

    __slots__ = ("_before_change", "_lengths", "_subscribers", "length", "peers")

    def __init__(self, before_change: Callable[[], object]) -> None:
        #: Called before what ``match`` has given is out of date.
        self._before_change = before_change
        #: Who subscribed to each topic, in the order of subscription.
        self.peers: dict[bytes, dict[Peer, None]] = {}
        self._lengths = _Lengths()
        #: The length of all topics, if they are of one: who wants a frame is then ``peers.get(frame[:length])``.
        self.length: int | None = None
        #: How many peers have any topic.
        self._subscribers = 0

    def __len__(self) -> int:
        """The number of distinct topics."""
        return len(self.peers)

    def __contains__(self, topic: bytes) -> bool:
        return topic in self.peers

    def add(self, topic: bytes, peer: Peer) -> bool:
        """Subscribe the peer. True if it is the first for this topic."""
        topics = peer.topics
        if topic in topics:
            return False
        self._before_change()
        if not topics:
            self._subscribers += 1
        topics[topic] = None
        peers = self.peers.get(topic)
        if peers is None:
            self.peers[topic] = {peer: None}
            self._lengths.add(len(topic))
            self.length = self._lengths.single
            return True
        peers[peer] = None
        return False

    def remove(self, topic: bytes, peer: Peer) -> bool | None:
        """Cancel the peer's subscription. True if it was the last to this topic; None if the peer had none."""
        topics = peer.topics
        if topic not in topics:
            return None
        self._before_change()
        del topics[topic]
        if not topics:
            self._subscribers -= 1
        peers = self.peers[topic]
        del peers[peer]
        if peers:
            return False
        del self.peers[topic]
        self._lengths.remove(len(topic))
        self.length = self._lengths.single
        return True

    def remove_peer(self, peer: Peer) -> Iterator[tuple[bytes, bool]]:
        """Cancel all the peer's subscriptions; gives each topic, and whether the peer was its last subscriber."""
        for topic in list(peer.topics):
            yield topic, bool(self.remove(topic, peer))

    def match(self, frame: bytes) -> Collection[Peer]:
        """Who subscribed to any prefix of this frame, each once. Only to be read, and before the index changes."""
        peers = self.peers
        subscribers = self._subscribers
        size = len(frame)
        found: dict[Peer, None] | None = None
        several = False
        for length in self._lengths.distinct:
            if length > size:
                break
            more = peers.get(frame[:length])
            if more is None:
                continue
            if len(more) == subscribers:
                return more  # everyone: no longer prefix can add to that
            if found is None:
                found = more
            elif several:
                found.update(more)
            else:
                found = found | more
                several = True
        return () if found is None else found


class Subscriptions:
    """The topics of one subscriber, each counted: subscribed twice, it takes two cancellations."""

    __slots__ = ("_counts", "_lengths", "_prefixes")

    #: Up to how many topics a linear search in C is faster than a dictionary look-up per length.
    FEW = 12

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}
        self._lengths = _Lengths()
        #: The topics for ``startswith``, while they are few.
        self._prefixes: tuple[bytes, ...] = ()

    def __len__(self) -> int:
        """The number of distinct topics."""
        return len(self._counts)

    def __iter__(self) -> Iterator[bytes]:
        """Each distinct topic once, in the order of subscription."""
        return iter(self._counts)

    def add(self, topic: bytes) -> bool:
        """Subscribe. True the first time."""
        count = self._counts.get(topic, 0)
        self._counts[topic] = count + 1
        if not count:
            self._lengths.add(len(topic))
            self._prefixes = self._few()
        return not count

    def remove(self, topic: bytes) -> bool:
        """Cancel one subscription. True if it was the last to this topic; nothing happens if there was none."""
        count = self._counts.get(topic, 0)
        if count > 1:
            self._counts[topic] = count - 1
        elif count:
            del self._counts[topic]
            self._lengths.remove(len(topic))
            self._prefixes = self._few()
        return count == 1

    def _few(self) -> tuple[bytes, ...]:
        # of many they are not asked for, and to collect them with each subscription would take its square
        return tuple(self._counts) if len(self._counts) <= self.FEW else ()

    def matches(self, frame: bytes) -> bool:
        """Whether any topic is a prefix of this frame."""
        counts = self._counts
        size = len(frame)
        for length in self._lengths.distinct:
            if length > size:
                break
            if frame[:length] in counts:
                return True
        return False

    def matching(self, batch: list[Packed]) -> list[Packed]:
        """The messages whose first frame matches; the batch itself if all are sure to."""
        if b"" in self._counts:
            return batch
        if len(self._counts) <= self.FEW:
            prefixes = self._prefixes
            return [m for m in batch if (m if isinstance(m, bytes) else m[0]).startswith(prefixes)]
        matches = self.matches
        return [m for m in batch if matches(m if isinstance(m, bytes) else m[0])]
