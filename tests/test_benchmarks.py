"""The benchmarks are put together from tables: that these fit each other, and that results become tables and plots."""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import main
from benchmarks.comparison import COMPARED, comparison, progress
from benchmarks.implementations.raw_peers import frame, pongs
from benchmarks.model import IMPLEMENTATIONS, Scenario, Settings
from benchmarks.plots import PLOTS, draw
from benchmarks.report import judged, report
from benchmarks.results import Measurement, Results, number, read
from benchmarks.scenarios import SCENARIOS
from benchmarks.svg import decades
from benchmarks.targets import TARGETS

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def measurement(
    scenario: Scenario, implementation: str, metric: str, value: float | None, **changes: object
) -> Measurement:
    values = {
        "scenario": scenario.name,
        "implementation": implementation,
        "metric": metric,
        "size": scenario.settings.size,
        "round": 1,
        "value": value,
        "unit": next(one.unit for one in scenario.metrics if one.name == metric),
        "error": "",
        "seconds": 1.0,
        "versions": {},
        "time": "",
    }
    return Measurement(**{**values, **changes})  # type: ignore[arg-type]


def made_up(factor: float = 1.0) -> Iterator[Measurement]:
    """Something for every metric of every scenario, in five rounds."""
    for scenario in SCENARIOS:
        for place, name in enumerate(scenario.implementations, 1):
            for metric in scenario.metrics:
                for turn in range(1, 6):
                    yield measurement(scenario, name, metric.name, factor * place * (1 + turn / 10), round=turn)


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_run_says_that_it_judges_nothing(
    quick: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.__main__.measure", lambda *args, **more: (list(made_up()), tmp_path / "out.jsonl"))
    main(["--quick"] if quick else [])
    assert ("verdicts mean nothing" in capsys.readouterr().out.splitlines()[-1]) is quick


def test_targets_name_what_is_measured() -> None:
    for target in TARGETS:
        scenario = BY_NAME[target.scenario]
        assert target.candidate in scenario.implementations
        assert IMPLEMENTATIONS[target.candidate].candidate
        assert target.against is None or target.against in scenario.implementations
        assert target.metric in {metric.name for metric in scenario.metrics if metric.in_table}
    assert set(COMPARED) <= BY_NAME.keys()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_implementation_has_the_roles(scenario: Scenario) -> None:
    for name in scenario.implementations:
        for role in scenario.roles:
            folder = "" if role.startswith(".") else f".{IMPLEMENTATIONS[name].folder}."
            module, _, function = f"benchmarks.implementations{folder}{role}".rpartition(".")
            assert callable(getattr(importlib.import_module(module), function))


def test_settings_travel() -> None:
    for scenario in SCENARIOS:
        assert Settings.from_json(scenario.settings.to_json()) == scenario.settings


def test_results_travel(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    written = list(made_up())
    file.write_text("".join(one.to_json() + "\n" for one in written), encoding="utf-8")
    assert read(file) == written


def test_the_table_has_every_row_and_every_target() -> None:
    *table, _, summary = report(Results(made_up())).splitlines()
    verdicts = Counter(line.split("|")[-2].strip() for line in table[2:])
    assert verdicts["met"] + verdicts["not met"] == len(TARGETS)
    assert f"not met: {verdicts['not met']}" in summary
    for scenario in SCENARIOS:
        assert any(line.startswith(f"| {scenario.title}") for line in table)


def test_what_is_skipped_is_no_failure() -> None:
    target = next(target for target in TARGETS if target.scenario == "push_pull_tcp_16" and target.against == "pyomq")
    scenario = BY_NAME[target.scenario]
    ours = measurement(scenario, "trizmq_many", "rate", 1.0)
    skipped = measurement(scenario, "pyomq", "rate", None, skipped="it is not installed")
    failed = measurement(scenario, "pyomq", "rate", None, error="it broke")
    assert (skipped.failed, failed.failed) == (False, True)
    assert judged(Results([ours, skipped]), target.row, target)[2] == "not measured (skipped)"
    assert judged(Results([ours, failed]), target.row, target)[2] == "not met (failed)"


@pytest.mark.parametrize(("factor", "change"), [(1.0, "same within the spread"), (2.0, "better"), (0.5, "WORSE")])
def test_a_change_is_what_all_rounds_agree_on(factor: float, change: str) -> None:
    before, after = Results(made_up()), Results(made_up(factor))
    for table in (comparison(before, after), progress(before, after, "base")):
        assert "PUSH/PULL tcp 16 B, rate" in table
    row = next(line for line in progress(before, after, "base").splitlines() if "tcp 16 B, rate" in line)
    assert row.split("|")[-2].strip() == change


def test_a_change_needs_several_rounds() -> None:
    first = Results(one for one in made_up() if one.round == 1)
    second = Results(one for one in made_up(2.0) if one.round == 1)
    row = next(line for line in progress(first, second, "base").splitlines() if "tcp 16 B, rate" in line)
    assert row.split("|")[-2].strip() == "too few rounds"


def test_plots_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    assert draw(Results([]), tmp_path) == []
    paths = draw(Results(made_up()), tmp_path)
    assert [path.name for path in paths] == [f"benchmark-{name}.svg" for name in PLOTS]
    for path in paths:
        root = ET.parse(path).getroot()
        assert root.find("{http://www.w3.org/2000/svg}polyline") is not None
        assert "nan" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("values", [(1.0,), (0.3, 7.0), (20.0, 4_000_000.0), (5.0, 5.0), (1000.0, 1000.0)])
def test_ticks_are_around_the_values(values: tuple[float, ...]) -> None:
    ticks = [tick for tick, _ in decades(values)]
    assert len(ticks) >= 2
    assert ticks[0] <= min(values) * (1 + 1e-9)
    assert ticks[-1] >= max(values) * (1 - 1e-9)
    assert all(math.isfinite(tick) for tick in ticks)


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.500"), (999.9, "1.00k"), (12345, "12.3k"), (2e6, "2.00M")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_raw_peers_answer_each_ping_with_its_context() -> None:
    assert pongs(b"\x04\x07\x04PING\0\x05" + b"\x04\x09\x04PING\0\x05ab") == b"\x04\x05\x04PONG" + b"\x04\x07\x04PONGab"
    assert frame(b"x") == b"\0\1x"


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BY_NAME)
    with pytest.raises(SystemExit, match="no scenario is called 'nonsense'"):
        main(["--only", "nonsense"])
