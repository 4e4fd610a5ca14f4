"""Sphinx extension: leave out Jupyter Book's scripts for running code in the page.

They would come from another host, and the page sets them up twice, which the browser reports as an error.
"""


def _without_thebe(app, pagename, templatename, context, doctree):
    context["script_files"] = [
        script for script in context["script_files"] if "thebe" not in f"{script} {getattr(script, 'attributes', '')}"
    ]


def setup(app):
    """Register the extension."""
    app.connect("html-page-context", _without_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
