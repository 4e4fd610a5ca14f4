"""Pooling: metafor's values, properties that hold for any data, and edge cases."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_values import ITERATIVE, REFERENCE, STUDIES, VALUES, close, methods, some_studies
from scipy import stats

from lib.stats import (
    TAU2,
    PoolingWarning,
    arrays,
    difference_interval,
    heterogeneity_interval,
    leave_one_out,
    pool,
    pool_proportions,
    pool_ratios,
    proportion_interval,
)
from lib.stats.pooling import CI
from lib.stats.pooling_counts import TRANSFORMS

# Reference data and random data have studies without a weight; `test_arguments` is about the warning that names them.
pytestmark = pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")

FITS = list(VALUES.groupby(["set", "tau2_method", "ci"], sort=False))


@pytest.mark.parametrize(("fit", "expected"), FITS, ids=["-".join(fit) for fit, _ in FITS])
def test_equals_metafor(fit, expected):
    name, tau2, ci = fit
    studies = STUDIES[STUDIES["set"] == name]
    result = pool(studies.y, studies.v, tau2=tau2, ci=ci)
    assert int(result.dropped.sum()) == int((studies.v == 0).sum())
    expected = expected[expected.what.isin(vars(result))]
    # No prediction interval of two studies or by a common effect.
    assert len(expected) >= 5
    for row in expected.itertuples():
        assert getattr(result, row.what) == close(tau2, row.value), row.what


@pytest.mark.parametrize("name", [n for n in STUDIES["set"].unique() if n.endswith("arcsine")])
def test_proportions_from_arcsines_equal_metafor(name):
    studies = STUDIES[STUDIES["set"] == name]
    expected = VALUES[VALUES["set"] == name].set_index("what").value
    result = pool_proportions(studies.events, studies.n, transform=name.split("/")[1])
    for ours, theirs in (("estimate", "b"), ("ci_low", "ci.lb"), ("ci_high", "ci.ub")):
        assert getattr(result, ours) == pytest.approx(expected[f"proportion_{theirs}"], rel=1e-9, abs=1e-12), ours


@pytest.mark.parametrize(("name", "counts"), list(pd.read_csv(REFERENCE / "groups.csv").groupby("set", sort=False)))
def test_ratios_equal_metafor(name, counts):
    measure = name.split("/")[1]
    back = (lambda value: value) if measure == "RD" else np.exp
    expected = VALUES[VALUES["set"] == name]
    for method in ("DL", "REML"):
        result = pool_ratios(*counts.drop(columns="set").to_numpy().T, measure=measure, tau2=method)
        value = expected[(expected.tau2_method == method) & (expected.ci == "normal")].set_index("what").value
        for what in {"estimate", "ci_low", "ci_high", "pi_low", "pi_high"} & set(value.index):
            assert getattr(result, what) == close(method, back(value[what])), what
        assert (result.se, result.tau2) == (close(method, value["se"]), close(method, value["tau2"]))


def test_pooled_proportions_are_transformed_back():
    studies = STUDIES[STUDIES["set"] == "pritz1997/logit"]
    on_logit = pool(studies.y, studies.v)
    result = pool_proportions(studies.events, studies.n, transform="logit")
    for name in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high"):
        assert getattr(result, name) == pytest.approx(1 / (1 + np.exp(-getattr(on_logit, name))))
    assert result.se == pytest.approx(on_logit.se)


@pytest.mark.parametrize("tau2", ["DL", "HE", "ML", "REML"])
def test_equals_pymare(tau2):
    estimators = pytest.importorskip("pymare.estimators")
    rng = np.random.default_rng(4)
    v = rng.uniform(0.02, 0.5, (12, 30))
    y = rng.normal(0.4, 0.5, v.shape) + rng.normal(size=v.shape) * np.sqrt(v)
    theirs = {
        "DL": estimators.DerSimonianLaird,
        "HE": estimators.Hedges,
        "ML": lambda: estimators.VarianceBasedLikelihoodEstimator(method="ML"),
        "REML": lambda: estimators.VarianceBasedLikelihoodEstimator(method="REML"),
    }[tau2]()
    theirs = theirs.fit(y=y, v=v, X=np.ones((12, 1))).params_
    ours = pool(y, v, tau2=tau2, ci="hksj")
    # PyMARE's likelihoods stop at an absolute tolerance.
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if tau2 in ITERATIVE else {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(np.ravel(theirs["tau2"]), ours.tau2, **tolerance)
    np.testing.assert_allclose(np.ravel(theirs["fe_params"]), ours.estimate, **tolerance)
    np.testing.assert_allclose(np.ravel(theirs["inv_cov"]) ** 0.5, ours.se, **tolerance)


def test_equals_statsmodels():
    meta_analysis = pytest.importorskip("statsmodels.stats.meta_analysis")
    for name in ("bcg/logRR", "hackshaw1998/logOR", "pritz1997/logit"):
        studies = STUDIES[STUDIES["set"] == name]
        y, v = studies.y.to_numpy(), studies.v.to_numpy()
        for tau2, method in (("DL", "chi2"), ("PM", "iterated")):
            # With a tolerance below rounding error it may end at 0.
            theirs = meta_analysis.combine_effects(y, v, method_re=method, atol=1e-10)
            ours, common = pool(y, v, tau2=tau2), pool(y, v, tau2="FE")
            assert (ours.tau2, ours.estimate) == (pytest.approx(theirs.tau2), pytest.approx(theirs.mean_effect_re))
            assert ours.se == pytest.approx(theirs.sd_eff_w_re)
            assert (ours.q, common.estimate) == (pytest.approx(theirs.q), pytest.approx(theirs.mean_effect_fe))


# --- Edge cases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ci", CI)
def test_one_study_is_its_own_result(ci):
    result = pool([0.4], [0.02], ci=ci)
    assert (result.k, result.estimate, result.tau2, result.i2, result.h2) == (1, 0.4, 0, 0, 1)
    assert (result.q, result.q_df, result.q_p) == (0, 0, 1)
    assert result.ci_low == pytest.approx(0.4 - 1.959963984540054 * 0.02**0.5)
    assert np.isnan([result.pi_low, result.pi_high]).all()


@pytest.mark.parametrize("tau2", TAU2)
def test_no_study_to_pool_warns(tau2):
    with pytest.warns(PoolingWarning, match="no study"):
        result = pool_proportions([0, 20], [14, 20], tau2=tau2)
    assert result.k == 0
    assert np.isnan([result.estimate, result.se, result.ci_low, result.pi_high]).all()
    assert (result.tau2, result.i2, result.q) == (0, 0, 0)
    assert result.dropped.tolist() == [True, True]
    assert result.weights.tolist() == [0, 0]


@pytest.mark.parametrize("tau2", TAU2)
def test_equal_effects_have_no_heterogeneity(tau2):
    result = pool([0.3] * 4, [0.01, 0.02, 0.03, 0.04], tau2=tau2, ci="hksj")
    assert (result.q, result.tau2, result.i2, result.h2) == (pytest.approx(0, abs=1e-12), 0, pytest.approx(0), 1)
    assert result.ci_low == pytest.approx(0.3)
    assert result.ci_high == pytest.approx(0.3)


def test_zero_variance_is_left_out_on_the_raw_scale_only():
    events, n = [0, 5, 9, 12], [14, 20, 18, 12]
    raw, logit = pool_proportions(events, n), pool_proportions(events, n, transform="logit")
    assert raw.dropped.tolist() == [True, False, False, True]
    assert raw.k == 2
    assert raw.estimate == pool_proportions(events[1:3], n[1:3]).estimate
    assert not logit.dropped.any()
    assert logit.k == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pool([1, 2], [1]), "shape"),
        (lambda: pool([1, 2], [1, -1]), "not negative"),
        (lambda: pool([1, np.inf], [1, 1]), "finite"),
        (lambda: pool([1], [1], tau2="XX"), "tau2 must be one of"),
        (lambda: pool([1], [1], ci="XX"), "ci must be one of normal, hksj, mkh, not 'XX'"),
        (lambda: pool([1], [1], ci="t"), "ci must be one of normal, hksj, mkh, not 't'"),
        (lambda: pool([1, 2, 3], [5e-324, 1, 1]), "variances must be 0 or at least 1e-140"),
        (
            lambda: pool([[1], [2], [3]], [[1e-310], [1e-310], [1]], tau2="REML"),
            "variances must be 0 or at least 1e-140",
        ),
        (lambda: heterogeneity_interval([1, 2, 3], [5e-324, 1, 1]), "variances must be 0 or at least 1e-140"),
        (lambda: pool_proportions([1], [2], ci="t"), "ci must be one of normal, hksj, mkh, not 't'"),
        (lambda: pool_proportions([1], [2], transform="glmm", ci="hksj"), "ci must be one of normal, t, not 'hksj'"),
        (lambda: pool_proportions([1], [2], transform="glmm", ci="mkh"), "ci must be one of normal, t, not 'mkh'"),
        *(
            (
                lambda tau2=tau2: pool_proportions([1], [2], transform="glmm", tau2=tau2),
                f"tau2 of the logistic model must be one of ML, FE, not '{tau2}'",
            )
            for tau2 in ("DL", "REML", "XX")
        ),
        (lambda: pool([1], [1], level=95), "level"),
        (lambda: pool_proportions([3], [2]), "events <= n"),
        (lambda: pool_proportions([0], [0]), "n > 0"),
        (lambda: pool_proportions([1], [2], transform="XX"), "transform must be one of"),
        (lambda: pool_ratios([1], [2], [1], [2], measure="XX"), "measure must be one of"),
        (lambda: pool_ratios([3], [2], [1], [2]), "events1 <= n1"),
        (lambda: heterogeneity_interval([1, 2], [1, 1], level=0), "level"),
        (lambda: proportion_interval(20, 10), "events <= n"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("tau2", TAU2)
def test_the_smallest_variances_that_are_taken_give_a_result(tau2):
    for v in ([1e-140, 1e-140, 1.0], [1e-140, 1.0, 1e-139], [1e-140] * 3):
        assert np.isfinite(pool([0.0, 1.0, 2.0], v, tau2=tau2).estimate)


# --- Intervals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [3, 5, 12])
def test_modified_knapp_hartung_never_has_a_smaller_variance_than_the_normal_interval(k):
    apart, alike = np.linspace(-2, 2, k), np.linspace(-0.01, 0.01, k)
    v = np.full(k, 0.1)
    # Without tau² effects that lie apart leave a factor above 1.
    for name in ("se", "ci_low", "ci_high"):
        assert getattr(pool(apart, v, tau2="FE", ci="mkh"), name) == getattr(pool(apart, v, tau2="FE", ci="hksj"), name)
    result, normal = pool(alike, v, ci="mkh"), pool(alike, v)
    assert pool(alike, v, ci="hksj").se < 0.1 * normal.se
    assert result.se == normal.se
    assert result.ci_high - result.estimate == pytest.approx(stats.t.ppf(0.975, k - 1) * normal.se)


def test_two_studies_have_the_quantile_of_three():
    result = pool([0.1, 0.7], [0.1, 0.2], ci="mkh")
    assert result.ci_high - result.estimate == pytest.approx(stats.t.ppf(0.975, 2) * result.se)
    many = pool(*leave_one_out([0.1, 0.7, 0.3], [0.1, 0.2, 0.1]), ci="mkh")
    np.testing.assert_allclose((many.ci_high - many.estimate) / many.se, stats.t.ppf(0.975, 2))


def test_the_difference_of_a_single_trial_has_newcombes_interval():
    for events, difference in ((3, 3 / 31), (8, 8 / 31)):
        counts = [events], [31], [0], [32]
        for ci in CI:
            result = pool_ratios(*counts, measure="RD", ci=ci)
            assert result.estimate == difference
            ends = difference_interval(*counts)
            assert (result.ci_low, result.ci_high) == (ends[0].item(), ends[1].item())
    assert (round(100 * result.ci_low, 1), round(100 * result.ci_high, 1)) == (9.6, 43.2)
    # Of many analyses at once, those that have one trial; the others have the interval of the pooled difference.
    columns = [[8, np.nan, 8], [31, np.nan, 31], [0, np.nan, 0], [32, np.nan, 32]]
    more = [[np.nan, 5, 5], [np.nan, 20, 20], [np.nan, 3, 3], [np.nan, 25, 25]]
    many = pool_ratios(*(np.array(pair) for pair in zip(columns, more, strict=True)), measure="RD", level=0.9)
    assert (many.ci_low[0], many.ci_high[0]) == tuple(difference_interval(8, 31, 0, 32, level=0.9))
    assert (many.ci_low[1], many.ci_high[1]) == tuple(difference_interval(5, 20, 3, 25, level=0.9))
    both = pool_ratios([8, 5], [31, 20], [0, 3], [32, 25], measure="RD", level=0.9)
    assert (many.ci_low[2], many.ci_high[2]) == (both.ci_low, both.ci_high)


@pytest.mark.parametrize("ci", CI)
@pytest.mark.parametrize("more", [(0, 60, 0, 20), (60, 60, 20, 20)])
@pytest.mark.parametrize("measure", ["RR", "OR"])
def test_a_trial_without_information_changes_no_ratio_and_is_marked_as_dropped(measure, more, ci):
    counts = np.array([[16, 23, 4, 20], [16, 30, 9, 30], [38, 70, 22, 70]]).T
    result = pool_ratios(*counts, measure=measure, tau2="REML", ci=ci)
    with_it = pool_ratios(*np.column_stack([counts, more]), measure=measure, tau2="REML", ci=ci)
    for name in ("k", "estimate", "se", "ci_low", "ci_high", "pi_low", "tau2", "i2", "q", "q_p"):
        assert getattr(with_it, name) == getattr(result, name), name
    assert with_it.dropped.tolist() == [False, False, False, True]
    assert with_it.weights[3] == 0
    difference = pool_ratios(*np.column_stack([counts, more]), measure="RD", tau2="REML", ci=ci)
    assert difference.k == 4 and not difference.dropped.any()
    assert 0 < difference.weights[3] < 1


def test_trials_without_information_alone_have_no_ratio():
    with pytest.warns(PoolingWarning, match="no study"):
        result = pool_ratios([0, 9], [10, 9], [0, 12], [11, 12])
    assert (result.k, result.dropped.tolist()) == (0, [True, True])
    assert np.isnan([result.estimate, result.ci_low, result.ci_high]).all()
    # An absent trial is not one that was left out.
    with pytest.warns(PoolingWarning, match="no study"):
        assert pool_ratios([np.nan], [10], [0], [11]).dropped.tolist() == [False]


def test_the_double_arcsine_warns_where_it_gives_exactly_0_or_1():
    n, events = [22400, 8700, 31, 34800, 15600000], [17, 9, 0, 87, 12]
    with pytest.warns(PoolingWarning, match="double arcsine gives exactly 0 or 1 in 1 analyses"):
        assert pool_proportions(events, n, transform="double-arcsine").estimate == 0
    with pytest.warns(PoolingWarning, match="double arcsine gives exactly 0 or 1 in 1 analyses"):
        others = [size - number for size, number in zip(n, events, strict=True)]
        assert pool_proportions(others, n, transform="double-arcsine").estimate == 1
    for ends in ([0, 0, 0], [9, 12, 40]):
        assert pool_proportions(ends, [9, 12, 40], transform="double-arcsine").estimate in (0, 1)
    many = pool_proportions(np.array([[0, 1], [0, 2]]), np.array([[9, 9], [8, 8]]), transform="double-arcsine")
    assert many.estimate[0] == 0 < many.estimate[1]


# --- Properties -------------------------------------------------------------------------------------------


@given(st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n))))
def test_one_study_has_no_heterogeneity(counts):
    for transform in TRANSFORMS:
        result = pool_proportions([counts[0]], [counts[1]], transform=transform)
        assert (result.q, result.i2, result.h2, result.q_p) == (0, 0, 1, 1)


@given(some_studies, methods, st.randoms(use_true_random=False))
def test_order_of_studies_does_not_matter(studies, tau2, random):
    y, v = studies
    order = random.sample(range(len(y)), len(y))
    one, other = pool(y, v, tau2=tau2), pool(y[order], v[order], tau2=tau2)
    assert other.estimate == pytest.approx(one.estimate, rel=1e-6, abs=1e-8)
    np.testing.assert_allclose(other.weights, one.weights[order], atol=1e-6)


@given(some_studies, methods, st.floats(0.01, 100))
def test_results_are_equivariant_to_scale(studies, tau2, factor):
    y, v = studies
    one, other = pool(y, v, tau2=tau2), pool(factor * y, factor**2 * v, tau2=tau2)
    assert other.estimate == pytest.approx(factor * one.estimate, rel=1e-5, abs=1e-7 * factor)
    assert other.tau2 == pytest.approx(factor**2 * one.tau2, rel=1e-4, abs=1e-7 * factor**2)


@given(some_studies, methods, st.sampled_from(CI))
def test_intervals_contain_the_estimate_and_are_nested(studies, tau2, ci):
    result = pool(*studies, tau2=tau2, ci=ci)
    assert result.ci_low <= result.estimate <= result.ci_high
    if len(studies[0]) > 2:
        assert result.pi_low <= result.ci_low and result.ci_high <= result.pi_high
    assert result.weights.sum() == pytest.approx(1)
    assert min(studies[0]) - 1e-9 <= result.estimate <= max(studies[0]) + 1e-9
    assert 0 <= result.i2 < 1 <= result.h2


@given(some_studies, methods)
def test_more_precise_studies_weigh_more(studies, tau2):
    weights = pool(*studies, tau2=tau2).weights
    by_variance = weights[np.argsort(studies[1])]
    assert (np.diff(by_variance) <= 1e-12).all()


@given(some_studies, methods)
def test_many_analyses_at_once_equal_each_alone(studies, tau2):
    y, v = leave_one_out(*studies)
    together = pool(y, v, tau2=tau2)
    for j in range(len(studies[0])):
        alone = pool(np.delete(studies[0], j), np.delete(studies[1], j), tau2=tau2)
        assert together.estimate[j] == pytest.approx(alone.estimate, rel=1e-6, abs=1e-8)
        assert together.tau2[j] == pytest.approx(alone.tau2, rel=1e-5, abs=1e-8)
        assert together.k[j] == alone.k


@given(some_studies, methods)
def test_all_studies_twice_estimate_the_same_with_less_error(studies, tau2):
    y, v = studies
    one, twice = pool(y, v, tau2="FE"), pool(np.tile(y, 2), np.tile(v, 2), tau2="FE")
    assert twice.estimate == pytest.approx(one.estimate, abs=1e-9)
    assert twice.se == pytest.approx(one.se / 2**0.5)
    # A study split into two of the same effect and half the information each is the same study.
    halves = pool(np.tile(y, 2), np.tile(2 * v, 2), tau2="FE")
    assert (halves.estimate, halves.se) == (pytest.approx(one.estimate, abs=1e-9), pytest.approx(one.se))
    ml, ml_twice = (pool(np.tile(y, n), np.tile(v, n), tau2="ML") for n in (1, 2))
    assert ml_twice.tau2 == pytest.approx(ml.tau2, rel=1e-6, abs=1e-8)


def test_a_tau2_that_is_given_is_used():
    studies = STUDIES[STUDIES["set"] == "bcg/logRR"]
    for method in ("DL", "REML", "FE"):
        estimated = pool(studies.y, studies.v, tau2=method)
        given = pool(studies.y, studies.v, tau2=estimated.tau2)
        assert (given.estimate, given.se, given.pi_low) == (estimated.estimate, estimated.se, estimated.pi_low)
    many = pool(*leave_one_out(studies.y, studies.v), tau2=np.arange(13.0))
    assert many.tau2.tolist() == list(range(13))
    for wrong in (-1.0, np.nan):
        with pytest.raises(ValueError, match="finite and not negative"):
            pool(studies.y, studies.v, tau2=wrong)


@pytest.mark.parametrize("tau2", TAU2)
def test_very_different_variances_give_a_result_without_a_warning(tau2):
    result = pool([0.0, 1.0, 3.0], [1e-20, 1.0, 1e-3], tau2=tau2)
    turned = pool([3.0, 0.0, 1.0], [1e-3, 1e-20, 1.0], tau2=tau2)
    assert np.isfinite([result.estimate, result.se, result.tau2]).all()
    assert (turned.estimate, turned.tau2) == (pytest.approx(result.estimate), pytest.approx(result.tau2))


def test_the_size_of_slices_does_not_change_results(monkeypatch):
    rng = np.random.default_rng(1)
    y, v = rng.normal(size=(7, 50)), rng.uniform(0.1, 1, (7, 50))
    y[2, 4:9] = np.nan
    v[1, 30:] = 0
    whole = {tau2: pool(y, v, tau2=tau2) for tau2 in TAU2}
    monkeypatch.setattr(arrays, "_SLICE_SIZE", 30)
    for tau2, expected in whole.items():
        for name, value in vars(pool(y, v, tau2=tau2)).items():
            np.testing.assert_allclose(value, vars(expected)[name], rtol=1e-7, atol=1e-12, err_msg=name)


def test_equal_groups_have_ratio_1_and_difference_0():
    counts = [[3, 8, 0], [20, 18, 9]]
    for measure, none in (("RR", 1), ("OR", 1), ("RD", 0)):
        result = pool_ratios(*counts, *counts, measure=measure)
        assert result.estimate == pytest.approx(none, abs=1e-12)
        assert result.ci_low < none < result.ci_high
