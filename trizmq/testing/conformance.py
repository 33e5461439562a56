"""Checks of the promises that every transport keeps, to be run against each of them, also those of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ..context import Context
from ..events import Disconnected
from ..sockets import Pair, Pull, Push

# Sizes around which framing and buffering change: the short header's end, a read's size, more than any kernel buffer.
_SIZES = (0, 1, 255, 256, 65_535, 65_536, 5_000_000)


async def check_transport(endpoint: str, *, time_limit: float = 30.0) -> None:
    """Check that a transport keeps the promises that every transport keeps.

    Args:
        endpoint: what to bind, such as ``tcp://127.0.0.1:*`` or ``inproc://name``. It is bound several times, one after
            the other, and so is what it has resolved to. Where that place is gone once it is unbound, as that of
            ``ipc://*`` is, the checks that come back to it are left out: name a place to have them too.
        time_limit: after how many seconds a check that hangs is given up.

    Raises:
        AssertionError: a promise was broken; the text says which.
        trio.TooSlowError: something hung.
    """
    checks: list[Callable[[Context, str], Awaitable[None]]] = [
        _check_messages_both_ways,
        _check_order,
        _check_taken_endpoint,
        _check_back_pressure,
        _check_cancelled_receive,
        _check_close_wakes,
        _check_close_delivers,
    ]
    checks_of_one_place: list[Callable[[Context, str], Awaitable[None]]] = [
        _check_bound_again,
        _check_connect_before_bind,
        _check_rebind,
    ]
    with trio.fail_after(time_limit):
        async with Context() as context:
            async with context.socket(Pair) as first:
                resolved = await first.bind(endpoint)
                assert resolved.split("://")[0] == endpoint.split("://")[0], (
                    "bind returns an endpoint of another transport"
                )
            for check in checks:
                await check(context, endpoint)
            if resolved == endpoint or await _place_stays(context, resolved):
                for check in checks_of_one_place:
                    await check(context, resolved)


async def _place_stays(context: Context, resolved: str) -> bool:
    """Whether what was chosen for a socket that is closed is still a place to bind."""
    async with context.socket(Pair) as again:
        try:
            await again.bind(resolved)
        except FileNotFoundError:  # a folder that was made for the socket alone
            return False
    return True


async def _check_messages_both_ways(context: Context, endpoint: str) -> None:
    async with context.socket(Pair) as near, context.socket(Pair) as far:
        far.connect(await near.bind(endpoint))
        messages = [[bytes(size)] for size in _SIZES] + [[b"", b"a", b"", bytes(70_000), b""]]
        async with trio.open_nursery() as nursery:
            for source, target in ((near, far), (far, near)):
                nursery.start_soon(_send_all, source, messages, name="check_transport: sender")
                nursery.start_soon(_expect, target, messages, name="check_transport: receiver")


async def _send_all(source: Pair, messages: list[list[bytes]]) -> None:
    for message in messages:
        await source.send(message)


async def _expect(target: Pair, messages: list[list[bytes]]) -> None:
    for message in messages:
        received = await target.receive()
        sizes = [len(frame) for frame in message], [len(frame) for frame in received]
        assert received == message, f"a message of frames of {sizes[0]} bytes arrived as {sizes[1]} bytes, or changed"


async def _check_order(context: Context, endpoint: str) -> None:
    count = 5000
    async with context.socket(Push) as push, context.socket(Pull) as pull:
        push.connect(await pull.bind(endpoint))
        async with trio.open_nursery() as nursery:
            numbers = [b"%d" % number for number in range(count)]
            nursery.start_soon(push.send_many, numbers, name="check_transport: sender")
            for number in numbers:
                received = await pull.receive()
                assert received == [number], f"message {number!r} was expected, {received!r} came"


async def _check_taken_endpoint(context: Context, endpoint: str) -> None:
    async with context.socket(Pull) as owner, context.socket(Pull) as late:
        taken = await owner.bind(endpoint)
        try:
            await late.bind(taken)
        except OSError:
            pass
        else:
            raise AssertionError("an endpoint that is taken was bound a second time")


async def _check_bound_again(context: Context, endpoint: str) -> None:
    async with context.socket(Pull) as owner, context.socket(Pull) as late:
        assert await owner.bind(endpoint) == endpoint, "a resolved endpoint does not resolve to itself"
        owner.unbind(endpoint)
        assert await late.bind(endpoint) == endpoint, "an endpoint that was unbound cannot be bound again"


async def _check_connect_before_bind(context: Context, endpoint: str) -> None:
    async with context.socket(Push) as push, context.socket(Pull) as pull:
        push.connect(endpoint)
        await push.send_many([b"1", b"2", b"3"])
        await pull.bind(endpoint)
        received = [await pull.receive() for _ in range(3)]
        assert received == [[b"1"], [b"2"], [b"3"]], f"sent before the bind: 1, 2, 3; received {received}"


async def _check_rebind(context: Context, endpoint: str) -> None:
    async with context.socket(Push) as push:
        push.connect(endpoint)
        events = push.events()
        for number in (b"1", b"2"):
            async with context.socket(Pull) as pull:
                await pull.bind(endpoint)
                await push.wait_connected()
                await push.send(number)
                received = await pull.receive()
                assert received == [number], f"after {number!r} was sent to binder {number!r}, it received {received!r}"
            async for event in events:
                if isinstance(event, Disconnected):
                    break


async def _check_back_pressure(context: Context, endpoint: str) -> None:
    body = bytes(10_000)
    async with context.socket(Push, send_hwm=5) as push, context.socket(Pull, receive_hwm=5) as pull:
        push.connect(await pull.bind(endpoint))
        await push.wait_connected()
        sent = 0
        with trio.move_on_after(time_limit := 1.0):
            while sent < 100_000:
                with trio.move_on_after(time_limit / 4) as full:
                    await push.send(body)
                    sent += 1
                if full.cancelled_caught:
                    break
        assert sent < 100_000, "a sender was never stopped although nobody received"
        for number in range(sent):
            with trio.move_on_after(time_limit * 10) as waiting:
                await pull.receive()
            assert not waiting.cancelled_caught, f"{sent} messages were accepted, only {number} arrived"


async def _check_cancelled_receive(context: Context, endpoint: str) -> None:
    async with context.socket(Push) as push, context.socket(Pull) as pull:
        push.connect(await pull.bind(endpoint))
        await push.wait_connected()
        received: list[list[bytes]] = []
        for number in range(200):
            await push.send(b"%d" % number)
            with trio.move_on_after(0.0001 * (number % 5)):
                received.append(await pull.receive())
        while len(received) < 200:
            received.append(await pull.receive())
        expected = [[b"%d" % number] for number in range(200)]
        assert received == expected, "a cancelled receive lost, doubled or reordered a message"


async def _check_close_wakes(context: Context, endpoint: str) -> None:
    async with context.socket(Pull) as pull:
        await pull.bind(endpoint)
        async with trio.open_nursery() as nursery:

            async def wait(task_status: trio.TaskStatus[None]) -> None:
                task_status.started()
                try:
                    await pull.receive()
                except trio.ClosedResourceError:
                    return
                raise AssertionError("a receive returned although nothing was sent")

            await nursery.start(_started_waiting, wait, name="check_transport: receiver")
            await pull.aclose()


async def _started_waiting(
    wait: Callable[[trio.TaskStatus[None]], Awaitable[None]], *, task_status: trio.TaskStatus[None]
) -> None:
    await wait(task_status)


async def _check_close_delivers(context: Context, endpoint: str) -> None:
    count = 500
    async with context.socket(Pull) as pull:
        bound = await pull.bind(endpoint)
        async with context.socket(Push) as push:
            push.connect(bound)
            await push.send_many([b"%d" % number for number in range(count)])
        for number in range(count):
            received = await pull.receive()
            assert received == [b"%d" % number], f"closed right after sending; message {number} arrived as {received!r}"
