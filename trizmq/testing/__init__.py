"""Helpers for tests: of programs that use trizmq, and of transports made for it."""

from __future__ import annotations

from .conformance import check_transport
from .network import MemoryNetwork

__all__ = ["MemoryNetwork", "check_transport"]
