"""A line chart with logarithmic axes as SVG, in the colours of the page that it stands in, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .results import Spread, number

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 84, 50
LEGEND_COLUMNS = 3

# Of the manual's theme; the greys behind them are legible on white and on black, should the file be looked at by itself.
TEXT = "var(--color-foreground-primary, #808080)"
FAINT = "var(--color-foreground-secondary, #808080)"
GRID = "var(--color-background-border, #8080804d)"


FONT = 'style="font-family: var(--font-stack, sans-serif)"'


@dataclass(frozen=True, slots=True)
class Axis:
    """What it counts, and where its labelled ticks are. It ends with the first and the last of them."""

    label: str
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = True

    def part(self, value: float) -> float:
        """From 0 at the beginning to 1 at the end."""
        low, high, here = (
            (math.log(one) if self.logarithmic else one) for one in (self.ticks[0][0], self.ticks[-1][0], value)
        )
        return (here - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Series:
    """One line: where it goes, and how far the rounds were apart."""

    label: str
    points: tuple[tuple[float, Spread], ...]
    colour: str
    dashes: str = ""
    bold: bool = False


def decades(values: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Ticks at 1, 2 and 5 times the powers of ten (where they are many: at the powers alone), around all the values."""
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    begin = max((tick for tick in ticks if tick <= min(values)), default=ticks[0])
    end = min((tick for tick in ticks if tick >= max(values) and tick > begin), default=ticks[-1])
    return tuple((tick, tick_text(tick)) for tick in ticks if begin <= tick <= end)


def tick_text(value: float) -> str:
    """1M instead of 1.00M."""
    text = number(value)
    digits = text.rstrip("kM")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + text[len(digits) :]


def chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """The whole file."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT} role="img">',
        f"<title>{escape(title)}</title>",
        text(LEFT, 20, title, size=15, weight=600),
        *legend(series),
        *grid(x, y),
        *(element for one in series for element in line(one, x, y)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def text(
    x: float, y: float, words: str, *, size: int = 12, weight: int = 400, anchor: str = "start", fill: str = TEXT
) -> str:
    """A line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' style="fill: {fill}">{escape(words)}</text>'
    )


def stroke(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashes: str = "") -> str:
    """A straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{width:g}"'
        f'{dashed(dashes)} style="stroke: {colour}"/>'
    )


def dashed(dashes: str) -> str:
    """The attribute, where it is wanted."""
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def legend(series: Sequence[Series]) -> list[str]:
    """Samples of the lines with their names, in columns."""
    elements = []
    for index, one in enumerate(series):
        row, column = divmod(index, LEGEND_COLUMNS)
        x, y = LEFT + column * (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS, 42 + row * 18
        elements += [
            stroke(x, y - 4, x + 30, y - 4, one.colour, 3 if one.bold else 2, one.dashes),
            text(x + 36, y, one.label, weight=600 if one.bold else 400),
        ]
    return elements


def place(x: Axis, y: Axis, at: float, value: float) -> tuple[float, float]:
    """In the units of the drawing."""
    return (
        LEFT + x.part(at) * (WIDTH - LEFT - RIGHT),
        HEIGHT - BOTTOM - y.part(value) * (HEIGHT - TOP - BOTTOM),
    )


def grid(x: Axis, y: Axis) -> list[str]:
    """Ticks, their labels, and what the axes count."""
    bottom, left = y.ticks[0][0], x.ticks[0][0]
    elements = []
    for tick, label in x.ticks:
        across, down = place(x, y, tick, bottom)
        elements += [
            stroke(across, TOP, across, down, GRID, 1),
            text(across, down + 18, label, anchor="middle", fill=FAINT),
        ]
    for tick, label in y.ticks:
        across, down = place(x, y, left, tick)
        elements += [
            stroke(across, down, WIDTH - RIGHT, down, GRID, 1),
            text(across - 8, down + 4, label, anchor="end", fill=FAINT),
        ]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    elements += [
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x.label, anchor="middle", fill=FAINT),
        f'<g transform="rotate(-90 16 {middle})">{text(16, middle, y.label, anchor="middle", fill=FAINT)}</g>',
    ]
    return elements


def line(series: Series, x: Axis, y: Axis) -> list[str]:
    """The line through the medians, dots on them, and bars from the least to the most."""
    elements = []
    medians = [place(x, y, at, spread.median) for at, spread in series.points]
    for (at, spread), (across, down) in zip(series.points, medians, strict=True):
        _, low = place(x, y, at, spread.least)
        _, high = place(x, y, at, spread.most)
        elements += [
            stroke(across, low, across, high, series.colour, 1),
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{3.5 if series.bold else 2.5}" style="fill: {series.colour}"/>',
        ]
    path = " ".join(f"{across:.1f},{down:.1f}" for across, down in medians)
    elements.append(
        f'<polyline points="{path}" fill="none" stroke-width="{3 if series.bold else 2}" stroke-linejoin="round"'
        f'{dashed(series.dashes)} style="stroke: {series.colour}"/>'
    )
    return elements
