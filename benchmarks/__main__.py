"""Measure trizmq beside its peers; look at results again (``report``, ``compare``, ``plot``); compare two ``revisions``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path

import trio

from .comparison import COMPARED, comparison, progress
from .model import IMPLEMENTATIONS, Scenario, Settings
from .plots import STATIC, draw
from .report import report
from .results import RESULTS, Measurement, Results, read
from .revisions import checked_out
from .runner import Runner
from .scenarios import SCENARIOS
from .workers import ROOT, Tree

SHOWN = {(scenario.name, metric.name) for scenario in SCENARIOS for metric in scenario.metrics if metric.in_table}

QUICK = "This was a quick run: it shows that everything works. Its figures, ratios and verdicts mean nothing."


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a measurement failed."""
    options = parser().parse_args(arguments)
    match options.command:
        case "report":
            measurements = read(options.file)
            print(f"{measured(measurements)}\n\n{report(Results(measurements))}")
        case "compare":
            before, after = read(options.before), read(options.after)
            print(f"A: {measured(before)}\nB: {measured(after)}\n\n{comparison(Results(before), Results(after))}")
        case "plot":
            for path in draw(Results(read(options.file)), options.into):
                print(path)
        case "revisions":
            return measure_revisions(options)
        case _ if options.list:
            for scenario in SCENARIOS:
                print(f"{scenario.name:24} {scenario.title}")
        case _:
            return measure_all(options)
    return 0


def parser() -> argparse.ArgumentParser:
    """Everything that can be said on the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--quick", action="store_true", help="all rows in under a minute: to see that they work")
    common.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these scenarios; wildcards allowed")
    common.add_argument("--rounds", type=int, metavar="N", help="how often each is measured (default: 5; quick: 1)")
    common.add_argument("--out", type=Path, metavar="FILE.jsonl", help="default: a new file in benchmarks/results/")
    whole = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, parents=[common])
    whole.add_argument(
        "--package",
        type=Path,
        metavar="DIR",
        help="the tree whose trizmq is measured (default: the installed one, else this)",
    )
    whole.add_argument("--list", action="store_true", help="print the scenarios and measure nothing")
    commands = whole.add_subparsers(dest="command", metavar="report | compare | plot | revisions")
    again = commands.add_parser("report", help="print the table of a results file")
    again.add_argument("file", type=Path)
    compare = commands.add_parser("compare", help="print the ratios of two results files and their change")
    compare.add_argument("before", type=Path, metavar="A.jsonl")
    compare.add_argument("after", type=Path, metavar="B.jsonl")
    plot = commands.add_parser("plot", help="draw the plots of the manual from a results file")
    plot.add_argument("file", type=Path)
    plot.add_argument("--into", type=Path, metavar="DIR", default=STATIC, help="default: docs/_static")
    revisions = commands.add_parser(
        "revisions", parents=[common], help="measure another revision and this tree in turn, print the change"
    )
    revisions.add_argument("base", metavar="BASE", help="a commit, branch or tag")
    return whole


def chosen(patterns: Sequence[str], otherwise: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios that were named."""
    for pattern in patterns:
        if not any(fnmatch(scenario.name, pattern) for scenario in SCENARIOS):
            sys.exit(f"no scenario is called {pattern!r}; `python -m benchmarks --list` shows all")
    named = [scenario for scenario in SCENARIOS if any(fnmatch(scenario.name, pattern) for pattern in patterns)]
    return named or list(otherwise)


def quick(settings: Settings) -> Settings:
    """For a look whether everything works."""
    return replace(
        settings,
        seconds=0.05,
        block=max(1, settings.block // 10),
        repeats=1,
        connections=settings.connections // 20,
        messages=settings.messages // 20,
        heartbeat=settings.heartbeat / 10,
    )


def unchanged(settings: Settings) -> Settings:
    """For figures worth keeping."""
    return settings


def measure(
    options: argparse.Namespace, scenarios: Sequence[Scenario], trees: Sequence[Tree], rounds: int
) -> tuple[list[Measurement], Path]:
    """Run the scenarios, write the results file as they come."""
    out = options.out or RESULTS / f"{datetime.now().astimezone():%Y-%m-%dT%H-%M-%S}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    measurements: list[Measurement] = []
    rounds = options.rounds or (1 if options.quick else rounds)
    with out.open("w", encoding="utf-8") as file:

        def record(measurement: Measurement) -> None:
            measurements.append(measurement)
            print(measurement.to_json(), file=file, flush=True)
            if (measurement.scenario, measurement.metric) not in SHOWN:
                return
            print(
                f"round {measurement.round}/{rounds}  {measurement.revision:8.8}{measurement.scenario:24}"
                f"{measurement.implementation:16}{measurement.metric:10}{measurement.text}",
                file=sys.stderr,
            )

        settings: Callable[[Settings], Settings] = quick if options.quick else unchanged
        runner = Runner(
            rounds=rounds, settings=settings, timeout=20 if options.quick else 60, trees=trees, record=record
        )
        trio.run(runner.run, scenarios)
    return measurements, out


def measured(measurements: Sequence[Measurement]) -> str:
    """Which trizmq these are of: its version, whether it is the compiled one, and where it was."""
    return "trizmq " + "; ".join(dict.fromkeys(one.versions.get("trizmq", "unknown") for one in measurements))


def measure_all(options: argparse.Namespace) -> int:
    """trizmq beside its peers, and the table."""
    tree = Tree.of(options.package)
    print(f"trizmq {tree.versions['trizmq']}", file=sys.stderr)
    measurements, out = measure(options, chosen(options.only, SCENARIOS), [tree], rounds=5)
    print(report(Results(measurements)))
    print(f"\n{', '.join(f'{name} {version}' for name, version in tree.versions.items())}; all in {out}")
    if options.quick:
        print(QUICK)
    return any(measurement.failed for measurement in measurements)


def measure_revisions(options: argparse.Namespace) -> int:
    """Two revisions of trizmq in turn, and how they differ."""
    scenarios = [
        replace(scenario, implementations=ours)
        for scenario in chosen(options.only, [one for one in SCENARIOS if one.name in COMPARED])
        if (ours := tuple(name for name in scenario.implementations if IMPLEMENTATIONS[name].candidate))
    ]
    with checked_out(options.base) as base:
        trees = [Tree.of(base, options.base), Tree.of(ROOT, "this")]
        measurements, out = measure(options, scenarios, trees, rounds=7)
    before, after = (
        Results(one for one in measurements if one.revision == revision) for revision in (options.base, "this")
    )
    print(progress(before, after, options.base))
    print(f"\nall in {out}")
    if options.quick:
        print(QUICK)
    return any(measurement.failed for measurement in measurements if measurement.revision == "this")


if __name__ == "__main__":
    sys.exit(main())
