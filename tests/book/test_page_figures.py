"""The figures of the built pages: text that can be read at any width and on paper, and files to download."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from conftest import ROOT, parsed
from lib.evidence import load

pytestmark = pytest.mark.book

PAGES = ["monotherapy", "comparisons", "heterogeneity-and-bias", "certainty", "included-studies"]
"""Pages that have every kind of figure between them."""
TEXTS = """() => [...document.querySelectorAll(".review-plot svg text")]
    .filter(text => text.checkVisibility()).map(text => {
        const {a, b} = text.getScreenCTM(), {left, right} = text.getBoundingClientRect();
        return {size: parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b), left, right};
    })"""
CONTRASTS = """() => {
    const light = text => {
        const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = light(getComputedStyle(document.body).backgroundColor);
    return [...document.querySelectorAll(".review-plot svg :is(path, text)")].flatMap(part => {
        const style = getComputedStyle(part);
        const solid = (paint, opacity) => paint !== "none" && Number(opacity) === 1;
        const paints = [[style.fill, style.fillOpacity], [style.stroke, style.strokeOpacity]];
        return paints.filter(paint => solid(...paint)).map(([colour]) => {
            const [low, high] = [light(colour), ground].sort((a, b) => a - b);
            return {colour, text: part.tagName === "text", contrast: (high + 0.05) / (low + 0.05)};
        });
    });
}"""


def address(book, name):
    return (book / f"_build/html/book/{name}.html").resolve().as_uri()


@pytest.fixture(scope="module")
def shown(book):
    return parsed(book / "_build/html/book/monotherapy.html")


def downloads(page):
    """Return the addresses of the files of each figure of a page by their ending."""
    return [
        {link["href"].rpartition(".")[2]: link["href"] for link in figure.select(".review-downloads a[download]")}
        for figure in page.select("figure.review-figure")
    ]


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_text_of_figures_is_large_enough_at_any_width_and_within_the_page(book, browser, name):
    tab = browser.new_page()
    tab.goto(address(book, name))
    tab.add_style_tag(content="*{transition:none!important}")
    for width in (320, 360, 480, 768, 800, 1000, 1200, 1280, 1920):
        tab.set_viewport_size({"width": width, "height": 900})
        texts = tab.evaluate(TEXTS)
        assert texts, width
        assert min(text["size"] for text in texts) >= 12, width
        if width >= 360:
            assert all(text["left"] >= 0 and text["right"] <= width for text in texts), width
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()


@pytest.mark.browser
def test_a_figure_takes_the_margin_beside_the_article_on_a_wide_screen(book, browser):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(address(book, "monotherapy"))
    figure, text = (tab.locator(part).first.bounding_box() for part in ("figure.review-figure", "article section p"))
    assert figure["width"] > 1.25 * text["width"]
    # No more space above and below than a blank line or two.
    above, below = tab.evaluate("""() => {
        const figure = document.querySelector("figure.review-figure"), output = figure.closest(".output");
        const box = figure.getBoundingClientRect();
        return [box.top - output.previousElementSibling.getBoundingClientRect().bottom,
            output.nextElementSibling.getBoundingClientRect().top - box.bottom];
    }""")
    assert max(above, below) < 40
    tab.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_marks_and_texts_stand_out_from_the_page(book, browser, name, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(address(book, name))
    # What lies on the light fills of judgements of bias is dark, and those fills are light, in both themes.
    on_page = [part for part in tab.evaluate(CONTRASTS) if name != "certainty"]
    faint = {part["colour"] for part in on_page if part["contrast"] < (4.5 if part["text"] else 3)}
    assert faint == set()
    context.close()


@pytest.mark.browser
def test_print_shows_the_wide_form_and_the_folded_studies(book, browser):
    tab = browser.new_page(viewport={"width": 720, "height": 900})
    tab.goto(address(book, "monotherapy"))
    folded = tab.locator(".review-plot details svg.review-wide").first
    assert not folded.is_visible() or folded.bounding_box()["height"] == 0
    tab.emulate_media(media="print")
    assert folded.bounding_box()["height"] > 100
    assert tab.locator(".review-plot svg.review-narrow:visible").count() == 0
    assert tab.locator(".review-plot > svg.review-wide:visible").count() == 3
    assert not tab.locator(".review-downloads").first.is_visible()
    tab.close()


@pytest.mark.browser
def test_folded_studies_open_without_javascript(book, browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address(book, "monotherapy"))
    name = tab.get_by_role("link", name="Lepe 2003").locator("visible=true")
    assert name.count() == 0
    tab.get_by_text(re.compile(r"^\d+ studies without available counts$")).first.click()
    assert name.count() == 1
    name.click()
    assert tab.url.endswith("study-records.html#study-lepe2003")
    context.close()


def test_every_figure_offers_its_files(book):
    site = book / "_build/html"
    edition = json.loads((site / "results.json").read_bytes())["edition"]
    names = []
    for path in sorted((site / "book").glob("*.html")):
        for files in downloads(parsed(path)):
            assert list(files) == ["csv", "svg", "png"], path.name
            for kind, target in files.items():
                file = path.parent / target
                assert file.stat().st_size > 100
                assert re.fullmatch(rf"vitiligo-tci-[a-z0-9-]+-{edition}\.{kind}", file.name)
                names.append(file.resolve())
    assert len(set(names)) == len(names) > 75
    written = {path.resolve() for path in (site / "book/figures").rglob("*.*")}
    assert written == set(names)


@pytest.mark.browser
def test_the_plots_for_readers_without_javascript_offer_their_files(book, browser):
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    tab = context.new_page()
    tab.goto(address(book, "explore"))
    figures = tab.locator("figure.review-figure")
    assert figures.count() == 2
    for number, regimen in enumerate(("monotherapy", "phototherapy")):
        with tab.expect_download() as download:
            figures.nth(number).get_by_role("link", name="data (CSV)").click()
        assert f"-{regimen}-rates-" in download.value.suggested_filename
        rows = [*csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig")))]
        assert any(row["result"] == f"rate.{regimen}.total.ge75.published" for row in rows)
    context.close()


def test_the_flow_diagram_offers_its_files_and_has_no_number_that_they_lack(book):
    folder = book / "_build/html/book"
    page = parsed(folder / "search-results.html")
    (figure,) = page.select("figure.review-diagram")
    (files,) = downloads(page)
    rows = [*csv.DictReader(io.StringIO((folder / files["csv"]).read_text(encoding="utf-8-sig")))]
    shown = [int(number) for number in re.findall(r"\(n\s=\s(\d+)\)", figure.get_text())]
    assert shown == [int(row["n"]) for row in rows if row["n"]]
    assert len(shown) > 50


def test_the_files_of_a_page_hold_what_its_figures_show(book, shown):
    """The data agree with results.json and with the table of counts; SVG and PNG show the whole figure."""
    ev, folder = load(ROOT / "data"), book / "_build/html/book"
    results = json.loads((book / "_build/html/results.json").read_bytes())["results"]
    files = downloads(shown)
    assert [re.search(r"monotherapy-(ge\d\d)", each["csv"])[1] for each in files] == ["ge75", "ge50", "ge25"]
    for figure, each, threshold in zip(shown.select("figure"), files, ("ge75", "ge50", "ge25"), strict=True):
        rows = [*csv.DictReader(io.StringIO((folder / each["csv"]).read_text(encoding="utf-8-sig")))]
        stated = {row["result"]: row for row in rows if row["result"]}
        assert set(stated) == set(figure["data-results"].split())
        for key, row in stated.items():
            for end in ("estimate", "ci_low", "ci_high"):
                assert float(row[end]) == pytest.approx(results[key][end], rel=1e-9, abs=1e-9), (key, end)
        outcome = ev.outcome("monotherapy", threshold)
        for counts in (outcome.available, outcome.new):
            for study, arms in counts.groupby("study"):
                (row,) = [row for row in rows if row["study"] == study and row["kind"] == "study"]
                assert (float(row["events"]), float(row["n"])) == (arms.events.sum(), arms.n.sum())
        assert {row["study"] for row in rows if row["kind"] == "missing"} == set(outcome.missing.study)
        drawing = ET.parse(folder / each["svg"])
        texts = ["".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
        assert all(any(text.startswith(row["label"]) for text in texts) for row in rows)
        with Image.open(folder / each["png"]) as image:
            height = float(drawing.getroot().get("height")) + 24
            assert image.height / image.width == pytest.approx(height / 904, rel=0.01)


def test_the_notebooks_that_the_site_offers_leave_the_files_out(book):
    for path in (book / "_build/html/_sources/book").glob("*.ipynb"):
        assert "living_review_files" not in path.read_text(encoding="utf-8"), path.name
