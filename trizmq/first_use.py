"""Public names whose modules are loaded when somebody first uses them, so that programs which do not start sooner."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping


def on_first_use(
    package: str, modules: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` (PEP 562) of a package that has these names from these modules.

    A module that is itself the name (``"auth": ["auth"]``) is given as it is.
    """
    origins = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> object:
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{origins[name]}")
        value: object = module if name == origins[name] else getattr(module, name)
        setattr(sys.modules[package], name, value)  # the next time it is found without us
        return value

    def known() -> list[str]:
        there = vars(sys.modules[package])
        return sorted({*there["__all__"], *origins, *(name for name in there if name.startswith("__"))})

    return load, known
