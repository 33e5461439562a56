"""Ready-made authenticators: by address, password, key or certificate; everybody; several together; and a ZAP handler."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
from collections.abc import Iterable, Mapping
from hmac import compare_digest
from hmac import digest as hmac_digest
from pathlib import Path

from .authentication import Allow, AuthenticationRequest, Authenticator, Decision, Deny
from .certificates import Certificate, read_certificate
from .keys import as_key, z85_encode
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
    return [ipaddress.ip_network(text) for text in texts]


def passwords(table: Mapping[str, str]) -> Authenticator:
    """An authenticator for PLAIN: user names and passwords. The user id is the user name. It never waits.

    The time it takes does not tell how much of a password was right, nor whether there is such a user.

    Args:
        table: from user names to passwords. It is looked at for each peer, so what you change in it holds at once.

    Raises:
        TypeError: it is no such mapping.
    """
    pairs: list[tuple[object, object]] = [*dict(table).items()]
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

    Args:
        keys: 32 bytes or 40 characters of Z85 each, and the user id is the key as Z85. Or a mapping from user ids to keys.

    Raises:
        TypeError: one is no key.
        ValueError: the same, or a single text was given.
    """
    if isinstance(keys, (str, bytes)):
        raise ValueError("allowed_keys() takes several keys: put a single one into a list")
    users: dict[bytes, str] = {}
    if isinstance(keys, Mapping):
        for user_id, key in keys.items():
            users[as_key(key)] = user_id
    else:
        for key in keys:
            users[as_key(key)] = z85_encode(as_key(key))

    async def authenticate(request: AuthenticationRequest) -> Decision:
        if request.public_key is None:
            return Deny(400, f"{request.mechanism} proves no key")
        # public keys are no secrets: a lookup that takes its time tells nothing
        user_id = users.get(request.public_key)
        return Allow(user_id) if user_id is not None else Deny(400, "this key is not allowed")

    return authenticate


def allowed_principals(principals: Iterable[str]) -> Authenticator:
    """An authenticator for GSSAPI: the principals of the clients that may come in. The user id is the principal. Never waits.

    Args:
        principals: with their realm, such as ``"ann@EXAMPLE.ORG"``. Compared as they are: Kerberos minds the case.

    Raises:
        ValueError: a single text was given.
    """
    if isinstance(principals, str):
        raise ValueError("allowed_principals() takes several principals: put a single one into a list")
    allowed = frozenset(principals)

    async def authenticate(request: AuthenticationRequest) -> Decision:
        if request.principal is None:
            return Deny(400, f"{request.mechanism} proves no principal")
        if request.principal not in allowed:
            return Deny(400, f"{request.principal} is not allowed")
        return Allow(request.principal)

    return authenticate


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
        _log.warning("no client is let in by %s: %s", path, error)
        return None


def all_of(*authenticators: Authenticator) -> Authenticator:
    """An authenticator that asks several in turn, and lets in who is let in by each. The first refusal is the answer.

    The user id is the first that one of them gives; of metadata under the same name the first counts.

    Raises:
        ValueError: none is given.
    """
    if not authenticators:
        raise ValueError("all_of() without authenticators would let everybody in; for that there is allow_any")

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
        ValueError: the domain is none.
    """
    if domain is not None and not (domain.isascii() and len(domain) <= 255):
        raise ValueError("a ZAP domain has at most 255 characters of ASCII")

    async def authenticate(request: AuthenticationRequest) -> Decision:
        return await ask_handler(request, domain)

    return authenticate
