"""The pipe: batches that stay open until they are taken, and exact credit in messages."""

from __future__ import annotations

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trizmq.messages import Packed, Run
from trizmq.runtime.pipe import Pipe


async def test_a_batch_stays_open_until_it_is_taken() -> None:
    pipe = Pipe(10)
    calls = 0

    def on_data() -> None:
        nonlocal calls
        calls += 1

    pipe.on_data = on_data
    for message in (b"1", b"2", b"3"):
        assert pipe.put(message)
    assert calls == 1, "told once, when it was empty"
    assert await pipe.get() == [b"1", b"2", b"3"]
    pipe.put(b"4")
    assert calls == 2
    assert pipe.take() == [b"4"]
    assert pipe.take() is None


async def test_credit_comes_back_with_release_and_not_with_take() -> None:
    pipe = Pipe(2)
    told = 0

    def on_room() -> None:
        nonlocal told
        told += 1

    pipe.on_room = on_room
    assert pipe.put(b"1")
    assert pipe.put(b"2")
    assert not pipe.put(b"3")
    pipe.take()
    assert not pipe.put(b"3")
    assert pipe.queued == 2
    pipe.release(1)
    assert told == 1
    assert pipe.put(b"3")
    assert not pipe.has_room
    pipe.release(2)
    assert told == 2
    pipe.release(0)
    assert told == 2, "nobody was refused since"
    assert pipe.total == 3


async def test_the_newest_in_place_of_the_oldest() -> None:
    pipe = Pipe(2)
    assert [pipe.put_newest(message) for message in (b"1", b"2", b"3", b"4")] == [0, 0, 1, 1]
    assert pipe.queued == 2
    assert pipe.take() == [b"3", b"4"]
    assert [pipe.put_newest(message) for message in (b"5", b"6", b"7")] == [0, 0, 1]
    assert pipe.queued == 4, "what was taken is not to be lost any more"
    assert not pipe.has_room
    pipe.release(2)
    assert not pipe.put(b"8")
    assert pipe.take() == [b"6", b"7"]
    pipe.release(2)
    assert (pipe.queued, pipe.total) == (0, 4)


async def test_the_newest_where_only_the_newest_is_kept() -> None:
    pipe = Pipe(0)
    replaced: list[int] = []
    pipe.conflate(replaced.append)
    assert [pipe.put_newest(message) for message in (b"1", b"2")] == [0, 0]
    assert pipe.take() == [b"2"]
    assert replaced == [1]


async def test_push_goes_past_the_limit() -> None:
    pipe = Pipe(1)
    for number in range(3):
        pipe.push(b"%d" % number)
    assert not pipe.put(b"x")
    assert pipe.take() == [b"0", b"1", b"2"]
    pipe.release(3)
    assert pipe.put(b"x")


async def test_get_cancelled_takes_nothing() -> None:
    pipe = Pipe(0)
    with trio.move_on_after(0.001):
        await pipe.get()
    pipe.put(b"x")
    with trio.CancelScope() as scope:
        scope.cancel()
        await pipe.get()
    assert scope.cancelled_caught
    assert await pipe.get() == [b"x"]


async def test_restored_messages_come_first() -> None:
    pipe = Pipe(0)
    for message in (b"1", b"2"):
        pipe.put(message)
    batch = await pipe.get()
    pipe.put(b"3")
    pipe.restore(batch)
    assert pipe.take() == [b"1", b"2", b"3"]
    pipe.restore([b"3"])
    assert await pipe.get() == [b"3"]
    pipe.restore([])
    assert pipe.take() is None


async def test_a_nudge_wakes_with_nothing() -> None:
    pipe = Pipe(0)
    pipe.nudge()
    pipe.nudge()
    assert await pipe.get() == []
    pipe.put(b"x")
    pipe.nudge()
    assert await pipe.get() == [b"x"]


async def test_direct() -> None:
    """Offered only a message that finds the pipe empty; what was taken over is not queued and holds no credit."""
    pipe = Pipe(2)
    offered: list[Packed] = []
    taking = True

    def direct(message: Packed) -> bool:
        offered.append(message)
        return taking

    pipe.direct = direct
    assert pipe.put(b"1")
    assert (pipe.queued, pipe.total, pipe.take()) == (0, 1, None)
    taking = False
    assert pipe.put(b"2")
    assert pipe.put(b"3")
    assert offered == [b"1", b"2"]
    assert not pipe.put(b"4")
    assert pipe.take() == [b"2", b"3"]


async def test_limits() -> None:
    pipe = Pipe(0)
    for _ in range(10_000):
        assert pipe.put(b"x")
    pipe.set_limit(5)
    assert not pipe.put(b"x")
    assert pipe.queued == 10_000
    pipe.take()
    pipe.release(9_996)
    assert pipe.put(b"x")
    assert not pipe.put(b"x")
    told = []
    pipe.on_room = lambda: told.append(1)
    pipe.set_limit(6)
    assert told == [1]
    pipe.set_limit(0)
    assert pipe.room > 1 << 40


async def test_conflating() -> None:
    replaced: list[int] = []
    pipe = Pipe(1000)
    pipe.conflate(replaced.append)
    for number in range(5):
        assert pipe.put(b"%d" % number)
    assert sum(replaced) == 4
    assert pipe.take() == [b"4"]
    pipe.release(1)
    pipe.put_batch([b"5", b"6", b"7"])
    assert sum(replaced) == 6
    pipe.put_batch([b"8", b"9"])
    assert sum(replaced) == 8
    assert pipe.take() == [b"9"]


async def test_conflating_never_delivers_the_older_after_the_newer() -> None:
    """A writer that broke puts its message back; when a newer one waits already, the older one is the one replaced."""
    replaced: list[int] = []
    pipe = Pipe(1000)
    pipe.conflate(replaced.append)
    pipe.put(b"old")
    batch = await pipe.get()
    pipe.put(b"new")
    pipe.restore(batch)
    pipe.put(b"newest")
    assert pipe.take() == [b"newest"]
    assert sum(replaced) == 2
    assert pipe.queued == 1
    pipe.release(1)
    pipe.put(b"only")
    pipe.restore(await pipe.get())
    assert pipe.take() == [b"only"]


async def test_conflating_from_now_on_keeps_the_newest_of_what_is_queued() -> None:
    replaced: list[int] = []
    pipe = Pipe(1000)
    for message in (b"1", b"2", b"3"):
        pipe.put(message)
    pipe.conflate(replaced.append)
    pipe.conflate(replaced.append)
    assert sum(replaced) == 2
    assert pipe.has_room
    assert pipe.take() == [b"3"]


async def test_a_limit_in_bytes() -> None:
    pipe = Pipe(10)
    pipe.set_byte_limit(100)
    told: list[int] = []
    pipe.on_room = lambda: told.append(1)
    assert pipe.put(bytes(1000)), "what is larger than the limit gets through alone"
    assert (pipe.room, pipe.queued) == (0, 1)
    assert not pipe.put(b"")
    assert pipe.take() == [bytes(1000)]
    assert not pipe.has_room, "taken is not done with"
    pipe.release(1)
    assert told == [1]
    assert pipe.room == 10
    assert [pipe.put([bytes(40), bytes(10)]) for _ in range(3)] == [True, True, False]
    pipe.set_byte_limit(101)
    assert told == [1, 1]
    assert pipe.put(b"x" * 51)
    assert not pipe.put(b"y")
    pipe.set_byte_limit(0)
    assert told == [1, 1, 1]
    assert (pipe.room, pipe.queued, pipe.total) == (7, 3, 4)
    pipe.take()
    pipe.set_byte_limit(1)
    assert pipe.room == 7, "what was taken before there was a limit counts nothing"
    pipe.release(3)
    assert (pipe.room, pipe.queued) == (10, 0)


async def test_the_number_of_messages_holds_as_well_as_their_bytes() -> None:
    pipe = Pipe(2)
    pipe.set_byte_limit(1000)
    assert [pipe.put(b"x") for _ in range(3)] == [True, True, False]
    pipe.set_limit(3)
    assert [pipe.put(b"x") for _ in range(2)] == [True, False]
    pipe.set_limit(0)
    assert pipe.put(b"x")


async def test_bytes_of_what_is_taken_back() -> None:
    pipe = Pipe(0)
    pipe.set_byte_limit(10)
    message = bytes(10)
    pipe.put(message)
    assert pipe.withdraw(message)
    assert pipe.has_room
    pipe.put(bytes(10))
    pipe.discard(lambda message: True)
    assert pipe.has_room
    pipe.put(bytes(10))
    pipe.restore(await pipe.get())
    assert not pipe.has_room
    assert [pipe.put_newest(bytes(6)) for _ in range(3)] == [1, 1, 1]
    assert pipe.put_newest(bytes(4)) == 0
    assert pipe.put_newest(bytes(100)) == 2, "one is always kept"
    assert [len(message) for message in pipe.take() or []] == [100]
    pipe.release(1)
    pipe.put_batch([bytes(5), bytes(4)])
    assert pipe.has_room
    pipe.put_batch([bytes(1)])
    assert not pipe.has_room


async def test_bytes_of_a_message_that_was_written_in_part() -> None:
    """It was released as written, and comes back with the connection's end."""
    pipe = Pipe(0)
    pipe.set_byte_limit(10)
    pipe.direct = lambda message: True
    pipe.put(bytes(10))
    pipe.direct = None
    pipe.put(b"next")
    batch = await pipe.get()
    pipe.charge()
    pipe.restore([bytes(10), *batch])
    assert not pipe.has_room
    assert [len(message) for message in pipe.take() or []] == [10, 4]
    pipe.release(2)
    assert (pipe.has_room, pipe.queued) == (True, 0)


async def test_conflating_needs_no_limit_in_bytes() -> None:
    pipe = Pipe(0)
    pipe.set_byte_limit(1)
    pipe.conflate(lambda count: None)
    pipe.set_byte_limit(1)
    assert pipe.put(b"12")
    assert pipe.put(b"34")
    assert pipe.take() == [b"34"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["put", "push", "put_batch"]), st.integers(0, 8)),
            st.tuples(st.sampled_from(["take", "release", "restore"]), st.just(0)),
            st.tuples(st.just("limit"), st.integers(1, 20)),
        )
    )
)
def test_bytes_add_up(steps: list[tuple[str, int]]) -> None:
    """Whatever is done in whatever order: there is room exactly while what was put and not released is below the limit."""
    pipe = Pipe(0)
    pipe.set_byte_limit(limit := 10)
    waiting: list[Packed] = []
    held: list[Packed] = []
    for step, number in steps:
        match step:
            case "put":
                room = pipe.has_room
                assert pipe.put(bytes(number)) == room
                waiting += [bytes(number)] if room else []
            case "push":
                pipe.push(bytes(number))
                waiting += [bytes(number)]
            case "put_batch":
                pipe.put_batch([bytes(number), b"x"])
                waiting += [bytes(number), b"x"]
            case "take":
                held += pipe.take() or []
                waiting = []
            case "release":
                pipe.release(len(held))
                held = []
            case "restore":
                pipe.restore(held)
                waiting, held = held + waiting, []
            case "limit":
                pipe.set_byte_limit(limit := number)
        assert pipe.queued == len(waiting) + len(held)
        assert pipe.has_room == (sum(map(len, waiting + held)) < limit)


@given(
    st.lists(st.sampled_from(["put", "push", "take", "release", "restore", "nudge", "grow", "shrink", "count bytes"])),
)
def test_nothing_is_lost_doubled_or_reordered(steps: list[str]) -> None:
    """Whatever is done in whatever order: the messages come out once each, in order, and credit adds up."""
    pipe = Pipe(3)
    counting = False
    limit = 3
    number = 0
    held: list[Packed] = []
    out: list[Packed] = []
    for step in steps:
        match step:
            case "put":
                room = pipe.room
                if pipe.put(b"%d" % number):
                    number += 1
                assert (room > 0) == (pipe.room == room - 1)
            case "push":
                pipe.push(b"%d" % number)
                number += 1
            case "take":
                held += pipe.take() or []
            case "release":
                pipe.release(len(held))
                out += held
                held = []
            case "restore":
                pipe.restore(held)
                held = []
            case "nudge":
                pipe.nudge()
            case "count bytes":  # changes nothing as long as there are few
                counting = not counting
                pipe.set_byte_limit(1_000_000 * counting)
            case "grow" | "shrink":
                limit = max(1, limit + (1 if step == "grow" else -1))
                pipe.set_limit(limit)
        assert pipe.queued == number - len(out)
        assert pipe.total == number
        assert pipe.room == limit - pipe.queued
    out += held
    out += pipe.take() or []
    assert out == [b"%d" % at for at in range(number)]


# ---- greetings


def test_a_greeting_goes_before_what_waits() -> None:
    pipe = Pipe(2)
    pipe.put(b"1")
    pipe.put(b"2")
    pipe.greet(b"hello")
    assert (pipe.queued, pipe.room) == (3, -1)
    assert pipe.take() == [b"hello", b"1", b"2"]


def test_a_greeting_that_was_not_sent_is_replaced() -> None:
    """Whether it still waits, or was taken and put back; one that was sent is followed by the next connection's."""
    pipe = Pipe(10)
    pipe.set_byte_limit(100)
    pipe.greet(b"one")
    pipe.put(b"1")
    pipe.greet(b"two")
    taken = pipe.take()
    assert taken == [b"two", b"1"]
    pipe.restore(taken)
    pipe.greet(b"three")
    assert pipe.take() == [b"three", b"1"]
    pipe.release(1)
    pipe.restore([b"1"])
    pipe.greet(b"four")
    assert pipe.queued == 2
    assert pipe.take() == [b"four", b"1"]
    pipe.release(2)
    assert (pipe.queued, pipe.room) == (0, 10)


def test_greetings_do_not_pile_up_where_only_the_newest_is_kept() -> None:
    pipe = Pipe(10)
    pipe.conflate(lambda count: None)
    pipe.put(b"1")
    for _ in range(3):
        pipe.greet(b"hello")
    assert pipe.take() == [b"hello", b"1"]


def test_a_nudge_does_not_keep_a_greeting_from_being_first() -> None:
    pipe = Pipe(10)
    pipe.nudge()
    pipe.greet(b"hello")
    pipe.put(b"1")
    assert pipe.take() == [b"hello", b"1"]


def test_notices_are_not_counted_as_put() -> None:
    pipe = Pipe(2)
    pipe.put(b"1")
    pipe.note(b"first", first=True)
    pipe.note(b"last")
    assert (pipe.queued, pipe.total) == (3, 1)
    assert pipe.take() == [b"first", b"1", b"last"]
    pipe.release(3)
    assert (pipe.queued, pipe.total) == (0, 1)


def test_which_of_those_that_wait_are_notices() -> None:
    pipe = Pipe(0)
    pipe.put(b"1")
    pipe.note(b"first", first=True)
    pipe.note(b"notice")
    withdrawn = bytes([2, 2])
    pipe.put(withdrawn)
    pipe.put(b"3")
    assert [pipe.own(count) for count in range(6)] == [0, 0, 0, 1, 1, 2]
    assert pipe.withdraw(withdrawn)
    assert [pipe.own(count) for count in range(5)] == [0, 0, 1, 1, 2]
    assert pipe.take() == [b"first", b"1", b"notice", b"3"]
    pipe.release(4)
    pipe.put(b"4")
    assert pipe.own(1) == 0
    pipe.note(b"last")
    assert [pipe.own(count) for count in range(3)] == [0, 1, 1]


def test_a_notice_is_the_newest_where_only_that_is_kept() -> None:
    pipe = Pipe(2)
    pipe.conflate(lambda count: None)
    pipe.put(b"1")
    pipe.note(b"notice")
    assert pipe.own(1) == 1
    pipe.put(b"2")
    assert pipe.own(1) == 0
    assert pipe.take() == [b"2"]


# ---- held back


class Holder:
    """Holds back all that begins, and writes it where it can."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.written: list[Packed] = []
        self.writes = True
        pipe.holder = self

    def hold(self) -> bool:
        return True

    def write_held(self) -> None:
        if not self.writes:
            self.pipe.pass_on()
        elif (batch := self.pipe.take()) is not None:
            self.written += batch
            self.pipe.release(len(batch))

    def write_run(self, run: Run) -> bool:
        return False


async def test_what_is_held_back_is_counted_and_not_given_out() -> None:
    pipe = Pipe(10)
    told = []
    pipe.on_data = lambda: told.append(1)
    Holder(pipe)
    pipe.put(b"1")
    pipe.put(b"2")
    assert (pipe.queued, pipe.held, pipe.room, told) == (2, 2, 8, [])
    with trio.move_on_after(0) as scope:
        await pipe.get()
    assert scope.cancelled_caught
    pipe.pass_on()
    pipe.pass_on()
    assert (pipe.queued, pipe.held, told) == (2, 0, [1])
    assert await pipe.get() == [b"1", b"2"]
    assert pipe.take() is None


async def test_a_nudge_passes_on_what_is_held_back() -> None:
    pipe = Pipe(10)
    Holder(pipe)
    pipe.put(b"1")
    pipe.nudge()
    assert await pipe.get() == [b"1"]


async def test_what_is_held_back_can_be_taken_and_discarded() -> None:
    pipe = Pipe(10)
    Holder(pipe)
    pipe.put(b"1")
    assert pipe.take() == [b"1"]
    pipe.release(1)
    pipe.put(b"2")
    pipe.discard(lambda message: True)
    assert (pipe.queued, pipe.held) == (0, 0)
    assert pipe.put(b"3")
    assert pipe.held == 1


async def test_a_full_pipe_is_written_before_it_refuses() -> None:
    pipe = Pipe(2)
    holder = Holder(pipe)
    assert [pipe.put(b"%d" % number) for number in range(5)] == [True] * 5
    assert holder.written == [b"0", b"1", b"2", b"3"]
    assert pipe.put(b"5")
    assert pipe.has_room
    assert holder.written == [b"%d" % number for number in range(6)]
    holder.writes = False
    assert [pipe.put(b"x") for _ in range(3)] == [True, True, False]
    assert not pipe.has_room


async def test_who_was_refused_is_told_from_elsewhere_only() -> None:
    """A pattern that asks for room, in the middle of a loop over its peers, is not called back."""
    pipe = Pipe(1)
    holder = Holder(pipe)
    told = []
    pipe.on_room = lambda: told.append(1)
    holder.writes = False
    pipe.put(b"1")
    assert not pipe.put(b"2")
    assert pipe.take() == [b"1"]
    pipe.push(b"3")  # held back, beyond the limit
    holder.writes = True
    assert pipe.held
    assert not pipe.has_room
    assert told == []
    pipe.release(1)
    holder.write_held()
    assert told == [1]


async def test_credit_can_be_told_of() -> None:
    pipe = Pipe(10)
    told = []
    pipe.on_room = lambda: told.append(1)
    pipe.put(b"1")
    pipe.tell_room()
    pipe.take()
    pipe.release(1)
    pipe.release(0)
    assert told == [1]
