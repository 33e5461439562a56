"""What a socket asks of its ``security=``: the base of all values, NULL, and which value is in force.

The other values are in ``security.py``, which brings their mechanisms along and is loaded when one of them is first used.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

from ..authentication import Authenticator, Security, check_authenticator
from ..errors import OptionError
from ..wire.mechanisms import null
from ..wire.mechanisms.base import Mechanism, OurSide

_MOST = 255


class WireSecurity(Security):
    """A value from which connections can be made: all of them are."""

    __slots__ = ()

    @abstractmethod
    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Null(WireSecurity):
    """NULL: connections in the clear, and no proof of who is at the other end. The default, without questions.

    With an authenticator, or a domain, peers are let in by their address, on either side of a connection. Peers too old to
    be refused properly (ZMTP 1.0 and 2.0) are then not let in.

    Args:
        domain: what this socket is called in questions; not empty and without an ``authenticator``, the ZAP handler of the
            context is asked (``ZMQ_ZAP_DOMAIN``), and without a handler nobody is let in.
        authenticator: who decides.

    Raises:
        OptionError: a value is wrong.
    """

    domain: str = ""
    authenticator: Authenticator | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_question("Null", self.domain, self.authenticator)

    @property
    def mechanism(self) -> str:
        """``"NULL"``."""
        return null.Null.name

    def _make(self, side: OurSide) -> Mechanism:
        """The mechanism of one connection."""
        return null.AskingNull(side) if self.asks else null.Null(side)


def in_force(security: Security | None) -> WireSecurity:
    """What the value of the option means."""
    if security is None:
        return NO_SECURITY
    if not isinstance(security, WireSecurity):
        raise OptionError(f"security={type(security).__name__}: this is none of trizmq's own values")
    return security


def check_question(who: str, domain: object, authenticator: object) -> None:
    """Refuse a domain that ZAP has no words for, and an authenticator that cannot be asked."""
    if not isinstance(domain, str) or not domain.isascii() or not domain.isprintable() or len(domain) > _MOST:
        raise OptionError(f"{who}: a domain is a str of at most {_MOST} printable characters of ASCII")
    if authenticator is not None:
        try:
            check_authenticator(authenticator)
        except TypeError as error:
            raise OptionError(f"{who}: {error}") from None


#: What a socket has without ``security=``.
NO_SECURITY = Null()
