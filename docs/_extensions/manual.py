"""What this manual generates from trizmq itself: the table of options, and what the signatures of the sockets leave out."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import trizmq
from trizmq.options import Option, declared_options
from trizmq.runtime import verbs

# The mixin classes in which the verbs are written, as a reader of the reference finds them.
FAMILIES = {
    "SendVerbs": "sending-verbs",
    "ReceiveVerbs": "receiving-verbs",
    "RequestVerb": "request-verb",
    "SubscribeVerbs": "subscribing-verbs",
    "WaitSubscribedVerb": "wait-subscribed-verb",
}
FAMILY_TITLES = {
    "SendVerbs": "sending",
    "ReceiveVerbs": "receiving",
    "RequestVerb": "request()",
    "SubscribeVerbs": "subscribing",
    "WaitSubscribedVerb": "wait_subscribed()",
}

# What autodoc makes of `trizmq.messages.Sendable`.
EXPANDED = "bytes | bytearray | memoryview | ~collections.abc.Sequence[bytes | bytearray | memoryview]"


def socket_types() -> list[type[trizmq.Socket]]:
    """The public socket types, without their base."""
    public = (getattr(trizmq, name) for name in trizmq.__all__)
    return [
        one for one in public if isinstance(one, type) and issubclass(one, trizmq.Socket) and one is not trizmq.Socket
    ]


def option_types(kind: type) -> dict[str, str]:
    """The declared type of each option, as text."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        found |= {name: str(of) for name, of in inspect.get_annotations(base).items()}
    return found


def shown_default(value: object) -> str:
    """A default as one would write it, with big powers of two in a form that can be read."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1 << 20 and value & (value - 1) == 0:
        return f"1 << {value.bit_length() - 1}"
    if isinstance(value, Mapping):
        return repr(dict(value))
    if isinstance(value, float):
        return "math.inf" if math.isinf(value) else f"{value:g}"
    return str(value) if isinstance(value, enum.Enum) else repr(value)


class OptionTable(SphinxDirective):
    """``option-table``: every option of every public socket type, from ``trizmq.options``."""

    def run(self) -> list[nodes.Node]:
        """Build the table."""
        kinds = socket_types()
        holders: dict[tuple[str, str], list[type]] = {}
        options: dict[tuple[str, str], tuple[Option[Any], str]] = {}
        for kind in (trizmq.Socket, *kinds):
            types = option_types(kind)
            for name, option in declared_options(kind).items():
                key = name, str(option.__doc__)
                options.setdefault(key, (option, types[name]))
                if kind is not trizmq.Socket:
                    holders.setdefault(key, []).append(kind)
        table = nodes.table(classes=["options"])
        group = nodes.tgroup(cols=3)
        table += group
        for width in (28, 12, 60):
            group += nodes.colspec(colwidth=width)
        head = nodes.thead()
        group += head
        head += self._row([nodes.Text("option")], [nodes.Text("default")], [nodes.Text("what it does")])
        body = nodes.tbody()
        group += body
        for key, (option, of) in options.items():
            everyone = len(holders[key]) == len(kinds)
            applies = "all types" if everyone else ", ".join(kind.__name__ for kind in holders[key])
            name = [nodes.literal(text=key[0]), nodes.Text(" "), nodes.inline(text=of, classes=["option-type"])]
            default: list[nodes.Node] = [nodes.literal(text=shown_default(option.default))]
            meaning, _ = self.parse_inline(str(option.__doc__))
            small = [nodes.Text(applies)]
            if option.zmq:
                small += [nodes.Text(" · "), nodes.literal(text=option.zmq)]
            line = nodes.inline(classes=["option-note"])
            line.extend(small)
            body += self._row(name, default, [*meaning, nodes.Text(" "), line], anchor=f"option-{key[0]}")
        return [table]

    @staticmethod
    def _row(*cells: list[nodes.Node], anchor: str = "") -> nodes.row:
        row = nodes.row(classes=[anchor] if anchor else [])
        for cell in cells:
            paragraph = nodes.paragraph()
            paragraph.extend(cell)
            entry = nodes.entry()
            entry += paragraph
            row += entry
        return row


class SocketSignatures:
    """Shows the options of a socket class where the code has ``**options``."""

    kinds: ClassVar[list[type]] = [trizmq.Socket, *socket_types()]

    def __call__(
        self,
        app: Sphinx,
        what: str,
        name: str,
        obj: object,
        options: object,
        signature: str | None,
        returns: str | None,
    ) -> tuple[str, str | None] | None:
        """Handle ``autodoc-process-signature``."""
        if obj is trizmq.EventWatcher or dataclasses.is_dataclass(obj) or isinstance(obj, enum.EnumType):
            return "", None  # made by trizmq only; their attributes are what matters
        if obj is trizmq.Context.socket:
            return "(kind: type[S], **options)", "S"  # what its ParamSpec comes to
        if signature and EXPANDED in signature:
            return signature.replace(EXPANDED, "Sendable"), returns
        if not isinstance(obj, type) or obj not in self.kinds:
            return None
        general = declared_options(trizmq.Socket)
        shown = {
            name: option
            for name, option in declared_options(obj).items()
            if obj is trizmq.Socket or name not in general
        }
        types = option_types(obj)
        parameters = [f"{name}: {types[name]} = {shown_default(option.default)}" for name, option in shown.items()]
        if obj is not trizmq.Socket:
            parameters.append("**socket_options")
        return f"({', '.join(['*', *parameters] if shown else parameters)})", None


def add_verbs(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Tell below the docstring of a socket class which verbs it has (``autodoc-process-docstring``)."""
    if isinstance(obj, type) and obj in SocketSignatures.kinds and obj is not trizmq.Socket:
        names = {base.__name__ for base in obj.__mro__}
        families = [f":ref:`{FAMILY_TITLES[one]} <{label}>`" for one, label in FAMILIES.items() if one in names]
        lines += ["", f"Verbs: {', '.join(families)}; and what :ref:`every socket <every-socket>` has.", ""]


def find_verb(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Node
) -> nodes.Node | None:
    """Lead ``Push.send`` to where ``send`` is written (``missing-reference``)."""
    name = node.get("reftarget", "").rpartition(".")[2]
    for family in FAMILIES:
        if name in vars(getattr(verbs, family)):
            node["reftarget"] = f"{verbs.__name__}.{family}.{name}"
            domain = env.domains.python_domain
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", node["reftarget"], node, content)
    return None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("option-table", OptionTable)
    app.connect("autodoc-process-signature", SocketSignatures())
    app.connect("autodoc-process-docstring", add_verbs)
    app.connect("missing-reference", find_verb)
    return {"parallel_read_safe": True}
