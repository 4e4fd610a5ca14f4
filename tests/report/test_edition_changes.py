"""The changes between editions, and the editions themselves."""

import datetime as dt

import pytest

from lib import evidence
from lib.report.chapters import edition_changes
from tests.conftest import ROOT

FIRST, SECOND = dt.date(2018, 8, 6), dt.date(2026, 11, 22)


def test_an_earlier_edition_is_that_which_is_loaded_for_its_date(ev):
    for date in (FIRST, SECOND):
        earlier, loaded = ev.earlier(date), evidence.load(ROOT / "data", date)
        assert earlier.fingerprints() == loaded.fingerprints()


@pytest.mark.parametrize("date", [dt.date(2018, 8, 5), dt.date(2100, 1, 1)])
def test_there_is_no_earlier_edition_of_other_dates(ev, date):
    with pytest.raises(ValueError, match=f"must be from 2018-08-06 to {ev.as_of}, not {date}"):
        ev.earlier(date)


def test_every_changed_result_is_listed_before_and_after_with_its_reason(ev):
    before, after = ev.earlier(FIRST), ev.earlier(SECOND)
    frame = edition_changes.results(before, after).frame
    assert (frame.Before != frame.After).all()
    row = frame[frame.Result == "TCI monotherapy, ≥75%"].iloc[0]
    assert row.Before.startswith("18.1 (")
    new = after.outcome("monotherapy", "ge75").new.label
    assert row.Reason.startswith("Added: ")
    assert all(label in row.Reason for label in new)
    unchanged = [outcome for outcome in after.all_outcomes() if outcome.new.empty and not outcome.available.empty]
    assert unchanged
    current = frame.loc["Current rates, % (95% CI)", "Result"]
    assert not {edition_changes.outcome_name(outcome) for outcome in unchanged} & set(current)


def test_records_are_counted_with_their_decisions(ev):
    before, after = ev.earlier(FIRST), ev.earlier(SECOND)
    text = edition_changes.records(before, after)
    assert text.startswith(f"{len(after.screening)} records added: ")
    for label in after.screening.label[after.screening.decision == "included"]:
        assert label in text
    assert edition_changes.records(after, after) == "None were added."


def test_the_page_compares_each_edition_with_the_one_before(ev):
    page = edition_changes.EditionChanges(ev)._repr_html_()
    assert page.count("<h2>") == len(ev.editions) - 1
    for row in ev.editions.iloc[1:].itertuples():
        assert f"(version {row.version})" in page
    assert edition_changes.EditionChanges(ev.earlier(FIRST))._repr_html_() == "<p>There is no earlier edition.</p>"
