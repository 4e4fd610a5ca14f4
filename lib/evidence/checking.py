"""Read and check the whole data folder.

Belongs here: the order in which files are read and checked, and the faults that concern the folder as a whole. Does not
belong here: the checks themselves, which are in `csv_files`, `column_types` and `rules`, and whether a count is the
right one.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pybtex.database import BibliographyData

from lib.evidence.column_types import REFERENCE_COLUMNS, dictionary_faults, reference_faults, value_faults
from lib.evidence.csv_files import DataError, Fault, read_references, read_table
from lib.evidence.rules import RULES, WARNINGS
from lib.evidence.rules.base import Rule

_META_COLUMNS = {
    "dictionary": ["table", "column", "type", "required", "key", "allowed", "refers_to", "unit", "range", "meaning"],
    "codes": ["list", "code", "meaning"],
}
"""Columns of the tables that define the allowed content of the others, and are read before them."""


def read_tables(folder: str | Path) -> tuple[dict[str, pd.DataFrame], BibliographyData]:
    """Read and check every table of a data folder.

    Parameters
    ----------
    folder : str or Path
        Folder with the CSV files that ``dictionary.csv`` describes, and ``references.bib``.

    Returns
    -------
    tables : dict of str to DataFrame
        Every table by name, all values as text.
    references : pybtex.database.BibliographyData
        The bibliography.

    Raises
    ------
    DataError
        If there is any fault; it has all of them. If the dictionary or the codes have faults, no other table is read.
    """
    tables, references, faults = _read(folder)
    if faults:
        raise DataError(faults)
    return tables, references


def _read(folder: str | Path) -> tuple[dict[str, pd.DataFrame], BibliographyData, list[Fault]]:
    """Return the tables that can be read, the bibliography, and all faults by file and row.

    Raises
    ------
    DataError
        If the folder does not exist, or if the dictionary or the codes have faults.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError([Fault(str(folder), None, "", "", "the data folder does not exist")])
    tables = _read_meta_tables(folder)
    dictionary, codes = tables["dictionary"], tables["codes"]
    names = list(dict.fromkeys(dictionary.table))
    faults: list[Fault] = []
    for name in names:
        if name in _META_COLUMNS:
            continue
        frame, file_faults = read_table(folder / f"{name}.csv", list(dictionary.column[dictionary.table == name]))
        faults += file_faults
        if not file_faults:
            tables[name] = frame
            faults += value_faults(name, frame, dictionary, codes)
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in names and not path.name.startswith("."):
            message = "is not in the data dictionary: describe the file there, or remove it"
            faults.append(Fault(path.name, None, "", "", message))
    references, file_faults = read_references(folder / "references.bib")
    faults += file_faults
    if references.entries:
        faults += reference_faults("references.bib", references)
    faults += _broken(RULES, tables, references)
    return tables, references, _in_order(faults, names)


def _broken(rules: tuple[Rule, ...], tables: dict[str, pd.DataFrame], references: BibliographyData) -> list[Fault]:
    """Return the faults that rules find in the tables and the bibliography."""
    known = {**tables, "references": reference_table(references)} if references.entries else tables
    return [fault for rule in rules for fault in rule(known)]


def _in_order(faults: list[Fault], names: list[str]) -> list[Fault]:
    """Sort faults by file, in the order of the dictionary, and by row."""
    order = {f"{name}.csv": i for i, name in enumerate(names)}
    return sorted(faults, key=lambda fault: (order.get(fault.file, len(order)), fault.row or 0))


def find_warnings(tables: dict[str, pd.DataFrame], references: BibliographyData) -> list[Fault]:
    """Return what in the tables is allowed but probably a mistake.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Tables as `read_tables` returns them; rules about others are skipped.
    references : pybtex.database.BibliographyData
        The bibliography.

    Returns
    -------
    list of Fault
        The breaches of `lib.evidence.rules.WARNINGS`, by file and row.
    """
    return _in_order(_broken(WARNINGS, tables, references), list(dict.fromkeys(tables["dictionary"].table)))


def reference_table(references: BibliographyData) -> pd.DataFrame:
    """Return the bibliography as a table, which rules compare with other tables.

    Parameters
    ----------
    references : pybtex.database.BibliographyData
        The bibliography.

    Returns
    -------
    DataFrame
        One row for each entry: its key, and the fields of `REFERENCE_COLUMNS` (missing: "").
    """
    rows = [
        (key, *(entry.fields.get(name, "") for name in REFERENCE_COLUMNS[1:]))
        for key, entry in references.entries.items()
    ]
    return pd.DataFrame(rows, columns=REFERENCE_COLUMNS)


def _read_meta_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read and check the dictionary and the codes."""
    tables: dict[str, pd.DataFrame] = {}
    faults: list[Fault] = []
    for name, columns in _META_COLUMNS.items():
        tables[name], file_faults = read_table(folder / f"{name}.csv", columns)
        faults += file_faults
    if faults:
        raise DataError(faults)
    dictionary, codes = tables["dictionary"], tables["codes"]
    faults += dictionary_faults(dictionary)
    if not faults:
        faults += [fault for name in tables for fault in value_faults(name, tables[name], dictionary, codes)]
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
        tables, references, faults = _read(folder)
    except DataError as error:
        return error.faults, []
    return faults, find_warnings(tables, references)


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
