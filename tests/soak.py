"""Churn for minutes, and look at tasks, descriptors and memory all the while: ``nox -s soak``, or ``python -m tests.soak``.

Long-lived servers stay, everything else comes and goes around them: clients of several types over each transport, cancelled
anywhere, connecting and disconnecting, and peers that talk rubbish. After each round all is quiet for a moment, and there
must be what there was after the first rounds. Exits with 1 if something grows.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import trio

import trizmq
from tests.footprint import Footprint, footprint
from tests.hostile.test_mutations import Mutator

ROUND = 10.0  # seconds
WARM_UP = 2  # rounds, which fill caches and free lists
# What may be more than after the warm-up, however long it takes. Trio keeps up to a thousand deadlines that have gone, each
# with its scope, an entry of its heap and the reason for a cancellation: three thousand objects that come and go. What is
# left behind by any of the tens of thousands of calls of a run is more than this.
MORE_OBJECTS = 5000
MORE_BYTES = 15_000_000


class Churn:
    """The servers, and what happens around them."""

    def __init__(self, context: trizmq.Context, seed: int, folder: str) -> None:
        self._chance = random.Random(seed)
        self._mutator = Mutator(str(seed))
        self._folder = folder
        self._until = 0.0
        self.done: dict[str, int] = {}
        self._context = context
        self._rep = self._context.socket(trizmq.Rep)
        self._router = self._context.socket(trizmq.Router, handshake_timeout=0.5)
        self._pull = self._context.socket(trizmq.Pull, handshake_timeout=0.5)
        self._pub = self._context.socket(trizmq.Pub, send_hwm=100)
        self._servers: list[Any] = [self._rep, self._router, self._pull, self._pub]
        self._endpoints: dict[Any, list[str]] = {}

    # ---- the servers

    async def run(self, rounds: int) -> bool:
        """So many rounds; whether nothing grew."""
        async with self._rep, self._router, self._pull, self._pub, trio.open_nursery() as nursery:
            for number, server in enumerate(self._servers):
                endpoints = ["tcp://127.0.0.1:*", f"ipc://{self._folder}/{number}", f"inproc://{number}"]
                self._endpoints[server] = [await server.bind(endpoint) for endpoint in endpoints]
            for serve in self._reply, self._route, self._take, self._publish:
                nursery.start_soon(serve)
            first: Footprint | None = None
            grown: list[str] = []
            for number in range(rounds):
                self._until = trio.current_time() + ROUND
                async with trio.open_nursery() as churning:
                    for act in self._ask, self._talk, self._push, self._subscribe, self._reconnect, self._rebind:
                        churning.start_soon(self._repeat, act)
                        churning.start_soon(self._repeat, act)
                    churning.start_soon(self._repeat, self._babble)
                while any(server.statistics().peers for server in self._servers):
                    await trio.testing.wait_all_tasks_blocked(0.01)
                now = await footprint()
                print(f"{(number + 1) * ROUND:6.0f} s  {now};  done: {self.done}", flush=True)
                if number + 1 >= WARM_UP:
                    first = first or now
                    grown = compare(first, now)
                    if grown:
                        break
            print("\n".join(["grown:", *grown]) if grown else "nothing grew")
            nursery.cancel_scope.cancel()
        return not grown

    async def _reply(self) -> None:
        async for request in self._rep:
            await self._rep.send(request)

    async def _route(self) -> None:
        async for message in self._router:
            await self._router.send(message)

    async def _take(self) -> None:
        async for _ in self._pull:
            pass

    async def _publish(self) -> None:
        while True:
            await self._pub.wait_subscribed("")
            await self._pub.send(b"news")
            await trio.sleep(0.002)

    # ---- what comes and goes

    async def _repeat(self, act: Callable[[], Awaitable[None]]) -> None:
        name = act.__name__.strip("_")
        while trio.current_time() < self._until:
            with trio.CancelScope() as scope:
                if self._chance.random() < 0.5:
                    scope.deadline = trio.current_time() + self._chance.uniform(0, 0.02)
                await act()
            name_and_end = f"{name} cancelled" if scope.cancelled_caught else name
            self.done[name_and_end] = self.done.get(name_and_end, 0) + 1

    def _endpoint(self, server: Any) -> str:
        return self._chance.choice(self._endpoints[server])

    async def _ask(self) -> None:
        async with self._context.socket(trizmq.Req, linger=0.1) as req:
            req.connect(self._endpoint(self._rep))
            for number in range(5):
                assert await req.request(b"%d" % number) == [b"%d" % number]

    async def _talk(self) -> None:
        async with self._context.socket(trizmq.Dealer, linger=0.1) as dealer:
            dealer.connect(self._endpoint(self._router))
            await dealer.send_many([[b"hello", b"x" * self._chance.randrange(10_000)]] * 20)
            for _ in range(20):
                await dealer.receive()

    async def _push(self) -> None:
        async with self._context.socket(trizmq.Push, linger=0.1) as push:
            push.connect(self._endpoint(self._pull))
            await push.send_many([b"work"] * 100)

    async def _subscribe(self) -> None:
        async with self._context.socket(trizmq.Sub) as sub:
            sub.subscribe("")
            sub.connect(self._endpoint(self._pub))
            for _ in range(3):
                await sub.receive()

    async def _reconnect(self) -> None:
        """One socket, many endpoints one after the other."""
        async with self._context.socket(trizmq.Dealer, linger=0.1) as dealer, dealer.events(10):
            for _ in range(5):
                endpoint = self._endpoint(self._router)
                dealer.connect(endpoint)
                await dealer.wait_connected()
                await dealer.send(b"hello")
                await dealer.receive()
                dealer.disconnect(endpoint)

    async def _rebind(self) -> None:
        """A server that comes and goes, with its client."""
        async with self._context.socket(trizmq.Pair, linger=0.1) as one, self._context.socket(trizmq.Pair) as other:
            endpoint = await one.bind("tcp://127.0.0.1:*")
            other.connect(endpoint)
            await other.send(b"hello")
            await one.receive()
            one.unbind(endpoint)

    async def _babble(self) -> None:
        port = int(self._endpoints[self._router][0].rpartition(":")[2])
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        try:
            await self._mutator.play(stream, b"DEALER")
        finally:
            await trio.aclose_forcefully(stream)


def compare(first: Footprint, now: Footprint) -> list[str]:
    """What there is too much of."""
    grown = []
    if now.tasks != first.tasks:
        grown.append(f"tasks: {now.tasks - first.tasks}")
    if now.descriptors > first.descriptors:
        grown.append(f"descriptors: {first.descriptors} -> {now.descriptors}")
    if now.objects > first.objects + MORE_OBJECTS:
        grown.append(f"objects: {first.objects} -> {now.objects}")
    if now.resident > first.resident + MORE_BYTES:
        grown.append(f"resident bytes: {first.resident} -> {now.resident}")
    return grown


async def churn(rounds: int, seed: int, folder: str) -> bool:
    """So many rounds; whether nothing grew."""
    async with trizmq.Context() as context:
        return await Churn(context, seed, folder).run(rounds)


def main(minutes: float = 10, seed: int = 1) -> int:
    """Run it; the exit status."""
    logging.getLogger("trizmq").setLevel(logging.ERROR)  # it tells of each message that a cancelled close discards
    with tempfile.TemporaryDirectory() as folder:
        return 0 if trio.run(churn, max(3, round(minutes * 60 / ROUND)), seed, folder) else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 10))
