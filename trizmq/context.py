"""The context: what sockets share. Names for inproc, defaults for options, and an end for all of them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from .authentication import AuthenticationRequest, Decision
from .errors import UsageError
from .options import check_defaults
from .runtime.home import SocketHome
from .runtime.runs import RunLocal, close_all

P = ParamSpec("P")
S = TypeVar("S", bound="JoinsContext")


class JoinsContext(Protocol):
    """What a context asks of a socket."""

    def _join_context(self, context: Context) -> None:
        """Belong to this context, and take its defaults."""


class Context:
    """Holds what its sockets share: inproc names, default options, and their end.

    ::

        async with trizmq.Context(linger=1.0) as context:
            async with context.socket(trizmq.Req) as req:
                ...

    Leaving the ``async with`` closes the sockets that are still open, side by side, each with its own linger; left by an
    exception or cancelled, it closes them at once. What closed sockets have sent over inproc to names that nobody has bound
    is lost then, counted by them as ``LINGER``, with a warning in the log. A socket made without a context uses its Trio
    run's default one, which ends with the run.

    Args:
        defaults: options by name, for every socket of this context that has such an option and does not set it itself.

    Raises:
        OptionError: no socket type has such an option, or the value is wrong.
    """

    def __init__(self, **defaults: Any) -> None:
        self.defaults: dict[str, object] = check_defaults(defaults)
        self._home = SocketHome(_ask_handler)
        self._entered = False
        self._closed = False

    def socket(self, kind: Callable[P, S], *args: P.args, **options: P.kwargs) -> S:
        """Make a socket of this context; use it with ``async with``.

        Args:
            kind: one of the socket types, such as ``trizmq.Req``.
            options: as for that type.
        """
        self._check_usable()
        if not callable(kind):
            raise UsageError(f"a socket type is a class such as trizmq.Push, not {kind!r}")
        made = kind(*args, **options)
        made._join_context(self)
        return made

    def _enter_socket(self) -> SocketHome:
        """Where a socket of this context is opened; raises UsageError unless it may be."""
        self._check_usable()
        return self._home

    def _check_usable(self) -> None:
        if self._closed:
            raise UsageError("this context is closed: make a new one")
        if not self._entered:
            raise UsageError("this context is not open: use it inside 'async with'")

    async def aclose(self) -> None:
        """Close the sockets that are open, side by side, each with its own linger. Cancelled: at once."""
        self._closed = True
        await self._close_all(forcefully=False)

    async def __aenter__(self) -> Self:
        if self._entered:
            raise UsageError("a context is entered once: make a new one")
        self._entered = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        self._closed = True
        await self._close_all(forcefully=kind is not None)

    async def _close_all(self, *, forcefully: bool) -> None:
        try:
            await close_all(list(self._home.open_cores), forcefully=forcefully)
        finally:
            self._home.leftovers.end()


async def _ask_handler(request: AuthenticationRequest) -> Decision:
    from .runtime.zap import ask_handler  # few programs have a ZAP handler

    return await ask_handler(request)


def _make_default() -> Context:
    context = Context()
    context._entered = context._home.leftovers.until_run_ends = True
    return context


_default = RunLocal(_make_default)


def default_context() -> Context:
    """The default context of the current Trio run."""
    return _default.get()
