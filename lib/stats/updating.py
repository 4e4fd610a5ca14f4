"""Combination of a published pooled rate with the counts of new studies.

Belongs here: the between-study variance that a published standard error implies, and the combined rate, where only the
estimate and its interval were published. Does not belong here: the rates of this review (`lib.published` applies these
functions to them), and the comparison with alternatives (`lib.simulations.update_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from lib.stats.arguments import one_shape, study, to_numbers
from lib.stats.arrays import Floats
from lib.stats.checks import refuse_impossible_counts
from lib.stats.display import Displayed, Shown, counted, frame, number

if TYPE_CHECKING:
    import pandas as pd

LEAST_TAU2 = 0.05
"""Smallest between-study variance used in the weights, as a share of p (1 - p). A few studies that agree do not show
that true rates are equal, and without this variance a single large new study would outweigh all others."""


@dataclass(frozen=True, eq=False, repr=False)
class Combined(Displayed):
    """A published rate combined with new counts.

    Attributes
    ----------
    estimate, se : float
        Combined rate and its standard error, as proportions.
    tau2 : float
        Between-study variance of all studies together, on the scale of proportions.
    weights : ndarray, shape (k_new,)
        Share of each new study in the estimate; the published studies have the rest.
    """

    estimate: float
    se: float
    tau2: float
    weights: Floats

    def to_frame(self) -> pd.DataFrame:
        """Return the combined rate as a data frame of one row."""
        return frame("analysis", [], {"estimate": self.estimate, "se": self.se, "tau2": self.tau2})

    def _shown(self, most: int) -> Shown:
        rows = [
            ("Estimate", number(self.estimate)),
            ("Standard error", number(self.se)),
            ("tau²", number(self.tau2)),
            ("Weight of the new studies", f"{100 * self.weights.sum():.0f}%"),
        ]
        return Shown(f"Published rate combined with {counted(len(self.weights), 'new study', 'new studies')}", rows)


def implied_tau2(estimate: float, se: float, n: ArrayLike) -> float:
    """Return the between-study variance that a published standard error implies.

    Parameters
    ----------
    estimate, se : float
        Published rate and its standard error, as proportions.
    n : array_like, shape (k,)
        Participants of the studies that were pooled.

    Returns
    -------
    float
        tau² at which 1 / sqrt(sum(1 / V_i)) is ``se``, with V_i = p (1 - p) / n_i + tau² (1 - 1 / n_i); NaN if
        sampling error alone gives a larger standard error.

    Raises
    ------
    ValueError
        If the rate is not between 0 and 1, or a study has no participants.

    Notes
    -----
    The formula is that of the standard error of a random-effects mean (DerSimonian & Laird 1986,
    doi:10.1016/0197-2456(86)90046-2), whichever estimator of tau² was used. V_i is the variance of an observed
    proportion when the true rates p_i have mean p and variance tau²: E[p_i (1 - p_i)] is p (1 - p) - tau², not
    p (1 - p).

    Examples
    --------
    >>> round(implied_tau2(0.3, 0.06, [30, 40, 50, 60]), 4)
    0.0097
    """
    n = _participants("n", n)
    _refuse_rate(estimate)
    if not se > 0 or not len(n):
        return np.nan

    def excess(tau2: float) -> float:
        return float((1 / _variance(estimate, n, tau2)).sum() - 1 / se**2)

    if excess(0.0) < 0:
        return np.nan
    return float(optimize.brentq(excess, 0.0, 2 * len(n) * se**2, xtol=1e-14))


def combine(
    estimate: float,
    se: float,
    sizes: ArrayLike,
    events: ArrayLike,
    n: ArrayLike,
    *,
    for_weights: float | None = None,
    iterate: bool = False,
) -> Combined:
    """Combine a published rate with the counts of new studies.

    Parameters
    ----------
    estimate, se : float
        Published rate and its standard error, as proportions; NaN for a rate of 0% or 100% published without one.
    sizes : array_like, shape (k_old,)
        Participants of the studies that were pooled.
    events, n : array_like, shape (k_new,)
        Responders and participants of the new studies; those at 0% or 100% need no special treatment.
    for_weights : float, optional
        Between-study variance used in the weights; by default the one that the published standard error implies, but at
        least `LEAST_TAU2` p (1 - p). It must not depend on the new counts.
    iterate : bool
        Whether to estimate the combined tau² by iterated weights (Paule & Mandel 1982, doi:10.6028/jres.087.022)
        instead of in one step.

    Returns
    -------
    Combined
        The combined rate.

    Raises
    ------
    ValueError
        If the rate is not between 0 and 1, a published study has no participants, or counts are impossible.

    Notes
    -----
    The estimate is the root m of sum((y_i - m) / V_i(m)) = 0 over all studies, y_i being the published rate for each
    published study. V_i(m) = m (1 - m) / n_i + t (1 - 1 / n_i) is the variance at the combined rate, not at the
    study's own: a study at 0% has a variance like any other, and a study that happens to have few responders has no
    excess weight. With t fixed each term falls as m rises, so there is one root, and it never rises when a count falls.

    The combined tau² solves Q = E[Q], the generalised method of moments with these weights (DerSimonian & Kacker 2007,
    doi:10.1016/j.cct.2006.04.004). The scatter of the published studies about their rate is not known; it enters with
    the value expected at the published tau². The standard error is that of a mean with fixed weights under this tau²:
    one discrepant study widens the interval.

    Examples
    --------
    >>> combined = combine(0.161, 0.0301, [50, 50, 60], [40], [60])
    >>> f"{combined.estimate:.2f}, standard error {combined.se:.2f}"
    '0.29, standard error 0.13'
    """
    (x, new_n), names, _ = one_shape(events=events, n=n)
    refuse_impossible_counts(x, new_n, names)
    old_n = _participants("sizes", sizes)
    implied = implied_tau2(estimate, se, old_n)
    tau2 = float(np.nan_to_num(implied))
    if for_weights is None:
        for_weights = max(tau2, LEAST_TAU2 * estimate * (1 - estimate))
    if se > 0 and np.isnan(implied):
        # Sampling error alone would give a larger standard error than published: scale the sizes until it is equal.
        old_n = old_n * (estimate * (1 - estimate) / se**2 / old_n.sum())
    all_n, y = np.concatenate([old_n, new_n]), np.concatenate([np.full(len(old_n), estimate), x / new_n])
    old = np.arange(len(all_n)) < len(old_n)
    mean = _root(y, all_n, for_weights)
    if not 0 < mean < 1:
        return Combined(mean, 0.0, tau2, new_n / all_n.sum())
    sampling, between = mean * (1 - mean) / all_n, _share_between(all_n)
    weight = 1 / (sampling + for_weights * between)

    def combined_tau2(weight: Floats) -> float:
        """Return tau² from Q with these weights; the mean is the weighted one."""
        centre = (weight * y).sum() / weight.sum()
        scatter = _expected(weight[old], estimate * (1 - estimate) / old_n + tau2 * between[old])
        q = scatter + (weight * (y - centre) ** 2).sum()
        return max(float((q - _expected(weight, sampling)) / _expected(weight, between)), 0.0)

    combined = combined_tau2(weight)
    for _ in range(200 if iterate else 0):
        previous, combined = combined, combined_tau2(1 / (sampling + combined * between))
        if abs(combined - previous) < 1e-10:
            break
    se = float(np.sqrt((weight**2 * (sampling + combined * between)).sum()) / weight.sum())
    return Combined(mean, se, combined, (weight / weight.sum())[~old])


def _refuse_rate(estimate: float) -> None:
    """Raise ValueError unless a published rate is a proportion."""
    if not 0 <= estimate <= 1:
        raise ValueError(f"estimate must be a proportion between 0 and 1, not {estimate:g}")


def _participants(argument: str, sizes: ArrayLike) -> Floats:
    """Return numbers of participants, or raise ValueError if a study has none."""
    n = to_numbers(argument, sizes)
    wrong = ~((n > 0) & (n < np.inf))
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"{study(at, ())} has {argument} = {n[at]:g}: {argument} must be above 0 and finite")
    return n


def _variance(mean: float, n: Floats, tau2: float) -> Floats:
    """Return the variance of an observed proportion of n where true rates have this mean and variance tau²."""
    return mean * (1 - mean) / n + tau2 * _share_between(n)


def _share_between(n: Floats) -> Floats:
    """Return the share 1 - 1/n of tau² in the variance of an observed proportion."""
    # A study of one participant is treated as one of two: with 1 - 1/n = 0 it would have no between-study variance.
    share: Floats = np.maximum(1 - 1 / n, 0.5)
    return share


def _expected(weight: Floats, variance: Floats) -> float:
    """Return the expected weighted sum of squares about the weighted mean, of studies with these variances."""
    return float((weight * variance).sum() - (weight**2 * variance).sum() / weight.sum()) if len(weight) else 0.0


def _root(y: Floats, n: Floats, tau2: float) -> float:
    """Return the mean at which the weighted residuals sum to 0; 0 or 1 if all studies have that rate."""
    if (y == y[0]).all() and y[0] in (0.0, 1.0):
        return float(y[0])

    def residuals(mean: float) -> float:
        # Multiplied by m (1 - m), which changes no root and avoids a division by 0 at the ends.
        spread = mean * (1 - mean)
        return float(((y - mean) / (1 / n + tau2 * _share_between(n) / spread)).sum()) if spread > 0 else np.nan

    return float(optimize.brentq(residuals, 1e-12, 1 - 1e-12, xtol=1e-14, rtol=1e-13))
