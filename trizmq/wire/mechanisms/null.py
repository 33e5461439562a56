"""NULL: no security; both sides tell each other their metadata (RFC 37, "The NULL Security Mechanism")."""

from __future__ import annotations

from typing import ClassVar

from ..commands import ERROR, READY, make_command
from .base import AUTHENTICATING, COMPLETE, REFUSED, Mechanism, OurSide

_GREETED = "greeted"


class Null(Mechanism):
    """The connecting side sends READY at once, the bound side when it has read the peer's (RFC 37).

    libzmq's bound side does not wait; its connecting side never does, so the two fit. Waiting lets the owner of the bound
    side look at the peer first: one that is not taken sees its handshake fail, instead of a connection that ends.
    """

    name: ClassVar[str] = "NULL"
    secure: ClassVar[bool] = False
    transitions: ClassVar = {
        (_GREETED, READY): COMPLETE,
        (_GREETED, ERROR): REFUSED,
    }

    __slots__ = ()

    def __init__(self, side: OurSide) -> None:
        super().__init__(side, _GREETED)

    @property
    def as_server(self) -> bool:
        """Always 0 under NULL (RFC 37)."""
        return False

    def start(self) -> None:
        """Tell our metadata, if it is our turn."""
        if not self.side.server:
            self._tell()

    def handle(self, name: bytes, data: bytes) -> None:
        """Take the peer's metadata, or its refusal."""
        if name == ERROR:
            raise self.refused(data)
        self.peer_metadata = data
        if self.side.server:
            self._tell()

    def _tell(self) -> None:
        self.outgoing.append(make_command(READY, self.side.metadata))


class AskingNull(Null):
    """NULL that asks an authenticator, by the peer's address, on either side: a libzmq socket with a ZAP domain does.

    It asks when it has the peer's greeting, before anything is told: were it to wait for the peer's READY, two sides that
    ask would wait for each other. Peers too old to be refused with an ERROR are not let in, as in libzmq.
    """

    secure: ClassVar[bool] = True

    __slots__ = ()

    def start(self) -> None:
        """Ask first."""
        self.state = AUTHENTICATING

    def admit(self) -> str:
        """Tell our metadata, if it is our turn."""
        super().start()
        return _GREETED
