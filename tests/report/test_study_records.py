"""The page of study records, and the links that lead to it."""

import re

import pytest
from bs4 import BeautifulSoup

from lib.report import registry, tables
from lib.report.chapters import study_records
from lib.report.citations import citation, identifiers
from lib.report.marked_text import result_anchor, study_anchor
from lib.report.tables.names import arm_name, label_by_key
from lib.report.tables.table import cell_html


@pytest.fixture(scope="module")
def records(ev):
    """Return the record of each study by its id on the page."""
    both = [study_records.in_review(ev), study_records.since_review(ev)]
    page = BeautifulSoup("".join(part._repr_html_() for part in both), "html.parser")
    sections = page.find_all("section", class_="review-record")
    by_id = {section["id"]: section for section in sections}
    assert len(by_id) == len(sections)
    return by_id


def rows_of(record, caption):
    """Return the texts of the cells of one table of a record, the line below a row last."""
    table = next((t for t in record.find_all("table") if t.caption.text == caption), None)
    rows = [[td.get_text() for td in tr.find_all("td")] for tr in table.tbody.find_all("tr")] if table else []
    details = [cells for cells in rows if len(cells) == 1]
    rows = [cells for cells in rows if len(cells) > 1]
    return [cells + detail for cells, detail in zip(rows, details, strict=True)] if details else rows


def test_every_study_and_record_has_one_record(ev, records):
    assert set(records) == {study_anchor(key) for key in {*ev.studies.study, *ev.screening.study}}


def test_every_count_is_in_the_record_of_its_study_with_its_source(ev, records):
    for row in ev.responses.itertuples():
        shown = rows_of(records[study_anchor(row.study)], "Responder counts")
        matching = [
            cells
            for cells in shown
            if cells[0] == arm_name(row.arm) and f"{row.events:g}/{row.n:g} {row.unit}" in cells[3]
        ]
        assert any(row.derivation in cells[-1] for cells in matching), (row.study, row.arm, row.threshold)
        link = BeautifulSoup(cell_html(row.source), "html.parser").a
        assert link is None or records[study_anchor(row.study)].find("a", href=link["href"]), row.source


def test_every_adverse_event_and_result_without_a_count_is_in_its_record(ev, records):
    for row in ev.adverse_events.itertuples():
        shown = rows_of(records[study_anchor(row.study)], "Adverse events")
        assert any(f"{row.events:g}/{row.n:g}" in cells for cells in shown)
    for row in ev.reported_without_counts.itertuples():
        shown = rows_of(records[study_anchor(row.study)], "Results reported without a count")
        assert any(row.reported in cells for cells in shown)


def test_a_record_lists_the_results_that_use_the_study(ev, records):
    listed = 0
    for entry in registry.results(ev).values():
        for study in entry.studies if entry.key.endswith((".published", ".updated", ".rr")) else ():
            if (record := records.get(study_anchor(study))) is not None:
                assert record.find("a", href=f"all-results.html#{result_anchor(entry.key)}").get_text()
                listed += 1
    assert listed > 100


def test_names_in_tables_lead_to_a_record(ev, records):
    for table in (
        tables.counts(ev, ev.reported_counts()),
        tables.studies(ev, "update"),
        tables.screening(ev, "excluded"),
    ):
        links = [a["href"] for a in BeautifulSoup(table._repr_html_(), "html.parser").find_all("a")]
        internal = [link for link in links if link.startswith("study-records.html#")]
        assert len(internal) >= len(table.frame)
        assert {link.partition("#")[2] for link in internal} <= set(records)


def test_text_of_the_data_is_escaped(ev):
    arms = ev.arms.assign(arm=["<b>bold</b>", *ev.arms.arm[1:]])
    record = study_records.Records(ev.with_tables(arms=arms), [ev.arms.study[0]])
    assert "<b>bold" not in record._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in record._repr_html_()


def test_a_citation_has_the_fields_that_are_known(ev):
    assert citation(ev, "kanwar2004").startswith("Kanwar et al. Topical tacrolimus")
    assert identifiers(ev, "kanwar2004") == ["doi:10.1111/j.1365-2230.2004.01632.x", "pmid:15550128"]
    assert citation(ev, "unknown") == "Citation not available."


def test_a_citation_has_no_sign_without_words_before_it(ev):
    citations = [citation(ev, study) for study in label_by_key(ev)]
    assert [text for text in citations if re.search(r"(^|\s)[.;:,]|\.\s*;", text)] == []
    assert "Citation not available." in citations and any(text.endswith(" Volume 13.") for text in citations)
