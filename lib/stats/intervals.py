"""Prediction intervals, and confidence intervals of heterogeneity, of a proportion and of a difference of proportions.

Belongs here: intervals other than that of a pooled estimate. Does not belong here: pooling and the confidence interval
of its estimate (`pooling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from lib.stats.arguments import Names, effects, one_shape
from lib.stats.arrays import Floats, Integers, Number, column_slices
from lib.stats.checks import refuse_impossible_counts, refuse_level, warn_left_out, without_weight
from lib.stats.display import Displayed, Shown, frame, interval, listed, percent, rest
from lib.stats.mean_model import common_mean
from lib.stats.tau2 import tau2_at

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class HeterogeneityInterval(Displayed, Generic[Number]):
    """Confidence limits of tau² and of I² (a proportion); numbers for one analysis, arrays of shape (m,) for many.

    Attributes
    ----------
    tau2_low, tau2_high, i2_low, i2_high : float
        The limits.
    level : float
        Confidence level.
    analyses : tuple
        Names of the analyses.
    """

    tau2_low: Number
    tau2_high: Number
    i2_low: Number
    i2_high: Number
    level: float
    analyses: Names = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the limits as a data frame with a row for each analysis."""
        return frame("analysis", self.analyses, self._limits())

    def _limits(self) -> dict[str, Number]:
        return {"tau2_low": self.tau2_low, "tau2_high": self.tau2_high, "i2_low": self.i2_low, "i2_high": self.i2_high}

    def _shown(self, most: int) -> Shown:
        heading = f"{percent(self.level)} confidence intervals of heterogeneity"
        limits = [np.atleast_1d(limit) for limit in self._limits().values()]
        rows = [
            (
                interval(low, high),
                "not available" if np.isnan(i2_low) else f"{100 * i2_low:.0f}% to {100 * i2_high:.0f}%",
            )
            for low, high, i2_low, i2_high in zip(*(limit[:most] for limit in limits), strict=True)
        ]
        if isinstance(self.tau2_low, float):
            return Shown(heading, list(zip(("tau²", "I²"), rows[0], strict=True)))
        m = len(limits[0])
        names = listed(self.analyses, m)[:most]
        named = [(str(name), *row) for name, row in zip(names, rows, strict=True)]
        return Shown(heading, named, ("Analysis", "tau²", "I²"), rest(len(named), m))


def normal_quantile(level: float) -> float:
    """Return the normal quantile of a two-sided interval with this confidence level."""
    return float(special.ndtri((1 + level) / 2))


def t_quantiles(df: Integers, level: float, default: float) -> Floats:
    """Return quantiles of Student's t for two-sided intervals, or the number ``default`` where df is below 1."""
    different, at = np.unique(df, return_inverse=True)
    quantiles = np.where(different > 0, special.stdtrit(np.maximum(different, 1), (1 + level) / 2), default)
    return quantiles[at]


def prediction_interval(
    estimate: ArrayLike, se: ArrayLike, tau2: ArrayLike, k: ArrayLike, *, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the prediction interval of the true effect of another study.

    Parameters
    ----------
    estimate, se, tau2 : array_like
        Pooled effect, its standard error, and the between-study variance, on the scale of the analysis.
    k : array_like of int
        Number of studies pooled.
    level : float
        Level of the interval, between 0 and 1.

    Returns
    -------
    low, high : ndarray
        estimate ± t √(se² + tau²), t the quantile of Student's t on k - 2 degrees of freedom (Higgins, Thompson &
        Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x); NaN if k < 3.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> low, high = prediction_interval(0.42, 0.05, 0.01, k=8)
    >>> print(f"{low:.2f} to {high:.2f}")
    0.15 to 0.69
    """
    refuse_level(level)
    estimate, k = np.asarray(estimate, dtype=float), np.asarray(k)
    reach = t_quantiles(k - 2, level, np.nan).reshape(k.shape) * np.sqrt(np.square(se) + tau2)
    return estimate - reach, estimate + reach


def heterogeneity_interval(
    y: ArrayLike, v: ArrayLike, *, level: float = 0.95, names: Sequence[Any] | None = None
) -> HeterogeneityInterval[Any]:
    """Return confidence intervals of tau² and I², by the Q-profile method.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    level : float
        Confidence level, between 0 and 1.
    names : sequence, optional
        Names of the studies, as in `pool`.

    Returns
    -------
    HeterogeneityInterval
        The intervals. They do not depend on an estimator of tau² and need not contain every estimate. Both limits are 0
        if the effects differ less than expected from sampling error alone; metafor calls that interval empty. NaN with
        fewer than two studies.

    Raises
    ------
    ValueError
        As in `pool`.

    Warns
    -----
    LeftOutWarning
        As in `pool`.

    Notes
    -----
    The limits of tau² are the values at which Q(tau²) equals quantiles of its chi-square distribution (Viechtbauer
    2007, doi:10.1002/sim.2514). I² is here tau² / (tau² + s²), where s² is the typical sampling variance of Higgins and
    Thompson (2002, doi:10.1002/sim.1186), so that its interval is that of tau² on another scale.

    Examples
    --------
    >>> interval = heterogeneity_interval([0.1, 0.5, 0.9], [0.02, 0.03, 0.05])
    >>> print(f"tau² {interval.tau2_low:.3f} to {interval.tau2_high:.3f}")
    tau² 0.010 to 6.285
    """
    y, v, single, names, analyses = effects(y, v, names)
    refuse_level(level)
    low, high, typical = np.empty((3, y.shape[1]))
    for columns in column_slices(*y.shape):
        model, _ = common_mean(y[:, columns], v[:, columns], names)
        several = (model.df > 0).nonzero()[0]
        low[columns] = high[columns] = typical[columns] = np.nan
        part, begin = model.take(several), columns.start
        different, at = np.unique(part.df, return_inverse=True)
        low[begin + several] = tau2_at(part, stats.chi2.isf((1 - level) / 2, different)[at])
        high[begin + several] = tau2_at(part, stats.chi2.isf((1 + level) / 2, different)[at])
        typical[begin + several] = part.df / part.trace
    limits = low, high, low / (low + typical), high / (high + typical)
    if single:
        warn_left_out(names, without_weight(y, v))
    tau2_low, tau2_high, i2_low, i2_high = (limit[0].item() if single else limit for limit in limits)
    return HeterogeneityInterval(tau2_low, tau2_high, i2_low, i2_high, level, analyses)


def proportion_interval(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the score (Wilson) interval of single proportions, which is defined at 0% and 100% too.

    Parameters
    ----------
    events, n : array_like
        Number with the event, and number observed.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    low, high : ndarray
        The interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, infinite or not a whole number, n is 0, the lengths
        differ, or the level is not between 0 and 1.

    Examples
    --------
    >>> low, high = proportion_interval([0, 9], [14, 20])
    >>> print(low.round(2), high.round(2))
    [0.   0.26] [0.22 0.66]
    """
    (events, n), names, _ = one_shape(events=events, n=n)
    refuse_impossible_counts(events, n, names)
    refuse_level(level)
    z2 = normal_quantile(level) ** 2
    centre = (events + z2 / 2) / (n + z2)
    reach = np.sqrt(z2 * (events * (n - events) / n + z2 / 4)) / (n + z2)
    return np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0)


def difference_interval(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the hybrid score interval of differences of two independent proportions, the first less the second.

    Parameters
    ----------
    events1, n1, events2, n2 : array_like
        Number with the event and number observed in each group.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    low, high : ndarray
        The interval, from the score intervals of both proportions (Newcombe 1998, method 10,
        doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, infinite or not a whole number, n is 0, the lengths
        differ, or the level is not between 0 and 1.

    Examples
    --------
    >>> low, high = difference_interval(9, 20, 0, 14)
    >>> print(f"{low:.2f} to {high:.2f}")
    0.16 to 0.66
    """
    counts, names, _ = one_shape(events1=events1, n1=n1, events2=events2, n2=n2)
    events1, n1, events2, n2 = counts
    refuse_impossible_counts(events1, n1, names, arguments=("events1", "n1"))
    refuse_impossible_counts(events2, n2, names, arguments=("events2", "n2"))
    (low1, high1), (low2, high2) = (proportion_interval(*x, level=level) for x in ((events1, n1), (events2, n2)))
    p1, p2 = events1 / n1, events2 / n2
    return p1 - p2 - np.hypot(p1 - low1, high2 - p2), p1 - p2 + np.hypot(high1 - p1, p2 - low2)
