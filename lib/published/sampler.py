"""Impute unavailable counts so that they agree with the published rates.

Belongs here: the choice of the method (a block that is small enough is enumerated, a larger one is sampled by a Markov
chain), the imputed counts with what is known of their quality (`Draws`), and their cache.
Does not belong here: the methods (`enumeration`, `chain_search`), and which studies and published rates a block
consists of (`imputation`). Imputed counts are possible, not reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from lib.caching.disk_cache import cached, key
from lib.evidence import THRESHOLDS
from lib.published.chain_search import compare_populations, sample
from lib.published.count_model import Block
from lib.published.enumeration import Enumeration, TooLargeError

DRAWS = 400
"""Default number of draws of a block."""
SEED = 1
"""Default seed, which committed results have."""
COMMITTED = Path(__file__).parent / "imputed"
"""Folder of committed results; each file is named by its cache key (`committed_counts` writes them)."""
GOOD_RHAT = 1.2
"""Largest R-hat (ratio of total to within-population spread) at which the draws count as converged (see
`chain_search.compare_populations`)."""


@dataclass(frozen=True)
class Draws:
    """Imputed counts that agree with the published rates.

    Attributes
    ----------
    block : Block
        The block whose counts were imputed.
    events : ndarray, shape (d, k, 3)
        Numbers of responders at 25%, 50% and 75%.
    n : ndarray, shape (d, k)
        Numbers of participants.
    tolerance : dict of (threshold, group) to float
        Units of rounding within which every draw reproduces each published rate. 1 means to the last published digit;
        NaN means that no counts near the rate were found.
    rhat : float
        Largest R-hat (ratio of total to within-population spread) of the unknown rates; 1 if all counts were tried.
    solutions : int
        Number of joint counts that agree if all counts were tried; 0 if they were sampled by a Markov chain.
    exact : bool
        Whether all counts were tried.
    """

    block: Block = field(repr=False)
    events: np.ndarray = field(repr=False)
    n: np.ndarray = field(repr=False)
    tolerance: dict[tuple[str, str], float]
    rhat: float
    solutions: int = 0
    exact: bool = False

    @property
    def converged(self) -> bool:
        """Whether there are draws and the populations of the chain agree."""
        return len(self.events) > 0 and self.rhat <= GOOD_RHAT

    def ranges(self, threshold: str) -> pd.DataFrame:
        """Return the range that holds 95% of the rates drawn, one row per study without a count.

        Returns
        -------
        DataFrame
            study, arms, low and high, as proportions; no rows if the draws did not converge.
        """
        if not self.converged:
            return pd.DataFrame(columns=["study", "arms", "low", "high"])
        t = THRESHOLDS.index(threshold)
        rates = self.events[:, :, t] / self.n
        low, high = np.quantile(rates, [0.025, 0.975], axis=0, method="closest_observation")
        return self.block.arms[["study", "arms"]].assign(low=low, high=high)[self.block.unknown[:, t]]


def impute(block: Block, *, draws: int = DRAWS, seed: int = SEED) -> Draws:
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
        Joint counts that reproduce every published rate within its tolerance, except for rates that were given up; no
        draws if no count is unknown or no rate is published. Use them only if `Draws.converged` is true.

    Raises
    ------
    ValueError
        If ``draws`` is below 1.

    Notes
    -----
    The prior of each step (at least 25% of all, 50% of those, 75% of those) is beta-binomial, with unknowns that are
    integrated out on the nodes of a quadrature (`count_model.Prior`). A block of which all counts can be tried is
    enumerated: the draws are independent and follow that prior given the published rates. Larger blocks are sampled
    by a Markov chain, with an accuracy that `lib.simulations.calibration` and the tests against enumeration measure.

    Draws are stored for the next call with the same arguments (`lib.caching.disk_cache`). Those of the current data are
    also part of the library (`committed_counts`): they are used only where their cache key is that of the block and of
    today's code.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    if not block.rates or not block.unknown.any():
        events, n = _no_draws(block)
        return Draws(block, events, n, _by_rate(block, {}), np.inf)
    stored = imputed_arrays(block, draws, seed)
    return Draws(
        block,
        stored["events"].astype(float),
        stored["n"].astype(float),
        _by_rate(block, dict(enumerate(stored["tolerance"]))),
        rhat=float(stored["rhat"]),
        solutions=int(stored["solutions"]),
        exact=bool(stored["exact"]),
    )


def imputed_arrays(block: Block, draws: int, seed: int = SEED) -> dict[str, np.ndarray]:
    """Return the fields of `Draws` other than the block, from the cache if they are in it."""
    key_parts = (draws, seed, *_content(block))
    return cached(__name__, lambda: _impute(block, draws, seed), *key_parts, committed=COMMITTED)


def cache_key(block: Block, draws: int) -> str:
    """Return the cache key of counts imputed with the default seed: a hash of the block and of the code."""
    return key(__name__, draws, SEED, *_content(block))


def _impute(block: Block, draws: int, seed: int) -> dict:
    """Impute counts by the method that fits the block, and return the fields of `Draws` other than the block."""
    rng = np.random.default_rng(seed)
    exact, solutions, rhat = False, 0, np.inf
    try:
        enumeration = Enumeration(block)
    except TooLargeError:
        sampled = sample(block, draws, rng)
        events, n, tolerance = sampled["events"], sampled["n"], sampled["tolerance"]
        rhat = compare_populations(sampled["state"], (events / n[:, :, None])[:, block.unknown])
    else:
        exact, tolerance, solutions = True, enumeration.tolerance, enumeration.solutions
        events, n = enumeration.draw(draws, rng) if tolerance else _no_draws(block)
        rhat = 1.0 if tolerance else np.inf
    # Use the smallest type that holds the whole numbers exactly, because the results are stored.
    smallest = np.min_scalar_type(int(block.largest.max()))
    return {
        "events": events.astype(smallest),
        "n": n.astype(smallest),
        "tolerance": [tolerance.get(i, np.nan) for i in range(len(block.rates))],
        "rhat": rhat,
        "solutions": solutions,
        "exact": exact,
    }


def _no_draws(block: Block) -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, len(block.n), 3)), np.empty((0, len(block.n)))


def _content(block: Block) -> list:
    """Return everything in a block that determines its draws."""
    content = [block.regimen, block.groups, block.n, block.least, block.largest, block.low, block.high, block.percent]
    for rate in block.rates:
        content += [rate.threshold, rate.group, rate.included, rate.published, rate.half_unit]
    return [*content, block.shifts]


def _by_rate(block: Block, tolerance: dict[int, float]) -> dict[tuple[str, str], float]:
    return {(rate.threshold, rate.group): float(tolerance.get(i, np.nan)) for i, rate in enumerate(block.rates)}
