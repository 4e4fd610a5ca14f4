"""Read and check the whole data folder.

Belongs here: the order in which files are read and checked, and the faults that concern the folder as a whole. Does not
belong here: the checks themselves, which are in `csv_files`, `value_checks` and `rules`, and whether a count is the
right one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from pybtex.database import BibliographyData

from lib.caching.os_errors import describe
from lib.evidence.column_types import REFERENCE_COLUMNS
from lib.evidence.csv_files import DataError, Fault, read_table
from lib.evidence.fault_lists import limited
from lib.evidence.references import read_references
from lib.evidence.repeated_checks import hash_table, rule_faults, unless_right
from lib.evidence.rules import RULES, WARNINGS, keys
from lib.evidence.screening import with_screening
from lib.evidence.value_checks import dictionary_faults, value_faults

_META_COLUMNS = {
    "dictionary": ["table", "column", "type", "required", "key", "allowed", "refers_to", "unit", "range", "meaning"],
    "codes": ["list", "code", "meaning"],
}
"""Columns of the tables that define the allowed content of the others, and are read before them."""
MAY_BE_EMPTY = ("queries", "refused", "duplicates", "retractions")
"""Tables that need not have rows."""
_Place = tuple[str, int | None, str]
"""File, row and column of a value."""


def read_tables(folder: str | Path) -> tuple[dict[str, pd.DataFrame], BibliographyData]:
    """Read and check every table of a data folder.

    Parameters
    ----------
    folder : str or Path
        Folder with the CSV files that ``dictionary.csv`` describes, and ``references.bib``.

    Returns
    -------
    tables : dict of str to DataFrame
        Every table by name, all values as text; and ``screening``, which is assembled of some of them.
    references : pybtex.database.BibliographyData
        The bibliography.

    Raises
    ------
    DataError
        If there is any fault; it has all of them. If the dictionary or the codes have faults, no other table is read.
    """
    return read_tables_with_warnings(folder)[:2]


def read_tables_with_warnings(
    folder: str | Path,
) -> tuple[dict[str, pd.DataFrame], BibliographyData, list[Fault]]:
    """Read and check every table of a data folder, and look for what is allowed but probably a mistake.

    Parameters
    ----------
    folder : str or Path
        As in `read_tables`.

    Returns
    -------
    tables, references
        As from `read_tables`.
    warnings : list of Fault
        As from `check_with_warnings`.

    Raises
    ------
    DataError
        As in `read_tables`.
    """
    tables, references, faults, warnings = _read(folder)
    if faults:
        raise DataError(faults)
    return tables, references, warnings


def read_some_tables(
    folder: str | Path, names: Iterable[str], may_be_empty: Collection[str] = MAY_BE_EMPTY
) -> dict[str, pd.DataFrame]:
    """Read a few tables of a data folder without checking their values.

    Parameters
    ----------
    folder : str or Path
        The data folder.
    names : iterable of str
        Names of tables of the data dictionary.
    may_be_empty : collection of str
        Tables that need not have rows.

    Returns
    -------
    dict of str to DataFrame
        The tables by name, all values as text.

    Raises
    ------
    DataError
        If one of the tables or the dictionary cannot be read.
    """
    dictionary, faults = read_table(Path(folder) / "dictionary.csv", _META_COLUMNS["dictionary"])
    if faults:
        raise DataError(faults)
    tables: dict[str, pd.DataFrame] = {}
    for name in names:
        columns = list(dictionary.column[dictionary.table == name])
        tables[name], faults = read_table(Path(folder) / f"{name}.csv", columns, name in may_be_empty)
        if faults:
            raise DataError(faults)
    return tables


def _read(folder: str | Path) -> tuple[dict[str, pd.DataFrame], BibliographyData, list[Fault], list[Fault]]:
    """Return the tables that can be read, the bibliography, and all faults and warnings by file and row.

    Raises
    ------
    DataError
        If the folder does not exist, or if the dictionary or the codes have faults.
    """
    folder = Path(folder)
    _require_folder(folder)
    tables = _read_meta_tables(folder)
    dictionary, codes = tables["dictionary"], tables["codes"]
    hashes = _hash(tables)
    names = list(dict.fromkeys(dictionary.table))
    faults: list[Fault] = []
    reported: set[_Place] = set()
    for name in names:
        if name in _META_COLUMNS:
            continue
        columns = list(dictionary.column[dictionary.table == name])
        frame, file_faults = read_table(folder / f"{name}.csv", columns, name in MAY_BE_EMPTY)
        faults += limited(file_faults)
        if not file_faults:
            tables[name] = frame
            hashes[name] = hash_table(frame)
            faults_of_values = unless_right(name, hashes, value_faults(name, frame, dictionary, codes))
            faults += limited(_recorded(faults_of_values, reported))
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in names and not path.name.startswith("."):
            message = "is not in the data dictionary: describe the file there, or remove it"
            faults.append(Fault(path.name, None, "", "", message))
    tables = with_screening(tables)
    references, lines, file_faults = read_references(folder / "references.bib")
    faults += limited(file_faults)
    # Rules skip the references if these could not be read.
    known = {**tables, "references": reference_table(references, lines)} if references.entries else tables
    hashes |= _hash({name: table for name, table in known.items() if name not in hashes})
    misformed = {file.removesuffix(".csv") for file, _, _ in reported}
    for rule in RULES:
        # A value of the wrong form is one fault, whatever else it contradicts: in its place, or in another table.
        read = getattr(rule, "tables", ())
        if len(read) < 2 or misformed.isdisjoint(read):
            faults_of_rule = rule_faults(rule, known, hashes)
            faults += limited(f for f in faults_of_rule if (f.file, f.row, f.column) not in reported)
    # A warning about a row with such a value could be a consequence of it.
    checked = {name: table for name, table in known.items() if name not in misformed}
    warnings = [fault for rule in WARNINGS for fault in limited(rule_faults(rule, checked, hashes))]
    return tables, references, _in_order(faults, names), _in_order(warnings, names)


def _hash(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    return {name: hash_table(table) for name, table in tables.items()}


def _require_folder(folder: Path) -> None:
    """Raise the fault of a folder that holds no data."""
    rule = ""
    try:
        if not folder.exists():
            rule = "the data folder does not exist"
        elif not folder.is_dir():
            rule = "is a file; the data folder is expected"
        elif not any(folder.glob("*.csv")):
            rule = "the data folder has no CSV files"
    except OSError as error:
        rule = f"the data folder cannot be read: {describe(error)}"
    if rule:
        raise DataError([Fault(str(folder), None, "", "", rule)])


def _recorded(faults: Iterable[Fault], places: set[_Place]) -> Iterator[Fault]:
    """Yield faults, and add the place of each to a set."""
    for fault in faults:
        places.add((fault.file, fault.row, fault.column))
        yield fault


def _in_order(faults: list[Fault], names: list[str]) -> list[Fault]:
    """Sort faults by file, in the order of the dictionary, and by row."""
    order = {f"{name}.csv": i for i, name in enumerate(names)}
    return sorted(faults, key=lambda fault: (order.get(fault.file, len(order)), fault.row or 0))


def reference_table(references: BibliographyData, lines: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return the bibliography as a table, which rules compare with other tables.

    Parameters
    ----------
    references : pybtex.database.BibliographyData
        The bibliography.
    lines : mapping of str to int, optional
        Line of each entry by its key.

    Returns
    -------
    DataFrame
        One row for each entry: its key, and the fields of `REFERENCE_COLUMNS` (missing: ""). The index is its line;
        None if no lines are given.
    """
    rows = [
        (key, *(entry.fields.get(name, "") for name in REFERENCE_COLUMNS[1:]))
        for key, entry in references.entries.items()
    ]
    return pd.DataFrame(rows, columns=REFERENCE_COLUMNS, index=[lines[key] if lines else None for key, *_ in rows])


def _read_meta_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read and check the dictionary and the codes."""
    tables: dict[str, pd.DataFrame] = {}
    faults: list[Fault] = []
    for name, columns in _META_COLUMNS.items():
        tables[name], file_faults = read_table(folder / f"{name}.csv", columns)
        faults += limited(file_faults)
    if faults:
        raise DataError(faults)
    dictionary, codes = tables["dictionary"], tables["codes"]
    hashes = _hash(tables)
    faults += dictionary_faults(dictionary)
    if not faults:
        for name, table in tables.items():
            faults += limited(unless_right(name, hashes, value_faults(name, table, dictionary, codes)))
    if not faults:
        # A code or a column that is described twice would be reported at every value that it was to allow.
        for rule in (keys.keys_are_unique, keys.keys_exist):
            faults += limited(rule_faults(rule, tables, hashes))
    if faults:
        raise DataError(faults)
    return tables


def check(folder: str | Path) -> list[Fault]:
    """Check a data folder.

    Parameters
    ----------
    folder : str or Path
        Folder with the CSV files that ``dictionary.csv`` describes, and ``references.bib``.

    Returns
    -------
    list of Fault
        Every fault, by file and row; empty if there is none.

    Examples
    --------
    >>> from lib.evidence import check
    >>> for fault in check("no/such/folder"):
    ...     print(fault)
    no/such/folder: the data folder does not exist
    """
    return check_with_warnings(folder)[0]


def check_with_warnings(folder: str | Path) -> tuple[list[Fault], list[Fault]]:
    """Check a data folder, and look for what is allowed but probably a mistake.

    Parameters
    ----------
    folder : str or Path
        As in `check`.

    Returns
    -------
    faults : list of Fault
        As in `check`.
    warnings : list of Fault
        What a maintainer should look at; it stops nothing.
    """
    try:
        _, _, faults, warnings = _read(folder)
    except DataError as error:
        return error.faults, []
    return faults, warnings


def unstated(folder: str | Path) -> list[str]:
    """Return the settings that the owner of the review has not stated yet.

    Parameters
    ----------
    folder : str or Path
        A data folder without faults.

    Returns
    -------
    list of str
        The codes of the settings without a value, in the order of ``settings.csv``.
    """
    settings, _ = read_table(Path(folder) / "settings.csv", ["setting", "value"])
    return list(settings.setting[settings.value == ""])
