"""Sockets with less security than they seem to have say so in the log, once. Doors without a lock are in test_security.py."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

import trizmq
from trizmq import auth
from trizmq.testing import MemoryNetwork

from .test_security import CURVE, NULL, PLAIN, client, server

pytestmark = pytest.mark.deadline(10)


@pytest.mark.parametrize(
    ("host", "security", "options", "warned"),
    [
        ("192.0.2.7", client(PLAIN), {}, True),
        ("192.0.2.7", client(PLAIN), {"warn_insecure": False}, False),
        ("127.0.0.1", client(PLAIN), {}, False),
        ("192.0.2.7", server(PLAIN, auth.allow_any), {}, True),
        ("192.0.2.7", client(CURVE), {}, False),
        ("192.0.2.7", None, {}, False),
    ],
)
async def test_a_password_that_others_can_read_is_told_once(
    host: str,
    security: trizmq.Security | None,
    options: dict[str, Any],
    warned: bool,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Before it is on its way: it is the side that connects that tells it, and often the only one of ours."""
    with MemoryNetwork().host(host):
        async with trizmq.Pull() as pull, trizmq.Push(security=security, linger=0, **options) as push:
            pull.warn_insecure = False
            for port in (5555, 5556):
                push.connect(await pull.bind(f"tcp://{host}:{port}"))
            await trio.sleep(1)
    told = [record for record in caplog.records if "warn_insecure=False" in record.getMessage()]
    assert len(told) == warned
    assert all(record.levelno == logging.WARNING and "passwords" in record.getMessage() for record in told)


@pytest.mark.parametrize(
    ("security", "options", "warned"),
    [
        (server(CURVE, auth.allow_any), {}, True),
        (client(PLAIN), {}, True),
        (server(NULL, auth.allow_any), {}, True),
        (trizmq.Null(), {}, False),
        (client(CURVE), {"warn_insecure": False}, False),
    ],
)
async def test_a_stream_without_its_contexts_security_is_told(
    security: trizmq.Security, options: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        trizmq.Context(security=security) as context,
        context.socket(trizmq.Stream, **options),
        context.socket(trizmq.Pull),
        trizmq.Stream(),
    ):
        pass
    told = [record for record in caplog.records if "a STREAM has no handshake" in record.getMessage()]
    assert len(told) == warned
    assert all("Stream-1" in record.getMessage() for record in told)
