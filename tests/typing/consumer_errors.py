"""Misuse of the public API that a type checker must report, one mark per line; see ``expect.py``. Never run."""

from __future__ import annotations

import trizmq


async def directions(
    pull: trizmq.Pull, push: trizmq.Push, pub: trizmq.Pub, sub: trizmq.Sub, dealer: trizmq.Dealer, rep: trizmq.Rep
) -> None:
    await pull.send(b"x")  # E: attr-defined
    pull.send_nowait(b"x")  # E: attr-defined
    await push.receive()  # E: attr-defined
    await push.recv()  # E: attr-defined
    await pub.receive()  # E: attr-defined
    await sub.send(b"x")  # E: attr-defined
    pub.subscribe(b"topic")  # E: attr-defined
    dealer.subscribe(b"topic")  # E: attr-defined
    await dealer.request(b"x")  # E: attr-defined
    await rep.request(b"x")  # E: attr-defined


async def messages(push: trizmq.Push, pull: trizmq.Pull) -> None:
    await push.send("text")  # E: arg-type
    await push.send(42)  # E: arg-type
    await push.send([b"frame", "text"])  # E: list-item
    text: str = await pull.recv()  # E: assignment
    frame: bytes = await pull.receive()  # E: assignment
    print(text, frame)


async def options() -> None:
    async with trizmq.Pull(receive_hmw=5):  # E: call-arg
        pass
    async with trizmq.Pull(receive_hwm="5"):  # E: arg-type
        pass
    async with trizmq.Push(routing_id=b"me"):  # E: call-arg
        pass
    async with trizmq.Dealer(routing_id="me") as dealer:  # E: arg-type
        dealer.send_hwm = "many"  # E: assignment
    async with trizmq.Rep(security=trizmq.Null):  # E: arg-type
        pass
    trizmq.PlainServer(authenticator=lambda request: True)  # E:
    async with trizmq.Req("tcp://127.0.0.1:5555"):  # E:
        pass


async def colours(req: trizmq.Req) -> None:
    await req.connect("tcp://127.0.0.1:5555")  # E:
    endpoint: str = req.bind("tcp://127.0.0.1:*")  # E: assignment
    print(endpoint)


async def contexts(ctx: trizmq.Context) -> None:
    async with ctx.socket("REQ"):  # E: arg-type
        pass
    async with ctx.socket(trizmq.Push) as push:
        await push.receive()  # E: attr-defined
