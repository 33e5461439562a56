"""Options: what is wrong is refused when it is set, defaults come from the context, what can be changed live is."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import trizmq
from trizmq import OptionError
from trizmq.options import declared_options

from .helpers import NOBODY, meet
from .test_closing import SOCKET_TYPES


class AsyncFilter:
    async def __call__(self, peer: trizmq.AcceptedPeer) -> bool:
        return True


pytestmark = pytest.mark.deadline(10)

SECONDS = ["linger", "handshake_timeout", "connect_timeout"]
INTERVALS = ["reconnect_interval", "reconnect_interval_max"]
COUNTS = ["max_frames", "max_handshake_size", "max_properties", "max_handshakes", "max_connections"]
SYSTEM = [
    "send_buffer",
    "receive_buffer",
    "tcp_keepalive_idle",
    "tcp_keepalive_interval",
    "tcp_keepalive_count",
]
CREDENTIALS = ["socks_username", "socks_password"]
#: Options of our own: limits where libzmq has none, and what has to do with Trio.
OURS = {
    *COUNTS,
    "checkpoint_every",
    "max_subscriptions",
    "max_topic_size",
    "drop_oldest",
    "receive_hwm_bytes",
    "send_hwm_bytes",
    "warn_insecure",
}
FLAGS: dict[type[trizmq.Socket], list[str]] = {
    trizmq.Push: ["immediate", "ipv6", "conflate", "warn_insecure"],
    trizmq.Req: ["req_correlate", "req_relaxed", "probe_router"],
    trizmq.Router: ["router_mandatory", "router_handover", "probe_router"],
    trizmq.Pub: ["xpub_nodrop", "drop_oldest", "invert_matching", "only_first_subscribe"],
    trizmq.XPub: ["xpub_verbose", "xpub_verboser", "xpub_manual", "xpub_manual_last_value"],
    trizmq.Sub: ["invert_matching", "conflate"],
    trizmq.XSub: ["xsub_verbose_unsubscribe", "only_first_subscribe"],
    trizmq.Stream: ["stream_notify"],
}

MARKS = ("send_hwm", "receive_hwm", "send_hwm_bytes", "receive_hwm_bytes")

WRONG: list[tuple[type[trizmq.Socket], str, object]] = [
    *((trizmq.Push, "heartbeat_interval", value) for value in (-1, math.nan, "1", None, True)),
    *((trizmq.Push, "heartbeat_timeout", value) for value in (-1, 0, math.nan, "1", True)),
    *((trizmq.Push, "heartbeat_ttl", value) for value in (-1, 65.6, math.nan, "1", None, True)),
    *((trizmq.Push, name, value) for name in SECONDS for value in (-1, math.nan, "1", True, b"")),
    *((trizmq.Push, name, value) for name in INTERVALS for value in (-1, 0, math.nan, "1", None, True)),
    *((trizmq.Push, name, value) for name in MARKS for value in (-1, 1.5, "1", None, True)),
    *(
        (trizmq.Push, name, value)
        for name in ("backlog", "checkpoint_every", "max_message_size")
        for value in (0, -1, 1.5)
    ),
    *((trizmq.Push, name, value) for name in COUNTS for value in (0, -1, 1.5, None, True)),
    *((trizmq.Pub, name, value) for name in ("max_subscriptions", "max_topic_size") for value in (0, -1, 1.5, None)),
    *((trizmq.Push, name, value) for name in SYSTEM for value in (0, -1, 1.5, "1", True)),
    *((trizmq.Push, "tcp_keepalive", value) for value in (2, -1, "yes", b"")),
    *((trizmq.Push, "tcp_max_retransmit", value) for value in (-1, math.nan, "1", None, True)),
    *((trizmq.Push, "tos", value) for value in (-1, 256, 1.5, None, True)),
    *((trizmq.Push, "priority", value) for value in (-1, 1 << 31, 1.5, None, True)),
    *((trizmq.Push, "bind_to_device", value) for value in (b"eth0", None, 5, "a" * 16, "../x", "\xe9")),
    *((trizmq.Push, "reconnect_stop", value) for value in (1, None, True, "REFUSED")),
    *((trizmq.Push, "accept_filter", value) for value in (True, "127.0.0.0/8", 5, trio.sleep, AsyncFilter())),
    *((kind, name, value) for kind, names in FLAGS.items() for name in names for value in (2, -1, "yes", None, b"")),
    *((trizmq.Dealer, "routing_id", value) for value in (b"x" * 256, b"\0x", "text", 5, None)),
    *((trizmq.Pub, "xpub_welcome_message", value) for value in ("text", 5, None, [b"x"])),
    *(
        (kind, name, value)
        for kind, name in (
            (trizmq.Dealer, "hello_message"),
            (trizmq.Router, "hello_message"),
            (trizmq.Dealer, "hiccup_message"),
            (trizmq.Router, "disconnect_message"),
        )
        for value in ("text", 5, None, [b"x"])
    ),
    *((trizmq.Router, "router_notify", value) for value in (3, None, True, "CONNECT")),
    *(
        (trizmq.Push, "socks_proxy", value)
        for value in (b"x:1", None, 1080, "host", "host:", "host:0", "*:1", "x:70000")
    ),
    *((trizmq.Push, name, value) for name in CREDENTIALS for value in (b"x", None, 5, "x" * 256, "\xe9" * 128)),
    *((trizmq.Push, "metadata", value) for value in ("X-a", None, [("X-a", b"")], {"X-a": "text"}, {b"X-a": b""})),
    *((trizmq.Push, "metadata", {name: b""}) for name in ("a", "x-a", "X-", "X-a b", "X-ä", "X-" + "a" * 254, "X-a\n")),
    (trizmq.Push, "metadata", {"X-a": bytes(32768)}),
    *(
        (trizmq.Push, "security", value)
        for value in ("CURVE", b"k" * 32, True, trizmq.CurveServer, {"secret_key": "k"})
    ),
]

RIGHT: list[tuple[type[trizmq.Socket], str, object, object]] = [
    *((trizmq.Push, name, value, value) for name in SECONDS for value in (0, 0.5, 1e9, math.inf)),
    *((trizmq.Push, name, None, math.inf) for name in SECONDS),
    *((trizmq.Push, name, value, value) for name in INTERVALS for value in (0.001, 5, 1e9)),
    *((trizmq.Push, name, value, value) for name in MARKS for value in (0, 1, 1 << 40)),
    *((trizmq.Push, name, value, value) for name in COUNTS for value in (256, 1 << 40)),
    *((trizmq.Push, name, value, value) for name in SYSTEM for value in (1, 100, None)),
    *((trizmq.Push, "tcp_keepalive", value, value) for value in (True, False, None)),
    *((trizmq.Push, "tcp_max_retransmit", value, value) for value in (0, 0.5, 60)),
    *((trizmq.Push, "tos", value, value) for value in (0, 0x28, 255)),
    *((trizmq.Push, "priority", value, value) for value in (0, 6)),
    *((trizmq.Push, "bind_to_device", value, value) for value in ("", "lo")),
    *((trizmq.Push, "reconnect_stop", value, value) for value in trizmq.ReconnectStop),
    *((trizmq.Push, "accept_filter", value, value) for value in (None, callable)),
    *((trizmq.Push, "security", value, value) for value in (None, trizmq.Null(), trizmq.PlainClient("a", "b"))),
    *(
        (kind, name, value, bool(value))
        for kind, names in FLAGS.items()
        for name in names
        for value in (True, False, 1, 0)
    ),
    *(
        (trizmq.Dealer, "routing_id", value, bytes(value))
        for value in (b"", b"x" * 255, bytearray(b"x"), memoryview(b"y"))
    ),
    (trizmq.Pub, "xpub_welcome_message", bytearray(b"hi"), b"hi"),
    (trizmq.Dealer, "hello_message", memoryview(b"hi"), b"hi"),
    (trizmq.Router, "hello_message", bytearray(b"hi"), b"hi"),
    (trizmq.Dealer, "hiccup_message", bytearray(b"hi"), b"hi"),
    (trizmq.Router, "disconnect_message", bytearray(b"hi"), b"hi"),
    *((trizmq.Router, "router_notify", value, value) for value in trizmq.RouterNotify),
    *(
        (trizmq.Push, "socks_proxy", value, value)
        for value in ("", "localhost:1080", "[::1]:1080", "192.0.2.1:*;proxy.example.org:1080")
    ),
    *((trizmq.Push, name, value, value) for name in CREDENTIALS for value in ("", "x" * 255, "\xe9" * 127)),
    (trizmq.Push, "metadata", {"X-a": bytearray(b"b"), "X-" + "c" * 253: b""}, {"X-a": b"b", "X-" + "c" * 253: b""}),
]


@pytest.mark.parametrize(("kind", "name", "value"), WRONG)
def test_wrong_values(kind: type[trizmq.Socket], name: str, value: object) -> None:
    """As a keyword, as an attribute, and as a default of a context: the text names the option and the value."""
    made = kind()
    before = getattr(made, name)
    attempts: list[Callable[[], object]] = [
        lambda: kind(**{name: value}),
        lambda: setattr(made, name, value),
        lambda: trizmq.Context(**{name: value}),
    ]
    for attempt in attempts:
        with pytest.raises(OptionError, match=name) as caught:
            attempt()
        if name in ("security", "socks_password"):  # it may hold a key
            kind_only = f"{name}=<{type(value).__name__}>"
            assert kind_only in str(caught.value)
            assert repr(value) not in str(caught.value).replace(kind_only, "")
        else:
            assert repr(value) in str(caught.value)
        assert "expected" in str(caught.value) or "must not" in str(caught.value) or "at most" in str(caught.value)
    assert getattr(made, name) == before


@pytest.mark.parametrize(("kind", "name", "value", "final"), RIGHT)
def test_right_values(kind: type[trizmq.Socket], name: str, value: object, final: object) -> None:
    assert getattr(kind(**{name: value}), name) == final
    made = kind()
    setattr(made, name, value)
    assert getattr(made, name) == final


def test_every_option_is_in_these_tables() -> None:
    tested = {name for _, name, _ in WRONG}
    declared = {name for kind in SOCKET_TYPES for name in declared_options(kind)}
    assert declared - tested == set(), "an option was added without a wrong value for it here"


@pytest.mark.parametrize("kind", SOCKET_TYPES)
def test_unknown_names(kind: type[trizmq.Socket]) -> None:
    with pytest.raises(OptionError, match=rf"{kind.__name__} has no option 'liner'.*did you mean 'linger'"):
        kind(liner=5)
    with pytest.raises(OptionError, match=r"'zzz'.*linger"):
        kind(zzz=5)
    with pytest.raises(OptionError, match=r"no socket type has.*'liner'.*did you mean 'linger'"):
        trizmq.Context(liner=5)


def test_an_option_of_another_type() -> None:
    with pytest.raises(OptionError, match=r"Pull has no option 'routing_id'; Dealer, Req and Router have it$"):
        trizmq.Pull(routing_id=b"x")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        (trizmq.Push, "hwm", "did you mean 'send_hwm' or 'receive_hwm'?"),
        (trizmq.Push, "SEND_HWM", "it is called 'send_hwm' here"),
        (
            trizmq.Push,
            "interval",
            "did you mean 'reconnect_interval', 'heartbeat_interval' or 'tcp_keepalive_interval'?",
        ),
        (trizmq.Router, "mandatory", "did you mean 'router_mandatory'?"),
        (trizmq.Dealer, "identity", "it is called 'routing_id' here"),
        (trizmq.Sub, "IDENTITY", "it is called 'routing_id' here, and Dealer, Req and Router have it"),
        (trizmq.Dealer, "router_mandatory", "Router has it"),
        (trizmq.Rep, "ROUTER_MANDATORY", "it is called 'router_mandatory' here, and Router has it"),
        (trizmq.Router, "conflate", "Dealer, Pub, Pull, Push, Sub and XPub have it"),
    ],
)
def test_what_may_have_been_meant(kind: type[trizmq.Socket], name: str, hint: str) -> None:
    class Mine(trizmq.Router):
        """It is nobody else's business."""

    options: dict[str, Any] = {name: 1}
    with pytest.raises(OptionError) as caught:
        kind(**options)
    assert str(caught.value).endswith(f"has no option {name!r}; {hint}")


def test_what_may_have_been_meant_for_a_context() -> None:
    with pytest.raises(OptionError, match=r"has an option 'hwm'; did you mean 'send_hwm' or 'receive_hwm'\?"):
        trizmq.Context(hwm=1)


def test_credentials_in_the_address_of_a_proxy_are_not_shown() -> None:
    for value in ("ann:hunter2@127.0.0.1:1080", "socks5://ann:hunter2@127.0.0.1:1080"):
        with pytest.raises(OptionError, match=r"socks_proxy: .*socks_username and socks_password") as caught:
            trizmq.Push(socks_proxy=value)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_options_are_not_deleted() -> None:
    made = trizmq.Pull(linger=3)
    with pytest.raises(
        AttributeError, match=r"linger is an option, which is not deleted but set: its default is 10\.0"
    ):
        del made.linger
    assert made.linger == 3


def test_options_have_documentation() -> None:
    for kind in SOCKET_TYPES:
        for name, option in declared_options(kind).items():
            assert option.__doc__, name
            assert option.zmq.startswith("ZMQ_") is (name not in OURS), name


def test_what_the_platform_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told when it is set; that the system decides can be said everywhere."""
    monkeypatch.delattr(socket, "SO_PRIORITY", raising=False)
    with pytest.raises(OptionError, match="priority=5: expected 0: this platform has no SO_PRIORITY"):
        trizmq.Push(priority=5)
    trizmq.Push(priority=0)


async def test_context_defaults() -> None:
    async with trizmq.Context(linger=1.5, routing_id=b"me", conflate=True) as context:
        async with context.socket(trizmq.Dealer) as dealer, context.socket(trizmq.Pull, linger=3.0) as pull:
            assert (dealer.linger, dealer.routing_id, dealer.conflate) == (1.5, b"me", True)
            assert (pull.linger, pull.conflate) == (3.0, True)
            assert pull.send_hwm == 1000
    assert trizmq.Push().linger == 10.0


async def test_what_was_set_before_opening_wins_over_the_context() -> None:
    async with trizmq.Context(linger=1.5) as context:
        push = context.socket(trizmq.Push)
        push.linger = 2.5
        async with push:
            assert push.linger == 2.5


async def test_high_water_marks_can_be_changed_live() -> None:
    async with trizmq.Push(send_hwm=2, linger=0) as push:
        push.connect(NOBODY)
        push.send_nowait(b"1")
        push.send_nowait(b"2")
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"3")
        push.send_hwm = 3
        push.send_nowait(b"3")
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"4")
        push.send_hwm = 1
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"4")
        assert push.statistics().peers[0].outbound == 3, "shrinking drops nothing"
        push.send_hwm = 0
        for number in range(2000):
            push.send_nowait(b"%d" % number)


async def test_a_raised_high_water_mark_wakes_who_waits() -> None:
    async with trizmq.Push(send_hwm=1, linger=0) as push, trio.open_nursery() as nursery:
        push.connect(NOBODY)
        await push.send(b"1")
        nursery.start_soon(push.send, b"2")
        nursery.start_soon(push.wait_writable)
        await trio.testing.wait_all_tasks_blocked()
        push.send_hwm = 5
        with trio.fail_after(2):
            while nursery.child_tasks:
                await trio.testing.wait_all_tasks_blocked(0.001)


async def test_the_receivers_mark_can_be_changed_live() -> None:
    async with trizmq.Push(send_hwm=1) as push, trizmq.Pull(receive_hwm=1) as pull:
        await meet(pull, push, "inproc://x")
        push.send_nowait(b"1")
        push.send_nowait(b"2")
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"3")
        pull.receive_hwm = 2
        push.send_nowait(b"3")
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"4")
        assert await pull.receive_many() == [[b"1"], [b"2"], [b"3"]]


async def test_linger_can_be_changed_live(autojump_clock: trio.testing.MockClock) -> None:
    before = trio.current_time()
    async with trizmq.Push(linger=1000) as push:
        push.connect(NOBODY)
        await push.send(b"1")
        push.linger = 2
    assert trio.current_time() - before == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("transport", ["tcp://127.0.0.1:*", "ipc://*"])
async def test_max_message_size(transport: str) -> None:
    """Over all frames of a message; the limit itself passes."""
    async with trizmq.Push() as push, trizmq.Pull(max_message_size=10) as pull:
        await meet(pull, push, transport)
        await push.send([b"12345", b"67890"])
        assert await pull.receive() == [b"12345", b"67890"]
        events = pull.events()
        await push.send([b"12345", b"678901"])
        with trio.fail_after(5):
            event = await events.__anext__()
        assert isinstance(event, trizmq.Disconnected)
        assert "10" in event.cause


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sndhwm", "it is called 'send_hwm' here"),
        ("RCVHWM", "it is called 'receive_hwm' here"),
        ("rcvtimeo", "trio.move_on_after"),
        ("recieve_hwm", "did you mean 'receive_hwm'"),
        ("curve_server", "part of security=: trizmq.CurveServer("),
        ("thread_safe", "it has: linger"),
    ],
)
def test_attributes_that_are_no_options(name: str, hint: str) -> None:
    """A misspelt or foreign option must not become an attribute that does nothing."""
    socket = trizmq.Pull()
    with pytest.raises(OptionError, match=name) as caught:
        setattr(socket, name, 1)
    assert hint in str(caught.value)
    options: dict[str, Any] = {name: 1}
    with pytest.raises(OptionError, match=name):
        trizmq.Pull(**options)


def test_a_class_of_the_user_may_have_attributes() -> None:
    class Mine(trizmq.Pull):
        pass

    mine = Mine(receive_hwm=3)
    mine.colour = "green"
    assert (mine.colour, mine.receive_hwm) == ("green", 3)  # type: ignore[attr-defined]
