"""Greetings of every version, and hostile ones (zmtp-wire.md 2 and 18, items 1 to 18)."""

from __future__ import annotations

import pytest

from tests.wire.harness import SIGNATURE, bytewise, feed, greeting, ready, started, unhex
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",  # 1: a ZMTP 1.0 identity of 70 bytes
        b"\xff",  # 3
        unhex("ff 00*7 02 00"),  # 4: the long header of a ZMTP 1.0 identity
        unhex("ff 00*7"),
        SIGNATURE,
        SIGNATURE + b"\x00",
        SIGNATURE + b"\x01",
        greeting()[:63],
        greeting(),  # 18
        b"",
    ],
)
def test_waits_for_more(data: bytes) -> None:
    outcome = feed(started("ROUTER"), [data])
    assert not outcome.error
    assert not outcome.ready
    with pytest.raises(RemoteProtocolError, match="closed the connection during the"):
        connection = started("ROUTER")
        connection.receive_data(data)
        connection.receive_eof()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (unhex("00"), "length 0"),  # 2
        (unhex("01 00 00"), "length 0"),  # 5
        (unhex("01 00 ff 00*8 00"), "length 0"),  # 6
        (unhex("01 00 ff 7f ff*7 00"), "more than 1073741824 bytes"),  # 7
        (unhex("ff 00*7 00 00"), "length 0"),
        (unhex("ff 00*6 01 01 00"), "identity frame has 256 bytes"),
        (unhex("03 00 00 41"), "starts with a zero byte: 00 41"),
        (SIGNATURE + unhex("01 05 02 00*6 01 00"), "identity frame has 256 bytes"),
        (SIGNATURE + unhex("01 05 00 02 00 41"), "starts with a zero byte: 00 41"),
    ],
)
def test_closes(data: bytes, error: str) -> None:
    whole, pieces = feed(started("ROUTER"), [data]), feed(started("ROUTER"), bytewise(data))
    assert error in whole.error
    assert whole == pieces


@pytest.mark.parametrize("octet", [1, 0xEE])  # 8, 9
def test_socket_types_of_2_0_peers_are_not_checked(octet: int) -> None:
    router = started("ROUTER")
    outcome = feed(router, [SIGNATURE + bytes((1, octet)) + unhex("00 00 00 01 78")])
    assert outcome.messages == [b"x"]
    assert router.peer.socket_type == ("PUB" if octet == 1 else "")


def test_a_long_header_for_an_empty_identity() -> None:  # 4
    assert feed(started("ROUTER"), [unhex("ff 00*7 01 00 02 00 78")]).messages == [b"x"]


def test_revision_0_frames() -> None:  # 10
    assert feed(started("ROUTER"), [SIGNATURE + unhex("00 05 01 00 02 00 78")]).messages == [b"x"]


@pytest.mark.parametrize("data", [SIGNATURE + b"\0", SIGNATURE + b"\1", b"\1\0", unhex("ff 00*7 01 00")])  # 11
def test_downgrade_refused(data: bytes) -> None:
    for chunks in ([data], bytewise(data)):
        outcome = feed(started("ROUTER", refuse_old_peers=True), chunks)
        assert outcome.error.startswith("IncompatiblePeerError: the peer speaks ZMTP")


@pytest.mark.parametrize(  # 12, 13
    ("major", "minor", "version"),
    [(2, 0, (3, 1)), (3, 0, (3, 0)), (3, 1, (3, 1)), (3, 2, (3, 1)), (4, 0, (3, 1)), (255, 255, (3, 1))],
)
def test_versions(major: int, minor: int, version: tuple[int, int]) -> None:
    router = started("ROUTER")
    outcome = feed(router, [greeting(major, minor) + ready("DEALER")])
    assert outcome.ready
    assert router.peer.version == version
    assert outcome.sent.startswith(greeting()[10:])


def test_padding_and_the_upper_bits_of_byte_9_are_ignored() -> None:  # 14
    assert feed(started("ROUTER"), [unhex("ff aa*8 01") + greeting()[10:] + ready("DEALER")]).ready


@pytest.mark.parametrize("mechanism", [b"null", b"NULL\0x", b"NULL   ", b"", b"N" * 20, b"PLAIN", b"\xff"])  # 15
def test_mechanism_mismatch(mechanism: bytes) -> None:
    with pytest.raises(IncompatiblePeerError, match=r"security mechanism is .*, ours is 'NULL'"):
        started("ROUTER").receive_data(greeting(mechanism=mechanism))


@pytest.mark.parametrize(("as_server", "filler"), [(1, 0), (255, 0), (0, 0x55)])  # 16
def test_as_server_and_filler_are_ignored(as_server: int, filler: int) -> None:
    data = greeting(as_server=as_server, filler=filler) + ready("DEALER")
    assert feed(started("ROUTER"), [data]).ready


def test_one_byte_at_a_time_is_served_one_byte_at_a_time() -> None:  # 17
    router = started("ROUTER")
    sent = []
    for byte in bytewise(greeting() + ready("DEALER")):
        router.receive_data(byte)
        sent.append(len(router.data_to_send()))
    assert router.ready
    assert sent[:9] == [0] * 9
    assert sent[9:11] == [1, 53]
    assert [at for at, size in enumerate(sent) if size] == [9, 10, 63]
