"""Fetch all pages that answer a query, and go on where an earlier process stopped.

Belongs here: the order of requests, the splitting of windows that are too large, the journal, and the test that nothing
was lost or doubled. Does not belong here: the form of requests and answers (a module for each database), and the rows
of the tables (`writing`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lib.records.searching.answers import Entry, Page, Start, Window
from lib.records.searching.client import Client, LostPlace, RejectedRequest, SearchError
from lib.records.searching.raw_answers import Journal, RawAnswers
from lib.records.searching.source import Source

TRIES = 3
"""How often a page that lacks entries, or a result that contradicts itself, is fetched before the search fails."""


@dataclass
class _Part:
    """What is known of a window: how the database answered, and the pages fetched so far."""

    start: Start
    pages: list[tuple[str, str, str]] = field(default_factory=list)
    """Hash, token and following token of each page."""


class _Contradiction(Exception):
    """A result whose pages do not fit together; the message says how."""


class Fetching:
    """One search of a database.

    Parameters
    ----------
    source : Source
        The database.
    client : Client
        Sends the requests.
    journal : Journal
        The journal of this search, which has begun.
    query : str
        The query as the database understands it.
    report : callable
        Is told how many records have been fetched, and how many there are.
    """

    def __init__(
        self,
        source: Source,
        client: Client,
        journal: Journal,
        query: str,
        report: Callable[[int, int], None] = lambda done, total: None,
    ):
        self.source, self.client, self.journal, self.query, self.report = source, client, journal, query, report
        self.remarks: list[str] = []
        self._parts: dict[Window, _Part] = {}
        self._split: set[Window] = set()
        self._done = self._total = 0
        for line in journal.lines():
            self._recall(line)

    def _recall(self, line: dict[str, Any]) -> None:
        if "split" in line:
            self._split.add(_window(line["split"]))
        elif "part" in line:
            start = Start(line["total"], line["token"], tuple(line["listed"]), tuple(line["remarks"]))
            self._parts[_window(line["part"])] = _Part(start)
        elif "page" in line:
            self._parts[_window(line["of"])].pages.append((line["page"], line["token"], line["following"]))

    def manifest(self, window: Window) -> bytes:
        """Fetch everything of a window.

        Returns
        -------
        bytes
            JSON that names the raw answer of each page by its hash, in order: `entries_of` reads it.

        Raises
        ------
        SearchError
            If anything could not be fetched; the journal has what was.
        """
        parts = self._fetch(window)
        content = {
            "source": self.source.code,
            "query": self.query,
            "since": window.since.isoformat(),
            "until": window.until.isoformat(),
            "found": sum(part["total"] for part in parts),
            "parts": parts,
        }
        return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"

    def _fetch(self, window: Window) -> list[dict[str, Any]]:
        contradiction = ""
        for _ in range(TRIES):
            part = self._parts.get(window)
            resumed = part is not None
            if part is None and window not in self._split:
                part = self._begin(window)
            if part is None:
                return [fetched for half in window.halves() for fetched in self._fetch(half)]
            done = self._done
            try:
                return [self._pages(window, part)]
            except _Contradiction as error:
                contradiction = str(error)
            except (LostPlace, RejectedRequest) as error:
                # The place that the journal names may no longer be held by the database.
                if not resumed and isinstance(error, RejectedRequest):
                    raise
            self._done = done
            self._total -= part.start.total
            del self._parts[window]
        raise SearchError(
            f"{self.source.name}, {window}: {contradiction or 'the database no longer knew the pages'}, also when "
            f"asked {TRIES} times. Nothing of this search was imported: try again later, or with another --since."
        )

    def _begin(self, window: Window) -> _Part | None:
        """Put the query to the database; None if it finds too many records, so that the window must be split."""
        start = self.source.start(self.client, self.query, window)
        if self.source.most and start.total > self.source.most:
            if window.since == window.until:
                raise SearchError(
                    f"{self.source.name}: {start.total} records of {window.since} alone, and the database gives out "
                    f"{self.source.most}. Nothing of this search was imported: make the query in queries.csv narrower."
                )
            self.journal.note({"split": _days(window)})
            self._split.add(window)
            return None
        self._parts[window] = _Part(start)
        noted = {"total": start.total, "token": start.token, "listed": start.listed, "remarks": start.remarks}
        self.journal.note({"part": _days(window), **noted})
        return self._parts[window]

    def _pages(self, window: Window, part: _Part) -> dict[str, Any]:
        start = part.start
        self._total += start.total
        names: set[str] = set()
        token = start.token if start.total else ""
        for sha256, token_of_page, following in part.pages:
            content = self.client.raw.content(sha256)
            if content is None or token_of_page != token:
                raise _Contradiction("raw answers of an earlier attempt are missing")
            names |= set(_names(self.source.read(content, token), sha256))
            token = following
        self._tell(len(names))
        more = bool(start.total) and not (part.pages and not token) and len(names) < start.total
        while more:
            page, sha256 = self._page(window, token, names, start.total)
            part.pages.append((sha256, token, page.following))
            self.journal.note({"page": sha256, "of": _days(window), "token": token, "following": page.following})
            new = set(_names(page, sha256)) - names
            names |= new
            self._tell(len(new))
            token = page.following
            more = bool(token) and len(names) < start.total
        missing = [name for name in start.listed if name not in names]
        if len(names) + len(missing) != start.total:
            raise _Contradiction(f"{start.total} records were stated, and {len(names)} different ones came")
        self.remarks += start.remarks
        pages = [{"sha256": sha256, "token": token} for sha256, token, _ in part.pages]
        return {
            "since": window.since.isoformat(),
            "until": window.until.isoformat(),
            "total": start.total,
            "missing": missing,
            "pages": pages,
        }

    def _page(self, window: Window, token: str, names: set[str], total: int) -> tuple[Page, str]:
        """Fetch a page, and once more if it lacks entries or repeats those of other pages."""
        request, expected = self.source.request(self.query, window, token), self.source.expected(token)
        for attempt in range(1, TRIES + 1):
            page, sha256 = self.client.ask(request, lambda content: self.source.read(content, token))
            if page.total is not None and page.total != total:
                raise _Contradiction(f"the number of records changed from {total} to {page.total} meanwhile")
            found = set(_names(page, sha256))
            is_repeated = bool(found) and found <= names
            if not is_repeated and len(found) >= expected and (found or not expected):
                break
            if attempt == TRIES and is_repeated:
                raise _Contradiction("the same page came more than once")
        return page, sha256

    def _tell(self, new: int) -> None:
        self._done += new
        self.report(self._done, self._total)


def entries_of(manifest: dict[str, Any], source: Source, raw: RawAnswers) -> list[Entry]:
    """Return the entries of a search from its raw answers, in order.

    Parameters
    ----------
    manifest : dict
        What `Fetching.manifest` returned, read as JSON.
    source : Source
        The database.
    raw : RawAnswers
        Where the raw answers are.

    Returns
    -------
    list of Entry
        Also what has no record: an entry that came before, and what the database lists but does not deliver.

    Raises
    ------
    SearchError
        If a raw answer is missing or damaged.
    """
    entries: list[Entry] = []
    position_by_name: dict[str, int] = {}
    for part in manifest["parts"]:
        for page in part["pages"]:
            content = raw.content(page["sha256"])
            if content is None:
                raise SearchError(f"The raw answer .raw/{page['sha256']} is missing or damaged: run the search again.")
            read = source.read(content, page["token"])
            for name, entry in zip(_names(read, page["sha256"]), read.entries, strict=True):
                if name in position_by_name:
                    reason = f"is the same entry as number {position_by_name[name]} of this search ({name})"
                    entries.append(Entry(name, reason=reason))
                    continue
                entries.append(entry)
                position_by_name[name] = len(entries)
        for name in part["missing"]:
            entries.append(Entry(name, reason=f"{source.name} lists this record but does not deliver it ({name})"))
    return entries


def _names(page: Page, sha256: str) -> list[str]:
    """Return the identifiers of the entries of a page; entries without one are told apart by their place."""
    return [f"{sha256[:12]} {entry.name}" if entry.name.startswith("entry ") else entry.name for entry in page.entries]


def _days(window: Window) -> list[str]:
    return [window.since.isoformat(), window.until.isoformat()]


def _window(days: list[str]) -> Window:
    return Window(*map(dt.date.fromisoformat, days))
