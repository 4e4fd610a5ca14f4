"""Write a finished search into the tables; repeated after an interruption, it writes no row twice.

Belongs here: entries as records and refused entries, and the rows that the tables lack. Does not belong here: fetching
(`fetching`), the form of the rows (`lib.records.importing`), and the changing of files (`lib.records.saving`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lib.evidence.checking import read_some_tables
from lib.records.errata import erratum_changes
from lib.records.fitting import fit
from lib.records.record import Parsed, Record, Refused
from lib.records.saving import Change, save
from lib.records.searching.answers import Entry

_KEYS = {"searches": ("search",), "records": ("record",), "refused": ("search", "position")}
"""Key columns of the tables that a search adds to. A killed process may have written one table and not another."""


def parsed(entries: list[Entry]) -> Parsed:
    """Return the entries of a search as records and refused entries, numbered from 1, whose values fit the tables.

    Examples
    --------
    >>> from lib.records.record import Record
    >>> parsed([Entry("1", Record(1, title="Made-up trial 17")), Entry("2", reason="has no DOI")]).refused
    (Refused(position=2, line=0, reason='has no DOI', last_line=0),)
    """
    numbered = list(enumerate(entries, start=1))
    records = tuple(replace(entry.record, position=at) for at, entry in numbered if entry.record is not None)
    refused = tuple(Refused(at, 0, entry.reason) for at, entry in numbered if entry.record is None)
    return fit(Parsed(records, refused))


def write(folder: Path, changes: Iterable[Change], records: Sequence[tuple[str, Record]]) -> None:
    """Add the rows that the tables do not have yet, and links of errata: to all tables, or to none.

    Parameters
    ----------
    folder : Path
        The data folder.
    changes : iterable of Change
        The rows of the search.
    records : sequence of (str, Record)
        Its records by their keys.

    Raises
    ------
    lib.records.saving.SaveError
        If the tables would have faults.
    """
    names = (*_KEYS, "duplicates")
    tables = read_some_tables(folder, names, may_be_empty=names)
    present = {
        name: set(tables[name][list(columns)].itertuples(index=False, name=None)) for name, columns in _KEYS.items()
    }
    new = []
    for change in changes:
        values = change.values or {}
        if tuple(values[column] for column in _KEYS[change.table]) not in present[change.table]:
            new.append(change)
    new += erratum_changes(records, tables["records"].to_dict("records"), tables["duplicates"].to_dict("records"))
    save(folder, new)
