"""Ready-made authenticators: by address, password, key or certificate; everybody; several together; and a ZAP handler."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from hmac import compare_digest
from hmac import digest as hmac_digest
from pathlib import Path

from .authentication import (
    Allow,
    AuthenticationRequest,
    Authenticator,
    Decision,
    Deny,
    check_authenticator,
    checked_user_id,
)
from .certificates import Certificate, read_certificate
from .keys import as_key
from .runtime.zap import ask_handler

_log = logging.getLogger("trizmq")


async def allow_any(request: AuthenticationRequest) -> Decision:
    """Let everybody in. Under CURVE this is encryption without authentication: the server is proved, its clients are not.

    The user id is what the peer says under PLAIN, its public key as Z85 under CURVE, its principal under GSSAPI.
    Never waits.
    """
    return Allow(request.username or request.principal or request.public_key_z85)


def addresses(allow: Iterable[str] = (), deny: Iterable[str] = (), *, ipc: bool = False) -> Authenticator:
    """An authenticator that looks at IP addresses, for any mechanism. It never waits; refused are answered status 400.

    Args:
        allow: addresses and networks such as ``"192.0.2.7"``, ``"10.0.0.0/8"``, ``"2001:db8::/32"``. Empty: all that are not
            denied.
        deny: the same; goes first.
        ipc: whether peers over ipc, and of streams that have no IP address, are let in.

    Raises:
        TypeError: one is no text.
        ValueError: neither is given, or one is no address or network.
    """
    allowed, denied = _networks("allow", allow), _networks("deny", deny)
    if not allowed and not denied:
        raise ValueError("addresses() without allow or deny would let everybody in; for that there is allow_any")

    async def authenticate(request: AuthenticationRequest) -> Decision:
        try:
            address = ipaddress.ip_address(request.address.partition("%")[0])
        except ValueError:
            return Allow() if ipc else Deny(400, "it has no IP address, and ipc=True was not given")
        if any(address in network for network in denied):
            return Deny(400, f"{address} is denied")
        if allowed and not any(address in network for network in allowed):
            return Deny(400, f"{address} is not allowed")
        return Allow()

    return authenticate


def _networks(name: str, texts: Iterable[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    if isinstance(texts, str):
        raise ValueError(f"{name} is a list of addresses and networks, not one text")
    texts = list(texts)
    for text in texts:
        if isinstance(text, (int, bytes, bytearray)):  # ipaddress reads them, but 1 is hardly meant to be 0.0.0.1
            raise TypeError(f"{name} has texts such as '10.0.0.0/8', not {text!r}")
    return [ipaddress.ip_network(text) for text in texts]


def passwords(table: Mapping[str, str]) -> Authenticator:
    """An authenticator for PLAIN: user names and passwords. The user id is the user name. It never waits.

    The time it takes does not tell how much of a password was right, nor whether there is such a user.

    Args:
        table: from user names to passwords. It is looked at for each peer, so what you change in it holds at once.

    Raises:
        TypeError: it is no such mapping.
    """
    if not isinstance(table, Mapping):
        raise TypeError(f"passwords() takes a mapping from user names to passwords, not {type(table).__name__}")
    pairs: list[tuple[object, object]] = [*table.items()]
    if not all(isinstance(name, str) and isinstance(password, str) for name, password in pairs):
        raise TypeError("passwords() takes a mapping from user names to passwords, all of them str")
    nobody = secrets.token_urlsafe()

    async def authenticate(request: AuthenticationRequest) -> Decision:
        if request.username is None or request.password is None:
            return Deny(400, f"{request.mechanism} tells no password")
        expected = table.get(request.username)
        right = _same(request.password, nobody if expected is None else expected)
        return Allow(request.username) if right and expected is not None else Deny(400, "wrong user name or password")

    return authenticate


def _same(one: str, other: str) -> bool:
    # of equal length whatever was given, so that the length of a password is not told either
    key = secrets.token_bytes(32)
    return compare_digest(_digest(key, one), _digest(key, other))


def _digest(key: bytes, text: str) -> bytes:
    return hmac_digest(key, text.encode("utf-8", "surrogateescape"), "sha256")


def allowed_keys(keys: Iterable[bytes | str] | Mapping[str, bytes | str]) -> Authenticator:
    """An authenticator for CURVE: the public keys of the clients that may come in. It never waits.

    A mapping, set or list is looked at for each peer, so what you change in it holds from the next connection on. What is
    wrong in it by then is told in the log, and lets nobody in. An iterator, such as a generator, is read once.

    Args:
        keys: 32 bytes or 40 characters of Z85 each, and the user id is the key as Z85. Or a mapping from user ids to keys.

    Raises:
        TypeError: one is no key, or a user id no str.
        ValueError: the same, a user id has more than 255 bytes, or a single text was given.
    """
    if isinstance(keys, (str, bytes, bytearray, memoryview)):
        raise ValueError("allowed_keys() takes several keys: put a single one into a list")
    allowed = _Allowed("allowed_keys()", keys, _key_entry)

    async def authenticate(request: AuthenticationRequest) -> Decision:
        if request.public_key is None:
            return Deny(400, f"{request.mechanism} proves no key")
        # public keys are no secrets: a lookup that takes its time tells nothing
        found = allowed.now()
        if request.public_key not in found:
            return Deny(400, "this key is not allowed")
        user_id = found[request.public_key]
        return Allow(request.public_key_z85 if user_id is None else user_id)

    return authenticate


def allowed_principals(principals: Iterable[str]) -> Authenticator:
    """An authenticator for GSSAPI: the principals of the clients that may come in. The user id is the principal. Never waits.

    A set or list is looked at for each peer, so what you change in it holds from the next connection on. An iterator, such as
    a generator, is read once.

    Args:
        principals: with their realm, such as ``"ann@EXAMPLE.ORG"``. Compared as they are: Kerberos minds the case.

    Raises:
        TypeError: one is no str.
        ValueError: one has more than 255 bytes, or a single text was given.
    """
    if isinstance(principals, str):
        raise ValueError("allowed_principals() takes several principals: put a single one into a list")
    names = principals.keys() if isinstance(principals, Mapping) else principals  # what iterating over it gives
    allowed = _Allowed("allowed_principals()", names, _principal_entry)

    async def authenticate(request: AuthenticationRequest) -> Decision:
        if request.principal is None:
            return Deny(400, f"{request.mechanism} proves no principal")
        if request.principal not in allowed.now():
            return Deny(400, f"{request.principal} is not allowed")
        return Allow(request.principal)

    return authenticate


class _Allowed:
    """What somebody else's collection allows at the moment: from what a peer proves to its user id, or None."""

    def __init__(
        self,
        name: str,
        source: Iterable[object] | Mapping[str, object],
        entry: Callable[[str | None, object], bytes | str],
    ) -> None:
        self._name = name
        self._source: Iterable[object] = source if isinstance(source, Collection) else list(source)
        self._entry = entry
        self._seen = self._copy()
        self._users = dict(self._read(one, value) for one, value in self._pairs())

    def now(self) -> Mapping[bytes | str, str | None]:
        """The present state. Reading 10,000 keys anew holds up the program for 70 ms; a copy and a comparison take 0.3 ms."""
        if (copy := self._copy()) != self._seen:
            self._seen = copy
            self._users = {}
            for user_id, value in self._pairs():
                try:
                    proved, name = self._read(user_id, value)
                except (TypeError, ValueError) as error:
                    _log.warning("nobody is let in by a wrong entry: %s", error)
                else:
                    self._users[proved] = name
        return self._users

    def _copy(self) -> dict[object, object] | list[object]:
        if isinstance(self._source, Mapping):
            return {**self._source}
        return list(self._source)

    def _pairs(self) -> Iterable[tuple[object, object]]:
        return self._seen.items() if isinstance(self._seen, dict) else ((None, value) for value in self._seen)

    def _read(self, user_id: object, value: object) -> tuple[bytes | str, str | None]:
        try:
            if isinstance(self._seen, dict):
                return self._entry(checked_user_id(user_id), value), checked_user_id(user_id)
            return self._entry(None, value), None
        except (TypeError, ValueError) as error:
            raise _kind(error)(f"{self._name}: {error}") from None


def _kind(error: TypeError | ValueError) -> type[TypeError] | type[ValueError]:
    """What can be raised with another text; a UnicodeError cannot."""
    return TypeError if isinstance(error, TypeError) else ValueError


def _key_entry(user_id: str | None, key: object) -> bytes:
    try:
        return as_key(key)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        if user_id is None or len(user_id) == 40:  # a key, in a mapping the wrong way round
            raise
        raise _kind(error)(f"{error}; it is that of {user_id!r}, in a mapping from user ids to keys") from None


def _principal_entry(user_id: str | None, principal: object) -> str:
    if not isinstance(principal, str):
        raise TypeError(f"a principal is a str such as 'ann@EXAMPLE.ORG', not {principal!r}")
    return checked_user_id(principal)


def certificates(directory: str | os.PathLike[str]) -> Authenticator:
    """An authenticator for CURVE: the clients whose public certificates, ``*.key`` files, are in a directory.

    The directory is looked at for each peer, and files that are new or have changed are read: add a file to let a client in,
    remove it to keep the client out from its next connection on. The user id is the key as Z85; the certificate's metadata
    becomes the peer's. A file that is no certificate lets nobody in, and is told in the log. Reads files, does not wait.

    Raises:
        NotADirectoryError: there is no such directory.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no directory with certificates")
    return _CertificateStore(folder).authenticate


class _CertificateStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[
            str, tuple[tuple[int, ...], Certificate | None]
        ] = {}  # by file name, with what tells of changes

    async def authenticate(self, request: AuthenticationRequest) -> Decision:
        if request.public_key is None:
            return Deny(400, f"{request.mechanism} proves no key")
        self._refresh()
        for _, certificate in self._read.values():
            if certificate is not None and certificate.public == request.public_key:
                metadata = {
                    name: value.encode()
                    for name, value in certificate.metadata.items()
                    if name.isascii() and 1 <= len(name) <= 255
                }
                return Allow(request.public_key_z85, metadata)
        return Deny(400, "no certificate has this key")

    def _refresh(self) -> None:
        present: dict[str, tuple[tuple[int, ...], Certificate | None]] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not entry.name.endswith(".key"):
                    continue
                try:
                    status = entry.stat()
                except OSError:  # it has gone meanwhile
                    continue
                state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                known = self._read.get(entry.name)
                present[entry.name] = known if known and known[0] == state else (state, _read(entry.path))
        self._read = present


def _read(path: str) -> Certificate | None:
    try:
        return read_certificate(path)
    except (OSError, ValueError) as error:
        _log.warning("no client is let in by a file: %s", error)  # the text has the path
        return None


def all_of(*authenticators: Authenticator) -> Authenticator:
    """An authenticator that asks several in turn, and lets in who is let in by each. The first refusal is the answer.

    The user id is the first that one of them gives; of metadata under the same name the first counts.

    Raises:
        TypeError: one is no authenticator.
        ValueError: none is given.
    """
    if not authenticators:
        raise ValueError("all_of() without authenticators would let everybody in; for that there is allow_any")
    for number, one in enumerate(authenticators, 1):
        if isinstance(one, (list, tuple)):
            raise TypeError("all_of() takes authenticators one by one, not a list of them: all_of(one, other)")
        try:
            check_authenticator(one)
        except TypeError as error:
            raise TypeError(f"all_of(), number {number}: {error}") from None

    async def authenticate(request: AuthenticationRequest) -> Decision:
        user_id = ""
        metadata: dict[str, bytes] = {}
        for ask in authenticators:
            decision = await ask(request)
            if not isinstance(decision, Allow):
                return decision
            user_id = user_id or decision.user_id
            metadata = {**decision.metadata, **metadata}
        return Allow(user_id, metadata)

    return authenticate


def zap(domain: str | None = None) -> Authenticator:
    """An authenticator that asks the ZAP handler (RFC 27) at ``inproc://zeromq.zap.01`` in the context of the socket.

    Any socket that answers there will do, such as one ported from pyzmq, or :func:`serve_zap`. Waits for the answer, at most
    for ``handshake_timeout``. Where there is no handler, where it goes away or answers something else than RFC 27 has, the
    peer is not let in: its connection ends without a word, as with libzmq, so that it tries again.

    Args:
        domain: what the handler is told; None: the ``domain`` of ``security=``.

    Raises:
        TypeError: the domain is no str.
        ValueError: it has something else than at most 255 characters of ASCII.
    """
    if domain is not None and not isinstance(domain, str):
        raise TypeError(f"a ZAP domain is a str, not {type(domain).__name__}")
    if domain is not None and not (domain.isascii() and len(domain) <= 255):
        raise ValueError("a ZAP domain has at most 255 characters of ASCII")

    async def authenticate(request: AuthenticationRequest) -> Decision:
        return await ask_handler(request, domain)

    return authenticate
