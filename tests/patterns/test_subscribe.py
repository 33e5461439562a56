"""SUB and XSUB (libzmq tests: sub_forward, xsub_verbose, xpub_verbose, pubsub_topics_count, pub_invert_matching)."""

from __future__ import annotations

import pytest

from trizmq.events import DropReason
from trizmq.messages import Packed
from trizmq.options import SubscriberOptions, XPubOptions, XSubOptions
from trizmq.patterns import Sub, XPub, XSub

from .fakes import Rig

SUB_A, CANCEL_A, SUB_B = b"\1A", b"\0A", b"\1B"


@pytest.fixture
def sub() -> Rig[Sub]:
    return Rig(Sub, SubscriberOptions())


@pytest.fixture
def xsub() -> Rig[XSub]:
    return Rig(XSub, XSubOptions())


@pytest.mark.parametrize("kind", ["sub", "xsub"])
def test_every_subscription_and_the_last_cancellation(kind: str, request: pytest.FixtureRequest) -> None:
    rig: Rig[Sub] = request.getfixturevalue(kind)
    peer = rig.peer(hwm=0)  # subscriptions go past the high-water mark
    rig.pattern.unsubscribe(b"A")
    for _ in range(2):
        rig.pattern.subscribe(b"A")
    for _ in range(3):
        rig.pattern.unsubscribe(b"A")
    assert peer.outlet.messages == [SUB_A, SUB_A, CANCEL_A]


def test_replay(sub: Rig[Sub]) -> None:
    connecting = sub.connecting()
    for topic in (b"A", b"A", b"B", b"C"):
        sub.pattern.subscribe(topic)
    sub.pattern.unsubscribe(b"C")
    assert connecting.outlet.messages == []
    sub.connect(connecting)
    assert connecting.outlet.read() == [SUB_A, SUB_B]
    sub.lose(connecting)
    sub.pattern.subscribe(b"D")
    sub.connect(connecting)
    assert connecting.outlet.read() == [SUB_A, SUB_B, b"\1D"]
    assert sub.pattern.topics_count == 3
    sub.close(connecting)
    sub.pattern.detach(connecting)
    sub.pattern.unsubscribe(b"B")
    assert connecting.outlet.messages == []


def test_sub_filters(sub: Rig[Sub]) -> None:
    peer = sub.peer()
    sub.come(peer, b"A")
    assert not sub.pattern.can_receive
    assert sub.drops == {DropReason.UNSUBSCRIBED: 1}
    sub.pattern.subscribe(b"A")
    sub.come(peer, b"A", b"B", [b"AB", b"x"], [b"x", b"A"], b"")
    assert sub.receive_all() == [b"A", [b"AB", b"x"]]
    assert sub.drops == {DropReason.UNSUBSCRIBED: 4}
    assert sub.dropped_for[peer] == 4
    assert peer.inlet.taken == 0


def test_unsubscribe_holds_for_what_has_arrived(sub: Rig[Sub]) -> None:
    peer = sub.peer()
    sub.pattern.subscribe(b"A")
    sub.pattern.subscribe(b"B")
    sub.come(peer, b"A1", b"B1", b"A2")
    assert sub.pattern.receive() == b"A1"
    sub.pattern.unsubscribe(b"A")
    assert sub.receive_all() == [b"B1"]
    sub.come(peer, b"B1", b"B2")
    assert sub.pattern.receive() == b"B1"
    sub.pattern.unreceive(b"B1")
    sub.pattern.unsubscribe(b"B")
    assert sub.receive_all() == [b"B1"], "it had been received already"
    assert sub.drops == {DropReason.UNSUBSCRIBED: 2}
    assert peer.inlet.taken == 0


def test_invert_matching(sub: Rig[Sub]) -> None:
    sub.set(invert_matching=True)
    peer = sub.peer()
    sub.pattern.subscribe(b"A")
    sub.come(peer, b"A", b"B", b"C", b"A", b"D")
    assert sub.pattern.receive() == b"B"
    sub.pattern.subscribe(b"C")
    assert sub.receive_all() == [b"D"]
    assert sub.drops == {DropReason.UNSUBSCRIBED: 3}


def test_xsub_does_not_filter(xsub: Rig[XSub]) -> None:
    xsub.come(xsub.peer(), b"A", [b"B"] * 2)
    assert xsub.receive_all() == [b"A", [b"B", b"B"]]


def test_xsub_send(xsub: Rig[XSub]) -> None:
    one, full = xsub.peer(), xsub.peer(hwm=1)
    assert xsub.pattern.can_send
    sent: list[Packed] = [CANCEL_A, SUB_A, SUB_A, CANCEL_A, b"user", [b"user", b"x"], b"", CANCEL_A]
    assert xsub.send(*sent) == [True] * len(sent)
    assert one.outlet.messages == [SUB_A, SUB_A, b"user", [b"user", b"x"], b"", CANCEL_A]
    assert full.outlet.messages == [SUB_A, SUB_A, CANCEL_A]
    assert xsub.drops == {DropReason.SEND_HWM: 3}
    assert xsub.dropped_for[full] == 3
    assert xsub.pattern.topics_count == 0


def test_xsub_replays_what_was_sent(xsub: Rig[XSub]) -> None:
    xsub.send(SUB_A, SUB_B, CANCEL_A)
    assert xsub.peer().outlet.messages == [SUB_B]


def test_xsub_several_frames(xsub: Rig[XSub]) -> None:
    peer = xsub.peer()
    xsub.send([SUB_A, SUB_B], [b"\0C", CANCEL_A], [b"\0C", b"data"], [b"\0C", b"\0D"])
    assert peer.outlet.messages == [[SUB_A, SUB_B], CANCEL_A, b"data"]
    assert list(xsub.pattern.subscriptions) == [b"B"]
    xsub.set(only_first_subscribe=True)
    xsub.send([b"data", SUB_A], [b"\1C", b"\1D"])
    assert list(xsub.pattern.subscriptions) == [b"B", b"C"]
    assert peer.outlet.messages[-2:] == [[b"data", SUB_A], [b"\1C", b"\1D"]]


def test_xsub_verbose_unsubscribe(xsub: Rig[XSub]) -> None:
    """libzmq tests/test_xsub_verbose.cpp, with an XPUB that has xpub_verboser."""
    xsub.set(xsub_verbose_unsubscribe=True)
    xpub = Rig(XPub, XPubOptions(xpub_verboser=True))
    up, down = xsub.peer(), xpub.peer()
    for message, seen in (
        (CANCEL_A, [CANCEL_A]),  # even of an unknown topic
        (SUB_A, [SUB_A]),
        (SUB_A, [SUB_A]),
        (CANCEL_A, [CANCEL_A]),
        (CANCEL_A, [CANCEL_A]),
        (CANCEL_A, [CANCEL_A]),
    ):
        xsub.send(message)
        xpub.come(down, *up.outlet.read())
        assert xpub.receive_all() == seen
    xsub.pattern.unsubscribe(b"A")
    assert up.outlet.read() == [CANCEL_A]


def test_sub_forward(sub: Rig[Sub]) -> None:
    """libzmq tests/test_sub_forward.cpp: a proxy carries subscriptions up and messages down."""
    front, back, pub = Rig(XSub, XSubOptions()), Rig(XPub, XPubOptions()), Rig(XPub, XPubOptions())
    sub_up, back_down = sub.peer(), back.peer()
    front_up, pub_down = front.peer(), pub.peer()
    sub.pattern.subscribe(b"")
    back.come(back_down, *sub_up.outlet.read())
    front.send(*back.receive_all())
    pub.come(pub_down, *front_up.outlet.read())
    pub.send([b"a", b"b"])
    front.come(front_up, *pub_down.outlet.read())
    back.send(*front.receive_all())
    sub.come(sub_up, *back_down.outlet.read())
    assert sub.receive_all() == [[b"a", b"b"]]
