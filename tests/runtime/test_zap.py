"""ZAP 1.0 (RFC 27) over inproc: our sockets ask the handler of their context, and ``serve_zap`` is one."""

from __future__ import annotations

import errno
import logging
from typing import Any

import pytest
import trio

import trizmq
from trizmq import auth
from trizmq.auth import Allow, AuthenticationRequest, Deny

from .helpers import task_names, until
from .test_security import CLIENT, CURVE, MECHANISMS, NULL, PASSWORD, PLAIN, TIME, Doorman, client, next_failure, server

HANDLER = "inproc://zeromq.zap.01"

# zmq.h
MALFORMED, BAD_ID, BAD_VERSION, BAD_STATUS, BAD_METADATA = range(0x20000001, 0x20000006)

CREDENTIALS = {NULL: [], PLAIN: [b"ann", PASSWORD.encode()], CURVE: [CLIENT.public]}


@pytest.mark.parametrize("kind", [trizmq.Rep, trizmq.Router])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_what_a_handler_is_asked(mechanism: str, kind: type[Any]) -> None:
    """Frame by frame as libzmq asks; and the answer counts."""
    with trio.fail_after(TIME):
        async with (
            kind() as handler,
            trizmq.Router(security=server(mechanism, None, "front"), routing_id=b"us") as router,
            trizmq.Dealer(security=client(mechanism), routing_id=b"them") as dealer,
        ):
            await handler.bind(HANDLER)
            dealer.connect(await router.bind("tcp://127.0.0.1:*"))
            question = await handler.receive()
            envelope, question = ([], question) if kind is trizmq.Rep else (question[:2], question[2:])
            assert envelope[1:] == ([] if kind is trizmq.Rep else [b""])
            assert question == [
                b"1.0", b"1", b"front", b"127.0.0.1", b"us", mechanism.encode(), *CREDENTIALS[mechanism]
            ]  # fmt: skip
            await handler.send([*envelope, b"1.0", b"1", b"200", b"OK", b"ann", b"\x05Hello\0\0\0\5World"])
            await dealer.send(b"hello")
            peer, message = await router.receive_from()
            assert message == [b"them", b"hello"]
            assert (peer.user_id, peer.metadata["Hello"]) == ("ann", b"World")
            await until(lambda: not any("ZAP" in name for name in task_names()))


@pytest.mark.parametrize("status", [300, 400, 500])
async def test_a_handler_that_refuses(status: int) -> None:
    with trio.fail_after(TIME):
        async with (
            trizmq.Rep() as handler,
            trizmq.Pull(security=server(PLAIN, auth.zap("back"))) as pull,
            trizmq.Push(security=client(PLAIN), linger=0) as push,
        ):
            events = pull.events()
            await handler.bind(HANDLER)
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            assert (await handler.receive())[2] == b"back"
            await handler.send([b"1.0", b"1", b"%d" % status, b"go away", b"", b""])
            failure = await next_failure(events)
            assert isinstance(failure, trizmq.HandshakeFailedAuth)
            assert failure.code == status
            assert "go away" in failure.cause


GARBAGE: dict[str, tuple[list[bytes], int]] = {
    "version": ([b"2.0", b"1", b"200", b"OK", b"", b""], BAD_VERSION),
    "id": ([b"1.0", b"2", b"200", b"OK", b"", b""], BAD_ID),
    "status": ([b"1.0", b"1", b"201", b"OK", b"", b""], BAD_STATUS),
    "no status": ([b"1.0", b"1", b"", b"OK", b"", b""], BAD_STATUS),
    "too few": ([b"1.0", b"1", b"200", b"OK", b""], MALFORMED),
    "too many": ([b"1.0", b"1", b"200", b"OK", b"", b"", b""], MALFORMED),
    "metadata": ([b"1.0", b"1", b"200", b"OK", b"", b"\x05ab"], BAD_METADATA),
    "unnamed metadata": ([b"1.0", b"1", b"200", b"OK", b"", b"\x00\0\0\0\0"], BAD_METADATA),
    "long user id": ([b"1.0", b"1", b"200", b"OK", b"x" * 256, b""], BAD_METADATA),
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_an_answer_that_is_none(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """The peer is not let in and told nothing, so that it comes again; the event has libzmq's code."""
    answer, code = GARBAGE[case]
    with trio.fail_after(TIME):
        async with (
            trizmq.Rep() as handler,
            trizmq.Pull(security=server(CURVE, None, "x")) as pull,
            trizmq.Push(security=client(CURVE), linger=0) as push,
        ):
            at_pull, at_push = pull.events(), push.events()
            await handler.bind(HANDLER)
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            await handler.receive()
            await handler.send(answer)
            failure = await next_failure(at_pull)
            assert isinstance(failure, trizmq.HandshakeFailedProtocol)
            assert failure.code == code
            assert not isinstance(await next_failure(at_push), trizmq.HandshakeFailedAuth)
    assert "is not let in: the ZAP handler" in caplog.text


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_without_a_handler(mechanism: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is let in, at once and without a word; who comes again after the handler has come is."""
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=server(mechanism, None, "x")) as pull,
            trizmq.Push(security=client(mechanism), reconnect_interval=0.01) as push,
        ):
            at_pull, at_push = pull.events(), push.events()
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            for events in (at_pull, at_push):
                failure = await next_failure(events)
                assert not isinstance(failure, trizmq.HandshakeFailedAuth)
                assert failure.code in (errno.EFAULT, errno.EPIPE, errno.ECONNRESET)
            assert "no ZAP handler is bound" in caplog.text
            async with trio.open_nursery() as nursery:
                await nursery.start(auth.serve_zap, auth.allow_any)
                await push.send(b"hello")
                assert await pull.receive() == [b"hello"]
                nursery.cancel_scope.cancel()


async def test_a_handler_that_goes_away(caplog: pytest.LogCaptureFixture) -> None:
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull(security=server(PLAIN, None, "x")) as pull,
            trizmq.Push(security=client(PLAIN), linger=0, reconnect_interval=5) as push,
        ):
            events = pull.events()
            async with trizmq.Rep() as handler:
                await handler.bind(HANDLER)
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                await handler.receive()
            failure = await next_failure(events)
            assert (failure.code, "has gone without an answer" in failure.cause) == (errno.EPIPE, True)


async def test_a_handler_that_could_not_answer() -> None:
    with trio.fail_after(TIME):
        async with (
            trizmq.Pull() as handler,
            trizmq.Pull(security=server(PLAIN, None, "x")) as pull,
            trizmq.Push(security=client(PLAIN), linger=0) as push,
        ):
            events = pull.events()
            await handler.bind(HANDLER)
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            failure = await next_failure(events)
            assert (failure.code, "of no type that could answer" in failure.cause) == (errno.EFAULT, True)


async def test_the_handler_is_that_of_the_context(nursery: trio.Nursery) -> None:
    """One context's handler lets in, the other's does not; an authenticator of one's own finds the right one too."""
    inside, outside = Doorman(Allow("ann")), Doorman(Deny())
    both = auth.all_of(auth.allow_any, auth.zap())
    with trio.fail_after(TIME):
        async with trizmq.Context() as context:

            async def handle(task_status: trio.TaskStatus[None]) -> None:
                await auth.serve_zap(inside, context=context, task_status=task_status)

            await nursery.start(handle)
            await nursery.start(auth.serve_zap, outside)
            with pytest.raises(OSError, match="bound in this context already"):
                await auth.serve_zap(inside)
            for authenticator in (both, None):
                async with (
                    context.socket(trizmq.Pull, security=server(NULL, authenticator, "x")) as pull,
                    trizmq.Push() as push,
                ):
                    push.connect(await pull.bind("tcp://127.0.0.1:*"))
                    await push.send(b"hello")
                    peer, _ = await pull.receive_from()
                    assert peer.user_id == "ann"
            async with trizmq.Pull(security=server(NULL, both, "x")) as pull, trizmq.Push(linger=0) as push:
                events = push.events()
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                assert (await next_failure(events)).code == 400
            nursery.cancel_scope.cancel()


# ---- our handler, asked by hand


@pytest.mark.parametrize(
    ("credentials", "username", "key"),
    [
        ([b"NULL"], None, None),
        ([b"PLAIN", b"ann", b"pw"], "ann", None),
        ([b"CURVE", CLIENT.public], None, CLIENT.public),
    ],
)
async def test_our_handler(
    credentials: list[bytes], username: str | None, key: bytes | None, nursery: trio.Nursery
) -> None:
    doorman = Doorman(Allow("ann", {"a": b"b"}))
    with trio.fail_after(TIME):
        await nursery.start(auth.serve_zap, doorman)
        async with trizmq.Req() as req:
            req.connect(HANDLER)
            question = [b"1.0", b"id", b"front", b"192.0.2.1", b"us", *credentials]
            assert await req.request(question) == [b"1.0", b"id", b"200", b"OK", b"ann", b"\x01a\0\0\0\1b"]
            expected = AuthenticationRequest(
                credentials[0].decode(),
                "front",
                "192.0.2.1",
                routing_id=b"us",
                username=username,
                password="pw" if username else None,
                public_key=key,
            )
            assert doorman.asked == [expected]
            doorman.answer = Deny(300, "later")
            assert await req.request(question) == [b"1.0", b"id", b"300", b"later", b"", b""]
            doorman.answer = LookupError("no database")
            assert (await req.request(question))[2] == b"500"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "question",
    [
        [b"2.0", b"id", b"", b"", b"", b"NULL"],
        [b"1.0", b"id", b"", b"", b"", b"PLAIN", b"ann"],
        [b"1.0", b"id", b"", b"", b"", b"CURVE", b"short"],
        [b"1.0", b"id", b"", b"", b"", b"GSSAPI", b"ann", b"pw"],
        [b"1.0", b"id", b"", b"", b"", b"NULL", b"ann"],
    ],
)
async def test_our_handler_asked_wrongly(question: list[bytes], nursery: trio.Nursery) -> None:
    doorman = Doorman(Allow())
    with trio.fail_after(TIME):
        await nursery.start(auth.serve_zap, doorman)
        async with trizmq.Dealer() as dealer, trizmq.Req() as req:
            dealer.connect(HANDLER)
            await dealer.send([b"too", b"short"])
            req.connect(HANDLER)
            version, request_id, status, *_ = await req.request(question)
            assert (version, request_id, status) == (b"1.0", b"id", b"500")
            assert doorman.asked == []
            with pytest.raises(trio.WouldBlock):
                dealer.receive_nowait()
        nursery.cancel_scope.cancel()


async def test_a_slow_question_holds_up_no_other(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    asked = trio.Event()

    async def slow_for_ann(request: AuthenticationRequest) -> auth.Decision:
        if request.username == "ann":
            asked.set()
            await trio.sleep_forever()
        return Allow(request.username or "")

    caplog.set_level(logging.WARNING)
    with trio.fail_after(TIME):
        await nursery.start(auth.serve_zap, slow_for_ann)
        async with (
            trizmq.Pull(security=server(PLAIN, auth.zap())) as pull,
            trizmq.Push(security=client(PLAIN), linger=0) as ann,
            trizmq.Push(security=trizmq.PlainClient("bob", "")) as bob,
        ):
            bound = await pull.bind("tcp://127.0.0.1:*")
            ann.connect(bound)
            await asked.wait()
            bob.connect(bound)
            await bob.send(b"hello")
            peer, _ = await pull.receive_from()
            assert peer.user_id == "bob"
        nursery.cancel_scope.cancel()


async def test_a_context_that_ends_while_it_asks(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    """Handler, questions and sockets go together, at once, and nobody takes that for a failure of the authenticator."""
    asked, ended = trio.Event(), trio.Event()

    async def never(request: AuthenticationRequest) -> auth.Decision:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    async def handle(context: trizmq.Context, task_status: trio.TaskStatus[None]) -> None:
        await auth.serve_zap(never, context=context, task_status=task_status)
        ended.set()

    with trio.fail_after(TIME):
        async with trizmq.Push(security=client(PLAIN), linger=0) as push:
            async with trizmq.Context() as context:
                await nursery.start(handle, context)
                pull = context.socket(trizmq.Pull, security=server(PLAIN, None, "x"))
                await pull.__aenter__()
                push.connect(await pull.bind("tcp://127.0.0.1:*"))
                await asked.wait()
            await ended.wait()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not any("Pull" in name or "ZAP" in name for name in task_names())
