"""The verbs beyond plain sending and receiving: many at once, pyzmq's names, turns of REQ and REP, waiting."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

import trizmq
from trizmq import MultipartError, StateError

from .helpers import NOBODY, STREAMS, TRANSPORTS, meet, start, until

pytestmark = pytest.mark.deadline(10)

each_transport = pytest.mark.parametrize("endpoint", TRANSPORTS.values(), ids=TRANSPORTS)

# ---- one at a time


@each_transport
async def test_nowait(endpoint: str) -> None:
    """libzmq's test_timeo: without waiting, nothing there is WouldBlock at once."""
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"x")
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()
        await meet(pull, push, endpoint)
        push.send_nowait(b"x")
        await pull.wait_readable()
        assert pull.receive_nowait() == [b"x"]
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()


@each_transport
async def test_async_for(endpoint: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        await push.send_many([b"1", b"2", b"3"])
        received = []
        async for message in pull:
            received.append(message)
            if len(received) == 3:
                break
        assert received == [[b"1"], [b"2"], [b"3"]]


async def test_async_for_ends_with_closed_resource_error(nursery: trio.Nursery) -> None:
    async with trizmq.Pull() as pull:

        async def read() -> None:
            async for _ in pull:
                pass

        reading = await start(nursery, read)
        await pull.aclose()
        await until(lambda: reading.done)
        assert type(reading.error) is trio.ClosedResourceError


async def test_several_receivers_share(nursery: trio.Nursery) -> None:
    """Tasks that wait on one socket each get a message, and none is lost when one of them is cancelled."""
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        waiting = [await start(nursery, pull.receive) for _ in range(5)]
        with trio.move_on_after(0):
            await pull.receive()
        await push.send_many([b"%d" % number for number in range(5)])
        await until(lambda: all(one.done for one in waiting))
        assert sorted(one.result[0] for one in waiting) == [b"0", b"1", b"2", b"3", b"4"]  # type: ignore[index]


async def test_a_message_wakes_another_task_when_the_first_is_cancelled_at_that_instant() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        for number in range(20):
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                got: list[list[bytes]] = []

                async def receive(scope: trio.CancelScope, got: list[list[bytes]] = got) -> None:
                    with scope:
                        got.append(await pull.receive())

                nursery.start_soon(receive, scope)
                nursery.start_soon(receive, trio.CancelScope())
                await trio.testing.wait_all_tasks_blocked()
                push.send_nowait(b"%d" % number)
                scope.cancel()
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            assert got == [[b"%d" % number]]


# ---- many at once


@each_transport
async def test_send_many_and_receive_many(endpoint: str) -> None:
    messages = [[b"%d" % number] if number % 2 else [b"%d" % number, b"more"] for number in range(500)]
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        assert await push.send_many(messages) == 500
        received: list[list[bytes]] = []
        while len(received) < 500:
            batch = await pull.receive_many(100)
            assert 1 <= len(batch) <= 100
            received += batch
        assert received == messages


async def test_send_many_takes_any_iterable() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        assert await push.send_many(b"%d" % number for number in range(3)) == 3
        assert await push.send_many([]) == 0
        assert await pull.receive_many() == [[b"0"], [b"1"], [b"2"]]


async def test_send_many_waits_at_the_high_water_mark(nursery: trio.Nursery) -> None:
    async with trizmq.Push(send_hwm=5) as push, trizmq.Pull(receive_hwm=5) as pull:
        await meet(pull, push, "inproc://x")
        sending = await start(nursery, push.send_many, [b"%d" % number for number in range(100)])
        assert not sending.done
        assert [await pull.recv() for _ in range(100)] == [b"%d" % number for number in range(100)]
        await until(lambda: sending.done)
        assert sending.result == 100


async def test_send_many_that_fails_in_the_middle_tells_the_count() -> None:
    async with trizmq.Router(router_mandatory=True) as router, trizmq.Dealer(routing_id=b"d") as dealer:
        await meet(router, dealer)
        messages = [[b"d", b"1"], [b"d", b"2"], [b"gone", b"3"], [b"d", b"4"]]
        with pytest.raises(trizmq.HostUnreachable) as caught:
            await router.send_many(messages)
        assert caught.value.queued == 2
        assert caught.value.__notes__ == ["2 of the 4 messages of send_many() were queued before"]
        assert await router.send_many(messages[caught.value.queued + 1 :]) == 1
        assert [await dealer.recv() for _ in range(3)] == [b"1", b"2", b"4"]
        with pytest.raises(trizmq.HostUnreachable) as caught:
            await router.send_many(messages[2:])
        assert caught.value.queued == 0
        assert not hasattr(caught.value, "__notes__")


async def test_send_many_closed_in_the_middle_tells_the_count(nursery: trio.Nursery) -> None:
    async with trizmq.Push(send_hwm=3, linger=0) as push:
        push.connect(NOBODY)
        sending = await start(nursery, push.send_many, [b"x"] * 5)
    await until(lambda: sending.done)
    assert isinstance(sending.error, trio.ClosedResourceError)
    assert sending.error.__notes__ == ["3 of the 5 messages of send_many() were queued before"]


async def test_send_many_cancelled_in_the_middle_returns_the_count() -> None:
    """Some were queued, so the call has happened: it returns how many; the next checkpoint raises."""
    async with trizmq.Push(send_hwm=2) as push, trizmq.Pull(receive_hwm=3) as pull:
        await meet(pull, push, "inproc://x")
        sent = -1
        with trio.move_on_after(0.01) as scope:
            sent = await push.send_many([b"%d" % number for number in range(100)])
            assert sent == 5
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert await pull.receive_many() == [[b"%d" % number] for number in range(5)]


async def test_send_many_in_the_middle_and_fail_after() -> None:
    """As docs/cancellation.md says: no TooSlowError without a checkpoint behind the call."""
    async with trizmq.Push(send_hwm=2, linger=0) as push:
        push.connect(NOBODY)
        with trio.fail_after(0.01) as scope:
            assert await push.send_many([b"1", b"2", b"3"]) == 2
        assert scope.cancel_called
        assert not scope.cancelled_caught
        push.send_hwm = 4
        sent = -1
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.01):
            sent = await push.send_many([b"1", b"2", b"3"])
            await trio.lowlevel.checkpoint()
        assert sent == 2


async def test_send_many_cancelled_before_the_first_has_sent_nothing() -> None:
    async with trizmq.Push(send_hwm=1) as push, trizmq.Pull(receive_hwm=1) as pull:
        await meet(pull, push, "inproc://x")
        await push.send_many([b"1", b"2"])
        with trio.move_on_after(0.01) as scope:
            await push.send_many([b"3"])
            pytest.fail("it was cancelled and returned")
        assert scope.cancelled_caught
        assert await pull.receive_many() == [[b"1"], [b"2"]]


async def test_send_many_woken_by_close(nursery: trio.Nursery) -> None:
    async with trizmq.Push(send_hwm=1, linger=0) as push:
        push.connect(NOBODY)
        sending = await start(nursery, push.send_many, [b"1", b"2"])
        await push.aclose()
        await until(lambda: sending.done)
        assert type(sending.error) is trio.ClosedResourceError


# ---- pyzmq's names


@each_transport
async def test_pyzmq_names(endpoint: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        await push.send_multipart([b"a", b"b"])
        assert await pull.recv_multipart() == [b"a", b"b"]
        await push.send_string("grüße")
        assert await pull.recv_string() == "grüße"
        await push.send_string("grüße", "latin-1")
        assert await pull.recv_string("latin-1") == "grüße"
        await push.send_json({"a": [1, None, "ü"]}, sort_keys=True)
        assert await pull.recv_json() == {"a": [1, None, "ü"]}
        await push.send_serialized(5, lambda value: [b"%d" % value, b"x"])
        assert await pull.recv_serialized(lambda frames: int(frames[0])) == 5
        await push.send(b"{")
        with pytest.raises(json.JSONDecodeError):
            await pull.recv_json()


@each_transport
async def test_recv_of_several_frames_loses_nothing(endpoint: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, endpoint)
        await push.send_many([[b"a", b"b"], b"c"])
        for _ in range(3):
            with pytest.raises(MultipartError, match=r"2 frames.*receive\(\)"):
                await pull.recv()
        assert pull.readable
        assert await pull.receive() == [b"a", b"b"]
        assert await pull.recv() == b"c"


async def test_what_cannot_be_read_was_taken() -> None:
    """The message is lost, as the docstrings say; the errors of texts and JSON hold it."""

    def fail(frames: list[bytes]) -> None:
        raise LookupError(frames)

    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        await push.send_many([b"\xff", b"{bad", b"\xff\xfe\xfd", b"x", b"good"])
        with pytest.raises(UnicodeDecodeError) as text:
            await pull.recv_string()
        assert text.value.object == b"\xff"
        with pytest.raises(json.JSONDecodeError) as bad:
            await pull.recv_json()
        assert bad.value.doc == "{bad"
        with pytest.raises(UnicodeDecodeError) as text:
            await pull.recv_json()
        assert text.value.object == b"\xff\xfe\xfd"
        with pytest.raises(LookupError):
            await pull.recv_serialized(fail)
        assert await pull.receive() == [b"good"]


async def test_recv_of_several_frames_on_rep_and_router() -> None:
    """The message is back, and with it the turn: a REP may not reply to what it has not taken."""
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, "inproc://x")
        await req.send([b"a", b"b"])
        with pytest.raises(MultipartError):
            await rep.recv()
        with pytest.raises(StateError):
            await rep.send(b"too early")
        assert await rep.receive() == [b"a", b"b"]
        await rep.send([b"c", b"d"])
        with pytest.raises(MultipartError):
            await req.recv()
        assert await req.receive() == [b"c", b"d"]
    async with trizmq.Router() as router, trizmq.Dealer(routing_id=b"d") as dealer:
        await meet(router, dealer, "inproc://x")
        await dealer.send(b"1")
        with pytest.raises(MultipartError):
            await router.recv()
        assert await router.receive() == [b"d", b"1"]


# ---- turns


@each_transport
async def test_req_and_rep_alternate(endpoint: str) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        with pytest.raises(StateError, match="send"):
            await req.receive()
        with pytest.raises(StateError, match="receive"):
            await rep.send(b"x")
        await meet(rep, req, endpoint)
        await req.send(b"1")
        with pytest.raises(StateError):
            await req.send(b"2")
        with pytest.raises(StateError):
            req.send_nowait(b"2")
        assert await rep.recv() == b"1"
        with pytest.raises(StateError):
            await rep.receive()
        with pytest.raises(StateError):
            rep.receive_nowait()
        await rep.send(b"one")
        with pytest.raises(StateError):
            await rep.send(b"two")
        assert await req.recv() == b"one"
        assert await start_request(req, rep) == [b"yes"]


async def start_request(req: trizmq.Req, rep: trizmq.Rep) -> object:
    async with trio.open_nursery() as nursery:
        running = await start(nursery, req.request, b"?")
        assert await rep.recv() == b"?"
        await rep.send(b"yes")
    return running.result


@pytest.mark.parametrize("verb", ["receive", "recv", "receive_many"])
async def test_two_tasks_in_the_same_verb_of_rep(verb: str, nursery: trio.Nursery) -> None:
    async with trizmq.Rep() as rep:
        first = await start(nursery, getattr(rep, verb))
        with pytest.raises(trio.BusyResourceError, match=r"Rep-\d+"):
            await getattr(rep, verb)()
        assert not first.done
        await rep.aclose()


async def test_two_tasks_in_the_same_verb_of_req(nursery: trio.Nursery) -> None:
    async with trizmq.Req() as req:
        sending = await start(nursery, req.send, b"1")
        with pytest.raises(trio.BusyResourceError, match=r"Req-\d+"):
            await req.send(b"2")
        await req.aclose()
        await until(lambda: sending.done)
        assert type(sending.error) is trio.ClosedResourceError
    async with trizmq.Req(linger=0) as req:
        req.connect(NOBODY)
        await req.send(b"1")
        await start(nursery, req.receive)
        with pytest.raises(trio.BusyResourceError, match=r"Req-\d+"):
            await req.receive()


async def test_two_requests_at_once(nursery: trio.Nursery) -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req)
        running = await start(nursery, req.request, b"1")
        with pytest.raises(trio.BusyResourceError, match=r"Req-\d+.*one thing at a time"):
            await req.request(b"2")
        assert await rep.recv() == b"1"
        await rep.send(b"one")
        await until(lambda: running.done)
        assert running.result == [b"one"]
        assert not rep.readable


@pytest.mark.parametrize("kind", [trizmq.Pair, trizmq.Dealer, trizmq.Router, trizmq.Pull, trizmq.XPub])
async def test_others_may_be_shared(kind: type[trizmq.Pair], nursery: trio.Nursery) -> None:
    async with kind() as socket:
        first = await start(nursery, socket.receive)
        second = await start(nursery, socket.receive)
        assert not first.done
        assert not second.done
        await socket.aclose()


# ---- a request


@each_transport
async def test_request_given_up(endpoint: str) -> None:
    """Cancelled, it can be used again at once; the late reply to the first is never taken for the second's."""
    async with trizmq.Router() as router, trizmq.Req(reconnect_interval=0.01) as req:
        await meet(router, req, endpoint)
        async with trio.open_nursery() as nursery:
            await start(nursery, req.request, b"first")
            peer, empty, question = await router.receive()
            assert (empty, question) == (b"", b"first")
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            running = await start(nursery, req.request, b"second")
            await router.send([peer, b"", b"stale"])
            while not running.done:
                with trio.move_on_after(0.5):
                    peer, empty, question = await router.receive()
                    assert (empty, question) == (b"", b"second")
                    await router.send([peer, b"", b"fresh"])
                    await until(lambda: running.done)
        assert running.error is None
        assert running.result == [b"fresh"]


@each_transport
async def test_request_to_a_peer_that_goes(endpoint: str, nursery: trio.Nursery) -> None:
    """libzmq waits for ever; here the caller is told, and may ask again."""
    async with trizmq.Req(reconnect_interval=0.01) as req:
        async with trizmq.Rep() as rep:
            bound = await meet(rep, req, endpoint)
            running = await start(nursery, req.request, b"1")
            assert await rep.recv() == b"1"
        await until(lambda: running.done)
        assert type(running.error) is trizmq.PeerLostError
        async with trizmq.Rep() as rep:
            await rep.bind(bound)
            assert await start_request(req, rep) == [b"yes"]


async def test_request_while_a_sent_one_waits() -> None:
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, "inproc://x")
        await req.send(b"1")
        with pytest.raises(StateError):
            await req.request(b"2")
        assert await rep.recv() == b"1"
        await rep.send(b"one")
        assert await req.recv() == b"one"


# ---- waiting


@each_transport
async def test_wait_connected(endpoint: str, nursery: trio.Nursery) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as first, trizmq.Push() as second:
        bound = await pull.bind(endpoint)
        one, two = [await start(nursery, pull.wait_connected, count) for count in (1, 2)]
        first.connect(bound)
        await until(lambda: one.done)
        assert not two.done
        second.connect(bound)
        await until(lambda: two.done)
        await pull.wait_connected(0)


@each_transport
async def test_wait_subscribed(endpoint: str, nursery: trio.Nursery) -> None:
    async with trizmq.Pub() as pub, trizmq.Sub() as first, trizmq.Sub() as second:
        await meet(pub, first, endpoint)
        waiting = await start(nursery, pub.wait_subscribed, b"topic.a")
        first.subscribe(b"other")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not waiting.done
        first.subscribe(b"topic")
        await until(lambda: waiting.done)
        both = await start(nursery, pub.wait_subscribed, "topic.a", 2)
        second.subscribe("topic.a")
        second.connect(next(iter(pub.statistics().peers)).endpoint)
        await until(lambda: both.done)


@pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)
async def test_wait_drained(endpoint: str, nursery: trio.Nursery) -> None:
    async with trizmq.Push(reconnect_interval=0.01) as push, trizmq.Pull() as pull:
        await push.wait_drained()
        bound = await pull.bind(endpoint)
        pull.unbind(bound)
        push.connect(bound)
        await push.send_many([b"1", b"2"])
        waiting = await start(nursery, push.wait_drained)
        assert not waiting.done
        await pull.bind(bound)
        await until(lambda: waiting.done)
        assert [await pull.recv() for _ in range(2)] == [b"1", b"2"]


async def test_wait_drained_inproc() -> None:
    """What is queued is the other side's already: there is nothing to wait for."""
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        await meet(pull, push, "inproc://x")
        await push.send_many([b"1", b"2"])
        await push.wait_drained()
        assert await pull.receive_many() == [[b"1"], [b"2"]]


@each_transport
async def test_wait_readable_and_writable(endpoint: str, nursery: trio.Nursery) -> None:
    async with trizmq.Push(send_hwm=1) as push, trizmq.Pull(receive_hwm=1) as pull:
        writable = await start(nursery, push.wait_writable)
        assert not push.writable
        await meet(pull, push, endpoint)
        await until(lambda: writable.done)
        assert push.writable
        readable = await start(nursery, pull.wait_readable)
        await push.send(b"x")
        await until(lambda: readable.done)
        assert pull.readable
        await pull.wait_readable()
        assert await pull.recv() == b"x"
        assert not pull.readable


async def test_wait_on_rep_and_req_follows_their_turns(nursery: trio.Nursery) -> None:
    """What another task does with the socket changes what it can do; who waits for that hears of it."""
    async with trizmq.Rep() as rep, trizmq.Req() as first, trizmq.Req() as second:
        await meet(rep, first, "inproc://x")
        second.connect("inproc://x")
        await first.send(b"1")
        await second.send(b"2")
        writable = await start(nursery, rep.wait_writable)
        assert not writable.done
        await rep.receive()
        await until(lambda: writable.done)
        readable = await start(nursery, rep.wait_readable)
        assert not readable.done
        rep.send_nowait(b"one")
        await until(lambda: readable.done)
        writable = await start(nursery, first.wait_writable)
        assert not writable.done
        first.receive_nowait()
        await until(lambda: writable.done)


async def test_more_frames_than_a_peer_takes_are_refused_before_anything_is_queued() -> None:
    async with trizmq.Push() as push, trizmq.Pull() as pull:
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        with pytest.raises(ValueError, match="at most 65000 frames, not 65001"):
            await push.send([b""] * 65_001)
        await push.send([b""] * 65_000)
        await push.send(b"next")
        assert len(await pull.receive()) == 65_000
        assert await pull.recv() == b"next"


@pytest.mark.parametrize("n", [-1, 1.5, "x", None])
async def test_wait_for_no_number_of_peers(n: object) -> None:
    async with trizmq.Pub() as pub:
        with pytest.raises(ValueError, match="at least 0"):
            await pub.wait_connected(n)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least 0"):
            await pub.wait_subscribed(b"", n)  # type: ignore[arg-type]
