"""libzmq's tests of REQ, REP, DEALER and ROUTER, written anew from the reference's descriptions (section 4.1)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import TRANSPORTS, meet, message, raw_listener, until
from trizmq import DropReason, HostUnreachable

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)


async def connect_all(binder: trizmq.Socket, endpoint: str, *others: trizmq.Socket) -> str:
    """Connect them one after the other, so that their order is known."""
    bound = await binder.bind(endpoint)
    for count, other in enumerate(others, 1):
        other.connect(bound)
        await binder.wait_connected(count)
    return bound


@each_transport
async def test_spec_req_round_robin_out(endpoint: str) -> None:
    """test_spec_req: SHALL route outgoing requests to its REPs in strict rotation."""
    async with trizmq.Context() as context, context.socket(trizmq.Req) as req:
        reps = [await context.socket(trizmq.Rep).__aenter__() for _ in range(5)]
        await connect_all(req, endpoint, *reps)
        for _ in range(2):
            for rep in reps:
                await req.send(b"ABC")
                assert await rep.recv() == b"ABC"
                await rep.send(b"DEF")
                assert await req.recv() == b"DEF"


@each_transport
async def test_spec_req_message_format(endpoint: str) -> None:
    """test_spec_req: an empty delimiter goes before the frames, and is taken off the reply."""
    async with trizmq.Req() as req, trizmq.Router() as router:
        await meet(req, router, endpoint)
        await req.send([b"ABC", b"DEF"])
        identity, *frames = await router.receive()
        assert frames == [b"", b"ABC", b"DEF"]
        await router.send([identity, b"", b"GHI", b""])
        assert await req.receive() == [b"GHI", b""]


@pytest.mark.parametrize("kind", [trizmq.Req, trizmq.Dealer, trizmq.Push, trizmq.Pair])
async def test_spec_block_on_send_no_peers(kind: type[trizmq.Push]) -> None:
    """test_spec_req, _dealer, _pushpull: sending without peers waits; without waiting, WouldBlock."""
    async with kind() as socket:
        await socket.bind("tcp://127.0.0.1:*")
        with pytest.raises(trio.WouldBlock):
            socket.send_nowait(b"")
        with trio.move_on_after(0.01) as scope:
            await socket.send(b"")
        assert scope.cancelled_caught
        assert not socket.writable


@each_transport
async def test_spec_req_only_listens_to_current_peer(endpoint: str) -> None:
    """test_spec_req, disabled upstream: what comes from a peer that was not asked is dropped, whenever it comes."""
    async with trizmq.Context() as context, context.socket(trizmq.Req) as req:
        routers = [await context.socket(trizmq.Router).__aenter__() for _ in range(3)]
        await connect_all(req, endpoint, *routers)
        identities: list[bytes] = []
        for router in routers:
            await req.send(b"ABC")
            identity, *frames = await router.receive()
            assert frames == [b"", b"ABC"]
            identities.append(identity)
            for other, known in zip(routers, identities, strict=False):
                if other is not router:
                    await other.send([known, b"", b"BAD"])
            await trio.testing.wait_all_tasks_blocked(0.002)
            assert not req.readable
            await router.send([identity, b"", b"GOOD"])
            assert await req.recv() == b"GOOD"
        assert req.statistics().drops == {DropReason.STALE_REPLY: 3}


@each_transport
async def test_spec_rep_fair_queue_in(endpoint: str) -> None:
    """test_spec_rep: requests of all peers are received fairly, each reply goes to its asker."""
    async with trizmq.Context() as context, context.socket(trizmq.Rep) as rep:
        reqs = [await context.socket(trizmq.Req).__aenter__() for _ in range(5)]
        await connect_all(rep, endpoint, *reqs)
        for _ in range(2):
            for number, req in enumerate(reqs):
                await req.send(b"%d" % number)
            seen = set()
            for _ in reqs:
                request = await rep.recv()
                seen.add(request)
                await rep.send(b"re " + request)
            assert len(seen) == 5
            for number, req in enumerate(reqs):
                assert await req.recv() == b"re %d" % number


@each_transport
@pytest.mark.parametrize("envelope", [[b"X", b"Y", b""], [b""]])
async def test_spec_rep_envelope(endpoint: str, envelope: list[bytes]) -> None:
    """test_spec_rep: everything up to the first empty frame is kept and comes back; also when that is the delimiter alone."""
    async with trizmq.Rep() as rep, trizmq.Dealer() as dealer:
        await meet(rep, dealer, endpoint)
        await dealer.send([*envelope, b"A"])
        assert await rep.receive() == [b"A"]
        await rep.send(b"A")
        assert await dealer.receive() == [*envelope, b"A"]


@each_transport
async def test_spec_dealer_round_robin_out(endpoint: str) -> None:
    """test_spec_dealer: strict rotation over five REPs."""
    async with trizmq.Context() as context, context.socket(trizmq.Dealer) as dealer:
        reps = [await context.socket(trizmq.Rep).__aenter__() for _ in range(5)]
        await connect_all(dealer, endpoint, *reps)
        for number in range(10):
            await dealer.send([b"", b"%d" % number])
        for number, rep in enumerate(reps):
            assert await rep.recv() == b"%d" % number
            await rep.send(b"x")
            assert await rep.recv() == b"%d" % (number + 5)


@pytest.mark.parametrize(
    ("kind", "sender"), [(trizmq.Dealer, trizmq.Dealer), (trizmq.Router, trizmq.Dealer), (trizmq.Pull, trizmq.Push)]
)
@each_transport
async def test_spec_fair_queue_in(endpoint: str, kind: type[trizmq.Pull], sender: type[trizmq.Push]) -> None:
    """test_spec_dealer, _router, _pushpull: with messages of all peers there, each has its turn before any second one."""
    async with trizmq.Context() as context, context.socket(kind) as receiver:
        senders = [await context.socket(sender).__aenter__() for _ in range(5)]
        await connect_all(receiver, endpoint, *senders)
        for number, one in enumerate(senders):
            await one.send_many([b"%d" % number] * 3)
        await until(lambda: receiver.statistics().messages_received == 15)
        for _ in range(3):
            assert {(await receiver.receive())[-1] for _ in senders} == {b"%d" % number for number in range(5)}


@each_transport
async def test_spec_router_by_identity(endpoint: str) -> None:
    """test_spec_router: each message carries its peer's id in front, and the id in front addresses it."""
    async with trizmq.Context() as context, context.socket(trizmq.Router) as router:
        dealers = [await context.socket(trizmq.Dealer, routing_id=b"R%d" % number).__aenter__() for number in range(5)]
        await connect_all(router, endpoint, *dealers)
        for number, dealer in enumerate(dealers):
            await dealer.send([b"M", b"%d" % number])
        for _ in dealers:
            identity, marker, number_ = await router.receive()
            assert (identity, marker) == (b"R" + number_, b"M")
            await router.send([identity, b"re", number_])
        for number, dealer in enumerate(dealers):
            assert await dealer.receive() == [b"re", b"%d" % number]


@each_transport
@pytest.mark.parametrize("kind", ["Dealer", "Push", "Router"])
async def test_spec_destroy_queue_on_disconnect(endpoint: str, kind: str) -> None:
    """test_spec_dealer, _router, _pushpull, disabled upstream: after disconnect() nothing of that queue comes back.

    Differs on purpose in one half: what the peer had sent stays readable (design 6, and libzmq for a peer that closes).
    """
    sockets: dict[str, tuple[Any, Any]] = {
        "Dealer": (trizmq.Dealer(linger=0), trizmq.Dealer()),
        "Push": (trizmq.Push(linger=0), trizmq.Pull()),
        "Router": (trizmq.Router(linger=0, router_mandatory=True), trizmq.Dealer(routing_id=b"B")),
    }
    address = [b"B"] if kind == "Router" else []
    async with sockets[kind][0] as a, sockets[kind][1] as b:
        bound = await meet(b, a, endpoint)
        a.disconnect(bound)
        with pytest.raises(HostUnreachable if kind == "Router" else trio.WouldBlock):
            a.send_nowait([*address, b"x"])
        a.connect(bound)
        await a.wait_connected()
        assert not b.readable
        await a.send([*address, b"fresh"])
        assert await b.receive() == [b"fresh"]


@each_transport
async def test_req_correlate(endpoint: str) -> None:
    """test_req_correlate: the id is a 4-byte frame before the delimiter; a reply with another id is skipped."""
    async with trizmq.Req(req_correlate=True) as req, trizmq.Router() as router:
        await meet(router, req, endpoint)
        for _ in range(2):
            await req.send([b"ABC", b"DEF"])
            identity, correlation, *frames = await router.receive()
            assert len(correlation) == 4
            assert frames == [b"", b"ABC", b"DEF"]
            wrong = bytes([correlation[0] ^ 1]) + correlation[1:]
            await router.send([identity, wrong, b"", b"DATABAD"])
            await router.send([identity, b"", b"DATANONE"])
            await router.send([identity, correlation, b"", b"DATA", b"GOOD"])
            assert await req.receive() == [b"DATA", b"GOOD"]
        assert req.statistics().drops[DropReason.STALE_REPLY] == 4


@each_transport
async def test_req_relaxed(endpoint: str) -> None:
    """test_req_relaxed: a second send before the reply, or before it is read, gives the first up; the rotation goes on."""
    async with trizmq.Context() as context, context.socket(trizmq.Req, req_relaxed=True, req_correlate=True) as req:
        reps = [await context.socket(trizmq.Rep).__aenter__() for _ in range(5)]
        await connect_all(req, endpoint, *reps)
        for number in (0, 1):
            await req.send(b"request %d" % number)
            assert req.writable
            assert await reps[number].recv() == b"request %d" % number
        await reps[0].send(b"late reply 0")
        await trio.testing.wait_all_tasks_blocked(0.002)
        assert not req.readable
        await reps[1].send(b"reply 1")
        await req.wait_readable()
        assert req.writable
        await req.send(b"request 2")  # the reply to 1 is there, unread: discarded
        assert not req.readable
        assert await reps[2].recv() == b"request 2"
        await reps[2].send(b"reply 2")
        assert await req.recv() == b"reply 2"
        for number in (3, 4, 0):
            await req.send(b"request")
            assert await reps[number].recv() == b"request"
            await reps[number].send(b"reply %d" % number)
            assert await req.recv() == b"reply %d" % number


async def test_req_relaxed_both_queued_before_the_router_binds() -> None:
    """test_req_relaxed: with both requests queued before the ROUTER is there, echoed replies give the last one."""
    async with trizmq.Req(req_relaxed=True, req_correlate=True) as req, trizmq.Router() as router:
        req.connect("inproc://relaxed")
        await req.send(b"first")
        await req.send(b"second")
        await router.bind("inproc://relaxed")
        for _ in range(2):
            await router.send(await router.receive())
        assert await req.recv() == b"second"


@each_transport
async def test_invalid_rep(endpoint: str) -> None:
    """test_invalid_rep: a ROUTER that sends nothing but an address is ignored, and the proper reply then arrives."""
    async with trizmq.Router() as router, trizmq.Req() as req:
        await meet(router, req, endpoint)
        await req.send(b"r")
        identity, bottom, body = await router.receive()
        assert (bottom, body) == (b"", b"r")
        await router.send(identity)
        await router.send([identity, bottom, b"b"])
        assert await req.recv() == b"b"


async def test_a_reply_without_delimiter_costs_its_sender_the_connection() -> None:
    """As in libzmq's req_session_t: what no REP could have sent is a protocol error. Here the connector tries again."""
    async with raw_listener() as listener, trizmq.Req(reconnect_interval=0.01) as req:
        req.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands("REP")
        await req.send(b"?")
        assert await peer.read_message() == [b"", b"?"]
        await peer.stream.send_all(message(b"no delimiter"))
        assert await peer.closed()
        with pytest.raises(trizmq.PeerLostError):
            await req.receive()
        peer = await listener.accept()
        await peer.shake_hands("REP")
        await req.send(b"again")
        *envelope, body = await peer.read_message()  # an id may stand before the delimiter now; a REP sends both back
        assert envelope[-1] == b""
        assert body == b"again"
        await peer.stream.send_all(message(*envelope, b"good"))
        assert await req.recv() == b"good"


@each_transport
async def test_reqrep_device(endpoint: str) -> None:
    """test_reqrep_device: a device by hand between ROUTER and DEALER passes four frames each way."""
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.Dealer) as dealer,
            context.socket(trizmq.Router) as router,
            context.socket(trizmq.Rep) as rep,
            context.socket(trizmq.Req) as req,
        ):
            await meet(dealer, rep, endpoint)
            await meet(router, req, endpoint.replace("here", "there").replace("trizmq-", "trizmq-b"))
            await req.send([b"ABC", b"DEF"])
            request = await router.receive()
            assert len(request) == 4
            await dealer.send(request)
            assert await rep.receive() == [b"ABC", b"DEF"]
            await rep.send([b"GHI", b"JKL"])
            reply = await dealer.receive()
            assert len(reply) == 4
            await router.send(reply)
            assert await req.receive() == [b"GHI", b"JKL"]


@pytest.mark.parametrize("kind", [trizmq.Router, trizmq.Dealer, trizmq.Req])
@each_transport
async def test_probe_router(endpoint: str, kind: Any) -> None:
    """test_probe_router: the server receives [id, ""] and can then send to that id."""
    async with trizmq.Router() as server, kind(routing_id=b"X", probe_router=True) as client:
        client.connect(await server.bind(endpoint))
        assert await server.receive() == [b"X", b""]
        await server.send([b"X", b"Hello"])
        if kind is trizmq.Dealer:
            assert await client.recv() == b"Hello"
        elif kind is trizmq.Router:
            assert (await client.receive())[1:] == [b"Hello"]


@each_transport
async def test_connect_rid(endpoint: str) -> None:
    """test_connect_rid: the name given at connect addresses that peer at once, and is what replies carry, named or not."""
    async with trizmq.Context() as context, context.socket(trizmq.Router) as client:
        for number, identity in enumerate([b"", b"server"]):
            server = await context.socket(trizmq.Router, routing_id=identity).__aenter__()
            bound = await server.bind(endpoint.replace("here", f"here{number}").replace("trizmq-", f"trizmq-{number}"))
            alias = b"alias%d" % number
            client.connect(bound, routing_id=alias)
            await client.send([alias, b"ABC"])
            sender, body = await server.receive()
            assert body == b"ABC"
            await server.send([sender, b"DEF"])
            assert await client.receive() == [alias, b"DEF"]


async def test_connect_rid_before_the_peer_is_there() -> None:
    """test_connect_rid: works before the connection is up."""
    async with trizmq.Router(reconnect_interval=0.01) as client, trizmq.Dealer() as server:
        bound = await server.bind("tcp://127.0.0.1:*")
        server.unbind(bound)
        client.connect(bound, routing_id=b"alias")
        await client.send([b"alias", b"early"])
        await server.bind(bound)
        assert await server.recv() == b"early"


async def test_connect_rid_while_a_message_of_another_waits() -> None:
    """test_connect_rid: a pending inbound message is not attributed to the alias."""
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.Router) as router,
            context.socket(trizmq.Dealer, routing_id=b"first") as first,
            context.socket(trizmq.Dealer, routing_id=b"second") as second,
        ):
            await meet(router, first)
            await first.send(b"pending")
            await until(lambda: router.statistics().messages_received == 1)
            router.connect(await second.bind("tcp://127.0.0.1:*"), routing_id=b"alias")
            await second.send(b"x")
            await until(lambda: router.statistics().messages_received == 2)
            assert sorted([await router.receive() for _ in range(2)]) == [[b"alias", b"x"], [b"first", b"pending"]]


@each_transport
async def test_router_mandatory(endpoint: str) -> None:
    """test_router_mandatory: an unknown id is dropped by default; mandatory, it is HostUnreachable, naming the id."""
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"X") as dealer:
        bound = await router.bind(endpoint)
        await router.send([b"UNKNOWN", b"DATA"])
        assert router.statistics().drops == {DropReason.UNROUTABLE: 1}
        router.router_mandatory = True
        with pytest.raises(HostUnreachable, match="UNKNOWN"):
            await router.send([b"UNKNOWN", b"DATA"])
        with pytest.raises(HostUnreachable, match="UNKNOWN"):
            await router.send_many([[b"UNKNOWN", b"DATA"]])
        with pytest.raises(HostUnreachable):
            router.send_nowait([b"UNKNOWN", b"DATA"])
        dealer.connect(bound)
        await dealer.send(b"Hello")
        assert await router.receive() == [b"X", b"Hello"]
        await router.send([b"X", b"Hello"])
        assert await dealer.recv() == b"Hello"


async def test_router_mandatory_serves_one_while_another_is_full() -> None:
    """test_router_mandatory, get_peer_state: the first peer is served for as long as it likes; the second never reads."""
    async with trizmq.Context(send_hwm=1, receive_hwm=1) as context:
        async with (
            context.socket(trizmq.Router, router_mandatory=True) as router,
            context.socket(trizmq.Dealer, routing_id=b"X") as first,
            context.socket(trizmq.Dealer, routing_id=b"Y") as second,
        ):
            await connect_all(router, "inproc://x", first, second)
            await router.send([b"Y", b"1"])
            await router.send([b"Y", b"2"])
            for _ in range(20):
                with pytest.raises(trio.WouldBlock):
                    router.send_nowait([b"Y", b"3"])
                router.send_nowait([b"X", b"Hello"])
                assert await first.recv() == b"Hello"
                assert router.writable
            router.send_nowait([b"X", b"1"])
            router.send_nowait([b"X", b"2"])
            assert not router.writable
            assert await second.receive_many() == [[b"1"], [b"2"]]


async def test_router_mandatory_hwm() -> None:
    """test_router_mandatory_hwm: with HWM 1 and 64 KiB messages a peer that does not read is full after a few; it waits."""
    async with (
        trizmq.Router(router_mandatory=True, send_hwm=1, linger=0.01) as router,
        trizmq.Dealer(routing_id=b"X", receive_hwm=1) as dealer,
    ):
        await meet(router, dealer)
        sent = 0
        for _ in range(3):
            try:
                while sent < 200:
                    router.send_nowait([b"X", bytes(65536)])
                    sent += 1
                    await trio.testing.wait_all_tasks_blocked(0.002)
            except trio.WouldBlock:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert sent < 120
        for _ in range(sent):
            with trio.fail_after(2):
                await dealer.receive()
        assert router.statistics().dropped == 0


@each_transport
async def test_router_handover(endpoint: str) -> None:
    """test_router_handover, with: the second X takes over, the first gets nothing more and is disconnected."""
    async with trizmq.Router(router_handover=True) as router:
        async with (
            trizmq.Dealer(routing_id=b"X", reconnect_interval=100) as first,
            trizmq.Dealer(routing_id=b"X") as second,
        ):
            bound = await meet(router, first, endpoint)
            await first.send(b"Hello")
            assert await router.receive() == [b"X", b"Hello"]
            second.connect(bound)
            await second.send(b"Hello")
            assert await router.receive() == [b"X", b"Hello"]
            await router.send([b"X", b"for the second"])
            with trio.fail_after(2):
                assert await second.recv() == b"for the second"
            assert not first.readable


async def test_router_handover_comes_to_rest() -> None:
    """Two peers of one id, both connected: one has it, and they do not take it from each other for ever."""
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.Router, router_handover=True) as router,
            context.socket(trizmq.Dealer, routing_id=b"X") as first,
            context.socket(trizmq.Dealer, routing_id=b"X") as second,
        ):
            await router.bind("inproc://x")
            first.connect("inproc://x")
            second.connect("inproc://x")
            with trio.fail_after(2):
                await trio.testing.wait_all_tasks_blocked()
            await router.send([b"X", b"for the second"])
            assert second.receive_nowait() == [b"for the second"]


@each_transport
async def test_router_without_handover(endpoint: str) -> None:
    """test_router_handover, without: the second X is kept out, sends go to the first."""
    async with trizmq.Router() as router:
        async with trizmq.Dealer(routing_id=b"X") as first, trizmq.Dealer(routing_id=b"X", linger=0) as second:
            bound = await meet(router, first, endpoint)
            events = second.events()
            second.connect(bound)
            async for event in events:
                if isinstance(event, trizmq.HandshakeFailed):
                    break
            await second.send(b"ignored")
            await first.send(b"Hello")
            assert await router.receive() == [b"X", b"Hello"]
            await router.send([b"X", b"for the first"])
            assert await first.recv() == b"for the first"
            assert not router.readable
            assert not second.readable


async def test_issue_566() -> None:
    """test_issue_566: a hundred DEALERs of another context in turn, each reachable as soon as it is connected."""
    async with (
        trizmq.Context() as one,
        trizmq.Context() as other,
        one.socket(trizmq.Router, router_mandatory=True) as router,
    ):
        endpoint = await router.bind("tcp://127.0.0.1:*")
        for number in range(100):
            identity = b"ID%d" % number
            async with other.socket(trizmq.Dealer, routing_id=identity) as dealer:
                dealer.connect(endpoint)
                await router.wait_connected()
                await router.send([identity, b"HELLO"])
                assert await dealer.recv() == b"HELLO"
            await until(lambda: not router.statistics().peers)
