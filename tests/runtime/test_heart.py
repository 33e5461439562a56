"""The heart beats while there is something to beat for, and no longer."""

from __future__ import annotations

import pytest
import trio

import trizmq

from .helpers import frame, raw_connection, task_names, until

pytestmark = pytest.mark.deadline(10)


def hearts() -> int:
    return sum(name.endswith(" heart") for name in task_names())


async def test_a_ttl_is_forgotten_with_its_peer() -> None:
    """One PING with a ttl of 0.1 s, from a peer long gone, kept the socket waking 40 times a second for ever."""
    async with trizmq.Pull() as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        for _ in range(2):
            async with raw_connection(endpoint) as peer:
                await peer.shake_hands("PUSH")
                await peer.stream.send_all(frame(b"\x04PING\0\x01", flags=4))
                assert await peer.read_frame() == (4, b"\x04PONG")
                assert hearts() == 1
                assert await peer.closed()  # after 0.1 s of silence
            await until(lambda: not pull.statistics().peers)
            with trio.fail_after(1):
                while hearts():
                    await trio.testing.wait_all_tasks_blocked(0.001)


async def test_it_beats_for_those_who_stay() -> None:
    """When a peer with a short ttl has gone, one with a longer one is still given up in time."""
    async with trizmq.Pull() as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with raw_connection(endpoint) as patient, raw_connection(endpoint) as hasty:
            for peer, ttl in (patient, b"\0\x05"), (hasty, b"\0\x01"):
                await peer.shake_hands("PUSH")
                await peer.stream.send_all(frame(b"\x04PING" + ttl, flags=4))
                await peer.read_frame()
            started = trio.current_time()
            assert await hasty.closed()
            assert await patient.closed()
            assert 0.3 < trio.current_time() - started < 2
