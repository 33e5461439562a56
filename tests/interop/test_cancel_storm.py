"""Cancelled means it did not happen: thousands of calls cancelled at random instants, against a pyzmq peer that counts.

Every call runs under a cancel scope that ends it at some instant: before it begins, after up to a millisecond, from a task
beside it, or in the very moment in which it could go on. What completed and what the peer saw must then agree to the
message. ``TRIZMQ_SOAK=30`` makes it thirty times as long, ``TRIZMQ_SEED=5`` makes it another storm.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, tasks
from tests.interop.peer import END, as_runs, numbered, source_and_number

SOAK = float(os.environ.get("TRIZMQ_SOAK", "1"))
SEED = int(os.environ.get("TRIZMQ_SEED", "1"))
TIME = 40 * SOAK
pytestmark = pytest.mark.deadline(TIME + 10)

# How many calls are cancelled in a test.
CALLS = round(3000 * SOAK)
# A peer that pauses like this after each message is slower than a test that receives or sends it: calls have to wait.
PAUSES_MS = [0, 0, 0, 1, 1, 2]

T = TypeVar("T")
Call: TypeAlias = Callable[[], Awaitable[None]]


class Storm:
    """Runs calls under cancel scopes that end at random instants."""

    #: Calls cancelled in all storms of this run.
    total = 0

    def __init__(self, seed: int, *, share: float = 1, longest: float = 0.0008) -> None:
        print(f"seed {seed} of TRIZMQ_SEED={SEED}")  # seen if the test fails
        self._chance = random.Random(f"{seed} {SEED}")
        self._longest = longest
        self._to_cancel = round(CALLS * share)
        self._cancelled = 0
        self._completed = 0

    @property
    def over(self) -> bool:
        """Whether enough calls were cancelled."""
        return self._cancelled >= self._to_cancel

    def check(self) -> None:
        """Many calls must have completed as well, else this was no test."""
        assert self._completed > self._to_cancel / 20

    async def attempt(
        self, call: Callable[[], Awaitable[T]], ready: Callable[[], Awaitable[None]] | None = None
    ) -> list[T]:
        """The result in a list, which is empty if ``Cancelled`` came out.

        ``ready``: waits for what the call waits for, so that both learn of it in the same pass of Trio's scheduler.
        """
        kinds: list[Callable[[Call], Awaitable[None]]]
        kinds = [self._deadline, self._nested, self._at_once, self._beside, self._beside]
        kind = self._chance.choice(kinds)
        if ready is not None and self._chance.random() < 0.25:
            kind = self._when_ready(ready)
        result: list[T] = []

        async def record() -> None:
            result.append(await call())

        await kind(record)
        if result:
            self._completed += 1
        else:
            self._cancelled += 1
            Storm.total += 1
        # a machine that is slow or busy gets longer instants, so that calls of both kinds are there whatever it does besides
        attempts = self._cancelled + self._completed
        if attempts % 50 == 0 and self._completed < attempts / 8:
            self._longest *= 1.5
        return result

    def _instant(self) -> float:
        return trio.current_time() + self._chance.uniform(0, self._longest)

    async def _deadline(self, call: Call) -> None:
        with trio.CancelScope(deadline=self._instant()):
            await call()

    async def _at_once(self, call: Call) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await call()

    async def _nested(self, call: Call) -> None:
        with trio.CancelScope(deadline=self._instant()):
            with trio.CancelScope(deadline=self._instant()):
                with trio.CancelScope(deadline=self._instant(), shield=self._chance.random() < 0.5):
                    await call()

    async def _beside(self, call: Call) -> None:
        """From another task, a few passes of the scheduler later."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            for _ in range(self._chance.randrange(20)):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    def _when_ready(self, ready: Callable[[], Awaitable[None]]) -> Callable[[Call], Awaitable[None]]:
        async def kind(call: Call) -> None:
            async def cancel_when_ready(scope: trio.CancelScope) -> None:
                await ready()
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = self._instant()
                for start in self._chance.sample([0, 1], 2):
                    if start:
                        nursery.start_soon(cancel_when_ready, nursery.cancel_scope)
                    else:
                        nursery.start_soon(call)

        return kind


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Has a time limit, and fails if a task is left behind. (A ResourceWarning is an error anyway.)"""
    before = tasks()
    with trio.fail_after(TIME):
        yield
    assert tasks() == before
    gc.collect()


# ---- (a), (e): receives, in all forms


async def receive(socket: Any) -> list[list[bytes]]:
    return [await socket.receive()]


async def receive_many(socket: Any) -> list[list[bytes]]:
    messages: list[list[bytes]] = await socket.receive_many(3)
    return messages


async def recv(socket: Any) -> list[list[bytes]]:
    return [[await socket.recv()]]


async def recv_multipart(socket: Any) -> list[list[bytes]]:
    return [await socket.recv_multipart()]


async def recv_string(socket: Any) -> list[list[bytes]]:
    return [[(await socket.recv_string()).encode()]]


async def recv_serialized(socket: Any) -> list[list[bytes]]:
    return [await socket.recv_serialized(lambda frames: frames)]


async def iterate(socket: Any) -> list[list[bytes]]:
    return [await anext(socket)]


# The share of the cancellations comes last: all of them for what differs, less for what is built on it.
RECEIVES: list[tuple[str, str, Callable[[Any], Awaitable[list[list[bytes]]]], float]] = [
    ("Pull", "PUSH", receive, 1),
    ("Dealer", "DEALER", receive, 1),
    ("Pair", "PAIR", receive, 0.2),
    ("Router", "DEALER", receive, 0.2),
    ("Sub", "PUB", iterate, 0.2),
    ("Pull", "PUSH", receive_many, 0.5),
    ("Dealer", "ROUTER", receive_many, 0.2),
    ("Pull", "PUSH", recv, 0.5),
    ("Pull", "PUSH", recv_multipart, 0.2),
    ("Dealer", "DEALER", recv_string, 0.2),
    ("Pull", "PUSH", recv_serialized, 0.2),
    ("XSub", "PUB", receive, 0.1),
    ("XPub", "XSUB", receive, 0.1),
    ("Router", "DEALER", receive_many, 0.1),
    ("Pair", "PAIR", iterate, 0.1),
]


@pytest.mark.parametrize(("ours", "theirs", "verb", "share"), RECEIVES)
async def test_receives(
    ours: str, theirs: str, verb: Callable[[Any], Awaitable[list[list[bytes]]]], share: float, peer: PeerProcess
) -> None:
    storm = Storm(100 + RECEIVES.index((ours, theirs, verb, share)), share=share)
    async with nothing_left():
        options = {"routing_id": b"ours"} if ours == "Dealer" else {}
        async with getattr(trizmq, ours)(**options) as socket:
            sender = await peer.open(theirs, SNDHWM=0)  # where it would drop, it queues
            socket.connect(await sender.bind("tcp://127.0.0.1:*"))
            await socket.wait_connected()
            if theirs == "PUB":
                await subscribe_all(socket, sender)
            if theirs == "ROUTER":
                await socket.send(b"here I am")  # a ROUTER knows its peers by then
                await sender.recv()
            producing = await sender.begin(
                "produce", pauses_ms=PAUSES_MS, front=[b"ours".hex()] if theirs == "ROUTER" else []
            )
            received: list[tuple[str, int]] = []
            while not storm.over:
                for messages in await storm.attempt(lambda: verb(socket), socket.wait_readable):
                    received += [source_and_number(message[-1]) for message in messages]
            await sender.begin("recv_waiting")  # a new order ends the stream
            while not received or received[-1][0] != END:
                received += [source_and_number(message[-1]) for message in await verb(socket)]
            produced = await producing.answer()
    assert as_runs(number for source, number in received if source != END) == as_runs(range(produced))
    storm.check()


async def subscribe_all(sub: Any, publisher: Any) -> None:
    sub.subscribe(b"peer")
    sub.subscribe(END)
    sub.subscribe(b"last subscribed")
    repeating = await publisher.begin("repeat", message=[b"last subscribed".hex()])
    await sub.receive()
    await publisher.do("send", messages=[[b"last subscribed".hex(), b"really".hex()]])
    await repeating.answer()
    async for message in sub:
        if message[1:]:
            break


async def test_receives_by_many_tasks(peer: PeerProcess) -> None:
    """Several tasks wait in the same socket, and are cancelled: no wake-up is lost with the one who got it."""
    storm = Storm(200)
    received: list[int] = []
    async with nothing_left():
        async with trizmq.Pull() as pull:
            sender = await peer.open("PUSH")
            await sender.connect(await pull.bind("tcp://127.0.0.1:*"))
            producing = await sender.begin("produce", pauses_ms=PAUSES_MS)

            async def take() -> None:
                received.append(source_and_number(await pull.recv())[1])

            async def one_of_many() -> None:
                while not storm.over:
                    await storm.attempt(take, pull.wait_readable)

            async with trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(one_of_many)
            await sender.begin("recv_waiting")
            async for message in pull:
                source, number = source_and_number(message[0])
                if source == END:
                    break
                received.append(number)
            assert as_runs(received) == as_runs(range(await producing.answer()))


async def test_recv_of_multipart(peer: PeerProcess) -> None:
    """``recv`` refuses a message of two frames and leaves it there, cancelled or not."""
    storm = Storm(210, share=0.2)
    async with nothing_left():
        async with trizmq.Pull() as pull:
            sender = await peer.open("PUSH")
            await sender.connect(await pull.bind("tcp://127.0.0.1:*"))
            producing = await sender.begin("produce", pauses_ms=PAUSES_MS, front=[b"front".hex()])
            received: list[int] = []

            async def take() -> list[bytes]:
                with pytest.raises(trizmq.MultipartError):
                    await pull.recv()
                return await pull.receive()

            while not storm.over:
                messages = await storm.attempt(take, pull.wait_readable)
                received += [source_and_number(message[1])[1] for message in messages]
            await sender.begin("recv_waiting")
            while (numbered_frame := source_and_number((await take())[1]))[0] != END:
                received.append(numbered_frame[1])
            assert as_runs(received) == as_runs(range(await producing.answer()))


async def test_echoes(peer: PeerProcess) -> None:
    """One message under way at a time, so that each receive is cancelled about when its message arrives."""
    storm = Storm(220, share=0.4, longest=0.0006)
    async with nothing_left():
        async with trizmq.Dealer() as dealer:
            theirs = await peer.open("DEALER")
            dealer.connect(await theirs.bind("tcp://127.0.0.1:*"))
            serving = await theirs.begin("serve")
            number = 0
            while not storm.over:
                await dealer.send(b"%d" % number)
                while not (received := await storm.attempt(dealer.receive, dealer.wait_readable)):
                    pass
                assert received == [[b"%d" % number]]
                number += 1
            await theirs.begin("recv_waiting")
            assert await serving.answer() == number


async def test_json_echoes(peer: PeerProcess) -> None:
    storm = Storm(230, share=0.2, longest=0.0006)
    async with nothing_left():
        async with trizmq.Dealer() as dealer:
            theirs = await peer.open("DEALER")
            dealer.connect(await theirs.bind("tcp://127.0.0.1:*"))
            serving = await theirs.begin("serve")
            number = 0
            while not storm.over:
                while not await storm.attempt(lambda: dealer.send_json({"number": number})):  # noqa: B023
                    pass
                while not (received := await storm.attempt(dealer.recv_json, dealer.wait_readable)):
                    pass
                assert received == [{"number": number}]
                number += 1
            await theirs.begin("recv_waiting")
            assert await serving.answer() == number


# ---- (b), (e): sends, in all forms


async def send(socket: Any, front: list[bytes], bodies: list[bytes]) -> int:
    await socket.send([*front, bodies[0]])
    return 1


async def send_many(socket: Any, front: list[bytes], bodies: list[bytes]) -> int:
    sent: int = await socket.send_many([[*front, body] for body in bodies])
    return sent


async def send_multipart(socket: Any, front: list[bytes], bodies: list[bytes]) -> int:
    await socket.send_multipart(iter([*front, b"a frame before", bodies[0]]))
    return 1


async def send_string(socket: Any, front: list[bytes], bodies: list[bytes]) -> int:
    await socket.send_string(bodies[0].decode())
    return 1


async def send_serialized(socket: Any, front: list[bytes], bodies: list[bytes]) -> int:
    await socket.send_serialized(bodies[0], lambda body: [*front, body])
    return 1


SENDS: list[tuple[str, str, Callable[[Any, list[bytes], list[bytes]], Awaitable[int]], float]] = [
    ("Push", "PULL", send, 1),
    ("Dealer", "DEALER", send, 1),
    ("Pair", "PAIR", send, 0.2),
    ("Router", "DEALER", send, 0.2),
    ("XPub", "SUB", send, 0.2),
    ("Push", "PULL", send_many, 0.5),
    ("Dealer", "ROUTER", send_many, 0.2),
    ("Push", "PULL", send_multipart, 0.2),
    ("Push", "PULL", send_string, 0.2),
    ("Dealer", "DEALER", send_serialized, 0.2),
    ("Pub", "SUB", send, 0.1),
    ("XSub", "XPUB", send, 0.1),
    ("Pair", "PAIR", send_many, 0.1),
    ("Router", "DEALER", send_many, 0.1),
]
#: What makes a socket wait that would drop the message; an XSUB cannot be made to.
WAITING: dict[str, dict[str, Any]] = {
    "Router": {"router_mandatory": True},
    "Pub": {"xpub_nodrop": True},
    "XPub": {"xpub_nodrop": True},
    "XSub": {"send_hwm": 0},
}


@pytest.mark.parametrize(("ours", "theirs", "verb", "share"), SENDS)
async def test_sends(
    ours: str,
    theirs: str,
    verb: Callable[[Any, list[bytes], list[bytes]], Awaitable[int]],
    share: float,
    peer: PeerProcess,
    wildcard: Callable[[str], str],
) -> None:
    """What returned arrives, once and in order; what was cancelled does not."""
    storm = Storm(300 + SENDS.index((ours, theirs, verb, share)), share=share)
    async with nothing_left():
        # ipc and 4 KiB: the system takes some 50 messages, then the slow consumer is felt
        async with getattr(trizmq, ours)(**{"send_hwm": 4, **WAITING.get(ours, {})}) as socket:
            receiver = await peer.open(theirs, RCVHWM=4, **({"ROUTING_ID": "theirs"} if ours == "Router" else {}))
            await receiver.connect(await socket.bind(wildcard("ipc")))
            await socket.wait_connected()
            if theirs == "SUB":
                await receiver.set(SUBSCRIBE="")
            consuming = await receiver.begin("consume", pauses_ms=PAUSES_MS)
            if theirs == "SUB":
                await socket.wait_subscribed()
            front = [b"theirs"] if ours == "Router" else []
            sent: list[int] = []
            number = 0
            while not storm.over:
                numbers = range(number, number + 3)
                bodies = [numbered("ours", number, 4096) for number in numbers]
                number += 3  # a number is used once, so that one that was cancelled is known if it arrives
                for count in await storm.attempt(lambda: verb(socket, front, bodies), socket.wait_writable):  # noqa: B023
                    sent += numbers[:count]
            await socket.send([*front, numbered(END, 0)])
            received = await consuming.answer()
            assert received == {"ours": as_runs(sent)}
            assert socket.statistics().dropped == 0
    storm.check()


# ---- (c): requests


async def test_requests_of_rep(peer: PeerProcess) -> None:
    async with nothing_left(), trizmq.Req() as req:
        theirs = await peer.open("REP")
        req.connect(await theirs.bind("tcp://127.0.0.1:*"))
        await theirs.begin("serve")
        await storm_of_requests(req, Storm(400))
        assert await req.request(b"last") == [b"last"]


async def test_requests_of_several_reps(peer: PeerProcess) -> None:
    """Who owes a reply is passed over while another can be asked."""
    async with nothing_left(), trizmq.Req() as req:
        for _ in range(3):
            theirs = await peer.open("REP")
            await theirs.connect(await req.bind("tcp://127.0.0.1:*"))
            await theirs.begin("serve")
        await req.wait_connected(3)
        await storm_of_requests(req, Storm(410))
        assert await req.request(b"last") == [b"last"]


@pytest.mark.parametrize("correlate", [False, True])
@pytest.mark.parametrize("peers", [1, 3])
async def test_requests_of_unreliable_router(peer: PeerProcess, peers: int, correlate: bool) -> None:
    """It delays, reorders and drops replies. None that is late is taken for another."""
    async with nothing_left(), trizmq.Req(req_correlate=correlate) as req:
        for number in range(peers):
            theirs = await peer.open("ROUTER")
            req.connect(await theirs.bind("tcp://127.0.0.1:*"))
            await theirs.begin("serve_badly", seed=number, drop=0.1, hold=0.3)
        await storm_of_requests(req, Storm(420 + peers + 10 * correlate, share=0.5 if correlate else 1))
        reply: list[bytes] = []
        while not reply:  # it may drop this one as well
            with trio.move_on_after(0.1):
                reply = await req.request(b"last")
        assert reply == [b"last"]


async def test_requests_with_routing_id(peer: PeerProcess) -> None:
    """A ROUTER sends late replies to whoever has the routing id by then, on a new connection too."""
    async with nothing_left(), trizmq.Req(routing_id=b"ours") as req:
        theirs = await peer.open("ROUTER")
        req.connect(await theirs.bind("tcp://127.0.0.1:*"))
        await theirs.begin("serve_badly", seed=1, drop=0, hold=0.3)
        await storm_of_requests(req, Storm(450, share=0.2))
        assert await req.request(b"last") == [b"last"]


async def test_req_stays_in_turn(peer: PeerProcess) -> None:
    """With ``send`` and ``receive`` a cancelled call is simply made again, and the reply is still there."""
    storm = Storm(460, share=0.3)
    async with nothing_left(), trizmq.Req() as req:
        theirs = await peer.open("REP")
        req.connect(await theirs.bind("tcp://127.0.0.1:*"))
        serving = await theirs.begin("serve")
        number = 0
        while not storm.over:
            while not await storm.attempt(lambda: req.send(b"%d" % number)):  # noqa: B023
                pass
            while not (reply := await storm.attempt(req.receive, req.wait_readable)):
                with pytest.raises(trizmq.StateError):
                    req.send_nowait(b"out of turn")
            assert reply == [[b"%d" % number]]
            number += 1
        await theirs.begin("set")
        assert await serving.answer() == number


async def storm_of_requests(req: trizmq.Req, storm: Storm) -> None:
    number = 0
    while not storm.over:
        number += 1
        request = [b"request %d" % number, b""]
        for reply in await storm.attempt(lambda: req.request(request)):  # noqa: B023
            assert reply == request
    storm.check()


# ---- (d): servers


async def test_router_with_cancelled_handlers(peer: PeerProcess) -> None:
    """Each request has a task; of a cancelled one no reply arrives, of all others exactly one."""
    storm = Storm(500, share=0.5)
    async with nothing_left():
        async with trizmq.Router(send_hwm=0) as router, trio.open_nursery() as nursery:
            client = await peer.open("DEALER", ROUTING_ID="client", RCVHWM=0)
            await client.connect(await router.bind("tcp://127.0.0.1:*"))
            producing = await client.begin("produce", pauses_ms=PAUSES_MS)
            received: list[int] = []
            replied: list[int] = []

            async def handle(routing_id: bytes, body: bytes) -> None:
                async def reply() -> None:
                    await router.send([routing_id, b"", body])
                    replied.append(source_and_number(body)[1])

                await storm.attempt(reply)

            while not storm.over:
                for routing_id, body in await storm.attempt(router.receive, router.wait_readable):
                    received.append(source_and_number(body)[1])
                    nursery.start_soon(handle, routing_id, body)
            consuming = await client.begin("consume")
            async for _, body in router:
                source, number = source_and_number(body)
                if source == END:
                    break
                received.append(number)
            assert as_runs(received) == as_runs(range(await producing.answer()))
            while nursery.child_tasks:
                await trio.lowlevel.checkpoint()
            await router.send([b"client", numbered(END, 0)])
            assert await consuming.answer() == {"peer": as_runs(replied)}


async def test_rep_with_cancelled_calls(peer: PeerProcess) -> None:
    """A REP stays in turn: a cancelled receive or send can be made again."""
    storm = Storm(510, share=0.5)
    async with nothing_left():
        async with trizmq.Rep(send_hwm=0) as rep:
            client = await peer.open("DEALER", RCVHWM=0)
            await client.connect(await rep.bind("tcp://127.0.0.1:*"))
            producing = await client.begin("produce", pauses_ms=PAUSES_MS, front=[b"hop".hex(), ""])
            received: list[int] = []
            while not storm.over:
                for (body,) in await storm.attempt(rep.receive, rep.wait_readable):
                    received.append(source_and_number(body)[1])
                    while not await storm.attempt(lambda: rep.send(body)):  # noqa: B023
                        with pytest.raises(trizmq.StateError):
                            rep.receive_nowait()
            consuming = await client.begin("consume")
            async for (body,) in rep:
                await rep.send(body)
                source, number = source_and_number(body)
                if source == END:
                    break
                received.append(number)
            produced = await producing.answer()
            assert as_runs(received) == as_runs(range(produced))
            assert await consuming.answer() == {"peer": as_runs(range(produced))}


# ---- (f): waiting for readiness, and looking


async def test_wait_readable_and_poller(peer: PeerProcess) -> None:
    """Waits take nothing, cancelled or not; and one who waits is not forgotten because another was cancelled."""
    storm = Storm(600, share=0.5)
    async with nothing_left():
        async with trizmq.Pull() as urgent, trizmq.Pull() as bulk, trio.open_nursery() as nursery:
            poller = trizmq.Poller()
            producing = []
            received: dict[Any, list[tuple[str, int]]] = {urgent: [], bulk: []}
            for pull in urgent, bulk:
                poller.register(pull)
                sender = await peer.open("PUSH")
                await sender.connect(await pull.bind("tcp://127.0.0.1:*"))
                producing.append((sender, await sender.begin("produce", pauses_ms=[0, 1, 2, 3])))

            async def bystander(pull: trizmq.Pull) -> None:
                while not storm.over:
                    await pull.wait_readable()
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(bystander, urgent)
            while not storm.over:
                for ready in await storm.attempt(poller.wait, bulk.wait_readable):
                    for socket in ready:
                        received[socket].append(source_and_number(socket.receive_nowait()[0]))  # type: ignore[attr-defined]  # a Pull
                for _ in await storm.attempt(urgent.wait_readable):
                    received[urgent].append(source_and_number(urgent.receive_nowait()[0]))
            for sender, _ in producing:
                await sender.begin("recv_waiting")
            for pull in urgent, bulk:
                while not received[pull] or received[pull][-1][0] != END:
                    received[pull].append(source_and_number(await pull.recv()))
            nursery.cancel_scope.cancel()
            for pull, (_, stream) in zip((urgent, bulk), producing, strict=True):
                numbers = [number for source, number in received[pull] if source != END]
                assert as_runs(numbers) == as_runs(range(await stream.answer()))


async def test_wait_writable_and_drained(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    storm = Storm(610, share=0.5)
    async with nothing_left():
        async with trizmq.Push(send_hwm=2) as push:
            receiver = await peer.open("PULL", RCVHWM=2)
            await receiver.connect(await push.bind(wildcard("ipc")))
            await push.wait_connected()
            consuming = await receiver.begin("consume", pauses_ms=PAUSES_MS)
            poller = trizmq.Poller()
            poller.register(push, trizmq.WRITABLE)
            number = 0
            while not storm.over:
                for wait in push.wait_writable, poller.wait, push.wait_drained, push.wait_connected:
                    if await storm.attempt(wait) and wait not in (push.wait_drained, push.wait_connected):
                        push.send_nowait(numbered("ours", number, 4096))
                        number += 1
            await push.send(numbered(END, 0))
            assert await consuming.answer() == {"ours": as_runs(range(number))}


async def test_wait_subscribed(peer: PeerProcess) -> None:
    """Returned, it is true: what is sent next arrives."""
    storm = Storm(630, share=0.2, longest=0.0004)
    async with nothing_left():
        async with trizmq.Pub() as pub:
            theirs = await peer.open("SUB", RCVHWM=0)
            await theirs.connect(await pub.bind("tcp://127.0.0.1:*"))
            number = 0
            while not storm.over:
                topic = b"topic %d;" % number
                subscribing = await theirs.begin("set", SUBSCRIBE=topic.decode())
                while not await storm.attempt(lambda: pub.wait_subscribed(topic)):  # noqa: B023
                    pass
                pub.send_nowait(topic)
                await subscribing.answer()
                assert await theirs.recv() == [[topic.hex()]]
                number += 1


async def test_events(peer: PeerProcess) -> None:
    """A watcher that is cancelled again and again sees what one sees that is not."""
    storm = Storm(620, share=0.2)
    async with nothing_left():
        async with trizmq.Pull() as pull:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            host, port = endpoint.removeprefix("tcp://").split(":")
            seen: list[trizmq.Event] = []
            async with (
                pull.events(1_000_000) as calm,
                pull.events(1_000_000) as troubled,
                trio.open_nursery() as nursery,
            ):

                async def come_and_go() -> None:
                    while not storm.over:
                        stream = await trio.open_tcp_stream(host, int(port))
                        await stream.aclose()

                nursery.start_soon(come_and_go)
                while not storm.over:
                    seen += await storm.attempt(lambda: anext(troubled))
                nursery.cancel_scope.cancel()
            assert seen == [await anext(calm) for _ in seen]


# ---- both sides cancelled, over every transport

PAIRS = [
    ("Push", "Pull"),
    ("Dealer", "Dealer"),
    ("Pair", "Pair"),
    ("Dealer", "Router"),
    ("Router", "Dealer"),
    ("Pub", "Sub"),
    ("XPub", "XSub"),
    ("XSub", "XPub"),
]


@pytest.mark.parametrize("transport", ["inproc", "ipc", "tcp"])
@pytest.mark.parametrize(("sends", "receives"), PAIRS)
async def test_both_sides(sends: str, receives: str, transport: str, wildcard: Callable[[str], str]) -> None:
    """Every second send and receive is cancelled, at the same time, on queues of two messages."""
    number = PAIRS.index((sends, receives)) + 10 * len(transport)
    sending, receiving = Storm(800 + number, share=0.03), Storm(900 + number, share=0.03)
    sent: list[int] = []
    received: list[int] = []
    waiting = {"send_hwm": 2, **WAITING.get(sends, {})}
    front = [b"theirs"] if sends == "Router" else []
    options = {"routing_id": b"theirs"} if sends == "Router" else {}
    async with nothing_left(), trizmq.Context() as context:
        source = context.socket(getattr(trizmq, sends), **waiting)
        target = context.socket(getattr(trizmq, receives), receive_hwm=2, **options)
        async with source, target, trio.open_nursery() as nursery:
            target.connect(await source.bind("inproc://here" if transport == "inproc" else wildcard(transport)))
            await source.wait_connected()
            if receives in ("Sub", "XSub"):
                target.subscribe()
                await source.wait_subscribed()

            async def send_numbers() -> None:
                for number in range(1_000_000_000):
                    body = numbered("ours", number, 4096)
                    if await sending.attempt(lambda: source.send([*front, body]), source.wait_writable):  # noqa: B023
                        sent.append(number)
                    if sending.over and receiving.over:
                        return

            nursery.start_soon(send_numbers)
            while not (sending.over and receiving.over and not nursery.child_tasks and received[-1:] == sent[-1:]):
                messages = await receiving.attempt(target.receive, target.wait_readable)
                received += [source_and_number(message[-1])[1] for message in messages]
        assert as_runs(received) == as_runs(sent)


# ---- whole lives of sockets


@pytest.mark.parametrize("kind", "Req Rep Dealer Router Pub Sub XPub XSub Push Pull Pair".split())
async def test_binds(kind: str, unbound: Callable[[str], str]) -> None:
    """A cancelled ``bind`` did not happen: the next one, of the same endpoint, succeeds."""
    storm = Storm(710 + len(kind), share=0.05, longest=0.0004)
    endpoint = unbound("tcp")
    async with nothing_left(), getattr(trizmq, kind)() as socket:
        while not storm.over:
            if await storm.attempt(lambda: socket.bind(endpoint)):
                socket.unbind(endpoint)
            else:
                await socket.bind(endpoint)
                socket.unbind(endpoint)


async def test_closes(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    """A cancelled ``aclose`` closes at once: what was sent has arrived, or is counted."""
    storm = Storm(730, share=0.1, longest=0.004)
    async with nothing_left():
        theirs = await peer.open("PULL", RCVHWM=0)
        endpoint = await theirs.bind("tcp://127.0.0.1:*")
        number = arriving = 0
        while not storm.over:
            async with trizmq.Push() as push:
                push.connect(endpoint)
                if number % 2:
                    await push.wait_connected()
                await push.send_many([numbered("ours", number, 1000)] * 100)
                await storm.attempt(push.aclose)
                assert push.closed
                await push.aclose()
                lost = push.statistics().drops.get(trizmq.DropReason.LINGER, 0)
                assert push.statistics().messages_sent + lost == 100
                arriving += 100 - lost
            number += 1
        consumed = await theirs.do("consume", count=arriving) if arriving else {}
        # What was with the system when the connection was reset may be lost there; nothing arrives that was not sent.
        assert sum(length for runs in consumed.values() for _, length in runs) == arriving


async def test_lives(peer: PeerProcess, unbound: Callable[[str], str]) -> None:
    """Opening, binding, connecting, talking, closing, cancelled anywhere: nothing is left, and the place is free."""
    storm = Storm(700, share=0.2, longest=0.008)
    endpoints = [unbound("tcp"), unbound("ipc")]
    async with nothing_left():
        theirs = await peer.open("ROUTER")
        their_endpoint = await theirs.bind("tcp://127.0.0.1:*")
        serving = await theirs.begin("serve")
        before = tasks()

        async def live() -> None:
            async with trizmq.Context() as context, context.socket(trizmq.Push) as push:
                for endpoint in endpoints:
                    await push.bind(endpoint)
                async with context.socket(trizmq.Req) as req, context.socket(trizmq.Pull) as pull:
                    req.connect(their_endpoint)
                    for endpoint in endpoints:
                        pull.connect(endpoint)
                    await push.wait_connected(2)
                    await push.send_many([b"one", b"two"])
                    assert await req.request(b"ask") == [b"ask"]
                    assert {await pull.recv(), await pull.recv()} == {b"one", b"two"}
                    await push.send(b"a message that nobody takes")

        while not storm.over:
            await storm.attempt(live)
            assert tasks() == before
        await live()
        storm.check()
        await theirs.begin("set")
        assert await serving.answer() > 0


@pytest.mark.skipif(SOAK < 2, reason="tells what `nox -s soak` has done")
def test_total(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{Storm.total} calls were cancelled")
    assert Storm.total >= 100_000
