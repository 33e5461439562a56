"""The table of socket types, against RFC 37 as it is written there."""

from __future__ import annotations

import pytest

from trizmq.options import ConflateOptions
from trizmq.patterns import Dealer, Pair, Pattern, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, XPub, XSub
from trizmq.patterns.types import COMPATIBLE

from .fakes import Rig

CLASSES: list[type[Pattern]] = [Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, XPub, XSub]

#: RFC 37, "The Socket Type Property": a row for each type, a column for what it may meet.
RFC_37 = {
    "REQ": "REP ROUTER",
    "REP": "REQ DEALER",
    "DEALER": "REP DEALER ROUTER",
    "ROUTER": "REQ DEALER ROUTER",
    "PUB": "SUB XSUB",
    "XPUB": "SUB XSUB",
    "SUB": "PUB XPUB",
    "XSUB": "PUB XPUB",
    "PUSH": "PULL",
    "PULL": "PUSH",
    "PAIR": "PAIR",
}


@pytest.mark.parametrize("pattern", CLASSES)
def test_accepts_what_the_rfc_says(pattern: type[Pattern]) -> None:
    assert pattern.accepts == set(RFC_37[pattern.name].split())


@pytest.mark.parametrize("pattern", CLASSES)
def test_who_counts_what_is_sent(pattern: type[Pattern]) -> None:
    assert pattern.counts_sent is (pattern in (Push, Dealer, Router))


def test_others_count_nothing() -> None:
    assert Rig(Pull, ConflateOptions()).pattern.sent == 0


def test_every_type_is_there_once() -> None:
    assert sorted(pattern.name for pattern in CLASSES) == sorted(RFC_37) == sorted(COMPATIBLE)


@pytest.mark.parametrize("name", COMPATIBLE)
def test_both_sides_agree(name: str) -> None:
    assert all(name in COMPATIBLE[other] for other in COMPATIBLE[name])


def test_a_stream_talks_no_zmtp() -> None:
    assert Stream.raw
    assert Stream.accepts == frozenset()
    assert not any(pattern.raw for pattern in CLASSES)


def test_who_announces_an_identity() -> None:
    assert {pattern.name for pattern in CLASSES if pattern.announces_identity} == {"REQ", "DEALER", "ROUTER"}


def test_verbs_that_a_type_lacks() -> None:
    with pytest.raises(NotImplementedError):
        Rig(Pull, ConflateOptions()).pattern.send(b"x")
    push = Rig(Push, ConflateOptions()).pattern
    assert not push.can_receive
    with pytest.raises(NotImplementedError):
        push.receive()
    with pytest.raises(NotImplementedError):
        push.unreceive(b"x")
    with pytest.raises(NotImplementedError):
        push.receive_many(1)
    assert not Rig(Pull, ConflateOptions()).pattern.can_send
