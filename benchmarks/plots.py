"""The plots of the manual, from a results file: ``python -m benchmarks plot FILE.jsonl``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .model import IMPLEMENTATIONS, size_text
from .results import Results, Spread
from .scenarios import GROWTH, PERCENTILES, SIZES
from .svg import Axis, Series, chart, decades
from .workers import ROOT

STATIC = ROOT / "docs" / "_static"

# Legible on white and on black, and apart for eyes that tell few colours; dashes help where they do not.
LOOKS = {
    "trizmq": ("#3b82f6", ""),
    "trizmq_many": ("#3b82f6", "7 4"),
    "pyzmq": ("#e07b00", ""),
    "pyzmq_asyncio": ("#e07b00", "7 4"),
    "pyomq": ("#12a150", "2 4"),
    "bare_trio": ("#8a8f98", "2 4"),
}
KINDS = {"push": "#3b82f6", "dealer": "#e07b00", "router": "#12a150"}
SERVERS = {"trizmq": "", "pyzmq": "7 4"}

Points = tuple[tuple[float, Spread], ...]


def draw(results: Results, folder: Path) -> list[Path]:
    """Write what the results suffice for; returns the files."""
    written = []
    for name, make in PLOTS.items():
        if drawing := make(results):
            path = folder / f"benchmark-{name}.svg"
            path.write_text(drawing, encoding="utf-8")
            written.append(path)
    return written


def rate_by_size(results: Results) -> str | None:
    """PUSH/PULL over tcp, each implementation."""
    series = [
        look(name, spreads(results, ((size, f"push_pull_tcp_{size}", "rate") for size in SIZES), name))
        for name in IMPLEMENTATIONS
    ]
    axis = Axis("size of a message", tuple((size, size_text(size)) for size in SIZES))
    return drawn("PUSH/PULL over tcp: rate against size", axis, "messages per second", series)


def latencies(scenario: str, title: str) -> Callable[[Results], str | None]:
    """How long the round trips (or the pings) took that were faster than so many others."""

    def make(results: Results) -> str | None:
        series = [
            look(
                name,
                spreads(results, ((at, scenario, metric.name) for at, metric in enumerate(PERCENTILES)), name),
            )
            for name in IMPLEMENTATIONS
        ]
        ticks = tuple((at, metric.name[1:]) for at, metric in enumerate(PERCENTILES))
        return drawn(title, Axis("percentile", ticks, logarithmic=False), "µs", series)

    return make


def cost_by_peers(results: Results) -> str | None:
    """What a message costs the processor."""
    series = [
        Series(
            f"{kind.upper()}, {IMPLEMENTATIONS[name].label}",
            spreads(results, ((peers, f"growth_{kind}", f"cost_{peers}") for peers in GROWTH), name),
            colour,
            dashes,
            bold=IMPLEMENTATIONS[name].candidate,
        )
        for name, dashes in SERVERS.items()
        for kind, colour in KINDS.items()
    ]
    axis = Axis("peers", tuple((peers, f"{peers:,}") for peers in GROWTH))
    return drawn("Cost of a message against number of peers", axis, "µs of CPU per message", series)


PLOTS: dict[str, Callable[[Results], str | None]] = {
    "rate": rate_by_size,
    "latency": latencies("req_rep", "REQ/REP over tcp: distribution of round trips"),
    "latency-load": latencies("lone_ping", "A 1 kHz ping beside a saturated stream: distribution of latencies"),
    "peers": cost_by_peers,
}
"""By the name of the file, in the order of the manual."""


def spreads(results: Results, places: Iterator[tuple[float, str, str]], name: str) -> Points:
    """Those of the places (where, scenario, metric) that the implementation was measured at."""
    return tuple(
        (at, spread)
        for at, scenario, metric in places
        if (spread := results.spread((scenario, metric, name))) and spread.least > 0
    )


def look(name: str, points: Points) -> Series:
    """The line of an implementation, the same in every plot."""
    implementation = IMPLEMENTATIONS[name]
    colour, dashes = LOOKS[name]
    return Series(implementation.label, points, colour, dashes, bold=implementation.candidate)


def drawn(title: str, x: Axis, unit: str, series: list[Series]) -> str | None:
    """None if there is nothing to draw."""
    there = [one for one in series if one.points]
    values = [value for one in there for _, spread in one.points for value in (spread.least, spread.most)]
    return chart(title, x, Axis(unit, decades(values)), there) if values else None
