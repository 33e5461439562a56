"""The table at the end: one row for each of our numbers, its peers beside it, ratios, targets and verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .model import IMPLEMENTATIONS, Metric, Scenario
from .results import Results, Row, Spread, number
from .scenarios import SCENARIOS
from .targets import TARGETS, Target

LONGEST_REASON = 48


def ratio_text(spread: Spread, label: str) -> str:
    """A ratio of medians, and the spread of the ratios behind it."""
    return f"{spread.median:.2f}x {label} ({spread.least:.2f}..{spread.most:.2f})"


def cell(results: Results, row: Row) -> str:
    """The median with the spread behind it, or why there is none."""
    spread = results.spread(row)
    missing = results.missing(row)[:LONGEST_REASON]
    if spread is None:
        return missing
    text = number(spread.median)
    if spread.least != spread.most:
        text += f" ({number(spread.least)}..{number(spread.most)})"
    return text + (f"; once {missing}" if missing else "")


def judged(results: Results, row: Row, target: Target) -> tuple[str, str, str]:
    """Ratio, target, verdict."""
    peer = (row[0], row[1], target.against or row[2])
    if target.against is None:
        wanted = f"{target.relation} {target.value:g} {results.units[row]}"
        measured = results.spread(row)
        ratio = ""
    else:
        wanted = f"{target.relation} {target.value:g}x"
        measured = results.ratio(row, target.against)
        label = IMPLEMENTATIONS[target.against].label
        ratio = ratio_text(measured, label) if measured else f"no ratio to {label}"
    if measured is None:
        skipped = next((text for text in map(results.missing, (row, peer)) if text.startswith("skipped")), "")
        return ratio, wanted, "not measured (skipped)" if skipped else "not met (failed)"
    return ratio, wanted, "met" if target.met(measured.median) else "not met"


def unjudged(results: Results, row: Row, peers: Iterable[str]) -> list[tuple[str, str, str]]:
    """Where nothing is asked for: the ratio to the first peer that has a number."""
    for peer in peers:
        if ratio := results.ratio(row, peer):
            return [(ratio_text(ratio, IMPLEMENTATIONS[peer].label), "", "")]
    return [("", "", "")]


def title(scenario: Scenario, metric: Metric, candidate: str) -> str:
    """What stands in the first column."""
    name = metric.name.replace("_", " ") if len(scenario.metrics) > 1 else ""
    batched = "many at once" if IMPLEMENTATIONS[candidate].batched else ""
    return ", ".join(filter(None, (scenario.title, batched, name))) + f" [{metric.unit}]"


def lines(results: Results) -> list[list[str]]:
    """The table's cells, head first."""
    peers = [name for name, implementation in IMPLEMENTATIONS.items() if not implementation.candidate]
    head = ["scenario", "trizmq", *(IMPLEMENTATIONS[name].label for name in peers), "ratio", "target", "verdict"]
    table = [head]
    measured = set(results.rows)
    for scenario in SCENARIOS:
        for metric in (metric for metric in scenario.metrics if metric.in_table):
            for candidate in (name for name in scenario.implementations if IMPLEMENTATIONS[name].candidate):
                row = (scenario.name, metric.name, candidate)
                if row not in measured:
                    continue
                judgements = [judged(results, row, target) for target in TARGETS if target.row == row] or unjudged(
                    results, row, peers
                )
                values = [cell(results, (scenario.name, metric.name, name)) for name in (candidate, *peers)]
                first, *others = judgements
                table.append([title(scenario, metric, candidate), *values, *first])
                table.extend(["", *("" for _ in values), *judgement] for judgement in others)
    return table


def aligned(table: Sequence[Sequence[str]]) -> str:
    """As Markdown that also reads well in a terminal."""
    widths = [max(3, *(len(row[column]) for row in table)) for column in range(len(table[0]))]
    rows = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in table]
    rows.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(rows)


def summary(table: Sequence[Sequence[str]]) -> str:
    """How many of the targets of these rows are met."""
    verdicts = Counter(row[-1] for row in table[1:] if row[-1])
    return ", ".join(f"{verdict}: {count}" for verdict, count in verdicts.most_common())


def report(results: Results) -> str:
    """The whole table as text, and a line that sums it up."""
    table = lines(results)
    return f"{aligned(table)}\n\n{summary(table)}"
