"""Hostile bytes hurt only the connection that sent them: a good pyzmq peer's stream beside it stays complete and in order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket, until
from tests.interop.peer import END, as_runs, numbered, source_and_number

TIME = 20

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"


def greeting(mechanism: bytes = b"NULL", version: bytes = b"\3\1") -> bytes:
    return SIGNATURE + version + mechanism.ljust(20, b"\0") + bytes(32)


def ready(kind: bytes, body: bytes = b"") -> bytes:
    body = body or b"\5READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return b"\4" + bytes([len(body)]) + body


def shaken(kind: bytes) -> bytes:
    return greeting() + ready(kind)


# For each, with the type of a peer that would be welcome: what it sends, and whether it ends its side after that.
ATTACKS: dict[str, Callable[[bytes], tuple[bytes, bool]]] = {
    "http": lambda kind: (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", False),
    "tls": lambda kind: (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), False),
    "nothing": lambda kind: (b"", True),
    "half a greeting": lambda kind: (greeting()[:30], True),
    "a bad signature": lambda kind: (b"\xff" + bytes(8) + b"\x7e" + greeting()[10:] + ready(kind), False),
    "a wrong mechanism": lambda kind: (greeting(b"GARBAGE") + ready(kind), False),
    "a message instead of READY": lambda kind: (greeting() + b"\0\5hello", False),
    "an unknown command": lambda kind: (greeting() + b"\4\6\5HELLO", False),
    "a wrong socket type": lambda kind: (greeting() + ready(b"PAIR"), False),
    "no such socket type": lambda kind: (greeting() + ready(b"NONSENSE"), False),
    "a READY cut short": lambda kind: (greeting() + ready(kind)[:12], True),
    "a READY that lies about a length": lambda kind: (
        greeting() + ready(kind, b"\5READY\x0bSocket-Type\xff\xff\xff\xff" + kind),
        False,
    ),
    "a huge READY": lambda kind: (greeting() + b"\6" + (1 << 20).to_bytes(8, "big") + bytes(1 << 18), False),
    "an oversize frame": lambda kind: (shaken(kind) + b"\2" + (100_001).to_bytes(8, "big") + b"x", False),
    "a frame of 2^63 bytes": lambda kind: (shaken(kind) + b"\2" + (1 << 63).to_bytes(8, "big") + b"x", False),
    "an endless message": lambda kind: (shaken(kind) + b"\1\xff" + (b"x" * 255 + b"\1\xff") * 500, False),
    "a frame cut short": lambda kind: (shaken(kind) + b"\0\x20only so much", True),
}

WELCOME = {"Router": b"DEALER", "Pull": b"PUSH", "XPub": b"SUB"}


@pytest.mark.parametrize("ours", WELCOME)
async def test_rubbish_beside_a_good_peer(ours: str, peer: PeerProcess) -> None:
    """All attacks, one after the other, each until we have closed that connection."""
    with trio.fail_after(TIME):
        options: dict[str, Any] = {"handshake_timeout": 1, "max_message_size": 100_000}
        async with getattr(trizmq, ours)(**options) as socket, trio.open_nursery() as nursery:
            endpoint = await socket.bind("tcp://127.0.0.1:*")
            stream = await (publishing if ours == "XPub" else receiving)(socket, endpoint, peer, nursery)
            for name, attack in ATTACKS.items():
                print(name)  # the last one is seen if the test fails
                sent, and_ends = attack(WELCOME[ours])
                await attack_with(endpoint, sent, and_ends)
            await stream()
            assert [each.connected for each in socket.statistics().peers] == [True]
            assert socket.statistics().reconnects == 0


async def attack_with(endpoint: str, sent: bytes, and_ends: bool) -> None:
    """Send it, then read until the other side closes."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        try:
            await stream.send_all(sent)
            if and_ends:
                await stream.send_eof()
            async for _ in stream:
                pass
        except trio.BrokenResourceError:
            pass  # closed with our bytes unread: a reset


async def receiving(socket: Any, endpoint: str, peer: PeerProcess, nursery: trio.Nursery) -> Any:
    """A pyzmq peer sends numbered messages all the time. What is returned ends that and checks."""
    theirs = await peer.open("DEALER" if isinstance(socket, trizmq.Router) else "PUSH", ROUTING_ID="good")
    await theirs.connect(endpoint)
    producing = await theirs.begin("produce", pauses_ms=[0, 1])
    received: list[int] = []
    ended = trio.Event()

    async def receive() -> None:
        async for message in socket:
            source, number = source_and_number(message[-1])
            if source == END:
                ended.set()
                return
            received.append(number)

    nursery.start_soon(receive)

    async def finish() -> None:
        await theirs.begin("set")  # a new order ends the stream
        await ended.wait()
        assert as_runs(received) == as_runs(range(await producing.answer()))

    return finish


async def publishing(socket: Any, endpoint: str, peer: PeerProcess, nursery: trio.Nursery) -> Any:
    """The same with a pyzmq subscriber that gets numbered messages from us."""
    theirs: PeerSocket = await peer.open("SUB", RCVHWM=0)
    await theirs.set(SUBSCRIBE="good")
    await theirs.set(SUBSCRIBE=END)
    await theirs.connect(endpoint)
    await socket.wait_subscribed(END)
    consuming = await theirs.begin("consume")
    scope = trio.CancelScope()
    sent = 0
    stopped = trio.Event()

    async def publish() -> None:
        nonlocal sent
        with scope:
            while True:
                await socket.wait_drained()
                await socket.send(numbered("good", sent))
                sent += 1
        stopped.set()

    nursery.start_soon(publish)

    async def finish() -> None:
        scope.cancel()
        await stopped.wait()
        await socket.send(numbered(END, 0))
        assert await consuming.answer() == {"good": as_runs(range(sent))}

    return finish


async def test_silent_peer(peer: PeerProcess) -> None:
    """Who says nothing is closed after ``handshake_timeout``, also in the middle of the handshake; others stay."""
    with trio.fail_after(TIME):
        async with trizmq.Pull(handshake_timeout=0.2) as pull, pull.events() as events:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            good = await peer.open("PUSH")
            await good.connect(endpoint)
            await pull.wait_connected()
            for said in b"", SIGNATURE, greeting(), greeting() + ready(b"PUSH")[:5]:
                started = trio.current_time()
                await attack_with(endpoint, said, and_ends=False)
                assert 0.1 < trio.current_time() - started < 5
                assert "0.2 s" in (await until(events, trizmq.HandshakeFailed)).cause
            await good.send([b"hello"])
            assert await pull.receive() == [b"hello"]


async def test_hundred_silent_peers(peer: PeerProcess) -> None:
    """They cost a connection each, and the good peer nothing."""
    with trio.fail_after(TIME):
        async with trizmq.Rep(handshake_timeout=math.inf) as rep, trio.open_nursery() as nursery:
            endpoint = await rep.bind("tcp://127.0.0.1:*")
            async with rep.events() as events:
                for _ in range(100):
                    nursery.start_soon(attack_with, endpoint, greeting()[:11], False)
                for _ in range(100):
                    await until(events, trizmq.Accepted)
            req = await peer.open("REQ")
            await req.connect(endpoint)
            asking = await req.begin("request", messages=[["61"]] * 50)
            for _ in range(50):
                await rep.send(await rep.receive())
            assert await asking.answer() == [["61"]] * 50
            nursery.cancel_scope.cancel()


async def test_hostile_listener(peer: PeerProcess) -> None:
    """Our connector meets a server that is none: it says so, retries, and serves its other peer meanwhile."""
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(reconnect_interval=0.01) as pull,
            pull.events() as events,
            trio.open_nursery() as nursery,
        ):

            async def web_server(stream: trio.SocketStream) -> None:
                async with stream:
                    await stream.receive_some()
                    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, web_server, listeners)
            pull.connect(f"tcp://127.0.0.1:{listeners[0].socket.getsockname()[1]}")
            good = await peer.open("PUSH")
            pull.connect(await good.bind("tcp://127.0.0.1:*"))
            for _ in range(3):
                assert (await until(events, trizmq.HandshakeFailed)).cause
            await good.send([b"hello"])
            assert await pull.receive() == [b"hello"]
            nursery.cancel_scope.cancel()
