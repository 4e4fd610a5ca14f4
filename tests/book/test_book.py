"""The book: its sources, a full build read as HTML, other editions, new data, and what happens when it fails."""

import datetime as dt
import functools
import html
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient

from conftest import ROOT, copy_book, copy_executed, parsed, run
from lib.engine.build import chapters
from lib.evidence import earlier_editions, load
from lib.published import rates
from lib.report.chapters.result_formulas import FORMULAS, formula_of
from lib.report.counted import counts_of, pool_counts
from lib.report.wording import NOTHING, coverage, percent, rate
from lib.simulations.coverage import RECOMMENDED
from small_book import build_again
from stated import faults, rows_without_key, without_key

pytestmark = pytest.mark.book

PAGES = chapters(ROOT)
ORIGINAL = "2018-08-06"


def page(root: Path, name: str) -> BeautifulSoup:
    return parsed(root / "_build/html/book" / f"{name}.html")


def html_pages(root: Path) -> list[Path]:
    """Every page of the newest edition; what the theme keeps in ``_static`` are templates."""
    site = root / "_build/html"
    return [path for path in site.rglob("*.html") if not {"_static", "editions"} & {*path.relative_to(site).parts}]


def text(root: Path, name: str) -> str:
    return re.sub(r"\s+", " ", page(root, name).find("article").get_text(" "))


def prose(root: Path, name: str) -> str:
    """The article's text with no space before punctuation, as a reader sees it."""
    return re.sub(r" ([,.;:)])", r"\1", text(root, name))


# --- The built site ---------------------------------------------------------------------------------------


def test_every_page_is_built_and_nothing_is_left_unrendered(book):
    for name in PAGES:
        shown = text(book, Path(name).name)
        assert len(shown) > 300, name
        traces = ["{cite}", "{download}", "<Figure", 'f"""']
        # The docstrings on that page say where a result is NaN, and show an error.
        traces += ["Traceback", "nan%", " nan ", "NaN"] if name != "book/library" else []
        for trace in traces:
            assert trace not in shown, (name, trace)
        cells = {td.get_text().strip() for td in page(book, Path(name).name).find_all("td")}
        assert not cells & {"None", "nan", "<NA>"}, name


def test_the_abstract_states_what_is_computed(book, ev):
    shown = prose(book, "abstract")
    for cell in (ev.outcome("monotherapy", "ge75"), ev.outcome("phototherapy", "ge75")):
        assert rate(cell) in shown
        assert coverage(cell) in shown
        counts = counts_of(cell)
        recommended = rate(RECOMMENDED.pool(counts.events, counts.n))
        available = re.search(
            rf"only on the {len(counts)} studies with available responder counts \([^)]*\), it gives (.*?)\.(?!\d)",
            shown,
        )
        assert available and available.group(1) == recommended, cell
    decided = ev.screening.decision.value_counts()
    waiting = decided["awaiting_full_text"] + decided["awaiting_classification"]
    assert f"Since then, {len(ev.screening)} records have been identified ({decided['included']} included" in shown
    assert f"{waiting} awaiting a full text or a decision" in shown
    assert "Last search of databases: 6 August 2018" in shown


def test_every_number_with_a_key_is_that_of_the_results_file(book):
    pages = {path.stem: path.read_text(encoding="utf-8") for path in html_pages(book)}
    results = json.loads((book / "_build/html/results.json").read_bytes())["results"]
    assert faults(pages, results) == []
    stated = sum(page.count("data-result=") for page in pages.values())
    assert stated > 500


NOT_RESULTS = {
    "audit": "claims that are checked",
    "changes": "results of earlier editions",
    "calibration": "ranges of single imputed counts",
    "data-dictionary": "what a column may hold",
    "add-a-trial": "what a column may hold",
    "data-wanted": "pages of journals",
    "study-records": "texts of the data, and pages of journals",
    "your-own-analysis": "analyses of the reader",
}
"""Pages that show ranges in tables which are not results."""

WITH_REMARKS = {"maintenance"}
"""Pages whose tables quote results from the remarks of the data."""


@pytest.mark.parametrize("name", sorted({Path(name).name for name in PAGES} - set(NOT_RESULTS)))
def test_every_interval_carries_a_key(book, name):
    shown = str(page(book, name))
    # Remarks below a row are texts of the data.
    cells = "tr:not(.detail) td" if name in WITH_REMARKS else "td"
    assert without_key(shown, "p", "li", "figcaption", cells) == []
    assert without_key(shown, cells, intervals=True) == []


def test_the_rows_of_figures_are_single_studies_or_registered_results(book, ev):
    """A picture carries the keys of its results, and its text alternative their numbers."""
    results = json.loads((book / "_build/html/results.json").read_bytes())["results"]
    # A study with several drugs has them in its label, joined by the sign that ends a row.
    names = {*ev.studies.label, *ev.screening.label, *ev.drugs.drug}
    listed = 0
    for path in html_pages(book):
        if path.stem in NOT_RESULTS:
            continue
        shown = path.read_text(encoding="utf-8")
        listed += shown.count("data-results=")
        for label in rows_without_key(shown, results):
            start = html.unescape(label).split("…")[0]
            assert any(start.startswith(name) or name.startswith(start) for name in names), (path.name, label)
    assert listed > 20


@pytest.mark.parametrize("name", ["abstract", "what-is-new", "monotherapy", "phototherapy", "discussion"])
def test_every_headlined_result_carries_a_key(book, name):
    shown = str(page(book, name))
    assert without_key(shown, "p", "caption ~ tbody td.numeric") == []
    first = page(book, name).select("article [data-result]")
    kinds = {tag["data-result"].rpartition(".")[2] for tag in first}
    assert {"recommended", "available", "published"} <= kinds


@pytest.mark.parametrize("regimen", ["monotherapy", "phototherapy"])
def test_a_chapter_shows_every_study_of_its_cells(book, regimen, ev):
    shown = page(book, regimen)
    alts = [plot["aria-label"] for plot in shown.select(".review-plot[aria-label^='Forest plot']")]
    assert len(alts) == 3
    for alt, threshold in zip(alts, ("ge75", "ge50", "ge25"), strict=True):
        cell = ev.outcome(regimen, threshold)
        assert alt.startswith(f"Forest plot. {cell.available_studies} of {cell.studies:g} studies")
        pooled = pool_counts(cell.available)
        if pooled is not None:
            low, high = percent(pooled.ci_low, 1, ""), percent(pooled.ci_high, 1, "")
            assert f"Available counts: {percent(pooled.estimate, 1, '')} ({low}–{high})" in alt
        assert f"Published, {cell.studies:g} studies: {percent(cell.estimate, 1, '')}" in alt


def test_table_3_shows_every_cell(book, ev):
    results = rates.results(ev)
    table = page(book, "table-3").select_one("table.review")
    rows = [[td.get_text() for td in tr.select("td")] for tr in table.select("tbody tr") if tr.select("td")]
    assert len(rows) == 24
    for row, cell in zip(rows, ev.all_outcomes(), strict=True):
        assert row[2].startswith(percent(cell.estimate, 1, ""))
        patients = f"{cell.patients:g}" if cell.patients == cell.patients else NOTHING
        assert row[3:5] == [f"{cell.studies:g}", patients]
        assert row[8] == str(cell.available.study.nunique())
        result = results[cell.regimen, cell.threshold, cell.group]
        assert row[2].endswith("‡") == (result.summary.reading.kind == "off centre")
        updated = result.updated is not None and result.updated.k_new
        assert row[1].startswith(percent(result.updated.estimate, 1, "") if updated else NOTHING)


@pytest.mark.parametrize(
    ("page", "view"),
    [
        ("monotherapy", "monotherapy"),
        ("children-and-sites", "monotherapy"),
        ("phototherapy", "phototherapy"),
        ("audit", "original"),
        ("calibration", "original"),
    ],
)
def test_a_chapter_depends_on_its_own_part_of_the_evidence_alone(book, page, view):
    noted = json.loads((book / f"_build/reads/book/{page}.json").read_text())
    assert {of for of, _ in noted["parts"]} == {view}


def test_links_and_images_lead_somewhere(book):
    site = (book / "_build/html").resolve()
    exists, ids = functools.cache(Path.exists), functools.cache(ids_of)
    checked = 0
    for path in html_pages(book):
        soup = parsed(path)
        links = [tag.get("href") or tag.get("src") for tag in soup.select("a[href], img[src], link[href], script[src]")]
        for link in links:
            target = urllib.parse.urlsplit(link)
            if target.scheme in ("http", "https", "mailto", "data"):
                continue
            here = site / path.relative_to(book / "_build/html")
            file = Path(os.path.normpath(here.parent / urllib.parse.unquote(target.path))) if target.path else here
            assert exists(file), (path.name, link)
            if target.fragment and file.suffix == ".html" and not link.endswith("#"):
                assert urllib.parse.unquote(target.fragment) in ids(file), (path.name, link)
            checked += 1
    assert checked > 500


def ids_of(path: Path) -> set[str]:
    return {tag["id"] for tag in parsed(path).find_all(id=True)}


def test_every_image_has_a_text_alternative(book):
    pages = [parsed(path) for path in html_pages(book)]
    assert all(image.get("alt") for page in pages for image in page.select("article img"))
    plots = [plot for page in pages for plot in page.select(".review-plot")]
    assert len(plots) > 25
    assert all(len(plot["aria-label"]) > 15 for plot in plots)


def test_nothing_is_loaded_from_another_host(book):
    for path in html_pages(book):
        for tag in parsed(path).select("script[src], link[href], img[src], iframe[src], source[srcset]"):
            address = tag.get("src") or tag.get("href") or tag.get("srcset")
            assert not re.match(r"(https?:)?//", address), (path.name, address)


def test_no_path_of_this_machine_is_published(book):
    for path in (book / "_build/html").rglob("*"):
        if path.suffix in (".html", ".js", ".ipynb", ".json"):
            shown = path.read_text(encoding="utf-8", errors="replace")
            assert str(book) not in shown, path
            assert str(ROOT) not in shown, path


def test_the_data_can_be_downloaded_as_they_are(book):
    files = {path.name: path for path in (book / "_build/html/_downloads").rglob("*.*")}
    for source in (ROOT / "data").glob("[!.]*"):
        assert files[source.name].read_bytes() == source.read_bytes()


def test_the_dictionary_is_printed_in_full(book, ev):
    shown = text(book, "data-dictionary")
    for row in ev.dictionary.itertuples():
        assert re.sub(r"\s+", " ", row.meaning) in shown, row.meaning


def test_every_reference_is_listed(book, ev):
    assert len(page(book, "references").select("article div.citation")) == len(ev.references.entries)


def test_a_changed_output_is_noticed(book, tmp_path):
    stage = tmp_path / "book"
    stage.mkdir()
    shutil.copytree(book / "_build/stage/data", tmp_path / "data")
    path = Path(shutil.copy(book / "_build/stage/book/mechanism.ipynb", stage))
    path.write_text(path.read_text(encoding="utf-8").replace("found 11 studies", "found 12 studies"), encoding="utf-8")
    assert nbval(path).returncode == 1


def nbval(path: Path) -> subprocess.CompletedProcess:
    """Compare a chapter's outputs as ``make nbval`` does for all of them."""
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_a_chapter_runs_from_within_its_folder_as_in_jupyterlab():
    # As JupyterLab does it: a kernel that starts in the folder of the notebook. All chapters name the data in one way
    # (test_sources.py), so that one of them is enough.
    notebook = nbformat.read(ROOT / "book/update.ipynb", as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(ROOT / "book")}}).execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(bool(output) for output in outputs) >= 5


# --- Other editions and new data --------------------------------------------------------------------------


@pytest.mark.parametrize("date", earlier_editions(ROOT / "data"))
def test_an_earlier_edition_is_built_and_shows_no_later_study(date, ev, tmp_path):
    root = copy_book(tmp_path)
    build_again(root, date)
    edition = load(ROOT / "data", date)
    labels = {*ev.included("update").label} - {*edition.included("update").label}
    assert labels or date != ORIGINAL
    for name in [Path(name).name for name in PAGES]:
        # Texts are searched as they are: parsing all pages takes as long as executing several chapters.
        whole = (root / "_build/html/book" / f"{name}.html").read_text(encoding="utf-8")
        shown = html.unescape(whole[whole.index("<article") : whole.index("</article>")])
        assert len(re.sub("<[^>]+>", "", shown)) > 200, name
        # The bibliography and the data files hold every edition.
        assert name == "references" or [label for label in labels if label in shown] == [], name
    written = dt.date.fromisoformat(date)
    assert f"Edition of {written.day} {written:%B %Y}" in prose(root, "abstract")
    written = json.loads((root / "_build/html/results.json").read_bytes())
    assert written["edition"] == date
    assert written["results"] and all(formula_of(entry["method"]) in FORMULAS for entry in written["results"].values())
    if date == ORIGINAL:
        shows_nothing_of_the_update(root)


def shows_nothing_of_the_update(root: Path) -> None:
    assert "this edition ends with the original search" in prose(root, "abstract").lower()
    for name in ("new-studies", "what-is-new"):
        assert "No new studies: this edition ends with the original search." in prose(root, name)
    assert "Nothing to update: this edition has no new counts." in prose(root, "update")
    assert "Update" not in prose(root, "search-results")


def add_trial(root: Path, label: str) -> None:
    """Enter a trial, clearly synthetic, as a maintainer would: rows in each table, and a reference."""
    lines = {
        "records": "other.synthetic2026,,,unknown,,,2026-01,,,,,,,,,2026-11-22",
        "decisions": (
            "other.synthetic2026,title_abstract,not recorded,reviewer,include,,,2026-11-22\n"
            "other.synthetic2026,full_text,not recorded,reviewer,include,,Made for tests.,2026-11-22"
        ),
        "candidates": f'synthetic2026,other.synthetic2026,{label},monotherapy,,"SA, OL",50,',
        "studies": f"synthetic2026,1,update,,{label},2026,,SA,OL,no,all,,total,6,synthetic2026,",
        "findings": "synthetic2026,More responders than before.,synthetic2026",
        "arms": "synthetic2026,1,tacrolimus,monotherapy,tacrolimus,0.1%,twice daily,,none,,50,41,synthetic2026,",
        "responses": (
            "synthetic2026,tacrolimus,all,,all,,ge75,6,patients,41,29,stated,high,yes,,,synthetic2026,full_text,"
        ),
    }
    for table, line in lines.items():
        with (root / "data" / f"{table}.csv").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    with (root / "data/references.bib").open("a", encoding="utf-8") as file:
        file.write("\n@misc{synthetic2026,\n  title = {A synthetic trial},\n}\n")


def test_a_new_trial_is_in_the_rebuilt_book(book, small_book):
    assert "29/41" not in str(page(book, "monotherapy"))
    copy_executed(book, small_book)
    old = load(small_book / "data").outcome("monotherapy", "ge75")
    add_trial(small_book, "<b>Synthetic & co</b> 2026")
    with (small_book / "data/retractions.csv").open("a", encoding="utf-8") as file:
        file.write("kanwar2004,retraction,doi:10.5555/made-up.notice,2026-11-22,kept,Made-up reason.\n")
    assert "book/monotherapy" in build_again(small_book).ran
    (marked,) = (one for one in page(small_book, "references").select("div.citation") if "Retracted:" in one.text)
    assert marked.p.strong.text == "Retracted:" and marked.p.text.startswith("Retracted: Kanwar and others.")
    assert marked.select("a")[-1]["href"] == "https://doi.org/10.5555/made-up.notice"
    shown = page(small_book, "monotherapy")
    alt = shown.select_one(".review-plot[aria-label^='Forest plot']")["aria-label"]
    assert "<b>Synthetic & co</b> 2026: 70.7 (" in alt
    new = load(small_book / "data").outcome("monotherapy", "ge75")
    pooled = pool_counts(new.new)
    assert pooled.k == len(old.new) + 1
    assert f"New counts: {percent(pooled.estimate, 1, '')} (" in alt
    assert "29/41 patients" in text(small_book, "monotherapy")
    assert "<b>Synthetic" not in (small_book / "_build/html/book/monotherapy.html").read_text(encoding="utf-8")


# --- When it fails ----------------------------------------------------------------------------------------


def test_an_impossible_edition_is_refused_in_one_line(small_book):
    done = run(small_book, "build", "--as-of", "2017-01-01")
    assert done.returncode == 1
    assert "as_of: '2017-01-01': there is no edition before the original search (2018-08-06)" in done.stderr
