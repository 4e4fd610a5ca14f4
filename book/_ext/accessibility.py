"""Correct the HTML of finished pages where the theme, Sphinx or notebooks make it unclear to screen readers.

The extension `finished_pages` calls this function.

Belongs here: changes of the HTML that no style sheet can make. Does not belong here: the form of this book's own tables
and figures, which are right when they are made (``lib/report``).
"""

import re

_SIDEBAR = re.compile(r'<div id="pst-primary-sidebar"')
_EMPTY_HEADER = re.compile(r"<th\b([^>]*)>\s*(?:<p>\s*</p>)?\s*</th>")
_SCOPE = re.compile(r'\s+scope="[^"]*"')
_REFERENCE_LIST = re.compile(r'<div role="list" class="citation-list">')
_REFERENCE = re.compile(r'(<div class="citation"[^>]*) role="doc-biblioentry"')


def accessible(page):
    """Return a page in a form that screen readers understand.

    - The sidebar is a landmark.
    - An empty cell of a table's head is no header.
    - References have no roles that ARIA has given up.
    """
    page = _SIDEBAR.sub('<div id="pst-primary-sidebar" role="complementary" aria-label="This book"', page)
    page = _EMPTY_HEADER.sub(lambda cell: f"<td{_SCOPE.sub('', cell[1])}></td>", page)
    return _REFERENCE.sub(r"\1", _REFERENCE_LIST.sub('<div class="citation-list">', page))
