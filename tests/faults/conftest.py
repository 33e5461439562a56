"""Fixtures of the tests against libzmq, for those with faults."""

from __future__ import annotations

from tests.interop.conftest import unbound, wildcard

__all__ = ["unbound", "wildcard"]
