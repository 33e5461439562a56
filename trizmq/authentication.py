"""Who may come in: what an authenticator is asked, what it answers, and what every ``security=`` value has in common."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType
from typing import Final, TypeAlias

from .records import hash_frozen, reduce_frozen

_MOST = 255  # of the strings of ZAP (RFC 27)

STATUSES: Final = ("200", "300", "400", "500")
REFUSALS: Final = (300, 400, 500)


@dataclass(frozen=True, slots=True)
class AuthenticationRequest:
    """Who asks to be let in: what an authenticator is given. The password is not shown by ``repr``."""

    mechanism: str  #: ``"NULL"``, ``"PLAIN"``, ``"CURVE"`` or ``"GSSAPI"``
    domain: str = ""  #: the ``domain`` of our ``security=``, which of several doors of this program
    address: str = ""  #: the peer's IP address (tcp), ``localhost:uid:gid:pid`` (ipc, Linux), or what its stream has
    endpoint: str = ""  #: the endpoint of ours that it came through
    routing_id: bytes = b""  #: the routing id of *our* socket; the peer's own is not known before it is let in
    username: str | None = None  #: PLAIN; bytes that are not UTF-8 are there as surrogates (``surrogateescape``)
    password: str | None = field(default=None, repr=False)  #: PLAIN, in the same form
    public_key: bytes | None = (
        None  #: the peer's public key under CURVE, 32 bytes; that it has the secret one is proved
    )
    principal: str | None = None  #: the peer's principal under GSSAPI, ``"ann@EXAMPLE.ORG"``, which is proved

    @property
    def public_key_z85(self) -> str:
        """The peer's public key as 40 characters; empty without one."""
        if self.public_key is None:
            return ""
        from .keys import z85_encode  # no other mechanism than CURVE has keys

        return z85_encode(self.public_key)

    @property
    def credentials(self) -> tuple[bytes, ...]:
        """The credential frames of a ZAP request (RFC 27), be it none, user name and password, public key, or principal."""
        if self.public_key is not None:
            return (self.public_key,)
        texts = (text for text in (self.username, self.password, self.principal) if text is not None)
        return tuple(text.encode("utf-8", "surrogateescape") for text in texts)


def checked_user_id(value: object) -> str:
    """A user id that can be told; raises TypeError or ValueError where it is none."""
    if not isinstance(value, str):
        raise TypeError(f"a user id is a str, not {type(value).__name__}")
    if (size := len(value.encode("utf-8", "surrogateescape"))) > _MOST:
        raise ValueError(f"a user id has at most {_MOST} bytes, not {size}")
    return value


@dataclass(frozen=True, slots=True)
class Allow:
    """The answer of an authenticator that lets the peer in."""

    user_id: str = ""  #: who it is, in at most 255 bytes; becomes ``PeerInfo.user_id``, and ``User-Id`` in its metadata
    #: what else is known of it; goes into ``PeerInfo.metadata``, before what the peer says of itself under the same name
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        checked_user_id(self.user_id)
        if not isinstance(self.metadata, Mapping):
            raise TypeError(f"metadata maps str to bytes, and is no {type(self.metadata).__name__}")
        properties: list[tuple[object, object]] = [*self.metadata.items()]
        for name, value in properties:
            if not isinstance(name, str) or not isinstance(value, bytes):
                raise TypeError(f"metadata maps str to bytes, not {type(name).__name__} to {type(value).__name__}")
            if not (name.isascii() and 1 <= len(name) <= _MOST):
                raise ValueError(f"a name in metadata has 1 to {_MOST} characters of ASCII: {name!r}")
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    __hash__ = hash_frozen
    __reduce__ = reduce_frozen


@dataclass(frozen=True, slots=True)
class Deny:
    """The answer of an authenticator that sends the peer away.

    400 and 500 are told to the peer, by number, and a libzmq peer does not come back after that. 300 is not: the connection
    is closed, and the peer tries again after its usual wait.
    """

    status: int = 400  #: 300 for not now, 400 for wrong credentials, 500 where the authenticator has failed (RFC 27)
    text: str = ""  #: why, for our events; the peer never sees it

    def __post_init__(self) -> None:
        if self.status not in REFUSALS:
            raise ValueError(f"the status of a refusal is 300, 400 or 500 (RFC 27), not {self.status!r}")
        if not isinstance(self.text, str):
            raise TypeError(f"the text of a refusal is a str, not {type(self.text).__name__}")


#: What an authenticator answers.
Decision: TypeAlias = Allow | Deny

#: An async function that is called with a request and answers with a decision; or another object that can be called and
#: awaited like one, such as a ``functools.partial``, but no function without ``async``. It is asked once for each connection,
#: in a task of that connection: while it waits, other peers are served. ``handshake_timeout`` bounds it: then it is
#: cancelled, and the peer not let in; an answer that comes later, from a thread, lets nobody in either. What it raises
#: refuses the peer with status 500. An Exception is logged. What is none (KeyboardInterrupt, SystemExit, ...) is meant for
#: the program: it ends the socket, and comes out of its verbs and its ``async with``.
Authenticator: TypeAlias = Callable[[AuthenticationRequest], Awaitable[Decision]]


def check_authenticator(value: object) -> None:
    """Refuse what can certainly not be asked; a TypeError says why. What it answers is seen when it is asked."""
    if not callable(value):
        raise TypeError(f"an authenticator is an async function that is given the request, not {_shown(value)}")
    if isinstance(value, type):
        raise TypeError(
            f"an authenticator is an async function, or an object that can be called: {value.__name__}(...)"
        )
    function: object = getattr(value, "__func__", value)  # of a bound method
    if not isinstance(function, FunctionType):
        return  # partials and other objects may well return what can be awaited
    function = inspect.unwrap(function)  # also of a decorator that is none itself
    if not isinstance(function, FunctionType) or inspect.iscoroutinefunction(function):
        return
    if inspect.isasyncgenfunction(function):
        raise TypeError(f"an authenticator returns its answer, and {function.__name__} has 'yield'")
    if function.__module__ == "trizmq.authenticators" and "<" not in function.__qualname__:
        raise TypeError(
            f"trizmq.auth.{function.__name__} makes an authenticator when it is called: auth.{function.__name__}(...)"
        )
    raise TypeError(
        f"an authenticator is an async function, and {function.__qualname__} is not: write 'async def', or "
        "functools.partial(...) in place of a lambda around one"
    )


def _shown(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


class Security(ABC):
    """What secures the connections of a socket: one of Null, and the servers and clients of PLAIN, CURVE and GSSAPI."""

    __slots__ = ()

    @property
    def authenticator(self) -> Authenticator | None:
        """Who decides about peers; None for nobody, or with a domain the ZAP handler of the context. Clients ask nobody."""
        return None

    @property
    def domain(self) -> str:
        """What this socket is called in questions."""
        return ""

    @property
    @abstractmethod
    def mechanism(self) -> str:
        """The mechanism's name on the wire, ``"NULL"``, ``"PLAIN"``, ``"CURVE"`` or ``"GSSAPI"``."""

    @property
    def asks(self) -> bool:
        """Whether somebody is asked before a peer is let in."""
        return bool(self.authenticator or self.domain)


def check_security(value: object) -> Security | None:
    """The check of the option ``security``; its texts never show the value, which may be a key."""
    if value is None or isinstance(value, Security):
        return value
    if isinstance(value, type) and issubclass(value, Security):
        raise TypeError(f"expected a value, not the class: {value.__name__}(...)")
    raise TypeError(
        "expected trizmq.Null(...), PlainServer(...), PlainClient(...), CurveServer(...), CurveClient(...), "
        "GssapiServer(...) or GssapiClient(...)"
    )
