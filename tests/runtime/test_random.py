"""Sockets of all types do random things to each other; whatever that is, no bug surfaces, nothing hangs, nothing is left."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
import trio.testing

import trizmq

from .helpers import run_alone, task_names
from .test_closing import SOCKET_TYPES

pytestmark = pytest.mark.deadline(50)

EXPECTED = (
    trio.WouldBlock,
    trio.ClosedResourceError,
    trio.BusyResourceError,
    trizmq.StateError,
    trizmq.EndpointError,
    trizmq.IncompatiblePeerError,
    trizmq.HostUnreachable,
    trizmq.PeerLostError,
    trizmq.MultipartError,
    OSError,
)
BINDS = ["inproc://a", "inproc://b", "tcp://127.0.0.1:*", "ipc://*"]
OPTIONS: dict[str, list[Any]] = {
    "send_hwm_bytes": [0, 0, 10], "receive_hwm_bytes": [0, 0, 10],
    "send_hwm": [0, 1, 5], "receive_hwm": [0, 1, 5], "immediate": [False, True], "conflate": [False, False, True],
    "routing_id": [b"", b"X", b"Y"], "probe_router": [False, True], "req_correlate": [False, True],
    "req_relaxed": [False, True], "router_mandatory": [False, True], "router_handover": [False, True],
    "xpub_nodrop": [False, True], "drop_oldest": [False, True], "xpub_manual": [False, True], "xpub_verboser": [False, True],
    "xpub_welcome_message": [b"", b"W"], "invert_matching": [False, True], "stream_notify": [False, True],
    "max_message_size": [5, 1 << 30],
}  # fmt: skip


async def do_something(rng: random.Random, socket: Any, bound: list[str], mine: list[str]) -> None:
    frames = [rng.choice([b"", b"X", b"Y", b"\x01a", b"\x00a", bytes(300)]) for _ in range(rng.randrange(1, 4))]
    if isinstance(socket, trizmq.Stream):
        names = [peer.routing_id for peer in socket.peers()] or [b"X"]
        frames = [rng.choice(names), rng.choice([b"", b"x", bytes(100_000)])]
    match rng.randrange(14):
        case 0:
            mine.append(await socket.bind(rng.choice(BINDS)))
            bound.append(mine[-1])
        case 1 | 2 if bound:
            mine.append(rng.choice(bound))
            socket.connect(mine[-1])
        case 3 if mine:
            socket.disconnect(rng.choice(mine))
        case 4 if mine:
            socket.unbind(rng.choice(mine))
        case 5 | 6 if hasattr(socket, "send"):
            socket.send_nowait(frames)
        case 7 | 8 if hasattr(socket, "receive"):
            socket.receive_nowait()
        case 9 if hasattr(socket, "send"):
            await socket.send_many([frames] * rng.randrange(4))
        case 10 if hasattr(socket, "receive"):
            await rng.choice([socket.receive, socket.receive_many, socket.recv])()
        case 11 if hasattr(socket, "subscribe"):
            rng.choice([socket.subscribe, socket.unsubscribe])(rng.choice(frames))
        case 12 if hasattr(socket, "request"):
            await socket.request(frames)
        case 13 if rng.random() < 0.1:
            await socket.aclose()
        case _:
            await rng.choice([socket.wait_connected, socket.wait_drained, trio.lowlevel.checkpoint])()


async def anything_goes(seed: int) -> None:
    rng = random.Random(seed)
    async with trizmq.Context(reconnect_interval=0.001, reconnect_interval_max=0.004, linger=0.01) as context:
        bound: list[str] = []

        async def live(kind: Any) -> None:
            for _ in range(2):
                known = [name for name in OPTIONS if hasattr(kind, name)]
                options = {name: rng.choice(OPTIONS[name]) for name in known if rng.random() < 0.3}
                mine: list[str] = []
                async with context.socket(kind, **options) as socket:
                    for _ in range(40):
                        with trio.move_on_after(rng.choice([0, 0.0005, 0.002])):
                            try:
                                await do_something(rng, socket, bound, mine)
                            except trizmq.InternalError:
                                raise
                            except EXPECTED:
                                pass
                    statistics = socket.statistics()
                    assert all(count > 0 for count in statistics.drops.values())
                    assert all(peer.outbound >= 0 and peer.inbound >= 0 for peer in statistics.peers), statistics
                assert not socket.statistics().peers

        with trio.fail_after(15):
            async with trio.open_nursery() as nursery:
                for kind in SOCKET_TYPES:
                    nursery.start_soon(live, kind)
    assert task_names() == []


def test_anything_goes() -> None:
    """In a process of its own: a hang here is one that nothing inside the run can end."""
    program = """
        import trio
        from tests.runtime.test_random import anything_goes

        for seed in range(20):
            print(seed, flush=True)
            trio.run(anything_goes, seed)
    """
    assert run_alone(program, 40).endswith("19\n")
