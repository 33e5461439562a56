"""PUB and XPUB (libzmq tests: xpub_verbose, xpub_manual, xpub_manual_last_value, xpub_nodrop, xpub_welcome_msg, xpub_topic,
pub_invert_matching, pubsub_topics_count, hwm_pubsub, disconnect_inproc)."""

from __future__ import annotations

import pytest

from trizmq.errors import StateError
from trizmq.events import DropReason
from trizmq.messages import Packed
from trizmq.options import PublisherOptions, XPubOptions
from trizmq.patterns import Pub, XPub

from .fakes import FakePeer, Rig, drain

SUB_A, CANCEL_A, SUB_B, CANCEL_B = b"\1A", b"\0A", b"\1B", b"\0B"


@pytest.fixture
def pub() -> Rig[Pub]:
    return Rig(Pub, PublisherOptions())


@pytest.fixture
def xpub() -> Rig[XPub]:
    return Rig(XPub, XPubOptions())


def subscriber(rig: Rig[Pub] | Rig[XPub], *wanted: bytes, hwm: int = 1000) -> FakePeer:
    peer = rig.peer(hwm=hwm)
    rig.come(peer, *[b"\1" + topic for topic in wanted])
    return peer


# ---- matching


def test_prefixes_of_the_first_frame(pub: Rig[Pub]) -> None:
    a, ab, everything, nothing = (
        subscriber(pub, b"a"),
        subscriber(pub, b"ab", b"a"),
        subscriber(pub, b""),
        subscriber(pub),
    )
    assert pub.send(b"abc", [b"b", b"a"], b"", b"a") == [True] * 4
    assert a.outlet.messages == ab.outlet.messages == [b"abc", b"a"]
    assert everything.outlet.messages == [b"abc", [b"b", b"a"], b"", b"a"]
    assert nothing.outlet.messages == []
    assert not pub.drops
    assert pub.pattern.can_send
    assert not pub.pattern.can_receive


def test_nobody_there(pub: Rig[Pub]) -> None:
    assert pub.send(b"x") == [True]
    assert not pub.drops, "a message that nobody wants is not a drop"


def test_two_subscriptions_one_cancellation(pub: Rig[Pub]) -> None:
    peer = subscriber(pub, b"A", b"A")
    pub.come(peer, CANCEL_A)
    pub.send(b"A")
    assert peer.outlet.messages == []


@pytest.mark.parametrize("size", [245, 246, 254, 255, 256])
def test_long_topics(pub: Rig[Pub], size: int) -> None:
    topic = b"x" * size
    peer = subscriber(pub, topic)
    pub.send(topic)
    pub.come(peer, b"\0" + topic)
    pub.send(topic)
    assert peer.outlet.messages == [topic]


def test_a_full_subscriber_loses_alone(pub: Rig[Pub]) -> None:
    slow, quick = subscriber(pub, b"", hwm=1), subscriber(pub, b"")
    assert pub.send(b"1", b"2") == [True, True]
    assert (slow.outlet.messages, quick.outlet.messages) == ([b"1"], [b"1", b"2"])
    assert pub.drops == {DropReason.SEND_HWM: 1}
    assert pub.dropped_for[slow] == 1


def test_a_full_subscriber_loses_its_oldest(pub: Rig[Pub]) -> None:
    pub.set(drop_oldest=True)
    slow, quick = subscriber(pub, b"", hwm=2), subscriber(pub, b"")
    assert pub.send(b"1", b"2", b"3", b"4") == [True] * 4
    assert (slow.outlet.messages, quick.outlet.messages) == ([b"3", b"4"], [b"1", b"2", b"3", b"4"])
    assert pub.drops == {DropReason.SEND_HWM: 2}
    assert pub.dropped_for[slow] == 2
    slow.outlet.taken = 2
    assert pub.send(b"5", b"6", b"7") == [True] * 3
    assert slow.outlet.messages == [b"3", b"4", b"6", b"7"], "those that are being written are not taken back"


def test_nodrop_goes_before_drop_oldest(pub: Rig[Pub]) -> None:
    pub.set(drop_oldest=True, xpub_nodrop=True)
    subscriber(pub, b"", hwm=1)
    assert pub.send(b"1", b"2") == [True, False]
    pub.set(xpub_nodrop=False)
    assert pub.send(b"2") == [True]
    assert pub.drops == {DropReason.SEND_HWM: 1}


@pytest.mark.parametrize("kind", ["pub", "xpub"])
def test_nodrop(kind: str, request: pytest.FixtureRequest) -> None:
    rig: Rig[Pub] = request.getfixturevalue(kind)
    rig.set(xpub_nodrop=True)
    slow, quick, other = subscriber(rig, b"a", hwm=1), subscriber(rig, b""), subscriber(rig, b"b", hwm=0)
    assert rig.send(b"a1", b"a2") == [True, False]
    assert quick.outlet.messages == [b"a1"], "nothing is queued to anyone"
    assert not rig.pattern.can_send
    assert rig.send(b"c") == [True], "the full one does not want it"
    assert rig.pattern.can_send
    assert rig.send(b"a2") == [False]
    assert drain(rig, slow) == [b"a1"]
    assert rig.pattern.can_send
    assert rig.send(b"a2") == [True]
    assert rig.send(b"b") == [False]
    rig.close(other)
    assert rig.pattern.can_send
    assert rig.send(b"b") == [True]
    assert not rig.drops


def test_nodrop_where_the_pipe_says_no_after_all(pub: Rig[Pub]) -> None:
    pub.set(invert_matching=True)
    subscriber(pub, hwm=0)
    pub.send(b"x")
    assert pub.drops == {DropReason.SEND_HWM: 1}


def test_invert_matching(pub: Rig[Pub]) -> None:
    pub.set(invert_matching=True)
    a, none, ab = subscriber(pub, b"A"), subscriber(pub), subscriber(pub, b"A", b"B")
    connecting = pub.connecting()
    pub.send(b"A", b"B", b"C")
    assert a.outlet.messages == [b"B", b"C"]
    assert none.outlet.messages == [b"A", b"B", b"C"]
    assert ab.outlet.messages == [b"C"]
    assert connecting.outlet.messages == []
    assert pub.pattern.subscriber_count(b"A") == 1


def test_welcome_comes_first(pub: Rig[Pub]) -> None:
    pub.set(xpub_welcome_message=b"W")
    peer = FakePeer()
    pub.pattern.attach(peer)
    peer.inlet.messages = [b"\1"]
    peer.connected = True
    pub.pattern.arrived(peer)  # before it is connected: looked at later
    pub.connect(peer)
    pub.send(b"x")
    assert peer.outlet.messages == [b"W", b"x"]


# ---- what subscribers send


def test_pub_drops_everything_else(pub: Rig[Pub]) -> None:
    peer = pub.peer()
    pub.come(peer, b"", b"x", [b"x", b"y"], b"\2A", SUB_A)
    assert pub.drops == {DropReason.UNEXPECTED: 4}
    assert pub.pattern.topics_count == 1
    assert peer.inlet.taken == 0


@pytest.mark.parametrize("only_first", [False, True])
def test_later_frames(pub: Rig[Pub], only_first: bool) -> None:
    pub.set(only_first_subscribe=only_first)
    peer = pub.peer()
    pub.come(peer, [b"zz", SUB_A], [SUB_B, b"\1C"])
    counts = [pub.pattern.subscriber_count(topic) for topic in (b"A", b"B", b"C")]
    assert counts == ([0, 1, 0] if only_first else [1, 1, 1])
    assert pub.drops == {DropReason.UNEXPECTED: 2 if only_first else 1}


def test_a_lost_subscriber_has_no_subscriptions(pub: Rig[Pub]) -> None:
    peer = pub.connecting()
    pub.connect(peer)
    pub.come(peer, SUB_A)
    pub.lose(peer)
    pub.send(b"A")
    assert peer.outlet.messages == []
    pub.come(peer, SUB_A, [SUB_B, b"x"])  # too late
    assert peer.inlet.taken == 0
    assert pub.drops == {DropReason.UNEXPECTED: 1}
    pub.connect(peer)
    assert pub.pattern.topics_count == 0
    pub.pattern.detach(peer)
    pub.pattern.detach(peer)


def test_on_subscription(pub: Rig[Pub]) -> None:
    calls: list[int] = []
    pub.pattern.on_subscription = lambda: calls.append(pub.pattern.subscriber_count(b"AB"))
    a = subscriber(pub, b"A")
    b = subscriber(pub, b"", b"AB")
    pub.come(a, SUB_A, b"\1")  # a wider one of its own: no new peer, a new topic
    pub.come(a, SUB_A, CANCEL_B, b"")  # changes nothing
    pub.close(subscriber(pub))  # had none
    pub.come(a, CANCEL_A, b"\0")
    pub.close(b)
    assert calls == [1, 2, 2, 1, 0]
    assert pub.pattern.subscriber_count(b"") == 0


def test_topics_count(pub: Rig[Pub]) -> None:
    a, b = subscriber(pub, b"topic1", b"topic1.a", b"topic1.a.b"), subscriber(pub, b"topic1", b"x", b"y", b"z")
    assert pub.pattern.topics_count == 6
    pub.close(b)
    assert pub.pattern.topics_count == 3
    pub.come(a, b"\0topic1", b"\0topic1.a", b"\0topic1.a.b", b"\0topic1")
    assert pub.pattern.topics_count == 0


# ---- XPUB: what is received


def test_xpub_default(xpub: Rig[XPub]) -> None:
    one = xpub.peer()
    xpub.come(one, SUB_A, SUB_B, SUB_A)
    assert xpub.receive_all() == [SUB_A, SUB_B]
    two = xpub.peer()
    xpub.come(two, SUB_A)
    assert xpub.receive_all() == []
    xpub.come(one, CANCEL_A)
    assert xpub.receive_all() == []
    xpub.come(two, CANCEL_A)
    assert xpub.receive_all() == [CANCEL_A]
    assert xpub.pattern.receive() is None


def test_xpub_verbose_one_sub(xpub: Rig[XPub]) -> None:
    sub = xpub.peer()
    xpub.come(sub, SUB_A, SUB_B, SUB_A)
    assert xpub.receive_all() == [SUB_A, SUB_B]
    xpub.set(xpub_verbose=True)
    xpub.come(sub, SUB_A)
    assert xpub.receive_all() == [SUB_A]
    xpub.send(b"A", b"B")
    assert sub.outlet.messages == [b"A", b"B"]


def test_xpub_verbose_two_subs(xpub: Rig[XPub]) -> None:
    one, two = xpub.peer(), xpub.peer()
    xpub.come(one, SUB_A)
    xpub.come(two, SUB_A)
    xpub.come(one, SUB_B)
    assert xpub.receive_all() == [SUB_A, SUB_B]
    xpub.set(xpub_verbose=True)
    xpub.come(two, SUB_A)
    assert xpub.receive_all() == [SUB_A]
    xpub.come(two, CANCEL_A)
    assert xpub.receive_all() == [], "verbose is for subscriptions"
    xpub.come(one, CANCEL_A)
    assert xpub.receive_all() == [CANCEL_A]


def test_xpub_verboser_two_subs(xpub: Rig[XPub]) -> None:
    xpub.set(xpub_verboser=True)
    one, two = xpub.peer(), xpub.peer()
    xpub.come(one, SUB_A)
    xpub.come(two, SUB_A)
    assert xpub.receive_all() == [SUB_A, SUB_A]
    xpub.send(b"A")
    assert one.outlet.messages == two.outlet.messages == [b"A"]
    xpub.come(two, CANCEL_A)
    xpub.come(one, CANCEL_A)
    assert xpub.receive_all() == [CANCEL_A, CANCEL_A]


@pytest.mark.parametrize("verboser", [False, True])
def test_a_disconnect_cancels(xpub: Rig[XPub], verboser: bool) -> None:
    xpub.set(xpub_verboser=verboser)
    one, two = subscriber(xpub, b"A", b"B"), subscriber(xpub, b"A")
    xpub.receive_all()
    xpub.close(one)
    assert xpub.receive_all() == ([CANCEL_A, CANCEL_B] if verboser else [CANCEL_B])
    xpub.close(two)
    assert xpub.receive_all() == [CANCEL_A]


def test_cancel_of_an_unknown_topic(xpub: Rig[XPub]) -> None:
    peer, other = xpub.peer(), xpub.peer()
    xpub.come(peer, CANCEL_A)
    assert xpub.receive_all() == [CANCEL_A], "as libzmq"
    xpub.come(other, SUB_A)
    xpub.come(peer, CANCEL_A)
    assert xpub.receive_all() == [SUB_A], "not as libzmq: no peer cancels what others want"
    xpub.set(xpub_verboser=True)
    xpub.come(peer, CANCEL_A)
    assert xpub.receive_all() == [CANCEL_A]


def test_user_messages(xpub: Rig[XPub]) -> None:
    peer = xpub.peer()
    sent: list[Packed] = [b"\2A", b"", [b"A", b"B"]]
    xpub.come(peer, SUB_A, *sent)
    assert peer.inlet.taken == 3, "user messages hold their credit, subscriptions do not"
    assert xpub.pattern.receive_many(1) == [SUB_A]
    assert xpub.pattern.receive_many(9) == sent
    assert peer.inlet.taken == 0


def test_user_message_multi(xpub: Rig[XPub]) -> None:
    xpub.set(only_first_subscribe=True)
    peer = xpub.peer()
    xpub.come(peer, [b"ABC", b"\0BC"], [b"ABC", b"\1BC"], b"\1BC", b"\0BC")
    assert xpub.receive_all() == [[b"ABC", b"\0BC"], [b"ABC", b"\1BC"], b"\1BC", b"\0BC"]
    xpub.set(only_first_subscribe=False)
    xpub.come(peer, [b"ABC", b"\1BC", b"DEF"])
    assert xpub.receive_all() == [b"\1BC", [b"ABC", b"DEF"]]


def test_unreceive(xpub: Rig[XPub]) -> None:
    peer = xpub.peer()
    xpub.come(peer, [b"a", b"b"], SUB_A)
    message = xpub.pattern.receive()
    assert message is not None
    xpub.pattern.unreceive(message)
    assert peer.inlet.taken == 0
    assert xpub.receive_all() == [[b"a", b"b"], SUB_A]


def test_what_was_sent_before_a_disconnect_is_received(xpub: Rig[XPub]) -> None:
    peer = xpub.peer()
    xpub.come(peer, SUB_A, b"user")
    peer.inlet.messages = [b"unannounced"]
    xpub.close(peer)
    assert xpub.receive_all() == [SUB_A, b"user", b"unannounced", CANCEL_A]


# ---- manual


@pytest.fixture
def manual(xpub: Rig[XPub]) -> Rig[XPub]:
    xpub.set(xpub_manual=True)
    return xpub


def test_manual_basic(manual: Rig[XPub]) -> None:
    sub = subscriber(manual, b"A")
    assert manual.receive_all() == [SUB_A]
    calls: list[None] = []
    manual.pattern.on_subscription = lambda: calls.append(None)
    manual.pattern.subscribe(b"B")
    manual.pattern.subscribe(b"B")
    manual.send(b"A", b"B")
    assert sub.outlet.messages == [b"B"]
    manual.pattern.unsubscribe(b"C")
    manual.pattern.unsubscribe(b"B")
    assert len(calls) == 2


def test_manual_unsubscribe(manual: Rig[XPub]) -> None:
    sub = subscriber(manual, b"A", b"B")
    assert manual.pattern.receive() == SUB_A
    manual.pattern.subscribe(b"XA")
    assert manual.pattern.receive() == SUB_B
    manual.pattern.subscribe(b"XB")
    manual.come(sub, CANCEL_A)
    assert manual.pattern.receive() == CANCEL_A
    manual.pattern.unsubscribe(b"XA")
    manual.send(b"XA", b"XB")
    assert sub.outlet.messages == [b"XB"]
    manual.close(sub)
    assert manual.receive_all() == [CANCEL_B]
    manual.pattern.unsubscribe(b"XB")  # has gone: nothing happens


def test_manual_two_subscribers_close(manual: Rig[XPub]) -> None:
    subs = []
    for _ in range(2):
        subs.append(subscriber(manual, b"1"))
        assert manual.pattern.receive() == b"\x011"
        manual.pattern.subscribe(b"1")
    manual.send([b"1", b"X"])
    assert all(sub.outlet.messages == [[b"1", b"X"]] for sub in subs)
    for sub in subs:
        manual.close(sub)
    assert manual.receive_all() == [b"\x001", b"\x001"]
    assert manual.pattern.topics_count == 0


def test_manual_late_confirmation(manual: Rig[XPub]) -> None:
    one, two = subscriber(manual, b"1"), subscriber(manual, b"2")
    for topic in (b"1", b"2"):
        assert manual.pattern.receive() == b"\1" + topic
        manual.pattern.subscribe(topic)
    manual.send(b"1", b"2")
    assert (one.outlet.messages, two.outlet.messages) == ([b"1"], [b"2"])


def test_manual_of_a_peer_gone(manual: Rig[XPub]) -> None:
    sub = subscriber(manual, b"A")
    manual.close(sub)
    assert manual.pattern.receive() == SUB_A
    manual.pattern.subscribe(b"A")
    assert manual.pattern.topics_count == 0
    again = subscriber(manual, b"B")
    assert manual.receive_all() == [CANCEL_A, SUB_B]
    manual.pattern.subscribe(b"XB")
    manual.send(b"XA", b"XB")
    assert again.outlet.messages == [b"XB"]


def test_not_manual(xpub: Rig[XPub]) -> None:
    with pytest.raises(StateError, match="xpub_manual"):
        xpub.pattern.subscribe(b"A")
    with pytest.raises(StateError, match="xpub_manual"):
        xpub.pattern.unsubscribe(b"A")


def test_manual_last_value(xpub: Rig[XPub]) -> None:
    xpub.set(xpub_manual_last_value=True)
    one, two = subscriber(xpub, b"A"), subscriber(xpub, b"A")
    for _ in range(2):
        assert xpub.pattern.receive() == SUB_A
        xpub.pattern.subscribe(b"A")
    xpub.send(b"A1")
    assert (one.outlet.messages, two.outlet.messages) == ([], [b"A1"])
    xpub.send(b"A2")
    assert (one.outlet.messages, two.outlet.messages) == ([b"A2"], [b"A1", b"A2"])
    xpub.come(one, SUB_A)
    xpub.pattern.receive()
    xpub.send(b"B", b"A3")  # the last one does not want it: nobody gets it, and that was that
    assert (one.outlet.messages, two.outlet.messages) == ([b"A2", b"A3"], [b"A1", b"A2", b"A3"])


def test_manual_last_value_waits_with_nodrop(xpub: Rig[XPub]) -> None:
    xpub.set(xpub_manual_last_value=True, xpub_nodrop=True)
    full, other = subscriber(xpub, b"A", hwm=0), subscriber(xpub, b"A")
    xpub.pattern.receive()
    xpub.pattern.subscribe(b"A")
    assert xpub.send(b"A") == [False]
    full.outlet.hwm = 1
    assert xpub.send(b"A") == [True]
    assert (full.outlet.messages, other.outlet.messages) == ([b"A"], [])
