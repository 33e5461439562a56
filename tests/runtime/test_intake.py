"""What one pass of the reader takes in: large frames to the last byte, within bounds, however they come."""

from __future__ import annotations

import pytest
import trio

import trizmq
from tests.wire.harness import pair
from tests.wire.secure import S_SECRET, S, curve_pair
from trizmq import auth
from trizmq.runtime.intake import take_in
from trizmq.wire.connection import Connection

from .helpers import frame, raw_connection

pytestmark = pytest.mark.deadline(20)

KIB = 1 << 10
MIB = 1 << 20


class Chunks:
    """A link from which reads give what is next of these; None where one would wait, empty at the end."""

    def __init__(self, *chunks: bytes | None) -> None:
        self.chunks = list(chunks)
        self.calls: list[str] = []

    def receive_now(self, max_bytes: int) -> bytes | None:
        self.calls.append("now")
        return self.chunks.pop(0)

    def receive_into(self, space: memoryview) -> tuple[int, bytes] | None:
        self.calls.append("into")
        if (chunk := self.chunks.pop(0)) is None:
            return None
        count = min(len(chunk), len(space))
        space[:count] = chunk[:count]
        return count, chunk[count:]


def take(link: Chunks, connection: Connection, *, room: bool = True) -> tuple[bool, list[object], int]:
    """Whether it goes on, the messages, the bytes that were noted."""
    messages: list[object] = []
    noted: list[int] = []

    def deliver() -> bool:
        messages.extend(connection.next_batch(10))
        return room

    goes_on = take_in(link, connection, noted.append, deliver)  # type: ignore[arg-type]
    messages += connection.next_batch(10)
    return goes_on, messages, sum(noted)


def begun(size: int) -> tuple[Connection, bytes, bytes]:
    """A connection that has seen how a frame of this size begins, the rest of it, and the same frame whole."""
    sender, receiver = pair("PUSH", "PULL")
    data = b"".join(sender.encode([b"x" * size]))
    receiver.receive_data(data[: 64 * KIB])
    assert receiver.next_batch(1) == []
    return receiver, data[64 * KIB :], data


def test_small_messages_are_read_once() -> None:
    sender, receiver = pair("PUSH", "PULL")
    (data,) = sender.encode([b"a", b"b"])
    link = Chunks(data, b"more")
    assert take(link, receiver) == (True, [b"a", b"b"], len(data))
    assert take(Chunks(None), receiver) == (True, [], 0)
    assert take(Chunks(b""), receiver) == (False, [], 0)
    assert link.calls == ["now"]


def test_a_large_frame_is_read_while_there_is_some() -> None:
    receiver, rest, _ = begun(200 * KIB)
    link = Chunks(rest[:1000], rest[1000:2000], None, rest[2000:], None)
    assert take(link, receiver) == (True, [], 2000)
    assert take(link, receiver) == (True, [b"x" * (200 * KIB)], len(rest) - 2000)
    assert link.calls == ["into", "into", "into", "into", "now"]


def test_the_end_within_a_large_frame() -> None:
    receiver, rest, _ = begun(200 * KIB)
    assert take(Chunks(rest[:1000], b""), receiver) == (False, [], 1000)


def test_what_is_behind_a_large_frame() -> None:
    receiver, rest, data = begun(200 * KIB)
    link = Chunks(rest + data[:100], data[100:], None)
    assert take(link, receiver) == (True, [b"x" * (200 * KIB)] * 2, len(rest) + len(data))
    assert link.calls == ["into", "into", "now"]


def test_it_stops_where_there_is_no_room() -> None:
    receiver, rest, data = begun(200 * KIB)
    link = Chunks(rest + data[:100], data[100:])
    assert take(link, receiver, room=False) == (True, [b"x" * (200 * KIB)], len(rest) + 100)
    assert link.calls == ["into"]


@pytest.mark.parametrize(("sealed", "most"), [(False, MIB), (True, 256 * KIB)])
def test_no_more_is_read_at_once_than_in_one_large_read(sealed: bool, most: int) -> None:
    sender, receiver = curve_pair() if sealed else pair("PUSH", "PULL")
    data = b"".join(sender.encode([b"x" * (100 * KIB)] * 50))
    receiver.receive_data(data[: 64 * KIB])
    assert receiver.next_batch(1) == []
    parts = [data[at : at + 10 * KIB] for at in range(64 * KIB, len(data), 10 * KIB)]
    _, messages, noted = take(Chunks(*parts), receiver)
    assert most <= noted <= most + 11 * KIB
    assert len(messages) == (64 * KIB + noted) // (100 * KIB)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
@pytest.mark.parametrize("secure", [False, True])
async def test_all_sizes_arrive_as_they_were(endpoint: str, secure: bool) -> None:
    server = trizmq.CurveServer(S_SECRET, authenticator=auth.allow_any) if secure else None
    client = trizmq.CurveClient(server_key=S) if secure else None
    steps = (size + more for size in (16 * KIB, 64 * KIB, 300 * KIB, MIB) for more in (-9, 0, 1))
    sizes = [0, 1, 255, 256, *steps, 5 * MIB]
    sent = [bytes([number + 1]) * size for number, size in enumerate(sizes)] * 2
    async with trizmq.Pull(security=server) as pull, trizmq.Push(security=client) as push:
        push.connect(await pull.bind(endpoint))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.send_many, sent)
            for message in sent:
                assert await pull.receive() == [message]


async def test_a_peer_that_goes_within_a_large_frame() -> None:
    """What it had sent whole is there, the rest is not, and the next peer is served."""
    async with trizmq.Pull() as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as peer:
            await peer.shake_hands("PUSH")
            whole = frame(bytes(MIB))
            await peer.stream.send_all(whole + whole[: MIB // 2])
            assert await pull.receive() == [bytes(MIB)]
        async with trizmq.Push() as push:
            push.connect(endpoint)
            await push.send(b"x" * MIB)
            assert await pull.receive() == [b"x" * MIB]
