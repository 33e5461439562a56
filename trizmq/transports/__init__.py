"""TRIO: things that make byte streams: tcp and ipc; and the names of inproc, which needs none."""

from __future__ import annotations

from collections.abc import Mapping

from ..endpoints import split_endpoint
from ..errors import EndpointError
from .base import Transport
from .ipc import Ipc
from .tcp import Tcp

#: The stream transports by name. A new one is added here and nowhere else.
STREAM_TRANSPORTS: Mapping[str, Transport] = {"tcp": Tcp(), "ipc": Ipc()}


def find_transport(endpoint: str) -> tuple[Transport | None, str]:
    """The transport of an endpoint and the address in it; None as the transport stands for inproc."""
    name, address = split_endpoint(endpoint)
    if name == "inproc":
        return None, address
    if name not in STREAM_TRANSPORTS:
        known = ", ".join([*STREAM_TRANSPORTS, "inproc"])
        raise EndpointError(f"endpoint {endpoint!r}: unknown transport {name!r}; there are {known}")
    return STREAM_TRANSPORTS[name], address
