"""Compare the Markov chain with exact enumeration, on simulated reviews that are small enough for both.

Belongs here: the distance between the draws of each method and the exact probabilities of all joint counts.
Does not belong here: reviews that are too large to enumerate (`calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.published.chain_search import sample
from lib.published.enumeration import Enumeration, TooLargeError
from lib.simulations.calibration import review

CASES: tuple[dict[str, Any], ...] = tuple(
    {"studies": studies, "available": available}
    for _ in range(6)
    for studies in (3, 4, 5, 6)
    for available in (0, 1, 2)
)[3:]
"""Settings of each simulated review: number of studies, and number of studies with available counts."""
DRAWS = 400
_LEAST, _LARGEST = 9, 20
_RESAMPLED = 200


def simulate(case: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """Impute the counts of one simulated review by both methods.

    Parameters
    ----------
    case : mapping
        One of `CASES`.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    list of dict
        One row per method: studies, available, method ("exact", "chain"), solutions (number of joint counts that
        agree), reproduced (whether every rate was reproduced to its last digit), variation (total variation of the
        relative frequencies of the draws from the exact probabilities; NaN if a rate was not reproduced) and noise
        (mean total variation of independent samples with as many draws).
    """
    rng = np.random.default_rng(seed)
    while True:
        block, _ = review(rng, "own", case["studies"], available=case["available"], least=_LEAST, largest=_LARGEST)
        try:
            exact = Enumeration(block)
            events, _, chance = exact.all()
            break
        except TooLargeError:
            continue
    place = {joint.astype(int).tobytes(): i for i, joint in enumerate(events)}
    sampled = sample(block, DRAWS, rng)
    draws = {"exact": exact.draw(DRAWS, rng)[0], "chain": sampled["events"]}
    tolerance = {"exact": exact.tolerance, "chain": sampled["tolerance"]}
    rows = []
    for method, counts in draws.items():
        reproduced = [tolerance[method].get(i) for i in range(len(block.rates))] == [1] * len(block.rates)
        variation = noise = np.nan
        if reproduced and len(counts):
            at = [place[np.ascontiguousarray(joint.astype(int)).tobytes()] for joint in counts]
            variation = float(total_variation(np.bincount(at, minlength=len(chance))[None], chance)[0])
            noise = float(total_variation(rng.multinomial(len(counts), chance, size=_RESAMPLED), chance).mean())
        row = {"solutions": exact.solutions, "reproduced": reproduced, "variation": variation, "noise": noise}
        rows.append({**case, "method": method, **row})
    return rows


def total_variation(counts: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return the total variation of the frequencies in rows of counts (r, m) from probabilities (m,)."""
    return 0.5 * np.abs(counts / counts.sum(axis=1, keepdims=True) - chance).sum(axis=1)
