"""What is to be reached, one line each. The only place with figures that were decided and not measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .scenarios import IPC_SIZES, SIZES, SUBSCRIBERS


@dataclass(frozen=True, slots=True)
class Target:
    """``candidate`` compared with ``against`` (a ratio of medians), or with a plain number if ``against`` is None."""

    scenario: str
    metric: str
    candidate: str
    relation: Literal[">=", "<="]
    value: float
    against: str | None

    def met(self, value: float) -> bool:
        """Whether this ratio, or plain number, is good enough."""
        return value >= self.value if self.relation == ">=" else value <= self.value

    @property
    def row(self) -> tuple[str, str, str]:
        """Where the target stands in the table."""
        return (self.scenario, self.metric, self.candidate)


def rate(scenario: str, candidate: str, value: float, against: str = "pyzmq") -> Target:
    """At least so much of a peer's rate."""
    return Target(scenario, "rate", candidate, ">=", value, against)


def at_most(scenario: str, metric: str, value: float, against: str | None = None) -> Target:
    """At most so much, or so much of what a peer needs."""
    return Target(scenario, metric, "trizmq", "<=", value, against)


def at_least(scenario: str, metric: str, value: float) -> Target:
    """At least so much."""
    return Target(scenario, metric, "trizmq", ">=", value, None)


TARGETS = (
    *(
        target
        for transport, sizes in (("tcp", SIZES), ("ipc", IPC_SIZES))
        for name in (f"push_pull_{transport}",)
        for target in (
            *(rate(f"{name}_{size}", "trizmq", 1.0) for size in sizes),
            rate(f"{name}_16", "trizmq", 12, "pyzmq_asyncio"),
            rate(f"{name}_65536", "trizmq", 1.5, "pyzmq_asyncio"),
            rate(f"{name}_16", "trizmq_many", 2.0),
            rate(f"{name}_1024", "trizmq_many", 1.1),
        )
    ),
    rate("push_pull_tcp_16", "trizmq_many", 1.5, "pyomq"),
    rate("push_pull_tcp_1024", "trizmq_many", 1.0, "pyomq"),
    at_most("ipc_close", "lost", 0),
    Target("ipc_close", "lost", "trizmq_many", "<=", 0, None),
    rate("dealer_router", "trizmq", 0.8),
    at_most("req_rep", "p50", 0.7, "pyzmq_asyncio"),
    at_most("req_rep_one_core", "p50", 1.3, "bare_trio"),
    at_most("req_rep_one_core", "p50", 0.5, "pyzmq_asyncio"),
    at_most("req_rep_ipc", "p50", 0.7, "pyzmq_asyncio"),
    at_most("lone_ping", "p99", 2000),
    *(
        target
        for name in (*(f"pub_sub_{subscribers}" for subscribers in SUBSCRIBERS), "pub_sub_topics_10000")
        for target in (rate(name, "trizmq", 0.45), rate(name, "trizmq_many", 0.8))
    ),
    rate("inproc_push_pull", "trizmq", 1.0),
    at_most("inproc_req_rep", "p50", 40),
    rate("push_pull_curve_100", "trizmq", 0.6),
    rate("push_pull_curve_8192", "trizmq", 0.9),
    at_most("idle_10000", "memory", 20),
    at_least("idle_10000", "accepted", 3000),
    at_least("busy_among_idle", "kept", 0.9),
    at_most("heartbeats", "share", 2),
    # "Flat": one message and one system call more or less in the batches must not decide.
    *(at_most(f"growth_{kind}", "growth", 1.2) for kind in ("push", "dealer", "router")),
    at_most("import", "import", 60),
)
