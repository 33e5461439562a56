"""A module that stands in for the package ``gssapi``: the same calls, with tokens that one can read. It proves nothing.

A client's first token is ``ticket SERVICE of PRINCIPAL``, a server answers ``welcome PRINCIPAL``. What is wrapped is
reversed, with a number before it and a checksum behind it. Principals whose name begins with "no" do not exist.
"""

from __future__ import annotations

import enum
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from trizmq.wire.mechanisms import gssapi_backend

Flag = enum.Enum(
    "Flag", "mutual_authentication replay_detection out_of_sequence_detection confidentiality integrity delegation"
)
KINDS = SimpleNamespace(hostbased_service="service", user="user", kerberos_principal="krb5")
MECHANISMS = SimpleNamespace(kerberos="kerberos")


class GSSError(Exception):
    """What the package raises."""


class Name:
    def __init__(self, text: str, name_type: str) -> None:
        self.text, self.kind = text, name_type

    def __bytes__(self) -> bytes:
        return self.text.encode()


class Credentials:
    def __init__(self, usage: str, name: Name | None, mechs: list[str]) -> None:
        assert mechs == [MECHANISMS.kerberos]
        assert usage in ("initiate", "accept")
        if name is not None and name.text.startswith("no"):
            raise GSSError(f"no credentials for {name.text}")
        self.name = name.text if name is not None else "ann@REALM"


class SecurityContext:
    """Class attributes are what a test may change."""

    flags = frozenset(Flag)  #: what a complete context has
    encrypts = True
    rounds = 1  #: tokens that the client sends before the server is content
    last_word = b""  #: the client's answer to the server's last token
    silent = False  #: the server says nothing at the end

    __DEFER_STEP_ERRORS__ = True

    def __init__(
        self,
        usage: str,
        creds: Credentials,
        name: Name | None = None,
        mech: str | None = None,
        flags: list[Flag] | None = None,
    ) -> None:
        self.usage, self.creds, self.name = usage, creds, name
        if usage == "initiate":
            assert mech == MECHANISMS.kerberos
            assert {Flag.mutual_authentication, Flag.replay_detection, Flag.confidentiality} <= set(flags or ())
        self.complete = False
        self.peer: str | None = None
        self.steps = self.sent = 0
        self.received: set[bytes] = set()

    @property
    def actual_flags(self) -> frozenset[Flag]:
        return self.flags

    @property
    def initiator_name(self) -> Name:
        assert not self.__DEFER_STEP_ERRORS__
        if self.peer is None or self.peer == "anonymous":
            raise GSSError("it has no name")
        return Name(self.peer, KINDS.user)

    def step(self, token: bytes | None) -> bytes | None:
        self.steps += 1
        if self.usage == "initiate":
            assert self.name is not None
            if token is None:
                return f"ticket {self.name.text} of {self.creds.name}".encode()
            if token == b"more":
                return b"again"
            if token != f"welcome {self.creds.name}".encode():
                raise GSSError("the server is another one")
            self.complete = True
            return self.last_word or None
        assert token is not None
        if self.steps == 1:
            kind, _, rest = token.decode().partition(" ")
            if kind != "ticket":
                raise GSSError("a token that is no ticket")
            self.peer = rest.partition(" of ")[2]
        if self.steps < self.rounds:
            return b"more"
        self.complete = True
        return None if self.silent else f"welcome {self.peer}".encode()

    def wrap(self, data: bytes, encrypt: bool) -> SimpleNamespace:
        assert encrypt
        if self.sent < 0:
            raise GSSError("the context has expired")
        self.sent += 1
        return SimpleNamespace(message=token(self.sent, data), encrypted=self.encrypts)

    def unwrap(self, data: bytes) -> SimpleNamespace:
        body, checksum = data[:-4], data[-4:]
        if zlib.crc32(body).to_bytes(4, "big") != checksum or len(body) < 16:
            raise GSSError("the checksum is wrong")
        if (number := body[8:16]) in self.received:
            raise GSSError("a duplicate")
        self.received.add(number)
        return SimpleNamespace(message=body[:15:-1], encrypted=self.encrypts)


def token(number: int, data: bytes, kind: bytes = b"\5\4") -> bytes:
    """With the number where Kerberos has it."""
    body = kind + b"\6\xff\xff\xff\xff\xff" + number.to_bytes(8, "big") + data[::-1]
    return body + zlib.crc32(body).to_bytes(4, "big")


def wrapped(number: int, data: bytes, kind: bytes = b"\5\4") -> bytes:
    """What :meth:`SecurityContext.unwrap` opens, as a MESSAGE command, by hand."""
    content = token(number, data, kind)
    return b"\x07MESSAGE" + len(content).to_bytes(4, "big") + content


@contextmanager
def installed() -> Iterator[type[SecurityContext]]:
    """The stand-in is what ``import gssapi`` finds. Gives the class of the contexts, to be changed."""

    class Changeable(SecurityContext):
        pass

    package: Any = SimpleNamespace(
        Name=Name,
        Credentials=Credentials,
        SecurityContext=Changeable,
        NameType=KINDS,
        MechType=MECHANISMS,
        RequirementFlag=Flag,
        exceptions=SimpleNamespace(GSSError=GSSError),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "gssapi", package)
        gssapi_backend.load.cache_clear()
        try:
            yield Changeable
        finally:
            gssapi_backend.load.cache_clear()
