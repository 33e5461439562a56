"""Sphinx configuration of the manual. `nox -s docs` builds it; every warning is an error."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path

from trizmq import __version__

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "trizmq"
author = "the trizmq contributors"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib_trio",
    "manual",
    "plots",
]
html_theme = "furo"
html_title = f"trizmq {version}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
exclude_patterns = ["_build"]
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

add_module_names = False  # everything public is in `trizmq`
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90
napoleon_google_docstring = True
napoleon_numpy_docstring = False
default_role = None

# Every reference has to lead somewhere, with these exceptions.
nitpicky = True
nitpick_ignore_regex = [
    # Python's and Trio's own names are shown without a link: their inventories would have to be downloaded, and the manual
    # should build anywhere.
    (
        r"py:.*",
        r"(trio|outcome|typing|types|collections|enum|dataclasses|abc|math|os|pathlib|ssl|socket|logging|json)(\..*)?",
    ),
    (r"py:.*", "|".join(name for name in dir(builtins) if not name.startswith("_"))),
    # Type variables and aliases have no entry of their own; the pages say what they stand for.
    (r"py:.*", r"(trizmq\..*\.)?(T|P|S|P\.(args|kwargs)|Sendable|Frame|Packed|AcceptFilter)"),
    # How a socket is put together inside; the reference lists the verbs of each type instead.
    (r"py:.*", r"trizmq\.(options|patterns|runtime|messages)\..*"),
]
