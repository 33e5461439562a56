"""GSSAPI byte by byte (zmtp-wire.md 10), over a stand-in for the package; tests/interop/test_gssapi.py has the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.wire.fake_gssapi import Flag, SecurityContext, installed, wrapped
from tests.wire.harness import bytewise, config, exchange, feed, greeting, started
from tests.wire.secure import DEALER_METADATA, ROUTER_METADATA, meet
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError
from trizmq.events import (
    CRYPTOGRAPHIC,
    MALFORMED_COMMAND,
    MALFORMED_INITIATE,
    MALFORMED_MESSAGE,
    MALFORMED_READY,
    UNEXPECTED_COMMAND,
)
from trizmq.wire.commands import make_command, make_error
from trizmq.wire.connection import Connection
from trizmq.wire.frames import COMMAND, command_frame, frame_header
from trizmq.wire.mechanisms import gssapi_backend
from trizmq.wire.mechanisms.base import AuthenticationError
from trizmq.wire.mechanisms.gssapi import GssapiClient, GssapiGuard, GssapiServer
from trizmq.wire.mechanisms.gssapi_backend import GssError, Principal, acceptor, initiator

GREETING = greeting(mechanism=b"GSSAPI")
SERVICE = Principal("zmq@host", "hostbased")
TICKET = b"ticket zmq@host of ann@REALM"
WELCOME = b"welcome ann@REALM"
CONFIRM = b"\x04\x00"


@pytest.fixture(autouse=True)
def fake() -> Iterator[type[SecurityContext]]:
    with installed() as contexts:
        yield contexts


def initiate(token: bytes) -> bytes:
    """By hand."""
    return b"\x04" + bytes((13 + len(token),)) + b"\x08INITIATE" + len(token).to_bytes(4, "big") + token


def framed(body: bytes) -> bytes:
    return frame_header(0, len(body)) + body


def new_client(kind: str = "DEALER", plaintext: bool = False) -> Connection:
    begin = initiator(SERVICE, None)
    return Connection(config(kind, mechanism=partial(GssapiClient, begin=begin, plaintext=plaintext)))


def new_server(kind: str = "ROUTER", plaintext: bool = False) -> Connection:
    begin = acceptor(None)
    return Connection(config(kind, server=True, mechanism=partial(GssapiServer, begin=begin, plaintext=plaintext)))


def greeted(connection: Connection) -> Connection:
    """It has the peer's greeting, and ours is out, with what follows at once."""
    connection.start()
    connection.receive_data(GREETING)
    return connection


def asking(plaintext: bool = False) -> Connection:
    """A server that has let in ann and sent READY."""
    server = greeted(new_server(plaintext=plaintext))
    server.receive_data(initiate(TICKET) + CONFIRM)
    server.authenticated("200")
    server.data_to_send()
    return server


def waiting(plaintext: bool = False) -> Connection:
    """A client that waits for READY."""
    client = greeted(new_client(plaintext=plaintext))
    client.receive_data(initiate(WELCOME))
    client.data_to_send()
    return client


def fails(connection: Connection, data: bytes, match: str, code: int) -> None:
    with pytest.raises(RemoteProtocolError, match=match) as caught:
        connection.receive_data(data)
    assert caught.value.code == code
    assert not connection.ready
    assert not connection.authenticating


# ---- what is right


@pytest.mark.parametrize("plaintext", [False, True])
@pytest.mark.parametrize("chunk", [1, 1 << 20])
@pytest.mark.parametrize("rounds", [1, 3])
def test_handshake_and_traffic(fake: type[SecurityContext], plaintext: bool, chunk: int, rounds: int) -> None:
    fake.rounds = rounds
    client, server = new_client(plaintext=plaintext), new_server(plaintext=plaintext)
    assert meet(client, server, chunk) == (b"ann@REALM",)
    assert (client.mechanism, client.peer.socket_type) == ("GSSAPI", "ROUTER")
    assert (server.mechanism, server.peer.socket_type) == ("GSSAPI", "DEALER")
    assert client.sealed is server.sealed is not plaintext
    for sender, receiver in ((client, server), (server, client)):
        data = b"".join(sender.encode([b"secret", [b"a", b"b"], b"", b"y" * 70_000]))
        assert (b"secret" in data) is plaintext
        assert feed(receiver, bytewise(data)).messages == [b"secret", [b"a", b"b"], b"", b"y" * 70_000]


def test_the_bytes_of_libzmq() -> None:
    client, server = greeted(new_client()), greeted(new_server())
    sent = client.data_to_send()
    assert sent[10:33] == b"\3\1GSSAPI" + bytes(14) + b"\0"
    assert sent.endswith(initiate(TICKET))
    assert server.data_to_send()[32:33] == b"\1"
    assert feed(server, bytewise(initiate(TICKET))).sent == initiate(WELCOME)
    assert not server.authenticating
    assert feed(client, bytewise(initiate(WELCOME))).sent == CONFIRM
    server.receive_data(CONFIRM)
    assert server.authenticating
    assert server.credentials == (b"ann@REALM",)
    server.authenticated("200")
    answer = wrapped(1, b"\0\5READY" + ROUTER_METADATA)
    assert server.data_to_send() == command_frame(answer)
    ready = wrapped(1, b"\0\5READY" + DEALER_METADATA)
    outcome = feed(client, bytewise(command_frame(answer)))
    assert (outcome.sent, outcome.ready) == (command_frame(ready), True)
    assert feed(server, [command_frame(ready)]).ready
    assert client.encode([b"hi"]) == [framed(wrapped(2, b"\0hi"))]
    assert client.encode([[b"a", b"b"]]) == [framed(wrapped(3, b"\1a")) + framed(wrapped(4, b"\0b"))]
    client.ping(0)
    assert client.data_to_send() == framed(wrapped(5, b"\2\4PING\0\0"))


def test_plaintext_bytes() -> None:
    server = asking(plaintext=True)
    assert feed(server, [command_frame(b"\5READY" + DEALER_METADATA) + b"\0\2hi"]).messages == [b"hi"]
    client = waiting(plaintext=True)
    outcome = feed(client, [command_frame(b"\5READY" + ROUTER_METADATA)])
    assert (outcome.sent, outcome.ready) == (command_frame(b"\5READY" + DEALER_METADATA), True)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (b"\4topic", b"\1topic"),
        (b"\x08topic", b"\0topic"),
        (b"\2\x09SUBSCRIBEtopic", b"\1topic"),
        (b"\2\6CANCELtopic", b"\0topic"),
        (b"\0\1topic", b"\1topic"),
    ],
)
def test_subscriptions_in_every_form(inner: bytes, message: bytes) -> None:
    client, server = new_client("SUB"), new_server("XPUB")
    meet(client, server)
    assert feed(server, [framed(wrapped(2, inner))]).messages == [message]


def test_our_subscriptions_are_commands() -> None:
    client, server = new_client("SUB"), new_server("XPUB")
    meet(client, server)
    assert client.encode([b"\1topic"]) == [framed(wrapped(2, b"\2\x09SUBSCRIBEtopic"))]


def test_the_guard_keeps_both_flags() -> None:
    begin = acceptor(None)()
    guard = GssapiGuard(begin)
    message = wrapped(1, b"\3\4PING")
    assert guard.open(message, 0, len(message)) == (COMMAND | 1, b"\4PING")
    assert guard.overhead >= len(b"".join(guard.seal(0, b"")))


# ---- what is not


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0", b"\0\0\0\5abcd", b"\0\0\0\3abcd", b"\xff\xff\xff\xffabcd"], ids=lambda data: data.hex()
)
@pytest.mark.parametrize("make", [new_client, new_server])
def test_malformed_tokens(make: Callable[[], Connection], data: bytes) -> None:
    body = command_frame(make_command(b"INITIATE", data))
    fails(greeted(make()), body, "malformed INITIATE", MALFORMED_INITIATE)


@pytest.mark.parametrize("make", [new_client, new_server])
def test_tokens_that_prove_nothing(make: Callable[[], Connection]) -> None:
    fails(greeted(make()), initiate(b"welcome eve"), "the GSSAPI handshake failed: ", CRYPTOGRAPHIC)


@pytest.mark.parametrize("missing", [Flag.mutual_authentication, Flag.replay_detection])
def test_contexts_that_protect_too_little(fake: type[SecurityContext], missing: Flag) -> None:
    fake.flags = frozenset(Flag) - {missing}
    fails(greeted(new_server()), initiate(TICKET), "no mutual authentication", CRYPTOGRAPHIC)
    fails(greeted(new_client()), initiate(WELCOME), "no mutual authentication", CRYPTOGRAPHIC)


def test_exchanges_that_end_otherwise(fake: type[SecurityContext]) -> None:
    fake.silent = True
    fails(greeted(new_server()), initiate(TICKET), "does not end with a token of ours", CRYPTOGRAPHIC)
    fake.last_word = b"one more thing"
    fails(greeted(new_client()), initiate(WELCOME), "does not end with a token of the server", CRYPTOGRAPHIC)


def test_a_client_without_a_name() -> None:
    fails(greeted(new_server()), initiate(b"ticket zmq@host of anonymous"), "failed: it has no name", CRYPTOGRAPHIC)


def test_the_confirmation_is_empty() -> None:
    server = greeted(new_server())
    server.receive_data(initiate(TICKET))
    fails(server, command_frame(b"\5READY"), "6 bytes in the GSSAPI handshake where an empty", UNEXPECTED_COMMAND)


def test_an_empty_command_elsewhere() -> None:
    fails(greeted(new_server()), CONFIRM, "malformed command", MALFORMED_COMMAND)


def test_no_readiness_before_the_confirmation() -> None:
    fails(greeted(new_server()), command_frame(b"\5READY"), "unexpected command", UNEXPECTED_COMMAND)
    fails(greeted(new_client()), command_frame(b"\5READY"), "unexpected command", UNEXPECTED_COMMAND)


@pytest.mark.parametrize("make", [waiting, asking])
def test_no_downgrade(make: Callable[[bool], Connection]) -> None:
    plain, sealed = command_frame(b"\5READY"), command_frame(wrapped(1, b"\0\5READY"))
    fails(make(False), plain, "unexpected command b'READY' .* due is: MESSAGE", UNEXPECTED_COMMAND)
    fails(make(True), sealed, "unexpected command b'MESSAGE' .* due is: READY", UNEXPECTED_COMMAND)


@pytest.mark.parametrize("make", [waiting, asking])
@pytest.mark.parametrize("inner", [b"\0", b"\0\6READY", b"\0\5ERROR"])
def test_another_command_in_place_of_ready(make: Callable[[], Connection], inner: bytes) -> None:
    fails(make(), command_frame(wrapped(1, inner)), "no READY", MALFORMED_READY)


BAD_MESSAGES = [
    (b"", "no GSSAPI MESSAGE", UNEXPECTED_COMMAND),
    (b"\7MESSAGE\0\0\0", "no GSSAPI MESSAGE", UNEXPECTED_COMMAND),
    (b"\7MASSAGE\0\0\0\0", "no GSSAPI MESSAGE", UNEXPECTED_COMMAND),
    (b"\7MESSAGE\0\0\0\1", "announces a token of 1 bytes, and has 0", MALFORMED_MESSAGE),
    (b"\7MESSAGE\0\0\0\1ab", "announces a token of 1 bytes, and has 2", MALFORMED_MESSAGE),
    (wrapped(3, b""), "without flags", MALFORMED_MESSAGE),
    (wrapped(3, b"\0hi")[:-1] + b"?", "not genuine: the checksum is wrong", CRYPTOGRAPHIC),
    (wrapped(1, b"\0hi"), "not genuine: a duplicate", CRYPTOGRAPHIC),
]


@pytest.mark.parametrize(("body", "match", "code"), BAD_MESSAGES)
def test_bad_traffic(body: bytes, match: str, code: int) -> None:
    client, server = new_client(), new_server()
    meet(client, server)
    outcome = feed(server, [framed(wrapped(2, b"\0before")), framed(body)])
    assert outcome.messages == [b"before"]
    assert match in outcome.error
    context = acceptor(None)()
    guard = GssapiGuard(context)
    context.unwrap(wrapped(1, b"")[12:])
    with pytest.raises(RemoteProtocolError) as caught:
        guard.open(b"--" + body + b"--", 2, 2 + len(body))
    assert caught.value.code == code


def test_another_order() -> None:
    client, server = new_client(), new_server()
    meet(client, server)
    outcome = feed(server, [framed(wrapped(number, b"\0" + bytes((number,)))) for number in (2, 5, 4)])
    assert outcome.messages == [b"\2", b"\5"]  # what was left out in between is not missed
    assert "not genuine: it is out of order" in outcome.error


def test_tokens_of_old_kerberos_tell_no_order() -> None:
    client, server = new_client(), new_server()
    meet(client, server)
    old = [framed(wrapped(number, b"\0" + bytes((number,)), b"\2\1")) for number in (2, 5, 4)]
    assert feed(server, old).messages == [b"\2", b"\5", b"\4"]


def test_signed_is_not_encrypted(fake: type[SecurityContext]) -> None:
    guard = GssapiGuard(acceptor(None)())
    fake.encrypts = False
    message = wrapped(1, b"\0hi")
    with pytest.raises(RemoteProtocolError, match="signed, but not encrypted"):
        guard.open(message, 0, len(message))
    with pytest.raises(RemoteProtocolError, match="does not encrypt any more: the context does not encrypt"):
        guard.seal(0, b"hi")


def test_a_context_that_has_expired(monkeypatch: pytest.MonkeyPatch, fake: type[SecurityContext]) -> None:
    begun: list[SecurityContext] = []

    class Watched(fake):  # type: ignore[misc, valid-type]
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            begun.append(self)

    monkeypatch.setattr(gssapi_backend.load(), "SecurityContext", Watched)
    client, server = new_client(), new_server()
    meet(client, server)
    for context in begun:
        context.sent = -1
    with pytest.raises(RemoteProtocolError, match="the context has expired") as caught:
        client.encode([b"hi"])
    assert caught.value.code == CRYPTOGRAPHIC


# ---- refusals


@pytest.mark.parametrize(("status", "told"), [("300", b""), ("400", make_error("400")), ("500", make_error("500"))])
def test_refused(status: str, told: bytes) -> None:
    server = greeted(new_server())
    server.receive_data(initiate(TICKET) + CONFIRM)
    server.data_to_send()
    with pytest.raises(AuthenticationError) as caught:
        server.authenticated(status)
    assert caught.value.status == status
    assert server.data_to_send() == (command_frame(told) if told else b"")


@pytest.mark.parametrize("make", [lambda: greeted(new_client()), waiting, partial(waiting, True)])
def test_the_server_refuses(make: Callable[[], Connection]) -> None:
    with pytest.raises(AuthenticationError, match="ERROR '400'"):
        make().receive_data(command_frame(make_error("400")))


@pytest.mark.parametrize("make", [new_client, new_server])
@pytest.mark.parametrize("mechanism", [b"NULL", b"PLAIN", b"CURVE"])
def test_other_mechanisms(make: Callable[[], Connection], mechanism: bytes) -> None:
    connection = make()
    connection.start()
    with pytest.raises(IncompatiblePeerError):
        connection.receive_data(greeting(mechanism=mechanism))


def test_a_null_server_does_not_take_it() -> None:
    with pytest.raises(IncompatiblePeerError):
        started("ROUTER").receive_data(GREETING)


# ---- the backend


def test_no_credentials() -> None:
    nobody = Principal("nobody", "user")
    with pytest.raises(GssError, match="no credentials for nobody"):
        acceptor(nobody)
    begin = initiator(SERVICE, nobody)
    with pytest.raises(GssError, match="no credentials for nobody"):
        begin()


def test_tickets_are_gone_when_the_connection_is_made() -> None:
    begin = initiator(SERVICE, Principal("nobody", "krb5"))
    client = Connection(config("DEALER", mechanism=partial(GssapiClient, begin=begin, plaintext=False)))
    client.start()
    fails(client, GREETING, "handshake failed: no credentials", CRYPTOGRAPHIC)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    gssapi_backend.load.cache_clear()
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with pytest.raises(ImportError, match=r"pip install 'trizmq\[gssapi\]'"):
        acceptor(None)
    with pytest.raises(ImportError, match=r"pip install 'trizmq\[gssapi\]'"):
        initiator(SERVICE, None)


def test_two_of_ours_in_one_read() -> None:
    client, server = new_client(), new_server()
    client.start()
    server.start()
    exchange(client, server, 1 << 20)
    assert server.authenticating
    server.authenticated("200")
    exchange(client, server, 1 << 20)
    assert server.ready
    assert client.ready
