"""The permutation test: metafor's values, many analyses at once, and edge cases."""

import numpy as np
import pytest
from reference_values import REGRESSIONS, moderated, with_gaps

from lib.stats import PoolingWarning, arrays, permutation_test

# Reference data and random data have studies without a weight; `test_arguments` is about the warning that names them.
pytestmark = pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")

PERMUTED = REGRESSIONS[REGRESSIONS.what.str.startswith("permuted")]


@pytest.mark.parametrize(
    ("fit", "expected"), list(PERMUTED.groupby(["set", "moderators", "tau2_method", "ci"], sort=False))
)
def test_exact_permutation_p_values_equal_metafor(fit, expected):
    name, moderators, tau2, ci = fit
    result = permutation_test(*moderated(name, moderators), tau2=tau2, ci=ci)
    value = expected.set_index("what").value
    assert result.exact
    assert result.number == 720
    # Arrangements are counted: a statistic as large as the observed one to rounding is where counts could differ.
    np.testing.assert_allclose(result.p, value[[f"permuted_{j + 1}" for j in range(len(result.p))]], atol=1e-9)
    assert result.qm_p == pytest.approx(value["permuted_qm"])


def test_arrangements_of_equal_moderators_count_once():
    y, v, _ = moderated("simulated_k9_tau2", "x1")
    group = np.array([0, 1] * 4 + [0])
    result = permutation_test(y, v, group, tau2="DL")
    assert (result.exact, result.number) == (True, 126)
    sampled = permutation_test(y, v, group, tau2="DL", at_most=125)
    assert (sampled.exact, sampled.number) == (False, 125)
    assert sampled.p[0] == pytest.approx(result.p[0], abs=0.15)
    again = permutation_test(y, v, group, tau2="DL", at_most=125)
    assert (sampled.p.tolist(), sampled.qm_p) == (again.p.tolist(), again.qm_p)


@pytest.mark.parametrize(
    ("tau2", "ci", "at_most"), [("DL", "normal", 400), ("REML", "hksj", 400), ("PM", "normal", 50)]
)
def test_permutations_of_many_analyses_equal_each_alone(tau2, ci, at_most, monkeypatch):
    y, v, x = with_gaps(1)
    options = {"tau2": tau2, "ci": ci, "at_most": at_most}
    many = permutation_test(y, v, x, **options)
    assert len(set(many.number)) > 1 or not many.exact.any()
    own = permutation_test(y, v, np.repeat(x[:, None, None], y.shape[1], axis=2), **options)
    # However the arrangements fall into blocks.
    monkeypatch.setattr(arrays, "_SLICE_SIZE", 500)
    blocks = permutation_test(y, v, x, **options)
    for j in range(y.shape[1]):
        alone = permutation_test(y[:, j], v[:, j], x, **options)
        for together in (many, own, blocks):
            assert (together.number[j], together.exact[j]) == (alone.number, alone.exact)
            assert together.qm_p[j] == pytest.approx(alone.qm_p)
            np.testing.assert_allclose(together.p[:, j], alone.p)


def test_permutations_of_one_study_among_many_are_exact():
    k = 1500
    y = np.sin(np.arange(k))
    chance = permutation_test(y, np.ones(k), np.arange(k) == 7, tau2="FE")
    assert chance.exact and chance.number == k
    # Without a residual variance each place has the statistic of its distance from the mean.
    distance = np.abs(y - y.mean())
    assert chance.p == pytest.approx(np.mean(distance >= distance[7] * (1 - 1e-9)))


def test_a_moderator_that_does_not_vary_has_no_permutation_p_value():
    with pytest.warns(PoolingWarning, match="moderators"):
        result = permutation_test([0.1, 0.4, 0.3, 0.8], [0.1, 0.2, 0.1, 0.3], [1.0, 1.0, 1.0, 1.0])
    assert np.isnan(result.p).all()
