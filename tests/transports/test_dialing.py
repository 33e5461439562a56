"""Happy eyeballs (RFC 8305), on a clock of our own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from trizmq.transports.dialing import Resolved, dial

pytestmark = pytest.mark.deadline(5)

REFUSES, ANSWERS = ConnectionRefusedError(111, "refused"), None


def address(name: str) -> Resolved:
    return socket.AF_INET6 if ":" in name else socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, 5555)


class Network:
    """What happens at each address: after so many seconds it answers or fails."""

    def __init__(self) -> None:
        self.outcomes: dict[str, tuple[float, OSError | None]] = {}
        self.attempts: list[tuple[str, float]] = []
        self.made: dict[str, socket.socket] = {}

    async def connect(self, resolved: Resolved) -> socket.socket:
        name = resolved[4][0]
        self.attempts.append((name, trio.current_time()))
        after, failure = self.outcomes[name]
        await trio.sleep(after)
        if failure is not None:
            raise failure
        self.made[name] = socket.socket()
        return self.made[name]

    async def dial(self, *names: str) -> str:
        connected = await dial([address(name) for name in names], self.connect)
        (name,) = [name for name, one in self.made.items() if one is connected]
        assert connected.fileno() >= 0
        assert all(one.fileno() < 0 for other, one in self.made.items() if other != name), "a connection was left open"
        return name


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    for one in network.made.values():
        one.close()


async def test_the_first_that_answers(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (0.1, ANSWERS), "b": (0, ANSWERS)}
    assert await network.dial("a", "b") == "a"
    assert [name for name, _ in network.attempts] == ["a"]


async def test_a_failure_is_followed_by_the_next_at_once(
    network: Network, autojump_clock: trio.testing.MockClock
) -> None:
    network.outcomes = {"a": (0.1, REFUSES), "b": (0, ANSWERS)}
    assert await network.dial("a", "b") == "b"
    assert network.attempts[1][1] == pytest.approx(0.1)


async def test_silence_is_not_waited_for(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (1000, ANSWERS), "b": (1000, ANSWERS), "c": (0.1, ANSWERS)}
    assert await network.dial("a", "b", "c") == "c"
    assert network.attempts[2][1] == pytest.approx(0.5)
    assert trio.current_time() == pytest.approx(0.6)


async def test_the_slow_one_may_win(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (0.3, ANSWERS), "b": (1000, ANSWERS)}
    assert await network.dial("a", "b") == "a"


async def test_two_at_the_same_instant(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (0.5, ANSWERS), "b": (0.25, ANSWERS)}
    assert await network.dial("a", "b") in "ab"


async def test_the_ip_versions_take_turns(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = dict.fromkeys((":1", ":2", ":3", "4"), (1000, REFUSES)) | {"5": (0, ANSWERS)}
    assert await network.dial(":1", ":2", ":3", "4", "5") == "5"
    assert [name for name, _ in network.attempts] == [":1", "4", ":2", "5"]


async def test_the_first_addresses_failure_is_told(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (0.4, OSError(1, "first")), "b": (0.1, OSError(2, "second"))}
    with pytest.raises(OSError, match="first"):
        await network.dial("a", "b")
    network.outcomes = {"a": (0, REFUSES)}
    with pytest.raises(ConnectionRefusedError):
        await network.dial("a")


async def test_cancelled(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (1000, ANSWERS), "b": (1000, ANSWERS)}
    with trio.move_on_after(1) as scope:
        await network.dial("a", "b")
    assert scope.cancelled_caught
    assert network.made == {}


async def test_cancelled_at_the_instant_of_success(network: Network, autojump_clock: trio.testing.MockClock) -> None:
    network.outcomes = {"a": (1, ANSWERS), "b": (1000, ANSWERS)}
    with trio.move_on_after(1) as scope:
        await network.dial("a", "b")
    assert scope.cancelled_caught is all(one.fileno() < 0 for one in network.made.values())
