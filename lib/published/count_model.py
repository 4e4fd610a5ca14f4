"""The model of counts that are not available: studies, published rates, prior, and distance from what was published.

Arrays and bounds belong here; which studies and published rates they come from is decided in `imputation`, and how
counts are found that agree with the published rates in `enumeration` (exactly) and `chain` (by a Markov chain). The
method of the review is taken to be that of `pooling.pool_proportions` at its defaults: raw proportions, inverse
variance, DerSimonian-Laird; a study at 0% or 100% is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from lib.evidence import THRESHOLDS

WIDEST = 8
"""A rate that no counts reproduce within this many times its rounding is given up, and reported as such."""

CONCENTRATION, SPREAD = 4.0, 1.0
"""Prior of each step (at least 25% of all, 50% of those, 75% of those): a study's share is beta, with a mean that is
uniform and a concentration that is log-normal about the first number with this standard deviation of its
logarithm: wide enough for studies that agree and for such that do not."""

MEANS, CONCENTRATIONS = 32, 12
"""Nodes of the quadrature over the mean (Gauss-Legendre) and the concentration (Gauss-Hermite) of the prior."""

Z95 = stats.norm.ppf(0.975)


@dataclass(frozen=True)
class Claim:
    """A published rate that the counts have to reproduce.

    Attributes
    ----------
    threshold, group : str
        Which.
    of : ndarray of bool, shape (k,)
        The arms it pools.
    printed, half : ndarray, shape (3,)
        Estimate and ends of its interval as proportions, NaN for what is not compared with the counts (an end
        cut at 0% or 100%, a number that is misprinted); and half a unit of the last published digit of each.
    """

    threshold: str
    group: str
    of: np.ndarray
    printed: np.ndarray
    half: np.ndarray

    @property
    def degree(self) -> int:
        """Place of the threshold in `lib.evidence.THRESHOLDS`."""
        return THRESHOLDS.index(self.threshold)


@dataclass(frozen=True)
class Block:
    """Studies and published rates that bear on each other, and on no others.

    Attributes
    ----------
    regimen : str
        Regimen.
    groups : tuple of str
        Rows of the review's Table 3.
    arms : DataFrame
        A row a study, which the review divides as one: study, label, arms (a tuple).
    n, least, largest : ndarray, shape (k,)
        Number of participants, and the range of it that the published totals leave.
    low, high : ndarray, shape (k, 3)
        Bounds of the number of responders at 25%, 50% and 75%; equal where the count is known.
    reported : ndarray of bool, shape (k, 3)
        Which counts a report gives.
    percent : ndarray, shape (k, 3)
        A published percentage without its count, as a proportion of n; NaN: none.
    claims : tuple of Claim
        The published rates.
    shifts : ndarray, shape (s, k)
        Changes of n that keep the published totals.
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
    claims: tuple[Claim, ...]
    shifts: np.ndarray

    @property
    def unknown(self) -> np.ndarray:
        """Which counts are not known, shape (k, 3)."""
        return self.high > self.low

    def limits(self, n: np.ndarray, degree: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the counts at one threshold of studies with n (..., k) participants."""
        share = self.percent[:, degree] * n
        low = np.fmax(self.low[:, degree], np.floor(share))
        return low, np.fmin(np.minimum(self.high[:, degree], n), np.ceil(share))


class Prior:
    """The prior of counts, with its mean and concentration on the nodes of a quadrature.

    Given node g, the x responders among `of` (the participants, or the responders at the threshold below) are
    beta-binomial: log_choose(of, x) + yes[g, x] + no[g, of - x] - all[g, of].

    Parameters
    ----------
    largest : int
        Largest number of participants.
    """

    def __init__(self, largest: int):
        mean, mean_weight = np.polynomial.legendre.leggauss(MEANS)
        z, z_weight = np.polynomial.hermite_e.hermegauss(CONCENTRATIONS)
        mean, size = (np.ravel(g) for g in np.meshgrid((mean + 1) / 2, CONCENTRATION * np.exp(SPREAD * z)))
        self.mean, self.size = mean, size
        self.log_weight = np.log(np.outer(z_weight / z_weight.sum(), mean_weight / 2).ravel())
        x = np.arange(largest + 1.0)
        a, b, s = (of[:, None] for of in (mean * size, (1 - mean) * size, size))
        self.yes, self.no, self.all = (special.gammaln(x + of) - special.gammaln(of) for of in (a, b, s))
        self.log_factorial = special.gammaln(x + 1)

    def log_choose(self, of: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the logarithm of the binomial coefficient of whole numbers, -inf where x is not within 0 and of."""
        f, valid = self.log_factorial, (x >= 0) & (x <= of)
        x = np.where(valid, x, 0)
        return np.where(valid, f[of] - f[x] - f[of - x], -np.inf)

    def log_of_one(self, node: np.ndarray, of: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior of single counts x among `of`, given the nodes."""
        return self.log_choose(of, x) + self.yes[node, x] + self.no[node, of - x] - self.all[node, of]

    def log_at_nodes(self, of: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior (m, g) at each node of the counts x (k, m) among `of`, without binomial coefficients."""
        code, places = np.unique(of * len(self.log_factorial) + x, return_inverse=True)
        top, count = np.divmod(code, len(self.log_factorial))
        of_one = (self.yes[:, count] + self.no[:, top - count] - self.all[:, top]).T
        return sum((of_one[row] for row in places), np.zeros((x.shape[1], 1))) + self.log_weight

    def log_marginal(self, of: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior (m,) of the counts x (k, m) among `of`, marginal over mean and concentration."""
        pieces = [np.empty(0)]
        for at in range(0, x.shape[1], 1000):
            piece = slice(at, at + 1000)
            pieces.append(special.logsumexp(self.log_at_nodes(of[:, piece], x[:, piece]), axis=1))
        return np.concatenate(pieces) + self.log_choose(of, x).sum(axis=0)


def effects(x: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return proportions and their variances, infinite where the review leaves a study out."""
    used = (x > 0) & (x < n)
    p = np.where(used, x / n, 0.5)
    return p, np.where(used, p * (1 - p) / n, np.inf)


def pooled(p: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pool as `pooling.pool_proportions` does by default, studies along the first axis; 0 where none is left.

    A second implementation for speed, of the estimate, its standard error and tau2 only.
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


def distance(estimate: np.ndarray, se: np.ndarray, claim: Claim) -> np.ndarray:
    """Return how far pooled results are from a published rate, in units of its rounding: at most 1 is agreement."""
    off, values = np.zeros_like(estimate), (estimate, estimate - Z95 * se, estimate + Z95 * se)
    for value, printed, half in zip(values, claim.printed, claim.half, strict=True):
        if not np.isnan(printed):
            np.maximum(off, np.abs(value - printed) / half, out=off)
    # The last digits of floating point are not a disagreement.
    return off - 1e-6


def distances(block: Block, n: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the distance (claims, m) of states with n (k, m) participants and x (3, k, m) responders."""
    off = [distance(*pooled(*effects(x[c.degree][c.of], n[c.of]))[:2], c) for c in block.claims]
    return np.array(off).reshape(len(block.claims), n.shape[1])
