"""The NULL handshake, well-formed and hostile (zmtp-wire.md 5, 7 and 18, items 19 to 45)."""

from __future__ import annotations

import pytest

from tests.wire.harness import (
    bytewise,
    config,
    connected,
    connected_1_0,
    connected_2_0,
    feed,
    greeted,
    greeting,
    ready,
    started,
    unhex,
)
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError
from trizmq.wire.commands import make_command, make_error, make_metadata
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame, frame_header

DEALER = ("Socket-Type", b"DEALER")


def ready_body(metadata: bytes) -> bytes:
    return make_command(b"READY", metadata)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (unhex("04 00"), "malformed command"),  # 19
        (unhex("04 02 09 41"), "malformed command"),  # 20
        (unhex("04 03 02 41 42"), "unexpected command b'AB' in the NULL handshake, due is: READY, ERROR"),  # 21
        (unhex("00 01 78"), "malformed command"),  # 22
        (unhex("04 07 04 50 49 4e 47 00 00"), "unexpected command b'PING'"),  # 23
        (unhex("04 06 05 72 65 61 64 79"), "unexpected command b'ready'"),  # 24
        (ready("PUB"), "the peer is a 'PUB', and ROUTER talks to DEALER, REQ, ROUTER only"),  # 27
        (ready("dealer"), "the peer is a 'dealer'"),  # 27
        (ready(None, ("socket-type", b"PUB")), "the peer is a 'PUB'"),  # 28: names in any case, so it is checked
        (command_frame(ready_body(b"\xffabc")), "the property at byte 0 ends beyond all 4 bytes"),  # 30
        (command_frame(ready_body(b"\x01a" + unhex("00 00 00 02") + b"b")), "2 bytes announced for 'a', 1 left"),  # 31
        (command_frame(ready_body(b"\x01a" + unhex("ff*4") + b"b")), "4294967295 bytes announced for 'a', 1 left"),
        (command_frame(ready_body(make_metadata([DEALER]) + b"\0")), "the property at byte 22 ends beyond"),  # 32
        (ready("DEALER", ("Socket-Type", b"PUB")), "the peer is a 'PUB'"),  # 33
        (ready("DEALER", ("Identity", b"i" * 256)), "an identity of 256 bytes, more than 255"),  # 35
        (ready("DEALER", ("Identity", b"\0abcd")), "an identity that starts with a zero byte: 00 61 62 63 64"),  # 36
        (ready("DEALER", ("Identity", b"\0a"), ("identity", b"ok")), "starts with a zero byte"),  # each is checked
        (ready("DEALER", *[("a", b"")] * 1024), "metadata of more than 1024 properties"),  # 38
        (unhex("06 80 00*7"), "the handshake command has 9223372036854775808 bytes, more than 65535"),  # 39
        (unhex("06 00*5 01 00 00"), "the handshake command has 65536 bytes"),  # 40
        (command_frame(make_error("400")), "the peer refused the connection with ERROR '400'"),  # 41
        (command_frame(make_error("")), "the peer refused the connection with ERROR ''"),
        (command_frame(make_command(b"ERROR")), "a malformed ERROR"),  # 42
        (command_frame(make_command(b"ERROR", b"\x04400")), "a malformed ERROR"),  # 42
        (command_frame(make_error("no")) + ready("DEALER"), "the peer refused the connection with ERROR 'no'"),  # 43
    ],
)
def test_closes(data: bytes, error: str) -> None:
    whole, pieces = feed(greeted("ROUTER"), [data]), feed(greeted("ROUTER"), bytewise(data))
    assert error in whole.error
    assert not whole.ready
    assert not whole.sent  # no ERROR command: libzmq never connects again after one
    assert whole == pieces


def test_an_incompatible_type_is_an_error_of_its_own() -> None:
    with pytest.raises(IncompatiblePeerError):
        greeted("SUB").receive_data(ready("PUSH"))


@pytest.mark.parametrize(
    "data",
    [
        ready("DEALER"),
        b"\x00" + ready("DEALER")[1:],  # 25: any flags
        b"\x05" + ready("DEALER")[1:],
        b"\xfc" + ready("DEALER")[1:],
        unhex("06 00*7") + ready("DEALER")[1:],  # 25: long form
        command_frame(ready_body(b"")),  # 26: no metadata
        command_frame(ready_body(unhex("00 00*4 02 01 ff 00*4"))),  # 29: an empty name, and one of strange bytes
        ready("DEALER", ("Identity", b"a"), ("Identity", b"b")),  # 34
        ready("DEALER", *[("a", b"")] * 1023),
        ready("DEALER", ("X-Large", b"x" * 65000)),
    ],
)
def test_accepted(data: bytes) -> None:
    whole, pieces = feed(greeted("ROUTER"), [data]), feed(greeted("ROUTER"), bytewise(data))
    assert not whole.error
    assert whole.ready
    assert whole == pieces


def test_of_duplicate_properties_the_last_counts() -> None:  # 34
    router = greeted("ROUTER")
    router.receive_data(ready("DEALER", ("IDENTITY", b"a"), ("identity", b"b"), ("X-b", b"1"), ("X-b", b"2")))
    assert router.peer.identity == b"b"
    assert dict(router.peer.properties) == {"Socket-Type": b"DEALER", "Identity": b"b", "X-b": b"2"}


def test_a_peer_that_says_nothing_of_itself() -> None:
    router = greeted("ROUTER")
    router.receive_data(ready(None))
    assert (router.peer.socket_type, router.peer.identity, dict(router.peer.properties)) == ("", b"", {})


def test_traffic_right_behind_ready_is_kept() -> None:  # 44
    router = greeted("ROUTER")
    router.receive_data(ready("DEALER") + unhex("00 01 78 00 01"))
    assert router.ready
    assert router.next_batch(10) == [b"x"]
    assert not router.has_input


def test_everything_in_one_write() -> None:  # 44
    data = greeting() + ready("DEALER") + unhex("00 01 78") + ready("DEALER") + unhex("00 01 79")  # 45, 54
    for chunks in ([data], bytewise(data)):
        outcome = feed(started("ROUTER"), chunks)
        assert outcome.messages == [b"x", b"y"]
        assert outcome.sent.startswith(greeting()[10:])


def test_the_limit_of_handshake_commands_is_not_that_of_messages() -> None:
    router = greeted("ROUTER", max_message_size=10)
    router.receive_data(ready("DEALER"))
    assert router.ready
    assert "has 28 bytes, more than 20" in feed(greeted("ROUTER", max_handshake_size=20), [ready("DEALER")]).error


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "the greeting"),
        (greeting()[:30], "the greeting"),
        (greeting(), "the handshake"),
        (b"\5", "the identity frame"),
    ],
)
def test_the_end_comes_too_early(data: bytes, where: str) -> None:
    router = started("ROUTER")
    router.receive_data(data)
    with pytest.raises(RemoteProtocolError, match=f"during {where}$"):
        router.receive_eof()


def test_the_end_in_traffic_drops_what_is_not_whole() -> None:  # 62
    router = connected("ROUTER")
    router.receive_data(unhex("00 01 61 01 01 62 00 05 63"))
    assert router.next_batch(10) == [b"a"]
    router.receive_eof()
    assert router.next_batch(10) == []
    assert not router.has_input


def test_the_end_does_not_drop_what_is_whole() -> None:
    router = connected("ROUTER")
    router.receive_data(unhex("00 01 61 01 01 62 00 01 63"))
    assert router.next_batch(1) == [b"a"]
    router.receive_eof()
    assert router.has_input
    assert router.next_batch(1) == [[b"b", b"c"]]
    assert not router.has_input


def test_pings_go_to_peers_that_know_them() -> None:
    for connection, sent in (
        (connected("ROUTER"), True),
        (connected("ROUTER", minor=0), True),
        (connected_2_0("ROUTER"), False),
        (connected_1_0("ROUTER"), False),
        (started("ROUTER"), False),
    ):
        connection.ping(1.0)
        assert bool(connection.data_to_send()) is sent


def test_header_of_a_large_ready() -> None:
    router = started("DEALER", metadata=(("X-long", b"x" * 300),))
    router.receive_data(greeting())
    sent = router.data_to_send()[54:]
    assert sent[:9] == frame_header(4, len(sent) - 9)


def test_the_bound_side_sends_ready_when_it_has_read_the_peers() -> None:
    """RFC 37, and so the owner of the bound side can turn a peer away while the peer still waits for our READY."""
    bound = Connection(config("ROUTER", server=True))
    bound.start()
    bound.receive_data(greeting())
    assert b"READY" not in bound.data_to_send()
    bound.receive_data(ready("DEALER", ("Identity", b"me")))
    assert bound.ready
    assert bound.peer.identity == b"me"
    assert bound.data_to_send() == ready("ROUTER", ("Identity", b""))


def test_the_connecting_side_sends_ready_at_once() -> None:
    connecting = Connection(config("DEALER", server=False))
    connecting.start()
    connecting.receive_data(greeting())
    assert connecting.data_to_send().endswith(ready("DEALER", ("Identity", b"")))
