"""A socket that sends thick and fast to many peers holds messages back for a moment: nothing is lost, nothing waits long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import STREAMS, fill, raw_connection, until
from trizmq import auth
from trizmq.runtime import engine, sweep
from trizmq.runtime.checkpoints import checkpoint

pytestmark = pytest.mark.deadline(20)

PEERS = 20
each_stream = pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)


def begin_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are held back from the second batch on, however slow this machine is, and go out in time only."""
    monkeypatch.setattr(sweep, "_MANY", 2)
    monkeypatch.setattr(sweep, "_QUICK", 1000.0)
    monkeypatch.setattr(sweep, "_SLOW", 1000.0)
    monkeypatch.setattr(sweep, "_ENOUGH", 1_000_000)


@pytest.fixture(params=["at once", "as it is", "for ever"])
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How long messages are held back while more follow; but for the second, holding begins with the second batch."""
    if request.param != "as it is":
        begin_at_once(monkeypatch)
        monkeypatch.setattr(sweep, "_PATIENCE", 0.0 if request.param == "at once" else 1000.0)
    return str(request.param)


@asynccontextmanager
async def pulls(
    push: trizmq.Push, endpoint: str, count: int = PEERS, receive_hwm: int = 1000
) -> AsyncIterator[list[trizmq.Pull]]:
    """So many workers; the first connects first."""
    async with AsyncExitStack() as stack:
        bound = await push.bind(endpoint)
        found = []
        for number in range(count):
            found.append(await stack.enter_async_context(trizmq.Pull(receive_hwm=receive_hwm)))
            found[-1].connect(bound)
            await push.wait_connected(number + 1)
        yield found


@each_stream
@pytest.mark.parametrize("size", [1, 300, 40_000])
async def test_all_arrives_in_strict_rotation(endpoint: str, size: int, patience: str) -> None:
    count = 200 if size < 1000 else 20
    got: list[list[bytes]] = [[]] * PEERS

    async def work(number: int, pull: trizmq.Pull) -> None:
        got[number] = [(await pull.recv()).rstrip(b"\0") for _ in range(count)]

    async with trizmq.Push() as push, pulls(push, endpoint) as workers, trio.open_nursery() as nursery:
        for number, pull in enumerate(workers):
            nursery.start_soon(work, number, pull)
        for number in range(count * PEERS):
            await push.send(b"%d" % number + bytes(size))
        await push.wait_drained()
    assert got == [[b"%d" % number for number in range(first, count * PEERS, PEERS)] for first in range(PEERS)]


async def test_batches_grow(patience: str) -> None:
    """While more follow, what is sent waits in the queues, and goes out when nothing follows."""
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*") as workers:
        for _ in range(50 * PEERS):
            await push.send(b"x")
        waiting = sum(peer.outbound for peer in push.peers())
        if patience == "for ever":
            assert waiting >= 50 * PEERS - 2, "the first batch was written at once"
        with trio.fail_after(5):
            await push.wait_drained()
        for pull in workers:
            with trio.fail_after(5):
                assert len([await pull.recv() for _ in range(50)]) == 50


async def test_a_lone_message_is_written_at_once_again(patience: str) -> None:
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*"):
        for _ in range(20 * PEERS):
            await push.send(b"x")
        await push.wait_drained()
        await trio.testing.wait_all_tasks_blocked(0.01)
        before = push.statistics().messages_sent
        push.send_nowait(b"y")
        assert push.statistics().messages_sent == before + 1


async def test_no_message_waits_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of our own: the sender never pauses, and what was sent first goes out when its time has come."""
    now = 100.0
    for module in (engine, sweep):
        monkeypatch.setattr(module, "perf_counter", lambda: now)
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*", PEERS):

        async def one_pass() -> None:
            for _ in range(PEERS):
                push.send_nowait(b"x")
            await checkpoint()

        for _ in range(10):
            await one_pass()
        held = push.statistics().messages_sent
        for _ in range(10):
            await one_pass()
        assert push.statistics().messages_sent == held, "nothing while its time has not come"
        now += sweep._PATIENCE
        for _ in range(3):  # tasks take turns in any order
            await one_pass()
        assert push.statistics().messages_sent >= 20 * PEERS


async def test_what_is_enough_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_PATIENCE", 1000.0)
    monkeypatch.setattr(sweep, "_SLOW", 1000.0)
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*"):
        for _ in range(sweep._ENOUGH + 10):
            for _ in range(PEERS):
                push.send_nowait(b"x")
            await checkpoint()
        assert push.statistics().messages_sent >= sweep._ENOUGH * PEERS


async def test_each_peer_stands_in_the_queue_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of its batches were written meanwhile, because its queue was full."""
    begin_at_once(monkeypatch)
    monkeypatch.setattr(sweep, "_PATIENCE", 1000.0)
    async with trizmq.Push(send_hwm=1) as push, pulls(push, "tcp://127.0.0.1:*"):
        for _ in range(100):
            for _ in range(PEERS):
                push.send_nowait(b"x")
            await checkpoint()
            assert len(push._core.sweep.waiting) <= PEERS
        assert push._core.sweep.holding


async def test_long_passes_are_caught_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many peers are written to as messages were sent since the last pass, if that is more than usual."""
    monkeypatch.setattr(sweep, "_MOST_AT_ONCE", 1)
    monkeypatch.setattr(sweep, "_PATIENCE", 0.0)
    monkeypatch.setattr(sweep, "_SLOW", 1000.0)
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*"):
        for number in range(1, 51):
            for _ in range(PEERS):
                push.send_nowait(b"x")
            await checkpoint()
            assert push.statistics().messages_sent >= (number - 2) * PEERS, "tasks take turns in any order"


async def test_the_mark_holds(patience: str) -> None:
    """A full queue is written before anything is refused, and refuses only what the system does not take."""
    async with trizmq.Push(send_hwm=3) as push, pulls(push, "tcp://127.0.0.1:*", receive_hwm=1000) as workers:
        for _ in range(100 * PEERS):
            push.send_nowait(b"x")
            assert all(peer.outbound <= 3 for peer in push.peers())
            await checkpoint()
        for pull in workers:
            with trio.fail_after(5):
                assert len([await pull.recv() for _ in range(100)]) == 100


async def test_full_peers_stop_the_sender(patience: str) -> None:
    """And only what the system has taken goes beyond the marks. Then all go on, and nothing is lost."""
    body = bytes(100_000)
    async with trizmq.Push(send_hwm=2) as push, pulls(push, "tcp://127.0.0.1:*", 3, receive_hwm=1) as workers:
        sent = await fill(push, body)
        assert all(peer.outbound == 2 for peer in push.peers())
        got = 0

        async def work(pull: trizmq.Pull) -> None:
            nonlocal got
            async for message in pull:
                assert message == [body]
                got += 1

        async with trio.open_nursery() as nursery:
            for pull in workers:
                nursery.start_soon(work, pull)
            await until(lambda: got == sent)
            nursery.cancel_scope.cancel()


async def test_a_busy_peer_costs_a_router_nothing(patience: str) -> None:
    """Its queue is written when it is full, whoever has waited longer. Nothing is dropped that the system would take."""
    async with trizmq.Router(send_hwm=10) as router, AsyncExitStack() as stack:
        bound = await router.bind("tcp://127.0.0.1:*")
        dealers = []
        for number in range(5):
            dealer = trizmq.Dealer(routing_id=b"%d" % number)
            dealers.append(await stack.enter_async_context(dealer))
            dealer.connect(bound)
        await router.wait_connected(5)
        for number in range(5):
            router.send_nowait([b"%d" % number, b"first"])
        for number in range(1000):
            await router.send([b"4", b"%d" % number])
        assert router.statistics().dropped == 0 or patience == "as it is", "before it begins, the mark stands alone"
        if patience == "as it is":
            return
        with trio.fail_after(5):
            assert [await dealer.recv() for dealer in dealers] == [b"first"] * 5
            assert [await dealers[4].recv() for _ in range(1000)] == [b"%d" % number for number in range(1000)]


@pytest.mark.parametrize("under_way", [1, 2, 10])
async def test_who_waits_for_answers_gets_them(under_way: int, patience: str) -> None:
    """Also while others keep the server busy, and however long messages are held back otherwise."""
    done = 0
    all_done = trio.Event()

    async def ask(dealer: trizmq.Dealer) -> None:
        nonlocal done
        for _ in range(under_way):
            await dealer.send(b"x")
        for _ in range(300):
            await dealer.recv()
            await dealer.send(b"x")
        done += 1
        if done == PEERS:
            all_done.set()
        while True:  # go on, so that the server does not come to rest before all are done
            await dealer.recv()
            await dealer.send(b"x")

    async with trizmq.Router() as router, AsyncExitStack() as stack, trio.open_nursery() as nursery:
        bound = await router.bind("tcp://127.0.0.1:*")

        async def serve() -> None:
            async for message in router:
                await router.send(message)

        nursery.start_soon(serve)
        for _ in range(PEERS):
            dealer = await stack.enter_async_context(trizmq.Dealer())
            dealer.connect(bound)
            nursery.start_soon(ask, dealer)
        with trio.fail_after(15):
            await all_done.wait()
        nursery.cancel_scope.cancel()


async def test_one_who_waits_is_answered_while_others_only_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server never pauses, so only the answer that is due is written."""
    begin_at_once(monkeypatch)
    monkeypatch.setattr(sweep, "_PATIENCE", 1000.0)
    async with trizmq.Router() as router, AsyncExitStack() as stack:
        bound = await router.bind("tcp://127.0.0.1:*")
        for number in range(PEERS):
            dealer = await stack.enter_async_context(trizmq.Dealer(routing_id=b"%d" % number, receive_hwm=0))
            dealer.connect(bound)
        asking = await stack.enter_async_context(trizmq.Dealer(routing_id=b"asking"))
        asking.connect(bound)
        await router.wait_connected(PEERS + 1)

        async def one_pass() -> None:
            for number in range(PEERS):
                router.send_nowait([b"%d" % number, b"news"])
            await checkpoint()

        for _ in range(10):
            await one_pass()
        sent = router.statistics().messages_sent
        for _ in range(3):
            for _ in range(2):
                asking.send_nowait(b"?")
            for _ in range(2):
                while not router.readable:
                    await one_pass()
                router.send_nowait([router.receive_nowait()[0], b"!"])
                await one_pass()
            answers = 0
            while answers < 2:
                if asking.readable:
                    assert asking.receive_nowait() == [b"!"]
                    answers += 1
                await one_pass()
        assert router.statistics().messages_sent == sent + 6


@pytest.mark.parametrize("how", ["closed", "no linger", "cancelled"])
async def test_the_end_comes_in_the_middle(how: str, patience: str) -> None:
    """What is held back is sent, or dropped and counted."""
    count = 30 * PEERS
    with trio.CancelScope() as scope:
        async with trizmq.Push(linger=0 if how == "no linger" else 10) as push:
            async with pulls(push, "tcp://127.0.0.1:*") as workers:
                for _ in range(count):
                    await push.send(b"x")
                if how == "cancelled":
                    scope.cancel()
                await push.aclose()
                assert how != "cancelled"
                if how == "closed":
                    for pull in workers:
                        with trio.fail_after(5):
                            assert len([await pull.recv() for _ in range(30)]) == 30
    statistics = push.statistics()
    assert statistics.messages_sent + statistics.dropped == count
    if how == "closed":
        assert statistics.dropped == 0


async def test_a_queue_survives_its_connection(patience: str) -> None:
    """What was held back for a connection that is lost goes out on the next one, before all that is sent later."""
    async with trizmq.Push(reconnect_interval=0.01) as push, AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(trizmq.Pull()) for _ in range(5)]
        for pull in workers:
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
        await push.wait_connected(5)
        for round_ in range(20):
            for _ in range(5):
                push.send_nowait(b"%d" % round_)
        await checkpoint()
        push.disconnect_peer(push.peers()[0])
        await until(lambda: push.peers()[0].connections == 2 and push.peers()[0].connected)
        await push.wait_drained()
        for pull in workers:
            with trio.fail_after(5):
                assert [await pull.recv() for _ in range(20)] == [b"%d" % round_ for round_ in range(20)]


async def test_a_peer_that_breaks_its_connection(patience: str) -> None:
    """It costs what was sent to it, counted, and the others nothing."""
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*", 3) as workers:
        [endpoint] = push.endpoints()
        async with raw_connection(endpoint.endpoint) as peer:
            await peer.shake_hands("PULL")
            await push.wait_connected(4)
            for _ in range(80):
                push.send_nowait(b"x")
        for _ in range(80):
            await push.send(b"x")
        await push.wait_connected(3)
        await push.wait_drained()
        statistics = push.statistics()
        assert statistics.messages_sent + statistics.dropped == 160
        for pull in workers:
            with trio.fail_after(5):
                assert len([await pull.recv() for _ in range(40)]) == 40


async def test_a_limit_in_bytes(patience: str) -> None:
    async with trizmq.Push(send_hwm_bytes=100_000) as push, pulls(push, "tcp://127.0.0.1:*", 3) as workers:
        for _ in range(300):
            await push.send(b"x")
        for pull in workers:
            with trio.fail_after(5):
                assert len([await pull.recv() for _ in range(100)]) == 100


async def test_an_option_that_is_set_meanwhile(patience: str) -> None:
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*", 3) as workers:
        for _ in range(150):
            push.send_nowait(b"x")
        push.send_hwm_bytes = 1000
        for _ in range(150):
            await push.send(b"x")
        for pull in workers:
            with trio.fail_after(5):
                assert len([await pull.recv() for _ in range(100)]) == 100


async def test_sealed(patience: str) -> None:
    """What is sealed is left to the writers."""
    pytest.importorskip("nacl")
    server, client = auth.keygen(), auth.keygen()
    async with (
        trizmq.Push(security=trizmq.CurveServer(server.secret, authenticator=auth.allow_any)) as push,
        AsyncExitStack() as stack,
    ):
        bound = await push.bind("tcp://127.0.0.1:*")
        workers = []
        for _ in range(3):
            pull = trizmq.Pull(security=trizmq.CurveClient(server_key=server.public, secret_key=client.secret))
            workers.append(await stack.enter_async_context(pull))
            pull.connect(bound)
        await push.wait_connected(3)
        for number in range(300):
            await push.send(b"%d" % number)
        for pull in workers:
            with trio.fail_after(5):
                got = [int(await pull.recv()) for _ in range(100)]
            assert got == list(range(got[0], 300, 3))


async def test_cancelled_sends(patience: str) -> None:
    """A send that is cancelled has queued nothing, and what was queued before it arrives."""
    sent = 0
    async with trizmq.Push() as push, pulls(push, "tcp://127.0.0.1:*", 5) as workers:
        for _ in range(200):
            with trio.move_on_after(0.0002):
                while True:
                    await push.send(b"x")
                    sent += 1
        await push.wait_drained()
        assert push.statistics().messages_sent == sent
        got = 0

        async def work(pull: trizmq.Pull) -> None:
            nonlocal got
            async for _ in pull:
                got += 1

        async with trio.open_nursery() as nursery:
            for pull in workers:
                nursery.start_soon(work, pull)
            await until(lambda: got >= sent)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
        assert got == sent
