"""tcp: both IP versions, wildcards, names, source addresses, and errors that come to the caller of bind."""

from __future__ import annotations

import errno
import os
import socket

import pytest
import trio
import trio.testing

import trizmq
from tests.contracts.test_addressing import ipv6
from tests.runtime.helpers import meet, start, until
from trizmq.testing import check_transport
from trizmq.transports import STREAM_TRANSPORTS

pytestmark = pytest.mark.deadline(20)


async def exchange(bound: str, pull: trizmq.Pull, connect: str, *, ipv6: bool = False) -> str:
    """Send a message over a new connection; the address from which it came."""
    async with trizmq.Push(ipv6=ipv6) as push:
        push.connect(connect)
        await push.send(connect.encode())
        assert await pull.recv() == connect.encode()
        (address,) = [peer.address for peer in pull.statistics().peers if peer.connected]
    await until(lambda: not pull.statistics().peers)
    return address


@pytest.mark.deadline(40)
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", pytest.param("tcp://[::1]:*", marks=ipv6)])
async def test_keeps_what_every_transport_promises(endpoint: str) -> None:
    await check_transport(endpoint)


@pytest.mark.parametrize("port", ["*", "0"])
async def test_any_free_port(port: str) -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind(f"tcp://127.0.0.1:{port}")
        host, _, number = bound.removeprefix("tcp://").rpartition(":")
        assert host == "127.0.0.1"
        assert 0 < int(number) < 65536
        again = await pull.bind(f"tcp://127.0.0.1:{port}")
        assert again != bound
        assert (await exchange(bound, pull, bound)).startswith("127.0.0.1:")


async def test_every_interface() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://*:*")
        assert bound.startswith("tcp://0.0.0.0:")
        await exchange(bound, pull, bound.replace("0.0.0.0", "127.0.0.1"))
        await exchange(bound, pull, bound.replace("0.0.0.0", "127.0.0.2"))


@ipv6
async def test_ipv6() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://[::1]:*")
        assert bound.startswith("tcp://[::1]:")
        assert (await exchange(bound, pull, bound)).startswith("[::1]:")


@ipv6
async def test_every_interface_of_both_ip_versions() -> None:
    async with trizmq.Pull(ipv6=True) as pull:
        bound = await pull.bind("tcp://*:*")
        assert bound.startswith("tcp://[::]:")
        await exchange(bound, pull, bound.replace("[::]", "[::1]"))
        await exchange(bound, pull, bound.replace("[::]", "127.0.0.1"))


@ipv6
async def test_a_literal_ipv6_address_takes_no_ipv4() -> None:
    async with trizmq.Pull() as pull, trizmq.Pull() as other:
        bound = await pull.bind("tcp://[::1]:*")
        port = bound.rpartition(":")[2]
        await other.bind(f"tcp://127.0.0.1:{port}")
        await exchange(bound, other, f"tcp://127.0.0.1:{port}")


async def test_names() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://localhost:*")
        assert bound.startswith(("tcp://127.0.0.1:", "tcp://[::1]:"))
        await exchange(bound, pull, bound.replace("127.0.0.1", "localhost"))


class Names(trio.abc.HostnameResolver):
    """Knows what it is told, and counts."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked = 0

    async def getaddrinfo(  # type: ignore[override]
        self, host: str | bytes, port: int, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[object, ...]]:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        name = str(host, "ascii") if isinstance(host, bytes) else host
        if name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, int(port))) for ip in self.known[name]]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise NotImplementedError


@pytest.fixture
async def names() -> Names:
    names = Names()
    trio.socket.set_custom_hostname_resolver(names)
    return names


async def test_a_name_is_resolved_anew_at_each_attempt(names: Names) -> None:
    """Unknown at first, it "connects" all the same; known later, it is found."""
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval=0.001) as push:
        bound = await pull.bind("tcp://127.0.0.1:*")
        events = push.events()
        push.connect(bound.replace("127.0.0.1", "later.example"))
        async for event in events:
            assert isinstance(event, trizmq.ConnectRetried)
            assert "not known" in event.cause
            break
        names.known["later.example"] = ["127.0.0.1"]
        await push.send(b"x")
        assert await pull.recv() == b"x"
        assert names.asked >= 2


async def test_every_address_of_a_name_is_tried(names: Names) -> None:
    """libzmq takes the first only."""
    names.known["several.example"] = ["127.0.0.9", "127.0.0.1"]
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        await exchange(bound, pull, bound.replace("127.0.0.1", "several.example"))


async def test_binding_an_unknown_name(names: Names) -> None:
    async with trizmq.Pull() as pull:
        with pytest.raises(OSError, match=r"tcp://unknown\.example:5555"):
            await pull.bind("tcp://unknown.example:5555")


async def test_taken() -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://127.0.0.1:*")
        with pytest.raises(OSError, match=bound) as caught:
            await pull.bind(bound)
        assert caught.value.errno == errno.EADDRINUSE
        await exchange(bound, pull, bound)


async def test_not_ours() -> None:
    async with trizmq.Pull() as pull:
        with pytest.raises(OSError, match=r"tcp://192\.0\.2\.1:5555") as caught:
            await pull.bind("tcp://192.0.2.1:5555")
        assert caught.value.errno == errno.EADDRNOTAVAIL


def _may_bind_low_ports() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 1))
        except OSError:
            return False
    return True


@pytest.mark.skipif(_may_bind_low_ports(), reason="this user may bind privileged ports")
async def test_not_allowed() -> None:
    async with trizmq.Pull() as pull:
        with pytest.raises(PermissionError, match=r"tcp://127\.0\.0\.1:1") as caught:
            await pull.bind("tcp://127.0.0.1:1")
        assert caught.value.errno == errno.EACCES


@pytest.mark.parametrize("source", ["127.0.0.2:0", "127.0.0.2:*"])
async def test_source_address(source: str) -> None:
    async with trizmq.Pull() as pull:
        bound = await pull.bind("tcp://*:*")
        port = bound.rpartition(":")[2]
        assert (await exchange(bound, pull, f"tcp://{source};127.0.0.1:{port}")).startswith("127.0.0.2:")


async def test_a_source_that_is_not_ours_is_told_in_events() -> None:
    async with trizmq.Push(linger=0) as push:
        events = push.events()
        push.connect("tcp://192.0.2.1:0;127.0.0.1:5555")
        event = await events.__anext__()
        assert isinstance(event, trizmq.ConnectRetried)
        assert os.strerror(errno.EADDRNOTAVAIL) in event.cause


async def test_rebind_at_once() -> None:
    """An address that had connections can be bound again right after it was unbound, and after a close."""
    async with trizmq.Push(reconnect_interval=0.01) as push:
        bound = "tcp://127.0.0.1:*"
        for _ in range(3):
            async with trizmq.Pull() as pull:
                bound = await meet(pull, push, bound) if "*" in bound else await pull.bind(bound)
                await push.send(b"x")
                assert await pull.recv() == b"x"
                pull.unbind(bound)
                assert await pull.bind(bound) == bound
            await until(lambda: not push.statistics().peers[0].connected)


async def test_no_delay_on_both_sides() -> None:
    transport = STREAM_TRANSPORTS["tcp"]
    from trizmq.transports.base import TransportOptions

    options = TransportOptions(backlog=1, ipv6=False)
    acceptor = await transport.bind("127.0.0.1:*", "tcp://127.0.0.1:*", options)
    near = await transport.connect(acceptor.endpoint.removeprefix("tcp://"), acceptor.endpoint, options)
    far = await acceptor.accept()
    for link in (near, far):
        assert link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # type: ignore[attr-defined]
        await link.aclose()
    acceptor.close()
    acceptor.close()


async def test_a_listener_survives_a_failed_accept(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """No descriptors left: told in an event, tried again after a pause."""
    from trizmq.transports.sockets import SocketAcceptor

    original = SocketAcceptor.accept
    failures = iter([OSError(errno.EMFILE, "too many open files"), OSError(errno.EMFILE, "too many open files")])

    async def accept(self: SocketAcceptor) -> object:
        if failure := next(failures, None):
            raise failure
        return await original(self)

    monkeypatch.setattr(SocketAcceptor, "accept", accept)
    async with trizmq.Pull() as pull:
        events = pull.events()
        bound = await pull.bind("tcp://127.0.0.1:*")
        await exchange(bound, pull, bound)
        kinds = [type(event) for event in [await events.__anext__() for _ in range(4)]]
        assert kinds == [trizmq.Listening, trizmq.AcceptFailed, trizmq.AcceptFailed, trizmq.Accepted]


async def test_closing_a_listener_while_it_accepts(nursery: trio.Nursery) -> None:
    async with trizmq.Pull() as pull:
        for _ in range(20):
            bound = await pull.bind("tcp://127.0.0.1:*")
            push = trizmq.Push(linger=0)
            async with push:
                push.connect(bound)
                await start(nursery, trio.lowlevel.checkpoint)
                pull.unbind(bound)
        await until(lambda: not pull.statistics().peers)
