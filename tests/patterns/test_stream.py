"""STREAM (libzmq's stream.cpp; tests: stream, stream_disconnect, stream_empty, connect_rid)."""

from __future__ import annotations

import pytest

from trizmq.errors import HostUnreachable
from trizmq.events import DropReason
from trizmq.messages import Packed
from trizmq.options import StreamOptions
from trizmq.patterns import Refused, Stream

from .fakes import FakePeer, Rig, drain


class StreamRig(Rig[Stream]):
    """With what the runtime does for a STREAM besides."""

    def __init__(self) -> None:
        super().__init__(Stream, StreamOptions())
        self.closed: list[FakePeer] = []

    def arrive(self, peer: FakePeer) -> FakePeer:
        """A connection is made."""
        peer.inlet.on_note = lambda: self.pattern.arrived(peer)

        def close() -> None:
            self.closed.append(peer)
            self.pattern.detach(peer)

        peer.close = close
        self.pattern.attach(peer)
        return self.connect(peer)

    def end(self, peer: FakePeer) -> None:
        """An accepted connection has come to its end."""
        self.pattern.ended(peer)
        peer.connected = False
        self.pattern.detach(peer)


@pytest.fixture
def rig() -> StreamRig:
    return StreamRig()


def numbered(*numbers: int) -> list[bytes]:
    return [b"\0" + number.to_bytes(4, "big") for number in numbers]


def test_made_ids(rig: StreamRig) -> None:
    rig.pattern._made._next = 0xFFFF_FFFF
    peers = [rig.arrive(FakePeer()) for _ in range(2)]
    assert [peer.routing_id for peer in peers] == numbered(0xFFFF_FFFF, 0)
    rig.end(peers[0])
    assert rig.arrive(FakePeer()).routing_id == numbered(1)[0]


def test_notices_stand_around_what_has_come(rig: StreamRig) -> None:
    peer = rig.arrive(FakePeer(routing_id=b"A"))
    rig.come(peer, b"one", b"two")
    rig.end(peer)
    assert rig.pattern.receive() == [b"A", b""]
    assert rig.pattern.sender is peer
    assert rig.receive_all() == [[b"A", b"one"], [b"A", b"two"], [b"A", b""]]


def test_without_notices(rig: StreamRig) -> None:
    rig.set(stream_notify=False)
    peer = rig.arrive(FakePeer(routing_id=b"A"))
    rig.come(peer, b"one")
    rig.end(peer)
    assert rig.receive_all() == [[b"A", b"one"]]


def test_the_connection_that_is_named_gets_the_bytes(rig: StreamRig) -> None:
    peers = {name: rig.arrive(FakePeer(routing_id=name)) for name in (b"A", b"B")}
    assert rig.send([b"B", b"1"], [b"A", b"2"], [b"B", b"3"]) == [True] * 3
    assert peers[b"A"].outlet.messages == [b"2"]
    assert peers[b"B"].outlet.messages == [b"1", b"3"]
    with pytest.raises(HostUnreachable, match="b'C'"):
        rig.send([b"C", b"4"])
    rig.end(peers[b"A"])
    with pytest.raises(HostUnreachable):
        rig.send([b"A", b"5"])


@pytest.mark.parametrize(("message", "frames"), [(b"A", 1), ([b"A", b"x", b"y"], 3)])
def test_a_message_has_two_frames(rig: StreamRig, message: Packed, frames: int) -> None:
    peer = rig.arrive(FakePeer(routing_id=b"A"))
    with pytest.raises(ValueError, match=rf"not {frames}$"):
        rig.send(message)
    assert peer.outlet.messages == []


def test_a_full_connection_is_waited_for(rig: StreamRig) -> None:
    assert not rig.pattern.can_send
    full = rig.arrive(FakePeer(hwm=1, routing_id=b"A"))
    assert rig.send([b"A", b"1"], [b"A", b"2"]) == [True, False]
    assert not rig.pattern.can_send
    rig.arrive(FakePeer(routing_id=b"B"))
    assert rig.pattern.can_send
    drain(rig, full)
    assert rig.send([b"A", b"2"]) == [True]
    assert not rig.drops


def test_empty_bytes_close(rig: StreamRig) -> None:
    peer = rig.arrive(FakePeer(hwm=1, routing_id=b"A"))
    assert rig.send([b"A", b"last words"], [b"A", b""]) == [True, True], "also where it is full"
    assert rig.closed == [peer]
    assert peer.outlet.messages == [b"last words"]
    with pytest.raises(HostUnreachable):
        rig.send([b"A", b""])


def test_nothing_more_comes_from_a_connection_that_was_closed(rig: StreamRig) -> None:
    rig.pattern._made._next = 0
    peer, other = rig.arrive(FakePeer()), rig.arrive(FakePeer())
    rig.come(peer, b"1", b"2")
    assert rig.pattern.receive() == [*numbered(0), b""]
    rig.send([peer.routing_id, b""])
    rig.come(peer, b"3")
    rig.come(other, b"hello")
    assert rig.receive_all() == [[*numbered(1), b""], [*numbered(1), b"hello"]]
    assert rig.drops == {DropReason.UNEXPECTED: 3}
    assert rig.dropped_for[peer] == 3
    assert peer.inlet.taken == 0, "the credit of what is discarded is given back"


def test_a_notice_that_is_discarded_is_no_loss(rig: StreamRig) -> None:
    peer = rig.arrive(FakePeer(routing_id=b"A"))
    rig.send([b"A", b""])
    assert rig.receive_all() == []
    assert not rig.drops
    peer = rig.arrive(FakePeer(routing_id=b"A"))
    assert rig.pattern.can_receive
    rig.send([b"A", b""])
    assert rig.receive_all() == []
    assert not rig.drops
    assert len(rig.closed) == 2
    assert peer.inlet.taken == 0


def test_a_connecting_peer_keeps_its_id_and_its_queue(rig: StreamRig) -> None:
    rig.pattern._made._next = 7
    peer = rig.connecting()
    peer.inlet.on_note = lambda: rig.pattern.arrived(peer)
    assert peer.routing_id == numbered(7)[0], "it can be sent to before it is connected"
    assert rig.send([*numbered(7), b"early"]) == [True]
    rig.connect(peer)
    rig.pattern.ended(peer)
    rig.lose(peer)
    assert rig.send([*numbered(7), b"between"]) == [True]
    rig.connect(peer)
    assert rig.receive_all() == [[*numbered(7), b""]] * 3
    assert peer.outlet.messages == [b"early", b"between"]


def test_a_duplicate_id_is_refused(rig: StreamRig) -> None:
    first = rig.connecting(routing_id=b"A")
    with pytest.raises(Refused, match="b'A'"):
        rig.connecting(routing_id=b"A")
    rig.send([b"A", b"x"])
    assert first.outlet.messages == [b"x"]
    rig.pattern.detach(first)
    rig.connecting(routing_id=b"A")


def test_a_made_id_avoids_one_that_was_given(rig: StreamRig) -> None:
    rig.pattern._made._next = 1
    rig.connecting(routing_id=numbered(1)[0])
    assert rig.arrive(FakePeer()).routing_id == numbered(2)[0]
