"""PUB and XPUB: each message goes to all peers that subscribed to a prefix of its first frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from ..errors import StateError
from ..events import DropReason
from ..messages import Packed
from ..options import PublisherOptions, XPubOptions
from .base import Drop, Pattern, Peer
from .held import Held
from .subscriptions import SUBSCRIBE_OR_CANCEL, SubscriptionIndex, is_subscription
from .types import COMPATIBLE


class Pub(Pattern):
    """PUB: sends only, to every subscriber whose subscriptions match; a message that nobody wants is gone.

    ``send`` never waits: for a subscriber that is full the message is dropped, whole, and counted. With ``drop_oldest`` it is
    the oldest waiting message that is dropped for the new one. With ``xpub_nodrop`` ``send`` waits while any matching
    subscriber is full, and nothing is queued to anyone meanwhile.

    Subscriptions are messages whose first frame is ``b"\\x01" + topic`` or, to cancel, ``b"\\x00" + topic``; unless
    ``only_first_subscribe`` is set, later frames count too (as in libzmq). They are applied as soon as they arrive. Whatever
    else a peer sends is dropped.
    """

    receives = False
    name = "PUB"
    accepts = COMPATIBLE[name]
    options: PublisherOptions

    def __init__(self, drop: Drop, options: PublisherOptions) -> None:
        super().__init__(drop, options)
        self.index = SubscriptionIndex(self._recipients_change)
        #: Those who are connected.
        self._peers: dict[Peer, None] = {}
        #: Called when a subscription was added or removed.
        self.on_subscription: Callable[[], None] | None = None
        #: A subscriber for which the message that was refused last has to wait (``xpub_nodrop``).
        self._full: Peer | None = None
        #: Those who asked for more than the limits allow, and whose connection is about to end.
        self._excessive: set[Peer] = set()
        #: Messages are coming thick and fast, and the runtime calls ``flush`` whenever other tasks have had their turn.
        self.bursting = False
        #: Called when a message was sent and that is not so; the runtime may set ``bursting``.
        self.on_burst: Callable[[], None] | None = None
        self._held = Held()
        #: Who got the message before, if they are to share a run.
        self._previous: Collection[Peer] | None = None
        self._locals = 0
        self.options_changed()

    def options_changed(self) -> None:
        self.flush()
        options = self.options
        self._special = options.invert_matching or (options.drop_oldest and not options.xpub_nodrop)
        self._holds = not (options.send_hwm_bytes or options.conflate)

    # ---- the life of a peer

    def connected(self, peer: Peer) -> None:
        self._peers[peer] = None
        if peer.local:
            self.flush()
            self._locals += 1
        welcome = self.options.xpub_welcome_message
        if welcome:
            peer.outbound.push(welcome)
        self.arrived(peer)

    def disconnected(self, peer: Peer) -> None:
        if peer in self._peers:
            self.arrived(peer)
            del self._peers[peer]
            self._locals -= peer.local
            changed = bool(peer.topics)
            self._unsubscribe(peer)
            self._excessive.discard(peer)
            if self._full is peer:
                self._full = None
            if changed:
                self._changed()

    def detach(self, peer: Peer) -> None:
        self.disconnected(peer)

    def arrived(self, peer: Peer) -> None:
        late = peer not in self._peers
        if late and peer.connected:
            return  # connected() looks at it
        # After a failed write input may still come: from a connection whose subscriptions count no more.
        inlet = peer.inbound
        changed = False
        while (batch := inlet.take()) is not None:
            kept = 0
            for message in batch:
                if isinstance(message, bytes):
                    if message[:1] in SUBSCRIBE_OR_CANCEL:
                        changed |= not late and self._within_limits(peer, message) and self._apply(peer, message)
                    else:
                        kept += self._keep(peer, message)
                    continue
                only_first = self.options.only_first_subscribe
                rest: list[bytes] = []
                for at, frame in enumerate(message):
                    if frame[:1] in SUBSCRIBE_OR_CANCEL and not (at and only_first):
                        changed |= not late and self._within_limits(peer, frame) and self._apply(peer, frame)
                    else:
                        rest.append(frame)
                if rest:
                    kept += self._keep(peer, rest[0] if len(rest) == 1 else rest)
            inlet.release(len(batch) - kept)
        if changed:
            self._changed()

    def _within_limits(self, peer: Peer, frame: bytes) -> bool:
        """Whether a subscription or cancellation is to be applied. A peer that asks for too much loses its connection."""
        options = self.options
        if peer in self._excessive:
            return False
        if len(frame) - 1 > options.max_topic_size:
            reason = f"it subscribed to a topic of {len(frame) - 1} bytes (max_topic_size)"
        elif frame[0] and len(asked := self._asked_for(peer)) >= options.max_subscriptions and frame[1:] not in asked:
            reason = f"it subscribed to more than {options.max_subscriptions} topics (max_subscriptions)"
        else:
            return True
        self._excessive.add(peer)
        peer.reset(reason)
        return False

    def _asked_for(self, peer: Peer) -> Collection[bytes]:
        """The topics that the peer has subscribed to."""
        return peer.topics

    def _apply(self, peer: Peer, frame: bytes) -> bool:
        """Apply a subscription or a cancellation. True if the peer's topics changed."""
        before = len(peer.topics)
        if frame[0]:
            self.index.add(frame[1:], peer)
        else:
            self.index.remove(frame[1:], peer)
        return len(peer.topics) != before

    def _keep(self, peer: Peer, message: Packed) -> int:
        """What becomes of a message that is no subscription. 1 if its credit is not to be given back yet."""
        self.drop(DropReason.UNEXPECTED, peer, 1)
        return 0

    def _unsubscribe(self, peer: Peer) -> None:
        """The peer has gone: remove its topics."""
        for _ in self.index.remove_peer(peer):
            pass

    def _changed(self) -> None:
        if self.on_subscription is not None:
            self.on_subscription()

    # ---- the verbs

    def send(self, message: Packed) -> bool:
        if self._special:
            return self._send_specially(message)
        frame: bytes = message if type(message) is bytes else message[0]  # type: ignore[assignment]  # mypy does not narrow by type()
        index = self.index
        # a Python call less where all topics are of one length
        peers = index.match(frame) if index.length is None else index.peers.get(frame[: index.length], _NOBODY)
        held = self._held
        if peers is held.peers and len(held.run) < held.most:
            held.run.append(message)
            if held.slow:
                self._put(message, held.slow)
            return True
        return self._send_first(message, peers)

    def _send_first(self, message: Packed, peers: Collection[Peer]) -> bool:
        """``send`` a message that is not in one run with the one before.

        In a burst, messages that all have the same recipients are collected to a run, which goes into all their queues, and
        onto the wire, at once; that it does before anything looks at these queues, or changes who gets what (:meth:`flush`).
        A run is no longer than the queues have room for when it begins: what has to be dropped is as if it were not.
        """
        self.flush()
        if self._must_wait(peers):
            return False
        if self.bursting and peers is self._previous and self._holds and not self._locals:
            held = self._held
            if peers and held.begin(peers, patient=self.options.xpub_nodrop):
                held.run.append(message)
                self._put(message, held.slow)
                return True
        self._previous = peers
        self._put(message, peers)
        if not self.bursting and self.on_burst is not None:
            self.on_burst()
        return True

    def _put(self, message: Packed, peers: Collection[Peer]) -> None:
        for peer in peers:
            if not peer.outbound.put(message):
                self.drop(DropReason.SEND_HWM, peer, 1)

    @property
    def held_back(self) -> int:
        """How many messages are held back."""
        return len(self._held.run)

    def flush(self, *, write: bool = False) -> bool:
        return self._held.flush(write=write)

    def _recipients_change(self) -> None:
        self.flush()
        self._previous = None

    def _must_wait(self, peers: Collection[Peer]) -> bool:
        """Whether one of these is full and ``send`` has to wait for that one (``xpub_nodrop``)."""
        if self.options.xpub_nodrop:
            self._full = next((peer for peer in peers if not peer.outbound.has_room), None)
        return self.options.xpub_nodrop and self._full is not None

    def _send_specially(self, message: Packed, only: Peer | None = None) -> bool:
        """``send`` where an option says how; with ``only`` to no other peer than that."""
        peers = self._recipients(message if isinstance(message, bytes) else message[0])
        if only is not None:
            peers = [only] if only in peers else []
        if self._must_wait(peers):
            return False
        drop_oldest = self.options.drop_oldest and not self.options.xpub_nodrop
        for peer in peers:
            if lost := peer.outbound.put_newest(message) if drop_oldest else not peer.outbound.put(message):
                self.drop(DropReason.SEND_HWM, peer, lost)
        return True

    def _recipients(self, frame: bytes) -> Collection[Peer]:
        peers = self.index.match(frame)
        if self.options.invert_matching:
            matching = set(peers)
            return [peer for peer in self._peers if peer not in matching]
        return peers

    @property
    def can_send(self) -> bool:
        """Always; with ``xpub_nodrop`` not while the subscriber is full for which ``send`` had to wait."""
        return self._full is None or self._full.outbound.has_room

    # ---- what is known of subscriptions

    def subscriber_count(self, topic: bytes) -> int:
        """How many peers a message would go to whose first frame is this topic."""
        return len(self._recipients(topic))

    @property
    def topics_count(self) -> int:
        """How many distinct topics are subscribed to (``ZMQ_TOPICS_COUNT``)."""
        return len(self.index)


_NOBODY: dict[Peer, None] = {}
_GONE = -1


class XPub(Pub):
    """XPUB: as PUB, and the application receives what subscribers send: subscriptions, cancellations and other messages.

    Subscriptions look like ``b"\\x01topic"`` and ``b"\\x00topic"``. By default those are received that change anything: the
    first to each topic, and the cancellation that leaves a topic without subscribers, be it by a disconnect. The options
    ``xpub_verbose`` and ``xpub_verboser`` add the rest (libzmq tests/test_xpub_verbose.cpp).

    With ``xpub_manual`` nothing is applied by itself: :meth:`subscribe` and :meth:`unsubscribe` act for the peer whose
    message was received last. With ``xpub_manual_last_value`` moreover the next message goes to that peer only.
    """

    receives = True
    may_be_ignored = True
    name = "XPUB"
    accepts = COMPATIBLE[name]
    options: XPubOptions

    def __init__(self, drop: Drop, options: XPubOptions) -> None:
        #: What is to be received: each message, whose it is, how much credit it holds (_GONE: told because its peer went).
        self._pending: deque[tuple[Packed, Peer, int]] = deque()
        #: The notices that had no room there, at most one for each topic, or for each topic and peer: what has changed since
        #: the last notice about it that did.
        self._overflow: dict[tuple[bytes, Peer | None], tuple[bytes, Peer, int]] = {}
        self._by_peer = False
        #: Whose message was received last, be it connected or not.
        self._sender: Peer
        #: The same, if subscriptions can be made for it.
        self._last: Peer | None = None
        #: What each peer asked for in manual mode.
        self._asked: dict[Peer, dict[bytes, None]] = {}
        super().__init__(drop, options)

    def options_changed(self) -> None:
        super().options_changed()
        options = self.options
        self._manual = options.xpub_manual or options.xpub_manual_last_value
        self._verbose = options.xpub_verbose or options.xpub_verboser
        self._special = self._special or options.xpub_manual_last_value
        by_peer = self._manual or self._verbose
        if by_peer is not self._by_peer:
            self._take_overflow()
            self._by_peer = by_peer

    # ---- notices

    def _notify(self, frame: bytes, peer: Peer, credit: int = 0, *, changes: bool = True, told: bool = True) -> None:
        """Have a subscription or cancellation received. libzmq's queue of them has no limit; here a peer that subscribes and
        cancels, on and on, makes it no longer while the application does not receive.

        Where ``receive_hwm`` messages for each peer wait, a notice is kept beside the queue, and is gone again when its
        opposite comes: the application misses what left everything as it was.

        Args:
            frame: the notice.
            peer: whose it is.
            credit: as in ``_pending``.
            changes: whether the topic, or where each peer is told of the peer's subscription to it, was otherwise before.
            told: whether the application is told at all; of other changes we have to know only where they undo one.
        """
        most = self.options.receive_hwm * max(1, len(self._peers))
        key = (frame[1:], peer if self._by_peer else None)
        waiting = self._overflow.get(key)
        if waiting is None and not 0 < most <= len(self._pending):
            if told:
                self._pending.append((frame, peer, credit))
        elif not changes:
            pass
        elif waiting is None:
            self._overflow[key] = (frame, peer, credit)
        else:  # what changes what is kept is its opposite
            del self._overflow[key]

    def _take_overflow(self) -> None:
        """There is room again: let what has changed be received."""
        overflow, self._overflow = self._overflow, {}
        for frame, peer, credit in overflow.values():
            # by default, and with xpub_verbose, a topic is cancelled when its last subscriber has gone
            if frame[0] or self._manual or self.options.xpub_verboser or frame[1:] not in self.index:
                self._pending.append((frame, peer, credit))

    def _apply(self, peer: Peer, frame: bytes) -> bool:
        topic = frame[1:]
        if self._manual:
            asked = self._asked.setdefault(peer, {})
            changes = (topic in asked) is not bool(frame[0])
            if frame[0]:
                asked[topic] = None
            else:
                asked.pop(topic, None)
            self._notify(frame, peer, changes=changes)
            return False
        before = len(peer.topics)
        if frame[0]:
            first = self.index.add(topic, peer)
            changed = len(peer.topics) != before
            if first or self._verbose:
                self._notify(frame, peer, changes=changed)
            return changed
        last = self.index.remove(topic, peer)
        self._notify_cancel(frame, peer, last)
        return last is not None

    def _notify_cancel(self, frame: bytes, peer: Peer, last: bool | None, credit: int = 0) -> None:
        """A cancellation; ``last`` as ``SubscriptionIndex.remove`` says it."""
        # The cancellation of a topic that nobody has is reported, as in libzmq. One that others have is not, other than in
        # libzmq: a proxy would pass it on, and one peer would end the subscriptions of others.
        told = frame[1:] not in self.index or self.options.xpub_verboser
        if told or self._verbose:
            self._notify(frame, peer, credit, changes=last is not None, told=told)

    def _asked_for(self, peer: Peer) -> Collection[bytes]:
        return self._asked.get(peer, ()) if self._manual else peer.topics

    def _keep(self, peer: Peer, message: Packed) -> int:
        self._pending.append((message, peer, 1))
        return 1

    def _unsubscribe(self, peer: Peer) -> None:
        for topic, last in self.index.remove_peer(peer):
            if not self._manual:
                self._notify_cancel(b"\0" + topic, peer, last, _GONE)
        # In manual mode what the peer asked for is cancelled, whatever was applied (libzmq tests/test_xpub_manual.cpp).
        for topic in self._asked.pop(peer, ()):
            self._notify(b"\0" + topic, peer, _GONE)
        if self._last is peer:
            self._last = None

    def end(self) -> None:
        for message, peer, _ in self._pending:
            if not is_subscription(message):
                self.drop(DropReason.UNREAD, peer, 1)

    # ---- the verbs

    def receive(self) -> Packed | None:
        if not self._pending and not self.can_receive:
            return None
        message, peer, credit = self._pending.popleft()
        if credit > 0:
            peer.inbound.release(credit)
        self._sender = peer
        self._last = peer if credit != _GONE and peer in self._peers else None
        return message

    def unreceive(self, message: Packed) -> None:
        self._pending.appendleft((message, self._sender, 0 if self._last is not None else _GONE))

    @property
    def sender(self) -> Peer:
        return self._sender

    @property
    def can_receive(self) -> bool:
        if not self._pending and self._overflow:
            self._take_overflow()
        return bool(self._pending)

    def _send_specially(self, message: Packed, only: Peer | None = None) -> bool:
        if self.options.xpub_manual_last_value:
            only = self._last
        sent = super()._send_specially(message, only)
        if sent and only is not None:
            self._last = None  # as in libzmq: once, and until the next receive() manual subscriptions have no effect
        return sent

    def subscribe(self, topic: bytes) -> None:
        """Subscribe the peer whose message was received last (``xpub_manual``); nothing happens if it has gone."""
        peer = self._acting("subscribe")
        if peer is not None and topic not in peer.topics:
            self.index.add(topic, peer)
            self._changed()

    def unsubscribe(self, topic: bytes) -> None:
        """Cancel a subscription of the peer whose message was received last; nothing happens if it has none."""
        peer = self._acting("unsubscribe")
        if peer is not None and topic in peer.topics:
            self.index.remove(topic, peer)
            self._changed()

    def _acting(self, verb: str) -> Peer | None:
        if not self._manual:
            raise StateError(
                f"{verb}() acts for a peer of an XPUB that has xpub_manual set: set it, or leave it to the peers"
            )
        return self._last
