"""What is sealed is written in portions: none is lost or overtaken when a connection breaks between them."""

from __future__ import annotations

import pytest
import trio

import trizmq
from trizmq import auth
from trizmq.runtime.portions import portions

from .helpers import Relay

pytestmark = pytest.mark.deadline(20)


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([], [0]),
        ([1], [1]),
        ([1] * 1000, [1000]),
        ([100_000] * 5, [2, 2, 1]),
        ([200_000] * 3, [1, 1, 1]),
        ([131_072, 1], [1, 1]),
        ([131_071, 1, 1], [2, 1]),
    ],
)
def test_portions(sizes: list[int], counts: list[int]) -> None:
    batch: list[bytes | list[bytes]] = [bytes(size) for size in sizes]
    found = list(portions(batch, sealed=True))
    assert [len(portion) for portion, _ in found] == counts
    assert [message for portion, _ in found for message in portion] == batch
    assert [len(rest) for _, rest in found] == [sum(counts[at + 1 :]) for at in range(len(counts))]
    assert list(portions(batch, sealed=False)) == [(batch, [])]


async def test_cut_between_portions_they_keep_their_order(nursery: trio.Nursery) -> None:
    """What the system had accepted may be lost with a connection; nothing else is, nothing comes twice, or too early."""
    keys = auth.keygen()
    count = 60
    async with (
        trizmq.Pull(security=trizmq.CurveServer(keys.secret, authenticator=auth.allow_any)) as pull,
        trizmq.Push(
            security=trizmq.CurveClient(server_key=keys.public), reconnect_interval=0.01, send_buffer=16_384
        ) as push,
    ):
        relay = Relay(await pull.bind("tcp://127.0.0.1:*"), iter([150_000, 400_000, 1_000_000]))
        await nursery.start(relay.run)
        push.connect(relay.endpoint)
        await push.send_many([b"%d " % number + bytes(50_000) for number in range(count)])
        await push.send(b"%d" % count)
        numbers: list[int] = []
        while not numbers or numbers[-1] < count:
            numbers.append(int((await pull.recv()).split()[0].rstrip(b"\0")))
        assert relay.connections == 4
        assert numbers == sorted(set(numbers))
        sent = push.statistics().messages_sent
        assert sent == count + 1
        assert len(numbers) >= count // 2
    nursery.cancel_scope.cancel()
