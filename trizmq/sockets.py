"""The socket types: their names, what they are for, and their verbs. What they do is in ``patterns/``."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket as stdlib_socket
from types import TracebackType
from typing import Any, ClassVar, Self

from . import patterns
from .context import Context, default_context
from .events import EndpointInfo, LingerReport, PeerInfo, Statistics
from .options import (
    ConflateOptions,
    DealerOptions,
    PublisherOptions,
    ReqOptions,
    RouterOptions,
    SocketOptions,
    StreamOptions,
    SubscriberOptions,
    XPubOptions,
    XSubOptions,
)
from .patterns.base import Pattern
from .runtime import peers
from .runtime.checkpoints import enable_ki_protection
from .runtime.exposure import warn_of_stream
from .runtime.monitor import EventWatcher
from .runtime.socket import SocketCore
from .runtime.verbs import (
    AsyncResource,
    ReceiveVerbs,
    RequestVerb,
    SendVerbs,
    SubscribeVerbs,
    TwoWayVerbs,
    WaitSubscribedVerb,
    encode_topic,
    peer_count,
    subscriptions,
)


class Socket(SocketOptions, AsyncResource):
    """What all socket types have in common. Use one of them; this class itself has no pattern.

    A socket is opened by ``async with``, once. Leaving the block closes it: gracefully, for up to ``linger`` seconds, or at
    once if the block is left by an exception or is cancelled. What the block raises leaves as it is.

    Options are keyword arguments and attributes; ``trizmq.options`` declares them.
    """

    _pattern: ClassVar[Callable[..., Pattern]]
    _exclusive: ClassVar[bool] = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._context: Context | None = None
        self._core = SocketCore(type(self).__name__, lambda drop: self._pattern(drop, self), self, self._exclusive)

    def _join_context(self, context: Context) -> None:
        """Belong to a context: called by :meth:`Context.socket`."""
        self._context = context

    def _option_changing(self, name: str) -> None:
        self._core.check_settable()

    def _option_changed(self, name: str) -> None:
        """Apply an option that was set on an open socket."""
        self._core.option_changed(name)

    async def __aenter__(self) -> Self:
        context = self._context or default_context()
        home = context._enter_socket()
        self._inherit_options(context.defaults)
        await self._core.open(home)
        warn_of_stream(self._core, context.defaults.get("security"))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._core.forked:
            return  # the socket is the parent's: a child that leaves the block leaves it alone
        await self._core.aclose(forcefully=kind is not None)
        if kind is None:
            self._core.raise_bug()

    async def aclose(self) -> None:
        """Close the socket: stop listening, write what is queued for up to ``linger`` seconds, end all connections.

        Tasks that wait in a verb get ``trio.ClosedResourceError``. A second call does nothing. Cancelled: everything is
        closed at once; what was queued is dropped and counted. An authenticator of this socket may call it: it is then
        cancelled here, as it cannot wait for its own end.
        """
        await self._core.aclose()

    # ---- endpoints

    async def bind(self, endpoint: str) -> str:
        """Listen on an endpoint, any number of them, and return it with what the system chose filled in.

        Args:
            endpoint: ``tcp://127.0.0.1:5555``, ``tcp://*:*`` (every IPv4 interface, any free port), ``tcp://[::1]:5555``,
                ``ipc:///run/app.sock``, ``ipc://*`` (a path is chosen), ``ipc://@name`` (abstract, Linux), or
                ``inproc://name`` (within this context).

        Cancelled: nothing is bound.

        Raises:
            EndpointError: the endpoint cannot be understood.
            OSError: it is taken, or not ours, or not allowed.
        """
        return await self._core.bind(endpoint)

    async def bind_socket(self, listening: stdlib_socket) -> str:
        """Accept connections from a socket that listens already, and return its endpoint, for :meth:`unbind`.

        For socket activation (systemd, inetd): ``await rep.bind_socket(socket.socket(fileno=3))``.

        Args:
            listening: a TCP or Unix domain socket on which ``listen`` was called. It is this socket's from here on, and
                closed with it; the file of a Unix domain socket is left where it is.

        Raises:
            EndpointError: it is no such socket, or does not listen. It stays the caller's.
        """
        return await self._core.bind("", listening)

    def connect(self, endpoint: str) -> None:
        """Connect to an endpoint, any number of them. Returns at once: connecting, and reconnecting, goes on by itself.

        Messages can be sent at once; they wait in a queue of ``send_hwm`` messages, unless ``immediate`` is set. See
        :meth:`wait_connected`.

        Args:
            endpoint: as for :meth:`bind`, without wildcards; tcp takes host names, and ``tcp://SOURCE:PORT;HOST:PORT``.

        Raises:
            EndpointError: the endpoint cannot be understood.
            IncompatiblePeerError: inproc only: who is bound there cannot talk to this type.
        """
        self._core.connect(endpoint, b"")

    def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint that :meth:`bind` returned, and end the connections accepted there.

        What they have sent stays readable; what is queued for them is dropped and counted. Connections over inproc stay.

        Raises:
            EndpointError: it is not bound.
        """
        self._core.unbind(endpoint)

    def disconnect(self, endpoint: str) -> None:
        """End all connections to an endpoint given to :meth:`connect`. What is queued is written for up to ``linger``.

        What they have sent stays readable.

        Raises:
            EndpointError: it was not connected to.
        """
        self._core.disconnect(endpoint)

    # ---- waiting and looking

    async def wait_connected(self, n: int = 1) -> None:
        """Wait until at least ``n`` peers have completed their handshake."""
        core, n = self._core, peer_count(n)
        await core.wait_until(lambda: core.connected_peers >= n)

    async def wait_drained(self) -> None:
        """Wait until nothing is queued for any peer: all of it is with the operating system, or with the inproc peer.

        Over ``inproc`` that takes somebody who has bound the name.
        """
        core = self._core
        await core.wait_until(lambda: core.drained)

    def events(self, limit: int = 1000) -> EventWatcher:
        """What happens to this socket from now on, as an async iterator of :class:`Event` objects.

        Args:
            limit: how many events may wait; a slower watcher loses the oldest, and ``missed`` counts them.

        The iteration ends when the socket is closed.
        """
        return self._core.watch_events(limit)

    def statistics(self) -> Statistics:
        """What the socket has done so far, and its peers: a frozen snapshot."""
        return peers.statistics(self._core)

    def peers(self) -> tuple[PeerInfo, ...]:
        """Who this socket exchanges messages with, or is connecting to, as it is now: the eldest relations first."""
        return peers.peers(self._core)

    def endpoints(self) -> tuple[EndpointInfo, ...]:
        """What this socket is bound and connected to, as it is now: those that are bound first; none once it is closed."""
        return self._core.endpoints.infos()

    def disconnect_peer(self, peer: bytes | PeerInfo) -> None:
        """Close the connection to a peer at once. What it has sent stays readable.

        A peer that connected to us may come again; where this side connects, it does so after its usual wait. Over inproc
        the connecting side comes back when another peer of the binder leaves, or the name is bound anew.

        Args:
            peer: an entry of :meth:`peers` or of ``receive_from``; or a routing id or Identity, then all that have it.

        Raises:
            HostUnreachable: there is no connection to such a peer (any more).
        """
        peers.disconnect_peer(self._core, peer)

    @property
    def closed(self) -> bool:
        """Whether the socket was closed."""
        return self._core.closed

    @property
    def linger_report(self) -> LingerReport | None:
        """What closing the socket has waited for, for how long, and what was discarded; None until it is closed.

        Messages over ``inproc`` are not waited for: they are the other side's, or are left for who binds the name. Here are
        only those that could not be left.
        """
        return self._core.linger_report

    def __repr__(self) -> str:
        return f"<trizmq {self._core.describe()}>"


class Pair(TwoWayVerbs, Socket):
    """PAIR: one peer, both ways. Waits without a peer and at the high-water mark; a second peer is refused."""

    _pattern = patterns.Pair


class Req(RequestVerb, TwoWayVerbs, ReqOptions, Socket):
    """REQ: sends a request to the next peer in rotation, then receives that peer's reply; strictly in turn.

    :meth:`request` does both, and is what to use: it can be cancelled at any time. On the wire a request is an empty frame
    and the frames given; the reply likewise (RFC 28).
    """

    _pattern = patterns.Req
    _exclusive = True


class Rep(TwoWayVerbs, Socket):
    """REP: receives a request, fairly from all peers, then sends the reply to who asked; strictly in turn (RFC 28)."""

    _pattern = patterns.Rep
    _exclusive = True


class Dealer(TwoWayVerbs, DealerOptions, Socket):
    """DEALER: sends to its peers in rotation, receives fairly from all; adds nothing to a message (RFC 28).

    To talk to a REP, send ``[b"", request]`` and expect ``[b"", reply]``.
    """

    _pattern = patterns.Dealer


class Router(TwoWayVerbs, RouterOptions, Socket):
    """ROUTER: the first frame is the peer: its routing id, in front of what is received and of what is sent (RFC 28).

    A message to an unknown or full peer is dropped and counted, unless ``router_mandatory`` is set.
    """

    _pattern = patterns.Router

    def connect(self, endpoint: str, routing_id: bytes = b"") -> None:
        """As :meth:`Socket.connect`.

        Args:
            endpoint: what to connect to.
            routing_id: by what name this peer is to be addressed here, at once, whatever it announces; empty: by what it
                announces (``ZMQ_CONNECT_ROUTING_ID``).
        """
        self._core.connect(endpoint, routing_id)


class Pub(SendVerbs, WaitSubscribedVerb, PublisherOptions, Socket):
    """PUB: sends each message to all peers that have subscribed to a prefix of its first frame (RFC 29).

    Never waits: for a subscriber at its high-water mark the message is dropped and counted, unless ``xpub_nodrop`` is set.
    """

    _pattern = patterns.Pub


class XPub(TwoWayVerbs, WaitSubscribedVerb, XPubOptions, Socket):
    """XPUB: a PUB that also receives: subscriptions (``b"\\x01topic"``, ``b"\\x00topic"``) and messages of XSUB peers."""

    _pattern = patterns.XPub

    @enable_ki_protection
    def subscribe(self, topic: bytes | str) -> None:
        """With ``xpub_manual``: subscribe the peer whose subscription was received last to this topic."""
        subscriptions(self._core).subscribe(encode_topic(topic))

    @enable_ki_protection
    def unsubscribe(self, topic: bytes | str) -> None:
        """With ``xpub_manual``: end a subscription of the peer whose message was received last."""
        subscriptions(self._core).unsubscribe(encode_topic(topic))


class Sub(ReceiveVerbs, SubscribeVerbs, SubscriberOptions, Socket):
    """SUB: receives, fairly from all publishers, what starts with a topic that it has subscribed to (RFC 29)."""

    _pattern = patterns.Sub


class XSub(TwoWayVerbs, SubscribeVerbs, XSubOptions, Socket):
    """XSUB: a SUB that subscribes by sending ``b"\\x01topic"`` and ``b"\\x00topic"``, and sends other messages upstream."""

    _pattern = patterns.XSub


class Push(SendVerbs, ConflateOptions, Socket):
    """PUSH: sends each message to one peer, in rotation over those that have room; waits when none has (RFC 30)."""

    _pattern = patterns.Push


class Pull(ReceiveVerbs, ConflateOptions, Socket):
    """PULL: receives from all peers, one message of each in turn (RFC 30)."""

    _pattern = patterns.Pull


class Stream(TwoWayVerbs, StreamOptions, Socket):
    """STREAM: plain TCP both ways (and Unix domain sockets), with peers that know no ZeroMQ: HTTP, telnet, what you like.

    A message has two frames: the routing id of a connection, and bytes. What is received in one message is what one read
    gave, up to 64 KiB: the peer's bytes in order, cut anywhere. What is sent is written as it is.

    ``[routing id, b""]`` is received when a connection is made, and when it has ended (``stream_notify``). Sent, it closes
    the connection: what was sent before is written first, for up to ``linger`` seconds; what comes from it is discarded from
    then on, counted ``UNEXPECTED``; nothing tells of its end but the ``Disconnected`` event.

    A routing id is the one given to :meth:`connect`, else five bytes made here. Where this side connects it names the
    endpoint, through all its connections (``peers()`` tells it at once); else it names one connection, and is not used again
    while another one has it. A chunk that a lost connection has not taken whole is written to the next one from its start.

    :meth:`send` waits while the connection it is for has ``send_hwm`` chunks queued, and raises, besides what it always may:

    * :exc:`HostUnreachable`: no connection has that routing id (any more).
    * ``ValueError``: the message has not exactly two frames.

    There is no handshake, and what belongs to it (its timeouts and limits, ``max_message_size``, heartbeats, ``metadata``)
    has no effect: a connection is ready, ``HandshakeSucceeded``, as soon as it is made. As libzmq's ``ZMQ_STREAM``.
    """

    _pattern = patterns.Stream

    def connect(self, endpoint: str, routing_id: bytes = b"") -> None:
        """As :meth:`Socket.connect`; ``inproc`` has no bytes, and is refused with an :exc:`EndpointError`.

        Args:
            endpoint: what to connect to.
            routing_id: the first frame of what is sent to it and received from it; empty: one is made
                (``ZMQ_CONNECT_ROUTING_ID``).
        """
        self._core.connect(endpoint, routing_id)
