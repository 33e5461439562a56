"""The version, once: ``trizmq.__version__`` and the package metadata both come from here."""

from __future__ import annotations

__version__ = "0.1.0"
