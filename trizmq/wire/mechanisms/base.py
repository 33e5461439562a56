"""What every security mechanism is to a connection: a state machine over the commands of the handshake."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from ...errors import RemoteProtocolError
from ...events import MALFORMED_COMMAND, UNEXPECTED_COMMAND
from ...records import Record
from ..commands import make_error, parse_command, parse_error

#: The states that a connection knows; each mechanism has others of its own between them.
AUTHENTICATING: Final = "authenticating"  #: somebody outside is to be asked; no command is read until the answer
COMPLETE: Final = "complete"  #: traffic may flow
REFUSED: Final = "refused"  #: one side has sent the other away; nothing more is understood

#: The status codes of ZAP (RFC 27) with which a peer is sent away. It is told 400 and 500 in an ERROR command, but not 300,
#: a temporary refusal: an ERROR keeps a libzmq client away for good, a connection that closes does not (zmtp-wire.md 11).
_REFUSALS: Final = {"300": False, "400": True, "500": True}


class AuthenticationError(RemoteProtocolError):
    """An authenticator said no: ours to the peer, or the peer's to us."""

    def __init__(self, text: str, status: str) -> None:
        super().__init__(text, int(status))
        #: Its answer, a status code of ZAP: "300", "400" or "500".
        self.status = status


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class OurSide(Record):
    """What a mechanism is told about this side of the connection."""

    server: bool  #: the role in mechanisms that have roles; from configuration, never from the peer's as-server
    metadata: bytes  #: what READY or INITIATE tells the peer


class FrameGuard(Protocol):
    """Protects the frames of traffic, for the mechanisms that do (CURVE, GSSAPI). Flags are ZMTP's MORE and COMMAND.

    What was sealed first must be sent first: nonces count upwards.
    """

    @property
    def overhead(self) -> int:
        """The most bytes by which a sealed frame is longer than its body."""

    def seal(self, flags: int, body: bytes) -> tuple[bytes, bytes]:
        """The body of the message frame that carries this frame, in two pieces; the second is the large one."""

    def open(self, data: bytes, start: int, stop: int) -> tuple[int, bytes]:
        """Flags and body of the frame that is carried by the message frame whose body is ``data[start:stop]``.

        Raises:
            RemoteProtocolError: it is not genuine.
        """


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

    __slots__ = ("credentials", "guard", "outgoing", "peer_metadata", "side", "state")

    def __init__(self, side: OurSide, state: str) -> None:
        self.side = side
        self.state = state
        #: What the peer proves itself with, in state AUTHENTICATING: the credential frames of a ZAP request (RFC 27).
        self.credentials: tuple[bytes, ...] = ()
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
            # Its bytes are not shown: they may hold a password.
            announced = f"a name of {body[0]} bytes in {len(body)}" if body else "it is empty"
            raise RemoteProtocolError(
                f"a malformed command in the {self.name} handshake: {announced}", MALFORMED_COMMAND
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
        """The answer to the question of state AUTHENTICATING: "200" to let the peer in (ZAP's status codes, RFC 27).

        Raises:
            AuthenticationError: it was another one; the command in ``outgoing``, if any, is to be sent all the same.
        """
        if self.state != AUTHENTICATING:
            raise RuntimeError(f"{self.name} asks nobody now")
        if status == "200":
            self.state = self.admit()
        elif (told := _REFUSALS.get(status)) is None:
            raise ValueError(f"the status of an authentication is 200, 300, 400 or 500, not {status!r}")
        else:
            self.state = REFUSED
            if told:
                self.outgoing.append(self.make_refusal(status))
        self.credentials = ()
        if self.state == REFUSED:
            raise AuthenticationError(f"the authenticator refused the peer with status {status}", status)

    def admit(self) -> str:
        """The peer may come in: say so to it, and give the state that follows AUTHENTICATING."""
        raise NotImplementedError(f"{self.name} asks nobody")

    def make_refusal(self, status: str) -> bytes:
        """The command that sends the peer away."""
        return make_error(status)

    def refused(self, data: bytes) -> RemoteProtocolError:
        """What the data of the peer's ERROR command means."""
        reason = parse_error(data)
        text = f"the peer refused the connection with ERROR {reason!r}"
        return AuthenticationError(text, reason) if reason in _REFUSALS else RemoteProtocolError(text)
