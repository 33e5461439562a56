"""Fair queueing: PULL and PAIR (libzmq tests/test_spec_pushpull.cpp, test_pair_tcp.cpp), and the queue itself."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trizmq.messages import Packed, Run
from trizmq.options import ConflateOptions, SocketOptions
from trizmq.patterns import Pair, Peer, Pull, Refused
from trizmq.patterns.fair_queue import FairQueue

from .fakes import FakePeer, Rig


@pytest.fixture
def rig() -> Rig[Pull]:
    return Rig(Pull, ConflateOptions())


def test_one_message_per_peer_and_turn(rig: Rig[Pull]) -> None:
    peers = [rig.peer() for _ in range(3)]
    for i, peer in enumerate(peers):
        rig.come(peer, *[b"%d%d" % (i, j) for j in range(3 - i)])
    assert rig.receive_all() == [b"00", b"10", b"20", b"01", b"11", b"02"]
    assert rig.pattern.receive() is None


def test_credit_comes_back_with_the_last_message_of_a_batch(rig: Rig[Pull]) -> None:
    peer = rig.peer()
    rig.come(peer, b"1", b"2")
    rig.pattern.receive()
    assert peer.inlet.taken == 2
    rig.pattern.receive()
    assert peer.inlet.taken == 0


def test_receive_many_from_one_peer(rig: Rig[Pull]) -> None:
    peer = rig.peer()
    rig.come(peer, *[b"%d" % i for i in range(10)])
    assert rig.pattern.receive_many(0) == []
    assert rig.pattern.receive_many(3) == [b"0", b"1", b"2"]
    assert rig.pattern.receive() == b"3"
    rig.come(peer, b"10", b"11")  # in the next batch
    assert rig.pattern.receive_many(7) == [b"4", b"5", b"6", b"7", b"8", b"9", b"10"]
    assert peer.inlet.taken == 2
    assert rig.pattern.receive_many(7) == [b"11"]
    assert peer.inlet.taken == 0
    assert rig.pattern.receive_many(7) == []


def test_receive_many_interleaves(rig: Rig[Pull]) -> None:
    for i in range(2):
        rig.come(rig.peer(), *[b"%d%d" % (i, j) for j in range(2 + i)])
    assert rig.pattern.receive_many(9) == [b"00", b"10", b"01", b"11", b"12"]


def test_unreceive(rig: Rig[Pull]) -> None:
    a, b = rig.peer(), rig.peer()
    rig.come(a, [b"a", b"1"], b"a2")
    rig.come(b, b"b1")
    for _ in range(3):
        message = rig.pattern.receive()
        assert message == [b"a", b"1"]
        rig.pattern.unreceive(message)
        assert rig.pattern.can_receive
    assert rig.receive_all() == [[b"a", b"1"], b"b1", b"a2"]
    rig.pattern.unreceive(b"a2")
    assert rig.pattern.receive_many(5) == [b"a2"]
    assert not rig.pattern.can_receive
    assert a.inlet.taken == b.inlet.taken == 0


def test_what_has_arrived_stays_readable(rig: Rig[Pull]) -> None:
    peer = rig.peer()
    rig.come(peer, b"1", b"2")
    assert rig.pattern.receive() == b"1"
    rig.come(peer, b"3")
    rig.close(peer)
    assert rig.receive_all() == [b"2", b"3"]
    assert peer.inlet.taken == 0


def test_what_admit_discards_is_not_there() -> None:
    def admit(peer: Peer, batch: list[Packed]) -> list[Packed]:
        return [message for message in batch if message != b"no"]

    queue = FairQueue(admit)
    a, b = FakePeer("a"), FakePeer("b")
    a.inlet.messages = [b"no", b"no"]
    queue.arrived(a)
    assert not queue.can_receive
    assert a.inlet.taken == 0
    a.inlet.messages = [b"no"]
    b.inlet.messages = [b"no", b"yes", b"no"]
    queue.arrived(a)
    queue.arrived(b)
    assert queue.can_receive
    assert queue.receive() == b"yes"
    assert queue.last is b
    assert queue.receive() is None
    assert a.inlet.taken == b.inlet.taken == 0


def test_the_pipe_of_a_message_put_back_is_inert() -> None:
    queue = FairQueue()
    queue.admit_again()  # nothing to apply
    queue.unreceive(b"x")
    assert queue.receive() == b"x"
    put_back = queue.last
    put_back.outbound.push(b"x")
    put_back.inbound.note(b"x")
    assert put_back.inbound.own(1) == 0
    assert not put_back.outbound.put(b"x")
    put_back.reset()


class Queueing(RuleBasedStateMachine):
    """Messages keep their order per peer, none is lost or doubled, and exactly the credit taken is given back."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue(self._admit)
        self.all = [FakePeer(name) for name in "abc"]
        self.expected: dict[bytes, list[Packed]] = {peer.name.encode(): [] for peer in self.all}
        self.put_back: list[Packed] = []
        self.count = 0

    @staticmethod
    def _admit(peer: Peer, batch: list[Packed]) -> list[Packed]:
        return [message for message in batch if message[1] != b"no"]

    @rule(at=st.integers(0, 2), bodies=st.lists(st.sampled_from([b"yes", b"no"]), min_size=1, max_size=5))
    def arrive(self, at: int, bodies: list[bytes]) -> None:
        peer = self.all[at]
        empty = not peer.inlet.messages
        for body in bodies:
            self.count += 1
            message: Packed = [peer.name.encode(), body, b"%d" % self.count]
            peer.inlet.messages.append(message)
            if body == b"yes":
                self.expected[peer.name.encode()].append(message)
        if empty:
            self.queue.arrived(peer)

    def _check(self, message: Packed) -> None:
        if self.put_back:
            assert message == self.put_back.pop()
            return
        assert isinstance(message[0], bytes)
        assert self.expected[message[0]].pop(0) == message

    def _left(self) -> int:
        return len(self.put_back) + sum(map(len, self.expected.values()))

    @rule(unreceive=st.booleans())
    def receive(self, unreceive: bool) -> None:
        left = self._left()
        message = self.queue.receive()
        assert (message is not None) == bool(left)
        if message is not None:
            self._check(message)
            if unreceive:
                self.queue.unreceive(message)
                self.put_back.append(message)

    @rule(most=st.integers(0, 8))
    def receive_many(self, most: int) -> None:
        left = self._left()
        messages = self.queue.receive_many(most)
        assert len(messages) == min(most, left)
        for message in messages:
            self._check(message)

    @rule()
    def receive_a_round(self) -> None:
        """Of n peers that have messages, n turns serve each once."""
        while self.put_back:
            self._check(self.queue.receive() or b"")
        waiting = [name for name, messages in self.expected.items() if messages]
        served = []
        for _ in waiting:
            message = self.queue.receive()
            assert message is not None
            self._check(message)
            served.append(message[0])
        assert sorted(served) == sorted(waiting)

    @invariant()
    def can_receive_is_exact(self) -> None:
        assert self.queue.can_receive == bool(self._left())

    @invariant()
    def credit_is_never_kept_for_nothing(self) -> None:
        for peer in self.all:
            assert peer.inlet.taken == peer.taken
            if not peer.batch and not peer.inlet.messages and not self._left():
                assert peer.inlet.taken == 0


TestQueueing = Queueing.TestCase


def test_who_holds_what_was_put_back_is_nobody() -> None:
    """Whatever is done to every peer alike finds no queues at this one."""
    nobody = FairQueue()._put_back
    outlet = nobody.outbound
    assert not outlet.put(b"x")
    assert outlet.put_newest(b"x") == 0
    outlet.push(b"x")
    outlet.put_run(Run([b"x"]), write=True)
    outlet.discard(lambda message: True)
    assert not outlet.withdraw(b"x")
    assert not outlet.has_room
    assert (outlet.room, outlet.queued) == (0, 0)
    assert nobody.inbound.take() is None
    nobody.inbound.release(1)
    nobody.reset("no reason")


def test_pair() -> None:
    rig = Rig(Pair, SocketOptions())
    assert rig.send(b"x") == [False]
    assert not rig.pattern.can_send
    a = rig.connecting("a", hwm=1)
    assert rig.pattern.can_send
    assert rig.send(b"1", b"2") == [True, False]
    assert not rig.pattern.can_send
    rig.connect(a)
    b = FakePeer("b")
    with pytest.raises(Refused, match="one peer"):
        rig.pattern.attach(b)
    with pytest.raises(Refused, match="one peer"):
        rig.connect(b)
    rig.close(b)  # the refused one goes, the first one stays
    rig.come(a, b"A", [b"B", b"C"])
    rig.close(a)
    assert rig.send(b"3") == [False]
    rig.pattern.attach(b)
    rig.connect(b)
    rig.come(b, b"D")
    assert rig.receive_all() == [b"A", b"D", [b"B", b"C"]]
    assert rig.send(b"4") == [True]
    assert b.outlet.messages == [b"4"]


def test_pair_immediate() -> None:
    rig = Rig(Pair, SocketOptions(immediate=True))
    peer = rig.connecting()
    assert not rig.pattern.can_send
    assert rig.send(b"x") == [False]
    rig.connect(peer)
    assert rig.send(b"x") == [True]
    rig.lose(peer)
    assert rig.send(b"x") == [False]
