"""A program of a user, type-checked and not run: what the public API must look like to mypy.

``assert_type`` fails when a type decays to ``Any``, so that a broken ``py.typed`` or a shadowed stub cannot pass unseen.
Checked by ``nox -s types`` with today's mypy, and by ``nox -s typing_compat`` beside trio-typing and its old stubs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

import trio
import trio.abc

import trizmq


async def server(endpoints: trio.abc.SendChannel[str]) -> None:
    async with trizmq.Rep(linger=1.0, send_hwm=10) as rep:
        endpoint = await rep.bind("tcp://127.0.0.1:*")
        assert_type(endpoint, str)
        await endpoints.send(endpoint)
        async for request in rep:
            assert_type(request, list[bytes])
            await rep.send([b"pong", bytearray(b"more"), memoryview(b"rest")])


async def client(endpoint: str) -> bytes:
    async with trizmq.Context(linger=1.0) as ctx, ctx.socket(trizmq.Req) as req:
        assert_type(req, trizmq.Req)
        req.connect(endpoint)
        await req.wait_connected()
        reply = await req.request(b"ping")
        assert_type(reply, list[bytes])
        await req.send((b"one", b"two"))
        assert_type(await req.receive(), list[bytes])
        return reply[0]


async def pipeline(endpoint: str) -> None:
    async with trizmq.Push() as push, trizmq.Pull(receive_hwm=0) as pull:
        assert_type(await pull.bind(endpoint), str)
        push.connect(endpoint)
        push.send_nowait(b"now")
        await push.send_many([b"one", [b"two", b"frames"]])
        assert_type(pull.receive_nowait(), list[bytes])
        assert_type(await pull.receive_many(100), list[list[bytes]])
        assert_type(await pull.recv(), bytes)
        await push.wait_drained()
        push.disconnect(endpoint)
        pull.unbind(endpoint)
        await push.aclose()


async def publisher(topics: Sequence[bytes]) -> None:
    async with trizmq.Pub() as pub, trizmq.Sub() as sub:
        sub.connect(await pub.bind("inproc://news"))
        for topic in topics:
            sub.subscribe(topic)
            await pub.wait_subscribed(topic, 1)
            await pub.send([topic, b"body"])
            sub.unsubscribe(topic)


async def pyzmq_names(dealer: trizmq.Dealer, router: trizmq.Router) -> None:
    await dealer.send_string("text")
    await dealer.send_json({"a": [1, 2.0, None]})
    await dealer.send_multipart([b"", b"body"])
    assert_type(await router.recv_multipart(), list[bytes])
    assert_type(await router.recv_string(), str)


async def watch(socket: trizmq.Pull) -> None:
    statistics = socket.statistics()
    assert_type(statistics, trizmq.Statistics)
    assert_type(statistics.messages_received, int)
    assert_type(statistics.dropped, int)
    async for event in socket.events():
        assert_type(event, trizmq.Event)


async def forward(frontend: trizmq.Router, backend: trizmq.Dealer) -> None:
    await trizmq.proxy(frontend, backend)


async def plain_tcp(endpoint: str) -> None:
    async with trizmq.Stream(stream_notify=False) as stream:
        stream.connect(endpoint, routing_id=b"there")
        await stream.send([b"there", b"GET / HTTP/1.0\r\n\r\n"])
        async for message in stream:
            assert_type(message, list[bytes])
        for one in stream.endpoints():
            assert_type(one.retry_in, float | None)
    assert_type(stream.linger_report, trizmq.LingerReport | None)


async def members_only(request: trizmq.auth.AuthenticationRequest) -> trizmq.auth.Decision:
    assert_type(request.public_key, bytes | None)
    if request.mechanism != "CURVE":
        return trizmq.auth.Deny(400, "CURVE only")
    return trizmq.auth.Allow(request.public_key_z85, {"Role": b"member"})


async def secured(nursery: trio.Nursery) -> None:
    keys = trizmq.auth.keygen()
    everybody = trizmq.auth.all_of(trizmq.auth.addresses(["127.0.0.1"]), members_only, trizmq.auth.zap())
    server = trizmq.CurveServer(keys.secret, authenticator=everybody, domain="front")
    assert_type(server.public_key, bytes)
    client: trizmq.Security = trizmq.CurveClient(server_key=keys.public_z85)
    await nursery.start(trizmq.auth.serve_zap, members_only)
    async with trizmq.Rep(security=server) as rep, trizmq.Req(security=client) as req:
        req.connect(await rep.bind("tcp://127.0.0.1:*"))
        peer, message = await rep.receive_from()
        assert_type(peer.user_id, str)
        assert_type(message, list[bytes])


# Code written against Trio's own interfaces takes our sockets as they are.
async def drain(channel: trio.abc.ReceiveChannel[list[bytes]]) -> list[bytes]:
    return [frame async for message in channel for frame in message]


async def main() -> None:
    async with trio.open_nursery() as nursery:
        endpoints, bound = trio.open_memory_channel[str](1)
        nursery.start_soon(server, endpoints)
        nursery.start_soon(client, await bound.receive())
        nursery.start_soon(pipeline, "ipc://*")
        nursery.start_soon(publisher, [b"news", b"weather"])
    async with trizmq.Pull() as pull:
        await drain(pull)
    assert_type(trizmq.has("curve"), bool)
    assert_type(trizmq.__version__, str)


if __name__ == "__main__":
    trio.run(main)
