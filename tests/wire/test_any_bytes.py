"""The one invariant: any input parses or raises the remote error, the same in one chunk and byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.harness import (
    COMPATIBLE,
    SIGNATURE,
    bytewise,
    config,
    cut,
    feed,
    greeting,
    introduce,
    pair,
    ready,
    started,
)
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame

PIECES = [
    SIGNATURE,
    SIGNATURE[:9],
    b"\x01\x05",
    b"\x00\x05",
    greeting(),
    greeting(minor=0),
    greeting(mechanism=b"PLAIN"),
    greeting()[10:],
    ready("DEALER"),
    ready("SUB"),
    ready(None),
    ready("DEALER", ("Identity", b"\0")),
    command_frame(make_command(b"SUBSCRIBE", b"A")),
    command_frame(make_command(b"PING", b"\0\x01ctx")),
    command_frame(make_command(b"PING", b"\0")),
    command_frame(make_error("no")),
    b"\0\0",
    b"\x01\0",
    b"\0\x01a",
    b"\0\x01a" * 20,
    b"\x01\x01a\0\x01b" * 20,
    b"\x02" + (300).to_bytes(8, "big") + bytes(300),
    b"\x02" + (1 << 40).to_bytes(8, "big"),
    b"\x04\0",
    b"\xff",
]

inputs = st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=12).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["ROUTER", "XPUB", "SUB"]), inputs | inputs.map(lambda data: greeting() + ready("DEALER") + data)
)
def test_any_input_parses_or_raises_the_remote_error(socket_type: str, data: bytes) -> None:
    def run(chunks: list[bytes], most: int) -> object:
        accepts = frozenset({"DEALER", "SUB", "PUB"})
        return feed(started(socket_type, accepts=accepts, max_frames=10), chunks, most, eof=True)

    whole = run([data], 1000)
    assert whole == run(list(bytewise(data)), 1000)
    assert whole == run([data], 1)
    assert whole == run(list(cut(data, [7] * (len(data) // 7))), 3)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_streams(data: st.DataObject) -> None:
    stream = bytearray(greeting() + ready("DEALER") + b"\x01\x01a\0\x01b" * 10 + b"\0\x05hello" * 10)
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    whole = feed(started("ROUTER"), [bytes(stream)], eof=True)
    assert whole == feed(started("ROUTER"), bytewise(bytes(stream)), eof=True)


@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one, others in COMPATIBLE.items() for other in others.split()]
)
def test_every_compatible_pair(one: str, other: str) -> None:
    batch: list[Packed] = [
        b"",
        b"\x02x",
        [b"a", b"b"],
        [b"", b"x" * 300, b""],
        b"y" * 70_000,
        *[b"run"] * 30,
        *[[b"t", b"b"]] * 30,
    ]
    for sender, receiver in (pair(one, other), pair(one, other)[::-1]):
        assert feed(receiver, sender.encode(batch)).messages == batch
        sender.ping(1.0, b"ctx")
        pong = feed(receiver, [sender.data_to_send()]).sent
        assert pong == command_frame(make_command(b"PONG", b"ctx"))
        assert feed(sender, [pong]).messages == []


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_handshake_in_pieces(chunk: int) -> None:
    dealer, router = Connection(config("DEALER", identity=b"me")), Connection(config("ROUTER"))
    introduce(dealer, router, chunk)
    assert router.peer.identity == b"me"
    assert router.peer.socket_type == "DEALER"
