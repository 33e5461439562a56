"""Events are frozen records, those without fields of their own as well."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

import trizmq
from trizmq import events

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
