"""PLAIN (RFC 24; zmtp-wire.md 8, and the hostile inputs 76 to 82 of its section 18)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.wire.harness import bytewise, config, exchange, feed, greeting, started, unhex
from tests.wire.secure import meet, plain_client, plain_server
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError
from trizmq.wire.commands import make_command, make_error
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame
from trizmq.wire.mechanisms.base import AuthenticationError
from trizmq.wire.mechanisms.plain import Credentials, PlainClient, PlainServer

GREETING = greeting(mechanism=b"PLAIN")
HELLO = unhex("04 13 05 48 45 4c 4c 4f 05 61 64 6d 69 6e 06 73 65 63 72 65 74")
WELCOME = unhex("04 08 07 57 45 4c 43 4f 4d 45")
INITIATE = unhex(
    "04 2f 08 49 4e 49 54 49 41 54 45 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 44 45 41 4c 45 52"
    "08 49 64 65 6e 74 69 74 79 00 00 00 03 43 4c 49"
)
READY = unhex(
    "04 2c 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 52 4f 55 54 45 52"
    "08 49 64 65 6e 74 69 74 79 00 00 00 03 53 52 56"
)
LIBZMQ_ERROR = unhex("04 09 5e 52 52 4f 52 03 34 30 30")


def client(username: bytes = b"admin", password: bytes = b"secret", **changes: object) -> Connection:
    """One that has the server's greeting, and has sent HELLO."""
    mechanism = partial(PlainClient, credentials=Credentials(username, password))
    connection = started("DEALER", mechanism=mechanism, **changes)
    connection.receive_data(GREETING)
    return connection


def server(**changes: object) -> Connection:
    """One that has the client's greeting."""
    connection = started("ROUTER", mechanism=PlainServer, server=True, **changes)
    connection.receive_data(GREETING)
    connection.data_to_send()
    return connection


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_handshake_and_traffic(chunk: int) -> None:
    one, other = plain_client(), plain_server()
    assert meet(one, other, chunk) == (b"admin", b"secret")
    assert (one.mechanism, other.mechanism) == ("PLAIN", "PLAIN")
    assert other.peer.socket_type == "DEALER"
    assert one.peer.socket_type == "ROUTER"
    for sender, receiver in ((one, other), (other, one)):
        assert feed(receiver, bytewise(b"".join(sender.encode([b"hi", [b"a", b"b"]])))).messages == [
            b"hi",
            [b"a", b"b"],
        ]


def test_the_transcript_of_libzmq() -> None:
    one = client(identity=b"CLI")
    sent = one.data_to_send()
    assert sent[:22] == b"\3\1PLAIN" + bytes(15)
    assert sent[-len(HELLO) :] == HELLO
    other = server(identity=b"SRV")
    assert feed(other, bytewise(HELLO)).sent == b""
    assert other.authenticating
    assert other.credentials == (b"admin", b"secret")
    other.authenticated("200")
    assert other.data_to_send() == WELCOME
    assert feed(one, bytewise(WELCOME)).sent == INITIATE
    outcome = feed(other, bytewise(INITIATE))
    assert outcome.sent == READY
    assert outcome.ready
    assert feed(one, bytewise(READY + unhex("00 02 68 69"))).messages == [b"hi"]


def test_the_role_is_what_the_mechanism_says_whoever_connected() -> None:
    for mechanism, as_server in (
        (PlainServer, 1),
        (partial(PlainClient, credentials=Credentials(b"", b"")), 0),
    ):
        for bound in (True, False):
            connection = started("PAIR", mechanism=mechanism, server=bound)
            connection.receive_data(GREETING[:12])
            assert connection.data_to_send()[22] == as_server


@pytest.mark.parametrize("username", [b"", b"a\0b", b"u" * 255])
@pytest.mark.parametrize("password", [b"", b"\0", b"p" * 255])
def test_all_credentials(username: bytes, password: bytes) -> None:  # 82
    assert meet(plain_client("DEALER", username, password), plain_server()) == (username, password)


@pytest.mark.parametrize(
    ("data", "error"),
    [  # 76, 77
        (b"", "it has no user name"),
        (b"\5admi", "its user name ends beyond it"),
        (b"\5admin", "it has no password"),
        (b"\5admin\6secre", "its password ends beyond it"),
        (b"\5admin\6secret!", "1 bytes after the password"),
    ],
)
def test_malformed_hello(data: bytes, error: str) -> None:
    outcome = feed(server(), [command_frame(make_command(b"HELLO", data))])
    assert error in outcome.error
    assert "admi" not in outcome.error
    assert "secre" not in outcome.error
    assert not outcome.sent


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (command_frame(b""), "it is empty"),  # 77
        (command_frame(b"\5"), "a name of 5 bytes in 1"),
        (command_frame(b"\xffpassword"), "a name of 255 bytes in 9"),
        (INITIATE, "unexpected command b'INITIATE'"),  # 78
        (command_frame(make_error("400")), "unexpected command b'ERROR'"),
        (LIBZMQ_ERROR, "malformed command"),
        (command_frame(make_command(b"hello", b"\1a\1b")), "unexpected command b'hello'"),
    ],
)
def test_what_is_no_hello(data: bytes, error: str) -> None:
    outcome = feed(server(), [data])
    assert error in outcome.error
    assert not outcome.sent


def test_hello_twice() -> None:  # 78
    other = server()
    other.receive_data(HELLO + HELLO)
    with pytest.raises(RemoteProtocolError, match="unexpected command b'HELLO'"):
        other.authenticated("200")


def test_a_client_that_does_not_wait_waits_with_us() -> None:  # 79; libzmq closes
    other = server()
    other.receive_data(HELLO + INITIATE)
    assert not other.ready
    other.authenticated("200")
    assert other.ready
    assert other.data_to_send().startswith(WELCOME)


@pytest.mark.parametrize("metadata", [b"\1", b"\3abc\0\0\0\5xx"])
def test_bad_metadata(metadata: bytes) -> None:  # 80
    other = server()
    other.receive_data(HELLO)
    other.authenticated("200")
    assert "malformed metadata" in feed(other, [command_frame(make_command(b"INITIATE", metadata))]).error


@pytest.mark.parametrize(("status", "sent"), [("300", b""), ("400", LIBZMQ_ERROR), ("500", LIBZMQ_ERROR[:-3] + b"500")])
def test_refusals(status: str, sent: bytes) -> None:
    other = server()
    other.receive_data(HELLO)
    with pytest.raises(AuthenticationError, match=status):
        other.authenticated(status)
    assert other.data_to_send() == sent
    assert other.credentials == ()
    assert not other.ready


@pytest.mark.parametrize("before", [b"", WELCOME])
@pytest.mark.parametrize("prefix", [b"\5ERROR", b"\x5eRROR"])
def test_both_forms_of_error_are_understood(before: bytes, prefix: bytes) -> None:
    one = client()
    if before:
        one.receive_data(before)
    with pytest.raises(AuthenticationError, match="the peer refused the connection with ERROR '400'") as refusal:
        one.receive_data(command_frame(prefix + b"\x03400"))
    assert refusal.value.status == "400"
    one = client()
    one.receive_data(before)
    outcome = feed(one, [command_frame(prefix + b"\2no")])
    assert outcome.error == "RemoteProtocolError: the peer refused the connection with ERROR 'no'"
    one = client()
    one.receive_data(before)
    assert "a malformed ERROR command" in feed(one, [command_frame(prefix + b"\4no")]).error


@pytest.mark.parametrize(
    ("data", "error"),
    [  # 81
        (command_frame(make_command(b"WELCOME", b"x")), "a malformed WELCOME in the PLAIN handshake: 1 bytes of data"),
        (READY, "unexpected command b'READY'"),
        (WELCOME + WELCOME, "unexpected command b'WELCOME'"),
        (HELLO, "unexpected command b'HELLO'"),
        (WELCOME + command_frame(make_command(b"READY", b"\1")), "malformed metadata"),
    ],
)
def test_what_a_client_refuses(data: bytes, error: str) -> None:
    assert error in feed(client(), [data]).error


def test_ready_again_is_ignored() -> None:
    assert feed(client(), [WELCOME + READY + READY + b"\0\1x"]).messages == [b"x"]


def test_two_servers_or_two_clients_wait() -> None:
    for make in (plain_server, plain_client):
        one, other = make(), make()
        one.start()
        other.start()
        if make is plain_server:
            exchange(one, other)
            assert not any([one.ready, other.ready, one.authenticating, other.authenticating])
        else:
            with pytest.raises(RemoteProtocolError, match="unexpected command b'HELLO'"):
                exchange(one, other)


def test_no_downgrade() -> None:
    for data in (b"\1\0", greeting()[:10] + b"\1", greeting()[:10] + b"\0", greeting()):
        with pytest.raises(IncompatiblePeerError, match="PLAIN"):
            started("ROUTER", mechanism=PlainServer, server=True).receive_data(data)


def test_passwords_are_not_shown() -> None:
    credentials = Credentials(b"admin", b"hunter2")
    mechanism = partial(PlainClient, credentials=credentials)
    shown = [credentials, mechanism, config("DEALER", mechanism=mechanism), mechanism, client(password=b"hunter2")]
    assert "admin" in repr(credentials)
    assert all("hunter2" not in repr(thing) for thing in shown)


@pytest.mark.parametrize(("username", "password"), [(b"u" * 256, b""), (b"", b"p" * 256)])
def test_credentials_that_are_too_long(username: bytes, password: bytes) -> None:
    with pytest.raises(ValueError, match="at most 255 bytes, not 256"):
        Credentials(username, password)
