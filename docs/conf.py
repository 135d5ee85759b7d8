"""Sphinx settings."""

import stacchip_osml

project = "stacchip_osml"
author = "the stacchip_osml authors"
release = version = stacchip_osml.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False

autodoc_typehints = "description"
autodoc_member_order = "bysource"
myst_heading_anchors = 3
