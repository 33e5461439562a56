"""What the tests of the wire share: bytes of peers, connections of ours, and the pair that pushes everything through both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from trizmq.errors import RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_metadata
from trizmq.wire.connection import Connection, WireConfig
from trizmq.wire.frames import command_frame

COMPATIBLE = {
    "REQ": "REP ROUTER",
    "REP": "REQ DEALER",
    "DEALER": "REP DEALER ROUTER",
    "ROUTER": "REQ DEALER ROUTER",
    "PUB": "SUB XSUB",
    "XPUB": "SUB XSUB",
    "SUB": "PUB XPUB",
    "XSUB": "PUB XPUB",
    "PUSH": "PULL",
    "PULL": "PUSH",
    "PAIR": "PAIR",
}

SIGNATURE = bytes.fromhex("ff 00 00 00 00 00 00 00 01 7f")


def unhex(text: str) -> bytes:
    """Bytes from a transcript: hex pairs, ``00*16`` for repetitions, ``|`` for the eye."""
    out = b""
    for word in text.replace("|", " ").split():
        digits, _, times = word.partition("*")
        out += bytes.fromhex(digits) * int(times or 1)
    return out


def greeting(major: int = 3, minor: int = 1, mechanism: bytes = b"NULL", as_server: int = 0, filler: int = 0) -> bytes:
    """A whole ZMTP 3 greeting."""
    return SIGNATURE + bytes((major, minor)) + mechanism.ljust(20, b"\0") + bytes((as_server,)) + bytes((filler,)) * 31


def ready(socket_type: str | None, *properties: tuple[str, bytes]) -> bytes:
    """A READY command as a frame."""
    known = [("Socket-Type", socket_type.encode())] if socket_type is not None else []
    return command_frame(make_command(b"READY", make_metadata([*known, *properties])))


def config(socket_type: str, **changes: object) -> WireConfig:
    """The configuration that a socket of this type has."""
    identity = b"" if socket_type in ("REQ", "DEALER", "ROUTER") else None
    values: dict[str, object] = {
        "socket_type": socket_type,
        "accepts": frozenset(COMPATIBLE[socket_type].split()),
        "identity": identity,
        **changes,
    }
    return WireConfig(**values)  # type: ignore[arg-type]  # a test that gives a wrong one fails


def started(socket_type: str, **changes: object) -> Connection:
    """A connection whose signature is out."""
    connection = Connection(config(socket_type, **changes))
    connection.start()
    sent = connection.data_to_send()
    assert sent[:1] == b"\xff"
    assert len(sent) == 10
    return connection


def greeted(socket_type: str, minor: int = 1, **changes: object) -> Connection:
    """A connection that has both greetings, and has sent its READY."""
    connection = started(socket_type, **changes)
    connection.receive_data(greeting(minor=minor))
    connection.data_to_send()
    return connection


def connected(socket_type: str, minor: int = 1, **changes: object) -> Connection:
    """A connection that is ready, with a ZMTP 3 peer of the first type that ours talks to."""
    connection = greeted(socket_type, minor, **changes)
    connection.receive_data(ready(COMPATIBLE[socket_type].split()[0]))
    assert connection.ready
    assert not connection.data_to_send()
    return connection


def connected_2_0(socket_type: str, octet: int = 5, **changes: object) -> Connection:
    """The same with a ZMTP 2.0 peer, a DEALER unless said."""
    connection = started(socket_type, **changes)
    connection.receive_data(SIGNATURE + bytes((1, octet, 0, 0)))
    assert connection.ready
    connection.data_to_send()
    return connection


def connected_1_0(socket_type: str, **changes: object) -> Connection:
    """The same with a ZMTP 1.0 peer without an identity."""
    connection = started(socket_type, **changes)
    connection.receive_data(b"\x01\x00")
    assert connection.ready
    return connection


@dataclass
class Outcome:
    """All that a connection made of some bytes."""

    messages: list[Packed] = field(default_factory=list)
    sent: bytes = b""
    error: str = ""
    ready: bool = False


def feed(
    connection: Connection,
    chunks: Iterable[bytes],
    most: int = 1000,
    *,
    eof: bool = False,
    short: bool = False,
    status: str = "",
) -> Outcome:
    """Run a connection like an engine: chunk by chunk, taking everything there is, until an error.

    ``short``: as a receiver that reads for itself, by the short way where there is one. ``status``: what an authenticator
    answers, at once; empty: it never does.
    """
    outcome = Outcome()
    try:
        for chunk in chunks:
            if short and (message := connection.whole(chunk)) is not None:
                outcome.messages.append(message)
                continue
            connection.receive_data(chunk)
            if status and connection.authenticating:
                connection.authenticated(status)
            while connection.has_input:
                batch = connection.next_batch(most)
                assert len(batch) <= most
                outcome.messages += batch
        if eof:
            connection.receive_eof()
    except RemoteProtocolError as error:
        outcome.error = f"{type(error).__name__}: {error}"
    outcome.sent = connection.data_to_send()
    outcome.ready = connection.ready
    return outcome


def drain(connection: Connection, most: int = 1000) -> list[Packed]:
    """Everything that can be received now, at most so many messages at a time."""
    outcome = feed(connection, [b""], most)
    assert not outcome.error
    return outcome.messages


def bytewise(data: bytes) -> Iterator[bytes]:
    """One byte at a time."""
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Chunks of the given sizes, then the rest."""
    at = 0
    for size in sizes:
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size
    if at < len(data):
        yield data[at:]


def exchange(one: Connection, other: Connection, chunk: int = 1 << 20) -> bool:
    """Pass on all that two connections have to say to each other; whether there was anything."""
    moved = False
    while any([_pass_on(one, other, chunk), _pass_on(other, one, chunk)]):
        moved = True
    return moved


def _pass_on(source: Connection, target: Connection, chunk: int) -> bool:
    data = source.data_to_send()
    for at in range(0, len(data), chunk):
        target.receive_data(data[at : at + chunk])
    return bool(data)


def introduce(one: Connection, other: Connection, chunk: int = 1 << 20) -> None:
    """Let two connections shake hands."""
    one.start()
    other.start()
    exchange(one, other, chunk)
    assert all([one.ready, other.ready]), "both wait for each other"
    assert not one.data_to_send()
    assert not other.data_to_send()


def pair(socket_type: str, peer_type: str, **changes: object) -> tuple[Connection, Connection]:
    """Two connected connections of ours; the changes are for the second, which receives."""
    one, other = Connection(config(socket_type)), Connection(config(peer_type, **changes))
    introduce(one, other)
    return one, other
