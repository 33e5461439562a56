"""A server and several clients, each in a process of its own, exchange numbered messages. Calls are cancelled at random
instants, on both sides; at the end the books of both sides are compared.

First the clients ask requests (REQ), which REP workers behind a ROUTER answer. A request that was cancelled may have been
carried out or not, but never twice, and no reply may be taken for another's. Then they stream messages (DEALER) to a
ROUTER that sends each one back: of these, none may be lost, arrive twice or out of order, whatever was cancelled.

Every client with an odd number is impatient and cancels; the others never do. So does the server, all the time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import inf
from time import perf_counter

import trio

import trizmq

MOST_CLIENTS = 100
WORKERS = 4
IMPATIENCE = {"request": 0.004, "stream": 0.003, "server": 0.010}
"""Seconds, on average, until a call that is under way is cancelled."""
SETTLING = 20.0
"""Seconds that the clients may take for starting and for the last messages, besides their working time."""
TICK = 0.2
GO, END = b"go", b"end"
NUMBERED = struct.Struct("!HQ")  # the client, and the number of the message among that client's


# ---- the books: what each side has counted, and whether that agrees. No I/O here.


@dataclass(slots=True)
class Ledger:
    """Numbers that have arrived, of a sender that counts 0, 1, 2, ..."""

    expected: int = 0  #: the highest number that arrived, and one
    missing: set[int] = field(default_factory=set)  #: those below that have not arrived
    duplicated: int = 0
    reordered: int = 0  #: those that arrived after a higher one

    def enter(self, number: int) -> None:
        """Count an arrival."""
        if number == self.expected:
            self.expected += 1
        elif number > self.expected:
            self.missing.update(range(self.expected, number))
            self.expected = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.reordered += 1
        else:
            self.duplicated += 1

    @property
    def entered(self) -> int:
        """How many arrived, those that came twice counted twice."""
        return self.expected - len(self.missing) + self.duplicated

    def missing_of(self, sent: int) -> set[int]:
        """The numbers that have not arrived of so many sent."""
        return self.missing | set(range(self.expected, sent))


@dataclass(slots=True)
class ClientBook:
    """What one client has counted."""

    client: int
    asked: int = 0
    given_up: list[int] = field(default_factory=list)  #: the requests that were cancelled
    replies_lost: int = 0  #: the connection broke while a reply was waited for
    foreign: int = 0  #: replies that are not to the request, echoes of another client's message
    round_trips: dict[int, int] = field(default_factory=dict)  #: how many took so many microseconds, rounded to ten
    sent: int = 0
    echoes: Ledger = field(default_factory=Ledger)
    acknowledged: int = -1  #: how many messages the server says that it has received
    stream_cancelled: int = 0  #: sends and receives

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return sum(self.round_trips.values())

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self), default=sorted)

    @classmethod
    def from_json(cls, line: str) -> ClientBook:
        """Read what ``to_json`` made."""
        values = json.loads(line)
        echoes = values.pop("echoes")
        values["echoes"] = Ledger(**{**echoes, "missing": set(echoes["missing"])})
        values["round_trips"] = {int(time): count for time, count in values["round_trips"].items()}
        return cls(**values)


@dataclass(slots=True)
class ServerBook:
    """What the server has counted of one client."""

    served: Ledger = field(default_factory=Ledger)  #: requests
    streamed: Ledger = field(default_factory=Ledger)
    echoed: int = 0
    foreign: int = 0  #: messages of another client


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with the books: counts of messages."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    mismatched: int = 0  #: not what was sent, or not to whom; or the two sides disagree in any other way

    def __add__(self, other: Findings) -> Findings:
        return Findings(
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.reordered + other.reordered,
            self.mismatched + other.mismatched,
        )

    @property
    def balanced(self) -> bool:
        """Whether nothing is wrong."""
        return self == Findings()


def audit(client: ClientBook, server: ServerBook) -> Findings:
    """Compare the books of a client with the server's books of that client."""
    unserved = server.served.missing_of(client.asked) - set(client.given_up)
    requests = Findings(
        lost=len(unserved) + client.replies_lost,
        duplicated=server.served.duplicated,
        mismatched=max(0, server.served.expected - client.asked)
        + abs(client.asked - client.answered - len(client.given_up) - client.replies_lost - client.foreign),
    )
    there = _compare(client.sent, server.streamed)
    back = _compare(server.echoed, client.echoes)
    totals = Findings(
        lost=max(0, server.streamed.entered - server.echoed),
        mismatched=client.foreign + server.foreign + (client.acknowledged != server.streamed.entered),
    )
    return requests + there + back + totals


def _compare(sent: int, arrived: Ledger) -> Findings:
    return Findings(
        lost=len(arrived.missing_of(sent)),
        duplicated=arrived.duplicated,
        reordered=arrived.reordered,
        mismatched=max(0, arrived.expected - sent),
    )


# ---- the server, in the main process


class DemoError(Exception):
    """The demo cannot go on; says why."""


class Interruptions:
    """Cancels what is done inside it at random instants, and counts how often."""

    def __init__(self, seed: str, mean: float) -> None:
        self._random = random.Random(seed)
        self._mean = mean
        self.count = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A stretch of time that ends by itself or, more often, by being cancelled."""
        with trio.move_on_after(self._mean * self._random.expovariate(1.0)) as scope:
            yield
        self.count += scope.cancelled_caught


class Server:
    """REP workers behind a ROUTER, and another ROUTER that sends back what it gets. Everything in it is cancelled at random.

    None of the loops below takes precautions. What stands after an ``await`` on a socket is done if and only if the call has
    done what it is for: that is the promise.
    """

    def __init__(self, clients: int, seed: int) -> None:
        self.books = {b"client-%d" % number: ServerBook() for number in range(1, clients + 1)}
        self.interruptions = Interruptions(f"{seed} server", IMPATIENCE["server"])
        self.late_replies = 0
        self.working = trio.Event()

    async def serve_requests(self, endpoint: str, task_status: trio.TaskStatus[str]) -> None:
        """Pass the clients' requests to whichever worker is free."""
        async with trizmq.Router() as frontend, trizmq.Dealer() as backend:
            bound = await frontend.bind(endpoint)
            await backend.bind("inproc://workers")
            async with trio.open_nursery() as nursery:
                for worker in range(1, WORKERS + 1):
                    nursery.start_soon(self._work, name=f"demo worker {worker}")
                task_status.started(bound)
                try:
                    while True:
                        with self.interruptions.inside():
                            await trizmq.proxy(frontend, backend)
                finally:
                    self.late_replies = frontend.statistics().dropped

    async def _work(self) -> None:
        async with trizmq.Rep() as rep:
            rep.connect("inproc://workers")
            request: list[bytes] = []
            while True:
                with self.interruptions.inside():
                    while True:
                        if not request:
                            request = await rep.receive()
                            client, number = NUMBERED.unpack(request[0])
                            self.books[b"client-%d" % client].served.enter(number)
                        await rep.send(request)
                        request = []

    async def serve_stream(self, endpoint: str, task_status: trio.TaskStatus[str]) -> None:
        """Wait for all clients, let them begin, then send back what they send."""
        async with trizmq.Router(router_mandatory=True) as router:
            task_status.started(await router.bind(endpoint))
            for _ in self.books:
                await router.receive()
            for client in self.books:
                await router.send([client, GO])
            self.working.set()
            echoes: list[list[bytes]] = []
            while True:
                with self.interruptions.inside():
                    while True:
                        if not echoes:
                            echoes = self._enter(await router.receive_many())
                        sent = await router.send_many(echoes)
                        for client, *body in echoes[:sent]:
                            self.books[client].echoed += len(body) == 1
                        del echoes[:sent]

    def _enter(self, messages: list[list[bytes]]) -> list[list[bytes]]:
        for message in messages:
            book = self.books[message[0]]
            if message[1] == END:
                message.append(b"%d" % book.streamed.entered)
            else:
                client, number = NUMBERED.unpack(message[1])
                book.foreign += message[0] != b"client-%d" % client
                book.streamed.enter(number)
        return messages


# ---- a client, in a process of its own


class Client:
    """Asks requests for half of the time, then streams."""

    def __init__(self, number: int, seconds: float, seed: int) -> None:
        self.book = ClientBook(number)
        self._seconds = seconds
        request, stream = (IMPATIENCE["request"], IMPATIENCE["stream"]) if is_impatient(number) else (inf, inf)
        self._asking = Interruptions(f"{seed} {number} requests", request)
        self._sending = Interruptions(f"{seed} {number} sends", stream)
        self._receiving = Interruptions(f"{seed} {number} receives", stream)

    async def run(self, requests: str, stream: str) -> None:
        """Work through the whole programme."""
        async with trizmq.Req() as req, trizmq.Dealer(routing_id=b"client-%d" % self.book.client) as dealer:
            req.connect(requests)
            dealer.connect(stream)
            await req.wait_connected()
            await dealer.send(b"here")
            await dealer.receive()
            await self._ask(req)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, dealer, name="demo receiver")
                await self._send(dealer)

    async def _ask(self, req: trizmq.Req) -> None:
        book, end = self.book, trio.current_time() + self._seconds / 2
        while trio.current_time() < end:
            number, reply = book.asked, [b""]
            request = NUMBERED.pack(book.client, number)
            book.asked += 1
            begin = perf_counter()
            cancelled_before = self._asking.count
            try:
                with self._asking.inside():
                    reply = await req.request(request)
            except trizmq.PeerLostError:
                book.replies_lost += 1
                continue
            if self._asking.count > cancelled_before:
                book.given_up.append(number)
            elif reply == [request]:
                time = round((perf_counter() - begin) * 1e5) * 10
                book.round_trips[time] = book.round_trips.get(time, 0) + 1
            else:
                book.foreign += 1

    async def _send(self, dealer: trizmq.Dealer) -> None:
        book = self.book
        with trio.move_on_after(self._seconds / 2):
            while True:
                with self._sending.inside():
                    while True:
                        await dealer.send(NUMBERED.pack(book.client, book.sent))
                        book.sent += 1
        await dealer.send(END)

    async def _receive(self, dealer: trizmq.Dealer) -> None:
        book = self.book
        while True:
            with self._receiving.inside():
                while True:
                    message = await dealer.receive()
                    if message[0] == END:
                        book.acknowledged = int(message[1])
                        return
                    client, number = NUMBERED.unpack(message[0])
                    book.foreign += client != book.client
                    book.echoes.enter(number)

    async def report_progress(self) -> None:
        """Tell the main process now and then what has been done."""
        while True:
            await trio.sleep(TICK)
            tell(json.dumps([self.book.answered, self.book.echoes.entered, self.cancelled]))

    @property
    def cancelled(self) -> int:
        """How many calls were cancelled."""
        return self._asking.count + self._sending.count + self._receiving.count


def is_impatient(client: int) -> bool:
    """Whether this client cancels."""
    return client % 2 == 1


def tell(line: str) -> None:
    """Write a line to the main process. It reads all the time, so this does not block."""
    try:
        os.write(1, line.encode() + b"\n")
    except BrokenPipeError:
        pass  # it is gone: stdin ends too, and with it this process


async def _end_with_main_process(scope: trio.CancelScope) -> None:
    """Whatever ends the main process, even SIGKILL, closes our stdin."""
    if sys.platform != "win32":  # where Trio cannot read a pipe; the demo's time limit has to do there
        async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
            async for _ in stdin:
                pass
        scope.cancel()


async def _client_main(options: argparse.Namespace) -> int:
    client = Client(options.number, options.seconds, options.seed)
    with trio.move_on_after(options.seconds + SETTLING):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_with_main_process, nursery.cancel_scope, name="demo end of stdin")
            nursery.start_soon(client.report_progress, name="demo progress")
            await client.run(options.requests, options.stream)
            client.book.stream_cancelled = client.cancelled - len(client.book.given_up)
            tell(client.book.to_json())
            nursery.cancel_scope.cancel()
    return 0 if client.book.acknowledged >= 0 else 1


def run_client(options: argparse.Namespace) -> int:
    """``python -m trizmq demo-client``, which the demo starts."""
    return trio.run(_client_main, options)


# ---- the main process


class Demo:
    """Starts the server and the clients, shows what they do, and compares their books."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._seconds: float = options.seconds
        self._clients: int = options.clients
        self._seed: int = random.randrange(1_000_000) if options.seed is None else options.seed
        self._endpoint: str = options.endpoint
        self._progress: dict[int, list[int]] = {}
        self._books: list[ClientBook] = []

    async def run(self) -> bool:
        """The whole demo; returns whether the books balance."""
        server = Server(self._clients, self._seed)
        async with trio.open_nursery() as nursery:
            try:
                requests = await nursery.start(server.serve_requests, self._endpoint, name="demo requests")
                stream = await nursery.start(server.serve_stream, self._endpoint, name="demo stream")
            except (OSError, trizmq.EndpointError) as error:
                raise DemoError(f"cannot listen at {self._endpoint}: {error}") from None
            print(f"trizmq {trizmq.__version__} demo: {self._clients} clients for {self._seconds:g} s, --seed {self._seed}")
            print(f"requests at {requests}, stream at {stream}\n", flush=True)
            nursery.start_soon(self._show_progress, server, name="demo progress")
            async with trio.open_nursery() as clients:
                for number in range(1, self._clients + 1):
                    clients.start_soon(self._run_client, number, requests, stream, name=f"demo client {number}")
            nursery.cancel_scope.cancel()
        return self._summarize(server)
