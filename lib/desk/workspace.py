"""Give the pages of the desk the tables of the data folder as they are now.

Belongs here: reading a table only when its file has changed, the files as a person saw them, work in the background,
and messages from one page to the next. Does not belong here: pages, and the meaning of a table.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from lib.desk.outbox import KEYS, Outbox
from lib.evidence import DataError
from lib.evidence.csv_files import read_table
from lib.evidence.csv_lines import header_of
from lib.records.importing import raw_records
from lib.records.saving import SaveError, SaveFaults, data_files
from lib.records.searching.raw_answers import FOLDER
from lib.report.text_safety import templates

_Result = TypeVar("_Result")
_SEEN = 32
"""Number of states of the files that are remembered, so that a refused form can show what another person changed."""


class Refusal(Exception):
    """A request cannot be carried out; the message says why and what to do.

    Attributes
    ----------
    details : list of str
        Lines that explain it, such as faults or the other person's change.
    """

    def __init__(self, message: str, details: list[str] | None = None):
        self.details = details or []
        super().__init__(message)


def refusal(error: SaveError) -> Refusal:
    """Return why a change cannot be saved, for the person who made it."""
    if isinstance(error, SaveFaults):
        return Refusal("Nothing was saved: the tables would have faults.", [str(fault) for fault in error.faults])
    return Refusal(str(error))


def digest(contents: Mapping[str, bytes]) -> str:
    """Return a hash of the names and contents of some files."""
    whole = hashlib.sha256()
    for name, content in sorted(contents.items()):
        whole.update(f"{name} {hashlib.sha256(content).hexdigest()} ".encode())
    return whole.hexdigest()


def from_tables(*tables: str) -> Callable[[Callable[[Workspace], _Result]], Callable[[Workspace], _Result]]:
    """Decorate a function of a workspace, so that its result is computed again only when one of some tables changed."""

    def decorate(function: Callable[[Workspace], _Result]) -> Callable[[Workspace], _Result]:
        @functools.wraps(function)
        def remembered(desk: Workspace) -> _Result:
            return desk.derived(f"{function.__module__}.{function.__qualname__}", tables, lambda: function(desk))

        return remembered

    return decorate


@dataclass
class _Table:
    """A table, and the state of the file that it was read from."""

    stamp: tuple[int, int, int]
    frame: pd.DataFrame


@dataclass
class Workspace:
    """The project's folder and its data folder.

    Attributes
    ----------
    root, folder : Path
        The project's folder, which has the changelog and the build; the data folder.
    """

    root: Path
    folder: Path
    _tables: dict[str, _Table] = field(default_factory=dict, repr=False)
    _derived: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False)
    _seen: OrderedDict[str, dict[str, bytes]] = field(default_factory=OrderedDict, repr=False)
    _notices: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.templates = templates(Path(__file__).parent / "templates")
        # One thread: what waits for a build must not stop the pages.
        self._worker = ThreadPoolExecutor(1)
        self.outbox = Outbox(self.private / "waiting.json", self.folder, after=self._read_again)

    @property
    def private(self) -> Path:
        """Folder for what belongs to the desk and to nobody else; git ignores it."""
        return self.folder / FOLDER / "desk"

    def _read_again(self) -> None:
        """Read what the outbox changed, so that no page has to wait for it."""
        for table in KEYS:
            self.table(table)

    async def in_background(self, work: Callable[[], _Result]) -> _Result:
        """Do what takes long, such as checking all data, while pages are served."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def close(self) -> None:
        """Save what waits, and end the threads."""
        self._worker.shutdown()
        self.outbox.stop()

    # --- Tables -------------------------------------------------------------------------------------------

    def table(self, name: str) -> pd.DataFrame:
        """Return a table as text, as its file is now.

        Raises
        ------
        DataError
            If the file has a fault.
        """
        path = self.folder / f"{name}.csv"
        stamp, table = _stamp(path), self._tables.get(name)
        if table is None or table.stamp != stamp:
            frame, faults = read_table(path, self.columns(name))
            if faults:
                raise DataError(faults)
            table = self._tables[name] = _Table(stamp, frame)
        return table.frame

    def columns(self, name: str) -> list[str]:
        """Return the columns of a table in the order of the dictionary."""
        if name == "dictionary":
            return header_of((self.folder / "dictionary.csv").read_bytes())
        return self._columns_by_table().get(name, [])

    @from_tables("dictionary")
    def _columns_by_table(self) -> dict[str, list[str]]:
        rows = self.table("dictionary").groupby("table", sort=False)
        return {str(table): list(part.column) for table, part in rows}

    def derived(self, name: str, tables: tuple[str, ...], compute: Callable[[], _Result], version: int = 0) -> _Result:
        """Return what is computed from some tables; computed again only when one of them, or the version, changed."""
        stamp = [_stamp(self.folder / f"{table}.csv") for table in ("dictionary", *tables)], version
        computed = self._derived.get(name)
        if computed is None or computed[0] != stamp:
            computed = self._derived[name] = (stamp, compute())
        return computed[1]

    def codes(self, name: str) -> dict[str, str]:
        """Return the meaning of each code of a list."""
        return self._code_lists().get(name, {})

    @from_tables("codes")
    def _code_lists(self) -> dict[str, dict[str, str]]:
        rows = self.table("codes").groupby("list", sort=False)
        return {str(name): dict(zip(part.code, part.meaning, strict=True)) for name, part in rows}

    @property
    def today(self) -> str:
        """Today's date as YYYY-MM-DD."""
        return dt.date.today().isoformat()

    def abstract(self, record: Mapping[str, str]) -> str:
        """Return the abstract of a record; empty if the answer of its search is not in the folder of raw answers."""
        search, abstracts = record["search"], self.derived("abstracts", ("searches",), dict[str, dict[str, str]])
        if search not in abstracts:
            searches = self.table("searches")
            hashes = searches.sha256[searches.search == search]
            parsed = raw_records(self.folder, str(hashes.iloc[0])) if len(hashes) else None
            of_search = parsed.records if parsed else ()
            abstracts[search] = {str(one.position): " ".join(one.abstract.split()) for one in of_search}
        return abstracts[search].get(record["position"], "")

    # --- What a person saw --------------------------------------------------------------------------------

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of every file of the data folder that a form can change."""
        return {path.name: path.read_bytes() for path in data_files(self.folder)}

    def remember(self) -> str:
        """Remember the files as they are now, and return a name for them that a form can carry."""
        contents = self.contents()
        name = digest(contents)
        self._seen[name] = contents
        self._seen.move_to_end(name)
        while len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return name

    def seen(self, name: str) -> dict[str, bytes]:
        """Return the files as they were when a form was shown.

        Raises
        ------
        Refusal
            If they are not remembered any more.
        """
        if name not in self._seen:
            raise Refusal("This form is too old, or the desk was restarted since. Open it again and check it.")
        return self._seen[name]

    # --- Messages -----------------------------------------------------------------------------------------

    def leave_notice(self, reviewer: str, text: str) -> None:
        """Keep a message for the next page that a person opens."""
        if text:
            self._notices[reviewer] = text

    def take_notice(self, reviewer: str) -> str:
        """Return the message for a person, once."""
        return self._notices.pop(reviewer, "")


def _stamp(path: Path) -> tuple[int, int, int]:
    """Return time, size and number of a file; a replaced file has another number."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return status.st_mtime_ns, status.st_size, status.st_ino
