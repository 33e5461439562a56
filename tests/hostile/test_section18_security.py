"""The rows of section 18 about security, on real sockets beside a good peer, as in ``test_section18.py``."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

import trizmq
from tests.hostile.section18 import WELCOME, Closed, Cut, command, frame, greeting
from tests.hostile.section18_security import (
    AT_CLIENTS,
    AT_SERVERS,
    AT_ZAP,
    BEFORE_ZAP,
    CURVE,
    NULL,
    PLAIN,
    Client,
    ClientRow,
    Read,
    Server,
    ServerRow,
    Step,
    ZapRow,
)
from tests.hostile.test_section18 import Stage, address_of, bounded, on_stage, read_to_end, was_told
from tests.runtime.helpers import RawListener, RawPeer, raw_connection, raw_listener, until
from tests.runtime.test_security import next_failure
from tests.wire.secure import C_SECRET, S_SECRET, S
from trizmq import auth

MECHANISMS = [NULL, PLAIN, CURVE]
PING, PONG = command(b"PING", b"\0\0probe")[2:], command(b"PONG", b"probe")[2:]


def server(mechanism: str, authenticator: auth.Authenticator | None = None, domain: str = "") -> trizmq.Security:
    if mechanism == NULL:
        return trizmq.Null(authenticator=authenticator, domain=domain)
    if mechanism == PLAIN:
        return trizmq.PlainServer(authenticator=authenticator, domain=domain)
    return trizmq.CurveServer(S_SECRET, authenticator=authenticator, domain=domain)


def client(mechanism: str) -> trizmq.Security | None:
    if mechanism == NULL:
        return None
    if mechanism == PLAIN:
        return trizmq.PlainClient("good", "secret")
    return trizmq.CurveClient(server_key=S, secret_key=C_SECRET)


# ---- servers


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("ours", ["ROUTER", "PULL", "XPUB"])
async def test_servers(ours: str, mechanism: str) -> None:
    """11, 76 to 80, 82 to 95."""
    async with on_stage(ours, server(mechanism, authenticator=auth.allow_any), client(mechanism)) as stage, traced():
        for row in AT_SERVERS:
            if row.mechanism == mechanism:
                print(row.number, row.what)  # the last one is seen if the test fails
                await attack(row, stage, Client(WELCOME[ours]))
        assert not stage.socket.statistics().drops


@asynccontextmanager
async def traced() -> AsyncIterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


async def attack(row: ServerRow, stage: Stage, attacker: Client) -> None:
    stage.delivered.clear()
    async with bounded(1000), raw_connection(stage.endpoint) as bad:
        address = address_of(bad)
        await converse(row.sends, bad, attacker)
        if isinstance(row.outcome, Closed | Cut):
            assert await words_to_end(bad) == ""  # nothing is told to who breaks the protocol
            event = await stage.told(address, trizmq.HandshakeFailed, trizmq.Disconnected)
            assert row.outcome.cause in event.cause
            assert was_told(stage, address, trizmq.HandshakeSucceeded) == isinstance(row.outcome, Cut)
            return
        await stage.told(address, trizmq.HandshakeSucceeded)
        if row.outcome.probed:
            await probe(bad, attacker, row.mechanism)
        await stage.until(lambda: len(stage.delivered) >= len(row.outcome.delivered))
        await bad.stream.send_eof()  # type: ignore[attr-defined]  # tcp
        await read_to_end(bad)
        assert (await stage.told(address, trizmq.Disconnected)).cause == "closed by the peer"
        assert stage.delivered == list(row.outcome.delivered)


async def converse(steps: tuple[Step, ...], bad: RawPeer, attacker: Client) -> None:
    greeted = False
    for step in steps:
        if step is Read.FRAME:
            if not greeted:
                await bad.read(64)
                greeted = True
            attacker.heard((await bad.read_frame())[1])
        else:
            assert not isinstance(step, Read)
            await bad.stream.send_all(step if isinstance(step, bytes) else step(attacker))


async def words_to_end(bad: RawPeer) -> str:
    """What else the other side says before it closes, by name."""
    data = b""
    try:
        while more := await bad.stream.receive_some():
            data += more
    except trio.BrokenResourceError:
        pass  # closed with our bytes unread: a reset
    return " ".join(word for word in ("WELCOME", "READY", "MESSAGE", "ERROR", "RROR") if word.encode() in data)


async def probe(bad: RawPeer, attacker: Client, mechanism: str) -> None:
    """It serves: a PING is answered."""
    if mechanism == CURVE:
        await bad.stream.send_all(frame(attacker.sealed(10_000, b"\2" + PING)))
        assert attacker.opened((await bad.read_frame())[1]) == b"\2" + PONG
    else:
        await bad.stream.send_all(frame(PING, 4))
        assert await bad.read_frame() == (4, PONG)


# ---- clients


@pytest.mark.parametrize("mechanism", [PLAIN, CURVE])
async def test_clients(mechanism: str) -> None:
    """81, 96: a bad server is left, and tried again; a good one's stream goes on beside it."""
    async with (
        trizmq.Dealer(security=client(mechanism), routing_id=b"us", reconnect_interval=0.01) as ours,
        trizmq.Router(security=server(mechanism, authenticator=auth.allow_any)) as good,
        raw_listener() as listener,
        trio.open_nursery() as nursery,
    ):
        stage = Stage(ours, listener.endpoint)
        ours.connect(await good.bind("tcp://127.0.0.1:*"))
        await good.wait_connected()
        sent = 0
        over = trio.CancelScope()

        async def produce() -> None:
            nonlocal sent
            with over:
                while True:
                    await good.send([b"us", b"good %d" % sent])
                    sent += 1
                    await trio.sleep(0.001)  # the stream's own pace

        nursery.start_soon(stage.receive)
        nursery.start_soon(produce)
        await stage.until(lambda: stage.streamed > 10)
        async with traced():
            for row in AT_CLIENTS:
                if row.mechanism == mechanism:
                    print(row.number, row.what)
                    await answer_badly(row, ours, listener)
        over.cancel()
        await stage.until(lambda: stage.streamed == sent)
        assert stage.delivered == []
        await until(lambda: [peer.connected for peer in ours.statistics().peers] == [True])  # the bad ones are gone
        nursery.cancel_scope.cancel()


async def answer_badly(row: ClientRow, ours: trizmq.Dealer, listener: RawListener) -> None:
    async with bounded(1000), ours.events() as events:
        ours.connect(listener.endpoint)
        for _ in range(2):  # it comes again
            bad, attacker = await listener.accept(), Server()
            await bad.stream.send_all(greeting(row.mechanism.encode()))
            await bad.read(64)
            for answer in row.answers:
                attacker.heard((await bad.read_frame())[1])
                await bad.stream.send_all(answer if isinstance(answer, bytes) else answer(attacker))
            assert row.cause in (await next_failure(events)).cause
            await read_to_end(bad)
        ours.disconnect(listener.endpoint)


# ---- ZAP


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_zap(mechanism: str) -> None:
    """97, 98: what a handler answers wrongly lets nobody in, and the peer is told nothing; nor where it says "not now"."""
    async with trizmq.Rep() as handler, trio.open_nursery() as nursery:
        answer: tuple[bytes, ...] = (b"1.0", b"1", b"200", b"OK", b"good", b"")

        async def handle() -> None:
            async for _ in handler:
                await handler.send([*answer])

        await handler.bind("inproc://zeromq.zap.01")
        nursery.start_soon(handle)
        async with on_stage("ROUTER", server(mechanism, domain="stage"), client(mechanism)) as stage, traced():
            for row in AT_ZAP:
                print(row.number, row.what)
                answer = row.answer
                await be_refused(row, stage, mechanism)
        nursery.cancel_scope.cancel()


async def be_refused(row: ZapRow, stage: Stage, mechanism: str) -> None:
    async with bounded(1000), raw_connection(stage.endpoint) as bad:
        address = address_of(bad)
        await converse(BEFORE_ZAP[mechanism], bad, Client(b"DEALER"))
        assert await words_to_end(bad) == ""
        event = await stage.told(address, trizmq.HandshakeFailed)
        assert row.cause in event.cause
        assert event.code == row.code
        assert isinstance(event, trizmq.HandshakeFailedAuth) == (row.code == 300)
