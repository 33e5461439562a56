"""A security context for GSSAPI whose tokens can be read, so that a fuzzer gets past them. It proves nothing."""

from __future__ import annotations

from typing import Final

from trizmq.wire.mechanisms.gssapi_backend import GssError

TICKET: Final = b"ticket"
WELCOME: Final = b"welcome"
AGAIN: Final = b"again"  #: a server that has been told this first asks once more

_MARK: Final = b"%"


class ReadableContext:
    """One end: of a server, or of a client."""

    def __init__(self, server: bool) -> None:
        self._server = server
        self.complete = False
        self.initiator = b"ann@REALM"

    def step(self, token: bytes | None) -> bytes:
        """A ticket, which a welcome answers; before that, both may go back and forth."""
        if token is None:
            return TICKET
        if token == AGAIN:
            return AGAIN
        if token != (TICKET if self._server else WELCOME):
            raise GssError("a token that is not due")
        self.complete = True
        return WELCOME if self._server else b""

    def wrap(self, data: bytes) -> bytes:
        """With a mark before it."""
        return _MARK + data

    def unwrap(self, data: bytes) -> bytes:
        """What has the mark."""
        if not data.startswith(_MARK):
            raise GssError("it has no mark")
        return data[1:]
