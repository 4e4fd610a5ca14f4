"""The flow diagram and the lists of records to which its numbers lead."""

import csv
import datetime as dt
import io
import re
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from lib.evidence import load
from lib.evidence.screening import NOT_RECORDED
from lib.records.flow import SUMS, flow
from lib.report import figures, tables
from lib.report.chapters.record_listing import MOST, RecordListing, agreement
from lib.report.figures import FlowBox, FlowStep
from lib.report.figures.saving import FILES
from lib.report.tables.records import column_heading


@pytest.fixture(scope="module")
def diagram(ev) -> BeautifulSoup:
    return BeautifulSoup(figures.flow_diagram(tables.flow_steps(ev))._repr_html_(), "html.parser")


@pytest.fixture(scope="module")
def lists(ev) -> BeautifulSoup:
    return BeautifulSoup(RecordListing(ev)._repr_html_(), "html.parser")


def test_an_edition_lists_records_that_a_later_search_found(ev):
    """They had been published by its date, and so belong to it."""
    page = RecordListing(ev.earlier(dt.date(2026, 11, 22)))._repr_html_()
    assert "Found by: a search after this edition" in page
    assert "A search after this edition (n" in page
    assert "search after this edition" not in RecordListing(ev)._repr_html_()


def rows_in(section) -> set[str]:
    """The records in a section, by the names that lead to them or by their own ids."""
    entries = {item["id"] for item in section.select("li[id]")}
    return entries | {link["href"].removeprefix("#") for link in section.select('a[href^="#record-"]')}


def test_the_diagram_has_a_column_for_each_edition_and_the_published_numbers(diagram, ev):
    headings = [heading.get_text() for heading in diagram.select("h2")]
    assert headings == [
        "2019 review, to 6 August 2018",
        "Version 1.0.0, 22 November 2026",
        "Version 1.1.0, 25 November 2026",
    ]
    review = diagram.section.get_text(" ").replace("\N{NO-BREAK SPACE}", " ")
    for words in ("databases (n = 250)", "excluded (n = 148)", "eligibility (n = 102)", "Full texts excluded (n = 46)"):
        assert words in review
    assert "Studies included (n = 56)" in review and "Records screened (number not reported)" in review
    assert [int(n) for n in re.findall(r"n = (\d+)", review)][3:11] == [46, 1, 8, 11, 2, 14, 9, 1]


def test_every_number_of_an_update_leads_to_that_many_rows(diagram, lists):
    links = diagram.select('a[href^="#"]')
    assert len(links) > 30
    for link in links:
        target = lists.find(id=link["href"].removeprefix("#"))
        assert target is not None, link["href"]
        section = target if target.name == "section" else target.find_next("ul")
        number = int(re.search(r"n\s=\s(\d+)", link.get_text())[1])
        assert len(rows_in(section)) == number, link["href"]


def test_the_lists_have_each_record_once_with_its_decision(lists, ev):
    entries = lists.select("li[id]")
    assert sorted(item["id"] for item in entries) == sorted(f"record-{key}" for key in ev.records.record)
    kiran = next(item for item in entries if "Kiran 2024" in item.get_text())
    assert "Title and abstract: exclude, vitiligo refractory to earlier treatment" in kiran.get_text()
    assert "(reviewer not recorded, 2026-11-22)" in kiran.get_text()
    interim = next(item for item in entries if "bFGF decapeptide and tacrolimus (interim)" in item.get_text())
    assert "Another report of Parsad 2020" in interim.get_text()
    assert "Found by: collection of published abstracts, 22 November 2026. " in interim.get_text()
    assert "parsad2020" not in lists.get_text() and ".. " not in lists.get_text()


def test_every_id_of_the_lists_occurs_once(lists):
    ids = [element["id"] for element in lists.select("[id]")]
    assert len(ids) == len(set(ids))


def test_text_of_a_record_is_harmless(ev):
    records = ev.records
    records.loc[records.record == "collection-2026-11-25.1", "title"] = "<script>alert(1)</script>"
    candidates = ev.candidates[ev.candidates.record != "collection-2026-11-25.1"]
    changed = ev.with_tables(records=records, candidates=candidates)
    assert "<script>" not in RecordListing(changed)._repr_html_()
    steps = {"<b>": [FlowStep(FlowBox("<i>", 1, lines=(FlowBox('"><u>', 2),)))]}
    shown = figures.flow_diagram(steps, caption="<s>")._repr_html_()
    assert not re.search("<[bisu]>", shown)


def test_a_long_list_ends_with_the_number_that_is_left_out(ev):
    number = MOST + 5
    added = pd.DataFrame(
        {
            "record": [f"made-up.{i}" for i in range(number)],
            "title": [f"Made-up trial {i}" for i in range(number)],
            "entered": "2026-11-25",
        }
    )
    records = pd.concat([ev.records, added])
    records = records.assign(position=0.0).fillna("")
    text = RecordListing(ev.with_tables(records=records))._repr_html_()
    assert "5 more are in records.csv and decisions.csv." in text
    assert text.count('<li id="record-made-up.') == MOST


def test_the_original_edition_has_one_column_and_no_list():
    ev = load("data", "2018-08-06")
    assert list(tables.flow_steps(ev)) == ["2019 review, to 6 August 2018"]
    assert "None in this edition" in RecordListing(ev)._repr_html_()


def test_a_state_that_is_no_edition_is_named_by_its_date():
    assert list(tables.flow_steps(load("data", "2021-06-30")))[-1] == "State of 30 June 2021"


def test_the_agreement_is_stated_where_two_named_reviewers_decided(ev):
    assert "cannot be stated" in agreement(ev)
    assert f"not recorded for {(ev.decisions.reviewer == NOT_RECORDED).sum()} decisions" in agreement(ev)
    first = ev.decisions.assign(reviewer="Ann")
    second = ev.decisions.assign(reviewer="Ben")
    second.loc[second.index[:1], "decision"] = "exclude"
    text = agreement(ev.with_tables(decisions=pd.concat([first, second], ignore_index=True)))
    records = len(ev.records)
    assert f"On title and abstract, two reviewers decided on {records} records and agreed on {records - 1}" in text
    assert "Cohen's kappa 0.97" in text and "1 disagreement of reviewers is not resolved" in text


def test_what_awaits_a_second_reviewer_is_listed_without_the_decision(ev):
    table = tables.awaiting_second_reviewer(ev)
    assert len(table.frame) == len(ev.decisions) and table.folded
    assert list(table.frame) == ["Record", "Stage", "Decided by", "Date"]


def test_the_numbers_of_the_diagram_are_those_of_the_flow(ev, diagram):
    shown = diagram.get_text(" ").replace("\N{NO-BREAK SPACE}", " ")
    for column in flow(ev)[1:]:
        for name, words in (
            ("identified", "Records identified"),
            ("screened", "Records screened"),
            ("sought", "Reports sought for retrieval"),
            ("assessed", "Reports assessed for eligibility"),
            ("studies", "Studies included in the update"),
        ):
            assert f"{words} (n = {column.boxes[name].n})" in shown


@pytest.fixture(scope="module")
def files(ev) -> dict[str, str]:
    _, metadata = figures.flow_diagram(tables.flow_steps(ev))._repr_mimebundle_()
    return metadata[FILES][0]


def test_the_data_of_the_diagram_have_the_numbers_of_the_flow(ev, files, diagram):
    rows = [*csv.DictReader(io.StringIO(files["csv"].removeprefix("\ufeff")))]
    for column in flow(ev):
        heading = column_heading(column)
        n = {row["key"]: int(row["n"]) for row in rows if row["edition"] == heading and row["n"]}
        assert len(n) > 10
        for name in n.keys() & column.boxes.keys():
            assert n[name] == column.boxes[name].n, (heading, name)
        if not column.is_computed:
            steps = dict(zip(ev.flow.step, ev.flow.n, strict=True))
            assert (n["databases"], n["excluded"], n["assessed"], n["studies"]) == tuple(
                steps[step] for step in ("identified", "removed", "assessed", "included")
            )
            for code, number in ((key.partition(".")[2], n[key]) for key in n if key.startswith("excluded_full_text.")):
                assert number == steps[f"excluded_{code}"]
            continue
        for name, parts in SUMS:
            if {name, *parts} <= n.keys():
                assert n[name] == sum(n[part] for part in parts), (heading, name)
        for key in (key for key in n if "." in key and not key.startswith("studies")):
            name, _, group = key.partition(".")
            assert n[key] == len(column.boxes[name].groups["" if group == "none" else group]), (heading, key)
        assert n["studies.in_review"] == n["studies"] + 56
    keys = [(row["edition"], row["key"]) for row in rows]
    assert len(set(keys)) == len(keys) and all(key for _, key in keys)
    # The page has the same boxes in the same order.
    words = [FlowBox(row["box"], int(row["n"]) if row["n"] else None).words for row in rows]
    boxes = [[box.find(string=True), *(line.get_text() for line in box.select("li"))] for box in diagram.select(".box")]
    assert words == [text for box in boxes for text in box]


def test_the_picture_of_the_diagram_has_every_box_within_its_frame(files):
    picture = ET.fromstring(files["svg"].encode())
    shown = [*picture.iter("{http://www.w3.org/2000/svg}text")]
    words = " ".join("".join(text.itertext()) for text in shown if text.text != "•").replace("\N{NO-BREAK SPACE}", " ")
    for row in csv.DictReader(io.StringIO(files["csv"].removeprefix("\ufeff"))):
        number = f"(n = {row['n']})" if row["n"] else "(number not reported)"
        assert f"{row['box']} {number}" in words
    width, height = float(picture.get("width")), float(picture.get("height"))
    assert all(0 <= float(text.get("x")) <= width and 0 <= float(text.get("y")) <= height for text in shown)


def test_more_than_three_columns_of_the_picture_go_on_below():
    steps = [FlowStep(FlowBox("Made-up records", 3), (FlowBox("Made-up exclusions", 1),)), FlowStep(FlowBox("Rest", 2))]
    heights = {n: figures.flow_diagram(dict.fromkeys(map(str, range(n)), steps)).drawing().height for n in (1, 3, 4)}
    assert heights[1] == heights[3] < heights[4] / 2
    drawing = figures.flow_diagram(dict.fromkeys("1234", steps)).drawing()
    assert max(text.box[2] for text in drawing.texts) <= drawing.width
    assert max(text.box[3] for text in drawing.texts) <= drawing.height
