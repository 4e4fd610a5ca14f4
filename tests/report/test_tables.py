"""The book's tables and lists: what each new trial found, the rows of Table 3, and names of studies."""

import html
import re

import pandas as pd
import pytest

from lib.report import tables
from lib.report.chapters import new_studies
from lib.report.figures.forest import _labels


@pytest.fixture(scope="module")
def lines(ev):
    """The line of each study of the update, by its key."""
    return dict(zip(ev.included("update").study, map(html.unescape, new_studies.finding_lines(ev)), strict=True))


def test_every_new_trial_has_its_main_finding(ev, lines):
    assert len(lines) == ev.study_counts("update")["all"] > 0
    findings = dict(zip(ev.findings.study, ev.findings.finding, strict=True))
    assert {study for study, line in lines.items() if findings[study] in line} == set(lines)
    assert "no usable count" not in " ".join(lines.values())


def test_a_trial_that_cannot_be_pooled_is_reported_all_the_same(lines):
    """Seneschal 2021: 65% with tacrolimus and 0% with vehicle of 42 patients; relapse by week 48."""
    line = lines["seneschal2021"]
    for words in ("Double-blind", "42 patients", "75%", "65% with tacrolimus", "0% with vehicle", "week 48", "40%"):
        assert words in line, words
    assert "it is not part of any pooled rate" in line


def test_the_counts_of_a_finding_are_those_of_the_responses(ev, lines):
    """All arms of a trial are in it, the treated one first."""
    line = lines["jcd14041_2021"]
    assert "Repigmentation ≥75%: 3 of 31 patients with tacrolimus, 0 of 32 with hydrocortisone" in line
    responses = ev.responses
    rows = (responses.study == "jcd14041_2021") & (responses.threshold == "ge75") & (responses.arm == "tacrolimus")
    responses.loc[rows, "events"] = 2
    again = " ".join(map(html.unescape, new_studies.finding_lines(ev.with_tables(responses=responses))))
    assert "Repigmentation ≥75%: 2 of 31 patients with tacrolimus, 0 of 32 with hydrocortisone" in again


def test_a_rate_gives_the_totals_of_its_row(ev):
    totals = [tables.row_totals(outcome) for outcome in ev.all_outcomes()]
    assert totals[0] == "653 patients in 25 studies (references 7, 8, 22–43, 64)"
    assert "533 patients in 11 studies (references 30, 36, 55–62, 65)" in totals
    rows = ev.published_rates
    for row in rows[rows.place == "table3"].itertuples():
        assert any(text.startswith(f"{row.patients:g} patients in {row.studies:g} ") for text in totals)


def test_the_studies_of_the_review_have_its_reference_numbers(ev):
    frame = tables.studies(ev, "original").frame
    assert dict(zip(frame["Study"], frame["Ref."], strict=True))["Lepe 2003"] == 7
    assert set(frame["Ref."]) >= set(range(23, 67))
    assert "Ref." not in tables.studies(ev, "update").frame


def test_a_remark_names_other_studies_by_their_label(ev):
    excluded = tables.screening(ev, "excluded").frame
    shown = " ".join(tables.remarks(ev, ev.studies).frame.Remark) + " ".join(excluded.Reason)
    keys = [key for key in {*ev.studies.study, *ev.screening.study} if re.search(r"\d", key)]
    assert [key for key in keys if re.search(rf"\b{key}\b", shown)] == []


@pytest.mark.parametrize("wide", [True, False])
def test_a_long_name_keeps_its_year_and_drug_in_a_figure(ev, wide):
    studies = pd.DataFrame({"study": ["a", "a", "b"], "drug": ["tacrolimus", "pimecrolimus", "tacrolimus"]})
    studies["label"] = ["A very long description of a trial in children, 2021"] * 2 + [
        "Tacrolimus versus hydrocortisone, 2021"
    ]
    named = _labels(studies, wide)
    assert len(set(named)) == 3
    assert max(map(len, named)) <= (40 if wide else 32)
    assert named[2].endswith("2021")
    assert (named[2] == studies.label[2]) == wide
