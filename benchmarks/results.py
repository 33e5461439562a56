"""Measurements as JSON lines: written one at a time, read back, and reduced to medians and spreads."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

Row = tuple[str, str, str]
"""Scenario, metric, implementation."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of a results file. ``value`` is None where the measurement failed, and ``error`` then says why."""

    scenario: str
    implementation: str
    metric: str
    size: int
    round: int
    value: float | None
    unit: str
    error: str
    seconds: float
    """How long the clock ran."""
    versions: dict[str, str]
    time: str
    skipped: str = ""
    """Why there was nothing to measure; that is no failure."""
    revision: str = ""
    """Of trizmq, where several are measured in turn."""

    @property
    def failed(self) -> bool:
        """There is no value, and there should be."""
        return self.value is None and not self.skipped

    @property
    def text(self) -> str:
        """The value with its unit, or why there is none."""
        if self.value is not None:
            return f"{number(self.value)} {self.unit}"
        return f"skipped: {self.skipped}" if self.skipped else f"failed: {self.error or 'no value'}"

    def to_json(self) -> str:
        """One line, without its end."""
        return json.dumps(asdict(self), ensure_ascii=False)


def number(value: float) -> str:
    """Three significant digits, with k and M."""
    for suffix, factor in (("M", 1e6), ("k", 1e3)):
        if value >= factor * 0.9995:
            return f"{value / factor:#.3g}".rstrip(".") + suffix
    return f"{value:#.3g}".rstrip(".")


def read(path: Path) -> list[Measurement]:
    """All lines of a results file."""
    with path.open(encoding="utf-8") as lines:
        return [Measurement(**json.loads(line)) for line in lines if line.strip()]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the extremes of several rounds."""

    median: float
    least: float
    most: float
    rounds: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        return cls(statistics.median(values), min(values), max(values), len(values))


class Results:
    """All measurements of one run, by row and round."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._rounds: dict[Row, dict[int, float]] = {}
        self._missing: dict[Row, str] = {}
        self.units: dict[Row, str] = {}
        for one in measurements:
            row = (one.scenario, one.metric, one.implementation)
            self.units[row] = one.unit
            if one.value is None:
                self._missing[row] = one.text
            else:
                self._rounds.setdefault(row, {})[one.round] = one.value

    @property
    def rows(self) -> Iterable[Row]:
        """Whatever was measured, successfully or not."""
        return self.units

    def missing(self, row: Row) -> str:
        """Why a measurement of this row failed or was skipped; empty if none was."""
        return self._missing.get(row, "")

    def spread(self, row: Row) -> Spread | None:
        """Over all rounds; None if nothing was measured."""
        values = self._rounds.get(row)
        return Spread.of(list(values.values())) if values else None

    def ratio(self, row: Row, against: str) -> Spread | None:
        """The ratio of the two medians; its extremes are those of the ratios within each round."""
        scenario, metric, _ = row
        return self.ratio_to(self, row, (scenario, metric, against))

    def ratio_to(self, others: Results, row: Row, other: Row) -> Spread | None:
        """The same to a row of other results, measured in the same rounds."""
        ours, theirs = self._rounds.get(row), others._rounds.get(other)
        if not ours or not theirs or 0 in theirs.values():
            return None
        middle = statistics.median(ours.values()) / statistics.median(theirs.values())
        pairs = [ours[number] / theirs[number] for number in ours.keys() & theirs.keys()] or [middle]
        return Spread(middle, min(*pairs, middle), max(*pairs, middle), len(pairs))
