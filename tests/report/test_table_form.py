"""The form that all tables share: columns that are left out, what stays in one line, and which tables can be sorted."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from lib.report.marked_text import Stated, study_link
from lib.report.tables import Table, grouped
from lib.report.tables.table import cell_html


def shown(table):
    return BeautifulSoup(table._repr_html_(), "html.parser").table


def heads(table):
    return [head.text for head in shown(table).thead.find_all("tr")[-1].find_all("th")]


def test_a_column_without_content_is_left_out():
    frame = pd.DataFrame({"Study": ["", ""], "Country": ["", None], "n": [0, float("nan")], "Note": ["", "x"]})
    assert heads(Table(frame, "A table", detail="Note")) == ["Study", "n"]
    assert heads(Table(frame[:0], "A table without rows")) == ["Study", "Country", "n", "Note"]


def test_a_column_without_content_is_left_out_below_a_common_head():
    cells = {("", "Response"): "≥50%", ("Published", "Rate"): "12.0", ("Published", "Studies"): ""}
    table = Table(grouped([("A rate", cells)], "group"), "A table")
    assert heads(table) == ["Response", "Rate"]
    assert shown(table).find("tr", class_="group").th["colspan"] == "2"


@pytest.mark.parametrize("text", ["18.1 (13.2–23.1)‡", "1.90 (0.94 to 3.84)", "70/123 v 35/120", "2026-11-25", "−3.2%"])
def test_numbers_stay_in_one_line(text):
    rows = shown(Table(pd.DataFrame({"Name": ["A"], "Result": [Stated(text, "a.key")]}), "A table"))
    assert rows.find_all("td")[1]["class"] == ["number"]


@pytest.mark.parametrize("text", ["7, 8, 22-25, 27, 29-35, 37-39, 41-43, 64", "3 of 4 studies", "NB-UVB"])
def test_texts_and_long_lists_of_numbers_may_wrap(text):
    rows = shown(Table(pd.DataFrame({"Name": ["A"], "Result": [text]}), "A table"))
    assert not rows.find_all("td")[1].get("class")


def test_a_short_name_stays_in_one_line_and_a_long_one_may_wrap():
    names = [study_link("Made-up trial 17", "a"), study_link("Made-up trial with a name that is long", "b")]
    first, second = shown(Table(pd.DataFrame({"Study": names}), "A table")).find_all("td")
    assert (first.get("class"), second.get("class")) == (["name"], None)


def test_the_head_of_a_numeric_column_is_aligned_like_its_numbers():
    table = Table(pd.DataFrame({"Name": ["A"], "n": [1], "m": [2]}), "A table", numeric=["m"])
    assert ["numeric" in head["class"] for head in shown(table).find_all("th")] == [False, False, True]


@pytest.mark.parametrize(("groups", "sortable"), [([8], True), ([7], False), ([3, 9], True), ([7, 7], False)])
def test_readers_can_sort_what_has_many_rows(groups, sortable):
    rows = [(f"Group {group}", {"Study": row}) for group, size in enumerate(groups) for row in range(size)]
    table = Table(grouped(rows, "group"), "A table")
    assert shown(table).has_attr("data-sortable") == sortable
    if len(groups) == 1:
        table = Table(table.frame.reset_index(drop=True), "A table without groups")
        assert shown(table).has_attr("data-sortable") == sortable


def test_a_source_in_the_review_is_named_and_not_given_by_its_key():
    assert cell_html("lee2019, Table 2") == "2019 review, Table 2"
    assert cell_html("thesis abstract") == "thesis abstract"
