"""What this installation can do."""

from __future__ import annotations

import socket
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec

from .transports import STREAM_TRANSPORTS
from .wire import frames


def has(capability: str) -> bool:
    """Whether a transport or mechanism is there: ``tcp``, ``ipc``, ``inproc``, ``curve`` (needs PyNaCl),
    ``gssapi`` (needs the package of that name); and whether this is the optional ``compiled`` build of trizmq.

    As ``zmq_has``: an unknown name is simply not there.
    """
    if not isinstance(capability, str):
        raise TypeError(f"a capability is a str such as 'ipc', not {type(capability).__name__}")
    if capability == "ipc":
        return hasattr(socket, "AF_UNIX")
    if capability == "curve":
        return find_spec("nacl") is not None
    if capability == "gssapi":
        return find_spec("gssapi") is not None
    if capability == "compiled":
        return isinstance(frames.__spec__.loader, ExtensionFileLoader)
    return capability == "inproc" or capability in STREAM_TRANSPORTS
