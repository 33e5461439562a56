"""Measure trizmq beside its peers, print a results file again (``report``), or set two side by side (``compare``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path

import trio

from .comparison import comparison
from .report import number, report
from .results import RESULTS, Measurement, Results, read
from .runner import Runner
from .scenarios import SCENARIOS, Scenario, Settings

MILESTONES = (1, 4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a measurement failed."""
    options = parser().parse_args(arguments)
    match options.command:
        case "report":
            print(report(Results(read(options.file)), options.milestone))
        case "compare":
            print(comparison(Results(read(options.before)), Results(read(options.after))))
        case _ if options.list:
            for scenario in SCENARIOS:
                print(f"{scenario.name:24} {scenario.title}, milestone {scenario.milestone}")
        case _:
            return measure(options)
    return 0


def parser() -> argparse.ArgumentParser:
    """Everything that can be said on the command line."""
    milestone = argparse.ArgumentParser(add_help=False)
    milestone.add_argument(
        "--milestone", type=int, choices=MILESTONES, default=1, help="whose scenarios and targets (default: 1)"
    )
    whole = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, parents=[milestone])
    whole.add_argument("--quick", action="store_true", help="all rows in under a minute: to see that they work")
    whole.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these scenarios; wildcards allowed")
    whole.add_argument("--rounds", type=int, metavar="N", help="how often each is measured (default: 5; quick: 1)")
    whole.add_argument("--out", type=Path, metavar="FILE.jsonl", help="default: a new file in benchmarks/results/")
    whole.add_argument(
        "--package",
        type=Path,
        metavar="DIR",
        help="the tree whose trizmq is measured (default: the installed one, else this)",
    )
    whole.add_argument("--list", action="store_true", help="print the scenarios and measure nothing")
    commands = whole.add_subparsers(dest="command", metavar="report | compare")
    again = commands.add_parser("report", parents=[milestone], help="print the table of a results file")
    again.add_argument("file", type=Path)
    compare = commands.add_parser("compare", help="print the ratios of two results files and their change")
    compare.add_argument("before", type=Path, metavar="A.jsonl")
    compare.add_argument("after", type=Path, metavar="B.jsonl")
    return whole


def chosen(options: argparse.Namespace) -> list[Scenario]:
    """The scenarios that were named, of whatever milestone; else all up to the milestone."""
    if not options.only:
        return [scenario for scenario in SCENARIOS if scenario.milestone <= options.milestone]
    for pattern in options.only:
        if not any(fnmatch(scenario.name, pattern) for scenario in SCENARIOS):
            sys.exit(f"no scenario is called {pattern!r}; `python -m benchmarks --list` shows all")
    return [scenario for scenario in SCENARIOS if any(fnmatch(scenario.name, pattern) for pattern in options.only)]


def quick(settings: Settings) -> Settings:
    """For a look whether everything works."""
    return replace(settings, seconds=0.2, repeats=1)


def unchanged(settings: Settings) -> Settings:
    """For figures worth keeping."""
    return settings


def measure(options: argparse.Namespace) -> int:
    """Run the scenarios, write the results file as they come, print the table."""
    out = options.out or RESULTS / f"{datetime.now().astimezone():%Y-%m-%dT%H-%M-%S}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    measurements: list[Measurement] = []
    rounds = options.rounds or (1 if options.quick else 5)
    with out.open("w", encoding="utf-8") as file:

        def record(measurement: Measurement) -> None:
            measurements.append(measurement)
            print(measurement.to_json(), file=file, flush=True)
            value = f"failed: {measurement.error}" if measurement.value is None else number(measurement.value)
            print(
                f"round {measurement.round}/{rounds}  {measurement.scenario:24}{measurement.implementation:16}"
                f"{measurement.metric:9}{value} {measurement.unit}",
                file=sys.stderr,
            )

        runner = Runner(
            rounds=rounds,
            settings=quick if options.quick else unchanged,
            timeout=10 if options.quick else 30,
            package=options.package,
            record=record,
        )
        trio.run(runner.run, chosen(options))
    print(report(Results(measurements), options.milestone))
    print(f"\n{', '.join(f'{name} {version}' for name, version in measurements[0].versions.items())}; all in {out}")
    return any(measurement.value is None for measurement in measurements)


if __name__ == "__main__":
    sys.exit(main())
