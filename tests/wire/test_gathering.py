"""Large bodies that are read to where they stay: the same messages as ever, and no memory for what is only announced."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.harness import config, connected, connected_1_0, feed, pair
from tests.wire.secure import curve_pair
from trizmq.messages import Packed
from trizmq.wire.connection import Connection
from trizmq.wire.frames import frame_header
from trizmq.wire.gathering import Gathering
from trizmq.wire.raw import RawConnection

KIB = 1 << 10
MIB = 1 << 20

SIZES = st.one_of(st.integers(0, 300), st.integers(16 * KIB - 50, 16 * KIB + 50), st.integers(0, 200 * KIB))
MESSAGES = st.lists(st.lists(SIZES, min_size=1, max_size=3), min_size=1, max_size=6)
READS = st.lists(st.integers(1, 150 * KIB), min_size=1, max_size=8)


def body(size: int, number: int) -> bytes:
    return (bytes(range(number, 256)) * (size // (256 - number) + 1))[:size]


def read(connection: Connection, data: bytes, sizes: list[int], behind: int) -> Iterator[Packed]:
    """Receive the data in reads of these sizes, to where it belongs wherever the connection names a place.

    After so many reads the rest comes in large ones: millions of single bytes prove nothing more.
    """
    turn = at = 0
    while at < len(data):
        chunk = data[at : at + (sizes[turn % len(sizes)] if turn < 1000 else 64 * KIB)]
        if (space := connection.space()) is not None:
            with space:
                count = min(len(chunk), len(space))
                space[:count] = chunk[:count]
                chunk = data[at : at + count + (behind if count == len(space) else 0)]
            connection.filled(count, chunk[count:])
        else:
            connection.receive_data(chunk)
        at += len(chunk)
        turn += 1
        while connection.has_input:
            yield from connection.next_batch(3)


@pytest.mark.parametrize("kind", ["NULL", "CURVE", "ZMTP 1.0"])
@settings(max_examples=60, deadline=None)
@given(shapes=MESSAGES, sizes=READS, behind=st.integers(0, 1024))
def test_the_same_messages(kind: str, shapes: list[list[int]], sizes: list[int], behind: int) -> None:
    batch: list[Packed] = []
    for number, shape in enumerate(shapes):
        frames = [body(size, number) for size in shape]
        batch.append(frames if len(frames) > 1 else frames[0])
    if kind == "ZMTP 1.0":
        receiver = connected_1_0("ROUTER")
        sender = connected_1_0("DEALER")
    else:
        sender, receiver = curve_pair() if kind == "CURVE" else pair("PUSH", "PULL")
    data = b"".join(sender.encode(batch))
    assert list(read(receiver, data, sizes, behind)) == batch
    assert receiver.space() is None


@pytest.mark.parametrize("step", [1, 7, 1000, 5000])
def test_in_small_steps(step: int) -> None:
    """Between what is read to its place there may be reads of the ordinary kind, as a receiver makes that reads itself."""
    sender, receiver = pair("PUSH", "PULL")
    message = body(70 * KIB, 3)
    data = b"".join(sender.encode([message, b"x", message]))
    received: list[Packed] = []
    for turn, at in enumerate(range(0, len(data), step)):
        chunk = data[at : at + step]
        received += feed(receiver, [chunk]).messages if turn % 2 else read(receiver, chunk, [step], 0)
    assert received == [message, b"x", message]


def test_no_copy_but_what_came_with_the_header() -> None:
    sender, receiver = pair("PUSH", "PULL")
    header, message = sender.encode([body(MIB, 0)])
    assert feed(receiver, [header + message[: 64 * KIB]]).messages == []
    sizes = []
    at = 64 * KIB
    while (space := receiver.space()) is not None:
        with space:
            count = len(space)
            space[:] = message[at : at + count]
        sizes.append(count)
        receiver.filled(count, b"")
        at += count
    assert sizes == [192 * KIB, 768 * KIB]  # as much as four times what has come
    assert receiver.next_batch(10) == [message]
    # A peer that has sent such a frame is believed the next time, as soon as it begins.
    assert feed(receiver, [header + b"x"]).messages == []
    with receiver.space() as space:  # type: ignore[union-attr]
        assert len(space) == MIB - 1


def test_a_short_read_leaves_the_rest_of_the_space() -> None:
    gathering = Gathering()
    gathering.begin(bytes(20 * KIB), 20 * KIB)
    for left, count in ((20 * KIB, 1), (20 * KIB - 1, 20 * KIB - 2), (1, 1)):
        with gathering.space() as space:  # type: ignore[union-attr]
            assert len(space) == left  # also where it would not be worth it any more
            space[:count] = b"x" * count
        gathering.filled(count)
    assert gathering.take() == bytes(20 * KIB) + b"x" * 20 * KIB


@pytest.mark.parametrize("size", [15 * KIB, 16 * KIB + 1, MIB, 1 << 29])
def test_what_is_announced_gets_no_space(size: int) -> None:
    receiver = connected("PULL")
    tracemalloc.start()
    try:
        receiver.receive_data(frame_header(0, size) + b"x")
        assert receiver.next_batch(1) == []
        assert receiver.space() is None
        receiver.receive_data(b"x" * KIB)
        assert receiver.space() is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * KIB


def test_a_believed_peer_gets_so_much_and_no_more() -> None:
    gathering = Gathering()
    gathering.begin(bytes(6 * MIB), 0)
    assert len(gathering.take()) == 6 * MIB
    gathering.begin(b"x", 1 << 29)
    with gathering.space() as space:  # type: ignore[union-attr]
        assert len(space) == 4 * MIB - 1


def test_before_the_traffic_and_without_frames_there_is_no_space() -> None:
    assert Connection(config("PULL")).space() is None
    raw = RawConnection()
    raw.space()
