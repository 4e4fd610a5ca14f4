"""Read the CSV files of the data folder as text.

Belongs here: the form of the files (encoding, separators, quoting, headers), and `Fault`, which describes anything that
is wrong with the data. Does not belong here: the allowed values (`value_checks`), the bibliography (`references`), and
the consistency of rows and tables (`rules`).
"""

from __future__ import annotations

import codecs
import csv
import difflib
import functools
import io
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

import pandas as pd

from lib.caching.os_errors import describe, why_unreadable


@dataclass(frozen=True)
class Fault:
    """One fault of the data: where it is, what is wrong, and what is allowed.

    Attributes
    ----------
    file : str
        Name of the file within the data folder.
    row : int or None
        Row as a spreadsheet numbers it (the header is row 1), or line of the bibliography; None for the whole file.
    column : str
        Name of the column, or key and field of a reference; empty for the whole row or file.
    value : str
        The wrong value; empty if a value is missing. A message shows its first 80 characters.
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
        line, field = ("line", "entry") if self.file.endswith(".bib") else ("row", "column")
        # The name of a file need not be valid Unicode.
        place = [self.file.encode("utf-8", "backslashreplace").decode()]
        if self.row is not None:
            place.append(f"{line} {self.row}")
        if self.column:
            place.append(f"{field} {shortened(self.column)}")
        value = f" {shortened(self.value)!r}:" if self.value else ""
        return f"{', '.join(place)}:{value} {self.rule}"


def shortened(value: str) -> str:
    """Return a value as a message shows it: at most 80 characters, the last of them an ellipsis if there are more.

    Examples
    --------
    >>> len(shortened("long " * 1000))
    80
    """
    return value if len(value) <= 80 else f"{value[:79]}…"


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


_LONGEST = 1_000_000
"""Largest number of characters of one row. A longer one is a sign of an open quotation mark, or of no table."""
_BUDGET = 500_000_000
"""Largest estimated memory of the values of one table, in bytes: about a million rows. In 2026, no table has 300."""
_BLOCK = 1 << 20
_LARGEST_CACHED = 200_000
"""Largest size of a file whose content is cached, in bytes."""
_OTHER_FORMATS = (
    (b"PK\x03\x04", "is a workbook (xlsx, ods) or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "is an old workbook (xls)"),
    (b"\x1f\x8b", "is a compressed file (gzip)"),
    (b"%PDF", "is a PDF document"),
    (b"{\\rtf", "is a word processor's document (RTF)"),
    (b"\x89PNG", "is a picture"),
    (b"<!doctype", "is a web page"),
    (b"<html", "is a web page"),
    (b"<?xml", "is an XML document"),
    (b"version https://git-lfs", "is a pointer of Git LFS and not the file itself"),
)
"""First bytes of files that are not tables but were saved, downloaded or renamed as one; compared in lower case."""
MERGE_MARKS = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")
"""Beginnings of the lines that git inserts where two versions of a file conflict."""
MERGE_RULE = "is a mark of an unresolved merge: edit the file to what it should be, and remove the marks"


class _NotATable(Exception):
    """Reading a table was abandoned; the argument of the exception is the fault."""


def file_fault(path: Path) -> Fault | None:
    """Return the fault that prevents reading a file as UTF-8 text; None if there is none.

    The file is read in blocks, so that a large one needs no more memory. Only a regular file is opened, because a named
    pipe would block.

    Parameters
    ----------
    path : Path
        A CSV or BibTeX file.
    """
    reason = why_unreadable(path)
    if reason:
        return Fault(path.name, None, "", "", reason)
    try:
        with path.open("rb") as file:
            return _content_fault(path.name, file)
    except OSError as error:
        return Fault(path.name, None, "", "", f"cannot be read: {describe(error)}")


def other_format(start: bytes) -> str:
    r"""Return what a file is, judged by its first bytes, if it is not a table but, say, a workbook; else empty.

    Examples
    --------
    >>> other_format(b"%PDF-1.7"), other_format(b"study,arm\n")
    ('is a PDF document', '')
    """
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for magic, kind in _OTHER_FORMATS if start.startswith(magic.lower())), "")


def _content_fault(name: str, file: BinaryIO) -> Fault | None:
    form = "BibTeX in UTF-8" if name.endswith(".bib") else "CSV UTF-8"
    start = file.read(64)
    if kind := other_format(start):
        return Fault(name, None, "", "", f"{kind}: save it as {form}")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Fault(name, None, "", "UTF-16", f"is not allowed: save the file as {form}")
    file.seek(0)
    decoder, line, empty = codecs.getincrementaldecoder("utf-8")(), 1, True
    while True:
        block = file.read(_BLOCK)
        if b"\0" in block:
            line += block.count(b"\n", 0, block.index(b"\0"))
            return Fault(name, line, "", "", f"has NUL bytes, so it is not UTF-8 text: save it as {form}")
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += block.count(b"\n", 0, error.start)
            before, after = error.object[: error.start], error.object[error.start :]
            value = re.split(rb"[,;\r\n]", before)[-1] + re.split(rb"[,;\r\n]", after)[0]
            rule = f"is not UTF-8: save the file as {form}"
            return Fault(name, line, "", value.decode("latin-1").strip(), rule)
        if not block:
            break
        empty = empty and not block.strip(b"\xef\xbb\xbf \t\r\n")
        line += block.count(b"\n")
    if empty:
        return Fault(name, None, "", "", "the file is empty")
    return None


class _Rows:
    """The rows of a CSV file one after another, with spaces around values removed.

    Attributes
    ----------
    file : str
        Name of the file.
    number : int
        Number of the last row, as a spreadsheet counts; blank rows count.
    """

    def __init__(self, name: str, file: TextIO):
        self.file, self.number, self._lines_of, self._length = name, 0, file, 0
        self._reader = csv.reader(self._lines(), strict=True)

    def _lines(self) -> Iterator[str]:
        while line := self._lines_of.readline(_LONGEST):
            self._length += len(line)
            if self._length >= _LONGEST:
                raise csv.Error(f"the row has more than {_LONGEST:,} characters")
            yield line

    def __iter__(self) -> Iterator[list[str]]:
        for record in self._reader:
            self.number, self._length = self.number + 1, 0
            yield [_tidy(value) for value in record]

    def fault(self, error: csv.Error) -> Fault:
        """Return the fault of the row after the last one that was read."""
        return Fault(
            self.file,
            self.number + 1,
            "",
            "",
            "the quotation marks do not balance from this row on: put a value with a comma or a quotation mark in"
            f" quotation marks, and double those inside it ({error})",
        )


def _tidy(value: str) -> str:
    value = value.strip()
    if value.isascii():
        return value.replace("\r\n", "\n") if "\r" in value else value
    return unicodedata.normalize("NFC", value.replace("\r\n", "\n"))


def read_table(path: Path, columns: list[str], may_be_empty: bool = False) -> tuple[pd.DataFrame, list[Fault]]:
    """Read one CSV file as text.

    Traces of spreadsheet programs are accepted and removed: a byte-order mark, CRLF line ends, blank lines, empty
    trailing columns, spaces around a value, and letters that are written as two characters (Unicode NFD).

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        The columns that it must have, in any order.
    may_be_empty : bool
        Whether a header without rows is allowed.

    Returns
    -------
    frame : DataFrame
        All values as stripped text, columns in the order given. The index is the row as a spreadsheet numbers it.
        Empty if the file has a fault.
    faults : list of Fault
        The faults in the form of the file or its header.
    """
    fault = file_fault(path)
    if fault:
        return _no_rows(columns), [fault]
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.stat().st_size > _LARGEST_CACHED:
            return _read_rows(path.name, file, columns, may_be_empty)
        frame, faults = _read_text(path.name, file.read(), tuple(columns), may_be_empty)
    return frame.copy(), [*faults]


# A check reads all tables, of which one or two have changed since the last one.
@functools.lru_cache(maxsize=128)
def _read_text(
    name: str, text: str, columns: tuple[str, ...], may_be_empty: bool
) -> tuple[pd.DataFrame, tuple[Fault, ...]]:
    frame, faults = _read_rows(name, io.StringIO(text, newline=""), [*columns], may_be_empty)
    return frame, tuple(faults)


def _no_rows(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=columns, dtype=str)


def _read_rows(name: str, file: TextIO, columns: list[str], may_be_empty: bool) -> tuple[pd.DataFrame, list[Fault]]:
    """Return what `read_table` returns for an open file."""
    empty = _no_rows(columns)
    rows = _Rows(name, file)
    try:
        header = next((record for record in rows if any(record)), [])
        if not header:
            return empty, [Fault(name, None, "", "", "the file is empty: it has rows, but no values")]
        if faults := list(_first_row_faults(name, rows.number, header, columns)):
            return empty, faults
        width = max((i + 1 for i, value in enumerate(header) if value), default=0)
        body = _read_body(rows, width)
    except csv.Error as error:
        return empty, [rows.fault(error)]
    except _NotATable as error:
        return empty, [error.args[0]]
    header = header[:width]
    faults = list(_header_faults(name, header, columns, body))
    if faults:
        return empty, faults
    if body.surplus:
        return empty, body.surplus
    if not body.numbers and not may_be_empty:
        return empty, [Fault(name, None, "", "", "the file has a header but no rows")]
    frame = pd.DataFrame(dict(zip(header, body.columns, strict=True)), index=body.numbers, dtype=str)
    return frame[columns], []


@dataclass
class _Body:
    """What follows the header: the values by column, the numbers of the rows, and values beyond the last column."""

    columns: list[list[str]]
    numbers: list[int]
    surplus: list[Fault]
    surplus_at: Counter[int]


def _read_body(rows: _Rows, width: int) -> _Body:
    """Read the rows after the header; equal values share memory."""
    body = _Body([[] for _ in range(width)], [], [], Counter())
    known: dict[str, str] = {}
    cost = 0
    beyond = f"is beyond the last of the {width} columns: put a value that contains a comma in quotation marks"
    for record in rows:
        if not any(record):
            continue
        if record[0].startswith(MERGE_MARKS):
            raise _NotATable(Fault(rows.file, rows.number, "", record[0], MERGE_RULE))
        for at, value in enumerate(record[width:], start=width):
            if value:
                body.surplus_at[at] += 1
                if len(body.surplus) < 1000:
                    body.surplus.append(Fault(rows.file, rows.number, "", value, beyond))
        before = len(known)
        if before < 1_000_000:
            record = [known.setdefault(value, value) for value in record]
        for column, value in itertools.zip_longest(body.columns, record[:width], fillvalue=""):
            column.append(value)  # type: ignore[union-attr]
        body.numbers.append(rows.number)
        # Estimate the memory: each value takes a pointer in the list and one in the frame; a value that was not seen
        # before also takes its text and an entry in `known`.
        new = len(known) - before if before < 1_000_000 else width
        cost += 16 * width + (150 * new + sum(map(len, record)) if new else 0)
        if cost > _BUDGET:
            rule = (
                f"the file has too many values to be checked: more than {rows.number:,} rows, where a table of this"
                " review has hundreds. Is it the right file?"
            )
            raise _NotATable(Fault(rows.file, None, "", "", rule))
    return body


def _first_row_faults(file: str, number: int, header: list[str], columns: list[str]) -> Iterator[Fault]:
    """Yield a fault if the first row is not a header of this table at all."""
    if header[0].startswith(MERGE_MARKS):
        yield Fault(file, number, "", header[0], MERGE_RULE)
        return
    if header[0].lower().startswith("sep=") and not any(header[1:]):
        yield Fault(file, number, "", header[0], "is an instruction for a spreadsheet, not a header: remove this line")
        return

    def known(names: list[str]) -> int:
        return len({name.strip(" \"'").lower() for name in names} & {*columns})

    line = ",".join(header)
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"), (" ", "spaces")):
        if known(line.split(separator)) > max(known(header), len(columns) / 2):
            yield Fault(file, number, "", "", f"values are separated by {name}: save with commas between them")
            return
    if not known(header) and not any(difflib.get_close_matches(name.lower(), columns, cutoff=0.7) for name in header):
        rule = f"is not the header: the first row must have the names of the columns: {','.join(columns)}"
        yield Fault(file, number, "", line, rule)


def _header_faults(file: str, header: list[str], columns: list[str], body: _Body) -> Iterator[Fault]:
    missing = [column for column in columns if column not in header]
    for name in dict.fromkeys(header):
        if name and header.count(name) > 1:
            other = f": name one of them {missing.pop(0)!r}" if len(missing) == 1 else ": each needs its own"
            yield Fault(file, 1, "", name, f"is the name of more than one column{other}")
        elif name and name not in columns:
            nearest = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.7)
            if nearest:
                missing.remove(nearest[0])
                yield Fault(file, 1, "", name, f"is a misspelt header: write {nearest[0]!r}")
            else:
                yield Fault(file, 1, "", name, "is not a column of this table (see the data dictionary)")
    unnamed = [at for at, name in enumerate(header) if not name]
    # Values beyond the header in most rows are a column without a name; in a few rows they come from unquoted commas.
    half = len(body.numbers) / 2
    unnamed += [at for at, count in sorted(body.surplus_at.items()) if count > half or (missing and at == len(header))]
    for at in unnamed:
        name = f": name it {missing[0]!r}" if len(missing) == 1 else ": name it, or remove it"
        yield Fault(file, 1, "", "", f"column {_letters(at)} has values, but no name in the header{name}")
    for name in missing[len(unnamed) :]:
        yield Fault(file, 1, name, "", "the column is missing")


def _letters(at: int) -> str:
    """Return the letters by which a spreadsheet names a column, from its position.

    >>> _letters(0), _letters(27)
    ('A', 'AB')
    """
    return (_letters(at // 26 - 1) if at > 25 else "") + chr(65 + at % 26)
