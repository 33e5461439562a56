"""Load balancing: PUSH and DEALER (libzmq tests/test_spec_pushpull.cpp, test_spec_dealer.cpp, test_immediate.cpp)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from trizmq.events import DropReason
from trizmq.messages import Packed
from trizmq.options import ConflateOptions, DealerOptions
from trizmq.patterns import Dealer, Push
from trizmq.patterns.load_balance import LoadBalancer

from .fakes import FakePeer, Rig, drain


@pytest.fixture(params=[Push, Dealer])
def rig(request: pytest.FixtureRequest) -> Rig[Push] | Rig[Dealer]:
    return Rig(Push, ConflateOptions()) if request.param is Push else Rig(Dealer, DealerOptions())


def test_no_peers(rig: Rig[Push]) -> None:
    assert rig.send(b"x") == [False]
    assert not rig.pattern.can_send


def test_strict_rotation(rig: Rig[Push]) -> None:
    peers = [rig.peer(str(i)) for i in range(5)]
    rig.send(*[b"%d" % i for i in range(10)])
    assert [peer.outlet.messages for peer in peers] == [[b"%d" % i, b"%d" % (i + 5)] for i in range(5)]


def test_what_goes_to_one_of_several_is_counted(rig: Rig[Push]) -> None:
    assert rig.pattern.counts_sent
    rig.peer("a")
    rig.send(b"1")
    assert rig.pattern.sent == 0, "there is only one"
    rig.peer("b")
    rig.send(b"2", b"3", b"4")
    assert rig.pattern.sent == 3


def test_a_new_peer_joins_at_the_end(rig: Rig[Push]) -> None:
    a, b = rig.peer("a"), rig.peer("b")
    rig.send(b"1")  # b is next
    c = rig.peer("c")
    rig.send(b"2", b"3", b"4")
    assert (a.outlet.messages, b.outlet.messages, c.outlet.messages) == ([b"1", b"3"], [b"2"], [b"4"])


def test_a_full_peer_is_passed_over_and_rejoins_at_the_end(rig: Rig[Push]) -> None:
    a, b, c = rig.peer("a", hwm=1), rig.peer("b"), rig.peer("c")
    rig.send(b"1", b"2", b"3", b"4", b"5")
    assert (len(a.outlet.messages), len(b.outlet.messages), len(c.outlet.messages)) == (1, 2, 2)
    assert drain(rig, a) == [b"1"]
    rig.send(b"6", b"7", b"8")
    assert (a.outlet.messages, b.outlet.messages[-1], c.outlet.messages[-1]) == ([b"8"], b"6", b"7")


def test_all_full(rig: Rig[Push]) -> None:
    a = rig.peer("a", hwm=1)
    assert rig.send(b"1", b"2") == [True, False]
    assert not rig.pattern.can_send
    drain(rig, a)
    assert rig.pattern.can_send
    assert rig.send(b"3") == [True]


def test_can_send_looks_behind_full_peers(rig: Rig[Push]) -> None:
    rig.peer("a", hwm=0)
    assert not rig.pattern.can_send
    rig.peer("b")
    assert rig.pattern.can_send


def test_multipart_travels_whole(rig: Rig[Push]) -> None:
    peers = [rig.peer(), rig.peer()]
    rig.send([b"a", b"b"], b"c")
    assert [peer.outlet.messages for peer in peers] == [[[b"a", b"b"]], [b"c"]]


def test_a_connecting_peer_counts(rig: Rig[Push]) -> None:
    dead, live = rig.connecting("dead"), rig.peer("live")
    rig.send(*[b"x"] * 10)
    assert len(dead.outlet.messages) == len(live.outlet.messages) == 5


def test_immediate(rig: Rig[Push]) -> None:
    rig.set(immediate=True)
    dead, live = rig.connecting("dead"), rig.peer("live")
    rig.send(*[b"x"] * 10)
    assert (len(dead.outlet.messages), len(live.outlet.messages)) == (0, 10)
    rig.lose(live)
    assert rig.send(b"x") == [False]
    rig.connect(live)
    assert rig.send(b"x") == [True]


def test_a_lost_peer_stays_unless_immediate(rig: Rig[Push]) -> None:
    peer = rig.peer()
    rig.lose(peer)
    assert rig.send(b"x") == [True]


def test_detached(rig: Rig[Push]) -> None:
    a, b = rig.peer("a"), rig.connecting("b")
    rig.pattern.detach(b)  # never connected
    rig.close(a)
    rig.pattern.detach(a)  # twice does no harm
    assert rig.send(b"x") == [False]
    rig.pattern.writable(a)  # nor what comes late
    assert rig.send(b"x") == [False]


def test_push_drops_what_its_peers_send() -> None:
    rig = Rig(Push, ConflateOptions())
    peer = rig.peer()
    rig.come(peer, b"x")
    assert peer.inlet.messages == []
    assert rig.drops == {DropReason.UNEXPECTED: 1}
    assert not rig.pattern.can_receive


def test_dealer_adds_nothing_and_queues_fairly() -> None:
    rig = Rig(Dealer, DealerOptions())
    peers = [rig.peer() for _ in range(3)]
    for i, peer in enumerate(peers):
        rig.come(peer, [b"", b"%d" % i], b"")
    assert rig.receive_all() == [[b"", b"0"], [b"", b"1"], [b"", b"2"], b"", b"", b""]


def test_dealer_probes_each_connection() -> None:
    rig = Rig(Dealer, DealerOptions(probe_router=True))
    peer = rig.connecting()
    assert peer.outlet.read() == []
    rig.connect(peer)
    rig.lose(peer)
    rig.connect(peer)
    assert peer.outlet.read() == [b"", b""]


class Balancing(RuleBasedStateMachine):
    """Peers come, fill up, drain and go: no message is lost, none goes to a full peer, and nobody is passed over."""

    peers = Bundle("peers")

    def __init__(self) -> None:
        super().__init__()
        self.balancer = LoadBalancer()
        self.alive: list[FakePeer] = []
        self.sent = 0
        self.got: list[Packed] = []
        #: Since the peer last got a message or had room: who else got one. With room, nobody twice.
        self.passed: dict[FakePeer, Counter[FakePeer]] = {}

    @rule(target=peers, hwm=st.integers(0, 3))
    def attach(self, hwm: int) -> FakePeer:
        peer = FakePeer(str(len(self.alive)), hwm=hwm)
        self.balancer.attach(peer)
        self.alive.append(peer)
        self.passed[peer] = Counter()
        return peer

    @rule(peer=consumes(peers))
    def detach(self, peer: FakePeer) -> None:
        self.balancer.detach(peer)
        self.alive.remove(peer)
        self.got += peer.outlet.read()

    @rule(peer=peers)
    def drain(self, peer: FakePeer) -> None:
        full = not peer.outlet.has_room
        self.got += peer.outlet.read()
        if full:
            self.passed[peer].clear()
            self.balancer.writable(peer)

    @rule()
    def send(self) -> None:
        room = [peer for peer in self.alive if peer.outlet.has_room]
        before = {peer: peer.outlet.queued for peer in self.alive}
        assert self.balancer.can_send == bool(room)
        sent = self.balancer.send(b"%d" % self.sent)
        assert sent == bool(room)
        grown = [peer for peer in self.alive if peer.outlet.queued > before[peer]]
        if not sent:
            assert not grown
            return
        self.sent += 1
        assert grown == [self.balancer.last]
        assert grown[0] in room
        self.passed[grown[0]].clear()
        for peer in room:
            if peer is not grown[0]:
                self.passed[peer][grown[0]] += 1
                assert self.passed[peer][grown[0]] <= 1, "nobody gets two while another one has room and none"

    @precondition(lambda self: self.sent)
    @invariant()
    def nothing_is_lost(self) -> None:
        held = self.got + [message for peer in self.alive for message in peer.outlet.messages]
        assert sorted(held, key=lambda m: int(bytes(m))) == [b"%d" % i for i in range(self.sent)]  # type: ignore[arg-type]


TestBalancing = Balancing.TestCase


def test_dealer_hello_and_hiccup() -> None:
    """A hiccup is of connections that were made from here (libzmq tests: hello_msg, hiccup_msg)."""
    rig = Rig(Dealer, DealerOptions())
    peer = rig.peer()
    assert (rig.pattern.hello(), rig.pattern.departure_notices(peer)) == (b"", [])
    rig.set(hello_message=b"hello", hiccup_message=b"hiccup")
    assert (rig.pattern.hello(), rig.pattern.departure_notices(peer)) == (b"hello", [b"hiccup"])
    peer.accepted = True
    assert rig.pattern.departure_notices(peer) == []
    assert rig.pattern.arrival_notices(peer) == []
