"""Traffic after the handshake, well-formed and hostile (zmtp-wire.md 3, 4, 6, 13.3 and 18, items 46 to 75)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from tests.wire.harness import bytewise, connected, connected_1_0, connected_2_0, drain, feed, pair, ready, unhex
from trizmq.errors import RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame

SUBSCRIBE_A = command_frame(make_command(b"SUBSCRIBE", b"A"))
CANCEL_A = command_frame(make_command(b"CANCEL", b"A"))


def ping(data: bytes) -> bytes:
    return command_frame(make_command(b"PING", data))


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (unhex("f8 01 61 f9 01 62 f0 01 63"), [b"a", [b"b", b"c"]]),  # 46
        (unhex("02 00*7 01 61 03 00*7 01 62 02 00*8"), [b"a", [b"b", b""]]),  # 47
        (unhex("00 00"), [b""]),  # 63
        (unhex("01 00 01 00 00 00"), [[b"", b"", b""]]),
        (unhex("05 03 02 41 42 00 01 61"), [b"a"]),  # 51, 52
        (unhex("fc 00 00 01 61"), [b"a"]),
        (unhex("04 00 04 01 ff 04 02 09 41 06 00*8 00 01 61"), [b"a"]),  # 52
        (unhex("01 01 61") + ping(b"\0\0") + unhex("00 01 62"), [[b"a", b"b"]]),  # 53
        (ready("PUB") + command_frame(make_error("no")) + unhex("00 01 61"), [b"a"]),  # 54
        (command_frame(make_command(b"PONG", b"x")) + unhex("00 01 61"), [b"a"]),  # 60
        (SUBSCRIBE_A + CANCEL_A + unhex("00 01 61"), [b"a"]),  # 61: dropped, not data
        (command_frame(make_command(b"JOIN", b"x")) + unhex("00 01 61"), [b"a"]),
        (unhex("00 01 61 00 05 62"), [b"a"]),  # 62
        (b"\x02" + (300).to_bytes(8, "big") + b"x" * 300, [b"x" * 300]),
    ],
)
def test_messages(data: bytes, messages: list[Packed]) -> None:
    for chunks in ([data], bytewise(data)):
        outcome = feed(connected("ROUTER"), chunks, eof=True)
        assert outcome.messages == messages
        assert not outcome.error


@pytest.mark.parametrize(
    ("data", "messages", "error"),
    [
        (unhex("00 01 61 02 ff*8"), [b"a"], "a frame announces 18446744073709551615, after 0"),  # 48
        (unhex("00 01 61 02 7f ff*7"), [b"a"], "a frame announces 9223372036854775807, after 0"),  # 48
        (unhex("02 00*6 03 e9"), [], "a message of more than 1000 bytes: a frame announces 1001, after 0"),  # 50
        (
            unhex("03 00*6 03 e8") + bytes(1000) + unhex("00 01 61"),
            [],
            "a frame announces 1, after 1000 in others",
        ),  # 50
        (unhex("06 00*6 03 e9"), [], "a frame announces 1001"),
        (unhex("01 00") * 8, [], "a message of more than 8 frames"),
        (unhex("00 00") + unhex("01 00") * 8 + b"\0\0", [b""], "a message of more than 8 frames"),
    ],
)
def test_too_much(data: bytes, messages: list[Packed], error: str) -> None:
    def limited() -> Connection:
        return connected("ROUTER", max_message_size=1000, max_frames=8)

    for most in (1, 1000):
        whole, pieces = feed(limited(), [data], most), feed(limited(), bytewise(data), most)
        assert whole.messages == messages
        assert error in whole.error
        assert whole == pieces


def test_limits_can_be_met() -> None:
    router = connected("ROUTER", max_message_size=1000, max_frames=3)
    data = unhex("01 00 03 00*6 03 e8") + bytes(1000) + ping(b"\0\0") + unhex("06 00*6 03 e8") + bytes(1000) + b"\0\0"
    assert feed(router, [data, data]).messages == [[b"", bytes(1000), b""]] * 2
    assert feed(connected("ROUTER", max_frames=1), [b"\0\0"]).messages == [b""]
    assert "more than 1 frames" in feed(connected("ROUTER", max_frames=1), [b"\1\0"]).error


def test_limits_with_short_frames() -> None:
    router = connected("ROUTER", max_message_size=10)
    data = (b"\0\x0a" + bytes(10)) * 20 + b"\0\x0b"
    outcome = feed(router, [data])
    assert outcome.messages == [bytes(10)] * 20
    assert "a frame announces 11, after 0" in outcome.error


def test_an_error_comes_again_and_nothing_after_it() -> None:
    router = connected("ROUTER")
    router.receive_data(unhex("00 01 61 02 ff*8 00 01 62"))
    assert router.next_batch(10) == [b"a"]
    for _ in range(2):
        assert router.has_input
        with pytest.raises(RemoteProtocolError, match="more than"):
            router.next_batch(10)
        router.receive_data(b"\0\1c")


@pytest.mark.parametrize(
    "header",
    [unhex("02 00 00 00 00 40 00 00 00"), unhex("03 00 00 00 00 3f ff ff ff"), unhex("06 00 00 00 00 40 00 00 00")],
)
def test_announced_bytes_take_no_memory(header: bytes) -> None:  # 49
    router = connected("ROUTER")
    tracemalloc.start()
    try:
        router.receive_data(header)
        assert router.next_batch(10) == []
        router.receive_data(b"x")
        assert router.next_batch(10) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024
    assert not router.has_input
    assert router.read_size == 1 << 20


@pytest.mark.parametrize(
    ("data", "pong"),
    [
        (b"", b""),  # 55: too short for a ttl, ignored; libzmq sends 16 bytes of its memory
        (b"\0", b""),  # 55
        (b"\0\0", unhex("04 05 04 50 4f 4e 47")),
        (b"\0\0ctx", unhex("04 08 04 50 4f 4e 47 63 74 78")),
        (b"\0\0" + b"c" * 16, unhex("04 15 04 50 4f 4e 47 63*16")),
        (b"\0\0" + b"c" * 17, unhex("04 15 04 50 4f 4e 47 63*16")),  # 56
        (b"\0\0" + b"c" * 300, unhex("04 15 04 50 4f 4e 47 63*16")),
    ],
)
def test_pings(data: bytes, pong: bytes) -> None:
    for minor in (0, 1):
        outcome = feed(connected("ROUTER", minor), [ping(data)])
        assert outcome.sent == pong
        assert not outcome.error


def test_fifty_pings() -> None:  # 59
    outcome = feed(connected("DEALER"), [b"".join(ping(b"\0\0" + bytes((at,))) for at in range(50))])
    assert outcome.sent == b"".join(command_frame(make_command(b"PONG", bytes((at,)))) for at in range(50))


def test_the_ttl_of_the_last_ping() -> None:  # 57, 58
    router = connected("ROUTER")
    assert router.peer_ttl == 0.0
    feed(router, [ping(b"\x00\x01") + ping(b"\x02\x90")])
    assert router.peer_ttl == 65.6


@pytest.mark.parametrize("socket_type", ["PUB", "XPUB"])
@pytest.mark.parametrize("minor", [0, 1])
def test_publishers_get_both_forms_in_order(socket_type: str, minor: int) -> None:
    data = SUBSCRIBE_A + unhex("00 02 00 41") + unhex("00 02 01 42") + CANCEL_A
    assert feed(connected(socket_type, minor), [data]).messages == [b"\x01A", b"\x00A", b"\x01B", b"\x00A"]


def test_publishers_and_odd_subscriptions() -> None:
    for data, messages in (
        (b"\x05" + SUBSCRIBE_A[1:], [b"\x01A"]),  # 67: MORE on a command means nothing
        (command_frame(make_command(b"subscribe", b"A")), []),  # 68
        (command_frame(make_command(b"SUBSCRIBE", b"")), [b"\x01"]),
        (command_frame(make_command(b"SUBSCRIBE", b"t" * 1000)), [b"\x01" + b"t" * 1000]),
        (unhex("01 01 61") + SUBSCRIBE_A + unhex("00 01 62"), [b"\x01A", [b"a", b"b"]]),
        (unhex("01 02 7a 7a 00 02 01 41"), [[b"zz", b"\x01A"]]),  # 66: for the pattern to judge
    ):
        for chunks in ([data], bytewise(data)):
            assert feed(connected("XPUB"), chunks).messages == messages


@pytest.mark.parametrize("socket_type", ["SUB", "XSUB"])
@pytest.mark.parametrize(
    ("connect", "subscribe", "cancel"),
    [
        (connected, "04 0b 09 53 55 42 53 43 52 49 42 45 41", "04 08 06 43 41 4e 43 45 4c 41"),
        (lambda socket_type: connected(socket_type, minor=0), "00 02 01 41", "00 02 00 41"),
        (connected_2_0, "00 02 01 41", "00 02 00 41"),
        (connected_1_0, "03 00 01 41", "03 00 00 41"),
    ],
)
def test_the_form_of_subscriptions(
    socket_type: str, connect: Callable[[str], Connection], subscribe: str, cancel: str
) -> None:
    connection = connect(socket_type)
    assert connection.encode([b"\x01A", b"\x00A"]) == [unhex(subscribe) + unhex(cancel)]


def test_what_is_not_a_subscription_stays_a_message() -> None:
    xsub = connected("XSUB")
    batch: list[Packed] = [
        b"",
        b"\x02A",
        b"\x01" + b"t" * 245,
        b"\x01" + b"t" * 246,
        [b"\x01A", b"more"],
        b"x" * 20000,
        b"\x01A",
    ]
    xpub = connected("XPUB")
    data = b"".join(xsub.encode(batch))
    assert unhex("04 ff 09 53 55 42") in data
    assert unhex("06 00*6 01 00 09 53 55 42") in data
    assert feed(xpub, [data]).messages == batch


def test_other_types_send_any_bytes_as_messages() -> None:
    assert connected("DEALER").encode([b"\x01A"]) == [unhex("00 02 01 41")]
    assert connected("PUB").encode([b"\x01A"]) == [unhex("00 02 01 41")]


def test_a_topic_of_255_bytes_to_a_3_0_peer() -> None:  # libzmq 4.3.5 corrupts the stream here
    topic = b"t" * 254
    assert connected("SUB", minor=0).encode([b"\x01" + topic]) == [b"\x00\xff\x01" + topic]
    assert connected("SUB", minor=0).encode([b"\x01" + topic + b"t"]) == [unhex("02 00*6 01 00 01") + topic + b"t"]


@pytest.mark.parametrize(
    ("data", "messages", "error"),
    [
        (unhex("02 fe 61 02 01 62 02 00 63"), [b"a", [b"b", b"c"]], ""),  # reserved flags; there are no commands
        (unhex("05 04") + b"PING" + unhex("02 00 61"), [b"PING", b"a"], ""),
        (b"\xfe\x00" + b"x" * 253, [b"x" * 253], ""),
        (unhex("ff 00*7 ff 00") + b"x" * 254, [b"x" * 254], ""),
        (unhex("ff 00*7 02 01 61 ff 00*7 01 00"), [[b"a", b""]], ""),
        (unhex("01 00 00"), [b""], "length 0"),
        (unhex("01 00 ff 00*8 00"), [b""], "length 0"),
        (unhex("01 00 ff ff*8 00"), [b""], "a frame announces 18446744073709551614, after 0"),
        (unhex("ff 00*6 03 e9 01") + bytes(1000) + unhex("02 00 61"), [], "a frame announces 1, after 1000 in others"),
        (unhex("01 01") * 8, [], "more than 8 frames"),
    ],
)
def test_version_1_framing(data: bytes, messages: list[Packed], error: str) -> None:
    def limited() -> Connection:
        return connected_1_0("ROUTER", max_message_size=1000, max_frames=8)

    for most in (1, 1000):
        whole, pieces = feed(limited(), [data], most), feed(limited(), bytewise(data), most)
        assert whole.messages == messages
        assert error in whole.error
        assert bool(whole.error) is bool(error)
        assert whole == pieces
        again = limited()
        feed(again, [data])
        if error:
            with pytest.raises(RemoteProtocolError, match=error):
                again.next_batch(1)


def test_most_is_kept_and_has_input_says_whether_there_is_more() -> None:
    push, pull = pair("PUSH", "PULL")
    batch: list[Packed] = [b"x" * 16] * 30
    pull.receive_data(b"".join(push.encode(batch)))
    assert pull.next_batch(0) == []
    assert pull.has_input
    assert pull.next_batch(20) == batch[:20]
    assert pull.has_input
    assert pull.next_batch(10) == batch[20:]
    assert not pull.has_input
    assert pull.next_batch(10) == []


def test_data_may_come_before_the_earlier_is_taken() -> None:
    push, pull = pair("PUSH", "PULL")
    data = b"".join(push.encode([b"a", b"b" * 300, [b"c", b"d"]]))
    for chunk in bytewise(data * 3):
        pull.receive_data(chunk)
    pull.receive_data(b"")
    assert drain(pull) == [b"a", b"b" * 300, [b"c", b"d"]] * 3


def test_read_size_follows_the_traffic() -> None:
    push, pull = pair("PUSH", "PULL")
    assert pull.read_size == 64 << 10
    data = b"".join(push.encode([b"x" * 1022] * 1024))
    for expected in (128 << 10, 256 << 10, 256 << 10):
        chunk, data = data[: pull.read_size], data[pull.read_size :]
        pull.receive_data(chunk)
        drain(pull)
        assert pull.read_size == expected
    push, pull = pair("PUSH", "PULL")
    header, body = push.encode([bytes(300 << 10)])
    pull.receive_data(header)
    drain(pull)
    assert pull.read_size == (300 + 64) << 10  # what is missing, and some
    pull.receive_data(body[: 250 << 10])
    assert drain(pull) == []
    assert pull.read_size == 128 << 10
    pull.receive_data(body[250 << 10 :])
    assert drain(pull) == [body]
