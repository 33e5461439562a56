"""What the import costs."""

from __future__ import annotations

from ...control import Control
from ...model import Settings
from ..imported import measure_import


def import_time(control: Control, settings: Settings) -> None:
    measure_import(control, settings, "trizmq")
