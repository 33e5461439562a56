"""REP (libzmq tests/test_spec_rep.cpp, test_reqrep_device.cpp; the wire reference 13.2)."""

from __future__ import annotations

import pytest

from trizmq.errors import StateError
from trizmq.events import DropReason
from trizmq.messages import Packed
from trizmq.options import SocketOptions
from trizmq.patterns import Rep

from .fakes import Rig


@pytest.fixture
def rig() -> Rig[Rep]:
    return Rig(Rep, SocketOptions())


@pytest.mark.parametrize(
    ("request_", "body", "reply", "wire"),
    [
        ([b"", b"A"], b"A", b"B", [b"", b"B"]),
        ([b"X", b"Y", b"", b"A"], b"A", b"B", [b"X", b"Y", b"", b"B"]),
        ([b"", b"A", b"B"], [b"A", b"B"], [b"C", b"D"], [b"", b"C", b"D"]),
        ([b"", b"", b"b"], [b"", b"b"], b"", [b"", b""]),
        ([b"", b""], b"", b"x", [b"", b"x"]),
    ],
)
def test_envelopes(rig: Rig[Rep], request_: Packed, body: Packed, reply: Packed, wire: Packed) -> None:
    peer = rig.peer()
    rig.come(peer, request_)
    assert rig.pattern.receive() == body
    assert rig.send(reply) == [True]
    assert peer.outlet.messages == [wire]


@pytest.mark.parametrize("malformed", [b"", b"x", [b"x", b"y"], [b"x", b""]])
def test_without_an_envelope(rig: Rig[Rep], malformed: Packed) -> None:
    peer = rig.peer()
    rig.come(peer, malformed)
    assert not rig.pattern.can_receive
    assert rig.drops == {DropReason.MALFORMED: 1}
    rig.come(peer, malformed, [b"", b"good"])
    assert rig.pattern.can_receive
    assert rig.pattern.receive() == b"good"
    assert peer.resets == 0


def test_alternation(rig: Rig[Rep]) -> None:
    peer = rig.peer()
    with pytest.raises(StateError, match="receive"):
        rig.send(b"x")
    assert rig.pattern.receive() is None
    rig.come(peer, [b"", b"1"], [b"", b"2"])
    assert (rig.pattern.can_receive, rig.pattern.can_send) == (True, False)
    assert rig.pattern.receive_many(0) == []
    assert rig.pattern.receive_many(9) == [b"1"]
    assert (rig.pattern.can_receive, rig.pattern.can_send) == (False, True)
    with pytest.raises(StateError, match="send"):
        rig.pattern.receive()
    rig.send(b"one")
    assert rig.pattern.receive_many(9) == [b"2"]
    rig.send(b"two")
    assert rig.pattern.receive_many(9) == []
    assert peer.outlet.messages == [[b"", b"one"], [b"", b"two"]]


def test_fair_queue(rig: Rig[Rep]) -> None:
    peers = [rig.peer() for _ in range(3)]
    for i, peer in enumerate(peers):
        rig.come(peer, *[[b"%d" % i, b"", b"%d%d" % (i, j)] for j in range(2)])
    order = []
    while rig.pattern.can_receive:
        body = rig.pattern.receive()
        assert isinstance(body, bytes)
        order.append(body)
        rig.send(body)
    assert order == [b"00", b"10", b"20", b"01", b"11", b"21"]
    for i, peer in enumerate(peers):
        assert peer.outlet.messages == [[b"%d" % i, b"", b"%d%d" % (i, j)] for j in range(2)]


def test_put_back(rig: Rig[Rep]) -> None:
    peer = rig.peer()
    rig.come(peer, [b"e", b"", b"a", b"b"])
    body = rig.pattern.receive()
    assert body is not None
    rig.pattern.unreceive(body)
    assert (rig.pattern.can_receive, rig.pattern.can_send) == (True, False)
    with pytest.raises(StateError):
        rig.send(b"x")
    assert rig.pattern.receive() == [b"a", b"b"]
    rig.send(b"x")
    assert peer.outlet.messages == [[b"e", b"", b"x"]]


@pytest.mark.parametrize("how", ["lose", "close"])
def test_reply_to_a_vanished_peer(rig: Rig[Rep], how: str) -> None:
    other = rig.peer()
    peer = rig.peer()
    rig.come(peer, [b"", b"x"])
    rig.pattern.receive()
    rig.close(other)
    getattr(rig, how)(peer)
    assert rig.pattern.can_send
    assert rig.send(b"reply") == [True]
    assert rig.drops == {DropReason.UNROUTABLE: 1}
    assert peer.outlet.messages == []


def test_reply_to_a_full_peer(rig: Rig[Rep]) -> None:
    peer = rig.peer(hwm=0)
    rig.come(peer, [b"", b"x"])
    rig.pattern.receive()
    assert rig.send(b"reply") == [True]
    assert rig.drops == {DropReason.SEND_HWM: 1}
    assert rig.dropped_for[peer] == 1
