"""SUB and XSUB: tell every publisher what is wanted, and receive it."""

from __future__ import annotations

from ..events import DropReason
from ..messages import Packed
from ..options import SocketOptions, SubscriberOptions, XSubOptions
from .base import Drop, Peer
from .fair_queue import Admit
from .fair_queuing import FairQueuing
from .subscriptions import Subscriptions, is_subscription
from .types import COMPATIBLE


class Subscribing(FairQueuing):
    """What SUB and XSUB share: counted topics, which every publisher is told, each new one from the start.

    As libzmq does, every subscription is sent, but only the last cancellation of a topic. They go past the high-water mark
    (libzmq loses them there). A publisher that is not connected is told when it is.
    """

    def __init__(self, drop: Drop, options: SocketOptions, admit: Admit | None = None) -> None:
        super().__init__(drop, options, admit)
        self.subscriptions = Subscriptions()
        #: Those who are connected.
        self._publishers: dict[Peer, None] = {}

    def connected(self, peer: Peer) -> None:
        self._publishers[peer] = None
        # what an earlier connection could not write is out of date: the topics of today follow
        peer.outbound.discard(is_subscription)
        for topic in self.subscriptions:
            peer.outbound.push(b"\1" + topic)

    def disconnected(self, peer: Peer) -> None:
        self._publishers.pop(peer, None)

    def detach(self, peer: Peer) -> None:
        self._publishers.pop(peer, None)

    def subscribe(self, topic: bytes) -> None:
        """Receive what starts with this topic (b"": everything). Twice subscribed, it takes two :meth:`unsubscribe`."""
        self.subscriptions.add(topic)
        self._tell(b"\1" + topic)

    def unsubscribe(self, topic: bytes) -> None:
        """Cancel one subscription; nothing happens if there is none."""
        if self.subscriptions.remove(topic):
            self._tell(b"\0" + topic)

    def _tell(self, message: Packed) -> None:
        for peer in self._publishers:
            peer.outbound.push(message)

    @property
    def topics_count(self) -> int:
        """How many distinct topics are subscribed to (``ZMQ_TOPICS_COUNT``)."""
        return len(self.subscriptions)


class Sub(Subscribing):
    """SUB: receives only, what it subscribed to. What a publisher sends besides is dropped here and counted."""

    name = "SUB"
    restates = True
    accepts = COMPATIBLE[name]
    options: SubscriberOptions

    def __init__(self, drop: Drop, options: SubscriberOptions) -> None:
        super().__init__(drop, options, self._admit)

    def _admit(self, peer: Peer, batch: list[Packed]) -> list[Packed]:
        wanted = self.subscriptions.matching(batch)
        if self.options.invert_matching:
            matching = set(map(id, wanted))
            wanted = [message for message in batch if id(message) not in matching]
        if len(wanted) < len(batch):
            self.drop(DropReason.UNSUBSCRIBED, peer, len(batch) - len(wanted))
        return wanted

    def subscribe(self, topic: bytes) -> None:
        super().subscribe(topic)
        if self.options.invert_matching:
            self.queue.admit_again()

    def unsubscribe(self, topic: bytes) -> None:
        super().unsubscribe(topic)
        self.queue.admit_again()  # nothing is received after unsubscribe() that only matched before


class XSub(Subscribing):
    """XSUB: as SUB, without a filter of its own, and what it sends goes to all publishers.

    A frame ``b"\\x01topic"`` or ``b"\\x00topic"`` sent subscribes or cancels, in messages of several frames each frame by
    itself, or with ``only_first_subscribe`` the first only. Cancellations that are not the last, and of unknown topics, are
    not passed on unless ``xsub_verbose_unsubscribe`` is set. Everything else goes to every publisher as it is, and is
    dropped for those that are full.
    """

    name = "XSUB"
    restates = True
    accepts = COMPATIBLE[name]
    options: XSubOptions

    def __init__(self, drop: Drop, options: XSubOptions) -> None:
        super().__init__(drop, options)

    def unsubscribe(self, topic: bytes) -> None:
        if self.subscriptions.remove(topic) or self.options.xsub_verbose_unsubscribe:
            self._tell(b"\0" + topic)

    def send(self, message: Packed) -> bool:
        frames = [message] if isinstance(message, bytes) else message
        only_first = self.options.only_first_subscribe
        passed: list[bytes] = []
        data = False
        for at, frame in enumerate(frames):
            kind = b"" if at and only_first else frame[:1]
            if kind == b"\1":
                self.subscriptions.add(frame[1:])
            elif kind == b"\0":
                if not self.subscriptions.remove(frame[1:]) and not self.options.xsub_verbose_unsubscribe:
                    continue
            else:
                data = True
            passed.append(frame)
        if not passed:
            return True
        packed: Packed = passed[0] if len(passed) == 1 else passed
        if not data:
            self._tell(packed)
            return True
        for peer in self._publishers:
            if not peer.outbound.put(packed):
                self.drop(DropReason.SEND_HWM, peer, 1)
        return True

    @property
    def can_send(self) -> bool:
        return True
