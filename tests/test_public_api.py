"""Once published, a name keeps working: the public API is what ``public_api.txt`` says, and changes on purpose only."""

from __future__ import annotations

import difflib
import inspect

import pytest

import trizmq

from .public_api import SNAPSHOT, own_attributes, public_api

REMEDY = "run `python -m tests.public_api`, read the difference, and say in CHANGELOG.md what changed and why"


def test_the_public_api_is_what_the_snapshot_says() -> None:
    if not SNAPSHOT.exists():
        pytest.fail(f"tests/{SNAPSHOT.name} is missing: {REMEDY}")
    saved = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    now = (public_api() + "\n").splitlines()
    difference = list(difflib.unified_diff(saved, now, "the snapshot", "the code", lineterm="", n=2))
    if difference:
        pytest.fail("\n".join(["the public API is not what it was. If that is meant:", REMEDY, "", *difference]))


def test_every_public_name_exists_and_is_documented() -> None:
    names = list(trizmq.__all__)
    assert names, "trizmq.__all__ is empty"
    assert len(set(names)) == len(names)
    undocumented = []
    for name in names:
        value = getattr(trizmq, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            undocumented += [name] if not value.__doc__ else []
        if inspect.isclass(value):
            own = own_attributes(value).items()
            described = [(f"{name}.{attribute}", found) for attribute, found in own if attribute != "__init__"]
            undocumented += [
                path
                for path, found in described
                if (inspect.isroutine(found) or isinstance(found, property))
                and not inspect.getdoc(
                    getattr(value, path.rpartition(".")[2])
                )  # inherited from a base, or from trio.abc
            ]
    assert not undocumented, f"public and without a docstring: {undocumented}"
