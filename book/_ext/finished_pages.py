"""Sphinx extension: finish the written pages in one pass, which reads and writes each of them once.

Belongs here: the order of the steps. What they do is in the modules that this one calls: `accessibility` and
`page_weight` for the pages, `figure_files` for the notebooks that the site offers.
"""

import re
from pathlib import Path

from accessibility import accessible
from figure_files import without_files
from page_weight import lighten_static_files, lighter


def _finish(app, exception):
    if exception or app.builder.name != "html":
        return
    out, words = Path(app.outdir), set()
    for path in out.rglob("*.html"):
        written = path.read_text(encoding="utf-8")
        finished = lighter(accessible(written), is_search=path.stem == "search")
        if finished != written:
            path.write_text(finished, encoding="utf-8")
        words.update(*(names.split() for names in re.findall(r'class="([^"]*)"', finished)))
    for path in (out / "_sources").rglob("*.ipynb"):
        written = path.read_text(encoding="utf-8")
        if (finished := without_files(written)) != written:
            path.write_text(finished, encoding="utf-8")
    lighten_static_files(out / "_static", words)


def setup(app):
    """Register the extension."""
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
