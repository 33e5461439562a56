"""PLAIN, CURVE and NULL with ZAP between trizmq and libzmq, each in each role, over real transports."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket, orders, until
from tests.interop.peer import describe
from tests.runtime import helpers
from trizmq import auth
from trizmq.auth import Allow, AuthenticationRequest, Decision, Deny

TIME = 20

SERVER, CLIENT, STRANGER = (auth.keygen() for _ in range(3))
NULL, PLAIN, CURVE = "NULL", "PLAIN", "CURVE"
HANDLER = "inproc://zeromq.zap.01"

#: What libzmq is told to be.
AS_SERVER: dict[str, dict[str, int | str]] = {
    NULL: {"ZAP_DOMAIN": "front"},
    PLAIN: {"PLAIN_SERVER": 1, "ZAP_DOMAIN": "front"},
    CURVE: {"CURVE_SERVER": 1, "CURVE_SECRETKEY": SERVER.secret_z85, "ZAP_DOMAIN": "front"},
}
AS_CLIENT: dict[str, dict[str, int | str]] = {
    NULL: {},
    PLAIN: {"PLAIN_USERNAME": "ann", "PLAIN_PASSWORD": "hunter2"},
    CURVE: {
        "CURVE_SERVERKEY": SERVER.public_z85,
        "CURVE_PUBLICKEY": CLIENT.public_z85,
        "CURVE_SECRETKEY": CLIENT.secret_z85,
    },
}

MESSAGES = [[b"one"], [b"", b"two", b"x" * 300], [b"y" * 70_000], [b""]]
CREDENTIALS = {NULL: [], PLAIN: [b"ann".hex(), b"hunter2".hex()], CURVE: [CLIENT.public.hex()]}


def server(mechanism: str, authenticator: auth.Authenticator) -> trizmq.Security:
    if mechanism == NULL:
        return trizmq.Null(authenticator=authenticator)
    if mechanism == PLAIN:
        return trizmq.PlainServer(authenticator=authenticator)
    return trizmq.CurveServer(SERVER.secret, authenticator=authenticator)


def client(mechanism: str) -> trizmq.Security | None:
    if mechanism == NULL:
        return None
    if mechanism == PLAIN:
        return trizmq.PlainClient("ann", "hunter2")
    return trizmq.CurveClient(server_key=SERVER.public, secret_key=CLIENT.secret)


KNOWN = auth.allowed_keys({"ann": CLIENT.public})


async def known(request: AuthenticationRequest) -> Decision:
    """Lets in ann, however she proves it; under NULL whoever is on this machine."""
    if request.mechanism == CURVE:
        return await KNOWN(request)
    if request.mechanism == PLAIN:
        return await auth.passwords({"ann": "hunter2"})(request)
    return Allow("ann")


async def libzmq_authenticates(peer: PeerProcess, status: str = "200") -> PeerSocket:
    """Give the peer a ZAP handler, which gives this answer to all questions until it gets its next order."""
    handler = await peer.open("REP")
    await handler.bind(HANDLER)
    # without a user id: libzmq gives it to its socket as if it were a message, and its REQ then closes the connection
    await handler.begin("authenticate", status=status)
    return handler


# ---- every type in every role


def described(message: list[bytes]) -> list[str]:
    return [describe(frame) for frame in message]


async def send(ours: Any, theirs: PeerSocket) -> None:
    for message in MESSAGES:
        await ours.send(message)
        assert await theirs.recv() == [described(message)]


async def receive(ours: Any, theirs: PeerSocket) -> None:
    for message in MESSAGES:
        await theirs.send(message)
        assert await ours.receive() == message


async def echoed(ours: Any, theirs: PeerSocket) -> None:
    await theirs.begin("echo", count=len(MESSAGES))
    for message in MESSAGES:
        await ours.send(message)
        assert await ours.receive() == message


async def echo(ours: Any, theirs: PeerSocket) -> None:
    asked = await theirs.begin("request", messages=orders(MESSAGES))
    for _ in MESSAGES:
        await ours.send(await ours.receive())
    assert await asked.answer() == [described(message) for message in MESSAGES]


async def publish(ours: Any, theirs: PeerSocket) -> None:
    await theirs.set(SUBSCRIBE="")
    await published(ours, theirs)


async def published(ours: Any, theirs: PeerSocket) -> None:
    # a bound SUB or XSUB of libzmq sends its subscriptions when the application calls in, whatever the mechanism
    receiving = await theirs.begin("recv", count=len(MESSAGES))
    await ours.wait_subscribed(b"")
    await ours.send_many(MESSAGES)
    assert await receiving.answer() == [described(message) for message in MESSAGES]


async def subscribe(ours: Any, theirs: PeerSocket) -> None:
    ours.subscribe(b"to")
    publishing = await theirs.begin("repeat", message=[b"topic".hex(), "00" * 300])
    assert await ours.receive() == [b"topic", bytes(300)]
    await theirs.set(SNDHWM=1000)  # the order that ends the other
    assert await publishing.answer() >= 0


async def xpublish(ours: Any, theirs: PeerSocket) -> None:
    await theirs.send([b"\x01"])
    await published(ours, theirs)


async def xsubscribe(ours: Any, theirs: PeerSocket) -> None:
    await ours.send(b"\x01")
    assert await theirs.recv() == [["01"]]
    await receive(ours, theirs)


TYPES: dict[type[Any], tuple[str, Callable[[Any, PeerSocket], Awaitable[None]]]] = {
    trizmq.Pair: ("PAIR", echoed),
    trizmq.Req: ("REP", echoed),
    trizmq.Rep: ("REQ", echo),
    trizmq.Dealer: ("ROUTER", echoed),
    trizmq.Router: ("DEALER", echo),
    trizmq.Push: ("PULL", send),
    trizmq.Pull: ("PUSH", receive),
    trizmq.Pub: ("SUB", publish),
    trizmq.Sub: ("PUB", subscribe),
    trizmq.XPub: ("XSUB", xpublish),
    trizmq.XSub: ("XPUB", xsubscribe),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("mechanism", [PLAIN, CURVE])
async def test_libzmq_comes_in(mechanism: str, kind: type[Any], peer: PeerProcess) -> None:
    """We are the server, and know who it is."""
    their_kind, talk = TYPES[kind]
    with trio.fail_after(TIME):
        async with kind(security=server(mechanism, known)) as ours:
            theirs = await peer.open(their_kind, **AS_CLIENT[mechanism])
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            await talk(ours, theirs)
            (known_peer,) = ours.peers()
            assert (known_peer.user_id, known_peer.mechanism, known_peer.socket_type) == ("ann", mechanism, their_kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("mechanism", [PLAIN, CURVE])
async def test_libzmq_lets_in(mechanism: str, kind: type[Any], peer: PeerProcess) -> None:
    """libzmq is the server, and sees what we prove."""
    their_kind, talk = TYPES[kind]
    with trio.fail_after(TIME):
        handler = await libzmq_authenticates(peer)
        async with kind(security=client(mechanism)) as ours:
            theirs = await peer.open(their_kind, **AS_SERVER[mechanism])
            ours.connect(await theirs.bind("tcp://127.0.0.1:*"))
            await talk(ours, theirs)
        await handler.close()


@pytest.mark.parametrize("server_connects", [False, True])
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("mechanism", [NULL, PLAIN, CURVE])
async def test_both_directions_and_transports(
    mechanism: str, transport: str, server_connects: bool, peer: PeerProcess, wildcard: Callable[[str], str]
) -> None:
    """libzmq's questions to its handler, and ours to our authenticator, are about the same."""
    asked: list[AuthenticationRequest] = []

    async def ask(request: AuthenticationRequest) -> Decision:
        asked.append(request)
        return await known(request)

    with trio.fail_after(TIME):
        handler = await peer.open("REP")
        await handler.bind(HANDLER)
        questions = await handler.begin("authenticate", user_id="ann")
        async with trizmq.Dealer(security=server(mechanism, ask)) as ours:
            theirs = await peer.open("DEALER", **AS_CLIENT[mechanism])
            await join(ours, theirs, transport, wildcard, they_connect=not server_connects)
            await echoed(ours, theirs)
        async with trizmq.Dealer(security=client(mechanism)) as ours:
            theirs = await peer.open("DEALER", **AS_SERVER[mechanism], ROUTING_ID="us")
            await join(ours, theirs, transport, wildcard, they_connect=server_connects)
            await echoed(ours, theirs)
        await handler.close()
        ((domain, address, routing_id, name, *credentials),) = await questions.answer()
        (request,) = asked
        assert (bytes.fromhex(domain), bytes.fromhex(routing_id)) == (b"front", b"us")
        assert bytes.fromhex(name).decode() == request.mechanism == mechanism
        assert credentials == CREDENTIALS[mechanism] == [frame.hex() for frame in request.credentials]
        if transport == "tcp":
            assert bytes.fromhex(address).decode() == request.address == "127.0.0.1"


async def join(
    ours: trizmq.Socket, theirs: PeerSocket, transport: str, wildcard: Callable[[str], str], they_connect: bool
) -> None:
    if they_connect:
        await theirs.connect(await ours.bind(wildcard(transport)))
    else:
        ours.connect(await theirs.bind(wildcard(transport)))


# ---- who is not let in


@pytest.mark.parametrize("status", [300, 400, 500])
@pytest.mark.parametrize("mechanism", [NULL, PLAIN, CURVE])
async def test_libzmq_refuses(mechanism: str, status: int, peer: PeerProcess) -> None:
    """Our event says why; a 300 is a silence that its handshake timer ends. We try again all the same."""
    with trio.fail_after(TIME):
        await libzmq_authenticates(peer, str(status))
        async with trizmq.Dealer(security=client(mechanism), reconnect_interval=0.01, linger=0) as dealer:
            events = dealer.events()
            theirs = await peer.open("DEALER", **AS_SERVER[mechanism], HANDSHAKE_IVL=200)
            dealer.connect(await theirs.bind("tcp://127.0.0.1:*"))
            for _ in range(2):
                failure = await until(events, trizmq.HandshakeFailed)
                if status != 300:
                    assert isinstance(failure, trizmq.HandshakeFailedAuth)
                    assert failure.code == status
                else:
                    assert not isinstance(failure, trizmq.HandshakeFailedAuth)


@pytest.mark.parametrize("status", [300, 400, 500])
@pytest.mark.parametrize("mechanism", [NULL, PLAIN, CURVE])
async def test_we_refuse_libzmq(mechanism: str, status: int, peer: PeerProcess) -> None:
    """After a 300 it comes again, and is let in; after a 400 or 500 it stays away, and is told by its monitor."""
    answers: list[Decision] = [Deny(status), Allow()]

    async def first_no_then_yes(request: AuthenticationRequest) -> Decision:
        return answers.pop(0)

    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=server(mechanism, first_no_then_yes)) as dealer:
            events = dealer.events()
            theirs = await peer.open("DEALER", **AS_CLIENT[mechanism], RECONNECT_IVL=10)
            await theirs.do("watch")
            bound = await dealer.bind("tcp://127.0.0.1:*")
            await theirs.connect(bound)
            failure = await until(events, trizmq.HandshakeFailedAuth)
            assert failure.code == status
            if status == 300:
                await dealer.send(b"welcome back")
                assert await theirs.recv() == [[b"welcome back".hex()]]
                assert answers == []
            else:
                assert await theirs.do("watched", event=0x4000) == status
                assert len(answers) == 1


@pytest.mark.parametrize("mechanism", [PLAIN, CURVE])
@pytest.mark.parametrize("who", ["libzmq", "trizmq"])
async def test_wrong_credentials(who: str, mechanism: str, start_peer: Callable[[], Awaitable[PeerProcess]]) -> None:
    """A stranger is sent away by the server, and friends notice nothing."""
    with trio.fail_after(TIME):
        peer = await start_peer()
        async with trizmq.Pull(security=server(mechanism, known)) as pull:
            events = pull.events()
            bound = await pull.bind("tcp://127.0.0.1:*")
            friend = await peer.open("PUSH", **AS_CLIENT[mechanism])
            await friend.connect(bound)
            await friend.send([b"before"])
            assert await pull.receive() == [b"before"]
            if who == "libzmq":
                wrong: dict[str, int | str] = (
                    {"PLAIN_PASSWORD": "guess"}
                    if mechanism == PLAIN
                    else {"CURVE_PUBLICKEY": STRANGER.public_z85, "CURVE_SECRETKEY": STRANGER.secret_z85}
                )
                stranger = await peer.open("PUSH", **{**AS_CLIENT[mechanism], **wrong})
                await stranger.connect(bound)
                assert (await until(events, trizmq.HandshakeFailedAuth)).code == 400
            else:
                secret = (
                    trizmq.PlainClient("ann", "guess")
                    if mechanism == PLAIN
                    else trizmq.CurveClient(server_key=SERVER.public, secret_key=STRANGER.secret)
                )
                async with trizmq.Push(security=secret, linger=0) as push:
                    push.connect(bound)
                    assert (await until(events, trizmq.HandshakeFailedAuth)).code == 400
            await friend.send([b"after"])
            assert await pull.receive() == [b"after"]
            assert len(pull.peers()) == 1


@pytest.mark.parametrize(
    ("ours_is", "theirs_are"),
    [pair for pair in itertools.product([NULL, PLAIN, CURVE], repeat=2) if pair[0] != pair[1]],
)
async def test_another_mechanism(ours_is: str, theirs_are: str, peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=None if ours_is == NULL else server(ours_is, known)) as dealer:
            events = dealer.events()
            theirs = await peer.open("DEALER", **AS_CLIENT[theirs_are])
            await theirs.connect(await dealer.bind("tcp://127.0.0.1:*"))
            failure = await until(events, trizmq.HandshakeFailed)
            assert not isinstance(failure, trizmq.HandshakeFailedAuth)
            assert failure.code in (0x11000002, 32, 104), "a mismatch, or the peer saw it first and closed"
            assert dealer.peers() == ()


async def test_the_wrong_servers_key(peer: PeerProcess) -> None:
    """Neither side talks to a server that has another key than was expected."""
    with trio.fail_after(TIME):
        async with trizmq.Dealer(security=server(CURVE, known)) as dealer:
            events = dealer.events()
            theirs = await peer.open("DEALER", **{**AS_CLIENT[CURVE], "CURVE_SERVERKEY": STRANGER.public_z85})
            await theirs.connect(await dealer.bind("tcp://127.0.0.1:*"))
            assert (await until(events, trizmq.HandshakeFailedProtocol)).code == 0x11000001
        wrong = trizmq.CurveClient(server_key=STRANGER.public, secret_key=CLIENT.secret)
        async with trizmq.Dealer(security=wrong, linger=0) as dealer:
            events = dealer.events()
            theirs = await peer.open("DEALER", **AS_SERVER[CURVE])
            dealer.connect(await theirs.bind("tcp://127.0.0.1:*"))
            await until(events, trizmq.HandshakeFailed)
            assert not dealer.peers()[0].connected


async def test_heartbeats_are_sealed(peer: PeerProcess) -> None:
    """Both sides' PINGs and PONGs go through CURVE, and nobody is given up."""
    options: dict[str, int | str] = {"HEARTBEAT_IVL": 30, "HEARTBEAT_TIMEOUT": 500, "HEARTBEAT_TTL": 500}
    with trio.fail_after(TIME):
        async with trizmq.Dealer(
            security=server(CURVE, known), heartbeat_interval=0.03, heartbeat_timeout=0.5
        ) as dealer:
            theirs = await peer.open("DEALER", **AS_CLIENT[CURVE], **options)
            await theirs.connect(await dealer.bind("tcp://127.0.0.1:*"))
            await dealer.wait_connected()
            start = dealer.statistics().bytes_received
            await helpers.until(lambda: dealer.statistics().bytes_received > start + 500)
            await echoed(dealer, theirs)
            assert dealer.statistics().disconnects == 0
