"""Streams of messages between trizmq and pyzmq: order, sharing among peers, high-water marks, comings and goings, closing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket, described, orders, until
from tests.interop.peer import END, as_runs, numbered, source_and_number

TIME = 30

StartPeer = Callable[[], Awaitable[PeerProcess]]


async def consume(socket: Any, ends: int = 1) -> dict[str, list[list[int]]]:
    """As ``PeerSocket.consume`` of peer.py, on our side."""
    received: dict[str, list[int]] = {}
    while ends:
        source, number = source_and_number((await socket.receive())[-1])
        if source == END:
            ends -= 1
        else:
            received.setdefault(source, []).append(number)
    return {source: as_runs(numbers) for source, numbers in received.items()}


async def produce(socket: Any, count: int, size: int = 0, end: bool = True) -> None:
    for number in range(count):
        await socket.send(numbered("ours", number, size))
    if end:
        await socket.send(numbered(END, 0))


# ---- order, and more messages than the high-water marks allow


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_long_streams(peer: PeerProcess, transport: str, wildcard: Callable[[str], str]) -> None:
    """20,000 messages both ways at once, twenty times what the high-water marks allow: nothing lost, in order."""
    with trio.fail_after(TIME):
        async with trizmq.Push() as push, trizmq.Pull() as pull:
            their_pull, their_push = await peer.open("PULL"), await peer.open("PUSH")
            await their_pull.connect(await push.bind(wildcard(transport)))
            pull.connect(await their_push.bind(wildcard(transport)))
            consuming = await their_pull.begin("consume")
            producing = await their_push.begin("produce", count=20_000)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(produce, push, 20_000)
                assert await consume(pull) == {"peer": [[0, 20_000]]}
            assert await consuming.answer() == {"ours": [[0, 20_000]]}
            assert await producing.answer() == 20_000


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_long_streams_to_many(peer: PeerProcess, transport: str, wildcard: Callable[[str], str]) -> None:
    """A sender that never pauses holds messages back for a moment: each of twenty gets every twentieth, in order."""
    many, each = 20, 1000
    with trio.fail_after(TIME):
        async with trizmq.Push() as push:
            bound = await push.bind(wildcard(transport))
            pulls = []
            for number in range(many):
                pulls.append(await peer.open("PULL"))
                await pulls[-1].connect(bound)
                await push.wait_connected(number + 1)
            consuming = [await pull.begin("consume") for pull in pulls]
            for number in range(each):
                for which in range(many):
                    await push.send(numbered(f"{which}", number))
            for _ in pulls:
                await push.send(numbered(END, 0))
            answers = [await one.answer() for one in consuming]
            assert answers == [{f"{which}": [[0, each]]} for which in range(many)]


async def test_many_that_answer(peer: PeerProcess) -> None:
    """DEALERs of libzmq send back all that they get, while more comes."""
    many, each = 10, 1000
    with trio.fail_after(TIME):
        async with trizmq.Dealer() as dealer:
            bound = await dealer.bind("tcp://127.0.0.1:*")
            theirs = [await peer.open("DEALER") for _ in range(many)]
            for one in theirs:
                await one.connect(bound)
            await dealer.wait_connected(many)
            serving = [await one.begin("serve") for one in theirs]
            under_way = 50 * many
            for number in range(under_way):
                await dealer.send(b"%d" % number)
            received = []
            for number in range(under_way, many * each):
                received.append(int(await dealer.recv()))
                await dealer.send(b"%d" % number)
            received += [int(await dealer.recv()) for _ in range(under_way)]
            assert sorted(received) == list(range(many * each))
            for one in theirs:
                await one.begin("recv_waiting")
            assert sum([await one.answer() for one in serving]) == many * each


async def test_batches(peer: PeerProcess) -> None:
    """The same with send_many and receive_many, and messages of two frames among them."""
    messages: list[Any] = [
        [b"front", body] if number % 100 == 50 else body
        for number, body in ((number, numbered("ours", number)) for number in range(20_000))
    ]
    with trio.fail_after(TIME):
        async with trizmq.Dealer() as dealer:
            theirs = await peer.open("DEALER", RCVHWM=100, SNDHWM=100)
            dealer.connect(await theirs.bind("tcp://127.0.0.1:*"))
            serving = await theirs.begin("serve")
            received: list[list[bytes]] = []

            async def receive() -> None:
                while len(received) < len(messages):
                    received.extend(await dealer.receive_many())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                for start in range(0, len(messages), 700):
                    await dealer.send_many(messages[start : start + 700])
            assert received == [message if isinstance(message, list) else [message] for message in messages]
            await theirs.begin("recv_waiting")
            assert await serving.answer() == 20_000


@pytest.mark.parametrize(("ours", "theirs"), [("Push", "PULL"), ("Dealer", "DEALER"), ("Pair", "PAIR")])
async def test_senders_wait_at_the_high_water_mark(
    ours: str, theirs: str, peer: PeerProcess, wildcard: Callable[[str], str]
) -> None:
    """A peer that does not read lets us send so much and no more; when it reads, everything arrives."""
    with trio.fail_after(TIME):
        async with getattr(trizmq, ours)(send_hwm=10) as socket:
            receiver = await peer.open(theirs, RCVHWM=10)
            await receiver.connect(await socket.bind(wildcard("ipc")))
            await socket.wait_connected()
            sent = 0
            with trio.move_on_after(0.2):  # it does not read, so waiting longer would change nothing
                while True:
                    await socket.send(numbered("ours", sent, 50_000))
                    sent += 1
            assert not socket.writable
            assert 10 < sent < 100  # both marks, and what the system and the codecs hold
            consuming = await receiver.begin("consume")
            await socket.wait_writable()
            for number in range(sent, 300):
                await socket.send(numbered("ours", number, 50_000))
            await socket.send(numbered(END, 0))
            assert await consuming.answer() == {"ours": [[0, 300]]}


async def test_pyzmq_waits_at_the_high_water_mark(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    """We do not read more than the mark allows, so that pyzmq has to wait; nothing is lost of what it sends."""
    with trio.fail_after(TIME):
        async with trizmq.Pull(receive_hwm=10) as pull:
            sender = await peer.open("PUSH", SNDHWM=10, SNDTIMEO=200)
            await sender.connect(await pull.bind(wildcard("ipc")))
            await pull.wait_connected()
            blocked = await sender.begin("produce", count=300, size=50_000)
            with pytest.raises(Exception, match="Again"):
                await blocked.answer()
            assert pull.statistics().peers[0].inbound == 10
            received = 0
            await sender.set(SNDTIMEO=-1)
            await sender.begin("send", messages=[[numbered(END, 0).hex()]])
            while (message := source_and_number(await pull.recv()))[0] != END:
                assert message == ("peer", received)
                received += 1
            assert 20 <= received < 100


# ---- several peers


async def test_load_balancing(start_peer: StartPeer) -> None:
    """Strict turns over three pyzmq processes; one that is closed gets no more, and the others share what comes."""
    with trio.fail_after(TIME):
        async with trizmq.Push() as push:
            endpoint = await push.bind("tcp://127.0.0.1:*")
            pulls = []
            for count in 1, 2, 3:
                pulls.append(await (await start_peer()).open("PULL"))
                await pulls[-1].connect(endpoint)
                await push.wait_connected(count)
            for number in range(300):
                await push.send(numbered("ours", number))
            for at, pull in enumerate(pulls):
                runs = (await pull.do("consume", count=100))["ours"]
                assert runs == [[number, 1] for number in range(at, 300, 3)]
            async with push.events() as events:
                await pulls[1].close()
                await until(events, trizmq.Disconnected)
            for number in range(200):
                await push.send(numbered("ours", number))
            shares = [(await pulls[at].do("consume", count=100))["ours"] for at in (0, 2)]
            assert sorted(run for runs in shares for run in runs) == [[number, 1] for number in range(200)]


async def test_load_balancing_of_pyzmq(peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        sender = await peer.open("PUSH")
        endpoint = await sender.bind("tcp://127.0.0.1:*")
        async with trizmq.Pull() as one, trizmq.Pull() as two:
            for pull in one, two:
                pull.connect(endpoint)
                await pull.wait_connected()
            received: list[list[int]] = [[], []]
            all_there = trio.Event()

            async def collect(pull: trizmq.Pull, numbers: list[int]) -> None:
                async for message in pull:
                    source, number = source_and_number(message[0])
                    numbers.append(number if source != END else 100)
                    if sum(map(len, received)) == 101:
                        all_there.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(collect, one, received[0])
                nursery.start_soon(collect, two, received[1])
                await sender.do("produce", count=100)
                await all_there.wait()
                nursery.cancel_scope.cancel()
            assert sorted(received[0] + received[1]) == list(range(101))
            # the sender may have begun before it knew of the second: an even share from then on
            assert min(map(len, received)) > 20
            assert all(numbers == sorted(numbers) for numbers in received)


async def test_fair_queueing(start_peer: StartPeer) -> None:
    """Once several peers have messages waiting, each is heard in its turn, however much the first has sent."""
    with trio.fail_after(TIME):
        async with trizmq.Pull() as pull:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            for name, count in ("loud", 900), ("quiet", 30), ("calm", 30):
                sender = await (await start_peer()).open("PUSH")
                await sender.connect(endpoint)
                await sender.do("produce", source=name, count=count)
            while sum(peer.inbound for peer in pull.statistics().peers) < 900 + 30 + 30 + 3:
                await pull.wait_readable()
                await trio.lowlevel.checkpoint()
            order = [source_and_number(await pull.recv())[0] for _ in range(90)]
            assert {name: order.count(name) for name in order} == {"loud": 30, "quiet": 30, "calm": 30}
            assert all(len(set(order[at : at + 3])) == 3 for at in range(0, 90, 3))


async def test_many_peers(start_peer: StartPeer) -> None:
    """A ROUTER with 40 pyzmq DEALERs in two processes: each stream complete, each reply with who asked."""
    with trio.fail_after(TIME):
        async with trizmq.Router() as router:
            endpoint = await router.bind("tcp://127.0.0.1:*")
            dealers: list[tuple[str, PeerSocket]] = []
            for process in await start_peer(), await start_peer():
                for _ in range(20):
                    name = f"dealer{len(dealers)}"
                    dealers.append((name, await process.open("DEALER", ROUTING_ID=name)))
                    await dealers[-1][1].connect(endpoint)
            for name, dealer in dealers:
                await dealer.begin("produce", source=name, count=50)
            consuming = [(name, await dealer.begin("consume")) for name, dealer in dealers]
            for _ in range(len(dealers) * 51):
                routing_id, body = await router.receive()
                assert source_and_number(body)[0] in (routing_id.decode(), END)
                await router.send([routing_id, body])
            for name, stream in consuming:
                assert await stream.answer() == {name: [[0, 50]]}


async def test_requests_of_many_clients(start_peer: StartPeer) -> None:
    """A REP answers each pyzmq REQ its own question."""
    with trio.fail_after(TIME):
        async with trizmq.Rep() as rep:
            endpoint = await rep.bind("tcp://127.0.0.1:*")
            process = await start_peer()
            asking = []
            for client in range(10):
                req = await process.open("REQ")
                await req.connect(endpoint)
                questions = [[f"{client} asks {number}".encode()] for number in range(20)]
                pending = await req.begin(
                    "request", messages=[[frame.hex() for frame in question] for question in questions]
                )
                asking.append((questions, pending))
            for _ in range(200):
                await rep.send(await rep.receive())
            for questions, pending in asking:
                assert await pending.answer() == described(questions)


# ---- comings and goings


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_connect_before_bind(peer: PeerProcess, transport: str, unbound: Callable[[str], str]) -> None:
    """Ours first, then theirs first: what was sent meanwhile waits and arrives."""
    with trio.fail_after(TIME):
        endpoint = unbound(transport)
        async with trizmq.Push(reconnect_interval=0.01, reconnect_interval_max=0.1) as push, push.events() as events:
            push.connect(endpoint)
            for number in range(100):
                push.send_nowait(numbered("ours", number))
            await until(events, trizmq.ConnectRetried)
            await until(events, trizmq.ConnectRetried)
            pull = await peer.open("PULL")
            await pull.bind(endpoint)
            assert await pull.do("consume", count=100) == {"ours": [[0, 100]]}
        endpoint = unbound(transport)
        their_push = await peer.open("PUSH", RECONNECT_IVL=10)
        await their_push.connect(endpoint)
        await their_push.do("produce", count=100)
        async with trizmq.Pull() as our_pull:
            await our_pull.bind(endpoint)
            assert await consume(our_pull) == {"peer": [[0, 100]]}


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_queue_survives_a_rebinding_peer(
    peer: PeerProcess, transport: str, wildcard: Callable[[str], str]
) -> None:
    """The pyzmq side closes and binds again, three times; what we send while it is away is there when it is back."""
    with trio.fail_after(TIME):
        async with trizmq.Dealer(reconnect_interval=0.01) as dealer, dealer.events() as events:
            theirs = await peer.open("DEALER")
            endpoint = await theirs.bind(wildcard(transport))
            dealer.connect(endpoint)
            for turn in range(4):
                await dealer.send(b"while it is there")
                assert await theirs.recv() == described([[b"while it is there"]])
                await theirs.send([b"%d" % turn])
                assert await dealer.receive() == [b"%d" % turn]
                await theirs.close()
                await until(events, trizmq.Disconnected)
                for number in range(500):
                    dealer.send_nowait(numbered("ours", number))
                theirs = await peer.open("DEALER")
                await theirs.bind(endpoint)
                assert await theirs.do("consume", count=500) == {"ours": [[0, 500]]}
            await dealer.send(b"last")
            assert await theirs.recv() == described([[b"last"]])
            assert dealer.statistics().reconnects == 4
            assert dealer.statistics().dropped == 0


async def test_pyzmq_reconnects_to_us(peer: PeerProcess) -> None:
    """We unbind and bind again; the queue of the pyzmq side survives that."""
    with trio.fail_after(TIME):
        theirs = await peer.open("DEALER", RECONNECT_IVL=10)
        async with trizmq.Dealer() as dealer, dealer.events() as events:
            endpoint = await dealer.bind("tcp://127.0.0.1:*")
            await theirs.connect(endpoint)
            await theirs.send([b"before"])
            assert await dealer.receive() == [b"before"]
            dealer.unbind(endpoint)
            await until(events, trizmq.Closed)
            # a message that it gives to the system before it learns of our end is lost, as always in ZeroMQ
            await dealer.bind(endpoint)
            await dealer.wait_connected()
            producing = await theirs.begin("produce", count=100)
            assert await consume(dealer) == {"peer": [[0, 100]]}
            await producing.answer()


async def test_requests_across_restarts(peer: PeerProcess) -> None:
    """A server that is restarted under way costs its clients an error that says so, and no more."""
    with trio.fail_after(TIME):
        async with trizmq.Req(reconnect_interval=0.01) as req:
            theirs = await peer.open("REP")
            endpoint = await theirs.bind("tcp://127.0.0.1:*")
            req.connect(endpoint)
            await theirs.begin("echo", count=1)
            assert await req.request(b"one") == [b"one"]
            async with trio.open_nursery() as nursery:

                async def restart() -> None:
                    await theirs.recv()
                    await theirs.close()

                nursery.start_soon(restart)
                with pytest.raises(trizmq.PeerLostError):
                    await req.request(b"two")
            again = await peer.open("REP")
            await again.bind(endpoint)
            await again.begin("serve")
            assert await req.request(b"three") == [b"three"]


async def test_late_reply_after_a_lost_connection(peer: PeerProcess) -> None:
    """A REP that connects to us keeps its queue and comes back: what it still answers is no reply to what we ask then."""
    with trio.fail_after(TIME):
        async with trizmq.Req() as req:
            theirs = await peer.open("REP", RECONNECT_IVL=10)
            endpoint = await req.bind("tcp://127.0.0.1:*")
            await theirs.connect(endpoint)
            async with trio.open_nursery() as nursery:

                async def cut() -> None:
                    assert await theirs.recv() == described([[b"one"]])
                    req.unbind(endpoint)  # stands for a fault of the network

                nursery.start_soon(cut)
                with pytest.raises(trizmq.PeerLostError):
                    await req.request(b"one")
            await req.bind(endpoint)
            await req.wait_connected()
            answering = await theirs.begin("send", messages=orders([[b"reply to one"]]))
            then = await theirs.begin("echo", count=1)
            assert await req.request(b"two") == [b"two"]
            await answering.answer()
            assert await then.answer() == described([[b"two"]])


# ---- closing


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("we_bind", [True, False])
async def test_linger(peer: PeerProcess, transport: str, we_bind: bool, wildcard: Callable[[str], str]) -> None:
    """We close right after sending to a peer that reads slowly: everything arrives."""
    with trio.fail_after(TIME):
        pull = await peer.open("PULL", RCVHWM=10)
        async with trizmq.Push() as push:
            if we_bind:
                await pull.connect(await push.bind(wildcard(transport)))
                await push.wait_connected()
            else:
                push.connect(await pull.bind(wildcard(transport)))
            await produce(push, 500, size=5000)
            consuming = await pull.begin("consume", pauses_ms=[0, 0, 1])
        assert push.statistics().dropped == 0
        assert await consuming.answer() == {"ours": [[0, 500]]}


async def test_linger_has_an_end(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    """A peer that does not read delays closing for as long as linger says; what is given up is counted."""
    with trio.fail_after(TIME):
        pull = await peer.open("PULL", RCVHWM=1)
        async with trizmq.Push(linger=0.2) as push:
            await pull.connect(await push.bind(wildcard("ipc")))
            await push.wait_connected()
            for number in range(100):
                await push.send(numbered("ours", number, 50_000))
            started = trio.current_time()
        assert 0.15 < trio.current_time() - started < 2
        statistics = push.statistics()
        assert statistics.drops[trizmq.DropReason.LINGER] == 100 - statistics.messages_sent > 0


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("we_bind", [True, False])
async def test_linger_of_pyzmq(
    peer: PeerProcess, transport: str, we_bind: bool, wildcard: Callable[[str], str]
) -> None:
    """pyzmq closes right after sending, and we read slowly, at our high-water mark: everything arrives, the end last.

    libzmq as the receiver loses here over ipc what the kernel still holds (design.md, section 6).
    """
    with trio.fail_after(TIME):
        async with trizmq.Pull(receive_hwm=10) as pull, pull.events() as events:
            push = await peer.open("PUSH")
            if we_bind:
                await push.connect(await pull.bind(wildcard(transport)))
            else:
                pull.connect(await push.bind(wildcard(transport)))
            await pull.wait_connected()
            await push.do("produce", count=500, size=5000)
            await push.close(linger_ms=-1)
            received = []
            while (message := source_and_number(await pull.recv()))[0] != END:
                received.append(message[1])
                await trio.lowlevel.checkpoint()
            assert as_runs(received) == [[0, 500]]
            await until(events, trizmq.Disconnected)
