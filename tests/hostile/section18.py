"""The table of hostile inputs: section 18 of the wire reference, row by row, and what has to come of each.

``test_section18.py`` runs it. Where the outcome is not libzmq's, ``differs`` says why. What is about security is in
``section18_security.py``. What concerns parts that are not built yet stands in ``LATER``, with the part that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from trizmq import DropReason

#: Limits and times of the sockets under test.
MAX_MESSAGE_SIZE: Final = 100_000
HANDSHAKE_TIMEOUT: Final = 0.3

#: In an input: wait for the READY of the other side. Traffic after it is in order.
READ_READY: Final = None


@dataclass(frozen=True)
class Closed:
    """The connection is closed in its handshake, and the event's cause holds this text."""

    cause: str


@dataclass(frozen=True)
class Cut:
    """The connection is closed after its handshake, and the event's cause holds this text."""

    cause: str


@dataclass(frozen=True)
class Serves:
    """The connection goes on, and nothing else happens than is said here."""

    delivered: tuple[list[bytes], ...] = ()  #: what the application receives
    answer: bytes = b""  #: what the peer receives after READY, besides its PONG at the end
    drops: Mapping[DropReason, int] = field(default_factory=lambda: MappingProxyType({}))
    routing_id: bytes | None = None  #: as the event shows it
    probed: bool = True  #: at the end a PING is answered; False: the peer cannot send one then, it ends its side


WAITS: Final = Closed(f"did not complete the handshake within {HANDSHAKE_TIMEOUT:g} s")


@dataclass(frozen=True)
class Row:
    """One input."""

    number: int
    what: str
    sends: tuple[bytes | None, ...]  #: one segment each
    outcome: Closed | Cut | Serves
    ours: str = "ROUTER"  #: the socket types that are tried
    differs: str = ""


SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"
#: The peer that is welcome to each type.
WELCOME = {
    "ROUTER": b"DEALER",
    "REP": b"REQ",
    "PULL": b"PUSH",
    "DEALER": b"DEALER",
    "PUB": b"SUB",
    "XPUB": b"SUB",
    "SUB": b"PUB",
    "PAIR": b"PAIR",
    "PUSH": b"PULL",
}


def greeting(mechanism: bytes = b"NULL", major: int = 3, minor: int = 1, as_server: int = 0, filler: int = 0) -> bytes:
    return SIGNATURE + bytes((major, minor)) + mechanism.ljust(20, b"\0") + bytes((as_server,)) + bytes((filler,)) * 31


def frame(body: bytes, flags: int = 0, *, long: bool = False) -> bytes:
    if long or len(body) > 255:
        return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body
    return bytes((flags, len(body))) + body


def command(name: bytes, data: bytes = b"") -> bytes:
    return frame(bytes((len(name),)) + name + data, 4)


def metadata(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value


def ready(*properties: bytes, kind: bytes = b"DEALER") -> bytes:
    return command(b"READY", metadata(b"Socket-Type", kind) + b"".join(properties))


def identity(value: bytes) -> bytes:
    return metadata(b"Identity", value)


G = greeting()
R = ready()


def shaken(ours: str) -> tuple[bytes, None]:
    """A good beginning."""
    return G + ready(kind=WELCOME[ours]), READ_READY


S = shaken("ROUTER")
A = b"\0\x01a"  # a message
PONG = command(b"PONG")
GOT_A = Serves(([b"a"],))
BOUND = "ROUTER PULL XPUB"

BUILT = [
    # ---- greeting
    Row(1, "HTTP", (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",), WAITS, BOUND),
    Row(2, "a zero", (b"\0",), Closed("length 0"), BOUND),
    Row(3, "FF and silence", (b"\xff",), WAITS, BOUND),
    Row(
        4,
        "a long identity header of ZMTP 1.0",
        (b"\xff" + bytes(7) + b"\x01\0\x02\0a",),
        Serves(([b"a"],), probed=False),
    ),
    Row(5, "1.0, then a frame of length 0", (b"\x01\0\0",), Cut("length 0"), "ROUTER PULL"),
    Row(6, "1.0, then a long frame of length 0", (b"\x01\0\xff" + bytes(8) + b"\0",), Cut("length 0"), "ROUTER PULL"),
    Row(
        7, "1.0, then a huge length", (b"\x01\0\xff\x7f" + b"\xff" * 7 + b"\0",), Cut("more than 100000"), "ROUTER PULL"
    ),
    Row(8, "2.0 of type PUB", (SIGNATURE + b"\x01\x01\0\0" + A,), Serves(([b"a"],), probed=False)),
    Row(9, "2.0 of no known type", (SIGNATURE + b"\x01\xee\0\0" + A,), Serves(([b"a"],), probed=False)),
    Row(10, "revision 0", (SIGNATURE + b"\0\x05\x01\0\x02\0a",), Serves(([b"a"],), probed=False)),
    Row(12, "major 2", (greeting(major=2) + R, READ_READY, A), GOT_A),
    Row(13, "major 4", (greeting(major=4) + R, READ_READY, A), GOT_A),
    Row(13, "major FF", (greeting(major=255) + R, READ_READY, A), GOT_A),
    Row(13, "minor 2", (greeting(minor=2) + R, READ_READY, A), GOT_A),
    Row(14, "other padding", (b"\xff" + b"\xaa" * 8 + b"\x01" + G[10:] + R, READ_READY, A), GOT_A),
    *(
        Row(15, f"the mechanism {name!r}", (greeting(name),), Closed("security mechanism"), BOUND)
        for name in (b"null", b"NULL\0x", b"NULL   ", b"", b"N" * 20)
    ),
    Row(16, "as-server 1", (greeting(as_server=1) + R, READ_READY, A), GOT_A),
    Row(16, "as-server FF, filler 55", (greeting(as_server=255, filler=0x55) + R, READ_READY, A), GOT_A),
    Row(17, "an octet per segment", (*(bytes((octet,)) for octet in G + R), READ_READY, A), GOT_A),
    Row(18, "a greeting and silence", (G,), WAITS, BOUND),
    # ---- the handshake
    Row(19, "an empty command", (G + b"\x04\0",), Closed("malformed command"), BOUND),
    Row(20, "a command's name overruns", (G + b"\x04\x02\x09A",), Closed("malformed command"), BOUND),
    Row(21, "an unknown command", (G + command(b"HELLO"),), Closed("unexpected command b'HELLO'"), BOUND),
    Row(22, "a message", (G + b"\0\x01x",), Closed("malformed command"), BOUND),
    Row(23, "a PING", (G + command(b"PING", b"\0\0"),), Closed("unexpected command b'PING'"), BOUND),
    Row(24, "ready in lower case", (G + R.replace(b"READY", b"ready"),), Closed("unexpected command b'ready'"), BOUND),
    *(
        Row(25, f"READY with flags {flags:02X}", (G + bytes((flags,)) + R[1:], READ_READY, A), GOT_A)
        for flags in (0x00, 0x05, 0xFC)
    ),
    Row(25, "READY in the long form", (G + frame(R[2:], 4, long=True), READ_READY, A), GOT_A),
    Row(26, "READY without metadata", (G + command(b"READY"), READ_READY, A), GOT_A),
    Row(27, "the wrong type", (G + ready(kind=b"PUB"),), Closed("the peer is a 'PUB'"), BOUND),
    Row(27, "the type in lower case", (G + ready(kind=b"dealer"),), Closed("the peer is a 'dealer'"), BOUND),
    Row(
        28,
        "the wrong type as socket-type",
        (G + command(b"READY", metadata(b"socket-type", b"PUB")),),
        Closed("the peer is a 'PUB'"),
        BOUND,
        differs="libzmq lets it in unchecked; names do not depend on case (RFC 37)",
    ),
    Row(
        29,
        "names empty and of odd characters",
        (G + ready(metadata(b"", b"x"), metadata(b"\xff :", b"")), None, A),
        GOT_A,
    ),
    Row(30, "a property's name overruns", (G + ready(b"\xffabc"),), Closed("malformed metadata"), BOUND),
    Row(31, "a property's value overruns", (G + ready(b"\x01X\0\0\0\x05abc"),), Closed("malformed metadata"), BOUND),
    Row(31, "a value of 2^32-1 octets", (G + ready(b"\x01X\xff\xff\xff\xff"),), Closed("malformed metadata"), BOUND),
    Row(32, "a trailing octet", (G + ready(b"\0"),), Closed("malformed metadata"), BOUND),
    Row(33, "a second type, and wrong", (G + ready(metadata(b"Socket-Type", b"PUB")),), Closed("the peer is a 'PUB'")),
    Row(
        34,
        "two identities",
        (G + ready(identity(b"one"), identity(b"two")), READ_READY, A),
        Serves(([b"a"],), routing_id=b"two"),
    ),
    Row(
        35,
        "an identity of 256 octets",
        (G + ready(identity(b"x" * 256)),),
        Closed("identity of 256 bytes"),
        differs="libzmq takes it, and no later peer can be told from it",
    ),
    Row(
        36,
        "an identity that starts with a zero",
        (G + ready(identity(b"\0abcd")),),
        Closed("starts with a zero byte"),
        differs="libzmq takes it, and aborts when it is one of its own (37)",
    ),
    Row(
        38,
        "10,000 properties",
        (G + ready(*[metadata(b"X-a", b"b" * 8)] * 10_000),),
        Closed("more than 65535"),
        differs="libzmq takes them all",
    ),
    Row(
        38,
        "2,000 small properties",
        (G + ready(*[metadata(b"", b"")] * 2000),),
        Closed("more than 1024 properties"),
        differs="libzmq takes them all",
    ),
    Row(39, "READY of 2^63 octets", (G + b"\x06\x80" + bytes(7),), Closed("more than 65535"), BOUND),
    Row(39, "READY of 2^40 octets", (G + b"\x06" + (1 << 40).to_bytes(8, "big"),), Closed("more than 65535"), BOUND),
    Row(40, "READY over the limit", (G + b"\x06" + (65536).to_bytes(8, "big"),), Closed("more than 65535"), BOUND),
    Row(
        41, "ERROR 400", (G + command(b"ERROR", b"\x03400"),), Closed("refused the connection with ERROR '400'"), BOUND
    ),
    Row(42, "ERROR without its length", (G + command(b"ERROR"),), Closed("malformed ERROR"), BOUND),
    Row(42, "ERROR that overruns", (G + command(b"ERROR", b"\x09400"),), Closed("malformed ERROR"), BOUND),
    Row(43, "ERROR, then READY", (G + command(b"ERROR", b"\x03400") + R,), Closed("with ERROR '400'"), BOUND),
    Row(44, "READY and a message at once", (G + R + A,), GOT_A, differs="libzmq closes: a race in its handshake"),
    Row(45, "READY twice at once", (G + R + R + A,), GOT_A, differs="libzmq closes: a race in its handshake"),
    Row(45, "READY again", (*S, R + A), GOT_A),
    # ---- traffic
    Row(46, "reserved flags", (*S, b"\xf9\x01a\xf8\x01b"), Serves(([b"a", b"b"],))),
    Row(47, "a long form for little", (*S, frame(b"a", long=True)), GOT_A),
    *(
        Row(48, f"a frame of {size:#x} octets", (*S, A + b"\x02" + size.to_bytes(8, "big")), Cut("more than 100000"))
        for size in (2**64 - 1, 2**63 - 1)
    ),
    Row(
        49,
        "a frame of 8 GiB",
        (*S, b"\x02" + (1 << 33).to_bytes(8, "big")),
        Cut("more than 100000"),
        differs="libzmq reserves the memory",
    ),
    Row(
        49,
        "a frame of what is allowed, announced only",
        (*S, b"\x02" + (100_000).to_bytes(8, "big")),
        Serves(probed=False),
    ),
    Row(50, "a frame over the limit", (*S, b"\x02" + (100_001).to_bytes(8, "big")), Cut("more than 100000")),
    Row(
        50,
        "many frames below the limit",
        (*S, frame(bytes(50_000), 1) * 3),
        Cut("more than 100000"),
        differs="libzmq has no limit for all frames together",
    ),
    Row(50, "very many empty frames", (*S, b"\x01\0" * 65_537), Cut("65536"), differs="libzmq has no such limit"),
    Row(51, "a command with MORE", (*S, b"\x05\x05\x04PONG" + A), GOT_A),
    Row(52, "unknown, empty and overrunning commands", (*S, command(b"NEW", b"x") + b"\x04\0\x04\x02\x09A" + A), GOT_A),
    Row(53, "a command in a message", (*S, b"\x01\x01a" + command(b"PONG") + b"\0\x01b"), Serves(([b"a", b"b"],))),
    Row(54, "READY and ERROR", (*S, R + command(b"ERROR", b"\x03400") + A), GOT_A),
    Row(55, "a PING of 5 octets", (*S, command(b"PING")), Serves(), differs="libzmq answers with stale memory"),
    Row(55, "a PING of 6 octets", (*S, command(b"PING", b"\0")), Serves(), differs="libzmq answers with stale memory"),
    Row(
        56,
        "a PING with 17 octets of context",
        (*S, command(b"PING", b"\0\0" + b"0123456789abcdefg")),
        Serves(answer=command(b"PONG", b"0123456789abcdef")),
    ),
    Row(
        57, "a PING with a ttl of 0.1 s, and silence", (*S, command(b"PING", b"\0\x01")), Cut("nothing came for 0.1 s")
    ),
    Row(
        58,
        "a PING with a ttl of 65.6 s",
        (*S, command(b"PING", b"\x02\x90")),
        Serves(answer=PONG),
        differs="libzmq takes it for 64 ms",
    ),
    Row(59, "50 PINGs at once", (*S, command(b"PING", b"\0\0") * 50), Serves(answer=PONG * 50)),
    Row(60, "a PONG that nobody asked for", (*S, command(b"PONG", b"x") + A), GOT_A),
    *(
        Row(
            61,
            "SUBSCRIBE",
            (*shaken(ours), command(b"SUBSCRIBE", b"a")),
            Serves(answer=command(b"SUBSCRIBE", b"good") if ours == "SUB" else b""),  # a SUB says what it wants
            ours,
            differs="libzmq gives it to the application as a message",
        )
        for ours in ("ROUTER", "PULL", "PAIR", "DEALER", "SUB")
    ),
    Row(62, "the end in a message", (*S, A + b"\x01\x01b\0\x09c"), Serves(([b"a"],), probed=False)),
    Row(63, "an empty message", (*S, b"\0\0"), Serves(([b""],))),
    Row(
        64,
        "the identity of the good peer",
        (G + ready(identity(b"good")) + A,),
        Closed("has the routing id b'good'"),
        differs="libzmq parks it, open and deaf",
    ),
    Row(65, "CANCEL of an unknown topic", (*shaken("XPUB"), command(b"CANCEL", b"t")), Serves(([b"\0t"],)), "XPUB"),
    Row(
        66,
        "junk messages",
        (*shaken("PUB"), b"\0\x04junk" * 3),
        Serves(drops={DropReason.UNEXPECTED: 3}),
        "PUB",
    ),
    Row(
        67,
        "SUBSCRIBE with MORE",
        (*shaken("PUB"), b"\x05" + command(b"SUBSCRIBE", b"A")[1:]),
        Serves(answer=b"\0\x02A1"),
        "PUB",
        differs="libzmq holds it back until a frame without MORE comes",
    ),
    Row(68, "subscribe in lower case", (*shaken("PUB"), command(b"subscribe", b"A")), Serves(), "PUB"),
    Row(
        69,
        "no delimiter, and a delimiter that is the last frame",
        (*shaken("REP"), A + b"\x01\x01a\0\0"),
        Serves(drops={DropReason.MALFORMED: 2}),
        "REP",
    ),
    Row(
        72,
        "data for a PUSH",
        (*shaken("PUSH"), b"\0\x04data" * 3000),
        Serves(drops={DropReason.UNEXPECTED: 3000}),
        "PUSH",
        differs="libzmq keeps up to its high-water mark, then stops reading",
    ),
]

#: What cannot be a row above, because it takes more than one connection, or an application that asks first: the test of each
#: in ``test_section18.py``.
APART = {
    37: "test_next_automatic_identity",
    70: "test_malformed_replies",
    71: "test_reply_before_request",
}

#: Rows of what is not built yet, and the milestone that builds it.
LATER = {
    73: "draft socket types: DISH",
    74: "draft socket types: CLIENT, SERVER, GATHER, PEER, CHANNEL",
    75: "draft socket types: DISH",
    99: "draft socket types: UDP",
    100: "transports: ZeroMQ over WebSocket",
}
