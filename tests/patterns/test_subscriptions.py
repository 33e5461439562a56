"""The subscription index (libzmq unittests/unittest_mtrie.cpp) and the counted topics (unittest_radix_tree.cpp)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trizmq.messages import Packed
from trizmq.patterns.subscriptions import SubscriptionIndex, Subscriptions

from .fakes import FakePeer

A, B = FakePeer("A"), FakePeer("B")

topics = st.text("ab", max_size=4).map(str.encode)


@pytest.fixture
def index() -> SubscriptionIndex:
    A.topics.clear()
    B.topics.clear()
    return SubscriptionIndex(lambda: None)


# ---- unittest_mtrie


def test_empty(index: SubscriptionIndex) -> None:
    assert list(index.match(b"")) == list(index.match(b"foo")) == []
    assert index.remove(b"foo", A) is None
    assert list(index.remove_peer(A)) == []
    assert len(index) == 0


@pytest.mark.parametrize("topic", [b"", b"foo"])
def test_add_tells_the_first(index: SubscriptionIndex, topic: bytes) -> None:
    assert index.add(topic, A)
    assert not index.add(topic, A)
    assert not index.add(topic, B)
    assert list(index.match(topic + b"bar")) == [A, B]
    assert len(index) == 1
    assert topic in index


def test_remove_tells_the_last(index: SubscriptionIndex) -> None:
    index.add(b"foo", A)
    index.add(b"foo", A)
    index.add(b"foo", B)
    assert index.remove(b"foo", A) is False
    assert index.remove(b"foo", A) is None, "a set, however often it was added"
    assert index.remove(b"foo", B) is True
    assert index.remove(b"foo", B) is None
    assert len(index) == 0


@pytest.mark.parametrize("other", [b"", b"f", b"fo", b"foobar", b"fop", b"goo", b"fon"])
def test_removing_what_is_not_there(index: SubscriptionIndex, other: bytes) -> None:
    index.add(b"foo", A)
    assert index.remove(other, A) is None
    assert list(index.match(b"foo")) == [A]


def test_each_match_once(index: SubscriptionIndex) -> None:
    for topic in (b"", b"f", b"foo", b"foobar", b"bar"):
        index.add(topic, A)
    index.add(b"fo", B)
    assert list(index.match(b"foo")) == [A, B]
    assert list(index.match(b"bar")) == [A]
    assert len(index) == 6


def test_removing_a_peer_reports_each_topic(index: SubscriptionIndex) -> None:
    for topic in (b"foo", b"bar", b"baz"):
        index.add(topic, A)
    index.add(b"bar", B)
    assert list(index.remove_peer(A)) == [(b"foo", True), (b"bar", False), (b"baz", True)]
    assert list(index.match(b"bar")) == [B]
    assert list(index.match(b"foo")) == []


def test_one_matching_prefix_costs_no_copy(index: SubscriptionIndex) -> None:
    index.add(b"a", A)
    index.add(b"b", B)
    assert index.match(b"ax") is index.match(b"ay")


class Index(RuleBasedStateMachine):
    """Against a set of pairs."""

    @initialize()
    def begin(self) -> None:
        self.index = SubscriptionIndex(lambda: None)
        self.peers = [FakePeer(str(i)) for i in range(3)]
        self.model: set[tuple[bytes, FakePeer]] = set()

    def _has(self, topic: bytes) -> bool:
        return any(other == topic for other, _ in self.model)

    @rule(topic=topics, at=st.integers(0, 2))
    def add(self, topic: bytes, at: int) -> None:
        peer = self.peers[at]
        assert self.index.add(topic, peer) == (not self._has(topic))
        self.model.add((topic, peer))

    @rule(topic=topics, at=st.integers(0, 2))
    def remove(self, topic: bytes, at: int) -> None:
        peer = self.peers[at]
        there = (topic, peer) in self.model
        self.model.discard((topic, peer))
        assert self.index.remove(topic, peer) == ((not self._has(topic)) if there else None)

    @rule(at=st.integers(0, 2))
    def remove_peer(self, at: int) -> None:
        peer = self.peers[at]
        mine = {topic for topic, other in self.model if other is peer}
        self.model = {pair for pair in self.model if pair[1] is not peer}
        removed = list(self.index.remove_peer(peer))
        assert {topic for topic, _ in removed} == mine
        assert len(removed) == len(mine)
        assert all(last == (not self._has(topic)) for topic, last in removed)

    @rule(frame=topics)
    def match(self, frame: bytes) -> None:
        found = list(self.index.match(frame))
        assert len(found) == len(set(found))
        assert set(found) == {peer for topic, peer in self.model if frame.startswith(topic)}

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "index"):
            assert len(self.index) == len({topic for topic, _ in self.model})


TestIndex = Index.TestCase


# ---- unittest_radix_tree


def test_counted() -> None:
    subscriptions = Subscriptions()
    assert not subscriptions.remove(b"foo")
    assert subscriptions.add(b"foo")
    assert not subscriptions.add(b"foo")
    assert not subscriptions.remove(b"foo")
    assert subscriptions.matches(b"foobar")
    assert subscriptions.remove(b"foo")
    assert not subscriptions.matches(b"foobar")
    assert not subscriptions.remove(b"foo")


def test_prefixes() -> None:
    subscriptions = Subscriptions()
    assert not subscriptions.matches(b"")
    subscriptions.add(b"foo")
    assert subscriptions.matches(b"foo")
    assert subscriptions.matches(b"foobar")
    assert not subscriptions.matches(b"fo")
    subscriptions.add(b"foobar")
    subscriptions.add(b"foo")
    assert list(subscriptions) == [b"foo", b"foobar"]
    assert len(subscriptions) == 2
    subscriptions.add(b"")
    assert subscriptions.matches(b"")
    assert subscriptions.matches(b"anything")


@given(st.lists(topics, max_size=30), st.lists(topics, max_size=30), st.lists(topics, max_size=8), st.integers(0, 14))
def test_against_a_counter(added: list[bytes], removed: list[bytes], frames: list[bytes], many: int) -> None:
    subscriptions = Subscriptions()
    model: Counter[bytes] = Counter()
    for topic in added + [b"many%d" % i for i in range(many)]:
        assert subscriptions.add(topic) == (not model[topic])
        model[topic] += 1
    for topic in removed:
        assert subscriptions.remove(topic) == (model[topic] == 1)
        model[topic] -= model[topic] > 0
    wanted = tuple(topic for topic in model if model[topic])
    assert sorted(subscriptions) == sorted(wanted)
    batch: list[Packed] = [frame if i % 2 else [frame, b"body"] for i, frame in enumerate(frames)]
    assert subscriptions.matching(batch) == [
        m for m in batch if (m if isinstance(m, bytes) else m[0]).startswith(wanted)
    ]
    for frame in frames:
        assert subscriptions.matches(frame) == frame.startswith(wanted)
