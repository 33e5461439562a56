"""Two results side by side, to see whether a change made things slower: ``compare A B`` and ``revisions BASE``."""

from __future__ import annotations

from .model import IMPLEMENTATIONS, Metric
from .report import aligned, cell, ratio_text
from .results import Results, Row, Spread
from .scenarios import SCENARIOS

REFERENCES = ("pyzmq", "pyzmq_asyncio", "bare_trio")
"""The first of these that both files have for a row is what the row is held against: it takes the machine out."""


COMPARED = (
    "push_pull_tcp_16",
    "push_pull_tcp_1024",
    "push_pull_tcp_65536",
    "dealer_router",
    "req_rep_one_core",
    "pub_sub_8",
    "inproc_push_pull",
    "idle_1000",
)
"""The scenarios for two revisions, unless others are named: the hot paths, in a few minutes."""


FEWEST_ROUNDS = 5


def comparison(before: Results, after: Results) -> str:
    """The table of all rows of ours that both files have."""
    table = [["scenario", "implementation", "A", "B", "against", "A ratio", "B ratio", "B / A", "verdict"]]
    for scenario in SCENARIOS:
        for metric in (metric for metric in scenario.metrics if metric.in_table):
            for name in scenario.implementations:
                row = (scenario.name, metric.name, name)
                if row in before.rows and row in after.rows and IMPLEMENTATIONS[name].candidate:
                    label = f"{scenario.title}, {metric.name} [{metric.unit}]"
                    values = [cell(before, row), cell(after, row)]
                    table.append([label, IMPLEMENTATIONS[name].label, *values, *compared(before, after, row, metric)])
    return aligned(table)


def progress(before: Results, after: Results, base: str) -> str:
    """The table of two revisions that were measured in turn: ratios within each round take the machine out."""
    table = [["scenario", "implementation", base, "this tree", "this / base", "verdict"]]
    for scenario in SCENARIOS:
        for metric in (metric for metric in scenario.metrics if metric.in_table):
            for name, implementation in IMPLEMENTATIONS.items():
                row = (scenario.name, metric.name, name)
                if row in before.rows and row in after.rows:
                    label = f"{scenario.title}, {metric.name} [{metric.unit}]"
                    ratio = after.ratio_to(before, row, row)
                    judged = (ratio_text(ratio, "").replace("x ", "x"), verdict(ratio, metric)) if ratio else ("", "")
                    table.append([label, implementation.label, cell(before, row), cell(after, row), *judged])
    return aligned(table)


def verdict(ratio: Spread, metric: Metric) -> str:
    """A difference is what all rounds agree on, if they are enough for that to be no accident."""
    if ratio.rounds < FEWEST_ROUNDS:
        return "too few rounds"
    if ratio.least > 1:
        return "better" if metric.more_is_better else "WORSE"
    if ratio.most < 1:
        return "WORSE" if metric.more_is_better else "better"
    return "same within the spread"


def compared(before: Results, after: Results, row: Row, metric: Metric) -> list[str]:
    """The cells from "against" on. Without a reference, the bare values are compared."""
    for reference in REFERENCES:
        first, second = before.ratio(row, reference), after.ratio(row, reference)
        if first and second:
            texts = [ratio_text(first, "").replace("x ", "x"), ratio_text(second, "").replace("x ", "x")]
            return [IMPLEMENTATIONS[reference].label, *texts, *change(first, second, metric)]
    first, second = before.spread(row), after.spread(row)
    if first and second:
        return ["", "", "", *change(first, second, metric)]
    return ["", "", "", "", "failed"]


def change(first: Spread, second: Spread, metric: Metric) -> tuple[str, str]:
    """How much B is of A, and a verdict that calls a difference only what lies outside both spreads."""
    factor = ""
    if first.least > 0:
        factor = (
            f"{second.median / first.median:.2f}x ({second.least / first.most:.2f}..{second.most / first.least:.2f})"
        )
    if second.least > first.most:
        return factor, "better" if metric.more_is_better else "WORSE"
    if second.most < first.least:
        return factor, "WORSE" if metric.more_is_better else "better"
    return factor, "same within the spread"
