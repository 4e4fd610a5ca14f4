"""Intervals that need no pooling of their own: prediction, heterogeneity, single proportions, single differences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from lib.stats.arrays import column_slices, refuse_level, studies_by_analysis
from lib.stats.effect_sizes import refuse_impossible_counts
from lib.stats.mean_model import common_mean
from lib.stats.tau2 import tau2_at


class HeterogeneityInterval(NamedTuple):
    """Confidence limits of tau² and of I² (a proportion); numbers for one analysis, else arrays of shape (m,)."""

    tau2_low: float
    tau2_high: float
    i2_low: float
    i2_high: float


def prediction_interval(estimate, se, tau2, k, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the prediction interval of the true effect of another study.

    Parameters
    ----------
    estimate, se, tau2 : array_like
        Pooled effect, its standard error, and the between-study variance, on the scale of the analysis.
    k : array_like of int
        Number of studies pooled.
    level : float
        Level of the interval.

    Returns
    -------
    low, high : ndarray
        estimate ± t sqrt(se² + tau²), t the quantile of Student's t on k - 2 degrees of freedom (Higgins, Thompson &
        Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x); NaN where k < 3.
    """
    estimate, k = np.asarray(estimate, dtype=float), np.asarray(k)
    reach = t_quantiles(k - 2, level, np.nan).reshape(k.shape) * np.sqrt(np.square(se) + tau2)
    return estimate - reach, estimate + reach


def heterogeneity_interval(y, v, *, level: float = 0.95) -> HeterogeneityInterval:
    """Return confidence intervals of tau² and I², by the Q-profile (Viechtbauer 2007, doi:10.1002/sim.2514).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pool`.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    HeterogeneityInterval
        The intervals. They belong to no estimator of tau² and need not hold that of each. Both limits are 0 where the
        effects differ less than sampling alone would have them; metafor calls that interval empty. NaN with fewer
        than two studies.

    Raises
    ------
    ValueError
        As `pool`.

    Notes
    -----
    I² is here tau² / (tau² + s²), s² the typical sampling variance of Higgins and Thompson (2002,
    doi:10.1002/sim.1186), so that its interval is that of tau² on another scale.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_level(level)
    low, high, typical = np.empty((3, y.shape[1]))
    for some in column_slices(*y.shape):
        model, _ = common_mean(y[:, some], v[:, some])
        several = (model.df > 0).nonzero()[0]
        low[some] = high[some] = typical[some] = np.nan
        part, begin = model.take(several), some.start
        different, at = np.unique(part.df, return_inverse=True)
        low[begin + several] = tau2_at(part, stats.chi2.isf((1 - level) / 2, different)[at])
        high[begin + several] = tau2_at(part, stats.chi2.isf((1 + level) / 2, different)[at])
        typical[begin + several] = part.df / part.trace
    results = low, high, low / (low + typical), high / (high + typical)
    return HeterogeneityInterval(*(x[0].item() if single else x for x in results))


def proportion_interval(events, n, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the score interval of single proportions, which is defined at 0% and 100% too.

    Parameters
    ----------
    events, n : array_like
        Number with the event, and number observed.
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray
        The interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, or n is 0.
    """
    events, n = np.asarray(events, dtype=float), np.asarray(n, dtype=float)
    refuse_impossible_counts(events, n)
    z2 = stats.norm.ppf((1 + level) / 2) ** 2
    centre = (events + z2 / 2) / (n + z2)
    reach = np.sqrt(z2 * (events * (n - events) / n + z2 / 4)) / (n + z2)
    return np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0)


def difference_interval(events1, n1, events2, n2, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return hybrid score intervals of the difference of two independent proportions, the first less the second.

    Parameters
    ----------
    events1, n1, events2, n2 : array_like
        Number with the event and number observed in each group.
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray
        The interval, from the score intervals of both proportions (Newcombe 1998, method 10,
        doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, or n is 0.
    """
    events1, n1, events2, n2 = (np.asarray(x, dtype=float) for x in (events1, n1, events2, n2))
    (low1, high1), (low2, high2) = (proportion_interval(*x, level=level) for x in ((events1, n1), (events2, n2)))
    p1, p2 = events1 / n1, events2 / n2
    return p1 - p2 - np.hypot(p1 - low1, high2 - p2), p1 - p2 + np.hypot(high1 - p1, p2 - low2)


def t_quantiles(df: np.ndarray, level: float, otherwise: float | None = None) -> np.ndarray:
    """Return quantiles of Student's t; where df is below 1 the normal one, unless another value is given."""
    different, at = np.unique(df, return_inverse=True)
    otherwise = special.ndtri((1 + level) / 2) if otherwise is None else otherwise
    return np.where(different > 0, special.stdtrit(np.maximum(different, 1), (1 + level) / 2), otherwise)[at]
