"""CURVE: encrypted and authenticated, with perfect forward secrecy (CurveZMQ, RFC 26; libzmq's bytes: zmtp-wire.md 9).

Names as there: C, c are the client's long-term keys, public and secret, S, s the server's; those of one connection have an
``x`` here instead of a prime. Everything the peer sends is checked, also what libzmq lets pass: the padding and the content
of HELLO, the server's key in the vouch, and that nonces rise from the first command on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import ClassVar, Final

from ...errors import RemoteProtocolError
from ...events import (
    CRYPTOGRAPHIC,
    KEY_EXCHANGE,
    MALFORMED_HELLO,
    MALFORMED_INITIATE,
    MALFORMED_READY,
    MALFORMED_WELCOME,
)
from ..commands import ERROR, READY, make_command
from ..frames import COMMAND, MORE
from .base import AUTHENTICATING, COMPLETE, REFUSED, Mechanism, OurSide
from .nacl_backend import load
from .plain import HELLO, INITIATE, WELCOME

_KEY_SIZE: Final = 32
_VERSION: Final = b"\x01\x00"
_PADDING: Final = bytes(72)  # RFC 26 says 70 in its prose and 72 in its grammar; 72 it is
_PROOF: Final = bytes(64)

# Sizes of the data after the name, and so of everything the peer must send.
_HELLO_SIZE: Final = 194
_WELCOME_SIZE: Final = 160
_INITIATE_SIZE: Final = 248  # and metadata
_READY_SIZE: Final = 24  # and metadata

_MALFORMED: Final = {
    HELLO: MALFORMED_HELLO,
    WELCOME: MALFORMED_WELCOME,
    INITIATE: MALFORMED_INITIATE,
    READY: MALFORMED_READY,
}

_Random = Callable[[int], bytes]


# ---- keys


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """A server's long-term keys; 32 bytes each."""

    secret: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        _check_key("secret key", self.secret)
        object.__setattr__(self, "public", load().public_key(self.secret))


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """A client's long-term keys, and the public key of the one server that it talks to; 32 bytes each."""

    server: bytes
    secret: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        _check_key("server's public key", self.server)
        _check_key("secret key", self.secret)
        object.__setattr__(self, "public", load().public_key(self.secret))


def _check_key(what: str, key: bytes) -> None:
    if len(key) != _KEY_SIZE:
        raise ValueError(f"a {what} of CURVE has {_KEY_SIZE} bytes, not {len(key)}")
    if not any(key):
        raise ValueError(f"a {what} of CURVE that is all zeros is no key")


# ---- boxes


def _shared_key(theirs: bytes, secret: bytes, what: str) -> bytes:
    """Of their public key and our secret one. libsodium refuses public keys of small order, such as zeros."""
    backend = load()
    try:
        return backend.shared_key(theirs, secret)
    except backend.error:
        raise RemoteProtocolError(f"{what} in the CURVE handshake is no usable key", CRYPTOGRAPHIC) from None


def _open_box(box: bytes, nonce: bytes, key: bytes, what: str) -> bytes:
    backend = load()
    try:
        return backend.open(box, nonce, key)
    except backend.error:
        raise RemoteProtocolError(
            f"{what} in the CURVE handshake is not genuine: its box does not open", CRYPTOGRAPHIC
        ) from None


def _check_size(name: bytes, data: bytes, size: int, metadata: bool = False) -> None:
    if len(data) != size and not (metadata and len(data) > size):
        bound = "at least " if metadata else ""
        raise RemoteProtocolError(
            f"a malformed {name.decode()} in the CURVE handshake: {len(data)} bytes of data, not {bound}{size}",
            _MALFORMED[name],
        )


# ---- traffic

# Inside a box libzmq numbers the flags in its own way: 01 is MORE, and 02, not ZMTP's 04, is COMMAND.
_INNER_COMMAND: Final = 0x02
_INNER = {0: b"\x00", MORE: b"\x01", COMMAND: b"\x02"}
_OUTER = [(inner & MORE) | (COMMAND if inner & _INNER_COMMAND else 0) for inner in range(256)]

_MESSAGE: Final = b"\x07MESSAGE"
_BOX_AT: Final = 16
_OVERHEAD: Final = 33  # name, nonce, the box's own 16 bytes, flags

# A large box is opened where it lies; a small one is copied faster than a view of it is made.
_VIEW_FROM: Final = 4096


class CurveGuard:
    """Seals and opens the frames of one connection, after its handshake."""

    __slots__ = ("_error", "_key", "_open", "_our_prefix", "_received", "_seal", "_sent", "_their_prefix")

    def __init__(self, key: bytes, server: bool, sent: int, received: bytes) -> None:
        backend = load()
        self._seal, self._open = backend.traffic()
        self._error = backend.error
        self._key = key
        # The direction is part of the nonce: what is sent back to its sender does not open.
        prefixes = (b"CurveZMQMESSAGES", b"CurveZMQMESSAGEC")
        self._our_prefix, self._their_prefix = prefixes if server else prefixes[::-1]
        self._sent = sent  # the last nonce's number
        self._received = received  # the last nonce; big-endian numbers compare as the bytes that they are

    @property
    def overhead(self) -> int:
        """The most bytes by which a sealed frame is longer than its body."""
        return _OVERHEAD

    def seal(self, flags: int, body: bytes) -> tuple[bytes, bytes]:
        """The body of the message frame that carries this frame: its head, and its box."""
        self._sent = number = self._sent + 1
        nonce = number.to_bytes(8, "big")  # after 2**64 - 1 this raises OverflowError: no nonce comes twice
        return _MESSAGE + nonce, self._seal(_INNER[flags] + body, self._our_prefix + nonce, self._key)

    def open(self, data: bytes, start: int, stop: int) -> tuple[int, bytes]:
        """Flags and body of the frame that is carried by the message frame whose body is ``data[start:stop]``."""
        if stop - start < _OVERHEAD or not data.startswith(_MESSAGE, start):
            raise RemoteProtocolError("a frame that is no CURVE MESSAGE after the handshake")
        box_at = start + _BOX_AT
        nonce = data[start + 8 : box_at]
        if nonce <= self._received:
            raise RemoteProtocolError("a CURVE MESSAGE whose nonce is not above the one before it")
        box = data[box_at:stop] if stop - box_at < _VIEW_FROM else memoryview(data)[box_at:stop]
        try:
            flags, body = self._open(box, self._their_prefix + nonce, self._key)
        except self._error:
            raise RemoteProtocolError("a CURVE MESSAGE that is not genuine: its box does not open") from None
        self._received = nonce
        return _OUTER[flags], body


# ---- the handshake


class CurveClient(Mechanism):
    """HELLO, and INITIATE with the vouch for our connection's key; the server may send ERROR in place of either answer.

    An ERROR is not protected, so anybody on the way may have sent it; such a one could end the connection all the same.
    """

    name: ClassVar[str] = "CURVE"
    secure: ClassVar[bool] = True
    transitions: ClassVar = {
        ("awaits WELCOME", WELCOME): "awaits READY",
        ("awaits WELCOME", ERROR): REFUSED,
        ("awaits READY", READY): COMPLETE,
        ("awaits READY", ERROR): REFUSED,
    }

    __slots__ = ("_cx", "_key", "_keys", "_random", "_x_public")

    def __init__(self, side: OurSide, keys: ClientKeys, random: _Random = os.urandom) -> None:
        super().__init__(side, "awaits WELCOME")
        self._keys = keys
        self._random = random  # tests give known bytes
        self._cx = self._x_public = self._key = b""

    @property
    def as_server(self) -> bool:
        """The role is this class, whichever side connected."""
        return False

    def start(self) -> None:
        """Prove that we have the secret key of this connection, to who has the server's."""
        self._cx = self._random(_KEY_SIZE)
        self._x_public = load().public_key(self._cx)
        self._key = _shared_key(self._keys.server, self._cx, "the server's public key")  # k(S, c')
        nonce = (1).to_bytes(8, "big")
        box = load().seal(_PROOF, b"CurveZMQHELLO---" + nonce, self._key)
        self.outgoing.append(make_command(HELLO, _VERSION + _PADDING + self._x_public + nonce + box))

    def handle(self, name: bytes, data: bytes) -> None:
        """Go on with what the server proves."""
        if name == ERROR:
            raise self.refused(data)
        if name == WELCOME:
            self._receive_welcome(data)
        else:
            self._receive_ready(data)

    def _receive_welcome(self, data: bytes) -> None:
        _check_size(WELCOME, data, _WELCOME_SIZE)
        text = _open_box(data[16:], b"WELCOME-" + data[:16], self._key, "WELCOME")
        server_x, cookie = text[:_KEY_SIZE], text[_KEY_SIZE:]
        self._key = _shared_key(server_x, self._cx, "the key in WELCOME")  # k(S', c')
        keys, seal = self._keys, load().seal
        vouch_nonce = self._random(16)
        vouch_key = _shared_key(server_x, keys.secret, "the key in WELCOME")
        vouch = vouch_nonce + seal(self._x_public + keys.server, b"VOUCH---" + vouch_nonce, vouch_key)
        nonce = (2).to_bytes(8, "big")
        box = seal(keys.public + vouch + self.side.metadata, b"CurveZMQINITIATE" + nonce, self._key)
        self.outgoing.append(make_command(INITIATE, cookie + nonce + box))
        self._cx = b""

    def _receive_ready(self, data: bytes) -> None:
        _check_size(READY, data, _READY_SIZE, metadata=True)
        nonce = data[:8]
        self.peer_metadata = _open_box(data[8:], b"CurveZMQREADY---" + nonce, self._key, "READY")
        self.guard = CurveGuard(self._key, False, 2, nonce)
        self._key = b""


class CurveServer(Mechanism):
    """WELCOME with our connection's key, and READY once somebody outside has found the client's key good.

    The cookie is for servers that forget a client between HELLO and INITIATE. Ours, as libzmq's, need not.
    """

    name: ClassVar[str] = "CURVE"
    secure: ClassVar[bool] = True
    transitions: ClassVar = {
        ("awaits HELLO", HELLO): "awaits INITIATE",
        ("awaits INITIATE", INITIATE): AUTHENTICATING,
    }

    __slots__ = ("_client_x", "_cookie", "_key", "_keys", "_metadata", "_nonce", "_random", "_sx")

    def __init__(self, side: OurSide, keys: ServerKeys, random: _Random = os.urandom) -> None:
        super().__init__(side, "awaits HELLO")
        self._keys = keys
        self._random = random  # tests give known bytes
        self._client_x = self._cookie = self._key = self._metadata = self._nonce = self._sx = b""

    @property
    def as_server(self) -> bool:
        """The role is this class, whichever side connected."""
        return True

    def start(self) -> None:
        """The client speaks first."""

    def handle(self, name: bytes, data: bytes) -> None:
        """Take what the client proves."""
        if name == HELLO:
            self._receive_hello(data)
        else:
            self._receive_initiate(data)

    def _receive_hello(self, data: bytes) -> None:
        _check_size(HELLO, data, _HELLO_SIZE)
        if data[:2] != _VERSION:
            raise RemoteProtocolError(f"CURVE version {data[0]}.{data[1]}, only 1.0 is known", MALFORMED_HELLO)
        if data[2:74] != _PADDING:
            raise RemoteProtocolError(
                "a malformed HELLO in the CURVE handshake: its padding is not zeros", MALFORMED_HELLO
            )
        client_x, nonce, box = data[74:106], data[106:114], data[114:]
        key = _shared_key(client_x, self._keys.secret, "the key in HELLO")  # k(C', s)
        if not compare_digest(_open_box(box, b"CurveZMQHELLO---" + nonce, key, "HELLO"), _PROOF):
            raise RemoteProtocolError(
                "a malformed HELLO in the CURVE handshake: its content is not zeros", MALFORMED_HELLO
            )
        backend = load()
        self._client_x, self._nonce = client_x, nonce
        self._sx = self._random(_KEY_SIZE)
        cookie_key, cookie_nonce = self._random(32), self._random(16)
        cookie_box = backend.secret_seal(client_x + self._sx, b"COOKIE--" + cookie_nonce, cookie_key)
        self._cookie = cookie_nonce + cookie_box
        long_nonce = self._random(16)
        text = backend.public_key(self._sx) + self._cookie
        self.outgoing.append(make_command(WELCOME, long_nonce + backend.seal(text, b"WELCOME-" + long_nonce, key)))

    def _receive_initiate(self, data: bytes) -> None:
        _check_size(INITIATE, data, _INITIATE_SIZE, metadata=True)
        cookie, nonce, box = data[:96], data[96:104], data[104:]
        if not compare_digest(cookie, self._cookie):
            raise RemoteProtocolError(
                "INITIATE in the CURVE handshake has another cookie than WELCOME had", CRYPTOGRAPHIC
            )
        if nonce <= self._nonce:
            raise RemoteProtocolError(
                "INITIATE in the CURVE handshake has a nonce that is not above that of HELLO", MALFORMED_INITIATE
            )
        self._key = _shared_key(self._client_x, self._sx, "the key in HELLO")  # k(C', s')
        text = _open_box(box, b"CurveZMQINITIATE" + nonce, self._key, "INITIATE")
        client, vouch_nonce, vouch_box = text[:32], text[32:48], text[48:128]
        vouch_key = _shared_key(client, self._sx, "the client's key in INITIATE")
        vouch = _open_box(vouch_box, b"VOUCH---" + vouch_nonce, vouch_key, "the vouch")
        if not compare_digest(vouch, self._client_x + self._keys.public):
            raise RemoteProtocolError(
                "the vouch in the CURVE handshake is for another connection or another server", KEY_EXCHANGE
            )
        self._sx = self._cookie = b""
        self._nonce, self._metadata = nonce, text[128:]
        self.credentials = (client,)

    def admit(self) -> str:
        """The client's key is good."""
        nonce = (1).to_bytes(8, "big")
        box = load().seal(self.side.metadata, b"CurveZMQREADY---" + nonce, self._key)
        self.outgoing.append(make_command(READY, nonce + box))
        self.peer_metadata = self._metadata
        self.guard = CurveGuard(self._key, True, 1, self._nonce)
        self._key = b""
        return COMPLETE
