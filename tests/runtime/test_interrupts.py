"""Ctrl-C in the middle of a verb waits for its end: nothing is left half done, and the socket goes on."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

import trizmq
from trizmq.patterns import Sub
from trizmq.runtime import engine as engine_module
from trizmq.runtime import lease as lease_module
from trizmq.runtime.connector import Connector
from trizmq.runtime.engine import Engine
from trizmq.runtime.pipe import Pipe

from .helpers import meet, until

pytestmark = pytest.mark.deadline(10)


def press_ctrl_c_inside(kind: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next call of a method begin with Ctrl-C."""
    original = getattr(kind, name)

    def interrupted(*arguments: object) -> object:
        monkeypatch.setattr(kind, name, original)
        signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(kind, name, interrupted)


def run(main: Callable[[], Awaitable[None]]) -> None:
    try:
        trio.run(main)
    except KeyboardInterrupt:  # else it would end pytest
        pytest.fail("Ctrl-C came out in the middle of a verb")


async def expect_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt):
        await trio.lowlevel.checkpoint()


def test_send_nowait_queues_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trizmq.Pair() as near, trizmq.Pair() as far:
            await meet(near, far)
            press_ctrl_c_inside(Pipe, "put", monkeypatch)
            near.send_nowait(b"first")
            await expect_ctrl_c()
            await near.send(b"second")
            assert [await far.receive(), await far.receive()] == [[b"first"], [b"second"]]

    run(main)


def test_receive_nowait_takes_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trizmq.Pair() as near, trizmq.Pair() as far:
            await meet(near, far)
            await near.send(b"first")
            await far.wait_readable()
            press_ctrl_c_inside(Pipe, "release", monkeypatch)
            assert far.receive_nowait() == [b"first"]
            await expect_ctrl_c()

    run(main)


def test_who_looks_and_reads_for_itself_loses_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "PATIENCE", 60.0)
    monkeypatch.setattr(engine_module, "PATIENCE", 60.0)

    async def main() -> None:
        async with trizmq.Pair() as near, trizmq.Pair() as far, trio.open_nursery() as nursery:
            await meet(near, far)
            nursery.start_soon(far.receive)
            await trio.testing.wait_all_tasks_blocked()
            await near.send(b"first")
            await until(lambda: far._core.lease.offered)
            await near.send(b"second")
            press_ctrl_c_inside(Engine, "_note", monkeypatch)
            assert far.readable
            await expect_ctrl_c()
            assert far.receive_nowait() == [b"second"]

    run(main)


def test_connect_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trizmq.Pair() as near, trizmq.Pair() as far:
            endpoint = await far.bind("tcp://127.0.0.1:*")
            press_ctrl_c_inside(Connector, "__init__", monkeypatch)
            near.connect(endpoint)
            await expect_ctrl_c()
            await near.wait_connected()

    run(main)


def test_subscribe_subscribes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trizmq.Pub() as pub, trizmq.Sub() as sub:
            await meet(pub, sub)
            press_ctrl_c_inside(Sub, "subscribe", monkeypatch)
            sub.subscribe("topic")
            await expect_ctrl_c()
            await pub.wait_subscribed("topic")

    run(main)


def test_a_proxy_passes_on_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with trizmq.Pull() as front, trizmq.Push() as back, trizmq.Push() as push, trizmq.Pull() as pull:
            await meet(front, push)
            await meet(back, pull)
            await push.send(b"job")
            await front.wait_readable()
            press_ctrl_c_inside(Pipe, "release", monkeypatch)
            with pytest.raises(KeyboardInterrupt):
                await trizmq.proxy(front, back)
            assert await pull.receive() == [b"job"]

    run(main)
