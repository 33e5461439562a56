"""What pyzmq sees of the options about connections."""

from __future__ import annotations

import socket
import sys
from typing import Any

import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket
from tests.interop.effects import LOCAL, Wire, connections, hexed, seen, told
from tests.transports.test_socks import Proxy, running

# Long enough that nothing arrives by then that was not to come at all.
A_WHILE = 0.4
_LOST = ("DISCONNECTED", "HANDSHAKE_FAILED_NO_DETAIL", "HANDSHAKE_FAILED_PROTOCOL")


async def watched(peer: PeerProcess, kind: str, endpoint: str, **options: int | str) -> PeerSocket:
    theirs = await peer.open(kind, **options)
    await theirs.do("watch")
    await theirs.connect(endpoint)
    return theirs


# ---- making connections


@seen("reconnect_interval")
async def short_and_long_waits(peer: PeerProcess) -> None:
    stream = await peer.open("STREAM")
    endpoint = await stream.bind(LOCAL)
    async with trizmq.Push(handshake_timeout=0.05, reconnect_interval=0.01, reconnect_interval_max=0.01) as push:
        push.connect(endpoint)
        with trio.fail_after(10):
            await connections(stream, 5)
    other = await peer.open("STREAM")
    endpoint = await other.bind(LOCAL)
    async with trizmq.Push(handshake_timeout=0.05, reconnect_interval=60, reconnect_interval_max=60) as push:
        push.connect(endpoint)
        await connections(other, 1)
        with trio.move_on_after(A_WHILE) as scope:
            await (await other.begin("recv")).answer()
        assert scope.cancelled_caught


@seen("reconnect_interval_max")
async def waits_do_not_grow_beyond(peer: PeerProcess) -> None:
    """Twelve connections; without a maximum the waits would add up to at least 10 s."""
    stream = await peer.open("STREAM")
    async with trizmq.Push(handshake_timeout=0.02, reconnect_interval=0.01, reconnect_interval_max=0.02) as push:
        push.connect(await stream.bind(LOCAL))
        with trio.fail_after(8):
            await connections(stream, 12)


@seen("reconnect_stop")
async def no_second_attempt(peer: PeerProcess) -> None:
    stream = await peer.open("STREAM")
    async with trizmq.Push(
        handshake_timeout=0.05, reconnect_interval=0.001, reconnect_stop=trizmq.ReconnectStop.HANDSHAKE_FAILED
    ) as push:
        events = push.events()
        push.connect(await stream.bind(LOCAL))
        await told(events, trizmq.ConnectStopped)
    await connections(stream, 1)
    assert await stream.do("recv_waiting") == []


@seen("socks_proxy", "socks_username", "socks_password")
async def behind_a_proxy(peer: PeerProcess) -> None:
    proxy = Proxy((b"me", b"secret"), {"pyzmq.invalid": "127.0.0.1"})
    rep = await peer.open("REP")
    port = (await rep.bind(LOCAL)).rpartition(":")[2]
    serving = await rep.begin("echo", count=1)
    async with (
        running(proxy.serve) as at,
        trizmq.Req(socks_proxy=at, socks_username="me", socks_password="secret") as req,
    ):
        req.connect(f"tcp://pyzmq.invalid:{port}")
        assert await req.request(b"question") == [b"question"]
        assert await serving.answer() == [hexed(b"question")]
    assert proxy.requests == [(3, "pyzmq.invalid", int(port))]
    assert proxy.told == [(b"me", b"secret")]


@seen("ipv6")
async def both_versions(peer: PeerProcess) -> None:
    async with trizmq.Pull(ipv6=True) as pull:
        port = (await pull.bind("tcp://*:*")).rpartition(":")[2]
        for host in "[::1]", "127.0.0.1":
            push = await peer.open("PUSH", IPV6=1)
            await push.connect(f"tcp://{host}:{port}")
            await push.send([host.encode()])
            assert await pull.recv() == host.encode()


@seen("immediate")
async def nothing_for_those_who_are_not_there(peer: PeerProcess) -> None:
    pull = await peer.open("PULL")
    async with trizmq.Push(immediate=True, linger=0) as push:
        push.connect("tcp://127.0.0.1:1")
        push.connect(await pull.bind(LOCAL))
        await push.wait_connected()
        for number in range(10):
            await push.send(b"%d" % number)
        assert await pull.recv(10) == [hexed(b"%d" % number) for number in range(10)]


# ---- the handshake


@seen("handshake_timeout")
async def silence_is_ended(peer: PeerProcess) -> None:
    async with trizmq.Router(handshake_timeout=0.1) as router:
        wire = await Wire.connect(peer, await router.bind(LOCAL))
        await wire.read_to_end()
        assert wire.received.startswith(b"\xff"), "our greeting came before the end"


@seen("max_handshake_size")
async def a_long_ready(peer: PeerProcess) -> None:
    async with trizmq.Router(max_handshake_size=256) as router:
        endpoint = await router.bind(LOCAL)
        await (await watched(peer, "DEALER", endpoint, ROUTING_ID="x" * 255)).event(*_LOST)
        await (await watched(peer, "DEALER", endpoint, ROUTING_ID="x" * 100)).event("HANDSHAKE_SUCCEEDED")


@seen("max_properties")
async def many_properties(peer: PeerProcess) -> None:
    async with trizmq.Router(max_properties=8) as router:
        endpoint = await router.bind(LOCAL)
        for count, wanted in (6, ["HANDSHAKE_SUCCEEDED"]), (7, _LOST):
            theirs = await peer.open("DEALER")
            for number in range(count):  # besides Socket-Type and Identity
                await theirs.set(METADATA=f"X-{number}:value")
            await theirs.do("watch")
            await theirs.connect(endpoint)
            await theirs.event(*wanted)


@seen("max_handshakes")
async def the_oldest_handshake_goes(peer: PeerProcess) -> None:
    async with trizmq.Router(max_handshakes=1) as router:
        endpoint = await router.bind(LOCAL)
        first = await Wire.connect(peer, endpoint)
        await first.read_to(b"\xff")
        second = await Wire.connect(peer, endpoint)
        await first.read_to_end()
        await second.shake_hands()


@seen("max_connections")
async def no_more_connections(peer: PeerProcess) -> None:
    async with trizmq.Router(max_connections=1) as router:
        endpoint = await router.bind(LOCAL)
        await (await watched(peer, "DEALER", endpoint)).event("HANDSHAKE_SUCCEEDED")
        await (await watched(peer, "DEALER", endpoint)).event(*_LOST)


@seen("accept_filter")
async def who_is_let_in(peer: PeerProcess) -> None:
    welcome = False
    async with trizmq.Router(accept_filter=lambda asks: welcome and asks.host == "127.0.0.1") as router:
        endpoint = await router.bind(LOCAL)
        theirs = await watched(peer, "DEALER", endpoint, RECONNECT_IVL=10)
        await theirs.event(*_LOST)
        welcome = True
        await theirs.event("HANDSHAKE_SUCCEEDED")


@seen("metadata")
async def properties(peer: PeerProcess) -> None:
    theirs = await peer.open("PULL")
    async with trizmq.Push(metadata={"X-colour": b"green"}) as push:
        push.connect(await theirs.bind(LOCAL))
        await push.send(b"x")
        assert await theirs.do("recv_metadata", names=["X-colour", "X-none"]) == {"X-colour": "green"}


@seen("routing_id")
async def identity(peer: PeerProcess) -> None:
    theirs = await peer.open("ROUTER")
    async with trizmq.Dealer(routing_id=b"our name") as dealer:
        dealer.connect(await theirs.bind(LOCAL))
        await dealer.send(b"x")
        assert await theirs.recv() == [hexed(b"our name", b"x")]


# ---- connections in use


@seen("heartbeat_interval", "heartbeat_ttl")
async def pings(peer: PeerProcess) -> None:
    """Several, with the time to live in tenths of a second; none without an interval."""
    async with trizmq.Router(heartbeat_interval=0.05, heartbeat_timeout=60, heartbeat_ttl=6.5) as router:
        wire = await Wire.connect(peer, await router.bind(LOCAL))
        await wire.shake_hands()
        for _ in range(3):
            await wire.read_to(b"\4\7\4PING\0\x41")
            await wire.send(b"\4\5\4PONG")
    async with trizmq.Router() as router:
        wire = await Wire.connect(peer, await router.bind(LOCAL))
        await wire.shake_hands()
        await wire.send(b"\4\7\4PING\0\0")
        assert b"PING" not in await wire.read_to(b"\4PONG")


@seen("heartbeat_timeout")
async def silence_after_a_ping(peer: PeerProcess) -> None:
    """The end comes after several PINGs; by default it would after the first."""
    async with trizmq.Router(heartbeat_interval=0.05, heartbeat_timeout=0.5) as router:
        wire = await Wire.connect(peer, await router.bind(LOCAL))
        await wire.shake_hands()
        await wire.read_to_end()
        assert wire.received.count(b"\4PING") > 3


@seen("max_message_size", "max_frames")
async def too_much(peer: PeerProcess) -> None:
    """What is within the limits passes; what is not ends the connection, and the same peer may come again."""
    async with trizmq.Pull(max_message_size=1000, max_frames=3) as pull:
        push = await watched(peer, "PUSH", await pull.bind(LOCAL), RECONNECT_IVL=10)
        for wrong in [bytes(501)] * 2, [b""] * 4:
            right = [bytes(500), b"", bytes(500)]
            await push.send(right)
            assert await pull.receive() == right
            await push.send(wrong)
            await push.event("DISCONNECTED")
            await push.event("HANDSHAKE_SUCCEEDED")
            # libzmq may have lost what it sent before the end; this is what passes on the new connection
            await push.send(right)
            assert await pull.receive() == right


# ---- the system's sockets

_TCP = socket.IPPROTO_TCP
SYSTEM: dict[str, tuple[Any, int, str, Any]] = {
    "tcp_keepalive": (True, socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    "tcp_keepalive_idle": (77, _TCP, "TCP_KEEPIDLE", 77),
    "tcp_keepalive_interval": (7, _TCP, "TCP_KEEPINTVL", 7),
    "tcp_keepalive_count": (5, _TCP, "TCP_KEEPCNT", 5),
    "tcp_max_retransmit": (1.5, _TCP, "TCP_USER_TIMEOUT", 1500),
    "tos": (0x28, socket.IPPROTO_IP, "IP_TOS", 0x28),
    "priority": (5, socket.SOL_SOCKET, "SO_PRIORITY", 5),
    # Linux doubles what is asked for
    "send_buffer": (20_000, socket.SOL_SOCKET, "SO_SNDBUF", 40_000),
    "receive_buffer": (20_000, socket.SOL_SOCKET, "SO_RCVBUF", 40_000),
    "bind_to_device": ("lo", socket.SOL_SOCKET, "SO_BINDTODEVICE", b"lo\0"),
}


@seen(*SYSTEM)
async def options_of_the_system(peer: PeerProcess) -> None:
    """On the socket of a connection to pyzmq, in either role; messages pass."""
    options: dict[str, Any] = {name: value for name, (value, *_) in SYSTEM.items()}
    if sys.platform != "linux":
        options = {"tcp_keepalive": True}
    async with trizmq.Pull(**options) as bound, trizmq.Pull(**options) as connected:
        theirs = [await peer.open("PUSH") for _ in range(2)]
        await theirs[0].connect(await bound.bind(LOCAL))
        connected.connect(await theirs[1].bind(LOCAL))
        for pull, push in zip((bound, connected), theirs, strict=True):
            await push.send([b"x"])
            assert await pull.recv() == b"x"
            (session,) = pull._core.sessions
            assert session.engine is not None
            link: Any = session.engine._link
            for name in options:
                _, level, constant, wanted = SYSTEM[name]
                size = (16,) if isinstance(wanted, bytes) else ()
                # who accepts has come in by a device already
                if not (name == "bind_to_device" and pull is bound):
                    assert link._socket.getsockopt(level, getattr(socket, constant), *size) == wanted, name
