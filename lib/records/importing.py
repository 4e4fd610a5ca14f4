"""Add the records of files and of answers to the tables of a data folder.

Belongs here: the rows that a search adds to ``searches.csv``, ``records.csv`` and ``refused.csv``, and the folder of
raw files. Does not belong here: reading a file (`readers`), the form of values (`fitting`), and writing (`saving`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lib.caching.os_errors import describe, why_unreadable
from lib.evidence.column_types import FORMS
from lib.evidence.csv_lines import rows_of
from lib.records import readers
from lib.records.errata import erratum_changes
from lib.records.fitting import fitted, fitted_refused
from lib.records.record import Parsed, Record, Refused
from lib.records.saving import Change, hashes, refuse_faults, save
from lib.records.searching.raw_answers import RawAnswers, is_manifest

_REGISTERS = ("clinicaltrials", "ictrp", "isrctn", "clinical-trials-register", "anzctr", "drks", "chictr", "ctri")
"""Parts of the names of trial registries, which the flow of records counts apart from databases."""
_LISTED = 20
"""Largest number of refused entries and of remarks that a summary lists."""


class CannotImport(ValueError):
    """Nothing can be imported. The message says why, and what to do."""


@dataclass(frozen=True)
class Imported:
    """What an import has done with one file or answer.

    Attributes
    ----------
    name : str
        Name of the file.
    search : str
        Key of the search, which is in ``searches.csv``.
    parsed : Parsed
        The records as they were written, and the refused entries.
    is_new : bool
        False if the same file had been imported before; nothing was changed then.
    """

    name: str
    search: str
    parsed: Parsed
    is_new: bool = True

    def __str__(self) -> str:
        if not self.is_new:
            return f"{self.name}: was imported before, as search {self.search}. Nothing was changed."
        parsed = self.parsed
        lines = [
            f"{self.name}: {parsed.form}, {_count(parsed.entries, 'entry', 'entries')} = {len(parsed.records)} imported"
            f" + {len(parsed.refused)} refused, as search {self.search}."
        ]
        lines += [
            f"  refused: line {refused.line}, entry {refused.position}: {refused.reason}"
            for refused in parsed.refused[:_LISTED]
        ]
        if len(parsed.refused) > _LISTED:
            lines.append(f"  and {len(parsed.refused) - _LISTED} more refused entries, in refused.csv")
        lines += [f"  {remark}" for remark in parsed.remarks[:_LISTED]]
        if len(parsed.remarks) > _LISTED:
            lines.append(f"  and {len(parsed.remarks) - _LISTED} more remarks on values")
        return "\n".join(lines)


@dataclass(frozen=True)
class Origin:
    """Where records come from: the values of a row of ``searches.csv`` that its file or answer does not give.

    Attributes
    ----------
    source : str
        Name of the database, such as "Embase".
    date : str
        Day of the search as YYYY-MM-DD; today if empty.
    searched_by : str
        Who searched.
    found : str
        Number of records that the source stated.
    others : dict of str to str
        Values of further columns, such as platform, query, since and until.
    """

    source: str
    date: str = ""
    searched_by: str = ""
    found: str = ""
    others: dict[str, str] = field(default_factory=dict)


def import_files(folder: Path, paths: Sequence[Path], origin: Origin) -> list[Imported]:
    """Import files of bibliographic records: all of them, or none.

    Parameters
    ----------
    folder : Path
        The data folder.
    paths : sequence of Path
        The files. Each becomes a search of its own.
    origin : Origin
        Where they come from.

    Returns
    -------
    list of Imported
        What was done with each file.

    Raises
    ------
    CannotImport
        If a file cannot be read, or an option is wrong. Nothing was written then.
    DataError
        If the data folder has faults.
    SaveError
        If the tables cannot be changed.
    OSError
        If a file cannot be written.
    """
    origin = _checked(origin, len(paths))
    seen = hashes(folder)
    known = _known(folder)
    contents = _read(paths, {sha256 for sha256, search in known.items() if not search.lacking})
    taken = {search.key for search in known.values()} | _keys(folder)
    imported: list[Imported] = []
    changes: list[Change] = []
    new: list[tuple[str, Record]] = []
    for name, content, parsed in contents:
        sha256 = hashlib.sha256(content).hexdigest()
        before = known.get(sha256)
        if parsed is None or (before and not before.lacking):
            imported.append(Imported(name, before.key if before else "", parsed or Parsed(()), is_new=False))
            continue
        search = before.key if before else new_key(origin, taken)
        taken.add(search)
        known[sha256] = _Search(search, ())
        parsed = fit(parsed)
        imported.append(Imported(name, search, parsed))
        of_file = search_changes(search, parsed, origin, name=name, sha256=sha256)
        changes += [change for change in of_file if not before or change.table in before.lacking]
        new += [(record_key(search, record), record) for record in parsed.records]
    changes += erratum_changes(
        new, *(rows_of((folder / f"{name}.csv").read_bytes()) for name in ("records", "duplicates"))
    )
    for _, content, _ in contents:
        keep_raw(folder, content)
    if changes:
        del contents, content
        save(folder, changes, seen=seen)
    return imported


@dataclass(frozen=True)
class _Search:
    """A search whose file was imported: its key, and the tables that lack its rows because the import was killed."""

    key: str
    lacking: tuple[str, ...]


def _known(folder: Path) -> dict[str, _Search]:
    """Return the searches whose file is known, by its hash.

    Raises
    ------
    DataError
        If the data have faults other than those that a killed import leaves.
    """
    refuse_faults(folder, accept=lambda fault: (fault.file, fault.column) == ("searches.csv", "entries"))
    rows = {name: rows_of((folder / f"{name}.csv").read_bytes()) for name in ("searches", "records", "refused")}
    counts = {name: Counter(row["search"] for row in rows[name]) for name in ("records", "refused")}
    known = {}
    for row in rows["searches"]:
        if row["sha256"]:
            found = {name: counts[name][row["search"]] for name in counts}
            is_whole = row["entries"] in ("", str(sum(found.values())))
            lacking = () if is_whole else tuple(name for name in found if not found[name])
            known[row["sha256"]] = _Search(row["search"], lacking)
    return known


def _keys(folder: Path) -> set[str]:
    return {row["search"] for row in rows_of((folder / "searches.csv").read_bytes())}


def _read(paths: Sequence[Path], whole: Collection[str]) -> list[tuple[str, bytes, Parsed | None]]:
    """Return name, content and records of each file; no records if its hash is known.

    Raises
    ------
    CannotImport
        If any file cannot be read.
    """
    contents: list[tuple[str, bytes, Parsed | None]] = []
    faults = []
    for path in paths:
        try:
            content = _content(path)
            is_known = hashlib.sha256(content).hexdigest() in whole
            parsed = None if is_known else readers.parse(content, abstracts=False)
            if parsed and not parsed.entries:
                raise readers.ReadError("has a header, but no entries: check the export")
            contents.append((path.name, content, parsed))
        except readers.ReadError as error:
            faults.append(f"{path}: {error}")
    if faults:
        raise CannotImport("\n".join(faults))
    return contents


def _content(path: Path) -> bytes:
    if reason := why_unreadable(path):
        raise readers.ReadError(reason)
    try:
        return path.read_bytes()
    except OSError as error:
        raise readers.ReadError(f"cannot be read: {describe(error)}") from None


def _checked(origin: Origin, files: int) -> Origin:
    """Return the origin with the day filled in; raise for what ``searches.csv`` could not hold."""
    date = origin.date or dt.date.today().isoformat()
    if not FORMS["day"][0](date):
        raise CannotImport(f"date {origin.date!r}: must be {FORMS['day'][1]}")
    if origin.found and not FORMS["count"][0](origin.found):
        raise CannotImport(f"found {origin.found!r}: must be {FORMS['count'][1]}")
    if origin.found and files > 1:
        raise CannotImport("found: is the number for one file; import the files one at a time, each with its number")
    for name, value in (("source", origin.source), ("by", origin.searched_by)):
        if value and not FORMS["text"][0](value):
            raise CannotImport(f"{name} {value!r}: must be text that no spreadsheet takes for something else")
    if not _slug(origin.source):
        raise CannotImport(f"source {origin.source!r}: must be the name of a database, such as Embase")
    return Origin(origin.source, date, origin.searched_by, origin.found, origin.others)


def new_key(origin: Origin, taken: Iterable[str]) -> str:
    """Return the key of a new search: its source and day, with a number if there is such a search already.

    Examples
    --------
    >>> new_key(Origin("Web of Science", "2026-11-26"), {"web-of-science-2026-11-26"})
    'web-of-science-2026-11-26-2'
    """
    first = f"{_slug(origin.source)}-{origin.date}"
    known, number, key = set(taken), 1, first
    while key in known:
        number += 1
        key = f"{first}-{number}"
    return key


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def fit(parsed: Parsed) -> Parsed:
    """Return records whose values fit the tables; entries with none left are refused, and counted as such.

    Parameters
    ----------
    parsed : Parsed
        As a reader or a search returns it.
    """
    records: list[Record] = []
    refused = [fitted_refused(entry) for entry in parsed.refused]
    remarks = list(parsed.remarks)
    for record in parsed.records:
        entry, of_values = fitted(record)
        remarks += of_values
        if isinstance(entry, Refused):
            refused.append(fitted_refused(entry))
        else:
            records.append(entry)
    refused.sort(key=lambda entry: entry.position)
    return Parsed(tuple(records), tuple(refused), parsed.form, parsed.other_lines, tuple(remarks))


def record_key(search: str, record: Record) -> str:
    """Return the key of a record in ``records.csv``."""
    return f"{search}.{record.position}"


def search_changes(search: str, parsed: Parsed, origin: Origin, *, name: str = "", sha256: str = "") -> list[Change]:
    """Return the new rows of ``searches.csv``, ``records.csv`` and ``refused.csv`` for one file or answer.

    Parameters
    ----------
    search : str
        Key of the search, as `new_key` returns it.
    parsed : Parsed
        The records, as `fit` returns them.
    origin : Origin
        Where they come from.
    name, sha256 : str
        Name and hash of the file or answer.
    """
    row = {
        "search": search,
        "date": origin.date,
        "kind": f"{'registry' if any(name in _slug(origin.source) for name in _REGISTERS) else 'database'} search",
        "sources": origin.source,
        "found": origin.found,
        "entries": str(parsed.entries),
        "file": _file_name(name),
        "sha256": sha256,
        "searched_by": origin.searched_by,
    }
    today = dt.date.today().isoformat()
    changes = [Change("searches", values=row | origin.others)]
    for record in parsed.records:
        values = record.facts()
        values |= {
            "record": record_key(search, record),
            "search": search,
            "position": str(record.position),
            "entered": today,
        }
        changes.append(Change("records", values=values))
    for entry in parsed.refused:
        place = {"search": search, "position": str(entry.position), "line": str(entry.line)}
        changes.append(Change("refused", values=place | {"reason": entry.reason}))
    return changes


def _file_name(name: str) -> str:
    """Return a name of a file that a cell can hold: the hash, and not the name, identifies the file."""
    name = "".join(character if character.isprintable() else "?" for character in name)
    return name if FORMS["text"][0](name) else f"'{name}" if FORMS["text"][0](f"'{name}") else ""


def keep_raw(folder: Path, content: bytes) -> Path:
    """Keep a raw file or answer under its hash, outside of version control; return its path.

    Parameters
    ----------
    folder : Path
        The data folder.
    content : bytes
        The file or answer.
    """
    raw = RawAnswers(folder)
    return raw.folder / raw.keep(content)


def raw_records(folder: Path, sha256: str) -> Parsed | None:
    """Return the records of a raw file or search with abstracts; None if it is not there or cannot be read any more.

    Parameters
    ----------
    folder : Path
        The data folder.
    sha256 : str
        Hash of the file, as in ``searches.csv``.
    """
    content = RawAnswers(folder).content(sha256) if re.fullmatch("[0-9a-f]{64}", sha256) else None
    if content is None:
        return None
    if is_manifest(content):
        # The HTTP library, which searches need, is slow to import.
        from lib.records.searching.search import SearchError, contents_of

        try:
            return contents_of(folder, sha256)
        except SearchError:
            return None
    try:
        return readers.parse(content)
    except readers.ReadError:
        return None


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
