"""libzmq's tests of inproc, written anew from the reference's descriptions (section 4.1)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import meet, run_alone, start, until

from .test_addressing import bounce, bounce_request

pytestmark = pytest.mark.deadline(10)


async def test_bind_first() -> None:
    """test_inproc_connect, bind_before_connect."""
    async with trizmq.Pair() as bound, trizmq.Pair() as connected:
        await bound.bind("inproc://bbc")
        connected.connect("inproc://bbc")
        await connected.send(b"foobar")
        assert await bound.recv() == b"foobar"


async def test_connect_first() -> None:
    """test_inproc_connect, connect_before_bind: what was queued is delivered after the late bind."""
    async with trizmq.Pair() as bound, trizmq.Pair() as connected:
        connected.connect("inproc://cbb")
        await connected.send(b"foobar")
        await bound.bind("inproc://cbb")
        assert await bound.recv() == b"foobar"


async def test_connect_first_pub_sub() -> None:
    """test_inproc_connect, connect_before_bind_pub_sub: a PUB connected before the bind drops until the SUB is there."""
    async with trizmq.Pub() as pub, trizmq.Sub() as sub:
        pub.connect("inproc://cbbps")
        await pub.send(b"before")
        sub.subscribe(b"foo")
        await sub.bind("inproc://cbbps")
        await pub.wait_subscribed(b"foobar")
        await pub.send(b"foobar")
        assert await sub.recv() == b"foobar"
        assert not sub.readable


async def test_connect_first_and_close() -> None:
    """test_inproc_connect, connect_before_bind_ctx_term: closing connectors that nobody was bound for is fine."""
    async with trizmq.Context() as context:
        for number in range(20):
            await (await context.socket(trizmq.Pair).__aenter__()).aclose()
            pair = await context.socket(trizmq.Pair).__aenter__()
            pair.connect(f"inproc://cbbrr{number}")


async def test_many_pending() -> None:
    """test_inproc_connect, multiple_connects: ten pending connects are all served by one bind."""
    async with trizmq.Context() as context, context.socket(trizmq.Pull) as pull:
        for number in range(10):
            push = await context.socket(trizmq.Push).__aenter__()
            push.connect("inproc://multiple")
            await push.send(b"%d" % number)
        await pull.bind("inproc://multiple")
        assert sorted([await pull.recv() for _ in range(10)]) == [b"%d" % number for number in range(10)]


async def test_many_tasks() -> None:
    """test_inproc_connect, multiple_threads: thirty of them, each with a socket of its own, here tasks."""
    async with trizmq.Context() as context, context.socket(trizmq.Pull) as pull, trio.open_nursery() as nursery:

        async def connect(number: int) -> None:
            async with context.socket(trizmq.Push) as push:
                push.connect("inproc://multiple")
                await push.send(b"%d" % number)

        for number in range(30):
            nursery.start_soon(connect, number)
        await pull.bind("inproc://multiple")
        assert {await pull.recv() for _ in range(30)} == {b"%d" % number for number in range(30)}


async def test_simultaneous_connect_and_bind() -> None:
    """test_inproc_connect, simultaneous_connect_bind_threads: fifty names, each bound and connected to at once."""
    async with trizmq.Context() as context, trio.open_nursery() as nursery:
        met: list[int] = []

        async def bind(number: int) -> None:
            async with context.socket(trizmq.Pull) as pull:
                await pull.bind(f"inproc://number{number}")
                met.append(int(await pull.recv()))

        async def connect(number: int) -> None:
            async with context.socket(trizmq.Push) as push:
                push.connect(f"inproc://number{number}")
                await push.send(b"%d" % number)

        for number in range(50):
            nursery.start_soon(bind, number)
            nursery.start_soon(connect, number)
        with trio.fail_after(5):
            await until(lambda: len(met) == 50)
    assert sorted(met) == list(range(50))


@pytest.mark.parametrize("connect_first", [False, True])
async def test_routing_id(connect_first: bool) -> None:
    """test_inproc_connect, routing_id: a ROUTER that binds late gives [id, A, B] and can answer to that id."""
    async with trizmq.Dealer() as dealer, trizmq.Router() as router:
        if connect_first:
            dealer.connect("inproc://routing_id")
            await router.bind("inproc://routing_id")
        else:
            await meet(router, dealer, "inproc://routing_id")
        await dealer.send([b"A", b"B"])
        identity, *frames = await router.receive()
        assert frames == [b"A", b"B"]
        assert len(identity) == 5
        assert identity[0] == 0
        await router.send([identity, b"C"])
        assert await dealer.recv() == b"C"


async def test_connect_only() -> None:
    """test_inproc_connect, connect_only: nobody ever binds."""
    async with trizmq.Push() as push:
        push.connect("inproc://nobody")


async def test_unbind() -> None:
    """test_inproc_connect, unbind: after an unbind another socket binds the name, and new connects come to that one."""
    async with trizmq.Pair() as first, trizmq.Pair() as second, trizmq.Pair() as one, trizmq.Pair() as other:
        await first.bind("inproc://unbind")
        one.connect("inproc://unbind")
        first.unbind("inproc://unbind")
        await second.bind("inproc://unbind")
        other.connect("inproc://unbind")
        await bounce(first, one)
        await bounce(second, other)


async def test_shutdown_during_pend() -> None:
    """test_inproc_connect, shutdown_during_pend: the context ends while connects are pending."""
    async with trizmq.Context() as context:
        for _ in range(10):
            pair = await context.socket(trizmq.Pair).__aenter__()
            pair.connect("inproc://cbb")
            await pair.send(b"x")


async def test_disconnect_inproc() -> None:
    """test_disconnect_inproc: exactly the publications of the connected window arrive; both changes are seen by the XPUB."""
    async with trizmq.XPub() as xpub, trizmq.Sub() as sub:
        sub.subscribe(b"foo")
        await xpub.bind("inproc://someInProcDescriptor")
        received = 0
        for number in range(10):
            if number == 3:
                sub.connect("inproc://someInProcDescriptor")
                assert await xpub.recv() == b"\x01foo"
            if number == 6:
                sub.disconnect("inproc://someInProcDescriptor")
                assert await xpub.recv() == b"\x00foo"
            await xpub.send([b"foo", b"this is foo!"])
            while sub.readable:
                assert await sub.receive() == [b"foo", b"this is foo!"]
                received += 1
        assert received == 3


async def test_pair_inproc() -> None:
    """test_pair_inproc: bounce."""
    async with trizmq.Pair() as near, trizmq.Pair() as far:
        await meet(near, far, "inproc://a")
        await bounce(near, far)


async def test_reqrep_inproc() -> None:
    """test_reqrep_inproc: bounce."""
    async with trizmq.Rep() as rep, trizmq.Req() as req:
        await meet(rep, req, "inproc://a")
        await bounce_request(req, rep)


async def test_names_are_per_context() -> None:
    """A name means something within its context only."""
    async with trizmq.Context() as one, trizmq.Context() as other:
        async with (
            one.socket(trizmq.Pull) as first,
            other.socket(trizmq.Pull) as second,
            other.socket(trizmq.Push) as push,
        ):
            await first.bind("inproc://x")
            await second.bind("inproc://x")
            push.connect("inproc://x")
            await push.send(b"x")
            assert await second.recv() == b"x"
            assert not first.readable


async def test_the_binder_closes_and_another_binds() -> None:
    """libzmq never reconnects over inproc; here a connector finds the next binder by itself (design: connections survive)."""
    async with trizmq.Context() as context, context.socket(trizmq.Push) as push:
        push.connect("inproc://x")
        for number in range(3):
            async with context.socket(trizmq.Pull) as pull:
                await pull.bind("inproc://x")
                await push.send(b"%d" % number)
                assert await pull.recv() == b"%d" % number
        await push.send(b"waiting")
        async with context.socket(trizmq.Pull) as pull:
            await pull.bind("inproc://x")
            assert await pull.recv() == b"waiting"


async def test_what_was_sent_before_the_close_is_received_after_it() -> None:
    """inproc messages belong to the receiver: a close of the sender takes none away, linger or not."""
    async with trizmq.Pull() as pull:
        async with trizmq.Push(linger=0) as push:
            await meet(pull, push, "inproc://x")
            await push.send_many([b"1", b"2"])
        assert await pull.receive_many() == [[b"1"], [b"2"]]


async def test_a_waiting_receiver_is_woken_by_a_late_connect(nursery: trio.Nursery) -> None:
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await pull.bind("inproc://x")
        receiving = await start(nursery, pull.recv)
        push.connect("inproc://x")
        push.send_nowait(b"x")
        await until(lambda: receiving.done)
        assert receiving.result == b"x"


def test_a_late_binder_meets_what_a_closed_req_left() -> None:
    """The request of a REQ that is closed already is delivered; what the binder sends at once to it hurts nobody."""
    program = """
        import trio, trizmq

        async def main():
            async with trizmq.Context() as context, context.socket(trizmq.Router, probe_router=True) as router:
                async with context.socket(trizmq.Req) as req:
                    req.connect("inproc://x")
                    await req.send(b"?")
                await router.bind("inproc://x")
                print((await router.receive())[1:], router.statistics().peers, req.statistics().peers)

        trio.run(main)
    """
    assert run_alone(program, 5) == "[b'', b'?'] () ()\n"


async def test_disconnected_is_disconnected() -> None:
    """A connection that is being reset when it is disconnected does not come back, nor does it survive the socket."""
    async with trizmq.Context() as context:
        async with context.socket(trizmq.Router, router_handover=True) as router:
            async with (
                context.socket(trizmq.Dealer, routing_id=b"D") as first,
                context.socket(trizmq.Dealer, routing_id=b"D") as second,
            ):
                await first.bind("inproc://a")
                await second.bind("inproc://b")
                router.connect("inproc://a")
                router.connect("inproc://b")
                router.disconnect("inproc://a")
                router.disconnect("inproc://b")
                await trio.testing.wait_all_tasks_blocked()
            async with context.socket(trizmq.Dealer) as third:
                await third.bind("inproc://a")
                await trio.testing.wait_all_tasks_blocked()
                assert router.statistics().peers == ()
        assert router.statistics().peers == ()
