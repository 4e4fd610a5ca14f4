"""The built site in a real browser: wide and phone-narrow, light and dark, and its search."""

from pathlib import Path

import pytest

from conftest import ROOT
from lib.engine.build import chapters

pytestmark = [pytest.mark.book, pytest.mark.browser]

SHOWN_FORMS = """[...document.querySelectorAll(".review-plot > svg")]
    .filter(svg => svg.checkVisibility()).map(svg => svg.classList[0])"""
SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll(".review-plot svg text")]
    .filter(text => text.checkVisibility()).map(text => {
        const {a, b} = text.getScreenCTM();
        return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
    }))"""
"""The size of the smallest text of a figure on the page, in CSS pixels of the screen."""

FORMS = {"wide": (1280, "light"), "wide and dark": (1280, "dark"), "phone": (360, "light")}


@pytest.fixture
def opened(browser, address, request):
    """Open pages in one form; fail on any console error or any request to another host."""
    width, scheme = FORMS[request.param]
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, wrong = context.new_page(), []
    tab.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda r: None if r.url.startswith((address, "data:")) else wrong.append(r.url))
    tab.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    yield tab, width, scheme
    context.close()
    assert wrong == []


@pytest.mark.parametrize("opened", FORMS, indirect=True)
def test_every_page_opens_without_an_error_and_fits(opened, address):
    tab, width, scheme = opened
    for name in chapters(ROOT):
        tab.goto(f"{address}/{name}.html", wait_until="load")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
        assert tab.evaluate("document.documentElement.dataset.theme") == scheme
        broken = "[...document.images].filter(i => !i.complete || i.naturalWidth === 0).length"
        assert tab.evaluate(broken) == 0, name
        shown = tab.evaluate(SHOWN_FORMS)
        # One form of each figure is shown, and a phone is given the narrow one.
        assert set(shown) <= {"review-wide" if width > 600 else "review-narrow"}, name
        if shown:
            assert tab.evaluate(SMALLEST_TEXT) >= 12, name
    if scheme == "dark":
        tab.goto(f"{address}/book/monotherapy.html")
        sheet = "getComputedStyle(document.querySelector('.cell_output .text_html')).backgroundColor"
        assert tab.evaluate(sheet) == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("opened", ["wide"], indirect=True)
def test_the_first_page_is_the_abstract_and_search_finds_a_study(opened, address):
    tab, _, _ = opened
    tab.goto(f"{address}/")
    tab.wait_for_url("**/book/abstract.html")
    tab.goto(f"{address}/search.html?q=Radakovic")
    tab.wait_for_selector("#search-results li a")
    found = tab.evaluate("[...document.querySelectorAll('#search-results li a')].map(a => a.getAttribute('href'))")
    assert any("included-studies" in Path(link.split("?")[0]).name for link in found), found


@pytest.mark.parametrize("opened", ["phone"], indirect=True)
def test_a_reader_can_open_code_and_remarks(opened, address):
    tab, _, _ = opened
    tab.goto(f"{address}/book/monotherapy.html")
    code = tab.locator(".review-code pre")
    assert code.count() > 1
    assert not any(block.is_visible() for block in code.all())
    tab.get_by_label("Show the code of this page").press("Space")
    assert all(block.is_visible() for block in code.all())
    remarks = tab.locator("details.review-folded").first
    remarks.locator("summary").click()
    assert remarks.locator("table").is_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
