"""Commands and their metadata (RFC 37, "Commands" and "Metadata"): to bytes, from bytes, and what traffic commands do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..errors import RemoteProtocolError
from ..events import INVALID_METADATA, MALFORMED_ERROR
from ..messages import Packed
from .frames import command_frame, encode

READY: Final = b"READY"
ERROR: Final = b"ERROR"
PING: Final = b"PING"
PONG: Final = b"PONG"
SUBSCRIBE: Final = b"SUBSCRIBE"
CANCEL: Final = b"CANCEL"

MAX_CONTEXT: Final = 16

# libzmq multiplies the ttl by 100 in 16 bits: 656 tenths of a second become 64 ms, and the connection is cut.
_MAX_TTL = 65.5

# Property names do not depend on case (RFC 37); these we know, and give back in their canonical form.
_CANONICAL = {name.lower(): name for name in ("Socket-Type", "Identity", "Resource")}


# ---- commands


def make_command(name: bytes, data: bytes = b"") -> bytes:
    """The body of a command."""
    return bytes((len(name),)) + name + data


def parse_command(body: bytes) -> tuple[bytes, bytes] | None:
    """Name and data of a command; None where the name is missing or longer than the command."""
    if not body or (stop := body[0] + 1) > len(body):
        return None
    return body[1:stop], body[stop:]


def make_error(reason: str) -> bytes:
    """The body of an ERROR command; the reason is printable ASCII, cut at 255."""
    text = reason.encode("ascii", "replace")[:255]
    return make_command(ERROR, bytes((len(text),)) + text)


def parse_error(data: bytes) -> str:
    """The reason in the data of an ERROR command; libzmq too insists on its length octet."""
    if not data or data[0] >= len(data):
        raise RemoteProtocolError(
            f"a malformed ERROR command: {data[:32]!r} does not hold the reason that it announces", MALFORMED_ERROR
        )
    return data[1 : data[0] + 1].decode("ascii", "backslashreplace")


def make_ping(ttl: float, context: bytes = b"") -> bytes:
    """The body of a PING. ``ttl`` is in seconds: how long the peer should wait for more from us; 0 says nothing."""
    if len(context) > MAX_CONTEXT:
        raise ValueError(f"the context of a PING has at most {MAX_CONTEXT} bytes, not {len(context)}")
    tenths = max(1, round(min(ttl, _MAX_TTL) * 10)) if ttl > 0 else 0
    return make_command(PING, tenths.to_bytes(2, "big") + context)


# ---- metadata


def make_metadata(properties: Iterable[tuple[str, bytes]]) -> bytes:
    """Properties as READY and INITIATE carry them."""
    parts: list[bytes] = []
    for name, value in properties:
        octets = name.encode("ascii")
        if not 1 <= len(octets) <= 255:
            raise ValueError(f"a property name has 1 to 255 characters: {name!r}")
        parts += (bytes((len(octets),)), octets, len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def parse_metadata(data: bytes, most: int) -> list[tuple[str, bytes]]:
    """The properties in metadata, in order. Names may be empty or hold any bytes, as in libzmq; lengths must be right."""
    properties: list[tuple[str, bytes]] = []
    position, end = 0, len(data)
    while position < end:
        if len(properties) == most:
            raise RemoteProtocolError(f"metadata of more than {most} properties", INVALID_METADATA)
        name_stop = position + 1 + data[position]
        value_start = name_stop + 4
        if value_start > end:
            raise RemoteProtocolError(
                f"malformed metadata: the property at byte {position} ends beyond all {end} bytes", INVALID_METADATA
            )
        name = data[position + 1 : name_stop].decode("latin-1")
        size = int.from_bytes(data[name_stop:value_start], "big")
        position = value_start + size
        if position > end:
            raise RemoteProtocolError(
                f"malformed metadata: {size} bytes announced for {name!r}, {end - value_start} left", INVALID_METADATA
            )
        properties.append((_CANONICAL.get(name.lower(), name), data[value_start:position]))
    return properties


# ---- commands in traffic


def subscription_command(message: Packed) -> bytes:
    """The body of the command that says the same as a subscription or cancellation; empty for any other message."""
    if isinstance(message, bytes) and message[:1] in (b"\x00", b"\x01"):
        return make_command(SUBSCRIBE if message[0] else CANCEL, message[1:])
    return b""


def encode_subscribing(batch: list[Packed]) -> list[bytes]:
    """The buffers to write for a batch of a SUB or XSUB to a peer from ZMTP 3.1 on: its subscriptions become commands."""
    parts: list[bytes] = []
    for message in batch:
        if command := subscription_command(message):
            parts.append(command_frame(command))
        else:
            parts += encode([message])
    return [b"".join(parts)]


class TrafficCommands:
    """What commands between messages do: answer PING, note its ttl, turn subscriptions into messages.

    All others are ignored, malformed ones too, as libzmq does: later versions may add commands.
    """

    __slots__ = ("_publisher", "pending", "ttl")

    def __init__(self, publisher: bool) -> None:
        self._publisher = publisher
        #: Bodies of commands to send. They become frames when they are taken to be sent: nonces must go out in order.
        self.pending: list[bytes] = []
        #: Seconds of silence after which the peer wants to be given up, as its last PING said; 0.0: never.
        self.ttl = 0.0

    def receive(self, body: bytes) -> bytes | None:
        """Act on a command; the message to deliver in its place if there is one."""
        match parse_command(body):
            case (b"SUBSCRIBE", topic) if self._publisher:
                return b"\x01" + topic
            case (b"CANCEL", topic) if self._publisher:
                return b"\x00" + topic
            case (b"PING", data) if len(data) >= 2:  # libzmq answers shorter ones with stale memory
                self.ttl = int.from_bytes(data[:2], "big") / 10
                self.pending.append(make_command(PONG, data[2 : 2 + MAX_CONTEXT]))
        return None
