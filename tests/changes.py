"""The tables as rules read them, and changes of them: write a value, remove rows, repeat a row.

Each change returns the rows that it changed. A change of ``screening`` is one of the tables of which it is assembled.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lib.evidence.checking import read_tables, reference_table
from lib.evidence.references import read_references
from lib.evidence.screening import NAME, PARTS, origin, with_screening

Tables = dict[str, pd.DataFrame]
Change = Callable[[Tables], list[int]]
"""A function that changes the tables, each of which it copies first, and returns the numbers of the rows."""


def tables_of(folder: Path) -> Tables:
    """The tables of a data folder, and the bibliography as a table."""
    references, lines, _ = read_references(folder / "references.bib")
    return {**read_tables(folder)[0], "references": reference_table(references, lines)}


def rows_with(frame: pd.DataFrame, values: dict[str, str]) -> list[int]:
    rows = frame.index[(frame[list(values)] == pd.Series(values)).all(axis=1)]
    assert len(rows), values
    return list(rows)


def _assembled(tables: Tables, table: str) -> None:
    """Assemble ``screening`` anew if the table that was changed is one of those on which it depends."""
    if table in (NAME, *PARTS, "studies") and NAME in tables and tables.keys() >= {*PARTS}:
        tables |= with_screening(tables)


def put(table: str, column: str, value: str, every: bool = False, **where: str) -> Change:
    """Write a value into the first row with these values, or into every one; give their numbers."""

    def change(tables: Tables) -> list[int]:
        rows = rows_with(tables[table], where)[: None if every else 1]
        if table == NAME and column == "decision":
            _decide(tables, [tables["candidates"].record[row] for row in rows], value)
        else:
            places = [origin(row, column, tables) for row in rows] if table == NAME else []
            for file, row, name in places or [(table, row, column) for row in rows]:
                part = file.removesuffix(".csv")
                tables[part] = tables[part].copy()
                tables[part].loc[row, name] = value
            rows = [row for _, row, _ in places] or rows
        _assembled(tables, table)
        return rows

    return change


_STEPS = {
    "included": {"title_abstract": "include", "full_text": "include"},
    "excluded": {"title_abstract": "exclude"},
    "awaiting_full_text": {"title_abstract": "include"},
}


def _decide(tables: Tables, records: list[str], decision: str) -> None:
    """Replace the decisions about records."""
    old = tables["decisions"]
    for record in records:
        (last,) = old[old.record == record][-1:].to_dict("records")
        tables["decisions"] = tables["decisions"][tables["decisions"].record != record]
        for stage, what in _STEPS[decision].items():
            add("decisions", **{**last, "stage": stage, "decision": what})(tables)


def drop(table: str, **where: str) -> Change:
    """Remove the rows with these values; give the number of the first row of the table."""

    def change(tables: Tables) -> list[int]:
        rows = rows_with(tables[table], where)
        if table == NAME:
            records = set(tables["candidates"].record[rows])
            for part in PARTS:
                tables[part] = tables[part][~tables[part].record.isin(records)]
        else:
            tables[table] = tables[table].drop(index=rows)
        _assembled(tables, table)
        return [tables[table].index[0]]

    return change


def repeat(table: str, column: str, value: str, **where: str) -> Change:
    """Append a copy of the first row with these values, one value of it changed; give its number."""

    def change(tables: Tables) -> list[int]:
        frame = tables[table]
        row = frame.loc[rows_with(frame, where)[:1]].assign(**{column: value})
        row.index = [max(frame.index) + 1]
        tables[table] = pd.concat([frame, row])
        _assembled(tables, table)
        return list(row.index)

    return change


def add(table: str, **values: str) -> Change:
    """Append a row with these values, all others empty; give its number."""

    def change(tables: Tables) -> list[int]:
        if table == NAME:
            return _add_screened(tables, values)
        frame = tables[table]
        assert set(values) <= set(frame), values
        row = int(max(frame.index, default=1)) + 1
        new = pd.DataFrame([[values.get(column, "") for column in frame]], index=[row], columns=frame.columns)
        tables[table] = pd.concat([frame, new])
        _assembled(tables, table)
        return [row]

    return change


def _add_screened(tables: Tables, values: dict[str, str]) -> list[int]:
    """Append the record of a study, its decisions and its candidate; give the row of the candidate."""
    record = f"other.{values['study']}"
    given = {name: text for name, text in values.items() if name in tables["records"]}
    add("records", **given, record=record, kind="unknown")(tables)
    given = {name: text for name, text in values.items() if name in tables["candidates"]}
    rows = add("candidates", **given, record=record)(tables)
    steps = _STEPS[values["decision"]]
    for stage, decision in steps.items():
        common = {"record": record, "stage": stage, "reviewer": "not recorded", "role": "reviewer"}
        add("decisions", **common, decision=decision, note=values["reason"], date=values["entered"])(tables)
    return rows


def in_turn(*changes: Change) -> Change:
    """Make several changes; give the rows of the last."""
    return lambda tables: [change(tables) for change in changes][-1]
