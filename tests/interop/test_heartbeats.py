"""Heartbeats with libzmq in both roles: the living stay connected, a process that is stopped is given up."""

from __future__ import annotations

import os
import signal

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, PeerSocket
from tests.runtime.helpers import until

TIME = 20

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP")


async def join(ours: trizmq.Socket, theirs: PeerSocket, role: str) -> None:
    if role == "bound":
        await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
    else:
        ours.connect(await theirs.bind("tcp://127.0.0.1:*"))
    await ours.wait_connected()


@pytest.mark.parametrize("role", ["bound", "connected"])
@pytest.mark.parametrize("who", ["ours", "theirs", "both"])
async def test_the_living_stay(role: str, who: str, peer: PeerProcess) -> None:
    """Ten intervals without a message; then one each way passes."""
    interval = 0.0 if who == "theirs" else 0.05
    options: dict[str, int] = (
        {} if who == "ours" else {"HEARTBEAT_IVL": 50, "HEARTBEAT_TIMEOUT": 500, "HEARTBEAT_TTL": 500}
    )
    with trio.fail_after(TIME):
        async with trizmq.Dealer(heartbeat_interval=interval, heartbeat_timeout=0.5, heartbeat_ttl=0.5) as dealer:
            theirs = await peer.open("DEALER", **options)
            events = dealer.events()
            await join(dealer, theirs, role)
            before = dealer.statistics().bytes_received
            with trio.move_on_after(0.7):
                async for event in events:
                    assert not isinstance(event, (trizmq.Disconnected, trizmq.ConnectRetried))
            assert dealer.statistics().bytes_received > before + 40, "no heartbeats were seen"


@pytest.mark.parametrize("role", ["bound", "connected"])
@pytest.mark.parametrize("who", ["our timeout", "their ttl"])
async def test_a_stopped_process_is_given_up(role: str, who: str, peer: PeerProcess) -> None:
    interval = 0.1 if who == "our timeout" else 0.0
    options: dict[str, int] = (
        {} if interval else {"HEARTBEAT_IVL": 100, "HEARTBEAT_TTL": 300, "HEARTBEAT_TIMEOUT": 60_000}
    )
    with trio.fail_after(TIME):
        async with trizmq.Dealer(heartbeat_interval=interval, reconnect_interval=0.1, linger=0) as dealer:
            theirs = await peer.open("DEALER", **options)
            await join(dealer, theirs, role)
            before = dealer.statistics().bytes_received
            await until(lambda: dealer.statistics().bytes_received > before)
            events = dealer.events()
            os.kill(peer.pid, signal.SIGSTOP)
            try:
                async for event in events:
                    if isinstance(event, trizmq.Disconnected):
                        assert "nothing came for" in event.cause
                        break
            finally:
                os.kill(peer.pid, signal.SIGCONT)
            await dealer.wait_connected()
