"""What every security mechanism is to a connection: a state machine over the commands of the handshake."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from ...errors import RemoteProtocolError
from ...events import MALFORMED_COMMAND, UNEXPECTED_COMMAND
from ..commands import parse_command

#: The states that a connection knows; each mechanism has others of its own between them.
AUTHENTICATING: Final = "authenticating"  #: somebody outside is to be asked; no command is read until the answer
COMPLETE: Final = "complete"  #: traffic may flow


@dataclass(frozen=True, slots=True)
class OurSide:
    """What a mechanism is told about this side of the connection."""

    server: bool  #: the role in mechanisms that have roles; from configuration, never from the peer's as-server
    metadata: bytes  #: what READY or INITIATE tells the peer


class FrameGuard(Protocol):
    """Protects the frames of traffic, for the mechanisms that do (CURVE, GSSAPI). Flags are ZMTP's MORE and COMMAND."""

    def seal(self, flags: int, body: bytes) -> bytes:
        """The body of the message frame that carries this frame."""

    def open(self, sealed: bytes) -> tuple[int, bytes]:
        """Flags and body of the frame that a message frame carries; RemoteProtocolError if it is not genuine."""


class Mechanism(ABC):
    """One side of one handshake. Sans-IO: commands in by :meth:`receive`, commands out in :attr:`outgoing`.

    ``transitions`` is the whole state machine: in which state which command is right, and what the state is then.
    Everything else ends the connection (zmtp-wire.md 4: in the handshake phase anything but the expected command).
    """

    #: The name in the greeting.
    name: ClassVar[str]
    #: Whether it proves anything: then peers too old to have a mechanism are refused (downgrade protection).
    secure: ClassVar[bool]
    #: (state, command name) -> the state after that command was received.
    transitions: ClassVar[Mapping[tuple[str, bytes], str]]

    __slots__ = ("guard", "outgoing", "peer_metadata", "side", "state")

    def __init__(self, side: OurSide, state: str) -> None:
        self.side = side
        self.state = state
        #: Bodies of commands to send now.
        self.outgoing: list[bytes] = []
        #: What the peer's READY or INITIATE told, when the state is complete.
        self.peer_metadata = b""
        #: How the frames of traffic are protected; None: not at all.
        self.guard: FrameGuard | None = None

    @property
    def as_server(self) -> bool:
        """The as-server octet of our greeting."""
        return self.side.server

    @abstractmethod
    def start(self) -> None:
        """Both greetings are complete: the side that speaks first queues its command."""

    def receive(self, body: bytes) -> None:
        """Take a command of the peer.

        Raises:
            RemoteProtocolError: it is malformed, or not what has to come now.
        """
        command = parse_command(body)
        if command is None:
            raise RemoteProtocolError(
                f"a malformed command in the {self.name} handshake: {body[:32]!r}", MALFORMED_COMMAND
            )
        name, data = command
        following = self.transitions.get((self.state, name))
        if following is None:
            due = b", ".join(known for state, known in self.transitions if state == self.state).decode("ascii")
            raise RemoteProtocolError(
                f"unexpected command {name[:32]!r} in the {self.name} handshake, due is: {due}", UNEXPECTED_COMMAND
            )
        self.handle(name, data)
        self.state = following

    @abstractmethod
    def handle(self, name: bytes, data: bytes) -> None:
        """Act on a command that is right in this state."""

    def authenticated(self, status: str) -> None:
        """The answer to the question of state AUTHENTICATING: "200" to let the peer in (ZAP's status codes, RFC 27)."""
        raise NotImplementedError(f"{self.name} asks nobody")
