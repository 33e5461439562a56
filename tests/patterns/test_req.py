"""REQ (libzmq tests: spec_req, req_correlate, req_relaxed, invalid_rep), and lost peers and given up requests."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trizmq.errors import PeerLostError, StateError
from trizmq.events import DropReason
from trizmq.messages import Packed
from trizmq.options import ReqOptions
from trizmq.patterns import Req

from .fakes import FakePeer, Rig


@pytest.fixture
def rig() -> Rig[Req]:
    return Rig(Req, ReqOptions())


def oldest(peer: FakePeer) -> list[bytes]:
    """The oldest request that a peer has or that waits for it, which it does no more."""
    request = peer.outlet.messages.pop(0)
    peer.outlet.written = min(peer.outlet.written, len(peer.outlet.messages))
    assert isinstance(request, list)
    return request


def answer(rig: Rig[Req], peer: FakePeer, body: bytes = b"reply") -> None:
    """The peer replies to the oldest request that it has, returning its envelope."""
    request = oldest(peer)
    rig.come(peer, [*request[: request.index(b"") + 1], body])


# ---- as libzmq


def test_round_robin(rig: Rig[Req]) -> None:
    peers = [rig.peer() for _ in range(5)]
    for i in range(10):
        assert rig.pattern.can_send
        assert rig.send(b"%d" % i) == [True]
        assert peers[i % 5].outlet.messages == [[b"", b"%d" % i]]
        answer(rig, peers[i % 5], b"r%d" % i)
        assert rig.pattern.receive() == b"r%d" % i


def test_multipart_both_ways(rig: Rig[Req]) -> None:
    peer = rig.peer()
    rig.send([b"a", b"b"])
    assert peer.outlet.messages == [[b"", b"a", b"b"]]
    rig.come(peer, [b"", b"c", b"d"])
    assert rig.pattern.receive_many(0) == []
    assert rig.pattern.receive_many(9) == [[b"c", b"d"]]


def test_no_peers(rig: Rig[Req]) -> None:
    assert not rig.pattern.can_send
    assert rig.send(b"x") == [False]
    with pytest.raises(StateError):  # nothing was sent, so nothing is due
        rig.pattern.receive()


def test_alternation(rig: Rig[Req]) -> None:
    peer = rig.peer()
    with pytest.raises(StateError, match="send"):
        rig.pattern.receive()
    rig.send(b"1")
    assert not rig.pattern.can_send
    assert not rig.pattern.can_receive
    assert rig.pattern.receive() is None
    assert rig.pattern.receive_many(9) == []
    with pytest.raises(StateError, match="req_relaxed"):
        rig.send(b"2")
    answer(rig, peer)
    assert rig.pattern.can_receive
    with pytest.raises(StateError):
        rig.send(b"2")
    reply = rig.pattern.receive()
    assert reply == b"reply"
    rig.pattern.unreceive(reply)
    assert rig.pattern.can_receive
    assert not rig.pattern.can_send
    assert rig.pattern.receive() == b"reply"
    assert rig.send(b"2") == [True]


def test_only_the_asked_peer_is_heard(rig: Rig[Req]) -> None:
    asked, other = rig.peer(), rig.peer()
    rig.come(other, [b"", b"early"])
    rig.send(b"x")
    rig.come(other, [b"", b"wrong"])
    assert not rig.pattern.can_receive
    rig.come(asked, [b"", b"right"], [b"", b"once more"])
    assert rig.pattern.receive() == b"right"
    assert rig.drops == {DropReason.STALE_REPLY: 3}
    assert other.inlet.taken == asked.inlet.taken == 0


@pytest.mark.parametrize(
    "malformed", [b"", b"x", [b"x", b"y"], [b"1234", b"x", b"y"], [b"1234", b""], [b"12", b"", b"x"]]
)
def test_what_no_rep_could_have_sent_costs_the_connection(rig: Rig[Req], malformed: Packed) -> None:
    asked, other = rig.peer(), rig.peer()
    rig.send(b"x")
    rig.come(other, malformed, [b"", b"not read any more"])
    assert other.resets == 1
    assert rig.drops == {DropReason.MALFORMED: 2}
    asked.outlet.write()
    rig.come(asked, malformed)
    assert asked.resets == 1
    rig.lose(asked)
    with pytest.raises(PeerLostError):
        rig.pattern.receive()


def test_correlate(rig: Rig[Req]) -> None:
    rig.set(req_correlate=True)
    peer = rig.peer()
    rig.send(b"ABC")
    [request] = peer.outlet.messages
    number, delimiter, body = request
    assert isinstance(number, bytes)
    assert (len(number), delimiter, body) == (4, b"", b"ABC")
    wrong = (int.from_bytes(number, sys.byteorder) + 1 & 0xFFFF_FFFF).to_bytes(4, sys.byteorder)
    rig.come(peer, [wrong, b"", b"DEF"], [b"", b"GHI"])
    assert not rig.pattern.can_receive
    assert rig.drops == {DropReason.STALE_REPLY: 2}
    rig.come(peer, [number, b"", b"J", b"K"])
    assert rig.pattern.receive() == [b"J", b"K"]
    assert peer.resets == 0


def test_correlation_counts_and_wraps(rig: Rig[Req]) -> None:
    rig.set(req_correlate=True, req_relaxed=True)
    rig.pattern._counter = 0xFFFF_FFFE
    peer = rig.peer()
    rig.send(b"a", b"b", b"c")
    numbers = [
        int.from_bytes(message[0], sys.byteorder) for message in peer.outlet.messages if isinstance(message[0], bytes)
    ]
    assert numbers == [0xFFFF_FFFF, 0, 1]


def test_relaxed(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True, req_correlate=True)
    peers = [rig.peer() for _ in range(5)]
    for i in range(5):  # given up before a reply ...
        assert rig.pattern.can_send
        assert rig.send(b"%d" % i) == [True]
    answer(rig, peers[3])
    assert not rig.pattern.can_receive
    answer(rig, peers[4])
    assert rig.pattern.can_receive
    assert rig.pattern.can_send
    assert rig.send(b"5") == [True]  # ... and with one unread; the rotation goes on
    assert not rig.pattern.can_receive
    answer(rig, peers[0])  # to the first request
    assert not rig.pattern.can_receive
    answer(rig, peers[0], b"last")
    assert rig.pattern.receive() == b"last"
    assert rig.drops == {DropReason.STALE_REPLY: 3}


def test_relaxed_with_both_requests_queued_before_the_router_binds(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True, req_correlate=True)
    peer = rig.connecting()
    rig.send(b"first", b"second")
    rig.connect(peer)
    for request in peer.outlet.read():
        rig.come(peer, request)  # an echo
    assert rig.pattern.receive() == b"second"


def test_relaxed_without_correlation_takes_what_comes_first(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True)
    peer = rig.peer()
    rig.send(b"1", b"2", b"3")
    answer(rig, peer, b"r1")
    assert rig.pattern.receive() == b"r1"
    answer(rig, peer, b"r2")  # nobody waits
    assert rig.send(b"4") == [True]
    answer(rig, peer, b"r3")
    assert rig.pattern.receive() == b"r3"


def test_abandon_makes_debts_of_relaxed_requests(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True)
    peer = rig.peer()
    rig.send(b"1", b"2", b"3")
    peer.outlet.write()
    rig.pattern.abandon()
    rig.pattern.abandon()
    for _ in range(2):
        answer(rig, peer)
        assert not rig.pattern.can_send
    answer(rig, peer)
    assert rig.pattern.can_send
    assert not rig.pattern.can_receive
    assert peer.resets == 0


def cut_short(rig: Rig[Req], peer: FakePeer) -> None:
    """The oldest request of a peer is dropped, because the peer does not take it."""
    rig.pattern.cut_short(peer, oldest(peer))


def test_who_asked_learns_that_the_request_is_given_up(rig: Rig[Req]) -> None:
    peer = rig.peer()
    rig.send(b"1")
    cut_short(rig, peer)
    with pytest.raises(PeerLostError):
        rig.pattern.receive()
    assert rig.send(b"2") == [True]
    answer(rig, peer)
    assert rig.pattern.receive() == b"reply"


def test_no_reply_is_owed_to_what_is_given_up(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True)
    peer = rig.peer()
    rig.send(b"1", b"2", b"3")
    peer.outlet.write()
    rig.pattern.abandon()
    for _ in range(3):
        assert not rig.pattern.can_send
        cut_short(rig, peer)
    assert rig.send(b"4") == [True]
    rig.pattern.cut_short(peer, b"")  # a greeting of probe_router
    answer(rig, peer)
    assert rig.pattern.receive() == b"reply"


def test_relaxed_send_that_has_to_wait_gives_nothing_up(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True)
    peer = rig.peer(hwm=1)
    rig.send(b"1")
    assert rig.send(b"2") == [False]
    answer(rig, peer)
    assert rig.pattern.receive() == b"reply"


# ---- a lost peer


@pytest.mark.parametrize("how", ["lose", "close"])
def test_a_lost_peer_is_told_once(rig: Rig[Req], how: str) -> None:
    peer = rig.peer()
    rig.send(b"x")
    peer.outlet.write()
    getattr(rig, how)(peer)
    assert rig.pattern.can_receive
    with pytest.raises(PeerLostError, match="ask again"):
        rig.pattern.receive()
    assert not rig.pattern.can_receive
    with pytest.raises(StateError):
        rig.pattern.receive()
    rig.peer()
    assert rig.send(b"x") == [True]


def test_send_after_a_loss_needs_no_receive(rig: Rig[Req]) -> None:
    lost = rig.peer()
    rig.send(b"1")
    lost.outlet.write()
    rig.close(lost)
    peer = rig.peer()
    assert rig.pattern.can_send
    assert rig.send(b"2") == [True]
    assert not rig.pattern.can_receive
    answer(rig, peer)
    assert rig.pattern.receive() == b"reply"


def test_a_reply_that_came_before_the_loss_is_good(rig: Rig[Req]) -> None:
    peer = rig.peer()
    rig.send(b"x")
    answer(rig, peer)
    rig.close(peer)
    assert rig.pattern.receive() == b"reply"


def test_a_queued_request_survives(rig: Rig[Req]) -> None:
    peer = rig.connecting()
    rig.send(b"x")
    rig.lose(peer)  # an attempt failed, or a connection was lost before anything was written
    assert not rig.pattern.can_receive
    rig.come(peer, [b"", b"of an earlier connection"])
    assert not rig.pattern.can_receive
    rig.connect(peer)
    assert peer.outlet.messages == [[b"", b"x"]]
    answer(rig, peer)
    assert rig.pattern.receive() == b"reply"


def test_a_detached_peer_takes_a_queued_request_with_it(rig: Rig[Req]) -> None:
    peer = rig.connecting()
    rig.send(b"x")
    rig.pattern.detach(peer)
    with pytest.raises(PeerLostError):
        rig.pattern.receive()


def test_a_queued_request_with_immediate(rig: Rig[Req]) -> None:
    rig.set(immediate=True)
    peer = rig.connecting()
    assert rig.send(b"x") == [False]
    rig.connect(peer)
    assert rig.send(b"x") == [True]
    rig.lose(peer)
    with pytest.raises(PeerLostError):
        rig.pattern.receive()
    assert rig.send(b"x") == [False]


def test_probes_behind_a_request_are_not_taken_for_it(rig: Rig[Req]) -> None:
    rig.set(probe_router=True)
    peer, other = rig.connecting(), rig.connecting()
    rig.send(b"x")
    rig.connect(other)
    rig.connect(peer)
    assert peer.outlet.messages == [[b"", b"x"], b""]
    rig.lose(peer)
    assert not rig.pattern.can_receive, "still queued"
    rig.connect(peer)
    peer.outlet.written = 1  # the request only
    rig.lose(peer)
    with pytest.raises(PeerLostError):
        rig.pattern.receive()


# ---- a given up request


def test_abandon(rig: Rig[Req]) -> None:
    peer = rig.peer()
    rig.pattern.abandon()  # nothing to give up
    rig.send(b"1")
    peer.outlet.write()
    rig.pattern.abandon()
    with pytest.raises(StateError):
        rig.pattern.receive()
    answer(rig, peer, b"stale")
    assert not rig.pattern.can_receive
    assert rig.drops == {DropReason.STALE_REPLY: 1}
    assert rig.send(b"2") == [True]
    answer(rig, peer, b"good")
    assert rig.pattern.receive() == b"good"
    assert peer.resets == 0


def test_abandon_with_a_reply_unread_owes_nothing(rig: Rig[Req]) -> None:
    peer = rig.peer()
    rig.send(b"1")
    answer(rig, peer)
    rig.pattern.abandon()
    assert rig.drops == {DropReason.STALE_REPLY: 1}
    assert rig.send(b"2") == [True]


def test_abandon_after_a_loss(rig: Rig[Req]) -> None:
    peer = rig.connecting()
    rig.connect(peer)
    rig.send(b"1")
    peer.outlet.write()
    rig.lose(peer)
    rig.pattern.abandon()
    assert not rig.pattern.can_receive
    assert rig.send(b"2") == [True]


def test_another_peer_is_asked_instead(rig: Rig[Req]) -> None:
    owing, other = rig.peer(), rig.peer()
    rig.send(b"1")
    owing.outlet.write()
    rig.pattern.abandon()
    for i in range(3):
        assert rig.send(b"2") == [True]
        answer(rig, other, b"%d" % i)
        assert rig.pattern.receive() == b"%d" % i
    assert owing.resets == 0
    answer(rig, owing)
    rig.send(b"3")
    rig.pattern.abandon()  # the other one owes now
    assert rig.send(b"4") == [True]
    assert owing.outlet.messages == [[b"", b"4"]]


def test_a_full_peer_that_owes_nothing_is_waited_for(rig: Rig[Req]) -> None:
    owing = rig.peer()
    rig.send(b"1")
    owing.outlet.write()
    rig.pattern.abandon()
    rig.peer(hwm=0)
    assert rig.send(b"2") == [False]
    assert owing.resets == 0


def test_where_all_owe_one_is_reset(rig: Rig[Req]) -> None:
    a, b = rig.peer("a"), rig.peer("b")
    for peer in (a, b):
        rig.send(b"1")
        peer.outlet.write()
        rig.pattern.abandon()
    assert not rig.pattern.can_send
    for _ in range(3):  # retried while nothing has happened
        assert rig.send(b"2") == [False]
    assert (a.resets, b.resets) == (1, 0)
    rig.come(a, [b"", b"stale"])  # too late: its connection is ending
    assert rig.send(b"2") == [False]
    rig.lose(a)
    assert rig.pattern.can_send
    assert rig.send(b"2") == [True]
    assert a.outlet.messages[-1] == [b"", b"2"]
    rig.connect(a)
    rig.come(a, [b"", b"good"])
    assert rig.pattern.receive() == b"good"


def test_a_reset_peer_that_is_detached_lets_the_next_one_be_reset(rig: Rig[Req]) -> None:
    a, b = rig.peer("a"), rig.peer("b")
    for peer in (a, b):
        rig.send(b"1")
        peer.outlet.write()
        rig.pattern.abandon()
    rig.send(b"2")
    assert (a.resets, b.resets) == (1, 0)
    rig.close(a)
    assert rig.send(b"2") == [False]
    assert b.resets == 1
    rig.pattern.detach(b)
    rig.peer()
    assert rig.send(b"2") == [True]


def test_a_given_up_request_that_is_still_queued_is_withdrawn(rig: Rig[Req]) -> None:
    peer = rig.connecting()
    rig.send(b"1")
    rig.pattern.abandon()
    assert peer.outlet.messages == [], "cancelled means it did not happen, where that can still be had"
    assert rig.send(b"2") == [True]


def test_a_given_up_request_that_is_about_to_be_written(rig: Rig[Req]) -> None:
    peer = rig.connecting()
    rig.connect(peer)
    rig.send(b"1")
    peer.outlet.taken = 1
    rig.pattern.abandon()
    assert rig.send(b"2") == [False]
    rig.lose(peer)
    assert rig.send(b"2") == [False], "it goes out on the next connection"
    rig.connect(peer)
    assert rig.send(b"2") == [False]
    assert peer.resets == 0, "it is about to be written; the reply settles it"
    peer.outlet.write()
    answer(rig, peer, b"stale")
    assert rig.send(b"2") == [True]
    answer(rig, peer, b"good")
    assert rig.pattern.receive() == b"good"


def test_a_given_up_request_behind_which_the_next_is_queued(rig: Rig[Req]) -> None:
    """Only with req_relaxed: of two queued requests the loss of a connection leaves the one that was not written."""
    rig.set(req_relaxed=True)
    peer = rig.connecting()
    rig.send(b"1", b"2")
    peer.outlet.taken = 2
    rig.pattern.abandon()
    rig.connect(peer)
    peer.outlet.written = 1
    rig.lose(peer)
    rig.connect(peer)
    peer.outlet.write()
    assert not rig.pattern.can_send
    rig.come(peer, [b"", b"to 2"])
    assert rig.pattern.can_send


def test_a_relaxed_request_survives_with_one_given_up_before_it(rig: Rig[Req]) -> None:
    rig.set(req_relaxed=True)
    peer = rig.connecting()
    rig.send(b"1", b"2")
    rig.lose(peer)
    rig.connect(peer)
    rig.come(peer, [b"", b"r"])
    assert rig.pattern.receive() == b"r"
    rig.pattern.abandon()
    assert not rig.pattern.can_send


def test_with_correlation_nothing_is_owed(rig: Rig[Req]) -> None:
    rig.set(req_correlate=True)
    peer = rig.peer()
    rig.send(b"1")
    peer.outlet.write()
    rig.pattern.abandon()
    assert rig.send(b"2") == [True]
    answer(rig, peer, b"stale")
    assert not rig.pattern.can_receive
    answer(rig, peer, b"good")
    assert rig.pattern.receive() == b"good"


def test_immediate_and_debts(rig: Rig[Req]) -> None:
    rig.set(immediate=True)
    peer = rig.peer()
    rig.send(b"1")
    peer.outlet.write()
    rig.pattern.abandon()
    rig.send(b"2")
    assert peer.resets == 1
    rig.lose(peer)
    assert rig.send(b"2") == [False]
    rig.connect(peer)
    assert rig.send(b"2") == [True]


class Requests(RuleBasedStateMachine):
    """``request()``, cancelled at any moment, over peers that reply late, out of order, never, or lose their connection.

    Every request carries a number, and peers reply with the number asked: so a stale reply is seen.
    """

    @initialize(peers=st.integers(1, 3), connected=st.booleans(), probe=st.booleans())
    def begin(self, peers: int, connected: bool, probe: bool) -> None:
        self.rig = Rig(Req, ReqOptions(probe_router=probe))
        self.peers = [self.rig.connecting(str(i)) for i in range(peers)]
        #: What each peer has got on its present connection and not replied to.
        self.asked: dict[FakePeer, list[list[bytes]]] = {peer: [] for peer in self.peers}
        self.resets = dict.fromkeys(self.peers, 0)
        self.number = 0
        self.waiting = False
        for peer in self.peers:
            if connected:
                self.rig.connect(peer)

    def _choose(self, data: st.DataObject, peers: list[FakePeer]) -> FakePeer:
        return data.draw(st.sampled_from(peers))

    # ---- the application

    @rule()
    def request(self) -> None:
        """Give up the one under way, if there is one, and make another."""
        if self.waiting:
            self.rig.pattern.abandon()
            assert not self.rig.pattern.can_receive
        could = self.rig.pattern.can_send
        self.waiting = self.rig.pattern.send(b"%d" % (self.number + 1))
        assert self.waiting == could
        self.number += self.waiting

    @precondition(lambda self: self.waiting)
    @rule()
    def cancel(self) -> None:
        self.rig.pattern.abandon()
        self.waiting = False
        assert not self.rig.pattern.can_receive

    @invariant()
    def receive(self) -> None:
        if getattr(self, "waiting", False) and self.rig.pattern.can_receive:
            self.waiting = False
            try:
                assert self.rig.pattern.receive() == b"%d" % self.number, "a stale reply"
            except PeerLostError:
                pass

    # ---- the peers

    @precondition(lambda self: any(peer.connected and peer.outlet.queued for peer in self.peers))
    @rule(data=st.data(), everything=st.booleans())
    def write(self, data: st.DataObject, everything: bool) -> None:
        peer = self._choose(data, [peer for peer in self.peers if peer.connected and peer.outlet.queued])
        messages = peer.outlet.messages[: None if everything else 1]
        del peer.outlet.messages[: len(messages)]
        self.asked[peer] += [message for message in messages if isinstance(message, list)]

    @precondition(lambda self: any(self.asked.values()))
    @rule(data=st.data())
    def reply(self, data: st.DataObject) -> None:
        peer = self._choose(data, [peer for peer in self.peers if self.asked[peer]])
        at = data.draw(st.integers(0, len(self.asked[peer]) - 1))
        self.rig.come(peer, [b"", self.asked[peer].pop(at)[-1]])

    @precondition(lambda self: any(not peer.connected for peer in self.peers))
    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        self.rig.connect(self._choose(data, [peer for peer in self.peers if not peer.connected]))

    @precondition(lambda self: any(peer.connected for peer in self.peers))
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self._lose(self._choose(data, [peer for peer in self.peers if peer.connected]))

    def _lose(self, peer: FakePeer) -> None:
        if peer.connected:
            self.asked[peer].clear()
            self.resets[peer] = peer.resets
            self.rig.lose(peer)

    @precondition(lambda self: any(peer.resets > self.resets[peer] for peer in self.peers))
    @rule()
    def carry_out_resets(self) -> None:
        for peer in self.peers:
            if peer.resets > self.resets[peer]:
                self._lose(peer)

    def teardown(self) -> None:
        """Never wedged: once all are connected and nothing is queued, a request goes out, if need be after a reset."""
        if not hasattr(self, "rig"):
            return
        for peer in self.peers:
            if not peer.connected:
                self.rig.connect(peer)
            peer.outlet.messages.clear()
        self.request()
        if not self.waiting:
            self.carry_out_resets()
            self.request()
        assert self.waiting


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=200, stateful_step_count=30)


# ---- what tells a late reply apart


def test_after_a_request_was_given_up_requests_to_a_rep_carry_an_id(rig: Rig[Req]) -> None:
    peer = rig.peer()
    peer.socket_type = "REP"
    rig.send(b"1")
    assert peer.outlet.messages == [[b"", b"1"]], "the wire format of any REQ"
    peer.outlet.write()
    rig.pattern.abandon()
    assert rig.send(b"2") == [True], "no debt: the REP returns whatever envelope"
    second = peer.outlet.messages[1]
    assert isinstance(second, list)
    assert (len(second[0]), second[1:]) == (4, [b"", b"2"])
    answer(rig, peer, b"stale")
    assert not rig.pattern.can_receive
    answer(rig, peer, b"good")
    assert rig.pattern.receive() == b"good"


def test_a_request_given_up_with_an_id_leaves_nothing_behind(rig: Rig[Req]) -> None:
    peer = rig.peer()
    peer.socket_type = "REP"
    for body in (b"1", b"2", b"3"):
        assert rig.send(body) == [True]
        peer.outlet.write()
        rig.pattern.abandon()
    rig.send(b"4")
    for body in (b"stale", b"stale", b"stale", b"good"):
        assert not rig.pattern.can_receive
        answer(rig, peer, body)
    assert rig.pattern.receive() == b"good"


@pytest.mark.parametrize("corner", ["routing_id", "accepted"])
def test_where_a_new_connection_voids_no_debt_the_reply_is_waited_for(rig: Rig[Req], corner: str) -> None:
    if corner == "routing_id":
        rig.set(routing_id=b"me")
    peer = rig.connecting()
    rig.connect(peer)
    peer.socket_type = "ROUTER"
    peer.accepted = corner == "accepted"
    rig.send(b"1")
    peer.outlet.write()
    rig.pattern.abandon()
    assert rig.send(b"2") == [False]
    assert peer.resets == 0
    rig.lose(peer)
    rig.connect(peer)
    assert rig.send(b"2") == [False], "the late reply may come on this connection"
    answer(rig, peer, b"stale")
    assert rig.send(b"2") == [True]


def test_a_debt_does_not_hide_that_the_asked_peer_is_lost(rig: Rig[Req]) -> None:
    """Relaxed: an earlier request is owed for, a later one is under way at the same peer."""
    rig.set(req_relaxed=True, routing_id=b"me")
    peer = rig.connecting()
    rig.connect(peer)
    rig.send(b"1", b"2")
    peer.outlet.write()
    rig.lose(peer)
    with pytest.raises(PeerLostError):
        rig.pattern.receive()
