"""libzmq's tests of addresses and endpoints, written anew from the reference's descriptions (section 4.1)."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import meet, until
from trizmq import EndpointError

pytestmark = pytest.mark.deadline(10)

linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract ipc names exist on Linux only")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: pytest's tmp_path may leave no room for a socket's name."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


async def bounce(near: trizmq.Pair, far: trizmq.Pair) -> None:
    """libzmq's bounce(): two frames each way."""
    for source, target in ((near, far), (far, near)):
        await source.send([b"12345678ABCDEFGH12345678abcdefgh", b"second"])
        assert await target.receive() == [b"12345678ABCDEFGH12345678abcdefgh", b"second"]


async def bounce_request(req: trizmq.Req, rep: trizmq.Rep) -> None:
    content = [b"12345678ABCDEFGH12345678abcdefgh", b"second"]
    await req.send(content)
    assert await rep.receive() == content
    await rep.send(content)
    assert await req.receive() == content


@linux
async def test_abstract_ipc() -> None:
    """test_abstract_ipc: a name with @ round-trips and comes back verbatim; @ alone is refused."""
    name = f"ipc://@trizmq-{os.getpid()}"
    async with trizmq.Pair() as near, trizmq.Pair() as far:
        assert await near.bind(name) == name
        far.connect(name)
        await bounce(near, far)
        with pytest.raises(EndpointError, match="'ipc://@'"):
            await near.bind("ipc://@")


async def test_bind_after_connect_tcp() -> None:
    """test_bind_after_connect_tcp: what a DEALER sends before anybody listens arrives in order once somebody does."""
    with socket.socket() as reserve:
        reserve.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{reserve.getsockname()[1]}"
    async with trizmq.Dealer(reconnect_interval=0.01) as dealer, trizmq.Router() as router:
        dealer.connect(endpoint)
        for text in (b"foobar", b"baz", b"buzz"):
            await dealer.send(text)
        await router.bind(endpoint)
        assert [(await router.receive())[1] for _ in range(3)] == [b"foobar", b"baz", b"buzz"]


@pytest.mark.parametrize("source", ["127.0.0.1:0", "127.0.0.1:*", "localhost:0", "*:0"])
async def test_bind_src_address(source: str) -> None:
    """test_bind_src_address: a source address in front of the destination, as a literal or a name. Here with traffic."""
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        destination = (await pull.bind("tcp://127.0.0.1:*")).removeprefix("tcp://")
        push.connect(f"tcp://{source};{destination}")
        await push.send(b"x")
        assert await pull.recv() == b"x"


async def test_connect_resolve() -> None:
    """test_connect_resolve: names and IPv6 literals are taken; what is no endpoint is refused at once."""
    async with trizmq.Pub(linger=0) as pub:
        for good in ("tcp://localhost:1234", "tcp://[::1]:1234", "tcp://0mq.is.teh.best:1234"):
            pub.connect(good)
        for bad in (
            "tcp://localhost:invalid",
            "tcp://in val id:1234",
            "tcp://",
            "tcp://:*",
            "invalid://localhost:1234",
        ):
            with pytest.raises(EndpointError) as caught:
                pub.connect(bad)
            assert bad in str(caught.value)


async def test_last_endpoint() -> None:
    """test_last_endpoint: each of two binds tells its own endpoint, as it was written."""
    async with trizmq.Router() as router:
        first, second = [await router.bind("tcp://127.0.0.1:*") for _ in range(2)]
        assert first != second
        for endpoint in (first, second):
            router.unbind(endpoint)
            assert await router.bind(endpoint) == endpoint


@pytest.mark.parametrize(
    ("endpoint", "with_ipv6"),
    [
        ("tcp://*:*", False),
        pytest.param("tcp://*:*", True, marks=ipv6),
        ("tcp://127.0.0.1:*", False),
        pytest.param("tcp://127.0.0.1:*", True, marks=ipv6),
        pytest.param("tcp://[::1]:*", True, marks=ipv6),
        pytest.param("tcp://[::1]:*", False, marks=ipv6),
    ],
)
async def test_unbind_wildcard(endpoint: str, with_ipv6: bool) -> None:
    """test_unbind_wildcard: what a wildcard bind returns serves for connect, disconnect and unbind."""
    async with trizmq.Pull(ipv6=with_ipv6) as pull, trizmq.Push(ipv6=with_ipv6) as push:
        bound = await pull.bind(endpoint)
        assert "*" not in bound
        reachable = bound.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
        for count, name in enumerate({bound, reachable}, 1):
            push.connect(name)
            await push.wait_connected(count)
        await push.send(b"x")
        assert await pull.recv() == b"x"
        for name in {bound, reachable}:
            push.disconnect(name)
        pull.unbind(bound)
        await until(lambda: not pull.statistics().peers)
        with pytest.raises(EndpointError):
            pull.unbind(endpoint)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
async def test_term_endpoint(endpoint: str) -> None:
    """test_term_endpoint: after unbind, or disconnect, a PUSH has nobody; the wildcard's text unbinds nothing."""
    async with trizmq.Push() as push, trizmq.Pull(reconnect_interval=0.01) as pull:
        bound = await push.bind(endpoint)
        pull.connect(bound)
        await push.send(b"ABC")
        assert await pull.recv() == b"ABC"
        with pytest.raises(EndpointError, match="not bound"):
            push.unbind(endpoint)
        push.unbind(bound)
        await until(lambda: not push.statistics().peers)
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"DEF")
        pull.disconnect(bound)

    async with trizmq.Push() as push, trizmq.Pull() as pull:
        bound = await meet(pull, push, endpoint)
        await push.send(b"ABC")
        assert await pull.recv() == b"ABC"
        push.disconnect(bound)
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"DEF")
        with pytest.raises(EndpointError):
            push.disconnect(bound)


async def test_ipc_wildcard() -> None:
    """test_ipc_wildcard: a path is chosen, and can be connected to."""
    async with trizmq.Pair() as near, trizmq.Pair() as far:
        await meet(near, far, "ipc://*")
        await bounce(near, far)


async def test_pair_ipc(folder: Path) -> None:
    """test_pair_ipc: bounce; and a path that is too long for the system is refused, with bind and with connect."""
    async with trizmq.Pair() as near, trizmq.Pair() as far:
        await meet(near, far, f"ipc://{folder}/pair")
        await bounce(near, far)
        too_long = f"ipc:///tmp/{'a' * 108}"
        with pytest.raises(EndpointError, match="too long"):
            await near.bind(too_long)
        with pytest.raises(EndpointError, match="too long"):
            near.connect(too_long)


async def test_rebind_ipc(folder: Path) -> None:
    """test_rebind_ipc: a connector survives that its binder closes and another socket binds the same path."""
    endpoint = f"ipc://{folder}/rebind"
    async with trizmq.Push(reconnect_interval=0.01) as push:
        async with trizmq.Pull() as first:
            await meet(first, push, endpoint)
            await push.send(b"first")
            assert await first.recv() == b"first"
        async with trizmq.Pull() as second:
            await second.bind(endpoint)
            await push.send(b"second")
            assert await second.recv() == b"second"


async def test_reqrep_ipc(folder: Path) -> None:
    """test_reqrep_ipc: bounce; and replying to a requester that has closed neither fails nor leaks."""
    async with trizmq.Rep() as rep:
        async with trizmq.Req() as req:
            await meet(rep, req, f"ipc://{folder}/rep")
            await bounce_request(req, rep)
            await req.send(b"and go")
            assert await rep.recv() == b"and go"
        await until(lambda: not rep.statistics().peers)
        await rep.send(b"to nobody")
        assert rep.statistics().drops == {trizmq.DropReason.UNROUTABLE: 1}


async def test_pair_tcp() -> None:
    """test_pair_tcp: bounce, also when connected by the name localhost."""
    for host in ("127.0.0.1", "localhost"):
        async with trizmq.Pair() as near, trizmq.Pair() as far:
            bound = await near.bind("tcp://127.0.0.1:*")
            far.connect(bound.replace("127.0.0.1", host))
            await bounce(near, far)


async def test_reqrep_tcp() -> None:
    """test_reqrep_tcp: bounce; one REQ over three REPs, twice around; disconnect and unbind by the exact strings."""
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        bound = await meet(rep, req)
        await bounce_request(req, rep)
        req.disconnect(bound)
        rep.unbind(bound)
    async with trizmq.Rep() as one, trizmq.Rep() as two, trizmq.Rep() as three, trizmq.Req() as req:
        reps = [one, two, three]
        for count, rep in enumerate(reps, 1):
            req.connect(await rep.bind("tcp://127.0.0.1:*"))
            await req.wait_connected(count)
        for rep in [*reps, *reps]:
            await bounce_request(req, rep)


async def test_reqrep_tcp_source_port() -> None:
    """test_reqrep_tcp: two sockets leave from one source port, to different destinations."""
    with socket.socket() as reserve:
        reserve.bind(("127.0.0.1", 0))
        source = f"127.0.0.1:{reserve.getsockname()[1]}"
    async with trizmq.Rep() as one, trizmq.Rep() as two, trizmq.Req() as first, trizmq.Req() as second:
        for rep, req in ((one, first), (two, second)):
            bound = await rep.bind("tcp://127.0.0.1:*")
            req.connect(f"tcp://{source};{bound.removeprefix('tcp://')}")
            await rep.wait_connected()
            assert rep.statistics().peers[0].address == source
            await bounce_request(req, rep)


async def test_taken() -> None:
    """Two sockets cannot bind one endpoint; the error comes to the caller and names it. (libzmq's ipc steals it.)"""
    for endpoint in ("tcp://127.0.0.1:*", "ipc://*", "inproc://x"):
        async with trizmq.Pull() as first, trizmq.Pull() as second:
            bound = await first.bind(endpoint)
            with pytest.raises(OSError, match=bound) as caught:
                await second.bind(bound)
            assert caught.value.errno == errno.EADDRINUSE
            with pytest.raises(OSError, match=bound):
                await first.bind(bound)
            first.unbind(bound)
            if endpoint != "ipc://*":
                assert await second.bind(bound) == bound
