"""Kerberos through GSSAPI, from the system's library by the package ``gssapi``: the only module that knows which it is.

All of this may block: what reads a keytab or a ticket cache reads files, and what needs a ticket that is not in the cache
asks the KDC over the network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

#: How a principal is written: ``service@host``, a local user's name, or Kerberos' own ``name/instance@REALM``.
NameType: TypeAlias = Literal["hostbased", "user", "krb5"]

NAME_TYPES: Final[dict[NameType, str]] = {
    "hostbased": "hostbased_service",
    "user": "user",
    "krb5": "kerberos_principal",
}


class GssError(Exception):
    """GSSAPI refused; the text is the library's. It tells names, and no secrets."""


class Context(Protocol):
    """A security context: one end of one conversation. Everything raises :class:`GssError`."""

    @property
    def complete(self) -> bool:
        """Whether both ends have proved themselves."""

    @property
    def initiator(self) -> bytes:
        """The principal of the side that began, as the library displays it; on the other side, once complete."""

    def step(self, token: bytes | None) -> bytes:
        """The token to send after that of the peer, None at the beginning; empty: none is due."""

    def wrap(self, data: bytes) -> bytes:
        """Encrypt."""

    def unwrap(self, data: bytes) -> bytes:
        """Decrypt what is genuine, encrypted, no repetition, and later than what was decrypted before."""


#: Begins a context.
Begin: TypeAlias = Callable[[], Context]


@dataclass(frozen=True, slots=True)
class Principal:
    """A name and how it is written."""

    name: str
    kind: NameType


@functools.cache
def load() -> Any:
    """The package.

    Raises:
        ImportError: it is not installed. The text says how to install it.
    """
    try:
        import gssapi
    except ImportError as error:
        raise ImportError(
            "GSSAPI needs the package gssapi, which is not installed: pip install 'trizmq[gssapi]'"
        ) from error
    return gssapi


def initiator(service: Principal, principal: Principal | None) -> Begin:
    """Contexts of a client with this service, with the tickets of a principal, or those that there are.

    The tickets are looked up for each context, so that renewed ones are used.
    """
    gssapi = load()

    def begin() -> Context:
        flag = gssapi.RequirementFlag
        try:
            context = gssapi.SecurityContext(
                usage="initiate",
                name=_name(service),
                creds=_credentials("initiate", principal),
                mech=gssapi.MechType.kerberos,
                # No detection of gaps: a message that is encrypted for a write that takes nothing is encrypted once more.
                flags=[
                    flag.mutual_authentication,
                    flag.replay_detection,
                    flag.confidentiality,
                    flag.integrity,
                ],
            )
        except gssapi.exceptions.GSSError as error:
            raise GssError(str(error)) from error
        return _LibraryContext(context)

    return begin


def acceptor(principal: Principal | None) -> Begin:
    """Contexts of a server with the keys of a principal, or any in the keytab. The keytab has to be there now.

    Raises:
        GssError: there are no such keys.
    """
    gssapi = load()
    try:
        credentials = _credentials("accept", principal)
    except gssapi.exceptions.GSSError as error:
        raise GssError(str(error)) from error
    return lambda: _LibraryContext(gssapi.SecurityContext(usage="accept", creds=credentials))


def _name(principal: Principal) -> Any:
    gssapi = load()
    return gssapi.Name(principal.name, name_type=getattr(gssapi.NameType, NAME_TYPES[principal.kind]))


def _credentials(usage: str, principal: Principal | None) -> Any:
    gssapi = load()
    name = None if principal is None else _name(principal)
    return gssapi.Credentials(usage=usage, name=name, mechs=[gssapi.MechType.kerberos])


# How a token of Kerberos begins that is no older than RFC 4121 (2005): eight bytes further on there is its number, and the
# library has checked that it is the number which was encrypted.
_NUMBERED: Final = b"\x05\x04"


class _LibraryContext:
    __slots__ = ("_context", "_error", "_received", "_required")

    def __init__(self, context: Any) -> None:
        gssapi = load()
        # A failure is raised where it happens, not at the call after it: libzmq's peers understand no error tokens.
        context.__DEFER_STEP_ERRORS__ = False
        self._context = context
        self._received = b""  # the last token's number; big-endian numbers compare as the bytes that they are
        self._error = gssapi.exceptions.GSSError
        flag = gssapi.RequirementFlag
        self._required = (flag.mutual_authentication, flag.replay_detection)

    @property
    def complete(self) -> bool:
        return bool(self._context.complete)

    @property
    def initiator(self) -> bytes:
        try:
            return bytes(self._context.initiator_name)
        except self._error as error:
            raise GssError(str(error)) from error

    def step(self, token: bytes | None) -> bytes:
        try:
            answer = self._context.step(token)
            if self._context.complete and not all(flag in self._context.actual_flags for flag in self._required):
                raise GssError("the context has no mutual authentication, or does not detect replays")
        except self._error as error:
            raise GssError(str(error)) from error
        return answer or b""

    def wrap(self, data: bytes) -> bytes:
        try:
            wrapped = self._context.wrap(data, True)
        except self._error as error:
            raise GssError(str(error)) from error
        if not wrapped.encrypted:
            raise GssError("the context does not encrypt")
        return bytes(wrapped.message)

    def unwrap(self, data: bytes) -> bytes:
        try:
            unwrapped = self._context.unwrap(data)
        except self._error as error:
            raise GssError(str(error)) from error
        if not unwrapped.encrypted:
            raise GssError("it is signed, but not encrypted")
        if data.startswith(_NUMBERED):
            # asked for replay detection only, as all contexts with libzmq are, the library lets pass another order
            if (number := data[8:16]) <= self._received:
                raise GssError("it is out of order")
            self._received = number
        return bytes(unwrapped.message)
