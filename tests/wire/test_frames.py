"""The codec: any batch, in any chunks, comes out as it went in; runs are found and broken; the work is linear."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.harness import bytewise, connected, connected_1_0, connected_2_0, cut, feed, pair
from trizmq.errors import RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire import frames
from trizmq.wire.frames import LARGE, Decoder, encode
from trizmq.wire.frames_v1 import encode_v1

SIZES = [0, 1, 2, 16, 16, 16, 17, 253, 254, 255, 256, 257, 1024]
LARGE_SIZES = [LARGE - 1, LARGE, LARGE + 1, 40_000, 70_000]


@st.composite
def bodies(draw: st.DrawFn, large: bool = False) -> bytes:
    """Bodies whose bytes look like headers, or like nothing."""
    size = draw(st.sampled_from(SIZES + (LARGE_SIZES if large else [])))
    pattern = draw(st.sampled_from([b"\0", b"\x01", b"\0\x10", b"\x02", b"\x04", b"\x10", b"\xff"]))
    return (pattern * (size // len(pattern) + 1))[:size]


@st.composite
def batches(draw: st.DrawFn, large: bool = False) -> list[Packed]:
    """Runs of equal shapes, short and long, broken by others."""
    batch: list[Packed] = []
    for _ in range(draw(st.integers(0, 8))):
        parts = draw(st.lists(bodies(large), min_size=1, max_size=3))
        message: Packed = parts[0] if len(parts) == 1 else parts
        batch += [message] * draw(st.sampled_from([1, 1, 2, 7, 8, 9, 10, 30] if not large else [1, 2]))
    return batch


def plain_encode(batch: list[Packed]) -> bytes:
    """The framing as the RFC has it, without any short cut."""
    out = bytearray()
    for message in batch:
        parts = [message] if isinstance(message, bytes) else message
        for at, body in enumerate(parts):
            more = at < len(parts) - 1
            if len(body) < 256:
                out += bytes((more, len(body))) + body
            else:
                out += bytes((more | 2,)) + len(body).to_bytes(8, "big") + body
    return bytes(out)


@pytest.mark.parametrize("shape", [(0, 16), (255, 255), (256, 5), (5, 256), (300, 300), (5, 20_000), (20_000, 5)])
def test_encode_pairs_of_frames(shape: tuple[int, int]) -> None:
    batch: list[Packed] = [[bytes(size) for size in shape], [b"", b"x"]]
    assert b"".join(encode(batch)) == plain_encode(batch)


@pytest.mark.parametrize(
    "sizes", [(), (LARGE, LARGE), (LARGE - 1, LARGE - 1), (1, 300), (300, 300), (1, LARGE), (LARGE,)]
)
def test_encode_one_frame_messages(sizes: tuple[int, ...]) -> None:
    batch: list[Packed] = [bytes(size) for size in sizes]
    assert b"".join(encode(batch)) == plain_encode(batch)


chunk_sizes = st.lists(st.sampled_from([1, 2, 3, 9, 17, 100, 1000, 20_000]), max_size=40)


@given(batches() | batches(large=True))
def test_encode_is_the_framing_of_the_rfc(batch: list[Packed]) -> None:
    buffers = encode(batch)
    assert b"".join(buffers) == plain_encode(batch)
    assert all(buffers)
    large = [
        body
        for message in batch
        for body in ([message] if isinstance(message, bytes) else message)
        if len(body) >= LARGE
    ]
    by_reference = [buffer for buffer in buffers if any(buffer is body for body in large)]
    assert len(by_reference) == len(large)
    assert len(buffers) <= 2 * len(large) + 1


@settings(deadline=None)
@given(batches() | batches(large=True), chunk_sizes, st.integers(1, 100))
def test_round_trip(batch: list[Packed], sizes: list[int], most: int) -> None:
    push, pull = pair("PUSH", "PULL")
    outcome = feed(pull, cut(b"".join(push.encode(batch)), sizes), most)
    assert outcome.messages == batch
    assert not outcome.error
    assert not pull.has_input


@settings(deadline=None)
@given(batches() | batches(large=True), chunk_sizes, st.integers(1, 100))
def test_round_trip_in_version_1_framing(batch: list[Packed], sizes: list[int], most: int) -> None:
    outcome = feed(connected_1_0("ROUTER"), cut(b"".join(encode_v1(batch)), sizes), most)
    assert outcome.messages == batch
    assert not outcome.error


@given(batches())
def test_round_trip_with_a_2_0_peer(batch: list[Packed]) -> None:
    router = connected_2_0("ROUTER")
    assert feed(router, router.encode(batch)).messages == batch


@pytest.mark.parametrize("size", [0, 16, 255, 256, 1024])
@pytest.mark.parametrize("run", [7, 8, 9, 63, 64, 65, 66, 600, 2000])
def test_runs_up_to_every_kind_of_end(size: int, run: int) -> None:
    equal: list[Packed] = [bytes((at & 1,)) * size for at in range(run)]
    for end in ([], [b"x" * (size + 1)], [[b"a", b"b"]], [b"y" * 300]):
        for before in ([], [b"z"], [[b"a" * size, b"b"]]):
            batch = [*before, *equal, *end, *equal]
            assert feed(connected("PULL"), [plain_encode(batch)], most=len(batch)).messages == batch
            assert feed(connected("PULL"), [plain_encode(batch)], most=100).messages == batch
            part = plain_encode(batch)[:-1]
            assert feed(connected("PULL"), [part], most=10_000).messages == batch[:-1]


@pytest.mark.parametrize("shape", [(0, 16), (5, 0), (0, 0), (5, 300), (300, 5), (300, 300)])
@pytest.mark.parametrize("run", [8, 9, 10, 100, 700])
def test_runs_of_two_frames(shape: tuple[int, int], run: int) -> None:
    equal: list[Packed] = [[bytes((at & 1,)) * shape[0], bytes((at & 3,)) * shape[1]] for at in range(run)]
    ends: list[list[Packed]] = [
        [],
        [b"x"],
        [[b"1" * shape[0], b"2" * (shape[1] + 1)]],
        [[b"1" * (shape[0] + 1), b"2" * shape[1]]],
        [[b"1" * shape[0], b"2" * shape[1], b"3"]],
    ]
    for end in ends:
        batch = [*equal, *end, *equal, *end]
        assert b"".join(encode(batch)) == plain_encode(batch)
        assert feed(connected("PULL"), [plain_encode(batch)], most=len(batch)).messages == batch
        assert feed(connected("PULL"), [plain_encode(batch)], most=100).messages == batch


def test_a_command_between_the_frames_of_a_run() -> None:
    message = b"\x01\x01a\x00\x01b"
    command = b"\x01\x01a\x04\x00\x00\x01b"
    data = message * 10 + command + message * 10 + command * 12
    assert feed(connected("PULL"), [data]).messages == [[b"a", b"b"]] * 33


def test_equal_sizes_in_both_forms_are_no_run() -> None:
    short, long = b"\x00\x01a", b"\x02\0\0\0\0\0\0\0\x01b"
    data = (short + long) * 20 + short * 20 + long * 20 + short
    assert len(feed(connected("PULL"), [data]).messages) == 81


class Counting(bytes):
    """Bytes that count how many of their bytes are copied by slicing."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        if isinstance(part, bytes):
            Counting.copied += len(part)
        return part


@pytest.mark.parametrize("pattern", ["aab", "aaab", "a9b", "growing", "alternating"])
def test_looking_for_runs_stays_in_proportion(pattern: str) -> None:
    runs = {"aab": [2, 1], "aaab": [3, 1], "a9b": [9, 1], "growing": [1, 9, 2, 100, 3, 1000], "alternating": [1, 1]}[
        pattern
    ]
    batch: list[Packed] = []
    while len(batch) < 10_000:
        for at, run in enumerate(runs):
            batch += [b"x" * (20 + at)] * run
    data = Counting(plain_encode(batch))
    Counting.copied = 0
    decoder = Decoder(1 << 30, 1 << 16, lambda body: None)
    decoder.feed(data)
    assert decoder.decode(1 << 20) == batch
    # The bodies, and for each message at most a few dozen header bytes looked at in vain.
    assert Counting.copied < len(data) + 40 * len(batch)


@pytest.mark.parametrize("piece", [1, 2, 7, 100, 1000, 4096])
def test_a_large_body_in_pieces_is_linear(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1 << 20
    body = bytes(range(256)) * (size // 256)
    data = b"".join(encode([body]))
    decoder = Decoder(1 << 30, 1 << 16, lambda command: None)
    held = 0
    for at in range(0, len(data), piece):
        decoder.feed(data[at : at + piece])
        if decoder.has_input:
            held = max(held, len(decoder._data))
            messages = decoder.decode(10)
    assert messages == [body]
    # Nothing but the pieces was kept: what is joined with the next piece is at most a header.
    assert held <= piece + 9


@pytest.mark.parametrize("piece", [1, 2, 40])
def test_crumbs_take_memory_in_proportion(piece: int) -> None:
    size = 1 << 18
    decoder = Decoder(1 << 30, 1 << 16, lambda command: None)
    decoder.feed(frames.frame_header(0, size))
    assert decoder.decode(1) == []
    tracemalloc.start()
    try:
        for _ in range(size // 2 // piece):
            decoder.feed(b"x" * piece)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < size
    decoder.feed(bytes(size - size // 2 // piece * piece))
    assert len(decoder.decode(1)[0]) == size


def test_nothing_is_copied_when_nothing_is_left_over() -> None:
    data = b"\0\x01a" * 10
    decoder = Decoder(1 << 30, 1 << 16, lambda command: None)
    decoder.feed(data)
    assert decoder._data is data
    assert decoder.decode(5) == [b"a"] * 5
    assert decoder._data is data
    assert decoder.decode(5) == [b"a"] * 5
    decoder.feed(data)
    assert decoder._data is data


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([b"\0", b"\1", b"\2", b"\3", b"\4", b"\5", b"\x10", b"\0" * 8, b"\4PING", b"\xff"]), max_size=60
    )
)
def test_any_bytes(parts: list[bytes]) -> None:
    data = b"".join(parts)
    for connect in (connected, connected_1_0, connected_2_0):
        results = [
            feed(connect("ROUTER", max_message_size=600, max_frames=4), chunks, most, short=short)
            for short in (False, True)
            for chunks in ([data], list(bytewise(data)), list(cut(data, [5] * len(data))))
            for most in (1, 3, 1000)
        ]
        assert all(result == results[0] for result in results)


def test_a_violation_frees_what_was_kept() -> None:
    decoder = Decoder(1000, 10, lambda command: None)
    decoder.feed(b"\x01\x01a" + b"\x02" + b"\xff" * 8 + bytes(1000))
    with pytest.raises(RemoteProtocolError, match="after 1 in others"):
        decoder.decode(10)
    assert decoder._data == b""


def test_a_lone_short_message_is_easily_seen() -> None:
    def decoder(max_size: int = 1 << 20, max_frames: int = 10) -> Decoder:
        return Decoder(max_size, max_frames, lambda body: None)

    for data, message in (
        (b"\0\3abc", b"abc"),
        (b"\0\0", b""),
        (b"\1\0\0\3abc", [b"", b"abc"]),
        (b"\1\2id\0\0", [b"id", b""]),
    ):
        assert decoder().whole(data) == message
        assert decoder(max_size=2).whole(data) is None, "whoever sets so low a limit pays for having it looked at"
        for at in range(len(data)):
            assert decoder().whole(data[:at]) is None
        for more in (b"x", b"\0\1d"):
            assert decoder().whole(data + more) is None
    assert decoder(max_frames=1).whole(b"\1\0\0\3abc") is None
    for other in (b"\1\0\1\0\0\1x", b"\4\5\4PING", b"\1\0\4\5\4PING", b"\2" + bytes(7) + b"\1x", b"\1\3abc\0"):
        assert decoder().whole(other) is None


@pytest.mark.parametrize("before", [b"\0", b"\0\2", b"\0\2a", b"\1\1a", b"\1\0\0\4abc", b"\2" + b"\xff" * 8])
def test_nothing_is_easily_seen_in_the_middle(before: bytes) -> None:
    decoder = Decoder(1 << 20, 10, lambda body: None)
    decoder.feed(before)
    if before[0] == 2:
        with pytest.raises(RemoteProtocolError):
            decoder.decode(10)
    else:
        assert decoder.decode(10) == []
    assert decoder.whole(b"\0\1x") is None


def test_what_is_injected_comes_first() -> None:
    decoder = Decoder(1 << 20, 10, lambda body: None)
    decoder.inject(b"\1")
    assert decoder.whole(b"\0\1x") is None
    decoder.feed(b"\0\1x")
    assert decoder.decode(10) == [b"\1", b"x"]
