"""Peers that cannot talk to each other part quickly and visibly, and ours gets in once the right one is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess, described, until

TIME = 20

#: Who talks to whom (RFC 37).
COMPATIBLE = {
    "PAIR": "PAIR",
    "PUB": "SUB XSUB",
    "SUB": "PUB XPUB",
    "REQ": "REP ROUTER",
    "REP": "REQ DEALER",
    "DEALER": "REP DEALER ROUTER",
    "ROUTER": "REQ DEALER ROUTER",
    "PULL": "PUSH",
    "PUSH": "PULL",
    "XPUB": "SUB XSUB",
    "XSUB": "PUB XPUB",
}
OURS = {
    "XPUB": trizmq.XPub,
    "XSUB": trizmq.XSub,
    **{name: getattr(trizmq, name.title()) for name in COMPATIBLE if "X" not in name},
}


@pytest.mark.parametrize("ours", COMPATIBLE)
async def test_wrong_types_are_refused(ours: str, peer: PeerProcess) -> None:
    """Either side binding; the event names both types, and nobody counts as connected."""
    with trio.fail_after(TIME):
        for theirs in COMPATIBLE.keys() - COMPATIBLE[ours].split():
            async with (
                OURS[ours](reconnect_interval=1000, reconnect_interval_max=1000) as socket,
                socket.events() as events,
            ):
                binding, connecting = await peer.open(theirs), await peer.open(theirs)
                await connecting.connect(await socket.bind("tcp://127.0.0.1:*"))
                accepted = await until(events, trizmq.HandshakeFailed)
                socket.connect(await binding.bind("tcp://127.0.0.1:*"))
                connected = await until(events, trizmq.HandshakeFailed)
                retried = await until(events, trizmq.ConnectRetried)
                assert theirs in accepted.cause
                assert connected.cause == retried.cause
                assert not any(each.connected for each in socket.statistics().peers)
                await binding.close()
                await connecting.close()


async def test_gets_in_once_the_right_type_is_bound(peer: PeerProcess, wildcard: Callable[[str], str]) -> None:
    """libzmq would give up for good; what was sent waits meanwhile."""
    with trio.fail_after(TIME):
        async with trizmq.Push(reconnect_interval=0.02, reconnect_interval_max=0.1) as push, push.events() as events:
            wrong = await peer.open("PUB")
            endpoint = await wrong.bind(wildcard("ipc"))
            push.connect(endpoint)
            await push.send(b"waits")
            for _ in range(3):
                await until(events, trizmq.HandshakeFailed)
            await wrong.close()
            await until(events, trizmq.ConnectRetried)
            right = await peer.open("PULL")
            await right.bind(endpoint)
            assert await right.recv() == described([[b"waits"]])
            assert (await until(events, trizmq.HandshakeSucceeded)).socket_type == "PULL"


async def test_does_not_hammer(peer: PeerProcess) -> None:
    """The wait between attempts grows although each of them reaches the peer."""
    with trio.fail_after(TIME):
        async with trizmq.Push(reconnect_interval=0.01, reconnect_interval_max=10) as push, push.events() as events:
            push.connect(await (await peer.open("PUB")).bind("tcp://127.0.0.1:*"))
            delays = [(await until(events, trizmq.ConnectRetried)).delay for _ in range(5)]
            assert delays[4] > delays[0] * 16 / 3 / 2  # doubled four times, each spread by half either way


@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
async def test_another_mechanism_is_refused(mechanism: str, peer: PeerProcess) -> None:
    """Whoever sees it first: libzmq closes before it has told us its mechanism."""
    secret = {
        "PLAIN": {"PLAIN_USERNAME": "user", "PLAIN_PASSWORD": "password"},
        "CURVE": {
            "CURVE_SERVERKEY": "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
            "CURVE_PUBLICKEY": "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
            "CURVE_SECRETKEY": "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
        },
    }[mechanism]
    with trio.fail_after(TIME):
        async with trizmq.Pull() as pull, pull.events() as events:
            push = await peer.open("PUSH", **secret)
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            await push.connect(endpoint)
            assert (await until(events, trizmq.HandshakeFailed)).cause
            good = await peer.open("PUSH")
            await good.connect(endpoint)
            await good.send([b"hello"])
            assert await pull.receive() == [b"hello"]


async def test_second_peer_of_a_pair(peer: PeerProcess) -> None:
    """A bound PAIR takes one peer, refuses the next, and takes it when the first has gone (a trizmq one: libzmq gives up)."""
    with trio.fail_after(TIME):
        async with trizmq.Pair() as pair, pair.events() as events:
            endpoint = await pair.bind("tcp://127.0.0.1:*")
            first = await peer.open("PAIR")
            await first.connect(endpoint)
            await pair.wait_connected()
            async with trizmq.Pair(reconnect_interval=0.02, reconnect_interval_max=0.1) as second:
                second.connect(endpoint)
                await second.send(b"from the second")
                await until(events, trizmq.HandshakeFailed)
                await first.send([b"from the first"])
                assert await pair.receive() == [b"from the first"]
                await first.close()
                assert await pair.receive() == [b"from the second"]


async def test_same_routing_id_twice(peer: PeerProcess) -> None:
    """A ROUTER refuses the second peer of a name, visibly; with ``router_handover`` it is the first that goes."""
    with trio.fail_after(TIME):
        async with trizmq.Router() as router, router.events() as events:
            endpoint = await router.bind("tcp://127.0.0.1:*")
            first, second = await peer.open("DEALER", ROUTING_ID="same"), await peer.open("DEALER", ROUTING_ID="same")
            await first.connect(endpoint)
            await router.wait_connected()
            await second.connect(endpoint)
            assert "same" in (await until(events, trizmq.HandshakeFailed)).cause
            await first.send([b"still there"])
            assert await router.receive() == [b"same", b"still there"]
            router.router_handover = True
            third = await peer.open("DEALER", ROUTING_ID="same")
            await third.connect(endpoint)
            await until(events, trizmq.Disconnected)
            await router.send([b"same", b"to the third"])
            assert await third.recv() == described([[b"to the third"]])
