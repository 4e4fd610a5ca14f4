"""Import files that databases export: add their records to the tables of a data folder.

Belongs here: the rows that a file or a search adds to ``searches.csv``, ``records.csv`` and ``refused.csv``, and the
records of raw files. Does not belong here: reading a file (`readers`), the form of values (`fitting`), and writing
(`saving`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.caching.os_errors import describe, why_unreadable
from lib.evidence.column_types import FORMS
from lib.evidence.csv_lines import rows_of
from lib.records import readers
from lib.records.errata import erratum_changes
from lib.records.fitting import fit
from lib.records.record import Parsed, Record
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
            f"{self.name}: {parsed.form}, {parsed.entries} {'entry' if parsed.entries == 1 else 'entries'}"
            f" = {len(parsed.records)} imported + {len(parsed.refused)} refused, as search {self.search}."
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
    earlier_by_hash = _earlier_imports(folder)
    files = _read(paths, {sha256 for sha256, earlier in earlier_by_hash.items() if not earlier.lacking})
    keys = {row["search"] for row in _rows(folder, "searches")}
    imported: list[Imported] = []
    changes: list[Change] = []
    new_records: list[tuple[str, Record]] = []
    for name, content, parsed in files:
        sha256 = hashlib.sha256(content).hexdigest()
        earlier = earlier_by_hash.get(sha256)
        if earlier and not earlier.lacking:
            imported.append(Imported(name, earlier.search, parsed, is_new=False))
            continue
        search = earlier.search if earlier else new_key(origin, keys)
        keys.add(search)
        # The same file can be named twice.
        earlier_by_hash[sha256] = _Import(search)
        parsed = fit(parsed)
        imported.append(Imported(name, search, parsed))
        changes_of_file = search_changes(search, parsed, origin, name=name, sha256=sha256)
        changes += [change for change in changes_of_file if not earlier or change.table in earlier.lacking]
        new_records += [(record_key(search, record), record) for record in parsed.records]
    changes += erratum_changes(new_records, _rows(folder, "records"), _rows(folder, "duplicates"))
    raw = RawAnswers(folder)
    for _, content, _ in files:
        raw.keep(content)
    if changes:
        # Saving takes much memory, and the files can be large.
        del files, content
        save(folder, changes, seen=seen)
    return imported


@dataclass(frozen=True)
class _Import:
    """An import of a file: the key of its search, and the tables that lack its rows because the import was killed."""

    search: str
    lacking: tuple[str, ...] = ()


def _earlier_imports(folder: Path) -> dict[str, _Import]:
    """Return the imports that the tables have, by the hash of the file.

    Raises
    ------
    DataError
        If the data have faults other than those that a killed import leaves.
    """
    # After a killed import, `entries` disagrees with the rows.
    refuse_faults(folder, accept=lambda fault: (fault.file, fault.column) == ("searches.csv", "entries"))
    totals = {table: Counter(row["search"] for row in _rows(folder, table)) for table in ("records", "refused")}
    imports = {}
    for row in _rows(folder, "searches"):
        if row["sha256"]:
            entries = {table: total[row["search"]] for table, total in totals.items()}
            is_whole = row["entries"] in ("", str(sum(entries.values())))
            missing_tables = () if is_whole else tuple(table for table, number in entries.items() if not number)
            imports[row["sha256"]] = _Import(row["search"], missing_tables)
    return imports


def _rows(folder: Path, table: str) -> Iterator[dict[str, str]]:
    return rows_of((folder / f"{table}.csv").read_bytes())


def _read(paths: Sequence[Path], known_hashes: Collection[str]) -> list[tuple[str, bytes, Parsed]]:
    """Return name, content and records of each file; no records if its hash is known.

    Raises
    ------
    CannotImport
        If any file cannot be read.
    """
    files, faults = [], []
    for path in paths:
        try:
            content = _content(path)
            is_known = hashlib.sha256(content).hexdigest() in known_hashes
            parsed = Parsed(()) if is_known else readers.parse(content, abstracts=False)
            if not is_known and not parsed.entries:
                raise readers.ReadError("has a header, but no entries: check the export")
            files.append((path.name, content, parsed))
        except readers.ReadError as error:
            faults.append(f"{path}: {error}")
    if faults:
        raise CannotImport("\n".join(faults))
    return files


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
    return replace(origin, date=date)


def new_key(origin: Origin, keys: Collection[str]) -> str:
    """Return the key of a new search: its source and day, with a number if there is such a search already.

    Examples
    --------
    >>> new_key(Origin("Web of Science", "2026-11-26"), {"web-of-science-2026-11-26"})
    'web-of-science-2026-11-26-2'
    """
    first = f"{_slug(origin.source)}-{origin.date}"
    numbered = (f"{first}-{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain([first], numbered) if key not in keys)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


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
    kind = "registry" if any(register in _slug(origin.source) for register in _REGISTERS) else "database"
    row = {
        "search": search,
        "date": origin.date,
        "kind": f"{kind} search",
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
        place = {"record": record_key(search, record), "search": search, "position": str(record.position)}
        changes.append(Change("records", values={**record.facts(), **place, "entered": today}))
    for entry in parsed.refused:
        place = {"search": search, "position": str(entry.position), "line": str(entry.line)}
        changes.append(Change("refused", values={**place, "reason": entry.reason}))
    return changes


def _file_name(name: str) -> str:
    """Return a name of a file that a cell can hold: the hash, and not the name, identifies the file."""
    name = "".join(character if character.isprintable() else "?" for character in name)
    return name if FORMS["text"][0](name) else f"'{name}" if FORMS["text"][0](f"'{name}") else ""


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
