"""``python -m trizmq demo``: its books can fail, and do not; whatever ends it leaves no process behind."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from time import perf_counter

import pytest

from trizmq.demo.books import ClientBook, Findings, Ledger, ServerBook, audit
from trizmq.demo.report import percentile, summary

from .test_examples import AT_ONCE, finish, start

signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


# ---- the books


def ledger(*numbers: int) -> Ledger:
    book = Ledger()
    for number in numbers:
        book.enter(number)
    return book


def books() -> tuple[ClientBook, ServerBook]:
    """A client that asked five requests and gave up two, of which one was carried out; and streamed four messages."""
    client = ClientBook(
        1, asked=5, given_up=[1, 4], round_trips={500: 2, 700: 1}, sent=4, echoes=ledger(0, 1, 2, 3), acknowledged=4
    )
    return client, ServerBook(served=ledger(0, 2, 1, 3), streamed=ledger(0, 1, 2, 3), echoed=4)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((), Ledger()),
        ((0, 1, 2), Ledger(3)),
        ((0, 2), Ledger(3, missing={1})),
        ((0, 1, 1), Ledger(2, duplicated=1)),
        ((0, 2, 1), Ledger(3, reordered=1)),
        ((0, 2, 1, 1), Ledger(3, reordered=1, duplicated=1)),
        ((3,), Ledger(4, missing={0, 1, 2})),
    ],
)
def test_a_ledger_sees_what_is_wrong(numbers: tuple[int, ...], expected: Ledger) -> None:
    book = ledger(*numbers)
    assert book == expected
    assert book.entered == len(numbers)


def test_the_books_balance() -> None:
    assert audit(*books()) == Findings()
    assert audit(*books()).balanced


Corruption = Callable[[ClientBook, ServerBook], object]


def corrupt(**changes: object) -> Corruption:
    """Set attributes: ``client_x`` of the client's book, ``server_x`` of the server's."""

    def change(client: ClientBook, server: ServerBook) -> None:
        for name, value in changes.items():
            side, _, attribute = name.partition("_")
            setattr({"client": client, "server": server}[side], attribute, value)

    return change


@pytest.mark.parametrize(
    ("corruption", "finds"),
    [
        # on the way to the server; it echoes what it gets, and acknowledges as much
        (
            corrupt(
                server_streamed=ledger(0, 1, 3), server_echoed=3, client_acknowledged=3, client_echoes=ledger(0, 1, 3)
            ),
            {"lost"},
        ),
        (
            corrupt(
                server_streamed=ledger(0, 1, 2), server_echoed=3, client_acknowledged=3, client_echoes=ledger(0, 1, 2)
            ),
            {"lost"},
        ),
        (
            corrupt(server_streamed=ledger(0, 1, 1, 2, 3), server_echoed=5, client_acknowledged=5),
            {"duplicated"},
        ),
        (corrupt(server_streamed=ledger(0, 2, 1, 3)), {"reordered"}),
        (corrupt(server_streamed=ledger(0, 1, 2, 3, 4)), {"mismatched", "lost"}),
        # in the server
        (corrupt(server_echoed=3), {"lost"}),
        # on the way back
        (corrupt(client_echoes=ledger(0, 1, 3)), {"lost"}),
        (corrupt(client_echoes=ledger(0, 1, 2)), {"lost"}),
        (corrupt(client_echoes=ledger(0, 1, 2, 3, 3)), {"duplicated"}),
        (corrupt(client_echoes=ledger(0, 2, 1, 3)), {"reordered"}),
        (corrupt(client_echoes=ledger()), {"lost"}),
        (corrupt(client_acknowledged=3), {"mismatched"}),
        (corrupt(client_acknowledged=-1), {"mismatched"}),
        (corrupt(client_foreign=1, client_asked=6, server_served=ledger(0, 2, 1, 3, 5)), {"mismatched"}),
        (corrupt(server_foreign=1), {"mismatched"}),
        # requests
        (corrupt(server_served=ledger(0, 1, 3)), {"lost"}),
        (corrupt(server_served=ledger(0, 1, 2, 3, 3)), {"duplicated"}),
        (corrupt(server_served=ledger(0, 1, 2, 3, 4, 5)), {"mismatched"}),
        (corrupt(client_round_trips={500: 2}), {"mismatched"}),
        (corrupt(client_round_trips={500: 2}, client_replies_lost=1), {"lost"}),
    ],
)
def test_the_audit_finds_it(corruption: Corruption, finds: set[str]) -> None:
    client, server = books()
    corruption(client, server)
    found = audit(client, server)
    assert not found.balanced
    assert {kind for kind in ("lost", "duplicated", "reordered", "mismatched") if getattr(found, kind)} == finds


def test_requests_that_were_given_up_may_be_carried_out_or_not() -> None:
    for served in [(0, 2, 3), (0, 1, 2, 3), (0, 2, 3, 4), (1, 0, 4, 3, 2)]:
        client, server = books()
        server.served = ledger(*served)
        assert audit(client, server).balanced


def test_a_client_book_survives_the_pipe() -> None:
    client, _ = books()
    client.echoes = ledger(0, 3, 1, 1)
    assert ClientBook.from_json(client.to_json()) == client


# ---- the report


def test_percentiles() -> None:
    counts = {100: 50, 200: 49, 900: 1}
    assert [percentile(counts, percent) for percent in (50, 90, 99, 100)] == [100, 200, 200, 900]
    assert percentile({}, 50) == 0


def test_the_summary_says_what_was_found_and_fits_a_terminal() -> None:
    client, _ = books()
    client.seconds_asking = client.seconds_streaming = 2.0
    good = summary([client], {1: Findings()}, {1: True}, 10, 0)
    bad = summary([client], {1: Findings(lost=1, reordered=2)}, {1: True}, 10, 0)
    assert "messages lost: 0, duplicated: 0, reordered: 0, wrong: 0" in good
    assert "messages lost: 1, duplicated: 0, reordered: 2, wrong: 0" in bad
    assert "BOOKS DO NOT BALANCE" in bad[-1]
    assert "balance" in good[-1]
    assert max(map(len, [*good, *bad])) < 80
    assert summary([], {}, {}, 0, 0)  # a client that has done nothing has no rates


# ---- the whole


def test_the_demo_balances_its_books() -> None:
    with start("-m", "trizmq", "demo", "--seconds", "1", "--clients", "3", "--seed", "1") as process:
        out, errors = finish(process)
    assert (process.returncode, errors) == (0, ""), out
    assert "messages lost: 0, duplicated: 0, reordered: 0, wrong: 0" in out
    assert max(map(len, out.splitlines())) < 80
    rows = re.findall(
        r"^(\d) (impatient|patient) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +0 +0 +0 +0$", out, re.MULTILINE
    )
    assert [(number, kind) for number, kind, *_ in rows] == [("1", "impatient"), ("2", "patient"), ("3", "impatient")]
    for _, kind, *counts in rows:
        answered, given_up, streamed, cancelled = (int(count.replace(",", "")) for count in counts)
        assert answered > 0
        assert streamed > 0
        assert (given_up > 0, cancelled > 0) == (kind == "impatient", kind == "impatient")


def test_a_corrupted_count_makes_the_demo_fail() -> None:
    """The real thing, with a server that enters one of the many messages twice."""
    program = """if True:
        import sys
        from trizmq import __main__, demo
        enter = demo.Server._enter
        def corrupted(self, messages):
            demo.Server._enter = enter
            return enter(self, messages + messages[-1:])
        demo.Server._enter = corrupted
        sys.argv[1:] = ["demo", "--seconds", "0.4", "--clients", "2"]
        sys.exit(__main__.main())
    """
    with start("-c", program) as process:
        out, _ = finish(process)
    assert process.returncode == 1
    assert "THE BOOKS DO NOT BALANCE" in out


def test_the_version_and_the_help() -> None:
    with start("-m", "trizmq", "--version") as process:
        assert re.fullmatch(r"trizmq \d+\.\d+.*\n", finish(process)[0])
    with start("-m", "trizmq", "demo", "--help") as process:
        out, _ = finish(process)
    assert all(option in out for option in ("--seconds", "--clients", "--seed", "--endpoint"))


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "COMMAND"),
        (["demo", "--clients", "0"], 2, "expected 1 to"),
        (["demo", "--seconds", "nan"], 2, "expected a number of seconds above 0"),
        (["demo", "--seconds", "soon"], 2, "invalid seconds value"),
        (["demo", "--endpoint", "tcp://127.0.0.1:5555"], 2, "cannot serve two sockets"),
        (["demo", "--endpoint", "ipc://somewhere"], 2, "cannot serve two sockets"),
        (
            ["demo", "--endpoint", "foo"],
            2,
            "foo is no endpoint of tcp or ipc: give one like tcp://127.0.0.1:* or ipc://*",
        ),
        (["demo", "--endpoint", "tcp://"], 2, "tcp:// is no endpoint"),
        (["demo", "--endpoint", "carrier-pigeon://*"], 2, "carrier-pigeon://* is no endpoint of tcp or ipc"),
        (["demo", "--endpoint", "tcp://192.0.2.1:*"], 1, "cannot listen at tcp://192.0.2.1:*"),
    ],
)
def test_bad_arguments(arguments: list[str], status: int, says: str) -> None:
    with start("-m", "trizmq", *arguments) as process:
        out, errors = finish(process)
    assert (process.returncode, out) == (status, "")
    assert says in errors
    assert "Traceback" not in errors


@signals
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_ends_the_demo_and_its_clients_at_once(number: signal.Signals, status: int) -> None:
    with start("-m", "trizmq", "demo", "--seconds", "30") as process:
        assert process.stdout is not None
        while " of 30 s " not in (line := process.stdout.readline()):
            assert line, finish(process)[1]
        begin = perf_counter()
        # Only Ctrl-C goes to the whole group. The clients are in sessions of their own, and have to notice.
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        out, errors = finish(process)  # returns when the last client is gone
    assert perf_counter() - begin < AT_ONCE
    assert (process.returncode, errors) == (status, "")
    assert ("Interrupted; so far " in out) == (number == signal.SIGINT)


@signals
def test_a_client_that_dies_fails_the_demo() -> None:
    program = """if True:
        import os, signal, sys
        import trio
        from trizmq import __main__, demo
        opened = trio.lowlevel.open_process
        victims = []
        async def open_process(*args, **options):
            victims.append(await opened(*args, **options))
            return victims[-1]
        trio.lowlevel.open_process = open_process
        enter = demo.Server._enter
        def killing(self, messages):
            victims[0].kill()
            return enter(self, messages)
        demo.Server._enter = killing
        sys.argv[1:] = ["demo", "--seconds", "1", "--clients", "2"]
        sys.exit(__main__.main())
    """
    with start("-c", program) as process:
        _, errors = finish(process)
    assert process.returncode == 1
    assert re.fullmatch(r"trizmq demo: (client [12] ended too early, with status -9|a client is gone: .*)\n", errors)


@signals
def test_the_demo_ends_when_nobody_reads_it() -> None:
    with start("-m", "trizmq", "demo", "--seconds", "30") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1
