"""Make one PDF of the whole book from the pages of its site, with headless Chromium.

Belongs here: the order of the pages, the table of contents, page numbers, and links within the PDF. Does not belong
here: the appearance of a page on paper, which the book's style sheet determines.

Chromium prints each page separately, and a link to another page then leads to a file of the site. Such links are
replaced with links to the corresponding place in the PDF. Chromium records the position of an element only if the page
that contains it links to it. Each page is therefore printed with invisible links to its own elements that are targets.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.caching.folder_lock import folder_lock
from lib.caching.safe_files import replace_if_changed
from lib.engine.errors import BuildError
from lib.engine.render import LINK, RESULTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright
    from pypdf import PdfReader, PdfWriter

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NO_PACKAGES = (
    "The PDF needs the packages playwright and pypdf, which are not installed. Install them with\n"
    "  .venv/bin/python -m pip install playwright pypdf"
)
_NO_BROWSER = (
    "The PDF needs the browser Chromium, which was not found. Install it, on Debian with\n"
    "  apt install chromium\n"
    "or for this project alone with\n"
    "  .venv/bin/playwright install chromium"
)
_LINK = re.compile(r'href="([^":?#]*)#([^"]+)"')
_TITLE = re.compile(r"<h1\b[^>]*>(.*?)</h1>", re.DOTALL)
_SECTION = re.compile(r'<section id="([^"]+)">\s*(?:<span id="[^"]*"></span>\s*)*<h2\b[^>]*>(.*?)</h2>', re.DOTALL)
_PLACES = """names => {
  const list = document.createElement("nav");
  list.style.cssText = "position: absolute; top: 0; left: 0; width: 100mm; line-height: 1px; display: block !important";
  for (const name of names) {
    const link = document.createElement("a");
    link.href = "#" + encodeURIComponent(name);
    link.style.cssText = "display: inline-block; width: 1px; height: 1px";
    list.append(link);
  }
  document.querySelector("article").prepend(list);
}"""
_CONTENTS_STYLE = """
@page { size: A4; margin: 16mm 14mm; @bottom-center { content: counter(page); font: 8pt sans-serif; } }
@page :first { @bottom-center { content: none; } }
body { font: 10pt sans-serif; color: #1a1a1a; }
header { height: 240mm; display: flex; flex-direction: column; justify-content: center; break-after: page; }
h1 { font-size: 26pt; } h2 { font-size: 15pt; } h3 { font-size: 11pt; margin: 1em 0 0.3em; }
a { display: flex; color: inherit; text-decoration: none; padding: 0.15em 0; }
a::before { content: ""; order: 1; flex: 1; border-bottom: 1px dotted #4a4a4a; margin: 0 0.5em 0.25em; }
a span { order: 2; }
"""
_POINTS_AT_TOP = 842
"""Height of a page (A4) in points: a link to a page as a whole leads there."""


@dataclass
class _Page:
    """One page of the site, and its position in the PDF.

    Attributes
    ----------
    path : Path
        File of the page.
    part : str
        Heading in the table of contents, if the page is the first one below it.
    title : str
        Heading of the page.
    sections : dict of str to str
        Titles of its sections by their ids.
    linked_ids : set of str
        Ids to which links of the book lead.
    start : int
        Number of its first page in the PDF, from 0.
    places : dict of str to (int, float, float)
        Page in the PDF, and distance from its left and bottom edges, of each element, by its id.
    """

    path: Path
    part: str
    title: str
    sections: dict[str, str]
    linked_ids: set[str] = field(default_factory=set)
    start: int = 0
    places: dict[str, tuple[int, float, float]] = field(default_factory=dict)


def make(root: Path) -> Path:
    """Write the PDF of a book that was built, and return its path.

    The file is ``_build/pdf/<title>-<edition>.pdf``.

    Raises
    ------
    BuildError
        If the book was not built, or the packages or the browser are missing.
    OSError
        If the file cannot be written.
    """
    build_folder = root / "_build"
    if not (build_folder / LINK / "index.html").is_file():
        raise BuildError("There is no book to print yet. Build it first, with\n  make book")
    try:
        import pypdf  # noqa: F401
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BuildError(_NO_PACKAGES) from None
    with folder_lock(build_folder), sync_playwright() as playwright:
        browser = _launch(playwright)
        try:
            title = yaml.safe_load((build_folder / "stage/_config.yml").read_text(encoding="utf-8"))["title"]
            edition = json.loads((build_folder / RESULTS).read_text(encoding="utf-8"))
            content = _print(browser, _pages(build_folder), title, edition)
        finally:
            browser.close()
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        path = build_folder / "pdf" / f"{name}-{edition['edition']}.pdf"
        replace_if_changed(path, content)
    return path


def _launch(playwright: Playwright) -> Browser:
    """Start the Chromium of this machine, or the one that playwright has installed."""
    from playwright.sync_api import Error

    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    # Chromium's sandbox does not work for the user root, and containers usually run as root.
    arguments = ["--disable-gpu", *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    try:
        return playwright.chromium.launch(executable_path=path, args=arguments)
    except Error as error:
        if path is None:
            raise BuildError(_NO_BROWSER) from None
        raise BuildError(f"The browser {path} could not be started: {error.message.splitlines()[0]}") from None


def _pages(build_folder: Path) -> list[_Page]:
    """Return the pages in the order of the table of contents, with the places to which their links lead."""
    site = (build_folder / LINK).resolve()
    toc = yaml.safe_load((build_folder / "stage/_toc.yml").read_text(encoding="utf-8"))
    pages, texts = {}, {}
    for part, name in _entries(toc):
        path = site / f"{name}.html"
        texts[path] = text = path.read_text(encoding="utf-8")
        heading = _TITLE.search(text[text.find("<article") :])
        sections = {place: _plain(title) for place, title in _SECTION.findall(text)}
        pages[path] = _Page(path, part, _plain(heading[1]) if heading else path.stem, sections, {*sections})
    for path, text in texts.items():
        for target, place in _LINK.findall(text):
            other = pages.get(Path(os.path.normpath(path.parent / urllib.parse.unquote(target))) if target else path)
            if other is not None and f'id="{place}"' in texts[other.path]:
                other.linked_ids.add(html.unescape(urllib.parse.unquote(place)))
    return list(pages.values())


def _entries(toc: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the part (for its first page alone) and the name of each page."""
    yield "", toc["root"]
    for part in toc.get("parts", [toc]):
        caption = part.get("caption", "")
        for chapter in part.get("chapters", ()):
            yield caption, os.path.splitext(chapter["file"])[0]
            caption = ""


def _plain(text: str) -> str:
    """Return the text of a heading without tags and without the permalink sign that Sphinx adds."""
    text = re.sub(r'<a class="headerlink".*?</a>', "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def _print(browser: Browser, pages: list[_Page], title: str, edition: dict[str, str]) -> bytes:
    """Print all pages and join them."""
    from pypdf import PdfReader, PdfWriter

    tab = browser.new_page(color_scheme="light")
    options: dict[str, Any] = {"format": "A4", "prefer_css_page_size": True, "print_background": True}

    def contents() -> PdfReader:
        tab.set_content(_contents(pages, title, edition))
        return PdfReader(io.BytesIO(tab.pdf(**options)))

    # Page numbers are not known yet, but the length of the table of contents does not depend on them.
    readers = [contents()]
    count = len(readers[0].pages)
    for page in pages:
        print(f"Printing {page.path.stem}", flush=True)
        page.start = count
        tab.goto(page.path.as_uri(), wait_until="load")
        tab.add_style_tag(content=f"html {{ counter-reset: page {count}; }}")
        tab.evaluate(_PLACES, sorted(page.linked_ids))
        readers.append(PdfReader(io.BytesIO(tab.pdf(**options))))
        page.places = _places(readers[-1], count)
        count += len(readers[-1].pages)
    readers[0] = contents()
    writer = PdfWriter()
    for reader in readers:
        writer.append(reader, import_outline=False)
    _link(writer, readers, pages)
    for page in pages:
        chapter = writer.add_outline_item(title=page.title, page_number=page.start)
        for place, section in page.sections.items():
            number, _, _ = page.places.get(place, (page.start, 0, 0))
            writer.add_outline_item(title=section, page_number=number, parent=chapter)
    writer.add_metadata(
        {"/Title": f"{title}, version {edition['version']}", "/Subject": f"Edition of {edition['edition']}"}
    )
    writer.compress_identical_objects()
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _contents(pages: list[_Page], title: str, edition: dict[str, str]) -> str:
    """Return the title page and the table of contents as HTML."""
    lines = []
    for page in pages:
        lines += [f"<h3>{html.escape(page.part)}</h3>"] if page.part else []
        lines.append(f'<a href="{page.path.as_uri()}">{html.escape(page.title)}<span>{page.start + 1}</span></a>')
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><style>{_CONTENTS_STYLE}</style>'
        f"<header><h1>{html.escape(title)}</h1><p>Version {html.escape(edition['version'])}</p>"
        f"<p>Edition of {html.escape(edition['edition'])}</p></header><h2>Contents</h2>{''.join(lines)}</html>"
    )


def _places(reader: PdfReader, start: int) -> dict[str, tuple[int, float, float]]:
    """Return the position of each named place of one printed page of the book."""
    positions = {}
    for name, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None and number >= 0:
            key = urllib.parse.unquote(str(name).removeprefix("/"))
            positions[key] = start + number, float(place.left or 0), float(place.top or _POINTS_AT_TOP)
    return positions


def _link(writer: PdfWriter, readers: list[PdfReader], pages: list[_Page]) -> None:
    """Replace links to pages of the book with links to places in the PDF, and remove links to other files."""
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    by_address = {page.path.as_uri(): page for page in pages}
    owners: list[_Page | None] = [None] * len(readers[0].pages)
    for page, reader in zip(pages, readers[1:], strict=True):
        owners += [page] * len(reader.pages)
    for sheet, owner in zip(writer.pages, owners, strict=True):
        annotations = ArrayObject()
        for reference in sheet.get("/Annots", ()):
            link = reference.get_object()
            action = link.get("/A", {})
            address = str(action.get("/URI", ""))
            inner = link.get("/Dest", action.get("/D"))
            if inner is None and not address.startswith("file:"):
                annotations.append(reference)
                continue
            left, bottom, right, top = map(float, link["/Rect"])
            if right - left < 2 and top - bottom < 2:
                continue
            name, _, place = (address, "", str(inner)[1:]) if inner is not None else address.partition("#")
            target = owner if inner is not None else by_address.get(name)
            if target is None:
                continue
            start = target.start, 0.0, float(_POINTS_AT_TOP)
            number, x, y = target.places.get(urllib.parse.unquote(place), start)
            link.pop("/A", None)
            target_page = writer.pages[number].indirect_reference
            link[NameObject("/Dest")] = ArrayObject(
                [target_page, NameObject("/XYZ"), FloatObject(x), FloatObject(y), NullObject()]
            )
            annotations.append(reference)
        sheet[NameObject("/Annots")] = annotations
