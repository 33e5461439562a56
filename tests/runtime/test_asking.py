"""Authenticators that answer late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

import trizmq
from trizmq.auth import Allow, AuthenticationRequest, Decision
from trizmq.testing import MemoryNetwork

from .test_security import MECHANISMS, client, next_failure, server

pytestmark = pytest.mark.deadline(10)


class Ask:
    """An authenticator that does something first, and then lets the peer in."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.asked = trio.Event()
        self.answered = False

    async def __call__(self, request: AuthenticationRequest) -> Decision:
        self.asked.set()
        await self.act()
        self.answered = True
        return Allow("let in")


# ---- answering late


@pytest.mark.parametrize("server_connects", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_nobody_is_let_in_late(
    mechanism: str, server_connects: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """What cannot be cancelled, such as a thread, may answer when the time is over: it answers in vain."""

    async def dawdle() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    ask = Ask(dawdle)
    with MemoryNetwork().host("here"):
        async with (
            trizmq.Pull(security=server(mechanism, ask), handshake_timeout=1) as pull,
            trizmq.Push(security=client(mechanism), linger=0) as push,
        ):
            binder, connector = (push, pull) if server_connects else (pull, push)
            events, theirs = pull.events(), push.events()
            connector.connect(await binder.bind("tcp://here:5555"))
            failure = await next_failure(events)
            assert ask.answered
            assert trio.current_time() == pytest.approx(2, abs=0.1)
            assert "the authenticator did not answer within 1 s" in failure.cause
            assert type(failure) is trizmq.HandshakeFailed
            await next_failure(theirs)  # and no success before it
            assert pull.statistics().messages_received == 0
            assert all(peer.user_id == "" for peer in pull.peers())
