"""Withhold available counts, and check whether imputation recovers them.

Belongs here: imputing the counts of each study from those of the others, and comparing them with the available ones.
Does not belong here: how counts are imputed (`sampler`), and blocks and their uses (`imputation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from lib.caching.progress import progress
from lib.evidence import THRESHOLDS
from lib.published.count_model import Block
from lib.published.sampler import Draws, impute

WITHHELD_DRAWS = 200
"""Number of draws of each withheld count: enough for the ends of a range of whole numbers."""


def withhold(block: Block, arm: int) -> Block:
    """Return the block as it would be if the counts of one study were not available."""
    low, high, reported = block.low.copy(), block.high.copy(), block.reported.copy()
    low[arm], high[arm], reported[arm] = 0, block.largest[arm], False
    return replace(block, low=low, high=high, reported=reported)


def withheld(block: Block) -> Iterator[tuple[int, Draws]]:
    """Withhold the available counts of each study in turn and impute them from the rest, up to the first failure.

    Yields the index of the study, and the draws that were made without its counts. If draws do not converge, they are
    the last: the remaining studies are not tried, because a chain that does not converge takes long and would fail for
    them, too. Published rates that imputed and reported counts together do not reproduce to the last digit are left
    out.
    """
    studies = np.flatnonzero(block.reported.any(axis=1)).tolist()
    tolerance = impute(block).tolerance if len(studies) else {}
    exact = tuple(rate for rate in block.rates if tolerance.get((rate.threshold, rate.group)) == 1)
    block = replace(block, rates=exact)
    for study in studies:
        draws = impute(withhold(block, study), draws=WITHHELD_DRAWS)
        yield study, draws
        if not draws.converged:
            return


def recovered(block: Block) -> pd.DataFrame:
    """Withhold the available counts of each study in turn, and compare them with those imputed from the rest.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.

    Returns
    -------
    DataFrame
        One row per count: study, label, threshold, n, events, low and high (95% range of the imputed counts), inside
        and converged. If the draws did not converge, low and high are NaN and inside is false; the remaining studies of
        that block are then not assessed either (see `withheld`).
    """
    studies = int(block.reported.any(axis=1).sum())
    imputations = progress(withheld(block), f"Withheld counts, {block.regimen}", total=studies)
    draws_by_study = {study: draws for study, draws in imputations if draws.converged}
    rows = []
    for study, t in np.argwhere(block.reported):
        low, high, converged = np.nan, np.nan, study in draws_by_study
        if converged:
            counts = draws_by_study[study].events[:, study, t]
            low, high = np.quantile(counts, [0.025, 0.975], method="closest_observation")
        events = block.low[study, t]
        names = block.arms.loc[study, ["study", "label"]]
        rows.append((*names, THRESHOLDS[t], block.n[study], events, low, high, low <= events <= high, converged))
    columns = ["study", "label", "threshold", "n", "events", "low", "high", "inside", "converged"]
    return pd.DataFrame(rows, columns=columns).astype({"inside": bool, "converged": bool})
