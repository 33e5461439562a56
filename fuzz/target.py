"""What is fuzzed, and what must hold: any input parses or raises the remote error, whole and in pieces the same.

An input begins with three octets of choices, the rest is what the peer sends:

    0  the type of our socket, and whether it is the bound side
    1  how far a well-behaved peer has come before the rest arrives (``BEGINNINGS``)
    2  the sizes of the pieces, and of the batches taken, in the third run

This file needs no fuzzer, so that the tests run it over the seeds, and a finding can be replayed with a debugger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.wire.harness import COMPATIBLE, SIGNATURE, Outcome, bytewise, config, connected, cut, feed, greeting, ready
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame

TYPES = list(COMPATIBLE)
MAX_MESSAGE, MAX_FRAMES, MAX_PROPERTIES, MAX_HANDSHAKE = 4000, 20, 10, 2000


def _beginnings(socket_type: str) -> list[bytes]:
    peer = COMPATIBLE[socket_type].split()[0]
    return [
        b"",
        SIGNATURE,
        greeting(),
        greeting(minor=0),
        greeting() + ready(peer),
        greeting(minor=0) + ready(peer),
        SIGNATURE + b"\x01\x05\0\0",  # ZMTP 2.0
        SIGNATURE + b"\0\x05\x01\0",  # revision 0
        b"\x01\0",  # ZMTP 1.0
    ]


BEGINNINGS = len(_beginnings("PAIR"))


def new_connection(socket_type: str, server: bool) -> Connection:
    """A connection with limits that short inputs reach."""
    connection = Connection(
        config(
            socket_type,
            server=server,
            max_message_size=MAX_MESSAGE,
            max_frames=MAX_FRAMES,
            max_properties=MAX_PROPERTIES,
            max_handshake_size=MAX_HANDSHAKE,
        )
    )
    connection.start()
    return connection


def check(data: bytes) -> None:
    """Run one input; AssertionError, or any other than the remote error, is a finding."""
    if len(data) < 3:
        return
    socket_type = TYPES[data[0] % len(TYPES)]
    server = data[0] >= 128
    beginnings = _beginnings(socket_type)
    stream = beginnings[data[1] % len(beginnings)] + data[3:]
    size = data[2] % 16 + 2

    def run(chunks: Iterable[bytes], most: int) -> Outcome:
        outcome = feed(new_connection(socket_type, server), chunks, most, eof=True)
        _check_limits(outcome)
        return outcome

    whole = run([stream], 1000)
    for other in (
        run(bytewise(stream), 1000),
        run(cut(stream, [size] * (len(stream) // size)), data[2] // 16 + 1),
        run([stream], 1),
    ):
        assert other == whole, f"{whole}\n in pieces became\n{other}"
    _check_round_trip(socket_type, whole.messages)


def _check_limits(outcome: Outcome) -> None:
    for message in outcome.messages:
        frames = [message] if isinstance(message, bytes) else message
        assert len(frames) <= MAX_FRAMES
        assert sum(map(len, frames)) <= MAX_MESSAGE + len("\x01")  # a SUBSCRIBE may stand for its topic


def _check_round_trip(socket_type: str, messages: list[Packed]) -> None:
    """What was received could be sent on."""
    peer = COMPATIBLE[socket_type].split()[0]
    sender = connected(peer)
    # a SUB sends what looks like a subscription as a command, and only a publisher takes that for the same message
    assert feed(connected(socket_type), sender.encode(messages)).messages == messages


def seeds() -> Iterator[bytes]:
    """Inputs from which a fuzzer finds the rest: every piece of the protocol, after every beginning that it could follow."""
    pieces = [
        b"",
        SIGNATURE[:9] + b"\0",
        greeting()[10:],
        greeting(mechanism=b"PLAIN")[10:],
        ready(None),
        ready("DEALER", ("Identity", b"me"), ("X-a", b"b")),
        ready("SUB", ("Identity", b"\0")),
        command_frame(make_command(b"SUBSCRIBE", b"A")) + command_frame(make_command(b"CANCEL", b"A")),
        command_frame(make_command(b"PING", b"\0\x01ctx")) * 3,
        command_frame(make_command(b"PONG")) + command_frame(make_command(b"UNKNOWN")),
        command_frame(make_error("400")),
        b"\0\x01a" * 20 + b"\x01\x01a\0\x01b" * 20,
        b"\x01\x01a\x04\x05\x04PONG\0\x01b",
        b"\x02" + (300).to_bytes(8, "big") + bytes(300),
        b"\x02" + (1 << 40).to_bytes(8, "big"),
        b"\x02" + b"\xff" * 8,
        b"\x04\0" + b"\x05\x03\x04AB",
        b"\x01\0" * (MAX_FRAMES + 1),
        b"\x06\0\x01\x02a\x01a",  # version 1 frames
        b"\xff" + (300).to_bytes(8, "big") + b"\0" + bytes(299),
    ]
    for beginning in range(BEGINNINGS):
        for number, piece in enumerate(pieces):
            for kind in (number % len(TYPES), 128 + TYPES.index("ROUTER")):
                yield bytes((kind, beginning, number * 16 % 256 + number)) + piece
