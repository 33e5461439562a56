"""The words in which the benchmarks speak: settings, metrics, implementations, scenarios."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the processes of one measurement have to agree on; travels to them as JSON."""

    size: int = 1
    """Bytes in a message; where it has several frames, in each."""
    frames: int = 1
    transport: str = "tcp"
    curve: bool = False
    """Encrypt, with the keys of ``curve_keys.py``."""
    block: int = 1000
    """Messages that a receiver takes between two looks at the clock."""
    batch: int = 100
    """Messages in one ``send_many``; a ``receive_many`` takes up to ten times as many."""
    batched: bool = False
    """Whether the ``*_many`` verbs are used; set by the implementation, not by the scenario."""
    subscribers: int = 1
    topics: int = 0
    """Subscriptions of each subscriber, of which the last one matches what is published; 0: one to everything."""
    connections: int = 0
    """Idle peers that are counted."""
    backlog: int = 1000
    """Connections that may wait to be accepted. What overflows it is tried again by the system a second later."""
    active: tuple[int, ...] = ()
    """How many peers have traffic, one measurement after the other."""
    messages: int = 0
    """To be sent where that is not for ever."""
    heartbeat: float = 0.0
    """Seconds between two PINGs to each peer."""
    one_core: bool = False
    """Pin all processes to the same processor."""
    repeats: int = 5
    """How often a short thing (an import) is done within one measurement; the median counts."""
    seconds: float = 0.5
    """How long the clock runs."""

    def to_json(self) -> str:
        """For the command line of a worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The inverse of ``to_json``."""
        values = json.loads(text)
        return cls(**{**values, "active": tuple(values["active"])})


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a scenario yields."""

    name: str
    unit: str
    more_is_better: bool
    in_table: bool = True
    """Or only in the file of results, for the plots."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """One way to do the work: a folder with a module for each kind of scenario, whose functions are the roles."""

    label: str
    folder: str
    batched: bool = False
    candidate: bool = False
    """Ours: gets a row of its own, in which the others are what it is compared with."""


IMPLEMENTATIONS = {
    "trizmq": Implementation("trizmq", "over_trizmq", candidate=True),
    "trizmq_many": Implementation("trizmq, many", "over_trizmq", batched=True, candidate=True),
    "pyzmq": Implementation("pyzmq", "over_pyzmq"),
    "pyzmq_asyncio": Implementation("pyzmq.asyncio", "over_pyzmq_asyncio"),
    "pyomq": Implementation("pyomq", "over_pyomq"),
    "bare_trio": Implementation("bare Trio", "over_bare_trio"),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement set-up: which roles run (each in a process of its own), by whom, with what settings."""

    name: str
    title: str
    roles: tuple[str, ...]
    """``module.function`` in an implementation's folder, or with a dot before it beside the folders, the same for all.
    The first one tells its endpoint, which is handed to the others."""
    implementations: tuple[str, ...]
    metrics: tuple[Metric, ...]
    settings: Settings = field(default_factory=Settings)
    most_rounds: int | None = None
    """For what takes long and varies little."""


def size_text(size: int) -> str:
    """16 B, 1 KiB, 1 MiB."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"
