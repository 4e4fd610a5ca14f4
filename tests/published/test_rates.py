"""Published rates: what they imply, their update, and when it changes the conclusions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from conftest import ROOT
from lib.evidence import load
from lib.published import rates, update
from lib.published.published_interval import read_interval
from lib.published.rates import rules_met
from lib.stats import pool_proportions

Z = stats.norm.ppf(0.975)


@pytest.fixture(scope="module")
def results(ev):
    return rates.results(ev)


# --- Published rates --------------------------------------------------------------------------------------


def test_the_published_rates_imply_what_their_numbers_say(results):
    for result in results.values():
        summary, outcome = result.summary, result.outcome
        reading, n, p = summary.reading, summary.sizes, outcome.estimate
        if reading.kind == "no interval":
            assert np.isnan(summary.tau2) and np.isnan(summary.pi_low)
            continue
        if np.isnan(summary.tau2):
            assert 1 / np.sqrt((n / (p * (1 - p))).sum()) > reading.se
            assert np.isnan(summary.pi_low) and np.isnan(summary.pi_high)
            continue
        for tau2, se in (
            (summary.tau2, reading.se),
            (summary.tau2_low, reading.se_low),
            (summary.tau2_high, reading.se_high),
        ):
            variance = p * (1 - p) / n + tau2 * np.maximum(1 - 1 / n, 0.5)
            assert np.isnan(tau2) or 1 / np.sqrt((1 / variance).sum()) == pytest.approx(se, rel=1e-9)
        reach = stats.t.ppf(0.975, len(n) - 2) * np.sqrt(reading.se**2 + summary.tau2)
        assert (summary.pi_low, summary.pi_high) == pytest.approx((p - reach, p + reach))


@pytest.mark.parametrize("threshold, tau2", [("ge50", 0.0559), ("ge25", 0.0825)])
def test_the_implied_tau2_allows_for_the_spread_of_the_true_rates(results, threshold, tau2):
    # Without it, .0539 and .0792.
    assert results["monotherapy", threshold, "total"].summary.tau2 == pytest.approx(tau2, abs=5e-5)


def test_two_studies_have_no_prediction_interval():
    assert np.isnan(rates._prediction(0.5, 0.1, 0.02, 2)).all()
    low, high = rates._prediction(0.5, 0.1, 0.02, 3)
    assert (high - low) / 2 == pytest.approx(12.7062 * np.sqrt(0.03), rel=1e-5)
    assert (low + high) / 2 == pytest.approx(0.5)


def test_available_counts_have_their_own_number(ev, results):
    checked = 0
    for result in results.values():
        studies = result.summary.studies.set_index("study")
        # A study whose two arms count has only one of them in the public counts.
        listed = result.outcome.available[result.outcome.available.listed]
        for study in listed[listed.study.map(studies.arms).str.len() == 1].itertuples():
            row = studies.loc[study.study]
            assert row.rate == study.events / study.n
            # Patches are counted as the patients of the published total.
            assert row.n == (study.completed if study.unit == "patches" else study.n)
            assert row.pooled == (0 < study.events < study.n)
            checked += 1
        assert studies.pooled[studies.rate.isna()].all()
    assert checked >= 8


# --- The update -------------------------------------------------------------------------------------------


def as_published(events, n, known):
    """What a reader has of a review: its rate and interval to a tenth of a percent, sizes, and some of the counts."""
    pooled = pool_proportions(events, n)
    numbers = np.clip(np.round([pooled.estimate, pooled.ci_low, pooled.ci_high], 3), 0, 1)
    rate = np.where(known, events / n, np.nan)
    studies = pd.DataFrame({"n": n, "rate": rate, "pooled": ~((rate == 0) | (rate == 1))})
    return rates.summary_of(float(numbers[0]), read_interval(numbers, (1, 1, 1)), studies)


def simulate(rng, k):
    n = rng.integers(12, 61, k)
    mean, sd = rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.25)
    size = mean * (1 - mean) / sd**2 - 1
    return rng.binomial(n, rng.beta(mean * size, (1 - mean) * size, k)), n


def weighed(events, n):
    return (events > 0) & (events < n)


def test_a_new_study_without_a_responder_lowers_the_rate(results):
    summary = results["monotherapy", "ge75", "total"].summary
    none, one = update(summary, [0], [200]), update(summary, [1], [200])
    assert none.k_new == 1
    assert none.estimate < one.estimate < summary.estimate
    all_ = update(summary, [200], [200])
    assert all_.estimate > update(summary, [199], [200]).estimate > summary.estimate


def test_the_updated_rate_never_rises_when_a_count_falls(results):
    rng = np.random.default_rng(9)
    for result in results.values():
        for k in range(1, 6):
            n = rng.integers(8, 40, k)
            events = rng.integers(0, n + 1)
            which = rng.integers(k)
            rates = []
            for count in range(n[which] + 1):
                events[which] = count
                updated = update(result.summary, events, n)
                rates.append(updated.estimate)
                assert 0 <= updated.estimate <= 1
            assert (np.diff(rates) > 0).all()


def test_one_discrepant_study_widens_the_interval(results):
    summary = results["phototherapy", "ge75", "trunk_extremities"].summary
    updated = update(summary, [40], [60])
    before = 2 * Z * summary.reading.se
    assert updated.ci_high - updated.ci_low > 3 * before
    # Counts that reproduce the published 16.1 (10.2 to 22.0) pool with 40/60 to 32.7 (0.7 to 64.7).
    assert updated.estimate == pytest.approx(0.327, abs=0.05)
    assert updated.ci_low < 0.06 and updated.ci_high > 0.5


def test_a_study_that_agrees_narrows_the_interval(results):
    summary = results["monotherapy", "ge50", "total"].summary
    updated = update(summary, [round(0.385 * 100)], [100])
    assert updated.ci_high - updated.ci_low < 2 * Z * summary.reading.se
    assert updated.estimate == pytest.approx(summary.estimate, abs=0.001)


@pytest.mark.parametrize("known", [0, 4, 18])
def test_an_update_from_a_rounded_rate_is_near_to_pooling_all_counts(known):
    rng = np.random.default_rng(11)
    off, width = [], []
    for _ in range(400):
        (old, n_old), (new, n_new) = simulate(rng, 18), simulate(rng, 3)
        if not weighed(np.concatenate([old, new]), np.concatenate([n_old, n_new])).all():
            continue
        updated = update(as_published(old, n_old, np.arange(18) < known), new, n_new)
        full = pool_proportions(np.concatenate([old, new]), np.concatenate([n_old, n_new]))
        off.append(100 * (updated.estimate - full.estimate))
        width.append(updated.se / full.se - 1)
    off, width = np.array(off), np.array(width)
    assert len(off) > 100
    # In percentage points; the page of the update gives the distances of the simulation.
    assert np.abs(off).mean() < 0.6
    assert np.quantile(np.abs(off), 0.95) < 1.5
    # The raw scale gives a new study near 0% or 100% hardly any variance, and so all studies a larger tau².
    assert np.median(np.abs(width)) < 0.05 and abs(width.mean()) < 0.08


def test_two_arms_of_one_study_are_one_study(results):
    result = results["monotherapy", "ge50", "children"]
    new = result.outcome.new
    assert new.study.nunique() == 1 < len(new)
    assert result.updated.k_new == 1 and result.updated.new is None
    assert result.updated == update(result.summary, [new.events.sum()], [new.n.sum()])


def test_available_counts_that_contradict_the_published_rate_are_noticed():
    rng = np.random.default_rng(8)
    old, n_old = simulate(rng, 12)
    summary = as_published(old, n_old, np.arange(12) < 5)
    assert 0 <= summary.implied_rate <= 1
    studies = summary.studies.copy()
    studies.loc[:9, "rate"] = 0.97 if summary.estimate < 0.5 else 0.03
    assert not 0 <= rates.summary_of(summary.estimate, summary.reading, studies).implied_rate <= 1
    assert np.isnan(as_published(old, n_old, np.ones(12, dtype=bool)).implied_rate)


def test_without_new_studies_the_published_rate_stays_as_it_is(results):
    for result in results.values():
        summary = result.summary
        updated = update(summary, [], [])
        if summary.reading.kind == "no interval":
            assert updated is None
            continue
        assert (updated.estimate, updated.se) == (summary.estimate, summary.reading.se)
        assert updated.new is None and updated.k_new == 0


def test_a_rate_published_as_0_without_an_interval_enters_as_studies_without_a_responder(results):
    summary = results["monotherapy", "ge75", "hands_feet"].summary
    assert (summary.reading.kind, summary.estimate) == ("no interval", 0)
    updated = update(summary, [3], [20])
    assert updated.estimate == pytest.approx(3 / (summary.studies.n.sum() + 20))
    assert 0 < updated.se and updated.ci_low < updated.estimate < updated.ci_high
    still_none = update(summary, [0], [20])
    assert still_none.estimate == 0 and np.isnan(still_none.ci_low)
    assert update(replace(summary, estimate=0.2), [3], [20]) is None


def test_impossible_counts_are_refused(results):
    with pytest.raises(ValueError, match="0 <= events <= n"):
        update(results["monotherapy", "ge75", "total"].summary, [31], [30])


def test_the_choice_of_method_moves_the_update_and_is_reported(results):
    result = results["monotherapy", "ge75", "total"]
    new = rates.by_study(result.outcome.new)
    found = rates.sensitivity(result.summary, new.events, new.n)
    assert list(found) == ["Paule-Mandel", "Hartung-Knapp"]
    for estimate, low, high in found.values():
        assert low < estimate < high
        assert estimate == pytest.approx(result.updated.estimate, abs=0.01)
        assert (low, high) != (result.updated.ci_low, result.updated.ci_high)


def test_every_rate_with_new_counts_is_updated_and_no_other(results):
    for result in results.values():
        new = rates.by_study(result.outcome.new)
        if result.updated is None:
            assert new.empty
            continue
        assert result.updated.k_new == len(new)
        assert (result.current is result.updated) == bool(len(new))
        assert (result.updated.weights > 0).all() and result.updated.weights.sum() < 1
        if len(new):
            ends = [result.outcome.estimate, *(new.events / new.n)]
            assert min(ends) <= result.updated.estimate <= max(ends)


def test_the_edition_of_the_original_search_has_no_update():
    original = rates.results(load(ROOT / "data", "2018-08-06"))
    assert len(original) == 24
    assert all(result.current is result.outcome and not result.criteria_met for result in original.values())


# --- Changes of the conclusions ---------------------------------------------------------------------------


def test_every_rule_is_met_on_its_margin_and_not_short_of_it(results):
    outcome = results["monotherapy", "ge50", "children"].outcome
    updated = update(results["monotherapy", "ge50", "children"].summary, [30, 31], [40, 40])
    moved = 100 * abs(updated.estimate - outcome.estimate)
    narrowed = 100 * (1 - (updated.ci_high - updated.ci_low) / (outcome.ci_high - outcome.ci_low))
    margins = {"moved": moved - 0.01, "outside": np.nan, "narrower": narrowed - 0.01, "first": np.nan}
    assert rules_met(outcome, updated, margins) == ["moved", "narrower"]
    assert rules_met(outcome, updated, {**margins, "moved": moved + 0.01}) == ["narrower"]
    assert rules_met(outcome, updated, {**margins, "narrower": narrowed + 0.01}) == ["moved"]


def test_an_estimate_out_of_the_updated_interval_changes_the_conclusions(results):
    summary = results["monotherapy", "ge75", "total"].summary
    outcome = results["monotherapy", "ge75", "total"].outcome
    margins = {"outside": np.nan}
    assert rules_met(outcome, update(summary, [50] * 40, [60] * 40), margins) == ["outside"]
    assert rules_met(outcome, update(summary, [9], [50]), margins) == []
    # A study without a responder has a say like any other.
    assert rules_met(outcome, update(summary, [0] * 8, [200] * 8), margins) == ["outside"]


def test_a_first_interval_changes_the_conclusions(results):
    result = results["monotherapy", "ge75", "hands_feet"]
    updated = update(result.summary, [3, 5], [20, 25])
    margins = {"moved": 5.0, "outside": np.nan, "narrower": 25.0, "first": np.nan}
    assert rules_met(result.outcome, updated, margins) == ["first"]
    # An interval without width, such as 100% to 100%, says as little as none.
    for limit in (np.nan, result.outcome.estimate):
        outcome = replace(result.outcome, ci_low=limit, ci_high=limit)
        assert rules_met(outcome, updated, margins) == ["first"]


def test_the_margins_are_those_of_the_data(data, edit, results):
    def lower_the_margin(rows):
        at = rows[0].index("margin")
        for row in rows[1:]:
            if row[0] == "moved":
                row[at] = "1"

    edit("change_criteria", lower_the_margin)
    changed = rates.results(load(data))
    key = ("monotherapy", "ge50", "children")
    assert "moved" not in results[key].criteria_met and "moved" in changed[key].criteria_met
