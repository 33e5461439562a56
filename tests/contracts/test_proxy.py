"""libzmq's tests of the proxy, written anew from the reference's descriptions (section 4.1)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import TRANSPORTS, meet, start, until
from trizmq import UsageError, proxy

pytestmark = pytest.mark.deadline(15)

each_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@each_transport
async def test_proxy(transport: str) -> None:
    """test_proxy: clients and workers through ROUTER and DEALER; ends when cancelled."""
    async with trizmq.Context() as context, trio.open_nursery() as nursery:
        frontend = await context.socket(trizmq.Router).__aenter__()
        backend = await context.socket(trizmq.Dealer).__aenter__()
        front = await frontend.bind(TRANSPORTS[transport])
        back = await backend.bind("inproc://backend")
        nursery.start_soon(proxy, frontend, backend)

        async def work() -> None:
            async with context.socket(trizmq.Rep) as rep:
                rep.connect(back)
                async for request in rep:
                    await rep.send([b"re", *request])

        async def ask(number: int) -> None:
            async with context.socket(trizmq.Req) as req:
                req.connect(front)
                for count in range(20):
                    text = b"%d %d" % (number, count)
                    assert await req.request([text, b"more"]) == [b"re", text, b"more"]

        for _ in range(3):
            nursery.start_soon(work)
        async with trio.open_nursery() as clients:
            for number in range(5):
                clients.start_soon(ask, number)
        nursery.cancel_scope.cancel()


@each_transport
async def test_proxy_of_publications(transport: str) -> None:
    """XSUB and XPUB: subscriptions go one way, publications the other."""
    async with trizmq.Context() as context, trio.open_nursery() as nursery:
        xsub = await context.socket(trizmq.XSub).__aenter__()
        xpub = await context.socket(trizmq.XPub).__aenter__()
        pub = await context.socket(trizmq.Pub).__aenter__()
        sub = await context.socket(trizmq.Sub).__aenter__()
        nursery.start_soon(proxy, xsub, xpub)
        pub.connect(await xsub.bind(TRANSPORTS[transport]))
        sub.connect(await xpub.bind("inproc://out"))
        sub.subscribe(b"a")
        await pub.wait_subscribed(b"a")
        await pub.send(b"b")
        await pub.send([b"a", b"1"])
        assert await sub.receive() == [b"a", b"1"]
        sub.unsubscribe(b"a")
        while True:  # the cancellation arrives as well
            if not pub._core.pattern.subscriber_count(b"a"):  # type: ignore[attr-defined]
                break
            await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()


async def test_proxy_terminate() -> None:
    """test_proxy_terminate: with a backend that cannot be written to the proxy still ends when told; nothing is lost."""
    async with trizmq.Context() as context:
        async with (
            context.socket(trizmq.Pull) as frontend,
            context.socket(trizmq.Push) as backend,
            context.socket(trizmq.Push) as source,
            context.socket(trizmq.Pull) as sink,
        ):
            await meet(frontend, source, "inproc://front")
            await backend.bind("inproc://back")
            await source.send_many([b"%d" % number for number in range(10)])
            with trio.move_on_after(0.05) as scope:
                await proxy(frontend, backend)
            assert scope.cancelled_caught
            sink.connect("inproc://back")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(proxy, frontend, backend)
                for number in range(10):
                    assert await sink.recv() == b"%d" % number
                nursery.cancel_scope.cancel()


async def test_proxy_cancelled_at_any_instant_loses_nothing() -> None:
    async with trizmq.Context(send_hwm=5, receive_hwm=5) as context:
        async with (
            context.socket(trizmq.Pull) as frontend,
            context.socket(trizmq.Push) as backend,
            context.socket(trizmq.Push) as source,
            context.socket(trizmq.Pull) as sink,
        ):
            await meet(frontend, source)
            await meet(backend, sink)
            received: list[bytes] = []

            async def receive() -> None:
                async for (text,) in sink:
                    received.append(text)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(source.send_many, [b"%d" % number for number in range(500)])
                nursery.start_soon(receive)
                step = 0
                while len(received) < 500:
                    step += 1
                    with trio.move_on_after(0.0002 * (step % 5)):
                        await proxy(frontend, backend)
                nursery.cancel_scope.cancel()
            assert received == [b"%d" % number for number in range(500)]


async def test_proxy_closed(nursery: trio.Nursery) -> None:
    """A socket that is closed ends the proxy."""
    async with trizmq.Pull() as frontend, trizmq.Push() as backend:
        running = await start(nursery, proxy, frontend, backend)
        await backend.aclose()
        await until(lambda: running.done)
        assert type(running.error) is trio.ClosedResourceError


@each_transport
async def test_proxy_single_socket(transport: str) -> None:
    """test_proxy_single_socket: a REP as both ends echoes."""
    async with trizmq.Rep() as rep, trizmq.Req() as req, trio.open_nursery() as nursery:
        await meet(rep, req, TRANSPORTS[transport])
        nursery.start_soon(proxy, rep, rep)
        for number in range(10):
            with trio.fail_after(2):
                assert await req.request([b"msg", b"%d" % number]) == [b"msg", b"%d" % number]
        nursery.cancel_scope.cancel()


@each_transport
async def test_proxy_hwm(transport: str) -> None:
    """test_proxy_hwm: XPUB(NODROP) → XSUB/XPUB(NODROP) → a SUB that does not read, marks of 10: the publisher is stopped."""
    async with trizmq.Context(send_hwm=10, receive_hwm=10, xpub_nodrop=True) as context, trio.open_nursery() as nursery:
        xsub = await context.socket(trizmq.XSub).__aenter__()
        xpub = await context.socket(trizmq.XPub).__aenter__()
        pub = await context.socket(trizmq.XPub).__aenter__()
        sub = await context.socket(trizmq.Sub).__aenter__()
        nursery.start_soon(proxy, xsub, xpub)
        pub.connect(await xsub.bind("inproc://front"))
        sub.connect(await xpub.bind(TRANSPORTS[transport]))
        sub.subscribe(b"")
        await pub.wait_subscribed()
        sent = 0
        body = bytes(1_000_000) if transport != "inproc" else b"x"
        with trio.move_on_after(3):
            while sent < 1000:
                with trio.move_on_after(0.1) as stopped:
                    await pub.send(body)
                    sent += 1
                if stopped.cancelled_caught:
                    break
        assert 20 <= sent <= (40 if transport == "inproc" else 100)
        for _ in range(sent):
            with trio.fail_after(2):
                await sub.receive()
        assert pub.statistics().dropped == xpub.statistics().dropped == 0
        nursery.cancel_scope.cancel()


async def test_proxy_capture() -> None:
    """Both directions are copied to the capture socket, whole."""
    async with trizmq.Context() as context, trio.open_nursery() as nursery:
        frontend = await context.socket(trizmq.Router).__aenter__()
        backend = await context.socket(trizmq.Dealer).__aenter__()
        capture = await context.socket(trizmq.Push).__aenter__()
        tap = await context.socket(trizmq.Pull).__aenter__()
        req = await context.socket(trizmq.Req).__aenter__()
        rep = await context.socket(trizmq.Rep).__aenter__()
        await meet(tap, capture, "inproc://tap")
        await meet(frontend, req, "inproc://front")
        await meet(backend, rep, "inproc://back")
        nursery.start_soon(proxy, frontend, backend, capture)
        await req.send(b"?")
        assert await rep.recv() == b"?"
        await rep.send(b"!")
        assert await req.recv() == b"!"
        assert [(await tap.receive())[-2:] for _ in range(2)] == [[b"", b"?"], [b"", b"!"]]
        nursery.cancel_scope.cancel()


async def test_proxy_used_wrongly() -> None:
    async with trizmq.Pull() as pull, trizmq.Pull() as other, trizmq.Push() as push:
        with pytest.raises(UsageError, match="nothing can pass between a Pull and a Pull"):
            await proxy(pull, other)
        with pytest.raises(UsageError, match=r"Pull cannot capture.*PUB or a PUSH"):
            await proxy(pull, push, other)
    with pytest.raises(UsageError, match="async with"):
        await proxy(trizmq.Pull(), trizmq.Push())


async def test_proxy_lets_others_run() -> None:
    """Under a flood in both directions, a deadline still fires."""
    async with trizmq.Context(send_hwm=0, receive_hwm=0) as context, trio.open_nursery() as nursery:
        near, far, source, sink = [await context.socket(trizmq.Pair).__aenter__() for _ in range(4)]
        await meet(near, source, "inproc://1")
        await meet(far, sink, "inproc://2")
        nursery.start_soon(source.send_many, [b"x"] * 20_000)
        nursery.start_soon(sink.send_many, [b"x"] * 20_000)
        before = trio.current_time()
        with trio.move_on_after(0.02):
            await proxy(near, far)
        assert trio.current_time() - before < 0.5
        nursery.cancel_scope.cancel()
