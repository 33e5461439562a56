"""ZeroMQ for Trio, written in Python.

It speaks ZMTP, the wire protocol of ZeroMQ, over Trio's own sockets: wire-compatible with libzmq, without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__ as __version__
from .authentication import Security as Security
from .context import Context as Context
from .errors import EndpointError as EndpointError
from .errors import HostUnreachable as HostUnreachable
from .errors import IncompatiblePeerError as IncompatiblePeerError
from .errors import InternalError as InternalError
from .errors import MultipartError as MultipartError
from .errors import OptionError as OptionError
from .errors import PeerLostError as PeerLostError
from .errors import RemoteProtocolError as RemoteProtocolError
from .errors import StateError as StateError
from .errors import UsageError as UsageError
from .errors import ZapError as ZapError
from .errors import ZmqError as ZmqError
from .events import Accepted as Accepted
from .events import AcceptFailed as AcceptFailed
from .events import BindFailed as BindFailed
from .events import Closed as Closed
from .events import CloseFailed as CloseFailed
from .events import ConnectDelayed as ConnectDelayed
from .events import Connected as Connected
from .events import ConnectRetried as ConnectRetried
from .events import ConnectStopped as ConnectStopped
from .events import Disconnected as Disconnected
from .events import DropReason as DropReason
from .events import DropsBegan as DropsBegan
from .events import DropsEnded as DropsEnded
from .events import EndpointInfo as EndpointInfo
from .events import EndpointState as EndpointState
from .events import Event as Event
from .events import HandshakeFailed as HandshakeFailed
from .events import HandshakeFailedAuth as HandshakeFailedAuth
from .events import HandshakeFailedProtocol as HandshakeFailedProtocol
from .events import HandshakeSucceeded as HandshakeSucceeded
from .events import IncompatiblePeer as IncompatiblePeer
from .events import LingerReport as LingerReport
from .events import Listening as Listening
from .events import PeerInfo as PeerInfo
from .events import PeerRefused as PeerRefused
from .events import PeerStatistics as PeerStatistics
from .events import Statistics as Statistics
from .events import Unsent as Unsent
from .first_use import on_first_use
from .options import AcceptedPeer as AcceptedPeer
from .options import ReconnectStop as ReconnectStop
from .options import RouterNotify as RouterNotify
from .proxy import proxy as proxy
from .runtime.monitor import EventWatcher as EventWatcher
from .runtime.securing import Null as Null
from .sockets import Dealer as Dealer
from .sockets import Pair as Pair
from .sockets import Pub as Pub
from .sockets import Pull as Pull
from .sockets import Push as Push
from .sockets import Rep as Rep
from .sockets import Req as Req
from .sockets import Router as Router
from .sockets import Socket as Socket
from .sockets import Stream as Stream
from .sockets import Sub as Sub
from .sockets import XPub as XPub
from .sockets import XSub as XSub

if TYPE_CHECKING:
    from . import auth as auth
    from .capabilities import has as has
    from .event_log import log_events as log_events
    from .poller import READABLE as READABLE
    from .poller import WRITABLE as WRITABLE
    from .poller import Poller as Poller
    from .poller import PollEvent as PollEvent
    from .runtime.security import CurveClient as CurveClient
    from .runtime.security import CurveServer as CurveServer
    from .runtime.security import GssapiClient as GssapiClient
    from .runtime.security import GssapiServer as GssapiServer
    from .runtime.security import PlainClient as PlainClient
    from .runtime.security import PlainServer as PlainServer
else:
    __getattr__, __dir__ = on_first_use(
        __name__,
        {
            "auth": ["auth"],
            "capabilities": ["has"],
            "event_log": ["log_events"],
            "poller": ["READABLE", "WRITABLE", "Poller", "PollEvent"],
            "runtime.security": [
                "CurveClient",
                "CurveServer",
                "GssapiClient",
                "GssapiServer",
                "PlainClient",
                "PlainServer",
            ],
        },
    )

__all__ = [
    "READABLE",
    "WRITABLE",
    "AcceptFailed",
    "Accepted",
    "AcceptedPeer",
    "BindFailed",
    "CloseFailed",
    "Closed",
    "ConnectDelayed",
    "ConnectRetried",
    "ConnectStopped",
    "Connected",
    "Context",
    "CurveClient",
    "CurveServer",
    "Dealer",
    "Disconnected",
    "DropReason",
    "DropsBegan",
    "DropsEnded",
    "EndpointError",
    "EndpointInfo",
    "EndpointState",
    "Event",
    "EventWatcher",
    "GssapiClient",
    "GssapiServer",
    "HandshakeFailed",
    "HandshakeFailedAuth",
    "HandshakeFailedProtocol",
    "HandshakeSucceeded",
    "HostUnreachable",
    "IncompatiblePeer",
    "IncompatiblePeerError",
    "InternalError",
    "LingerReport",
    "Listening",
    "MultipartError",
    "Null",
    "OptionError",
    "Pair",
    "PeerInfo",
    "PeerLostError",
    "PeerRefused",
    "PeerStatistics",
    "PlainClient",
    "PlainServer",
    "PollEvent",
    "Poller",
    "Pub",
    "Pull",
    "Push",
    "ReconnectStop",
    "RemoteProtocolError",
    "Rep",
    "Req",
    "Router",
    "RouterNotify",
    "Security",
    "Socket",
    "StateError",
    "Statistics",
    "Stream",
    "Sub",
    "Unsent",
    "UsageError",
    "XPub",
    "XSub",
    "ZapError",
    "ZmqError",
    "__version__",
    "auth",
    "has",
    "log_events",
    "proxy",
]
