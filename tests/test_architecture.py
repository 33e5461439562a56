"""Who may import whom, and the rules that keep each thing in one place: docs/design.md, read from the source with ``ast``.

A rule is a function that yields what breaks it in one module. Each has snippets below that must break it, so that no rule
is silently blind. A deliberate change of the architecture is a change of the tables here and of docs/design.md together.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import trizmq

PACKAGE = Path(trizmq.__file__).parent  # of an installed wheel too

# ---- the layers

#: Tells what there is in the layers below, so it may look at all of them.
INVENTORY = {"capabilities"}
LEAVES = {
    "_version",
    "authentication",
    "connection_options",
    "declaring",
    "endpoints",
    "errors",
    "events",
    "first_use",
    "keys",
    "messages",
    "metadata",
    "options",
    "records",
}
PROGRAMS = {"__main__", "demo"}
FOLDERS = {"wire", "patterns", "runtime", "transports"}

#: Which layers the modules of a layer import. Modules at the top that are not named above are "public".
MAY_IMPORT = {
    "leaves": {"leaves"},
    "wire": {"leaves", "wire"},
    "patterns": {"leaves", "patterns"},
    "transports": {"leaves", "transports"},
    "runtime": {"leaves", "runtime", "transports", "wire", "patterns"},
    "public": {"leaves", "public", "runtime", "patterns"},
    "testing": {"leaves", "public", "runtime", "transports", "wire", "patterns", "testing", "package"},
    "programs": {"leaves", "public", "testing", "programs", "package"},
    "inventory": {"leaves", "transports", "wire", "inventory"},
    "package": {"leaves", "public", "runtime", "inventory"},  # re-exports only, see below
}
#: What else than the standard library they import.
THIRD_PARTY = {
    "runtime": {"trio", "outcome"},
    "transports": {"trio"},
    "testing": {"trio"},
    "programs": {"trio"},
}
#: Optional dependencies, each in the one place that knows it.
OPTIONAL = {"trizmq.wire.mechanisms": {"gssapi", "nacl"}}

# ---- the places

SCHEDULING = {
    "cancel_shielded_checkpoint",
    "checkpoint",
    "checkpoint_if_cancelled",
    "permanently_detach_coroutine_object",
    "reattach_detached_coroutine_object",
    "reschedule",
    "temporarily_detach_coroutine_object",
    "wait_task_rescheduled",
}
#: A transport's stream keeps the contract of ``trio.abc.Stream``, every method a checkpoint, and cannot import the runtime.
MAY_SCHEDULE = {"trizmq.runtime.checkpoints", "trizmq.transports.sockets"}
SLEEPING = {"sleep", "sleep_until"}
#: The modules that may wait for time to pass. Everything else waits for what it wants to happen.
MAY_SLEEP = {
    "trizmq.runtime.connector": "the back-off between two attempts to connect",
    "trizmq.runtime.listener": "the pause after a failed accept, for others to free a descriptor",
}
THREADS = {"_thread", "asyncio", "concurrent", "multiprocessing", "threading"}
MOST_LINES = 450


@dataclass(frozen=True)
class Module:
    """One source file of the package, parsed."""

    name: str  # dotted; a package's own file is named as the package
    is_package: bool
    source: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        head, _, rest = self.name.removeprefix("trizmq").lstrip(".").partition(".")
        if not head:
            return "package"
        if head in FOLDERS:
            return head
        if not rest:
            for layer, names in {"leaves": LEAVES, "programs": PROGRAMS, "inventory": INVENTORY}.items():
                if head in names:
                    return layer
        return "testing" if head == "testing" else "public"

    @property
    def path(self) -> str:
        return self.name.replace(".", "/") + ("/__init__.py" if self.is_package else ".py")


def parse(name: str, source: str, is_package: bool = False) -> Module:
    return Module(name, is_package, source, ast.parse(source))


def load() -> list[Module]:
    modules = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(parse(name, path.read_text(encoding="utf-8"), is_package))
    return modules


MODULES = load()
NAMES = {module.name for module in MODULES}

Finding = tuple[int, str]
Rule = Callable[[Module], Iterator[Finding]]


# ---- reading the source


def imports(module: Module) -> Iterator[tuple[int, str, str]]:
    """Line, absolute module, and the name taken from it (empty for ``import x``), wherever the import stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.name.split(".")
                parents = parents[: len(parents) - node.level + module.is_package]
                base = ".".join([*parents, *([base] if base else [])])
            yield from ((node.lineno, base, alias.name) for alias in node.names)


def dotted(node: ast.AST) -> str:
    """``a.b.c`` as text; of anything more complicated the end that is plain names."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def uses(module: Module, wanted: set[str], of: str) -> Iterator[Finding]:
    """Where functions of a Trio module are used: as an attribute of it, or imported out of it by name."""
    ends = of.rpartition(".")[2]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in wanted and dotted(node.value).rpartition(".")[2] == ends:
            yield node.lineno, f"{dotted(node)}"
    for line, base, name in imports(module):
        if base == of and name in wanted:
            yield line, f"{base}.{name}"


# ---- the rules


def imports_go_down(module: Module) -> Iterator[Finding]:
    """A layer imports only the layers below it, and only the third parties that it is there to know."""
    allowed = THIRD_PARTY.get(module.layer, set()) | {
        library for place, libraries in OPTIONAL.items() if module.name.startswith(place) for library in libraries
    }
    for line, base, name in imports(module):
        top = base.partition(".")[0]
        if top == "trizmq":
            full = f"{base}.{name}" if f"{base}.{name}" in NAMES else base
            target = Module(full, False, "", module.tree).layer
            if target not in MAY_IMPORT[module.layer]:
                yield line, f"{module.layer} must not import {full} ({target}), only {sorted(MAY_IMPORT[module.layer])}"
        elif top not in sys.stdlib_module_names and top not in allowed:
            yield (
                line,
                f"{module.layer} must not import {top}, only the standard library and {sorted(allowed) or 'no more'}",
            )


def the_package_only_re_exports(module: Module) -> Iterator[Finding]:
    """``trizmq/__init__.py`` is the list of public names: docstring, imports from here, ``__all__``.

    What is loaded on first use is there twice, for type checkers and for ``on_first_use``; both have to say the same.
    """
    if module.name != "trizmq":
        return
    for at, node in enumerate(module.tree.body):
        if at == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.ImportFrom) and (node.level == 1 or node.module in ("__future__", "typing")):
            continue
        if isinstance(node, ast.Assign) and [dotted(target) for target in node.targets] == ["__all__"]:
            continue
        if isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING":
            shown = [
                (each.module or alias.name, alias.name)
                for each in node.body
                if isinstance(each, ast.ImportFrom)
                for alias in each.names
            ]
            loaded = [
                (of, name)
                for each in node.orelse
                for table in ast.walk(each)
                if isinstance(table, ast.Dict)
                for of, names in ast.literal_eval(table).items()
                for name in names
            ]
            if len(shown) == len(node.body) and len(node.orelse) == 1 and sorted(shown) == sorted(loaded):
                continue
            yield node.lineno, f"shown to type checkers: {shown}; loaded on first use: {loaded}"
            continue
        yield node.lineno, "only re-exports and __all__ belong here"


def trio_goes_by_its_name(module: Module) -> Iterator[Finding]:
    """Trio and its modules are not renamed, or the rules below would not see them."""
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            base = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                if alias.asname not in (None, alias.name) and "trio" in (
                    base.partition(".")[0],
                    alias.name.partition(".")[0],
                ):
                    yield node.lineno, f"{base or alias.name} under the name {alias.asname}"


def only_pipe_opens_memory_channels(module: Module) -> Iterator[Finding]:
    """Pipes are the only memory channels: high-water marks are counted in one place."""
    if module.name != "trizmq.runtime.pipe":
        for line, what in uses(module, {"open_memory_channel"}, "trio"):
            yield line, f"{what} belongs to runtime/pipe.py"


def only_checkpoints_schedules(module: Module) -> Iterator[Finding]:
    """What yields to the scheduler, and how often, is decided in one place (ParkingLot and the like are free)."""
    if module.name not in MAY_SCHEDULE:
        for line, what in uses(module, SCHEDULING, "trio.lowlevel"):
            yield line, f"{what} belongs to runtime/checkpoints.py"


def tasks_have_names(module: Module) -> Iterator[Finding]:
    """A task-tree dump reads as the design: each task is started with ``name=``."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        verb, owner = node.func.attr, dotted(node.func.value).rpartition(".")[2]
        starts = verb in ("start_soon", "spawn_system_task") or (verb == "start" and "nursery" in owner.lower())
        if starts and "name" not in {keyword.arg for keyword in node.keywords}:
            yield node.lineno, f"{verb} without name="


def nothing_sleeps_for_a_condition(module: Module) -> Iterator[Finding]:
    """Waiting is for what is wanted, not for time to pass; back-off is the exception (MAY_SLEEP)."""
    for owner in ("trio", "time"):
        for line, what in uses(module, SLEEPING, owner):
            if not (owner == "trio" and (module.name in MAY_SLEEP or module.layer in ("programs", "testing"))):
                yield line, f"{what}: wait for the condition itself"


def no_threads(module: Module) -> Iterator[Finding]:
    """No helper thread and no other event loop, anywhere. Programs may start processes."""
    forbidden = THREADS - ({"multiprocessing"} if module.layer == "programs" else set())
    for line, base, name in imports(module):
        if (base, name) == ("threading", "get_ident"):  # to notice a call from a foreign thread
            continue
        if base.partition(".")[0] in forbidden or (base == "trio" and name in ("to_thread", "from_thread")):
            yield line, f"import of {base} {name}".rstrip()
    yield from uses(module, {"to_thread", "from_thread"}, "trio")


def files_fit_in_the_head(module: Module) -> Iterator[Finding]:
    """A file that grows past a few hundred lines is telling about a missing noun."""
    lines = module.source.count("\n")
    if lines > MOST_LINES:
        yield MOST_LINES + 1, f"{lines} lines, more than {MOST_LINES}"


RULES: list[Rule] = [
    imports_go_down,
    the_package_only_re_exports,
    trio_goes_by_its_name,
    only_pipe_opens_memory_channels,
    only_checkpoints_schedules,
    tasks_have_names,
    nothing_sleeps_for_a_condition,
    no_threads,
    files_fit_in_the_head,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_architecture(rule: Rule) -> None:
    found = [f"{module.path}:{line}: {text}" for module in MODULES for line, text in rule(module)]
    if found:
        pytest.fail("\n".join([f"{rule.__name__}: {rule.__doc__}", *found]), pytrace=False)


def test_there_is_something_to_read() -> None:
    assert {"trizmq", "trizmq.errors", "trizmq.wire", "trizmq.runtime"} <= NAMES
    assert {module.layer for module in MODULES} <= set(MAY_IMPORT)


# ---- can each rule fail?

BROKEN: list[tuple[Rule, str, str]] = [
    (imports_go_down, "trizmq.errors", "import trio"),
    (imports_go_down, "trizmq.events", "from .runtime import pipe"),
    (imports_go_down, "trizmq.events", "def late():\n    from trizmq.runtime.pipe import Pipe"),
    (imports_go_down, "trizmq.wire.frames", "import trio.lowlevel"),
    (imports_go_down, "trizmq.wire.frames", "from ..patterns.base import Pattern"),
    (imports_go_down, "trizmq.wire.mechanisms.null", "from ... import runtime"),
    (imports_go_down, "trizmq.wire.frames", "import nacl.bindings"),
    (imports_go_down, "trizmq.patterns.fanout", "from ..wire import frames"),
    (imports_go_down, "trizmq.patterns.fanout", "import outcome"),
    (imports_go_down, "trizmq.transports.tcp", "from ..runtime.engine import Engine"),
    (imports_go_down, "trizmq.transports.tcp", "import outcome"),
    (imports_go_down, "trizmq.runtime.socket", "from ..sockets import Rep"),
    (imports_go_down, "trizmq.runtime.socket", "import trizmq"),
    (imports_go_down, "trizmq.runtime.socket", "import attrs"),
    (imports_go_down, "trizmq.sockets", "import trio"),
    (imports_go_down, "trizmq.sockets", "from .wire.frames import encode"),
    (imports_go_down, "trizmq.demo", "import zmq"),
    (the_package_only_re_exports, "trizmq", "from .errors import ZmqError\nDEBUG = True"),
    (the_package_only_re_exports, "trizmq", "def has(feature): ..."),
    (the_package_only_re_exports, "trizmq", "if TYPE_CHECKING:\n    from .zap import serve_zap"),
    (the_package_only_re_exports, "trizmq", "if TYPE_CHECKING:\n    DEBUG = True"),
    (
        the_package_only_re_exports,
        "trizmq",
        "if TYPE_CHECKING:\n    from .zap import serve_zap\nelse:\n    __getattr__ = on_first_use('', {'zap': ['serve']})",
    ),
    (trio_goes_by_its_name, "trizmq.runtime.engine", "import trio as t"),
    (trio_goes_by_its_name, "trizmq.runtime.engine", "from trio import lowlevel as low"),
    (only_pipe_opens_memory_channels, "trizmq.runtime.engine", "s, r = trio.open_memory_channel[int](1)"),
    (only_pipe_opens_memory_channels, "trizmq.proxy", "from trio import open_memory_channel"),
    (only_checkpoints_schedules, "trizmq.runtime.socket", "async def f(): await trio.lowlevel.checkpoint()"),
    (only_checkpoints_schedules, "trizmq.runtime.socket", "from trio.lowlevel import reschedule"),
    (only_checkpoints_schedules, "trizmq.runtime.socket", "lowlevel.wait_task_rescheduled(abort)"),
    (tasks_have_names, "trizmq.runtime.socket", "nursery.start_soon(run)"),
    (tasks_have_names, "trizmq.runtime.socket", "async def f(self): await self._nursery.start(run, 1)"),
    (tasks_have_names, "trizmq.runtime.socket", "trio.lowlevel.spawn_system_task(run)"),
    (nothing_sleeps_for_a_condition, "trizmq.runtime.socket", "async def f(): await trio.sleep(0.1)"),
    (nothing_sleeps_for_a_condition, "trizmq.runtime.connector", "import time\ntime.sleep(1)"),
    (nothing_sleeps_for_a_condition, "trizmq.runtime.session", "from trio import sleep_until"),
    (no_threads, "trizmq.runtime.socket", "import threading"),
    (no_threads, "trizmq.transports.tcp", "from concurrent.futures import ThreadPoolExecutor"),
    (no_threads, "trizmq.transports.tcp", "async def f(): await trio.to_thread.run_sync(g)"),
    (no_threads, "trizmq.runtime.socket", "from trio import to_thread"),
    (files_fit_in_the_head, "trizmq.runtime.socket", "x = 1\n" * (MOST_LINES + 1)),
]

SOUND: list[tuple[Rule, str, str]] = [
    (imports_go_down, "trizmq.events", "import enum\nfrom .errors import ZmqError\nfrom . import options"),
    (imports_go_down, "trizmq.wire.mechanisms.null", "from ...errors import ZmqError\nfrom ..frames import encode"),
    (imports_go_down, "trizmq.wire.mechanisms.curve_backend", "from nacl.bindings import crypto_box_afternm"),
    (
        imports_go_down,
        "trizmq.runtime.engine",
        "import outcome, trio\nfrom ..wire import frames\nfrom .pipe import Pipe",
    ),
    (imports_go_down, "trizmq.sockets", "from .patterns.req import Req\nfrom .runtime.socket import Socket"),
    (imports_go_down, "trizmq.__main__", "import trio\nimport trizmq\nfrom .demo import main"),
    (the_package_only_re_exports, "trizmq", '"""Doc."""\nfrom .errors import ZmqError\n__all__ = ["ZmqError"]'),
    (
        the_package_only_re_exports,
        "trizmq",
        "if TYPE_CHECKING:\n    from . import zap\nelse:\n    __getattr__ = on_first_use('', {'zap': ['zap']})",
    ),
    (only_pipe_opens_memory_channels, "trizmq.runtime.pipe", "s, r = trio.open_memory_channel[int](1)"),
    (only_checkpoints_schedules, "trizmq.runtime.checkpoints", "async def f(): await trio.lowlevel.checkpoint()"),
    (only_checkpoints_schedules, "trizmq.runtime.socket", "lot = trio.lowlevel.ParkingLot()\ncheckpoints.checkpoint()"),
    (tasks_have_names, "trizmq.runtime.socket", "nursery.start_soon(run, name='Engine')\nself.listener.start()"),
    (nothing_sleeps_for_a_condition, "trizmq.runtime.connector", "async def f(): await trio.sleep(0.1)"),
    (nothing_sleeps_for_a_condition, "trizmq.runtime.socket", "async def f(): await trio.sleep_forever()"),
    (no_threads, "trizmq.demo", "import multiprocessing"),
    (no_threads, "trizmq.runtime.socket", "from threading import get_ident"),
    (files_fit_in_the_head, "trizmq.runtime.socket", "x = 1\n" * MOST_LINES),
]


@pytest.mark.parametrize(("rule", "name", "source"), BROKEN)
def test_the_rule_can_fail(rule: Rule, name: str, source: str) -> None:
    findings = list(rule(parse(name, source, name == "trizmq")))
    assert findings, f"{rule.__name__} does not see this in {name}: {source[:200]}"
    assert all(line >= 1 and text for line, text in findings)


@pytest.mark.parametrize(("rule", "name", "source"), SOUND)
def test_the_rule_can_pass(rule: Rule, name: str, source: str) -> None:
    assert list(rule(parse(name, source, name == "trizmq"))) == []


def test_every_rule_has_a_snippet_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)
