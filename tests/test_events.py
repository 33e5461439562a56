"""Events are frozen records, those without fields of their own as well."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from types import MappingProxyType
from typing import Any

import pytest

import trizmq
from trizmq import auth, events

EVENTS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, trizmq.Event)]


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_a_frozen_record(kind: type[trizmq.Event]) -> None:
    event = kind("tcp://127.0.0.1:5555", "127.0.0.1:40022")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.endpoint = ""  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del event.endpoint
    assert not hasattr(event, "__dict__")
    assert repr(event).startswith(f"{kind.__name__}(endpoint='tcp://127.0.0.1:5555', address='127.0.0.1:40022'")
    assert event == copy.copy(event) == pickle.loads(pickle.dumps(event)) == dataclasses.replace(event)
    assert event != dataclasses.replace(event, address="")
    assert len({event, copy.copy(event)}) == 1
    assert kind.__match_args__ == tuple(each.name for each in dataclasses.fields(kind))


def test_there_are_events() -> None:
    assert {trizmq.Event, trizmq.Listening, trizmq.DropsEnded} <= set(EVENTS)


def test_events_of_different_kinds_are_not_equal() -> None:
    assert trizmq.Listening("tcp://127.0.0.1:5555") != trizmq.Accepted("tcp://127.0.0.1:5555")


@pytest.mark.parametrize(
    "value",
    [
        trizmq.PeerInfo("tcp://*:1", "", True, "PUSH", b"x", 0, 0, 1, metadata={"X-a": b""}),
        trizmq.PeerInfo("tcp://*:1", "", True, "PUSH", b"x", 0, 0, 1, metadata=MappingProxyType({"X-a": b""})),
        trizmq.Statistics(1, 2, 3, 4, 5, drops=MappingProxyType({next(iter(trizmq.DropReason)): 3})),
        auth.Allow("ann", {"Role": b"guest"}),
        auth.Deny(300, "later"),
        auth.Certificate(b"p" * 32, b"s" * 32, MappingProxyType({"name": "Ann"})),
        auth.AuthenticationRequest("PLAIN", username="ann", password="pw"),
    ],
)
def test_records_are_copied_and_pickled(value: Any) -> None:
    """With what is frozen in them, which Python itself cannot copy."""
    for again in (copy.copy(value), copy.deepcopy(value), *(pickle.loads(pickle.dumps(value, n)) for n in (2, 4, 5))):
        assert again == value
        assert type(again) is type(value)
        for field in dataclasses.fields(value):
            assert type(getattr(again, field.name)) is type(getattr(value, field.name))
    assert len({value, copy.deepcopy(value)}) == 1
