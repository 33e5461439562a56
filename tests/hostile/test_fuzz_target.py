"""What ``nox -s fuzz`` checks holds for all its seeds; and a check that cannot fail would be no check."""

from __future__ import annotations

import pytest

from fuzz import target
from tests.wire.harness import Outcome


def test_seeds() -> None:
    for seed in target.seeds():
        target.check(seed)


def test_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter([Outcome([b"one"]), *[Outcome([b"two"])] * 3])
    monkeypatch.setattr(target, "feed", lambda *arguments, **options: next(runs))
    with pytest.raises(AssertionError, match="in pieces became"):
        target.check(bytes(3) + b"anything")
