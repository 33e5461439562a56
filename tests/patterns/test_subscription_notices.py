"""XPUB's notices of subscriptions are bounded: who flips subscriptions makes the queue no longer, and in the end the
application knows what is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trizmq.options import XPubOptions
from trizmq.patterns import Peer, XPub

from .fakes import FakePeer, Rig

MODES: dict[str, dict[str, Any]] = {
    "default": {},
    "verbose": {"xpub_verbose": True},
    "verboser": {"xpub_verboser": True},
    "manual": {"xpub_manual": True},
    "last value": {"xpub_manual_last_value": True, "xpub_verbose": True},
}


def xpub(mode: str, receive_hwm: int = 4) -> Rig[XPub]:
    return Rig(XPub, XPubOptions(receive_hwm=receive_hwm, **MODES[mode]))


@pytest.mark.parametrize("mode", MODES)
def test_flipping_subscriptions(mode: str) -> None:
    rig = xpub(mode)
    peer, other = rig.peer(), rig.peer()
    for number in range(1000):
        rig.come(peer, b"\1a", b"\1b%d" % (number % 3))
        rig.come(other, b"\1a")
        rig.come(peer, b"\0a", b"\0b%d" % (number % 3), b"\0unknown %d" % number)
        rig.come(other, b"\0a")
    received = rig.receive_all()
    assert received[:2] == [b"\1a", b"\1b0"], "what had room is told as it was"
    assert len(received) <= 20
    assert peer.inlet.taken == other.inlet.taken == 0
    rig.come(peer, b"\1a", b"\1a", b"\0a")
    assert rig.receive_all()[-1] == b"\0a", "with room everything is told again"


def test_without_a_limit() -> None:
    rig = xpub("default", receive_hwm=0)
    rig.come(rig.peer(), *[b"\1a", b"\0a"] * 1000)
    assert rig.receive_all() == [b"\1a", b"\0a"] * 1000


@pytest.mark.parametrize("mode", MODES)
def test_who_never_receives_loses_no_subscription(mode: str) -> None:
    """Nothing is held back: all that subscribers want is applied, or waits for the application to apply it."""
    rig = xpub(mode)
    topics = [b"%d" % number for number in range(100)]
    peer = rig.peer()
    rig.come(peer, *[b"\1" + topic for topic in topics])
    if "manual" not in mode and mode != "last value":
        assert rig.pattern.topics_count == 100
    assert rig.receive_all() == [b"\1" + topic for topic in topics]


def test_credit_of_messages_is_kept() -> None:
    rig = xpub("default")
    peer = rig.peer()
    rig.come(peer, *[b"data"] * 4, b"\1a", b"\0a", b"\1b")
    assert peer.inlet.taken == 4
    assert rig.receive_all() == [*[b"data"] * 4, b"\1b"]
    assert peer.inlet.taken == 0


@pytest.mark.parametrize("mode", ["default", "verbose"])
def test_reconnecting_is_no_way_around(mode: str) -> None:
    rig = xpub(mode)
    for _ in range(1000):
        peer = rig.peer()
        rig.come(peer, b"\1a", b"\1b")
        rig.close(peer)
    assert len(rig.receive_all()) <= 8


def test_a_cancellation_that_is_not_told_undoes_one_that_is() -> None:
    """``xpub_verbose`` tells of every subscription, but of the last cancellation only, which may be another peer's."""
    rig = xpub("verbose", receive_hwm=1)
    first, second = rig.peer(), rig.peer()
    rig.come(first, b"\1a")
    assert rig.receive_all() == [b"\1a"]
    rig.come(first, b"data", b"data")
    rig.come(second, b"\1a")
    rig.come(first, b"\0a")
    rig.come(second, b"\0a")
    assert rig.receive_all() == [b"data", b"data", b"\0a"]


def test_a_cancellation_that_is_not_told_is_not_told_later() -> None:
    rig = xpub("verbose", receive_hwm=1)
    first, second = rig.peer(), rig.peer()
    rig.come(first, b"\1a", b"\1b")
    rig.come(second, b"\1a")
    rig.come(first, b"\0a")
    assert rig.receive_all() == [b"\1a", b"\1b", b"\1a"], "the second still has the topic"


def test_options_change_with_notices_beside_the_queue() -> None:
    rig = xpub("default", receive_hwm=1)
    peer = rig.peer()
    rig.come(peer, b"\1a", b"\1b")
    rig.set(xpub_verbose=True)
    rig.come(peer, b"\0b")
    rig.set(xpub_verboser=True)
    assert rig.receive_all() == [b"\1a", b"\1b", b"\0b"]


class Notices(RuleBasedStateMachine):
    """Peers subscribe, cancel and go, the application receives now and then. When it has received all, it knows what is."""

    @initialize(mode=st.sampled_from(sorted(MODES)), receive_hwm=st.integers(1, 2))
    def start(self, mode: str, receive_hwm: int) -> None:
        self.mode = mode
        self.rig = xpub(mode, receive_hwm)
        self.peers: list[FakePeer] = []
        self.everyone: list[FakePeer] = []
        self.seen: set[Any] = set()
        self.told_of: dict[Peer, set[bytes]] = {}

    def by_peer(self) -> bool:
        return self.mode not in ("default", "verbose")

    @rule(at=st.integers(0, 2), topic=st.sampled_from([b"a", b"b"]), kind=st.sampled_from([b"\0", b"\1"]))
    def speak(self, at: int, topic: bytes, kind: bytes) -> None:
        while len(self.peers) <= at:
            self.peers.append(self.rig.peer(str(len(self.everyone))))
            self.everyone.append(self.peers[-1])
        peer = self.peers[at]
        self.rig.come(peer, kind + topic)
        wanted = self.told_of.setdefault(peer, set())
        (wanted.add if kind == b"\1" else wanted.discard)(topic)

    @rule()
    def fill(self) -> None:
        """No room for notices from here on."""
        if self.peers:
            self.rig.come(self.peers[0], *[b"data"] * (self.rig.options.receive_hwm * 3))

    @rule(at=st.integers(0, 2))
    def go(self, at: int) -> None:
        if at < len(self.peers):
            peer = self.peers.pop(at)
            self.rig.close(peer)
            self.told_of.pop(peer, None)

    @rule(many=st.integers(1, 12))
    def receive(self, many: int) -> None:
        pattern = self.rig.pattern
        while many and pattern.can_receive:
            message = pattern.receive()
            assert isinstance(message, bytes)
            if message == b"data":
                continue
            key = (pattern.sender, message[1:]) if self.by_peer() else message[1:]
            (self.seen.add if message[0] else self.seen.discard)(key)
            many -= 1

    @rule()
    def receive_all(self) -> None:
        self.receive(1 << 30)
        assert self.seen == self.truth()

    def truth(self) -> set[Any]:
        pairs = {(peer, topic) for peer, topics in self.told_of.items() for topic in topics}
        return pairs if self.by_peer() else {topic for _, topic in pairs}

    @invariant()
    def is_bounded(self) -> None:
        if hasattr(self, "rig"):
            pattern = self.rig.pattern
            # in the queue what had room, and once what was beside it; there what is, and what the application still thinks is
            pairs = 6
            assert len(pattern._overflow) <= pairs + len(self.seen) + len(pattern._pending)
            notices = [message for message, _, _ in pattern._pending if message != b"data"]
            assert len(notices) <= self.rig.options.receive_hwm * 3 + 3 * pairs + len(self.seen)


TestNotices = Notices.TestCase
TestNotices.settings = settings(max_examples=200, stateful_step_count=40)
