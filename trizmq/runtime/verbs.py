"""The verbs: send and receive in all their forms. This is the hot path; what it calls is laid out for it.

Each verb is a cancel point on every call, and a schedule point when it has to wait and at least every
``checkpoint_every``-th call (see :mod:`.checkpoints`). Checking comes first and taking last, with nothing in between that
could be cancelled: if ``Cancelled`` comes out, nothing was queued and nothing was taken.

The first lines of ``send``, ``receive`` and ``recv`` are the same on purpose: a coroutine of their own would cost every
message another 0.1 µs of the 0.7 that a verb takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, Protocol, TypeVar, cast

import trio
from trio.abc import AsyncResource as AsyncResource

from ..errors import MultipartError, in_short, tell_queued
from ..events import PeerInfo
from ..messages import Packed, Sendable, pack, unpack
from .checkpoints import checkpoint, checkpoint_if_cancelled, enable_ki_protection
from .peers import sender
from .socket import SocketCore

T = TypeVar("T")


class SendVerbs(trio.abc.SendChannel[Sendable]):
    """For the socket types that send."""

    _core: SocketCore

    @enable_ki_protection
    async def send(self, message: Sendable) -> None:
        """Queue a message for delivery.

        Args:
            message: one frame (``bytes``, ``bytearray`` or ``memoryview``), or a sequence of frames. ``bytes`` travel by
                reference, other buffers are copied before the call returns.

        Waits where the socket type waits: at the high-water mark of all the peers that could take the message, or without
        such a peer. PUB, XPUB, XSUB, REP and ROUTER do not wait unless told to; what they drop is counted.

        Cancelled: nothing was queued, no frame of it.

        Raises:
            TypeError: a part is not bytes-like.
            StateError: REQ or REP, and it is not its turn to send.
            trio.ClosedResourceError: the socket is closed, or was closed meanwhile.
        """
        packed = message if type(message) is bytes else pack(message)
        core = self._core
        if core.budget > 1:
            core.budget -= 1
            await checkpoint_if_cancelled()
        else:
            await checkpoint()
            core.budget = core.every
        if get_ident() != core.thread:
            core.check_home()
        while not core.gate.send(packed):
            await core.wait_to_send()

    @enable_ki_protection
    def send_nowait(self, message: Sendable) -> None:
        """Queue a message, or raise ``trio.WouldBlock`` where :meth:`send` would wait."""
        packed = message if type(message) is bytes else pack(message)
        core = self._core
        if get_ident() != core.thread:
            core.check_home()
        if not core.gate.send(packed):
            raise trio.WouldBlock

    @enable_ki_protection
    async def send_many(self, messages: Iterable[Sendable]) -> int:
        """Queue many messages, in order, as :meth:`send` does one; the cheapest way to send.

        All are checked before the first is queued. Waits whenever there is no room for the next.

        Returns the number of messages queued. That is all of them, unless the call was cancelled in the middle: then it
        returns how many were queued so far, and the next checkpoint raises ``Cancelled``. Cancelled before the first:
        nothing was queued. So ``fail_after`` raises nothing if its scope ends with the call: look at the number.

        Raises what :meth:`send` raises. Where it does so in the middle, those before are queued: a note on the exception says
        how many, and HostUnreachable and StateError have the number as ``queued``.
        """
        batch = [message if type(message) is bytes else pack(message) for message in messages]
        core = self._core
        await checkpoint()
        core.budget = core.every
        core.check_home()
        sent, send = 0, core.gate.send
        try:
            for packed in batch:
                while not send(packed):
                    try:
                        await core.wait_to_send()
                    except trio.Cancelled:
                        if sent:
                            return sent
                        raise
                    send = core.gate.send
                sent += 1
        except Exception as error:
            tell_queued(error, sent, len(batch))
            raise
        return sent

    async def wait_writable(self) -> None:
        """Wait until :meth:`send_nowait` would not raise WouldBlock. Takes nothing; somebody else may be quicker."""
        await self._core.wait_ready(lambda gate: gate.can_send)

    @property
    def writable(self) -> bool:
        """Whether a message could be sent now without waiting."""
        self._core.check_home()
        return self._core.gate.can_send

    async def send_multipart(self, frames: Iterable[bytes | bytearray | memoryview]) -> None:
        """:meth:`send` under pyzmq's name, for a message of several frames."""
        await self.send(list(frames))

    async def send_string(self, text: str, encoding: str = "utf-8") -> None:
        """Send a text as a message of one frame."""
        if not isinstance(text, str):
            raise TypeError(f"send_string() takes a str, not {in_short(text)}; use send() for bytes")
        await self.send(text.encode(encoding))

    async def send_json(self, value: object, **dumps_options: Any) -> None:
        """Send a value as JSON in one frame; keywords go to :func:`json.dumps`."""
        dumps_options.setdefault("separators", (",", ":"))
        import json  # few programs send it

        await self.send(json.dumps(value, **dumps_options).encode())

    async def send_serialized(self, value: T, serialize: Callable[[T], Sendable]) -> None:
        """Send what ``serialize(value)`` gives: a frame or a sequence of frames."""
        await self.send(serialize(value))


class ReceiveVerbs(trio.abc.ReceiveChannel[list[bytes]]):
    """For the socket types that receive."""

    _core: SocketCore

    @enable_ki_protection
    async def receive(self) -> list[bytes]:
        """Wait for the next message and take it.

        Returns its frames. What is in which frame depends on the socket type: a ROUTER finds the peer's routing id in
        the first, an XPUB may find a subscription (``b"\\x01topic"``, ``b"\\x00topic"``).

        Cancelled: no message was taken.

        Raises:
            StateError: REQ or REP, and it is not its turn to receive.
            trio.ClosedResourceError: the socket is closed, or was closed meanwhile.
        """
        core = self._core
        if core.budget > 1:
            core.budget -= 1
            await checkpoint_if_cancelled()
        else:
            await checkpoint()
            core.budget = core.every
        if get_ident() != core.thread:
            core.check_home()
        while (message := core.gate.receive()) is None:
            await core.wait_to_receive()
        return [message] if type(message) is bytes else message  # type: ignore[return-value]  # no narrowing by type()

    @enable_ki_protection
    def receive_nowait(self) -> list[bytes]:
        """Take the next message, or raise ``trio.WouldBlock`` if there is none."""
        core = self._core
        if get_ident() != core.thread:
            core.check_home()
        message = core.gate.receive()
        if message is None and core.lease.offered:
            core.lease.read_now()  # the engine's reader may be a moment behind
            message = core.gate.receive()
        if message is None:
            raise trio.WouldBlock
        return unpack(message)

    @enable_ki_protection
    async def receive_many(self, max_messages: int = 500) -> list[list[bytes]]:
        """Wait for a message, then take all that are there, up to ``max_messages``; the cheapest way to receive.

        More at a time are not cheaper: from 700 lists on, Python's garbage collector looks at them.

        Cancelled: no message was taken.
        """
        if max_messages < 1:
            raise ValueError(f"max_messages is at least 1, not {max_messages}")
        core = self._core
        await checkpoint()
        core.budget = core.every
        core.check_home()
        while not (messages := core.gate.receive_many(max_messages)):
            await core.wait_to_receive()
        return [[message] if type(message) is bytes else message for message in messages]  # type: ignore[misc]  # no narrowing by type()

    @enable_ki_protection
    async def recv(self) -> bytes:
        """Wait for the next message and take its only frame: pyzmq's name.

        Raises:
            MultipartError: the message has several frames. It was not taken: :meth:`receive` gives it.
        """
        core = self._core
        if core.budget > 1:
            core.budget -= 1
            await checkpoint_if_cancelled()
        else:
            await checkpoint()
            core.budget = core.every
        if get_ident() != core.thread:
            core.check_home()
        while (message := core.gate.receive()) is None:
            await core.wait_to_receive()
        if type(message) is not bytes:
            raise self._put_back(message)
        return message

    def _put_back(self, message: Packed) -> MultipartError:
        self._core.gate.unreceive(message)
        return MultipartError(
            f"the next message has {len(message)} frames and recv() returns one; take it with receive() or recv_multipart()"
        )

    @enable_ki_protection
    async def receive_from(self) -> tuple[PeerInfo, list[bytes]]:
        """:meth:`receive`, and from whom: the peer as it is now, with its address and the metadata of its handshake.

        The peer may have gone meanwhile. The picture is made for each message: receive plainly where it is not needed.
        """
        core = self._core
        if core.budget > 1:
            core.budget -= 1
            await checkpoint_if_cancelled()
        else:
            await checkpoint()
            core.budget = core.every
        core.check_home()
        while (message := core.gate.receive()) is None:
            await core.wait_to_receive()
        return sender(core), unpack(message)

    async def wait_readable(self) -> None:
        """Wait until :meth:`receive_nowait` would not raise WouldBlock. Takes nothing; somebody else may be quicker."""
        await self._core.wait_ready(lambda gate: gate.can_receive)

    @property
    @enable_ki_protection
    def readable(self) -> bool:
        """Whether a message could be received now without waiting."""
        core = self._core
        core.check_home()
        if core.lease.offered and not core.gate.can_receive:
            core.lease.read_now()
        return core.gate.can_receive

    async def recv_multipart(self) -> list[bytes]:
        """:meth:`receive` under pyzmq's name."""
        return await self.receive()

    async def recv_string(self, encoding: str = "utf-8") -> str:
        """Receive a message of one frame as text. A frame that is no text is lost: the error holds its bytes."""
        return (await self.recv()).decode(encoding)

    async def recv_json(self, **loads_options: Any) -> Any:
        """Receive one frame as JSON; keywords go to :func:`json.loads`. A frame that is none is lost: the error holds it."""
        import json

        return json.loads(await self.recv(), **loads_options)

    async def recv_serialized(self, deserialize: Callable[[list[bytes]], T]) -> T:
        """Receive a message and return ``deserialize(frames)``. If that raises, the message is lost but for the error."""
        return deserialize(await self.receive())

    def __aiter__(self: T) -> T:
        return self

    async def __anext__(self) -> list[bytes]:
        return await self.receive()


class TwoWayVerbs(SendVerbs, ReceiveVerbs, trio.abc.Channel[list[bytes]]):
    """For the socket types that send and receive."""


class Requesting(Protocol):
    """What the pattern of a REQ has besides."""

    def abandon(self) -> None:
        """Give up whatever is under way."""

    def forget_relaxed(self) -> None:
        """Give up what earlier verbs have left under way, where ``req_relaxed`` allows that."""


class Subscribing(Protocol):
    """What the pattern of a SUB, XSUB or XPUB has besides."""

    def subscribe(self, topic: bytes) -> None:
        """Subscribe."""

    def unsubscribe(self, topic: bytes) -> None:
        """Undo it."""

    @property
    def topics_count(self) -> int:
        """How many distinct topics there are."""


class Publishing(Protocol):
    """What the pattern of a PUB or XPUB has besides."""

    def subscriber_count(self, topic: bytes) -> int:
        """How many peers a message that starts with this topic goes to."""

    @property
    def topics_count(self) -> int:
        """How many distinct topics are subscribed to."""


def subscriptions(core: SocketCore) -> Subscribing:
    """The pattern of an open socket that subscribes."""
    core.check_open()
    return cast("Subscribing", core.pattern)


def encode_topic(topic: bytes | str) -> bytes:
    """A topic as bytes; a text stands for its UTF-8."""
    if isinstance(topic, str):
        return topic.encode()
    if isinstance(topic, (bytes, bytearray, memoryview)):
        return bytes(topic)
    raise TypeError(f"a topic is bytes or str, not {in_short(topic)}")


def peer_count(n: object) -> int:
    """A number of peers to wait for."""
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"n={n!r}: expected a whole number of peers, at least 0")
    return n


class RequestVerb:
    """For REQ."""

    _core: SocketCore

    @enable_ki_protection
    async def request(self, message: Sendable) -> list[bytes]:
        """Send a request and wait for its reply, which this call alone gets.

        Cancelled at any time, the socket can be used again at once, and the reply to a request that was given up is never
        taken for a later one's. It is withdrawn if it has not left yet, else it may have been carried out or not. From
        then on requests to a REP carry an id in their envelope, which it returns; a ROUTER that owes a reply is not asked
        while another peer can be, and otherwise is connected to anew. (Only where a new connection would not keep the
        late reply away, with a ``routing_id`` or where the ROUTER is the one that connects, is the reply waited for;
        ``req_correlate`` avoids that.)

        Raises:
            PeerLostError: the peer that was asked disconnected before it replied. Ask again if that does no harm.
            trio.BusyResourceError: another task's request is under way on this socket.
            StateError: a request made with ``send`` waits for its reply.
        """
        packed = message if type(message) is bytes else pack(message)
        core = self._core
        await checkpoint_if_cancelled()
        if get_ident() != core.thread:
            core.check_home()
        if core.requesting:
            raise trio.BusyResourceError(
                f"another request is under way on {core.name}: one socket asks one thing at a time"
            )
        core.requesting = True
        try:
            cast("Requesting", core.pattern).forget_relaxed()
            while not core.gate.send(packed):
                await core.wait_to_send()
            try:
                while (reply := core.gate.receive()) is None:
                    await core.wait_to_receive()
            except (
                BaseException
            ):  # Cancelled, or Ctrl-C, or the state error of a lost peer, after which this does nothing
                cast("Requesting", core.pattern).abandon()
                raise
        finally:
            core.requesting = False
        return unpack(reply)


class SubscribeVerbs:
    """For SUB and XSUB."""

    _core: SocketCore

    @enable_ki_protection
    def subscribe(self, topic: bytes | str = b"") -> None:
        """Receive messages whose first frame starts with this topic (``str``: its UTF-8); empty: all messages.

        Counted: as many :meth:`unsubscribe` undo it. Publishers learn of it at once, and again after a reconnect.
        """
        subscriptions(self._core).subscribe(encode_topic(topic))

    @enable_ki_protection
    def unsubscribe(self, topic: bytes | str = b"") -> None:
        """Undo one :meth:`subscribe`. Nothing happens for a topic that is not subscribed to."""
        subscriptions(self._core).unsubscribe(encode_topic(topic))

    @property
    def topics_count(self) -> int:
        """To how many different topics this socket is subscribed (``ZMQ_TOPICS_COUNT``).

        Raises:
            UsageError: the socket is not open.
            trio.ClosedResourceError: it is closed.
        """
        return subscriptions(self._core).topics_count


class WaitSubscribedVerb:
    """For PUB and XPUB."""

    _core: SocketCore

    async def wait_subscribed(self, topic: bytes | str = b"", n: int = 1) -> None:
        """Wait until at least ``n`` peers are subscribed to a message that starts with this topic."""
        core, prefix, n = self._core, encode_topic(topic), peer_count(n)
        core.check_open()
        publisher = cast("Publishing", core.pattern)
        await core.wait_until(lambda: publisher.subscriber_count(prefix) >= n)

    @property
    def topics_count(self) -> int:
        """How many different topics the peers are subscribed to (``ZMQ_TOPICS_COUNT``).

        Raises:
            UsageError: the socket is not open.
            trio.ClosedResourceError: it is closed.
        """
        self._core.check_open()
        return cast("Publishing", self._core.pattern).topics_count
