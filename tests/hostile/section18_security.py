"""The rows of section 18 of the wire reference about security: 11 and 76 to 98, and what has to come of each.

``test_section18_security.py`` runs it. As in ``section18.py``, ``differs`` says why an outcome is not libzmq's.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from nacl import bindings

from tests.hostile.section18 import SIGNATURE, Closed, Cut, Serves, command, frame, greeting, metadata, ready
from tests.wire.secure import C, HandClient, HandServer, message

MOST = 2**64 - 1


class Read(enum.Enum):
    """A step of a row: wait for what the other side says next. Its greeting comes without being waited for."""

    FRAME = enum.auto()


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


# ---- who attacks a server


@dataclass
class Client:
    """The attacker's side of a conversation with a server: what it knows by now, and what it can say."""

    kind: bytes  #: the socket type that it tells
    hand: HandClient = field(default_factory=lambda: HandClient(x_secret=os.urandom(32)))
    server_x: bytes = b""
    cookie: bytes = b""

    @property
    def metadata(self) -> bytes:
        return metadata(b"Socket-Type", self.kind)

    def heard(self, body: bytes) -> None:
        """Take a command of the server's handshake."""
        if body.startswith(b"\7WELCOME") and len(body) > 8:
            self.server_x, self.cookie = self.hand.open_welcome(body)

    def hello(self, change: Callable[[bytes], bytes] = bytes, **parts: bytes) -> bytes:
        return frame(change(self.hand.hello(**parts)), 4)

    def initiate(self, change: Callable[[bytes], bytes] = bytes, **parts: bytes) -> bytes:
        body = self.hand.initiate(self.server_x, self.cookie, **{"metadata": self.metadata, **parts})
        return frame(change(body), 4)

    def sealed(self, nonce: int, text: bytes, prefix: bytes = b"CurveZMQMESSAGEC") -> bytes:
        """The body of a MESSAGE; the text begins with the flags."""
        return message(nonce, text, self.server_x, self.hand.x_secret, prefix)

    def opened(self, body: bytes) -> bytes:
        """The text of a MESSAGE of the server's."""
        assert body.startswith(b"\7MESSAGE")
        return bindings.crypto_box_open(body[16:], b"CurveZMQMESSAGES" + body[8:16], self.server_x, self.hand.x_secret)


#: Bytes, or what makes them of what is known by then; one segment each.
Step = bytes | Callable[[Client], bytes] | Read


@dataclass(frozen=True)
class ServerRow:
    """One input to a server."""

    number: int
    what: str
    mechanism: str
    sends: tuple[Step, ...]
    outcome: Closed | Cut | Serves
    differs: str = ""


NULL, PLAIN, CURVE = "NULL", "PLAIN", "CURVE"
AFTER_A = Serves(([b"a"],))
UNPROBED = Serves(([b"a"],), probed=False)

OLD = {
    "1.0": b"\x01\0" + b"\0\x02a",
    "1.0 (revision 0)": SIGNATURE + b"\0\x05\x01\0" + b"\0\x02a",
    "2.0": SIGNATURE + b"\x01\x05\0\0" + b"\0\x01a",
}


def plain_hello(username: bytes, password: bytes) -> bytes:
    return command(b"HELLO", bytes((len(username),)) + username + bytes((len(password),)) + password)


def plain_initiate(client: Client) -> bytes:
    return command(b"INITIATE", client.metadata)


P = greeting(b"PLAIN")
HELLO = plain_hello(b"ann", b"secret")
A = b"\0\x01a"

K = greeting(b"CURVE")
WELCOMED: tuple[Step, ...] = (K, Client.hello, Read.FRAME)
IN: tuple[Step, ...] = (*WELCOMED, Client.initiate, Read.FRAME)
UNSEALED = "a frame that is no CURVE MESSAGE"
FORGED = "its box does not open"


def sent(*texts: tuple[int, bytes]) -> Step:
    """MESSAGEs: nonces and texts."""
    return lambda client: b"".join(frame(client.sealed(*text)) for text in texts)


AT_SERVERS = [
    *(
        ServerRow(11, f"ZMTP {version} at {mechanism}", mechanism, (data,), Closed(f"the peer speaks ZMTP {version}"))
        for version, data in OLD.items()
        for mechanism in (NULL, PLAIN, CURVE)
    ),
    # ---- PLAIN
    *(
        ServerRow(76, f"HELLO {what}", PLAIN, (P + command(b"HELLO", data),), Closed(cause))
        for what, data, cause in (
            ("without a user", b"", "it has no user name"),
            ("whose user overruns", b"\x09ann", "its user name ends beyond it"),
            ("without a password", b"\x03ann", "it has no password"),
            ("whose password overruns", b"\x03ann\x09secret", "its password ends beyond it"),
            ("with a trailing octet", b"\x03ann\x06secret!", "1 bytes after the password"),
        )
    ),
    ServerRow(77, "an empty command", PLAIN, (P + b"\x04\0",), Closed("malformed command")),
    ServerRow(77, "a command of one octet", PLAIN, (P + b"\x04\x01\x05",), Closed("malformed command")),
    ServerRow(78, "INITIATE first", PLAIN, (P, plain_initiate), Closed("unexpected command b'INITIATE'")),
    ServerRow(78, "HELLO twice", PLAIN, (P + HELLO, Read.FRAME, HELLO), Closed("unexpected command b'HELLO'")),
    ServerRow(78, "ERROR", PLAIN, (P + command(b"ERROR", b"\x03400"),), Closed("unexpected command b'ERROR'")),
    ServerRow(
        79,
        "HELLO and INITIATE at once",
        PLAIN,
        (P, lambda client: HELLO + plain_initiate(client), Read.FRAME, Read.FRAME, A),
        AFTER_A,
        differs="libzmq closes; who does not wait for WELCOME has told its password all the same",
    ),
    ServerRow(
        80,
        "INITIATE with bad metadata",
        PLAIN,
        (P + HELLO, Read.FRAME, command(b"INITIATE", b"\x05Hello")),
        Closed("malformed metadata"),
    ),
    ServerRow(
        82,
        "zeros in the user name",
        PLAIN,
        (P + plain_hello(b"\0a\0", b""), Read.FRAME, plain_initiate, Read.FRAME, A),
        AFTER_A,
    ),
    # ---- CURVE
    ServerRow(83, "HELLO of 199", CURVE, (K, lambda client: client.hello(lambda body: body[:-1])), Closed("193 bytes")),
    ServerRow(
        83, "HELLO of 201", CURVE, (K, lambda client: client.hello(lambda body: body + b"\0")), Closed("195 bytes")
    ),
    *(
        ServerRow(
            83,
            f"version {version[0]}.{version[1]}",
            CURVE,
            (K, partial(Client.hello, version=version)),
            Closed(f"CURVE version {version[0]}.{version[1]}"),
        )
        for version in (b"\1\1", b"\2\0")
    ),
    ServerRow(
        84,
        "HELLO with other padding",
        CURVE,
        (K, lambda client: client.hello(padding=bytes(71) + b"\1")),
        Closed("padding is not zeros"),
        differs="libzmq does not look at it",
    ),
    ServerRow(
        84,
        "HELLO with other content",
        CURVE,
        (K, lambda client: client.hello(proof=bytes(63) + b"\1")),
        Closed("content is not zeros"),
        differs="libzmq does not look at it",
    ),
    ServerRow(
        85, "HELLO damaged", CURVE, (K, lambda client: client.hello(lambda body: damaged(body, 150))), Closed(FORGED)
    ),
    ServerRow(85, "C' of zeros", CURVE, (K, lambda client: client.hello(x_public=bytes(32))), Closed("no usable key")),
    ServerRow(86, "HELLO twice", CURVE, (*WELCOMED, Client.hello), Closed("unexpected command b'HELLO'")),
    *(
        ServerRow(
            87,
            f"{what} damaged",
            CURVE,
            (*WELCOMED, partial(Client.initiate, change=partial(damaged, at=at))),
            Closed(cause),
        )
        for what, at, cause in (("the cookie", 50, "another cookie"), ("INITIATE", 150, FORGED))
    ),
    ServerRow(
        87,
        "the vouch damaged",
        CURVE,
        (*WELCOMED, lambda client: client.initiate(vouch=bytes(96))),
        Closed("the vouch in the CURVE handshake is not genuine"),
    ),
    ServerRow(
        88,
        "a vouch for another server",
        CURVE,
        (*WELCOMED, lambda client: client.initiate(vouched_server=C)),
        Closed("for another connection or another server"),
        differs="libzmq does not compare it",
    ),
    ServerRow(
        89,
        "a vouch for another connection",
        CURVE,
        (*WELCOMED, lambda client: client.initiate(vouched_x=C)),
        Closed("for another connection or another server"),
    ),
    ServerRow(
        90,
        "INITIATE of 256",
        CURVE,
        (*WELCOMED, lambda client: client.initiate(lambda body: body[:256])),
        Closed("247 bytes"),
    ),
    ServerRow(
        90,
        "INITIATE without metadata",
        CURVE,
        (*WELCOMED, lambda client: client.initiate(metadata=b""), Read.FRAME, sent((3, b"\0a"))),
        AFTER_A,
    ),
    ServerRow(
        91,
        "MESSAGE in a command frame",
        CURVE,
        (*IN, lambda client: frame(client.sealed(3, b"\0a"), 4)),
        AFTER_A,
        differs="libzmq drops it without a word; RFC 37 wants it so",
    ),
    ServerRow(92, "a nonce again", CURVE, (*IN, sent((3, b"\0a"), (3, b"\0a"))), Cut("whose nonce is not above")),
    ServerRow(92, "a lower nonce", CURVE, (*IN, sent((9, b"\0a"), (8, b"\0a"))), Cut("whose nonce is not above")),
    ServerRow(92, "gaps", CURVE, (*IN, sent((3, b"\0a"), (900, b"\0b"))), Serves(([b"a"], [b"b"]))),
    ServerRow(92, "the last nonce", CURVE, (*IN, sent((MOST, b"\0a"))), UNPROBED),
    ServerRow(
        93,
        "the other direction's prefix",
        CURVE,
        (*IN, lambda client: frame(client.sealed(3, b"\0a", b"CurveZMQMESSAGES"))),
        Cut(FORGED),
    ),
    ServerRow(
        93, "MESSAGE damaged", CURVE, (*IN, lambda client: frame(damaged(client.sealed(3, b"\0a"), 30))), Cut(FORGED)
    ),
    ServerRow(93, "MESSAGE of 32", CURVE, (*IN, lambda client: frame(client.sealed(3, b"\0")[:32])), Cut(UNSEALED)),
    ServerRow(94, "a message in the clear", CURVE, (*IN, A), Cut(UNSEALED)),
    ServerRow(94, "a PING in the clear", CURVE, (*IN, command(b"PING", b"\0\0")), Cut(UNSEALED)),
    ServerRow(94, "an empty frame in the clear", CURVE, (*IN, b"\0\0"), Cut(UNSEALED)),
    ServerRow(95, "other flags inside", CURVE, (*IN, sent((3, b"\xfca"))), AFTER_A),
]


# ---- who attacks a client


@dataclass
class Server:
    """The attacker's side of a conversation with a client."""

    hand: HandServer = field(default_factory=lambda: HandServer(x_secret=os.urandom(32)))
    client_x: bytes = b""

    def heard(self, body: bytes) -> None:
        """Take a command of the client's handshake."""
        if body.startswith(b"\5HELLO") and len(body) == 200:
            self.client_x = body[80:112]

    def welcome(self, change: Callable[[bytes], bytes] = bytes) -> bytes:
        return frame(change(self.hand.welcome(self.client_x)), 4)

    def ready(self, change: Callable[[bytes], bytes] = bytes) -> bytes:
        return frame(change(self.hand.ready(self.client_x)), 4)


@dataclass(frozen=True)
class ClientRow:
    """What a server says to a client, which reads a command before each."""

    number: int
    what: str
    mechanism: str
    answers: tuple[bytes | Callable[[Server], bytes], ...]
    cause: str


#: libzmq gives up for ever where a client of ours comes again, with its usual back-off: one bad server must not be able to.
AT_CLIENTS = [
    ClientRow(81, "WELCOME with data", PLAIN, (command(b"WELCOME", b"!"),), "malformed WELCOME"),
    ClientRow(81, "READY early", PLAIN, (ready(kind=b"ROUTER"),), "unexpected command b'READY'"),
    ClientRow(81, "bad metadata", PLAIN, (command(b"WELCOME"), command(b"READY", b"\x05Hello")), "malformed metadata"),
    ClientRow(96, "WELCOME of 167", CURVE, (lambda server: server.welcome(lambda body: body[:-1]),), "159 bytes"),
    ClientRow(96, "WELCOME damaged", CURVE, (lambda server: server.welcome(lambda body: damaged(body, 100)),), FORGED),
    ClientRow(96, "READY early", CURVE, (Server.ready,), "unexpected command b'READY'"),
    ClientRow(
        96,
        "READY damaged",
        CURVE,
        (Server.welcome, lambda server: server.ready(lambda body: damaged(body, 20))),
        FORGED,
    ),
]


# ---- what a ZAP handler answers


@dataclass(frozen=True)
class ZapRow:
    """The frames of a handler's answer after the delimiter, and what the event says."""

    number: int
    what: str
    answer: tuple[bytes, ...]
    cause: str
    code: int
    differs: str = ""


AT_ZAP = [
    ZapRow(97, "five frames", (b"1.0", b"1", b"200", b"", b""), "6 frames", 0x20000001),
    ZapRow(97, "seven frames", (b"1.0", b"1", b"200", b"", b"", b"", b""), "8 frames", 0x20000001),
    ZapRow(97, "version 1.1", (b"1.1", b"1", b"200", b"", b"", b""), "version b'1.1'", 0x20000003),
    ZapRow(97, "a wrong id", (b"1.0", b"2", b"200", b"", b"", b""), "another question", 0x20000002),
    ZapRow(97, "status 299", (b"1.0", b"1", b"299", b"", b"", b""), "status '299'", 0x20000004),
    ZapRow(97, "status 200x", (b"1.0", b"1", b"200x", b"", b"", b""), "status '200x'", 0x20000004),
    ZapRow(97, "bad metadata", (b"1.0", b"1", b"200", b"", b"", b"\x05Hello"), "wrong metadata", 0x20000005),
    ZapRow(
        98,
        "status 300",
        (b"1.0", b"1", b"300", b"not now", b"", b""),
        "not now",
        300,
        differs="libzmq leaves the connection open until its handshake timer ends it",
    ),
]

#: How each mechanism comes to the question.
BEFORE_ZAP: dict[str, tuple[Step, ...]] = {
    NULL: (greeting(), lambda client: ready(kind=client.kind)),
    PLAIN: (P, HELLO),
    CURVE: (*WELCOMED, Client.initiate),
}

_ROWS: list[ServerRow | ClientRow | ZapRow] = [*AT_SERVERS, *AT_CLIENTS, *AT_ZAP]
NUMBERS = {row.number for row in _ROWS}
