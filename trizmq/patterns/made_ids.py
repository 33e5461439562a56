"""Routing ids for the peers of a ROUTER or STREAM that have none of their own."""

from __future__ import annotations

import random
from collections.abc import Container


class MadeIds:
    """Five bytes each, as libzmq makes them: a zero, which no id of a peer starts with, and a number that counts up."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = random.getrandbits(32)

    def make(self, taken: Container[bytes]) -> bytes:
        """The next one that is not taken. (A peer that announces the next one makes libzmq abort.)"""
        while True:
            routing_id = b"\0" + self._next.to_bytes(4, "big")
            self._next = (self._next + 1) & 0xFFFF_FFFF
            if routing_id not in taken:
                return routing_id
