"""PLAIN and CURVE with a real libzmq at the other end, in both roles, over TCP and without any event loop."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from tests.wire.secure import (
    C_SECRET,
    CLIENT_KEYS,
    S_SECRET,
    SERVER_KEYS,
    C,
    S,
    curve_client,
    curve_server,
    plain_client,
    plain_server,
)
from trizmq.auth import z85_encode
from trizmq.errors import RemoteProtocolError
from trizmq.messages import Packed, unpack
from trizmq.wire.connection import Connection
from trizmq.wire.mechanisms.base import AuthenticationError
from trizmq.wire.mechanisms.curve import ClientKeys

SECONDS = 20.0
MESSAGES: list[Packed] = [
    b"hello",
    b"",
    [b"two", b"frames"],
    [b"", b"a", b"", b"b" * 300, b""],
    b"c" * 222,
    b"c" * 223,
    b"d" * 65536,
    [b"e", os.urandom(1 << 20), b"f"],
    b"last",
]

Zmq = zmq.Socket[bytes]


class Peer:
    """A connection of ours on a blocking socket."""

    def __init__(self, connection: Connection, sock: socket.socket, status: str = "200") -> None:
        self.connection, self.sock, self.status = connection, sock, status
        self.asked: list[tuple[bytes, ...]] = []
        self.received: list[Packed] = []
        sock.settimeout(SECONDS)
        connection.start()

    def flush(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def step(self) -> None:
        """What an engine does once."""
        connection = self.connection
        self.flush()
        if connection.authenticating:
            self.asked.append(connection.credentials)
            try:
                connection.authenticated(self.status)
            finally:
                self.flush()
            return
        data = self.sock.recv(connection.read_size)
        if not data:
            connection.receive_eof()
            raise EOFError
        connection.receive_data(data)
        while connection.has_input:
            self.received += connection.next_batch(1000)

    def shake_hands(self) -> None:
        while not self.connection.ready:
            self.step()
        self.flush()

    def send(self, messages: Sequence[Packed]) -> None:
        for buffer in self.connection.encode(list(messages)):
            self.sock.sendall(buffer)

    def receive(self, count: int) -> list[Packed]:
        while len(self.received) < count:
            self.step()
        received, self.received = self.received[:count], self.received[count:]
        return received


@pytest.fixture
def zap(context: Library) -> Iterator[Callable[[bytes], Zap]]:
    started: list[Zap] = []

    def start(status: bytes) -> Zap:
        started.append(Zap(context, status))
        return started[0]

    yield start
    for handler in started:
        handler.stop()


class Library:
    """libzmq: a context that keeps its sockets, and closes them."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._sockets: list[Zmq] = []

    def socket(self, kind: int) -> Zmq:
        self._sockets.append(settled(self._context.socket(kind)))
        return self._sockets[-1]

    def events(self, of: Zmq) -> Zmq:
        self._sockets.append(settled(of.get_monitor_socket()))
        return self._sockets[-1]

    def close(self) -> None:
        for made in self._sockets:
            if made.type != zmq.PAIR:
                made.disable_monitor()
            made.close(0)
        self._context.term()


@pytest.fixture
def context() -> Iterator[Library]:
    with closing(Library()) as library:
        yield library


def settled(made: Zmq) -> Zmq:
    made.linger = 0
    made.rcvtimeo = made.sndtimeo = int(SECONDS * 1000)
    return made


def plain(made: Zmq, server: bool, password: bytes = b"secret") -> Zmq:
    if server:
        made.plain_server = True
    else:
        made.plain_username, made.plain_password = b"admin", password
    return made


def curve(made: Zmq, server: bool, server_key: bytes = S) -> Zmq:
    made.curve_secretkey = z85_encode(S_SECRET if server else C_SECRET).encode()
    made.curve_publickey = z85_encode(S if server else C).encode()
    if server:
        made.curve_server = True
    else:
        made.curve_serverkey = z85_encode(server_key).encode()
    return made


class Zap:
    """A ZAP handler (RFC 27) that always gives the same answer."""

    def __init__(self, context: Library, status: bytes) -> None:
        self.requests: list[list[bytes]] = []
        self._context = context
        self._socket = context.socket(zmq.REP)
        self._socket.rcvtimeo = -1
        self._socket.bind("inproc://zeromq.zap.01")
        self._status = status
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while len(request := self._socket.recv_multipart()) > 1:
            self.requests.append(request)
            self._socket.send_multipart([b"1.0", request[1], self._status, b"", b"user", b""])

    def stop(self) -> None:
        stopper = self._context.socket(zmq.REQ)
        stopper.connect("inproc://zeromq.zap.01")
        stopper.send(b"stop")
        self._thread.join()


def dial(bound: Zmq) -> socket.socket:
    port = bound.bind_to_random_port("tcp://127.0.0.1")
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def accept(connecting: Zmq) -> socket.socket:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(SECONDS)
        connecting.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        return listener.accept()[0]


def talk(ours: Peer, theirs: Zmq, prefix: list[bytes]) -> None:
    """Everything from us to them, and back; ``prefix`` is what a ROUTER of theirs has in front."""
    sender = threading.Thread(target=ours.send, args=(MESSAGES,), daemon=True)  # the pipes hold less than all this
    sender.start()
    for message in MESSAGES:
        frames = theirs.recv_multipart()
        assert frames[len(prefix) :] == unpack(message)
    sender.join()
    for message in MESSAGES:
        theirs.send_multipart(prefix + unpack(message))
    assert ours.receive(len(MESSAGES)) == MESSAGES


Setup = Callable[..., Zmq]


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_our_client(context: Library, zap: Callable[[bytes], Zap], mechanism: str, bound: bool) -> None:
    handler = zap(b"200")
    theirs = (plain if mechanism == "PLAIN" else curve)(context.socket(zmq.ROUTER), True)
    connection = plain_client() if mechanism == "PLAIN" else curve_client()
    with closing(dial(theirs) if bound else accept(theirs)) as sock:
        ours = Peer(connection, sock)
        ours.shake_hands()
        assert connection.peer.socket_type == "ROUTER"
        ours.send([b"who am I"])
        name = theirs.recv_multipart()[0]
        talk(ours, theirs, [name])
    request = handler.requests[0]
    assert request[5] == mechanism.encode()
    assert request[6:] == ([b"admin", b"secret"] if mechanism == "PLAIN" else [C])


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_our_server(context: Library, mechanism: str, bound: bool) -> None:
    theirs = (plain if mechanism == "PLAIN" else curve)(context.socket(zmq.DEALER), False)
    connection = plain_server() if mechanism == "PLAIN" else curve_server()
    with closing(dial(theirs) if bound else accept(theirs)) as sock:
        ours = Peer(connection, sock)
        ours.shake_hands()
        assert ours.asked == [(b"admin", b"secret") if mechanism == "PLAIN" else (C,)]
        assert connection.peer.socket_type == "DEALER"
        talk(ours, theirs, [])


def test_heartbeats_in_the_box(context: Library) -> None:
    theirs = curve(context.socket(zmq.DEALER), False)
    theirs.heartbeat_ivl = 20
    theirs.heartbeat_timeout = int(SECONDS * 1000)
    theirs.heartbeat_ttl = 5000
    with closing(accept(theirs)) as sock:
        ours = Peer(curve_server(), sock)
        ours.shake_hands()
        while not ours.connection.peer_ttl:
            ours.step()
        assert ours.connection.peer_ttl == 5.0
        ours.connection.ping(1.0, b"context")  # next to the PONG that is due
        ours.flush()
        theirs.send(b"still there")
        assert ours.receive(1) == [b"still there"]
        ours.send([b"so am I"])
        assert theirs.recv() == b"so am I"


def test_a_ping_of_ours_is_answered(context: Library) -> None:
    theirs = curve(context.socket(zmq.ROUTER), True)
    with closing(dial(theirs)) as sock:
        ours = Peer(curve_client(), sock)
        ours.shake_hands()
        ours.connection.ping(0.0, b"context")
        ours.flush()
        sealed = sock.recv(1000)
        guard = ours.connection._mechanism.guard
        assert guard is not None
        assert guard.open(sealed, 2, len(sealed)) == (4, b"\4PONGcontext")


def test_their_subscriptions(context: Library) -> None:
    theirs = curve(context.socket(zmq.SUB), False)
    theirs.subscribe(b"A")
    with closing(accept(theirs)) as sock:
        ours = Peer(curve_server("XPUB"), sock)
        ours.shake_hands()
        assert ours.receive(1) == [b"\x01A"]
        ours.send([b"B is not for you", [b"Abc", b"x" * 1000]])
        assert theirs.recv_multipart() == [b"Abc", b"x" * 1000]
        theirs.unsubscribe(b"A")
        assert ours.receive(1) == [b"\x00A"]


def test_our_subscriptions(context: Library) -> None:
    theirs = curve(context.socket(zmq.XPUB), True)
    with closing(dial(theirs)) as sock:
        ours = Peer(curve_client("SUB"), sock)
        ours.shake_hands()
        ours.send([b"\x01A", b"\x01" + b"t" * 300])
        assert theirs.recv() == b"\x01A"
        assert theirs.recv() == b"\x01" + b"t" * 300
        theirs.send_multipart([b"Abc", b"1"])
        assert ours.receive(1) == [[b"Abc", b"1"]]
        ours.send([b"\x00A"])
        assert theirs.recv() == b"\x00A"


# ---- refusals


def event(monitor: Zmq, kind: int) -> int:
    """The value of the next event of a kind."""
    while True:
        told = recv_monitor_message(monitor)
        if told["event"] == kind:
            return int(told["value"])


@pytest.mark.parametrize("status", ["400", "500"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_we_refuse_and_they_know_why(context: Library, mechanism: str, status: str) -> None:
    theirs = (plain if mechanism == "PLAIN" else curve)(context.socket(zmq.DEALER), False)
    monitor = context.events(theirs)
    with closing(accept(theirs)) as sock:
        ours = Peer(plain_server() if mechanism == "PLAIN" else curve_server(), sock, status)
        with pytest.raises(AuthenticationError):
            ours.shake_hands()
    assert event(monitor, zmq.EVENT_HANDSHAKE_FAILED_AUTH) == int(status)


@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_we_refuse_for_now_and_they_come_again(context: Library, mechanism: str) -> None:
    theirs = (plain if mechanism == "PLAIN" else curve)(context.socket(zmq.DEALER), False)
    theirs.reconnect_ivl = 10
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(SECONDS)
        theirs.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        for status in ("300", "300", "200"):
            with closing(listener.accept()[0]) as sock:
                ours = Peer(plain_server() if mechanism == "PLAIN" else curve_server(), sock, status)
                if status == "300":
                    with pytest.raises(AuthenticationError):
                        ours.shake_hands()
                else:
                    ours.shake_hands()
                    ours.send([b"welcome"])
                    assert theirs.recv() == b"welcome"


@pytest.mark.parametrize("status", ["400", "500"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_they_refuse_and_we_know_why(
    context: Library, zap: Callable[[bytes], Zap], mechanism: str, status: str
) -> None:
    zap(status.encode())
    theirs = (plain if mechanism == "PLAIN" else curve)(context.socket(zmq.ROUTER), True)
    with closing(dial(theirs)) as sock:
        ours = Peer(plain_client() if mechanism == "PLAIN" else curve_client(), sock)
        with pytest.raises(AuthenticationError, match="the peer refused the connection") as refusal:
            ours.shake_hands()
        assert refusal.value.status == status


def test_wrong_server_keys(context: Library) -> None:
    bound = curve(context.socket(zmq.ROUTER), True)
    with closing(dial(bound)) as sock:
        ours = Peer(curve_client(keys=ClientKeys(C, C_SECRET)), sock)
        with pytest.raises((RemoteProtocolError, ConnectionError), match=r"closed|reset"):
            ours.shake_hands()
    connecting = curve(context.socket(zmq.DEALER), False, server_key=C)
    with closing(accept(connecting)) as sock, pytest.raises(RemoteProtocolError, match=r"HELLO.* not genuine"):
        Peer(curve_server(), sock).shake_hands()


def test_keys_are_what_libzmq_makes() -> None:
    for public, secret, keys in ((C, C_SECRET, CLIENT_KEYS), (S, S_SECRET, SERVER_KEYS)):
        assert zmq.curve_public(z85_encode(secret).encode()) == z85_encode(public).encode()
        assert keys.public == public
