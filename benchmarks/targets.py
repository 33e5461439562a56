"""What is to be reached, one line each. The only place with figures that were decided and not measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """``candidate`` compared with ``against`` (a ratio of medians), or with a plain number if ``against`` is None."""

    milestone: int
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


TARGETS = (
    # Milestone 1
    Target(1, "push_pull_tcp_16", "rate", "trizmq", ">=", 0.5, "pyzmq"),
    Target(1, "push_pull_tcp_16", "rate", "trizmq", ">=", 6, "pyzmq_asyncio"),
    Target(1, "push_pull_tcp_1024", "rate", "trizmq", ">=", 0.6, "pyzmq"),
    Target(1, "push_pull_tcp_65536", "rate", "trizmq", ">=", 0.9, "pyzmq"),
    Target(1, "req_rep", "p50", "trizmq", "<=", 0.9, "pyzmq_asyncio"),
    Target(1, "idle_1000", "memory", "trizmq", "<=", 40, None),
    # Milestone 4
    Target(4, "push_pull_tcp_16", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_tcp_128", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_tcp_1024", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_tcp_16384", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_tcp_65536", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_tcp_1048576", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_tcp_16", "rate", "trizmq", ">=", 12, "pyzmq_asyncio"),
    Target(4, "push_pull_tcp_65536", "rate", "trizmq", ">=", 1.5, "pyzmq_asyncio"),
    Target(4, "push_pull_tcp_16", "rate", "trizmq_many", ">=", 2.0, "pyzmq"),
    Target(4, "push_pull_tcp_1024", "rate", "trizmq_many", ">=", 1.1, "pyzmq"),
    Target(4, "push_pull_ipc_16", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_ipc_1024", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_ipc_65536", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "push_pull_ipc_16", "rate", "trizmq", ">=", 12, "pyzmq_asyncio"),
    Target(4, "push_pull_ipc_65536", "rate", "trizmq", ">=", 1.5, "pyzmq_asyncio"),
    Target(4, "push_pull_ipc_16", "rate", "trizmq_many", ">=", 2.0, "pyzmq"),
    Target(4, "push_pull_ipc_1024", "rate", "trizmq_many", ">=", 1.1, "pyzmq"),
    Target(4, "req_rep", "p50", "trizmq", "<=", 0.7, "pyzmq_asyncio"),
    Target(4, "req_rep_one_core", "p50", "trizmq", "<=", 1.3, "bare_trio"),
    Target(4, "req_rep_one_core", "p50", "trizmq", "<=", 0.5, "pyzmq_asyncio"),
    *(
        target
        for subscribers in (1, 8, 64)
        for target in (
            Target(4, f"pub_sub_{subscribers}", "rate", "trizmq", ">=", 0.45, "pyzmq"),
            Target(4, f"pub_sub_{subscribers}", "rate", "trizmq_many", ">=", 0.8, "pyzmq"),
        )
    ),
    Target(4, "inproc_push_pull", "rate", "trizmq", ">=", 1.0, "pyzmq"),
    Target(4, "inproc_req_rep", "p50", "trizmq", "<=", 40, None),
    Target(4, "idle_10000", "memory", "trizmq", "<=", 20, None),
    Target(4, "idle_10000", "accepted", "trizmq", ">=", 3000, None),
    Target(4, "import", "import", "trizmq", "<=", 60, None),
)
