"""What is fuzzed, and what must hold: any input parses or raises the remote error, whole and in pieces the same.

An input begins with three octets of choices, the rest is what the peer sends:

    0  the type of our socket, and whether it is the bound side
    1  how far a well-behaved peer has come before the rest arrives, under which mechanism (``beginnings``)
    2  the sizes of the pieces, and of the batches taken, in the third run

All keys and all that is random is known. So under CURVE the rest can also be what is *in* the boxes: no fuzzer finds one that
opens, and what comes of an authenticated peer's rubbish is a question of its own. Under GSSAPI the tokens can be read.

This file needs no fuzzer, so that the tests run it over the seeds, and a finding can be replayed with a debugger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from fuzz.tickets import AGAIN, TICKET, WELCOME, ReadableContext
from tests.wire.harness import COMPATIBLE, SIGNATURE, Outcome, bytewise, config, connected, cut, feed, greeting, ready
from tests.wire.secure import (
    CLIENT_KEYS,
    CX,
    CX_SECRET,
    SERVER_KEYS,
    SX,
    SX_SECRET,
    HandClient,
    HandServer,
    client_random,
    server_random,
)
from tests.wire.secure import message as seal
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error, make_metadata
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame
from trizmq.wire.mechanisms.base import Mechanism, OurSide
from trizmq.wire.mechanisms.curve import CurveClient, CurveServer
from trizmq.wire.mechanisms.gssapi import GssapiClient, GssapiServer
from trizmq.wire.mechanisms.null import AskingNull, Null
from trizmq.wire.mechanisms.plain import Credentials, PlainClient, PlainServer

TYPES = list(COMPATIBLE)
MAX_MESSAGE, MAX_FRAMES, MAX_PROPERTIES, MAX_HANDSHAKE = 4000, 20, 10, 2000


@dataclass(frozen=True)
class Beginning:
    """What a peer has said before the rest, what is made of the rest, and what our authenticator says to it."""

    said: bytes = b""
    mechanism: Callable[[OurSide], Mechanism] = Null
    wrap: Callable[[bytes], bytes] = bytes
    status: str = "200"


def _curve_server(side: OurSide) -> Mechanism:
    return CurveServer(side, SERVER_KEYS, server_random())


def _curve_client(side: OurSide) -> Mechanism:
    return CurveClient(side, CLIENT_KEYS, client_random())


def _plain_client(side: OurSide) -> Mechanism:
    return PlainClient(side, Credentials(b"ann", b"secret"))


def _gssapi_server(side: OurSide) -> Mechanism:
    return GssapiServer(side, partial(ReadableContext, True), plaintext=False)


def _gssapi_client(side: OurSide) -> Mechanism:
    return GssapiClient(side, partial(ReadableContext, False), plaintext=False)


def _gssapi_plaintext_server(side: OurSide) -> Mechanism:
    return GssapiServer(side, partial(ReadableContext, True), plaintext=True)


def _gssapi_plaintext_client(side: OurSide) -> Mechanism:
    return GssapiClient(side, partial(ReadableContext, False), plaintext=True)


def _token(token: bytes) -> bytes:
    """In its INITIATE."""
    return command_frame(make_command(b"INITIATE", len(token).to_bytes(4, "big") + token))


def _wrapped(_: int, text: bytes) -> bytes:
    """The text of a GSSAPI MESSAGE, wrapped."""
    token = ReadableContext(True).wrap(text)
    return make_command(b"MESSAGE", len(token).to_bytes(4, "big") + token)


@cache
def _welcome() -> bytes:
    """The body of the WELCOME that our server, whose random numbers are known, always answers."""
    server = _curve_server(OurSide(True, b""))
    server.receive(HandClient(x_secret=CX_SECRET).hello())
    (body,) = server.outgoing
    return body


def frame(body: bytes) -> bytes:
    """A message frame with a long size."""
    return b"\x02" + len(body).to_bytes(8, "big") + body


def _sealed(data: bytes, nonce: int, one: Callable[[int, bytes], bytes]) -> bytes:
    """The texts of MESSAGEs, each after its size in one octet, sealed."""
    frames = []
    while data:
        text, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        body = one(nonce, text)
        nonce += 1
        frames.append(frame(body))
    return b"".join(frames)


@cache
def beginnings(socket_type: str) -> list[Beginning]:
    """For a socket of this type; as many for all."""
    peer = COMPATIBLE[socket_type].split()[0]
    metadata = make_metadata([("Socket-Type", peer.encode())])
    plain, curve = greeting(mechanism=b"PLAIN"), greeting(mechanism=b"CURVE")

    hello = plain + command_frame(make_command(b"HELLO", b"\x03ann\x06secret"))
    initiate = hello + command_frame(make_command(b"INITIATE", metadata))
    welcome = plain + command_frame(make_command(b"WELCOME"))

    client, server = HandClient(x_secret=CX_SECRET), HandServer(x_secret=SX_SECRET)
    server_x, cookie = client.open_welcome(_welcome())
    assert server_x == SX
    curve_hello = curve + command_frame(client.hello())
    curve_welcome = curve + command_frame(server.welcome(CX))

    def say_initiate(told: bytes) -> bytes:
        return command_frame(client.initiate(server_x, cookie, metadata=told))

    def say_ready(told: bytes) -> bytes:
        return command_frame(server.ready(CX, told))

    gssapi = greeting(mechanism=b"GSSAPI")
    ticket = gssapi + _token(TICKET) + command_frame(b"")
    welcomed = gssapi + _token(WELCOME)
    gssapi_ready = frame(_wrapped(0, b"\0" + make_command(b"READY", metadata)))
    wrap = partial(_sealed, nonce=0, one=_wrapped)

    from_client = partial(seal, theirs=SX, secret=CX_SECRET)
    from_server = partial(seal, theirs=CX, secret=SX_SECRET, prefix=b"CurveZMQMESSAGES")
    return [
        Beginning(),
        Beginning(SIGNATURE),
        Beginning(greeting()),
        Beginning(greeting(minor=0)),
        Beginning(greeting() + ready(peer)),
        Beginning(greeting(minor=0) + ready(peer)),
        Beginning(SIGNATURE + b"\x01\x05\0\0"),  # ZMTP 2.0
        Beginning(SIGNATURE + b"\0\x05\x01\0"),  # revision 0
        Beginning(b"\x01\0"),  # ZMTP 1.0
        Beginning(b"", AskingNull),
        Beginning(greeting(), AskingNull),
        Beginning(greeting(), AskingNull, status="400"),
        Beginning(greeting() + ready(peer), AskingNull),
        Beginning(plain, PlainServer),
        Beginning(hello, PlainServer),
        Beginning(hello, PlainServer, status="400"),
        Beginning(initiate, PlainServer),
        Beginning(plain, _plain_client),
        Beginning(welcome, _plain_client),
        Beginning(welcome + ready(peer), _plain_client),
        Beginning(curve, _curve_server),
        Beginning(curve_hello, _curve_server),
        Beginning(curve_hello, _curve_server, say_initiate),
        Beginning(curve_hello, _curve_server, say_initiate, "500"),
        Beginning(curve_hello + say_initiate(metadata), _curve_server),
        Beginning(curve_hello + say_initiate(metadata), _curve_server, partial(_sealed, nonce=3, one=from_client)),
        Beginning(curve, _curve_client),
        Beginning(curve_welcome, _curve_client),
        Beginning(curve_welcome, _curve_client, say_ready),
        Beginning(curve_welcome + say_ready(metadata), _curve_client),
        Beginning(curve_welcome + say_ready(metadata), _curve_client, partial(_sealed, nonce=2, one=from_server)),
        Beginning(gssapi, _gssapi_server),
        Beginning(ticket, _gssapi_server),
        Beginning(ticket, _gssapi_server, wrap),
        Beginning(ticket, _gssapi_server, status="400"),
        Beginning(ticket + gssapi_ready, _gssapi_server),
        Beginning(ticket + gssapi_ready, _gssapi_server, wrap),
        Beginning(ticket, _gssapi_plaintext_server),
        Beginning(ticket + ready(peer), _gssapi_plaintext_server),
        Beginning(gssapi, _gssapi_client),
        Beginning(welcomed, _gssapi_client),
        Beginning(welcomed + gssapi_ready, _gssapi_client),
        Beginning(welcomed + gssapi_ready, _gssapi_client, wrap),
        Beginning(welcomed, _gssapi_plaintext_client),
        Beginning(welcomed + ready(peer), _gssapi_plaintext_client),
    ]


BEGINNINGS = len(beginnings("PAIR"))


def new_connection(socket_type: str, server: bool, mechanism: Callable[[OurSide], Mechanism] = Null) -> Connection:
    """A connection with limits that short inputs reach."""
    connection = Connection(
        config(
            socket_type,
            server=server,
            mechanism=mechanism,
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
    begun = beginnings(socket_type)[data[1] % BEGINNINGS]
    stream = begun.said + begun.wrap(data[3:])
    size = data[2] % 16 + 2

    def run(chunks: Iterable[bytes], most: int) -> Outcome:
        connection = new_connection(socket_type, server, begun.mechanism)
        outcome = feed(connection, chunks, most, eof=True, status=begun.status)
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
        command_frame(make_command(b"HELLO", b"\x03ann\x06secret")),
        command_frame(make_command(b"WELCOME")) + ready("DEALER"),
        command_frame(make_command(b"INITIATE", make_metadata([("Socket-Type", b"DEALER")]))),
        b"\x5eRROR\x03400",
        command_frame(b"\x5eRROR\x03400"),
        make_metadata([("Socket-Type", b"DEALER"), ("Identity", b"me")]),
        b"\x02\0a\x03\x01ab\x02\0c\x08\x02\x05PING\0\0\0",  # texts of MESSAGEs
        b"\x0d\x02\x09SUBSCRIBEA\x02\xfcb\0",
        command_frame(HandClient(x_secret=CX_SECRET).hello()),
        command_frame(HandServer(x_secret=SX_SECRET).welcome(CX)),
        b"\0\x2a" + seal(3, b"\0a", SX, CX_SECRET) * 2,
        b"\xff" + (300).to_bytes(8, "big") + b"\0" + bytes(299),
        _token(AGAIN) * 2 + _token(TICKET) + command_frame(b""),
        _token(AGAIN) + _token(WELCOME),
        frame(_wrapped(0, b"\0a")) + frame(_wrapped(0, b"\x04A")) + frame(_wrapped(0, b"\x08A")),
        frame(make_command(b"MESSAGE", b"\0\0\0\x02%")),
    ]
    for beginning in range(BEGINNINGS):
        for number, piece in enumerate(pieces):
            for kind in (number % len(TYPES), 128 + TYPES.index("ROUTER")):
                yield bytes((kind, beginning, 17 * number % 256)) + piece
