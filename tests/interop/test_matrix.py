"""Every pair of socket types that can talk (RFC 37), trizmq here and pyzmq there, over tcp and ipc, either side binding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket, described, orders, tasks
from tests.interop.peer import describe, random_frame

MESSAGES: list[list[bytes]] = [
    [b"x"],
    [b""],
    [b"a", b"b"],
    [b"", b""],
    [b"", b"after an empty frame"],
    [b"before an empty frame", b""],
    [b"around", b"", b"", b"empty frames"],
    [b"%d" % number for number in range(40)],
    [random_frame(1, 255)],
    [random_frame(2, 256)],
    [random_frame(3, 65536), b"", random_frame(4, 300)],
]

# The largest that a frame with a short header holds, what decoders and buffers round to, and their neighbours.
SIZES = [0, 1, 2, 254, 255, 256, 257, 4095, 4096, 8191, 8192, 8193, 65534, 65535, 65536, 65537, 131072, 1 << 20]
BIG = 8 << 20

TIME = 20


@dataclass(frozen=True)
class Pair:
    """Two connected sockets."""

    ours: Any
    theirs: PeerSocket


Script = Callable[[Pair], Awaitable[None]]
SCRIPTS: dict[tuple[str, str], tuple[Script, dict[str, Any], dict[str, int | str]]] = {}


def between(ours: str, theirs: str, our_options: dict[str, Any] | None = None, **their_options: int | str) -> Any:
    """Register what a pair of types is to do."""

    def register(script: Script) -> Script:
        SCRIPTS[ours, theirs] = (script, our_options or {}, their_options)
        return script

    return register


def with_front(front: Sequence[bytes], messages: Sequence[Sequence[bytes]] = MESSAGES) -> list[list[bytes]]:
    return [[*front, *message] for message in messages]


# ---- one way, or both ways with nothing added


@between("Push", "PULL")
async def sends(pair: Pair) -> None:
    receiving = await pair.theirs.begin("recv", count=len(MESSAGES))
    for message in MESSAGES:
        await pair.ours.send(message)
    assert await receiving.answer() == described(MESSAGES)


@between("Pull", "PUSH")
async def receives(pair: Pair) -> None:
    sending = await pair.theirs.begin("send", messages=orders(MESSAGES))
    assert [await pair.ours.receive() for _ in MESSAGES] == MESSAGES
    await sending.answer()


@between("Pair", "PAIR")
@between("Dealer", "DEALER")
async def sends_and_receives(pair: Pair) -> None:
    await receives(pair)
    await sends(pair)
    await receives(pair)


# ---- requests and replies


@between("Req", "REP")
async def requests(pair: Pair) -> None:
    answering = await pair.theirs.begin("echo", count=2 * len(MESSAGES))
    for message in MESSAGES:
        assert await pair.ours.request(message) == message
        await pair.ours.send(message)
        assert await pair.ours.receive() == message
    assert await answering.answer() == described(message for message in MESSAGES for _ in range(2))


@between("Req", "ROUTER", {"routing_id": b"ours"})
async def requests_with_envelope(pair: Pair) -> None:
    answering = await pair.theirs.begin("echo", count=len(MESSAGES))
    for message in MESSAGES:
        assert await pair.ours.request(message) == message
    assert await answering.answer() == described(with_front([b"ours", b""]))


@between("Rep", "REQ")
async def replies(pair: Pair) -> None:
    requesting = await pair.theirs.begin("request", messages=orders(MESSAGES))
    for message in MESSAGES:
        assert await pair.ours.receive() == message
        await pair.ours.send([*message, b"reply"])
    assert await requesting.answer() == described([*message, b"reply"] for message in MESSAGES)


@between("Rep", "DEALER")
async def replies_with_envelope(pair: Pair) -> None:
    """What stands before the first empty frame is the envelope, and comes back; nothing else of the request does."""
    envelopes = [[b""], [b"hop", b""], [b"hop", b"another", b""]]
    for envelope in envelopes:
        await pair.theirs.send(*with_front(envelope))
        for message in MESSAGES:
            assert await pair.ours.receive() == message
            await pair.ours.send([b"reply", *message])
        assert await pair.theirs.recv(len(MESSAGES)) == described(with_front([*envelope, b"reply"]))


@between("Dealer", "REP")
async def deals_requests(pair: Pair) -> None:
    answering = await pair.theirs.begin("echo", count=len(MESSAGES))
    for message in with_front([b"hop", b""]):
        await pair.ours.send(message)
    assert [await pair.ours.receive() for _ in MESSAGES] == with_front([b"hop", b""])
    assert await answering.answer() == described(MESSAGES)


@between("Dealer", "ROUTER", {"routing_id": b"ours"})
async def deals_to_router(pair: Pair) -> None:
    answering = await pair.theirs.begin("echo", count=len(MESSAGES))
    for message in MESSAGES:
        await pair.ours.send(message)
    assert [await pair.ours.receive() for _ in MESSAGES] == MESSAGES
    assert await answering.answer() == described(with_front([b"ours"]))


@between("Router", "REQ", ROUTING_ID="theirs")
async def routes_replies(pair: Pair) -> None:
    requesting = await pair.theirs.begin("request", messages=orders(MESSAGES))
    for message in MESSAGES:
        assert await pair.ours.receive() == [b"theirs", b"", *message]
        await pair.ours.send([b"theirs", b"", *message, b"reply"])
    assert await requesting.answer() == described([*message, b"reply"] for message in MESSAGES)


@between("Router", "DEALER", ROUTING_ID="theirs")
async def routes(pair: Pair) -> None:
    await pair.theirs.send(*MESSAGES)
    assert [await pair.ours.receive() for _ in MESSAGES] == with_front([b"theirs"])
    for message in with_front([b"theirs"]):
        await pair.ours.send(message)
    assert await pair.theirs.recv(len(MESSAGES)) == described(MESSAGES)


@between("Router", "ROUTER", {"routing_id": b"ours"}, ROUTING_ID="theirs")
async def routes_to_router(pair: Pair) -> None:
    answering = await pair.theirs.begin("echo", count=len(MESSAGES))
    for message in with_front([b"theirs"]):
        await pair.ours.send(message)
    assert await answering.answer() == described(with_front([b"ours"]))
    assert [await pair.ours.receive() for _ in MESSAGES] == with_front([b"theirs"])


# ---- publishing. The first frame is the topic, so the messages above get one.

TOPICS = with_front([b"topic"])


@between("Pub", "SUB")
@between("XPub", "SUB")
async def publishes(pair: Pair) -> None:
    await pair.theirs.set(SUBSCRIBE="topic")
    await pair.theirs.set(SUBSCRIBE="to")
    receiving = await pair.theirs.begin("recv", count=len(TOPICS) + 1)
    await pair.ours.wait_subscribed("to")  # which matches "topic" as well
    await publish(pair)
    assert await receiving.answer() == described([*TOPICS, [b"to"]])


@between("Pub", "XSUB")
@between("XPub", "XSUB")
async def publishes_to_xsub(pair: Pair) -> None:
    """An XSUB subscribes by sending; it filters nothing, so what it gets is what we sent it."""
    await pair.theirs.send([b"\1topic"], [b"\1to"])
    receiving = await pair.theirs.begin("recv", count=len(TOPICS) + 1)
    await pair.ours.wait_subscribed("to")  # which matches "topic" as well
    await publish(pair)
    assert await receiving.answer() == described([*TOPICS, [b"to"]])


async def publish(pair: Pair) -> None:
    for message in TOPICS:
        await pair.ours.send([b"not this one", b"topic"])
        await pair.ours.send([b"t"])
        await pair.ours.send(message)
    await pair.ours.send(b"to")
    await pair.ours.send(b"")


@between("Sub", "PUB")
@between("XSub", "PUB")
async def subscribes(pair: Pair) -> None:
    pair.ours.subscribe("topic")
    pair.ours.subscribe(b"last subscribed")
    repeating = await pair.theirs.begin("repeat", message=orders([[b"last subscribed"]])[0])
    assert await pair.ours.receive() == [b"last subscribed"]
    await pair.theirs.send([b"not this one"], [b"topi"], *TOPICS, [b""], [b"topic", b"end"])
    await repeating.answer()
    received = [message async for message in until(pair.ours, [b"topic", b"end"])]
    assert [message for message in received if message != [b"last subscribed"]] == TOPICS


@between("Sub", "XPUB")
@between("XSub", "XPUB")
async def subscribes_visibly(pair: Pair) -> None:
    pair.ours.subscribe("topic")
    pair.ours.subscribe("topic")
    pair.ours.subscribe("other")
    assert await pair.theirs.recv(2) == described([[b"\1topic"], [b"\1other"]])
    pair.ours.unsubscribe("other")
    assert await pair.theirs.recv() == described([[b"\0other"]])
    await pair.theirs.send([b"other"], [b"topi"], *TOPICS, [b""], [b"topic", b"end"])
    assert [message async for message in until(pair.ours, [b"topic", b"end"])] == TOPICS


async def until(ours: Any, last: list[bytes]) -> Any:
    while (message := await ours.receive()) != last:
        yield message


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("binding", ["ours_binds", "theirs_binds"])
@pytest.mark.parametrize(("ours", "theirs"), SCRIPTS)
async def test_pair_of_types(
    ours: str, theirs: str, binding: str, transport: str, peer: PeerProcess, wildcard: Callable[[str], str]
) -> None:
    script, our_options, their_options = SCRIPTS[ours, theirs]
    before = tasks()
    with trio.fail_after(TIME):
        async with getattr(trizmq, ours)(**our_options) as our_socket:
            their_socket = await peer.open(theirs, **their_options)
            if binding == "ours_binds":
                await their_socket.connect(await our_socket.bind(wildcard(transport)))
            else:
                our_socket.connect(await their_socket.bind(wildcard(transport)))
            await our_socket.wait_connected()
            await script(Pair(our_socket, their_socket))
            statistics = our_socket.statistics()
            assert statistics.reconnects == 0
            assert statistics.peers[0].socket_type == theirs
    assert tasks() == before


async def test_upstream_messages_of_xsub(peer: PeerProcess) -> None:
    """XSUB and XPUB talk in the unusual direction too: messages that are no subscriptions."""
    upstream = [[b"to the publisher"], [b"", b"x"]]
    with trio.fail_after(TIME):
        async with trizmq.XSub() as xsub, trizmq.XPub() as xpub:
            their_xpub, their_xsub = await peer.open("XPUB"), await peer.open("XSUB")
            xsub.connect(await their_xpub.bind("tcp://127.0.0.1:*"))
            await their_xsub.connect(await xpub.bind("tcp://127.0.0.1:*"))
            await xsub.wait_connected()
            for message in upstream:
                await xsub.send(message)
            assert await their_xpub.recv(2) == described(upstream)
            await their_xsub.send(*upstream)
            assert [await xpub.receive() for _ in range(2)] == upstream


async def test_made_routing_ids(peer: PeerProcess) -> None:
    """Peers without an Identity get five bytes from a ROUTER, the first of them zero; each another."""
    with trio.fail_after(TIME):
        async with trizmq.Router() as router:
            endpoint = await router.bind("tcp://127.0.0.1:*")
            dealers = [await peer.open("DEALER") for _ in range(3)]
            for number, dealer in enumerate(dealers):
                await dealer.connect(endpoint)
                await dealer.send([b"%d" % number])
            ids = {}
            for _ in dealers:
                routing_id, body = await router.receive()
                ids[body] = routing_id
            assert all(len(routing_id) == 5 and routing_id[0] == 0 for routing_id in ids.values())
            assert len(set(ids.values())) == 3
            for body, routing_id in ids.items():
                await router.send([routing_id, b"hello ", body])
            for number, dealer in enumerate(dealers):
                assert await dealer.recv() == described([[b"hello ", b"%d" % number]])


# ---- sizes


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_sizes(peer: PeerProcess, transport: str, wildcard: Callable[[str], str]) -> None:
    """Every size alone, then all of them as frames of one message; to pyzmq and back."""
    frames = [random_frame(seed, size) for seed, size in enumerate(SIZES)]
    messages = [*([frame] for frame in frames), frames]
    with trio.fail_after(TIME):
        async with trizmq.Dealer() as dealer:
            theirs = await peer.open("DEALER")
            dealer.connect(await theirs.bind(wildcard(transport)))
            echoing = await theirs.begin("echo", count=len(messages))
            for message in messages:
                await dealer.send(message)
                assert await dealer.receive() == message
            assert await echoing.answer() == described(messages)


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_big_messages(peer: PeerProcess, transport: str, wildcard: Callable[[str], str]) -> None:
    """8 MiB, alone, between small ones, and with a neighbour in the same message."""
    big = random_frame(1, BIG)
    messages = [[big], [b"small"], [big, b"", big[:-1]], [b"last"]]
    with trio.fail_after(TIME):
        async with trizmq.Pair() as pair:
            theirs = await peer.open("PAIR")
            await theirs.connect(await pair.bind(wildcard(transport)))
            receiving = await theirs.begin("recv", count=len(messages))
            for message in messages:
                await pair.send(message)
            assert await receiving.answer() == described(messages)
            sending = await theirs.begin("send", messages=[[[1, BIG], "61"], ["62"], [[2, BIG], [3, BIG]]])
            assert [[describe(frame) for frame in await pair.receive()] for _ in range(3)] == described(
                [[big, b"a"], [b"b"], [random_frame(2, BIG), random_frame(3, BIG)]]
            )
            await sending.answer()


async def test_big_request(peer: PeerProcess) -> None:
    big = random_frame(5, BIG)
    with trio.fail_after(TIME):
        async with trizmq.Req() as req:
            theirs = await peer.open("REP")
            req.connect(await theirs.bind("tcp://127.0.0.1:*"))
            echoing = await theirs.begin("echo", count=1)
            assert await req.request([big, b"and"]) == [big, b"and"]
            assert await echoing.answer() == described([[big, b"and"]])
