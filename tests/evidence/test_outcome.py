"""What an outcome of the review's Table 3 holds: its published numbers, and its studies with and without counts."""

import pytest

from lib.evidence import GROUPS, REGIMENS
from lib.published import participants
from lib.report.wording import coverage


def test_coverage_is_counted_from_the_responses(ev):
    outcome = ev.outcome("monotherapy", "ge75")
    assert coverage(outcome) == "3 of 19 studies, 71 of 520 participants"
    assert set(outcome.available.study) == {"kanwar2004", "sendur2006", "radakovic2009"}
    # Patches are counted by the patients they are on: 23 lesions in 14 patients.
    laser = ev.outcome("phototherapy", "ge75")
    assert laser.available.n.sum() == 23 + 30
    assert laser.available_patients == 14 + 30


@pytest.mark.parametrize("regimen", REGIMENS)
def test_a_study_with_counts_covers_as_many_participants_as_it_has_in_the_published_total(ev, regimen):
    """Two arms of the same patients count in both numbers, and lesions by their patients in both."""
    sizes = participants.sizes(ev, regimen).arms.groupby("study").n.sum()
    for threshold in ("ge25", "ge50", "ge75"):
        outcome = ev.outcome(regimen, threshold)
        listed = outcome.available.study[outcome.available.listed].unique()
        assert outcome.available_patients == sizes[listed].sum(), threshold


def test_every_study_of_a_published_list_is_in_its_outcome_once(ev):
    for outcome in ev.all_outcomes():
        listed = outcome.available[outcome.available.listed]
        named = {*listed.review_ref, *outcome.missing.review_ref}
        assert named == set(outcome.refs), outcome
        assert not set(outcome.available.study) & set(outcome.missing.study)
        assert not outcome.missing.columns.isin(["events"]).any()


def test_outcomes_hold_only_counts_that_may_be_pooled(ev):
    for outcome in ev.all_outcomes():
        for rows in (outcome.available, outcome.new):
            assert set(rows.role) <= {outcome.regimen}
            assert set(rows.threshold) <= {outcome.threshold}
            assert set(rows.site) <= {GROUPS[outcome.group][1]}
            assert not (rows.poolable == "no").any()
            if outcome.group == "children":
                assert set(rows.population) <= {"children"}
    # One arm of a study whose two arms share their patients is enough.
    assert list(ev.outcome("monotherapy", "ge25").available.arm) == ["pimecrolimus", "tacrolimus twice daily"]


def test_a_study_outside_its_published_list_is_marked(ev):
    available = ev.outcome("monotherapy", "ge50", "children").available
    assert dict(zip(available.study, available.listed, strict=True)) == {"kanwar2004": False}
    children = ev.outcome("monotherapy", "ge50", "children")
    assert coverage(children) == "0 of 6 studies, 0 of 177 participants, and 1 study not on the review's list"


def test_a_number_that_was_not_published_is_not_taken_from_elsewhere(ev):
    children = ev.outcome("monotherapy", "ge75", "children")
    assert children.patients != children.patients
    assert coverage(children) == "1 of 5 studies, 22 participants"


def test_results_by_site_stay_out_of_the_total(ev):
    total = ev.outcome("monotherapy", "ge50")
    assert "kanokrungsee2021" not in set(total.new.study)
    assert set(ev.outcome("monotherapy", "ge50", "face_neck").new.study) == {"kanokrungsee2021", "cdi00845_2019"}


def test_an_available_count_that_is_not_pooled_is_marked_as_reported(ev):
    outcome = ev.outcome("monotherapy", "ge75")
    assert not outcome.missing.reported.any()
    responses = ev.responses
    responses.loc[responses.study == "sendur2006", "poolable"] = "no"
    missing = ev.with_tables(responses=responses).outcome("monotherapy", "ge75").missing
    assert list(missing.study[missing.reported]) == ["sendur2006"]
