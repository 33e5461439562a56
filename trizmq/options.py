"""Every option of every socket type, once: name, type, default, range, meaning, and its name in zmq.h.

An option is a keyword argument of the socket's class, an attribute of the socket, and, given to a ``Context``, the default
of the sockets in it. Durations are seconds. Values are checked when they are set, so that a wrong one never waits inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast, dataclass_transform

from .errors import OptionError
from .metadata import check_properties

T = TypeVar("T")


class Option(Generic[T]):
    """One option: a descriptor that checks what is set, and knows its documentation."""

    def __init__(self, default: T, check: Callable[[object], T], zmq: str, doc: str) -> None:
        self.default = default
        self.check = check
        self.zmq = zmq
        self.__doc__ = doc
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, holder: Options | None, owner: type) -> T | Option[T]:
        if holder is None:
            return self
        return cast("T", holder._option_values.get(self.name, self.default))

    def __set__(self, holder: Options, value: object) -> None:
        checked = self.checked(value)
        holder._option_changing(self.name)
        holder._option_values[self.name] = checked
        holder._option_changed(self.name)

    def checked(self, value: object) -> T:
        """The value in its final form, or an error that names the option, the value and what would be right."""
        try:
            return self.check(value)
        except (TypeError, ValueError) as error:
            raise OptionError(f"{self.name}={value!r}: {error}") from None


def option(*, default: T, check: Callable[[object], T], zmq: str = "", doc: str) -> T:
    """Declare an option in the body of an :class:`Options` class; to a type checker it is a field of type ``T``."""
    return cast("T", Option(default, check, zmq, doc))


@dataclass_transform(kw_only_default=True, field_specifiers=(option,))
class Options:
    """Holds options as attributes; what was never set falls back to the context's default, then to the option's own."""

    def __init__(self, **values: Any) -> None:
        known = declared_options(type(self))
        for name in values:
            if name not in known:
                nearest = _nearest(name, known)
                raise OptionError(f"{type(self).__name__} has no option {name!r}{nearest}")
        self._option_values: dict[str, object] = {name: known[name].checked(value) for name, value in values.items()}

    def __setattr__(self, name: str, value: object) -> None:
        # a misspelt option, or one under its name in pyzmq, must not become an attribute that does nothing
        if not name.startswith("_") and not hasattr(type(self), name) and type(self).__module__.startswith("trizmq."):
            raise OptionError(
                f"{type(self).__name__} has no option {name!r}{_nearest(name, declared_options(type(self)))}"
            )
        super().__setattr__(name, value)

    def _inherit_options(self, defaults: Mapping[str, object]) -> None:
        """Take the defaults that apply to this type for every option that was not set here."""
        known = declared_options(type(self))
        for name, value in defaults.items():
            if name in known:
                self._option_values.setdefault(name, value)

    def _option_changing(self, name: str) -> None:
        """Called before an option is set on a living holder; raises if that must not be done from here."""

    def _option_changed(self, name: str) -> None:
        """Called after an option was set on a living holder; sockets apply at once what can be applied."""


def declared_options(holder: type) -> dict[str, Option[Any]]:
    """All options that a class declares or inherits, by name, the general ones first."""
    found: dict[str, Option[Any]] = {}
    for base in reversed(holder.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Option):
                found[name] = value
    return found


def _nearest(name: str, known: Mapping[str, Option[Any]]) -> str:
    from difflib import get_close_matches

    if name.lower() in ("rcvtimeo", "sndtimeo", "timeout"):
        return "; put a time limit around the call: with trio.move_on_after(seconds)"
    for ours, declared in known.items():
        if declared.zmq and declared.zmq == f"ZMQ_{name.upper()}":
            return f"; it is called {ours!r} here"
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has: {', '.join(known)}"


def _boolean(value: object) -> bool:
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError("expected True or False")


def _whole(least: int, most: int | None = None) -> Callable[[object], int]:
    wanted = f"a whole number of at least {least}" + (f" and at most {most}" if most is not None else "")

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"expected {wanted}")
        if value < least or (most is not None and value > most):
            raise ValueError(f"expected {wanted}")
        return value

    return check


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value) or value < 0:
        raise ValueError("expected seconds, 0 or more")
    return float(value)


def _seconds_or_never(value: object) -> float:
    return math.inf if value is None else _seconds(value)


def _positive_seconds(value: object) -> float:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("expected seconds, more than 0")
    return seconds


def _seconds_or_none(value: object) -> float | None:
    return None if value is None else _positive_seconds(value)


def _ttl(value: object) -> float:
    seconds = _seconds(value)
    if seconds > 65.5:
        raise ValueError("expected at most 65.5 seconds: libzmq keeps it in 16 bits of milliseconds, and wraps above")
    return seconds


def _identity(value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("expected bytes")
    identity = bytes(value)
    if len(identity) > 255:
        raise ValueError(f"a routing id has at most 255 bytes, not {len(identity)}")
    if identity[:1] == b"\0":
        raise ValueError("a routing id must not start with a zero byte: those are made by ROUTER itself")
    return identity


def _octets(value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("expected bytes")
    return bytes(value)


class SocketOptions(Options):
    """The options that every socket type has."""

    linger: float = option(
        default=10.0,
        check=_seconds_or_never,
        zmq="ZMQ_LINGER",
        doc="How many seconds a graceful close waits for queued messages to be written; ``math.inf`` or None: for ever.",
    )
    send_hwm: int = option(
        default=1000,
        check=_whole(0),
        zmq="ZMQ_SNDHWM",
        doc="How many messages may wait to be written to one peer (the high-water mark); 0: no limit.",
    )
    receive_hwm: int = option(
        default=1000,
        check=_whole(0),
        zmq="ZMQ_RCVHWM",
        doc="How many messages of one peer may wait to be received; 0: no limit.",
    )
    reconnect_interval: float = option(
        default=0.1,
        check=_positive_seconds,
        zmq="ZMQ_RECONNECT_IVL",
        doc="Seconds before the first attempt to reconnect; doubles with each failure, and is spread by jitter.",
    )
    reconnect_interval_max: float = option(
        default=5.0,
        check=_positive_seconds,
        zmq="ZMQ_RECONNECT_IVL_MAX",
        doc="The longest wait between two attempts to reconnect, in seconds.",
    )
    handshake_timeout: float = option(
        default=30.0,
        check=_seconds_or_never,
        zmq="ZMQ_HANDSHAKE_IVL",
        doc="Seconds that a new connection has to complete its handshake; ``math.inf`` or None: no limit.",
    )
    heartbeat_interval: float = option(
        default=0.0,
        check=_seconds,
        zmq="ZMQ_HEARTBEAT_IVL",
        doc="Seconds between the PINGs sent to each peer, to notice one that is gone without a word; 0: none.",
    )
    heartbeat_timeout: float | None = option(
        default=None,
        check=_seconds_or_none,
        zmq="ZMQ_HEARTBEAT_TIMEOUT",
        doc="Seconds after a PING in which anything at all must come from the peer; None: ``heartbeat_interval``.",
    )
    heartbeat_ttl: float = option(
        default=0.0,
        check=_ttl,
        zmq="ZMQ_HEARTBEAT_TTL",
        doc="Seconds of silence after which the peer is asked to give us up, in tenths, at most 65.5; 0: not asked.",
    )
    connect_timeout: float = option(
        default=math.inf,
        check=_seconds_or_never,
        zmq="ZMQ_CONNECT_TIMEOUT",
        doc="Seconds that one attempt to connect may take; ``math.inf`` or None: as long as the system tries.",
    )
    immediate: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_IMMEDIATE",
        doc="Queue messages to completed connections only, and none for a peer that is being connected to.",
    )
    max_message_size: int = option(
        default=1 << 30,
        check=_whole(1),
        zmq="ZMQ_MAXMSGSIZE",
        doc="The largest message accepted from a peer, in bytes of all its frames; a larger one ends its connection.",
    )
    metadata: Mapping[str, bytes] = option(
        default=MappingProxyType({}),
        check=check_properties,
        zmq="ZMQ_METADATA",
        doc="More properties to announce to each peer, by names that start with ``X-``; see ``PeerInfo.metadata``.",
    )
    ipv6: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_IPV6",
        doc="Bind ``tcp://*`` to IPv6 and IPv4 instead of IPv4 alone. Literal addresses and host names need no option.",
    )
    backlog: int = option(
        default=100,
        check=_whole(1),
        zmq="ZMQ_BACKLOG",
        doc="How many connections the operating system keeps that wait to be accepted.",
    )
    checkpoint_every: int = option(
        default=64,
        check=_whole(1),
        doc="At least every how many calls that did not block a verb lets other tasks run; 1 is Trio's literal rule.",
    )


class ConflateOptions(SocketOptions):
    """For PUSH, PULL, PUB, SUB and DEALER."""

    conflate: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_CONFLATE",
        doc="Keep only the newest message, whole, per peer and direction; high-water marks do not apply.",
    )


class RoutingIdOptions(SocketOptions):
    """For REQ, DEALER and ROUTER."""

    routing_id: bytes = option(
        default=b"",
        check=_identity,
        zmq="ZMQ_ROUTING_ID",
        doc="The Identity announced to peers, 0 to 255 bytes, by which a ROUTER addresses this socket.",
    )
    probe_router: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_PROBE_ROUTER",
        doc="Send one empty message on every new connection, so that a ROUTER learns of this peer.",
    )


class ReqOptions(RoutingIdOptions):
    """For REQ."""

    req_correlate: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_REQ_CORRELATE",
        doc="Prefix each request with a 4-byte id and take only the reply that carries it.",
    )
    req_relaxed: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_REQ_RELAXED",
        doc="Allow ``send`` while a reply is due: the earlier request is given up, its reply is discarded.",
    )


class DealerOptions(ConflateOptions, RoutingIdOptions):
    """For DEALER."""


class RouterOptions(RoutingIdOptions):
    """For ROUTER."""

    router_mandatory: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_ROUTER_MANDATORY",
        doc="Raise HostUnreachable for an unknown peer and wait for a full one, instead of dropping the message.",
    )
    router_handover: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_ROUTER_HANDOVER",
        doc="Let a new peer take over a routing id in use; the earlier connection is closed.",
    )


class PublisherOptions(ConflateOptions):
    """For PUB and XPUB."""

    xpub_nodrop: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_XPUB_NODROP",
        doc="Wait while any matching subscriber is full, instead of dropping the message for that subscriber.",
    )
    invert_matching: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_INVERT_MATCHING",
        doc="Deliver what does not match; to be set on the publisher and on its subscribers.",
    )
    xpub_welcome_message: bytes = option(
        default=b"",
        check=_octets,
        zmq="ZMQ_XPUB_WELCOME_MSG",
        doc="A message that every new subscriber is sent first; empty: none. A SUB must subscribe to it to see it.",
    )
    only_first_subscribe: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_ONLY_FIRST_SUBSCRIBE",
        doc="Take only the first frame of a message for a subscription; later ones are data whatever they start with.",
    )


class XPubOptions(PublisherOptions):
    """For XPUB."""

    xpub_verbose: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_XPUB_VERBOSE",
        doc="Receive every subscription, not only the first to each topic.",
    )
    xpub_verboser: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_XPUB_VERBOSER",
        doc="Receive every subscription and every cancellation.",
    )
    xpub_manual: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_XPUB_MANUAL",
        doc="Apply no subscription by itself: ``subscribe`` and ``unsubscribe`` act for the peer last received from.",
    )
    xpub_manual_last_value: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_XPUB_MANUAL_LAST_VALUE",
        doc="As ``xpub_manual``, and the next message goes only to the peer whose subscription was received last.",
    )


class SubscriberOptions(ConflateOptions):
    """For SUB."""

    invert_matching: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_INVERT_MATCHING",
        doc="Accept what does not match; to be set on the subscriber and on its publishers.",
    )


class XSubOptions(SocketOptions):
    """For XSUB."""

    xsub_verbose_unsubscribe: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_XSUB_VERBOSE_UNSUBSCRIBE",
        doc="Forward every cancellation, not only the one that ends the last subscription to a topic.",
    )
    only_first_subscribe: bool = option(
        default=False,
        check=_boolean,
        zmq="ZMQ_ONLY_FIRST_SUBSCRIBE",
        doc="Take only the first frame of a message for a subscription; later ones are data whatever they start with.",
    )


def check_defaults(values: Mapping[str, object]) -> dict[str, object]:
    """Check options that are to be defaults for whatever socket type has them."""
    known: dict[str, Option[Any]] = {}
    for holder in _all_holders(SocketOptions):
        known.update(declared_options(holder))
    checked: dict[str, object] = {}
    for name, value in values.items():
        if name not in known:
            raise OptionError(f"no socket type has an option {name!r}{_nearest(name, known)}")
        checked[name] = known[name].checked(value)
    return checked


def _all_holders(holder: type[Options]) -> list[type[Options]]:
    found = [holder]
    for direct in holder.__subclasses__():
        found += _all_holders(direct)
    return found
