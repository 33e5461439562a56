"""PLAIN: user name and password in clear text, for links that are protected otherwise (RFC 24; zmtp-wire.md 8).

There is no password check in here: the server waits until somebody outside has looked at the credentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from ...errors import RemoteProtocolError
from ...events import MALFORMED_HELLO, MALFORMED_WELCOME
from ..commands import ERROR, READY, make_command
from .base import AUTHENTICATING, COMPLETE, REFUSED, Mechanism, OurSide

HELLO: Final = b"HELLO"
WELCOME: Final = b"WELCOME"
INITIATE: Final = b"INITIATE"

_MAX_CREDENTIAL = 255

# libzmq's ERROR under PLAIN (4.3.5 and today's): its source says "\x05ERROR", and C reads the escape as 0x5E.
_LIBZMQ_ERROR = b"\x5eRROR"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a PLAIN client tells of itself; at most 255 bytes each, any bytes."""

    username: bytes
    password: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("user name", self.username), ("password", self.password)):
            if len(value) > _MAX_CREDENTIAL:
                raise ValueError(f"a PLAIN {name} has at most {_MAX_CREDENTIAL} bytes, not {len(value)}")


class PlainClient(Mechanism):
    """HELLO with the credentials, then INITIATE with our metadata; the server may send ERROR in place of either answer."""

    name: ClassVar[str] = "PLAIN"
    secure: ClassVar[bool] = True
    transitions: ClassVar = {
        ("awaits WELCOME", WELCOME): "awaits READY",
        ("awaits WELCOME", ERROR): REFUSED,
        ("awaits READY", READY): COMPLETE,
        ("awaits READY", ERROR): REFUSED,
    }

    __slots__ = ("_hello",)

    def __init__(self, side: OurSide, credentials: Credentials) -> None:
        super().__init__(side, "awaits WELCOME")
        self._hello = credentials

    @property
    def as_server(self) -> bool:
        """The role is this class, whichever side connected."""
        return False

    def start(self) -> None:
        """Tell who we are."""
        username, password = self._hello.username, self._hello.password
        data = bytes((len(username),)) + username + bytes((len(password),)) + password
        self.outgoing.append(make_command(HELLO, data))

    def receive(self, body: bytes) -> None:
        """Take a command of the server; its ERROR in libzmq's form too."""
        if body.startswith(_LIBZMQ_ERROR):
            body = make_command(ERROR, body[len(_LIBZMQ_ERROR) :])
        super().receive(body)

    def handle(self, name: bytes, data: bytes) -> None:
        """Go on as the server allows."""
        if name == ERROR:
            raise self.refused(data)
        if name == READY:
            self.peer_metadata = data
            return
        if data:
            raise RemoteProtocolError(
                f"a malformed WELCOME in the PLAIN handshake: {len(data)} bytes of data, not none", MALFORMED_WELCOME
            )
        self.outgoing.append(make_command(INITIATE, self.side.metadata))


class PlainServer(Mechanism):
    """WELCOME once the credentials are found good, then READY with our metadata."""

    name: ClassVar[str] = "PLAIN"
    secure: ClassVar[bool] = True
    transitions: ClassVar = {
        ("awaits HELLO", HELLO): AUTHENTICATING,
        ("awaits INITIATE", INITIATE): COMPLETE,
    }

    __slots__ = ()

    def __init__(self, side: OurSide) -> None:
        super().__init__(side, "awaits HELLO")

    @property
    def as_server(self) -> bool:
        """The role is this class, whichever side connected."""
        return True

    def start(self) -> None:
        """The client speaks first."""

    def handle(self, name: bytes, data: bytes) -> None:
        """Take the credentials, then the metadata."""
        if name == HELLO:
            self.credentials = _parse_credentials(data)
        else:
            self.peer_metadata = data
            self.outgoing.append(make_command(READY, self.side.metadata))

    def admit(self) -> str:
        """The credentials are good."""
        self.outgoing.append(make_command(WELCOME))
        return "awaits INITIATE"

    def make_refusal(self, status: str) -> bytes:
        """In libzmq's form: only this one makes its client see a refusal, to any other client both end the handshake."""
        return _LIBZMQ_ERROR + bytes((len(status),)) + status.encode("ascii")


def _parse_credentials(data: bytes) -> tuple[bytes, bytes]:
    # No byte of it goes into the error: it may be a password.
    fields: list[bytes] = []
    position = 0
    for what in ("user name", "password"):
        if position == len(data):
            raise RemoteProtocolError(f"a malformed HELLO in the PLAIN handshake: it has no {what}", MALFORMED_HELLO)
        start = position + 1
        position = start + data[position]
        if position > len(data):
            raise RemoteProtocolError(
                f"a malformed HELLO in the PLAIN handshake: its {what} ends beyond it", MALFORMED_HELLO
            )
        fields.append(data[start:position])
    if position < len(data):
        raise RemoteProtocolError(
            f"a malformed HELLO in the PLAIN handshake: {len(data) - position} bytes after the password",
            MALFORMED_HELLO,
        )
    return fields[0], fields[1]
