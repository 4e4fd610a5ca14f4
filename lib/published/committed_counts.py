"""Commit the imputed counts of the current data, so that a clean build need not compute them.

Belongs here: writing the files in ``imputed/``, one for each block of the data and for each block with counts withheld
that the calibration page needs (``python -m lib simulations``).
Does not belong here: reading them, which `sampler` does through the disk cache.

The name of a file is its cache key: a hash of the block (all numbers of participants, bounds and published rates), of
the number of draws and the seed, of the code that imputes, and of the versions of NumPy and SciPy. A file is used only
if its key is that of the current counts and code; otherwise the counts are computed. A test recomputes one block and
compares it with its file if the installed versions are those in ``versions.txt``.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator

import numpy as np
import scipy

from lib.caching import disk_cache
from lib.caching.safe_files import replace_if_changed
from lib.evidence import Evidence
from lib.published.count_model import Block
from lib.published.imputation import blocks
from lib.published.sampler import COMMITTED, DRAWS, cache_key, imputed_arrays
from lib.published.withholding import WITHHELD_DRAWS, withheld


def versions() -> str:
    """Return the versions of NumPy and SciPy, on which cache keys depend."""
    return f"numpy {np.__version__}\nscipy {scipy.__version__}\n"


def needed(block: Block) -> Iterator[tuple[Block, int]]:
    """Yield the blocks that the book imputes for a block of the data, each with its number of draws."""
    for one, draws in [(block, DRAWS), *((result.block, WITHHELD_DRAWS) for _, result in withheld(block))]:
        if one.rates and one.unknown.any():
            yield one, draws


def write_committed(evidence: Evidence) -> list[str]:
    """Impute what the book needs of an edition, write the files that are missing, and remove all others.

    Files whose keys are still current are not computed again. The blocks are imputed on all processors.

    Returns
    -------
    list of str
        Names of the files written or removed.
    """
    arrays_by_name: dict[str, dict[str, np.ndarray]] = {}
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for arrays_of_block in pool.map(_arrays_by_name, blocks(evidence)):
            arrays_by_name |= arrays_of_block
    present = {path.name for path in COMMITTED.glob("*.npz")}
    for name in present - arrays_by_name.keys():
        (COMMITTED / name).unlink()
    for name in arrays_by_name.keys() - present:
        disk_cache.write(COMMITTED / name, arrays_by_name[name])
    replace_if_changed(COMMITTED / "versions.txt", versions().encode())
    return sorted(present ^ arrays_by_name.keys())


def _arrays_by_name(block: Block) -> dict[str, dict[str, np.ndarray]]:
    return {f"{cache_key(one, draws)}.npz": imputed_arrays(one, draws) for one, draws in needed(block)}
