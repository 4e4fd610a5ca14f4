"""Change several tables of a data folder at once: all of them, or none.

Belongs here: the only function by which records, decisions and extracted data are written, and why a change is
refused. Does not belong here: which rows change, and the rules that the tables must satisfy (`lib.evidence.rules`).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.caching.folder_lock import folder_lock
from lib.caching.safe_files import replace_all
from lib.evidence.checking import check
from lib.evidence.csv_files import DataError, Fault
from lib.evidence.csv_lines import header_of, with_changed_rows, with_rows, with_text
from lib.evidence.rules.retractions import awaits_decision


@dataclass(frozen=True, slots=True)
class Change:
    """A row to add, to replace or to delete.

    Attributes
    ----------
    table : str
        Name of the table, such as "decisions".
    key : mapping of str to str or None
        Values by which the present row is found; exactly one row must have them all. None: a row is added.
    values : mapping of str to str or None
        Values of the row by column; a column that is not named stays as it is, and is empty in a new row. None: the
        row is deleted.

    Examples
    --------
    >>> added = Change("decisions", values={"record": "made_up.1", "reviewer": "A. Reviewer"})
    >>> deleted = Change("decisions", key={"record": "made_up.1", "reviewer": "A. Reviewer"})
    """

    table: str
    key: Mapping[str, str] | None = None
    values: Mapping[str, str] | None = None


_Key = tuple[tuple[str, str], ...]
"""Columns and values by which a row is found."""


class SaveError(ValueError):
    """A change cannot be saved; nothing was written. The message says why, and what to do."""


class Changed(SaveError):
    """A file was changed since the caller read it.

    Attributes
    ----------
    files : list of str
        Names of the files.
    """

    def __init__(self, files: list[str]):
        self.files = files
        super().__init__(
            f"{', '.join(files)}: changed since this was opened. Nothing was written: look at the file as it is now, "
            "and make the change again"
        )


class SaveFaults(SaveError, DataError):
    """The tables would have faults that they do not have now.

    Attributes
    ----------
    faults : list of Fault
        The new faults.
    """


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every table and of the bibliography, by name of the file: what a caller has seen.

    Parameters
    ----------
    folder : Path
        A data folder.
    """
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data_files(folder)}


def save(
    folder: Path,
    changes: Iterable[Change],
    *,
    seen: Mapping[str, str] | None = None,
    reference: str = "",
    timeout: float = 600,
    accept: Callable[[Fault], bool] = lambda fault: False,
) -> list[Path]:
    """Add, replace and delete rows of several tables: all of them, or none.

    Other lines of the files keep every byte. The lock of builds is held meanwhile, so that no build reads one table
    before and another after the change.

    Parameters
    ----------
    folder : Path
        The data folder. The lock is that of the folder ``_build`` beside it.
    changes : iterable of Change
        The changes, which are made in this order.
    seen : mapping of str to str, optional
        Hashes of files, by name, as `hashes` returned them when the caller read the tables.
    reference : str
        An entry to add to ``references.bib``.
    timeout : float
        Seconds to wait for a build that is at work.
    accept : callable
        Whether the change may bring a fault: one that only says that a person has to decide about the new row.

    Returns
    -------
    list of Path
        The files that were written; empty if the changes change nothing.

    Raises
    ------
    Changed
        If a file of ``seen`` has another content now.
    SaveFaults
        If the tables would have faults that they do not have now.
    SaveError
        If a table or a row does not exist, or a build is at work for too long.
    OSError
        If a file cannot be read or written.
    """
    build = folder.absolute().parent / "_build"
    build.mkdir(exist_ok=True)
    try:
        with folder_lock(build, timeout):
            now = hashes(folder) if seen else {}
            if changed := sorted(name for name, sha256 in (seen or {}).items() if now.get(name) != sha256):
                raise Changed(changed)
            contents = new_contents(folder, changes, reference)
            if not contents:
                return []
            if faults := [fault for fault in new_faults(folder, contents) if not accept(fault)]:
                raise SaveFaults(faults)
            replace_all(contents)
            return list(contents)
    except TimeoutError as error:
        raise SaveError(f"{error}. Nothing was written: wait for its end, and try again") from None


def refuse_faults(folder: Path, accept: Callable[[Fault], bool] = lambda fault: False) -> None:
    """Refuse to go on with data that have faults; a retraction without a decision stops nothing but builds.

    Parameters
    ----------
    folder : Path
        The data folder.
    accept : callable
        Whether a fault does not matter.

    Raises
    ------
    DataError
        With the faults that matter.
    """
    if faults := [fault for fault in check(folder) if not awaits_decision(fault) and not accept(fault)]:
        raise DataError(faults)


def new_contents(folder: Path, changes: Iterable[Change], reference: str = "") -> dict[Path, bytes]:
    """Return the content that each file would have after the changes; files that stay the same are left out.

    Parameters
    ----------
    folder, changes, reference
        As in `save`.

    Raises
    ------
    SaveError
        If a table does not exist, lacks a column, or has no or more than one row with the key.
    """
    by_table: dict[str, list[Change]] = {}
    for change in changes:
        by_table.setdefault(change.table, []).append(change)
    contents = {}
    for table, changes_of_table in by_table.items():
        path = folder / f"{table}.csv"
        if not path.is_file():
            raise SaveError(f"{path.name}: there is no such table; nothing was written")
        contents[path] = _new_content(path, changes_of_table)
    if reference:
        path = folder / "references.bib"
        contents[path] = with_text(path.read_bytes(), f"\n{reference}\n")
    return {path: content for path, content in contents.items() if content != path.read_bytes()}


def _new_content(path: Path, changes: list[Change]) -> bytes:
    """Return the content of a table after some changes, made in their order with as few passes over it as can be."""
    content = path.read_bytes()
    header = header_of(content)
    added: list[Mapping[str, str]] = []
    change_by_key: dict[_Key, Change] = {}
    for change in changes:
        if unknown := sorted({*(change.key or ()), *(change.values or ())} - {*header}):
            raise SaveError(f"{path.name}: has no column {', '.join(unknown)}; nothing was written")
        if change.key is None and change.values is not None:
            if change_by_key:
                content, change_by_key = _with_changes(path.name, content, change_by_key), {}
            added.append(change.values)
            continue
        if not change.key:
            raise SaveError(f"{path.name}: a change without a key; nothing was written")
        key = tuple(sorted(change.key.items()))
        if added:
            content, added = with_rows(content, added), []
        if key in change_by_key:
            content, change_by_key = _with_changes(path.name, content, change_by_key), {}
        change_by_key[key] = change
    if change_by_key:
        content = _with_changes(path.name, content, change_by_key)
    return with_rows(content, added) if added else content


def _with_changes(name: str, content: bytes, change_by_key: Mapping[_Key, Change]) -> bytes:
    """Return a table with rows replaced or deleted, in one pass over it."""
    columns = {tuple(column for column, _ in key) for key in change_by_key}
    matched: Counter[_Key] = Counter()

    def changed(row: dict[str, str]) -> Mapping[str, str] | None:
        new: dict[str, str] | None = row
        for names in columns:
            key = tuple((column, row[column]) for column in names)
            change = change_by_key.get(key)
            if change is None:
                continue
            matched[key] += 1
            if change.values is None:
                new = None
            elif new is not None and new | {**change.values} != new:
                new = new | {**change.values}
        return new

    content = with_changed_rows(content, changed)
    for key in change_by_key:
        if matched[key] != 1:
            where = ", ".join(f"{column} {value!r}" for column, value in key)
            what = f"{matched[key]} rows have" if matched[key] else "no row has"
            raise SaveError(f"{name}: {what} {where}, and one was expected; nothing was written")
    return content


def new_faults(folder: Path, contents: Mapping[Path, bytes]) -> list[Fault]:
    """Return the faults that a data folder would have with new contents and does not have now.

    Parameters
    ----------
    folder : Path
        The data folder.
    contents : mapping of Path to bytes
        New contents of some of its files.
    """
    with tempfile.TemporaryDirectory() as temporary:
        for path in data_files(folder):
            if path in contents:
                (Path(temporary) / path.name).write_bytes(contents[path])
            else:
                shutil.copy(path, temporary)
        after = check(temporary)
    if not after:
        return []
    # A fault that was there before may be in another row now.
    before = Counter(_without_rows(fault) for fault in check(folder))
    new = []
    for fault in after:
        same = _without_rows(fault)
        if before[same]:
            before[same] -= 1
        else:
            new.append(fault)
    return new


def _without_rows(fault: Fault) -> tuple[str, str, str, str]:
    rule = re.sub(r" \(also in rows? [^()]*\)| \(and (at least )?[0-9]+ more faults of this kind\)", "", fault.rule)
    return fault.file, fault.column, fault.value, re.sub(r"\brow [0-9]+", "row", rule)


def data_files(folder: Path) -> list[Path]:
    """Return the files of a data folder that are checked: its tables and the bibliography."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".csv", ".bib") and path.name[0] != ".")
