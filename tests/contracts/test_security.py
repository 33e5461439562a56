"""Contracts of libzmq's tests of security: who gets in, who is asked, and the events and codes of both sides.

===========================  ================================================================================
libzmq's test                where its contracts are
===========================  ================================================================================
test_security_null           here
test_security_no_zap_handler here, and for every mechanism in ``test_security_zap.py``
test_security_plain          here; malformed commands in ``tests/wire/test_plain.py``
test_security_curve          here; more malformed commands in ``tests/wire/test_curve.py``
test_security_zap            ``test_security_zap.py``
test_security_gssapi         ``tests/interop/test_gssapi.py``, with a KDC; malformed commands in ``tests/wire/test_gssapi.py``
test_metadata, test_app_meta ``test_metadata.py``; names that are refused in ``tests/runtime/test_options.py``
test_base85, test_sodium     ``tests/test_auth.py``, which also decodes anything (test_z85_decode_fuzzer)
===========================  ================================================================================

What a hostile peer does beside a good one is in ``tests/hostile/section18_security.py``, and libzmq itself is at the other
end in ``tests/interop/test_security.py``.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from trizmq import auth
from trizmq.auth import Allow, AuthenticationRequest, Decision, Deny

from ..hostile.section18 import greeting
from ..hostile.section18_security import Client, damaged
from ..runtime.helpers import STREAMS, RawPeer, frame, raw_connection
from ..wire.secure import C_SECRET, S_SECRET, S

pytestmark = pytest.mark.deadline(10)

HANDLER = "inproc://zeromq.zap.01"

# zmq.h
ACCEPTED, CONNECTED, NO_DETAIL, SUCCEEDED, FAILED_PROTOCOL, FAILED_AUTH = 0x20, 0x1, 0x800, 0x1000, 0x2000, 0x4000
UNEXPECTED_COMMAND, MALFORMED_HELLO, MALFORMED_INITIATE = 0x10000001, 0x10000013, 0x10000014
CRYPTOGRAPHIC, MECHANISM_MISMATCH = 0x11000001, 0x11000002

PASSWORDS = auth.passwords({"admin": "password"})
RIGHT = trizmq.PlainClient("admin", "password")
SERVER = trizmq.CurveServer(S_SECRET, domain="TEST")
CLIENT = trizmq.CurveClient(server_key=S, secret_key=C_SECRET)


class Handler:
    """A ZAP handler: whom it lets in, and what it was asked."""

    def __init__(self, decide: Callable[[AuthenticationRequest], Decision]) -> None:
        self._decide = decide
        self.asked: list[AuthenticationRequest] = []

    async def __call__(self, request: AuthenticationRequest) -> Decision:
        self.asked.append(request)
        return self._decide(request)


@asynccontextmanager
async def handling(decide: Callable[[AuthenticationRequest], Decision]) -> AsyncIterator[Handler]:
    handler = Handler(decide)
    async with trio.open_nursery() as nursery:
        await nursery.start(auth.serve_zap, handler)
        yield handler
        nursery.cancel_scope.cancel()


def only_domain(domain: str) -> Callable[[AuthenticationRequest], Decision]:
    return lambda request: Allow("anonymous") if request.domain == domain else Deny(400, "wrong domain")


def only_key(key: bytes) -> Callable[[AuthenticationRequest], Decision]:
    return lambda request: Allow("anonymous") if request.public_key == key else Deny(400, "unknown key")


async def outcome(events: trizmq.EventWatcher) -> tuple[int, int]:
    """How the next handshake ended, in zmq.h's numbers."""
    async for event in events:
        if isinstance(event, trizmq.HandshakeSucceeded | trizmq.HandshakeFailed):
            return event.zmq_event, event.zmq_value
    raise AssertionError("the socket was closed")


class Two:
    """A bound DEALER and a connected one, and what their events say."""

    def __init__(self, server: Any, client: Any) -> None:
        self.server, self.client = server, client
        self.at_server, self.at_client = server.events(), client.events()

    async def bounce(self) -> None:
        """As libzmq's tests: a message of two frames each way."""
        for source, target in ((self.client, self.server), (self.server, self.client)):
            await source.send([b"12345678ABCDEFGH12345678abcdefgh"] * 2)
            assert await target.receive() == [b"12345678ABCDEFGH12345678abcdefgh"] * 2


@asynccontextmanager
async def two(
    server: trizmq.Security | None, client: trizmq.Security | None, transport: str = "tcp", **options: Any
) -> AsyncIterator[Two]:
    async with (
        trizmq.Dealer(security=server, routing_id=b"IDENT", linger=0) as bound,
        trizmq.Dealer(security=client, linger=0, **options) as connected,
    ):
        pair = Two(bound, connected)
        connected.connect(await bound.bind(STREAMS[transport]))
        yield pair


REFUSED_400 = (FAILED_AUTH, 400)
IN = (SUCCEEDED, 0)

# ---- NULL


async def test_null_without_a_domain_asks_nobody() -> None:
    async with handling(only_domain("TEST")) as handler, two(trizmq.Null(), None) as pair:
        await pair.bounce()
        assert handler.asked == []


@pytest.mark.parametrize("asks", ["server", "client"])
@pytest.mark.parametrize(("domain", "told"), [("WRONG", REFUSED_400), ("TEST", IN)])
async def test_null_with_a_domain(asks: str, domain: str, told: tuple[int, int]) -> None:
    """On either side of the connection, as in libzmq; the other one hears of it."""
    null = trizmq.Null(domain=domain)
    sides = (null, None) if asks == "server" else (None, null)
    async with handling(only_domain("TEST")) as handler, two(*sides) as pair:
        assert [await outcome(pair.at_server), await outcome(pair.at_client)] == [told, told]
        (asked, *_) = handler.asked  # who was refused comes again
        assert (asked.mechanism, asked.domain, asked.credentials) == ("NULL", domain, ())
        if told == IN:
            await pair.bounce()


async def test_null_with_a_domain_takes_no_old_peer() -> None:
    """Were it not refused, everything that it says would be delivered unasked."""
    async with handling(only_domain("TEST")) as handler, trizmq.Dealer(security=trizmq.Null(domain="TEST")) as server:
        events = server.events()
        async with raw_connection(await server.bind("tcp://127.0.0.1:*")) as raw:
            await raw.stream.send_all(b"\x01\0\x01\0" + b"\x06\0hello")
            assert await outcome(events) == (FAILED_PROTOCOL, MECHANISM_MISMATCH)
        assert handler.asked == []
        assert server.statistics().messages_received == 0


async def test_a_domain_without_a_handler() -> None:
    """libzmq lets everybody in unless ``ZMQ_ZAP_ENFORCE_DOMAIN`` is set; here that is always so."""
    async with two(trizmq.Null(domain="TEST"), None) as pair:
        assert await outcome(pair.at_server) == (NO_DETAIL, errno.EFAULT)


# ---- PLAIN


async def test_plain_with_the_right_password() -> None:
    """The handler hears the name of the socket that asks."""
    async with handling(lambda request: Allow(request.username or "")) as handler:
        async with two(trizmq.PlainServer(domain="test"), RIGHT) as pair:
            assert [await outcome(pair.at_server), await outcome(pair.at_client)] == [IN, IN]
            await pair.bounce()
        (asked,) = handler.asked
        assert (asked.routing_id, asked.domain, asked.mechanism) == (b"IDENT", "test", "PLAIN")
        assert asked.credentials == (b"admin", b"password")


@pytest.mark.parametrize("wrong", [("admin", "bogus"), ("bogus", "password"), ("", ""), ("wronguser", "wrongpass")])
async def test_plain_with_wrong_words(wrong: tuple[str, str]) -> None:
    async with two(trizmq.PlainServer(authenticator=PASSWORDS), trizmq.PlainClient(*wrong)) as pair:
        assert [await outcome(pair.at_server), await outcome(pair.at_client)] == [REFUSED_400, REFUSED_400]


async def test_two_plain_servers_wait_for_each_other(autojump_clock: trio.testing.MockClock) -> None:
    """Nobody speaks first, and the handshake ends by its timer."""
    security = trizmq.PlainServer(authenticator=PASSWORDS)
    async with two(security, security, handshake_timeout=60) as pair:
        assert await outcome(pair.at_server) == (NO_DETAIL, errno.ETIMEDOUT)
        assert (await outcome(pair.at_client))[0] == NO_DETAIL


# ---- CURVE


@pytest.mark.parametrize("transport", STREAMS)
async def test_curve_with_the_right_keys(transport: str) -> None:
    """Each side tells of one handshake, and of nothing else."""
    async with handling(only_key(CLIENT.public_key)) as handler, two(SERVER, CLIENT, transport) as pair:
        await pair.bounce()
        await pair.client.aclose()
        await pair.server.aclose()
        for events, first in ((pair.at_server, ACCEPTED), (pair.at_client, CONNECTED)):
            told = [event.zmq_event async for event in events]
            assert [number for number in told if number in (first, SUCCEEDED)] == [first, SUCCEEDED]
            assert not {NO_DETAIL, FAILED_PROTOCOL, FAILED_AUTH} & {*told}
        (asked,) = handler.asked
        assert (asked.routing_id, asked.domain, asked.mechanism) == (b"IDENT", "TEST", "CURVE")
        assert asked.credentials == (CLIENT.public_key,)


async def test_curve_with_an_identity_of_255() -> None:
    async with (
        handling(only_key(CLIENT.public_key)),
        two(SERVER, CLIENT, routing_id=b"x" * 255) as pair,
    ):
        await pair.bounce()
        assert pair.server.peers()[0].identity == b"x" * 255


async def test_curve_with_an_unknown_key() -> None:
    async with (
        handling(only_key(CLIENT.public_key)) as handler,
        two(SERVER, trizmq.CurveClient(server_key=S)) as pair,
    ):
        assert [await outcome(pair.at_server), await outcome(pair.at_client)] == [REFUSED_400, REFUSED_400]
        assert handler.asked


@pytest.mark.parametrize("client", [None, RIGHT], ids=["NULL", "PLAIN"])
async def test_curve_met_by_another_mechanism(client: trizmq.Security | None) -> None:
    """Nobody is asked about it."""
    async with handling(lambda request: Allow()) as handler, two(SERVER, client) as pair:
        told = [await outcome(pair.at_server), await outcome(pair.at_client)]
        assert (FAILED_PROTOCOL, MECHANISM_MISMATCH) in told  # the second to notice may see the connection end
        assert handler.asked == []


async def test_curve_with_another_server_s_key() -> None:
    async with (
        handling(lambda request: Allow()) as handler,
        two(SERVER, trizmq.CurveClient(server_key=b"k" * 32)) as pair,
    ):
        assert await outcome(pair.at_server) == (FAILED_PROTOCOL, CRYPTOGRAPHIC)
        assert (await outcome(pair.at_client))[0] == NO_DETAIL
        assert handler.asked == []


def renamed(body: bytes) -> bytes:
    return body[:1] + b"X" + body[2:]


HELLOS: dict[str, tuple[partial[bytes], int]] = {
    "zeros for a key": (partial(Client.hello, x_public=bytes(32)), CRYPTOGRAPHIC),
    "short": (partial(Client.hello, change=lambda body: body[:-1]), MALFORMED_HELLO),
    "long": (partial(Client.hello, change=lambda body: body + b"\0"), MALFORMED_HELLO),
    "version": (partial(Client.hello, version=b"\2\0"), MALFORMED_HELLO),
    "name": (partial(Client.hello, change=renamed), UNEXPECTED_COMMAND),
    "key": (partial(Client.hello, change=partial(damaged, at=90)), CRYPTOGRAPHIC),
    "box": (partial(Client.hello, change=partial(damaged, at=199)), CRYPTOGRAPHIC),
}
INITIATES: dict[str, tuple[partial[bytes], int]] = {
    "short": (partial(Client.initiate, change=lambda body: body[:256]), MALFORMED_INITIATE),
    "name": (partial(Client.initiate, change=renamed), UNEXPECTED_COMMAND),
    "cookie": (partial(Client.initiate, change=partial(damaged, at=40)), CRYPTOGRAPHIC),
    "cookie's box": (partial(Client.initiate, change=partial(damaged, at=100)), CRYPTOGRAPHIC),
    "box": (partial(Client.initiate, change=partial(damaged, at=200)), CRYPTOGRAPHIC),
}


@pytest.mark.parametrize("case", HELLOS)
async def test_curve_with_a_bad_hello(case: str) -> None:
    await misbehave(*HELLOS[case], welcomed=False)


@pytest.mark.parametrize("case", INITIATES)
async def test_curve_with_a_bad_initiate(case: str) -> None:
    await misbehave(*INITIATES[case], welcomed=True)


async def misbehave(command: partial[bytes], code: int, welcomed: bool) -> None:
    async with handling(lambda request: Allow()) as handler, trizmq.Dealer(security=SERVER) as server:
        events = server.events()
        async with raw_connection(await server.bind("tcp://127.0.0.1:*")) as raw:
            client = Client(b"DEALER")
            await raw.stream.send_all(greeting(b"CURVE"))
            await raw.read(64)
            if welcomed:
                await raw.stream.send_all(client.hello())
                client.heard((await raw.read_frame())[1])
            await raw.stream.send_all(command(client))
            assert await outcome(events) == (FAILED_PROTOCOL, code)
            assert await raw.closed(), "without an ERROR"
        assert handler.asked == []


async def test_curve_s_own_commands_are_no_curve_at_all() -> None:
    """A peer that only greets and then talks NULL: READY where HELLO is due."""
    async with trizmq.Dealer(security=trizmq.CurveServer(S_SECRET, authenticator=auth.allow_any)) as server:
        events = server.events()
        async with raw_connection(await server.bind("tcp://127.0.0.1:*")) as raw:
            await say_ready(raw)
            assert await outcome(events) == (FAILED_PROTOCOL, UNEXPECTED_COMMAND)


async def say_ready(raw: RawPeer) -> None:
    await raw.stream.send_all(greeting(b"CURVE") + frame(b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER", 4))


@pytest.mark.parametrize("key", [bytes(31), b"x" * 33, "x" * 39, "x" * 41, b"", ""])
def test_keys_of_a_wrong_length(key: str | bytes) -> None:
    for make in (
        lambda: trizmq.CurveServer(key, authenticator=auth.allow_any),
        lambda: trizmq.CurveClient(server_key=key),
        lambda: trizmq.CurveClient(server_key=S, secret_key=key),
    ):
        with pytest.raises(trizmq.OptionError):
            make()


@pytest.mark.parametrize("key", [bytes(32), "0" * 40])
def test_keys_of_zeros(key: str | bytes) -> None:
    """libzmq finds out in the handshake (CRYPTOGRAPHIC at the server); here it cannot be asked for."""
    for make in (lambda: trizmq.CurveClient(server_key=key), lambda: trizmq.CurveClient(server_key=S, secret_key=key)):
        with pytest.raises(trizmq.OptionError, match="zeros"):
            make()
