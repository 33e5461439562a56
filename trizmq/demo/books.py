"""The books: what each side has counted, and whether that agrees. No I/O here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Ledger:
    """Numbers that have arrived, of a sender that counts 0, 1, 2, ..."""

    expected: int = 0  #: the highest number that arrived, and one
    missing: set[int] = field(default_factory=set)  #: those below that have not arrived
    duplicated: int = 0
    reordered: int = 0  #: those that arrived after a higher one

    def enter(self, number: int) -> None:
        """Count an arrival."""
        if number == self.expected:
            self.expected += 1
        elif number > self.expected:
            self.missing.update(range(self.expected, number))
            self.expected = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.reordered += 1
        else:
            self.duplicated += 1

    @property
    def entered(self) -> int:
        """How many arrived, those that came twice counted twice."""
        return self.expected - len(self.missing) + self.duplicated

    def missing_of(self, sent: int) -> set[int]:
        """The numbers that have not arrived of so many sent."""
        return self.missing | set(range(self.expected, sent))


@dataclass(slots=True)
class ClientBook:
    """What one client has counted."""

    client: int
    asked: int = 0
    given_up: list[int] = field(default_factory=list)  #: the requests that were cancelled
    replies_lost: int = 0  #: the connection broke while a reply was waited for
    foreign: int = 0  #: replies that are not to the request, echoes of another client's message
    round_trips: dict[int, int] = field(default_factory=dict)  #: how many took so many microseconds, rounded to ten
    seconds_asking: float = 0.0
    sent: int = 0
    echoes: Ledger = field(default_factory=Ledger)
    acknowledged: int = -1  #: how many messages the server says that it has received
    stream_cancelled: int = 0  #: sends and receives
    seconds_streaming: float = 0.0

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return sum(self.round_trips.values())

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self), default=sorted)

    @classmethod
    def from_json(cls, line: str) -> ClientBook:
        """Read what ``to_json`` made."""
        values = json.loads(line)
        echoes = values.pop("echoes")
        values["echoes"] = Ledger(**{**echoes, "missing": set(echoes["missing"])})
        values["round_trips"] = {int(time): count for time, count in values["round_trips"].items()}
        return cls(**values)


@dataclass(slots=True)
class ServerBook:
    """What the server has counted of one client."""

    served: Ledger = field(default_factory=Ledger)  #: requests
    streamed: Ledger = field(default_factory=Ledger)
    echoed: int = 0
    foreign: int = 0  #: messages of another client


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with the books: counts of messages."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    mismatched: int = 0  #: not what was sent, or not to whom; or the two sides disagree in any other way

    def __add__(self, other: Findings) -> Findings:
        return Findings(
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.reordered + other.reordered,
            self.mismatched + other.mismatched,
        )

    @property
    def balanced(self) -> bool:
        """Whether nothing is wrong."""
        return self == Findings()


def audit(client: ClientBook, server: ServerBook) -> Findings:
    """Compare the books of a client with the server's books of that client."""
    # Requests may overtake each other: after a cancelled one the client connects anew.
    unserved = server.served.missing_of(client.asked) - set(client.given_up)
    requests = Findings(
        lost=len(unserved) + client.replies_lost,
        duplicated=server.served.duplicated,
        mismatched=max(0, server.served.expected - client.asked)
        + abs(client.asked - client.answered - len(client.given_up) - client.replies_lost - client.foreign),
    )
    sent, streamed, echoes = client.sent, server.streamed, client.echoes
    there = Findings(
        lost=len(streamed.missing_of(sent)),
        duplicated=streamed.duplicated,
        reordered=streamed.reordered,
        mismatched=max(0, streamed.expected - sent) + (client.acknowledged != streamed.entered) + server.foreign,
    )
    back = Findings(
        lost=len(echoes.missing_of(streamed.expected) - streamed.missing) + max(0, streamed.entered - server.echoed),
        duplicated=echoes.duplicated,
        reordered=echoes.reordered,
        mismatched=max(0, echoes.expected - streamed.expected) + client.foreign,
    )
    return requests + there + back
