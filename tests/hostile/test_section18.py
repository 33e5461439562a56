"""Section 18 of the wire reference on real sockets: each input hurts only its own connection, for a bounded time and memory.

Beside it a good peer's stream arrives complete and in order, and an event says why the bad connection ended.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import trizmq
from tests.hostile.section18 import (
    APART,
    BUILT,
    HANDSHAKE_TIMEOUT,
    LATER,
    MAX_MESSAGE_SIZE,
    WAITS,
    WELCOME,
    Closed,
    Cut,
    Row,
    Serves,
    command,
    identity,
)
from tests.hostile.section18 import greeting as whole_greeting
from tests.hostile.section18 import ready as ready_frame
from tests.hostile.section18_security import NUMBERS as SECURITY
from tests.runtime.helpers import RawPeer, message, raw_connection, raw_listener
from trizmq.patterns.router import Router as RouterPattern
from trizmq.wire.gathering import keep_freed_memory

# What one input may take: seconds, on a busy machine and traced, and bytes that it makes us reserve at any time. A READY may
# have 64 KiB and a message 100 kB here; the rest is what one read brings (256 KiB at most), and what the tasks of two
# connections need.
TIME = 10.0
MEMORY = 2_000_000

PROBE = command(b"PING", b"\0\0probe")
PROBED = command(b"PONG", b"probe")

CLASSES: dict[str, type[Any]] = {
    "ROUTER": trizmq.Router,
    "REP": trizmq.Rep,
    "PULL": trizmq.Pull,
    "DEALER": trizmq.Dealer,
    "PUB": trizmq.Pub,
    "XPUB": trizmq.XPub,
    "SUB": trizmq.Sub,
    "PAIR": trizmq.Pair,
    "PUSH": trizmq.Push,
}
#: The good peer of each.
GOOD: dict[str, Callable[..., Any]] = {
    "ROUTER": lambda **options: trizmq.Dealer(routing_id=b"good", **options),
    "REP": trizmq.Req,
    "PULL": trizmq.Push,
    "DEALER": trizmq.Dealer,
    "PUB": trizmq.Sub,
    "XPUB": trizmq.Sub,
    "SUB": trizmq.Pub,
    "PAIR": trizmq.Pair,
    "PUSH": trizmq.Pull,
}


def test_every_row_has_its_place() -> None:
    numbers = [{row.number for row in BUILT}, SECURITY, set(APART), set(LATER)]
    assert set().union(*numbers) == set(range(1, 101))
    assert sum(map(len, numbers)) == 100
    assert all(globals()[test].__doc__.startswith(f"{number}: ") for number, test in APART.items())
    assert {ours for row in BUILT for ours in row.ours.split()} == set(CLASSES)


class Stage:
    """A socket under test, a good peer whose stream it carries, and what its events said of each connection."""

    def __init__(self, socket: Any, endpoint: str) -> None:
        self.socket = socket
        self.endpoint = endpoint
        self.delivered: list[list[bytes]] = []
        self.streamed = 0
        self._events: dict[str, list[trizmq.Event]] = {}
        self._changed = trio.Event()

    def change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Any) -> Any:
        while not (found := condition()):
            await self._changed.wait()
        return found

    async def watch(self, events: trizmq.EventWatcher) -> None:
        async for event in events:
            self._events.setdefault(event.address, []).append(event)
            self.change()

    async def told(self, address: str, *kinds: type[Any]) -> Any:
        """The event of one of these kinds about a connection."""
        return await self.until(
            lambda: next((event for event in self._events.get(address, []) if isinstance(event, kinds)), None)
        )

    async def receive(self) -> None:
        """Tell the good peer's numbered messages, which must come in order, from everything else."""
        socket = self.socket
        async for received in socket:
            frames = received[1:] if isinstance(socket, trizmq.Router) else received
            if frames == [b"good %d" % self.streamed]:
                self.streamed += 1
                if isinstance(socket, trizmq.Rep):
                    await socket.send(frames)
            elif isinstance(socket, trizmq.XPub) and frames[0][1:] == b"good":
                continue  # the good peer's subscription
            else:
                self.delivered.append(frames)
            self.change()


@asynccontextmanager
async def on_stage(
    ours: str, security: trizmq.Security | None = None, theirs: trizmq.Security | None = None
) -> AsyncIterator[Stage]:
    """A stream of a good peer all the while. At the end: it is complete, and its connection is the first one."""
    options: dict[str, Any] = {
        "handshake_timeout": 10 * TIME,
        "max_message_size": MAX_MESSAGE_SIZE,
        "security": security,
    }
    sends = ours in ("PUB", "XPUB", "PUSH")
    over = False
    good: Any = GOOD[ours](security=theirs)
    async with (
        CLASSES[ours](**options) as socket,
        good,
        socket.events(100_000) as events,
        trio.open_nursery() as nursery,
    ):
        stage = Stage(socket, await socket.bind("tcp://127.0.0.1:*"))
        nursery.start_soon(stage.watch, events)
        if ours not in ("PUB", "PUSH"):
            nursery.start_soon(stage.receive)
        sent = 0
        finished = trio.Event()

        async def produce() -> None:
            nonlocal sent
            while not over:
                body = b"good %d" % sent
                if ours == "REP":
                    assert await good.request(body) == [body]
                else:
                    await (socket if sends else good).send(body)
                sent += 1
                await trio.sleep(0.001)  # the stream's own pace
            finished.set()

        async def consume() -> None:
            async for received in good:
                assert received == [b"good %d" % stage.streamed]
                stage.streamed += 1
                stage.change()

        if ours in ("PUB", "XPUB"):
            good.subscribe("good")
        if ours == "SUB":
            socket.subscribe("good")
        # A PAIR has one peer, and a PUSH gives each of several its share: there the good peer comes afterwards.
        alone = ours in ("PAIR", "PUSH")
        if alone:
            yield stage
        good.connect(stage.endpoint)
        await socket.wait_connected()
        if ours in ("PUB", "XPUB"):
            await socket.wait_subscribed("good")
        if ours == "SUB":
            await good.wait_subscribed("good")
        nursery.start_soon(produce)
        if sends:
            nursery.start_soon(consume)
        await stage.until(lambda: stage.streamed > 10)
        if not alone:
            yield stage
        over = True
        await finished.wait()
        await stage.until(lambda: stage.streamed == sent)
        assert [peer.connected for peer in socket.statistics().peers] == [True]
        assert good.statistics().reconnects == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ours", WELCOME)
async def test_section18(ours: str) -> None:
    async with on_stage(ours) as stage:
        keep_freed_memory()  # once per process, and not for an input
        tracemalloc.start()
        try:
            for row in BUILT:
                if ours in row.ours.split():
                    print(row.number, row.what)  # the last one is seen if the test fails
                    await run(row, stage)
        finally:
            tracemalloc.stop()


async def run(row: Row, stage: Stage) -> None:
    # long enough for a busy machine, but where it is what we wait for
    stage.socket.handshake_timeout = HANDSHAKE_TIMEOUT if row.outcome is WAITS else 10 * TIME
    drops = dict(stage.socket.statistics().drops)
    stage.delivered.clear()
    async with bounded(sum(len(segment) for segment in row.sends if segment)), raw_connection(stage.endpoint) as bad:
        await act(row, bad, stage, address_of(bad))
    now = stage.socket.statistics().drops
    changes = {reason: now[reason] - drops.get(reason, 0) for reason in now if now[reason] != drops.get(reason, 0)}
    assert changes == (row.outcome.drops if isinstance(row.outcome, Serves) else {})


@asynccontextmanager
async def bounded(sent: int) -> AsyncIterator[None]:
    """One input must not take more time or memory than this."""
    gc.collect()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with trio.fail_after(TIME):
        yield
    assert tracemalloc.get_traced_memory()[1] - before < MEMORY + 4 * sent


def address_of(bad: RawPeer) -> str:
    """What our events call it."""
    return "{}:{}".format(*bad.stream.socket.getsockname())  # type: ignore[attr-defined]  # tcp


async def act(row: Row, bad: RawPeer, stage: Stage, address: str) -> None:
    try:
        for segment in row.sends:
            if segment is None:
                await read_to_ready(bad)
            else:
                await bad.stream.send_all(segment)
    except trio.BrokenResourceError:
        assert not isinstance(row.outcome, Serves)  # closed before it had heard everything
    match row.outcome:
        case Closed(cause):
            await read_to_end(bad)
            assert cause in (await stage.told(address, trizmq.HandshakeFailed, trizmq.Disconnected)).cause
            assert not was_told(stage, address, trizmq.HandshakeSucceeded)
        case Cut(cause):
            await read_to_end(bad)
            assert cause in (await stage.told(address, trizmq.HandshakeFailed, trizmq.Disconnected)).cause
            assert was_told(stage, address, trizmq.HandshakeSucceeded)
        case Serves() as outcome:
            await serve(outcome, row, bad, stage, address)


async def serve(outcome: Serves, row: Row, bad: RawPeer, stage: Stage, address: str) -> None:
    event = await stage.told(address, trizmq.HandshakeSucceeded)
    if outcome.routing_id is not None:
        assert event.routing_id == outcome.routing_id
    if None not in row.sends and outcome.probed:
        await read_to_ready(bad)
    if outcome.probed:
        answer = await probe(bad)
        if isinstance(stage.socket, trizmq.Pub):
            await stage.socket.send(b"A1")
        answer += await probe(bad)  # the first PONG may overtake a message that is about to be written
        assert answer == outcome.answer
    await stage.until(lambda: len(stage.delivered) >= len(outcome.delivered))
    await bad.stream.send_eof()  # type: ignore[attr-defined]  # tcp
    await read_to_end(bad)
    assert (await stage.told(address, trizmq.Disconnected)).cause == "closed by the peer"
    assert stage.delivered == list(outcome.delivered)


def was_told(stage: Stage, address: str, kind: type[trizmq.Event]) -> bool:
    """Whether an event of this kind has come."""
    return any(isinstance(event, kind) for event in stage._events[address])


async def read_to_ready(bad: RawPeer) -> None:
    await bad.read(64)
    _, body = await bad.read_frame()
    assert body.startswith(b"\x05READY")


async def probe(bad: RawPeer) -> bytes:
    """What our side sends before it answers a PING."""
    await bad.stream.send_all(PROBE)
    return await read_to_probe(bad)


async def read_to_probe(bad: RawPeer) -> bytes:
    """What comes before the answer to the probe."""
    answer = b""
    while not answer.endswith(PROBED):
        answer += await bad.read(1)
    return answer.removesuffix(PROBED)


async def read_to_end(bad: RawPeer) -> None:
    try:
        while await bad.stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass  # closed with our bytes unread: a reset


async def test_next_automatic_identity() -> None:
    """37: a peer that announces the id which the next nameless one will get. libzmq aborts."""
    async with on_stage("ROUTER") as stage, raw_connection(stage.endpoint) as bad:
        pattern = stage.socket._core.pattern
        assert isinstance(pattern, RouterPattern)
        coming = b"\0" + pattern._made._next.to_bytes(4, "big")
        await bad.stream.send_all(whole_greeting() + ready_frame(identity(coming)))
        await read_to_end(bad)
        async with raw_connection(stage.endpoint) as nameless:
            await nameless.shake_hands("DEALER")
            await nameless.stream.send_all(message(b"hello"))
            await stage.until(lambda: stage.delivered == [[b"hello"]])
            assert coming in {peer.routing_id for peer in stage.socket.statistics().peers}


@pytest.mark.parametrize("reply", [[b"no delimiter"], [b"not", b"empty"], [b""]])
async def test_malformed_replies(reply: list[bytes]) -> None:
    """70: they cost the connection, and the request its reply; whoever asks again is served by the good peer."""
    async with (
        trizmq.Req(reconnect_interval=0.01) as req,
        trizmq.Rep() as good,
        raw_listener() as listener,
        req.events() as events,
        trio.open_nursery() as nursery,
    ):

        async def echo() -> None:
            async for request in good:
                await good.send(request)

        async def reply_badly() -> None:
            while True:
                bad = await listener.accept()
                await bad.shake_hands("REP")
                await bad.read_message()
                await bad.stream.send_all(message(*reply))

        nursery.start_soon(echo)
        nursery.start_soon(reply_badly)
        req.connect(listener.endpoint)
        req.connect(await good.bind("tcp://127.0.0.1:*"))
        lost = 0
        for number in range(100):
            body = b"%d" % number
            while True:
                try:
                    assert await req.request(body) == [body]
                    break
                except trizmq.PeerLostError:
                    lost += 1
        assert lost
        assert req.statistics().drops == {trizmq.DropReason.MALFORMED: lost}
        async for event in events:
            if isinstance(event, trizmq.Disconnected):
                assert event.endpoint == listener.endpoint
                break
        nursery.cancel_scope.cancel()


async def test_reply_before_request() -> None:
    """71: it is dropped and counted, and the right one arrives."""
    async with trizmq.Req() as req, raw_listener() as listener:
        req.connect(listener.endpoint)
        eager = await listener.accept()
        await eager.shake_hands("REP")
        await eager.stream.send_all(message(b"", b"too early") + PROBE)
        await read_to_probe(eager)
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                assert await eager.read_message() == [b"", b"question"]
                await eager.stream.send_all(message(b"", b"answer"))

            nursery.start_soon(answer)
            assert await req.request(b"question") == [b"answer"]
        assert req.statistics().drops == {trizmq.DropReason.STALE_REPLY: 1}
