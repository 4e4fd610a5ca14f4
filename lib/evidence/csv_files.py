"""Read the files of the data folder: CSV tables as text, and the bibliography.

Belongs here: the form of the files (encoding, separators, quoting, headers), and `Fault`, which describes anything that
is wrong with the data. Does not belong here: the allowed values (`column_types`) and the consistency of rows and tables
(`rules`).
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pybtex.database import BibliographyData, parse_string
from pybtex.exceptions import PybtexError


@dataclass(frozen=True)
class Fault:
    """One fault of the data: where it is, what is wrong, and what is allowed.

    Attributes
    ----------
    file : str
        Name of the file within the data folder.
    row : int or None
        Row as a spreadsheet numbers it (the header is row 1); None for the whole file.
    column : str
        Name of the column; empty for the whole row or file.
    value : str
        The wrong value; empty if a value is missing.
    rule : str
        What is wrong, what is allowed, and what to do.

    Examples
    --------
    >>> from lib.evidence import Fault
    >>> print(Fault("arms.csv", 4, "enrolled", "many", "must be a whole number"))
    arms.csv, row 4, column enrolled: 'many': must be a whole number
    """

    file: str
    row: int | None
    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = [self.file]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column:
            place.append(f"column {self.column}")
        value = f" {self.value!r}:" if self.value else ""
        return f"{', '.join(place)}:{value} {self.rule}"


class DataError(ValueError):
    """The data folder has faults.

    Attributes
    ----------
    faults : list of Fault
        All of them.
    """

    def __init__(self, faults: list[Fault]):
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


def _decode(path: Path) -> str | Fault:
    """Return the text of a file, or the fault that prevents reading it."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Fault(path.name, None, "", "", "the file does not exist")
    except OSError as error:
        return Fault(path.name, None, "", "", f"the file cannot be read: {error.strerror}")
    if not raw.strip(b"\xef\xbb\xbf \t\r\n"):
        return Fault(path.name, None, "", "", "the file is empty")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Fault(path.name, None, "", "UTF-16", "is not allowed: save the file as CSV UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        value = re.split(rb"[,;\r\n]", raw[: error.start])[-1] + re.split(rb"[,;\r\n]", raw[error.start :])[0]
        return Fault(path.name, line, "", value.decode("latin-1").strip(), "is not UTF-8: save the file as CSV UTF-8")


def read_table(path: Path, columns: list[str]) -> tuple[pd.DataFrame, list[Fault]]:
    """Read one CSV file as text.

    Traces of spreadsheet programs are accepted and removed: a byte-order mark, CRLF line ends, blank lines, empty
    trailing columns and spaces around a value.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        The columns that it must have, in any order.

    Returns
    -------
    frame : DataFrame
        All values as stripped text, columns in the order given. The index is the row as a spreadsheet numbers it.
        Empty if the file has a fault.
    faults : list of Fault
        The faults in the form of the file or its header.
    """
    empty = pd.DataFrame(columns=columns, dtype=str)
    text = _decode(path)
    if isinstance(text, Fault):
        return empty, [text]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        records = [[value.strip() for value in record] for record in reader]
    except csv.Error as error:
        rule = f"the file is not well-formed CSV from this line on: {error}"
        return empty, [Fault(path.name, reader.line_num, "", "", rule)]
    start = next((i for i, record in enumerate(records) if any(record)), 0)
    header = records[start]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) < len(columns) and separator in "".join(header):
            rule = f"values are separated by {name}: save with commas between them"
            return empty, [Fault(path.name, 1, "", "", rule)]
    width = max((i + 1 for i, value in enumerate(header) if value), default=0)
    numbered = list(enumerate(records[start + 1 :], start=start + 2))
    beyond = f"is beyond the last of the {width} columns: put a value that contains a comma in quotation marks"
    surplus = [
        Fault(path.name, row, "", value, beyond) for row, record in numbered for value in record[width:] if value
    ]
    if surplus:
        return empty, surplus
    header = header[:width]
    faults = list(_header_faults(path.name, header, columns))
    if faults:
        return empty, faults
    rows = {row: (record + [""] * width)[:width] for row, record in numbered if any(record)}
    if not rows:
        return empty, [Fault(path.name, None, "", "", "the file has a header but no rows")]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=header, dtype=str)
    return frame[columns], []


def _header_faults(file: str, header: list[str], columns: list[str]) -> Iterator[Fault]:
    missing = [column for column in columns if column not in header]
    for name in dict.fromkeys(header):
        if not name:
            yield Fault(file, 1, "", "", "a column with values has no name in the header")
        elif header.count(name) > 1:
            yield Fault(file, 1, name, "", "the column occurs more than once")
        elif name not in columns:
            near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.7)
            if near:
                missing.remove(near[0])
                yield Fault(file, 1, "", name, f"is a misspelt header: write {near[0]!r}")
            else:
                yield Fault(file, 1, "", name, "is not a column of this table (see the data dictionary)")
    for name in missing:
        yield Fault(file, 1, name, "", "the column is missing")


def read_references(path: Path) -> tuple[BibliographyData, list[Fault]]:
    """Read the BibTeX file of references.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    references : pybtex.database.BibliographyData
        Empty if the file cannot be parsed.
    faults : list of Fault
        The fault if it cannot be parsed or has no entries.
    """
    text = _decode(path)
    if isinstance(text, Fault):
        return BibliographyData(), [text]
    try:
        references = parse_string(text, "bibtex")
    except PybtexError as error:
        return BibliographyData(), [Fault(path.name, None, "", "", f"cannot be read as BibTeX: {error}")]
    if not references.entries:
        return references, [Fault(path.name, None, "", "", "the file has no entries")]
    return references, []
