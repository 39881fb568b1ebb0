"""Sphinx's configuration of the documentation site; `make docs` builds it."""

from snncc import __version__

project = "snncc"
version = release = __version__
copyright = "the authors of snncc; Apache-2.0"
root_doc = "index"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_heading_anchors = 3

default_role = "code"  # docstrings write code between single backticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"snncc {__version__}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}
