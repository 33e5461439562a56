"""Closing: bounded, complete within linger, at once when told so, and nobody is left waiting (design, promises 2 and 3)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

import trizmq
from trizmq import DropReason

from .helpers import NOBODY, STREAMS, TRANSPORTS, meet, raw_connection, raw_listener, start, task_names, until

pytestmark = pytest.mark.deadline(20)

SOCKET_TYPES = [
    trizmq.Pair, trizmq.Req, trizmq.Rep, trizmq.Dealer, trizmq.Router, trizmq.Pub, trizmq.Sub,
    trizmq.XPub, trizmq.XSub, trizmq.Push, trizmq.Pull, trizmq.Stream,
]  # fmt: skip


@pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_close_delivers_what_is_queued(endpoint: str) -> None:
    async with trizmq.Pull(receive_hwm=10) as pull:
        push = trizmq.Push()
        async with push:
            await meet(pull, push, endpoint)
            await push.send_many([b"%d" % number for number in range(1000)])
        assert push.closed
        assert push.statistics().messages_sent == 1000
        assert push.statistics().dropped == 0
        assert [await pull.recv() for _ in range(1000)] == [b"%d" % number for number in range(1000)]


async def test_close_waits_for_a_peer_that_comes_late(autojump_clock: trio.testing.MockClock) -> None:
    """Connected to nobody yet: within linger somebody may still come."""
    push = trizmq.Push(linger=60)
    async with raw_listener() as listener, trio.open_nursery() as nursery:
        await listener.aclose()
        async with push:
            push.connect(listener.endpoint)
            await push.send(b"patience")
            closing = await start(nursery, push.aclose)
            assert not closing.done
            async with trizmq.Pull() as pull:
                await pull.bind(listener.endpoint)
                assert await pull.recv() == b"patience"
            await until(lambda: closing.done)
    assert push.statistics().dropped == 0


@pytest.mark.parametrize("linger", [0, 0.5, 5])
async def test_linger_expires(
    linger: float, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """After linger seconds what is queued is dropped, counted, and told in the log; nobody waits for ever (libzmq does)."""
    push = trizmq.Push(linger=linger)
    before = trio.current_time()
    async with push:
        push.connect(NOBODY)
        await push.send_many([b"1", b"2", b"3"])
    assert trio.current_time() - before == pytest.approx(linger, abs=0.1)
    assert push.statistics().drops == {DropReason.LINGER: 3}
    assert "3 messages" in caplog.text


async def test_a_close_that_waits_says_so(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with trizmq.Push(linger=5) as push:
        push.connect(NOBODY)
        await push.send(b"1")
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("waiting" in text and NOBODY in text and "linger" in text for text in texts), texts


async def test_linger_without_limit_can_be_cut(autojump_clock: trio.testing.MockClock) -> None:
    push = trizmq.Push(linger=math.inf)
    with trio.move_on_after(1000) as scope:
        async with push:
            push.connect(NOBODY)
            await push.send(b"1")
    assert scope.cancelled_caught
    assert trio.current_time() >= 1000
    assert push.closed
    assert push.statistics().drops == {DropReason.LINGER: 1}
    assert task_names() == []


async def test_close_counts_exactly_what_the_system_did_not_get() -> None:
    """A reader that stops: what arrived and what was dropped make up all that was sent."""
    async with raw_listener() as listener, trizmq.Push(linger=0.1, send_hwm=0) as push:
        push.connect(listener.endpoint)
        peer = await listener.accept()
        await peer.shake_hands("PULL")
        await push.send_many([bytes(10_000)] * 2000)
        await push.aclose()
        arrived = len(await peer.read_messages_to_end())
        assert arrived < 2000, "the system took everything: the test is void"
        statistics = push.statistics()
        assert statistics.messages_sent == arrived
        assert statistics.drops == {DropReason.LINGER: 2000 - arrived}


@pytest.mark.parametrize("kind", SOCKET_TYPES)
async def test_close_twice(kind: type[trizmq.Socket]) -> None:
    async with kind() as socket:
        await socket.bind("tcp://127.0.0.1:*")
        socket.connect(NOBODY)
        await socket.aclose()
        await socket.aclose()
        assert socket.closed
    await socket.aclose()
    assert task_names() == []


async def test_close_before_opening() -> None:
    await trizmq.Push().aclose()


async def test_two_tasks_close_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with trizmq.Push(linger=5) as push:
        push.connect(NOBODY)
        await push.send(b"1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.aclose)
            nursery.start_soon(push.aclose)
    assert push.statistics().drops == {DropReason.LINGER: 1}


async def test_close_is_a_checkpoint() -> None:
    async with trizmq.Push() as push:
        with trio.testing.assert_checkpoints():
            await push.aclose()
        with trio.testing.assert_checkpoints():
            await push.aclose()


async def test_close_cancelled_closes_at_once() -> None:
    async with trizmq.Push(linger=1000) as push:
        await push.bind("ipc://*")
        push.connect(NOBODY)
        await push.send(b"1")
        with trio.CancelScope() as scope:
            scope.cancel()
            await push.aclose()
        assert scope.cancelled_caught
        assert push.closed
        assert task_names() == []
        assert push.statistics().drops == {DropReason.LINGER: 1}


async def test_aclose_forcefully() -> None:
    async with trizmq.Push(linger=1000) as push:
        push.connect(NOBODY)
        await push.send(b"1")
        await trio.aclose_forcefully(push)
        assert push.closed
        assert push.statistics().drops == {DropReason.LINGER: 1}


async def test_close_is_quick_at_our_own_high_water_mark() -> None:
    """Both have sent more than the other has read; the one that closes is done as soon as the other has everything."""
    async with trizmq.Pair(receive_hwm=1, send_hwm=0) as other:
        closer = trizmq.Pair(receive_hwm=1, send_hwm=0, linger=10)
        async with closer:
            await meet(other, closer)
            await other.send_many([bytes(10_000)] * 1000)
            await closer.send_many([bytes(10_000)] * 1000)
            async with trio.open_nursery() as nursery:
                closing = await start(nursery, closer.aclose)
                before = time.perf_counter()
                received = 0
                while received < 1000:
                    await other.receive()
                    received += 1
                await until(lambda: closing.done)
                assert time.perf_counter() - before < 5
    assert set(closer.statistics().drops) == {DropReason.UNREAD}


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_close_against_a_peer_that_never_closes(endpoint: str) -> None:
    """The peer has everything but does not close its side: there is no need to wait for it, as far as the system tells."""
    async with trizmq.Push(linger=10) as push:
        bound = await push.bind(endpoint)
        async with raw_connection(bound) as peer:
            await peer.shake_hands("PULL")
            await push.send(b"1")
            assert await peer.read_message() == [b"1"]
            before = time.perf_counter()
            await push.aclose()
            assert time.perf_counter() - before < 5


async def test_disconnect_then_close(autojump_clock: trio.testing.MockClock) -> None:
    """A disconnect that still lingers is no reason for an error when the socket is closed."""
    push = trizmq.Push(linger=3)
    async with push:
        push.connect(NOBODY)
        await push.send(b"1")
        push.disconnect(NOBODY)
    assert push.statistics().drops == {DropReason.LINGER: 1}


async def test_disconnect_lingers() -> None:
    """What is queued goes out although a part of it is on its way already, and although there is unread input."""
    async with trizmq.Pair(receive_hwm=1, send_hwm=0) as other, trizmq.Pair(receive_hwm=1, send_hwm=0) as leaver:
        endpoint = await meet(other, leaver)
        await other.send_many([bytes(10_000)] * 1000)
        await leaver.send_many([b"%d" % number + bytes(10_000) for number in range(1000)])
        leaver.disconnect(endpoint)
        for number in range(1000):
            with trio.fail_after(5):
                assert (await other.recv()).rstrip(b"\0") == b"%d" % number
        assert leaver.statistics().dropped == 0


async def test_disconnect_finishes_a_message_written_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from trizmq.transports.sockets import SocketLink

    original = SocketLink.send_now
    monkeypatch.setattr(SocketLink, "send_now", lambda link, buffer: original(link, memoryview(buffer)[:5]))
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        endpoint = await meet(pull, push)
        await trio.testing.wait_all_tasks_blocked(0.001)
        await push.send(b"hello world")
        push.disconnect(endpoint)
        with trio.fail_after(2):
            assert await pull.recv() == b"hello world"


async def test_close_does_not_wait_for_a_bind_that_resolves_a_name() -> None:
    class Slow(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args: object, **options: object) -> list[object]:  # type: ignore[override]
            await trio.sleep_forever()
            raise AssertionError

        async def getnameinfo(self, *args: object) -> tuple[str, str]:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Slow())
    async with trizmq.Pull(linger=0) as pull, trio.open_nursery() as nursery:
        binding = await start(nursery, pull.bind, "tcp://slow.example:5555")
        with trio.move_on_after(2) as scope:
            await pull.aclose()
        hung = scope.cancelled_caught
        nursery.cancel_scope.cancel()
    assert not hung
    assert isinstance(binding.error, trio.ClosedResourceError)


# ---- who waits is woken

Wait = Callable[[trizmq.Socket], Awaitable[object]]
WAITS: dict[str, tuple[type[trizmq.Socket], Wait]] = {
    "send": (trizmq.Push, lambda push: push.send(b"x")),  # type: ignore[attr-defined]
    "send_many": (trizmq.Push, lambda push: push.send_many([b"x"])),  # type: ignore[attr-defined]
    "receive": (trizmq.Pull, lambda pull: pull.receive()),  # type: ignore[attr-defined]
    "receive_many": (trizmq.Pull, lambda pull: pull.receive_many()),  # type: ignore[attr-defined]
    "recv": (trizmq.Pull, lambda pull: pull.recv()),  # type: ignore[attr-defined]
    "async for": (trizmq.Pull, lambda pull: pull.__anext__()),  # type: ignore[attr-defined]
    "request without a peer": (trizmq.Req, lambda req: req.request(b"x")),  # type: ignore[attr-defined]
    "wait_readable": (trizmq.Pull, lambda pull: pull.wait_readable()),  # type: ignore[attr-defined]
    "wait_writable": (trizmq.Push, lambda push: push.wait_writable()),  # type: ignore[attr-defined]
    "wait_connected": (trizmq.Pull, lambda pull: pull.wait_connected()),
    "wait_subscribed": (trizmq.Pub, lambda pub: pub.wait_subscribed(b"")),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("forcefully", [False, True])
@pytest.mark.parametrize("verb", WAITS)
async def test_close_wakes(verb: str, forcefully: bool, nursery: trio.Nursery) -> None:
    kind, wait = WAITS[verb]
    async with kind() as socket:
        await socket.bind("tcp://127.0.0.1:*")
        running = [await start(nursery, wait, socket) for _ in range(1 if kind is trizmq.Req else 3)]
        assert not any(one.done for one in running)
        close = trio.aclose_forcefully if forcefully else trizmq.Socket.aclose
        await close(socket)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(one.error) for one in running] == [trio.ClosedResourceError] * len(running)
        assert type(socket).__name__ in str(running[0].error)


async def test_close_wakes_a_request_that_waits_for_its_reply(nursery: trio.Nursery) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req)
        running = await start(nursery, req.request, b"x")
        assert await rep.recv() == b"x"
        await req.aclose()
        await until(lambda: running.done)
        assert type(running.error) is trio.ClosedResourceError


async def test_close_wakes_wait_drained(nursery: trio.Nursery) -> None:
    async with trizmq.Push(linger=0) as push:
        push.connect(NOBODY)
        await push.send(b"x")
        running = await start(nursery, push.wait_drained)
        await push.aclose()
        await until(lambda: running.done)
        assert type(running.error) is trio.ClosedResourceError


async def test_close_wakes_a_send_at_the_high_water_mark(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The message that waited was not queued: it is not counted either."""
    async with trizmq.Push(linger=1, send_hwm=2) as push:
        push.connect(NOBODY)
        await push.send_many([b"1", b"2"])
        running = await start(nursery, push.send, b"3")
        await push.aclose()
        assert type(running.error) is trio.ClosedResourceError
        assert push.statistics().drops == {DropReason.LINGER: 2}


async def test_closed_sockets_say_so() -> None:
    async with trizmq.Pair() as pair:
        await pair.aclose()
        calls: list[Callable[[], object]] = [
            lambda: pair.send_nowait(b"x"), pair.receive_nowait, lambda: pair.readable, lambda: pair.writable,
            lambda: pair.connect(NOBODY), lambda: pair.disconnect(NOBODY), lambda: pair.unbind(NOBODY),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(trio.ClosedResourceError, match=r"Pair-\d+ is closed"):
                call()
        awaits: list[Callable[[], Awaitable[object]]] = [
            lambda: pair.send(b"x"), lambda: pair.send_many([b"x"]), pair.receive, pair.receive_many, pair.recv,
            pair.wait_readable, pair.wait_writable, pair.wait_connected, pair.wait_drained, lambda: pair.bind("ipc://*"),
        ]  # fmt: skip
        for wait in awaits:
            with pytest.raises(trio.ClosedResourceError, match=r"Pair-\d+ is closed"):
                await wait()
    assert "closed" in repr(pair)


# ---- no task is left


@pytest.mark.parametrize("kind", SOCKET_TYPES)
async def test_no_task_is_left(kind: type[trizmq.Socket]) -> None:
    async with raw_listener() as listener:
        async with kind(linger=0) as socket:
            await socket.bind("tcp://127.0.0.1:*")
            await socket.bind("ipc://*")
            if kind is not trizmq.Stream:
                await socket.bind("inproc://x")
                socket.connect("inproc://nobody")
            bound = await socket.bind("tcp://127.0.0.1:*")
            socket.connect(listener.endpoint)
            socket.connect(NOBODY)
            async with raw_connection(bound):
                await listener.accept()
                await trio.testing.wait_all_tasks_blocked(0.001)
                assert task_names()
    assert task_names() == []


async def test_task_names_read_like_the_tree() -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        endpoint = await meet(pull, push)
        await trio.testing.wait_all_tasks_blocked(0.001)
        assert not any("writer" in name for name in task_names()), "nothing had to be left to one"
        for _ in range(3):  # the first goes out directly
            push.send_nowait(b"a burst")
        await trio.testing.wait_all_tasks_blocked(0.001)
        names = task_names()
        number = pull.statistics().peers[0].address
        assert any(name.startswith("trizmq Pull-") and name.endswith(f"listener {endpoint}") for name in names) or any(
            "listener tcp://127.0.0.1:*" in name for name in names
        ), names
        assert any("Push-" in name and name.endswith(f"connector {endpoint}") for name in names), names
        assert any("Pull-" in name and f"session {endpoint}" in name and number in name for name in names), names
        assert any(name == f"trizmq writer {push.peers()[0].address}" for name in names), names
        for kind in ("Pull-", "Push-"):
            assert sum(name.startswith(f"trizmq {kind}") and " " not in name[7:] for name in names) == 1


async def test_a_run_ends_although_a_socket_was_left_open() -> None:
    """A socket that is never closed is a bug of the program; the run must end all the same."""

    async def main() -> None:
        push = trizmq.Push(linger=math.inf)
        await push.__aenter__()
        push.connect(NOBODY)
        await push.send(b"x")

    with trio.fail_after(10):
        await trio.to_thread.run_sync(trio.run, main)
