"""The book as one PDF: its order, numbers and links, and what is said if it cannot be made."""

import json
import shutil

import pytest

from conftest import CHROMIUM
from lib import __main__
from lib.engine import pdf
from lib.engine.errors import BuildError
from small_book import ROOT, build, ran
from toy_project import make_toy, write_chapter

pytestmark = pytest.mark.book


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The toy project with links between its pages and the review's style sheet, which numbers the sheets; its PDF."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: no PDF was made")
    pypdf = pytest.importorskip("pypdf")
    root = make_toy(tmp_path_factory.mktemp("printed") / "toy", {"first": ["# First"], "second": ["# Second"]})
    shutil.copy(ROOT / "book/_static/review.css", root / "book/_static/style.css")
    # Long enough for the place to be on another sheet than the heading of the page.
    lines = "\n\n".join(f"Line {number} of the page." for number in range(60))
    write_chapter(root, "second", ["# Second", f"# Beginning\n\n{lines}", "# A distant place\n\nHere it is."])
    (root / "book/start.md").write_text(
        "# Start\n\n[There](second.ipynb#a-distant-place), [first](first.ipynb), [results](../data/rain.csv)"
        " and [elsewhere](https://example.org/).\n",
        encoding="utf-8",
    )
    ran(build(root))
    path = pdf.make(root)
    return root, path, pypdf.PdfReader(path)


def test_the_pdf_is_named_after_title_and_edition(printed):
    root, path, reader = printed
    edition = json.loads((root / "_build/results.json").read_text(encoding="utf-8"))
    assert path == root / f"_build/pdf/weather-a-toy-book-{edition['edition']}.pdf"
    first = reader.pages[0].extract_text()
    assert f"Version {edition['version']}" in first
    assert f"Edition of {edition['edition']}" in first
    assert reader.metadata.title.endswith(f"version {edition['version']}")


def test_the_contents_give_the_page_of_each_chapter(printed):
    _, _, reader = printed
    texts = [page.extract_text() for page in reader.pages]
    entries = [
        line.rsplit(" ", 1) for line in texts[1].splitlines() if line.rsplit(" ", 1)[0] in ("Start", "First", "Second")
    ]
    assert [title for title, _ in entries] == ["Start", "First", "Second"]
    for title, number in entries:
        lines = [line.strip() for line in texts[int(number) - 1].splitlines()]
        assert title in lines
        # Each sheet bears its number in the whole PDF.
        assert number in (lines[0], lines[-1])
    assert [item.title for item in reader.outline if not isinstance(item, list)] == ["Start", "First", "Second"]


def test_links_lead_to_places_in_the_pdf(printed):
    _, _, reader = printed
    start = next(page for page in reader.pages if "elsewhere" in page.extract_text())
    links = [link.get_object() for link in start["/Annots"]]
    (outside,) = (link["/A"]["/URI"] for link in links if "/A" in link)
    assert outside == "https://example.org/"
    numbers = [reader.get_page_number(link["/Dest"][0].get_object()) for link in links if "/Dest" in link]
    targets = [reader.pages[number].extract_text() for number in numbers]
    assert any("A distant place" in text and "Second" not in text for text in targets)
    assert any("First" in text for text in targets)
    # No link of any sheet leads to a file of the machine that made the PDF.
    assert b"file:" not in b"".join(str(page.get("/Annots", "")).encode() for page in reader.pages)
    actions = [link.get_object().get("/A", {}) for page in reader.pages for link in page.get("/Annots", ())]
    assert not any(str(action.get("/URI", "")).startswith("file:") for action in actions)


def test_a_book_that_was_not_built_cannot_be_printed(tmp_path, capsys):
    assert __main__.main(["pdf", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "There is no book to print yet. Build it first, with\n  make book\n"


def test_a_missing_browser_is_named(monkeypatch):
    playwright = pytest.importorskip("playwright.sync_api")
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)

    class Without:
        class chromium:
            @staticmethod
            def launch(**options):
                raise playwright.Error("Executable doesn't exist")

    with pytest.raises(BuildError, match="needs the browser Chromium, which was not found. Install it"):
        pdf._launch(Without)
