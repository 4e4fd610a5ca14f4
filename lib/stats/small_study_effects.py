"""Small-study effects: whether the effects of small studies differ from those of large ones.

Belongs here: three tests of a funnel's asymmetry, and trim-and-fill. Effects and variances have shape (k,) for one
analysis or (k, m) for m at once, NaN for an absent study. None of these methods shows why a funnel is asymmetric:
unpublished studies are one reason, differences between small and large studies and chance are others. Does not belong
here: the funnel plot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stats.arrays import (
    Booleans,
    Count,
    Floats,
    Integers,
    Number,
    refuse_unknown,
    refuse_values,
    studies_by_analysis,
    usable,
)
from lib.stats.effect_sizes import refuse_impossible_counts
from lib.stats.meta_regression import regress
from lib.stats.pooled_result import Pooled
from lib.stats.pooling import pool
from lib.stats.tau2 import TAU2

ENOUGH_TO_TEST = 10
"""Smallest number of studies for a test of asymmetry; with fewer its power is too low (Sterne et al. 2011,
doi:10.1136/bmj.d4002)."""

FEWEST_TO_FILL = 3
"""Smallest number of studies for trim-and-fill: two studies cannot show an asymmetry."""

_MAX_STEPS = 100


class AsymmetryTest(NamedTuple, Generic[Number, Count]):
    """A test of asymmetry; numbers for one analysis, arrays of shape (m,) for many.

    Attributes
    ----------
    k : int
        Number of studies.
    statistic : float
        Statistic of the test.
    p : float
        Two-sided p-value.
    too_few : bool
        Whether k is below `ENOUGH_TO_TEST`, so that a large p-value is uninformative.
    """

    k: Count
    statistic: Number
    p: Number
    too_few: bool | Booleans


class TrimFill(NamedTuple, Generic[Number, Count]):
    """The result of trim-and-fill; numbers for one analysis, arrays of shape (m,) for many.

    Attributes
    ----------
    missing : int
        Number of studies added.
    right : bool
        Whether they were added on the right of the funnel.
    y, v : ndarray, shape (2 k,) or (2 k, m)
        Effects and variances of the studies, then of those added; NaN fills the rest.
    pooled : Pooled
        Pooled result of all of them.
    """

    missing: Count
    right: bool | Booleans
    y: Floats
    v: Floats
    pooled: Pooled[Number, Count]


def too_few(k: int) -> str:
    """Return the warning that must accompany a test with k studies; empty if there are enough.

    Examples
    --------
    >>> too_few(9)
    'With 9 studies, fewer than 10, no test of asymmetry means anything.'
    """
    if k >= ENOUGH_TO_TEST:
        return ""
    studies = "study" if k == 1 else "studies"
    return f"With {k} {studies}, fewer than {ENOUGH_TO_TEST}, no test of asymmetry means anything."


def egger(y: ArrayLike, v: ArrayLike) -> AsymmetryTest[Any, Any]:
    """Regress effects on their standard errors (Egger et al. 1997, doi:10.1136/bmj.315.7109.629).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.

    Returns
    -------
    AsymmetryTest
        The test of the slope, with a multiplicative dispersion of the variances, by Student's t on k - 2 degrees of
        freedom; NaN with fewer than three studies, or equal standard errors. The effect and the standard error of raw
        proportions or log odds ratios are correlated by construction, which this test mistakes for asymmetry; `peters`
        is less affected.

    Raises
    ------
    ValueError
        As in `pool`.

    Examples
    --------
    >>> result = egger([0.2, 0.5, 0.3, 0.9, 0.7], [0.01, 0.02, 0.05, 0.2, 0.3])
    >>> print(f"t = {result.statistic:.1f}, p = {result.p:.3f}; too few studies: {result.too_few}")
    t = 1.7, p = 0.180; too few studies: True
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_values(y, v)
    return _as_given(_regression_test(y, v, np.sqrt(v)), single)


def peters(y: ArrayLike, events: ArrayLike, n: ArrayLike) -> AsymmetryTest[Any, Any]:
    """Regress effects on 1 / n, weighted by events (n - events) / n (Peters et al. 2006, doi:10.1001/jama.295.6.676).

    Parameters
    ----------
    y : array_like, shape (k,) or (k, m)
        Effects: logits of proportions, or log odds ratios.
    events, n : array_like, the same shape
        Number with the event, and number observed; for a comparison those of both groups together.

    Returns
    -------
    AsymmetryTest
        The test of the slope, by Student's t on k - 2 degrees of freedom. A study at 0% or 100% has no weight and is
        not counted.

    Raises
    ------
    ValueError
        If the shapes differ or counts are impossible.

    Examples
    --------
    >>> from lib.stats import proportions
    >>> events, n = [30, 22, 14, 9, 6], [120, 80, 40, 20, 12]
    >>> y, _ = proportions(events, n, transform="logit")
    >>> print(f"p = {peters(y, events, n).p:.3f}")
    p = 0.010
    """
    events, n = np.asarray(events, dtype=float), np.asarray(n, dtype=float)
    refuse_impossible_counts(events, n)
    weight = events * (n - events) / n
    with np.errstate(divide="ignore"):
        y, v, single = studies_by_analysis(y, np.where(weight > 0, 1 / weight, np.nan))
    return _as_given(_regression_test(y, v, 1 / n.reshape(y.shape)), single)


def _regression_test(
    y: Floats, v: Floats, predictor: Floats, tau2: str = "FE", ci: str = "hksj"
) -> AsymmetryTest[Floats, Integers]:
    """Test the slope of effects (k, m) on a predictor (k, m).

    The defaults, the common-effect model with the Knapp-Hartung adjustment, are weighted least squares.
    """
    absent = ~usable(y, v)
    k = (~absent).sum(axis=0)
    x = np.where(absent, np.nan, predictor)
    enough = k > 2
    spread = np.nanmax(np.where(absent, -np.inf, predictor), axis=0, initial=-np.inf) - np.nanmin(
        np.where(absent, np.inf, predictor), axis=0, initial=np.inf
    )
    enough &= spread > 1e-9 * np.nanmax(np.where(absent, 0.0, np.abs(predictor)), axis=0, initial=0.0)
    statistic, p = np.full((2, y.shape[1]), np.nan)
    if enough.any():
        columns = enough.nonzero()[0]
        fit = regress(y[:, columns], v[:, columns], x[:, None, columns], tau2=tau2, ci=ci)
        statistic[columns], p[columns] = fit.statistic[1], fit.p[1]
    return AsymmetryTest(k, statistic, p, k < ENOUGH_TO_TEST)


def _as_given(test: AsymmetryTest[Floats, Integers], single: bool) -> AsymmetryTest[Any, Any]:
    """Return the test with numbers in place of arrays if the data were one analysis."""
    return AsymmetryTest(*(np.asarray(x)[0].item() for x in test)) if single else test


def begg(y: ArrayLike, v: ArrayLike) -> AsymmetryTest[Any, Any]:
    """Correlate effects with their variances by rank (Begg and Mazumdar 1994, doi:10.2307/2533446).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.

    Returns
    -------
    AsymmetryTest
        Kendall's tau between the variances and the standardised deviations of the effects from their common-effect
        mean. The p-value is exact without ties, otherwise from the normal distribution with the variance corrected for
        ties; NaN with fewer than two studies.

    Raises
    ------
    ValueError
        As in `pool`.

    Examples
    --------
    >>> result = begg([0.2, 0.3, 0.5, 0.9, 1.2], [0.01, 0.02, 0.05, 0.2, 0.3])
    >>> print(f"Kendall's tau {result.statistic:.1f}, p = {result.p:.3f}")
    Kendall's tau 1.0, p = 0.017
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_values(y, v)
    used = usable(y, v)
    k: Integers = used.sum(axis=0)
    y, v = np.where(used, y, np.nan), np.where(used, v, np.nan)
    several = np.where(k > 1, 1.0, np.nan)
    precision = np.where(used, 1 / v, 0.0)
    total = np.where(k > 0, precision.sum(axis=0), 1.0)
    mean = np.where(used, precision * y, 0.0).sum(axis=0) / total
    spread = v - 1 / total
    standardised = (y - mean) / np.sqrt(np.where(spread > 0, spread, np.nan))
    orders = [np.nan_to_num(np.sign(x[:, None] - x)) for x in (standardised, v)]
    score = (orders[0] * orders[1]).sum(axis=(0, 1)) / 2
    # Number of other studies that have the same value as each study.
    ties = [np.where(used, (x[:, None] == x).sum(axis=1) - 1, 0) for x in (standardised, v)]
    pairs = k * (k - 1) / 2
    alone = [pairs - tied.sum(axis=0) / 2 for tied in ties]
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = several * score / np.sqrt(alone[0] * alone[1])
        z = score / np.sqrt(_score_variance(k, *ties))
    p = several * 2 * special.ndtr(-np.abs(z))
    untied = (ties[0].sum(axis=0) == 0) & (ties[1].sum(axis=0) == 0)
    for size in np.unique(k[untied & (k > 1)]):
        columns = untied & (k == size)
        below = np.cumsum(_discordances(int(size)))
        at = np.rint((pairs[columns] - score[columns]) / 2).astype(int)
        above = 1 - np.concatenate([[0.0], below])
        p[columns] = np.minimum(1, 2 * np.minimum(below[at], above[at]))
    return _as_given(AsymmetryTest(k, tau, p, k < ENOUGH_TO_TEST), single)


def _score_variance(k: Integers, *ties: Integers) -> Floats:
    """Return the variance of Kendall's score (concordant less discordant pairs) with ties."""

    def over_ties(function: Callable[[Any], Any]) -> list[Any]:
        # Each group of t equal values occurs t times.
        return [np.sum(function(tied + 1.0) / (tied + 1.0), axis=0) for tied in ties]

    first = over_ties(lambda t: t * (t - 1) * (2 * t + 5))
    second = over_ties(lambda t: t * (t - 1))
    third = over_ties(lambda t: t * (t - 1) * (t - 2))
    variance: Floats = (k * (k - 1) * (2 * k + 5) - first[0] - first[1]) / 18
    variance += second[0] * second[1] / (2 * k * (k - 1))
    variance += np.divide(third[0] * third[1], 9 * k * (k - 1) * (k - 2), out=np.zeros_like(variance), where=k > 2)
    return variance


def _discordances(k: int) -> Floats:
    """Return the probabilities of 0, 1, ... discordant pairs in a random order of k values."""
    probabilities = np.ones(1)
    for j in range(2, k + 1):
        probabilities = np.convolve(probabilities, np.full(j, 1 / j))
    return probabilities


def trim_and_fill(y: ArrayLike, v: ArrayLike, *, tau2: str = "DL") -> TrimFill[Any, Any]:
    """Add the studies that would make a funnel symmetric, and pool all (trim-and-fill).

    It shows how much a result depends on one assumption about missing studies; it does not identify such studies. The
    method is that of Duval and Tweedie (2000, doi:10.1080/01621459.2000.10473905), with their estimator L0 of the
    number of missing studies, which uses the sum of ranks.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    tau2 : str
        Estimator of the between-study variance, one of `TAU2`, used in every step and for the final result.

    Returns
    -------
    TrimFill
        The number of studies added; the side on which small studies are lacking, determined by a regression on standard
        errors with the same estimator of tau²; the data with the added studies; and their pooled result.

    Raises
    ------
    ValueError
        If an analysis has fewer than `FEWEST_TO_FILL` studies with a variance above 0; otherwise as in `pool`.

    Examples
    --------
    >>> result = trim_and_fill([0.2, 0.3, 0.25, 0.9, 1.2, 1.5], [0.01, 0.02, 0.05, 0.2, 0.3, 0.3])
    >>> print(f"{result.missing} studies added, estimate {result.pooled.estimate:.2f}")
    2 studies added, estimate 0.31
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_values(y, v)
    used = usable(y, v)
    k: Integers = used.sum(axis=0)
    y, v = np.where(used, y, np.nan), np.where(used, v, np.nan)
    if (k < FEWEST_TO_FILL).any():
        raise ValueError(f"trim-and-fill needs at least {FEWEST_TO_FILL} studies in each analysis, not {k.min()}")
    to_right = np.nan_to_num(_regression_test(y, v, np.sqrt(v), tau2, "normal").statistic) < 0
    # Change the sign of the effects if studies are missing on the right, so that they are always missing on the left.
    sign = np.where(to_right, -1.0, 1.0)
    order = np.argsort(sign * y, axis=0, kind="stable")
    ranked, variances = sign * np.take_along_axis(y, order, axis=0), np.take_along_axis(v, order, axis=0)
    place = np.arange(len(ranked))[:, None]
    missing = np.zeros(k.shape, dtype=int)
    for _ in range(_MAX_STEPS):
        kept = place < k - missing
        mean = pool(np.where(kept, ranked, np.nan), variances, tau2=tau2).estimate
        before, missing = missing, _missing(ranked - mean, k)
        if (before == missing).all():
            break
    added = (place >= k - missing) & (place < k)
    # The studies in their original order, then those added.
    filled = np.concatenate([y, np.where(added, 2 * mean - ranked, np.nan) * sign])
    variances = np.concatenate([v, np.where(added, variances, np.nan)])
    if single:
        filled, variances = filled[:, 0], variances[:, 0]
        return TrimFill(int(missing[0]), bool(to_right[0]), filled, variances, pool(filled, variances, tau2=tau2))
    return TrimFill(missing, to_right, filled, variances, pool(filled, variances, tau2=tau2))


def _missing(residual: Floats, k: Integers) -> Integers:
    """Return the number of studies missing on the left, from the signed ranks of residuals."""
    rank = np.argsort(np.argsort(np.abs(residual), axis=0, kind="stable"), axis=0, kind="stable") + 1
    number = np.rint((4 * np.where(residual > 0, rank, 0).sum(axis=0) - k * (k + 1)) / (2 * k - 1)).astype(int)
    clipped: Integers = np.clip(number, 0, np.maximum(k - 1, 0))
    return clipped
