"""Search databases with the queries of ``queries.csv`` for what is new, and write it into the tables.

Belongs here: which queries are asked for which window, messages to the user, and the order of fetching and writing.
Does not belong here: how pages are fetched (`fetching`) and written (`writing`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from lib.caching.os_errors import describe
from lib.evidence.checking import read_some_tables
from lib.evidence.csv_files import DataError
from lib.records.importing import Origin, new_key, record_key, search_changes
from lib.records.record import Parsed
from lib.records.saving import SaveError
from lib.records.searching.answers import UnusableAnswer, Window
from lib.records.searching.client import TIMEOUT, Client, SearchError
from lib.records.searching.clinicaltrials import ClinicalTrials
from lib.records.searching.crossref import Crossref
from lib.records.searching.europe_pmc import EuropePmc
from lib.records.searching.fetching import Fetching, entries_of, raw_answer
from lib.records.searching.openalex import OpenAlex
from lib.records.searching.pubmed import PubMed
from lib.records.searching.raw_answers import FOLDER, Journal, RawAnswers
from lib.records.searching.source import Source
from lib.records.searching.writing import parsed, write

Row = dict[str, str]
SOURCES: dict[str, type[Source]] = {
    source.code: source for source in (PubMed, EuropePmc, ClinicalTrials, Crossref, OpenAlex)
}
"""The databases that can be searched, by code."""
MOST_REMARKS = 10
"""Remarks on changed values that the terminal shows; the raw answers have all values as they came."""
AS_ASKED = "as asked"
"""Reason for a window whose first day was given."""


@dataclass
class Setting:
    """Where and how the databases are reached; tests replace the defaults.

    Attributes
    ----------
    environment : mapping of str to str
        Where keys and the e-mail address are found.
    addresses : mapping of str to str
        Addresses that take the place of a database's own, by code.
    today : datetime.date
        The day of the search.
    pause : callable
        Waits for some seconds.
    timeout : float
        Seconds without an answer after which a request is sent again.
    """

    environment: Mapping[str, str]
    addresses: Mapping[str, str]
    today: dt.date
    pause: Callable[[float], None] = time.sleep
    timeout: float = TIMEOUT

    @classmethod
    def usual(cls) -> Setting:
        """Return the setting of a search from the command line."""
        return cls(os.environ, {}, dt.date.today())

    def source(self, code: str) -> Source:
        """Return a database, with the keys that the environment has for it."""
        kind = SOURCES[code]
        secrets = {name: self.environment.get(variable, "").strip() for name, variable in kind.environment.items()}
        return kind(self.addresses.get(code, ""), secrets)

    def client(self, source: Source, folder: Path, say: Callable[[str], None], *, read_only: bool = False) -> Client:
        """Return a client of a database, which keeps raw answers in a data folder unless nothing is to be written."""
        return Client(
            source.name,
            RawAnswers(folder, read_only),
            source.per_second,
            secret_parameters=source.secrets,
            pause=self.pause,
            timeout=self.timeout,
            say=say,
        )


@dataclass(frozen=True)
class _Plan:
    """A query, the window for which it is to be asked, and the reason for that window."""

    query: Row
    window: Window
    reason: str


def search(
    folder: Path,
    sources: Iterable[str] = (),
    since: dt.date | None = None,
    *,
    dry_run: bool = False,
    by: str = "",
    setting: Setting | None = None,
    say: Callable[[str], None] = print,
    warn: Callable[[str], None] = print,
    report: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> int:
    """Search databases with the queries of ``queries.csv``, and add what is found to the tables.

    The searches of different queries do not depend on each other: if one fails, nothing of it is imported, and the
    others are.

    Parameters
    ----------
    folder : Path
        The data folder.
    sources : iterable of str
        Codes of the databases; all that have a query by default.
    since : datetime.date, optional
        First day of the window. By default each query goes back to its last search, and some days further.
    dry_run : bool
        Only say what would be asked and how many records there are; nothing is written.
    by : str
        Who searches, for ``searches.csv``.
    setting : Setting, optional
        Where and how the databases are reached.
    say, warn : callable
        Take a message and a message of a failure.
    report : callable
        Takes the name of a database, how many records have been fetched, and how many there are.

    Returns
    -------
    int
        0 if all searches succeeded, 1 if one failed.

    Raises
    ------
    SearchError
        If there is no query, or another search is at work in the folder.
    DataError
        If the tables of queries and searches cannot be read.
    """
    setting = setting or Setting.usual()
    plans, failed = _plans(folder, list(sources), since, setting), 0
    with contextlib.nullcontext() if dry_run else _search_lock(folder):
        for plan in plans:
            try:
                if dry_run:
                    _show(folder, plan, setting, say)
                else:
                    _search(folder, plan, setting, by, say, report)
            except (SearchError, SaveError, DataError) as error:
                failed = 1
                warn(str(error))
            except OSError as error:
                failed = 1
                warn(f"{SOURCES[plan.query['source']].name}: {describe(error)}")
    return failed


@contextlib.contextmanager
def _search_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of searches in a data folder: two would write the same journal."""
    (folder / FOLDER).mkdir(exist_ok=True)
    try:
        with filelock.FileLock(folder / FOLDER / "lock", timeout=0):
            yield
    except filelock.Timeout:
        raise SearchError(f"Another search is at work in {folder}: wait for its end.") from None


def _plans(folder: Path, sources: list[str], since: dt.date | None, setting: Setting) -> list[_Plan]:
    queries, searches = _rows(folder, "queries"), _rows(folder, "searches")
    for code in sources:
        if not any(query["source"] == code for query in queries):
            raise SearchError(
                f"queries.csv has no query for {SOURCES[code].name} ({code}): add a row, and search again."
            )
    if not queries:
        raise SearchError("queries.csv has no rows: add the query of a source, and search again.")
    return [
        _plan(query, searches, since, setting.today) for query in queries if not sources or query["source"] in sources
    ]


def _rows(folder: Path, name: str) -> list[Row]:
    """Return the rows of a table, which a first search may find empty."""
    rows: list[Row] = read_some_tables(folder, [name], may_be_empty=[name])[name].to_dict("records")
    return rows


def _plan(query: Row, searches: list[Row], since: dt.date | None, today: dt.date) -> _Plan:
    source = SOURCES[query["source"]]
    if since is not None:
        return _Plan(query, Window(since, today), AS_ASKED)
    last = max((row["until"] for row in searches if row["query"] == query["query"]), default="")
    last_search = "the last search with this query"
    if not last:
        # Nothing has been searched with this query: it begins where the systematic searches of the review ended.
        last = max(
            (row["date"] for row in searches if not row["query"] and row["kind"] == "database search"), default=""
        )
        last_search = "the last search of the databases"
    if not last:
        raise SearchError(
            f"{source.name}: searches.csv has no search to go on from. Give the first day of the window with --since."
        )
    first_day = dt.date.fromisoformat(last) - dt.timedelta(days=source.overlap)
    reason = f"{source.overlap} days before {last_search}, because {source.why_overlap}"
    return _Plan(query, Window(first_day, today), reason)


def _show(folder: Path, plan: _Plan, setting: Setting, say: Callable[[str], None]) -> None:
    """Say what a search would ask, and how many records there are."""
    source = setting.source(plan.query["source"])
    with setting.client(source, folder, say, read_only=True) as client:
        start = source.start(client, plan.query["text"], plan.window)
    say(f"{source.name}: {plan.query['text']}")
    say(f"    window {plan.window} ({plan.reason})")
    say(f"    {start.total} records found")
    for remark in start.remarks:
        say(f"    {remark}")
    if source.most and start.total > source.most:
        say(f"    more than {source.most}: the window would be split")


def _search(
    folder: Path,
    plan: _Plan,
    setting: Setting,
    by: str,
    say: Callable[[str], None],
    report: Callable[[str, int, int], None],
) -> None:
    """Fetch what a query finds in its window, and write it into the tables."""
    source, raw = setting.source(plan.query["source"]), RawAnswers(folder)
    journal = Journal(folder, plan.query["query"])
    lines = list(journal.lines())
    if rows := next((line["rows"] for line in lines if "rows" in line), None):
        # The process was stopped while it wrote: what it had decided to write is written first.
        _write(folder, source, raw, journal, rows, say)
        lines = []
        if plan.reason != AS_ASKED:
            plan = _plan(plan.query, _rows(folder, "searches"), None, setting.today)
    searches = _rows(folder, "searches")
    since, until = plan.window.dates()
    same_day = [row for row in searches if row["query"] == plan.query["query"] and row["until"] == until]
    if any(plan.reason != AS_ASKED or row["since"] == since for row in same_day):
        say(f"{source.name}: was searched up to today already ({same_day[-1]['search']}).")
        return
    say(f"{source.name}: window {plan.window} ({plan.reason})")
    header = {"source": source.code, "text": plan.query["text"], "window": [since, until]}
    if not lines or lines[0] != header:
        journal.begin(header)
    else:
        say(f"{source.name}: goes on with a search that was stopped")
    with setting.client(source, folder, say) as client:
        fetching = Fetching(source, client, journal, plan.query["text"], functools.partial(report, source.name))
        manifest = fetching.manifest(plan.window)
    for remark in fetching.remarks:
        say(f"{source.name}: {remark}")
    others = {"platform": source.platform, "query": plan.query["query"], "since": since, "until": until}
    origin = Origin(source.name, f"{setting.today}", by, str(json.loads(manifest)["found"]), others)
    key = new_key(origin, {row["search"] for row in searches})
    rows = {"search": key, "sha256": raw.keep(manifest), "origin": dataclasses.asdict(origin)}
    journal.note({"rows": rows})
    _write(folder, source, raw, journal, rows, say)


def _write(
    folder: Path, source: Source, raw: RawAnswers, journal: Journal, noted: dict[str, Any], say: Callable[[str], None]
) -> None:
    """Write a fetched search, as it is noted in the journal, and remove the journal."""
    key, sha256, origin = noted["search"], noted["sha256"], Origin(**noted["origin"])
    contents = _contents(source, raw, raw_answer(raw, sha256))
    try:
        rows = search_changes(key, contents, origin, name=f"{key}.json", sha256=sha256)
        write(folder, rows, [(record_key(key, record), record) for record in contents.records])
    except (SaveError, DataError) as error:
        raise SearchError(f"{source.name}: {error}. The answers are kept: mend this, and search again.") from None
    journal.end()
    for remark in contents.remarks[:MOST_REMARKS]:
        say(f"{source.name}, {remark}")
    if len(contents.remarks) > MOST_REMARKS:
        say(f"{source.name}: and {len(contents.remarks) - MOST_REMARKS} more values that were changed or left out")
    refused = f" and {len(contents.refused)} refused entries (refused.csv says why)" if contents.refused else ""
    say(f"{source.name}: {origin.found} found; {len(contents.records)} records{refused} added as {key}")


def _contents(source: Source, raw: RawAnswers, manifest: bytes) -> Parsed:
    try:
        return parsed(entries_of(json.loads(manifest), source, raw))
    except UnusableAnswer as error:
        raise SearchError(f"A raw answer of {source.name} can no longer be read: {error}.") from None


def contents_of(folder: Path, sha256: str) -> Parsed:
    """Return what a search found, with abstracts, from its raw answers.

    Parameters
    ----------
    folder : Path
        The data folder.
    sha256 : str
        The hash that ``searches.csv`` has of the search.

    Raises
    ------
    SearchError
        If a raw answer is not in the folder, as in a fresh copy of the project.
    """
    raw = RawAnswers(folder)
    manifest = raw_answer(raw, sha256)
    return _contents(SOURCES[json.loads(manifest)["source"]](), raw, manifest)
