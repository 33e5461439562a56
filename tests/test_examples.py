"""The examples run to their end and say what they should, and Ctrl-C ends each of them at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
AT_ONCE = 2.0

#: What a socket owns up to when it is closed at once in the middle of its work.
UNSENT = re.compile(r"\w+-\d+: closed with \d+ messages? unsent, (it is|they are) discarded")

#: Lines that an example prints, in any order, each so many times.
PRINTS: dict[str, dict[str, int]] = {
    "request_reply.py": {
        "ant: hello ant": 1,
        "bee: hello bee": 1,
        "cat: hello cat": 1,
        "sloth: no reply in time, the request was cancelled": 1,
        "done": 1,
    },
    "worker_pool.py": {
        **{f"did task {client}{task}": 1 for client in range(1, 7) for task in "ab"},
        "stops after": 3,
        "done": 1,
    },
    "publish_subscribe.py": {
        "sailor: wind ": 4,
        "farmer: rain ": 4,
        "reporter: wind ": 4,
        "reporter: rain ": 4,
        "reporter: sun ": 4,
        "sailor has had 4 messages and leaves": 1,
        "done": 1,
    },
    "pipeline.py": {
        "ventilator: 40 tasks handed out": 1,
        "worker 1: ": 1,
        "worker 2: ": 1,
        "worker 3: ": 1,
        "worker 4: ": 1,
        "sink: the sum of the squares is 22140": 1,
    },
    "with_pyzmq.py": {
        **{f"pyzmq asked {word}, trizmq replied {word.upper()}": 1 for word in ["one", "two", "three", "four"]},
        "done": 1,
    },
}


def start(*command: str) -> subprocess.Popen[str]:
    """Start Python in a session of its own, so that a signal to its group is what Ctrl-C in a terminal is."""
    root = str(EXAMPLES.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"},
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it writes until its end. Its children inherit the pipe of stderr: this waits for the last of them too."""
    try:
        return process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        pytest.fail(f"{process.args!r} has not ended, or one of its children has not")


def test_every_example_is_tested_and_listed() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert names == set(PRINTS)
    assert [name for name in names if f"]({name})" not in readme] == []


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_an_example_runs_to_its_end(name: str) -> None:
    with start(str(EXAMPLES / name)) as process:
        out, errors = finish(process)
    assert (process.returncode, errors) == (0, "")
    assert {line: sum(line in printed for printed in out.splitlines()) for line in PRINTS[name]} == PRINTS[name], out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a console, not to a process")
@pytest.mark.parametrize("name", sorted(PRINTS))
def test_ctrl_c_ends_an_example_at_once(name: str) -> None:
    with start(str(EXAMPLES / name)) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # it is in the middle of its work now
        assert first
        begin = perf_counter()
        os.killpg(process.pid, signal.SIGINT)
        out, errors = finish(process)
    assert perf_counter() - begin < AT_ONCE
    assert process.returncode == 130
    assert [line for line in errors.splitlines() if not UNSENT.fullmatch(line)] == []
    assert "done" not in out
    assert "sum of the squares" not in out
