"""The seam for mechanisms: a toy one has all that CURVE needs, in a file of its own: this one."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.wire.harness import bytewise, config, connected, exchange, feed, greeting, introduce, started, unhex
from trizmq.errors import IncompatiblePeerError, RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire.commands import make_command, make_error, make_metadata
from trizmq.wire.connection import Connection
from trizmq.wire.frames import command_frame
from trizmq.wire.mechanisms.base import AUTHENTICATING, COMPLETE, AuthenticationError, Mechanism, OurSide
from trizmq.wire.mechanisms.null import AskingNull, Null


class Xor:
    """Protects nothing; the first byte is a counter, as a nonce is."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = -1

    @property
    def overhead(self) -> int:
        return 3  # the most; it is 2

    def seal(self, flags: int, body: bytes) -> tuple[bytes, bytes]:
        number, self.sent = self.sent, self.sent + 1
        return bytes((number & 255, flags)), bytes(octet ^ 0x55 for octet in body)

    def open(self, data: bytes, start: int, stop: int) -> tuple[int, bytes]:
        sealed = data[start:stop]
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

    def admit(self) -> str:
        self.outgoing.append(make_command(b"READY", self.side.metadata))
        return COMPLETE


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


@pytest.mark.parametrize(("status", "told"), [("300", False), ("400", True), ("500", True)])
def test_a_refusal_is_sent_before_the_connection_ends(status: str, told: bool) -> None:
    client, server = toys()
    introduce_up_to_the_question(client, server)
    with pytest.raises(AuthenticationError, match=f"refused the peer with status {status}") as refusal:
        server.authenticated(status)
    assert refusal.value.status == status
    assert server.data_to_send() == (command_frame(make_error(status)) if told else b"")
    assert not server.ready
    assert not server.authenticating
    with pytest.raises(RuntimeError, match="TOY asks nobody now"):
        server.authenticated("200")
    assert "unexpected command" in feed(server, [command_frame(make_command(b"INITIATE"))]).error


def test_an_unknown_status_lets_nobody_in() -> None:
    client, server = toys()
    introduce_up_to_the_question(client, server)
    with pytest.raises(ValueError, match="not '200x'"):
        server.authenticated("200x")
    assert server.authenticating
    assert not server.data_to_send()


def test_what_the_peer_says_before_it_is_let_in_is_bounded() -> None:
    client, server = toys()
    introduce_up_to_the_question(client, server)
    assert "before the peer was let in" in feed(server, [bytes(65536)] * 5).error


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
    with pytest.raises(RuntimeError, match="NULL asks nobody now"):
        connected("ROUTER").authenticated("200")


@pytest.mark.parametrize("asking", [("DEALER",), ("ROUTER",), ("DEALER", "ROUTER")])
def test_null_that_asks(asking: tuple[str, ...]) -> None:
    ends = [
        Connection(config(kind, server=kind == "ROUTER", mechanism=AskingNull if kind in asking else Null))
        for kind in ("DEALER", "ROUTER")
    ]
    with pytest.raises(AssertionError, match="both wait"):
        introduce(ends[0], ends[1])
    for end, kind in zip(ends, ("DEALER", "ROUTER"), strict=True):
        assert end.authenticating == (kind in asking)
        if end.authenticating:
            assert (end.mechanism, end.credentials) == ("NULL", ())
            end.authenticated("200")
    exchange(ends[0], ends[1])
    assert all(end.ready for end in ends)


def test_null_that_refuses() -> None:
    client, server = started("DEALER"), started("ROUTER", mechanism=AskingNull, server=True)
    server.receive_data(greeting())
    client.receive_data(greeting())
    server.data_to_send()
    with pytest.raises(AuthenticationError):
        server.authenticated("400")
    refusal = server.data_to_send()
    assert refusal == unhex("04 0a 05 45 52 52 4f 52 03 34 30 30")
    with pytest.raises(AuthenticationError, match="the peer refused") as error:
        client.receive_data(refusal)
    assert error.value.status == "400"


def test_null_that_asks_takes_no_old_peers() -> None:
    for data in (b"\1\0", greeting()[:10] + b"\1", greeting()[:10] + b"\0"):
        with pytest.raises(IncompatiblePeerError, match="NULL is required"):
            started("ROUTER", mechanism=AskingNull).receive_data(data)


def test_sealed_frames_are_a_little_larger_than_the_limit() -> None:
    ends = [
        Connection(config(kind, server=kind == "ROUTER", mechanism=Toy, max_message_size=100, max_frames=3))
        for kind in ("DEALER", "ROUTER")
    ]
    meet(*ends)
    client, server = ends
    assert feed(server, client.encode([bytes(100), [bytes(50), bytes(50)], [b"", b"", b""]])).messages == [
        bytes(100),
        [bytes(50), bytes(50)],
        [b"", b"", b""],
    ]
    for message in (bytes(103), bytes(101), [bytes(50), bytes(51)], [b"", b"", b"", b""]):
        client, server = (
            Connection(config(kind, server=kind == "ROUTER", mechanism=Toy, max_message_size=100, max_frames=3))
            for kind in ("DEALER", "ROUTER")
        )
        meet(client, server)
        outcome = feed(server, client.encode([b"before", message]))
        assert outcome.messages == [b"before"]
        assert "a message of more than" in outcome.error


def test_commands_are_sealed_when_they_are_sent() -> None:
    client, server = toys()
    meet(client, server)
    client.ping(1.0)
    first = client.encode([b"first"])
    assert feed(server, [*first, client.data_to_send()]).messages == [b"first"]
