"""What the log says of sockets with less security than they seem to have: once of each, unless ``warn_insecure=False``."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ..authentication import Security

if TYPE_CHECKING:
    from .socket import SocketCore

_log = logging.getLogger("trizmq")

_PLAIN = "with PLAIN: who is on the way can read the passwords, and read and change what is said"
_NOTHING = "without security: whoever reaches it can talk to it, and who is on the way can read and change it"


def warn_of_door(core: SocketCore, endpoint: str) -> None:
    """An endpoint is bound."""
    security = core.security
    if core.pattern.raw or not _reached_by_others(endpoint):
        return
    if security.mechanism == "PLAIN":
        _warn(core, "bound to", endpoint, _PLAIN)
    elif security.mechanism == "NULL" and not security.asks:
        _warn(core, "bound to", endpoint, _NOTHING)


def warn_of_wire(core: SocketCore, endpoint: str, address: str) -> None:
    """A connection was made, on which nothing is said yet. Where a name leads is known only now."""
    if core.pattern.raw or not endpoint.startswith("tcp://"):
        return
    if core.security.mechanism == "PLAIN" and _reached_by_others(f"tcp://{address}"):
        _warn(core, "connected to", endpoint, _PLAIN)


def warn_of_stream(core: SocketCore, offered: object) -> None:
    """A socket is opened in a context that gives its sockets security, if this one can take any."""
    if not core.pattern.raw or not isinstance(offered, Security) or not core.options.warn_insecure:
        return
    if offered.asks or offered.mechanism != "NULL":
        core.warned = True
        _log.warning(
            "%s: a STREAM has no handshake, so what its context says of security= does not hold for it: its peers are not "
            "known, and who is on the way can read and change what is said; if that is meant, say warn_insecure=False",
            core.name,
        )


def _warn(core: SocketCore, what: str, endpoint: str, how: str) -> None:
    if core.warned or not core.options.warn_insecure:
        return
    core.warned = True
    _log.warning("%s: %s %s %s; see security=, or say warn_insecure=False", core.name, what, endpoint, how)


def _reached_by_others(endpoint: str) -> bool:
    """Whether it is on the network, as far as the address tells."""
    scheme, _, address = endpoint.partition("://")
    if scheme != "tcp":
        return False
    host = address.rpartition(";")[2].rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        return not ip_address(host.removeprefix("::ffff:") if "." in host else host).is_loopback
    except ValueError:  # a name: an address that it stands for will tell
        return False
