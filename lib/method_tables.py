"""The tables of the chapter that compares methods: one rate by each of them, and what their intervals cover.

Apart from `tables`, as one chapter needs it.
"""

from __future__ import annotations

import pandas as pd

from lib.evidence import Cell
from lib.figures import INK, REPORTED, Row, percent, span
from lib.pooling import Pooled
from lib.simulation import METHODS, RECOMMENDED, Method
from lib.tables import Table, cell_name


def counts_of(cell: Cell) -> pd.DataFrame:
    """Return every public count of a cell, of the original review and of the update."""
    return pd.concat([cell.public, cell.new], ignore_index=True)


def rows(cell: Cell) -> list[Row]:
    """Return the rows of an interval plot: the printed rate, and the public counts by each method."""
    counts = counts_of(cell)
    printed = Row("Printed", "printed", cell.estimate, cell.ci_low, cell.ci_high, f"{cell.studies:g}")
    found = [(method, method.pool(counts.events, counts.n)) for method in METHODS]
    return [printed, *(_row(method, pooled) for method, pooled in found)]


def _row(method: Method, pooled: Pooled) -> Row:
    chosen = method is RECOMMENDED
    colour = INK if chosen else REPORTED
    values = (pooled.estimate, pooled.ci_low, pooled.ci_high)
    return Row(method.name, "pooled", *values, f"{pooled.k}", colour=colour, bold=chosen)


def results(cells: list[Cell]) -> Table:
    """The public counts of several cells by every method."""
    shown, groups = [], []
    for cell in cells:
        counts = counts_of(cell)
        for method in METHODS:
            pooled = method.pool(counts.events, counts.n)
            groups.append(cell_name(cell))
            shown.append(
                {
                    "Method": method.name,
                    "Studies": str(pooled.k),
                    "Rate, % (95% CI)": span(pooled.estimate, pooled.ci_low, pooled.ci_high),
                    "Another study, %": span(float("nan"), pooled.pi_low, pooled.pi_high),
                    "τ²": f"{pooled.tau2:.4f}",
                    "I²": percent(pooled.i2),
                    "Left out": f"{int(pooled.dropped.sum()) or ''}",
                }
            )
    note = (
        "τ² is on the scale of each method, and cannot be compared between scales. Left out: studies at 0% or 100%,"
        " which the raw scale cannot weigh. Intervals are cut at 0% and 100%."
    )
    frame = pd.DataFrame(shown, index=pd.Index(groups, name="Rate"))
    return Table(frame, "Public counts by every method", note, numeric=["Studies", "Left out"], folded=True)


def covered(simulated: dict[str, pd.DataFrame], note: str) -> Table:
    """How often the 95% interval of each method holds its rate, a column a scenario of `simulation.simulate`."""
    frame = pd.DataFrame({"Method": [method.name for method in METHODS]})
    for name, found in simulated.items():
        frame[name] = [percent(value, 1) for value in found.covers]
    return Table(frame, "Intervals that hold the true rate", note, numeric=[*simulated])
