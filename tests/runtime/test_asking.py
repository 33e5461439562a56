"""Authenticators that close their socket, answer late, or raise what ends programs; and what is told of whom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio

import trizmq
from trizmq import auth
from trizmq.auth import Allow, AuthenticationRequest, Decision, Deny
from trizmq.testing import MemoryNetwork

from .helpers import raw_connection, task_names, until
from .test_security import CLIENT, CURVE, MECHANISMS, NULL, PASSWORD, PLAIN, client, next_failure, server

pytestmark = pytest.mark.deadline(10)


class Ask:
    """An authenticator that does something first, and then lets the peer in."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.asked = trio.Event()
        self.answered = False

    async def __call__(self, request: AuthenticationRequest) -> Decision:
        self.asked.set()
        await self.act()
        self.answered = True
        return Allow("let in")


# ---- closing from inside


@pytest.mark.parametrize("how", ["at once", "shielded", "in a task of its own", "by its context", "from a thread"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_an_authenticator_closes_its_socket(mechanism: str, how: str) -> None:
    """All is closed; nobody is let in; its own task is cancelled, and does not wait for itself."""
    async with trizmq.Context() as context:

        async def close() -> None:
            if how == "shielded":
                with trio.CancelScope(shield=True):
                    await pull.aclose()
            elif how == "in a task of its own":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pull.aclose)
            elif how == "by its context":
                await context.aclose()
            elif how == "from a thread":
                await trio.to_thread.run_sync(trio.from_thread.run, pull.aclose)
            else:
                await pull.aclose()
            await trio.lowlevel.checkpoint()

        ask = Ask(close)
        async with trizmq.Push(security=client(mechanism), linger=0) as push:
            async with context.socket(trizmq.Pull, security=server(mechanism, ask), linger=0) as pull:
                events = push.events()
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                with pytest.raises(trio.ClosedResourceError):
                    await pull.receive()
                assert isinstance(await next_failure(events), trizmq.HandshakeFailed)
            assert not ask.answered
            assert pull.closed
            assert pull.linger_report is not None
            assert pull.statistics().connections_accepted == 1


async def test_a_close_from_inside_writes_what_is_queued() -> None:
    answers = iter([Allow(), None])

    async def authenticator(request: AuthenticationRequest) -> Decision:
        return next(answers) or await ask(request)

    async with trizmq.Pair(security=server(PLAIN, authenticator)) as pair:
        ask = Ask(pair.aclose)
        async with trizmq.Pair(security=client(PLAIN)) as friend:
            endpoint = await pair.bind("tcp://127.0.0.1:*")
            friend.connect(endpoint)
            await pair.wait_connected()
            for number in range(100):
                await pair.send(b"%d" % number)
            async with trizmq.Pair(security=client(PLAIN), linger=0) as other:
                other.connect(endpoint)
                await ask.asked.wait()
                assert [await friend.receive() for _ in range(100)] == [[b"%d" % number] for number in range(100)]
        await until(lambda: pair.linger_report is not None)
        assert pair.statistics().dropped == 0


async def test_two_authenticators_close_each_others_socket() -> None:
    """A ring of those who wait for each other is not closed."""
    both = trio.Event()

    async def close(at: int) -> None:
        if all(ask.asked.is_set() for ask in asks):
            both.set()
        with trio.CancelScope(shield=True):
            await both.wait()
        await pulls[at].aclose()
        await trio.lowlevel.checkpoint()

    asks = [Ask(partial(close, 1)), Ask(partial(close, 0))]
    async with trizmq.Pull(security=server(NULL, asks[0])) as one, trizmq.Pull(security=server(NULL, asks[1])) as other:
        pulls = [one, other]
        async with trizmq.Push(linger=0) as push, trizmq.Push(linger=0) as second:
            push.connect(await one.bind("tcp://127.0.0.1:*"))
            second.connect(await other.bind("tcp://127.0.0.1:*"))
            for pull in pulls:
                with pytest.raises(trio.ClosedResourceError):
                    await pull.receive()
    assert not any(ask.answered for ask in asks)


async def test_a_zap_handler_closes_who_asks(nursery: trio.Nursery) -> None:
    """Its task is the user's: it closes like any other the socket that waits for the answer, and the context."""
    for whole_context in (False, True):
        async with trizmq.Context() as context:
            ask = Ask(lambda: context.aclose() if whole_context else pull.aclose())  # noqa: B023
            await nursery.start(partial(auth.serve_zap, ask, context=context))
            async with context.socket(trizmq.Pull, security=server(NULL, None, "x")) as pull, trizmq.Push() as push:
                push.linger = 0
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                with pytest.raises(trio.ClosedResourceError):
                    await pull.receive()
            assert pull.closed
        assert ask.answered is not whole_context


# ---- answering late


@pytest.mark.parametrize("server_connects", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_nobody_is_let_in_late(
    mechanism: str, server_connects: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """What cannot be cancelled, such as a thread, may answer when the time is over: it answers in vain."""

    async def dawdle() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    ask = Ask(dawdle)
    with MemoryNetwork().host("here"):
        async with (
            trizmq.Pull(security=server(mechanism, ask), handshake_timeout=1) as pull,
            trizmq.Push(security=client(mechanism), linger=0) as push,
        ):
            binder, connector = (push, pull) if server_connects else (pull, push)
            events, theirs = pull.events(), push.events()
            connector.connect(await binder.bind("tcp://here:5555"))
            failure = await next_failure(events)
            assert ask.answered
            assert trio.current_time() == pytest.approx(2, abs=0.1)
            assert "the authenticator did not answer within 1 s" in failure.cause
            assert type(failure) is trizmq.HandshakeFailed
            await next_failure(theirs)  # and no success before it
            assert pull.statistics().messages_received == 0
            assert all(peer.user_id == "" for peer in pull.peers())


async def test_who_fails_while_it_is_cancelled_ends_no_socket(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Out comes a group of Trio's Cancelled and of an error."""

    async def fail() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise LookupError("no database")

    with MemoryNetwork().host("here"):
        async with (
            trizmq.Pull(security=server(NULL, Ask(fail)), handshake_timeout=1) as pull,
            trizmq.Push(linger=0) as push,
        ):
            events = pull.events()
            push.connect(await pull.bind("tcp://here:5555"))
            assert "did not answer within 1 s" in (await next_failure(events)).cause
            assert not pull.closed
    assert "the authenticator failed" in caplog.text


# ---- what is no Exception


class Outcome(BaseException):
    """As pytest.fail has it."""


FATAL: list[BaseException] = [
    KeyboardInterrupt("theirs"),
    SystemExit("theirs"),
    GeneratorExit("theirs"),
    Outcome("theirs"),
    BaseExceptionGroup("several", [Outcome("theirs"), ValueError("another")]),
]


@pytest.fixture(params=FATAL, ids=lambda error: type(error).__name__)
def fatal(request: pytest.FixtureRequest) -> Iterator[BaseException]:
    error: BaseException = request.param
    yield error
    error.__traceback__ = None


def raising(error: BaseException) -> Callable[[], Any]:
    async def act() -> None:
        raise error

    return act


@pytest.mark.parametrize("use", ["a verb", "the end", "a nursery"])
def test_what_ends_programs_comes_out_of_the_socket(
    fatal: BaseException, use: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As itself, or in the group of the user's nursery; and the peer is not let in."""
    met: list[BaseException] = []

    async def main() -> None:
        async with trizmq.Push(security=client(PLAIN), linger=0) as push:
            theirs = push.events()
            try:
                async with trizmq.Pull(security=server(PLAIN, Ask(raising(fatal)))) as pull:
                    push.connect(await pull.bind("tcp://127.0.0.1:*"))
                    if use == "a verb":
                        await pull.receive()
                    elif use == "a nursery":
                        async with trio.open_nursery() as nursery:
                            nursery.start_soon(pull.receive)
                            nursery.start_soon(trio.sleep_forever)
                    else:
                        await until(lambda: pull.closed)
            except BaseException as error:
                met.append(error)
            assert isinstance(await next_failure(theirs), trizmq.HandshakeFailed)
        assert task_names() == []

    trio.run(main)
    (error,) = met
    if use == "a nursery":
        assert isinstance(error, BaseExceptionGroup)
        assert [repr(one) for one in error.exceptions] == [repr(fatal)]  # a nursery makes a copy of a group
    else:
        assert error is fatal
    assert "theirs" in caplog.text
    assert PASSWORD not in caplog.text


def test_what_ends_programs_leaves_the_run_as_itself() -> None:
    async def main() -> None:
        async with trizmq.Pull(security=server(NULL, Ask(raising(SystemExit(3))))) as pull, trizmq.Push() as push:
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            await pull.receive()

    with pytest.raises(SystemExit, match="3"):
        trio.run(main)


def test_what_ends_programs_in_a_filter(fatal: BaseException) -> None:
    def accept_filter(peer: trizmq.AcceptedPeer) -> bool:
        raise fatal

    async def main() -> None:
        async with trizmq.Pull(accept_filter=accept_filter) as pull:
            async with raw_connection(await pull.bind("tcp://127.0.0.1:*")):
                await pull.receive()

    with pytest.raises(type(fatal)) as caught:
        trio.run(main)
    assert caught.value is fatal


async def test_what_ends_programs_in_a_zap_handler() -> None:
    """It comes out of ``serve_zap``; the peer is not let in, and the socket goes on."""
    async with (
        trizmq.Context() as context,
        context.socket(trizmq.Pull, security=server(NULL, None, "x")) as pull,
        trizmq.Push(linger=0) as push,
    ):
        events = pull.events()
        with pytest.raises(BaseExceptionGroup) as caught:
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(auth.serve_zap, Ask(raising(Outcome("theirs"))), context=context))
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
        assert caught.group_contains(Outcome, match="theirs")
        assert isinstance(await next_failure(events), trizmq.HandshakeFailed)
        assert not pull.closed


# ---- who it was


async def refuse(request: AuthenticationRequest) -> Decision:
    return Deny(400, "not on the list")


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_events_say_who(mechanism: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who was let in, and which key or user name was not; the peer is told the number only."""
    who = {NULL: "", PLAIN: "user 'ann'", CURVE: f"public key {CLIENT.public_z85!r}"}[mechanism]

    async def fail(request: AuthenticationRequest) -> Decision:
        raise LookupError("no database")

    async with (
        trizmq.Pull(security=server(mechanism, refuse)) as pull,
        trizmq.Push(security=client(mechanism), linger=0, reconnect_interval=0.01) as push,
    ):
        ours, theirs = pull.events(), push.events()
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        for authenticator, why in ((fail, "LookupError"), (refuse, "not on the list")):
            pull.security = server(mechanism, authenticator)
            failure = await next_failure(ours)
            while why not in failure.cause:
                failure = await next_failure(ours)
            assert who in failure.cause
            assert PASSWORD not in failure.cause
        told = await next_failure(theirs)
        assert not who or who not in told.cause
        assert "not on the list" not in told.cause
        pull.security = server(mechanism, Ask(trio.lowlevel.checkpoint))
        async for event in ours:
            if isinstance(event, trizmq.HandshakeSucceeded):
                assert event.user_id == "let in"
                break
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert logged
    assert all(who in line and PASSWORD not in line for line in logged)


async def test_a_user_name_cannot_forge_lines_of_the_log() -> None:
    async with (
        trizmq.Pull(security=trizmq.PlainServer(authenticator=refuse)) as pull,
        trizmq.Push(security=trizmq.PlainClient(b"a\nb\xff", "x"), linger=0) as push,
    ):
        events = pull.events()
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        cause = (await next_failure(events)).cause
        assert r"user 'a\nb\udcff'" in cause
        assert cause.isprintable()
