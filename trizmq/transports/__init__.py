"""TRIO: things that make byte streams: tcp and ipc; and the names of inproc, which needs none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ..endpoints import split_endpoint
from ..errors import EndpointError
from .base import Transport
from .ipc import Ipc
from .tcp import Tcp

#: The stream transports by name. A new one is added here and nowhere else.
STREAM_TRANSPORTS: Mapping[str, Transport] = {"tcp": Tcp(), "ipc": Ipc()}

_here: ContextVar[Mapping[str, Transport]] = ContextVar("trizmq transports", default=STREAM_TRANSPORTS)


def transports_here() -> Mapping[str, Transport]:
    """What a socket that is opened by this task uses."""
    return _here.get()


@contextmanager
def using_transports(transports: Mapping[str, Transport]) -> Iterator[None]:
    """Sockets opened inside, by this task and those started inside, use these. For tests: a network in memory."""
    token = _here.set(transports)
    try:
        yield
    finally:
        _here.reset(token)


def find_transport(
    endpoint: str, transports: Mapping[str, Transport] = STREAM_TRANSPORTS
) -> tuple[Transport | None, str]:
    """The transport of an endpoint and the address in it; None as the transport stands for inproc."""
    name, address = split_endpoint(endpoint)
    if name == "inproc":
        return None, address
    if name not in transports:
        known = ", ".join([*transports, "inproc"])
        raise EndpointError(f"endpoint {endpoint!r}: unknown transport {name!r}; there are {known}")
    return transports[name], address
