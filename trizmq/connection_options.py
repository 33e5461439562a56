"""The options about connections: when they are made and given up, how the system treats them, what peers may ask of us."""

from __future__ import annotations

import enum
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

from .declaring import (
    Options,
    boolean,
    option,
    or_none,
    positive_seconds,
    seconds,
    seconds_or_never,
    time_to_live,
    where_there_is,
    whole,
)
from .endpoints import parse_tcp_target
from .errors import EndpointError, OptionError
from .records import Record


class ReconnectStop(enum.Flag):
    """When ``reconnect_stop`` gives an endpoint up instead of trying again. The first three are libzmq's, and its bits."""

    NEVER = 0
    REFUSED = 1  #: nobody listens there
    HANDSHAKE_FAILED = 2  #: a connection was made, and ended before its handshake was complete
    AFTER_DISCONNECT = 4  #: a connection that was in use has ended
    UNREACHABLE = 8  #: no connection was made for another reason (no route, an unknown name, ``connect_timeout``)
    ALWAYS = REFUSED | HANDSHAKE_FAILED | AFTER_DISCONNECT | UNREACHABLE  #: as ``ZMQ_RECONNECT_IVL`` -1


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AcceptedPeer(Record):
    """Who asks to be let in, as far as the operating system knows: what ``accept_filter`` is given."""

    endpoint: str  #: the endpoint of ours that was connected to
    address: (
        str  #: the other side's address as in events, ``192.0.2.7:40022`` or for ipc ``localhost:uid:gid:pid`` (Linux)
    )
    host: str = ""  #: its IP address (tcp), as ``ipaddress`` reads it; an IPv4 one as such in any case
    pid: int | None = None  #: its process, user and group (ipc, where the system tells, by ``SO_PEERCRED``)
    uid: int | None = None
    gid: int | None = None


#: Whether a peer is let in; called for each connection before anything is read or written, and must not wait. It answers
#: True or False; anything else is an error in the log, and lets nobody in.
AcceptFilter = Callable[[AcceptedPeer], bool]


def _reconnect_stop(value: object) -> ReconnectStop:
    if not isinstance(value, ReconnectStop):
        raise TypeError("expected members of trizmq.ReconnectStop, several joined with |")
    return value


def _accept_filter(value: object) -> AcceptFilter | None:
    if value is not None and not callable(value):
        raise TypeError("expected a function that takes an AcceptedPeer and returns a bool, or None")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None)):  # noqa: B004
        raise TypeError(
            "expected a function that answers at once, and no async one; what has to wait is an authenticator"
        )
    return value


def _device(value: object) -> str:
    # IFNAMSIZ of Linux has room for 15 characters and a NUL
    if not isinstance(value, str) or len(value) > 15 or not value.isascii() or "/" in value or "\0" in value:
        raise ValueError("expected the name of a network interface such as 'eth0'")
    return value


def _proxy(value: object) -> str:
    if isinstance(value, str) and "@" in value:  # the value is not shown, which may have a password
        raise OptionError(
            "socks_proxy: expected the host:port of a SOCKS5 proxy only; a user name and a password are the options "
            "socks_username and socks_password"
        )
    if not isinstance(value, str):
        raise TypeError("expected the host:port of a SOCKS5 proxy, such as '127.0.0.1:1080'")
    if value:
        try:
            parse_tcp_target(value, value)
        except EndpointError as error:
            raise ValueError(f"expected the host:port of a SOCKS5 proxy, such as '127.0.0.1:1080' ({error})") from None
    return value


def _credential(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a str")
    if len(value.encode("utf-8", "surrogateescape")) > 255:
        raise ValueError("expected at most 255 bytes of UTF-8: SOCKS5 has one octet for the length")
    return value


class ConnectionOptions(Options):
    """The options about connections that every socket type has."""

    reconnect_interval: float = option(
        default=0.1,
        check=positive_seconds,
        zmq="ZMQ_RECONNECT_IVL",
        doc="Seconds before the first attempt to reconnect; doubles with each failure, and is spread by jitter.",
    )
    reconnect_interval_max: float = option(
        default=5.0,
        check=positive_seconds,
        zmq="ZMQ_RECONNECT_IVL_MAX",
        doc="The longest wait between two attempts to reconnect, in seconds.",
    )
    reconnect_stop: ReconnectStop = option(
        default=ReconnectStop.NEVER,
        check=_reconnect_stop,
        zmq="ZMQ_RECONNECT_STOP",
        doc="When to give an endpoint up instead of connecting again: members of :class:`ReconnectStop`, joined by ``|``.",
    )
    connect_timeout: float = option(
        default=math.inf,
        check=seconds_or_never,
        zmq="ZMQ_CONNECT_TIMEOUT",
        doc="Seconds that one attempt to connect may take; ``math.inf`` or None: as long as the system tries.",
    )
    socks_proxy: str = option(
        default="",
        check=_proxy,
        zmq="ZMQ_SOCKS_PROXY",
        doc="The ``host:port`` of a SOCKS5 proxy to connect through, which resolves host names itself; empty: none; tcp.",
    )
    socks_username: str = option(
        default="",
        check=_credential,
        zmq="ZMQ_SOCKS_USERNAME",
        doc="The user name for ``socks_proxy``, at most 255 bytes of UTF-8; empty: the proxy is not told who asks.",
    )
    socks_password: str = option(
        default="",
        check=_credential,
        zmq="ZMQ_SOCKS_PASSWORD",
        doc="The password for ``socks_username``, at most 255 bytes of UTF-8; it is sent to the proxy as it is.",
        secret=True,
    )
    handshake_timeout: float = option(
        default=30.0,
        check=seconds_or_never,
        zmq="ZMQ_HANDSHAKE_IVL",
        doc="Seconds that a new connection has to complete its handshake; ``math.inf`` or None: no limit.",
    )
    heartbeat_interval: float = option(
        default=0.0,
        check=seconds,
        zmq="ZMQ_HEARTBEAT_IVL",
        doc="Seconds between the PINGs sent to each peer, to notice one that is gone without a word; 0: none.",
    )
    heartbeat_timeout: float | None = option(
        default=None,
        check=or_none(positive_seconds),
        zmq="ZMQ_HEARTBEAT_TIMEOUT",
        doc="Seconds after a PING in which anything at all must come from the peer; None: ``heartbeat_interval``.",
    )
    heartbeat_ttl: float = option(
        default=0.0,
        check=time_to_live,
        zmq="ZMQ_HEARTBEAT_TTL",
        doc="Seconds of silence after which the peer is asked to give us up, in tenths, at most 65.5; 0: not asked.",
    )
    ipv6: bool = option(
        default=False,
        check=boolean,
        zmq="ZMQ_IPV6",
        doc="Bind ``tcp://*`` to IPv6 and IPv4 instead of IPv4 alone. Literal addresses and host names need no option.",
    )
    backlog: int = option(
        default=100,
        check=whole(1),
        zmq="ZMQ_BACKLOG",
        doc="How many connections the operating system keeps that wait to be accepted; where more come at once, over tcp the "
        "others are a second late.",
    )
    accept_filter: AcceptFilter | None = option(
        default=None,
        check=_accept_filter,
        zmq="ZMQ_TCP_ACCEPT_FILTER",
        doc="Called with an :class:`AcceptedPeer` for each connection to a bound endpoint; unless it answers True, that is "
        "closed at once.",
    )
    send_buffer: int | None = option(
        default=None,
        check=or_none(whole(1, (1 << 31) - 1)),
        zmq="ZMQ_SNDBUF",
        doc="Bytes that the system buffers for sending on one connection (SO_SNDBUF; tcp, ipc); None: as it is set up.",
    )
    receive_buffer: int | None = option(
        default=None,
        check=or_none(whole(1, (1 << 31) - 1)),
        zmq="ZMQ_RCVBUF",
        doc="Bytes that the system buffers of what a peer sends (SO_RCVBUF; tcp, ipc); None: as it is set up.",
    )
    tcp_keepalive: bool | None = option(
        default=None,
        check=or_none(boolean),
        zmq="ZMQ_TCP_KEEPALIVE",
        doc="Whether TCP itself asks a silent peer whether it is there (SO_KEEPALIVE); None: as the system is set up.",
    )
    tcp_keepalive_idle: int | None = option(
        default=None,
        check=where_there_is("TCP_KEEPIDLE TCP_KEEPALIVE", or_none(whole(1, 32767)), None),
        zmq="ZMQ_TCP_KEEPALIVE_IDLE",
        doc="Whole seconds of silence before ``tcp_keepalive`` asks for the first time; None: as the system is set up.",
    )
    tcp_keepalive_interval: int | None = option(
        default=None,
        check=where_there_is("TCP_KEEPINTVL", or_none(whole(1, 32767)), None),
        zmq="ZMQ_TCP_KEEPALIVE_INTVL",
        doc="Whole seconds between two questions of ``tcp_keepalive``; None: as the system is set up.",
    )
    tcp_keepalive_count: int | None = option(
        default=None,
        check=where_there_is("TCP_KEEPCNT", or_none(whole(1, 127)), None),
        zmq="ZMQ_TCP_KEEPALIVE_CNT",
        doc="After how many unanswered questions ``tcp_keepalive`` ends the connection; None: as the system is set up.",
    )
    tcp_max_retransmit: float = option(
        default=0.0,
        check=where_there_is("TCP_USER_TIMEOUT", seconds, 0.0),
        zmq="ZMQ_TCP_MAXRT",
        doc="Seconds that sent data may stay unacknowledged before TCP gives up (TCP_USER_TIMEOUT); 0: the system decides.",
    )
    tos: int = option(
        default=0,
        check=whole(0, 255),
        zmq="ZMQ_TOS",
        doc="The octet of the IP header for type of service, DSCP and ECN (IP_TOS, IPV6_TCLASS); tcp.",
    )
    priority: int = option(
        default=0,
        check=where_there_is("SO_PRIORITY", whole(0, (1 << 31) - 1), 0),
        zmq="ZMQ_PRIORITY",
        doc="The priority of what is sent within this host (SO_PRIORITY, Linux; above 6 for privileged users); tcp.",
    )
    bind_to_device: str = option(
        default="",
        check=where_there_is("SO_BINDTODEVICE", _device, ""),
        zmq="ZMQ_BINDTODEVICE",
        doc="The network interface that connections go through and come in by (SO_BINDTODEVICE, Linux); empty: any; tcp.",
    )
    max_message_size: int = option(
        default=1 << 30,
        check=whole(1),
        zmq="ZMQ_MAXMSGSIZE",
        doc="The largest message accepted from a peer, in bytes of all its frames; a larger one ends its connection.",
    )
    max_frames: int = option(
        default=65536,
        check=whole(1),
        doc="How many frames a message of a peer may have; one more ends its connection.",
    )
    max_handshake_size: int = option(
        default=65535,
        check=whole(256),
        doc="The largest command accepted in a handshake, in bytes.",
    )
    max_properties: int = option(
        default=1024,
        check=whole(8),
        doc="How many properties a peer may announce in its handshake.",
    )
    max_handshakes: int = option(
        default=1000,
        check=whole(1),
        doc="How many accepted connections may be in their handshake at once; for one more the oldest of them is closed.",
    )
    max_connections: int = option(
        default=10_000,
        check=whole(1),
        doc="How many accepted connections there may be at once, those included that have ended and whose messages are not "
        "received yet; one more is closed as soon as it is accepted.",
    )
