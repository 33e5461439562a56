"""Commands and metadata by themselves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trizmq.errors import RemoteProtocolError
from trizmq.wire.commands import (
    make_command,
    make_error,
    make_metadata,
    make_ping,
    parse_command,
    parse_error,
    parse_metadata,
)


@given(st.binary(max_size=255), st.binary(max_size=300))
def test_commands(name: bytes, data: bytes) -> None:
    assert parse_command(make_command(name, data)) == (name, data)


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x05READ", b"\xffREADY"])
def test_malformed_commands(body: bytes) -> None:
    assert parse_command(body) is None


@pytest.mark.parametrize(("reason", "back"), [("400", "400"), ("", ""), ("x" * 300, "x" * 255), ("\u00e9", "?")])
def test_errors(reason: str, back: str) -> None:
    name, data = parse_command(make_error(reason)) or (b"", b"")
    assert name == b"ERROR"
    assert parse_error(data) == back


def test_an_error_with_bytes_behind_its_reason() -> None:
    assert parse_error(b"\x03400more") == "400"
    assert parse_error(b"\x01\xff") == "\\xff"


@pytest.mark.parametrize(
    ("ttl", "tenths"),
    [(0, 0), (-1, 0), (0.01, 1), (0.1, 1), (0.3, 3), (2.0, 20), (65.5, 655), (65.6, 655), (1e9, 655), (math.inf, 655)],
)
def test_ttl_stays_below_what_libzmq_can_take(ttl: float, tenths: int) -> None:
    assert make_ping(ttl, b"ctx") == b"\x04PING" + tenths.to_bytes(2, "big") + b"ctx"


def test_the_context_of_our_ping_is_limited() -> None:
    assert make_ping(0, b"c" * 16).endswith(b"c" * 16)
    with pytest.raises(ValueError, match="at most 16 bytes, not 17"):
        make_ping(0, b"c" * 17)


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=255).map(
    lambda name: f"X-{name}"[:255]
)


@given(st.lists(st.tuples(names, st.binary(max_size=40)), max_size=10))
def test_metadata(properties: list[tuple[str, bytes]]) -> None:
    assert parse_metadata(make_metadata(properties), 10) == properties


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_names_that_cannot_be_sent(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 characters"):
        make_metadata([(name, b"")])


def test_names_do_not_depend_on_case() -> None:
    data = make_metadata([("sOCKET-tYPE", b"a"), ("identity", b"b"), ("RESOURCE", b"c"), ("x-Own", b"d")])
    assert [name for name, _ in parse_metadata(data, 4)] == ["Socket-Type", "Identity", "Resource", "x-Own"]


@given(st.binary(max_size=60), st.integers(0, 4))
def test_any_metadata_parses_or_is_the_peers_fault(data: bytes, most: int) -> None:
    try:
        properties = parse_metadata(data, most)
    except RemoteProtocolError:
        return
    assert len(properties) <= most
    assert sum(5 + len(name) + len(value) for name, value in properties) == len(data)
