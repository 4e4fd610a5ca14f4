"""The changes between editions, and the editions themselves."""

import datetime as dt
import re

import pytest

from lib import evidence
from lib.report import edition_results
from lib.report.chapters import edition_changes
from lib.report.chapters.edition_changes import Edition, reason
from lib.report.edition_results import EditionResult
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
    frame = edition_changes.results(Edition(before), Edition(after)).frame
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
    assert text.startswith(f"Added: {len(after.screening)} records (")
    found_later = (after.screening.entered > SECOND.isoformat()).sum()
    assert f"Of the records added, {found_later} had been published by then but were found later." in text
    for label in after.screening.label[after.screening.decision == "included"]:
        assert label in text
    made = re.search(r"Decisions made: title and abstract (\d+), full text (\d+)\.", text)
    assert sum(map(int, made.groups())) == (after.decisions.date <= SECOND.isoformat()).sum()
    assert edition_changes.records(after, after) == "No record was added."


def test_a_record_that_was_published_before_its_entry_is_counted_apart(ev):
    text = edition_changes.records(ev.earlier(SECOND), ev)
    entered = ev.screening[ev.screening.entered == ev.as_of.isoformat()]
    assert text.startswith("No record was added. Found in this period, but published before it: 3 records (")
    assert len(entered) == 3


def test_the_page_compares_each_edition_with_the_one_before(ev):
    page = edition_changes.EditionChanges(ev)._repr_html_()
    assert page.count("<h2>") == len(ev.editions) - 1
    for row in ev.editions.iloc[1:].itertuples():
        assert f"(version {row.version})" in page
    assert edition_changes.EditionChanges(ev.earlier(FIRST))._repr_html_() == "<p>There is no earlier edition.</p>"


# --- Reasons ----------------------------------------------------------------------------------------------

NAMES = {key: f"Made-up trial {key.upper()}" for key in "abc"}


def made(estimate, **counts):
    return EditionResult("rate.made_up", estimate, estimate - 0.1, estimate + 0.1, "rate", "", counts)


@pytest.mark.parametrize(
    ("before", "after", "today", "expected"),
    [
        (made(0.2, a="2/10"), made(0.3, a="2/10", c="4/10"), None, "Added: Made-up trial C."),
        (made(0.2, a="2/10"), made(0.3, a="2/10", b="4/10"), None, "Known before and now counted: Made-up trial B."),
        (made(0.2, a="2/10", b="1/9"), made(0.3, a="2/10"), None, "No longer included: Made-up trial B."),
        (
            made(0.2, a="2/10"),
            made(0.3, a="3/10"),
            made(0.3, a="3/10"),
            "Corrected count: Made-up trial A 3/10, formerly 2/10; changed counts and methods: the studies of the"
            " earlier edition now give 30.0 (20.0–40.0).",
        ),
        (made(0.2, a=""), made(0.3, a="3/10"), None, "Count now available: Made-up trial A."),
        (made(0.2, a="2/10"), made(0.3, a=""), None, "Count no longer used: Made-up trial A."),
        (
            made(0.2, a="2/10"),
            made(0.4, a="2/10", c="9/10"),
            made(0.25, a="2/10"),
            "Added: Made-up trial C; changed method: the studies of the earlier edition now give 25.0 (15.0–35.0).",
        ),
        (made(0.2, a="2/10"), made(0.3, a="2/10"), None, "Changed method, with the same studies and counts."),
        (None, made(0.3, a="2/10", b="1/9"), None, "First result, from Made-up trial A and Made-up trial B."),
        (made(0.2, a="2/10"), None, None, "No longer stated."),
    ],
)
def test_a_change_has_its_reason(before, after, today, expected):
    assert reason(before, after, {"a", "b"}, NAMES, today) == expected


def test_a_changed_method_is_told_from_new_studies(ev):
    """The results that version 1.0.0 stated are stored; the later version changed the update of rates."""
    version, stored = edition_results.stored_results(SECOND.isoformat())
    before = Edition(ev.earlier(SECOND), version, stored)
    frame = edition_changes.results(before, Edition(ev)).frame
    row = frame[frame.Result == "TCI monotherapy, ≥75%"].iloc[0]
    assert row.Before == "18.2 (13.5–22.9)"
    assert row.Reason == "Changed method, with the same studies and counts."
    # Without the stored results nothing of this can be seen: today's methods give both.
    unseen = edition_changes.results(Edition(before.evidence), Edition(ev)).frame
    assert len(unseen) < len(frame)
    assert not unseen.Reason.str.contains("method").any()


def test_a_corrected_count_is_told(ev):
    responses = ev.responses
    row = responses.index[
        (responses.study == "ebrahim2020") & (responses.threshold == "ge75") & (responses.poolable == "yes")
    ][0]
    events = responses.events[row]
    corrected = ev.with_tables(responses=responses.assign(events=responses.events.where(responses.index != row, 5)))
    before = Edition(ev, "made up", edition_results.results(ev))
    frame = edition_changes.results(before, Edition(corrected)).frame
    reasons = frame.Reason[frame.Result == "TCI monotherapy, ≥75%"]
    assert reasons.str.contains("orrected count: Ebrahim 2020 5/30, formerly").all()
    assert reasons.str.contains(f"formerly {events:g}/30").all()
    assert len(reasons) == 2


# --- Stored and cached results ----------------------------------------------------------------------------


def test_results_of_an_edition_are_computed_once(ev, monkeypatch):
    earlier = ev.earlier(FIRST)
    first = edition_results.results(earlier)
    monkeypatch.setattr(edition_results, "_compute", lambda evidence: pytest.fail("computed again"))
    again = edition_results.results(ev.earlier(FIRST))
    assert {key: str(result) for key, result in again.items()} == {key: str(result) for key, result in first.items()}


def test_editions_that_differ_in_other_tables_have_the_same_results(ev, monkeypatch):
    expected = edition_results.results(ev)
    monkeypatch.setattr(edition_results, "_compute", lambda evidence: pytest.fail("computed twice"))
    assert edition_results.results(ev.with_tables(searches=ev.searches[:0])) == expected


def test_other_data_have_other_results(ev, monkeypatch):
    edition_results.results(ev)
    changed = ev.with_tables(responses=ev.responses.assign(events=1))
    monkeypatch.setattr(edition_results, "_compute", lambda evidence: {})
    assert edition_results.results(changed) == {}


def test_stored_results_are_those_of_the_edition(ev, monkeypatch, tmp_path):
    monkeypatch.setattr(edition_results, "FOLDER", edition_results.FOLDER.parent / "no such folder")
    assert edition_results.stored_results(ev.as_of.isoformat()) is None
    assert f"lib/report/no such folder/{ev.as_of}.json" in edition_results.READ
    edition_results.READ.clear()
    path = tmp_path / "stored.json"
    monkeypatch.setattr(edition_results, "stored_file", lambda date: path)
    monkeypatch.setattr(edition_results.lib, "__file__", str(tmp_path / "lib/__init__.py"))
    assert edition_results.store(ev) == path
    version, stored = edition_results.stored_results(ev.as_of.isoformat())
    assert version == ev.editions.version.iloc[-1]
    assert {key: str(result) for key, result in stored.items()} == {
        key: str(result) for key, result in edition_results.results(ev).items()
    }


def test_only_an_edition_is_stored(ev, monkeypatch):
    monkeypatch.setattr(edition_results, "results", lambda evidence: pytest.fail("computed"))
    unfinished = ev.with_tables(editions=ev.editions.iloc[:-1])
    with pytest.raises(ValueError, match="Add a row for the new edition first"):
        edition_results.store(unfinished)


@pytest.mark.parametrize("path", sorted(edition_results.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_stored_results_belong_to_an_edition_and_its_studies(ev, path):
    version, stored = edition_results.stored_results(path.stem)
    assert version == ev.editions.set_index("date").version[path.stem]
    assert {study for result in stored.values() for study in result.counts} <= {*ev.studies.study}
