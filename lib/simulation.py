"""What an interval really covers: reviews simulated at given study sizes, pooled by each method.

Knows the methods that the book compares for a pooled proportion, and how often the 95% interval of each holds what it
is an interval of. Knows arrays; which study sizes and rates they are, the chapter says.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from lib.heterogeneity import PoolingWarning
from lib.kept import recall
from lib.pooling import Pooled, pool_proportions


@dataclass(frozen=True)
class Method:
    """A way to pool proportions: its name, and the options of `pooling.pool_proportions`."""

    name: str
    transform: str
    tau2: str
    ci: str

    def pool(self, events, n) -> Pooled:
        """Pool proportions; what cannot be pooled is NaN, without a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PoolingWarning)
            return pool_proportions(events, n, transform=self.transform, tau2=self.tau2, ci=self.ci)

    def intervals(self, events, n, fits: dict[str, Pooled]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return estimates and the ends of their intervals, of many analyses; ``fits`` is for the next method's use.

        The logistic model takes longer than all else, and its two intervals are of one fit.
        """
        if self.transform != "glmm":
            pooled = self.pool(events, n)
            return pooled.estimate, pooled.ci_low, pooled.ci_high
        if self.transform not in fits:
            fits[self.transform] = self.pool(events, n)
        pooled = fits[self.transform]
        df = pooled.k - 1 if self.ci == "hksj" else np.inf
        middle, reach = special.logit(pooled.estimate), special.stdtrit(df, 0.975) * pooled.se
        return pooled.estimate, special.expit(middle - reach), special.expit(middle + reach)


METHODS = (
    Method("Raw, DL: the review's", "raw", "DL", "normal"),
    Method("Raw, REML, HK", "raw", "REML", "hksj"),
    Method("Logit, DL", "logit", "DL", "normal"),
    Method("Logit, PM, HK", "logit", "PM", "hksj"),
    Method("Logit, REML, HK", "logit", "REML", "hksj"),
    Method("Arcsine, REML, HK", "arcsine", "REML", "hksj"),
    Method("Double arcsine, REML, HK", "double-arcsine", "REML", "hksj"),
    Method("Logistic model, normal", "glmm", "ML", "normal"),
    Method("Logistic model, t", "glmm", "ML", "hksj"),
)
RECOMMENDED = METHODS[-1]
"""The binomial likelihood needs no continuity correction and leaves no study out (Stijnen, Hamza & Ozdemir 2010,
doi:10.1002/sim.4040); with Student's t its interval counts how few the studies are."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


def true_rate(transform: str, mean: float, tau: float) -> float:
    """Return what a method estimates where the logits of the studies' rates are normal.

    Parameters
    ----------
    transform : str
        Scale of the method: on each, the mean over studies is another number.
    mean, tau : float
        Mean and standard deviation of the logits.

    Returns
    -------
    float
        Mean rate for "raw", the rate at the mean logit for "logit" and "glmm", and that at the mean arcsine for both
        arcsines, by Gauss-Hermite quadrature.
    """
    rates = special.expit(mean + tau * _NODES)
    weights = _WEIGHTS / _WEIGHTS.sum()
    if transform == "raw":
        return float(weights @ rates)
    if transform in ("logit", "glmm"):
        return float(special.expit(mean))
    return float(np.sin(weights @ np.arcsin(np.sqrt(rates))) ** 2)


def reviews_for(sizes) -> int:
    """Return how many reviews to simulate at these study sizes: 2,000, and of very many studies fewer, at least 200."""
    return int(np.clip(40_000 // len(sizes), 200, 2000))


def simulate(
    sizes,
    rate: float,
    tau: float,
    *,
    methods: Sequence[Method] = METHODS,
    reviews: int,
    seed: int = 1,
) -> pd.DataFrame:
    """Simulate reviews and pool each by every method.

    Parameters
    ----------
    sizes : array_like, shape (k,)
        Participants of the studies.
    rate, tau : float
        Rate at the mean of the studies' logits, and their standard deviation.
    methods : sequence of Method
        What is compared.
    reviews : int
        Number of simulated reviews.
    seed : int
        Seed: the same input gives the same numbers.

    Returns
    -------
    DataFrame
        A row a method: method, covers (share of the intervals that hold `true_rate` of its scale; one that could not
        be computed does not), width (median width), off (mean of estimate less true rate), none (share of reviews
        that it could not pool). It is kept for who asks for the same (`lib.kept`).

    Raises
    ------
    ValueError
        If the rate is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie between 0 and 1, not {rate!r}")
    sizes = np.asarray(sizes, dtype=int)

    def find() -> dict[str, np.ndarray]:
        rows = _simulate(sizes, float(special.logit(rate)), tau, methods, reviews, seed)
        return dict(zip(_FOUND, np.array(rows, dtype=float).T, strict=True))

    found = recall(__name__, find, sizes, float(rate), float(tau), tuple(methods), reviews, seed)
    return pd.DataFrame({"method": [method.name for method in methods], **{name: found[name] for name in _FOUND}})


_FOUND = ("covers", "width", "off", "none")


def _simulate(sizes, mean: float, tau: float, methods, reviews: int, seed: int) -> list[tuple]:
    """Return a row of `_FOUND` for each method."""
    chance = np.random.default_rng(seed)
    rates = special.expit(mean + tau * chance.standard_normal((len(sizes), reviews)))
    n = np.broadcast_to(sizes[:, None], rates.shape)
    events = chance.binomial(n, rates)
    rows, fits = [], {}
    for method in methods:
        truth = true_rate(method.transform, mean, tau)
        estimate, low, high = method.intervals(events, n, fits)
        covers = np.mean((low <= truth) & (truth <= high))
        rows.append((covers, np.nanmedian(high - low), np.nanmean(estimate) - truth, np.mean(np.isnan(estimate))))
    return rows
