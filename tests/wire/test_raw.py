"""The connection of a STREAM: bytes as they are, no matter which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trizmq.wire.raw import RawConnection


def test_it_is_ready_from_the_first_octet_and_says_nothing() -> None:
    connection = RawConnection()
    assert connection.ready
    assert not connection.authenticating
    assert connection.data_to_send() == b""
    assert (connection.peer.socket_type, connection.peer.identity, connection.peer.mechanism) == ("", b"", "")
    connection.ping(1.0)
    assert connection.data_to_send() == b"", "a PING would be bytes that nobody asked for"
    assert connection.peer_ttl == 0.0


def test_what_one_read_gave_is_one_message() -> None:
    connection = RawConnection()
    assert not connection.has_input
    assert connection.next_batch(10) == []
    connection.receive_data(b"GET / HTTP/1.0\r\n")
    assert connection.has_input
    assert connection.next_batch(10) == [b"GET / HTTP/1.0\r\n"]
    assert not connection.has_input
    assert connection.next_batch(10) == []
    connection.receive_eof()


def test_nothing_is_lost_when_nobody_asked_in_between() -> None:
    connection = RawConnection()
    connection.receive_data(b"a")
    connection.receive_data(b"b")
    assert connection.next_batch(1) == [b"ab"]


def test_the_short_way_keeps_the_order() -> None:
    connection = RawConnection()
    assert connection.whole(b"a") == b"a"
    assert not connection.has_input
    connection.receive_data(b"b")
    assert connection.whole(b"c") is None
    connection.receive_data(b"c")
    assert connection.next_batch(1) == [b"bc"]


def test_a_greeting_of_zmtp_is_only_bytes() -> None:
    connection = RawConnection()
    connection.receive_data(b"\xff" + bytes(8) + b"\x7f\x03")
    assert connection.next_batch(1) == [b"\xff" + bytes(8) + b"\x7f\x03"]
    assert connection.data_to_send() == b""


def test_reads_do_not_grow() -> None:
    connection = RawConnection()
    size = connection.read_size
    connection.receive_data(bytes(size))
    assert connection.read_size == size == 65536


@given(st.lists(st.binary(max_size=5000)))
def test_what_is_written_is_what_was_given_in_order(chunks: list[bytes]) -> None:
    assert b"".join(RawConnection.encode(chunks)) == b"".join(chunks)


@pytest.mark.parametrize(
    ("sizes", "buffers"),
    [
        ([1], [1]),
        ([1, 2, 3], [6]),
        ([2047, 2048, 1, 1, 5000, 5000, 7], [2047, 2048, 2, 5000, 5000, 7]),
        ([2048], [2048]),
    ],
)
def test_small_chunks_share_a_buffer_and_large_ones_are_not_copied(sizes: list[int], buffers: list[int]) -> None:
    chunks = [bytes(size) for size in sizes]
    encoded = RawConnection.encode(chunks)
    assert [len(buffer) for buffer in encoded] == buffers
    large = [chunk for chunk in chunks if len(chunk) >= 2048]
    assert [id(buffer) for buffer in encoded if len(buffer) >= 2048] == [id(chunk) for chunk in large]
