"""Contracts of libzmq's test_metadata and test_app_meta: what is known of the sender of a message.

libzmq attaches it to every frame; here it is asked for: ``receive_from()`` and ``peers()``.
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from trizmq import auth

from ..runtime.helpers import STREAMS, TRANSPORTS, meet, raw_connection, raw_listener

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


@each_transport
async def test_properties_both_ways(endpoint: str) -> None:
    """test_app_meta: each side reads what the other announced, by its name and by no other."""
    async with (
        trizmq.Rep(metadata={"X-hello": b"world", "X-rep": b""}) as rep,
        trizmq.Req(metadata={"X-connection": b"primary\0\xff"}, routing_id=b"me") as req,
    ):
        await meet(rep, req, endpoint)
        await req.send(b"?")
        asker, question = await rep.receive_from()
        await rep.send(b"!")
        replier, answer = await req.receive_from()
        assert (question, answer) == ([b"?"], [b"!"])
        assert asker.metadata == {"Socket-Type": b"REQ", "Identity": b"me", "X-connection": b"primary\0\xff"}
        assert replier.metadata == {"Socket-Type": b"REP", "X-hello": b"world", "X-rep": b""}
        assert "x-hello" not in replier.metadata
        with pytest.raises(TypeError):
            asker.metadata["X-hello"] = b""  # type: ignore[index]
        assert (asker.identity, asker.routing_id, asker.socket_type) == (b"me", b"me", "REQ")
        assert (replier.identity, replier.socket_type, replier.connected) == (b"", "REP", True)
        assert rep.peers() == (asker,) or rep.peers()[0].id == asker.id


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_what_else_is_known(endpoint: str) -> None:
    """Peer-Address and the mechanism; nobody is authenticated under NULL."""
    async with trizmq.Router() as router, trizmq.Dealer() as dealer:
        bound = await meet(router, dealer, endpoint)
        await dealer.send([b"a", b"b"])
        peer, frames = await router.receive_from()
        assert frames == [peer.routing_id, b"a", b"b"]
        assert peer.address
        assert (peer.endpoint, peer.mechanism, peer.user_id, peer.connecting) == (bound, "NULL", "", False)
        assert peer.connected_for is not None
        assert peer.last_heard is not None
        assert peer.connected_for >= peer.last_heard >= 0


async def test_every_message_names_its_sender() -> None:
    """test_metadata reads it off all frames, also when many messages of many peers were fetched at once."""
    async with (
        trizmq.Pull() as pull,
        trizmq.Push(metadata={"X-n": b"1"}) as one,
        trizmq.Push(metadata={"X-n": b"2"}) as two,
    ):
        bound = await pull.bind("tcp://127.0.0.1:*")
        one.connect(bound)
        two.connect(bound)
        await pull.wait_connected(2)
        for number in range(50):
            await one.send([b"1", b"%d" % number])
            await two.send([b"2", b"%d" % number])
        with pytest.raises(trizmq.MultipartError):
            await pull.recv()  # put back, it still has its sender
        for _ in range(100):
            peer, frames = await pull.receive_from()
            assert peer.metadata["X-n"] == frames[0]


@pytest.mark.parametrize("handled", ["ZAP", "authenticator"])
async def test_what_an_authenticator_says(handled: str) -> None:
    """test_metadata: user id and metadata of the ZAP reply are with all frames of a message, also one that waited long."""

    async def say(request: auth.AuthenticationRequest) -> auth.Decision:
        return auth.Allow("anonymous", {"Hello": b"World"})

    security = trizmq.Null(domain="DOMAIN") if handled == "ZAP" else trizmq.Null(authenticator=say)
    async with (
        trizmq.Router(security=security) as router,
        trizmq.Dealer(routing_id=b"me") as dealer,
        trio.open_nursery() as nursery,
    ):
        if handled == "ZAP":
            await nursery.start(auth.serve_zap, say)
        await meet(router, dealer)
        await dealer.send([b"a", b"b"])
        poller = trizmq.Poller()
        poller.register(router)
        await poller.wait()
        peer, frames = await router.receive_from()
        assert frames == [b"me", b"a", b"b"]
        assert peer.metadata == {
            "Hello": b"World", "Socket-Type": b"DEALER", "Identity": b"me", "User-Id": b"anonymous"
        }  # fmt: skip
        assert (peer.user_id, peer.address.rpartition(":")[0]) == ("anonymous", "127.0.0.1")
        with pytest.raises(KeyError):
            peer.metadata["No Such"]
        assert dealer.peers()[0].user_id == "", "who asked nobody knows nothing"
        nursery.cancel_scope.cancel()


async def test_what_goes_on_the_wire() -> None:
    async with raw_listener() as listener, trizmq.Push(metadata={"X-a": b"b"}) as push:
        push.connect(listener.endpoint)
        peer = await listener.accept()
        assert b"\x03X-a\0\0\0\x01b" in await peer.shake_hands("PULL")


async def test_a_peer_that_has_gone_is_still_named() -> None:
    async with trizmq.Router() as router:
        bound = await router.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as raw:
            await raw.shake_hands("DEALER", b"raw")
            await raw.stream.send_all(b"\0\x01x")
            await router.wait_readable()
            await trio.aclose_forcefully(raw.stream)
            while router.peers():
                await trio.testing.wait_all_tasks_blocked(0.001)
        peer, frames = await router.receive_from()
        assert frames == [b"raw", b"x"]
        assert (peer.identity, peer.connected, peer.connected_for) == (b"raw", False, None)


@each_transport
@pytest.mark.parametrize(
    ("receiver", "sender"),
    [
        (trizmq.Pair, trizmq.Pair),
        (trizmq.Dealer, trizmq.Dealer),
        (trizmq.Router, trizmq.Dealer),
        (trizmq.Pull, trizmq.Push),
        (trizmq.XPub, trizmq.XSub),
        (trizmq.Sub, trizmq.Pub),
        (trizmq.XSub, trizmq.Pub),
    ],
)
async def test_every_type_that_receives(receiver: type[trizmq.Pair], sender: type[trizmq.Pair], endpoint: str) -> None:
    async with receiver() as near, sender(metadata={"X-me": b"!"}) as far:
        await meet(near, far, endpoint)
        if isinstance(near, trizmq.Sub):
            near.subscribe()
            await far.wait_subscribed()
        if isinstance(near, trizmq.XSub):
            await near.send(b"\1")
            await far.wait_subscribed()
        await far.send([b"x", b"y"])
        peer, frames = await near.receive_from()
        assert frames[-2:] == [b"x", b"y"]
        assert peer.metadata["X-me"] == b"!"


async def test_who_cancelled_by_going_is_named() -> None:
    async with trizmq.XPub() as xpub:
        async with trizmq.Sub(metadata={"X-me": b"!"}) as sub:
            await meet(xpub, sub)
            sub.subscribe(b"a")
            peer, frames = await xpub.receive_from()
            assert frames == [b"\1a"]
        gone, frames = await xpub.receive_from()
        assert frames == [b"\0a"]
        assert (gone.id, gone.metadata["X-me"]) == (peer.id, b"!")


async def test_cancelled_it_takes_nothing() -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push)
        await push.send(b"x")
        await pull.wait_readable()
        with trio.CancelScope() as scope:
            scope.cancel()
            await pull.receive_from()
        assert scope.cancelled_caught
        assert (await pull.receive_from())[1] == [b"x"]
