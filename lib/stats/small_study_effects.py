"""Tests for small-study effects: whether the effects of small studies differ from those of large ones.

Belongs here: three tests of a funnel's asymmetry. Effects and variances have shape (k,) for one analysis or (k, m) for
m at once, NaN for an absent study. None of these tests shows why a funnel is asymmetric: unpublished studies are one
reason, differences between small and large studies and chance are others. Does not belong here: the funnel plot, and
the correction for asymmetry (`trim_and_fill`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stats.arguments import Effects, Names, effects, one_shape
from lib.stats.arrays import Booleans, Count, Floats, Integers, Number, usable
from lib.stats.checks import MISSING, refuse_impossible_counts, refuse_values, warn_left_out, without_weight
from lib.stats.display import Displayed, Shown, counted, frame, listed, number, p_value, rest
from lib.stats.meta_regression import regress

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_TO_TEST = 10
"""Smallest number of studies for a test of asymmetry; with fewer its power is too low (Sterne et al. 2011,
doi:10.1136/bmj.d4002)."""


@dataclass(frozen=True, eq=False, repr=False)
class AsymmetryTest(Displayed, Generic[Number, Count]):
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
    test, statistic_name : str
        Name of the author of the test, and name of its statistic.
    analyses : tuple
        Names of the analyses.
    """

    k: Count
    statistic: Number
    p: Number
    too_few: bool | Booleans
    test: str
    statistic_name: str
    analyses: Names = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the test as a data frame with a row for each analysis.

        Examples
        --------
        >>> egger([0.2, 0.5, 0.3, 0.9, 0.7], [0.01, 0.02, 0.05, 0.2, 0.3]).to_frame().round(2)
                  k  statistic     p  too_few
        analysis
        0         5       1.74  0.18     True
        """
        numbers = {"k": self.k, "statistic": self.statistic, "p": self.p, "too_few": self.too_few}
        return frame("analysis", self.analyses, numbers)

    def _shown(self, most: int) -> Shown:
        heading = f"{self.test}'{'' if self.test.endswith('s') else 's'} test of asymmetry"
        if isinstance(self.k, int):
            rows: list[Sequence[str]] = [
                ("Studies", f"{self.k}"),
                (self.statistic_name, number(self.statistic)),
                ("p", p_value(self.p)),
            ]
            return Shown(heading, rows, notes=[too_few(self.k)] if self.too_few else [])
        columns: list[Any] = [listed(self.analyses, len(self.k)), self.k, self.statistic, self.p]
        rows = [
            [str(name), f"{k}", number(statistic), p_value(p)]
            for name, k, statistic, p in zip(*(column[:most] for column in columns), strict=True)
        ]
        notes = rest(len(rows), len(self.k))
        if np.any(self.too_few):
            notes.append(f"With fewer than {ENOUGH_TO_TEST} studies, tests of asymmetry have too little power.")
        return Shown(heading, rows, ("Analysis", "Studies", self.statistic_name, "p"), notes)


def too_few(k: int) -> str:
    """Return the warning that must accompany a test with k studies; empty if there are enough.

    Examples
    --------
    >>> too_few(9)
    'With 9 studies, fewer than 10, tests of asymmetry have too little power.'
    """
    if k >= ENOUGH_TO_TEST:
        return ""
    return f"With {counted(k)}, fewer than {ENOUGH_TO_TEST}, tests of asymmetry have too little power."


def egger(y: ArrayLike, v: ArrayLike, *, names: Sequence[Any] | None = None) -> AsymmetryTest[Any, Any]:
    """Regress effects on their standard errors (Egger et al. 1997, doi:10.1136/bmj.315.7109.629).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    names : sequence, optional
        Names of the studies, for messages; by default the index of a pandas object.

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

    Warns
    -----
    LeftOutWarning
        As in `pool`.

    Examples
    --------
    >>> result = egger([0.2, 0.5, 0.3, 0.9, 0.7], [0.01, 0.02, 0.05, 0.2, 0.3])
    >>> print(f"t = {result.statistic:.1f}, p = {result.p:.3f}; too few studies: {result.too_few}")
    t = 1.7, p = 0.180; too few studies: True
    """
    effect_data = _checked_effects(effects(y, v, names))
    return _result("Egger", "t", regression_test(effect_data.y, effect_data.v, np.sqrt(effect_data.v)), effect_data)


def peters(
    y: ArrayLike, events: ArrayLike, n: ArrayLike, *, names: Sequence[Any] | None = None
) -> AsymmetryTest[Any, Any]:
    """Regress effects on 1 / n, weighted by events (n - events) / n (Peters et al. 2006, doi:10.1001/jama.295.6.676).

    Parameters
    ----------
    y : array_like, shape (k,) or (k, m)
        Effects: logits of proportions, or log odds ratios.
    events, n : array_like, the same shape
        Number with the event, and number observed; for a comparison those of both groups together.
    names : sequence, optional
        Names of the studies, for messages; by default the index of a pandas object.

    Returns
    -------
    AsymmetryTest
        The test of the slope, by Student's t on k - 2 degrees of freedom. A study at 0% or 100% has no weight and is
        not counted.

    Raises
    ------
    ValueError
        If the shapes differ or counts are impossible.

    Warns
    -----
    LeftOutWarning
        If a single analysis, of shape (k,), has a study at 0% or 100% or with NaN: the message names it.

    Examples
    --------
    >>> from lib.stats import proportions
    >>> events, n = [30, 22, 14, 9, 6], [120, 80, 40, 20, 12]
    >>> y, _ = proportions(events, n, transform="logit")
    >>> print(f"p = {peters(y, events, n).p:.3f}")
    p = 0.010
    """
    (effect, x, size), study_names, analyses = one_shape(names, y=y, events=events, n=n)
    refuse_impossible_counts(x, size, study_names)
    weight = x * (size - x) / size
    with np.errstate(divide="ignore"):
        effect_data = effects(effect, np.where(weight > 0, 1 / weight, np.nan))
    effect_data = effect_data._replace(names=study_names, analyses=analyses)
    if effect_data.single:
        missing = np.isnan(effect) | np.isnan(weight)
        warn_left_out(study_names, [(~missing & (weight == 0), "at 0% or 100% it has no weight"), (missing, MISSING)])
    results = regression_test(effect_data.y, effect_data.v, 1 / size.reshape(effect_data.y.shape))
    return _result("Peters", "t", results, effect_data)


def _checked_effects(effect_data: Effects) -> Effects:
    """Return effects that can be analysed, and warn of studies that have no weight."""
    refuse_values(effect_data.y, effect_data.v, effect_data.names)
    if effect_data.single:
        warn_left_out(effect_data.names, without_weight(effect_data.y, effect_data.v), stacklevel=4)
    return effect_data


def regression_test(
    y: Floats, v: Floats, predictor: Floats, tau2: str = "FE", ci: str = "hksj"
) -> tuple[Integers, Floats, Floats]:
    """Return numbers of studies, statistics and p-values of tests of the slope of effects (k, m) on a predictor (k, m).

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
    return k, statistic, p


def _result(
    test: str, statistic_name: str, results: tuple[Integers, Floats, Floats], effect_data: Effects
) -> AsymmetryTest[Any, Any]:
    """Return a test from its numbers of studies, statistics and p-values, as numbers if there is only one analysis."""
    columns: tuple[Any, ...] = (*results, results[0] < ENOUGH_TO_TEST)
    k, statistic, p, few = (column[0].item() if effect_data.single else column for column in columns)
    return AsymmetryTest(k, statistic, p, few, test, statistic_name, effect_data.analyses)


def begg(y: ArrayLike, v: ArrayLike, *, names: Sequence[Any] | None = None) -> AsymmetryTest[Any, Any]:
    """Correlate effects with their variances by rank (Begg and Mazumdar 1994, doi:10.2307/2533446).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    names : sequence, optional
        Names of the studies, for messages; by default the index of a pandas object.

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

    Warns
    -----
    LeftOutWarning
        As in `pool`.

    Examples
    --------
    >>> result = begg([0.2, 0.3, 0.5, 0.9, 1.2], [0.01, 0.02, 0.05, 0.2, 0.3])
    >>> print(f"Kendall's tau {result.statistic:.1f}, p = {result.p:.3f}")
    Kendall's tau 1.0, p = 0.017
    """
    effect_data = _checked_effects(effects(y, v, names))
    y, v = effect_data.y, effect_data.v
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
    return _result("Begg", "Kendall's tau", (k, tau, p), effect_data)


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
