"""Another revision of this repository, checked out for as long as it is measured."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .workers import ROOT


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A folder with the tree of that revision. This checkout and its branch stay as they are."""
    with tempfile.TemporaryDirectory(prefix="trizmq-") as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> None:
    """In this repository; what it complains about is shown."""
    try:
        subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)
    except subprocess.CalledProcessError as failure:
        raise SystemExit(f"`git {' '.join(arguments)}` failed, see above") from failure
