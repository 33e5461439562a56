"""The greeting: sent in stages, so that peers of every version since ZMTP 1.0 are recognised and understood.

We do what libzmq does (zmtp-wire.md 2): ten octets at once, the version when the peer's ten are there, and the rest in the
form that the peer's major version understands. Nobody waits for the other, as everyone sends the first ten unprompted.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from ..errors import IncompatiblePeerError
from ..events import MECHANISM_MISMATCH
from ..records import Record

SIGNATURE_SIZE: Final = 10
MAJOR, MINOR = 3, 1

#: The socket type octet of ZMTP 2.0 (RFC 15, and libzmq's own for later types).
SOCKET_TYPE_OCTETS: Final = {
    name: octet
    for octet, name in enumerate(
        "PAIR PUB SUB REQ REP DEALER ROUTER PULL PUSH XPUB XSUB STREAM SERVER CLIENT RADIO DISH GATHER SCATTER DGRAM PEER"
        " CHANNEL".split()
    )
}
_SOCKET_TYPES = {octet: name for name, octet in SOCKET_TYPE_OCTETS.items()}


class Dialect(enum.Enum):
    """What follows the greeting."""

    UNVERSIONED = enum.auto()  #: ZMTP 1.0: version 1 frames, the first an identity whose header was our signature
    REVISION_0 = enum.auto()  #: a socket type, then version 1 frames
    ZMTP_2_0 = enum.auto()  #: a socket type, then version 2 frames
    ZMTP_3 = enum.auto()  #: a mechanism


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PeerGreeting(Record):
    """What the peer's greeting says."""

    dialect: Dialect
    version: tuple[int, int]  #: the version in which we talk to this peer
    socket_type: str = ""  #: from a ZMTP 2.0 socket type octet; libzmq does not check it, and neither do we


class Greeting:
    """Our greeting and the peer's, as they come and go."""

    __slots__ = ("_as_server", "_identity", "_major_sent", "_mechanism", "_old_peers", "_rest_sent", "_socket_type")

    def __init__(self, socket_type: str, identity: bytes, mechanism: str, as_server: bool, old_peers: bool) -> None:
        self._socket_type = socket_type
        self._identity = identity
        self._mechanism = mechanism
        self._as_server = as_server
        self._old_peers = old_peers  # whether peers without a mechanism are let in
        self._major_sent = False
        self._rest_sent = False

    def signature(self) -> bytes:
        """What goes out at once: to a ZMTP 1.0 peer it is the long header of our identity frame."""
        return b"\xff" + (len(self._identity) + 1).to_bytes(8, "big") + b"\x7f"

    def receive(self, buffer: bytearray, out: bytearray) -> PeerGreeting | None:
        """Look at what has arrived, send what is due. At the end the greeting is taken from the buffer.

        Raises:
            IncompatiblePeerError: the peer has another mechanism, or is too old to have one.
        """
        if not buffer:
            return None
        if buffer[0] != 0xFF:
            return self._unversioned()
        if len(buffer) < SIGNATURE_SIZE:
            return None
        if not buffer[9] & 1:
            return self._unversioned()
        if not self._major_sent:
            self._major_sent = True
            out.append(MAJOR)
        if len(buffer) == SIGNATURE_SIZE:
            return None
        major = buffer[10]
        return self._receive_old(major, buffer, out) if major < 2 else self._receive_3(major, buffer, out)

    def _unversioned(self) -> PeerGreeting:
        self._refuse_old("1.0")
        return PeerGreeting(Dialect.UNVERSIONED, (1, 0))

    def _receive_old(self, major: int, buffer: bytearray, out: bytearray) -> PeerGreeting | None:
        self._refuse_old("2.0" if major else "1.0 (revision 0)")
        if not self._rest_sent:
            self._rest_sent = True
            out.append(SOCKET_TYPE_OCTETS[self._socket_type])
        if len(buffer) < 12:
            return None
        socket_type = _SOCKET_TYPES.get(buffer[11], "")
        del buffer[:12]
        if major:
            return PeerGreeting(Dialect.ZMTP_2_0, (2, 0), socket_type)
        return PeerGreeting(Dialect.REVISION_0, (1, 0), socket_type)

    def _receive_3(self, major: int, buffer: bytearray, out: bytearray) -> PeerGreeting | None:
        mechanism = self._mechanism.encode("ascii").ljust(20, b"\0")
        if not self._rest_sent:
            self._rest_sent = True
            out += bytes((MINOR,)) + mechanism + bytes((self._as_server,)) + bytes(31)
        if len(buffer) < 64:
            return None
        minor, theirs = buffer[11], bytes(buffer[12:32])
        del buffer[:64]
        if theirs != mechanism:
            shown = theirs.rstrip(b"\0").decode("ascii", "backslashreplace")
            raise IncompatiblePeerError(
                f"the peer's security mechanism is {shown!r}, ours is {self._mechanism!r}", MECHANISM_MISMATCH
            )
        # as-server is not looked at: libzmq always sends 0. A major of 2 or above 3 is 3.1, as in libzmq.
        return PeerGreeting(Dialect.ZMTP_3, (3, 0) if (major, minor) == (3, 0) else (3, 1))

    def _refuse_old(self, version: str) -> None:
        if not self._old_peers:
            raise IncompatiblePeerError(
                f"the peer speaks ZMTP {version}, which has no security mechanism, and {self._mechanism} is required here",
                MECHANISM_MISMATCH,
            )
