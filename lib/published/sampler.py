"""Counts that are not available, imputed so that they agree with the published rates.

What is imputed is possible, not reported. This module chooses the method: a block that is small enough is enumerated
(`enumeration`), a larger one is sampled by a Markov chain (`chain`). The model is in `count_model`; which studies and
published rates a block consists of is decided in `imputation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lib.caching.disk_cache import recall
from lib.evidence import THRESHOLDS
from lib.published.chain import compare_populations, sample
from lib.published.count_model import Block
from lib.published.enumeration import Enumeration, TooLargeError

GOOD_RHAT = 1.2
"""Largest ratio of total to within-population spread at which the draws count as converged (see
`chain.compare_populations`)."""


@dataclass(frozen=True)
class Draws:
    """Imputed counts that agree with the published rates.

    Attributes
    ----------
    block : Block
        What they were drawn for.
    events : ndarray, shape (d, k, 3)
        Numbers of responders at 25%, 50% and 75%.
    n : ndarray, shape (d, k)
        Numbers of participants.
    within : dict of (threshold, group) to float
        How near the draws come to each published rate, in units of its rounding: 1 is to the last published digit;
        NaN: given up, as no counts were found near it.
    rhat : float
        Largest ratio of total to within-population spread among the unknown rates; 1 where all counts were tried.
    solutions : int
        Number of joint counts that agree, where all counts were tried; 0 where they were sampled by a Markov chain.
    exact : bool
        Whether all counts were tried.
    """

    block: Block = field(repr=False)
    events: np.ndarray = field(repr=False)
    n: np.ndarray = field(repr=False)
    within: dict[tuple[str, str], float]
    rhat: float
    solutions: int = 0
    exact: bool = False

    @property
    def converged(self) -> bool:
        """Whether there are draws, and the populations agree."""
        return len(self.events) > 0 and self.rhat <= GOOD_RHAT

    def ranges(self, threshold: str, level: float = 0.95) -> pd.DataFrame:
        """Return the range of rates that is compatible with the published ones, a row a study without a count.

        Returns
        -------
        DataFrame
            study, arms, low and high, as proportions; no rows where the draws did not converge.
        """
        if not self.converged:
            return pd.DataFrame(columns=["study", "arms", "low", "high"])
        at = THRESHOLDS.index(threshold)
        rates = self.events[:, :, at] / self.n
        low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2], axis=0, method="closest_observation")
        return self.block.arms[["study", "arms"]].assign(low=low, high=high)[self.block.unknown[:, at]]


def impute(block: Block, *, draws: int = 400, seed: int = 1) -> Draws:
    """Impute the unknown counts of a block so that they agree with the published rates.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.
    draws : int
        Number of draws.
    seed : int
        Seed: the same block and seed give the same draws.

    Returns
    -------
    Draws
        Joint counts in which every published rate that was not given up is reproduced within its tolerance; none
        where nothing is unknown or nothing is published. `Draws.converged` says whether they can be used.

    Raises
    ------
    ValueError
        If fewer than one draw is asked for.

    Notes
    -----
    The prior of each step (at least 25% of all, 50% of those, 75% of those) is beta-binomial, with unknowns that are
    integrated out on the nodes of a quadrature (`count_model.Prior`). A block of which all counts can be tried is
    enumerated: the draws are independent and follow that prior given the published rates. Larger blocks are sampled
    by a Markov chain, with an accuracy that `lib.simulations.calibration` and the tests against enumeration measure.

    Draws are stored for the next call with the same arguments (`lib.caching.disk_cache`).
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    if not block.claims or not block.unknown.any():
        none = _named(block, {})
        return Draws(block, np.empty((0, len(block.n), 3)), np.empty((0, len(block.n))), none, np.inf)
    found = recall(__name__, lambda: _find(block, draws, seed), draws, seed, *_content(block))
    within = dict(enumerate(found["within"]))
    exact, solutions = bool(found["exact"]), int(found["solutions"])
    rhat = float(found["rhat"])
    return Draws(block, found["events"], found["n"], _named(block, within), rhat, solutions, exact)


def _find(block: Block, draws: int, seed: int) -> dict:
    """Impute counts by the method that fits the block, and return what `Draws` holds beside it."""
    rng = np.random.default_rng(seed)
    try:
        found = Enumeration(block)
    except TooLargeError:
        sampled = sample(block, draws, rng)
        events, n, tolerance = sampled["events"], sampled["n"], sampled["tolerance"]
        rhat = compare_populations(sampled["state"], (events / n[:, :, None])[:, block.unknown])
        exact, solutions = False, 0
    else:
        tolerance, exact, solutions = found.tolerance, True, found.solutions
        events, n = (
            found.draw(draws, rng) if tolerance else (np.empty((0, len(block.n), 3)), np.empty((0, len(block.n))))
        )
        rhat = 1.0 if tolerance else np.inf
    within = [tolerance.get(i, np.nan) for i in range(len(block.claims))]
    return {"events": events, "n": n, "within": within, "rhat": rhat, "solutions": solutions, "exact": exact}


def _content(block: Block) -> list:
    """Return all of a block that decides its draws."""
    content = [block.regimen, block.groups, block.n, block.least, block.largest, block.low, block.high, block.percent]
    for claim in block.claims:
        content += [claim.threshold, claim.group, claim.of, claim.printed, claim.half]
    return [*content, block.shifts]


def _named(block: Block, within: dict[int, float]) -> dict[tuple[str, str], float]:
    return {(c.threshold, c.group): float(within.get(i, np.nan)) for i, c in enumerate(block.claims)}
