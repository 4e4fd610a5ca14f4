"""Numbers that follow from the tables by counting, and editions and views of the evidence."""

import datetime as dt
import warnings
from inspect import unwrap

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from conftest import ROOT
from lib.caching.shared_results import ADDRESS, READ, shared
from lib.evidence import REGIMENS, DataError, Evidence, earlier_editions, load, question, reference_numbers
from lib.published import imputation, participants, rates


@pytest.fixture(scope="module")
def original():
    """The edition of the original search."""
    return load(ROOT / "data", "2018-08-06")


def published(ev, quantity, *places):
    """The number that the review published, the same in all the places."""
    values = {ev.number(quantity, place) for place in places}
    assert len(values) == 1
    return values.pop()


def test_studies_counted_are_those_stated(ev):
    counted = ev.study_counts("original")
    everywhere = ("abstract", "results", "discussion")
    assert counted["monotherapy"] == published(ev, "monotherapy_studies", *everywhere, "safety") == 36
    assert counted["phototherapy"] == published(ev, "phototherapy_studies", *everywhere) == 12
    assert counted["efficacy"] == published(ev, "efficacy_studies", "abstract", "key_points", "results") == 46
    assert counted["mechanism"] == published(ev, "mechanism_studies", *everywhere) == 11
    assert counted["maintenance"] == published(ev, "maintenance_studies", *everywhere) == 1
    assert counted["all"] == published(ev, "studies_included", "abstract", "results") == 56


def test_studies_counted_are_those_in_the_published_reference_lists(ev):
    for quantity, role in (("monotherapy_studies", "monotherapy"), ("phototherapy_studies", "phototherapy")):
        claims = ev.published_numbers
        refs = claims[(claims.quantity == quantity) & (claims.refs != "")].refs.item()
        studies = ev.arms[ev.arms.role == role].merge(ev.included("original"), on="study")
        assert set(studies.review_ref) == set(reference_numbers(refs))


def test_the_flow_adds_up(ev):
    n = ev.flow.set_index("step").n
    assert n.identified - n.removed == n.assessed == 250 - 148 == 102
    reasons = n[n.index.str.startswith("excluded_")]
    assert len(reasons) == 7
    assert reasons.sum() == published(ev, "full_text_excluded", "results") == 46
    assert n.assessed - reasons.sum() == n.included == 56
    for step, quantity in (("identified", "records_identified"), ("assessed", "full_text_assessed")):
        assert n[step] == published(ev, quantity, "abstract", "results")


def test_patients_add_up_as_stated(ev):
    parts = [ev.number(f"{regimen}_patients") for regimen in ("monotherapy", "phototherapy")]
    assert parts == [941, 558]
    assert sum(parts) == published(ev, "efficacy_patients", "abstract", "key_points", "results") == 1499


def test_adverse_events_are_as_stated(ev):
    patients = ev.number("adverse_event_patients", "safety")
    events = [ev.number(f"{kind}_events", "safety") for kind in ("burning", "pruritus", "erythema")]
    assert (events, patients) == ([29, 22, 7], 296)
    for kind, n in zip(("burning", "pruritus", "erythema"), events, strict=True):
        assert ev.number(f"{kind}_percent", "safety") == round(100 * n / patients, 1)


def test_tables_of_the_review_are_whole(ev):
    assert len(ev.all_outcomes()) == 24
    assert (len(ev.mechanism), ev.mechanism.study.nunique()) == (14, 11)
    # Table 2 has a row for each study, and two for one of them.
    assert len(ev.included("original")) == 47 + 1
    assert ev.included("original").study.nunique() == 46 + 1


def test_table_1_names_the_references_of_the_text(ev):
    claims = ev.published_numbers
    refs = claims[(claims.quantity == "mechanism_studies") & (claims.refs != "")].refs.item()
    assert set(ev.mechanism.review_ref) == set(reference_numbers(refs))


# --- Editions ---------------------------------------------------------------------------------------------


def test_the_edition_of_the_original_search_is_the_original_review_alone(original):
    ev = original
    assert set(ev.studies.edition) == {"original"}
    assert (len(ev.screening), len(ev.later_reviews), len(ev.searches)) == (0, 0, 1)
    assert ev.last_search == dt.date(2018, 8, 6)
    assert ev.study_counts("original")["all"] == 56
    assert ev.study_counts("update")["all"] == 0
    assert all(outcome.new.empty for outcome in ev.all_outcomes())


def test_an_edition_holds_what_was_published_by_its_date(ev):
    then = load(ROOT / "data", "2020-06-30")
    assert set(then.included("update").study) == {"ebrahim2020", "cdi00845_2019", "shah2020"}
    assert set(then.responses.study) < set(ev.responses.study)
    assert "seneschal2021" not in set(then.concerns.study)
    # A year without a month counts from its last day.
    assert "parsad2020" not in set(then.included("update").study)
    assert "parsad2020" in set(load(ROOT / "data", "2020-12-31").included("update").study)


def test_a_study_without_a_date_counts_from_its_entry(ev):
    entered = ev.screening.set_index("study").at["alam", "entered"]
    before = dt.date.fromisoformat(entered) - dt.timedelta(days=1)
    assert "alam" in set(ev.included("update").study)
    assert "alam" not in set(load(ROOT / "data", before).included("update").study)


def test_the_newest_edition_does_not_depend_on_the_day_it_is_built(ev):
    assert ev.as_of == max(map(dt.date.fromisoformat, [*ev.screening.entered, *ev.searches.date]))


@pytest.mark.parametrize(
    ("as_of", "message"), [("2999-01-01", "in the future"), ("2018-08-05", "no edition before"), ("soon", "YYYY-MM-DD")]
)
def test_an_impossible_edition_is_refused(as_of, message):
    with pytest.raises(DataError, match=message):
        load(ROOT / "data", as_of)


def test_an_unknown_name_is_refused(ev):
    with pytest.raises(
        AttributeError, match="table must be one of dictionary, codes, studies.* not 'arm': did you mean 'arms'"
    ):
        _ = ev.arm
    with pytest.raises(ValueError, match="published no rate of phototherapy at ge75 in the group 'children'"):
        ev.outcome("phototherapy", "ge75", group="children")
    with pytest.raises(
        ValueError, match="published no such number in 'results': quantity must be one of .*, not 'nothing'"
    ):
        ev.number("nothing")


UNKNOWN = {
    "a view": (
        lambda ev: ev.only("monoterapy"),
        "view must be one of .*, not 'monoterapy': did you mean 'monotherapy'",
    ),
    "a regimen": (
        lambda ev: ev.outcome("photo", "ge75"),
        "regimen must be one of monotherapy, phototherapy.*, not 'photo'",
    ),
    "a threshold": (
        lambda ev: ev.outcome("monotherapy", "75"),
        "threshold must be one of .*ge25, ge50, ge75.*, not '75'",
    ),
    "a group": (
        lambda ev: ev.outcome("monotherapy", "ge75", "child"),
        "group must be one of .*, not 'child': did you mean 'children'",
    ),
    "an edition": (
        lambda ev: ev.included("updates"),
        "edition must be one of .*, not 'updates': did you mean 'update'",
    ),
    "an edition to count": (lambda ev: ev.study_counts("2019"), "edition must be one of original, update, not '2019'"),
    "a code list": (
        lambda ev: ev.meaning("designs"),
        "code list must be one of .*, not 'designs': did you mean 'design'",
    ),
    "a place": (
        lambda ev: ev.number("monotherapy_studies", "abstracts"),
        "place must be one of .*did you mean 'abstract'",
    ),
    "a place of a number": (lambda ev: ev.number("pruritus_events", "abstract"), "in 'abstract'; it is in: safety"),
    "a table": (lambda ev: ev.with_tables(arm=ev.arms), "table must be one of .*, not 'arm': did you mean 'arms'"),
    "a question": (lambda ev: question(ev, "added"), "question must be one of .*added_to_phototherapy.*, not 'added'"),
    "a threshold of a question": (
        lambda ev: question(ev, "added_to_phototherapy").at("ge7"),
        "threshold must be one of .*, not 'ge7': did you mean 'ge75'",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_value_is_named_with_what_is_allowed(ev, name):
    call, message = UNKNOWN[name]
    with pytest.raises(ValueError, match=message):
        call(ev)


def test_a_decision_counts_from_its_date_on_once_the_record_is_entered(ev):
    record = dict(zip(ev.candidates.study, ev.candidates.record, strict=True))["shah2020"]
    decisions = ev.decisions
    decisions.loc[(decisions.record == record) & (decisions.stage == "full_text"), "date"] = "2026-11-24"
    changed = ev.with_tables(decisions=decisions)
    decided = {
        day: changed.earlier(dt.date.fromisoformat(day)).screening.set_index("study").decision["shah2020"]
        for day in ("2021-01-01", "2026-11-22", "2026-11-23", "2026-11-24")
    }
    assert list(decided.values()) == ["included", "awaiting_full_text", "awaiting_full_text", "included"]


def test_records_and_all_that_is_said_of_them_belong_to_an_edition(ev, original):
    for edition in (original, ev.only("original")):
        assert [len(getattr(edition, name)) for name in ("records", "decisions", "duplicates", "candidates")] == [0] * 4
    before = ev.earlier(dt.date(2021, 6, 30))
    assert 0 < len(before.records) < len(ev.records)
    assert set(before.decisions.record) == set(before.records.record) == set(before.candidates.record)


def test_the_evidence_shows_its_tables_with_their_rows(ev):
    READ.clear()
    lines = repr(ev).splitlines()
    assert lines[0] == f"Evidence as of {ev.as_of}"
    rows = dict(line.split()[:2] for line in lines[1:])
    assert rows == {name: f"{len(getattr(ev, name))}" for name in dict.fromkeys([*ev.dictionary.table, "screening"])}
    # A chapter that shows the numbers of rows depends on all tables.
    assert {("", name) for name in rows} <= READ
    page = BeautifulSoup(ev._repr_html_(), "html.parser")
    shown = {row.code.get_text(): row.find_all("td") for row in page.select("tbody tr")}
    assert {name: cells[1].get_text() for name, cells in shown.items()} == {n: r.split()[0] for n, r in rows.items()}
    assert shown["arms"][2].get_text() == ev.meaning("table")["arms"]
    assert "view 'original'" in repr(ev.only("original")).splitlines()[0]


# --- Views, and the record of what is read ----------------------------------------------------------------


@pytest.mark.parametrize("regimen", REGIMENS)
def test_the_view_of_a_regimen_gives_what_the_whole_would(ev, regimen):
    view = ev.only(regimen)
    of_whole = {
        function: unwrap(function) for function in (Evidence._outcome, participants.sizes, participants.members)
    }
    for outcome in view.all_outcomes():
        assert outcome.regimen == regimen
        expected = of_whole[Evidence._outcome](ev, regimen, outcome.threshold, outcome.group)
        for name in ("available", "missing", "new"):
            pd.testing.assert_frame_equal(getattr(outcome, name), getattr(expected, name))
        assert repr(outcome) == repr(expected)
        found = participants.members(view, regimen, outcome.group)
        expected = of_whole[participants.members](ev, regimen, outcome.group)
        pd.testing.assert_frame_equal(found.frame, expected.frame)
        pd.testing.assert_frame_equal(found.totals, expected.totals)
        found = unwrap(imputation.block_of)(view, regimen, outcome.group)
        expected = unwrap(imputation.block_of)(ev, regimen, outcome.group)
        assert np.array_equal(found.n, expected.n)
        assert np.array_equal(found.low, expected.low)
        assert np.array_equal(found.high, expected.high)
    found, expected = participants.sizes(view, regimen), of_whole[participants.sizes](ev, regimen)
    pd.testing.assert_frame_equal(found.totals, expected.totals)
    pd.testing.assert_frame_equal(found.arms, expected.arms)


def test_results_are_in_the_order_of_table_3(ev):
    assert list(rates.results(ev)) == [
        (outcome.regimen, outcome.threshold, outcome.group) for outcome in ev.all_outcomes()
    ]


def test_reduced_evidence_has_the_named_parts_alone(ev):
    reduced = ev.reduced_to("arms", "screening", "as_of")
    assert reduced.arms.equals(ev.arms)
    assert reduced.only("monotherapy").arms.equals(ev.only("monotherapy").arms)
    with pytest.raises(AttributeError, match="'responses'"):
        reduced.responses  # noqa: B018
    with pytest.raises(ValueError, match="'armss'"):
        ev.reduced_to("armss")


def test_a_view_does_not_know_a_study_of_the_other_regimen(ev):
    view = ev.only("monotherapy")
    alone = set(ev.arms.study[ev.arms.role == "phototherapy"]) - set(ev.arms.study[ev.arms.role == "monotherapy"])
    assert alone
    for name in dict.fromkeys(ev.dictionary.table):
        part = getattr(view, name)
        assert "study" not in part or not part.study.isin(alone).any(), name
    with pytest.raises(ValueError, match="view must be one of monotherapy, phototherapy, original, not 'surgery'"):
        ev.only("surgery")
    with pytest.raises(ValueError, match="a view has no views"):
        view.only("phototherapy")


def test_the_view_of_the_original_review_has_the_studies_of_its_edition(ev, original):
    view, edition = ev.only("original"), original
    for name in ("studies", "arms", "responses", "report_facts", "reported_without_counts", "screening"):
        pd.testing.assert_frame_equal(getattr(view, name), getattr(edition, name))
    other = ev.with_tables(responses=ev.responses[ev.responses.study != "alam"])
    assert ev.fingerprints()["original"] == other.fingerprints()["original"]
    assert ev.fingerprints()[""] != other.fingerprints()[""]


def test_fingerprints_change_with_the_parts_that_a_chapter_reads(ev):
    arms = ev.arms
    arms.loc[arms.role == "phototherapy", "frequency"] = "never"
    other = ev.with_tables(arms=arms)
    before, after = ev.fingerprints(), other.fingerprints()
    assert {name for name in before[""] if before[""][name] != after[""][name]} == {"arms"}
    assert before["monotherapy"] == after["monotherapy"]
    assert before["phototherapy"] != after["phototherapy"]


def test_parts_that_are_read_are_recorded(ev):
    READ.clear()
    view = ev.only("phototherapy")
    assert READ == set()
    assert len(view.arms) and ev.as_of
    assert READ == {("phototherapy", "arms"), ("", "as_of")}


def test_parts_that_a_cached_result_reads_are_recorded_for_every_caller(ev):
    READ.clear()
    first = ev.reported_counts()
    read = set(READ)
    assert {part for _, part in read} == {"arms", "studies", "responses"}
    READ.clear()
    assert ev.reported_counts().equals(first)
    assert read == READ


@pytest.mark.parametrize("address", ["", "gone"])
def test_without_a_server_a_function_runs_where_it_is_called(monkeypatch, tmp_path, address, ev):
    whole = ev
    monkeypatch.setenv(ADDRESS, address and str(tmp_path / address))
    ev = load(ROOT / "data")
    assert [outcome.available_patients for outcome in ev.all_outcomes()] == [
        outcome.available_patients for outcome in whole.all_outcomes()
    ]


def test_a_warning_of_what_is_answered_is_for_who_asked(monkeypatch):
    def warns(evidence):
        warnings.warn("take care", stacklevel=1)
        return 1

    told = [(1, frozenset({("", "arms")}), ["take care"])]
    monkeypatch.setattr("lib.caching.shared_results.ask", lambda *question: told[0])
    READ.clear()
    with pytest.warns(UserWarning, match="take care"):
        assert shared(warns)(Evidence({}, edition=("", ""))) == 1
    assert READ == {("", "arms")}


def test_evidence_with_other_tables_is_no_edition(ev):
    assert ev.only("monotherapy").edition == ev.edition is not None
    assert ev.with_tables(arms=ev.arms[:0]).edition is None


def test_tables_are_offered_by_tab_completion(ev):
    names = dir(ev)
    assert {*ev.dictionary.table, "as_of", "last_search", "references", "outcome", "all_outcomes"} <= set(names)
    assert len(names) == len(set(names))
    assert all(hasattr(ev, name) for name in names)
    assert "responses" in dir(ev.only("monotherapy"))


def test_a_table_changed_in_place_changes_no_evidence(ev):
    rows = ev.arms
    rows.loc[:, "enrolled"] = -1
    assert (ev.arms.enrolled.dropna() > 0).all()


def test_the_earlier_editions_are_those_before_the_newest(ev, monkeypatch):
    monkeypatch.setattr("lib.evidence.checking._read", lambda *arguments: pytest.fail("checked"))
    dates = [date for date in ev.editions.date if date != ev.as_of.isoformat()]
    assert earlier_editions(ROOT / "data") == dates
    assert len(dates) == len(ev.editions) - 1


def test_an_edition_is_an_earlier_one_once_a_newer_record_was_entered(data):
    assert "2026-11-25" not in earlier_editions(data)
    path = data / "records.csv"
    text = path.read_text(encoding="utf-8").rstrip("\n")
    start, _, _ = text.rpartition(",")
    path.write_text(f"{start},2027-01-01\n", encoding="utf-8")
    assert earlier_editions(data)[-1] == "2026-11-25"


def test_editions_in_a_table_with_faults_are_not_guessed(data):
    (data / "records.csv").unlink()
    with pytest.raises(DataError, match="records.csv"):
        earlier_editions(data)
