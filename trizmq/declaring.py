"""What an option is: a descriptor that checks what is set, its holders, and the checks. The options are in ``options.py``."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast, dataclass_transform

from .errors import OptionError

T = TypeVar("T")


class Option(Generic[T]):
    """One option: a descriptor that checks what is set, and knows its documentation."""

    def __init__(
        self,
        default: T,
        check: Callable[[object], T],
        zmq: str,
        doc: str,
        secret: bool = False,
        inherited: bool = True,
    ) -> None:
        self._secret = secret  # a wrong value is not shown: it may be a key
        self.inherited = inherited  # a context's default holds for it
        self.default = default
        self.check = check
        self.zmq = zmq
        self.__doc__ = doc
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, holder: Options | None, owner: type) -> T | Option[T]:
        if holder is None:
            return self
        return cast("T", holder._option_values.get(self.name, self.default))

    def __set__(self, holder: Options, value: object) -> None:
        checked = self.checked(value)
        holder._option_changing(self.name)
        holder._option_values[self.name] = checked
        holder._option_changed(self.name)

    def __delete__(self, holder: Options) -> None:
        raise AttributeError(f"{self.name} is an option, which is not deleted but set: its default is {self.default!r}")

    def checked(self, value: object) -> T:
        """The value in its final form, or an error that names the option, the value and what would be right."""
        try:
            return self.check(value)
        except OptionError:  # complete, and does not show the value
            raise
        except (TypeError, ValueError) as error:
            shown = f"<{type(value).__name__}>" if self._secret else repr(value)
            raise OptionError(f"{self.name}={shown}: {error}") from None


def option(
    *,
    default: T,
    check: Callable[[object], T],
    zmq: str = "",
    doc: str,
    secret: bool = False,
    inherited: bool = True,
) -> T:
    """Declare an option in the body of an :class:`Options` class; to a type checker it is a field of type ``T``."""
    return cast("T", Option(default, check, zmq, doc, secret, inherited))


@dataclass_transform(kw_only_default=True, field_specifiers=(option,))
class Options:
    """Holds options as attributes; what was never set falls back to the context's default, then to the option's own."""

    def __init__(self, **values: Any) -> None:
        known = declared_options(type(self))
        for name in values:
            if name not in known:
                raise OptionError(f"{type(self).__name__} has no option {name!r}{nearest(name, known)}")
        self._option_values: dict[str, object] = {name: known[name].checked(value) for name, value in values.items()}

    def __setattr__(self, name: str, value: object) -> None:
        # a misspelt option, or one under its name in pyzmq, must not become an attribute that does nothing
        if not name.startswith("_") and not hasattr(type(self), name) and type(self).__module__.startswith("trizmq."):
            raise OptionError(
                f"{type(self).__name__} has no option {name!r}{nearest(name, declared_options(type(self)))}"
            )
        super().__setattr__(name, value)

    def _inherit_options(self, defaults: Mapping[str, object]) -> None:
        """Take the defaults that apply to this type for every option that was not set here."""
        known = declared_options(type(self))
        for name, value in defaults.items():
            if name in known and known[name].inherited:
                self._option_values.setdefault(name, value)

    def _option_changing(self, name: str) -> None:
        """Called before an option is set on a living holder; raises if that must not be done from here."""

    def _option_changed(self, name: str) -> None:
        """Called after an option was set on a living holder; sockets apply at once what can be applied."""


def declared_options(holder: type) -> dict[str, Option[Any]]:
    """All options that a class declares or inherits, by name, the general ones first."""
    found: dict[str, Option[Any]] = {}
    for base in reversed(holder.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Option):
                found[name] = value
    return found


_PRINCIPALS = "trizmq.GssapiServer(principal=...) or GssapiClient(service_principal=..., principal=...)"

#: What are options in zmq.h and pyzmq, or look as if they could be, and are said by a value of ``security`` here.
PART_OF_SECURITY = {
    "authenticator": "trizmq.Null(authenticator=...), PlainServer, CurveServer or GssapiServer",
    "curve_publickey": "it follows from the secret key, and is security.public_key",
    "curve_secretkey": "trizmq.CurveServer(secret_key, authenticator=...) or CurveClient(server_key=..., secret_key=...)",
    "curve_server": "trizmq.CurveServer(secret_key, authenticator=...)",
    "curve_serverkey": "trizmq.CurveClient(server_key=..., secret_key=...)",
    "gssapi_plaintext": "trizmq.GssapiServer(plaintext=True) and GssapiClient(..., plaintext=True)",
    "gssapi_principal": _PRINCIPALS,
    "gssapi_principal_nametype": "principal_type= of trizmq.GssapiServer or GssapiClient",
    "gssapi_server": "trizmq.GssapiServer(authenticator=...)",
    "gssapi_service_principal": "trizmq.GssapiClient(service_principal=...)",
    "gssapi_service_principal_nametype": "service_principal_type= of trizmq.GssapiClient",
    "plain_password": "trizmq.PlainClient(username, password)",
    "plain_server": "trizmq.PlainServer(authenticator=...)",
    "plain_username": "trizmq.PlainClient(username, password)",
    "zap_domain": "the domain= of trizmq.Null, PlainServer, CurveServer or GssapiServer",
    "zap_enforce_domain": "always so, with a domain= there",
}

#: Names that zmq.h keeps from earlier versions, and pyzmq's programs use.
_RENAMED = {
    "DELAY_ATTACH_ON_CONNECT": "IMMEDIATE",
    "FAIL_UNROUTABLE": "ROUTER_MANDATORY",
    "IDENTITY": "ROUTING_ID",
    "ROUTER_BEHAVIOR": "ROUTER_MANDATORY",
}


def nearest(name: str, known: Mapping[str, Option[Any]]) -> str:
    """The rest of the text about an unknown name: what may have been meant, or all that there is."""
    if name.lower() in ("rcvtimeo", "sndtimeo", "timeout"):
        return "; put a time limit around the call: with trio.move_on_after(seconds)"
    if name.lower() in PART_OF_SECURITY:
        return f"; that is part of security=: {PART_OF_SECURITY[name.lower()]}"
    zmq = f"ZMQ_{_RENAMED.get(name.upper(), name.upper())}"
    for ours, declared in known.items():
        if declared.zmq == zmq or ours == name.lower():
            return f"; it is called {ours!r} here"
    if elsewhere := _elsewhere(name, zmq):
        return elsewhere
    from difflib import get_close_matches  # for errors only

    # what ends like it first: pyzmq's `hwm` is two options, and who writes `mandatory` means router_mandatory
    close = [ours for ours in known if ours.endswith(f"_{name.lower()}")] or get_close_matches(name, known, 1)
    return f"; did you mean {_joined(map(repr, close), 'or')}?" if close else f"; it has: {', '.join(known)}"


def _elsewhere(name: str, zmq: str) -> str:
    """The text about a name, ours or that of zmq.h, that only other types know as an option; empty: none does."""
    kinds: dict[str, set[str]] = {}
    for kind in all_holders(Options):
        # the socket types are the classes of this package that no other class of it is derived from
        ours = [cls.__module__.startswith("trizmq.") for cls in (kind, *kind.__subclasses__())]
        if ours[0] and not any(ours[1:]):
            for option_name, declared in declared_options(kind).items():
                if option_name == name.lower() or declared.zmq == zmq:
                    kinds.setdefault(option_name, set()).add(kind.__name__)
    for option_name, holders in kinds.items():
        called = "" if option_name == name else f"it is called {option_name!r} here, and "
        return f"; {called}{_joined(sorted(holders), 'and')} {'have' if len(holders) > 1 else 'has'} it"
    return ""


def all_holders(holder: type[Options]) -> list[type[Options]]:
    """A class of options, and all that are derived from it."""
    found = [holder]
    for direct in holder.__subclasses__():
        found += [one for one in all_holders(direct) if one not in found]
    return found


def _joined(names: Iterable[str], word: str) -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def boolean(value: object) -> bool:
    """True or False; 1 and 0 stand for them."""
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError("expected True or False")


def whole(least: int, most: int | None = None) -> Callable[[object], int]:
    """A whole number within limits."""
    wanted = f"a whole number of at least {least}" + (f" and at most {most}" if most is not None else "")

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"expected {wanted}")
        if value < least or (most is not None and value > most):
            raise ValueError(f"expected {wanted}")
        return value

    return check


def or_none(check: Callable[[object], T]) -> Callable[[object], T | None]:
    """What another check takes, or None."""
    return lambda value: None if value is None else check(value)


def seconds(value: object) -> float:
    """A duration."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value) or value < 0:
        raise ValueError("expected seconds, 0 or more")
    return float(value)


def seconds_or_never(value: object) -> float:
    """A duration; None stands for one without end."""
    return math.inf if value is None else seconds(value)


def positive_seconds(value: object) -> float:
    """A duration that is one."""
    if not (duration := seconds(value)):
        raise ValueError("expected seconds, more than 0")
    return duration


def time_to_live(value: object) -> float:
    """A duration that a PING can carry."""
    if (duration := seconds(value)) > 65.5:
        raise ValueError("expected at most 65.5 seconds: libzmq keeps it in 16 bits of milliseconds, and wraps above")
    return duration


def octets(value: object) -> bytes:
    """Bytes, copied where they could change."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("expected bytes")
    return bytes(value)


def identity(value: object) -> bytes:
    """An Identity that peers accept."""
    announced = octets(value)
    if len(announced) > 255:
        raise ValueError(f"a routing id has at most 255 bytes, not {len(announced)}")
    if announced[:1] == b"\0":
        raise ValueError("a routing id must not start with a zero byte: those are made by ROUTER itself")
    return announced


def where_there_is(constants: str, check: Callable[[object], T], system: T) -> Callable[[object], T]:
    """What another check takes, on platforms whose ``socket`` module has one of the constants; ``system`` on all."""

    def checked(value: object) -> T:
        final = check(value)
        if final != system and not any(hasattr(socket, constant) for constant in constants.split()):
            raise ValueError(f"expected {system!r}: this platform has no {constants.replace(' ', ' or ')}")
        return final

    return checked
