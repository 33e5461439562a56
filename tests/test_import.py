"""What ``import trizmq`` loads, and that the names which are loaded on first use are like all others."""

from __future__ import annotations

import ast
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import trizmq

ROOT = Path(__file__).parent.parent

#: What few programs use: loading it took a third of the import.
NOT_LOADED = {
    "difflib",
    "importlib.util",
    "json",
    "secrets",
    "trizmq.auth",
    "trizmq.authenticators",
    "trizmq.capabilities",
    "trizmq.certificates",
    "trizmq.demo",
    "trizmq.event_log",
    "trizmq.keys",
    "trizmq.poller",
    "trizmq.runtime.security",
    "trizmq.runtime.zap",
    "trizmq.testing",
    "trizmq.transports.socks",
    "trizmq.wire.mechanisms.curve",
    "trizmq.wire.mechanisms.gssapi",
    "trizmq.wire.mechanisms.gssapi_backend",
    "trizmq.wire.mechanisms.nacl_backend",
    "trizmq.wire.mechanisms.plain",
    "trizmq.zap",
}
LAZY = [
    "CurveClient",
    "CurveServer",
    "GssapiClient",
    "GssapiServer",
    "PlainClient",
    "PlainServer",
    "PollEvent",
    "Poller",
    "READABLE",
    "WRITABLE",
    "auth",
    "has",
    "log_events",
]
PROGRAM = """
async def main():
    async with trizmq.Pull() as pull, trizmq.Push() as push:
        push.connect(await pull.bind("tcp://127.0.0.1:*"))
        await push.send(b"x")
        assert await pull.receive() == [b"x"]
trio.run(main)
"""


def fresh(code: str) -> object:
    """What a new interpreter prints after this code, which finds trio and what it brought along loaded already."""
    before = "import sys, trio, outcome, logging; before = set(sys.modules)\n"
    command = [sys.executable, "-c", before + code]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=50).stdout
    return ast.literal_eval(printed)


@pytest.mark.parametrize("program", ["", PROGRAM], ids=["import", "push-pull"])
def test_what_few_programs_use_is_not_loaded(program: str) -> None:
    loaded = fresh(f"import trizmq\n{program}\nprint(set(sys.modules) - before)")
    assert isinstance(loaded, set)
    assert "trizmq.sockets" in loaded
    assert loaded & NOT_LOADED == set()


def test_a_name_is_loaded_once_it_is_used() -> None:
    code = f"import trizmq; print([(n in vars(trizmq), bool(getattr(trizmq, n)), n in vars(trizmq)) for n in {LAZY}])"
    assert fresh(code) == [(False, True, True)] * len(LAZY)


def test_all_names_are_seen() -> None:
    seen = fresh("import trizmq; print((dir(trizmq), set(sys.modules) - before))")
    assert isinstance(seen, tuple)
    names, loaded = seen
    assert set(names) >= {*LAZY, *trizmq.__all__, "__version__"}
    assert names == sorted(names)
    assert {name for name in names if not name.startswith("__")} == {*trizmq.__all__} - {"__version__"}
    assert loaded & NOT_LOADED == set()  # looking loads nothing
    assert fresh("from trizmq import *; import trizmq; print([n for n in trizmq.__all__ if n not in globals()])") == []
    assert "class CurveServer" in pydoc.plain(pydoc.render_doc(trizmq))


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'trizmq' has no attribute 'Poler'"):
        trizmq.Poler  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from trizmq import Curve  # type: ignore[attr-defined]  # noqa: F401
    assert not hasattr(trizmq, "curve")


def test_a_pickle_finds_what_is_not_loaded() -> None:
    value = trizmq.PlainClient("user", "password")
    assert pickle.loads(pickle.dumps(value)) == value
    assert fresh(f"import pickle; print([pickle.loads({pickle.dumps(value)!r}).username])") == ["user"]
