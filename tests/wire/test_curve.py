"""CURVE (RFC 26; zmtp-wire.md 9, and the hostile inputs 83 to 96 of its section 18)."""

from __future__ import annotations

import builtins
import hashlib
import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
from nacl import bindings

from tests.wire.harness import bytewise, config, exchange, feed, greeting, started
from tests.wire.secure import (
    C_SECRET,
    CLIENT_KEYS,
    CX,
    CX_SECRET,
    DEALER_METADATA,
    ROUTER_METADATA,
    S_SECRET,
    SERVER_KEYS,
    SX,
    SX_SECRET,
    C,
    HandClient,
    HandServer,
    S,
    client_random,
    curve_client,
    curve_pair,
    curve_server,
    known,
    meet,
    message,
    number,
    server_random,
)
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error
from trizmq.wire.frames import COMMAND, LONG, MORE, command_frame
from trizmq.wire.mechanisms import nacl_backend
from trizmq.wire.mechanisms.base import AUTHENTICATING, COMPLETE, AuthenticationError, Mechanism, OurSide
from trizmq.wire.mechanisms.curve import ClientKeys, CurveClient, CurveGuard, CurveServer, ServerKeys

TRAFFIC: list[Packed] = [
    b"",
    b"x",
    [b"a", b"", b"b" * 300],
    b"c" * 222,
    b"d" * 223,
    b"y" * 20_000,
    b"\x01z",
    b"w" * 5000,
]


def client(random: Callable[[int], bytes] | None = None) -> CurveClient:
    """One that has sent HELLO."""
    mechanism = CurveClient(OurSide(False, DEALER_METADATA), CLIENT_KEYS, random or client_random())
    mechanism.start()
    return mechanism


def server(random: Callable[[int], bytes] | None = None) -> CurveServer:
    mechanism = CurveServer(OurSide(True, ROUTER_METADATA), SERVER_KEYS, random or server_random())
    mechanism.start()
    assert not mechanism.outgoing
    return mechanism


def taken(mechanism: Mechanism) -> bytes:
    (body,) = mechanism.outgoing
    mechanism.outgoing.clear()
    return body


def welcomed(hand: HandClient, mechanism: CurveServer) -> tuple[bytes, bytes]:
    mechanism.receive(hand.hello())
    return hand.open_welcome(taken(mechanism))


def ready_server() -> CurveServer:
    hand, mechanism = HandClient(), server()
    mechanism.receive(hand.initiate(*welcomed(hand, mechanism)))
    mechanism.authenticated("200")
    assert mechanism.state == COMPLETE
    return mechanism


def refuses(mechanism: Mechanism, body: bytes, error: str) -> None:
    with pytest.raises(RemoteProtocolError, match=error):
        mechanism.receive(body)
    assert not mechanism.outgoing
    assert mechanism.state not in (COMPLETE, AUTHENTICATING)
    assert mechanism.guard is None


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- what is right


def test_vectors() -> None:
    assert C.hex() == "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13"
    assert S.hex() == "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20"
    assert (CLIENT_KEYS.public, SERVER_KEYS.public) == (C, S)
    assert CX.hex() == "7b0d47d93427f8311160781c7c733fd89f88970aef490d8aa0ee19a4cb8a1b14"
    assert SX.hex() == "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b"
    shared = nacl_backend.load().shared_key(CX, SX_SECRET)
    assert shared.hex() == "c512924888c2212f68dd352e9c1e6ac75632b3ceef30b26fa3cdecbf041e2107"
    one, other = client(), server()
    hello = taken(one)
    assert hello[120:].hex() == (
        "8c6cd9fdecc69259664e505bf7c205288b015909e482250d362b642a236bca24c8e458d0b0bba08fb967478df2f2bbae"
        "e29d72eb8633abb5359378887a4bdf6095ed027201c97c23a7c8c70d14e0824e"
    )
    assert sha256(hello) == "42e33fb5dab11abf8ea7fcdf211969f4eb209b8ea8b73ddda1b7ae5c9d7a94cb"
    other.receive(hello)
    welcome = taken(other)
    assert sha256(welcome) == "a7914b40dff543f8ed223dac625d930a78c32f210bf5ce0b4319a1761501ce74"
    assert welcome[24:].hex() == (
        "15c7c671040980913853ccf51d6e7920b228817638309b6306946eb6b6a712c83a6c86b6fc41e2f8c5ca300c1e6fa59f"
        "de757f92c17415161ae915b70252fec1146e7c577dfa83ed21fc439ff50237f97c5de7678462befafacf027d08221d6f"
        "a1438cc6fab4fa47687f0cc3a2be00213df83069a306645c27199e049480fb86cfad3dce0bf25142f83582080dde3d7e"
    )
    assert HandClient().open_welcome(welcome)[1].hex() == "66" * 16 + (
        "49308f2fb6a2d451eb35fc662911687a4f62354e31685f215925856c8b414c86567a19c49cef0f82ac073297538ae6d7"
        "bc1acd1448ff81be79082ffa2ed53f2dcb2688356cddc1acbf411ca2731ff45c"
    )
    one.receive(welcome)
    initiate = taken(one)
    assert len(initiate) == 292
    assert sha256(initiate) == "d3c256e5e50339c17c518a4df922d6734e3a2e30b9173921fde679f9479bb4c2"
    text = bindings.crypto_box_open(initiate[113:], b"CurveZMQINITIATE" + number(2), CX, SX_SECRET)
    assert text[:48] == C + b"\x77" * 16
    assert text[48:128].hex() == (
        "02a9c3796a3913b1b1e354c6a857c8120350441e856e8d550bd01caf66b923161defa574b6bf6c0bbdb92a1ea9aa794f"
        "52b76fed7e33958086b3ae83747238d82dda8b8dc84ded25c20ef759fdec68f7"
    )
    other.receive(initiate)
    assert other.state == AUTHENTICATING
    assert other.credentials == (C,)
    other.authenticated("200")
    ready = taken(other)
    assert ready.hex() == (
        "05524541445900000000000000012e804656d802990e8cf38c55338e594265d57704d72d188f691d5246d1293fef9217d799ba84"
        "5485e40f1a2fbaf9723e9a67b6"
    )
    one.receive(ready)
    assert one.guard is not None
    assert other.guard is not None
    hello_message = b"".join(one.guard.seal(0, b"hello"))
    assert hello_message.hex() == "074d4553534147450000000000000003fccae2cba1476371fadb58907067ac5dd8be0946b820"
    world_message = b"".join(other.guard.seal(0, b"world"))
    assert world_message.hex() == "074d4553534147450000000000000002aefb578d5063ff2fa2c469237199a80d9f9f9a97b4af"
    subscription = b"".join(one.guard.seal(COMMAND, make_command(b"SUBSCRIBE", b"A")))
    assert subscription.hex() == (
        "074d45535341474500000000000000041ea781bf1db91e807ecc3fdb8791f7b8fa6e6bdfc67a53bdd62a93d1"
    )
    assert other.guard.open(hello_message, 0, len(hello_message)) == (0, b"hello")
    assert one.guard.open(world_message, 0, len(world_message)) == (0, b"world")
    assert other.guard.open(subscription, 0, len(subscription)) == (COMMAND, b"\x09SUBSCRIBEA")


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_handshake_and_traffic(chunk: int) -> None:
    one, other = curve_client(), curve_server()
    assert meet(one, other, chunk) == (C,)
    assert (one.mechanism, other.mechanism) == ("CURVE", "CURVE")
    assert one.peer.socket_type == "ROUTER"
    assert other.peer.socket_type == "DEALER"
    for sender, receiver in ((one, other), (other, one), (one, other)):
        for most in (1, 1000):
            data = b"".join(sender.encode(TRAFFIC))
            chunks = bytewise(data) if chunk == 1 else [data[at : at + chunk] for at in range(0, len(data), chunk)]
            assert feed(receiver, chunks, most).messages == TRAFFIC
        sender.ping(1.0, b"ctx")
        outcome = feed(receiver, [sender.data_to_send()])
        assert len(outcome.sent) == 2 + 33 + 8
        assert not feed(sender, [outcome.sent]).error


def test_sizes_on_the_wire_are_those_of_libzmq() -> None:  # zmtp-wire.md 9 and 17
    one, other = curve_client(), curve_server()
    one.start()
    other.start()
    other.receive_data(one.data_to_send())
    one.receive_data(other.data_to_send())
    other.receive_data(one.data_to_send())
    one.receive_data(other.data_to_send())
    hello = one.data_to_send()[-202:]
    assert hello[:8] == b"\x04\xc8\x05HELLO"
    other.receive_data(hello)
    welcome = other.data_to_send()
    assert welcome[:2] == b"\x04\xa8"
    assert len(welcome) == 170
    one.receive_data(welcome)
    initiate = one.data_to_send()
    assert initiate[:9] == bytes.fromhex("06 0000000000000124")
    assert len(initiate) == 301
    other.receive_data(initiate)
    other.authenticated("200")
    ready = other.data_to_send()
    assert len(ready) == 67
    one.receive_data(ready)
    assert list(map(len, one.encode([b"hello"]) + one.encode([b"x" * 300]) + one.encode([b""]))) == [40, 342, 35]
    one.ping(1.0)
    assert len(one.data_to_send()) == 42


def test_subscriptions_in_the_box() -> None:
    one, other = curve_pair(("SUB", "PUB"))
    (data,) = one.encode([b"\x01A", b"\x00A", b"\x01" + b"t" * 300])
    assert data[:2] == b"\0\x2c"
    assert feed(other, [data]).messages == [b"\x01A", b"\x00A", b"\x01" + b"t" * 300]


def test_large_bodies_are_not_joined_with_others() -> None:
    one, other = curve_pair()
    large = bytes(100_000)
    buffers = one.encode([b"a", large, b"b", [large, b"c"]])
    assert list(map(len, buffers)) == [36 + 9 + 16, 100_017, 36 + 9 + 16, 100_017, 36]
    assert feed(other, buffers).messages == [b"a", large, b"b", [large, b"c"]]
    assert list(map(len, one.encode([large]))) == [9 + 16, 100_017]


def test_flags_are_inside_and_outer_ones_mean_nothing() -> None:
    for outer in range(256):
        one, other = curve_pair()
        sealed = one.encode([b"x"])[0][2:]
        size = number(len(sealed)) if outer & LONG else bytes((len(sealed),))
        assert feed(other, [bytes((outer,)) + size + sealed]).messages == [b"x"]


@pytest.mark.parametrize(
    ("inner", "outer"), [(0, 0), (1, MORE), (2, COMMAND), (3, MORE | COMMAND), (4, 0), (0xFC, 0), (0xFF, 5)]
)
def test_inner_flags(inner: int, outer: int) -> None:  # 95
    guard = ready_server().guard
    assert guard is not None
    sealed = message(3, bytes((inner,)) + b"x", SX, CX_SECRET)
    assert guard.open(sealed, 0, len(sealed)) == (outer, b"x")


def test_limits_are_those_of_what_is_in_the_box() -> None:
    one, other = curve_client(max_message_size=1000), curve_server(max_message_size=1000)
    meet(one, other)
    assert feed(other, one.encode([bytes(1000), [bytes(999), b"x"]])).messages == [bytes(1000), [bytes(999), b"x"]]
    outcome = feed(other, one.encode([b"x", [bytes(999), b"xx"]]))
    assert outcome.messages == [b"x"]
    assert "more than 1000 bytes" in outcome.error
    one, other = curve_client(max_message_size=1000), curve_server(max_message_size=1000)
    meet(one, other)
    assert "more than 1000 bytes" in feed(other, [one.encode([bytes(1001)])[0][:20]]).error


# ---- hostile clients


def test_a_client_by_hand_gets_in() -> None:
    mechanism = ready_server()
    assert mechanism.peer_metadata == DEALER_METADATA


@pytest.mark.parametrize("nonce", [0, 1, 2**64 - 2])
def test_nonces_may_begin_and_jump_anywhere(nonce: int) -> None:
    hand, mechanism = HandClient(), server()
    mechanism.receive(hand.hello(nonce=number(nonce)))
    mechanism.receive(hand.initiate(*hand.open_welcome(taken(mechanism)), nonce=number(nonce + 1)))
    assert mechanism.credentials == (C,)


def test_initiate_without_metadata() -> None:  # 90
    hand, mechanism = HandClient(), server()
    body = hand.initiate(*welcomed(hand, mechanism), metadata=b"")
    assert len(body) == 257
    mechanism.receive(body)
    mechanism.authenticated("200")
    assert mechanism.peer_metadata == b""


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": b"\1\1"}, "CURVE version 1.1, only 1.0 is known"),  # 83
        ({"version": b"\2\0"}, "CURVE version 2.0"),
        ({"version": b"\0\0"}, "CURVE version 0.0"),
        ({"version": b"\1\0\0"}, "195 bytes of data, not 194"),
        ({"padding": bytes(70)}, "192 bytes of data, not 194"),
        ({"padding": bytes(71)}, "193 bytes of data, not 194"),
        ({"padding": bytes(71) + b"\1"}, "its padding is not zeros"),  # 84
        ({"padding": b"\1" + bytes(71)}, "its padding is not zeros"),
        ({"proof": bytes(63) + b"\1"}, "its content is not zeros"),
        ({"proof": b"\x80" + bytes(63)}, "its content is not zeros"),
        ({"proof": bytes(63)}, "193 bytes"),
        ({"x_public": bytes(32)}, "the key in HELLO in the CURVE handshake is no usable key"),  # 85
        ({"x_public": b"\1" + bytes(31)}, "no usable key"),
        ({"x_public": S}, "HELLO in the CURVE handshake is not genuine"),
        ({"prefix": b"CurveZMQINITIATE"}, "not genuine"),
    ],
)
def test_hellos_that_are_refused(changes: dict[str, bytes], error: str) -> None:
    hello = HandClient().hello
    refuses(server(), hello(**changes), error)


def test_a_hello_for_another_server() -> None:
    refuses(server(), HandClient(server=C).hello(), "HELLO in the CURVE handshake is not genuine")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "malformed command"),
        (b"\5HELLO", "0 bytes of data, not 194"),
        (make_command(b"HELLA", bytes(194)), "unexpected command b'HELLA'"),
        (make_command(b"INITIATE", bytes(300)), "unexpected command b'INITIATE'"),
        (make_error("400"), "unexpected command b'ERROR'"),
        (HandClient().hello()[:-1], "193 bytes"),  # 83
        (HandClient().hello() + b"\0", "195 bytes"),
    ],
)
def test_what_is_no_hello(body: bytes, error: str) -> None:
    refuses(server(), body, error)


def test_hello_twice() -> None:  # 86
    hand, mechanism = HandClient(), server()
    welcomed(hand, mechanism)
    refuses(mechanism, hand.hello(), "unexpected command b'HELLO'")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"cookie": bytes(96)}, "another cookie"),  # 87
        ({"cookie": bytes(95)}, "another cookie"),
        ({"nonce": number(0)}, "nonce that is not above"),
        ({"nonce": number(1)}, "nonce that is not above"),
        ({"nonce": b"\2"}, "INITIATE|nonce|bytes"),
        ({"prefix": b"CurveZMQMESSAGEC"}, "INITIATE in the CURVE handshake is not genuine"),
        ({"public": S}, "the vouch in the CURVE handshake is not genuine"),
        ({"public": bytes(32)}, "the client's key in INITIATE in the CURVE handshake is no usable key"),
        ({"vouch": bytes(96)}, "the vouch in the CURVE handshake is not genuine"),
        ({"vouch_prefix": b"WELCOME-"}, "the vouch in the CURVE handshake is not genuine"),
        ({"vouched_server": C}, "for another connection or another server"),  # 88
        ({"vouched_server": bytes(32)}, "for another connection or another server"),
        ({"vouched_x": C}, "for another connection or another server"),  # 89
        ({"metadata": b"", "vouch": bytes(95)}, "247 bytes of data, not at least 248"),  # 90
    ],
)
def test_initiates_that_are_refused(changes: dict[str, bytes], error: str) -> None:
    hand, mechanism = HandClient(), server()
    server_x, cookie = welcomed(hand, mechanism)
    if len(nonce := changes.get("nonce", bytes(8))) != 8:
        body = hand.initiate(server_x, cookie)
        refuses(mechanism, body[:105] + nonce + body[113:], error)
        return
    refuses(mechanism, hand.initiate(server_x, changes.pop("cookie", cookie), **changes), error)


def test_an_initiate_with_another_connection_key() -> None:
    hand, mechanism = HandClient(), server()
    answer = welcomed(hand, mechanism)
    hand.x_secret = C_SECRET
    refuses(mechanism, hand.initiate(*answer), "INITIATE in the CURVE handshake is not genuine")


def test_the_unused_bit_of_a_key_is_no_way_around_the_vouch() -> None:
    """X25519 does not look at the last bit of a public key, so HELLO opens: the vouch is for the key as it was sent."""
    hand, mechanism = HandClient(), server()
    mechanism.receive(hand.hello(x_public=CX[:31] + bytes((CX[31] | 0x80,))))
    refuses(mechanism, hand.initiate(*hand.open_welcome(taken(mechanism))), "for another connection")


def test_a_cookie_of_another_connection() -> None:
    hand, one, other = HandClient(), server(), server(known(SX_SECRET, b"\x56" * 32, b"\x66" * 16, b"\x88" * 16))
    _, cookie = welcomed(hand, one)
    server_x, _ = welcomed(hand, other)
    refuses(other, hand.initiate(server_x, cookie), "another cookie")


@pytest.mark.parametrize(("status", "sent"), [("300", []), ("400", [make_error("400")]), ("500", [make_error("500")])])
def test_refusals(status: str, sent: list[bytes]) -> None:
    hand, mechanism = HandClient(), server()
    mechanism.receive(hand.initiate(*welcomed(hand, mechanism), metadata=b"nonsense is not looked at yet"))
    with pytest.raises(AuthenticationError, match=status):
        mechanism.authenticated(status)
    assert mechanism.outgoing == sent
    assert mechanism.guard is None
    assert mechanism.peer_metadata == b""


def test_bad_metadata_after_the_answer() -> None:
    one, other = curve_client(metadata=(("X-a", b"b"),), random=client_random()), curve_server(max_properties=2)
    one.start()
    other.start()
    exchange(one, other)
    assert other.authenticating
    with pytest.raises(RemoteProtocolError, match="more than 2 properties"):
        other.authenticated("200")
    assert not other.ready


# ---- hostile servers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"cookie": bytes(95)}, "159 bytes of data, not 160"),  # 96
        ({"cookie": bytes(97)}, "161 bytes of data, not 160"),
        ({"prefix": b"COOKIE--"}, "WELCOME in the CURVE handshake is not genuine"),
        ({"server_x": bytes(32)}, "the key in WELCOME in the CURVE handshake is no usable key"),
    ],
)
def test_welcomes_that_are_refused(changes: dict[str, bytes], error: str) -> None:
    mechanism = client()
    mechanism.outgoing.clear()
    welcome = HandServer().welcome
    refuses(mechanism, welcome(CX, **changes), error)


def test_a_welcome_by_another_server_or_for_another_client() -> None:
    for body in (HandServer(secret=C_SECRET).welcome(CX), HandServer().welcome(C)):
        mechanism = client()
        mechanism.outgoing.clear()
        refuses(mechanism, body, "WELCOME in the CURVE handshake is not genuine")


def greeted_client() -> CurveClient:
    mechanism = client()
    mechanism.receive(HandServer().welcome(CX))
    mechanism.outgoing.clear()
    return mechanism


def test_a_server_by_hand_is_believed() -> None:
    mechanism = greeted_client()
    mechanism.receive(HandServer().ready(CX, metadata=b"", nonce=number(0)))  # 30 bytes
    assert mechanism.state == COMPLETE
    assert mechanism.peer_metadata == b""


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"\5READY" + bytes(23), "a malformed READY in the CURVE handshake: 23 bytes of data, not at least 24"),
        (b"\5READY" + bytes(24), "READY in the CURVE handshake is not genuine"),
        (HandServer().ready(CX, prefix=b"CurveZMQMESSAGES"), "not genuine"),
        (HandServer(x_secret=S_SECRET).ready(CX), "not genuine"),
        (HandServer().ready(C), "not genuine"),
        (HandServer().welcome(CX), "unexpected command b'WELCOME'"),
        (message(1, b"\0x", CX, SX_SECRET, b"CurveZMQMESSAGES"), "unexpected command b'MESSAGE'"),
    ],
)
def test_readies_that_are_refused(body: bytes, error: str) -> None:
    refuses(greeted_client(), body, error)


@pytest.mark.parametrize("make", [client, greeted_client])
@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (make_error("400"), AuthenticationError, "refused the connection with ERROR '400'"),
        (make_error("no"), RemoteProtocolError, "refused the connection with ERROR 'no'"),
        (b"\5ERROR", RemoteProtocolError, "malformed ERROR"),
    ],
)
def test_error_from_the_server(
    make: Callable[[], CurveClient], body: bytes, kind: type[RemoteProtocolError], error: str
) -> None:
    mechanism = make()
    mechanism.outgoing.clear()
    refuses(mechanism, body, error)
    with pytest.raises(kind):
        make().receive(body)


# ---- hostile traffic


@pytest.mark.parametrize(
    ("sealed", "error"),
    [
        (b"", "no CURVE MESSAGE"),  # 94
        (b"hello", "no CURVE MESSAGE"),
        (b"\4PING\0\0", "no CURVE MESSAGE"),
        (b"x" * 40, "no CURVE MESSAGE"),
        (message(3, b"", SX, CX_SECRET), "no CURVE MESSAGE"),  # 32 bytes; 93
        (message(3, b"\0x", SX, CX_SECRET, b"CurveZMQMESSAGES"), "not genuine"),
        (message(3, b"\0x", SX, CX_SECRET, b"CurveZMQMESSAGE-"), "not genuine"),
        (message(3, b"\0x", SX, C_SECRET), "not genuine"),
        (message(3, b"\0x", S, CX_SECRET), "not genuine"),
        (message(3, b"\0x" * 5000, S, CX_SECRET), "not genuine"),
        (message(3, b"\0x", SX, CX_SECRET)[:-1], "not genuine"),
        (message(3, b"\0x", SX, CX_SECRET) + b"\0", "not genuine"),
        (message(2, b"\0x", SX, CX_SECRET), "nonce is not above"),  # INITIATE had it; 92
        (message(1, b"\0x", SX, CX_SECRET), "nonce is not above"),
        (message(0, b"\0x", SX, CX_SECRET), "nonce is not above"),
    ],
)
def test_traffic_that_is_refused(sealed: bytes, error: str) -> None:
    guard = ready_server().guard
    assert guard is not None
    with pytest.raises(RemoteProtocolError, match=error):
        guard.open(b"other" + sealed + b"bytes", 5, 5 + len(sealed))
    good = message(2**64 - 1, b"\1good", SX, CX_SECRET)  # gaps are fine
    assert guard.open(good, 0, len(good)) == (MORE, b"good")
    with pytest.raises(RemoteProtocolError, match="nonce is not above"):
        guard.open(good, 0, len(good))


@pytest.mark.parametrize(("nonce", "above"), [(6, False), (7, False), (8, True)])
def test_the_server_s_nonces_rise_from_ready_on(nonce: int, above: bool) -> None:
    mechanism = greeted_client()
    mechanism.receive(HandServer().ready(CX, nonce=number(7)))
    assert mechanism.guard is not None
    sealed = message(nonce, b"\0x", CX, SX_SECRET, b"CurveZMQMESSAGES")
    if above:
        assert mechanism.guard.open(sealed, 0, len(sealed)) == (0, b"x")
    else:
        with pytest.raises(RemoteProtocolError, match="nonce is not above"):
            mechanism.guard.open(sealed, 0, len(sealed))


@pytest.mark.parametrize(
    ("order", "delivered", "ends"),
    [
        ((0, 1, 2), [0, 1, 2], False),
        ((0, 2), [0, 2], False),  # a gap
        ((0, 0), [0], True),  # replay
        ((0, 1, 0), [0, 1], True),
        ((1, 0), [1], True),  # reordering
        ((2, 1), [2], True),
    ],
)
def test_replay_and_reordering(order: tuple[int, ...], delivered: list[int], ends: bool) -> None:  # 92
    one, other = curve_pair()
    texts = [b"first", b"second", b"third"]
    frames = [one.encode([text])[0] for text in texts]
    outcome = feed(other, [frames[at] for at in order])
    assert outcome.messages == [texts[at] for at in delivered]
    assert bool(outcome.error) == ends


def test_reflection() -> None:
    for one in curve_pair():
        outcome = feed(one, one.encode([b"x"]))
        assert not outcome.messages
        assert outcome.error


def test_truncation() -> None:
    one, other = curve_pair()
    first, second, third = (one.encode([text])[0] for text in (b"first", b"second", b"third"))
    outcome = feed(other, [first, second[:-1], third])
    assert outcome.messages == [b"first"]
    assert "not genuine" in outcome.error


def test_traffic_of_another_connection() -> None:
    (one, _), (_, other) = curve_pair(), curve_pair()
    outcome = feed(other, one.encode([b"x"]))
    assert not outcome.messages
    assert "not genuine" in outcome.error


def test_an_unsealed_frame_after_the_handshake() -> None:  # 94
    for frame in (b"\0\1x", command_frame(b"\4PING\0\0"), b"\0\0", b"\4\0"):
        _, other = curve_pair()
        assert "no CURVE MESSAGE" in feed(other, [frame]).error


def test_a_message_in_a_command_frame_is_a_message() -> None:  # 91; libzmq drops it
    one, other = curve_pair()
    data = one.encode([b"x"])[0]
    assert feed(other, [b"\4" + data[1:]]).messages == [b"x"]


def test_nonces_do_not_wrap() -> None:
    guard = CurveGuard(bytes(32), True, 2**64 - 2, number(0))
    assert guard.seal(0, b"last")[0] == b"\7MESSAGE" + b"\xff" * 8
    for _ in range(2):
        with pytest.raises(OverflowError):
            guard.seal(0, b"one too many")


# ---- keys and configuration


def test_no_downgrade() -> None:
    for data in (b"\1\0", greeting()[:10] + b"\1", greeting()[:10] + b"\0", greeting(), greeting(mechanism=b"PLAIN")):
        with pytest.raises(IncompatiblePeerError, match="CURVE"):
            started("ROUTER", mechanism=partial(CurveServer, keys=SERVER_KEYS), server=True).receive_data(data)


def test_as_server_follows_the_role() -> None:
    for mechanism, as_server in (
        (partial(CurveServer, keys=SERVER_KEYS), 1),
        (partial(CurveClient, keys=CLIENT_KEYS), 0),
    ):
        connection = started("PAIR", mechanism=mechanism, server=not as_server)
        connection.receive_data(greeting(mechanism=b"CURVE")[:12])
        assert connection.data_to_send()[22] == as_server


@pytest.mark.parametrize("size", [0, 31, 33, 40])
def test_keys_have_32_bytes(size: int) -> None:
    for make in (
        lambda: ServerKeys(b"k" * size),
        lambda: ClientKeys(b"k" * size, S),
        lambda: ClientKeys(S, b"k" * size),
    ):
        with pytest.raises(ValueError, match=f"32 bytes, not {size}") as error:
            make()
        assert "kk" not in str(error.value)


def test_keys_are_not_zeros() -> None:
    for make in (lambda: ServerKeys(bytes(32)), lambda: ClientKeys(bytes(32), S), lambda: ClientKeys(S, bytes(32))):
        with pytest.raises(ValueError, match="all zeros"):
            make()


def test_a_server_key_of_small_order() -> None:
    mechanism = CurveClient(OurSide(False, b""), ClientKeys(b"\1" + bytes(31), S))
    with pytest.raises(RemoteProtocolError, match="no usable key"):
        mechanism.start()


def test_every_connection_has_keys_of_its_own() -> None:
    bodies = []
    for _ in range(2):
        one, other = CurveClient(OurSide(False, b""), CLIENT_KEYS), CurveServer(OurSide(True, b""), SERVER_KEYS)
        one.start()
        hello = taken(one)
        other.receive(hello)
        welcome = taken(other)
        one.receive(welcome)
        initiate = taken(one)
        assert hello[80:112] not in (CX, C)
        bodies.append({hello[80:], hello[120:], welcome[8:24], welcome[24:], initiate[9:25], initiate[113:]})
    assert not bodies[0] & bodies[1]


def secrets() -> list[bytes]:
    return [C_SECRET, S_SECRET, CX_SECRET, SX_SECRET, nacl_backend.load().shared_key(CX, SX_SECRET)]


def test_secrets_are_not_shown() -> None:
    one, other = client(), server()
    other.receive(taken(one))
    one.receive(taken(other))
    other.receive(taken(one))
    other.authenticated("200")
    one.receive(taken(other))
    things: list[object] = [one, other, one.guard, other.guard, CLIENT_KEYS, SERVER_KEYS, curve_client()]
    things += [config("DEALER", mechanism=partial(CurveClient, keys=CLIENT_KEYS))]
    for shown in (*map(repr, things), *map(str, things)):
        for secret in secrets():
            for form in (secret.hex(), repr(secret), repr(secret)[2:-1], str(list(secret))):
                assert form not in shown


def test_secrets_are_not_in_errors() -> None:
    hand, mechanism = HandClient(), server()
    answer = welcomed(hand, mechanism)
    with pytest.raises(RemoteProtocolError) as error:
        mechanism.receive(hand.initiate(*answer, vouched_server=C))
    text = "".join(traceback.format_exception(error.value))
    assert all(repr(secret)[2:-1] not in text for secret in secrets())
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_secrets_are_forgotten_when_they_are_not_needed_any_more() -> None:
    one, other = client(), server()
    other.receive(taken(one))
    one.receive(taken(other))
    other.receive(taken(one))
    other.authenticated("200")
    one.receive(taken(other))
    for mechanism in (one, other):
        held = [getattr(mechanism, name) for kind in type(mechanism).__mro__ for name in getattr(kind, "__slots__", ())]
        assert not [value for value in held if isinstance(value, bytes) and value in (CX_SECRET, SX_SECRET)]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] == "nacl":
            raise ModuleNotFoundError("No module named 'nacl'")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.partition(".")[0] == "nacl"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    nacl_backend.load.cache_clear()
    try:
        for make in (lambda: ServerKeys(S_SECRET), lambda: ClientKeys(S, C_SECRET)):
            with pytest.raises(ImportError, match=r"pip install 'trizmq\[curve\]'"):
                make()
    finally:
        monkeypatch.undo()
        nacl_backend.load.cache_clear()


# ---- the backend

SIZES = [0, 1, 15, 100, 4000, 4096, 128 * 1024 - 17, 128 * 1024 - 16, 128 * 1024, 300_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lacks", ["nothing", "a function", "the module"])
def test_the_fast_way_gives_the_same_boxes(size: int, lacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyNaCl does not promise what is below its functions: without it those do the same."""
    import nacl

    if lacks == "a function":
        monkeypatch.setattr(nacl, "_sodium", SimpleNamespace(ffi=nacl._sodium.ffi, lib=SimpleNamespace()))
    elif lacks == "the module":
        monkeypatch.delattr(nacl, "_sodium")
        monkeypatch.setitem(sys.modules, "nacl._sodium", None)
    backend = nacl_backend.load()
    seal, unseal = backend.traffic()
    key, nonce, text = bytes(range(32)), bytes(range(24)), b"\1" + bytes(size)
    box = seal(text, nonce, key)
    assert box == backend.seal(text, nonce, key)
    for form in (box, memoryview(box)):
        assert unseal(form, nonce, key) == (1, text[1:])
    for wrong in (b"", box[:15], box[:-1], bytes([box[0] ^ 1]) + box[1:]):
        with pytest.raises((backend.error, TypeError)):
            unseal(wrong, nonce, key)
    for wrong_nonce, wrong_key in ((nonce[1:], key), (nonce, key[1:])):
        with pytest.raises(ValueError, match=r"[Ii]nvalid"):
            seal(text, wrong_nonce, wrong_key)
        with pytest.raises(ValueError, match=r"[Ii]nvalid"):
            unseal(box, wrong_nonce, wrong_key)
