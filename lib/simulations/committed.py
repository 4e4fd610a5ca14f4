"""Read or recompute the committed results of long simulations.

Each file carries a hash of the code that computed it.

Belongs here: the list of simulations, reading their results from the folder ``results`` and refusing those of other
code (`read_results`), and computing them again (`remake`). A simulation is a module with a sequence ``CASES``
(dictionaries of settings) and a function ``simulate(case, seed)`` that returns the rows of one case.
Does not belong here: anything that depends on ``data/``.
"""

from __future__ import annotations

import concurrent.futures
import functools
import importlib
import io
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from lib.caching.code_hash import LIBRARY, code_hash
from lib.caching.safe_files import replace_if_changed

SIMULATIONS: tuple[str, ...] = (
    "calibration",
    "chain_accuracy",
    "coverage",
    "interval_coverage",
    "prediction_coverage",
    "update_rules",
)
"""Names of the modules of this room that are simulations."""
SEED = 1
"""Seed of all committed results; case number i of a simulation uses the seed ``case_seed(i)``."""
READ: set[str] = set()
"""Files of results that this process has read, relative to the folder of ``lib``."""


class OutdatedSimulation(Exception):
    """A committed result is missing or was computed by other code; the message says how to compute it again."""


def read_results(name: str) -> pd.DataFrame:
    """Return the committed results of a simulation.

    Parameters
    ----------
    name : str
        One of `SIMULATIONS`.

    Returns
    -------
    DataFrame
        The rows of all cases; the column ``case`` holds the number of the case.

    Raises
    ------
    OutdatedSimulation
        If there is no result, or if the code that computed it has changed since.
    """
    path = _path(name)
    READ.add(_relative(path))
    remedy = "run `make simulations` and commit the result"
    if not path.is_file():
        raise OutdatedSimulation(f"{_relative(path)} is missing: {remedy}")
    header, _, rows = path.read_text(encoding="utf-8").partition("\n")
    if header != _header(name):
        raise OutdatedSimulation(
            f"{_relative(path)} was computed by other code than today's lib/simulations/{name}.py and the modules that"
            f" it uses: {remedy}"
        )
    return pd.read_csv(io.StringIO(rows))


def is_current(name: str) -> bool:
    """Return whether the committed results of a simulation were computed by the current code."""
    try:
        read_results(name)
    except OutdatedSimulation:
        return False
    return True


def remake(name: str) -> None:
    """Compute the results of a simulation again, on all processors, and write them."""
    cases = importlib.import_module(f"lib.simulations.{name}").CASES
    with concurrent.futures.ProcessPoolExecutor() as pool:
        results = pool.map(functools.partial(rows_of_case, name), range(len(cases)))
        frame = pd.DataFrame([row for rows in tqdm(results, total=len(cases), desc=name) for row in rows])
    replace_if_changed(_path(name), f"{_header(name)}\n{frame.to_csv(index=False)}".encode())


def rows_of_case(name: str, at: int) -> list[dict[str, Any]]:
    """Compute the rows of case number ``at`` of a simulation."""
    module = importlib.import_module(f"lib.simulations.{name}")
    return [{"case": at, **row} for row in module.simulate(module.CASES[at], case_seed(at))]


def case_seed(at: int) -> int:
    """Return the seed of case number ``at``."""
    return 1000 * SEED + at


def _path(name: str) -> Path:
    return LIBRARY / "simulations" / "results" / f"{name}.csv"


def _relative(path: Path) -> str:
    return f"lib/{path.relative_to(LIBRARY)}"


def _header(name: str) -> str:
    return f"# seed {SEED}, code {code_hash(f'lib.simulations.{name}', LIBRARY)}"
