"""Write a finished search into the tables: its row, its records, and the entries that were refused.

Belongs here: how an entry becomes a row, and writing that can be repeated after a break without doubling a row. Does
not belong here: fetching (`fetching`), and the changing of files (`lib.records.saving`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lib.evidence.csv_files import DataError, read_table
from lib.records.fitting import fitted, fitted_refused
from lib.records.record import FACTS, Parsed, Record, Refused
from lib.records.saving import Change, save
from lib.records.searching.answers import Entry

Row = dict[str, str]
_KEYS = {"searches": ("search",), "records": ("record",), "refused": ("search", "position")}
"""Columns by which the rows of a search are told apart. A killed process may have written one table and not another."""


def parsed(entries: list[Entry]) -> Parsed:
    """Return the entries of a search as records and refused entries, numbered from 1.

    Examples
    --------
    >>> parsed([Entry("1", Record(1, title="Made-up trial 17")), Entry("2", reason="has no DOI")]).refused
    (Refused(position=2, line=0, reason='has no DOI', last_line=0),)
    """
    records: list[Record] = []
    refused: list[Refused] = []
    remarks: list[str] = []
    for position, entry in enumerate(entries, start=1):
        if entry.record is None:
            refused.append(fitted_refused(Refused(position, 0, entry.reason)))
            continue
        fits, changed = fitted(replace(entry.record, position=position))
        remarks += changed
        if isinstance(fits, Record):
            records.append(fits)
        else:
            refused.append(fits)
    return Parsed(tuple(records), tuple(refused), remarks=tuple(remarks))


def rows_of(search: Row, contents: Parsed, entered: str) -> dict[str, list[Row]]:
    """Return the rows of a search by table.

    Parameters
    ----------
    search : dict of str to str
        The row of ``searches.csv``, without the number of entries.
    contents : Parsed
        What the search found.
    entered : str
        Day of entry as YYYY-MM-DD.
    """
    key = search["search"]
    return {
        "searches": [search | {"entries": str(contents.entries)}],
        "records": [
            {"record": f"{key}.{r.position}", "search": key, "position": str(r.position), "entered": entered}
            | {name: getattr(r, name) for name in FACTS}
            for r in contents.records
        ],
        "refused": [
            {"search": key, "position": str(r.position), "line": str(r.line), "reason": r.reason}
            for r in contents.refused
        ],
    }


def write(folder: Path, rows: Mapping[str, list[Row]]) -> None:
    """Add the rows that the tables do not have yet: to all tables, or to none.

    Raises
    ------
    lib.records.saving.SaveError
        If the tables would have faults.
    """
    changes = []
    for table, wanted in rows.items():
        columns = _KEYS[table]
        present = {tuple(row[column] for column in columns) for row in table_rows(folder, table)}
        changes += [
            Change(table, values=row) for row in wanted if tuple(row[column] for column in columns) not in present
        ]
    save(folder, changes)


def table_rows(folder: Path, table: str) -> list[Row]:
    """Return the rows of a table as text, by column.

    Raises
    ------
    DataError
        If the file is no table of that kind.
    """
    described = csv.DictReader(io.StringIO((folder / "dictionary.csv").read_text(encoding="utf-8-sig"), newline=""))
    columns = [row["column"] for row in described if row["table"] == table]
    frame, faults = read_table(folder / f"{table}.csv", columns, may_be_empty=True)
    if faults:
        raise DataError(faults)
    rows: list[Row] = frame.to_dict("records")
    return rows
