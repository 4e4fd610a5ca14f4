"""Tables, code and paper: what a reader sees on a phone, sorts, opens, finds by searching, and prints."""

import json
import re

import pytest
from docutils import nodes

from conftest import ROOT, import_extension
from lib.report.tables import Table, grouped

code_cells = import_extension("code_cells")

in_browser = [pytest.mark.book, pytest.mark.browser]
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"
TABLE = """<!DOCTYPE html><meta charset="utf-8"><title>A table</title>
<div class="review-table"><table class="review" data-sortable><caption>Made-up studies</caption>
<thead><tr><th>Study</th><th>Events</th><th>Change</th></tr></thead><tbody>
<tr class="group"><th colspan="3">First</th></tr>
<tr><td>Made-up 10</td><td>3/30</td><td>−2.5</td></tr><tr class="detail"><td colspan="3">of 10</td></tr>
<tr><td>Made-up 9</td><td>–</td><td>10.0 (1–20)</td></tr>
<tr><td>Made-up 11</td><td>2/4</td><td>9.1</td></tr>
<tr class="group"><th colspan="3">Second</th></tr>
<tr><td>Made-up 2</td><td>1/3</td><td>0</td></tr>
</tbody></table></div><script src="tables.js"></script>"""
READ = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent.replace('Made-up ', ''))"


def test_one_switch_takes_the_place_of_those_of_the_cells():
    cell = (
        '<details class="admonition hide above-input">\n<summary aria-label="x">\n<p>Show</p></summary>\n<pre>1</pre>\n'
    )
    body = f'<p>Text</p>{cell}</details>{cell}</details><details class="other"><summary>More</summary></details>'
    changed = code_cells.with_switch(body)
    assert changed.count('<div class="review-code">') == 2
    assert changed.count("<details") == changed.count("</details>") == 1
    assert changed.endswith(code_cells.SWITCH)
    assert code_cells.with_switch("<p>Text</p>") == "<p>Text</p>"


@pytest.fixture
def with_code(browser, tmp_path):
    """Two pages with code, as files under a strict policy; open one of them in a context of a browser."""
    text = (
        f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<title>Code</title><link rel="stylesheet" href="review.css"><script defer src="code_cells.js"></script>'
        f'<a href="second.html">Second</a><div class="review-code">code()</div>{code_cells.SWITCH}'
    )
    for name in ("first.html", "second.html"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("review.css", "code_cells.js"):
        (tmp_path / name).write_bytes((ROOT / "book/_static" / name).read_bytes())
    wrong = []

    def opened(**options):
        tab = browser.new_context(**options).new_page()
        tab.on("console", lambda said: wrong.append(said.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto((tmp_path / "first.html").as_uri())
        return tab

    yield opened
    assert wrong == []


@pytest.mark.browser
def test_the_switch_of_the_code_is_remembered_on_other_pages(with_code):
    tab = with_code()
    code, switch = tab.locator(".review-code"), tab.get_by_role("checkbox", name="Show the code of this page")
    assert not code.is_visible() and not switch.is_checked()
    switch.check()
    tab.get_by_role("link", name="Second").click()
    assert code.is_visible() and switch.is_checked()
    switch.uncheck()
    tab.go_back()
    assert not code.is_visible() and not switch.is_checked()
    tab.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("refused", ["scripts", "storage"])
def test_the_switch_of_the_code_works_for_its_page_without_scripts_or_storage(with_code, refused):
    tab = with_code(java_script_enabled=refused != "scripts")
    refusing = "{ get() { throw new DOMException('refused'); } }"
    tab.add_init_script(f"Object.defineProperty(window, 'localStorage', {refusing})")
    tab.reload()
    code, switch = tab.locator(".review-code"), tab.get_by_role("checkbox", name="Show the code of this page")
    assert not code.is_visible()
    switch.check()
    assert code.is_visible()
    tab.get_by_role("link", name="Second").click()
    assert not code.is_visible()
    tab.context.close()


def test_code_is_taken_out_of_a_page_for_the_index_alone():
    page = nodes.section("", nodes.container("", classes=["cell"]), nodes.paragraph("", "Text"))
    page[0] += nodes.container("", nodes.literal_block("", "code_of_a_cell()"), classes=["cell_input"])
    page[0] += nodes.container("", nodes.paragraph("", "Output"), classes=["cell_output"])
    before = page.astext()
    put_back = code_cells._without_code(page)
    assert "code_of_a_cell" not in page.astext()
    assert {"Output", "Text"} <= set(page.astext().split())
    put_back()
    assert page.astext() == before


@pytest.mark.book
def test_the_search_index_holds_no_code(book):
    text = (book / "_build/html/searchindex.js").read_text(encoding="utf-8")
    index = json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)", text.strip(), re.DOTALL)[1])
    looked_for = 0
    for name in ("monotherapy", "comparisons", "table-3", "safety"):
        number = index["docnames"].index(f"book/{name}")
        found = {term for term, at in index["terms"].items() if number in (at if isinstance(at, list) else [at])}
        assert len(found) > 100
        cells = json.loads((ROOT / f"book/{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = " ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        # A name with an underscore is no word of a sentence; terms are stems of words.
        names = set(re.findall(r"[a-z]+_[a-z_]+[a-z]", code))
        looked_for += len(names)
        assert {term for term in found if "_" in term and any(word.startswith(term) for word in names)} == set()
    assert looked_for > 5


@pytest.fixture
def table(browser, tmp_path):
    """A page with one table, opened as a file under a strict policy."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    (tmp_path / "page.html").write_text(TABLE.replace("<title>", f"{policy}<title>"), encoding="utf-8")
    (tmp_path / "tables.js").write_bytes((ROOT / "book/_static/tables.js").read_bytes())
    tab, wrong = browser.new_page(viewport={"width": 800, "height": 600}), []
    tab.on("console", lambda said: wrong.append(said.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto((tmp_path / "page.html").as_uri())
    yield tab
    tab.close()
    assert wrong == []


@pytest.mark.browser
def test_rows_are_sorted_within_their_groups_and_keep_their_details(table):
    original = ["First", "10", "of 10", "9", "11", "Second", "2"]
    assert table.evaluate(READ) == original
    for column, up, down in (
        ("Study", ["9", "10", "of 10", "11"], ["11", "10", "of 10", "9"]),
        # A fraction is its value, and what is empty comes last.
        ("Events", ["10", "of 10", "11", "9"], ["11", "10", "of 10", "9"]),
        ("Change", ["10", "of 10", "11", "9"], ["9", "11", "10", "of 10"]),
    ):
        button, head = table.get_by_role("button", name=column), table.get_by_role("columnheader", name=column)
        for rows, direction in ((up, "ascending"), (down, "descending"), (original[1:5], None)):
            button.focus()
            table.keyboard.press("Enter")
            assert table.evaluate(READ) == ["First", *rows, "Second", "2"], (column, direction)
            assert head.get_attribute("aria-sort") == direction
            assert table.locator("[aria-sort]").count() == (direction is not None)


@pytest.mark.browser
def test_the_keyboard_reaches_a_table_only_while_it_is_wider_than_its_place(table):
    box = table.locator(".review-table")
    assert box.get_attribute("tabindex") is None
    table.evaluate("document.querySelector('.review-table').setAttribute('class', 'review-table narrow')")
    table.evaluate(
        "const rule = new CSSStyleSheet(); rule.replaceSync('.narrow {width: 50px; overflow: auto}');"
        "document.adoptedStyleSheets = [rule]"
    )
    table.wait_for_selector(".review-table[tabindex='0'][role='group'][aria-label='Made-up studies']")
    table.evaluate("document.querySelector('.review-table').setAttribute('class', 'review-table')")
    table.wait_for_selector(".review-table:not([tabindex]):not([role]):not([aria-label])")


@pytest.mark.browser
def test_a_very_long_table_keeps_its_head_and_first_column_and_is_sorted(browser):
    columns = [f"Column {number}" for number in range(8)]
    rows = [
        {"Study": f"Made-up {(7 * row) % 500}", **dict.fromkeys(columns, "a word"), "Note": "note" if row % 2 else ""}
        for row in range(500)
    ]
    tab = browser.new_page(viewport={"width": 360, "height": 600})
    table = Table(grouped([("Made-up studies", row) for row in rows], "group"), "A long table", detail="Note")
    tab.set_content(f'<p>Before</p><div class="cell_output">{table._repr_html_()}</div>')
    tab.add_style_tag(path=ROOT / "book/_static/review.css")
    tab.add_script_tag(path=ROOT / "book/_static/tables.js")
    box, first = tab.locator(".review-scroll"), tab.locator("tbody tr:nth-child(300) > :first-child")
    tab.wait_for_selector(".review-scroll[data-wide][role='region'][aria-label='A long table']")
    assert "scrolls" in tab.locator("caption").evaluate("caption => getComputedStyle(caption, '::after').content")
    box.evaluate("box => { box.scrollTop = 5000; box.scrollLeft = 200; }")
    frame = box.bounding_box()
    assert first.bounding_box()["x"] == pytest.approx(frame["x"], abs=2)
    detail = tab.locator("tr.detail div").nth(150)
    assert detail.bounding_box()["x"] == pytest.approx(frame["x"], abs=12)
    corner = tab.get_by_role("columnheader", name="Study").bounding_box()
    assert (corner["x"], corner["y"]) == pytest.approx((frame["x"], frame["y"]), abs=3)
    # The corner lies above both the head and the first column.
    middle = (corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
    assert tab.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('th').textContent", middle) == "Study"
    tab.get_by_role("button", name="Study").click()
    assert [name for name in tab.evaluate(READ)[1:] if name != "note"] == [str(number) for number in range(500)]
    tab.set_viewport_size({"width": 1280, "height": 600})
    tab.wait_for_selector(".review-scroll:not([data-wide])[role='region'][tabindex='0']")
    tab.close()


_AT_360 = """() => {
  document.querySelectorAll("details").forEach(part => { part.open = true; });
  const wrong = [];
  for (const box of document.querySelectorAll(".review-table:not(.review-scroll)")) {
    const name = box.querySelector("caption").textContent;
    const edge = box.getBoundingClientRect().left + box.clientWidth + 1;
    for (const row of box.querySelectorAll("tbody tr:not(.detail, .group)")) {
      const answer = row.querySelector("td:is(.numeric, .number) a[data-result]");
      const right = answer ? answer.getBoundingClientRect().right : 0;
      if (right > edge) wrong.push(`out of sight: ${name}: ${row.textContent}`);
    }
    for (const cell of box.querySelectorAll("td:is(.numeric, .number)")) {
      const range = document.createRange();
      range.selectNodeContents(cell);
      if (range.getBoundingClientRect().height > 1.9 * parseFloat(getComputedStyle(cell).lineHeight)) {
        wrong.push(`wraps: ${name}: ${cell.textContent}`);
      }
    }
    box.scrollLeft = 60;
    const first = box.querySelector("tbody tr:not(.detail, .group) td");
    const isHeld = first && first.getBoundingClientRect().left >= box.getBoundingClientRect().left - 1;
    if (box.scrollLeft && !isHeld) wrong.push(`first column leaves: ${name}`);
    if (box.scrollLeft && !/scrolls/.test(getComputedStyle(box.querySelector("caption"), "::after").content)) {
      wrong.push(`not marked: ${name}`);
    }
    if (box.scrollLeft && box.tabIndex !== 0) wrong.push(`not reached by keyboard: ${name}`);
  }
  return wrong;
}"""


_ON_PAPER = """() => {
  const shown = element => element.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true});
  const all = selector => [...document.querySelectorAll(selector)];
  const cut = all("article td, article th, article p, article li").filter(e => e.getBoundingClientRect().right > 690);
  const hidden = all("article details:not(.review-cite) > :not(summary), .review-source").filter(e => !shown(e));
  const extra = all(".review-code, .review-code-switch, .bd-sidebar, .bd-header-article").filter(shown);
  return [...cut, ...hidden, ...extra].map(e => e.outerHTML.slice(0, 150));
}"""


@pytest.mark.book
@pytest.mark.browser
def test_chapters_print_whole(browser, address):
    """As wide as A4 paper within its margins; folded parts are open, and what is for screens alone is gone."""
    tab = browser.new_page(viewport={"width": 688, "height": 1000}, color_scheme="dark")
    tab.emulate_media(media="print")
    for name in ("abstract", "table-3", "monotherapy", "heterogeneity-and-bias", "update", "comparisons"):
        tab.goto(f"{address}/book/{name}.html", wait_until="load")
        assert tab.evaluate(_ON_PAPER) == [], name
        source = tab.locator(".review-source").inner_text()
        assert re.search(rf"version [\d.]+\. Edition of \d{{4}}-\d\d-\d\d\. .*{name}\.html$", source)
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.close()


@pytest.mark.book
@pytest.mark.browser
def test_the_title_carries_the_version_of_the_edition(browser, address, book):
    version = json.loads((book / "_build/results.json").read_text(encoding="utf-8"))["version"]
    tab = browser.new_page()
    for name, selectors in (("abstract", ["title", ".logo__title", ".review-title"]), ("safety", ["title"])):
        tab.goto(f"{address}/book/{name}.html")
        for selector in selectors:
            assert tab.locator(selector).first.text_content().strip().endswith(f"a living review, version {version}")
    tab.close()


@pytest.mark.book
@pytest.mark.browser
def test_the_first_page_says_what_changed_and_leads_to_its_citation(browser, address):
    tab = browser.new_page()
    tab.goto(f"{address}/book/abstract.html")
    new = tab.locator("section#what-is-new").inner_text()
    assert "studies have been included" in new and "change the conclusions on" in new
    citation = tab.locator(".review-cite p").first
    assert not citation.is_visible()
    tab.get_by_role("link", name="Cite this edition").click()
    citation.wait_for(state="visible")
    assert "Abstract. In:" in citation.inner_text()
    tab.close()


@pytest.mark.book
@pytest.mark.browser
def test_tables_show_their_answer_on_a_phone(browser, address):
    tab = browser.new_page(viewport={"width": 360, "height": 800})
    for name in (
        "all-results",
        "table-3",
        "update",
        "what-is-new",
        "comparisons",
        "maintenance",
        "new-studies",
        "heterogeneity-and-bias",
    ):
        tab.goto(f"{address}/book/{name}.html", wait_until="load")
        tab.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        tab.wait_for_timeout(200)
        assert tab.evaluate(_AT_360) == [], name
    tab.close()
