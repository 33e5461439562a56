"""Endpoint strings: what is wrong is refused at once, with an error that contains the endpoint and says what is wrong."""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

import trizmq
from trizmq import EndpointError
from trizmq.transports import find_transport

pytestmark = pytest.mark.deadline(10)

BAD_FOR_BOTH = {
    "": "transport://address",
    "tcp": "transport://address",
    "tcp:": "transport://address",
    "tcp://": "transport://address",
    "://127.0.0.1:1": "transport://address",
    "127.0.0.1:5555": "transport://address",
    "tcp:/127.0.0.1:5555": "transport://address",
    "zzz://127.0.0.1:5555": "unknown transport 'zzz'.*tcp.*ipc.*inproc",
    "TCP://127.0.0.1:5555": "unknown transport",
    " tcp://127.0.0.1:5555": "unknown transport",
    "udp://127.0.0.1:5555": "unknown transport",
    "pgm://127.0.0.1:5555": "unknown transport",
    "tcp://127.0.0.1": "no port",
    "tcp://127.0.0.1:": "no port",
    "tcp://localhost": "no port",
    "tcp://:5555": "host",
    "tcp://in val id:5555": "host",
    "tcp://127.0.0.1:abc": "port 'abc'",
    "tcp://127.0.0.1:-1": "port '-1'",
    "tcp://127.0.0.1:+1": r"port '\+1'",
    "tcp://127.0.0.1:5555bad": "port '5555bad'",
    "tcp://127.0.0.1:5 5": "port '5 5'",
    "tcp://127.0.0.1: 5": "port ' 5'",
    "tcp://127.0.0.1:1_000": "port '1_000'",
    "tcp://127.0.0.1:٣": "port '٣'",
    "tcp://127.0.0.1:65536": "65536.*out of range.*65535",
    "tcp://127.0.0.1:99999": "99999.*out of range.*65535",
    "tcp://127.0.0.1:99999999999999999999": "out of range",
    "tcp://[::1:5555": "brackets",
    "tcp://::1]:5555": "brackets",
    "tcp://[127.0.0.1]:5555": "brackets",
    "tcp://[]:5555": "brackets",
    "tcp://127.0.0.1:5555/path": "port '5555/path'",
    "tcp://db..example:5555": "no valid host name",
    "tcp://.example:5555": "no valid host name",
    f"tcp://{'x' * 64}.example:5555": "no valid host name",
    "tcp://\ud800.example:5555": "no valid host name",
    "ipc:///tmp/\ud800": "cannot be encoded",
    "ipc://": "transport://address",
    "ipc://@": "abstract",
    "ipc://a\0b": "NUL",
    f"ipc://{'x' * 200}": "too long",
    f"ipc://@{'x' * 200}": "too long",
    f"ipc:///tmp/{'ü' * 60}": "too long",
    "inproc://": "transport://address",
}

BAD_TO_CONNECT = {
    "tcp://*:5555": r"'\*' can be bound",
    "tcp://127.0.0.1:*": r"port '\*'",
    "tcp://127.0.0.1:0": "port 0 can be bound",
    "ipc://*": r"'\*' can be bound",
    "tcp://127.0.0.1:0;": "no port",
    "tcp://;127.0.0.1:5555": "no port",
    "tcp://127.0.0.1;127.0.0.1:5555": "no port",
    "tcp://127.0.0.1:x;127.0.0.1:5555": "port 'x'",
    "tcp://127.0.0.1:99999;127.0.0.1:5555": "out of range",
    "tcp://127.0.0.1:0;*:5555": r"'\*' can be bound",
}

BAD_TO_BIND = {
    "tcp://127.0.0.1:0;127.0.0.1:5555": "127.0.0.1:0;127.0.0.1",
}


@pytest.mark.parametrize("endpoint", [*BAD_FOR_BOTH, *BAD_TO_BIND])
async def test_bad_to_bind(endpoint: str) -> None:
    async with trizmq.Pull() as pull:
        with pytest.raises(EndpointError, match={**BAD_FOR_BOTH, **BAD_TO_BIND}[endpoint]) as caught:
            await pull.bind(endpoint)
        assert repr(endpoint) in str(caught.value)
        assert "bound" not in repr(pull)


@pytest.mark.parametrize("endpoint", [*BAD_FOR_BOTH, *BAD_TO_CONNECT])
async def test_bad_to_connect(endpoint: str) -> None:
    async with trizmq.Push() as push:
        with pytest.raises(EndpointError, match={**BAD_FOR_BOTH, **BAD_TO_CONNECT}[endpoint]) as caught:
            push.connect(endpoint)
        assert repr(endpoint) in str(caught.value)
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"x")  # no queue was made


@pytest.mark.parametrize("endpoint", [None, 5, b"tcp://127.0.0.1:5555", ["tcp://127.0.0.1:5555"]])
async def test_no_text(endpoint: object) -> None:
    async with trizmq.Pull() as pull:
        for call in (pull.connect, pull.disconnect, pull.unbind):
            with pytest.raises(TypeError, match=f"endpoint.*{type(endpoint).__name__}"):
                call(endpoint)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=f"endpoint.*{type(endpoint).__name__}"):
            await pull.bind(endpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize("endpoint", ["", "tcp://", "zzz"])
async def test_bad_to_end(endpoint: str) -> None:
    async with trizmq.Pull() as pull:
        for call in (pull.disconnect, pull.unbind):
            with pytest.raises(EndpointError) as caught:
                call(endpoint)
            assert repr(endpoint) in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.builds("tcp://{}".format, st.text()), st.builds("ipc://{}".format, st.text())))
def test_any_text(endpoint: str) -> None:
    """libzmq's bind and connect fuzzers: any text is understood or refused with EndpointError, nothing else."""
    try:
        transport, address = find_transport(endpoint)
    except EndpointError:
        return
    for check in (transport.check_bind, transport.check_connect) if transport is not None else ():
        with contextlib.suppress(EndpointError):
            check(address, endpoint)
