"""Nothing in a CURVE conversation can be changed: not one bit, of no handshake command and no frame, in either direction.

The one exception carries nothing: the flags of the outer frames, which mean nothing (zmtp-wire.md 9), and may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.harness import feed, greeting
from tests.wire.secure import client_random, curve_client, curve_pair, curve_server, server_random
from trizmq.errors import RemoteProtocolError
from trizmq.messages import Packed
from trizmq.wire.commands import make_error
from trizmq.wire.connection import Connection
from trizmq.wire.frames import LONG, command_frame, parse_header

CLIENT_SAYS: list[Packed] = [b"hello", [b"two", b"", b"frames"], b"x" * 300, b"last"]
SERVER_SAYS: list[Packed] = [b"world", [b"and", b"more"], b"y" * 300, b"end"]

GREETING = greeting(mechanism=b"CURVE")

Tamper = Callable[[int, bytes], bytes]  # (number of the frame in the conversation, frame) -> frame


@dataclass
class Conversation:
    """What came out of it."""

    frames: list[bytes] = field(default_factory=list)  # as they were sent
    before: list[tuple[bool, int]] = field(
        default_factory=list
    )  # of each: to the server?, messages that it had by then
    to_client: list[Packed] = field(default_factory=list)
    to_server: list[Packed] = field(default_factory=list)
    ended: bool = False  # a connection noticed
    stuck: bool = False  # or waits for bytes that never come, so that its handshake timer or heartbeat ends it
    ready: bool = False


def frames_of(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        header = parse_header(data, position)
        assert header is not None
        _, start, size = header
        yield data[position : start + size]
        position = start + size


def converse(tamper: Tamper) -> Conversation:
    """A handshake, messages both ways, a PING and its PONG, more messages; the greetings are not tampered with.

    All is read as by a receiver that reads for itself: by ``Connection.whole``, if that should ever take it.
    """
    client, server = curve_client(random=client_random()), curve_server(random=server_random())
    told = Conversation()
    client.start()
    server.start()
    for _ in range(2):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    hello = client.data_to_send()
    server.receive_data(hello[:-202])

    def say(source: Connection, target: Connection, heard: list[Packed], data: bytes) -> None:
        for frame in frames_of(data):
            number = len(told.frames)
            told.frames.append(frame)
            told.before.append((target is server, len(heard)))
            outcome = feed(target, [tamper(number, frame)], short=True)
            heard += outcome.messages
            if outcome.sent:
                reply.append(outcome.sent)
            if outcome.error:
                raise RemoteProtocolError(outcome.error)

    def round_trip(data: bytes) -> None:
        """What the client says, and what the server has to say to it, until nobody has more."""
        turns = [(client, server, told.to_server), (server, client, told.to_client)]
        while data:
            reply.clear()
            say(*turns[0], data)
            if server.authenticating:
                server.authenticated("200")
                reply.append(server.data_to_send())
            data = b"".join(reply)
            turns.reverse()

    reply: list[bytes] = []
    try:
        round_trip(hello[-202:])
        told.ready = client.ready and server.ready
        if not told.ready:
            told.stuck = True
            return told
        for at in range(2):
            round_trip(b"".join(client.encode(CLIENT_SAYS[2 * at : 2 * at + 2])))
            reply.clear()
            say(server, client, told.to_client, b"".join(server.encode(SERVER_SAYS[2 * at : 2 * at + 2])))
            client.ping(1.0, b"context")
            round_trip(client.data_to_send())
    except RemoteProtocolError:
        told.ended = True
    told.stuck = any(connection._decoder.missing for connection in (client, server))
    return told


def untouched(number: int, frame: bytes) -> bytes:
    return frame


WHOLE = converse(untouched)
BYTES = [(number, at) for number, frame in enumerate(WHOLE.frames) for at in range(len(frame))]


def check(number: int, change: Callable[[bytes], bytes], at: int = -1, genuine: bool = False) -> None:
    """Change one frame. ``at`` is where, if it is one byte; with ``genuine`` the change begins with the frame itself."""
    told = converse(lambda count, frame: change(frame) if count == number else frame)
    # whatever was delivered was sent, in this order, from the first on
    assert told.to_server == CLIENT_SAYS[: len(told.to_server)]
    assert told.to_client == SERVER_SAYS[: len(told.to_client)]
    if told.ended or told.stuck:
        to_server, before = WHOLE.before[number]
        assert len(told.to_server if to_server else told.to_client) in range(before, before + 1 + genuine)
        return
    assert at == 0, "it was accepted"
    assert change(WHOLE.frames[number])[0] ^ WHOLE.frames[number][0] != LONG
    assert (told.to_server, told.to_client) == (CLIENT_SAYS, SERVER_SAYS)


def flip(at: int, bit: int) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:at] + bytes((frame[at] ^ 1 << bit,)) + frame[at + 1 :]


def test_the_conversation() -> None:
    assert not WHOLE.ended
    assert not WHOLE.stuck
    assert (WHOLE.to_server, WHOLE.to_client) == (CLIENT_SAYS, SERVER_SAYS)
    # HELLO, WELCOME, INITIATE, READY; 4 frames, 3 frames, PING, PONG; 2 frames, 2 frames, PING, PONG
    assert len(WHOLE.frames) == 4 + 4 + 3 + 2 + 2 + 2 + 2
    assert [len(frame) for frame in WHOLE.frames[:4]] == [202, 170, 301, 67]


@pytest.mark.deadline(600)  # 8 s; under coverage much more
def test_every_bit() -> None:
    for number, at in BYTES:
        for bit in range(8):
            check(number, flip(at, bit), at)


@pytest.mark.parametrize("to_server", [True, False])
def test_every_bit_of_the_greetings(to_server: bool) -> None:
    """Nothing protects them, and some of their bits mean nothing; but no change makes traffic that is not sealed."""
    outcomes = set()
    for at in range(64):
        for bit in range(8):
            client, server = curve_client(random=client_random()), curve_server(random=server_random())
            ended = not meet(client, server, to_server, at, bit)
            outcomes.add((ended, client.ready, server.ready))
            if ended or not (client.ready and server.ready):
                continue
            assert client.sealed
            assert server.sealed
            for source, target in ((client, server), (server, client)):
                data = b"".join(source.encode([b"hello"]))
                assert b"hello" not in data
                assert feed(target, [data], short=True).messages == [b"hello"]
    assert {(False, True, True), (True, False, False)} <= outcomes
    assert all(ended or client == server for ended, client, server in outcomes)


def meet(client: Connection, server: Connection, to_server: bool, at: int, bit: int) -> bool:
    """Let them shake hands; one bit of what goes one way is changed. False: a connection noticed."""
    passed = 0
    client.start()
    server.start()
    try:
        while True:
            said = {True: client.data_to_send(), False: server.data_to_send()}
            if not any(said.values()):
                return True
            data = said[to_server]
            if passed <= at < passed + len(data):
                said[to_server] = flip(at - passed, bit)(data)
            passed += len(data)
            client.receive_data(said[False])
            server.receive_data(said[True])
            if server.authenticating:
                server.authenticated("200")
    except RemoteProtocolError:
        return False


@pytest.mark.parametrize("heard", [0, 1])
@pytest.mark.parametrize("to_server", [True, False])
def test_every_bit_of_an_error(to_server: bool, heard: int) -> None:
    """In place of a command of the handshake; whatever becomes of it, it lets nobody in."""
    error = command_frame(make_error("400"))
    for at in range(-1, len(error)):
        for bit in range(8):
            client, server = curve_client(random=client_random()), curve_server(random=server_random())
            target = server if to_server else client
            target.start()
            target.receive_data(GREETING)
            if heard:
                # HELLO to the server, WELCOME to the client
                target.receive_data(WHOLE.frames[0 if to_server else 1])
            outcome = feed(target, [error if at < 0 else flip(at, bit)(error)], eof=True, status="200")
            assert outcome.error
            assert not target.ready


def test_the_short_way_takes_nothing_that_is_sealed() -> None:
    client, server = curve_pair()
    for source, target in ((client, server), (server, client)):
        data = b"".join(source.encode([b"hello"]))
        assert target.whole(data) is None
        assert target.whole(b"\0\5hello") is None, "nor what is not"
        assert feed(target, [data], short=True).messages == [b"hello"]


@pytest.mark.deadline(180)
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(BYTES), st.integers(0, 7)), min_size=1, max_size=4, unique=True))
def test_any_bits(places: list[tuple[tuple[int, int], int]]) -> None:
    def tamper(count: int, frame: bytes) -> bytes:
        for (number, at), bit in places:
            if number == count:
                frame = flip(at, bit)(frame)
        return frame

    told = converse(tamper)
    assert told.to_server == CLIENT_SAYS[: len(told.to_server)]
    assert told.to_client == SERVER_SAYS[: len(told.to_client)]
    assert told.ended or told.stuck or all(at == 0 for (_, at), _ in places)


@pytest.mark.deadline(180)
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BYTES), st.data())
def test_any_bytes_in_place_of_others(place: tuple[int, int], data: st.DataObject) -> None:
    number, at = place
    frame = WHOLE.frames[number]
    inside = max(at, 9 if frame[0] & LONG else 2)  # outer headers are the test above
    size = data.draw(st.integers(1, len(frame) - inside)) if inside < len(frame) else 0
    old = frame[inside : inside + size]
    new = data.draw(
        st.binary(min_size=size, max_size=size).filter(lambda drawn: drawn != old) if size else st.just(b"!")
    )
    check(number, lambda sent: sent[:inside] + new + sent[inside + size :])


@pytest.mark.parametrize("number", range(len(WHOLE.frames)))
def test_frames_sent_twice_cut_and_replaced_by_earlier_ones(number: int) -> None:
    check(number, lambda sent: sent + sent, genuine=True)
    check(number, lambda sent: sent[:-1])
    check(number, lambda sent: sent[: len(sent) // 2])
    for earlier in WHOLE.frames[:number]:
        check(number, lambda sent, earlier=earlier: earlier)  # type: ignore[misc]
