"""Properties of the application in the handshake, between trizmq and pyzmq, both ways."""

from __future__ import annotations

import pytest
import trio

import trizmq
from tests.interop.driver import PeerProcess

TIME = 20


@pytest.mark.parametrize("bind", [True, False], ids=["we bind", "we connect"])
async def test_properties(peer: PeerProcess, bind: bool) -> None:
    with trio.fail_after(TIME):
        async with trizmq.Dealer(metadata={"X-hello": b"world", "X-other": b"2"}, routing_id=b"me") as dealer:
            theirs = await peer.open("DEALER", METADATA="X-theirs:some text", ROUTING_ID="them")
            if bind:
                await theirs.connect(await dealer.bind("tcp://127.0.0.1:*"))
            else:
                dealer.connect(await theirs.bind("tcp://127.0.0.1:*"))
            await dealer.send(b"x")
            names = ["X-hello", "X-other", "X-none", "Socket-Type", "Identity"]
            assert await theirs.do("recv_metadata", names=names) == {
                "X-hello": "world",
                "X-other": "2",
                "Socket-Type": "DEALER",
                "Identity": "me",
            }
            await theirs.send([b"y"])
            info, frames = await dealer.receive_from()
            assert frames == [b"y"]
            assert info.metadata == {"Socket-Type": b"DEALER", "Identity": b"them", "X-theirs": b"some text"}
            assert (info.mechanism, info.identity) == ("NULL", b"them")
