"""What can go wrong and whose fault it is: the exceptions of trizmq that are not Trio's own.

``trio.ClosedResourceError``, ``trio.BusyResourceError`` and ``trio.WouldBlock`` are raised where they say what is meant;
everything else is a :exc:`ZmqError`. An ``OSError`` of ``bind`` comes to the caller as it is.
"""

from __future__ import annotations


def in_short(value: object) -> str:
    """A value and its type for the text of an error, cut where it is long."""
    # For errors only; it looks at the beginning of what is large. It may fail: an int of more digits than Python converts, or
    # a class that is called as one of Python's and is none. Then the error that is being made must come out all the same.
    from reprlib import Repr

    short = Repr()
    short.maxother = short.maxstring = short.maxlong = 60
    try:
        text = repr(value[:60]) if isinstance(value, (bytes, bytearray)) else short.repr(value)
    except Exception:
        text = "something"
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


class ZmqError(Exception):
    """The base of all errors that are trizmq's own."""


class UsageError(ZmqError, RuntimeError):
    """A socket or context is used outside its ``async with``, twice, in another Trio run or after a fork."""


class StateError(ZmqError, RuntimeError):
    """The verb is not allowed now: REQ and REP alternate between sending and receiving (``EFSM`` in zmq.h).

    Attributes:
        queued: where ``send_many`` raises it, how many of the messages were queued before.
    """

    queued = 0


class EndpointError(ZmqError, ValueError):
    """An endpoint cannot be understood, or this socket cannot use it. The text names the endpoint and the remedy."""


class OptionError(ZmqError, ValueError):
    """An option does not exist for this socket type, or its value is out of range."""


class MultipartError(ZmqError, ValueError):
    """``recv`` met a message of several frames. The message is still there: take it with ``receive``."""


class HostUnreachable(ZmqError):
    """A STREAM, or a ROUTER with ``router_mandatory``, knows no peer of that routing id (``EHOSTUNREACH`` in zmq.h).

    Attributes:
        queued: where ``send_many`` raises it, how many of the messages were queued before.
    """

    queued = 0


def tell_queued(error: Exception, queued: int, of: int) -> None:
    """Let an error of ``send_many`` tell how many messages were queued before."""
    if isinstance(error, (HostUnreachable, StateError)):
        error.queued = queued
    if queued:
        error.add_note(f"{queued} of the {of} messages of send_many() were queued before")


class PeerLostError(ZmqError):
    """The peer that was asked disconnected before it replied. The request may or may not have been carried out."""


class ZapError(ZmqError):
    """The ZAP handler was not there, has gone, or did not answer as RFC 27 wants. No peer is let in then.

    Attributes:
        code: zmq.h's ``ZMQ_PROTOCOL_ERROR_ZAP_...``, or an errno where there is no answer, ``EFAULT`` without a handler.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class InternalError(ZmqError):
    """A bug in trizmq ended the socket. The cause is chained; please report it with its traceback."""


class RemoteProtocolError(ZmqError):
    """The peer broke the protocol. It costs the peer its connection; applications see it in events only.

    Attributes:
        code: zmq.h's ``ZMQ_PROTOCOL_ERROR_...``, or the status 300, 400 or 500 with which the peer did not let us in, or
            the errno where it closed the connection.
    """

    def __init__(self, text: str, code: int = 0x1000_0000) -> None:
        super().__init__(text)
        self.code = code


class IncompatiblePeerError(RemoteProtocolError):
    """The peer's socket type cannot talk to ours (a PUSH to a SUB, say), or it uses another security mechanism.

    Attributes:
        socket_type: the peer's, where it is the reason.
    """

    def __init__(self, text: str, code: int = 0x1000_0018, socket_type: str = "") -> None:
        super().__init__(text, code)
        self.socket_type = socket_type
