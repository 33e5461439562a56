"""Each option that changes what a peer sees, seen from pyzmq's side; and each option there is stands in the table or says why
it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import tests.interop.connection_effects
import tests.interop.message_effects  # noqa: F401  # they fill the table
from tests.interop.driver import PeerProcess
from tests.interop.effects import EFFECTS, ELSEWHERE, NO_WIRE_EFFECT, Case
from tests.runtime.test_closing import SOCKET_TYPES
from trizmq.options import declared_options

TIME = 25

CASES: dict[str, Case] = {case.__name__: case for case in EFFECTS.values()}


@pytest.mark.parametrize("name", CASES)
async def test_effect(name: str, peer: PeerProcess) -> None:
    with trio.fail_after(TIME):
        await CASES[name](peer)


def test_every_option_is_in_the_table() -> None:
    declared = {name for kind in SOCKET_TYPES for name in declared_options(kind)}
    assert not EFFECTS.keys() & NO_WIRE_EFFECT.keys()
    assert declared == EFFECTS.keys() | NO_WIRE_EFFECT.keys() | ELSEWHERE.keys()
    assert all((Path(__file__).parent / name).is_file() for name in ELSEWHERE.values())
    assert len(CASES) == len(set(EFFECTS.values()))
    assert all(NO_WIRE_EFFECT.values())
