"""What libzmq 4.3.5 was seen to send and to take (zmtp-wire.md 17): from us, the same bytes at the same moments."""

from __future__ import annotations

import pytest

from tests.wire.harness import SIGNATURE, config, connected, connected_1_0, drain, feed, started, unhex
from trizmq.wire.connection import Connection

REST_OF_GREETING = unhex("01 4e 55 4c 4c 00*16 | 00 | 00*31")
READY_DEALER = unhex(
    "04 29 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 44 45 41 4c 45 52"
    " 08 49 64 65 6e 74 69 74 79 00 00 00 00"
)
READY_ROUTER = unhex(
    "04 29 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 52 4f 55 54 45 52"
    " 08 49 64 65 6e 74 69 74 79 00 00 00 00"
)
READY_PUB = unhex("04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 50 55 42")
READY_SUB = unhex("04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 53 55 42")
READY_REQ = unhex(
    "04 26 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 51"
    " 08 49 64 65 6e 74 69 74 79 00 00 00 00"
)
READY_REP = unhex("04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 50")

SUBSCRIBE_A = unhex("04 0b 09 53 55 42 53 43 52 49 42 45 41")
CANCEL_A = unhex("04 08 06 43 41 4e 43 45 4c 41")
SUBSCRIBE_ALL = unhex("04 0a 09 53 55 42 53 43 52 49 42 45")


def shake_hands(socket_type: str, ours: bytes, theirs: bytes) -> Connection:
    connection = Connection(config(socket_type))
    assert connection.data_to_send() == b""
    connection.start()
    assert connection.data_to_send() == SIGNATURE
    connection.receive_data(SIGNATURE)
    assert connection.data_to_send() == b"\x03"
    connection.receive_data(b"\x03")
    assert connection.data_to_send() == REST_OF_GREETING
    connection.receive_data(REST_OF_GREETING)
    assert connection.data_to_send() == ours  # not waiting for the peer's
    assert not connection.ready
    connection.receive_data(theirs)
    assert connection.ready
    assert connection.data_to_send() == b""
    return connection


def test_dealer_and_router() -> None:
    dealer = shake_hands("DEALER", READY_DEALER, READY_ROUTER)
    router = shake_hands("ROUTER", READY_ROUTER, READY_DEALER)
    request = unhex("01 05 68 65 6c 6c 6f 00 05 77 6f 72 6c 64")
    reply = unhex("01 03 41 41 41 02 00 00 00 00 00 00 01 2c 42*300")
    assert dealer.encode([[b"hello", b"world"]]) == [request]
    assert feed(router, [request]).messages == [[b"hello", b"world"]]
    assert router.encode([[b"AAA", b"B" * 300]]) == [reply]
    assert feed(dealer, [reply]).messages == [[b"AAA", b"B" * 300]]
    assert (dealer.peer.version, dealer.peer.socket_type, dealer.peer.identity) == ((3, 1), "ROUTER", b"")
    assert dict(dealer.peer.properties) == {"Socket-Type": b"ROUTER", "Identity": b""}


def test_sub_and_pub() -> None:
    pub = shake_hands("PUB", READY_PUB, READY_SUB)
    sub = shake_hands("SUB", READY_SUB, READY_PUB)
    assert sub.encode([b"\x01A"]) == [SUBSCRIBE_A]
    assert sub.encode([b"\x00A"]) == [CANCEL_A]
    assert sub.encode([b"\x01"]) == [SUBSCRIBE_ALL]
    assert feed(pub, [SUBSCRIBE_A, CANCEL_A, SUBSCRIBE_ALL]).messages == [b"\x01A", b"\x00A", b"\x01"]
    assert pub.encode([b"Abc"]) == [unhex("00 03 41 62 63")]
    assert feed(sub, [unhex("00 03 41 62 63")]).messages == [b"Abc"]


def test_req_and_rep() -> None:
    req = shake_hands("REQ", READY_REQ, READY_REP)
    rep = shake_hands("REP", READY_REP, READY_REQ)
    assert req.encode([[b"", b"ping"]]) == [unhex("01 00 00 04 70 69 6e 67")]
    assert rep.encode([[b"", b"pong"]]) == [unhex("01 00 00 04 70 6f 6e 67")]
    assert feed(req, [unhex("01 00 00 04 70 6f 6e 67")]).messages == [[b"", b"pong"]]


def test_our_ready_and_subscriptions_share_a_segment_with_nothing_before_the_peers_ready() -> None:
    sub = started("SUB")
    with pytest.raises(RuntimeError, match="before the connection is ready"):
        sub.encode([b"\x01A"])


def test_a_2_0_peer() -> None:
    router = started("ROUTER")
    router.receive_data(SIGNATURE + unhex("01 05"))
    assert SIGNATURE + router.data_to_send() == unhex("ff 00*7 01 7f 03 06 00 00")
    assert not router.ready
    router.receive_data(unhex("00 03 41 42 43"))  # its identity
    assert router.ready
    assert (router.peer.version, router.peer.socket_type, router.peer.identity) == ((2, 0), "DEALER", b"ABC")
    assert feed(router, [unhex("01 01 61 00 01 62")]).messages == [[b"a", b"b"]]
    assert router.encode([b"x" * 255, b"y" * 256]) == [b"\0\xff" + b"x" * 255 + unhex("02 00*6 01 00") + b"y" * 256]


def test_a_1_0_peer() -> None:
    router = started("ROUTER")
    router.receive_data(unhex("01 00"))
    assert router.data_to_send() == b""  # our signature was the header of our empty identity
    assert router.ready
    assert router.peer.version == (1, 0)
    assert router.encode([b"all"]) == [unhex("04 00 61 6c 6c")]
    assert feed(router, [unhex("04 00 61 6c 6c")]).messages == [b"all"]


def test_a_1_0_peer_gets_our_identity_behind_the_signature_that_announced_it() -> None:
    dealer = Connection(config("DEALER", identity=b"CLI"))
    dealer.start()
    assert dealer.data_to_send() == unhex("ff 00*7 04 7f")
    dealer.receive_data(unhex("04 00 53 52 56"))
    assert dealer.data_to_send() == b"CLI"
    assert dealer.peer.identity == b"SRV"


def test_a_255_byte_identity_in_the_signature() -> None:
    dealer = Connection(config("DEALER", identity=b"i" * 255))
    dealer.start()
    assert dealer.data_to_send() == unhex("ff 00*6 01 00 7f")


def test_a_revision_0_peer() -> None:
    router = started("ROUTER")
    router.receive_data(SIGNATURE + unhex("00 05"))
    assert router.data_to_send() == unhex("03 06 01 00")
    router.receive_data(unhex("01 00") + unhex("02 01 61 02 00 62"))
    assert drain(router) == [[b"a", b"b"]]
    assert router.peer.version == (1, 0)
    assert router.peer.socket_type == "DEALER"


@pytest.mark.parametrize("socket_type", ["PUB", "XPUB"])
def test_a_1_0_peer_is_subscribed_to_everything(socket_type: str) -> None:
    publisher = connected_1_0(socket_type)
    assert publisher.has_input
    publisher.receive_data(unhex("03 01 41 42 02 00 43"))
    assert drain(publisher) == [b"\x01", [b"AB", b"C"]]


def test_revision_0_and_2_0_subscribers_are_not() -> None:
    for greeting in ("00 02 01 00", "01 02 00 00"):
        publisher = started("PUB")
        assert feed(publisher, [SIGNATURE + unhex(greeting)]).messages == []
        assert publisher.ready


def test_identity_and_x_properties_in_key_order_as_given() -> None:
    dealer = started("DEALER", identity=b"CLI", metadata=(("X-a", b"b"), ("X-k", b"a:b")))
    dealer.receive_data(SIGNATURE + b"\x03" + REST_OF_GREETING)
    assert dealer.data_to_send().endswith(
        unhex(
            "08 49 64 65 6e 74 69 74 79 00 00 00 03 43 4c 49 03 58 2d 61 00 00 00 01 62 03 58 2d 6b 00 00 00 03 61 3a 62"
        )
    )


def test_heartbeat() -> None:
    dealer = connected("DEALER")
    dealer.ping(2.0)
    assert dealer.data_to_send() == unhex("04 07 04 50 49 4e 47 00 14")
    dealer.ping(0)
    assert dealer.data_to_send() == unhex("04 07 04 50 49 4e 47 00 00")
    outcome = feed(dealer, [unhex("04 07 04 50 49 4e 47 00 14")])
    assert outcome.sent == unhex("04 05 04 50 4f 4e 47")
    assert dealer.peer_ttl == 2.0
