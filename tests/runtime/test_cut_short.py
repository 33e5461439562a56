"""A message in the middle of which one connection after the other ends: given up in the end, and all who wait are told."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

import trizmq
from trizmq import DropReason

from .helpers import Relay, meet, message, raw_listener, start, until

pytestmark = pytest.mark.deadline(20)

TOO_LARGE = bytes(20_000_000)
LIMIT = 1_000_000
Quick = partial(trizmq.Push, reconnect_interval=0.001)


async def echo(server: trizmq.Rep | trizmq.Router) -> None:
    async for request in server:
        await server.send(request)


async def test_a_message_that_the_peer_does_not_take(caplog: pytest.LogCaptureFixture) -> None:
    """It ends one connection after the other, is given up after the fifth, and what waits behind it arrives."""
    async with trizmq.Pull(max_message_size=LIMIT) as pull, trizmq.Push(reconnect_interval=0.001) as push:
        await meet(pull, push)
        body = bytes(20_000_000)
        await push.send_many([b"before", body, *[b"%d" % number for number in range(5)]])
        assert [await pull.recv() for _ in range(6)] == [b"before", b"0", b"1", b"2", b"3", b"4"]
        assert push.statistics().drops == push.peers()[0].drops == {trizmq.DropReason.CUT_SHORT: 1}
        assert push.statistics().reconnects == 5
        await push.wait_drained()
        assert push.statistics().messages_sent == 6
    (record,) = caplog.records
    assert "a message of 20000000 bytes" in record.getMessage()
    assert "max_message_size" in record.getMessage()


async def test_connections_that_are_lost_for_other_reasons(nursery: trio.Nursery) -> None:
    """A message that is cut by connections that this side ends, or once only, is tried again."""
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval=0.001, send_buffer=4096) as push:
        relay = Relay(await pull.bind("tcp://127.0.0.1:*"), iter([50_000] * 4))
        await nursery.start(relay.run)
        push.connect(relay.endpoint)
        await push.send(bytes(2_000_000))
        for _ in range(3):
            await push.wait_connected()
            push.disconnect_peer(push.peers()[0])
            await until(lambda: not push.peers()[0].connected)
        assert await pull.recv() == bytes(2_000_000)
        assert push.statistics().drops == {}
        nursery.cancel_scope.cancel()


async def test_a_connection_that_carried_others_breaks_the_row() -> None:
    """Also where all are one and the same object: each connection brings one, and ends in the middle of the next."""
    body = bytes(1_000_000)
    async with (
        raw_listener() as listener,
        Quick(reconnect_interval_max=0.002, linger=0) as push,
        trio.open_nursery() as nursery,
    ):
        push.connect(listener.endpoint)
        nursery.start_soon(push.send_many, [body] * 200)
        for _ in range(8):
            peer = await listener.accept()
            await peer.shake_hands("PULL")
            assert await peer.read_message() == [body]
            await peer.stream.aclose()
        nursery.cancel_scope.cancel()
        assert push.statistics().drops == {}


@pytest.mark.parametrize("kind", [trizmq.Rep, trizmq.Router])
async def test_who_asked_learns_it(kind: type[trizmq.Rep | trizmq.Router]) -> None:
    async with (
        kind(max_message_size=LIMIT) as server,
        trizmq.Req(reconnect_interval=0.001) as req,
        trio.open_nursery() as nursery,
    ):
        await meet(server, req)
        nursery.start_soon(echo, server)
        with pytest.raises(trizmq.PeerLostError):
            await req.request(TOO_LARGE)
        assert req.statistics().drops == {DropReason.CUT_SHORT: 1}
        assert await req.request(b"small") == [b"small"]
        nursery.cancel_scope.cancel()


def in_hand(req: trizmq.Req) -> bool:
    """Whether what it has sent is being written."""
    (session,) = req._core.sessions
    return session.outbound.queued > 0 and not session.outbound.has_batch


async def test_nobody_owes_the_reply_to_it() -> None:
    """Given up while it was being written; a REQ with a routing id would wait for the reply before it asks anew."""
    async with raw_listener() as listener, trizmq.Req(routing_id=b"me", reconnect_interval=0.001) as req:
        req.connect(listener.endpoint)
        for number in range(5):
            peer = await listener.accept()
            await peer.shake_hands("ROUTER")
            if number == 0:
                with trio.CancelScope() as asking:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(req.request, TOO_LARGE)
                        await until(lambda: in_hand(req))
                        asking.cancel()
            await peer.read(100_000)
            await peer.stream.aclose()
        async with trio.open_nursery() as nursery:
            asked = await start(nursery, req.request, b"small")
            peer = await listener.accept()
            await peer.shake_hands("ROUTER")
            assert await peer.read_message() == [b"", b"small"]
            await peer.stream.send_all(message(b"", b"reply"))
        assert asked.result == [b"reply"]
        assert req.statistics().drops == {DropReason.CUT_SHORT: 1}


async def test_who_waits_until_all_is_written() -> None:
    """Is woken, also if no connection follows."""
    async with Quick() as push:
        async with trizmq.Pull(max_message_size=LIMIT) as pull, push.events() as events, trio.open_nursery() as nursery:
            await meet(pull, push)
            await push.send(TOO_LARGE)
            waiting = await start(nursery, push.wait_drained)
            async for event in events:
                if isinstance(event, trizmq.DropsBegan):
                    break
            await pull.aclose()
            await until(lambda: waiting.done)


async def test_the_report_of_a_close() -> None:
    async with trizmq.Pull(max_message_size=LIMIT) as pull:
        async with Quick(linger=20) as push:
            await meet(pull, push)
            await push.send(TOO_LARGE)
        assert push.linger_report is not None
        assert push.linger_report.discarded == 1
        assert [unsent.discarded for unsent in push.linger_report.unsent] == [1]
        assert push.statistics().drops == {DropReason.CUT_SHORT: 1}
