"""A guard that has never caught anything is a hope: each kind of hang, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGALRM on Windows: only the hard limit there")

HANGS = """
import time
import pytest, trio

pytestmark = pytest.mark.deadline(0.3)

async def test_in_trio(nursery):
    nursery.start_soon(trio.sleep_forever, name="Engine tcp://a")
    await trio.sleep_forever()

async def test_with_a_clock_of_its_own(autojump_clock):
    await trio.sleep(1000)  # no hang: no wall time
    while True:
        await trio.lowlevel.checkpoint()

def test_in_a_run_of_its_own():
    trio.run(trio.sleep_forever)

def test_without_trio():
    time.sleep(60)

async def test_that_passes():
    await trio.sleep(0)
"""

BUSY = """
import pytest

@pytest.mark.deadline(0.2)
async def test_busy():
    while True:
        pass
"""


def run(where: Path, source: str, grace: float = 15.0) -> subprocess.CompletedProcess[str]:
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    (where / "conftest.py").write_text(conftest.replace("GRACE = 15.0", f"GRACE = {grace}"), encoding="utf-8")
    (where / "test_it.py").write_text(source, encoding="utf-8")
    options = ["-o", "trio_mode=true", "-o", "markers=deadline(seconds)", "-p", "no:cacheprovider", "-rf"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(where)],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_hang_fails_with_its_tasks_and_the_run_goes_on(tmp_path: Path) -> None:
    result = run(tmp_path, HANGS)
    assert "4 failed, 1 passed" in result.stdout, result.stdout + result.stderr
    assert "not finished after 0.3 s" in result.stdout
    assert "Engine tcp://a" in result.stdout


def test_what_cannot_be_cancelled_ends_the_process_with_its_stacks(tmp_path: Path) -> None:
    result = run(tmp_path, BUSY, grace=0.3)
    assert result.returncode != 0
    assert "1 failed" not in result.stdout  # the process ended where it was
    assert "test_busy" in result.stderr, result.stdout + result.stderr
