"""Security between trizmq's own sockets: every mechanism, who is asked, who is let in, and what everybody else notices."""

from __future__ import annotations

import trio

import trizmq
from trizmq import auth

TIME = 10

SERVER, CLIENT, STRANGER = (auth.keygen() for _ in range(3))


async def serve(rep: trizmq.Rep) -> None:
    """Answer with what was asked, and who asked."""
    while True:
        peer, message = await rep.receive_from()
        await rep.send([*message, peer.user_id.encode()])


async def test_curve_request_and_reply(nursery: trio.Nursery) -> None:
    """Encrypted both ways, and the server knows who asks."""
    secure = trizmq.CurveServer(SERVER.secret, authenticator=auth.allowed_keys({"me": CLIENT.public}))
    client = trizmq.CurveClient(server_key=SERVER.public_z85, secret_key=CLIENT.secret_z85)
    with trio.fail_after(TIME):
        async with trizmq.Rep(security=secure) as rep, trizmq.Req(security=client) as req:
            req.connect(await rep.bind("tcp://127.0.0.1:*"))
            nursery.start_soon(serve, rep)
            assert await req.request([b"who", b"x" * 100_000]) == [b"who", b"x" * 100_000, b"me"]
            (peer,) = rep.peers()
            assert (peer.mechanism, peer.user_id, peer.metadata["User-Id"]) == ("CURVE", "me", b"me")
            nursery.cancel_scope.cancel()
