"""Sphinx configuration of the manual. `nox -s docs` builds it; every warning is an error."""

from __future__ import annotations

import builtins

from trizmq import __version__

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
]
html_theme = "furo"
html_title = f"trizmq {version}"
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
default_role = None

# Every reference has to lead somewhere. Those to Python's and Trio's own names are shown without a link: their inventories
# would have to be downloaded, and the manual should build anywhere.
nitpicky = True
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(trio|outcome|typing|types|collections|enum|dataclasses|abc|math|os|pathlib|ssl|socket|logging)(\..*)?",
    ),
    (r"py:.*", "|".join(name for name in dir(builtins) if not name.startswith("_"))),
]
