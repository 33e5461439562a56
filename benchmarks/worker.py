"""One process of a measurement, started by the runner with the arguments IMPLEMENTATION ROLE SETTINGS TIMEOUT."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys

from .measuring import Control
from .scenarios import IMPLEMENTATIONS, Settings


def main() -> None:
    """Set the process up alike for all, then play the role."""
    implementation, role, settings_json, timeout = sys.argv[1:]
    settings = Settings.from_json(settings_json)
    # Senders go on for ever. Should the runner be killed before it could end them, they end themselves.
    signal.alarm(int(float(timeout)) + 10)
    # Results have stdout for themselves; whatever else is printed goes to stderr.
    control = Control(sys.stdin, os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if settings.one_core:
        if not hasattr(os, "sched_setaffinity"):
            sys.exit("this system cannot pin a process to a core")
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    module = importlib.import_module(f".implementations.{IMPLEMENTATIONS[implementation].module}", __package__)
    getattr(module, role)(control, settings)
