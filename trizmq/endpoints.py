"""Endpoint strings: ``transport://address``, and the host and port forms of an address. Checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import EndpointError, in_short
from .records import Record


def split_endpoint(endpoint: str) -> tuple[str, str]:
    """Split ``tcp://127.0.0.1:5555`` into transport and address.

    Raises:
        TypeError: the endpoint is no ``str``.
        EndpointError: it has not the form ``transport://address``.
    """
    if not isinstance(endpoint, str):
        raise TypeError(f"an endpoint is a str such as 'tcp://127.0.0.1:5555', not {in_short(endpoint)}")
    transport, separator, address = endpoint.partition("://")
    if not separator or not transport or not address:
        raise EndpointError(
            f"endpoint {endpoint!r}: expected transport://address, for example tcp://127.0.0.1:5555, "
            "ipc:///run/app.sock or inproc://name"
        )
    return transport, address


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class HostPort(Record):
    """A host and a port. ``host`` is ``*``, a name or a literal without brackets; ``port`` 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str, endpoint: str, *, wildcards: bool) -> HostPort:
    """Parse ``host:port``; ``*`` as host and ``*`` or ``0`` as port only where ``wildcards`` allows them."""
    host, separator, port_text = text.rpartition(":")
    if not separator or not port_text:
        raise EndpointError(f"endpoint {endpoint!r}: no port; expected host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise EndpointError(f"endpoint {endpoint!r}: brackets are for IPv6 addresses, {host!r} is none")
    elif "[" in host or "]" in host:
        raise EndpointError(f"endpoint {endpoint!r}: the brackets of the IPv6 address do not match")
    if ";" in host:
        raise EndpointError(f"endpoint {endpoint!r}: a source address is for connect; bind one address")
    if not host or "/" in host or any(character.isspace() for character in host):
        raise EndpointError(f"endpoint {endpoint!r}: no valid host in front of the port")
    if ":" not in host:
        try:
            host.encode("idna")  # what resolving does; it has limits on labels
        except UnicodeError as error:
            raise EndpointError(f"endpoint {endpoint!r}: {host!r} is no valid host name: {error}") from None
    if host == "*" and not wildcards:
        raise EndpointError(f"endpoint {endpoint!r}: '*' can be bound, not connected to; name a host")
    return HostPort(host, _parse_port(port_text, endpoint, wildcards))


def _parse_port(text: str, endpoint: str, wildcards: bool) -> int:
    if text == "*" and wildcards:
        return 0
    if text == "*":
        raise EndpointError(f"endpoint {endpoint!r}: port '*' can be bound, not connected to; name the port")
    # isdecimal alone would take other scripts' digits, which int() reads as well
    if not (text.isascii() and text.isdecimal()):
        hint = "a number, or * for any free one" if wildcards else "a number"
        raise EndpointError(f"endpoint {endpoint!r}: port {text!r} is not {hint}")
    port = int(text) if len(text) < 9 else 1 << 30
    if port > 65535:
        raise EndpointError(f"endpoint {endpoint!r}: port {text} is out of range, the highest is 65535")
    if port == 0 and not wildcards:
        raise EndpointError(f"endpoint {endpoint!r}: port 0 can be bound, not connected to; name the port")
    return port


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TcpTarget(Record):
    """What a tcp ``connect`` names: the destination, and the source address where one is given."""

    destination: HostPort
    source: HostPort | None = None


def parse_tcp_target(address: str, endpoint: str) -> TcpTarget:
    """Parse ``host:port`` or ``source-host:source-port;host:port``."""
    source_text, separator, destination_text = address.rpartition(";")
    destination = parse_host_port(destination_text, endpoint, wildcards=False)
    source = parse_host_port(source_text, endpoint, wildcards=True) if separator else None
    return TcpTarget(destination, source)
