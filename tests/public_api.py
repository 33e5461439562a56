"""The public API as text: what ``tests/public_api.txt`` holds and ``tests/test_public_api.py`` compares.

    python -m tests.public_api        # write tests/public_api.txt anew, after a deliberate change

It lists each public name, each public attribute that is trizmq's own, its signature, and each option with its default.
What a class inherits from Trio or Python is left out: it differs between versions, and it is not ours to keep stable.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("public_api.txt")
#: The modules that users import from. The last ones come with later milestones, and are listed once they exist.
MODULES = ["trizmq", "trizmq.testing", "trizmq.auth"]
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def public_api() -> str:
    """The whole public API, one line for each thing, in a stable order."""
    lines: list[str] = []
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        lines += [f"module {name}", ""]
        for public in sorted(getattr(module, "__all__", [])):
            lines += [*_described(public, getattr(module, public)), ""]
    return "\n".join(lines)


def _described(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        bases = ", ".join(base.__qualname__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})"
        if issubclass(value, enum.Enum):
            yield from (f"    {member.name} = {member.value!r}" for member in value)
        own = own_attributes(value)
        yield from (f"    {_attribute(attribute, found)}" for attribute, found in sorted(own.items()))
    elif name == "__version__":
        yield name
    elif inspect.ismodule(value):
        yield f"module {name}"
    elif callable(value) and not isinstance(value, types.GenericAlias):
        yield _callable(name, value)
    else:
        yield f"{name} = {_text(value)}"


def own_attributes(cls: type) -> dict[str, object]:
    """Public attributes, and the constructor, that this class or a base of it within trizmq defines."""
    found: dict[str, object] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] == "trizmq":
            own = {name: value for name, value in vars(base).items() if not name.startswith("_") or name == "__init__"}
            for name in inspect.get_annotations(base):  # dataclass fields and declared attributes without a value
                if not name.startswith("_"):
                    own.setdefault(name, inspect.Parameter.empty)
            found |= own
    if issubclass(cls, enum.Enum):
        found = {name: value for name, value in found.items() if name not in cls.__members__ and name != "__init__"}
    return found


def _attribute(name: str, value: object) -> str:
    if isinstance(value, (staticmethod, classmethod)):
        return f"{type(value).__name__} {_callable(name, value.__func__)}"
    if isinstance(value, property):
        writable = "" if value.fset is None else ", writable"
        returns = getattr(value.fget, "__annotations__", {}).get("return", "?")
        return f"{name}: property{writable} -> {returns}"
    if hasattr(value, "zmq") and hasattr(value, "default"):  # an Option
        return f"{name}: option = {_text(value.default)}"
    if inspect.isfunction(value):
        return _callable(name, value)
    return f"{name}: attribute"


def _callable(name: str, value: object) -> str:
    colour = "async def" if inspect.iscoroutinefunction(value) else "def"
    try:
        signature = _text(_unquoted(inspect.signature(value)))  # type: ignore[arg-type]  # a callable, says every caller
    except (TypeError, ValueError):
        signature = "(...)"
    return f"{colour} {name}{signature}"


class _Plain(str):
    """An annotation that is shown as it was written, without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


def _unquoted(signature: inspect.Signature) -> inspect.Signature:
    def plain(annotation: object) -> object:
        return _Plain(annotation) if isinstance(annotation, str) else annotation

    parameters = [each.replace(annotation=plain(each.annotation)) for each in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=plain(signature.return_annotation))


def _text(value: object) -> str:
    text = str(value) if isinstance(value, inspect.Signature) else repr(value)
    return _ADDRESS.sub("", text)


if __name__ == "__main__":
    SNAPSHOT.write_text(public_api() + "\n", encoding="utf-8")
    print(f"wrote {SNAPSHOT.name}: read the difference, and say in CHANGELOG.md what changed and why")
