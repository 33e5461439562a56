"""The values of ``security=`` besides Null: which mechanism, and who is asked. Immutable, and they keep their secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..authentication import Authenticator, Security
from ..errors import OptionError
from ..keys import as_key, keygen
from ..wire.mechanisms import curve, gssapi, gssapi_backend, plain
from ..wire.mechanisms.base import Mechanism, OurSide
from .securing import WireSecurity, check_question

_MOST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainServer(WireSecurity):
    """PLAIN, the side that is told user name and password, whichever side connects.

    They travel in clear text: for links that nobody can listen to.

    Args:
        authenticator: who decides, such as ``trizmq.auth.passwords({...})``.
        domain: what this socket is called in questions; without an ``authenticator`` the context's ZAP handler is asked.

    Raises:
        OptionError: a value is wrong, or nobody would decide.
    """

    authenticator: Authenticator | None = field(default=None, repr=False)
    domain: str = ""

    def __post_init__(self) -> None:
        check_question("PlainServer", self.domain, self.authenticator)
        _check_somebody_decides("PlainServer", self, "trizmq.auth.passwords({'user': 'password'})")

    @property
    def mechanism(self) -> str:
        """``"PLAIN"``."""
        return plain.PlainServer.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return plain.PlainServer(side)


@dataclass(frozen=True, slots=True)
class PlainClient(WireSecurity):
    """PLAIN, the side that tells user name and password, in clear text: for links that nobody can listen to.

    Args:
        username: at most 255 bytes; a ``str`` is sent as UTF-8.
        password: the same. It is not shown by ``repr``.

    Raises:
        OptionError: a value is wrong.
    """

    username: str | bytes
    password: str | bytes = field(repr=False)
    _credentials: plain.Credentials = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "_credentials",
            plain.Credentials(_credential("user name", self.username), _credential("password", self.password)),
        )

    @property
    def mechanism(self) -> str:
        """``"PLAIN"``."""
        return plain.PlainClient.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return plain.PlainClient(side, self._credentials)


@dataclass(frozen=True, slots=True)
class CurveServer(WireSecurity):
    """CURVE, the side whose public key the others know, whichever side connects. Encrypted, with forward secrecy.

    Args:
        secret_key: of this server: 32 bytes, or 40 characters of Z85. It is not shown by ``repr``.
        authenticator: who decides which clients come in, by their public keys: ``trizmq.auth.allowed_keys([...])``,
            ``trizmq.auth.certificates(directory)``, or ``trizmq.auth.allow_any``.
        domain: what this socket is called in questions; without an ``authenticator`` the context's ZAP handler is asked.

    Raises:
        OptionError: a value is wrong, or nobody would decide.
        ImportError: PyNaCl is not installed; ``pip install 'trizmq[curve]'``.
    """

    secret_key: str | bytes = field(repr=False)
    authenticator: Authenticator | None = field(default=None, repr=False, kw_only=True)
    domain: str = field(default="", kw_only=True)
    public_key: bytes = field(init=False)  #: what clients have to know: 32 bytes
    _keys: curve.ServerKeys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = curve.ServerKeys(_key("secret_key", self.secret_key))
        object.__setattr__(self, "secret_key", keys.secret)
        object.__setattr__(self, "public_key", keys.public)
        object.__setattr__(self, "_keys", keys)
        check_question("CurveServer", self.domain, self.authenticator)
        _check_somebody_decides("CurveServer", self, "trizmq.auth.allowed_keys([...])")

    @property
    def mechanism(self) -> str:
        """``"CURVE"``."""
        return curve.CurveServer.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return curve.CurveServer(side, self._keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveClient(WireSecurity):
    """CURVE, the side that knows the server's public key, whichever side connects. Encrypted, with forward secrecy.

    Args:
        server_key: the server's public key: 32 bytes, or 40 characters of Z85. Nobody else is talked to.
        secret_key: ours, in the same form, not shown by ``repr``. None: a new one is made, for servers that let everybody in.

    Raises:
        OptionError: a value is wrong.
        ImportError: PyNaCl is not installed; ``pip install 'trizmq[curve]'``.
    """

    server_key: str | bytes
    secret_key: str | bytes | None = field(default=None, repr=False)
    public_key: bytes = field(init=False)  #: ours, by which the server knows us: 32 bytes
    _keys: curve.ClientKeys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        server = _key("server_key", self.server_key)
        secret = keygen().secret if self.secret_key is None else _key("secret_key", self.secret_key)
        if server == secret:
            raise OptionError(
                "CurveClient: server_key and secret_key are the same; the first is the server's public key"
            )
        if server[-1] & 0x80:  # X25519 makes numbers below 2**255, and random ones are above in one of two cases
            raise OptionError(
                "CurveClient: server_key is no public key, but perhaps a secret one: nobody else may know it"
            )
        if curve.ServerKeys(server).public == secret:
            raise OptionError("CurveClient: server_key and secret_key are a pair, and the wrong way round")
        keys = curve.ClientKeys(server, secret)
        if keys.public == server:
            raise OptionError(
                "CurveClient: this secret_key belongs to server_key; a client has a pair of keys of its own"
            )
        object.__setattr__(self, "server_key", server)
        object.__setattr__(self, "secret_key", secret)
        object.__setattr__(self, "public_key", keys.public)
        object.__setattr__(self, "_keys", keys)

    @property
    def mechanism(self) -> str:
        """``"CURVE"``."""
        return curve.CurveClient.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return curve.CurveClient(side, self._keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class GssapiServer(WireSecurity):
    """GSSAPI, that is Kerberos, the side that has a service's keys, whichever side connects. Encrypted unless ``plaintext``.

    The keytab (``KRB5_KTNAME``, or the system's) is opened when this value is made, which waits for no network.

    Args:
        principal: ours, whose keys are in the keytab; None: whichever of the keytab's the client has a ticket for.
        authenticator: who decides about the client's principal, such as ``trizmq.auth.allowed_principals([...])``.
        domain: what this socket is called in questions; without an ``authenticator`` the context's ZAP handler is asked.
        plaintext: prove who is there, and then encrypt and protect nothing. Both sides have to say the same.
        principal_type: how ``principal`` is written: ``"hostbased"`` for ``service@host``, ``"krb5"`` for Kerberos' own
            ``service/host@REALM``, ``"user"`` for a local user's name.

    Raises:
        OptionError: a value is wrong, nobody would decide, or there are no such keys.
        ImportError: the package is not installed; ``pip install 'trizmq[gssapi]'``.
    """

    principal: str | None = None
    authenticator: Authenticator | None = field(default=None, repr=False)
    domain: str = ""
    plaintext: bool = False
    principal_type: gssapi_backend.NameType = "hostbased"
    _begin: gssapi_backend.Begin = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_question("GssapiServer", self.domain, self.authenticator)
        _check_somebody_decides("GssapiServer", self, "trizmq.auth.allowed_principals(['ann@EXAMPLE.ORG'])")
        principal = _principal("GssapiServer", self.principal, self.principal_type)
        try:
            begin = gssapi_backend.acceptor(principal)
        except gssapi_backend.GssError as error:
            raise OptionError(f"GssapiServer: no keys to accept tickets with: {error}") from error
        object.__setattr__(self, "_begin", begin)

    @property
    def mechanism(self) -> str:
        """``"GSSAPI"``."""
        return gssapi.GssapiServer.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return gssapi.GssapiServer(side, self._begin, self.plaintext)


@dataclass(frozen=True, slots=True, kw_only=True)
class GssapiClient(WireSecurity):
    """GSSAPI, that is Kerberos, the side that has a user's tickets, whichever side connects. Encrypted unless ``plaintext``.

    **Making this value may wait for the network**: the ticket for the service is fetched from the KDC then, into the cache
    that ``KRB5CCNAME`` names, so that connections find it there. Make it before ``trio.run``, or in a thread
    (``trio.to_thread.run_sync``). When that ticket has expired, the next connection fetches one, and nothing else of the
    program runs meanwhile: make a new value earlier, in a thread, to fetch it in time.

    Args:
        service_principal: the server's. Nobody else is talked to.
        principal: ours, whose tickets are used; None: those that there are.
        plaintext: prove who is there, and then encrypt and protect nothing. Both sides have to say the same.
        service_principal_type: how ``service_principal`` is written: ``"hostbased"`` for ``service@host``, ``"krb5"`` for
            Kerberos' own ``service/host@REALM``, ``"user"`` for a local user's name.
        principal_type: the same of ``principal``.

    Raises:
        OptionError: a value is wrong, or there is no ticket.
        ImportError: the package is not installed; ``pip install 'trizmq[gssapi]'``.
    """

    service_principal: str
    principal: str | None = None
    plaintext: bool = False
    service_principal_type: gssapi_backend.NameType = "hostbased"
    principal_type: gssapi_backend.NameType = "hostbased"
    _begin: gssapi_backend.Begin = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        service = _principal("GssapiClient", self.service_principal, self.service_principal_type)
        if service is None:
            raise OptionError("GssapiClient: a service_principal is a str such as 'service@host', not None")
        begin = gssapi_backend.initiator(service, _principal("GssapiClient", self.principal, self.principal_type))
        try:
            begin().step(None)
        except gssapi_backend.GssError as error:
            raise OptionError(f"GssapiClient: no ticket for {self.service_principal}: {error}") from error
        object.__setattr__(self, "_begin", begin)

    @property
    def mechanism(self) -> str:
        """``"GSSAPI"``."""
        return gssapi.GssapiClient.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return gssapi.GssapiClient(side, self._begin, self.plaintext)


def _check_somebody_decides(who: str, security: Security, example: str) -> None:
    if not security.asks:
        raise OptionError(
            f"{who} without an authenticator would let in nobody or everybody, so say whom: authenticator={example}; "
            "domain=... to ask a ZAP handler; or, if everybody may come in, authenticator=trizmq.auth.allow_any"
        )


def _credential(what: str, value: object) -> bytes:
    # the value may be the password, so no text shows it
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if not isinstance(value, bytes):
        raise OptionError(f"PlainClient: the {what} is a str or bytes, not {type(value).__name__}")
    if len(value) > _MOST:
        raise OptionError(f"PlainClient: the {what} has {len(value)} bytes, more than {_MOST}")
    return value


def _principal(who: str, name: object, kind: object) -> gssapi_backend.Principal | None:
    known = [known for known in gssapi_backend.NAME_TYPES if known == kind]
    if not known:
        raise OptionError(f"{who}: a principal's type is one of {', '.join(gssapi_backend.NAME_TYPES)}, not {kind!r}")
    if name is None:
        return None
    if not isinstance(name, str) or not name or "\0" in name:
        raise OptionError(f"{who}: a principal is a str such as 'service@host', not {name!r}")
    return gssapi_backend.Principal(name, known[0])


def _key(name: str, value: object) -> bytes:
    # a TypeError's or ValueError's text from keys.py does not show the key
    try:
        if not isinstance(value, (str, bytes)):
            raise TypeError(f"a key is 32 bytes, or 40 characters of Z85, not {type(value).__name__}")
        return as_key(value)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name}: {error}{_meant(name, value)}") from None


def _meant(name: str, value: object) -> str:
    attribute = "public" if name == "server_key" else "secret"
    if hasattr(value, "public") and hasattr(value, "secret"):  # a KeyPair, a Certificate
        return f"; use its .{attribute}"
    if isinstance(value, os.PathLike) or (isinstance(value, str) and ".key" in value):
        return f"; a file is read by trizmq.auth.read_certificate(...).{attribute}"
    return ""
