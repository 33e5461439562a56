"""GSSAPI: Kerberos, in the form that libzmq gave it (RFC 38 is a stub; libzmq's bytes: zmtp-wire.md 10).

Both sides exchange the tokens of GSSAPI in INITIATE commands. The last token is the server's; the client answers it with an
*empty* command, then comes READY from the server and READY from the client. Unless plaintext is agreed on beforehand, READY
and all frames of traffic are encrypted, in MESSAGE commands. A side that expects encryption takes nothing else.
"""

from __future__ import annotations

from typing import ClassVar, Final

from ...errors import RemoteProtocolError
from ...events import CRYPTOGRAPHIC, MALFORMED_INITIATE, MALFORMED_MESSAGE, MALFORMED_READY, UNEXPECTED_COMMAND
from ..commands import CANCEL, ERROR, READY, SUBSCRIBE, make_command, parse_command
from ..frames import COMMAND, MORE
from .base import AUTHENTICATING, COMPLETE, REFUSED, Mechanism, OurSide
from .gssapi_backend import Begin, Context, GssError
from .plain import INITIATE

MESSAGE: Final = b"MESSAGE"

# ---- traffic

# Inside, libzmq has flags of its own: 01 is MORE, 02 is COMMAND, and with 04 and 08 the body is the topic alone. These two
# libzmq sends and understands from 2026 on only; the commands that we send in their place every libzmq with ZMTP 3.1.
_INNER_MORE: Final = 0x01
_INNER_COMMAND: Final = 0x02
_INNER_SUBSCRIBE: Final = 0x04
_INNER_CANCEL: Final = 0x08
_INNER: Final = {0: b"\x00", MORE: b"\x01", COMMAND: b"\x02"}

_SUBSCRIBE: Final = make_command(SUBSCRIBE)
_CANCEL: Final = make_command(CANCEL)

_HEAD: Final = b"\x07MESSAGE"
_TOKEN_AT: Final = 12
#: Head, flags, and what Kerberos adds: 60 bytes with AES and SHA-1, 76 with today's SHA-2, and room for what may come.
_OVERHEAD: Final = 256


class GssapiGuard:
    """Encrypts and decrypts the frames of one connection. The context counts them: repetitions are not genuine."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def overhead(self) -> int:
        """The most bytes by which a sealed frame is longer than its body."""
        return _OVERHEAD

    def seal(self, flags: int, body: bytes) -> tuple[bytes, bytes]:
        """The body of the message frame that carries this frame: its head, and its token."""
        try:
            token = self._context.wrap(_INNER[flags] + body)
        except GssError as error:
            raise RemoteProtocolError(f"GSSAPI does not encrypt any more: {error}", CRYPTOGRAPHIC) from error
        return _HEAD + len(token).to_bytes(4, "big"), token

    def open(self, data: bytes, start: int, stop: int) -> tuple[int, bytes]:
        """Flags and body of the frame that is carried by the message frame whose body is ``data[start:stop]``."""
        token_at = start + _TOKEN_AT
        if token_at > stop or not data.startswith(_HEAD, start):
            raise RemoteProtocolError("a frame that is no GSSAPI MESSAGE where one is due", UNEXPECTED_COMMAND)
        size = int.from_bytes(data[start + len(_HEAD) : token_at], "big")
        if size != stop - token_at:
            raise RemoteProtocolError(
                f"a GSSAPI MESSAGE that announces a token of {size} bytes, and has {stop - token_at}", MALFORMED_MESSAGE
            )
        try:
            text = self._context.unwrap(data[token_at:stop])
        except GssError as error:
            raise RemoteProtocolError(f"a GSSAPI MESSAGE that is not genuine: {error}", CRYPTOGRAPHIC) from error
        if not text:
            raise RemoteProtocolError("a GSSAPI MESSAGE without flags", MALFORMED_MESSAGE)
        inner, body = text[0], text[1:]
        if inner & _INNER_COMMAND:
            return COMMAND | (inner & _INNER_MORE), body
        if inner & _INNER_SUBSCRIBE:
            return COMMAND, _SUBSCRIBE + body
        if inner & _INNER_CANCEL:
            return COMMAND, _CANCEL + body
        return inner & _INNER_MORE, body


# ---- the handshake

_EXCHANGE: Final = "awaits INITIATE"
_CONFIRM: Final = "awaits an empty command"
_PLAIN_READY: Final = "awaits READY"
_SEALED_READY: Final = "awaits MESSAGE"


class _Gssapi(Mechanism):
    """What both sides have in common."""

    name: ClassVar[str] = "GSSAPI"
    secure: ClassVar[bool] = True

    __slots__ = ("_begin", "_context", "_guard", "_plaintext")

    def __init__(self, side: OurSide, begin: Begin, plaintext: bool) -> None:
        super().__init__(side, _EXCHANGE)
        self._begin = begin
        self._plaintext = plaintext
        self._context: Context | None = None
        self._guard: GssapiGuard | None = None

    @property
    def _ready_state(self) -> str:
        return _PLAIN_READY if self._plaintext else _SEALED_READY

    def _step(self, token: bytes | None) -> bytes:
        """Our answer to a token; the context is begun by the first one."""
        try:
            if self._context is None:
                self._context = self._begin()
            answer = self._context.step(token)
            if self._context.complete and self.as_server:
                self.credentials = (self._context.initiator,)
        except GssError as error:
            raise RemoteProtocolError(f"the GSSAPI handshake failed: {error}", CRYPTOGRAPHIC) from error
        if self._context.complete and not self._plaintext:
            self._guard = GssapiGuard(self._context)
        return answer

    @property
    def _established(self) -> bool:
        return self._context is not None and self._context.complete

    def _send_token(self, token: bytes) -> None:
        self.outgoing.append(make_command(INITIATE, len(token).to_bytes(4, "big") + token))

    def _send_ready(self) -> None:
        body = make_command(READY, self.side.metadata)
        if self._guard is not None:
            body = b"".join(self._guard.seal(0, body))
        self.outgoing.append(body)

    def _take_ready(self, name: bytes, data: bytes) -> None:
        """Of either form; :attr:`transitions` has let through only the one that is due."""
        if self._guard is not None:
            message = make_command(name, data)
            _, body = self._guard.open(message, 0, len(message))
            if (command := parse_command(body)) is None or command[0] != READY:
                raise RemoteProtocolError(
                    "a MESSAGE in the GSSAPI handshake whose content is no READY", MALFORMED_READY
                )
            data = command[1]
        self.peer_metadata = data
        self.guard = self._guard


class GssapiClient(_Gssapi):
    """Begins, with a ticket for the service, and does not go on with anybody who cannot read that ticket.

    The refusal that an ERROR command tells is not protected: anybody on the way may have sent it.
    """

    transitions: ClassVar = {
        (_EXCHANGE, INITIATE): _EXCHANGE,
        (_EXCHANGE, ERROR): REFUSED,
        (_PLAIN_READY, READY): COMPLETE,
        (_PLAIN_READY, ERROR): REFUSED,
        (_SEALED_READY, MESSAGE): COMPLETE,
        (_SEALED_READY, ERROR): REFUSED,
    }

    __slots__ = ()

    @property
    def as_server(self) -> bool:
        """The role is this class, whichever side connected."""
        return False

    def start(self) -> None:
        """Show the ticket. Where it is not in the cache this asks the KDC, and waits for its answer."""
        self._send_token(self._step(None))

    def receive(self, body: bytes) -> None:
        """Take a command of the server; after its last token, confirm that."""
        super().receive(body)
        if self.state == _EXCHANGE and self._established:
            self.outgoing.append(b"")
            self.state = self._ready_state

    def handle(self, name: bytes, data: bytes) -> None:
        """Go on with what the server proves."""
        if name == ERROR:
            raise self.refused(data)
        if name == INITIATE:
            answer = self._step(_parse_token(data))
            if bool(answer) == self._established:
                raise RemoteProtocolError("the GSSAPI handshake does not end with a token of the server", CRYPTOGRAPHIC)
            if answer:
                self._send_token(answer)
        else:
            self._take_ready(name, data)
            self._send_ready()


class GssapiServer(_Gssapi):
    """READY once somebody outside has found the client's principal good."""

    transitions: ClassVar = {
        (_EXCHANGE, INITIATE): _EXCHANGE,
        (_PLAIN_READY, READY): COMPLETE,
        (_SEALED_READY, MESSAGE): COMPLETE,
    }

    __slots__ = ()

    @property
    def as_server(self) -> bool:
        """The role is this class, whichever side connected."""
        return True

    def start(self) -> None:
        """The client speaks first."""

    def receive(self, body: bytes) -> None:
        """Take a command of the client; the one that confirms our last token is empty."""
        if self.state != _CONFIRM:
            super().receive(body)
            if self.state == _EXCHANGE and self._established:
                self.state = _CONFIRM
        elif body:
            raise RemoteProtocolError(
                f"{len(body)} bytes in the GSSAPI handshake where an empty command is due", UNEXPECTED_COMMAND
            )
        else:
            self.state = AUTHENTICATING

    def handle(self, name: bytes, data: bytes) -> None:
        """Take what the client proves."""
        if name != INITIATE:
            self._take_ready(name, data)
            return
        answer = self._step(_parse_token(data))
        if not answer:
            raise RemoteProtocolError("the GSSAPI handshake does not end with a token of ours", CRYPTOGRAPHIC)
        self._send_token(answer)

    def admit(self) -> str:
        """The client's principal is good."""
        self._send_ready()
        return self._ready_state


def _parse_token(data: bytes) -> bytes:
    if len(data) < 4 or int.from_bytes(data[:4], "big") != len(data) - 4:
        raise RemoteProtocolError(
            f"a malformed INITIATE in the GSSAPI handshake: {len(data)} bytes that are no token and its size",
            MALFORMED_INITIATE,
        )
    return data[4:]
