"""What is measured: implementations, scenarios, settings. A new row is added here, its target in targets.py."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the two processes of one measurement have to agree on; travels to them as JSON."""

    size: int = 1
    """Bytes in a message."""
    transport: str = "tcp"
    block: int = 1000
    """Messages that a receiver takes between two looks at the clock."""
    batch: int = 100
    """Messages in one ``send_many``; a ``receive_many`` takes up to ten times as many."""
    batched: bool = False
    """Whether the ``*_many`` verbs are used; set by the implementation, not by the scenario."""
    subscribers: int = 1
    connections: int = 0
    """Idle peers that are counted."""
    one_core: bool = False
    """Pin both processes to the same processor."""
    repeats: int = 5
    """How often a short thing (an import) is done within one measurement; the median counts."""
    seconds: float = 1.0
    """How long the clock runs."""

    def to_json(self) -> str:
        """For the command line of a worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The inverse of ``to_json``."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a scenario yields."""

    name: str
    unit: str
    more_is_better: bool


RATE = Metric("rate", "msg/s", more_is_better=True)
P50 = Metric("p50", "µs", more_is_better=False)
P99 = Metric("p99", "µs", more_is_better=False)
MEMORY = Metric("memory", "KiB/connection", more_is_better=False)
ACCEPTED = Metric("accepted", "connections/s", more_is_better=True)
IMPORT = Metric("import", "ms", more_is_better=False)


@dataclass(frozen=True, slots=True)
class Implementation:
    """One way to do the work: a module whose functions are named as the scenarios' roles."""

    label: str
    module: str
    batched: bool = False
    candidate: bool = False
    """Ours: gets a row of its own, in which the others are what it is compared with."""


IMPLEMENTATIONS = {
    "trizmq": Implementation("trizmq", "over_trizmq", candidate=True),
    "trizmq_many": Implementation("trizmq, many", "over_trizmq", batched=True, candidate=True),
    "pyzmq": Implementation("pyzmq", "over_pyzmq"),
    "pyzmq_asyncio": Implementation("pyzmq.asyncio", "over_pyzmq_asyncio"),
    "bare_trio": Implementation("bare Trio", "over_bare_trio"),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement set-up: which roles run (each in a process of its own), by whom, with what settings."""

    name: str
    title: str
    roles: tuple[str, ...]
    """Functions of an implementation's module. The first one tells its endpoint, which is handed to the second."""
    implementations: tuple[str, ...]
    metrics: tuple[Metric, ...]
    settings: Settings = field(default_factory=Settings)
    milestone: int = 1
    """Measured by default up to the milestone asked for on the command line."""


EVERYONE = tuple(IMPLEMENTATIONS)
ONE_BY_ONE = tuple(name for name, implementation in IMPLEMENTATIONS.items() if not implementation.batched)
ZEROMQ = ("trizmq", "trizmq_many", "pyzmq", "pyzmq_asyncio")


def size_text(size: int) -> str:
    """16 B, 1 KiB, 1 MiB."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def push_pull(size: int, transport: str = "tcp", milestone: int = 1) -> Scenario:
    """A pipeline with messages of one size."""
    # Large messages: look at the clock often enough to stop in time, and keep one batch below some MiB.
    block = max(4, min(1000, (4 << 20) // size))
    batch = max(4, min(100, (1 << 20) // size))
    return Scenario(
        name=f"push_pull_{transport}_{size}",
        title=f"PUSH/PULL {transport} {size_text(size)}",
        roles=("pull", "push"),
        implementations=EVERYONE if transport == "tcp" else ZEROMQ,
        metrics=(RATE,),
        settings=Settings(size=size, transport=transport, block=block, batch=batch),
        milestone=milestone,
    )


def round_trip(one_core: bool) -> Scenario:
    """Request and reply, one at a time."""
    return Scenario(
        name="req_rep_one_core" if one_core else "req_rep",
        title="REQ/REP tcp 1 B" + (", one core" if one_core else ""),
        roles=("rep", "req"),
        implementations=ONE_BY_ONE,
        metrics=(P50, P99),
        settings=Settings(size=1, one_core=one_core),
    )


def publish(subscribers: int, milestone: int = 1) -> Scenario:
    """One publisher, and subscribers that want everything."""
    return Scenario(
        name=f"pub_sub_{subscribers}",
        title=f"PUB to {subscribers} SUB tcp 16 B",
        roles=("pub", "sub"),
        implementations=ZEROMQ,
        metrics=(RATE,),
        settings=Settings(size=16, subscribers=subscribers, block=500),
        milestone=milestone,
    )


SCENARIOS = (
    push_pull(16),
    push_pull(128, milestone=4),
    push_pull(1 << 10),
    push_pull(16 << 10, milestone=4),
    push_pull(64 << 10),
    push_pull(1 << 20),
    push_pull(16, "ipc", milestone=4),
    push_pull(1 << 10, "ipc", milestone=4),
    push_pull(64 << 10, "ipc", milestone=4),
    round_trip(one_core=False),
    round_trip(one_core=True),
    publish(1),
    publish(8),
    publish(64, milestone=4),
    Scenario(
        name="inproc_push_pull",
        title="inproc PUSH/PULL 16 B",
        roles=("inproc_push_pull",),
        implementations=EVERYONE,
        metrics=(RATE,),
        settings=Settings(size=16, transport="inproc"),
    ),
    Scenario(
        name="inproc_req_rep",
        title="inproc REQ/REP 1 B",
        roles=("inproc_req_rep",),
        implementations=ONE_BY_ONE,
        metrics=(P50, P99),
        settings=Settings(size=1, transport="inproc"),
    ),
    Scenario(
        name="idle_1000",
        title="1,000 idle connections",
        roles=("idle_server", "idle_peers"),
        implementations=("trizmq", "pyzmq", "bare_trio"),
        metrics=(MEMORY, ACCEPTED),
        settings=Settings(connections=1000),
    ),
    Scenario(
        name="idle_10000",
        title="10,000 idle connections",
        roles=("idle_server", "idle_peers"),
        implementations=("trizmq", "pyzmq", "bare_trio"),
        metrics=(MEMORY, ACCEPTED),
        settings=Settings(connections=10_000),
        milestone=4,
    ),
    Scenario(
        name="import",
        title="import, beyond trio",
        roles=("import_time",),
        implementations=("trizmq", "pyzmq", "pyzmq_asyncio"),
        metrics=(IMPORT,),
    ),
)
