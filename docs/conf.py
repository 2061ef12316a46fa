"""How Sphinx builds the site of these pages: ``make docs``, without a network, and a warning is an error.

Pages are Markdown that GitHub shows as well. What is generated stands in them as an HTML comment, which GitHub leaves
out, and is filled in before a page is parsed (`reference_tables.py`).
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.logging import getLogger

sys.path.insert(0, str(Path(__file__).parent))
from reference_tables import GENERATED, fill

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "napari-phenotrans"
author = "The napari-phenotrans developers"
copyright = f"{author}, BSD-3-Clause"
version = release = installed_version("napari-phenotrans")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_static"]
smartquotes = False  # -- begins an option

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # the anchors that GitHub gives, down to ####

# A name in single backticks is linked where it is documented, and shown as code where it is not.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "napari-phenotrans"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_theme_options = {
    "source_repository": "https://github.com/napari-phenotrans/napari-phenotrans/",
    "source_branch": "main",
    "source_directory": "docs/",
}

# What a page would load: <a href> is a place to go to, and loads nothing.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*\bsrc=["'](?:https?:)?//"""
    r"""|<link\b(?=[^>]*\brel=["'](?:stylesheet|preload|preconnect|icon))[^>]*\bhref=["'](?:https?:)?//"""
    r"""|@import|url\(["']?(?:https?:)?//"""
)


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put what is generated into a page's text."""
    if GENERATED.search(source[0]):
        source[0] = fill(source[0])


def mend_docstring(app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]) -> None:
    """Leave out a module's own docstring, which the page has with links, and mend what Napoleon takes for a type.

    It takes the words before a colon for one in the first sentence of a property.
    """
    if what == "module":
        lines.clear()
    if what == "property" and (taken := [line for line in lines if line.startswith(":type: ")]):
        lines[:] = [f"{taken[0].removeprefix(':type: ')}: {lines[0]}", *lines[1 : lines.index(taken[0])]]


def mend_signature(
    app: Sphinx, what: str, name: str, documented: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Write an empty mapping for what a dataclass makes anew for each object."""
    return signature and signature.replace("<factory>", "{}"), returned


def show_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula in a line as MathML, which browsers show by themselves."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def show_block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula of its own as MathML."""
    translator.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def refuse_what_is_loaded(app: Sphinx, failed: Exception | None) -> None:
    """Warn, which ends the build with an error, where a page would load something from the network."""
    if failed or app.builder.format != "html":
        return
    files = [*Path(app.outdir).rglob("*.html"), *Path(app.outdir).rglob("*.css")]
    loading = sorted(file.name for file in files if LOADED.search(file.read_text(encoding="utf-8")))
    if loading:
        getLogger(__name__).warning("These would load something from the network: %s.", ", ".join(loading))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the hooks."""
    app.connect("source-read", fill_in)
    app.connect("autodoc-process-docstring", mend_docstring, priority=900)  # after Napoleon
    app.connect("autodoc-process-signature", mend_signature)
    app.connect("build-finished", refuse_what_is_loaded)
    app.add_html_math_renderer("mathml", (show_inline, None), (show_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
