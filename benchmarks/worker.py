"""One process of a measurement, started by the runner with the arguments IMPLEMENTATION ROLE SETTINGS TIMEOUT."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys

from .control import Control, Skip
from .model import IMPLEMENTATIONS, Settings


def main() -> None:
    """Set the process up alike for all, then play the role."""
    implementation, role, settings_json, timeout = sys.argv[1:]
    settings = Settings.from_json(settings_json)
    # Senders go on for ever. Should the runner be killed before it could end them, they end themselves.
    signal.alarm(int(float(timeout)) + 10)
    # Results have stdout for themselves; whatever else is printed goes to stderr.
    lines_in = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    control = Control(lines_in, os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        if settings.one_core:
            if not hasattr(os, "sched_setaffinity"):
                raise Skip("this system cannot pin a process to a core")
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        folder = "" if role.startswith(".") else f".{IMPLEMENTATIONS[implementation].folder}."
        module, _, function = f".implementations{folder}{role}".rpartition(".")
        getattr(importlib.import_module(module, __package__), function)(control, settings)
    except* Skip as skipped:
        control.tell_skip("; ".join(dict.fromkeys(str(reason) for reason in reasons(skipped))))


def reasons(group: BaseExceptionGroup[Skip]) -> list[Skip]:
    """The leaves: Trio's nurseries wrap what their tasks raise."""
    leaves: list[Skip] = []
    for one in group.exceptions:
        leaves += reasons(one) if isinstance(one, BaseExceptionGroup) else [one]
    return leaves
