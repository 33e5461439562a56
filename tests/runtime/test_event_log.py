"""log_events: one line for each event, off unless it is started."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

import trizmq

from .helpers import GREETING, NOBODY, meet, raw_connection, until

pytestmark = pytest.mark.deadline(10)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "trizmq.events"]


async def test_off_by_default(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        await meet(pull, push)
    assert lines(caplog) == []


async def test_the_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with trio.open_nursery() as nursery, trizmq.Router() as router:
        await nursery.start(trizmq.log_events, router)
        bound = await router.bind("tcp://127.0.0.1:*")
        async with raw_connection(bound) as raw:
            await raw.shake_hands("DEALER", b"d")
            await router.wait_connected()
            (peer,) = router.peers()
            await router.send([b"nobody", b"x"])
            await until(lambda: len(lines(caplog)) == 4)
        await until(lambda: not router.peers())
        async with raw_connection(bound) as raw:
            await raw.stream.send_all(GREETING.replace(b"NULL", b"MAGI"))
            await until(lambda: len(lines(caplog)) == 7)
        name = repr(router).split()[1]
    found = lines(caplog)
    assert found[:4] == [
        ("INFO", f"{name}: Listening at {bound}"),
        ("INFO", f"{name}: Accepted at {bound} with {peer.address}"),
        ("INFO", f"{name}: HandshakeSucceeded at {bound} with {peer.address}: socket_type='DEALER', routing_id=b'd'"),
        ("WARNING", f"{name}: DropsBegan: reason=UNROUTABLE"),
    ]
    assert found[4][1].startswith(f"{name}: Disconnected at {bound} with {peer.address}: cause=")
    assert found[6][0] == "WARNING"
    assert "IncompatiblePeer" in found[6][1]
    assert "MAGI" in found[6][1]
    assert found[-1] == ("INFO", f"{name}: Closed at {bound}")
    assert len(found) == 8


async def test_level_and_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("mine")
    async with trio.open_nursery() as nursery, trizmq.Push(linger=0) as push:
        nursery.start_soon(trizmq.log_events, push, logger, logging.DEBUG)
        await trio.testing.wait_all_tasks_blocked()
        push.connect(NOBODY)
        await until(lambda: any("ConnectRetried" in record.getMessage() for record in caplog.records))
    found = [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "mine"]
    assert found[0][0] == logging.WARNING
    assert "delay=0." in found[0][1]
    assert found[-1] == (logging.DEBUG, f"{repr(push).split()[1]}: Closed at {NOBODY}")
    assert lines(caplog) == []


async def test_it_says_what_it_missed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with trio.open_nursery() as nursery, trizmq.Pull() as pull:
        await nursery.start(trizmq.log_events, pull)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(1500):
            pull._core.tell(trizmq.Listening(f"tcp://{number}"))
        await until(lambda: lines(caplog))
    assert "500 events are not in the log" in lines(caplog)[0][1]


async def test_cancelled_it_watches_no_more() -> None:
    async with trizmq.Pull() as pull, trio.open_nursery() as nursery:
        await nursery.start(trizmq.log_events, pull)
        nursery.cancel_scope.cancel()
    assert not pull._core._monitor._watchers
