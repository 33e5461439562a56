"""What ``nox -s fuzz`` checks holds for all its seeds; and a check that cannot fail would be no check."""

from __future__ import annotations

from functools import partial

import pytest

from fuzz import target
from tests.wire.harness import Outcome, feed


def test_seeds() -> None:
    for seed in target.seeds():
        target.check(seed)


def test_every_mechanism_is_reached() -> None:
    """As far as traffic, in each role: what a fuzzer changes then is the rest."""
    reached = set()
    for begun in target.beginnings("ROUTER"):
        outcome = feed(target.new_connection("ROUTER", True, begun.mechanism), [begun.said], status=begun.status)
        if outcome.ready:
            reached.add(begun.mechanism)
    assert reached == {begun.mechanism for begun in target.beginnings("ROUTER")}
    assert len(reached) == 10


def test_what_is_in_the_boxes_arrives() -> None:
    arrived = []
    for begun in target.beginnings("ROUTER"):
        connection = target.new_connection("ROUTER", True, begun.mechanism)
        if feed(connection, [begun.said], status=begun.status).ready and isinstance(begun.wrap, partial):
            arrived.append(feed(connection, [begun.wrap(b"\x02\0a\x03\x01bc\x02\0d")]).messages)
    assert arrived == [[b"a", [b"bc", b"d"]]] * 4  # each role of CURVE and of GSSAPI


def test_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter([Outcome([b"one"]), *[Outcome([b"two"])] * 3])
    monkeypatch.setattr(target, "feed", lambda *arguments, **options: next(runs))
    with pytest.raises(AssertionError, match="in pieces became"):
        target.check(bytes(3) + b"anything")
