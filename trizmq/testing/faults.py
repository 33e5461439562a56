"""What is wrong between which hosts: the table of a memory network's faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

#: None, one or two hosts: the whole network, everything of one host, what is between two.
Hosts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong on the way between two hosts; nothing by default."""

    cut: bool = False
    stalled: bool = False
    refused: bool = False
    ignored: bool = False
    delay: float = 0.0  #: seconds, each way
    dribble: int = 0  #: the most bytes that one read gives; 0: any number
    garble: int = 0  #: every so-manieth byte is changed; 0: none

    def __or__(self, other: Faults) -> Faults:
        """Both together; where they differ, the worse."""
        return Faults(
            self.cut or other.cut,
            self.stalled or other.stalled,
            self.refused or other.refused,
            self.ignored or other.ignored,
            max(self.delay, other.delay),
            min(self.dribble or other.dribble, other.dribble or self.dribble),
            min(self.garble or other.garble, other.garble or self.garble),
        )


NO_FAULTS = Faults()


class FaultTable:
    """The faults that hold now, by the hosts for which they were given."""

    def __init__(self) -> None:
        self._faults: dict[Hosts, Faults] = {}

    def add(self, hosts: Hosts, **changes: Any) -> None:
        """Something goes wrong."""
        self._faults[hosts] = replace(self._faults.get(hosts, NO_FAULTS), **changes)

    def heal(self, hosts: Hosts) -> None:
        """Forget what was given for these hosts, or for one of them together with another."""
        self._faults = {key: faults for key, faults in self._faults.items() if not hosts <= key}

    def between(self, one: str, other: str) -> Faults:
        """All that is wrong between two hosts, which may be the same."""
        if not self._faults:
            return NO_FAULTS
        found = NO_FAULTS
        for key in {frozenset[str](), frozenset({one}), frozenset({other}), frozenset({one, other})}:
            if faults := self._faults.get(key):
                found |= faults
        return found


def host_set(hosts: tuple[str, ...]) -> Hosts:
    """The hosts that a fault is for.

    Raises:
        ValueError: they are more than two.
    """
    if len(hosts) > 2:
        raise ValueError(f"a fault is for the whole network, for one host or between two, not for {', '.join(hosts)}")
    return frozenset(hosts)
