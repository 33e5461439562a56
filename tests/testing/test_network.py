"""The memory network: a transport like any other, each fault does what it says, and all in no wall time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import trizmq
from tests.runtime.helpers import meet, start, until
from trizmq.testing import MemoryNetwork, check_transport

pytestmark = pytest.mark.deadline(20)

PLACE = "tcp://server:5555"


# the autojump clock is an argument of each test: pytest-trio looks nowhere else for it
@pytest.fixture
def network() -> Iterator[MemoryNetwork]:
    network = MemoryNetwork()
    with network.host("client"):
        yield network


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://*:*", "tcp://far.example:80", "ipc://some/path"])
async def test_it_is_a_transport(network: MemoryNetwork, autojump_clock: MockClock, endpoint: str) -> None:
    await check_transport(endpoint)
    assert not network.connections()


async def test_it_is_a_transport_on_a_bad_day_too(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    network.delay(seconds=0.001)
    network.dribble(size=50_000)
    await check_transport("tcp://127.0.0.1:*")


async def test_it_is_a_transport_on_the_real_clock_too() -> None:
    with MemoryNetwork().host():
        await check_transport("tcp://127.0.0.1:*")


# ---- names


async def test_what_bind_returns(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull:
        assert await pull.bind("tcp://*:5555") == "tcp://client:5555"
        assert await pull.bind("tcp://*:*") == "tcp://client:49152"
        assert await pull.bind("tcp://127.0.0.1:*") == "tcp://127.0.0.1:49153"
        assert await pull.bind("tcp://other:*") == "tcp://other:49152"
        assert await pull.bind("ipc://*") == "ipc://memory-1"
        with pytest.raises(OSError, match=r"in use: cannot bind tcp://localhost:5555"):
            await pull.bind("tcp://localhost:5555")
        with pytest.raises(trizmq.EndpointError, match="port"):
            await pull.bind("tcp://server:x")
        with pytest.raises(trizmq.EndpointError, match="there are tcp, ipc, inproc"):
            await pull.bind("mem://x")


async def test_localhost_and_ipc_are_of_each_host(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    for endpoint in ("tcp://localhost:5555", "ipc://x"):
        with network.host("elsewhere"):
            async with trizmq.Pull() as far, trizmq.Pull() as near:
                await far.bind(endpoint)
                with network.host("client"):
                    async with trizmq.Push() as push, trizmq.Pull() as near:
                        await near.bind(endpoint)
                        push.connect(endpoint)
                        await push.send(b"x")
                        assert await near.recv() == b"x"
                        assert network.connections("client") == 1
                        assert not network.connections("elsewhere")


async def test_a_program_is_put_on_a_host_by_where_it_is_started(
    network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    async def serve(*, task_status: trio.TaskStatus[str]) -> None:
        async with trizmq.Context() as context, context.socket(trizmq.Rep) as rep:
            task_status.started(await rep.bind("tcp://*:5555"))
            async for request in rep:
                await rep.send(request)

    with network.host("server"):
        assert await nursery.start(serve) == PLACE
    async with trizmq.Req() as req:
        req.connect(PLACE)
        assert await req.request(b"x") == [b"x"]
        assert network.connections("client", "server") == 1
    nursery.cancel_scope.cancel()


async def test_outside_nothing_has_changed(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    with network.host("server"):
        async with trizmq.Pull() as pull:
            await pull.bind(PLACE)
    assert await _connects(PLACE) is False
    with pytest.raises(ValueError, match="not for a, b, c"):
        network.cut("a", "b", "c")


async def _connects(endpoint: str) -> bool:
    """Whether a connection can be made at once."""
    async with trizmq.Push() as push:
        events = push.events()
        push.connect(endpoint)
        async for event in events:
            if isinstance(event, trizmq.Connected | trizmq.ConnectRetried):
                return isinstance(event, trizmq.Connected)
    raise AssertionError("the events ended")


# ---- faults


async def test_cut_and_heal(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        events = push.events()
        network.cut("client", "server")
        await until(lambda: not push.statistics().peers[0].connected and not pull.statistics().peers)
        assert not network.connections()
        await push.send_many([b"1", b"2"])
        async for event in events:
            if isinstance(event, trizmq.ConnectRetried) and "server from client" in event.cause:
                break
        network.heal("client", "server")
        assert [await pull.recv(), await pull.recv()] == [b"1", b"2"]


async def test_a_cut_is_between_those_it_names(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as other, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        other.connect("tcp://third:0;server:5555")  # from a host named third
        await other.wait_connected()
        network.cut("client", "server")
        await until(lambda: not push.statistics().peers[0].connected)
        assert network.connections("third", "server") == network.connections() == 1
        await other.send(b"x")
        assert await pull.recv() == b"x"
        network.cut("server")
        await until(lambda: not other.statistics().peers[0].connected)
        network.heal("client", "server")
        assert not await _connects(PLACE)
        network.heal("server")
        assert await _connects(PLACE)


async def test_reset_ends_connections_and_no_more(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        for number in range(1000):
            network.reset()
            await push.send(b"%d" % number)
            assert await pull.recv() == b"%d" % number
        assert push.statistics().reconnects == 1000


async def test_stall_holds_back_and_tells_nobody(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        network.stall("server")
        await push.send(b"x")
        with trio.move_on_after(3600):
            await pull.receive()
            pytest.fail("it came through")
        assert push.statistics().reconnects == 0
        network.heal("server")
        assert await pull.recv() == b"x"


async def test_what_is_closed_during_a_stall_ends_after_it(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull:
        async with trizmq.Push(linger=0.0) as push:
            await meet(pull, push, PLACE)
            network.stall()
            await push.send(b"x")
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert len(pull.statistics().peers) == 1
        network.heal()
        assert await pull.recv() == b"x"
        await until(lambda: not pull.statistics().peers)


async def test_a_stalled_connection_fills_up(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push(send_hwm=3) as push:
        await meet(pull, push, PLACE)
        network.stall()
        sent = 0
        with trio.move_on_after(1):
            while True:
                await push.send(bytes(100_000))
                sent += 1
        assert 3 <= sent <= 6
        network.heal()
        for _ in range(sent):
            assert await pull.recv() == bytes(100_000)


async def test_refuse(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        network.refuse("server")
        assert not await _connects(PLACE)
        await push.send(b"open ones live on")
        assert await pull.recv() == b"open ones live on"
        network.heal()
        assert await _connects(PLACE)


@pytest.mark.parametrize("fault", ["silence", "stall"])
async def test_connecting_into_silence_takes_until_the_timeout(
    network: MemoryNetwork, autojump_clock: MockClock, fault: str
) -> None:
    async with trizmq.Pull() as pull, trizmq.Push(connect_timeout=7.0) as push:
        await pull.bind(PLACE)
        if fault == "stall":
            network.stall()
        else:
            network.refuse(silently=True)
        began = trio.current_time()
        events = push.events()
        push.connect(PLACE)
        async for event in events:
            if isinstance(event, trizmq.ConnectRetried):
                break
        assert trio.current_time() - began == 7.0
        network.heal()
        await push.wait_connected()


async def test_delay(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        network.delay("client", "server", seconds=3)
        network.delay("server", seconds=2)
        await rep.bind(PLACE)
        began = trio.current_time()
        req.connect(PLACE)
        await rep.wait_connected()
        assert trio.current_time() - began > 6
        await req.wait_connected()
        began = trio.current_time()
        await req.send(b"ping")
        assert await rep.recv() == b"ping"
        assert trio.current_time() - began == 3
        network.delay("client", "server", seconds=0)
        await rep.send(b"pong")
        assert await req.recv() == b"pong"
        assert trio.current_time() - began == 5
        network.heal()
        assert await _round_trip(req, rep) == 0


async def _round_trip(req: trizmq.Req, rep: trizmq.Rep) -> float:
    began = trio.current_time()
    await req.send(b"ping")
    await rep.send(await rep.receive())
    await req.receive()
    return trio.current_time() - began


async def test_a_shorter_delay_lets_nothing_overtake(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        network.delay(seconds=10)
        await push.send(b"1")
        await trio.testing.wait_all_tasks_blocked()
        network.heal()
        await push.send(b"2")
        assert [await pull.recv(), await pull.recv()] == [b"1", b"2"]


async def test_dribble(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    network.dribble("server", size=1)
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        await push.send([b"abc" * 1000, b"", b"d"])
        assert await pull.receive() == [b"abc" * 1000, b"", b"d"]


async def test_garble(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push, PLACE)
        network.garble(every=1000)
        await push.send(bytes(3000))
        garbled = await pull.recv()
        places = [at for at, byte in enumerate(garbled) if byte]
        assert len(places) == 3
        assert {later - earlier for earlier, later in pairwise(places)} == {1000}
        assert set(garbled) == {0, 0xFF}


async def test_a_garbled_handshake_fails_and_is_tried_again(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    network.garble(every=11)  # the version: then the mechanism, and so on
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await pull.bind(PLACE)
        events = push.events()
        push.connect(PLACE)
        async for event in events:
            if isinstance(event, trizmq.HandshakeFailed):
                break
        network.heal()
        await push.send(b"x")
        assert await pull.recv() == b"x"


@pytest.mark.parametrize("size", [0, -1])
def test_wrong_sizes(size: int) -> None:
    network = MemoryNetwork()
    with pytest.raises(ValueError, match=f"size={size}: at least 1"):
        network.dribble(size=size)
    with pytest.raises(ValueError, match=f"every={size}: at least 1"):
        network.garble(every=size)
    with pytest.raises(ValueError, match="seconds=-1: a delay is not negative"):
        network.delay(seconds=-1)


# ---- what it is for: long times in none


async def test_heartbeats_find_a_stall(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Dealer() as dealer, trizmq.Router(heartbeat_interval=60.0, heartbeat_timeout=120.0) as router:
        await meet(router, dealer, PLACE)
        with trio.move_on_after(3600):
            await router.receive()
        assert len(router.statistics().peers) == 1, "the peer answered"
        network.stall("client", "server")
        began, began_really = trio.current_time(), time.perf_counter()
        events = router.events()
        async for event in events:
            if isinstance(event, trizmq.Disconnected):
                assert "PING" in event.cause
                break
        assert 120 <= trio.current_time() - began <= 240
        assert time.perf_counter() - began_really < 5


async def test_backing_off_for_a_day(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull() as pull, trizmq.Push(reconnect_interval_max=600.0) as push:
        push.connect(PLACE)
        await push.send(b"x")
        with trio.move_on_after(86400):
            await push.wait_connected()
        await pull.bind(PLACE)
        began = trio.current_time()
        assert await pull.recv() == b"x"
        assert trio.current_time() - began <= 900


async def test_linger_ends(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    network.cut()
    push = trizmq.Push(linger=300.0)
    await push.__aenter__()
    push.connect(PLACE)
    await push.send(b"x")
    began = trio.current_time()
    await push.aclose()
    assert trio.current_time() - began == 300
    assert push.statistics().drops == {trizmq.DropReason.LINGER: 1}


async def test_a_handshake_that_never_ends(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with trizmq.Pull(handshake_timeout=60.0) as pull, trizmq.Push(handshake_timeout=1000.0) as push:
        push.connect_timeout = 1000.0
        await pull.bind(PLACE)
        events = pull.events()
        network.delay(seconds=45)
        push.connect(PLACE)
        async for event in events:
            if isinstance(event, trizmq.HandshakeFailed):
                assert "60 s" in event.cause
                break


async def test_the_same_again_is_the_same(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async def story() -> list[float]:
        times = []
        async with trizmq.Pull() as pull, trizmq.Push() as push:
            network.delay(seconds=0.3)
            await meet(pull, push, PLACE)
            began = trio.current_time()
            for number in range(20):
                await push.send(b"x" * number)
                await pull.receive()
                times.append(round(trio.current_time() - began, 6))
        network.heal()
        return times

    assert await story() == await story()


async def test_closing_wakes_and_breaks(
    network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Connections that nobody has accepted when the listening end closes are reset."""
    async with trizmq.Push(reconnect_interval=1000.0) as push:
        async with trizmq.Pull() as pull:
            await pull.bind(PLACE)
            receiving = await start(nursery, pull.receive)
            push.connect(PLACE)
        await until(lambda: receiving.done)
        assert isinstance(receiving.error, trio.ClosedResourceError)
        await until(lambda: not network.connections())
