"""Pooling: metafor's values, properties that must hold of any data, and the corners."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import pooling
from lib.pooling import by_group, cumulative, leave_one_out, pool, pool_proportions, proportions

REFERENCE = Path(__file__).parent / "reference"
STUDIES = pd.read_csv(REFERENCE / "studies.csv")
VALUES = pd.read_csv(REFERENCE / "values.csv")
FITS = list(VALUES.groupby(["set", "tau2_method", "ci"], sort=False))
# Closed forms agree to rounding; PM and REML to the tolerance of the iterations on both sides.
RELATIVE = {"DL": 1e-9, "FE": 1e-9, "PM": 1e-6, "REML": 1e-6}


@pytest.mark.parametrize(("fit", "expected"), FITS, ids=["-".join(fit) for fit, _ in FITS])
def test_equals_metafor(fit, expected):
    name, tau2, ci = fit
    studies = STUDIES[STUDIES["set"] == name]
    result = pool(studies.y, studies.v, tau2=tau2, ci=ci)
    assert int(result.dropped.sum()) == int((studies.v == 0).sum())
    expected = expected[expected.what.isin(vars(result))]
    assert len(expected) >= 10
    for row in expected.itertuples():
        # On the scale of these effects 1e-9 is below any printed digit: it stands in for "relative" at 0.
        assert getattr(result, row.what) == pytest.approx(row.value, rel=RELATIVE[tau2], abs=1e-9), row.what


@pytest.mark.parametrize("name", [n for n in STUDIES["set"].unique() if n.endswith(("/raw", "/logit"))])
def test_effect_sizes_equal_escalc(name):
    studies = STUDIES[STUDIES["set"] == name]
    y, v = proportions(studies.events, studies.n, transform=name.split("/")[1])
    np.testing.assert_allclose(y, studies.y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(v, studies.v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("arrange", [leave_one_out, cumulative])
@pytest.mark.parametrize("name", STUDIES["set"].unique())
def test_rearranged_analyses_equal_metafor(arrange, name):
    prefix = {"leave_one_out": "leave1out_", "cumulative": "cumul_"}[arrange.__name__]
    expected = VALUES[(VALUES["set"] == name) & VALUES.what.str.startswith(prefix)].value.to_numpy()
    studies = STUDIES[(STUDIES["set"] == name) & (STUDIES.v > 0)]
    if len(studies) < 2:
        assert len(expected) == 0
        return
    result = pool(*arrange(studies.y, studies.v))
    np.testing.assert_allclose(result.estimate, expected, rtol=1e-9)


def test_subgroups_equal_metafor():
    groups = pd.read_csv(REFERENCE / "bcg_allocation.csv").alloc
    studies = STUDIES[STUDIES["set"] == "bcg/logRR"]
    value = VALUES[VALUES["set"] == "bcg/logRR"].set_index("what").value
    labels, y, v = by_group(groups, studies.y, studies.v)
    result = pool(y, v)
    np.testing.assert_allclose(result.estimate, [value[f"group_{label}"] for label in labels], rtol=1e-9)
    q, df, p = pooling.between_groups(result.estimate, result.se**2)
    assert (q, df, p) == (pytest.approx(value["between_q"]), 2, pytest.approx(value["between_p"]))


def test_proportions_are_given_back_on_their_own_scale():
    studies = STUDIES[STUDIES["set"] == "pritz1997/logit"]
    on_logit = pool(studies.y, studies.v)
    result = pool_proportions(studies.events, studies.n, transform="logit")
    for name in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high"):
        assert getattr(result, name) == pytest.approx(1 / (1 + np.exp(-getattr(on_logit, name))))
    assert result.se == pytest.approx(on_logit.se)


# --- The corners ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ci", pooling.CI)
def test_one_study_is_its_own_result(ci):
    result = pool([0.4], [0.02], ci=ci)
    assert (result.k, result.estimate, result.tau2, result.i2, result.h2) == (1, 0.4, 0, 0, 1)
    assert (result.q, result.q_df, result.q_p) == (0, 0, 1)
    assert result.ci_low == pytest.approx(0.4 - 1.959963984540054 * 0.02**0.5)
    assert (result.pi_low, result.pi_high) == (result.ci_low, result.ci_high)


@pytest.mark.parametrize("tau2", pooling.TAU2)
def test_no_study_is_said_aloud(tau2):
    with pytest.warns(pooling.PoolingWarning, match="no study"):
        result = pool_proportions([0, 20], [14, 20], tau2=tau2)
    assert result.k == 0
    assert np.isnan([result.estimate, result.se, result.ci_low, result.pi_high]).all()
    assert (result.tau2, result.i2, result.q) == (0, 0, 0)
    assert result.dropped.tolist() == [True, True]
    assert result.weights.tolist() == [0, 0]


@pytest.mark.parametrize("tau2", pooling.TAU2)
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
        (lambda: pool([1], [1], ci="XX"), "ci must be one of"),
        (lambda: pool([1], [1], level=95), "level"),
        (lambda: pool_proportions([3], [2]), "events <= n"),
        (lambda: pool_proportions([0], [0]), "n > 0"),
        (lambda: pool_proportions([1], [2], transform="XX"), "transform must be one of"),
        (lambda: pooling.proportion_interval(20, 10), "events <= n"),
    ],
)
def test_refuses_what_it_cannot_hold(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- Properties -------------------------------------------------------------------------------------------

some_studies = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.001, 2)), min_size=2, max_size=12).map(
    lambda rows: tuple(np.array(rows).T)
)
methods = st.sampled_from(pooling.TAU2)


@given(st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n))))
def test_one_study_has_no_heterogeneity(counts):
    for transform in pooling.TRANSFORMS:
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
def test_scale_carries_through(studies, tau2, factor):
    y, v = studies
    one, other = pool(y, v, tau2=tau2), pool(factor * y, factor**2 * v, tau2=tau2)
    assert other.estimate == pytest.approx(factor * one.estimate, rel=1e-5, abs=1e-7 * factor)
    assert other.tau2 == pytest.approx(factor**2 * one.tau2, rel=1e-4, abs=1e-7 * factor**2)


@given(some_studies, methods, st.sampled_from(pooling.CI))
def test_intervals_hold_the_estimate_and_each_other(studies, tau2, ci):
    result = pool(*studies, tau2=tau2, ci=ci)
    assert result.pi_low <= result.ci_low <= result.estimate <= result.ci_high <= result.pi_high
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


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_single_intervals_hold_the_proportion_and_stay_within_bounds(counts):
    low, high = pooling.proportion_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] + 1e-12
    assert counts[0] / counts[1] - 1e-12 <= high <= 1


def test_single_interval_equals_scipy():
    from scipy.stats import binomtest

    for events, n in ((0, 14), (3, 20), (30, 30), (16, 22)):
        expected = binomtest(events, n).proportion_ci(method="wilson")
        assert pooling.proportion_interval(events, n) == (pytest.approx(expected.low), pytest.approx(expected.high))
