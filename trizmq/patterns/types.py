"""Which socket types may talk to which: the one table that handshakes are checked against.

RFC 37 (ZMTP 3.1, "The Socket Type Property") and libzmq's ``mechanism_t::check_socket_type`` agree on these eleven.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: By the name on the wire: the names that the other end may have.
COMPATIBLE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "PAIR": frozenset({"PAIR"}),
        "PUB": frozenset({"SUB", "XSUB"}),
        "SUB": frozenset({"PUB", "XPUB"}),
        "REQ": frozenset({"REP", "ROUTER"}),
        "REP": frozenset({"REQ", "DEALER"}),
        "DEALER": frozenset({"REP", "DEALER", "ROUTER"}),
        "ROUTER": frozenset({"REQ", "DEALER", "ROUTER"}),
        "PULL": frozenset({"PUSH"}),
        "PUSH": frozenset({"PULL"}),
        "XPUB": frozenset({"SUB", "XSUB"}),
        "XSUB": frozenset({"PUB", "XPUB"}),
    }
)
