"""One connection's protocol, from the first octet on: all that the runtime uses of this package. Sans-IO."""

from __future__ import annotations

import enum
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from ..errors import IncompatiblePeerError, RemoteProtocolError
from ..events import INVALID_METADATA
from ..messages import Packed
from ..records import Record
from .commands import TrafficCommands, encode_subscribing, make_metadata, make_ping, parse_metadata
from .frame_by_frame import FrameByFrameDecoder
from .frames import Decoder, command_frame, encode, frame_header, parse_header
from .frames_v1 import encode_v1, frame_header_v1, open_frame_v1, parse_header_v1
from .gathering import keep_freed_memory
from .greeting import Dialect, Greeting
from .guarded import GuardedDecoder, GuardedEncoder
from .mechanisms.base import AUTHENTICATING, COMPLETE, AuthenticationError, Mechanism, OurSide
from .mechanisms.null import Null

_READ_SIZE = 64 * 1024
_READ_SIZE_BUSY = 256 * 1024
_READ_SIZE_LARGE = 1024 * 1024

_MAX_IDENTITY = 255

_ParseHeader: TypeAlias = Callable[[bytearray, int], tuple[int, int, int] | None]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class WireConfig(Record):
    """What a socket says on its connections, and what it takes from peers."""

    socket_type: str  #: our type, "DEALER"
    accepts: frozenset[str]  #: the socket types that may be at the other end
    identity: bytes | None = None  #: announced as Identity property, also when empty; None: not announced
    server: bool = False  #: the bound side: the role in mechanisms that have roles
    max_message_size: int = 1 << 30  #: bytes of all frames of one message
    max_frames: int = 65536  #: frames of one message
    max_handshake_size: int = 65535  #: bytes of one command of the handshake
    max_properties: int = 1024  #: properties in the peer's metadata
    metadata: tuple[tuple[str, bytes], ...] = ()  #: more properties to announce; their names start with "X-"
    mechanism: Callable[[OurSide], Mechanism] = Null
    refuse_old_peers: bool = False  #: refuse ZMTP 1.0 and 2.0 even with NULL; other mechanisms always do
    side: OurSide = field(init=False)  #: what mechanisms are told of it, made once for all connections

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", OurSide(self.server, _our_metadata(self)))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PeerInfo(Record):
    """What is known of the peer after the handshake."""

    version: tuple[int, int]  #: the ZMTP version in which both talk: (1, 0), (2, 0), (3, 0) or (3, 1)
    socket_type: str = ""  #: as announced, else empty
    identity: bytes = b""
    properties: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))  #: of duplicates the last
    mechanism: str = ""  #: the security mechanism in use


class _Phase(enum.Enum):
    GREETING = "the greeting"
    IDENTITY = "the identity frame"
    HANDSHAKE = "the handshake"
    TRAFFIC = "traffic"


class Connection:
    """Bytes in, messages out, and back. Feed it, send what it has to send, and give it batches once it is ready."""

    __slots__ = (
        "_buffer",
        "_command_frame",
        "_commands",
        "_config",
        "_decoder",
        "_dialect",
        "_greeting",
        "_mechanism",
        "_out",
        "_phase",
        "_read_size",
        "encode",
        "next_batch",
        "peer",
        "ready",
        "whole",
    )

    #: The buffers to write for a batch of messages; chosen once, when the peer is known. Where a mechanism protects the
    #: traffic the same batch gives other bytes each time, of the same number, and what was encoded first must be sent first.
    encode: Callable[[list[Packed]], list[bytes]]

    #: Up to so many whole messages of those received, in order; empty if none is complete. Raises RemoteProtocolError if
    #: the peer broke the protocol; what it sent before that was given by earlier calls.
    next_batch: Callable[[int], list[Packed]]

    #: The message that these bytes are, exactly, where that is easily seen and nothing came before that is not yet
    #: understood: a short way past ``receive_data`` and ``next_batch`` for round trips. None: nothing happened.
    whole: Callable[[bytes], Packed | None]

    def __init__(self, config: WireConfig) -> None:
        self._config = config
        self._mechanism = config.mechanism(config.side)
        self._greeting = Greeting(
            config.socket_type,
            config.identity or b"",
            self._mechanism.name,
            self._mechanism.as_server,
            old_peers=not (self._mechanism.secure or config.refuse_old_peers),
        )
        self._phase = _Phase.GREETING
        self._dialect = Dialect.ZMTP_3
        self._buffer = bytearray()  # what was received and not understood yet, until the traffic begins
        self._out = bytearray()
        self._commands = TrafficCommands(config.socket_type in ("PUB", "XPUB"))
        self._command_frame = command_frame
        self._decoder = Decoder(config.max_message_size, config.max_frames, self._commands.receive)
        self._read_size = _READ_SIZE
        self.encode = _encode_too_early
        self.next_batch, self.whole = self._decoder.decode, _never
        #: What is known of the peer; complete when ready.
        self.peer = PeerInfo((0, 0))
        #: The handshake is complete in both directions: traffic may flow.
        self.ready = False

    def start(self) -> None:
        """Queue the first bytes."""
        self._out += self._greeting.signature()

    def data_to_send(self) -> bytes:
        """The bytes of greeting and commands that are due now; they are then forgotten here."""
        if self._commands.pending:
            for body in self._commands.pending:
                self._out += self._command_frame(body)
            self._commands.pending.clear()
        elif not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def receive_data(self, data: bytes) -> None:
        """Take what was received. Until the connection is ready this drives the handshake.

        Raises:
            RemoteProtocolError: the peer broke the protocol; only closing makes sense now.
            IncompatiblePeerError: it did not, but we cannot talk to it.
        """
        if len(data) >= self._read_size:
            self._read_size = min(self._read_size * 2, _READ_SIZE_BUSY)
            keep_freed_memory()
        if self.ready:
            self._decoder.feed(data)
        else:
            self._buffer += data
            self._advance()

    def space(self) -> memoryview | None:
        """Where the next bytes belong that are received, if they are of a large frame: read them there, without a copy.

        None: :meth:`receive_data` takes them. Release the view, then say what came with :meth:`filled`, before anything else
        is called here.
        """
        return self._decoder.space()

    def filled(self, count: int, following: bytes) -> None:
        """So many bytes were put into the :meth:`space`, and these were received after them."""
        self._decoder.filled(count)
        self._decoder.feed(following)

    def receive_eof(self) -> None:
        """The peer's stream has ended. The part of a message that may have arrived is dropped, as in libzmq.

        Raises:
            RemoteProtocolError: the stream ended before the handshake was complete.
        """
        if not self.ready:
            raise RemoteProtocolError(f"the peer closed the connection during {self._phase.value}", errno.EPIPE)

    @property
    def has_input(self) -> bool:
        """Whether :meth:`next_batch` could give more now, without new data, or has an error to raise."""
        return self._decoder.has_input

    @property
    def read_size(self) -> int:
        """How many bytes to ask the system for: more when reads come back full, or when a large frame is under way."""
        size = self._read_size
        if (missing := self._decoder.missing) > size:
            return min(missing + size, _READ_SIZE_LARGE)
        return size

    def ping(self, ttl: float, context: bytes = b"") -> None:
        """Queue a PING. Peers before ZMTP 3.0 have no such command, they get nothing."""
        if self.peer.version >= (3, 0):
            self._commands.pending.append(make_ping(ttl, context))

    @property
    def authenticating(self) -> bool:
        """Whether somebody has to be asked for this peer; the handshake rests until :meth:`authenticated`."""
        return self._mechanism.state == AUTHENTICATING

    @property
    def mechanism(self) -> str:
        """The name of our mechanism, as in the greeting and in a ZAP request."""
        return self._mechanism.name

    @property
    def sealed(self) -> bool:
        """Whether the mechanism protects the traffic, so that each encoding costs time and can be sent once only."""
        return self._mechanism.guard is not None

    @property
    def credentials(self) -> tuple[bytes, ...]:
        """What the peer proves itself with while :attr:`authenticating`: the credential frames of a ZAP request (RFC 27).

        Nothing under NULL, user name and password under PLAIN, the 32 bytes of its public key under CURVE, its principal
        under GSSAPI.
        """
        return self._mechanism.credentials

    def authenticated(self, status: str) -> None:
        """Go on with the handshake; "200" lets the peer in (the status codes of ZAP, RFC 27).

        Raises:
            AuthenticationError: any other status. What :meth:`data_to_send` then gives, an ERROR command or nothing, is to
                be written before the connection is closed.
            RemoteProtocolError: the peer is let in, and what it says or has said next breaks the protocol.
        """
        try:
            self._mechanism.authenticated(status)
        except AuthenticationError:
            self._send_commands()
            raise
        self._handshake_moved()
        self._advance()

    @property
    def peer_ttl(self) -> float:
        """Seconds of silence after which the peer wants to be given up, as its last PING said; 0.0: never."""
        return self._commands.ttl

    # ---- until the traffic begins

    def _advance(self) -> None:
        steps = {
            _Phase.GREETING: self._receive_greeting,
            _Phase.IDENTITY: self._receive_identity,
            _Phase.HANDSHAKE: self._receive_command,
        }
        while not self.ready and steps[self._phase]():
            pass

    def _receive_greeting(self) -> bool:
        greeting = self._greeting.receive(self._buffer, self._out)
        if greeting is None:
            return False
        self.peer = PeerInfo(greeting.version, greeting.socket_type)
        self._dialect = greeting.dialect
        if greeting.dialect is Dialect.ZMTP_3:
            self._mechanism.start()
            self._send_commands()
            self._phase = _Phase.HANDSHAKE
        else:
            # Peers before ZMTP 3.0 begin with a frame that holds the identity, whatever their type, and so do we.
            identity = self._config.identity or b""
            if greeting.dialect is Dialect.UNVERSIONED:
                header = b""  # our signature was the header
            elif greeting.dialect is Dialect.REVISION_0:
                header = frame_header_v1(0, len(identity))
            else:
                header = frame_header(0, len(identity))
            self._out += header + identity
            self._phase = _Phase.IDENTITY
        return True

    def _receive_identity(self) -> bool:
        parse = parse_header if self._dialect is Dialect.ZMTP_2_0 else parse_header_v1
        identity = self._take_frame(parse, _MAX_IDENTITY, "identity frame")
        if identity is None:
            return False
        self.peer = replace(self.peer, identity=_checked_identity(identity))
        self._begin_traffic()
        return True

    def _receive_command(self) -> bool:
        if self._mechanism.state == AUTHENTICATING:
            if len(self._buffer) > _READ_SIZE_BUSY:  # there is nothing that the peer may say before our answer
                raise RemoteProtocolError(f"{len(self._buffer)} bytes before the peer was let in")
            return False
        # The COMMAND flag is not looked at here, as in libzmq.
        body = self._take_frame(parse_header, self._config.max_handshake_size, "handshake command")
        if body is None:
            return False
        self._mechanism.receive(body)
        self._handshake_moved()
        return True

    def _take_frame(self, parse: _ParseHeader, most: int, what: str) -> bytes | None:
        """Take the next frame from the buffer, whatever its flags; None if it is not complete."""
        header = parse(self._buffer, 0)
        if header is None:
            return None
        _, start, size = header
        if size > most:
            raise RemoteProtocolError(f"the {what} has {size} bytes, more than {most}")
        stop = start + size
        if stop > len(self._buffer):
            return None
        body = bytes(self._buffer[start:stop])
        del self._buffer[:stop]
        return body

    def _handshake_moved(self) -> None:
        self._send_commands()
        if self._mechanism.state == COMPLETE:
            self._meet(parse_metadata(self._mechanism.peer_metadata, self._config.max_properties))
            self._begin_traffic()

    def _send_commands(self) -> None:
        for body in self._mechanism.outgoing:
            self._out += command_frame(body)
        self._mechanism.outgoing.clear()

    def _meet(self, properties: list[tuple[str, bytes]]) -> None:
        """Check what the peer says of itself, every occurrence of it."""
        for name, value in properties:
            if name == "Socket-Type":
                socket_type = value.decode("latin-1")
                if socket_type not in self._config.accepts:
                    # An ERROR command would say so, but libzmq never connects again after one: we just close, as it does.
                    raise IncompatiblePeerError(
                        f"the peer is a {socket_type[:32]!r}, and {self._config.socket_type} talks to "
                        f"{', '.join(sorted(self._config.accepts))} only",
                        socket_type=socket_type[:32],
                    )
            elif name == "Identity":
                _checked_identity(value)
        known = dict(properties)
        self.peer = PeerInfo(
            self.peer.version,
            known.get("Socket-Type", b"").decode("latin-1"),
            known.get("Identity", b""),
            MappingProxyType(known),
            self._mechanism.name,
        )

    def _begin_traffic(self) -> None:
        config = self._config
        limits = config.max_message_size, config.max_frames, self._commands.receive
        subscribing = config.socket_type in ("SUB", "XSUB") and self.peer.version >= (3, 1)
        if self._dialect in (Dialect.UNVERSIONED, Dialect.REVISION_0):
            self.encode = encode_v1
            self._decoder = FrameByFrameDecoder(*limits, parse_header_v1, open_frame_v1)
        elif guard := self._mechanism.guard:
            encoder = GuardedEncoder(guard, subscribing)
            self.encode = encoder.encode
            self._command_frame = encoder.command_frame
            self._decoder = GuardedDecoder(*limits, guard)
        elif subscribing:
            self.encode = encode_subscribing
        else:
            self.encode = encode
        if type(self._decoder) is Decoder:  # and none to which these bytes mean something else
            self.whole = self._decoder.whole
        if self._dialect is Dialect.UNVERSIONED and config.socket_type in ("PUB", "XPUB"):
            # Subscribers of that age filter for themselves and never subscribe; libzmq too subscribes them to everything.
            self._decoder.inject(b"\x01")
        self._decoder.feed(bytes(self._buffer))
        self.next_batch = self._decoder.decode
        self._buffer.clear()
        del self._greeting  # it has done its part, and there may be ten thousand of them
        self._phase = _Phase.TRAFFIC
        self.ready = True


def _never(data: bytes) -> None:
    return None


def _our_metadata(config: WireConfig) -> bytes:
    properties = [("Socket-Type", config.socket_type.encode("ascii"))]
    if config.identity is not None:
        properties.append(("Identity", config.identity))
    return make_metadata([*properties, *config.metadata])


def _checked_identity(identity: bytes) -> bytes:
    # libzmq takes both, and aborts when such an identity meets one that it made itself (zmtp-wire.md 13.2)
    if len(identity) > _MAX_IDENTITY:
        raise RemoteProtocolError(f"an identity of {len(identity)} bytes, more than {_MAX_IDENTITY}", INVALID_METADATA)
    if identity[:1] == b"\0":
        raise RemoteProtocolError(
            f"an identity that starts with a zero byte: {identity[:32].hex(' ')}", INVALID_METADATA
        )
    return identity


def _encode_too_early(batch: list[Packed]) -> list[bytes]:
    """libzmq cuts a peer whose traffic arrives before it has sent its own READY (zmtp-wire.md 7)."""
    raise RuntimeError("traffic must not be sent before the connection is ready")
