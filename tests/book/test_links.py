"""Where numbers and names of studies lead: to their entries and records, and from there to the reports of studies."""

import json
import urllib.parse

import pytest

from conftest import parsed
from lib.report.citations import identifiers
from lib.report.marked_text import result_anchor, study_anchor
from lib.report.tables.table import link_of

pytestmark = pytest.mark.book

RECORDS = "study-records.html"
RESULTS = "all-results.html"


@pytest.fixture(scope="module")
def pages(book):
    """The pages by file name."""
    files = sorted((book / "_build/html/book").glob("*.html"))
    return {path.name: parsed(path) for path in files}


@pytest.fixture(scope="module")
def ids(pages):
    """The ids of each page."""
    return {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}


@pytest.fixture(scope="module")
def records(pages):
    """The record of each study by its id."""
    return {tag["id"]: tag for tag in pages[RECORDS].select("section.review-record")}


def addresses(tag):
    """Return the addresses outside the book to which a part of a page leads."""
    return {link["href"] for link in tag.select("a[href^=http]")}


def test_every_stated_number_leads_to_its_entry(pages, ids):
    links = [link for page in pages.values() for link in page.select("a[data-result]")]
    assert len(links) > 500
    for link in links:
        assert link["href"] == f"{RESULTS}#{result_anchor(link['data-result'])}"
    wanted = {urllib.parse.unquote(link["href"].partition("#")[2]) for link in links}
    assert wanted - ids[RESULTS] == set()


def test_every_link_to_a_record_leads_to_one(pages, records):
    links = [link["href"] for page in pages.values() for link in page.select(f'a[href^="{RECORDS}#"]')]
    assert len(links) > 500
    assert {urllib.parse.unquote(link.partition("#")[2]) for link in links} - {*records} == set()


def test_every_record_of_a_study_leads_to_the_entries_of_its_results(records, ids):
    links = [link["href"] for record in records.values() for link in record.select(f'a[href^="{RESULTS}#"]')]
    assert len(links) > 300
    assert {link.partition("#")[2] for link in links} - ids[RESULTS] == set()


@pytest.mark.parametrize("checklist", ["prisma_2020", "prisma_lsr_2024"])
def test_every_item_of_a_checklist_leads_to_a_place_in_the_book(ids, pages, checklist, ev):
    rows = ev.checklists.query("checklist == @checklist")
    assert len(rows)
    shown = {link["href"] for link in pages["reporting-checklists.html"].select("td a[href]")}
    for row in rows.itertuples():
        name, _, anchor = row.page.partition("#")
        assert row.page in shown
        assert name in pages and (not anchor or anchor in ids[name]), f"item {row.item}: {row.page}"


def test_every_count_is_two_clicks_from_its_report(pages, records, ev):
    """A row with the count has the address of its report, or the record to which the row leads has it."""
    shown = {}
    for page in pages.values():
        for row in page.select("table.review tbody tr"):
            for link in row.select(f'a[href^="{RECORDS}#"]'):
                shown.setdefault(link["href"].partition("#")[2], []).append(row)
    in_tables = 0
    for count in ev.responses.itertuples():
        _, address = link_of(count.source)
        record, number = records[study_anchor(count.study)], f"{count.events:g}/{count.n:g} {count.unit}"
        in_record = [row for row in record.select("tr") if number in row.get_text()]
        assert any(address in addresses(row) for row in in_record), (count.study, number)
        rows = [row for row in shown.get(study_anchor(count.study), ()) if number in row.get_text()]
        assert all(address in addresses(row) | addresses(record) for row in rows), (count.study, number)
        in_tables += bool(rows)
    assert in_tables > 30


def test_every_stated_result_is_two_clicks_from_the_reports_of_its_studies(book, pages, ev):
    results = json.loads((book / "_build/html/results.json").read_bytes())["results"]
    entries = {row["id"]: row for row in pages[RESULTS].select("tr[id]")}
    reports = 0
    for key, result in results.items():
        entry = entries[result_anchor(key)].find_next_sibling("tr", class_="detail")
        if same := entry.select_one(f'a[href^="#{result_anchor("")}"]'):
            entry = entries[same["href"][1:]].find_next_sibling("tr", class_="detail")
        leads_to = {link["href"] for link in entry.select("a[href]")}
        for study in result["studies"]:
            assert f"{RECORDS}#{study_anchor(study)}" in leads_to, (key, study)
            for source in identifiers(ev, study)[:1]:
                assert link_of(source)[1] in leads_to, (key, study)
                reports += 1
    assert reports > 500


@pytest.mark.browser
def test_a_name_in_the_explorer_leads_to_the_record_of_the_study(book, browser, records):
    tab = browser.new_page()
    tab.goto((book / "_build/html/book/explore.html").resolve().as_uri())
    links = tab.locator("[data-part=studies] th a")
    assert links.count() > 3
    targets = [links.nth(i).get_attribute("href") for i in range(links.count())]
    assert {target.partition("#")[2] for target in targets} <= {*records}
    links.first.click()
    assert tab.url.endswith(f"{RECORDS}#{targets[0].partition('#')[2]}")
    tab.close()
