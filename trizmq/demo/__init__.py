"""The demo: a server and several clients, each in a process of its own, exchange numbered messages. Calls are cancelled at
random instants, on both sides; at the end the books of both sides are compared.

First the clients ask requests (REQ), which REP workers behind a ROUTER answer. A request that was cancelled may have been
carried out or not, but never twice, and no reply may be taken for another's. Then they stream messages (DEALER) to a
ROUTER that sends each one back: of these, none may be lost, arrive twice or out of order, whatever was cancelled.

Every client with an odd number is impatient and cancels; the others never do. So does the server, all the time.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from math import inf

import trio

import trizmq

from .books import ClientBook, ServerBook, audit
from .report import Screen, progress_line, summary

MOST_CLIENTS = 16
WORKERS = 4
IMPATIENCE = {"request": 0.004, "stream": 0.003, "server": 0.010}
"""Seconds, on average, until a call that is under way is cancelled."""
SETTLING = 20.0
"""Seconds that the clients may take for starting and for the last messages, besides their working time."""
TICK = 0.2
GO, END = b"go", b"end"
# The client, and the number of the message among that client's; a message of the stream is filled up to 1 KiB, so that the
# system's buffers hold no more than what is done in a moment.
REQUEST, STREAMED = struct.Struct("!HQ"), struct.Struct("!HQ1014x")


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
                            client, number = REQUEST.unpack(request[0])
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
            self.interruptions.count = 0  # so far they only disturbed the waiting
            self.working.set()
            echoes: list[list[bytes]] = []
            while True:
                with self.interruptions.inside():
                    while True:
                        if not echoes:
                            echoes = self._enter(await router.receive_many())
                        try:
                            sent = await router.send_many(echoes)
                        except trizmq.HostUnreachable as error:
                            raise DemoError(f"a client is gone: {error}") from error
                        for client, *body in echoes[:sent]:
                            self.books[client].echoed += len(body) == 1
                        del echoes[:sent]

    def _enter(self, messages: list[list[bytes]]) -> list[list[bytes]]:
        for message in messages:
            book = self.books[message[0]]
            if message[1] == END:
                message.append(b"%d" % book.streamed.entered)
            else:
                client, number = STREAMED.unpack(message[1])
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
            start = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, dealer, name="demo receiver")
                await self._send(dealer)
            self.book.seconds_streaming = trio.current_time() - start

    async def _ask(self, req: trizmq.Req) -> None:
        book, start = self.book, trio.current_time()
        while (now := trio.current_time()) < start + self._seconds / 2:
            number, reply = book.asked, [b""]
            request = REQUEST.pack(book.client, number)
            book.asked += 1
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
                time = round((trio.current_time() - now) * 1e5) * 10
                book.round_trips[time] = book.round_trips.get(time, 0) + 1
            else:
                book.foreign += 1
        book.seconds_asking = trio.current_time() - start

    async def _send(self, dealer: trizmq.Dealer) -> None:
        book = self.book
        with trio.move_on_after(self._seconds / 2):
            while True:
                with self._sending.inside():
                    while True:
                        await dealer.send(STREAMED.pack(book.client, book.sent))
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
                    client, number = STREAMED.unpack(message[0])
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


async def _main_process_ended() -> None:
    """Whatever ends the main process, even SIGKILL, closes our stdin."""
    if sys.platform == "win32":  # where Trio cannot read a pipe; the demo's time limit has to do there
        await trio.sleep_forever()
    async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
        async for _ in stdin:
            pass


async def _client_main(options: argparse.Namespace) -> None:
    client = Client(options.number, options.seconds, options.seed)

    async def work() -> None:
        # Too late means that something is lost: the books will tell.
        with trio.move_on_after(options.seconds + SETTLING):
            await client.run(options.requests, options.stream)
        client.book.stream_cancelled = client.cancelled - len(client.book.given_up)
        tell(client.book.to_json())
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, name="demo client")
        nursery.start_soon(client.report_progress, name="demo progress")
        await _main_process_ended()
        nursery.cancel_scope.cancel()


def run_client(options: argparse.Namespace) -> int:
    """``python -m trizmq demo-client``, which the demo starts."""
    _be_quiet_about_unsent_messages()
    trio.run(_client_main, options)
    return 0


# ---- the main process


class Demo:
    """Starts the server and the clients, shows what they do, and compares their books."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._seconds: float = options.seconds
        self._clients: int = options.clients
        self._seed: int = random.randrange(1_000_000) if options.seed is None else options.seed
        self._endpoint: str = options.endpoint
        self._screen = Screen()
        self._server = Server(self._clients, self._seed)
        self._progress: dict[int, list[int]] = {}
        self._books: list[ClientBook] = []

    async def run(self) -> bool:
        """The whole demo; returns whether the books balance."""
        async with trio.open_nursery() as nursery:
            try:
                requests = await nursery.start(self._server.serve_requests, self._endpoint, name="demo requests")
                stream = await nursery.start(self._server.serve_stream, self._endpoint, name="demo stream")
            except (OSError, trizmq.EndpointError) as error:
                raise DemoError(f"cannot listen at {self._endpoint}: {error}") from error
            self._screen.line(
                f"trizmq {trizmq.__version__} demo: {self._clients} clients, {self._seconds:g} s, --seed {self._seed}"
            )
            self._screen.line(f"requests at {requests}, stream at {stream}")
            nursery.start_soon(self._show_progress, name="demo progress")
            async with trio.open_nursery() as clients:
                for number in range(1, self._clients + 1):
                    clients.start_soon(self._run_client, number, requests, stream, name=f"demo client {number}")
            nursery.cancel_scope.cancel()
        return self._summarize()

    async def _run_client(self, number: int, requests: str, stream: str) -> None:
        command = [sys.executable, "-m", "trizmq", "demo-client", str(number), "--seconds", str(self._seconds)]
        command += ["--seed", str(self._seed), "--requests", requests, "--stream", stream]
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for the main process, which ends the clients.
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            line = b""
            async for line in _lines(process.stdout):
                if line.startswith(b"["):
                    self._progress[number] = json.loads(line)
            status = await process.wait()
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        if not line.startswith(b"{"):
            raise DemoError(f"client {number} ended too early, with status {status}")
        self._books.append(ClientBook.from_json(line.decode()))

    async def _show_progress(self) -> None:
        await self._server.working.wait()
        begin = trio.current_time()
        while True:
            await trio.sleep(TICK)
            self._screen.progress(now := trio.current_time() - begin, progress_line(now, self._seconds, *self._done()))

    def _done(self) -> tuple[int, int, int]:
        answered, streamed, cancelled = (
            sum(counts) for counts in zip([0, 0, 0], *self._progress.values(), strict=True)
        )
        return answered, streamed, cancelled + self._server.interruptions.count

    def interrupt(self) -> None:
        """Say what had been done when Ctrl-C came."""
        answered, streamed, cancelled = self._done()
        self._screen.line(f"Interrupted; so far {answered:,} answered, {streamed:,} streamed, {cancelled:,} cancelled.")

    def fail(self, error: BaseException) -> None:
        """Say why the demo could not be done."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self._screen.end_progress()
        sys.stderr.write(f"trizmq demo: {error}\n")

    def _summarize(self) -> bool:
        findings = {book.client: audit(book, self._server.books[b"client-%d" % book.client]) for book in self._books}
        for line in summary(
            self._books,
            findings,
            {number: is_impatient(number) for number in findings},
            self._server.interruptions.count,
            self._server.late_replies,
        ):
            self._screen.line(line)
        return all(found.balanced for found in findings.values())


def _be_quiet_about_unsent_messages() -> None:
    """When everything is cut off, by Ctrl-C or because a process died, there are some, and it need not be said of each."""
    logging.getLogger("trizmq").setLevel(logging.ERROR)


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in stream:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line


def run(options: argparse.Namespace) -> int:
    """``python -m trizmq demo``; returns the exit status."""
    _be_quiet_about_unsent_messages()
    status, interrupted = 1, False
    demo = Demo(options)
    try:
        status = 0 if trio.run(demo.run) else 1
    except* KeyboardInterrupt:
        interrupted = True
        demo.interrupt()
        raise
    except* DemoError as group:
        if not interrupted:  # when the clients are ended, the server may notice
            demo.fail(group)
    return status
