"""What every test gets: a deadline, so that a hang fails and says where, instead of stalling the run.

Why not pytest-timeout: it either raises out of whatever code runs at that moment, which inside Trio is an internal error
that hides the cause, or it kills the process. Here a test that hangs in Trio is cancelled like any Trio program, fails with
the tree of tasks that were alive (whose names are the design), and the run goes on. Only if even that does not end it, all
stacks are printed and the process exits. It is wall time, so that autojump clocks do not run into it.

    @pytest.mark.deadline(120)  # seconds, for the few tests that may take longer
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Generator, Iterator

import pytest
import trio

SECONDS = 60.0
GRACE = 15.0  # after the deadline, for cancellation and cleaning up

_stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_stderr] = os.dup(2)  # the real one: during a test it is captured, and lost with a hard exit
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell ignores Ctrl-C for what it runs in the background, and so would every program that the tests start
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_stderr])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fixtures and the test together have one deadline."""
    mark = item.get_closest_marker("deadline")
    seconds = float(mark.args[0]) if mark else SECONDS
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=item.config.stash[_stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    if not hasattr(signal, "SIGALRM"):  # Windows: the hard limit above has to do
        return (yield)
    mark = pyfuncitem.get_closest_marker("deadline")
    seconds = float(mark.args[0]) if mark else SECONDS
    hung: list[str] = []

    def in_trio() -> None:
        root = trio.lowlevel.current_root_task()
        if root is not None and root.child_nurseries:
            hung.append("\n".join(task_tree(root)))
            root.child_nurseries[-1].cancel_scope.cancel()  # the nursery that holds only the main task

    def on_alarm(signum: int, frame: object) -> None:
        try:
            token = trio.lowlevel.current_trio_token()
        except RuntimeError:  # no Trio here, so it is safe to raise from a signal handler
            pytest.fail(f"hung: not finished after {seconds:g} s")
        token.run_sync_soon(in_trio)

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        result = yield
    except BaseException as error:
        if hung and not isinstance(error, KeyboardInterrupt):
            pytest.fail(f"hung: not finished after {seconds:g} s. The tasks were:\n{hung[0]}")
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if hung:
        pytest.fail(f"hung: not finished after {seconds:g} s. The tasks were:\n{hung[0]}")
    return result


def task_tree(task: trio.lowlevel.Task, depth: int = 0) -> Iterator[str]:
    """The names of a task and of everything below it, each with the innermost line that it waits in."""
    frame_and_line = None
    for frame_and_line in task.iter_await_frames():
        if frame_and_line[0].f_globals.get("__name__", "").partition(".")[0] not in ("trio", "outcome"):
            break
    where = ""
    if frame_and_line is not None:
        frame, line = frame_and_line
        where = f"  ({os.path.relpath(frame.f_code.co_filename)}:{line})"
    yield f"{'    ' * depth}{task.name}{where}"
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda child: child.name):
            yield from task_tree(child, depth + 1)
