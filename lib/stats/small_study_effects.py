"""Small-study effects: whether small studies show other effects than large ones.

Three tests of a funnel's asymmetry, and trim-and-fill. Effects and variances have shape (k,) for one analysis or
(k, m) for m at once, NaN for an absent study, as in `pooling`. None of them shows why a funnel is asymmetric:
unpublished studies are one reason, differences between small and large studies and chance are others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from lib.stats.arrays import refuse_unknown, refuse_values, studies_by_analysis
from lib.stats.meta_regression import regress
from lib.stats.pooled_result import Pooled
from lib.stats.pooling import pool
from lib.stats.tau2 import TAU2

ENOUGH = 10
"""Studies below which a test of asymmetry has next to no power (Sterne et al. 2011, doi:10.1136/bmj.d4002)."""

FEWEST_TO_FILL = 3
"""Studies that trim-and-fill needs at least: of two, neither is on an emptier side of a funnel."""

_MAX_STEPS = 100


class AsymmetryTest(NamedTuple):
    """A test of asymmetry; numbers for one analysis, else arrays of shape (m,).

    ``k`` is the number of studies, ``statistic`` that of the test, ``p`` its two-sided p-value; ``too_few`` says that k
    is below `ENOUGH`, so that a large p means nothing.
    """

    k: int
    statistic: float
    p: float
    too_few: bool


class TrimFill(NamedTuple):
    """A funnel made symmetric; numbers for one analysis, else arrays of shape (m,).

    ``missing`` is the number of studies put in, ``right`` whether that was at the right of the funnel, ``y`` and ``v``
    (shape (2 k,) or (2 k, m), NaN for none) the studies and then those put in, ``pooled`` their pooling.
    """

    missing: int
    right: bool
    y: np.ndarray
    v: np.ndarray
    pooled: Pooled


def too_few(k: int) -> str:
    """Return the sentence to print beside a test of k studies; empty where there are enough."""
    if k >= ENOUGH:
        return ""
    return f"With {k} {'study' if k == 1 else 'studies'}, fewer than {ENOUGH}, no test of asymmetry means anything."


def egger(y, v) -> AsymmetryTest:
    """Regress effects on their standard errors (Egger et al. 1997, doi:10.1136/bmj.315.7109.629).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.

    Returns
    -------
    AsymmetryTest
        The test of the slope, whose dispersion is a factor of the variances, by Student's t on k - 2 degrees of
        freedom; NaN with fewer than three studies, or standard errors all the same. On raw proportions or log odds
        ratios effect and standard error go together by construction, which this test mistakes for asymmetry; `peters`
        does less so.

    Raises
    ------
    ValueError
        As `pooling.pool`.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_values(y, v)
    return _given(_regression_test(y, v, np.sqrt(v)), single)


def peters(y, events, n) -> AsymmetryTest:
    """Regress effects on 1 / n, weighted by events (n - events) / n (Peters et al. 2006, doi:10.1001/jama.295.6.676).

    Parameters
    ----------
    y : array_like, shape (k,) or (k, m)
        Effects: logits of proportions, or log odds ratios.
    events, n : array_like, the same shape
        Number with the event, and number observed; of a comparison those of both groups together.

    Returns
    -------
    AsymmetryTest
        The test of the slope, by Student's t on k - 2 degrees of freedom. A study with no or only events has no weight
        and is not counted.

    Raises
    ------
    ValueError
        If the shapes differ or counts are impossible.
    """
    events, n = np.asarray(events, dtype=float), np.asarray(n, dtype=float)
    if (events < 0).any() or (events > n).any() or (n <= 0).any():
        raise ValueError("each study needs 0 <= events <= n and n > 0")
    weight = events * (n - events) / n
    with np.errstate(divide="ignore"):
        y, v, single = studies_by_analysis(y, np.where(weight > 0, 1 / weight, np.nan))
    return _given(_regression_test(y, v, 1 / n.reshape(y.shape)), single)


def _regression_test(y, v, predictor, tau2: str = "FE", ci: str = "hksj") -> AsymmetryTest:
    """Test the slope of effects (k, m) on a predictor (k, m): without more by weighted least squares.

    That is the common-effect model with the Knapp-Hartung adjustment.
    """
    absent = np.isnan(y) | np.isnan(v) | (v == 0)
    k = (~absent).sum(axis=0)
    x = np.where(absent, np.nan, predictor)
    enough = k > 2
    spread = np.nanmax(np.where(absent, -np.inf, predictor), axis=0, initial=-np.inf) - np.nanmin(
        np.where(absent, np.inf, predictor), axis=0, initial=np.inf
    )
    enough &= spread > 1e-9 * np.nanmax(np.where(absent, 0.0, np.abs(predictor)), axis=0, initial=0.0)
    statistic, p = np.full((2, y.shape[1]), np.nan)
    if enough.any():
        some = enough.nonzero()[0]
        fit = regress(y[:, some], v[:, some], x[:, None, some], tau2=tau2, ci=ci)
        statistic[some], p[some] = fit.statistic[1], fit.p[1]
    return AsymmetryTest(k, statistic, p, k < ENOUGH)


def _given(test: AsymmetryTest, single: bool) -> AsymmetryTest:
    return AsymmetryTest(*(np.asarray(x)[0].item() for x in test)) if single else test


def begg(y, v) -> AsymmetryTest:
    """Correlate effects with their variances by rank (Begg and Mazumdar 1994, doi:10.2307/2533446).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.

    Returns
    -------
    AsymmetryTest
        Kendall's tau of the effects, less their common-effect mean and standardised, and the variances. The p-value is
        exact where there are no ties, else by the normal distribution with the variance that ties leave; NaN with
        fewer than two studies.

    Raises
    ------
    ValueError
        As `pooling.pool`.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_values(y, v)
    used = ~(np.isnan(y) | np.isnan(v)) & (v != 0)
    y, v, k = np.where(used, y, np.nan), np.where(used, v, np.nan), used.sum(axis=0)
    several = np.where(k > 1, 1.0, np.nan)
    precision = np.where(used, 1 / v, 0.0)
    total = np.where(k > 0, precision.sum(axis=0), 1.0)
    mean = np.where(used, precision * y, 0.0).sum(axis=0) / total
    spread = v - 1 / total
    standardised = (y - mean) / np.sqrt(np.where(spread > 0, spread, np.nan))
    orders = [np.nan_to_num(np.sign(x[:, None] - x)) for x in (standardised, v)]
    score = (orders[0] * orders[1]).sum(axis=(0, 1)) / 2
    # Of each study, how many others have the same value.
    ties = [np.where(used, (x[:, None] == x).sum(axis=1) - 1, 0) for x in (standardised, v)]
    pairs = k * (k - 1) / 2
    alone = [pairs - tied.sum(axis=0) / 2 for tied in ties]
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = several * score / np.sqrt(alone[0] * alone[1])
        z = score / np.sqrt(_score_variance(k, *ties))
    p = several * 2 * special.ndtr(-np.abs(z))
    untied = (ties[0].sum(axis=0) == 0) & (ties[1].sum(axis=0) == 0)
    for size in np.unique(k[untied & (k > 1)]):
        some = untied & (k == size)
        below = np.cumsum(_discordances(int(size)))
        at = np.rint((pairs[some] - score[some]) / 2).astype(int)
        above = 1 - np.concatenate([[0.0], below])
        p[some] = np.minimum(1, 2 * np.minimum(below[at], above[at]))
    return _given(AsymmetryTest(k, tau, p, k < ENOUGH), single)


def _score_variance(k, *ties):
    """Return the variance of Kendall's score (concordant less discordant pairs) with ties."""

    def over_ties(function):
        # Each group of t equal values is met t times.
        return [(function(tied + 1.0) / (tied + 1.0)).sum(axis=0) for tied in ties]

    first = over_ties(lambda t: t * (t - 1) * (2 * t + 5))
    second = over_ties(lambda t: t * (t - 1))
    third = over_ties(lambda t: t * (t - 1) * (t - 2))
    variance = (k * (k - 1) * (2 * k + 5) - first[0] - first[1]) / 18 + second[0] * second[1] / (2 * k * (k - 1))
    return variance + np.divide(
        third[0] * third[1], 9 * k * (k - 1) * (k - 2), out=np.zeros_like(variance), where=k > 2
    )


def _discordances(k: int) -> np.ndarray:
    """Return the probabilities of 0, 1, ... discordant pairs in a random order of k values."""
    chances = np.ones(1)
    for j in range(2, k + 1):
        chances = np.convolve(chances, np.full(j, 1 / j))
    return chances


def trim_and_fill(y, v, *, tau2: str = "DL") -> TrimFill:
    """Add the studies that a symmetric funnel would have.

    It shows how far a result depends on one idea of what is missing; it does not find studies. The method is that of
    Duval and Tweedie (2000, doi:10.1080/01621459.2000.10473905), with their estimator L0 of the number: by the sum of
    ranks.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.
    tau2 : str
        As in `pooling.pool`, at every step and in the end.

    Returns
    -------
    TrimFill
        The number of studies put in, and the side: that of the smaller effects of the smaller studies, by a regression
        on standard errors with the same tau2. The data with them, and their pooling.

    Raises
    ------
    ValueError
        If an analysis has fewer than `FEWEST_TO_FILL` studies with a variance above 0; else as `pooling.pool`.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_values(y, v)
    used = ~(np.isnan(y) | np.isnan(v)) & (v != 0)
    y, v, k = np.where(used, y, np.nan), np.where(used, v, np.nan), used.sum(axis=0)
    if (k < FEWEST_TO_FILL).any():
        raise ValueError(f"trim-and-fill needs at least {FEWEST_TO_FILL} studies in each analysis, not {k.min()}")
    to_right = np.nan_to_num(_regression_test(y, v, np.sqrt(v), tau2, "normal").statistic) < 0
    # As if studies were missing at the left: those beyond the number that the right end has too many of.
    sign = np.where(to_right, -1.0, 1.0)
    order = np.argsort(sign * y, axis=0, kind="stable")
    y, v = sign * np.take_along_axis(y, order, axis=0), np.take_along_axis(v, order, axis=0)
    place = np.arange(len(y))[:, None]
    missing = np.zeros(k.shape, dtype=int)
    for _ in range(_MAX_STEPS):
        kept = place < k - missing
        mean = pool(np.where(kept, y, np.nan), v, tau2=tau2).estimate
        found = _missing(y - mean, k)
        settled = (found == missing).all()
        missing = found
        if settled:
            break
    put_in = (place >= k - missing) & (place < k)
    filled = np.concatenate([y, np.where(put_in, 2 * mean - y, np.nan)]) * sign
    variances = np.concatenate([v, np.where(put_in, v, np.nan)])
    # The studies in the order in which they were given.
    filled[: len(y)] = np.take_along_axis(filled[: len(y)], np.argsort(order, axis=0), axis=0)
    variances[: len(y)] = np.take_along_axis(variances[: len(y)], np.argsort(order, axis=0), axis=0)
    if single:
        filled, variances = filled[:, 0], variances[:, 0]
        missing, to_right = int(missing[0]), bool(to_right[0])
    return TrimFill(missing, to_right, filled, variances, pool(filled, variances, tau2=tau2))


def _missing(residual: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return how many studies are missing at the left, by the signed ranks of residuals."""
    rank = np.argsort(np.argsort(np.abs(residual), axis=0, kind="stable"), axis=0, kind="stable") + 1
    number = np.rint((4 * np.where(residual > 0, rank, 0).sum(axis=0) - k * (k + 1)) / (2 * k - 1)).astype(int)
    return np.clip(number, 0, np.maximum(k - 1, 0))
