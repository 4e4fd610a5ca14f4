"""Sphinx extension: hide the code of a page behind one switch at its foot, and leave code out of the search.

Belongs here: code that readers of a chapter need not see (tag ``hide-input``). Does not belong here: code that a page
is about, which stays in sight.

The switch is a check box, and the style sheet shows the code while it is checked: it needs no script. A small one,
``code_cells.js``, remembers it from page to page.
"""

import re

from docutils import nodes

_HIDDEN = re.compile(
    r'<details class="[^"]*\babove-input\b[^"]*">\s*<summary\b.*?</summary>(.*?)</details>', flags=re.DOTALL
)
SWITCH = (
    '<p class="review-code-switch"><label><input type="checkbox" id="review-code" autocomplete="off" />'
    " Show the code of this page</label></p>"
)


def with_switch(body):
    """Return the body of a page with one switch for its hidden code, in place of one for each cell."""
    body, cells = _HIDDEN.subn(r'<div class="review-code">\1</div>', body)
    return body + SWITCH if cells else body


def _without_code(doctree):
    """Take the code cells out of a page, and return what puts them back."""
    removed = [
        (node.parent, node.parent.index(node), node)
        for node in doctree.findall(nodes.container)
        if "cell_input" in node.get("classes", ())
    ]
    for parent, _, node in reversed(removed):
        parent.remove(node)

    def put_back():
        for parent, place, node in removed:
            parent.insert(place, node)

    return put_back


def _leave_code_out_of_search(app):
    if app.builder.name != "html":
        return
    # Private interface: StandaloneHTMLBuilder.index_page, which gives a page to the search index. If it breaks: remove
    # this function; a search then finds pages by words of their code, too.
    index_page = app.builder.index_page

    def index_without_code(pagename, doctree, title):
        put_back = _without_code(doctree)
        try:
            index_page(pagename, doctree, title)
        finally:
            put_back()

    app.builder.index_page = index_without_code


def _add_switch(app, pagename, templatename, context, doctree):
    if doctree is None:
        return
    before = context["body"]
    context["body"] = with_switch(before)
    if context["body"] != before:
        app.add_js_file("code_cells.js", loading_method="defer")


def setup(app):
    """Register the extension."""
    app.connect("builder-inited", _leave_code_out_of_search)
    app.connect("html-page-context", _add_switch)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
