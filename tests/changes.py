"""The tables as rules read them, and changes of them: write a value, remove rows, repeat a row.

Each change returns the rows that it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from lib.evidence.checking import read_tables, reference_table
from lib.evidence.references import read_references

Tables = dict[str, pd.DataFrame]
Change = Callable[[Tables], list[int]]
"""A function that changes the tables, each of which it copies first, and returns the numbers of the rows."""


def tables_of(folder: Path) -> Tables:
    """The tables of a data folder, and the bibliography as a table."""
    references, lines, _ = read_references(folder / "references.bib")
    return {**read_tables(folder)[0], "references": reference_table(references, lines)}


class Noted(Mapping[str, pd.DataFrame]):
    """Tables that note in ``read`` which of them were read."""

    def __init__(self, tables: Tables):
        self._tables = tables
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> pd.DataFrame:
        self.read.add(name)
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def rows_with(frame: pd.DataFrame, values: dict[str, str]) -> list[int]:
    rows = frame.index[(frame[list(values)] == pd.Series(values)).all(axis=1)]
    assert len(rows), values
    return list(rows)


def put(table: str, column: str, value: str, every: bool = False, **where: str) -> Change:
    """Write a value into the first row with these values, or into every one; give their numbers."""

    def change(tables: Tables) -> list[int]:
        frame = tables[table] = tables[table].copy()
        rows = rows_with(frame, where)[: None if every else 1]
        frame.loc[rows, column] = value
        return rows

    return change


def drop(table: str, **where: str) -> Change:
    """Remove the rows with these values; give the number of the first row of the table."""

    def change(tables: Tables) -> list[int]:
        tables[table] = tables[table].drop(index=rows_with(tables[table], where))
        return [tables[table].index[0]]

    return change


def repeat(table: str, column: str, value: str, **where: str) -> Change:
    """Append a copy of the first row with these values, one value of it changed; give its number."""

    def change(tables: Tables) -> list[int]:
        frame = tables[table]
        row = frame.loc[rows_with(frame, where)[:1]].assign(**{column: value})
        row.index = [max(frame.index) + 1]
        tables[table] = pd.concat([frame, row])
        return list(row.index)

    return change


def add(table: str, **values: str) -> Change:
    """Append a row with these values, all others empty; give its number."""

    def change(tables: Tables) -> list[int]:
        frame = tables[table]
        assert set(values) <= set(frame), values
        row = max(frame.index) + 1
        new = pd.DataFrame([[values.get(column, "") for column in frame]], index=[row], columns=frame.columns)
        tables[table] = pd.concat([frame, new])
        return [row]

    return change


def in_turn(*changes: Change) -> Change:
    """Make several changes; give the rows of the last."""
    return lambda tables: [change(tables) for change in changes][-1]
