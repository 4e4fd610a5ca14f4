"""What must come out of the tables by counting, the editions, and what an outcome holds."""

import datetime as dt
import warnings
from inspect import unwrap

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from lib.caching.shared_results import ADDRESS, READ, shared
from lib.evidence import GROUPS, REGIMENS, DataError, Evidence, load, reference_numbers
from lib.published import imputation, participants, rates
from lib.report.wording import coverage


@pytest.fixture(scope="module")
def ev():
    return load(ROOT / "data")


def printed(ev, quantity, *places):
    """The number that the review prints, the same in all the places."""
    values = {ev.number(quantity, place) for place in places}
    assert len(values) == 1
    return values.pop()


def test_studies_counted_are_those_stated(ev):
    counted = ev.study_counts("original")
    everywhere = ("abstract", "results", "discussion")
    assert counted["monotherapy"] == printed(ev, "monotherapy_studies", *everywhere, "safety") == 36
    assert counted["phototherapy"] == printed(ev, "phototherapy_studies", *everywhere) == 12
    assert counted["efficacy"] == printed(ev, "efficacy_studies", "abstract", "key_points", "results") == 46
    assert counted["mechanism"] == printed(ev, "mechanism_studies", *everywhere) == 11
    assert counted["maintenance"] == printed(ev, "maintenance_studies", *everywhere) == 1
    assert counted["all"] == printed(ev, "studies_included", "abstract", "results") == 56


def test_studies_counted_are_those_in_the_printed_reference_lists(ev):
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
    assert reasons.sum() == printed(ev, "full_text_excluded", "results") == 46
    assert n.assessed - reasons.sum() == n.included == 56
    for step, quantity in (("identified", "records_identified"), ("assessed", "full_text_assessed")):
        assert n[step] == printed(ev, quantity, "abstract", "results")


def test_patients_add_up_as_stated(ev):
    parts = [ev.number(f"{regimen}_patients") for regimen in ("monotherapy", "phototherapy")]
    assert parts == [941, 558]
    assert sum(parts) == printed(ev, "efficacy_patients", "abstract", "key_points", "results") == 1499


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


def test_coverage_is_counted_from_the_responses(ev):
    outcome = ev.outcome("monotherapy", "ge75")
    assert coverage(outcome) == "3 of 19 studies, 71 of 520 participants"
    assert set(outcome.public.study) == {"kanwar2004", "sendur2006", "radakovic2009"}
    # Patches are counted by the patients they are on: 23 lesions in 14 patients.
    laser = ev.outcome("phototherapy", "ge75")
    assert laser.public.n.sum() == 23 + 30
    assert laser.public_patients == 14 + 30


@pytest.mark.parametrize("regimen", REGIMENS)
def test_a_study_with_counts_covers_as_many_participants_as_it_has_in_the_published_total(ev, regimen):
    """Two arms of the same patients count in both numbers, and lesions by their patients in both."""
    sizes = participants.sizes(ev, regimen).arms.groupby("study").n.sum()
    for threshold in ("ge25", "ge50", "ge75"):
        outcome = ev.outcome(regimen, threshold)
        listed = outcome.public.study[outcome.public.listed].unique()
        assert outcome.public_patients == sizes[listed].sum(), threshold


def test_every_study_of_a_printed_list_is_in_its_cell_once(ev):
    for outcome in ev.all_outcomes():
        listed = outcome.public[outcome.public.listed]
        named = {*listed.review_ref, *outcome.missing.review_ref}
        assert named == set(outcome.refs), outcome
        assert not set(outcome.public.study) & set(outcome.missing.study)
        assert not outcome.missing.columns.isin(["events"]).any()


def test_cells_hold_only_what_may_be_pooled(ev):
    for outcome in ev.all_outcomes():
        for rows in (outcome.public, outcome.new):
            assert set(rows.role) <= {outcome.regimen}
            assert set(rows.threshold) <= {outcome.threshold}
            assert set(rows.site) <= {GROUPS[outcome.group][1]}
            assert not (rows.poolable == "no").any()
            if outcome.group == "children":
                assert set(rows.population) <= {"children"}
    # One arm of a study whose two arms share their patients is enough.
    assert list(ev.outcome("monotherapy", "ge25").public.arm) == ["pimecrolimus", "tacrolimus twice daily"]


def test_a_study_outside_its_printed_list_is_marked(ev):
    public = ev.outcome("monotherapy", "ge50", "children").public
    assert dict(zip(public.study, public.listed, strict=True)) == {"kanwar2004": False}
    children = ev.outcome("monotherapy", "ge50", "children")
    assert coverage(children) == "0 of 6 studies, 0 of 177 participants, and 1 study not on the review's list"


def test_a_number_that_is_not_printed_is_not_taken_from_elsewhere(ev):
    children = ev.outcome("monotherapy", "ge75", "children")
    assert children.patients != children.patients
    assert coverage(children) == "1 of 5 studies, 22 participants"


def test_results_by_site_stay_out_of_the_total(ev):
    total = ev.outcome("monotherapy", "ge50")
    assert "kanokrungsee2021" not in set(total.new.study)
    assert set(ev.outcome("monotherapy", "ge50", "face_neck").new.study) == {"kanokrungsee2021", "cdi00845_2019"}


# --- Editions ---------------------------------------------------------------------------------------------


def test_the_edition_of_the_original_search_is_the_original_review_alone():
    ev = load(ROOT / "data", "2018-08-06")
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


def test_a_public_count_that_is_not_pooled_is_not_called_missing(ev):
    outcome = ev.outcome("monotherapy", "ge75")
    assert not outcome.missing.reported.any()
    responses = ev.responses
    responses.loc[responses.study == "sendur2006", "poolable"] = "no"
    missing = ev.with_tables(responses=responses).outcome("monotherapy", "ge75").missing
    assert list(missing.study[missing.reported]) == ["sendur2006"]


@pytest.mark.parametrize(
    ("as_of", "message"), [("2999-01-01", "in the future"), ("2018-08-05", "no edition before"), ("soon", "YYYY-MM-DD")]
)
def test_an_impossible_edition_is_refused(as_of, message):
    with pytest.raises(DataError, match=message):
        load(ROOT / "data", as_of)


def test_an_unknown_name_is_refused_with_what_there_is(ev):
    with pytest.raises(AttributeError, match="there is no table 'arm'; the tables are dictionary, codes, studies"):
        _ = ev.arm
    with pytest.raises(KeyError, match="no outcome"):
        ev.outcome("phototherapy", "ge75", "children")
    with pytest.raises(KeyError, match="prints no"):
        ev.number("nothing")


# --- Views, and what is noted as read ---------------------------------------------------------------------


@pytest.mark.parametrize("regimen", REGIMENS)
def test_the_view_of_a_regimen_gives_what_the_whole_would(ev, regimen):
    view = ev.only(regimen)
    of_whole = {function: unwrap(function) for function in (Evidence.outcome, participants.sizes, participants.members)}
    for outcome in view.all_outcomes():
        assert outcome.regimen == regimen
        expected = of_whole[Evidence.outcome](ev, regimen, outcome.threshold, outcome.group)
        for name in ("public", "missing", "new"):
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


def test_a_view_does_not_know_a_study_of_the_other_regimen(ev):
    view = ev.only("monotherapy")
    alone = set(ev.arms.study[ev.arms.role == "phototherapy"]) - set(ev.arms.study[ev.arms.role == "monotherapy"])
    assert alone
    for name in dict.fromkeys(ev.dictionary.table):
        part = getattr(view, name)
        assert "study" not in part or not part.study.isin(alone).any(), name
    with pytest.raises(KeyError):
        ev.only("surgery")
    with pytest.raises(ValueError, match="view of the view"):
        view.only("phototherapy")


def test_the_view_of_the_original_review_is_its_edition_for_what_is_printed(ev):
    view, edition = ev.only("original"), load(ROOT / "data", "2018-08-06")
    for name in ("studies", "arms", "responses", "report_facts", "reported_without_counts", "screening"):
        pd.testing.assert_frame_equal(getattr(view, name), getattr(edition, name))
    other = ev.with_tables(responses=ev.responses[ev.responses.study != "alam"])
    assert ev.fingerprints()["original"] == other.fingerprints()["original"]
    assert ev.fingerprints()[""] != other.fingerprints()[""]


def test_fingerprints_are_of_what_a_chapter_would_read(ev):
    arms = ev.arms
    arms.loc[arms.role == "phototherapy", "frequency"] = "never"
    other = ev.with_tables(arms=arms)
    before, after = ev.fingerprints(), other.fingerprints()
    assert {name for name in before[""] if before[""][name] != after[""][name]} == {"arms"}
    assert before["monotherapy"] == after["monotherapy"]
    assert before["phototherapy"] != after["phototherapy"]


def test_what_is_read_is_noted(ev):
    READ.clear()
    view = ev.only("phototherapy")
    assert READ == set()
    assert len(view.arms) and ev.as_of
    assert READ == {("phototherapy", "arms"), ("", "as_of")}


def test_what_a_kept_result_reads_is_noted_for_everyone_who_gets_it(ev):
    READ.clear()
    first = ev.counts()
    read = set(READ)
    assert {part for _, part in read} == {"arms", "studies", "responses"}
    READ.clear()
    assert ev.counts().equals(first)
    assert read == READ


@pytest.mark.parametrize("address", ["", "gone"])
def test_where_nobody_answers_a_function_runs_where_it_is_called(monkeypatch, tmp_path, address):
    monkeypatch.setenv(ADDRESS, address and str(tmp_path / address))
    ev = load(ROOT / "data")
    assert len(rates.results(ev)) == len(ev.all_outcomes()) > 0


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


def test_other_tables_are_no_edition_that_anyone_answers_for(ev):
    assert ev.only("monotherapy").edition == ev.edition is not None
    assert ev.with_tables(arms=ev.arms[:0]).edition is None


def test_a_table_changed_in_place_changes_no_evidence(ev):
    rows = ev.arms
    rows.loc[:, "enrolled"] = -1
    assert (ev.arms.enrolled.dropna() > 0).all()
