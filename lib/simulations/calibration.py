"""Simulate how often the range of imputed counts contains the true count.

Belongs here: simulated reviews whose counts are known. Their pooled rates are rounded as a journal would publish them;
most of their counts are withheld, and imputed from the rest. The rates of the studies follow the prior of the
imputation or another distribution.
Does not belong here: the comparison with exact enumeration (`chain_accuracy`), and the withholding of counts of the
2019 review itself (`lib.published.withholding.recovered`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from lib.evidence import THRESHOLDS
from lib.published import Block, impute
from lib.published.count_model import CONCENTRATION, SPREAD, Z95, PublishedRate, effects, pooled

PRIORS = ("own", "logit-normal", "wide", "narrow", "identical")
"""Distributions of the rates of the studies of a review: beta as in the imputation; normal on the logit scale with a
standard deviation of 0.8, 1.6 or 0.3; and identical rates in all studies."""
STUDIES = (3, 5, 8, 12, 20)
"""Numbers of studies."""
CASES: tuple[dict[str, Any], ...] = tuple(
    {"prior": prior, "studies": studies} for _, studies, prior in product(range(8), STUDIES, PRIORS)
)
"""Settings of each simulated review."""
_LOGIT_SD = {"logit-normal": 0.8, "wide": 1.6, "narrow": 0.3, "identical": 0.0}
_DRAWS = 200


def simulate(case: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """Simulate one review and impute its withheld counts.

    Parameters
    ----------
    case : mapping
        One of `CASES`: prior, studies.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    list of dict
        One row: prior, studies, exact (whether all counts were tried), converged, reproduced (whether every rate was
        reproduced to the last digit), withheld (number of counts) and covered (how many of them are within their 95%
        range; NaN if the chain did not converge).

    Notes
    -----
    If the rates follow the prior of the imputation and the sampler is correct, 95% of the counts are covered on average
    (Cook, Gelman & Rubin 2006, doi:10.1198/106186006X136976), or slightly more because a range of whole numbers covers
    at least 95%.
    """
    rng = np.random.default_rng(seed)
    block, truth = review(rng, case["prior"], case["studies"], available=min(2, case["studies"] - 2))
    draws = impute(block, draws=_DRAWS, seed=seed)
    covered = np.nan
    if draws.converged:
        low, high = np.quantile(draws.events, [0.025, 0.975], axis=0, method="closest_observation")
        covered = int(((truth >= low) & (truth <= high))[block.unknown].sum())
    reproduced = all(tolerance == 1 for tolerance in draws.tolerance.values())
    row = {"exact": draws.exact, "converged": draws.converged, "reproduced": reproduced}
    return [{**case, **row, "withheld": int(block.unknown.sum()), "covered": covered}]


def review(
    rng: np.random.Generator, prior: str, studies: int, *, available: int, least: int = 12, largest: int = 60
) -> tuple[Block, np.ndarray]:
    """Simulate a review whose rates can all be pooled.

    Parameters
    ----------
    rng : numpy Generator
        The source of random numbers.
    prior : str
        One of `PRIORS`.
    studies, available : int
        Number of studies, and number of studies whose counts are available.
    least, largest : int
        Smallest and largest number of participants of a study.

    Returns
    -------
    Block
        The review as it would be published.
    ndarray, shape (k, 3)
        The true counts.
    """
    while True:
        n = rng.integers(least, largest + 1, size=studies).astype(float)
        counts, top = [], n
        for _ in THRESHOLDS:
            top = rng.binomial(top.astype(int), _rates(rng, prior, studies)).astype(float)
            counts.append(top)
        truth = np.stack(counts, axis=1)
        if (((truth > 0) & (truth < n[:, None])).sum(axis=0) >= 2).all():
            return as_published(truth, n, available), truth


def _rates(rng: np.random.Generator, prior: str, studies: int) -> np.ndarray:
    """Return the true rates of the studies at one threshold, among the responders at the threshold below."""
    if prior == "own":
        mean, size = rng.uniform(), np.exp(rng.normal(np.log(CONCENTRATION), SPREAD))
        return rng.beta(mean * size, (1 - mean) * size, size=studies)
    return special.expit(special.logit(rng.uniform(0.1, 0.9)) + _LOGIT_SD[prior] * rng.standard_normal(studies))


def as_published(truth: np.ndarray, n: np.ndarray, available: int) -> Block:
    """Return a review with its pooled rates rounded to a tenth of a percent and the counts of the first studies only.

    A limit of an interval that is published as 0% or 100% is not compared with the counts.
    """
    all_studies, half_unit = np.ones(len(n), dtype=bool), 0.0005
    rates = []
    for threshold, x in zip(THRESHOLDS, truth.T, strict=True):
        (estimate,), (se,), _ = pooled(*effects(x[:, None], n[:, None]))
        published = np.clip(np.round([estimate, estimate - Z95 * se, estimate + Z95 * se], 3), 0, 1)
        ends = published[1:]
        ends[(ends - half_unit <= 0) | (ends + half_unit >= 1)] = np.nan
        rates.append(PublishedRate(threshold, "total", all_studies, published, np.full(3, half_unit)))
    low, high = np.zeros(truth.shape), np.repeat(n[:, None], 3, axis=1)
    low[:available] = high[:available] = truth[:available]
    reported = np.repeat(np.arange(len(n))[:, None] < available, 3, axis=1)
    names = [f"simulated{i}" for i in range(len(n))]
    arms = pd.DataFrame({"study": names, "label": names, "arms": [("",)] * len(n)})
    no_percentages = np.full(truth.shape, np.nan)
    shifts = np.empty((0, len(n)))
    return Block("simulated", ("total",), arms, n, n, n, low, high, reported, no_percentages, tuple(rates), shifts)
