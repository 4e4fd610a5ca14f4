"""Sphinx extension: load the explorer's script and style on its page, and on no other.

Sphinx adds a hash of their content to their addresses, so that a browser never uses an old script with new data.
"""


def _with_explorer(app, pagename, templatename, context, doctree):
    if pagename == "book/explore":
        app.add_css_file("explorer.css")
        app.add_js_file("explorer.js", loading_method="defer")


def setup(app):
    """Register the extension."""
    app.connect("html-page-context", _with_explorer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
