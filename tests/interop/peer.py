"""A libzmq peer in a process of its own: pyzmq, which gets orders as JSON lines on stdin and answers as JSON lines on stdout.

    → {"id": 1, "socket": "a", "do": "open", "kind": "PULL", "options": {"RCVHWM": 10}}
    ← {"id": 1, "result": null}
    → {"id": 2, "socket": "a", "do": "recv", "count": 1}
    ← {"id": 2, "error": "Again: Resource temporarily unavailable"}

Each socket has a thread, which carries out its orders in turn; an order that goes on "until told otherwise" ends when the
next one comes. ``driver.py`` is the other side of this conversation; it imports from here what both have to agree on. This
file imports nothing of trizmq, nor of trio.

A *frame* in an order is text in hexadecimal, or ``[seed, size]`` for random bytes. In an answer it is hexadecimal, or a
size and a digest if it is long.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import zmq
from zmq.utils.monitor import recv_monitor_message

FrameOrder: TypeAlias = "str | list[int]"

# A blocking call that takes longer than this has failed: the test gets an error instead of a hang.
PATIENCE_MS = 30_000
_LONGEST_IN_FULL = 256
# The source of the message that ends a numbered stream.
END = "end"


def random_frame(seed: int, size: int) -> bytes:
    """A frame that both sides can make without sending it through a pipe as text."""
    return random.Random(seed).randbytes(size)


def describe(frame: bytes) -> str:
    """A frame for an answer: in full if it is short."""
    if len(frame) <= _LONGEST_IN_FULL:
        return frame.hex()
    return f"{len(frame)} bytes, sha256 {hashlib.sha256(frame).hexdigest()}"


def numbered(source: str, number: int, size: int = 0) -> bytes:
    """The body of a message of a numbered stream, filled up to a size."""
    return f"{source} {number} ".encode().ljust(size, b".")


def source_and_number(body: bytes) -> tuple[str, int]:
    """The reverse of :func:`numbered`."""
    source, number, *_ = body.split(b" ", 2)
    return source.decode(), int(number)


def as_runs(numbers: Iterable[int]) -> list[list[int]]:
    """Numbers in the order in which they came, as ``[first, length]`` of ascending runs: loses nothing, and stays short.

    A stream that arrived complete and in order is one run; a gap, a repetition or a swap makes more of them.
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


class PeerSocket:
    """One pyzmq socket and what it can be ordered to do: the methods without an underscore."""

    def __init__(self, socket: zmq.Socket[bytes], orders: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._orders = orders

    def _ordered_otherwise(self, within_ms: int = 0) -> bool:
        return bool(self._orders.poll(within_ms))

    def _readable(self) -> bool:
        """Wait for a message; False if an order comes first."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._orders, zmq.POLLIN)
        ready = dict(poller.poll(PATIENCE_MS))
        return self._socket in ready and self._orders not in ready

    # ---- endpoints and options

    def bind(self, endpoint: str) -> str:
        """Bind, and tell where."""
        self._socket.bind(endpoint)
        return self._socket.get_string(zmq.LAST_ENDPOINT)

    def connect(self, endpoint: str) -> None:
        self._socket.connect(endpoint)

    def unbind(self, endpoint: str) -> None:
        self._socket.unbind(endpoint)

    def disconnect(self, endpoint: str) -> None:
        self._socket.disconnect(endpoint)

    def set(self, **options: int | str) -> None:
        """Set socket options by their names without ``ZMQ_``; text stands for its Latin-1 bytes."""
        for name, value in options.items():
            self._socket.set(getattr(zmq, name), value.encode("latin-1") if isinstance(value, str) else value)

    def close(self, linger_ms: int = 0) -> None:
        self._socket.close(linger_ms)

    # ---- looking

    def watch(self) -> None:
        """Keep the events of this socket from now on."""
        self._monitor = self._socket.get_monitor_socket()
        self._monitor.rcvtimeo = PATIENCE_MS

    def event(self, wanted: list[str]) -> str:
        """Wait for an event of one of these names."""
        while (name := zmq.Event(recv_monitor_message(self._monitor)["event"]).name) not in wanted:
            pass
        return str(name)

    # ---- messages

    def _send(self, message: list[FrameOrder]) -> None:
        self._socket.send_multipart(
            [bytes.fromhex(frame) if isinstance(frame, str) else random_frame(*frame) for frame in message]
        )

    def send(self, messages: list[list[FrameOrder]]) -> None:
        for message in messages:
            self._send(message)

    def recv(self, count: int = 1) -> list[list[str]]:
        return [[describe(frame) for frame in self._socket.recv_multipart()] for _ in range(count)]

    def send_until_full(self, message: list[FrameOrder], patience_ms: int) -> int:
        """Send a message again and again, until there was no room for so long; tells how many were taken."""
        for sent in itertools.count():
            if not self._socket.poll(patience_ms, zmq.POLLOUT):
                return sent
            self._send(message)
        raise AssertionError

    def recv_until(self, last: FrameOrder) -> list[list[str]]:
        """Receive messages up to one that ends with this frame, which is left out."""
        received: list[list[str]] = []
        while (message := self.recv()[0])[-1] != last:
            received.append(message)
        return received

    def recv_waiting(self) -> list[list[str]]:
        """All that can be received without waiting."""
        received = []
        while self._socket.poll(0):
            received += self.recv()
        return received

    def recv_metadata(self, names: list[str]) -> dict[str, str]:
        """Receive a message and tell what is known of its sender; a name that is not known is left out."""
        frame = self._socket.recv(copy=False)
        found = {}
        for name in names:
            with contextlib.suppress(zmq.ZMQError):
                found[name] = str(frame.get(name))
        return found

    def request(self, messages: list[list[FrameOrder]]) -> list[list[str]]:
        """Send each message and receive its reply before the next."""
        replies = []
        for message in messages:
            self._send(message)
            replies += self.recv()
        return replies

    def echo(self, count: int) -> list[list[str]]:
        """Send so many messages back as they come; tells what they were."""
        seen = []
        for _ in range(count):
            message = self._socket.recv_multipart()
            seen.append([describe(frame) for frame in message])
            self._socket.send_multipart(message)
        return seen

    def serve(self) -> int:
        """Echo until told otherwise; tells how many."""
        for served in itertools.count():
            if not self._readable():
                return served
            self._socket.send_multipart(self._socket.recv_multipart())
        raise AssertionError

    def serve_badly(self, seed: int, drop: float, hold: float) -> dict[str, int]:
        """For a ROUTER: echo, but drop some replies and hold others back, to send them later and in another order."""
        chance = random.Random(seed)
        held: list[list[bytes]] = []
        counts = {"at once": 0, "late": 0, "dropped": 0}
        while not self._ordered_otherwise():
            if held and (chance.random() < 0.3 or len(held) > 5):
                self._socket.send_multipart(held.pop(chance.randrange(len(held))))
                counts["late"] += 1
            if not self._socket.poll(1):
                continue
            message = self._socket.recv_multipart()
            fate = chance.random()
            if fate < drop:
                counts["dropped"] += 1
            elif fate < drop + hold:
                held.append(message)
            else:
                self._socket.send_multipart(message)
                counts["at once"] += 1
        return counts

    def authenticate(self, status: str = "200", user_id: str = "") -> list[list[str]]:
        """For a REP at ``inproc://zeromq.zap.01``: answer ZAP requests with this status until told otherwise; tells them."""
        seen = []
        while self._readable():
            version, number, *question = self._socket.recv_multipart()
            seen.append([describe(frame) for frame in question])
            self._socket.send_multipart([version, number, status.encode(), b"text", user_id.encode(), b""])
        return seen

    def watched(self, event: int) -> int:
        """Wait for an event of this number; tells its value."""
        while self._monitor.poll(PATIENCE_MS):
            told = recv_monitor_message(self._monitor)
            if told["event"] == event:
                return int(told["value"])
        raise TimeoutError(f"no event {event:#x}")

    def repeat(self, message: list[FrameOrder]) -> int:
        """Send the same message about once a millisecond until told otherwise: a subscriber sees when it is subscribed."""
        for sent in itertools.count():
            if self._ordered_otherwise(1):
                return sent
            self._send(message)
        raise AssertionError

    # ---- numbered streams

    def produce(
        self,
        count: int | None = None,
        source: str = "peer",
        size: int = 0,
        front: list[str] | None = None,
        seed: int = 0,
        pauses_ms: list[int] | None = None,
    ) -> int:
        """Send numbered messages, so many or until told otherwise, then one that ends the stream; tells how many.

        ``front``: frames that go before the numbered one. ``pauses_ms``: after each message one of these, at random.
        """
        chance = random.Random(seed)
        frames = [bytes.fromhex(frame) for frame in front or []]
        number = 0
        while number != count:
            self._socket.send_multipart([*frames, numbered(source, number, size)])
            number += 1
            pause = chance.choice(pauses_ms) if pauses_ms else 0
            if (pause or count is None) and self._ordered_otherwise(pause) and count is None:
                break
        self._socket.send_multipart([*frames, numbered(END, 0)])
        return number

    def consume(
        self, ends: int = 1, count: int | None = None, seed: int = 0, pauses_ms: list[int] | None = None
    ) -> dict[str, list[list[int]]]:
        """Receive numbered messages, the last frames of what comes, and tell their numbers by source, as runs.

        Until as many streams have ended, or until there are ``count`` messages.
        """
        chance = random.Random(seed)
        received: dict[str, list[int]] = {}
        total = 0
        while ends and total != count:
            source, number = source_and_number(self._socket.recv_multipart()[-1])
            if source == END:
                ends -= 1
                continue
            total += 1
            received.setdefault(source, []).append(number)
            if pauses_ms:
                self._ordered_otherwise(chance.choice(pauses_ms))
        return {source: as_runs(numbers) for source, numbers in received.items()}


class Thread(threading.Thread):
    """Owns one :class:`PeerSocket` and carries out its orders."""

    def __init__(self, peer: Peer, kind: str, options: dict[str, int | str]) -> None:
        super().__init__(daemon=True)
        self._peer = peer
        self._kind = kind
        self._options = {"LINGER": 0, "RCVTIMEO": PATIENCE_MS, "SNDTIMEO": PATIENCE_MS, **options}
        self.orders = peer.context.socket(zmq.PAIR)
        self.orders.bind(f"inproc://{id(self)}")

    def run(self) -> None:
        orders = self._peer.context.socket(zmq.PAIR)
        orders.connect(f"inproc://{id(self)}")
        socket = self._peer.context.socket(getattr(zmq, self._kind))
        acting = PeerSocket(socket, orders)
        while not socket.closed:
            order = json.loads(orders.recv())
            number, action = order.pop("id"), order.pop("do")
            try:
                # at the first order, so that a wrong option is an answer too
                options, self._options = self._options, {}
                acting.set(**options)
                result = getattr(acting, action)(**order)
            except Exception as error:
                self._peer.answer({"id": number, "error": f"{type(error).__name__}: {error}"})
            else:
                self._peer.answer({"id": number, "result": result})
        orders.close(0)


class Peer:
    """All sockets of this process."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self._threads: dict[str, Thread] = {}
        self._lock = threading.Lock()

    def answer(self, answer: dict[str, Any]) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    def run(self, orders: Iterator[str]) -> None:
        for line in orders:
            order = json.loads(line)
            name = order.pop("socket")
            if order["do"] == "open":
                thread = self._threads[name] = Thread(self, order["kind"], order["options"])
                thread.start()
                order = {"id": order["id"], "do": "set"}
            self._threads[name].orders.send(json.dumps(order).encode())


if __name__ == "__main__":
    Peer().run(sys.stdin)
    os._exit(0)  # threads may wait in sockets, and the test that we belonged to is over
