"""Frozen records that are cheap to import."""

from __future__ import annotations


class Record:
    """A base for frozen dataclasses that are declared with ``repr=False, eq=False``: this has both, once for all.

    ``dataclass`` would write and compile them anew for each class: a quarter of the time that the import of the events took.
    A class that adds no field to a record needs no decorator, and only says ``__slots__ = ()``.
    """

    __slots__ = ()
    __match_args__: tuple[str, ...]

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in zip(self.__match_args__, self._values(), strict=True))
        return f"{type(self).__qualname__}({values})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())
