"""Sphinx extension: the style of the bibliography, which formats a reference once for all renderings.

It is pybtex's style "unsrt". sphinxcontrib-bibtex asks for each reference twice in every rendering. What was formatted
is kept with the pages that Sphinx has read. pybtex looks up what a style is made of among all installed packages,
unless it is given the classes.
"""

from pybtex.backends.plaintext import Backend as PlainText
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsrt
from pybtex.style.labels.number import LabelStyle
from pybtex.style.names.plain import NameStyle
from pybtex.style.sorting.none import SortingStyle


class Style(Unsrt):
    """Formats a reference once."""

    default_label_style, default_name_style, default_sorting_style = LabelStyle, NameStyle, SortingStyle
    formatted: dict = {}

    def format_entry(self, label, entry, bib_data=None):
        """Format a reference, or return what was made of it before."""
        key = label, entry.key, repr(entry)
        if key not in self.formatted:
            self.formatted[key] = super().format_entry(label, entry, bib_data)
        return self.formatted[key]


def _keep_formatted(app):
    """Keep the formatted references with the pages that were read, so that the next rendering has them."""
    if not hasattr(app.env, "formatted_references"):
        app.env.formatted_references = {}
    Style.formatted = app.env.formatted_references


def setup(app):
    """Register the style as "once", and the backend that formats citations, which is looked up for each of them."""
    # Unless forced, pybtex looks for others of the name among all installed packages.
    register_plugin("pybtex.style.formatting", "once", Style, force=True)
    register_plugin("pybtex.backends", "plaintext", PlainText, force=True)
    app.connect("builder-inited", _keep_formatted)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
