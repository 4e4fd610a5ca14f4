"""Simulate the coverage of confidence intervals of a pooled proportion, by each method that the book compares.

Belongs here: the methods, and how often the 95% interval of each contains what the method estimates.
Does not belong here: intervals of comparisons (`interval_coverage`) and prediction intervals (`prediction_coverage`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import special

from lib.stats import Pooled, PoolingWarning, pool_proportions

REVIEW_SIZES = (20, 15, 22, 12, 19, 20, 30, 19, 14, 60, 30, 30, 20, 31, 38, 26, 40, 30, 44)
"""Participants of the studies behind the 2019 review's monotherapy rates, as derived from its Table 2."""
FEW_SIZES = (22, 19, 15, 30, 31)
"""Sizes similar to those of the review's studies with available responder counts."""
SIZES = {"review": REVIEW_SIZES, "few": FEW_SIZES}
RATES = (0.55, 0.385, 0.181)
"""The review's monotherapy rates of at least 25%, 50% and 75% repigmentation."""
SPREADS = (0.0, 0.5, 1.0)
"""Standard deviations of the logits of the studies' true rates."""
REVIEWS = 2000
CASES = tuple({"sizes": name, "rate": rate, "tau": tau} for name in SIZES for rate in RATES for tau in SPREADS)


@dataclass(frozen=True)
class Method:
    """A method of pooling proportions: its name, and its options of `lib.stats.pool_proportions`."""

    name: str
    transform: str
    tau2: str
    ci: str

    def pool(self, events, n) -> Pooled:
        """Pool proportions; an analysis that cannot be pooled gives NaN, without a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PoolingWarning)
            return pool_proportions(events, n, transform=self.transform, tau2=self.tau2, ci=self.ci)

    def intervals(self, events, n, fits: dict[str, Pooled]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the estimates of many analyses and the limits of their intervals.

        The logistic model takes longer than all other methods together. Its fit is therefore stored in ``fits``, and
        used for both of its intervals.
        """
        if self.transform != "glmm":
            pooled = self.pool(events, n)
            return np.asarray(pooled.estimate), np.asarray(pooled.ci_low), np.asarray(pooled.ci_high)
        if self.transform not in fits:
            fits[self.transform] = self.pool(events, n)
        pooled = fits[self.transform]
        df = pooled.k - 1 if self.ci == "t" else np.inf
        middle, reach = special.logit(pooled.estimate), special.stdtrit(df, 0.975) * pooled.se
        return np.asarray(pooled.estimate), special.expit(middle - reach), special.expit(middle + reach)


METHODS = (
    Method("Raw, DL: the review's", "raw", "DL", "normal"),
    Method("Raw, REML, HK", "raw", "REML", "hksj"),
    Method("Logit, DL", "logit", "DL", "normal"),
    Method("Logit, PM, HK", "logit", "PM", "hksj"),
    Method("Logit, REML, HK", "logit", "REML", "hksj"),
    Method("Arcsine, REML, HK", "arcsine", "REML", "hksj"),
    Method("Double arcsine, REML, HK", "double-arcsine", "REML", "hksj"),
    Method("Logistic model, normal", "glmm", "ML", "normal"),
    Method("Logistic model, t", "glmm", "ML", "t"),
)
RECOMMENDED = METHODS[-1]
"""The binomial likelihood needs no continuity correction and leaves no study out (Stijnen, Hamza & Ozdemir 2010,
doi:10.1002/sim.4040); with Student's t its interval allows for the number of studies."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


def true_rate(transform: str, mean: float, tau: float) -> float:
    """Return the true value of a method's estimate if the logits of the studies' rates are normal.

    Parameters
    ----------
    transform : str
        Scale of the method; the mean over studies depends on it.
    mean, tau : float
        Mean and standard deviation of the logits.

    Returns
    -------
    float
        The mean rate for "raw", the rate at the mean logit for "logit" and "glmm", and the rate at the mean arcsine for
        both arcsine scales, by Gauss-Hermite quadrature.
    """
    rates = special.expit(mean + tau * _NODES)
    weights = _WEIGHTS / _WEIGHTS.sum()
    if transform == "raw":
        return float(weights @ rates)
    if transform in ("logit", "glmm"):
        return float(special.expit(mean))
    return float(np.sin(weights @ np.arcsin(np.sqrt(rates))) ** 2)


def simulate(case: dict, seed: int) -> list[dict]:
    """Simulate reviews of one case and pool each by every method.

    Parameters
    ----------
    case : dict
        One of `CASES`: name of the study sizes, rate at the mean of the studies' logits, and their standard deviation.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of dict
        As in `simulate_reviews`, with the settings of the case in each row.
    """
    return [{**case, **row} for row in simulate_reviews(SIZES[case["sizes"]], case["rate"], case["tau"], seed=seed)]


def simulate_reviews(sizes, rate: float, tau: float, *, seed: int) -> list[dict]:
    """Simulate `REVIEWS` reviews at given study sizes and pool each by every method.

    Parameters
    ----------
    sizes : array_like, shape (k,)
        Participants of the studies.
    rate, tau : float
        Rate at the mean of the studies' logits, and their standard deviation.
    seed : int
        Seed of the random numbers; the same seed gives the same results.

    Returns
    -------
    list of dict
        A row for each method: method, covers (share of the reviews whose interval contains the `true_rate` of its
        scale; an interval that cannot be computed counts as one that does not), width (median width), off (bias: mean
        of estimate less true rate), none (share of reviews that the method could not pool).

    Raises
    ------
    ValueError
        If the rate is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie between 0 and 1, not {rate!r}")
    sizes, mean = np.asarray(sizes, dtype=int), float(special.logit(rate))
    rng = np.random.default_rng(seed)
    rates = special.expit(mean + tau * rng.standard_normal((len(sizes), REVIEWS)))
    n = np.broadcast_to(sizes[:, None], rates.shape)
    events = rng.binomial(n, rates)
    rows: list[dict] = []
    fits: dict[str, Pooled] = {}
    for method in METHODS:
        truth = true_rate(method.transform, mean, tau)
        estimate, low, high = method.intervals(events, n, fits)
        rows.append(
            {
                "method": method.name,
                "covers": float(np.mean((low <= truth) & (truth <= high))),
                "width": float(np.nanmedian(high - low)),
                "off": float(np.nanmean(estimate) - truth),
                "none": float(np.mean(np.isnan(estimate))),
            }
        )
    return rows
