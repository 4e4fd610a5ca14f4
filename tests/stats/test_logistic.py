"""The random-intercept logistic model: metafor's values, a dense quadrature, and properties of any counts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from lib.stats import PoolingWarning, leave_one_out, pool_proportions
from lib.stats.logistic import _adaptive, _dense, _mode

# Reference data and random data have studies without a weight; `test_arguments` is about the warning that names them.
pytestmark = pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")

REFERENCE = Path(__file__).parents[1] / "reference"
STUDIES = pd.read_csv(REFERENCE / "studies.csv")
FITS = pd.read_csv(REFERENCE / "glmm.csv")
SETS = list(FITS["set"].unique())
LOGIT = {"b": "estimate", "ci.lb": "ci_low", "ci.ub": "ci_high", "pi.lb": "pi_low", "pi.ub": "pi_high"}
PLAIN = {"se": "se", "tau2": "tau2", "QE.LRT": "q", "QEp.LRT": "q_p"}


def counts(name):
    studies = STUDIES[STUDIES["set"] == f"{name}/raw"]
    return studies.events.to_numpy(), studies.n.to_numpy()


def glmm(*data, **options):
    return pool_proportions(*data, transform="glmm", **options)


@pytest.mark.parametrize("nodes", [7, 25])
@pytest.mark.parametrize("name", SETS)
def test_equals_metafor(name, nodes):
    value = FITS[(FITS["set"] == name) & (FITS.nodes == nodes)].set_index("what").value
    result = glmm(*counts(name))
    # Where nearly every study is at 0% or 100% lme4's own nodes are too few: its values with 7 and 25 differ by
    # a tenth and more; the dense quadrature below decides.
    if value["tau2"] > {7: 5, 25: 20}[nodes]:
        tolerance = {7: 0.12, 25: 0.01}[nodes]
    else:
        tolerance = 1e-3
    for theirs, ours in LOGIT.items():
        if theirs not in value.index:
            assert result.k < 3 and np.isnan(getattr(result, ours))
            continue
        # Relative to the standard error too: a logit may be near 0.
        assert special.logit(getattr(result, ours)) == pytest.approx(
            value[theirs], rel=tolerance, abs=tolerance * value["se"]
        )
    for theirs, ours in PLAIN.items():
        assert getattr(result, ours) == pytest.approx(value[theirs], rel=tolerance, abs=1e-6), ours
    assert result.q == pytest.approx(value["QE.LRT"], rel=1e-9, abs=1e-9)


def minus_log_likelihood(parameters, events, n):
    u = np.linspace(-14, 14, 4001)
    logit = parameters[0] + parameters[1] * u
    density = events[:, None] * logit - n[:, None] * np.logaddexp(0, logit) - u * u / 2
    return -special.logsumexp(density, axis=1).sum()


@pytest.mark.parametrize(
    "name", ["one_apart", "extreme_k15", "extreme_k2", "zeros", "simulated_k19_spread1.5", "bcg_control"]
)
def test_is_the_maximum_by_dense_quadrature(name):
    data = counts(name)
    result = glmm(*data)
    at = np.array([special.logit(result.estimate), result.tau2**0.5])
    best = optimize.minimize(
        minus_log_likelihood, at, data, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}
    )
    assert minus_log_likelihood(at, *data) <= best.fun + 1e-7
    assert at[1] ** 2 == pytest.approx(best.x[1] ** 2, rel=1e-4)
    assert at[0] == pytest.approx(best.x[0], abs=5e-4 * result.se)
    h, axes = 1e-3, np.eye(2)

    def second(a, b):
        corners = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        return sum(s * t * minus_log_likelihood(at + h * (s * a + t * b), *data) for s, t in corners) / (4 * h * h)

    information = np.array([[second(a, b) for a in axes] for b in axes])
    assert result.se == pytest.approx(np.linalg.inv(information)[0, 0] ** 0.5, rel=1e-3)


def brute_force(events, n):
    """Return the maximum by dense quadrature over u and Nelder and Mead's search, from the best of a grid."""

    # In mean / tau and log tau, which stay small near separation.
    def height(parameters):
        z, log_tau = parameters
        if abs(z) > 8 or not -6 < log_tau < 5.5:
            return 1e9
        return minus_log_likelihood([np.exp(log_tau) * z, np.exp(log_tau)], events, n)

    grid = sorted((height((z, s)), z, s) for z in (-2, -1, 0, 1, 2) for s in (-0.7, 0.7, 1.4, 2.1, 2.8, 3.5))
    options = {"xatol": 1e-6, "fatol": 1e-9}
    searches = [optimize.minimize(height, at[1:], method="Nelder-Mead", options=options) for at in grid[:2]]
    best = min(searches, key=lambda search: search.fun)
    return best.fun, special.expit(np.exp(best.x[1]) * best.x[0]), np.exp(2 * best.x[1])


def near_separation(seed):
    """Return random counts of a few small studies, most of them at 0% or 100%."""
    rng = np.random.default_rng(seed)
    while True:
        n = rng.integers(2, 31, rng.integers(2, 9)).astype(float)
        kind = rng.choice(3, len(n), p=[0.4, 0.4, 0.2])
        events = np.where(kind == 0, 0, np.where(kind == 1, n, rng.binomial(n.astype(int), rng.random(len(n)))))
        if ((events > 0) & (events < n)).any():
            return events, n


@pytest.mark.parametrize("seed", range(12))
def test_near_separation_the_maximum_is_that_of_brute_force(seed):
    events, n = near_separation(seed)
    result = glmm(events, n)
    best, estimate, tau2 = brute_force(events, n)
    if result.tau2 == 0:
        assert minus_log_likelihood([special.logit(result.estimate), 0.0], events, n) <= best + 1e-6
        return
    ours = minus_log_likelihood([special.logit(result.estimate), result.tau2**0.5], events, n)
    assert ours <= best + 1e-6
    assert (result.estimate, result.tau2) == (pytest.approx(estimate, abs=1e-4), pytest.approx(tau2, rel=1e-3))


def test_two_pairs_of_studies_at_0_and_100_percent():
    result = glmm([0, 0, 10, 9], [10] * 4)
    # lme4 with its 25 nodes, the most it takes, gives 0.089.
    assert (result.estimate, result.tau2) == (pytest.approx(0.1015, abs=5e-5), pytest.approx(87.0, abs=0.05))
    assert np.isfinite([result.se, result.ci_low, result.ci_high]).all()


def test_a_search_that_does_not_converge_gives_no_estimate(monkeypatch):
    monkeypatch.setattr("lib.stats.logistic._MAX_STEPS", 1)
    with pytest.warns(
        PoolingWarning, match="the search for the maximum of the logistic model did not end in 1 analyses"
    ):
        result = glmm([0, 3, 10, 9, 4], [10] * 5)
    assert np.isnan([result.estimate, result.se, result.ci_low, result.tau2]).all()


def test_both_quadratures_agree_where_the_spread_is_ordinary():
    rng = np.random.default_rng(5)
    n = rng.integers(5, 200, (6, 9)).astype(float)
    events = rng.binomial(n.astype(int), 0.3).astype(float)
    n[5, 3:] = events[5, 3:] = 0
    at = np.linspace(-2, 1, 9), np.linspace(0.2, 1.0, 9)
    for dense, adaptive in zip(_dense(events, n, *at), _adaptive(events, n, *at, nodes=61), strict=True):
        np.testing.assert_allclose(dense, adaptive, rtol=1e-5, atol=1e-6)


@given(st.integers(1, 90), st.floats(0, 1), st.floats(-6, 6), st.floats(0, 8))
def test_the_mode_of_a_study_is_accurate_for_any_mean_and_spread(n, share, mean, tau):
    events = np.array([[float(round(share * n))]])
    u = _mode(events, np.array([[float(n)]]), mean, tau)
    p = special.expit(mean + tau * u)
    slope, curvature = tau * (events - n * p) - u, 1 + tau**2 * n * p * (1 - p)
    # In units of the width that the nodes are given there.
    assert abs(slope / curvature**0.5) < 1


def test_without_heterogeneity_it_is_the_common_proportion():
    events, n = counts("homogeneous")
    p, total = events.sum() / n.sum(), n.sum()
    for result in (glmm(events, n), glmm(*counts("pritz1997"), tau2="FE")):
        assert result.tau2 == 0
        half = [special.logit(end) - special.logit(result.estimate) for end in (result.pi_high, result.ci_high)]
        assert half[0] / half[1] == pytest.approx(special.stdtrit(result.k - 2, 0.975) / special.ndtri(0.975))
    result = glmm(events, n)
    assert (result.estimate, result.se) == (pytest.approx(p), pytest.approx((total * p * (1 - p)) ** -0.5))
    np.testing.assert_allclose(result.weights, n / total)


def test_many_at_once_equal_each_alone():
    events, n = counts("simulated_k8_spread1.5")
    together = glmm(*leave_one_out(events, n))
    for j in range(len(n)):
        alone = glmm(np.delete(events, j), np.delete(n, j))
        assert (together.k[j], together.estimate[j]) == (alone.k, pytest.approx(alone.estimate, rel=1e-6))
        assert (together.se[j], together.tau2[j]) == (pytest.approx(alone.se), pytest.approx(alone.tau2, rel=1e-5))
    assert together.weights.shape == (8, 8)
    assert (np.diag(together.weights) == 0).all()


def test_one_study_is_itself():
    result = glmm([6], [20])
    assert (result.k, result.tau2, result.q) == (1, 0, 0)
    assert (result.estimate, result.se) == (pytest.approx(0.3), pytest.approx((1 / 6 + 1 / 14) ** 0.5))


@pytest.mark.parametrize("events", [[0, 0, 0], [14, 20, 9], [0, 20, 9], [np.nan] * 3])
def test_without_a_maximum_there_is_no_estimate(events):
    with pytest.warns(PoolingWarning, match="0% or 100%"):
        result = glmm(events, [14, 20, 9])
    assert np.isnan([result.estimate, result.se, result.ci_low, result.pi_high]).all()


def test_the_t_interval_has_students_quantile():
    data = counts("pritz1997")
    normal, t = glmm(*data), glmm(*data, ci="t")
    assert (t.estimate, t.se) == (normal.estimate, normal.se)
    half = [special.logit(r.ci_high) - special.logit(r.estimate) for r in (normal, t)]
    assert half[1] / half[0] == pytest.approx(special.stdtrit(13, 0.975) / special.ndtri(0.975))


some_counts = st.lists(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=8
).filter(lambda rows: any(0 < x < n for x, n in rows))


@given(some_counts, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
@pytest.mark.filterwarnings("ignore:studies so far apart")
def test_order_and_what_is_called_an_event_do_not_matter(rows, random):
    events, n = np.array(rows, dtype=float).T
    one = glmm(events, n)
    order = random.sample(range(len(n)), len(n))
    other = glmm((n - events)[order], n[order])
    # Where nearly every study is at 0% or 100% the likelihood is flat, and quadrature leaves its mark.
    assume(max(one.tau2, other.tau2) < 20)
    assert other.estimate == pytest.approx(1 - one.estimate, abs=1e-3)
    assert one.ci_low <= one.estimate <= one.ci_high or np.isnan(one.se)
    at = np.array([special.logit(one.estimate), one.tau2**0.5])
    turned = np.array([-special.logit(other.estimate), other.tau2**0.5])
    heights = [minus_log_likelihood(p, events, n) for p in (at, turned)]
    assert heights[0] == pytest.approx(heights[1], abs=1e-4)
