"""Frozen records that are cheap to import, and how values with frozen mappings are copied and pickled."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def reduce_frozen(self: object) -> tuple[object, ...]:
    """The ``__reduce__`` of a frozen dataclass that has mapping proxies, which cannot be copied or pickled themselves."""
    values = (getattr(self, name) for name in type(self).__match_args__)  # type: ignore[attr-defined]
    return _remade, (
        type(self),
        *(_Thawed(value) if isinstance(value, MappingProxyType) else value for value in values),
    )


class _Thawed(dict[object, object]):
    """What a mapping proxy was of, on its way."""


def _remade(cls: type, *values: object) -> object:
    return cls(*(MappingProxyType(dict(value)) if isinstance(value, _Thawed) else value for value in values))


def hash_frozen(self: object) -> int:
    """The ``__hash__`` of such a dataclass, by its values."""
    values = (getattr(self, name) for name in type(self).__match_args__)  # type: ignore[attr-defined]
    return hash(tuple(frozenset(value.items()) if isinstance(value, Mapping) else value for value in values))


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

    __hash__ = hash_frozen
    __reduce__ = reduce_frozen
