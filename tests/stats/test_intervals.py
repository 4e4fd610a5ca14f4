"""Intervals: metafor's and published values, and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_values import STUDIES, VALUES, close, some_studies
from scipy import stats

from lib.stats import (
    difference_interval,
    heterogeneity_interval,
    leave_one_out,
    pool,
    pool_proportions,
    prediction_interval,
    proportion_interval,
)
from lib.stats.pooling import CI
from lib.stats.pooling_counts import TRANSFORMS

# Reference data and random data have studies without a weight; `test_arguments` is about the warning that names them.
pytestmark = pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")


@pytest.mark.parametrize("name", VALUES[VALUES.what.str.startswith("interval_")]["set"].unique())
def test_heterogeneity_intervals_equal_metafor(name):
    studies = STUDIES[STUDIES["set"] == name]
    expected = VALUES[(VALUES["set"] == name) & VALUES.what.str.startswith("interval_")].set_index("what").value
    for what, value in heterogeneity_interval(studies.y, studies.v).to_frame().iloc[0].items():
        assert value == close("PM", expected[f"interval_{what}"]), what


@pytest.mark.parametrize("ci", CI)
@pytest.mark.parametrize("k", [3, 4, 12])
def test_a_prediction_interval_has_students_t_on_k_less_2_degrees_of_freedom(k, ci):
    y, v = np.linspace(-1, 2, k) ** 2, np.linspace(0.05, 0.3, k)
    result = pool(y, v, tau2="REML", ci=ci)
    reach = stats.t.ppf(0.975, k - 2) * np.sqrt(result.se**2 + result.tau2)
    assert (result.pi_low, result.pi_high) == pytest.approx((result.estimate - reach, result.estimate + reach))
    assert prediction_interval(result.estimate, result.se, result.tau2, k) == pytest.approx(
        (result.pi_low, result.pi_high)
    )


def test_fewer_than_three_studies_have_no_prediction_interval():
    y, v = leave_one_out([0.1, 0.7, 1.3], [0.1, 0.2, 0.1])
    result = pool(y, v)
    assert np.isnan(result.pi_low).all() and np.isnan(result.pi_high).all()
    assert np.isfinite(result.ci_low).all()
    for transform in TRANSFORMS:
        result = pool_proportions([3, 8], [20, 19], transform=transform)
        assert np.isnan([result.pi_low, result.pi_high]).all()


def test_newcombe_interval_of_a_difference():
    # Newcombe (1998), table II, method 10: 56/70 v 48/80, 9/10 v 3/10, 10/10 v 0/20 and 0/10 v 0/20.
    for counts, expected in (
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((8, 31, 0, 32), (0.0964, 0.4325)),
    ):
        assert difference_interval(*counts) == pytest.approx(expected, abs=6e-5)


@given(some_studies, st.floats(0.5, 0.99))
def test_heterogeneity_intervals_are_nested_and_contain_paule_mandel(studies, level):
    one, wider = heterogeneity_interval(*studies, level=level), heterogeneity_interval(*studies, level=(1 + level) / 2)
    assert 0 <= wider.tau2_low <= one.tau2_low <= one.tau2_high <= wider.tau2_high
    assert 0 <= one.i2_low <= one.i2_high < 1
    # Q = df lies between the quantiles at these levels, from 0.5 on for up to 11 degrees of freedom.
    assert one.tau2_low <= pool(*studies, tau2="PM").tau2 * (1 + 1e-9) + 1e-12


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_proportion_intervals_contain_the_proportion_and_lie_within_0_and_1(counts):
    low, high = proportion_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] + 1e-12
    assert counts[0] / counts[1] - 1e-12 <= high <= 1


def test_single_interval_equals_scipy():
    from scipy.stats import binomtest

    for events, n in ((0, 14), (3, 20), (30, 30), (16, 22)):
        expected = binomtest(events, n).proportion_ci(method="wilson")
        assert proportion_interval(events, n) == (pytest.approx(expected.low), pytest.approx(expected.high))
