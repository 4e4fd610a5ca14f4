"""Effect sizes and sampling variances from counts, and the back-transformation to proportions.

Belongs here: effects of single proportions, of two independent groups, and of the same patients (or matched pairs) with
two treatments. Arrays may have any shape; a study with NaN in a count has a NaN effect. Does not belong here: pooling
(`pooling`) and intervals (`intervals`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stats.arguments import Names, one_shape, study, to_numbers
from lib.stats.arrays import Booleans, Floats
from lib.stats.checks import refuse_impossible_counts, refuse_unknown

TRANSFORMS = ("raw", "logit", "arcsine", "double-arcsine")
"""Scales of a single proportion."""

MEASURES = ("RR", "OR", "RD")
"""Comparisons of two proportions: log risk ratio, log odds ratio, risk difference."""


def proportions(events: ArrayLike, n: ArrayLike, *, transform: str = "raw") -> tuple[Floats, Floats]:
    """Return effect sizes and sampling variances of proportions.

    Parameters
    ----------
    events, n : array_like
        Number with the event, and number observed.
    transform : {"raw", "logit", "arcsine", "double-arcsine"}
        - raw: p with variance p (1 - p) / n, which is 0 for a study at 0% or 100%;
        - logit: log(p / (1 - p)) with variance 1 / events + 1 / (n - events), for which 0.5 is added to both counts
          of a study with 0 or n events, and of no other;
        - arcsine: asin √p with variance 1 / (4 n);
        - double-arcsine: half the sum of asin √(events / (n + 1)) and asin √((events + 1) / (n + 1)), with variance
          1 / (4 n + 2) (Freeman and Tukey 1950, doi:10.1214/aoms/1177729756; halved, as in metafor).

    Returns
    -------
    y, v : ndarray
        Effect sizes and variances on the scale of the analysis.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, infinite or not a whole number, n is 0, the shapes
        differ, or the transform is unknown.

    Examples
    --------
    >>> y, v = proportions([3, 0], [20, 14], transform="logit")
    >>> print(y.round(2), v.round(2))
    [-1.73 -3.37] [0.39 2.07]
    """
    (events, n), names, _ = one_shape(events=events, n=n)
    refuse_unknown("transform", transform, TRANSFORMS)
    refuse_impossible_counts(events, n, names)
    return proportion_effects(events, n, transform)


def proportion_effects(events: Floats, n: Floats, transform: str) -> tuple[Floats, Floats]:
    """Return effects and variances like `proportions`, from counts that have been checked and have one shape."""
    if transform == "raw":
        p = events / n
        return p, p * (1 - p) / n
    if transform == "logit":
        added = np.where((events == 0) | (events == n), 0.5, 0.0)
        yes, no = events + added, n - events + added
        return np.log(yes / no), 1 / yes + 1 / no
    # The variances below depend on n alone. A study whose number of events is not known must not get one.
    n = np.where(np.isnan(events), np.nan, n)
    if transform == "arcsine":
        return np.arcsin(np.sqrt(events / n)), 1 / (4 * n)
    return _double_arcsine(events, n), 1 / (4 * n + 2)


def _double_arcsine(events: Floats, n: Floats) -> Floats:
    halves: Floats = np.arcsin(np.sqrt(events / (n + 1))) + np.arcsin(np.sqrt((events + 1) / (n + 1)))
    return halves / 2


def to_proportion(value: ArrayLike, *, transform: str, n: ArrayLike | None = None) -> Floats:
    """Transform values on the scale of the analysis back to proportions.

    Parameters
    ----------
    value : array_like
        Values on the scale of `proportions`.
    transform : {"raw", "logit", "arcsine", "double-arcsine"}
        The scale. Values below the arcsine of 0 become 0, and values above that of 1 become 1.
    n : array_like, optional
        For the double arcsine only: the number observed from which the value was computed. A pooled value has none; the
        harmonic mean of the studies' numbers is customary (Miller 1978, doi:10.1080/00031305.1978.10479283).

    Returns
    -------
    ndarray
        Proportions.

    Raises
    ------
    ValueError
        If the transform is unknown, or n is missing for the double arcsine.

    Notes
    -----
    The back-transformation of a pooled double arcsine can mislead, as it depends on the n chosen: with studies of very
    different size the harmonic mean lies near the smallest, and the result can leave the range of the studies'
    proportions and change order with that of another analysis (Schwarzer et al. 2019, doi:10.1002/jrsm.1348). The
    single arcsine has no such n.

    Examples
    --------
    >>> to_proportion([-1.73, 0.0], transform="logit").round(2)
    array([0.15, 0.5 ])
    """
    refuse_unknown("transform", transform, TRANSFORMS)
    value = to_numbers("value", value)
    if transform == "raw":
        return value
    if transform == "logit":
        p = special.expit(value)
    elif transform == "arcsine":
        p = np.sin(np.clip(value, 0, np.pi / 2)) ** 2
    else:
        if n is None:
            raise ValueError(
                "n is needed to transform a double arcsine back: give the number observed, or for a pooled value the"
                " harmonic mean of the studies' numbers"
            )
        n = to_numbers("n", n)
        least, most = _double_arcsine(np.zeros_like(n), n), _double_arcsine(n, n)
        inside = (value > least) & (value < most)
        sine = np.sin(2 * np.where(inside, value, np.pi / 4))
        under_root = np.maximum(1 - (sine + (sine - 1 / sine) / n) ** 2, 0)
        p = (1 - np.sign(np.cos(2 * value)) * np.sqrt(under_root)) / 2
        p = np.where(np.isnan(value), np.nan, np.where(inside, p, np.where(value <= least, 0.0, 1.0)))
    result: Floats = p
    return result


def two_groups(
    events1: ArrayLike,
    n1: ArrayLike,
    events2: ArrayLike,
    n2: ArrayLike,
    *,
    measure: str = "RR",
    correlation: float = 0.0,
) -> tuple[Floats, Floats]:
    """Compare the proportions of two groups, the first with the second.

    Parameters
    ----------
    events1, n1, events2, n2 : array_like
        Number with the event and number observed in each group.
    measure : {"RR", "OR", "RD"}
        Log risk ratio, log odds ratio, or risk difference.
    correlation : float
        Correlation of the two outcomes of a patient, if both groups are the same patients (or matched pairs, or two
        sites of each patient) and only the marginal totals are known; 0 for independent groups. See the notes.

    Returns
    -------
    y, v : ndarray
        Effect sizes and sampling variances. For a ratio, a study with one empty cell or more has 0.5 added to its four
        cells, and a study with no events in either group, or with events only, is NaN: it carries no
        information on a ratio (metafor's ``escalc`` with ``drop00=TRUE``). For a difference no count is changed; the
        variance of a group at 0% or 100% is that of the proportion (events + 1) / (n + 2), see the notes.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, infinite or not a whole number, n is 0, the shapes
        differ, the measure is unknown, or the correlation is not between -1 and 1 (1 excluded).

    Notes
    -----
    A trial without an event in either group has a risk difference of 0 that belongs in a pooled difference (Friedrich,
    Adhikari & Beyene 2007, doi:10.1186/1471-2288-7-5), but p (1 - p) / n gives it the variance 0, and with it an
    infinite weight. For the variance alone, a group at 0% or 100% therefore has one event and one non-event added
    (Agresti & Caffo 2000, doi:10.1080/00031305.2000.10474560). The rule applies to each group separately: otherwise
    0/31 versus 0/32 would weigh less than 1/31 versus 0/32.

    The variance of a paired comparison depends on how many patients responded to only one treatment, which the two
    margins do not show. If the groups are treated as independent (correlation 0) the variance is too large where the
    outcomes of a patient are correlated positively, as they mostly are: the interval is then too wide and the study's
    weight too small. Another correlation is an assumption, for a sensitivity analysis; with it the covariance is that
    of the delta method (Elbourne et al. 2002, doi:10.1093/ije/31.1.140). Where the discordant counts are known
    `matched_pairs` needs no assumption.

    Examples
    --------
    >>> y, v = two_groups([12, 0], [31, 20], [5, 2], [32, 21])
    >>> print(np.exp(y).round(2), v.round(2))
    [2.48 0.21] [0.22 2.31]
    """
    counts, names, _ = one_shape(events1=events1, n1=n1, events2=events2, n2=n2)
    if not -1 <= correlation < 1:
        raise ValueError(f"correlation must lie between -1 and 1 (1 excluded), not {correlation!r}")
    return group_effects(counts, names, measure, correlation)


def group_effects(counts: list[Floats], names: Names, measure: str, correlation: float = 0.0) -> tuple[Floats, Floats]:
    """Return effects and variances like `two_groups`, from counts of one shape; messages use the studies' names."""
    events1, n1, events2, n2 = counts
    refuse_unknown("measure", measure, MEASURES)
    refuse_impossible_counts(events1, n1, names, arguments=("events1", "n1"))
    refuse_impossible_counts(events2, n2, names, arguments=("events2", "n2"))
    if measure == "RD":
        y, v1, v2 = events1 / n1 - events2 / n2, _variance(events1, n1), _variance(events2, n2)
    else:
        one_outcome = (events1 == 0) & (events2 == 0) | (events1 == n1) & (events2 == n2)
        a, b, c, d = _without_empty_cells(events1, n1 - events1, events2, n2 - events2)
        n1, n2 = a + b, c + d
        if measure == "RR":
            y, v1, v2 = np.log(a / n1) - np.log(c / n2), b / (a * n1), d / (c * n2)
        else:
            y, v1, v2 = np.log(a / b) - np.log(c / d), n1 / (a * b), n2 / (c * d)
    v = v1 + v2 - 2 * correlation * np.sqrt(v1 * v2)
    return (y, v) if measure == "RD" else _informative(y, v, one_outcome)


def _variance(events: Floats, n: Floats) -> Floats:
    """Return the sampling variance of a proportion; at 0% and 100% it is that of (events + 1) / (n + 2)."""
    added = np.where((events == 0) | (events == n), 1.0, 0.0)
    yes, no = events + added, n - events + added
    return yes * no / (yes + no) ** 3


def _informative(y: Floats, v: Floats, uninformative: Booleans) -> tuple[Floats, Floats]:
    """Return effects and variances, NaN for studies that carry no information."""
    return np.where(uninformative, np.nan, y), np.where(uninformative, np.nan, v)


def matched_pairs(
    both: ArrayLike, first: ArrayLike, second: ArrayLike, neither: ArrayLike, *, measure: str = "RR"
) -> tuple[Floats, Floats]:
    """Compare two treatments of the same patients (or of matched pairs), the first with the second.

    Parameters
    ----------
    both, first, second, neither : array_like
        Patients with the event with both treatments, with only the first, with only the second, and with neither.
    measure : {"RR", "OR", "RD"}
        Marginal log risk ratio and marginal risk difference, which have the same meaning as for independent groups; the
        log odds ratio is the conditional one, of the discordant patients alone, which is further from 0 than the
        marginal one.

    Returns
    -------
    y, v : ndarray
        Effect sizes and sampling variances: metafor's MPRR, MPORC and MPRD. For a ratio, a study with an empty cell
        has 0.5 added to its four cells. A study that carries no information on the ratio is NaN: one with no events
        with either treatment or with events only, and for the odds ratio one without a discordant patient. For a
        difference no count is changed; if the variance would be 0, because all patients or none are discordant in one
        direction, it is computed with 0.5 added to the four cells (Agresti & Min 2005, doi:10.1002/sim.1781).

    Raises
    ------
    ValueError
        If a count is negative, infinite or not a whole number, a study has no patient, the shapes differ, or the
        measure is unknown.

    Examples
    --------
    Twenty patients with a treatment on each side: 6 responded on both, 5 on the first alone, 1 on the second alone.

    >>> y, v = matched_pairs(6, 5, 1, 8)
    >>> print(f"risk ratio {np.exp(y):.2f}, standard error of its logarithm {np.sqrt(v):.2f}")
    risk ratio 1.57, standard error of its logarithm 0.28
    """
    cells, names, _ = one_shape(both=both, first=first, second=second, neither=neither)
    refuse_unknown("measure", measure, MEASURES)
    a, b, c, d = cells
    n = a + b + c + d
    wrong = (n == 0) | np.any([(cell < 0) | (np.floor(cell) < cell) | np.isinf(cell) for cell in cells], axis=0)
    if wrong.any():
        at = np.unravel_index(wrong.argmax(), wrong.shape)
        subject = study(int(at[0]), names) if at else "it"
        counts = ", ".join(f"{cell[at]:g}" for cell in cells)
        raise ValueError(f"{subject} has counts {counts}: each study needs whole counts >= 0 and at least one patient")
    concordant = (b == 0) & (c == 0)
    if measure == "RD":
        v = _paired_variance(b, c, n)
        return (b - c) / n, np.where(v > 0, v, _paired_variance(b + 0.5, c + 0.5, n + 2))
    one_outcome = concordant & ((a == 0) | (d == 0))
    a, b, c, _ = _without_empty_cells(*cells)
    if measure == "RR":
        return _informative(np.log((a + b) / (a + c)), (b + c) / ((a + b) * (a + c)), one_outcome)
    return _informative(np.log(b / c), 1 / b + 1 / c, concordant)


def _paired_variance(first: Floats, second: Floats, n: Floats) -> Floats:
    return (first + second - (first - second) ** 2 / n) / n**2


def _without_empty_cells(*cells: Floats) -> tuple[Floats, ...]:
    """Add 0.5 to all cells of a study with one or more empty cells."""
    added = np.where(np.any([cell == 0 for cell in cells], axis=0), 0.5, 0.0)
    return tuple(cell + added for cell in cells)
