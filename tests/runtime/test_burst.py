"""A publisher that holds messages back for a moment: nothing is lost, and nobody who looks can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import trizmq
from tests.runtime.helpers import STREAMS, TRANSPORTS, run_alone
from trizmq.testing import MemoryNetwork

pytestmark = pytest.mark.deadline(20)

COUNT = 3000


@pytest.fixture(params=["small", "large", "frames"])
def body(request: pytest.FixtureRequest) -> list[bytes]:
    return {"small": [b"x"], "large": [bytes(40_000)], "frames": [b"x", b"", b"y" * 300]}[request.param]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_subscriber_gets_everything_in_order(transport: str, body: list[bytes]) -> None:
    count = COUNT if len(body[0]) < 1000 else 300
    got: list[list[bytes]] = []

    async def subscriber(endpoint: str) -> None:
        async with trizmq.Sub(receive_hwm=50) as sub:
            sub.subscribe("n")
            sub.connect(endpoint)
            got.append([(await sub.receive())[0] for _ in range(count)])

    async with trizmq.Pub(xpub_nodrop=True, send_hwm=100) as pub, trio.open_nursery() as nursery:
        endpoint = await pub.bind(TRANSPORTS[transport])
        for _ in range(5):
            nursery.start_soon(subscriber, endpoint)
        await pub.wait_subscribed("n", 5)
        for number in range(count):
            await pub.send([b"n%d" % number, *body])
        await pub.wait_drained()
        assert transport == "inproc" or all(peer.outbound == 0 for peer in pub.peers())
    assert got == [[b"n%d" % number for number in range(count)]] * 5


@pytest.mark.parametrize("transport", STREAMS)
async def test_who_looks_sees_everything(transport: str) -> None:
    """Statistics, peers and drops are those of a publisher that holds nothing back."""
    async with trizmq.Pub(send_hwm=100) as pub, trizmq.Sub() as sub:
        sub.subscribe()
        sub.connect(await pub.bind(STREAMS[transport]))
        await pub.wait_subscribed()
        for number in range(1000):
            pub.send_nowait(b"%d" % number)
            if number == 50:
                statistics = pub.statistics()
                assert statistics.messages_sent + statistics.peers[0].outbound == 51
        statistics = pub.statistics()
        left = statistics.messages_sent + statistics.peers[0].outbound
        assert left + statistics.dropped == 1000
        assert 100 <= left <= 101, "and one may have been written at once"
        await pub.wait_drained()
        assert [await sub.recv() for _ in range(left)] == [b"%d" % number for number in range(left)]


async def test_an_option_that_is_set_meanwhile() -> None:
    async with trizmq.Pub(send_hwm=100) as pub, trizmq.Sub() as sub:
        sub.subscribe()
        sub.connect(await pub.bind("tcp://127.0.0.1:*"))
        await pub.wait_subscribed()
        for number in range(50):
            pub.send_nowait(b"%d" % number)
        pub.send_hwm = 10
        pub.send_nowait(b"too much")
        assert pub.statistics().dropped == 1
        assert [await sub.recv() for _ in range(50)] == [b"%d" % number for number in range(50)]


@pytest.fixture
def network() -> Iterator[MemoryNetwork]:
    network = MemoryNetwork()
    with network.host():
        yield network


@pytest.mark.parametrize("how", ["closed", "cut", "cancelled"])
async def test_the_end_comes_in_the_middle(network: MemoryNetwork, how: str, autojump_clock: MockClock) -> None:
    """What was held back is sent, or dropped and counted."""
    sub = trizmq.Sub()
    async with sub:
        with trio.CancelScope() as scope:
            async with trizmq.Pub(linger=0 if how == "closed" else 10) as pub:
                sub.subscribe()
                sub.connect(await pub.bind("tcp://server:1"))
                await pub.wait_subscribed()
                network.stall()
                for _ in range(3):
                    for _ in range(30):
                        pub.send_nowait(bytes(1000))
                    await trio.lowlevel.checkpoint()
                for _ in range(10):
                    pub.send_nowait(b"x")
                if how == "cut":
                    for peer in pub.peers():
                        pub.disconnect_peer(peer)
                    await pub.wait_connected(0)
                elif how == "cancelled":
                    scope.cancel()
    statistics = pub.statistics()
    assert statistics.messages_sent + statistics.dropped == 100


def test_who_looks_from_elsewhere_changes_nothing(tmp_path: Path) -> None:
    """A thread, or a child process, that looks at the statistics writes to no connection."""
    program = """
        import os, threading, trio, trizmq

        async def main():
            async with trizmq.Pub() as pub, trizmq.Sub() as sub:
                sub.subscribe()
                sub.connect(await pub.bind("tcp://127.0.0.1:*"))
                await pub.wait_subscribed()
                for number in range(10):
                    pub.send_nowait(b"%d" % number)
                thread = threading.Thread(target=pub.statistics)
                thread.start()
                thread.join()
                if (child := os.fork()) == 0:
                    pub.statistics()
                    os._exit(0)
                os.waitpid(child, 0)
                print([await sub.recv() for _ in range(10)] == [b"%d" % number for number in range(10)])
                with trio.move_on_after(0.05):
                    print(await sub.recv())

        trio.run(main)
    """
    assert run_alone(program).split() == ["True"]
