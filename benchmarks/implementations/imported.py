"""What an import costs, in fresh interpreters."""

from __future__ import annotations

import statistics
import subprocess
import sys

from ..control import Control
from ..model import Settings


def measure_import(control: Control, settings: Settings, module: str) -> None:
    """Import the module in fresh interpreters that have imported trio already."""
    search = f"import sys; sys.path[:] = {sys.path!r}; "
    code = (
        f"{search}import time, trio; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-P", "-c", code]

    def once() -> float:
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    once()  # compiles the byte code and warms the file cache
    control.tell_result(**{"import": statistics.median(once() for _ in range(settings.repeats)) * 1e3})
