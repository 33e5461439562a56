"""Measures scenarios round by round; within a round the implementations, and the revisions of trizmq, take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from .control import Skip
from .model import IMPLEMENTATIONS, Scenario, Settings
from .results import Measurement
from .workers import MeasurementError, Tree, converse

GIVE_UP_AFTER = 2
"""What failed so often in a scenario is not tried again in the same run."""


class Runner:
    """Passes on each measurement as soon as it is there."""

    def __init__(
        self,
        *,
        rounds: int,
        settings: Callable[[Settings], Settings],
        timeout: float,
        trees: Sequence[Tree],
        record: Callable[[Measurement], None],
    ) -> None:
        self._rounds = rounds
        self._settings = settings
        self._timeout = timeout
        self._trees = trees
        self._record = record

    async def run(self, scenarios: Iterable[Scenario]) -> None:
        """One scenario after the other, each in all its rounds."""
        for scenario in scenarios:
            failures: dict[tuple[str, str], int] = {}
            for number in range(1, min(self._rounds, scenario.most_rounds or self._rounds) + 1):
                # Every other round the other way round: who comes second may find a warmer machine.
                trees = self._trees[:: -1 if number % 2 == 0 else 1]
                for name in scenario.implementations:
                    for tree in trees:
                        turn = name, tree.revision
                        if failures.get(turn, 0) < GIVE_UP_AFTER:
                            failures[turn] = failures.get(turn, 0) + await self._measure(scenario, name, number, tree)

    async def _measure(self, scenario: Scenario, name: str, number: int, tree: Tree) -> int:
        """Returns how much of a failure it was."""
        settings = replace(self._settings(scenario.settings), batched=IMPLEMENTATIONS[name].batched)
        values: dict[str, float] = {}
        error = skipped = ""
        try:
            values = await converse(scenario, name, settings, tree, self._timeout)
        except Skip as skip:
            skipped = str(skip)
        except MeasurementError as failure:
            error = str(failure)
        for metric in scenario.metrics:
            measurement = Measurement(
                scenario=scenario.name,
                implementation=name,
                metric=metric.name,
                size=settings.size,
                round=number,
                value=values.get(metric.name),
                unit=metric.unit,
                error=error,
                seconds=settings.seconds,
                versions=tree.versions,
                time=datetime.now(UTC).isoformat(timespec="seconds"),
                skipped=skipped,
                revision=tree.revision,
            )
            self._record(measurement)
        return GIVE_UP_AFTER if skipped else bool(error)
