"""Sentences and tables of single chapters, on small frames with known answers."""

import doctest
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.published import by_study, rates, sensitivity
from lib.published.imputation import OverDraws
from lib.report import registry, wording
from lib.report.chapters import (
    comparison_effects,
    heterogeneity,
    imputed_counts,
    maintenance,
    new_studies,
    safety,
    updates,
)
from lib.report.chapters import rates as rate_chapters
from lib.report.counted import counted_studies, counts_of
from lib.report.entries import Entry, current_rate, rate_key
from lib.stats import pool_proportions, proportion_interval


@pytest.fixture(scope="module")
def entries(ev):
    return registry.results(ev)


@pytest.fixture(scope="module")
def results(ev):
    return rates.results(ev)


@pytest.fixture
def outcome(ev):
    """An outcome with three studies: 2/20, 5/20 and 12/20."""
    outcome = ev.outcome("monotherapy", "ge75")
    row = outcome.available.iloc[[0]]
    rows = [
        row.assign(study=name, label=name.upper(), events=events, n=20.0, year=2000.0 + i, edition="original")
        for i, (name, events) in enumerate({"a": 2.0, "b": 5.0, "c": 12.0}.items())
    ]
    return replace(outcome, available=pd.concat(rows, ignore_index=True), new=outcome.new[:0])


@pytest.mark.parametrize("module", [wording, comparison_effects])
def test_the_examples_of_docstrings_are_true(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


# --- Studies with counts ----------------------------------------------------------------------------------


def test_counted_studies_have_their_own_rates_and_the_pooled_one(outcome):
    studies = counted_studies(outcome.available)
    low, high = proportion_interval([2, 5, 12], 20)
    assert list(studies.studies.rate) == [0.1, 0.25, 0.6]
    assert list(studies.studies.ci_low) == pytest.approx(list(low))
    assert list(studies.studies.ci_high) == pytest.approx(list(high))
    assert studies.pooled.estimate == pool_proportions([2, 5, 12], [20] * 3).estimate
    assert counted_studies(outcome.available[:1]).pooled is None
    assert counted_studies(outcome.new).studies.empty


# --- Heterogeneity ----------------------------------------------------------------------------------------


def test_the_influence_of_each_study_and_the_analyses_without_it(outcome):
    table = heterogeneity.influence(outcome)
    assert list(table.frame.Rate) == ["2/20", "5/20", "12/20"]
    assert sum(float(weight.rstrip("%")) for weight in table.frame.Weight) == pytest.approx(100, abs=2)
    alt = heterogeneity.without_each(outcome).alt
    pooled = pool_proportions([5, 12], [20, 20], transform="logit")
    assert f"without A: {wording.span(pooled.estimate, pooled.ci_low, pooled.ci_high)};" in alt
    alt = heterogeneity.cumulative_plot(outcome).alt
    assert alt.startswith("+ A: 10.0 (") and "+ C: " in alt


def test_too_few_counts_are_said_to_be_too_few(outcome):
    one = replace(outcome, available=outcome.available[:1])
    assert "With 1 study, none can be left out" in heterogeneity.without_each(one).data
    assert "cannot be measured" in heterogeneity.influence(one).data
    assert "would show no more than the table" in heterogeneity.baujat(outcome).data
    assert "nothing to compare" in heterogeneity.comparison_of_editions(outcome)
    assert "cannot be estimated" in heterogeneity.headline(one, None)


def test_the_headline_gives_i2_and_prediction(outcome):
    pooled = pool_proportions([2, 5, 12], [20] * 3, transform="logit")
    entry = Entry("rate.x.logit", 0.3, 0.2, 0.4, 0.05, 0.8, pooled=pooled)
    text = re.sub("<[^>]*>", "", heterogeneity.headline(outcome, entry))
    studies = "3 studies with available responder counts (TCI monotherapy, ≥75%)"
    assert f"In the {studies}, {wording.percent(pooled.i2)} of the variation between studies" in text
    assert "anywhere from 5% to 80% (95% prediction interval)" in text
    without = heterogeneity.headline(outcome, replace(entry, pi_low=np.nan))
    assert "So few studies cannot show where" in without


def test_the_editions_are_compared_where_there_are_two(outcome):
    new = outcome.available.assign(study=lambda rows: rows.study + "2", edition="update")
    text = heterogeneity.comparison_of_editions(replace(outcome, new=new))
    # The studies of the two editions are the same: there is no difference.
    assert "Q = 0.00 on 1 degree of freedom, p = 1.00. With 6 studies" in text


def test_estimators_moderators_and_small_studies_have_a_row_each(outcome):
    frame = heterogeneity.between_study_variance([outcome, replace(outcome, available=outcome.available[:1])]).frame
    assert len(frame) == 1 and {"DL", "REML", "PM", "95% CI"} <= set(frame)
    frame = heterogeneity.moderators(outcome).frame.set_index("Moderator")
    # Three studies are too few for a meta-regression.
    assert list(frame["Odds ratio per unit (95% CI)"]) == ["", "", ""]
    frame = heterogeneity.small_studies([outcome]).frame
    assert list(frame["Interpretation"]) == ["too few studies"]


def test_subgroups_show_the_registered_results(ev, entries):
    outcome = ev.outcome("monotherapy", "ge75")
    frame = heterogeneity.subgroups(outcome, entries).frame
    by_drug = frame.loc[["Drug"]].set_index("Subgroup")
    key = rate_key(outcome, "recommended.by_drug.tacrolimus")
    assert by_drug.loc["Tacrolimus", "Rate, % (95% CI)"] == wording.in_cell(entries[key])
    assert by_drug.Studies.astype(int).sum() == len(counts_of(outcome))


# --- Several rates ---------------------------------------------------------------------------------------


def test_the_origin_of_several_rates_names_the_published_rate_of_those_updated(ev, entries):
    outcomes = {threshold: ev.outcome("monotherapy", threshold, "face_neck") for threshold in ("ge50", "ge75")}
    published = {name: wording.stated(entries[rate_key(outcome, "published")]) for name, outcome in outcomes.items()}
    results = {key: entry for key, entry in entries.items() if not key.endswith(".updated")}
    assert "as published by the 2019 review; no new study" in rate_chapters.origin(results, outcomes)
    results[rate_key(outcomes["ge75"], "updated")] = entries[rate_key(outcomes["ge75"], "published")]
    text = rate_chapters.origin(results, outcomes)
    assert text.startswith("New studies update 1 of these 2 rates")
    assert f"{published['ge75']} for ge75" in text and published["ge50"] not in text
    results[rate_key(outcomes["ge50"], "updated")] = entries[rate_key(outcomes["ge50"], "published")]
    text = rate_chapters.origin(results, outcomes)
    assert text.startswith("These rates include new studies") and all(rate in text for rate in published.values())


def test_the_headline_of_a_regimen_states_every_current_rate(ev, entries):
    text = rate_chapters.headlines(ev, "phototherapy")
    for threshold in ("ge75", "ge50", "ge25"):
        assert wording.stated(current_rate(entries, ev.outcome("phototherapy", threshold))) in text
    assert text.index("at least 75%") < text.index("at least 50%") < text.index("at least 25%")


# --- Updates ----------------------------------------------------------------------------------------------


def test_other_methods_of_the_review_are_beside_the_updated_rate(results):
    result = results["monotherapy", "ge75", "total"]
    frame = updates.choices([result]).frame
    new = by_study(result.outcome.new)
    others = sensitivity(result.summary, new.events, new.n)
    assert list(frame["Method of the review"]) == ["As reported", *others]
    assert frame.Updated.iloc[0] == updates.updated_span(result)
    assert list(frame.Updated.iloc[1:]) == [wording.span(*ends) for ends in others.values()]
    moved = max(100 * abs(ends[0] - result.updated.estimate) for ends in others.values())
    assert f"change by {moved:.1f} percentage points at most" in updates.largest_change([result])


def test_a_rate_without_new_studies_is_not_updated(results):
    selected = updates.with_new_studies(results)
    assert 0 < len(selected) < len(results)
    assert all(result.updated.k_new for result in selected)
    with pytest.raises(ValueError, match="select with `with_new_studies`"):
        updates.updated_span(replace(selected[0], updated=None))


def test_rules_are_compared_with_the_benchmark():
    rows = []
    for rule, covers in zip(updates._RULE_NAMES, (0.95, 0.94, 0.9, 0.96, 0.93), strict=True):
        case = {"part": "rules", "rule": rule, "case": 1, "at_edge": 0.0, "covers": covers, "bias": -0.01, "rmse": 0.02}
        rows.append({**case, "distance": 0.03, "narrows": 0.1, "narrows_clearly": 0.05, "reviews": 500})
    frame = updates.rules(pd.DataFrame(rows)).frame
    frame = frame.loc[["Settings with at most 10% of studies at 0% or 100%: 1"]].set_index("Rule")
    assert frame.loc["Chosen rule", "Coverage"] == "94.0"
    assert frame.loc["Chosen rule", "Worst difference"] == "−1.0"
    assert frame.loc["Chosen rule", "Bias"] == "1.0" and frame.loc["Chosen rule", "Error"] == "2.0"


def test_false_alarms_have_a_column_for_each_number_of_updates():
    rows = [
        {
            "part": "repeated",
            "rule": "moved",
            "k": 5,
            "rate": 0.2,
            "sd": 0.1,
            "k_new": n,
            "alarms": n / 20,
            "reviews": 100,
        }
        for n in (1, 5, 10)
    ]
    frame = updates.false_alarms(pd.DataFrame(rows)).frame
    assert frame.loc["Moves by more than 5 points", ["1 update", "5 updates", "10 updates"]].tolist() == [
        "5%", "25%", "50%"
    ]  # fmt: skip


# --- Imputed counts ---------------------------------------------------------------------------------------


def test_withheld_counts_are_inside_outside_or_not_assessed():
    rows = pd.DataFrame(
        {"study": ["a", "b", "c"], "label": ["A", "B", "C"], "threshold": "ge50", "events": [3.0, 9.0, 1.0], "n": 10.0}
    )
    rows = rows.assign(low=[2.0, 0.0, 0.0], high=[5.0, 4.0, 9.0], inside=[True, False, True])
    rows = rows.assign(converged=[True, True, False])
    frame = imputed_counts.recovered(rows).frame
    assert list(frame.Inside) == ["yes", "no", "not assessed"]
    assert list(frame["95% range of the imputed counts"]) == ["2 to 5", "0 to 4", ""]
    text = imputed_counts.recovery(rows)
    assert (
        text.startswith("Of the reported counts, **1 of 2** that could be assessed lie within")
        and "those outside are from B." in text
    )
    assert text.endswith("For 1 count the Markov chain did not converge, so no range could be assessed.")
    assert imputed_counts.recovery(rows[:1]).endswith("the counts imputed for them.")


def test_the_differences_between_closed_form_and_imputations_are_the_largest(results):
    result = results["monotherapy", "ge75", "total"]

    def over(estimate):
        return Entry("rate.x", estimate, 0.1, 0.3), OverDraws(estimate, 0.1, 0.3, between=0.02, draws=9)

    rows = [(result, over(result.updated.estimate + 0.013), over(0.2)), (result, (None, None), (None, None))]
    text = imputed_counts.largest_differences(rows)
    assert "at most 1.3 percentage points" in text and "no more than 2.0 percentage points" in text
    assert imputed_counts.largest_differences(rows[1:]).startswith("Nothing to update")
    frame = imputed_counts.updates_over_imputations(rows).frame
    assert frame["Without imputation"].iloc[0] == updates.updated_span(result)
    assert list(frame["Imputed counts"])[1] == ""


def test_calibration_counts_reviews_that_did_not_converge():
    rows = pd.DataFrame({"studies": [4, 5], "converged": [True, False], "exact": [True, False], "reproduced": True})
    text = imputed_counts.calibration(rows.assign(covered=[19, 1], withheld=20))
    assert "In 2 simulated reviews of 4 to 5 studies, the 95% ranges contained 95.0%" in text
    assert "could be tried in 1 reviews; in the other 1 they were sampled" in text
    assert "did not converge in 1 reviews (50% of all)" in text


# --- New studies ------------------------------------------------------------------------------------------


def test_an_edition_without_records_says_so(ev):
    studies = ev.studies[ev.studies.edition == "original"]
    none = ev.with_tables(screening=ev.screening[:0], records=ev.records[:0], studies=studies)
    assert new_studies.records_since_search(none) == ""
    assert new_studies.studies_since_search(none) == "No new studies: this edition ends with the original search."
    assert new_studies.included_and_awaiting(none) == "No new studies: this edition ends with the original search."
    assert "Last change of the data: none since." in new_studies.state_of_evidence(none)
    assert new_studies.later_reviews(ev.with_tables(later_reviews=ev.later_reviews[:0])) == ""


def test_the_records_of_an_edition_add_up(ev):
    text = new_studies.records_since_search(ev, with_excluded=True)
    total, included, excluded, awaiting = map(int, re.findall(r"\d+", text))
    assert total == included + excluded + awaiting == len(ev.screening) == len(ev.records)
    last = ev.records.record.iloc[-1]
    pair = pd.DataFrame({"record": [last], "same_as": [ev.records.record[0]], "relation": ["duplicate"], "date": [""]})
    with_duplicate = ev.with_tables(duplicates=pair, decisions=ev.decisions[ev.decisions.record != last])
    text = new_studies.records_since_search(with_duplicate, with_excluded=True)
    total, included, duplicates, excluded, awaiting = map(int, re.findall(r"\d+", text))
    assert total == included + duplicates + excluded + awaiting == len(ev.records) and duplicates == 1


def test_changed_conclusions_are_named(results):
    selected = updates.with_new_studies(results)
    unchanged = [replace(result, criteria_met=()) for result in selected]
    assert "none changes the conclusions" in new_studies.what_changes(unchanged, 24)
    assert new_studies.what_changes_in_brief(unchanged).endswith("they change the conclusions on none of these rates.")
    changed = [replace(unchanged[0], criteria_met=("moved",)), *unchanged[1:]]
    name = wording.outcome_name(changed[0].outcome)
    assert f"1 of them changes the conclusions: {name}.**" in new_studies.what_changes(changed, 24)
    assert new_studies.what_changes_in_brief(changed).endswith(f"they change the conclusions on 1 rate: {name}.")
    assert new_studies.what_changes_in_brief([]) == ""


# --- Rates, maintenance and safety ------------------------------------------------------------------------


def test_a_section_displays_headline_plot_heterogeneity_and_remarks(ev, entries, monkeypatch):
    displayed = []
    monkeypatch.setattr(rate_chapters, "display", displayed.append)
    rate_chapters.section(ev, "phototherapy", "ge75")
    headline, plot, heterogeneity_table, remarks = displayed
    assert headline.data == wording.headline(entries, ev.outcome("phototherapy", "ge75"))
    assert plot.alt.startswith("Forest plot.") and plot.caption.startswith("TCI plus phototherapy, ≥75%")
    assert list(heterogeneity_table.frame.Result) == ["Original studies with available counts", "New studies"]
    assert remarks.caption.startswith("Limitations of these studies")


def test_rates_by_group_have_a_heading_for_each_rate(ev):
    alt = rate_chapters.rates_by_group(ev, "monotherapy", ["children"], "c").alt
    assert [text in alt for text in ("Children, ≥25%:", "Children, ≥50%:", "Children, ≥75%:")] == [True] * 3


def test_the_shares_of_the_maintenance_trial_carry_their_keys(ev):
    shares = maintenance.shares_lost(ev)
    row = maintenance.rows(ev).dropna(subset=["depigmented"]).iloc[0]
    text = shares[row.analysis][row.drug]
    assert f">{wording.percent(row.depigmented / row.n, 1)}<" in text and "data-result=" in text
    assert maintenance.numbers(ev)[row.analysis][row.drug] == row.n
    assert maintenance.design(ev).startswith("randomised and ")


def test_stopped_treatment_names_studies_or_is_empty(ev):
    assert safety.stopped_treatment(ev.with_tables(adverse_events=ev.adverse_events[:0])) == ""
    rows = ev.adverse_events
    rows = rows[rows.study.isin(ev.included("original").study)][:1]
    rows = rows.assign(kind="stopped for side effects", role="monotherapy", events=2, n=20, arm="cream")
    text = safety.stopped_treatment(ev.with_tables(adverse_events=rows))
    assert text.startswith("Reports of its studies give one exception: ") and text.endswith(
        "2 of 20 patients on cream."
    )
    assert safety.events_plot(ev).alt.startswith("Pooled by the 2019 review:")
