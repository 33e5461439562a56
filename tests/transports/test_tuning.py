"""Options of the system's sockets: on listening, accepted and connecting sockets, before they are bound or connected."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio

import trizmq
from tests.contracts.test_addressing import ipv6
from tests.runtime.helpers import meet
from trizmq.transports import STREAM_TRANSPORTS
from trizmq.transports.sockets import SocketAcceptor, SocketLink
from trizmq.transports.tuning import TuningError, tune

pytestmark = pytest.mark.deadline(10)

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


async def sockets(endpoint: str, options: trizmq.Socket) -> dict[str, socket.socket]:
    """One of each kind, made with these options."""
    name, _, address = endpoint.partition("://")
    transport = STREAM_TRANSPORTS[name]
    acceptor = await transport.bind(address, endpoint, options)
    near = await transport.connect(acceptor.endpoint.partition("://")[2], acceptor.endpoint, options)
    far = await acceptor.accept()
    assert isinstance(acceptor, SocketAcceptor)
    assert isinstance(near, SocketLink)
    assert isinstance(far, SocketLink)
    return {"listening": acceptor._socket, "connected": near._socket, "accepted": far._socket}


def close(made: dict[str, socket.socket]) -> None:
    for one in made.values():
        one.close()


TCP = socket.IPPROTO_TCP
SETTINGS: list[tuple[str, Any, int, str, object]] = [
    ("tcp_keepalive", True, socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    ("tcp_keepalive_idle", 77, TCP, "TCP_KEEPIDLE", 77),
    ("tcp_keepalive_interval", 7, TCP, "TCP_KEEPINTVL", 7),
    ("tcp_keepalive_count", 5, TCP, "TCP_KEEPCNT", 5),
    ("tcp_max_retransmit", 1.5, TCP, "TCP_USER_TIMEOUT", 1500),
    ("tos", 0x28, socket.IPPROTO_IP, "IP_TOS", 0x28),
    ("priority", 5, socket.SOL_SOCKET, "SO_PRIORITY", 5),
]


@linux
@pytest.mark.parametrize(("name", "value", "level", "constant", "seen"), SETTINGS)
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", pytest.param("tcp://[::1]:*", marks=ipv6)])
async def test_set_on_every_socket(
    endpoint: str, name: str, value: Any, level: int, constant: str, seen: object
) -> None:
    if constant == "IP_TOS" and "[" in endpoint:
        level, constant = socket.IPPROTO_IPV6, "IPV6_TCLASS"
    usual = await sockets(endpoint, trizmq.Push())
    made = await sockets(endpoint, trizmq.Push(**{name: value}))
    for kind, one in made.items():
        assert one.getsockopt(level, getattr(socket, constant)) == seen, kind
        assert usual[kind].getsockopt(level, getattr(socket, constant)) != seen, kind
    close(usual)
    close(made)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
@pytest.mark.parametrize(("name", "constant"), [("send_buffer", "SO_SNDBUF"), ("receive_buffer", "SO_RCVBUF")])
async def test_buffers(endpoint: str, name: str, constant: str) -> None:
    options: dict[str, Any] = {name: 20_000}
    made = await sockets(endpoint, trizmq.Push(**options))
    for kind, one in made.items():
        size = one.getsockopt(socket.SOL_SOCKET, getattr(socket, constant))
        assert size in (20_000, 40_000), kind  # Linux doubles it
    close(made)


async def test_keepalive_can_be_switched_off() -> None:
    made = await sockets("tcp://127.0.0.1:*", trizmq.Push(tcp_keepalive=False))
    assert not any(one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for one in made.values())
    close(made)


@linux
async def test_messages_pass_with_everything_set() -> None:
    options: dict[str, Any] = {name: value for name, value, *_ in SETTINGS} | {
        "send_buffer": 10_000,
        "receive_buffer": 10_000,
    }
    async with trizmq.Push(**options) as push, trizmq.Pull(**options) as pull:
        await meet(pull, push)
        await push.send(bytes(1_000_000))
        assert await pull.recv() == bytes(1_000_000)


@linux
async def test_a_device() -> None:
    """Through the loopback interface, where this user may say so."""
    async with trizmq.Push(bind_to_device="lo") as push, trizmq.Pull(bind_to_device="lo") as pull:
        try:
            await meet(pull, push)
        except OSError as error:
            if error.errno == errno.EPERM:
                pytest.skip("this user may not bind to devices")
            raise
        await push.send(b"x")
        assert await pull.recv() == b"x"


@linux
async def test_what_the_system_refuses_is_told() -> None:
    """To the caller of ``bind``; of a connecting socket in an event, with the option's name."""
    refused = os.strerror(errno.ENODEV)
    async with trizmq.Push(bind_to_device="nosuchdevice", linger=0) as push:
        with pytest.raises(OSError, match=rf"({refused}|not permitted).*bind_to_device='nosuchdevice'.*tcp://127"):
            await push.bind("tcp://127.0.0.1:*")
        events = push.events()
        push.connect("tcp://127.0.0.1:5555")
        event = await events.__anext__()
        assert isinstance(event, trizmq.ConnectRetried)
        assert "bind_to_device='nosuchdevice'" in event.cause


async def test_refused_for_an_accepted_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set later than the bind: the connection is closed, and the listener goes on."""
    from trizmq.transports import tcp

    failing = True

    def fail(untuned: socket.socket, options: trizmq.Socket, *, accepted: bool = False) -> None:
        if accepted and failing:
            raise TuningError(errno.EPERM, "not permitted (SO_PRIORITY for priority=7)")

    monkeypatch.setattr(tcp, "tune", fail)
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval=0.01) as push:
        events = pull.events()
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        await events.__anext__()
        event = await events.__anext__()
        assert isinstance(event, trizmq.AcceptFailed)
        assert "priority=7" in event.error
        failing = False
        await push.send(b"x")
        assert await pull.recv() == b"x"


def test_what_the_platform_has_for_one_ip_version_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "IP_TOS")
    with socket.socket() as one, pytest.raises(TuningError, match=r"cannot do that \(IP_TOS for tos=8\)"):
        tune(one, trizmq.Push(tos=8))


def test_not_for_what_is_no_tcp() -> None:
    near, far = socket.socketpair()
    tune(near, trizmq.Push(tos=5, priority=5, tcp_keepalive=True, bind_to_device="lo"))
    assert not near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    near.close()
    far.close()


Opener = Callable[[], socket.socket]


# ---- sockets that listen already


def listening_tcp() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def test_adopting_tcp() -> None:
    listening = listening_tcp()
    port = listening.getsockname()[1]
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        events = pull.events()
        bound = await pull.bind_socket(listening)
        assert bound == f"tcp://127.0.0.1:{port}"
        assert isinstance(await events.__anext__(), trizmq.Listening)
        push.connect(bound)
        await push.send(b"x")
        assert await pull.recv() == b"x"
        with pytest.raises(trizmq.EndpointError, match="bound here already"):
            await pull.bind_socket(listening)
        pull.unbind(bound)
        assert listening.fileno() == -1, "it is the socket's own"
        await pull.bind(bound)


@pytest.mark.parametrize("abstract", [False, pytest.param(True, marks=linux)])
async def test_adopting_ipc(abstract: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file stays: it is for those who made it."""
    path = tmp_path_factory.mktemp("s") / "x"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"\0{path}" if abstract else str(path))
    listening.listen()
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        bound = await pull.bind_socket(listening)
        assert bound == (f"ipc://@{path}" if abstract else f"ipc://{path}")
        push.connect(bound)
        await push.send(b"x")
        assert await pull.recv() == b"x"
    assert path.exists() is not abstract


async def test_connections_that_waited_before_it_was_adopted() -> None:
    """As with socket activation: the first client is why the server was started."""
    listening = listening_tcp()
    async with trizmq.Push() as push:
        push.connect("tcp://{}:{}".format(*listening.getsockname()))
        await push.send(b"first")
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with trizmq.Pull() as pull:
            await pull.bind_socket(listening)
            assert await pull.recv() == b"first"


def not_listening() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def closed() -> socket.socket:
    listening = listening_tcp()
    listening.close()
    return listening


@pytest.mark.parametrize(
    ("open_socket", "text"),
    [
        pytest.param(not_listening, "does not listen", marks=linux),
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "expected a stream socket"),
        (closed, "is closed"),
    ],
)
async def test_what_cannot_be_adopted(open_socket: Opener, text: str) -> None:
    one = open_socket()
    descriptor = one.fileno()
    async with trizmq.Pull() as pull:
        with pytest.raises(trizmq.EndpointError, match=text):
            await pull.bind_socket(one)
        assert one.fileno() == descriptor, "it stays the caller's"
        with pytest.raises(TypeError, match=r"expected a socket\.socket"):
            await pull.bind_socket(5)  # type: ignore[arg-type]
    one.close()
