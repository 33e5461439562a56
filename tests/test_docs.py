"""The manual and the README tell the truth: their code runs, their tables are complete.

Every ``python`` block is code. One that calls ``trio.run`` is a *program*: it is run, and must end well. A ``text`` block
that follows a program directly is what it has to print (``...`` stands for anything). A program below ``<!-- server -->``
runs beside the other programs of its section, and has to end soon after Ctrl-C. All other blocks are *fragments*: they have
to compile, and to use only names that trizmq has. Port 5555 is replaced by a free one.
"""

from __future__ import annotations

import ast
import doctest
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import trizmq
from trizmq.declaring import PART_OF_SECURITY
from trizmq.options import check_defaults, declared_options
from trizmq.patterns.types import COMPATIBLE

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTIONS_PAGE = ROOT / "docs" / "options.md"

SECONDS = 30.0

# A shell that starts us in the background has SIGINT ignored, and Python then leaves it so.
_RUN = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_path(sys.argv[1], run_name='__main__')"
)


@dataclass(frozen=True)
class Block:
    """A fenced block of code, and where it stands."""

    page: Path
    line: int
    section: str
    language: str
    code: str
    server: bool
    #: The text block that follows at once.
    output: str | None

    @property
    def program(self) -> bool:
        return "trio.run(" in self.code or self.server

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


FENCE = re.compile(
    r"(?P<mark><!-- server -->\n\s*)?^```(?P<language>\w+)\n(?P<code>.*?)^```$"
    r"(?:\s*^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        before = text[: found.start("code")]
        headings = re.findall(r"^## (.*)$", before, re.MULTILINE)
        yield Block(
            page,
            before.count("\n") + 1,
            headings[-1] if headings else "",
            found["language"],
            found["code"],
            found["mark"] is not None,
            found["output"],
        )


BLOCKS = [block for page in PAGES for block in blocks(page) if block.language == "python"]
PROGRAMS = [block for block in BLOCKS if block.program and not block.server]


def test_the_pages_have_code() -> None:
    assert len(BLOCKS) > 20
    assert len(PROGRAMS) > 8


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_code_compiles_and_names_what_exists(block: Block) -> None:
    flags = 0 if block.program else ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(block.code, str(block), "exec", flags | ast.PyCF_ONLY_AST)
    compile(block.code, str(block), "exec", flags)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trizmq":
            assert hasattr(trizmq, node.attr), f"there is no trizmq.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            kind = getattr(trizmq, node.func.attr, None)
            if isinstance(kind, type) and issubclass(kind, trizmq.Socket):
                unknown = {word.arg for word in node.keywords if word.arg} - set(declared_options(kind))
                assert not unknown, f"a {kind.__name__} has no option {unknown}"
            elif kind is trizmq.Context:
                check_defaults({word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg})


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_programs_run(block: Block, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])

    def start(program: Block, name: str) -> subprocess.Popen[str]:
        file = tmp_path / name
        file.write_text(program.code.replace("5555", port), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"},
        )

    beside = [one for one in BLOCKS if one.server and one.page == block.page and one.section == block.section]
    servers = [start(server, f"server{at}.py") for at, server in enumerate(beside)]
    try:
        with start(block, "program.py") as program:
            try:
                output, errors = program.communicate(timeout=SECONDS)
            finally:
                program.kill()
        assert program.returncode == 0, errors
        if block.output is not None:
            checker = doctest.OutputChecker()
            assert checker.check_output(block.output, output, doctest.ELLIPSIS), f"it printed:\n{output}{errors}"
        for server in servers:
            assert server.poll() is None, server.communicate()[1]
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=5)
            assert "KeyboardInterrupt" in errors
            assert "ExceptionGroup" not in errors
    finally:
        for server in servers:
            server.kill()
            server.communicate()


# ---- tables


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    text = page.read_text(encoding="utf-8")
    start = re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE)
    assert start, f"{page.name} has no heading {heading!r}"
    found = re.search(r"(?:^\|.*\n)+", text[start.end() :], re.MULTILINE)
    assert found, f"no table below {heading!r} in {page.name}"
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in found[0].splitlines()[2:]]


def test_the_table_of_who_talks_to_whom_is_right() -> None:
    table = rows(ROOT / "docs" / "patterns.md", "Who talks to whom")
    assert {name: frozenset(re.findall(r"[A-Z]+", others)) for name, others in table} == dict(COMPATIBLE)


def test_every_public_name_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    directives = set(re.findall(r"^\.\. (?:auto|py:)\w+:: (?:trizmq\.)?(\w+)$", reference, re.MULTILINE))
    modules = set(re.findall(r"^\.\. currentmodule:: trizmq\.(\w+)$", reference, re.MULTILINE))
    assert not set(trizmq.__all__) - directives - modules


def test_every_option_of_zmq_h_is_accounted_for() -> None:
    """Each is one of ours, or stands in a table of the options page that says why not; never both."""
    zmq = pytest.importorskip("zmq")
    ours = {option.zmq for kind in _socket_types() for option in declared_options(kind).values() if option.zmq}
    text = OPTIONS_PAGE.read_text(encoding="utf-8")
    told = set(re.findall(r"\bZMQ_[A-Z0-9_]+", text))
    cells = {name for line in text.splitlines() if line.startswith("|") for name in re.findall(r"ZMQ_[A-Z0-9_]+", line)}
    assert sorted(ours & cells) == [], "these exist now: take them out of the tables of what does not"
    missing = {f"ZMQ_{name}" for name in zmq.SocketOption.__members__} - ours - told - _ALIASES
    assert sorted(missing) == [], "say in docs/options.md what they are in trizmq, or why they are not"


def test_names_that_are_part_of_security_are_told() -> None:
    """The error about an unknown option says what the page says."""
    table = rows(OPTIONS_PAGE, "What was an option in zmq.h, and is something else here")
    told = {
        name.lower(): here for zmq, here in table for name in re.findall(r"ZMQ_((?:PLAIN|CURVE|GSSAPI|ZAP)_\w+)", zmq)
    }
    assert PART_OF_SECURITY.keys() - {"authenticator"} == told.keys()
    for name, here in told.items():
        with pytest.raises(
            trizmq.OptionError, match=rf"has no option '{name}'; that is part of security=: ."
        ) as caught:
            options: dict[str, Any] = {name: "x"}
            trizmq.Rep(**options)
        for kind in re.findall(r"security=(trizmq\.\w+)", here):
            assert kind in str(caught.value)


# pyzmq's second names, which stand beside the first on the page without the prefix, and numbers that are its own
_ALIASES = {
    "ZMQ_IDENTITY",
    "ZMQ_DELAY_ATTACH_ON_CONNECT",
    "ZMQ_FAIL_UNROUTABLE",
    "ZMQ_ROUTER_BEHAVIOR",
    "ZMQ_CONNECT_RID",
    "ZMQ_HWM",
    "ZMQ_IPV4ONLY",
}


def _socket_types() -> list[type[trizmq.Socket]]:
    public = (getattr(trizmq, name) for name in trizmq.__all__)
    return [one for one in public if isinstance(one, type) and issubclass(one, trizmq.Socket)]
