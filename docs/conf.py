"""The documentation's settings: `make docs` builds it, with warnings as errors."""

from __future__ import annotations

import shutil
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent

project = "zmumu-hybrid"
author = "The zmumu-hybrid developers"
project_copyright = "2026, the zmumu-hybrid developers"
version = release = installed_version("zmumu-hybrid")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build", "jupyter_execute", "results/README.md"]
suppress_warnings = ["mystnb.unknown_mime_type"]

# Notebooks are shown with the output that is stored in them; the tests execute them.
nb_execution_mode = "off"
(HERE / "notebooks").mkdir(exist_ok=True)
for notebook in (HERE.parent / "examples").glob("*.ipynb"):
    shutil.copyfile(notebook, HERE / "notebooks" / notebook.name)

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"zmumu-hybrid {release}"
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#9b1c1c", "color-brand-content": "#9b1c1c"},
}
