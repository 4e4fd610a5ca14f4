"""The model of counts that are not available: pooling as the review does, and the prior."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from lib.published import count_model
from lib.stats import pool_proportions


@pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")
@given(
    st.lists(st.tuples(st.integers(1, 80), st.floats(0, 1)), min_size=1, max_size=12),
)
def test_the_fast_pooling_of_the_model_is_pooling(studies):
    n = np.array([size for size, _ in studies], dtype=float)
    x = np.round(n * np.array([share for _, share in studies]))
    estimate, se, tau2 = count_model.pooled(*count_model.effects(x[:, None], n[:, None]))
    if not ((x > 0) & (x < n)).any():
        assert (estimate, se) == (0, 0)
        return
    pooled = pool_proportions(x, n)
    assert estimate[0] == pytest.approx(pooled.estimate, rel=1e-9)
    assert se[0] == pytest.approx(pooled.se, rel=1e-9)
    assert tau2[0] == pytest.approx(pooled.tau2, rel=1e-9, abs=1e-12)


def test_the_prior_is_marginal_over_its_mean_and_concentration():
    prior = count_model.Prior(20)
    of, x = np.array([20, 9, 14]), np.array([7, 3, 0])

    def density(log_size, mean):
        size = np.exp(log_size)
        counts = stats.betabinom.pmf(x, of, mean * size, (1 - mean) * size).prod()
        return counts * stats.norm.pdf(log_size, np.log(count_model.CONCENTRATION), count_model.SPREAD)

    expected, _ = integrate.dblquad(density, 0, 1, -5, 9)
    assert np.exp(prior.log_marginal(of[:, None], x[:, None])[0]) == pytest.approx(expected, rel=1e-4)
