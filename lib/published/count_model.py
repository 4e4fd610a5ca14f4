"""Model unavailable counts: studies, published rates, prior, and distance from the published rates.

Belongs here: what the two methods of imputation share, `enumeration` (exact) and `chain` (a Markov chain).
Does not belong here: which studies and published rates a block consists of (`imputation`).

The method of the review is assumed to be that of `lib.stats.pool_proportions` at its defaults: raw proportions, inverse
variance, DerSimonian-Laird; a study at 0% or 100% is left out. The three thresholds are numbered t = 0, 1, 2 in the
order of `lib.evidence.THRESHOLDS`: at least 25%, 50% and 75%.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from lib.evidence import THRESHOLDS

WIDEST = 8
"""Largest tolerance, in units of rounding. A rate to which no counts come this close is given up; pages state this."""

CONCENTRATION, SPREAD = 4.0, 1.0
"""Prior of each step (at least 25% of all patients, 50% of those, 75% of those). A study's share is beta distributed;
the mean is uniform, and the concentration is log-normal with median `CONCENTRATION` and standard deviation `SPREAD` of
its logarithm. The prior is wide enough for studies that agree and for studies that do not."""

MEANS, CONCENTRATIONS = 32, 12
"""Nodes of the quadrature over the mean (Gauss-Legendre) and the concentration (Gauss-Hermite) of the prior."""

Z95 = float(stats.norm.ppf(0.975))
"""Quantile of the review's 95% intervals, which are normal."""


@dataclass(frozen=True)
class PublishedRate:
    """A published rate that the imputed counts have to reproduce.

    Attributes
    ----------
    threshold, group : str
        Codes of the threshold and of the row of the review's Table 3.
    included : ndarray of bool, shape (k,)
        Whether each study of the block is pooled in the rate.
    published, half_unit : ndarray, shape (3,)
        Estimate and ends of the confidence interval as proportions, NaN for a number that is not compared with the
        counts (an end cut at 0% or 100%, a misprint); and half a unit of the last published digit of each.
    """

    threshold: str
    group: str
    included: np.ndarray
    published: np.ndarray
    half_unit: np.ndarray

    @property
    def threshold_index(self) -> int:
        """Index of the threshold in `lib.evidence.THRESHOLDS`."""
        return THRESHOLDS.index(self.threshold)


@dataclass(frozen=True)
class Block:
    """A set of studies and published rates whose counts depend on each other, and on no other studies or rates.

    Attributes
    ----------
    regimen : str
        Regimen.
    groups : tuple of str
        Rows of the review's Table 3.
    arms : DataFrame
        One row per study, as the review counts studies: study, label, arms (a tuple).
    n, least, largest : ndarray, shape (k,)
        Number of participants, and the range that the published totals allow.
    low, high : ndarray, shape (k, 3)
        Bounds of the number of responders at 25%, 50% and 75%; equal where the count is known.
    reported : ndarray of bool, shape (k, 3)
        Whether a report gives the count.
    percent : ndarray, shape (k, 3)
        A published percentage without its count, as a proportion of n; NaN if there is none.
    rates : tuple of PublishedRate
        The published rates.
    shifts : ndarray, shape (s, k)
        Changes of n that leave the published totals unchanged.
    """

    regimen: str
    groups: tuple[str, ...]
    arms: pd.DataFrame
    n: np.ndarray
    least: np.ndarray
    largest: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reported: np.ndarray
    percent: np.ndarray
    rates: tuple[PublishedRate, ...]
    shifts: np.ndarray

    @property
    def unknown(self) -> np.ndarray:
        """Whether each count is unknown, shape (k, 3)."""
        return self.high > self.low

    def limits(self, n: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the counts at threshold number t of studies with n (..., k) participants."""
        share = self.percent[:, t] * n
        low = np.fmax(self.low[:, t], np.floor(share))
        return low, np.fmin(np.minimum(self.high[:, t], n), np.ceil(share))


class Prior:
    """The prior of counts, with its mean and concentration on the nodes of a quadrature.

    Given node g, the x responders among m (the participants, or the responders at the threshold below) are
    beta-binomial: log_choose(m, x) + yes[g, x] + no[g, m - x] - all[g, m].

    Parameters
    ----------
    largest : int
        Largest number of participants.
    """

    def __init__(self, largest: int):
        mean, mean_weight = np.polynomial.legendre.leggauss(MEANS)
        z, z_weight = np.polynomial.hermite_e.hermegauss(CONCENTRATIONS)
        mean, size = (np.ravel(grid) for grid in np.meshgrid((mean + 1) / 2, CONCENTRATION * np.exp(SPREAD * z)))
        self.mean, self.size = mean, size
        self.log_weight = np.log(np.outer(z_weight / z_weight.sum(), mean_weight / 2).ravel())
        x = np.arange(largest + 1.0)
        shapes = (parameter[:, None] for parameter in (mean * size, (1 - mean) * size, size))
        self.yes, self.no, self.all = (special.gammaln(x + shape) - special.gammaln(shape) for shape in shapes)
        self.log_factorial = special.gammaln(x + 1)

    def log_choose(self, m: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the logarithm of the binomial coefficient of whole numbers, 0 <= x <= m."""
        return self.log_factorial[m] - self.log_factorial[x] - self.log_factorial[m - x]

    def log_at_node(self, node: np.ndarray, m: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior of single counts x among m, each at its own node."""
        return self.log_choose(m, x) + self.yes[node, x] + self.no[node, m - x] - self.all[node, m]

    def log_at_all_nodes(self, m: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior (c, g) at every node of counts x (k, c) among m, without binomial coefficients."""
        code, places = np.unique(m * len(self.log_factorial) + x, return_inverse=True)
        top, count = np.divmod(code, len(self.log_factorial))
        log = (self.yes[:, count] + self.no[:, top - count] - self.all[:, top]).T
        return sum((log[row] for row in places), np.zeros((x.shape[1], 1))) + self.log_weight

    def log_marginal(self, m: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior (c,) of counts x (k, c) among m, marginal over mean and concentration."""
        pieces = [np.empty(0)]
        for start in range(0, x.shape[1], 1000):
            piece = slice(start, start + 1000)
            pieces.append(special.logsumexp(self.log_at_all_nodes(m[:, piece], x[:, piece]), axis=1))
        return np.concatenate(pieces) + self.log_choose(m, x).sum(axis=0)


def effects(x: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return proportions and their variances; the variance is infinite for a study that the review leaves out."""
    used = (x > 0) & (x < n)
    p = np.where(used, x / n, 0.5)
    return p, np.where(used, p * (1 - p) / n, np.inf)


def pooled(p: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pool like `lib.stats.pool_proportions` by default, with studies along the first axis; 0 if no study remains.

    This is a second, faster implementation, which computes only the estimate, its standard error and tau2.
    """
    w = 1 / v
    wp = w * p
    k, s1, sp = (w > 0).sum(axis=0), w.sum(axis=0), wp.sum(axis=0)
    s2, spp = dot(w, w), dot(wp, p)
    some = k > 0
    s1 = np.where(some, s1, 1.0)
    scatter = np.where(k > 1, s1 - s2 / s1, np.inf)
    tau2 = np.maximum(spp - sp**2 / s1 - (k - 1), 0) / scatter
    w = 1 / (v + tau2)
    total = np.where(some, w.sum(axis=0), 1.0)
    return dot(w, p) / total, np.where(some, 1 / np.sqrt(total), 0.0), tau2


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sums of products along the first axis."""
    return np.einsum("i...,i...->...", a, b)


def distance_from_rate(estimate: np.ndarray, se: np.ndarray, rate: PublishedRate) -> np.ndarray:
    """Return the distance of pooled results from a published rate, in units of its rounding; they agree up to 1."""
    distance, values = np.zeros_like(estimate), (estimate, estimate - Z95 * se, estimate + Z95 * se)
    for value, published, half_unit in zip(values, rate.published, rate.half_unit, strict=True):
        if not np.isnan(published):
            np.maximum(distance, np.abs(value - published) / half_unit, out=distance)
    # Subtract a tolerance, so that floating-point errors do not count as disagreement.
    return distance - 1e-6


def distances_from_rates(block: Block, n: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the distance (rates, m) of states with n (k, m) participants and x (3, k, m) responders."""
    distance = [
        distance_from_rate(*pooled(*effects(x[rate.threshold_index][rate.included], n[rate.included]))[:2], rate)
        for rate in block.rates
    ]
    return np.array(distance).reshape(len(block.rates), n.shape[1])
