"""The books of a socket: what was received is what the application took, what was dropped, and what the socket kept itself.

Each test closes a socket with messages left unread: ``messages_received == taken + dropped + consumed``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from trizmq import DropReason, RouterNotify

from .helpers import STREAMS, TRANSPORTS, meet, message, raw_connection, start, until

pytestmark = pytest.mark.deadline(20)

SENT = 20

Make = Callable[[], Any]


@dataclass
class Flow:
    """A socket that sends and one that leaves some unread."""

    sender: Make
    receiver: Make
    message: bytes | list[bytes] = b"x"
    #: Messages of its own that the receiver is given before those of the peer.
    own: int = 0


FLOWS = {
    "PULL": Flow(trizmq.Push, trizmq.Pull),
    "PAIR": Flow(trizmq.Pair, trizmq.Pair),
    "DEALER": Flow(trizmq.Dealer, trizmq.Dealer),
    "ROUTER": Flow(trizmq.Dealer, trizmq.Router),
    "ROUTER that is told": Flow(
        trizmq.Dealer,
        lambda: trizmq.Router(router_notify=RouterNotify.CONNECT | RouterNotify.DISCONNECT, disconnect_message=b"gone"),
        own=1,
    ),
    "REP": Flow(trizmq.Dealer, trizmq.Rep, [b"", b"x"]),
    "XPUB": Flow(trizmq.XSub, trizmq.XPub),
    "SUB": Flow(trizmq.Pub, trizmq.Sub),
    "XSUB": Flow(trizmq.Pub, trizmq.XSub),
}


async def connect(flow: Flow, sender: Any, receiver: Any, endpoint: str) -> None:
    await meet(receiver, sender, endpoint)
    if isinstance(receiver, (trizmq.Sub, trizmq.XSub)):
        receiver.subscribe(b"")
        await sender.wait_subscribed()


@pytest.mark.parametrize("take", [0, 7])
@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize("sender_goes_first", [False, True])
async def test_what_is_left_unread_is_counted(flow: Flow, endpoint: str, take: int, sender_goes_first: bool) -> None:
    sender, receiver = flow.sender(), flow.receiver()
    if isinstance(receiver, trizmq.Rep):
        take = min(take, 1)
    async with receiver:
        async with sender:
            await connect(flow, sender, receiver, endpoint)
            await sender.send_many([flow.message] * SENT)
            await until(lambda: receiver.statistics().messages_received == SENT)
            for _ in range(take + flow.own if take else 0):
                await receiver.receive()
            if sender_goes_first:
                await sender.aclose()
            await receiver.aclose()
    statistics = receiver.statistics()
    assert statistics.messages_received == sender.statistics().messages_sent == SENT
    assert statistics.drops == {DropReason.UNREAD: SENT - take}
    assert sender.statistics().drops == {}


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_reply_that_is_left(endpoint: str) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, endpoint)
        await req.send(b"?")
        await rep.send(await rep.receive())
        await req.wait_readable()
    assert req.statistics().messages_received == 1
    assert req.statistics().drops == {DropReason.UNREAD: 1}
    assert rep.statistics().drops == {}


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_reply_that_a_request_waits_for_is_counted_once(nursery: trio.Nursery, endpoint: str) -> None:
    """The task in ``request`` is woken by the close, and gives up what has come meanwhile."""
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, endpoint)
        asking = await start(nursery, req.request, b"?")
        await rep.send(await rep.receive())
        await req.aclose()
        await until(lambda: asking.done)
    statistics = req.statistics()
    taken = 0 if asking.error else 1
    assert statistics.messages_received == taken + statistics.dropped


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_what_was_put_back_is_unread(endpoint: str) -> None:
    cases: list[tuple[Any, Any, list[bytes]]] = [
        (trizmq.Push(), trizmq.Pull(), [b"1", b"2"]),
        (trizmq.Dealer(), trizmq.Rep(), [b"", b"1", b"2"]),
        (trizmq.Rep(), trizmq.Req(), [b"1", b"2"]),
        (trizmq.XSub(), trizmq.XPub(), [b"x1", b"2"]),
    ]
    for sender, receiver, frames in cases:
        async with sender, receiver:
            await meet(receiver, sender, endpoint)
            if isinstance(receiver, trizmq.Req):
                await receiver.send(b"?")
                await sender.receive()
            await sender.send(frames)
            with pytest.raises(trizmq.MultipartError):
                await receiver.recv()
        assert receiver.statistics().drops == {DropReason.UNREAD: 1}, receiver


async def test_subscriptions_are_no_loss() -> None:
    """An XPUB counts what its peers have sent besides; notices of subscriptions it has used itself."""
    async with trizmq.XPub() as xpub, trizmq.XSub() as xsub:
        await meet(xpub, xsub)
        for topic in (b"a", b"b", b"c"):
            xsub.subscribe(topic)
        await xsub.send(b"message")
        await until(lambda: xpub.statistics().messages_received == 4)
        assert await xpub.receive() == [b"\x01a"]
    assert xpub.statistics().drops == {DropReason.UNREAD: 1}


async def test_other_reasons_keep_their_name() -> None:
    """What a SUB or REP would not have given to the application is counted as what it is, also at the end."""
    async with trizmq.XPub(xpub_manual=True) as xpub, trizmq.Sub() as sub:
        await meet(xpub, sub)
        sub.subscribe(b"a")
        await xpub.receive()
        xpub.subscribe(b"")
        await xpub.send_many([b"a", b"b", b"b"])
        await until(lambda: sub.statistics().messages_received == 3)
    assert sub.statistics().drops == {DropReason.UNREAD: 1, DropReason.UNSUBSCRIBED: 2}
    async with trizmq.Dealer() as dealer, trizmq.Rep() as rep:
        await meet(rep, dealer)
        await dealer.send_many([[b"", b"1"], b"no envelope"])
        await until(lambda: rep.statistics().messages_received == 2)
    assert rep.statistics().drops == {DropReason.UNREAD: 1, DropReason.MALFORMED: 1}


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_conflate(endpoint: str) -> None:
    async with trizmq.Pull(conflate=True) as pull, trizmq.Push(conflate=True) as push:
        await meet(pull, push, endpoint)
        for _ in range(10):
            await push.send(b"x")
        await push.wait_drained()
        await until(lambda: pull.statistics().messages_received == push.statistics().messages_sent)
    statistics = pull.statistics()
    assert statistics.messages_received == statistics.dropped
    assert statistics.drops[DropReason.UNREAD] == 1
    assert push.statistics().messages_sent + push.statistics().dropped == 10


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_stream(endpoint: str) -> None:
    """Chunks are counted, notices are not."""
    async with trizmq.Stream() as server, trizmq.Stream() as client:
        bound = await server.bind(endpoint)
        client.connect(bound)
        routing_id, _ = await client.receive()
        await client.send([routing_id, b"x"])
        await until(lambda: server.statistics().messages_received == 1)
    assert server.statistics().drops == {DropReason.UNREAD: 1}
    assert client.statistics().drops == {}


async def test_stream_counts_what_it_does_not_want_any_more() -> None:
    """What comes on a connection that this side closes is thrown away, and counted."""
    async with trizmq.Stream(linger=5) as server:
        bound = await server.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as peer:
            routing_id, _ = await server.receive()
            await server.send([routing_id, b""])
            await trio.testing.wait_all_tasks_blocked()
            await peer.stream.send_all(b"late")
        await until(lambda: not server.peers())
        statistics = server.statistics()
        assert statistics.messages_received == statistics.dropped <= 1
        assert set(statistics.drops) <= {DropReason.UNEXPECTED}


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_what_comes_while_the_socket_lingers_is_counted(endpoint: str) -> None:
    """It is read, so that nothing is lost that was written, and thrown away."""
    async with trizmq.Pair(linger=5, receive_hwm=10) as pair:
        bound = await pair.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PAIR")
            await peer.stream.send_all(message(b"x") * 100)
            await until(lambda: pair.statistics().messages_received == 10)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pair.aclose)
                await peer.closed()
    assert pair.statistics().messages_received == 100
    assert pair.statistics().drops == {DropReason.UNREAD: 100}


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("how", ["cancelled", "exception", "forcefully", "bug"])
async def test_every_end_counts(endpoint: str, how: str) -> None:
    pull = trizmq.Pull()
    async with trizmq.Push(linger=0) as push:
        with trio.CancelScope() as scope:
            try:
                async with pull:
                    await meet(pull, push, endpoint)
                    await push.send_many([b"x"] * 3)
                    await until(lambda: pull.statistics().messages_received == 3)
                    if how == "cancelled":
                        scope.cancel()
                        await trio.sleep_forever()
                    elif how == "exception":
                        raise KeyError
                    elif how == "forcefully":
                        await trio.aclose_forcefully(pull)
                    else:
                        pull._core.fail(RuntimeError("a bug"))
            except (KeyError, trizmq.InternalError):
                pass
        assert pull.statistics().drops == {DropReason.UNREAD: 3}
        assert push.statistics().messages_sent == 3


async def test_peers_that_have_gone() -> None:
    """What several peers have sent that are not there any more."""
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        for endpoint in (bound, bound, await pull.bind("inproc://here")):
            async with trizmq.Push() as push:
                push.connect(endpoint)
                await push.send_many([b"x"] * 3)
        await until(lambda: pull.statistics().messages_received == 9)
        assert await pull.recv() == b"x"
    assert pull.statistics().drops == {DropReason.UNREAD: 8}


async def test_it_is_ordinary(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is warned; who watches events is told how many there were."""
    caplog.set_level(logging.DEBUG, "trizmq")
    async with trizmq.Push() as push, trizmq.Pull() as pull, pull.events() as events:
        await meet(pull, push)
        await push.send_many([b"x"] * 3)
        await until(lambda: pull.statistics().messages_received == 3)
        await pull.aclose()
        told = [event async for event in events if isinstance(event, (trizmq.DropsBegan, trizmq.DropsEnded))]
    assert [type(event) for event in told] == [trizmq.DropsBegan, trizmq.DropsEnded]
    assert {event.reason for event in told} == {DropReason.UNREAD}
    assert isinstance(told[1], trizmq.DropsEnded)
    assert told[1].count == 3
    assert pull.linger_report is not None
    assert pull.linger_report.discarded == 0
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", f"{pull._core.name}: closed with 3 messages unread")
    ]
