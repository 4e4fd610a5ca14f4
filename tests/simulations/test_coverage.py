"""Simulated reviews: what each method estimates, and that its intervals are counted against that."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from lib.report import tables
from lib.report.chapters import methods_compared
from lib.report.rate_entries import pooled_entry
from lib.report.wording import percent
from lib.simulations import committed, coverage, interval_coverage, prediction_coverage
from lib.simulations.coverage import METHODS, RECOMMENDED, simulate_reviews, true_rate
from lib.stats import pool_proportions, pool_ratios


def test_without_spread_every_scale_estimates_the_same_rate():
    for method in METHODS:
        assert true_rate(method.transform, special.logit(0.2), 0.0) == pytest.approx(0.2)


@pytest.mark.parametrize("transform", ["raw", "logit", "glmm", "arcsine", "double-arcsine"])
def test_the_true_rate_is_that_of_very_many_studies(transform):
    mean, tau = special.logit(0.2), 0.8
    rates = special.expit(mean + tau * np.random.default_rng(1).standard_normal(400_000))
    of_scale = {"raw": rates.mean(), "logit": special.expit(special.logit(rates).mean())}
    of_scale["glmm"] = of_scale["logit"]
    of_scale["arcsine"] = of_scale["double-arcsine"] = np.sin(np.arcsin(np.sqrt(rates)).mean()) ** 2
    assert true_rate(transform, mean, tau) == pytest.approx(of_scale[transform], abs=5e-4)


@pytest.fixture
def simulate(monkeypatch):
    def simulate(*settings, reviews=coverage.REVIEWS, methods=METHODS, seed=1):
        monkeypatch.setattr(coverage, "REVIEWS", reviews)
        monkeypatch.setattr(coverage, "METHODS", methods)
        return pd.DataFrame(simulate_reviews(*settings, seed=seed))

    return simulate


def test_large_studies_are_covered_as_often_as_said(simulate):
    found = simulate([2000] * 30, 0.5, 0.3, reviews=600)
    assert found.covers.between(0.92, 0.98).all()
    assert found.off.abs().max() < 0.005
    assert (found.none == 0).all()


def test_small_studies_of_a_low_rate_are_not_and_the_recommended_method_is_nearest(simulate):
    found = simulate([20] * 19, 0.15, 0.0, reviews=600).set_index("method")
    assert found.covers[METHODS[0].name] < 0.9
    assert found.covers[RECOMMENDED.name] > 0.93
    assert found.off[METHODS[0].name] < 0


def test_what_cannot_be_pooled_covers_nothing_and_is_counted(simulate):
    found = simulate([3, 3], 0.02, 0.0, methods=METHODS[:1], reviews=200)
    assert found.none[0] > 0.5
    assert found.covers[0] <= 1 - found.none[0] + 1e-9


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others(simulate):
    first, again, other = (simulate([20, 30, 40], 0.3, 0.5, reviews=50, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("method", [method for method in METHODS if method.transform == "glmm"])
def test_both_intervals_of_the_logistic_model_are_of_one_fit(method):
    n = np.array([[20, 30], [40, 10], [25, 60]])
    events = np.array([[3, 9], [11, 4], [2, 30]])
    fits = {}
    for other in METHODS[-2:]:
        other.intervals(events, n, fits)
    whole, found = method.pool(events, n), method.intervals(events, n, fits)
    assert np.allclose(found, [whole.estimate, whole.ci_low, whole.ci_high], rtol=1e-12)
    assert len(fits) == 1


def test_a_rate_that_is_none_is_refused(simulate):
    with pytest.raises(ValueError, match="rate must lie between 0 and 1"):
        simulate([10, 20], 1.0, 0.5, reviews=10)
    assert RECOMMENDED in METHODS


def test_a_case_is_its_settings_and_a_row_for_each_method(monkeypatch, simulate):
    monkeypatch.setattr(coverage, "SIZES", {"few": (12, 20)})
    rows = coverage.simulate({"sizes": "few", "rate": 0.4, "tau": 0.5}, 3)
    assert [row["method"] for row in rows] == [method.name for method in METHODS]
    assert all((row["sizes"], row["rate"], row["tau"]) == ("few", 0.4, 0.5) for row in rows)
    expected = simulate([12, 20], 0.4, 0.5, seed=3)
    assert [row["covers"] for row in rows] == expected.covers.tolist()


# --- Intervals of comparisons -----------------------------------------------------------------------------


def test_simulated_rules_are_the_intervals_of_the_library():
    counts = [np.array(row)[:, None] for row in ([16, 10, 38], [23, 30, 70], [4, 9, 22], [20, 30, 70])]
    half, alike, error = interval_coverage._half_widths(*counts, 0.5)
    results = {ci: pool_ratios(*counts, tau2="REML", ci=ci) for ci in ("normal", "hksj", "mkh")}
    for ci, result in results.items():
        assert half[ci] == pytest.approx(np.log(result.ci_high / result.estimate))
    assert half["wider"] == max(half["normal"], half["hksj"])
    assert half["mkh on k - 1"] == half["mkh"]
    assert alike == (results["hksj"].se < results["normal"].se)
    assert error == pytest.approx(abs(np.log(results["mkh"].estimate) - 0.5))
    two = interval_coverage._half_widths(*(column[:2] for column in counts), 0.5)[0]
    assert two["mkh on k - 1"] / two["mkh"] == pytest.approx(special.stdtrit(1, 0.975) / special.stdtrit(2, 0.975))


def test_the_rule_of_comparisons_covers_what_it_says_for_any_number_of_trials(monkeypatch):
    monkeypatch.setattr(interval_coverage, "SETS", 1000)
    for trials in (2, 3, 6):
        rows = pd.DataFrame(interval_coverage.simulate({"trials": trials, "tau": 0.3}, 1))
        least = rows.groupby("rule").covers.min()
        assert least["mkh"] > 0.94
        assert least["normal"] < least["mkh"] <= least["mkh on k - 1"]
        # Hartung and Knapp's is right on average, and not where trials happen to agree.
        together = rows[rows.rule == "hksj"]
        assert together.covers_alike.mean() < together.covers.mean()
        assert rows.alike.between(0.2, 0.9).all()


def test_a_simulated_trial_has_the_risk_ratio_it_is_given(monkeypatch):
    monkeypatch.setattr(interval_coverage, "SETS", 4000)
    events1, n1, events2, n2 = interval_coverage._trials(np.random.default_rng(1), 5, 0.0, 0.3, np.log(2))
    assert events1.sum() / n1.sum() == pytest.approx(0.3 * 2**0.5, rel=0.01)
    assert events2.sum() / n2.sum() == pytest.approx(0.3 / 2**0.5, rel=0.01)
    assert set(zip(n1.ravel(), n2.ravel(), strict=True)) == set(interval_coverage.ARMS)


# --- Prediction intervals ---------------------------------------------------------------------------------


def test_the_chance_of_another_rate_is_that_of_many_drawn():
    rates = special.expit(-1 + 0.8 * np.random.default_rng(1).standard_normal(400_000))
    chance = prediction_coverage._chance(np.array([0.1, -0.2]), np.array([0.5, 1.3]), -1.0, 0.8)
    assert chance == pytest.approx([np.mean((rates > 0.1) & (rates < 0.5)), 1], abs=3e-3)


def test_students_t_covers_more_than_the_normal_quantile_and_few_studies_often_give_no_tau2(monkeypatch):
    monkeypatch.setattr(prediction_coverage, "REVIEWS", 500)
    few, many = (pd.DataFrame(prediction_coverage.simulate({"studies": studies, "tau": 0.5}, 1)) for studies in (3, 19))
    assert (few.normal < 0.88).all() and (few.t > 0.97).all()
    assert ((many.t > many.normal) & (many.t - many.normal < 0.05)).all()
    assert few.zero.min() > 0.2 > 0.1 > many.zero.max()


def test_the_normal_prediction_interval_is_that_of_before(monkeypatch):
    monkeypatch.setattr(prediction_coverage, "REVIEWS", 1)
    given = {}

    def pool(events, n, transform):
        given[transform] = pool_proportions(events, n, transform=transform)
        return given[transform]

    monkeypatch.setattr(prediction_coverage, "pool_proportions", pool)
    monkeypatch.setattr(prediction_coverage, "RATES", (0.4,))
    rows = {row["transform"]: row for row in prediction_coverage.simulate({"studies": 8, "tau": 1.0}, 2)}
    for transform, pooled in given.items():
        scale = special.logit if transform == "logit" else np.asarray
        reach = 1.959963984540054 * np.sqrt(pooled.se**2 + pooled.tau2)
        back = special.expit if transform == "logit" else np.asarray
        ends = back(scale(pooled.estimate) - reach), back(scale(pooled.estimate) + reach)
        assert rows[transform]["normal"] == pytest.approx(
            prediction_coverage._chance(*ends, special.logit(0.4), 1.0).item()
        )


# --- Tables of the chapter --------------------------------------------------------------------------------


def test_the_tables_show_the_committed_results():
    rules = committed.read_results("interval_coverage")
    frame = methods_compared.interval_rules(rules).frame
    two = frame.loc["2 trials"].set_index("Interval")
    part = rules[(rules.trials == 2) & (rules.rule == "normal")]
    assert two.loc["Normal", "Least coverage"] == percent(part.covers.min(), 1)
    assert two.loc["Normal", "Median width"] == f"{part.width.median():.2f}"
    # The exception is for two trials alone.
    assert [len(frame.loc[[f"{k} trials"]]) for k in (2, 3, 12)] == [5, 4, 4]
    simulated = committed.read_results("prediction_coverage")
    shown = methods_compared.predictions(simulated).frame.set_index("Studies")
    part = simulated[(simulated.studies == 5) & (simulated["transform"] == "raw")]
    assert shown.loc["5", "Raw, t"] == f"{percent(part.t.mean())} ({percent(part.t.min())})"
    covered = committed.read_results("coverage")
    shown = methods_compared.covered(covered[covered.sizes == "few"], "").frame.set_index("Method")
    assert list(shown.index) == [method.name for method in METHODS]
    part = covered[(covered.sizes == "few") & (covered.rate == 0.55) & (covered.tau == 1)].set_index("method")
    assert shown.loc[RECOMMENDED.name, "55.0%, 1"] == percent(part.covers[RECOMMENDED.name])


def test_no_table_shows_a_prediction_interval_that_repeats_the_confidence_interval():
    alike, apart, two = (pool_proportions(events, [40] * len(events)) for events in ([20] * 4, [3, 20, 37], [3, 37]))
    assert alike.tau2 == 0 < apart.tau2
    entries = {
        name: pooled_entry(name, pooled, pd.DataFrame({"study": list("abcd"[: pooled.k]), "n": 40}), "", "")
        for name, pooled in (("alike", alike), ("apart", apart), ("two", two))
    }
    shown = tables.heterogeneity(entries).frame.set_index("Result").Prediction
    assert shown.to_dict() == {"alike": "", "apart": "0.0–100.0", "two": ""}
