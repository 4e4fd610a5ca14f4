"""Estimators of tau²: the highest likelihood, convergence, and models that do not share memory."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.stats import PoolingWarning, pool
from lib.stats.mean_model import Mean

wild_studies = st.lists(st.tuples(st.floats(-5, 5), st.floats(-1, 1), st.floats(-4, 2)), min_size=2, max_size=9).map(
    lambda rows: (np.array([a * 10**b for a, b, _ in rows]), np.array([10**c for *_, c in rows]))
)


# Two narrow maxima, of which the one at 0 is lower.
TWO_MAXIMA = (
    np.array([0.0, 0.0, 2.0, 0.07410543, 0.08450214]),
    np.array([0.00220673407, 0.00220673407, 1.0, 0.000316227766, 0.000316227766]),
)


@example(TWO_MAXIMA, "REML")
@given(wild_studies, st.sampled_from(["ML", "REML"]))
def test_no_other_tau2_is_likelier(studies, method):
    y, v = studies
    t2 = pool(y, v, tau2=method).tau2
    grid = np.concatenate([[0.0, t2], np.geomspace(1e-6, 1e5, 400)])
    weight = 1 / (v[:, None] + grid)
    mean = (weight * y[:, None]).sum(axis=0) / weight.sum(axis=0)
    height = np.log(weight).sum(axis=0) - (weight * (y[:, None] - mean) ** 2).sum(axis=0)
    height -= np.log(weight.sum(axis=0)) if method == "REML" else 0
    assert height[1] >= height.max() - 1e-7 * max(1, abs(height.max()))


def test_an_iteration_that_does_not_converge_warns(monkeypatch):
    monkeypatch.setattr("lib.stats.tau2._MAX_STEPS", 1)
    for tau2 in ("PM", "REML"):
        with pytest.warns(PoolingWarning, match="did not converge in 1 analyses"):
            pool([0.0, 1.0, 3.0], [0.1, 0.2, 0.01], tau2=tau2)


def test_a_model_keeps_its_numbers_when_another_is_made():
    y, v, k = np.array([[0.1], [0.7], [1.5]]), np.array([[0.1], [0.2], [0.1]]), np.array([3])
    first = Mean.centred(y, v, k)
    weight, _ = first.weights(0.5)
    centred, weights = first.y.copy(), weight.copy()
    second = Mean.centred(y + 10 * y**2, 3 * v, k)
    second.weights(0.1)
    second.q(0.2)
    np.testing.assert_array_equal(first.y, centred)
    np.testing.assert_array_equal(weight, weights)
