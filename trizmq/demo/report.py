"""What people read: the line that shows progress, and the summary. Plain text for a terminal of 80 columns."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

from .books import ClientBook, Findings

WIDTH = 79  # a line of 80 would wrap in some terminals


class Screen:
    """Standard output: on a terminal the progress line is written over and over, elsewhere it comes once a second."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._width = 0  # of the progress line that the cursor is on
        self._shown_at = -math.inf

    def line(self, text: str = "") -> None:
        """Write a line that stays."""
        self.end_progress()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def end_progress(self) -> None:
        """Let the progress line stay as it is: what comes next comes below it."""
        if self._width:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._width = 0

    def progress(self, now: float, text: str) -> None:
        """Show how far things are."""
        if self._terminal:
            sys.stdout.write(f"\r{text[:WIDTH]:{self._width}}")
            sys.stdout.flush()
            self._width = len(text)
        elif now - self._shown_at >= 1:
            self._shown_at = now
            self.line(text)


def progress_line(now: float, seconds: float, answered: int, streamed: int, cancelled: int) -> str:
    """What has been done so far."""
    return (
        f"{min(now, seconds):5.1f} of {seconds:g} s  {answered:>9,} answered"
        f"  {streamed:>10,} streamed  {cancelled:>8,} cancelled"
    )


def summary(
    books: Sequence[ClientBook],
    findings: Mapping[int, Findings],
    impatient: Mapping[int, bool],
    server_cancelled: int,
    late_replies: int,
) -> list[str]:
    """The result, as lines.

    Args:
        books: what the clients have counted.
        findings: what is wrong, by client.
        impatient: whether a client cancels.
        server_cancelled: how many calls of the server were cancelled.
        late_replies: how many replies the server dropped, because the request was cancelled.
    """
    lines = ["", "client       answered  given up  streamed cancelled  lost  twice  order  wrong"]
    for book in sorted(books, key=lambda book: book.client):
        found = findings[book.client]
        name = f"{book.client} {'impatient' if impatient[book.client] else 'patient'}"
        lines.append(
            f"{name:12} {book.answered:>8,} {len(book.given_up):>9,} {book.echoes.entered:>9,} "
            f"{book.stream_cancelled:>9,} {found.lost:>5,} {found.duplicated:>6,} {found.reordered:>6,} "
            f"{found.mismatched:>6,}"
        )
    streaming = _per_second(sum(book.echoes.entered for book in books), [book.seconds_streaming for book in books])
    asking = _per_second(sum(book.answered for book in books), [book.seconds_asking for book in books])
    given_up = sum(len(book.given_up) for book in books)
    stream_cancelled = sum(book.stream_cancelled for book in books)
    total = sum(findings.values(), Findings())
    lost = f"messages lost: {total.lost:,}, duplicated: {total.duplicated:,}, reordered: {total.reordered:,}"
    balanced = "The books of the server and of all clients balance."
    unbalanced = "THE BOOKS DO NOT BALANCE. This is a bug: please report it with the lines above."
    lines += [
        "",
        f"per second       {streaming} messages streamed and sent back; {asking} requests",
        f"round trip       {_percentiles(books)}",
        f"cancelled calls  {given_up:,} requests, {stream_cancelled:,} others of clients, {server_cancelled:,} of the server",
        f"late replies     {late_replies:,} to cancelled requests, dropped and counted",
        f"{lost}, wrong: {total.mismatched:,}",
        balanced if total.balanced else unbalanced,
    ]
    return lines


def _per_second(count: int, seconds: Sequence[float]) -> str:
    longest = max(seconds, default=0.0)
    return f"{round(count / longest):,}" if longest else "no"


def percentile(counts: Mapping[int, int], percent: float) -> int:
    """The smallest of the counted values that at least so many percent of them do not exceed; 0 if there are none."""
    below = 0
    wanted = sum(counts.values()) * percent / 100
    for value in sorted(counts):
        below += counts[value]
        if below >= wanted:
            return value
    return 0


def _percentiles(books: Sequence[ClientBook]) -> str:
    counts: dict[int, int] = {}
    for book in books:
        for time, count in book.round_trips.items():
            counts[time] = counts.get(time, 0) + count
    return ", ".join(f"p{percent} {percentile(counts, percent) / 1000:.2f} ms" for percent in (50, 90, 99))
