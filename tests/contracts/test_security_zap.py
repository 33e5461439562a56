"""Contracts of libzmq's test_security_zap: each mechanism with each way in which a ZAP handler fails, by both sides' events.

Where libzmq leaves a connection open until its handshake timer (300, a handler that goes away) it ends at once here.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

import trizmq

from ..runtime.test_security import CURVE, MECHANISMS, client, server
from .test_security import FAILED_AUTH, FAILED_PROTOCOL, HANDLER, IN, NO_DETAIL, Two, outcome, two

pytestmark = pytest.mark.deadline(10)

MALFORMED_REPLY, BAD_REQUEST_ID, BAD_VERSION, INVALID_STATUS, INVALID_METADATA = range(0x20000001, 0x20000006)

#: What the handler answers after version and request id; what our side tells; what the peer sees, where it is not the end.
ANSWERS: dict[str, tuple[list[bytes], tuple[int, int], tuple[int, int] | None]] = {
    "fine": ([b"1.0", b"1", b"200", b"OK", b"anonymous", b""], IN, IN),
    "wrong version": ([b"invalid", b"1", b"200", b"OK", b"", b""], (FAILED_PROTOCOL, BAD_VERSION), None),
    "wrong request id": ([b"1.0", b"invalid", b"200", b"OK", b"", b""], (FAILED_PROTOCOL, BAD_REQUEST_ID), None),
    "wrong status": ([b"1.0", b"1", b"invalid", b"OK", b"", b""], (FAILED_PROTOCOL, INVALID_STATUS), None),
    "too many parts": ([b"1.0", b"1", b"200", b"OK", b"", b"", b""], (FAILED_PROTOCOL, MALFORMED_REPLY), None),
    "wrong metadata": ([b"1.0", b"1", b"200", b"OK", b"", b"invalid"], (FAILED_PROTOCOL, INVALID_METADATA), None),
    "temporary failure": ([b"1.0", b"1", b"300", b"", b"", b""], (FAILED_AUTH, 300), None),
    "wrong credentials": ([b"1.0", b"1", b"400", b"", b"", b""], (FAILED_AUTH, 400), (FAILED_AUTH, 400)),
    "internal error": ([b"1.0", b"1", b"500", b"", b"", b""], (FAILED_AUTH, 500), (FAILED_AUTH, 500)),
}


async def agree(pair: Two, ours: tuple[int, int], theirs: tuple[int, int] | None) -> None:
    assert await outcome(pair.at_server) == ours
    told = await outcome(pair.at_client)
    if theirs is None:
        assert told in ((NO_DETAIL, errno.EPIPE), (NO_DETAIL, errno.ECONNRESET))
    else:
        assert told == theirs


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_answers(mechanism: str, case: str) -> None:
    answer, ours, theirs = ANSWERS[case]
    async with trizmq.Rep() as handler, two(server(mechanism, None, "TEST"), client(mechanism)) as pair:
        await handler.bind(HANDLER)
        question = await handler.receive()
        assert question[:3] == [b"1.0", b"1", b"TEST"]
        await handler.send(answer)
        await agree(pair, ours, theirs)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_no_handler(mechanism: str) -> None:
    """As libzmq with ``ZMQ_ZAP_ENFORCE_DOMAIN``."""
    async with two(server(mechanism, None, "TEST"), client(mechanism)) as pair:
        await agree(pair, (NO_DETAIL, errno.EFAULT), None)


async def goes_away(handler: trizmq.Rep) -> None:
    await handler.receive()
    await handler.aclose()


async def does_not_receive(handler: trizmq.Rep) -> None:
    await handler.wait_readable()


async def does_not_send(handler: trizmq.Rep) -> None:
    await handler.receive()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    ("acts", "code"),
    [(goes_away, errno.EPIPE), (does_not_receive, errno.ETIMEDOUT), (does_not_send, errno.ETIMEDOUT)],
)
async def test_no_answer(
    mechanism: str, acts: Callable[[trizmq.Rep], Awaitable[None]], code: int, autojump_clock: trio.testing.MockClock
) -> None:
    """It is waited for as long as a handshake may take, and no longer."""
    async with trizmq.Rep() as handler:
        await handler.bind(HANDLER)
        async with two(server(mechanism, None, "TEST"), client(mechanism), handshake_timeout=60) as pair:
            await acts(handler)
            await agree(pair, (NO_DETAIL, code), None)


async def test_a_handler_that_comes_back() -> None:
    """Clients that saw a connection end come again by themselves, and get in."""
    async with two(server(CURVE, None, "TEST"), client(CURVE), reconnect_interval=0.01) as pair:
        await agree(pair, (NO_DETAIL, errno.EFAULT), None)
        async with trizmq.Rep() as handler:
            await handler.bind(HANDLER)
            await handler.receive()
            await handler.send([b"1.0", b"1", b"200", b"OK", b"anonymous", b""])
            while await outcome(pair.at_server) != IN:
                pass
            await pair.bounce()
