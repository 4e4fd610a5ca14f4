"""Simulate the coverage of prediction intervals: how often they contain the true rate of another study.

Belongs here: the simulation behind `lib.stats.prediction_interval` and the limit `lib.stats.ENOUGH_TO_PREDICT`.
Does not belong here: confidence intervals (`coverage`).
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import special

from lib.simulations.coverage import RATES, REVIEW_SIZES
from lib.stats import PoolingWarning, pool_proportions

STUDIES = (3, 4, 5, 6, 8, 10, 14, 19)
SPREADS = (0.3, 0.5, 1.0)
"""Standard deviations of the logits of the studies' true rates."""
SCALES = ("raw", "logit")
REVIEWS = 4000
CASES = tuple({"studies": studies, "tau": tau} for studies in STUDIES for tau in SPREADS)


def simulate(case: dict, seed: int) -> list[dict]:
    """Simulate reviews and the prediction intervals of their pooled rates.

    Parameters
    ----------
    case : dict
        One of `CASES`: number of studies and standard deviation of the logits of their true rates.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of dict
        A row for each scale (DerSimonian-Laird on raw proportions and on logits) and rate: the settings; normal and t
        (probability that another study's true rate lies in the interval with the normal quantile, and in that with
        Student's t on k - 2 degrees of freedom); zero (share of reviews with tau² = 0). Study sizes are drawn from
        `coverage.REVIEW_SIZES`. Reviews of which fewer than three studies can be pooled have no interval and are left
        out.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for rate in RATES:
        mean, tau = special.logit(rate), case["tau"]
        shape = (case["studies"], REVIEWS)
        n = np.array(REVIEW_SIZES)[rng.integers(0, len(REVIEW_SIZES), shape)]
        events = rng.binomial(n, special.expit(mean + tau * rng.standard_normal(shape)))
        for transform in SCALES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PoolingWarning)
                pooled = pool_proportions(events, n, transform=transform)
            estimate, se, tau2 = (np.asarray(value) for value in (pooled.estimate, pooled.se, pooled.tau2))
            predicted = np.asarray(pooled.k) > 2
            chances = {"t": _chance(np.asarray(pooled.pi_low), np.asarray(pooled.pi_high), mean, tau)}
            centre = estimate if transform == "raw" else special.logit(estimate)
            reach = special.ndtri(0.975) * np.sqrt(se**2 + tau2)
            low, high = (end if transform == "raw" else special.expit(end) for end in (centre - reach, centre + reach))
            chances["normal"] = _chance(low, high, mean, tau)
            rows.append(
                {
                    **case,
                    "rate": rate,
                    "transform": transform,
                    "normal": float(chances["normal"][predicted].mean()),
                    "t": float(chances["t"][predicted].mean()),
                    "zero": float((tau2[predicted] == 0).mean()),
                }
            )
    return rows


def _chance(low: np.ndarray, high: np.ndarray, mean: float, tau: float) -> np.ndarray:
    """Return the probability that a rate lies between two others if its logit is normally distributed."""
    low, high = (special.ndtr((special.logit(np.clip(end, 0.0, 1.0)) - mean) / tau) for end in (low, high))
    return high - low
