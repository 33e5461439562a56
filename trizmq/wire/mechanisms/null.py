"""NULL: no security; both sides tell each other their metadata (RFC 37, "The NULL Security Mechanism")."""

from __future__ import annotations

from typing import ClassVar

from ...errors import RemoteProtocolError
from ..commands import ERROR, READY, make_command, parse_error
from .base import COMPLETE, Mechanism, OurSide

_GREETED = "greeted"
_REFUSED = "refused"


class Null(Mechanism):
    """Both sides send READY as soon as the greetings are complete, as libzmq does; neither waits for the other's."""

    name: ClassVar[str] = "NULL"
    secure: ClassVar[bool] = False
    transitions: ClassVar = {
        (_GREETED, READY): COMPLETE,
        (_GREETED, ERROR): _REFUSED,
    }

    __slots__ = ()

    def __init__(self, side: OurSide) -> None:
        super().__init__(side, _GREETED)

    @property
    def as_server(self) -> bool:
        """Always 0 under NULL (RFC 37)."""
        return False

    def start(self) -> None:
        """Tell our metadata."""
        self.outgoing.append(make_command(READY, self.side.metadata))

    def handle(self, name: bytes, data: bytes) -> None:
        """Take the peer's metadata, or its refusal."""
        if name == ERROR:
            raise RemoteProtocolError(f"the peer refused the connection with ERROR {parse_error(data)!r}")
        self.peer_metadata = data
