"""Secured connections for tests: known keys, known random bytes, and CURVE commands put together by hand.

What is by hand uses NaCl's own crypto_box, not the code under test, and follows zmtp-wire.md 9.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nacl import bindings

from tests.wire.harness import config, exchange
from trizmq.wire.commands import make_metadata
from trizmq.wire.connection import Connection
from trizmq.wire.mechanisms.curve import ClientKeys, CurveClient, CurveServer, ServerKeys
from trizmq.wire.mechanisms.plain import Credentials, PlainClient, PlainServer

Random = Callable[[int], bytes]

# zmtp-wire.md 9.1
C_SECRET, S_SECRET, CX_SECRET, SX_SECRET = (bytes((octet,)) * 32 for octet in (0x11, 0x22, 0x33, 0x44))
C, S, CX, SX = (bindings.crypto_scalarmult_base(key) for key in (C_SECRET, S_SECRET, CX_SECRET, SX_SECRET))
SERVER_KEYS = ServerKeys(S_SECRET)
CLIENT_KEYS = ClientKeys(S, C_SECRET)
DEALER_METADATA = make_metadata([("Socket-Type", b"DEALER"), ("Identity", b"")])
ROUTER_METADATA = make_metadata([("Socket-Type", b"ROUTER"), ("Identity", b"")])


def known(*pieces: bytes) -> Random:
    """A source of random bytes that gives these, and then no more."""
    left = list(pieces)

    def give(size: int) -> bytes:
        piece = left.pop(0)
        assert len(piece) == size
        return piece

    return give


def client_random() -> Random:
    return known(CX_SECRET, b"\x77" * 16)


def server_random() -> Random:
    return known(SX_SECRET, b"\x55" * 32, b"\x66" * 16, b"\x88" * 16)


def curve_client(
    kind: str = "DEALER", keys: ClientKeys = CLIENT_KEYS, random: Random = os.urandom, **changes: object
) -> Connection:
    return Connection(config(kind, mechanism=partial(CurveClient, keys=keys, random=random), **changes))


def curve_server(
    kind: str = "ROUTER", keys: ServerKeys = SERVER_KEYS, random: Random = os.urandom, **changes: object
) -> Connection:
    return Connection(config(kind, server=True, mechanism=partial(CurveServer, keys=keys, random=random), **changes))


def plain_client(kind: str = "DEALER", username: bytes = b"admin", password: bytes = b"secret") -> Connection:
    return Connection(config(kind, mechanism=partial(PlainClient, credentials=Credentials(username, password))))


def plain_server(kind: str = "ROUTER") -> Connection:
    return Connection(config(kind, server=True, mechanism=PlainServer))


def meet(client: Connection, server: Connection, chunk: int = 1 << 20) -> tuple[bytes, ...]:
    """Let both shake hands, with an authenticator that lets everybody in; the credentials that it saw."""
    client.start()
    server.start()
    exchange(client, server, chunk)
    assert server.authenticating
    seen = server.credentials
    server.authenticated("200")
    assert server.credentials == ()
    exchange(client, server, chunk)
    assert client.ready
    assert server.ready
    return seen


def curve_pair(kinds: tuple[str, str] = ("DEALER", "ROUTER")) -> tuple[Connection, Connection]:
    client, server = curve_client(kinds[0]), curve_server(kinds[1])
    meet(client, server)
    return client, server


def number(value: int) -> bytes:
    return value.to_bytes(8, "big")


@dataclass
class HandClient:
    """A client's commands; each part can be another one than is right."""

    secret: bytes = C_SECRET
    x_secret: bytes = CX_SECRET
    server: bytes = S

    def hello(
        self,
        version: bytes = b"\1\0",
        padding: bytes = bytes(72),
        x_public: bytes | None = None,
        nonce: bytes = number(1),
        proof: bytes = bytes(64),
        prefix: bytes = b"CurveZMQHELLO---",
    ) -> bytes:
        x_public = bindings.crypto_scalarmult_base(self.x_secret) if x_public is None else x_public
        box = bindings.crypto_box(proof, prefix + nonce, self.server, self.x_secret)
        return b"\5HELLO" + version + padding + x_public + nonce + box

    def open_welcome(self, body: bytes) -> tuple[bytes, bytes]:
        assert body[:8] == b"\7WELCOME"
        text = bindings.crypto_box_open(body[24:], b"WELCOME-" + body[8:24], self.server, self.x_secret)
        return text[:32], text[32:]

    def initiate(
        self,
        server_x: bytes,
        cookie: bytes,
        nonce: bytes = number(2),
        public: bytes | None = None,
        vouched_x: bytes | None = None,
        vouched_server: bytes | None = None,
        vouch_prefix: bytes = b"VOUCH---",
        prefix: bytes = b"CurveZMQINITIATE",
        metadata: bytes = DEALER_METADATA,
        vouch: bytes | None = None,
    ) -> bytes:
        public = bindings.crypto_scalarmult_base(self.secret) if public is None else public
        vouched_x = bindings.crypto_scalarmult_base(self.x_secret) if vouched_x is None else vouched_x
        vouched = vouched_x + (self.server if vouched_server is None else vouched_server)
        if vouch is None:
            vouch = bytes(16) + bindings.crypto_box(vouched, vouch_prefix + bytes(16), server_x, self.secret)
        box = bindings.crypto_box(public + vouch + metadata, prefix + nonce, server_x, self.x_secret)
        return b"\x08INITIATE" + cookie + nonce + box


@dataclass
class HandServer:
    """A server's commands; each part can be another one than is right."""

    secret: bytes = S_SECRET
    x_secret: bytes = SX_SECRET

    def welcome(
        self,
        client_x: bytes,
        cookie: bytes = bytes(96),
        server_x: bytes | None = None,
        nonce: bytes = bytes(16),
        prefix: bytes = b"WELCOME-",
    ) -> bytes:
        server_x = bindings.crypto_scalarmult_base(self.x_secret) if server_x is None else server_x
        return b"\7WELCOME" + nonce + bindings.crypto_box(server_x + cookie, prefix + nonce, client_x, self.secret)

    def ready(
        self,
        client_x: bytes,
        metadata: bytes = ROUTER_METADATA,
        nonce: bytes = number(1),
        prefix: bytes = b"CurveZMQREADY---",
    ) -> bytes:
        return b"\5READY" + nonce + bindings.crypto_box(metadata, prefix + nonce, client_x, self.x_secret)


def message(
    value: int | bytes, text: bytes, theirs: bytes, secret: bytes, prefix: bytes = b"CurveZMQMESSAGEC"
) -> bytes:
    """The body of a MESSAGE; ``text`` begins with the flags."""
    nonce = number(value) if isinstance(value, int) else value
    return b"\7MESSAGE" + nonce + bindings.crypto_box(text, prefix + nonce, theirs, secret)
