"""Sphinx extension: format each reference of the bibliography only once, and mark retracted works.

The style is pybtex's "unsrt". sphinxcontrib-bibtex formats each reference twice in every rendering; here, the formatted
references are cached with the pages that Sphinx has read. The classes of the style are named explicitly, because pybtex
otherwise searches all installed packages for them.

Retracted works are marked when a page is written, by ``data/retractions.csv`` and the date of the edition. The cached
references may be older.
"""

import page_metadata
from docutils import nodes
from pybtex.backends.plaintext import Backend as PlainText
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsrt
from pybtex.style.labels.number import LabelStyle
from pybtex.style.names.plain import NameStyle
from pybtex.style.sorting.none import SortingStyle

from lib.evidence.retracted import marks


class Style(Unsrt):
    """A style that caches the references that it has formatted."""

    default_label_style, default_name_style, default_sorting_style = LabelStyle, NameStyle, SortingStyle
    formatted: dict = {}

    def format_entry(self, label, entry, bib_data=None):
        """Format a reference, or return it from the cache."""
        key = label, entry.key, repr(entry)
        if key not in self.formatted:
            self.formatted[key] = super().format_entry(label, entry, bib_data)
        return self.formatted[key]


def mark_retracted(references, notices):
    """Mark retracted references, and link each to its notice.

    Parameters
    ----------
    references : dict
        The node of each reference in the page, by its key in ``references.bib``.
    notices : list of dict
        The rows of ``retractions.csv`` that the edition knows.
    """
    for key, mark in marks((row["reference"], row["kind"]) for row in notices).items():
        if key in references:
            # Imported here, because the tables take long to import, and few books have a retracted reference.
            from lib.report.tables.table import link_of

            (paragraph,) = references[key].findall(nodes.paragraph)
            paragraph.insert(0, [nodes.strong("", mark.strip()), nodes.Text(" ")])
            last = [row["notice"] for row in notices if row["reference"] == key][-1]
            text, address = link_of(last) or (last, "")
            link = nodes.reference("", text, refuri=address) if address else nodes.Text(text)
            paragraph.extend([nodes.Text(" Notice: "), link, nodes.Text(".")])


def _mark(app, doctree, docname):
    node_by_id = {node["ids"][0]: node for node in doctree.findall(nodes.citation)}
    if not node_by_id:
        return
    _, edition, _ = page_metadata.facts(app.srcdir)
    notices = [row for row in page_metadata.rows_of(app.srcdir, "retractions") if row["found"] <= edition["edition"]]
    citations = app.env.get_domain("cite").citations
    mark_retracted(
        {item.key: node_by_id[item.citation_id] for item in citations if item.citation_id in node_by_id}, notices
    )


def _cache_formatted(app):
    """Cache the formatted references with the pages that were read, for the next rendering."""
    if not hasattr(app.env, "formatted_references"):
        app.env.formatted_references = {}
    Style.formatted = app.env.formatted_references


def setup(app):
    """Register the style as "once", the backend that formats citations, and the marks of retracted works."""
    # Without `force`, pybtex searches all installed packages for others of the name.
    register_plugin("pybtex.style.formatting", "once", Style, force=True)
    register_plugin("pybtex.backends", "plaintext", PlainText, force=True)
    app.connect("builder-inited", _cache_formatted)
    app.connect("doctree-resolved", _mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
