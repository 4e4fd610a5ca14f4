"""Small-study effects: whether the effects of small studies differ from those of large ones.

Belongs here: three tests of a funnel's asymmetry, and trim-and-fill. Effects and variances have shape (k,) for one
analysis or (k, m) for m at once, NaN for an absent study. None of these methods shows why a funnel is asymmetric:
unpublished studies are one reason, differences between small and large studies and chance are others. Does not belong
here: the funnel plot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stats.arguments import (
    MISSING,
    Effects,
    Names,
    effects,
    one_shape,
    refuse_impossible_counts,
    refuse_unknown,
    refuse_values,
    warn_left_out,
    without_weight,
)
from lib.stats.arrays import Booleans, Count, Floats, Integers, Number, usable
from lib.stats.display import Displayed, Shown, counted, frame, interval, listed, number, p_value, percent, rest
from lib.stats.meta_regression import regress
from lib.stats.pooled_result import Pooled
from lib.stats.pooling import pool, pool_effects
from lib.stats.tau2 import TAU2

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_TO_TEST = 10
"""Smallest number of studies for a test of asymmetry; with fewer its power is too low (Sterne et al. 2011,
doi:10.1136/bmj.d4002)."""

FEWEST_TO_FILL = 3
"""Smallest number of studies for trim-and-fill: two studies cannot show an asymmetry."""

_MAX_STEPS = 100


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


@dataclass(frozen=True, eq=False, repr=False)
class TrimFill(Displayed, Generic[Number, Count]):
    """The result of trim-and-fill; numbers for one analysis, arrays of shape (m,) for many.

    Attributes
    ----------
    missing : int
        Number of studies added.
    right : bool
        Whether they were added on the right of the funnel.
    y, v : ndarray, shape (2 k,) or (2 k, m)
        Effects and variances of the studies, followed by those of the added ones; NaN in the remaining places.
    pooled : Pooled
        Pooled result of all of them.
    """

    missing: Count
    right: bool | Booleans
    y: Floats
    v: Floats
    pooled: Pooled[Number, Count]

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a data frame with a row for each analysis: studies added, then those of `Pooled`."""
        frame = self.pooled.to_frame().drop(columns="left_out")
        frame.insert(0, "missing", self.missing)
        frame.insert(1, "right", self.right)
        return frame

    def _shown(self, most: int) -> Shown:
        level = f"{percent(self.pooled.level)} CI"
        if isinstance(self.missing, int):
            rows: list[Sequence[str]] = [
                ("Studies added", f"{self.missing}"),
                ("Side of the funnel", ("right" if self.right else "left") if self.missing else "none"),
                ("Estimate with them", number(self.pooled.estimate)),
                (level, interval(self.pooled.ci_low, self.pooled.ci_high)),
            ]
            return Shown(f"Trim-and-fill of {counted(self.pooled.k - self.missing)}", rows)
        missing, m = self.missing, len(self.missing)
        sides = np.where(missing > 0, np.where(self.right, "right", "left"), "none")
        limits = self.pooled.estimate, self.pooled.ci_low, self.pooled.ci_high
        columns: list[Any] = [listed(self.pooled.analyses, m), missing, sides, *limits]
        rows = [
            [str(name), f"{added}", str(side), number(estimate), interval(low, high)]
            for name, added, side, estimate, low, high in zip(*(column[:most] for column in columns), strict=True)
        ]
        header = ("Analysis", "Studies added", "Side", "Estimate with them", level)
        return Shown(f"Trim-and-fill of {m:,} analyses", rows, header, rest(len(rows), m))


def too_few(k: int) -> str:
    """Return the warning that must accompany a test with k studies; empty if there are enough.

    Examples
    --------
    >>> too_few(9)
    'With 9 studies, fewer than 10, tests of asymmetry have too little power.'
    """
    if k >= ENOUGH_TO_TEST:
        return ""
    studies = "study" if k == 1 else "studies"
    return f"With {k} {studies}, fewer than {ENOUGH_TO_TEST}, tests of asymmetry have too little power."


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
    given = _checked(effects(y, v, names))
    return _as_given("Egger", "t", _regression_test(given.y, given.v, np.sqrt(given.v)), given)


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
        given = effects(effect, np.where(weight > 0, 1 / weight, np.nan))
    given = given._replace(names=study_names, analyses=analyses)
    if given.single:
        missing = np.isnan(effect) | np.isnan(weight)
        warn_left_out(study_names, [(~missing & (weight == 0), "at 0% or 100% it has no weight"), (missing, MISSING)])
    return _as_given("Peters", "t", _regression_test(given.y, given.v, 1 / size.reshape(given.y.shape)), given)


def _checked(given: Effects) -> Effects:
    """Return effects that can be analysed, and warn of studies that have no weight."""
    refuse_values(given.y, given.v, given.names)
    if given.single:
        warn_left_out(given.names, without_weight(given.y, given.v), stacklevel=4)
    return given


def _regression_test(
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


def _as_given(
    test: str, statistic_name: str, results: tuple[Integers, Floats, Floats], given: Effects
) -> AsymmetryTest[Any, Any]:
    """Return a test from its numbers of studies, statistics and p-values, as numbers if there is only one analysis."""
    columns: tuple[Any, ...] = (*results, results[0] < ENOUGH_TO_TEST)
    k, statistic, p, few = (column[0].item() if given.single else column for column in columns)
    return AsymmetryTest(k, statistic, p, few, test, statistic_name, given.analyses)


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
    given = _checked(effects(y, v, names))
    y, v = given.y, given.v
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
    return _as_given("Begg", "Kendall's tau", (k, tau, p), given)


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


def trim_and_fill(
    y: ArrayLike, v: ArrayLike, *, tau2: str = "DL", names: Sequence[Any] | None = None
) -> TrimFill[Any, Any]:
    """Add the studies that would make a funnel symmetric, and pool all (trim-and-fill).

    The method shows how much a result depends on one assumption about missing studies; it does not identify them. It is
    that of Duval and Tweedie (2000, doi:10.1080/01621459.2000.10473905), with their estimator L0 of the
    number of missing studies, which uses the sum of ranks.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    tau2 : str
        Estimator of the between-study variance, one of `TAU2`, used in every step and for the final result.
    names : sequence, optional
        Names of the studies, for messages; by default the index of a pandas object.

    Returns
    -------
    TrimFill
        The number of studies added; the side on which small studies are lacking, determined by a regression on standard
        errors with the same estimator of tau²; the data with the added studies; and their pooled result.

    Raises
    ------
    ValueError
        If an analysis has fewer than `FEWEST_TO_FILL` studies with a variance above 0; otherwise as in `pool`.

    Warns
    -----
    LeftOutWarning
        As in `pool`.

    Examples
    --------
    >>> result = trim_and_fill([0.2, 0.3, 0.25, 0.9, 1.2, 1.5], [0.01, 0.02, 0.05, 0.2, 0.3, 0.3])
    >>> print(f"{result.missing} studies added, estimate {result.pooled.estimate:.2f}")
    2 studies added, estimate 0.31
    """
    refuse_unknown("tau2", tau2, TAU2)
    given = effects(y, v, names)
    y, v = given.y, given.v
    refuse_values(y, v, given.names)
    used = usable(y, v)
    k: Integers = used.sum(axis=0)
    if (k < FEWEST_TO_FILL).any():
        raise ValueError(f"trim-and-fill needs at least {FEWEST_TO_FILL} studies in each analysis, not {k.min()}")
    if given.single:
        warn_left_out(given.names, without_weight(y, v))
    y, v = np.where(used, y, np.nan), np.where(used, v, np.nan)
    to_right = np.nan_to_num(_regression_test(y, v, np.sqrt(v), tau2, "normal")[1]) < 0
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
    pooled = pool_effects(Effects(filled, variances, given.single, (), given.analyses), [], tau2=tau2)
    if given.single:
        return TrimFill(int(missing[0]), bool(to_right[0]), filled[:, 0], variances[:, 0], pooled)
    return TrimFill(missing, to_right, filled, variances, pooled)


def _missing(residual: Floats, k: Integers) -> Integers:
    """Return the number of studies missing on the left, from the signed ranks of residuals."""
    rank = np.argsort(np.argsort(np.abs(residual), axis=0, kind="stable"), axis=0, kind="stable") + 1
    number = np.rint((4 * np.where(residual > 0, rank, 0).sum(axis=0) - k * (k + 1)) / (2 * k - 1)).astype(int)
    clipped: Integers = np.clip(number, 0, np.maximum(k - 1, 0))
    return clipped
