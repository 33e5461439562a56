"""The plots of the benchmarks, which are drawn after a full run and may not be there yet."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata


class BenchmarkPlot(SphinxDirective):
    """``benchmark-plot:: NAME``: the file that `python -m benchmarks plot` writes, or a word that there is none."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Put it into the page as it is, not as an image: it takes its colours from the theme."""
        path = Path(self.env.srcdir) / "_static" / f"benchmark-{self.arguments[0]}.svg"
        self.env.note_dependency(str(path))
        if not path.exists():
            words = f"Not drawn yet: {path.name} comes from a full run, with `nox -s bench_plots`."
            return [nodes.paragraph("", "", nodes.emphasis(text=words))]
        figure = nodes.raw("", path.read_text(encoding="utf-8"), format="html")
        return [figure]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("benchmark-plot", BenchmarkPlot)
    return {"parallel_read_safe": True}
