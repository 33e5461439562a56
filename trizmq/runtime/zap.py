"""ZAP 1.0 (RFC 27) over inproc, both ends: the question to whatever handler is bound in the context, and a handler."""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import Final

import outcome
import trio

from .. import patterns
from ..authentication import STATUSES, Allow, AuthenticationRequest, Authenticator, Decision, Deny
from ..errors import IncompatiblePeerError, RemoteProtocolError, ZapError
from ..options import DealerOptions
from ..wire.commands import make_metadata, parse_metadata
from .home import SocketHome, home_here
from .socket import SocketCore
from .verbs import TwoWayVerbs

_log = logging.getLogger("trizmq")

#: Where handlers are bound (RFC 27).
HANDLER: Final = "inproc://zeromq.zap.01"
_NAME: Final = HANDLER.removeprefix("inproc://")
_VERSION: Final = b"1.0"
#: One pipe for each question, so the id need not be unique; libzmq's is always this one.
_REQUEST_ID: Final = b"1"

# zmq.h
_MALFORMED_REPLY: Final = 0x2000_0001
_BAD_REQUEST_ID: Final = 0x2000_0002
_BAD_VERSION: Final = 0x2000_0003
_INVALID_STATUS: Final = 0x2000_0004
_INVALID_METADATA: Final = 0x2000_0005

_MOST_PROPERTIES = 1024


class _Questioner(TwoWayVerbs):
    """A DEALER for one question."""

    def __init__(self) -> None:
        options = DealerOptions(linger=0)
        self._core = SocketCore("ZAP-Dealer", lambda drop: patterns.Dealer(drop, options), options, False)

    async def aclose(self) -> None:
        """Close at once."""
        await self._core.aclose(forcefully=True)

    async def ask(self, frames: list[bytes], home: SocketHome) -> list[bytes]:
        """Send a message and wait for what comes back, for as long as the handler is there."""
        core = self._core
        await core.open(home)
        try:
            core.connect(HANDLER, b"")
        except IncompatiblePeerError as error:
            raise ZapError(f"the ZAP handler is of no type that could answer: {error}", errno.EFAULT) from None
        if not core.connected_peers:
            raise ZapError(f"the ZAP handler at {HANDLER} takes no more questions", errno.EFAULT)
        await self.send(frames)
        while True:
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                if not core.connected_peers:
                    raise ZapError("the ZAP handler has gone without an answer", errno.EPIPE) from None
                with core.watchers.watching() as changed:
                    await changed.wait()


async def ask_handler(request: AuthenticationRequest, domain: str | None = None) -> Decision:
    """Ask the handler of the context. Waits for as long as that takes; cancelled, the answer is not waited for.

    Raises:
        ZapError: there is no handler, it has gone, or its answer is not one.
    """
    home = home_here.get(None)
    if home is None or home.inproc_names.find(_NAME) is None:
        raise ZapError(f"no ZAP handler is bound to {HANDLER} in this context", errno.EFAULT)
    question = [
        b"",
        _VERSION,
        _REQUEST_ID,
        (request.domain if domain is None else domain).encode("ascii"),
        request.address.encode("utf-8", "replace"),
        request.routing_id,
        request.mechanism.encode("ascii"),
        *request.credentials,
    ]
    try:
        async with _Questioner() as questioner:
            return _read_answer(await questioner.ask(question, home))
    except trio.ClosedResourceError:
        raise ZapError("the context was closed before its ZAP handler answered", errno.EPIPE) from None


def _read_answer(frames: list[bytes]) -> Decision:
    if len(frames) != 7 or frames[0]:
        raise ZapError(
            f"the ZAP handler's answer has {len(frames)} frames, not an empty one and six more", _MALFORMED_REPLY
        )
    _, version, request_id, status, text, user_id, metadata = frames
    if version != _VERSION:
        raise ZapError(f"the ZAP handler answers in version {version[:16]!r}, not {_VERSION!r}", _BAD_VERSION)
    if request_id != _REQUEST_ID:
        raise ZapError("the ZAP handler answers another question than was asked", _BAD_REQUEST_ID)
    code = status.decode("latin-1")
    if code not in STATUSES:
        raise ZapError(f"the ZAP handler answers status {code[:16]!r}, not 200, 300, 400 or 500", _INVALID_STATUS)
    try:
        properties = dict(parse_metadata(metadata, _MOST_PROPERTIES))
        if code == "200":
            return Allow(user_id.decode("utf-8", "surrogateescape"), properties)
    except (RemoteProtocolError, ValueError) as error:
        raise ZapError(f"the ZAP handler's answer has wrong metadata: {error}", _INVALID_METADATA) from None
    return Deny(int(code), text.decode("utf-8", "replace"))


# ---- the handler


async def handle(router: TwoWayVerbs, authenticator: Authenticator) -> None:
    """Answer the questions that come to a bound ROUTER, side by side, until cancelled or it is closed."""
    async with trio.open_nursery() as nursery:
        with contextlib.suppress(trio.ClosedResourceError):
            async for message in router:
                nursery.start_soon(_answer, router, message, authenticator, name="trizmq ZAP question")
        nursery.cancel_scope.cancel()  # the socket is closed: nobody hears an answer


async def _answer(router: TwoWayVerbs, message: list[bytes], authenticator: Authenticator) -> None:
    peer, *frames = message
    if len(frames) < 7 or frames[0]:
        _log.warning("ZAP: a question of %d frames is no question, and is not answered", len(frames))
        return
    version, request_id = frames[1:3]
    decision: Decision
    if version != _VERSION:
        decision = Deny(500, f"version {version[:16]!r} is not 1.0")
    else:
        result = await outcome.acapture(_decide, frames[3:], authenticator)
        if isinstance(result, outcome.Error) and isinstance(result.error, Exception):
            _log.error("ZAP: the authenticator failed, and the peer is not let in", exc_info=result.error)
            decision = Deny(500, f"the authenticator failed: {type(result.error).__name__}")
        else:
            decision = result.unwrap()
    if isinstance(decision, Allow):
        user_id = decision.user_id.encode("utf-8", "surrogateescape")
        answer = [b"200", b"OK", user_id, make_metadata(decision.metadata.items())]
    else:
        answer = [str(decision.status).encode(), decision.text.encode("utf-8", "replace")[:255], b"", b""]
    with contextlib.suppress(trio.ClosedResourceError):  # nobody hears it any more
        await router.send([peer, b"", _VERSION, request_id, *answer])


async def _decide(frames: list[bytes], authenticator: Authenticator) -> Decision:
    domain, address, routing_id, mechanism, *credentials = frames
    texts = [frame.decode("utf-8", "surrogateescape") for frame in credentials]
    username = password = public_key = principal = None
    match mechanism, credentials:
        case (b"NULL", []):
            pass
        case (b"PLAIN", [_, _]):
            username, password = texts
        case (b"CURVE", [key]) if len(key) == 32:
            public_key = key
        case (b"GSSAPI", [_]):
            principal = texts[0]
        case _:
            return Deny(500, "credentials that do not fit the mechanism")
    decision = await authenticator(
        AuthenticationRequest(
            mechanism=mechanism.decode("ascii"),
            domain=domain.decode("utf-8", "replace"),
            address=address.decode("utf-8", "replace"),
            routing_id=routing_id,
            username=username,
            password=password,
            public_key=public_key,
            principal=principal,
        )
    )
    if not isinstance(decision, (Allow, Deny)):
        raise TypeError(f"an authenticator answers trizmq.auth.Allow(...) or Deny(...), not {type(decision).__name__}")
    return decision
