"""The arithmetic of an update: the implied variance between studies, and the combination with new counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.stats import updating

RATES = st.floats(0.02, 0.98)
SIZES = st.lists(st.integers(5, 200), min_size=2, max_size=30)


@given(RATES, SIZES, st.floats(0.0, 1.0))
def test_the_implied_tau2_reproduces_the_standard_error(rate, sizes, share):
    n = np.array(sizes, dtype=float)
    tau2 = share * rate * (1 - rate)
    se = (1 / (rate * (1 - rate) / n + tau2 * (1 - 1 / n))).sum() ** -0.5
    assert updating.implied_tau2(rate, se * (1 + 1e-12), n) == pytest.approx(tau2, abs=1e-6)


def test_no_tau2_where_sampling_error_alone_is_larger():
    n = np.full(5, 20.0)
    alone = np.sqrt(0.3 * 0.7 / 100)
    assert np.isnan(updating.implied_tau2(0.3, 0.99 * alone, n))
    assert updating.implied_tau2(0.3, 1.01 * alone, n) > 0
    assert np.isnan(updating.implied_tau2(0.3, np.nan, n)) and np.isnan(updating.implied_tau2(0.3, 0.1, []))


@given(RATES, st.floats(0.005, 0.2), SIZES)
def test_without_new_counts_nothing_changes(rate, se, sizes):
    tau2 = updating.implied_tau2(rate, se, sizes)
    combined = updating.combine(rate, se, sizes, [], [], for_weights=float(np.nan_to_num(tau2)))
    assert combined.estimate == pytest.approx(rate, rel=1e-9)
    assert combined.se == pytest.approx(se, rel=1e-6)
    assert combined.tau2 == pytest.approx(np.nan_to_num(tau2), abs=1e-8)


@given(RATES, st.floats(0.005, 0.2), SIZES, st.lists(st.integers(1, 150), min_size=1, max_size=5), st.data())
def test_one_responder_fewer_lowers_the_rate(rate, se, sizes, n, data):
    events = [data.draw(st.integers(0, size)) for size in n]
    which = data.draw(st.integers(0, len(n) - 1))
    events[which] = max(events[which], 1)
    fewer = events.copy()
    fewer[which] -= 1
    high, low = (updating.combine(rate, se, sizes, counts, n) for counts in (events, fewer))
    assert low.estimate < high.estimate
    assert 0 < low.se and 0 < high.se


def test_the_least_tau2_limits_the_weight_of_a_large_study():
    # Three studies that agree imply no variance between studies.
    sizes, se = [40, 40, 40], np.sqrt(0.2 * 0.8 / 120)
    equal = updating.combine(0.2, se, sizes, [8], [40])
    assert equal.estimate == pytest.approx(0.2) and equal.weights == pytest.approx([0.25])
    held = updating.combine(0.2, se, sizes, [800], [2000])
    alone = updating.combine(0.2, se, sizes, [800], [2000], for_weights=0.0)
    assert held.weights[0] < 0.5 < alone.weights[0]


def test_iterated_weights_solve_the_equation_of_paule_and_mandel():
    sizes, events, n, rate = [30.0, 45, 60, 25], np.array([20.0, 3]), np.array([30.0, 50]), 0.3
    combined = updating.combine(rate, 0.06, sizes, events, n, iterate=True)
    tau2 = updating.implied_tau2(rate, 0.06, sizes)
    all_n = np.concatenate([sizes, n])
    y = np.concatenate([np.full(4, rate), events / n])
    m = combined.estimate
    weight = 1 / (m * (1 - m) / all_n + combined.tau2 * (1 - 1 / all_n))
    centre = (weight * y).sum() / weight.sum()
    old = weight[:4]
    variance = rate * (1 - rate) / all_n[:4] + tau2 * (1 - 1 / all_n[:4])
    q = (old * variance).sum() - (old**2 * variance).sum() / old.sum() + (weight * (y - centre) ** 2).sum()
    assert q == pytest.approx(len(all_n) - 1, rel=1e-6)


def test_without_any_responder_the_standard_error_is_0():
    combined = updating.combine(0.0, np.nan, [20, 30], [0], [50])
    assert (combined.estimate, combined.se) == (0.0, 0.0)
