"""Those who connect at the same time: accepted together, answered in one piece, and no two cost more than they must."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

import trizmq
from tests.runtime.helpers import GREETING, STREAMS, raw_connection, ready
from trizmq.options import ConflateOptions
from trizmq.runtime.checkpoints import checkpoint
from trizmq.transports import STREAM_TRANSPORTS

pytestmark = pytest.mark.deadline(20)

each_stream = pytest.mark.parametrize("endpoint", STREAMS.values(), ids=STREAMS)


def connect_now(endpoint: str) -> socket.socket:
    """Without letting anybody else run."""
    scheme, _, address = endpoint.partition("://")
    if scheme == "ipc":
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(address)
    else:
        host, _, port = address.rpartition(":")
        peer = socket.create_connection((host, int(port)))
    return peer


@each_stream
async def test_who_has_greeted_already_gets_the_whole_greeting_at_once(endpoint: str) -> None:
    async with trizmq.Pull() as pull:
        with connect_now(await pull.bind(endpoint)) as peer:
            peer.sendall(GREETING)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert len(peer.recv(1000)) == 64
            peer.sendall(ready("PUSH"))
            await pull.wait_connected()


@each_stream
@pytest.mark.parametrize("first", [b"", GREETING[:5], GREETING[:10], GREETING[:30]])
async def test_who_has_not_gets_the_signature(endpoint: str, first: bytes) -> None:
    """Nobody waits for the other to begin."""
    async with trizmq.Pull() as pull:
        with connect_now(await pull.bind(endpoint)) as peer:
            peer.sendall(first)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert len(peer.recv(1000)) >= 10
            peer.sendall(GREETING[len(first) :] + ready("PUSH"))
            await pull.wait_connected()


@each_stream
async def test_who_connects_and_goes_at_once(endpoint: str) -> None:
    """Its end is found before anything is sent."""
    async with trizmq.Pull() as pull:
        bound = await pull.bind(endpoint)
        for greeting in (b"", GREETING[:20], GREETING, GREETING.replace(b"NULL", b"NONE")):
            with connect_now(bound) as peer:
                peer.sendall(greeting)
        await trio.testing.wait_all_tasks_blocked(0.05)
        statistics = pull.statistics()
        assert statistics.handshakes_failed == statistics.connections_accepted == 4
        async with raw_connection(bound) as other:
            await other.shake_hands("PUSH")
            await pull.wait_connected()


@each_stream
async def test_many_at_once_share_the_passes_of_the_scheduler(endpoint: str) -> None:
    """But others get their turn in between."""
    scheme, _, address = endpoint.partition("://")
    acceptor = await STREAM_TRANSPORTS[scheme].bind(address, endpoint, ConflateOptions(backlog=100))
    peers = [connect_now(acceptor.endpoint) for _ in range(50)]
    passes = 0

    async def count() -> None:
        nonlocal passes
        while True:
            await checkpoint()
            passes += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        links = [await acceptor.accept() for _ in range(50)]
        nursery.cancel_scope.cancel()
    assert 2 <= passes <= 15
    with trio.move_on_after(0.01) as scope:
        await acceptor.accept()
    assert scope.cancelled_caught, "there are no more"
    peers.append(connect_now(acceptor.endpoint))
    with trio.CancelScope() as scope:
        scope.cancel()
        await acceptor.accept()
    assert scope.cancelled_caught
    with trio.fail_after(5):
        links.append(await acceptor.accept())
    for link in links:
        await link.aclose()
    for peer in peers:
        peer.close()
    acceptor.close()


async def test_who_comes_with_others_keeps_its_place() -> None:
    """Where places are few, those that are accepted together do not take them from each other before they have had a turn."""
    async with trizmq.Pull(max_handshakes=8) as pull, AsyncExitStack() as stack:
        bound = await pull.bind("tcp://127.0.0.1:*")
        for push in [await stack.enter_async_context(trizmq.Push()) for _ in range(50)]:
            push.connect(bound)
        await pull.wait_connected(50)
        assert pull.statistics().handshakes_failed == 0


async def test_an_option_counts_for_the_next_connection() -> None:
    """What is made once for all connections is made anew when an option changes."""
    async with trizmq.Dealer(routing_id=b"first") as dealer, trizmq.Router() as router:
        bound = await dealer.bind("tcp://127.0.0.1:*")
        router.connect(bound)
        await router.wait_connected()
        dealer.routing_id = b"second"
        dealer.heartbeat_interval = 0.01
        router.connect(bound)
        await router.wait_connected(2)
        assert {peer.routing_id for peer in router.peers()} == {b"first", b"second"}
