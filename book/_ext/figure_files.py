"""Sphinx extension: write the files of each figure beside its page, and link to them below the figure.

It also makes links of the names and numbers in a figure. They are none in JupyterLab, where they would lead nowhere.

An executed chapter holds the data (CSV), the SVG and the PNG of its figures in the metadata of its outputs. The files
have the name of the figure and the date of the edition.
"""

import base64
import json
import re
from pathlib import Path

import page_metadata

from lib.report.text_safety import for_html

KEY = "living_review_files"
PREFIX = "vitiligo-tci"
LABELS = {"csv": "data (CSV)", "svg": "SVG", "png": "PNG"}
_FIGURE = re.compile(r'<figure class="review-figure[^"]*" data-figure="(\w+)".*?</figure>', re.DOTALL)


def figures_of(notebook):
    """Return the files of the figures of an executed notebook, by the mark that the figure carries on the page."""
    files_by_mark = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            for files in output.get("metadata", {}).get(KEY, ()):
                files_by_mark.setdefault(files["mark"], files)
    return files_by_mark


def file_names(figures, page, date):
    """Return the name of the files of each figure without its ending, by the figure's mark."""
    unnamed = [mark for mark, files in figures.items() if not files["name"]]
    names, used = {}, set()
    for mark, files in figures.items():
        name = files["name"] or (page if len(unnamed) == 1 else f"{page}-{unnamed.index(mark) + 1}")
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        number = 1
        while (unique := plain + f"-{number}" * (number > 1)) in used:
            number += 1
        used.add(unique)
        names[mark] = f"{PREFIX}-{unique}-{date}"
    return names


def with_links(body, addresses):
    """Return the HTML of a page with links to the files of each figure at the end of its caption.

    Parameters
    ----------
    body : str
        The HTML.
    addresses : dict
        Address of each file by its ending, by the mark of the figure.
    """

    def linked(match):
        figure, files = match[0].replace("<a data-href=", "<a href="), addresses.get(match[1])
        if not files:
            return figure
        links = " · ".join(
            f'<a href="{for_html(address)}" download>{LABELS[kind]}</a>' for kind, address in files.items()
        )
        before = figure.removesuffix("</figure>").removesuffix("</figcaption>")
        before += "" if "<figcaption" in figure else "<figcaption>"
        return f'{before}<p class="review-downloads">Download: {links}</p></figcaption></figure>'

    return _FIGURE.sub(linked, body)


def _add(app, pagename, templatename, context, doctree):
    notebook = Path(app.srcdir) / f"{pagename}.ipynb"
    if doctree is None or app.builder.name != "html" or not notebook.is_file():
        return
    figures = figures_of(json.loads(notebook.read_text(encoding="utf-8")))
    page, addresses = Path(pagename), {}
    folder = Path(app.outdir) / page.parent / "figures" / page.name
    _, edition, _ = page_metadata.facts(app.srcdir)
    if figures:
        folder.mkdir(parents=True, exist_ok=True)
    for mark, name in file_names(figures, page.name, edition["edition"]).items():
        for kind in LABELS.keys() & figures[mark].keys():
            content = figures[mark][kind]
            (folder / f"{name}.{kind}").write_bytes(base64.b64decode(content) if kind == "png" else content.encode())
        addresses[mark] = {kind: f"figures/{page.name}/{name}.{kind}" for kind in LABELS if kind in figures[mark]}
    context["body"] = with_links(context["body"], addresses)


def without_files(text):
    """Return the text of a notebook that the site offers without the files of its figures: it is large enough."""
    if f'"{KEY}"' not in text:
        return text
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            output.get("metadata", {}).pop(KEY, None)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def setup(app):
    """Register the extension."""
    app.connect("html-page-context", _add, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
