"""Every option of every socket type, once: name, type, default, range, meaning, and its name in zmq.h.

An option is a keyword argument of the socket's class, an attribute of the socket, and, given to a ``Context``, the default
of the sockets in it. Durations are seconds. Values are checked when they are set, so that a wrong one never waits inside.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .authentication import Security, check_security
from .connection_options import AcceptedPeer as AcceptedPeer
from .connection_options import ConnectionOptions
from .connection_options import ReconnectStop as ReconnectStop
from .declaring import Option as Option
from .declaring import Options, all_holders, boolean, identity, nearest, octets, option, seconds_or_never, whole
from .declaring import declared_options as declared_options
from .errors import OptionError
from .metadata import check_properties


class RouterNotify(enum.Flag):
    """Of what ``router_notify`` makes messages. The members are libzmq's, and its bits."""

    NEVER = 0
    CONNECT = 1  #: a peer has completed its handshake
    DISCONNECT = 2  #: the connection to a peer has ended
    BOTH = CONNECT | DISCONNECT


def _router_notify(value: object) -> RouterNotify:
    if not isinstance(value, RouterNotify):
        raise TypeError("expected members of trizmq.RouterNotify, several joined with |")
    return value


class QueueOptions(Options):
    """What waits to be sent and to be received, for how long and how much."""

    linger: float = option(
        default=10.0,
        check=seconds_or_never,
        zmq="ZMQ_LINGER",
        doc="How many seconds a graceful close waits for queued messages to be written; ``math.inf`` or None: for ever.",
    )
    send_hwm: int = option(
        default=1000,
        check=whole(0),
        zmq="ZMQ_SNDHWM",
        doc="How many messages may wait to be written to one peer (the high-water mark); 0: no limit.",
    )
    receive_hwm: int = option(
        default=1000,
        check=whole(0),
        zmq="ZMQ_RCVHWM",
        doc="How many messages of one peer may wait to be received; 0: no limit.",
    )
    send_hwm_bytes: int = option(
        default=0,
        check=whole(0),
        doc="How many bytes may wait to be written to one peer, exceeded by one message at most; 0: no such limit.",
    )
    receive_hwm_bytes: int = option(
        default=0,
        check=whole(0),
        doc="How many bytes of one peer may wait, exceeded by one read or message at most; 0: no such limit.",
    )
    immediate: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_IMMEDIATE",
        doc="Queue messages to completed connections only, and none for a peer that is being connected to.",
    )


_SECURITY = (
    "What secures the connections: ``Null``, ``PlainServer``, ``CurveClient`` ...; None: nothing does. STREAM has none."
)


class SocketOptions(ConnectionOptions, QueueOptions):
    """The options that every socket type has."""

    metadata: Mapping[str, bytes] = option(
        default=MappingProxyType({}),
        check=check_properties,
        zmq="ZMQ_METADATA",
        doc="More properties to announce to each peer, by names that start with ``X-``; see ``PeerInfo.metadata``.",
    )
    security: Security | None = option(
        default=None,
        check=check_security,
        zmq="ZMQ_MECHANISM",
        doc=_SECURITY,
        secret=True,
    )
    warn_insecure: bool = option(
        default=True,
        check=boolean,
        doc="Say in the log, once, that this socket is bound where other machines reach it and lets everybody in; that it "
        "takes or tells passwords (PLAIN) that can be read on the way; or that it is a STREAM in a context with security.",
    )
    checkpoint_every: int = option(
        default=64,
        check=whole(1),
        doc="At least every how many calls that did not block a verb lets other tasks run; 1 is Trio's literal rule.",
    )


class ConflateOptions(SocketOptions):
    """For PUSH, PULL, PUB, SUB and DEALER."""

    conflate: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_CONFLATE",
        doc="Keep only the newest message, whole, per peer and direction; high-water marks do not apply.",
    )


class RoutingIdOptions(SocketOptions):
    """For REQ, DEALER and ROUTER."""

    routing_id: bytes = option(
        default=b"",
        check=identity,
        zmq="ZMQ_ROUTING_ID",
        doc="The Identity announced to peers, 0 to 255 bytes, by which a ROUTER addresses this socket.",
    )
    probe_router: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_PROBE_ROUTER",
        doc="Send one empty message on every new connection, so that a ROUTER learns of this peer.",
    )


class ReqOptions(RoutingIdOptions):
    """For REQ."""

    req_correlate: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_REQ_CORRELATE",
        doc="Prefix each request with a 4-byte id and take only the reply that carries it.",
    )
    req_relaxed: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_REQ_RELAXED",
        doc="Allow ``send`` while a reply is due: the earlier request is given up, its reply is discarded.",
    )


class HelloOptions(RoutingIdOptions):
    """For DEALER and ROUTER."""

    hello_message: bytes = option(
        default=b"",
        check=octets,
        zmq="ZMQ_HELLO_MSG",
        doc="A message of one frame that is sent first on every new connection; empty: none.",
    )


class DealerOptions(ConflateOptions, HelloOptions):
    """For DEALER."""

    hiccup_message: bytes = option(
        default=b"",
        check=octets,
        zmq="ZMQ_HICCUP_MSG",
        doc="A message that is received here when a connection that this side made has ended; empty: none.",
    )


class RouterOptions(HelloOptions):
    """For ROUTER."""

    router_mandatory: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_ROUTER_MANDATORY",
        doc="Raise HostUnreachable for an unknown peer and wait for a full one, instead of dropping the message.",
    )
    router_handover: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_ROUTER_HANDOVER",
        doc="Let a new peer take over a routing id in use; the earlier connection is closed.",
    )
    router_notify: RouterNotify = option(
        default=RouterNotify.NEVER,
        check=_router_notify,
        zmq="ZMQ_ROUTER_NOTIFY",
        doc='Receive ``[routing id, b""]`` when a peer connects or disconnects: members of :class:`RouterNotify`.',
    )
    disconnect_message: bytes = option(
        default=b"",
        check=octets,
        zmq="ZMQ_DISCONNECT_MSG",
        doc="A message that is received here as if from a peer that connected to us when it has gone; empty: none.",
    )


def _no_security(value: object) -> None:
    if check_security(value) is not None:
        raise ValueError("a STREAM has no handshake, so no security mechanism: what its peers say is as it comes")


class StreamOptions(SocketOptions):
    """For STREAM."""

    security: None = option(
        default=None, check=_no_security, zmq="ZMQ_MECHANISM", doc=_SECURITY, secret=True, inherited=False
    )
    stream_notify: bool = option(
        default=True,
        check=boolean,
        zmq="ZMQ_STREAM_NOTIFY",
        doc="Receive an empty message when a connection is made, and when it has ended.",
    )


class PublisherOptions(ConflateOptions):
    """For PUB and XPUB."""

    xpub_nodrop: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_XPUB_NODROP",
        doc="Wait while any matching subscriber is full, instead of dropping the message for that subscriber.",
    )
    drop_oldest: bool = option(
        default=False,
        check=boolean,
        doc="Drop, for a full subscriber, its oldest waiting message instead of the new one; ``xpub_nodrop`` goes first. "
        "What is being written cannot be dropped, and is not counted: up to twice ``send_hwm`` messages may be queued.",
    )
    invert_matching: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_INVERT_MATCHING",
        doc="Deliver what does not match; to be set on the publisher and on its subscribers.",
    )
    max_subscriptions: int = option(
        default=1 << 18,
        check=whole(1),
        doc="How many topics one peer may subscribe to; one more ends its connection.",
    )
    max_topic_size: int = option(
        default=4096,
        check=whole(1),
        doc="The longest topic that a peer may subscribe to, in bytes; a longer one ends its connection.",
    )
    xpub_welcome_message: bytes = option(
        default=b"",
        check=octets,
        zmq="ZMQ_XPUB_WELCOME_MSG",
        doc="A message that every new subscriber is sent first; empty: none. A SUB must subscribe to it to see it.",
    )
    only_first_subscribe: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_ONLY_FIRST_SUBSCRIBE",
        doc="Take only the first frame of a message for a subscription; later ones are data whatever they start with.",
    )


class XPubOptions(PublisherOptions):
    """For XPUB."""

    xpub_verbose: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_XPUB_VERBOSE",
        doc="Receive every subscription, not only the first to each topic.",
    )
    xpub_verboser: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_XPUB_VERBOSER",
        doc="Receive every subscription and every cancellation.",
    )
    xpub_manual: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_XPUB_MANUAL",
        doc="Apply no subscription by itself: ``subscribe`` and ``unsubscribe`` act for the peer last received from.",
    )
    xpub_manual_last_value: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_XPUB_MANUAL_LAST_VALUE",
        doc="As ``xpub_manual``, and the next message goes only to the peer whose subscription was received last.",
    )


class SubscriberOptions(ConflateOptions):
    """For SUB."""

    invert_matching: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_INVERT_MATCHING",
        doc="Accept what does not match; to be set on the subscriber and on its publishers.",
    )


class XSubOptions(SocketOptions):
    """For XSUB."""

    xsub_verbose_unsubscribe: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_XSUB_VERBOSE_UNSUBSCRIBE",
        doc="Forward every cancellation, not only the one that ends the last subscription to a topic.",
    )
    only_first_subscribe: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_ONLY_FIRST_SUBSCRIBE",
        doc="Take only the first frame of a message for a subscription; later ones are data whatever they start with.",
    )


def check_defaults(values: Mapping[str, object]) -> dict[str, object]:
    """Check options that are to be defaults for whatever socket type has them."""
    known: dict[str, Option[Any]] = {}
    for holder in all_holders(SocketOptions):
        for name, declared in declared_options(holder).items():
            known.setdefault(name, declared)  # the general one, where a type has its own
    checked: dict[str, object] = {}
    for name, value in values.items():
        if name not in known:
            raise OptionError(f"no socket type has an option {name!r}{nearest(name, known)}")
        checked[name] = known[name].checked(value)
    return checked
