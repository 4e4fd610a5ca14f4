"""Effect sizes and sampling variances from counts, and the back-transformation to proportions.

For single proportions, two independent groups, and the same patients (or matched pairs) under two treatments. Pooling
is in `pooling`. Arrays may have any shape; a study with NaN in a count is NaN in what is returned.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from lib.stats.arrays import refuse_unknown

TRANSFORMS = ("raw", "logit", "arcsine", "double-arcsine")
"""Scales of a single proportion."""

MEASURES = ("RR", "OR", "RD")
"""Comparisons of two proportions: log risk ratio, log odds ratio, risk difference."""


def proportions(events, n, *, transform: str = "raw") -> tuple[np.ndarray, np.ndarray]:
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
        If there are more events than observed, a count is negative, n is 0, or the transform is unknown.
    """
    events, n = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(n, dtype=float))
    refuse_impossible_counts(events, n)
    if transform == "raw":
        p = events / n
        return p, p * (1 - p) / n
    if transform == "logit":
        added = np.where((events == 0) | (events == n), 0.5, 0.0)
        yes, no = events + added, n - events + added
        return np.log(yes / no), 1 / yes + 1 / no
    # The variances are of n alone: a study without a number of events must not keep one.
    n = np.where(np.isnan(events), np.nan, n)
    if transform == "arcsine":
        return np.arcsin(np.sqrt(events / n)), 1 / (4 * n)
    if transform == "double-arcsine":
        return _double_arcsine(events, n), 1 / (4 * n + 2)
    raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}, not {transform!r}")


def _double_arcsine(events, n):
    return (np.arcsin(np.sqrt(events / (n + 1))) + np.arcsin(np.sqrt((events + 1) / (n + 1)))) / 2


def to_proportion(value, *, transform: str, n=None) -> np.ndarray:
    """Return the proportion behind a value on the scale of a transform.

    Parameters
    ----------
    value : array_like
        Values on the scale of `proportions`.
    transform : {"raw", "logit", "arcsine", "double-arcsine"}
        That scale. Arcsines beyond those of 0 and 1 become 0 and 1.
    n : array_like, optional
        For the double arcsine only: the number observed that the value belongs to. A pooled value belongs to none;
        the harmonic mean of the studies' is the custom (Miller 1978, doi:10.1080/00031305.1978.10479283).

    Returns
    -------
    ndarray
        Proportions.

    Raises
    ------
    ValueError
        If the transform is unknown.

    Notes
    -----
    The way back from a pooled double arcsine can mislead, as it depends on the n put in: with studies of very
    different size the harmonic mean lies near the smallest, and the result can leave the range of the studies'
    proportions and change order with that of another analysis (Schwarzer et al. 2019, doi:10.1002/jrsm.1348). The
    single arcsine has no such n.
    """
    value = np.asarray(value, dtype=float)
    if transform == "raw":
        return value
    if transform == "logit":
        return special.expit(value)
    if transform == "arcsine":
        return np.sin(np.clip(value, 0, np.pi / 2)) ** 2
    if transform == "double-arcsine":
        n = np.asarray(n, dtype=float)
        least, most = _double_arcsine(0.0, n), _double_arcsine(n, n)
        inside = (value > least) & (value < most)
        sine = np.sin(2 * np.where(inside, value, np.pi / 4))
        under_root = np.maximum(1 - (sine + (sine - 1 / sine) / n) ** 2, 0)
        p = (1 - np.sign(np.cos(2 * value)) * np.sqrt(under_root)) / 2
        return np.where(np.isnan(value), np.nan, np.where(inside, p, np.where(value <= least, 0.0, 1.0)))
    raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}, not {transform!r}")


def two_groups(
    events1, n1, events2, n2, *, measure: str = "RR", correlation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Compare the proportions of two groups, the first with the second.

    Parameters
    ----------
    events1, n1, events2, n2 : array_like
        Number with the event and number observed in each group.
    measure : {"RR", "OR", "RD"}
        Log risk ratio, log odds ratio, or risk difference.
    correlation : float
        Correlation of the two outcomes of a patient, where both groups are the same patients (or matched pairs, or two
        sites of each patient) and only the two margins are known; 0 for independent groups. See the notes.

    Returns
    -------
    y, v : ndarray
        Effect sizes and sampling variances. For a ratio, a study with one empty cell or more has 0.5 added to its four
        cells, and a study without an event in either group, or with nothing but events in both, is NaN: it carries no
        information on a ratio (metafor's ``escalc`` with ``drop00=TRUE``). For a difference no count is changed; the
        variance of a group at 0% or 100% is that of the proportion (events + 1) / (n + 2), see the notes.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, n is 0, the measure is unknown, or the
        correlation is not between -1 and 1 (1 excluded).

    Notes
    -----
    A trial without an event in either group has a risk difference of 0 that belongs in a pooled difference (Friedrich,
    Adhikari & Beyene 2007, doi:10.1186/1471-2288-7-5), but p (1 - p) / n gives it the variance 0, and with it an
    infinite weight. A group at 0% or 100% therefore takes its variance, and nothing else, from one event and one
    non-event more (Agresti & Caffo 2000, doi:10.1080/00031305.2000.10474560). The rule is for each group, so that
    0/31 v 0/32 does not get less weight than 1/31 v 0/32.

    The variance of a paired comparison depends on how many patients responded to one treatment alone, which two
    margins do not show. If the groups are treated as independent (correlation 0) the variance is too large where the
    outcomes of a patient are alike, as they mostly are: the interval is then too wide and the study's weight too small.
    Another correlation is an assumption, for a sensitivity analysis; with it the covariance is that of the delta
    method (Elbourne et al. 2002, doi:10.1093/ije/31.1.140). Where the discordant counts are known `matched_pairs`
    needs no assumption.
    """
    events1, n1, events2, n2 = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (events1, n1, events2, n2)))
    refuse_impossible_counts(events1, n1)
    refuse_impossible_counts(events2, n2)
    if not -1 <= correlation < 1:
        raise ValueError(f"correlation must lie between -1 and 1 (1 excluded), not {correlation!r}")
    refuse_unknown("measure", measure, MEASURES)
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


def _variance(events, n):
    """Return the sampling variance of a proportion, that of (events + 1) / (n + 2) at 0% and 100%."""
    added = np.where((events == 0) | (events == n), 1.0, 0.0)
    yes, no = events + added, n - events + added
    return yes * no / (yes + no) ** 3


def _informative(y, v, uninformative):
    """Return effects and variances, NaN for studies that carry no information."""
    return np.where(uninformative, np.nan, y), np.where(uninformative, np.nan, v)


def matched_pairs(both, first, second, neither, *, measure: str = "RR") -> tuple[np.ndarray, np.ndarray]:
    """Compare two treatments of the same patients (or of matched pairs), the first with the second.

    Parameters
    ----------
    both, first, second, neither : array_like
        Patients with the event under both treatments, under the first alone, under the second alone, under neither.
    measure : {"RR", "OR", "RD"}
        Marginal log risk ratio and marginal risk difference, which mean what they mean for independent groups; the
        log odds ratio is the conditional one, of the discordant patients alone, which is further from 0 than the
        marginal one.

    Returns
    -------
    y, v : ndarray
        Effect sizes and sampling variances: metafor's MPRR, MPORC and MPRD. For a ratio, a study with an empty cell
        has 0.5 added to its four cells. A study that carries no information on the ratio is NaN: one without an event
        under either treatment or with nothing but events under both, and for the odds ratio one without a discordant
        patient. For a difference no count is changed; where the variance would be 0, as all patients or none are
        discordant in one direction, it is that with 0.5 added to the four cells (Agresti & Min 2005,
        doi:10.1002/sim.1781).

    Raises
    ------
    ValueError
        If a count is negative, a study has no patient, or the measure is unknown.
    """
    cells = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (both, first, second, neither)))
    if any((cell < 0).any() for cell in cells) or (sum(cells) == 0).any():
        raise ValueError("each study needs counts >= 0 and at least one patient")
    refuse_unknown("measure", measure, MEASURES)
    b, c = cells[1:3]
    concordant = (b == 0) & (c == 0)
    if measure == "RD":
        v = _paired_variance(b, c, sum(cells))
        return (b - c) / sum(cells), np.where(v > 0, v, _paired_variance(b + 0.5, c + 0.5, sum(cells) + 2))
    one_outcome = concordant & ((cells[0] == 0) | (cells[3] == 0))
    a, b, c, _ = _without_empty_cells(*cells)
    if measure == "RR":
        return _informative(np.log((a + b) / (a + c)), (b + c) / ((a + b) * (a + c)), one_outcome)
    return _informative(np.log(b / c), 1 / b + 1 / c, concordant)


def _paired_variance(first, second, n):
    return (first + second - (first - second) ** 2 / n) / n**2


def _without_empty_cells(*cells: np.ndarray) -> tuple[np.ndarray, ...]:
    added = np.where(np.any([cell == 0 for cell in cells], axis=0), 0.5, 0.0)
    return tuple(cell + added for cell in cells)


def refuse_impossible_counts(events: np.ndarray, n: np.ndarray) -> None:
    """Raise ValueError unless 0 <= events <= n and n > 0 wherever both are known."""
    if (events < 0).any() or (events > n).any() or (n <= 0).any():
        raise ValueError("each study needs 0 <= events <= n and n > 0")
