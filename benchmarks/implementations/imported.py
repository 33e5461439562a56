"""What an import costs, in fresh interpreters."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from ..control import Control
from ..model import Settings


def measure_import(control: Control, settings: Settings, module: str) -> None:
    """Import the module in fresh interpreters that have imported trio already, from byte code, as installed packages are.

    Where the environment forbids to write byte code (``PYTHONDONTWRITEBYTECODE``) a source tree would be compiled each time,
    which takes twice as long as all the rest; so it goes to a place of its own.
    """
    search = f"import sys; sys.path[:] = {sys.path!r}; "
    code = (
        f"{search}import time, trio; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-P", "-c", code]

    with tempfile.TemporaryDirectory() as byte_code:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = byte_code

        def once() -> float:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
            return float(done.stdout)

        once()  # compiles the byte code and warms the file cache
        median = statistics.median(once() for _ in range(settings.repeats))
    control.tell_result(**{"import": median * 1e3})
