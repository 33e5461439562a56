"""Security between trizmq's own sockets: every mechanism, who is asked, who is let in, and what everybody else notices."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import trizmq
from trizmq import OptionError, auth
from trizmq.auth import Allow, AuthenticationRequest, Authenticator, Decision, Deny
from trizmq.runtime.engine import _LARGE
from trizmq.testing import MemoryNetwork
from trizmq.wire import frames
from trizmq.wire.mechanisms import nacl_backend

from .helpers import STREAMS, frame, raw_connection, ready, until

TIME = 10

SERVER, CLIENT, STRANGER = (auth.keygen() for _ in range(3))
NULL, PLAIN, CURVE = "NULL", "PLAIN", "CURVE"
MECHANISMS = [NULL, PLAIN, CURVE]
PASSWORD = "correct horse"

FAILED_NO_DETAIL, FAILED_PROTOCOL, FAILED_AUTH = 0x0800, 0x2000, 0x4000
MISMATCH, CRYPTOGRAPHIC = 0x11000002, 0x11000001


def server(mechanism: str, authenticator: Authenticator | None, domain: str = "") -> trizmq.Security:
    if mechanism == NULL:
        return trizmq.Null(authenticator=authenticator, domain=domain)
    if mechanism == PLAIN:
        return trizmq.PlainServer(authenticator=authenticator, domain=domain)
    return trizmq.CurveServer(SERVER.secret, authenticator=authenticator, domain=domain)


def client(mechanism: str) -> trizmq.Security | None:
    if mechanism == NULL:
        return None
    if mechanism == PLAIN:
        return trizmq.PlainClient("ann", PASSWORD)
    return trizmq.CurveClient(server_key=SERVER.public_z85, secret_key=CLIENT.secret_z85)


class Doorman:
    """An authenticator that answers as it is told, and notes what it was asked."""

    def __init__(self, answer: Decision | BaseException) -> None:
        self.answer = answer
        self.asked: list[AuthenticationRequest] = []

    async def __call__(self, request: AuthenticationRequest) -> Decision:
        self.asked.append(request)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def next_failure(events: trizmq.EventWatcher) -> trizmq.HandshakeFailed:
    async for event in events:
        assert not isinstance(event, trizmq.HandshakeSucceeded)
        if isinstance(event, trizmq.HandshakeFailed):
            return event
    raise AssertionError("the socket was closed")


# ---- who is let in


@pytest.mark.parametrize("server_connects", [False, True])
@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_let_in(mechanism: str, transport: str, server_connects: bool) -> None:
    """The question has what is known; the answer is with each message. The role does not depend on who connects."""
    doorman = Doorman(Allow("me", {"Badge": b"7"}))
    securing = server(mechanism, doorman, "front")
    with trio.fail_after(TIME):
        async with (
            trizmq.Router(security=securing, routing_id=b"us") as router,
            trizmq.Dealer(security=client(mechanism), routing_id=b"them") as dealer,
        ):
            binder, connector = (dealer, router) if server_connects else (router, dealer)
            bound = await binder.bind(STREAMS[transport])
            connector.connect(bound)
            await dealer.send([b"small", b"x" * 100_000])
            peer, message = await router.receive_from()
            assert message == [b"them", b"small", b"x" * 100_000]
            assert (peer.user_id, peer.mechanism) == ("me", mechanism)
            assert (peer.metadata["User-Id"], peer.metadata["Badge"]) == (b"me", b"7")
            await router.send([b"them", b"y" * 100_000])
            assert await dealer.receive() == [b"y" * 100_000]
            (asked,) = doorman.asked
            assert (asked.mechanism, asked.domain, asked.routing_id) == (mechanism, "front", b"us")
            assert asked.endpoint == bound
            if transport == "tcp":
                assert asked.address == "127.0.0.1"
            assert asked.username == ("ann" if mechanism == PLAIN else None)
            assert asked.password == (PASSWORD if mechanism == PLAIN else None)
            assert asked.public_key == (CLIENT.public if mechanism == CURVE else None)
            assert PASSWORD not in repr(asked)
            (other,) = dealer.peers()
            assert (other.user_id, other.mechanism) == ("", mechanism)


PAIRS: list[tuple[type[Any], type[Any]]] = [
    (trizmq.Pair, trizmq.Pair),
    (trizmq.Push, trizmq.Pull),
    (trizmq.Dealer, trizmq.Dealer),
    (trizmq.Pub, trizmq.Sub),
    (trizmq.XPub, trizmq.XSub),
    (trizmq.Req, trizmq.Rep),
]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("sending", "receiving"), PAIRS)
async def test_every_type(sending: type[Any], receiving: type[Any], mechanism: str) -> None:
    with trio.fail_after(TIME):
        async with (
            sending(security=server(mechanism, auth.allow_any)) as sender,
            receiving(security=client(mechanism)) as receiver,
        ):
            if receiving in (trizmq.Sub, trizmq.XSub):
                receiver.subscribe(b"")
            receiver.connect(await sender.bind("tcp://127.0.0.1:*"))
            if receiving in (trizmq.Sub, trizmq.XSub):
                await sender.wait_subscribed(b"")
            messages = [[b"%d" % at, bytes(at * 100)] for at in range(1 if sending is trizmq.Req else 200)]
            for message in messages:
                await sender.send(message)
                assert await receiver.receive() == message


async def test_streams_both_ways_in_bursts(nursery: trio.Nursery) -> None:
    """Thousands of sealed messages of all sizes, with heartbeats between them: no nonce comes out of turn."""
    sizes = [0, 1, 200, 255, 256, 5000, _LARGE - 1, _LARGE, 70_000]
    with trio.fail_after(TIME * 3):
        async with (
            trizmq.Dealer(security=server(CURVE, auth.allow_any), heartbeat_interval=0.005) as one,
            trizmq.Dealer(security=client(CURVE), heartbeat_interval=0.005) as other,
        ):
            other.connect(await one.bind("tcp://127.0.0.1:*"))

            async def produce(socket: trizmq.Dealer) -> None:
                for number in range(3000):
                    await socket.send([b"%d" % number, bytes(sizes[number % len(sizes)])])
                    if number % 100 == 0:
                        await wait_all_tasks_blocked()

            async def consume(socket: trizmq.Dealer) -> None:
                for number in range(3000):
                    assert await socket.receive() == [b"%d" % number, bytes(sizes[number % len(sizes)])]

            async with trio.open_nursery() as both:
                for socket in (one, other):
                    both.start_soon(produce, socket)
                    both.start_soon(consume, socket)
            assert one.statistics().disconnects == other.statistics().disconnects == 0


@pytest.mark.parametrize("message", [b"x" * _LARGE, [b"x", b"y" * _LARGE], b"small", [b"x", b"small"]])
async def test_nothing_is_sealed_in_vain(message: bytes | list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that will not be written directly is not encoded for it: each sealing costs time and a nonce."""
    with trio.fail_after(TIME):
        async with (
            trizmq.Dealer(security=server(CURVE, auth.allow_any)) as one,
            trizmq.Dealer(security=client(CURVE)) as other,
        ):
            other.connect(await one.bind("tcp://127.0.0.1:*"))
            await one.wait_connected()
            await other.wait_connected()
            await wait_all_tasks_blocked()
            (session,) = one._core.sessions
            assert session.engine is not None
            connection = session.engine._connection
            encode, encoded = connection.encode, 0

            def counting(batch: list[bytes | list[bytes]]) -> list[bytes]:
                nonlocal encoded
                encoded += 1
                return encode(batch)

            monkeypatch.setattr(connection, "encode", counting)
            await one.send(message)
            assert await other.receive() == (message if isinstance(message, list) else [message])
            assert encoded == 1


# ---- who is not


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("status", [300, 400, 500])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_refused_and_let_in_later(mechanism: str, status: int, transport: str) -> None:
    """Both sides' events say why, but that the peer does not hear of a 300; it tries again, and gets in when it may."""
    doorman = Doorman(Deny(status, "not today"))
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=server(mechanism, doorman)) as pull,
            trizmq.Push(security=client(mechanism), reconnect_interval=0.01) as push,
        ):
            at_pull, at_push = pull.events(), push.events()
            push.connect(await pull.bind(STREAMS[transport]))
            for _ in range(2):
                refused = await next_failure(at_pull)
                assert isinstance(refused, trizmq.HandshakeFailedAuth)
                assert (refused.zmq_event, refused.zmq_value) == (FAILED_AUTH, status)
                assert "not today" in refused.cause
                told = await next_failure(at_push)
                if status == 300:
                    assert told.zmq_event == FAILED_NO_DETAIL
                else:
                    assert (told.zmq_event, told.zmq_value) == (FAILED_AUTH, status)
                assert "not today" not in told.cause
            assert not push.peers()[0].connected
            doorman.answer = Allow()
            await push.send(b"at last")
            assert await pull.receive() == [b"at last"]


@pytest.mark.parametrize("mechanism", [PLAIN, CURVE])
async def test_wrong_credentials(mechanism: str) -> None:
    right: Authenticator = (
        auth.passwords({"ann": PASSWORD}) if mechanism == PLAIN else auth.allowed_keys([CLIENT.public])
    )
    wrong: trizmq.Security = (
        trizmq.PlainClient("ann", "guess")
        if mechanism == PLAIN
        else trizmq.CurveClient(server_key=SERVER.public, secret_key=STRANGER.secret)
    )
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=server(mechanism, right)) as pull,
            trizmq.Push(security=client(mechanism)) as good,
            trizmq.Push(security=wrong) as bad,
        ):
            events = bad.events()
            bound = await pull.bind("tcp://127.0.0.1:*")
            good.connect(bound)
            bad.connect(bound)
            await bad.send(b"never")
            await good.send(b"from a friend")
            failure = await next_failure(events)
            assert isinstance(failure, trizmq.HandshakeFailedAuth)
            assert failure.code == 400
            assert await pull.receive() == [b"from a friend"]
            assert len(pull.peers()) == 1
            with pytest.raises(trio.WouldBlock):
                pull.receive_nowait()
            bad.linger = 0


MISMATCHES: dict[str, tuple[trizmq.Security | None, trizmq.Security | None, int]] = {
    "NULL to CURVE": (server(CURVE, auth.allow_any), None, MISMATCH),
    "NULL to PLAIN": (server(PLAIN, auth.allow_any), None, MISMATCH),
    "PLAIN to CURVE": (server(CURVE, auth.allow_any), client(PLAIN), MISMATCH),
    "CURVE to NULL": (None, client(CURVE), MISMATCH),
    "CURVE with another server's key": (
        server(CURVE, auth.allow_any),
        trizmq.CurveClient(server_key=STRANGER.public),
        CRYPTOGRAPHIC,
    ),
}


@pytest.mark.parametrize("case", MISMATCHES)
async def test_what_does_not_fit(case: str) -> None:
    ours, theirs, code = MISMATCHES[case]
    with trio.fail_after(TIME):
        async with trizmq.Pull(security=ours) as pull, trizmq.Push(security=theirs, linger=0) as push:
            watchers = pull.events(), push.events()
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            failures = [await next_failure(events) for events in watchers]
            # who sees it first closes, and the other may see nothing else
            assert (FAILED_PROTOCOL, code) in [(failure.zmq_event, failure.zmq_value) for failure in failures]
            assert pull.peers() == ()


@pytest.mark.parametrize("greeting", [b"\x01\x00", b"\xff" + bytes(7) + b"\x01\x7f\x01\x08"], ids=["ZMTP 1", "ZMTP 2"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_no_way_down(mechanism: str, greeting: bytes) -> None:
    """Peers too old to have a mechanism are not let in by a socket that asks."""
    doorman = Doorman(Allow())
    with trio.fail_after(TIME):
        async with trizmq.Pull(security=server(mechanism, doorman)) as pull:
            events = pull.events()
            async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as raw:
                await raw.stream.send_all(greeting + frame(b"") + frame(b"let me in"))
                assert isinstance(await next_failure(events), trizmq.HandshakeFailed)
            assert doorman.asked == []
            assert pull.statistics().messages_received == 0


async def test_300_ends_the_connection_at_once_and_without_a_word(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()
    with network.host("here"):
        async with (
            trizmq.Pull(security=server(PLAIN, Doorman(Deny(300)))) as pull,
            trizmq.Push(security=client(PLAIN), linger=0) as push,
        ):
            events = push.events()
            push.connect(await pull.bind("tcp://here:5555"))
            failure = await next_failure(events)
            assert trio.current_time() < 0.1
            assert (failure.zmq_event, failure.code) == (FAILED_NO_DETAIL, errno.EPIPE)


async def test_who_is_sent_away_and_stays_is_cut_off() -> None:
    """The last word, an ERROR command, is written; a peer that does not go then has a second."""
    with trio.fail_after(TIME):
        async with trizmq.Pull(security=server(NULL, Doorman(Deny(400)))) as pull:
            events = pull.events()
            async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as raw:
                await raw.stream.send_all(
                    b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + bytes(32) + ready("PUSH") + bytes(1000)
                )
                await raw.read(64)
                assert await raw.read_frame() == (4, b"\x05ERROR\x03400")
                assert await raw.closed()
                assert (await next_failure(events)).code == 400, "while the peer's side is still open"


# ---- the authenticator


async def refuse_wrongly(request: AuthenticationRequest) -> Any:
    return True


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("fault", ["raises", "answers nonsense"])
async def test_an_authenticator_that_fails(mechanism: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Status 500, and it is in the log; nobody is let in by a bug."""
    faults: dict[str, trizmq.auth.Authenticator] = {
        "raises": Doorman(LookupError("no database")),
        "answers nonsense": refuse_wrongly,
    }
    authenticator = faults[fault]
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=server(mechanism, authenticator)) as pull,
            trizmq.Push(security=client(mechanism), linger=0) as push,
        ):
            events = push.events()
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            assert (await next_failure(events)).code == 500
    assert "the authenticator failed" in caplog.text
    assert ("Allow(...) or Deny(...), not bool" if fault == "answers nonsense" else "no database") in caplog.text
    assert PASSWORD not in caplog.text


async def test_a_slow_authenticator_holds_up_nobody_else(autojump_clock: trio.testing.MockClock) -> None:
    """It is asked in the task of the connection, and bounded by handshake_timeout, which then cancels it."""
    cancelled: list[str] = []

    async def slow_for_ann(request: AuthenticationRequest) -> Decision:
        if request.username == "ann":
            try:
                await trio.sleep_forever()
            finally:
                cancelled.append("ann")
        return Allow(request.username or "")

    network = MemoryNetwork()
    with network.host("here"):
        async with (
            trizmq.Pull(security=trizmq.PlainServer(authenticator=slow_for_ann), handshake_timeout=7) as pull,
            trizmq.Push(security=client(PLAIN), linger=0) as ann,
            trizmq.Push(security=trizmq.PlainClient("bob", "")) as bob,
        ):
            events = pull.events()
            bound = await pull.bind("tcp://here:5555")
            ann.connect(bound)
            await ann.send(b"from ann")
            await wait_all_tasks_blocked()
            bob.connect(bound)
            await bob.send(b"from bob")
            peer, message = await pull.receive_from()
            assert (peer.user_id, message) == ("bob", [b"from bob"])
            assert trio.current_time() < 1
            assert cancelled == []
            async for event in events:
                if isinstance(event, trizmq.HandshakeFailed):
                    assert event.cause == "the authenticator did not answer within 7 s (user 'ann')"
                    assert event.code == errno.ETIMEDOUT
                    break
            assert cancelled == ["ann"]
            assert trio.current_time() == pytest.approx(7, abs=0.1)
            await bob.send(b"still here")
            assert await pull.receive() == [b"still here"]


async def test_closing_does_not_wait_for_an_authenticator() -> None:
    asked = trio.Event()

    async def never(request: AuthenticationRequest) -> Decision:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    with trio.fail_after(TIME):
        async with trizmq.Push(security=client(PLAIN), linger=0) as push:
            async with trizmq.Pull(security=server(PLAIN, never)) as pull:
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                await asked.wait()


async def test_nobody_else_says_who_a_peer_is() -> None:
    """A peer that announces a User-Id, or what the authenticator knows better, is not believed."""
    authenticator: Authenticator | None
    for authenticator, expected in ((None, None), (Doorman(Allow("bob", {"Role": b"guest"})), b"bob")):
        with trio.fail_after(TIME):
            async with trizmq.Pull(security=trizmq.Null(authenticator=authenticator)) as pull:
                async with raw_connection(await pull.bind("tcp://127.0.0.1:*")) as raw:
                    properties = [(b"Socket-Type", b"PUSH"), (b"user-ID", b"root"), (b"rOLE", b"admin"), (b"X-a", b"b")]
                    body = b"\x05READY" + b"".join(
                        bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value for name, value in properties
                    )
                    await raw.stream.send_all(
                        b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48) + frame(body, flags=4)
                    )
                    await pull.wait_connected()
                    (peer,) = pull.peers()
                    assert peer.user_id == (expected or b"").decode()
                    assert peer.metadata.get("User-Id") == expected
                    assert "user-ID" not in peer.metadata
                    assert peer.metadata["X-a"] == b"b"
                    if expected:
                        assert (peer.metadata["Role"], "rOLE" in peer.metadata) == (b"guest", False)


# ---- what is said, and what is not


async def test_inproc_has_no_mechanism() -> None:
    """As in libzmq: both ends are this program."""
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=server(CURVE, Doorman(Deny()))) as pull,
            trizmq.Push(security=client(PLAIN)) as push,
        ):
            await pull.bind("inproc://here")
            push.connect("inproc://here")
            await push.send(b"hello")
            peer, message = await pull.receive_from()
            assert (message, peer.mechanism, peer.user_id) == ([b"hello"], "", "")


@pytest.mark.parametrize(
    ("endpoint", "options", "warned"),
    [
        ("tcp://*:*", {}, True),
        ("tcp://127.0.0.1:*", {}, False),
        ("ipc://*", {}, False),
        ("tcp://*:*", {"warn_insecure": False}, False),
        ("tcp://*:*", {"security": trizmq.Null()}, True),
        ("tcp://*:*", {"security": server(NULL, auth.allow_any)}, False),
        ("tcp://*:*", {"security": server(CURVE, auth.allow_any)}, False),
        ("tcp://*:*", {"security": server(PLAIN, auth.allow_any)}, True),
        ("tcp://127.0.0.1:*", {"security": server(PLAIN, auth.allow_any)}, False),
    ],
)
async def test_a_door_without_a_lock_is_told_once(
    endpoint: str, options: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with trizmq.Pull(**options) as pull:
        for _ in range(2):
            await pull.bind(endpoint)
    told = [record for record in caplog.records if "warn_insecure=False" in record.getMessage()]
    assert len(told) == warned
    assert all(record.levelno == logging.WARNING for record in told)


async def test_secrets_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Not in any repr, event or line of the log, at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    seen: list[object] = []
    with trio.fail_after(TIME):
        for mechanism in MECHANISMS:
            doorman = Doorman(Deny(400))
            ours, theirs = server(mechanism, doorman), client(mechanism)
            async with (
                trizmq.Pull(security=ours) as pull,
                trizmq.Push(security=theirs, linger=0, reconnect_interval=0.01) as push,
            ):
                at_pull, at_push = pull.events(), push.events()
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                seen += [await next_failure(watcher) for watcher in (at_pull, at_push)]
                doorman.answer = LookupError("broken")
                seen.append(await next_failure(at_pull))
                doorman.answer = Allow("ann")
                await push.wait_connected()
                seen += [pull, push, pull.security, push.security, pull.peers(), push.peers(), pull.statistics()]
                seen += doorman.asked
    shown = "\n".join(map(repr, seen)) + caplog.text
    for secret in (
        PASSWORD,
        SERVER.secret_z85,
        CLIENT.secret_z85,
        repr(SERVER.secret)[2:-1],
        repr(CLIENT.secret)[2:-1],
    ):
        assert secret not in shown
    assert CLIENT.secret.hex() not in shown


# ---- settings that cannot be

KEY = SERVER.secret_z85
LOW = b"s3cret" * 5 + b"s\x7f"

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "PLAIN, nobody decides": (trizmq.PlainServer, r"passwords\(.*authenticator=trizmq.auth.allow_any"),
    "CURVE, nobody decides": (lambda: trizmq.CurveServer(KEY), r"allowed_keys\(.*authenticator=trizmq.auth.allow_any"),
    "no authenticator": (lambda: trizmq.PlainServer(authenticator="all"), "async function"),  # type: ignore[arg-type]
    "domain too long": (lambda: trizmq.Null(domain="x" * 256), "at most 255"),
    "domain not ASCII": (lambda: trizmq.Null(domain="ä"), "ASCII"),
    "domain bytes": (lambda: trizmq.Null(domain=b"x"), "ASCII"),  # type: ignore[arg-type]
    "long user name": (lambda: trizmq.PlainClient("x" * 256, ""), "user name has 256 bytes"),
    "long password": (lambda: trizmq.PlainClient("", "s3cret" * 50), "password has 300 bytes"),
    "no password": (lambda: trizmq.PlainClient("", None), "password is a str or bytes, not NoneType"),  # type: ignore[arg-type]
    "short key": (lambda: trizmq.CurveServer(KEY[:-1], authenticator=auth.allow_any), "secret_key.*39 characters"),
    "no Z85": (lambda: trizmq.CurveServer('"' * 40, authenticator=auth.allow_any), "secret_key.*position 0"),
    "no key": (lambda: trizmq.CurveServer(5, authenticator=auth.allow_any), "secret_key.*not int"),  # type: ignore[arg-type]
    "zeros": (lambda: trizmq.CurveClient(server_key=bytes(32)), "server_key.*zeros"),
    "mixed up": (lambda: trizmq.CurveClient(server_key=KEY, secret_key=KEY), "are the same"),
    "the server's": (lambda: trizmq.CurveClient(server_key=SERVER.public, secret_key=KEY), "belongs to server_key"),
    "the wrong way round": (
        lambda: trizmq.CurveClient(server_key=CLIENT.secret, secret_key=CLIENT.public),
        "wrong way round|no public key",
    ),
    "a pair": (lambda: trizmq.CurveClient(server_key=LOW, secret_key=auth.curve_public(LOW)), "wrong way round"),
    "a secret key": (lambda: trizmq.CurveClient(server_key=b"s3cret" * 5 + b"s\x80"), "server_key is no public key"),
    "a pair for a key": (lambda: trizmq.CurveServer(SERVER, authenticator=auth.allow_any), r"use its \.secret"),  # type: ignore[arg-type]
    "a certificate": (lambda: trizmq.CurveClient(server_key=auth.Certificate(SERVER.public)), r"use its \.public"),  # type: ignore[arg-type]
    "a file": (
        lambda: trizmq.CurveServer("keys/server.key_secret", authenticator=auth.allow_any),
        r"22 characters; a file is read by trizmq\.auth\.read_certificate\(\.\.\.\)\.secret",
    ),
    "a path": (lambda: trizmq.CurveClient(server_key=Path("server.key")), r"read_certificate\(\.\.\.\)\.public"),  # type: ignore[arg-type]
    "a class": (lambda: trizmq.Rep(security=trizmq.Null), "not the class"),  # type: ignore[arg-type]
    "a key": (lambda: trizmq.Rep(security=KEY), "<str>: expected trizmq.Null"),  # type: ignore[arg-type]
    "a proxy's long password": (
        lambda: trizmq.Req(socks_password="s3cret" * 50),
        "socks_password=<str>: expected at most",
    ),
    "a proxy's password": (lambda: trizmq.Req(socks_password=b"s3cret"), "socks_password=<bytes>: expected a str"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_cannot_be(case: str) -> None:
    make, text = WRONG[case]
    with pytest.raises(OptionError, match=text) as caught:
        make()
    assert KEY not in str(caught.value)
    assert KEY[:-1] not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_values() -> None:
    """Keys as bytes or text; immutable; equal where they say the same; a client may go without a key of its own."""
    one = trizmq.CurveServer(SERVER.secret, authenticator=auth.allow_any)
    other = trizmq.CurveServer(SERVER.secret_z85, authenticator=auth.allow_any)
    assert one == other
    assert one.public_key == SERVER.public
    with pytest.raises(AttributeError):
        one.domain = "x"  # type: ignore[misc]
    anonymous = [trizmq.CurveClient(server_key=SERVER.public) for _ in range(2)]
    assert anonymous[0].public_key != anonymous[1].public_key
    assert trizmq.Rep(security=one).security is one


@pytest.mark.parametrize(
    "make",
    [lambda: server(CURVE, auth.allow_any), lambda: trizmq.CurveClient(server_key=SERVER.public)],
    ids=["server", "client"],
)
def test_without_pynacl(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    nacl_backend.load.cache_clear()
    monkeypatch.setitem(sys.modules, "nacl", None)
    try:
        with pytest.raises(ImportError, match=r"pip install 'trizmq\[curve\]'"):
            make()
    finally:
        nacl_backend.load.cache_clear()


async def test_a_context_gives_its_sockets_security() -> None:
    with trio.fail_after(TIME):
        async with trizmq.Context(security=server(CURVE, auth.allow_any)) as context:
            async with context.socket(trizmq.Pull) as pull, trizmq.Push(security=client(CURVE)) as push:
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                await push.send(b"hello")
                assert await pull.receive() == [b"hello"]
                await until(lambda: pull.peers()[0].mechanism == CURVE)


async def test_a_stream_has_no_mechanism(caplog: pytest.LogCaptureFixture) -> None:
    """Asking for one is an error at once; what a context gives to its other sockets does not concern it."""
    for value in (server(CURVE, auth.allow_any), client(PLAIN), trizmq.Null()):
        with pytest.raises(OptionError, match=r"security=<\w+>: a STREAM has no handshake"):
            trizmq.Stream(security=value)  # type: ignore[arg-type]
    async with (
        trizmq.Context(security=server(CURVE, auth.allow_any)) as context,
        context.socket(trizmq.Stream) as stream,
        context.socket(trizmq.Pull) as pull,
    ):
        assert stream.security is None
        assert pull.security is not None
        with pytest.raises(OptionError, match="a STREAM has no handshake"):
            stream.security = client(CURVE)  # type: ignore[assignment]
        endpoint = await stream.bind("tcp://*:*")
        async with raw_connection(endpoint.replace("0.0.0.0", "127.0.0.1")) as raw:
            await raw.stream.send_all(b"hello")
            assert [(await stream.receive())[1], (await stream.receive())[1]] == [b"", b"hello"]
    assert "without security" not in caplog.text, "it could not have any"


async def test_new_keys_hold_from_the_next_connection_on() -> None:
    """Those who are in stay; the handshake under way ends as it began, with whom it began to ask."""
    waiting, go = trio.Event(), trio.Event()

    async def slow(request: AuthenticationRequest) -> Decision:
        waiting.set()
        await go.wait()
        return Allow("old")

    new = auth.keygen()
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=trizmq.CurveServer(SERVER.secret, authenticator=slow)) as pull,
            trizmq.Push(security=client(CURVE)) as early,
            trizmq.Push(security=trizmq.CurveClient(server_key=new.public)) as late,
        ):
            bound = await pull.bind("tcp://127.0.0.1:*")
            early.connect(bound)
            await waiting.wait()
            pull.security = trizmq.CurveServer(new.secret, authenticator=Doorman(Allow("new")))
            go.set()
            await pull.wait_connected()
            late.connect(bound)
            await late.send(b"late")
            await pull.wait_connected(2)
            await early.send(b"early")
            came = {(peer.user_id, message[0]) for peer, message in [await pull.receive_from() for _ in range(2)]}
            assert came == {("old", b"early"), ("new", b"late")}


def test_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trizmq.has("compiled") is (not str(frames.__file__).endswith(".py"))
    assert trizmq.has("curve")
    monkeypatch.setattr("trizmq.capabilities.find_spec", lambda name: None)
    assert not trizmq.has("curve")
