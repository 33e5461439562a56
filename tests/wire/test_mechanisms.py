"""The seam for mechanisms: a toy one has all that CURVE needs, in a file of its own: this one."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.wire.harness import bytewise, config, connected, feed, greeting, introduce, started
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error, make_metadata
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame
from trizmq.wire.mechanisms.base import AUTHENTICATING, COMPLETE, Mechanism, OurSide
from trizmq.wire.mechanisms.null import Null


class Xor:
    """Protects nothing; the first byte is a counter, as a nonce is."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = -1

    def seal(self, flags: int, body: bytes) -> bytes:
        number, self.sent = self.sent, self.sent + 1
        return bytes((number & 255, flags)) + bytes(octet ^ 0x55 for octet in body)

    def open(self, sealed: bytes) -> tuple[int, bytes]:
        if len(sealed) < 2 or sealed[0] != (self.received + 1) & 255:
            raise RemoteProtocolError("a frame that is not genuine")
        self.received += 1
        return sealed[1], bytes(octet ^ 0x55 for octet in sealed[2:])


class Toy(Mechanism):
    """Client HELLO, server WELCOME, client INITIATE, the server asks somebody, server READY."""

    name: ClassVar[str] = "TOY"
    secure: ClassVar[bool] = True
    transitions: ClassVar = {
        ("awaits hello", b"HELLO"): "awaits initiate",
        ("awaits initiate", b"INITIATE"): AUTHENTICATING,
        ("awaits welcome", b"WELCOME"): "awaits ready",
        ("awaits ready", b"READY"): COMPLETE,
    }

    __slots__ = ()

    def __init__(self, side: OurSide) -> None:
        super().__init__(side, "awaits hello" if side.server else "awaits welcome")
        self.guard = Xor()

    def start(self) -> None:
        if not self.side.server:
            self.outgoing.append(make_command(b"HELLO"))

    def handle(self, name: bytes, data: bytes) -> None:
        match name:
            case b"HELLO":
                self.outgoing.append(make_command(b"WELCOME"))
            case b"WELCOME":
                self.outgoing.append(make_command(b"INITIATE", self.side.metadata))
            case b"INITIATE" | b"READY":
                self.peer_metadata = data

    def authenticated(self, status: str) -> None:
        if status != "200":
            self.outgoing.append(make_error(status))
            return
        self.outgoing.append(make_command(b"READY", self.side.metadata))
        self.state = COMPLETE


def toys(client_type: str = "DEALER", server_type: str = "ROUTER") -> tuple[Connection, Connection]:
    client = Connection(config(client_type, mechanism=Toy))
    server = Connection(config(server_type, mechanism=Toy, server=True))
    return client, server


def introduce_up_to_the_question(client: Connection, server: Connection) -> None:
    with pytest.raises(AssertionError, match="both wait"):
        introduce(client, server)
    assert server.authenticating
    assert not client.authenticating


def meet(client: Connection, server: Connection) -> None:
    introduce_up_to_the_question(client, server)
    server.authenticated("200")
    assert server.ready
    client.receive_data(server.data_to_send())
    assert client.ready


def test_a_handshake_of_several_steps_with_a_question() -> None:
    client, server = toys()
    meet(client, server)
    assert server.peer.socket_type == "DEALER"
    assert client.peer.socket_type == "ROUTER"


def test_as_server_is_announced_by_mechanisms_with_roles_only() -> None:
    sent = []
    for mechanism in (Toy, Null):
        server = started("ROUTER", mechanism=mechanism, server=True)
        server.receive_data(greeting(mechanism=mechanism.name.encode())[:12])
        sent.append(server.data_to_send()[22])
    assert sent == [1, 0]


def test_nothing_is_read_before_the_answer() -> None:
    client, server = toys()
    introduce_up_to_the_question(client, server)
    server.receive_data(b"\0\x03\0\0" + bytes((ord("x") ^ 0x55,)))
    assert not server.ready
    server.authenticated("200")
    assert server.ready
    assert server.next_batch(10) == [b"x"]


def test_a_refusal_is_sent() -> None:
    client, server = toys()
    introduce_up_to_the_question(client, server)
    server.authenticated("400")
    assert server.data_to_send() == command_frame(make_error("400"))
    assert not server.ready


def test_guarded_traffic() -> None:
    client, server = toys()
    meet(client, server)
    batch: list[Packed] = [b"", b"x", [b"a", b"", b"b" * 300], b"y" * 20_000, b"\x01z"]
    for sender, receiver in ((client, server), (server, client)):
        data = b"".join(sender.encode(batch))
        assert data[:2] == b"\0\x02"  # a message frame, whatever is in it
        assert data[3] == 0
        assert feed(receiver, bytewise(data), 1).messages == batch
        sender.ping(1.0, b"ctx")
        outcome = feed(receiver, [sender.data_to_send()])
        assert outcome.sent[:2] == bytes((0, 10))
        assert outcome.sent[3] == 4
        assert not feed(sender, [outcome.sent]).error


def test_guarded_subscriptions() -> None:
    client, server = toys("SUB", "PUB")
    meet(client, server)
    data = b"".join(client.encode([b"\x01A", b"\x00A"]))
    assert data[:4] == bytes((0, 13, 0, 4))
    assert feed(server, [data]).messages == [b"\x01A", b"\x00A"]


def test_what_the_guard_refuses_ends_the_connection_after_what_was_genuine() -> None:
    client, server = toys()
    meet(client, server)
    one, two = client.encode([b"one"])[0], client.encode([b"two"])[0]
    outcome = feed(server, [one + two + one])
    assert outcome.messages == [b"one", b"two"]
    assert "not genuine" in outcome.error


def test_old_peers_and_others_are_refused() -> None:
    for data in (b"\1\0", greeting()[:10] + b"\1", greeting()[:10] + b"\0", greeting()):
        with pytest.raises(IncompatiblePeerError, match="TOY"):
            started("ROUTER", mechanism=Toy).receive_data(data)


def test_a_command_out_of_turn() -> None:
    server = started("ROUTER", mechanism=Toy, server=True)
    data = greeting(mechanism=b"TOY") + command_frame(make_command(b"INITIATE", make_metadata([])))
    assert "unexpected command b'INITIATE' in the TOY handshake, due is: HELLO" in feed(server, [data]).error


def test_null_asks_nobody() -> None:
    with pytest.raises(NotImplementedError, match="NULL asks nobody"):
        connected("ROUTER").authenticated("200")
