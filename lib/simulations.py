"""Long simulations whose results are committed, each with the hash of the code that made it.

A simulation is a module with a sequence ``CASES`` (dictionaries of settings) and a function
``simulate(case, seed)`` that returns the rows of one case. Its results depend on code alone, take minutes, and are
stored in ``lib/simulated/``: `results` reads them and refuses those made by other code, `remake` computes them again.
Nothing that depends on ``data/`` belongs here.
"""

from __future__ import annotations

import ast
import concurrent.futures
import functools
import hashlib
import importlib
import io
import tokenize
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from lib.files import replace_if_changed

SIMULATIONS: tuple[str, ...] = (
    "calibration",
    "chain_accuracy",
    "coverage",
    "interval_coverage",
    "prediction_coverage",
    "update_simulation",
)
"""The modules of ``lib`` that are simulations."""
SEED = 1
"""Seed of every committed result; case i of a simulation uses `case_seed` (i)."""
READ: set[str] = set()
"""Files of results that this process has read, relative to the folder of ``lib``."""
_LIBRARY = Path(__file__).parent
# Modules that can change no result: they store, share and read, and hold names of thresholds.
_WITHOUT_EFFECT = {"evidence", "files", "kept", "shared", "simulations", "validation"}


class OutdatedSimulation(Exception):
    """A committed result is missing, or was made by other code; the message says what to do."""


def results(name: str) -> pd.DataFrame:
    """Return the committed results of a simulation.

    Parameters
    ----------
    name : str
        One of `SIMULATIONS`.

    Returns
    -------
    DataFrame
        The rows of all cases, with the number of the case in the column ``case``.

    Raises
    ------
    OutdatedSimulation
        If there is no result, or the code that decides it has changed since.
    """
    path = _path(name)
    READ.add(f"lib/{path.relative_to(_LIBRARY)}")
    mend = "run `make simulations` and commit the result"
    if not path.is_file():
        raise OutdatedSimulation(f"lib/simulated/{path.name} is missing: {mend}")
    header, _, rows = path.read_text(encoding="utf-8").partition("\n")
    if header != _header(name):
        raise OutdatedSimulation(
            f"lib/simulated/{path.name} was made by other code than that of today's lib/{name}.py and the modules it"
            f" uses: {mend}"
        )
    return pd.read_csv(io.StringIO(rows))


def is_current(name: str) -> bool:
    """Whether the committed results of a simulation were made by today's code."""
    try:
        results(name)
    except OutdatedSimulation:
        return False
    return True


def remake(name: str) -> None:
    """Compute the results of a simulation again, on all processors, and write them."""
    cases = importlib.import_module(f"lib.{name}").CASES
    with concurrent.futures.ProcessPoolExecutor() as pool:
        found = pool.map(functools.partial(rows_of_case, name), range(len(cases)))
        frame = pd.DataFrame([row for rows in tqdm(found, total=len(cases), desc=name) for row in rows])
    replace_if_changed(_path(name), f"{_header(name)}\n{frame.to_csv(index=False)}".encode())


def rows_of_case(name: str, at: int) -> list[dict[str, Any]]:
    """Compute the rows of case number ``at`` of a simulation."""
    module = importlib.import_module(f"lib.{name}")
    return [{"case": at, **row} for row in module.simulate(module.CASES[at], case_seed(at))]


def case_seed(at: int) -> int:
    """Return the seed of case number ``at``."""
    return 1000 * SEED + at


def code_hash(name: str) -> str:
    """Return a hash of the code of a module and of those of ``lib`` that it imports, directly or not.

    Comments, docstrings and blank lines do not count, nor do modules that can change no result.
    """
    pending, sources = [name], {}
    while pending:
        module = pending.pop()
        if module in sources or module in _WITHOUT_EFFECT:
            continue
        text = (_LIBRARY / f"{module}.py").read_text(encoding="utf-8")
        sources[module] = _bare(text)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "lib":
                pending += [imported.name for imported in node.names]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib."):
                pending.append(node.module.removeprefix("lib."))
    return hashlib.sha256("\n".join(f"{module}\n{sources[module]}" for module in sorted(sources)).encode()).hexdigest()


def _bare(source: str) -> str:
    """Return source without comments, docstrings and blank lines, in a form that no version of Python changes."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    for node in ast.walk(ast.parse(source)):
        for child in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            # A string that stands alone is a docstring, of whatever it follows.
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                for at in range(child.lineno - 1, child.end_lineno):
                    lines[at] = ""
    return "\n".join(stripped for line in lines if (stripped := line.rstrip()))


def _path(name: str) -> Path:
    return _LIBRARY / "simulated" / f"{name}.csv"


def _header(name: str) -> str:
    return f"# seed {SEED}, code {code_hash(name)}"
