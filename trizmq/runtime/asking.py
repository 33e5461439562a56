"""Asking whether a peer may come in: the question, whoever it goes to, and what is made of the answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..authentication import Allow, AuthenticationRequest, Decision, Deny, Security
from ..errors import RemoteProtocolError, ZapError
from ..wire.connection import Connection
from .home import home_here
from .owner import part_cancelled

if TYPE_CHECKING:
    from .socket import SocketCore

_log = logging.getLogger("trizmq")

USER_ID = "User-Id"


async def decide(core: SocketCore, security: Security, endpoint: str, address: str, connection: Connection) -> Decision:
    """Ask an authenticator about the peer of a connection. Takes as long as it takes: the caller has a deadline.

    What the authenticator raises lets nobody in. An Exception ends here, and is logged. Anything else is not ours to
    swallow: Trio lets a KeyboardInterrupt or a SystemExit out of a task, to end the program. Here it ends the socket, and
    comes out of the verbs and the ``async with`` of whoever uses that.

    Raises:
        RemoteProtocolError: the ZAP handler gave no answer that could be understood. Nothing is to be told to the peer.
    """
    request = _request(core, security.domain, endpoint, address, connection)
    authenticator = security.authenticator or core.home.ask_handler
    token = home_here.set(core.home)
    try:
        decision = await authenticator(request)
        if not isinstance(decision, (Allow, Deny)):
            raise TypeError(
                f"an authenticator answers trizmq.auth.Allow(...) or Deny(...), not {type(decision).__name__}"
            )
    except ZapError as error:
        # as in libzmq: the peer sees a connection that ends, and may come back when the handler is there
        _log.warning("%s: %s%s is not let in: %s", core.name, address or endpoint, known_as(connection), error)
        raise RemoteProtocolError(f"{error}{known_as(connection)}", error.code) from error
    except BaseException as error:
        # the user's code: whatever it raises lets nobody in, and must not be overlooked
        cancelled, rest = part_cancelled(error)
        if isinstance(rest, Exception):
            who = address + known_as(connection)
            _log.error("%s: the authenticator failed for %s, which is not let in", core.name, who, exc_info=rest)
        elif rest is not None:
            core.surrender(rest)
        if cancelled is not None:
            raise cancelled from None
        return Deny(500, f"the authenticator failed: {type(rest).__name__}{known_as(connection)}")
    finally:
        home_here.reset(token)
    return decision if isinstance(decision, Allow) else Deny(decision.status, f"{decision.text}{known_as(connection)}")


def known_as(connection: Connection) -> str:
    """Whom an operator has to look for, in words to be appended. A public key is no secret; a password is never shown."""
    match connection.credentials:
        case (name, _):
            return f" (user {name.decode('utf-8', 'surrogateescape')!r})"
        case (name,) if connection.mechanism == "GSSAPI":
            return f" (principal {name.decode('utf-8', 'surrogateescape')!r})"
        case (key,):
            from ..keys import z85_encode  # no other mechanism than CURVE has keys

            return f" (public key {z85_encode(key)!r})"
    return ""


def _request(
    core: SocketCore, domain: str, endpoint: str, address: str, connection: Connection
) -> AuthenticationRequest:
    username = password = public_key = principal = None
    match connection.credentials:
        case (name, secret):
            username, password = (text.decode("utf-8", "surrogateescape") for text in (name, secret))
        case (name,) if connection.mechanism == "GSSAPI":
            principal = name.decode("utf-8", "surrogateescape")
        case (key,):
            public_key = key
    return AuthenticationRequest(
        mechanism=connection.mechanism,
        domain=domain,
        address=host_of(endpoint, address) or address,
        endpoint=endpoint,
        routing_id=core.identity,
        username=username,
        password=password,
        public_key=public_key,
        principal=principal,
    )


def known_of(properties: Mapping[str, bytes], decision: Decision | None) -> Mapping[str, bytes]:
    """What is known of a peer: what it says of itself, below what the authenticator said. A peer never tells its user id."""
    ours = dict(decision.metadata) if isinstance(decision, Allow) else {}
    if isinstance(decision, Allow) and decision.user_id:
        ours[USER_ID] = decision.user_id.encode("utf-8", "surrogateescape")
    taken = {USER_ID.lower(), *map(str.lower, ours)}
    if not ours and not any(name.lower() in taken for name in properties):
        return properties
    theirs = {name: value for name, value in properties.items() if name.lower() not in taken}
    return MappingProxyType(theirs | ours)


def host_of(endpoint: str, address: str) -> str:
    """The IP address in a tcp peer's address, as ``ipaddress`` reads it; empty for other transports."""
    if not endpoint.startswith("tcp://"):
        return ""
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    return host.removeprefix("::ffff:") if "." in host else host
