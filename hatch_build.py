"""The optional compiled wheel: ``TRIZMQ_COMPILE=1 pip install .`` compiles the modules below with mypyc; by default none.

The source is the same, and stays in the wheel beside what was made of it; Python prefers the compiled module.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What pays, by measurement (docs/performance.md). Whatever is called for every message and is not a coroutine, as far as
#: interpreted code does not look into it attribute by attribute: that is slower with a compiled class.
COMPILED = [
    "trizmq/wire/frames.py",
    "trizmq/wire/frame_by_frame.py",
    "trizmq/wire/guarded.py",
    "trizmq/patterns/fair_queue.py",
    "trizmq/runtime/byte_count.py",
    "trizmq/runtime/pipe.py",
]

SWITCH = "TRIZMQ_COMPILE"
WANTED = ["mypy[mypyc]>=1.18", "setuptools"]


class CompiledWheel(BuildHookInterface[Any]):
    """Adds extension modules to the wheel if the environment asks for them; else nothing is different."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What a build in isolation has to install first."""
        return WANTED if asked_for() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the builder where the results are."""
        if not asked_for():
            return
        if version == "editable":
            raise SystemExit(
                f"{SWITCH} is for wheels: an editable installation runs the source. Leave out -e, or {SWITCH}"
            )
        self.folder = Path(tempfile.mkdtemp(prefix="trizmq-compiled-"))
        try:
            paths = compiled(Path(self.root), self.folder)
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        for path in paths:
            build_data["force_include"][str(path)] = str(path.relative_to(self.folder / "lib"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written."""
        if asked_for():
            shutil.rmtree(self.folder)


def asked_for() -> bool:
    """Whether this build is to compile."""
    return os.environ.get(SWITCH, "").lower() not in ("", "0", "no", "false")


def compiled(root: Path, folder: Path) -> list[Path]:
    """The extension modules, in ``folder/lib`` laid out as they are to be installed."""
    try:
        from mypyc.build import mypycify
        from setuptools import Distribution
        from setuptools.errors import BaseError, CCompilerError
    except ImportError as error:
        raise SystemExit(f"{SWITCH} needs mypyc: pip install {' '.join(map(repr, WANTED))} ({error})") from error
    before = Path.cwd()
    os.chdir(root)  # mypyc names modules after their paths
    try:
        extensions = mypycify(
            # neither Trio nor our type checker's settings are there in an isolated build; `nox -s types` checks types
            ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", *COMPILED],
            opt_level="3",
            debug_level="0",
            group_name="trizmq",
            target_dir=str(folder / "c"),
        )
        command = Distribution({"name": "trizmq", "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
        command.ensure_finalized()
        command.run()
    except (BaseError, CCompilerError, OSError) as error:
        raise SystemExit(
            f"{SWITCH} needs a C compiler and Python's headers, such as the packages gcc and python3-dev: {error}"
        ) from error
    finally:
        os.chdir(before)
    return sorted(path for path in (folder / "lib").rglob("*") if path.is_file())
