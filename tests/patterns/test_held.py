"""What a publisher holds back in a burst: nobody can tell, in order, number and drops, that it was held back."""

from __future__ import annotations

import random

import pytest

from trizmq.events import DropReason
from trizmq.options import PublisherOptions, XPubOptions
from trizmq.patterns import Pub, XPub

from .fakes import FakePeer, Rig, drain


@pytest.fixture
def pub() -> Rig[Pub]:
    rig = Rig(Pub, PublisherOptions())
    burst(rig)
    return rig


def burst(rig: Rig[Pub]) -> None:
    """The runtime answers the first message with a burst."""

    def begin() -> None:
        rig.pattern.bursting = True

    rig.pattern.on_burst = begin


def subscriber(rig: Rig[Pub], *topics: bytes, hwm: int = 1000) -> FakePeer:
    peer = rig.peer(hwm=hwm)
    rig.come(peer, *[b"\1" + topic for topic in topics or (b"",)])
    return peer


def test_the_first_goes_at_once_and_what_follows_as_one(pub: Rig[Pub]) -> None:
    peers = [subscriber(pub) for _ in range(3)]
    pub.send(b"1")
    assert [peer.outlet.messages for peer in peers] == [[b"1"]] * 3
    pub.send(b"2", [b"3", b"x"], b"4")
    assert [peer.outlet.messages for peer in peers] == [[b"1"]] * 3
    assert pub.pattern.held_back == 3
    assert pub.pattern.flush(write=True)
    assert pub.pattern.held_back == 0
    assert [peer.outlet.messages for peer in peers] == [[b"1", b"2", [b"3", b"x"], b"4"]] * 3
    assert not pub.pattern.flush(write=True)


def test_without_a_burst_nothing_is_held_back(pub: Rig[Pub]) -> None:
    pub.pattern.on_burst = None
    peer = subscriber(pub)
    pub.send(b"1", b"2", b"3")
    assert peer.outlet.messages == [b"1", b"2", b"3"]


def test_nobody_wants_it(pub: Rig[Pub]) -> None:
    peer = subscriber(pub, b"a")
    pub.send(b"b", b"b", b"a", b"b", b"a", b"a", b"b")
    pub.pattern.flush()
    assert peer.outlet.messages == [b"a", b"a", b"a"]


def test_other_recipients_end_a_run(pub: Rig[Pub]) -> None:
    a, everything = subscriber(pub, b"a"), subscriber(pub)
    pub.send(b"a1", b"a2", b"b1", b"b2", b"b3")
    assert everything.outlet.messages == [b"a1", b"a2", b"b1"]
    pub.send(b"a3")
    assert everything.outlet.messages == [b"a1", b"a2", b"b1", b"b2", b"b3", b"a3"]
    assert a.outlet.messages == [b"a1", b"a2", b"a3"]


@pytest.mark.parametrize("change", ["subscribe", "cancel", "lose", "option", "inproc"])
def test_what_was_sent_before_a_change_knows_nothing_of_it(pub: Rig[Pub], change: str) -> None:
    peer, other, late = subscriber(pub), subscriber(pub), pub.peer()
    pub.send(b"1", b"2", b"3")
    if change == "subscribe":
        pub.come(late, b"\1")
    elif change == "cancel":
        pub.come(other, b"\0")
    elif change == "lose":
        pub.lose(other)
    elif change == "option":
        pub.set(invert_matching=True)
    else:
        local = FakePeer()
        local.local = True
        pub.pattern.attach(local)
        pub.connect(local)
    assert peer.outlet.messages == other.outlet.messages == [b"1", b"2", b"3"]
    assert late.outlet.messages == []


def test_for_a_peer_in_this_process_nothing_is_held_back(pub: Rig[Pub]) -> None:
    local = FakePeer()
    local.local = True
    pub.pattern.attach(local)
    pub.connect(local)
    peer = subscriber(pub)
    pub.send(b"1", b"2", b"3")
    assert peer.outlet.messages == [b"1", b"2", b"3"]
    pub.close(local)
    pub.send(b"4", b"5", b"6")
    assert peer.outlet.messages == [b"1", b"2", b"3"]
    pub.pattern.flush()
    assert peer.outlet.messages == [b"1", b"2", b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize("option", [{"send_hwm_bytes": 1000}, {"conflate": True}, {"drop_oldest": True}])
def test_with_some_options_nothing_is_held_back(pub: Rig[Pub], option: dict[str, object]) -> None:
    pub.set(**option)
    peer = subscriber(pub)
    pub.send(b"1", b"2", b"3")
    assert peer.outlet.messages == [b"1", b"2", b"3"]


def test_the_mark_is_exact(pub: Rig[Pub]) -> None:
    """A run ends where a queue is full; who is next to full is asked for each message, and keeps nobody else up."""
    slow, quick = subscriber(pub, hwm=20), subscriber(pub)
    numbers = [b"%d" % number for number in range(100)]
    pub.send(*numbers)
    assert pub.drops == {DropReason.SEND_HWM: 80}
    assert pub.dropped_for == {slow: 80}
    pub.pattern.flush()
    assert slow.outlet.messages == numbers[:20]
    assert quick.outlet.messages == numbers


def test_all_are_full(pub: Rig[Pub]) -> None:
    peer = subscriber(pub, hwm=1)
    pub.send(b"1", b"2", b"3")
    assert peer.outlet.messages == [b"1"]
    assert pub.drops == {DropReason.SEND_HWM: 2}


def test_a_run_is_not_endless(pub: Rig[Pub]) -> None:
    peer = subscriber(pub)
    pub.send(*[b"x"] * 400)
    assert len(peer.outlet.messages) == 1 + 256


def test_nodrop_waits_at_the_mark(pub: Rig[Pub]) -> None:
    pub.set(xpub_nodrop=True)
    slow, quick = subscriber(pub, hwm=5), subscriber(pub)
    assert pub.send(*[b"x"] * 7) == [True] * 5 + [False] * 2
    assert not pub.pattern.can_send
    assert len(slow.outlet.messages) == len(quick.outlet.messages) == 5
    drain(pub, slow)
    assert pub.pattern.can_send
    assert pub.send(*[b"y"] * 6) == [True] * 5 + [False]
    assert not pub.drops


@pytest.mark.parametrize("nodrop", [False, True])
@pytest.mark.parametrize("kind", [Pub, XPub])
def test_a_publisher_that_holds_back_does_the_same_as_one_that_does_not(kind: type[Pub], nodrop: bool) -> None:
    """A thousand things that may happen, to both."""
    chance = random.Random(nodrop)
    options = XPubOptions if kind is XPub else PublisherOptions
    rigs = [Rig(kind, options()), Rig(kind, options())]
    burst(rigs[0])
    peers: list[list[FakePeer]] = [[], []]
    for rig, own in zip(rigs, peers, strict=True):
        rig.set(xpub_nodrop=nodrop)
        own += [subscriber(rig, b"", hwm=hwm) for hwm in (5, 20, 100, 1000)]
    for number in range(1000):
        what = chance.random()
        which, topic = chance.randrange(len(peers[0])), chance.choice([b"", b"a", b"ab"])
        if what < 0.9:
            message = chance.choice([b"", b"a", b"ab", b"x"]) + b"%d" % number
            assert len({rig.pattern.send(message) for rig in rigs}) == 1
        elif what < 0.95:
            for rig, own in zip(rigs, peers, strict=True):
                rig.come(own[which], (b"\1" if what < 0.93 else b"\0") + topic)
        elif what < 0.97:
            rigs[0].pattern.flush(write=True)
            rigs[0].pattern.bursting = what < 0.96
        else:
            rigs[0].pattern.flush(write=True)
            ours, theirs = (drain(rig, own[which]) for rig, own in zip(rigs, peers, strict=True))
            assert ours == theirs
        assert len({rig.pattern.can_send for rig in rigs}) == 1
    rigs[0].pattern.flush()
    assert rigs[0].drops == rigs[1].drops
    for ours_, theirs_ in zip(*peers, strict=True):
        assert ours_.outlet.messages == theirs_.outlet.messages
