"""SOCKS5 (RFC 1928, 1929; libzmq tests/test_socks.cpp): every tcp connection of a socket through a real small proxy."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

import trizmq
from tests.contracts.test_addressing import ipv6
from tests.runtime.helpers import GREETING, NOBODY, message, ready
from trizmq.transports.socks import _REPLIES

Serve = Callable[[trio.SocketStream], Awaitable[None]]

pytestmark = pytest.mark.deadline(20)


class Proxy:
    """A SOCKS5 server with a look-up table of its own. What it was asked for is in ``requests``."""

    def __init__(self, credentials: tuple[bytes, bytes] | None = None, dns: dict[str, str] | None = None) -> None:
        self._credentials = credentials
        self._dns = dns or {}
        self.requests: list[tuple[int, str, int]] = []
        self.offers: list[bytes] = []
        self.clients: list[str] = []
        self.told: list[tuple[bytes, bytes]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        self.clients.append(stream.socket.getpeername()[0])
        version, count = await exactly(stream, 2)
        assert version == 5
        offered = await exactly(stream, count)
        self.offers.append(offered)
        method = 0 if self._credentials is None else 2
        if method not in offered:
            await stream.send_all(b"\5\xff")
            return
        await stream.send_all(bytes((5, method)))
        if self._credentials is not None:
            version, size = await exactly(stream, 2)
            assert version == 1
            name = await exactly(stream, size)
            password = await exactly(stream, (await exactly(stream, 1))[0])
            self.told.append((name, password))
            right = (name, password) == self._credentials
            await stream.send_all(bytes((1, not right)))
            if not right:
                return
        version, verb, reserved, kind = await exactly(stream, 4)
        assert (version, verb, reserved) == (5, 1, 0)
        if kind == 3:
            host = (await exactly(stream, (await exactly(stream, 1))[0])).decode()
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, await exactly(stream, 4 if kind == 1 else 16))
        port = int.from_bytes(await exactly(stream, 2), "big")
        self.requests.append((kind, host, port))
        try:
            out = await trio.open_tcp_stream(self._dns.get(host, host), port)
        except OSError:
            await stream.send_all(b"\5\5\0\1" + bytes(6))
            return
        # the address that it connects from, in each of the three forms
        bound = {1: b"\1" + bytes(4), 3: b"\3\4name", 4: b"\4" + bytes(16)}[kind]
        await stream.send_all(b"\5\0\0" + bound + b"\0\0")
        async with out, trio.open_nursery() as nursery:
            nursery.start_soon(copy, stream, out)
            await copy(out, stream)


async def exactly(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await stream.receive_some(size - len(data))
        if not more:
            raise trio.BrokenResourceError("the client has gone")
        data += more
    return data


async def copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    try:
        async for data in source:
            await sink.send_all(data)
        await sink.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def closing(serve: Serve, stream: trio.SocketStream) -> None:
    async with stream:
        with contextlib.suppress(trio.BrokenResourceError):  # the client may go in the middle
            await serve(stream)


@asynccontextmanager
async def running(serve: Serve, port: int = 0) -> AsyncIterator[str]:
    """A server on a port of its own; gives ``host:port``."""
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, partial(closing, serve), port, host="127.0.0.1"))
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def connecting(kind: type[Any], at: str, options: dict[str, str]) -> Any:
    return kind(**{"socks_proxy": at, **{name: value.format(at=at) for name, value in options.items()}})


async def through(proxy: Proxy, target: str, bind: str = "tcp://127.0.0.1:*", **options: str) -> tuple[str, str]:
    """Exchange messages over a connection through the proxy; the address in the event, and the port bound."""
    async with (
        running(proxy.serve) as at,
        trizmq.Rep() as rep,
        connecting(trizmq.Req, at, options) as req,
        req.events() as events,
        trio.open_nursery() as nursery,
    ):
        bound = await rep.bind(bind)
        port = bound.rpartition(":")[2]

        async def echo() -> None:
            async for request in rep:
                await rep.send(request)

        nursery.start_soon(echo)
        req.connect(target.format(port=port))
        assert await req.request([b"question", b"x" * 100_000]) == [b"question", b"x" * 100_000]
        async for event in events:
            if isinstance(event, trizmq.Connected):
                nursery.cancel_scope.cancel()
                return event.address, port
    raise AssertionError


@pytest.mark.parametrize(
    ("target", "kind", "host"),
    [
        ("tcp://127.0.0.1:{port}", 1, "127.0.0.1"),
        pytest.param("tcp://[::1]:{port}", 4, "::1", marks=ipv6),
        ("tcp://somewhere.invalid:{port}", 3, "somewhere.invalid"),
        ("tcp://b\u00fccher.invalid:{port}", 3, "xn--bcher-kva.invalid"),
    ],
)
async def test_the_three_forms_of_addresses(target: str, kind: int, host: str) -> None:
    """A name goes to the proxy unresolved, and the event shows where the connection leads."""
    dns = {"somewhere.invalid": "127.0.0.1", "xn--bcher-kva.invalid": "127.0.0.1"}
    proxy = Proxy(dns=dns)
    address, port = await through(proxy, target, "tcp://[::1]:*" if kind == 4 else "tcp://127.0.0.1:*")
    assert proxy.requests == [(kind, host, int(port))]
    assert proxy.offers == [b"\0"]
    assert address == target.format(port=port).removeprefix("tcp://")


@pytest.mark.parametrize("password", ["secret", "", "p\u00e4ss"])
async def test_username_and_password(password: str) -> None:
    proxy = Proxy((b"me", password.encode()))
    await through(proxy, "tcp://127.0.0.1:{port}", socks_username="me", socks_password=password)
    assert proxy.offers == [b"\0\2"]
    assert proxy.told == [(b"me", password.encode())]


async def test_a_username_that_nobody_asks_for() -> None:
    proxy = Proxy()
    await through(proxy, "tcp://127.0.0.1:{port}", socks_username="me", socks_password="secret")
    assert len(proxy.requests) == 1
    assert proxy.told == []


async def test_no_username_means_no_password() -> None:
    proxy = Proxy()
    await through(proxy, "tcp://127.0.0.1:{port}", socks_password="secret")
    assert proxy.offers == [b"\0"]


@pytest.mark.parametrize(
    ("target", "option", "source"),
    [
        ("tcp://127.0.0.3:0;127.0.0.1:{port}", "{at}", "127.0.0.3"),
        ("tcp://127.0.0.1:{port}", "127.0.0.2:*;{at}", "127.0.0.2"),
        ("tcp://127.0.0.3:0;127.0.0.1:{port}", "127.0.0.2:*;{at}", "127.0.0.3"),
    ],
)
async def test_source_addresses(target: str, option: str, source: str) -> None:
    proxy = Proxy()
    await through(proxy, target, socks_proxy=option)
    assert proxy.clients == [source]


async def test_a_proxy_that_comes_later() -> None:
    async with running(Proxy().serve) as at:
        pass
    async with (
        trizmq.Push(socks_proxy=at, reconnect_interval=0.01) as push,
        trizmq.Pull() as pull,
        push.events() as events,
    ):
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        await push.send(b"1")
        async for event in events:
            if isinstance(event, trizmq.ConnectRetried):
                break
        async with running(Proxy().serve, int(at.rpartition(":")[2])):
            assert await pull.recv() == b"1"


async def why_not(serve: Serve, target: str = NOBODY, **options: Any) -> trizmq.ConnectStopped:
    """The event that tells why no connection was made."""
    async with (
        running(serve) as at,
        trizmq.Push(
            socks_proxy=at,
            reconnect_stop=trizmq.ReconnectStop.ALWAYS,
            linger=0,
            **options,
        ) as push,
        push.events() as events,
    ):
        push.connect(target)
        async for event in events:
            if isinstance(event, trizmq.ConnectStopped):
                return event
    raise AssertionError


async def test_refused_behind_the_proxy() -> None:
    event = await why_not(Proxy().serve)
    assert "the SOCKS proxy failed: connection refused, for 127.0.0.1:1" in event.cause


async def test_refused_counts_as_refused() -> None:
    """For ``reconnect_stop`` as without a proxy."""
    async with (
        running(Proxy().serve) as at,
        trizmq.Push(socks_proxy=at, reconnect_stop=trizmq.ReconnectStop.REFUSED, linger=0) as push,
        push.events() as events,
    ):
        push.connect(NOBODY)
        async for event in events:
            if isinstance(event, trizmq.ConnectStopped):
                break


async def test_a_wrong_password() -> None:
    event = await why_not(Proxy((b"me", b"right")).serve, socks_username="me", socks_password="wrong")
    assert "does not accept the password of 'me'" in event.cause
    assert "wrong" not in event.cause


async def test_a_password_is_wanted() -> None:
    event = await why_not(Proxy((b"me", b"secret")).serve)
    assert "set socks_username and socks_password" in event.cause


HELLO, FAILED = 3, 10  # how long a greeting and a request with an IPv4 address are

SCRIPTS: list[tuple[list[tuple[int, bytes]], str]] = [
    ([(0, b"")], "it closed the connection"),
    ([(HELLO, b"\5")], "it closed the connection"),
    ([(HELLO, b"HTTP/1.1 400")], "no SOCKS5 proxy, it answered with version 72"),
    ([(HELLO, b"\4\0")], "no SOCKS5 proxy, it answered with version 4"),
    ([(HELLO, b"\5\1")], "another way of authentication"),
    ([(HELLO, b"\5\0"), (FAILED, b"\4\0\0\1")], "no SOCKS5 proxy, it replied with version 4"),
    ([(HELLO, b"\5\0"), (FAILED, b"\5\0\0\2")], "an address of the unknown type 2"),
    ([(HELLO, b"\5\0"), (FAILED, b"\5\0\0\1" + bytes(5))], "it closed the connection"),
    ([(HELLO, b"\5\0"), (FAILED, b"\5\x63\0\1")], "reply 99, for 127.0.0.1:1"),
    *(
        ([(HELLO, b"\5\0"), (FAILED, bytes((5, reply, 0, 1)))], text)
        for reply, text in enumerate(
            [
                "general failure",
                "not allowed by its rules",
                "network unreachable",
                "host unreachable",
                "connection refused",
                "TTL expired",
                "it cannot CONNECT",
                "no such type of address",
            ],
            start=1,
        )
    ),
]


@pytest.mark.parametrize(("script", "cause"), SCRIPTS)
async def test_what_a_proxy_may_do(script: list[tuple[int, bytes]], cause: str) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        for size, answer in script:
            await exactly(stream, size)
            await stream.send_all(answer)
        await stream.send_eof()
        async for _ in stream:  # or what it has not read resets the connection
            pass

    assert cause in (await why_not(serve)).cause


async def test_a_proxy_that_says_nothing() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass

    event = await why_not(serve, handshake_timeout=0.2)
    assert "no answer within 0.2 s (handshake_timeout)" in event.cause
    event = await why_not(serve, connect_timeout=0.2)
    assert "no connection within 0.2 s" in event.cause


async def test_a_host_name_too_long_for_socks() -> None:
    event = await why_not(Proxy().serve, "tcp://" + ".".join(["a" * 60] * 5) + ":1")
    assert "no room for a host name of 304 bytes" in event.cause


async def test_bytes_of_the_peer_right_behind_the_reply() -> None:
    """They are the connection's, not the proxy's."""

    async def serve(stream: trio.SocketStream) -> None:
        await exactly(stream, HELLO)
        await stream.send_all(b"\5\0")
        await exactly(stream, FAILED)
        await stream.send_all(b"\5\0\0\1" + bytes(6) + GREETING + ready("PUSH") + message(b"early"))
        async for _ in stream:
            pass

    async with running(serve) as at, trizmq.Pull(socks_proxy=at) as pull:
        pull.connect(NOBODY)
        assert await pull.recv() == b"early"


async def test_ipc_goes_by_itself() -> None:
    async with (
        trizmq.Push(socks_proxy="127.0.0.1:1", connect_timeout=5) as push,
        trizmq.Pull() as pull,
    ):
        push.connect(await pull.bind("ipc://*"))
        await push.send(b"1")
        assert await pull.recv() == b"1"


def test_errors_have_numbers_of_the_system() -> None:
    assert isinstance(OSError(_REPLIES[5][1], ""), ConnectionRefusedError)
    assert _REPLIES[4][1] == errno.EHOSTUNREACH
