"""ROUTER (libzmq tests: spec_router, router_mandatory, router_mandatory_hwm, router_handover, probe_router, connect_rid)."""

from __future__ import annotations

import pytest

from trizmq.errors import HostUnreachable
from trizmq.events import DropReason
from trizmq.options import RouterNotify, RouterOptions
from trizmq.patterns import Refused, Router

from .fakes import FakePeer, Rig, drain


@pytest.fixture
def rig() -> Rig[Router]:
    return Rig(Router, RouterOptions())


def test_fair_queue_with_routing_ids(rig: Rig[Router]) -> None:
    peers = [rig.peer(identity=bytes([65 + i])) for i in range(3)]
    for peer in peers:
        rig.come(peer, b"1", [b"2", b"3"])
    assert rig.receive_all() == [
        *([bytes([65 + i]), b"1"] for i in range(3)),
        *([bytes([65 + i]), b"2", b"3"] for i in range(3)),
    ]


def test_an_empty_message_is_delivered(rig: Rig[Router]) -> None:
    rig.come(rig.peer(identity=b"X"), b"")
    assert rig.receive_all() == [[b"X", b""]]


def test_send_takes_the_id_off_and_packs_the_rest(rig: Rig[Router]) -> None:
    peer = rig.peer(identity=b"X")
    message = [b"X", b"", b"body"]
    assert rig.send([b"X", b"body"], message) == [True, True]
    assert peer.outlet.messages == [b"body", [b"", b"body"]]
    assert message == [b"X", b"", b"body"], "the message may be tried again: it is not changed"


def test_what_is_sent_is_counted(rig: Rig[Router]) -> None:
    rig.peer(identity=b"X", hwm=2)
    rig.send([b"X", b"1"], [b"Y", b"2"], [b"X", b"3"], [b"X", b"4"])
    assert rig.pattern.counts_sent
    assert rig.pattern.sent == 2


def test_what_cannot_be_delivered_is_dropped(rig: Rig[Router]) -> None:
    peer = rig.peer(identity=b"X", hwm=1)
    assert rig.send(b"X", [b"Y", b"body"], [b"X", b"1"], [b"X", b"2"]) == [True] * 4
    assert rig.drops == {DropReason.MALFORMED: 1, DropReason.UNROUTABLE: 1, DropReason.SEND_HWM: 1}
    assert rig.dropped_for[peer] == 1
    assert peer.outlet.messages == [b"1"]
    assert rig.pattern.can_send


def test_mandatory(rig: Rig[Router]) -> None:
    rig.set(router_mandatory=True)
    assert not rig.pattern.can_send
    with pytest.raises(HostUnreachable, match=r"b'Y'.*not connected"):
        rig.send([b"Y", b"body"])
    rig.send(b"lone id")
    one = rig.peer(identity=b"1", hwm=1)
    rig.peer(identity=b"2", hwm=1)
    assert rig.send([b"1", b"x"], [b"1", b"x"]) == [True, False]
    assert rig.pattern.can_send, "the other one can be served"
    assert rig.send([b"2", b"x"]) == [True]
    assert not rig.pattern.can_send
    drain(rig, one)
    assert rig.pattern.can_send
    assert rig.send([b"1", b"x"]) == [True]
    assert rig.drops == {DropReason.MALFORMED: 1}
    rig.close(one)
    with pytest.raises(HostUnreachable):
        rig.send([b"1", b"x"])


def test_made_ids(rig: Rig[Router]) -> None:
    rig.pattern._made._next = 0xFFFF_FFFF
    peers = [rig.peer() for _ in range(2)]
    assert [peer.routing_id for peer in peers] == [b"\0\xff\xff\xff\xff", b"\0\0\0\0\0"]
    rig.peer(identity=b"\0\0\0\0\1")  # makes libzmq abort
    assert rig.peer().routing_id == b"\0\0\0\0\2"
    rig.send([b"\0\0\0\0\0", b"x"])
    assert peers[1].outlet.messages == [b"x"]


def test_a_duplicate_is_refused_and_gets_in_later(rig: Rig[Router]) -> None:
    first = rig.peer(identity=b"X")
    second = FakePeer()
    rig.pattern.attach(second)
    with pytest.raises(Refused, match=r"b'X'.*router_handover"):
        rig.connect(second, b"X")
    rig.pattern.detach(second)
    rig.send([b"X", b"1"])
    assert first.outlet.messages == [b"1"]
    rig.close(first)
    third = rig.peer(identity=b"X")
    rig.send([b"X", b"2"])
    assert third.outlet.messages == [b"2"]


def test_handover(rig: Rig[Router]) -> None:
    rig.set(router_handover=True)
    first = rig.peer(identity=b"X")
    rig.come(first, b"old", b"older")
    assert rig.pattern.receive() == [b"X", b"old"]
    second = rig.peer(identity=b"X")
    assert (first.resets, second.resets) == (1, 0)
    rig.send([b"X", b"to second"])
    rig.send([first.routing_id, b"to first"])
    assert (first.outlet.messages, second.outlet.messages) == ([b"to first"], [b"to second"])
    assert first.routing_id[:1] == b"\0"
    rig.close(first)
    rig.send([b"X", b"to second"])
    assert len(second.outlet.messages) == 2
    assert rig.receive_all() == [[b"X", b"older"]]


def test_an_id_given_at_connect(rig: Rig[Router]) -> None:
    peer = rig.connecting(routing_id=b"alias")
    assert rig.send([b"alias", b"early"]) == [True]
    rig.connect(peer, b"own name")
    rig.come(peer, b"hello")
    assert rig.receive_all() == [[b"alias", b"hello"]]
    rig.send([b"own name", b"x"])
    assert rig.drops == {DropReason.UNROUTABLE: 1}
    with pytest.raises(Refused, match="alias"):
        rig.connecting(routing_id=b"alias")
    rig.lose(peer)
    assert rig.send([b"alias", b"queued"]) == [True]
    rig.connect(peer, b"another name")
    assert peer.routing_id == b"alias"
    rig.pattern.detach(peer)
    rig.connecting(routing_id=b"alias")


def test_handover_of_a_given_id(rig: Rig[Router]) -> None:
    rig.set(router_handover=True)
    old = rig.connecting(routing_id=b"alias")
    rig.connect(old)
    new = rig.peer(identity=b"alias")
    assert old.resets == 1
    rig.lose(old)
    rig.connect(old, b"own")  # comes again, under its own name now
    assert (old.routing_id, new.routing_id) == (b"own", b"alias")


def test_a_connecting_peer_without_given_id(rig: Rig[Router]) -> None:
    peer = rig.connecting()
    assert peer.routing_id == b""
    rig.connect(peer, b"A")
    rig.lose(peer)
    rig.send([b"A", b"queued"])  # its queue stays
    assert peer.outlet.messages == [b"queued"]
    rig.connect(peer, b"A")
    rig.lose(peer)
    rig.connect(peer, b"B")
    rig.send([b"B", b"x"], [b"A", b"x"])
    assert peer.outlet.messages == [b"queued", b"x"]
    assert rig.drops == {DropReason.UNROUTABLE: 1}
    rig.lose(peer)
    rig.connect(peer)
    made = peer.routing_id
    assert made[:1] == b"\0"
    rig.lose(peer)
    rig.connect(peer)
    assert peer.routing_id == made, "an anonymous peer keeps the id that was made for it"


def test_immediate(rig: Rig[Router]) -> None:
    rig.set(immediate=True)
    peer = rig.connecting(routing_id=b"alias")
    rig.send([b"alias", b"x"])
    rig.connect(peer)
    rig.send([b"alias", b"y"])
    rig.lose(peer)
    rig.send([b"alias", b"z"])
    assert peer.outlet.messages == [b"y"]
    assert rig.drops == {DropReason.UNROUTABLE: 2}
    rig.pattern.detach(peer)


def test_probe(rig: Rig[Router]) -> None:
    rig.set(probe_router=True)
    assert rig.peer(identity=b"X").outlet.messages == [b""]


def test_attached_and_detached_without_a_connection(rig: Rig[Router]) -> None:
    peer = rig.connecting()
    rig.pattern.detach(peer)
    rig.pattern.detach(peer)
    rig.pattern.disconnected(peer)
    rig.pattern.writable(peer)


@pytest.mark.parametrize("notify", RouterNotify)
def test_notices(rig: Rig[Router], notify: RouterNotify) -> None:
    rig.set(router_notify=notify)
    peer = rig.peer(identity=b"X")
    assert rig.pattern.arrival_notices(peer) == ([b""] if RouterNotify.CONNECT in notify else [])
    assert rig.pattern.departure_notices(peer) == ([b""] if RouterNotify.DISCONNECT in notify else [])


def test_a_message_in_place_of_one_who_has_gone(rig: Rig[Router]) -> None:
    """Only of who has connected to us (libzmq tests/test_disconnect_msg.cpp), and after the notification."""
    rig.set(disconnect_message=b"gone", router_notify=RouterNotify.BOTH)
    peer = rig.peer(identity=b"X")
    assert rig.pattern.departure_notices(peer) == [b""]
    peer.accepted = True
    assert rig.pattern.departure_notices(peer) == [b"", b"gone"]


def test_hello(rig: Rig[Router]) -> None:
    assert rig.pattern.hello() == b""
    rig.set(hello_message=b"hello")
    assert rig.pattern.hello() == b"hello"
