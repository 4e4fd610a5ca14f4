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
from lib.records.searching.client import Client, ExpiredResult, RejectedRequest, SearchError
from lib.records.searching.raw_answers import Journal, RawAnswers
from lib.records.searching.source import Source

TRIES = 3
"""How often a page that lacks entries, or a result that contradicts itself, is fetched before the search fails."""


@dataclass
class _Part:
    """What is known of a window: what the database stated at the start, and the pages fetched so far."""

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
        Takes the number of records fetched so far, and of all.
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
            self._restore(line)

    def _restore(self, line: dict[str, Any]) -> None:
        """Take up what an earlier process noted in a line of the journal."""
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
        """Return the parts of a manifest for a window; one part, unless the window has to be split."""
        contradiction = ""
        for _ in range(TRIES):
            part = self._parts.get(window)
            is_resumed = part is not None
            if part is None and window not in self._split:
                part = self._begin(window)
            if part is None:
                return [fetched for half in window.halves() for fetched in self._fetch(half)]
            done_before = self._done
            try:
                return [self._pages(window, part)]
            except _Contradiction as error:
                contradiction = str(error)
            except (ExpiredResult, RejectedRequest) as error:
                # The place that the journal names may no longer be held by the database.
                if not is_resumed and isinstance(error, RejectedRequest):
                    raise
            self._done = done_before
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
            self.journal.note({"split": window.dates()})
            self._split.add(window)
            return None
        self._parts[window] = _Part(start)
        noted = {"total": start.total, "token": start.token, "listed": start.listed, "remarks": start.remarks}
        self.journal.note({"part": window.dates(), **noted})
        return self._parts[window]

    def _pages(self, window: Window, part: _Part) -> dict[str, Any]:
        """Fetch the pages of a part that are not there yet, and return the part for a manifest."""
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
        self._count(len(names))
        more = bool(start.total) and not (part.pages and not token) and len(names) < start.total
        while more:
            page, sha256 = self._page(window, token, names, start.total)
            part.pages.append((sha256, token, page.following))
            self.journal.note({"page": sha256, "of": window.dates(), "token": token, "following": page.following})
            new = set(_names(page, sha256)) - names
            names |= new
            self._count(len(new))
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
            names_on_page = set(_names(page, sha256))
            is_repeated = bool(names_on_page) and names_on_page <= names
            if not is_repeated and len(names_on_page) >= expected:
                break
            if attempt == TRIES and is_repeated:
                raise _Contradiction("the same page came more than once")
        return page, sha256

    def _count(self, new: int) -> None:
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
            answer = source.read(raw_answer(raw, page["sha256"]), page["token"])
            for name, entry in zip(_names(answer, page["sha256"]), answer.entries, strict=True):
                if name in position_by_name:
                    reason = f"is the same entry as number {position_by_name[name]} of this search ({name})"
                    entries.append(Entry(name, reason=reason))
                    continue
                entries.append(entry)
                position_by_name[name] = len(entries)
        for name in part["missing"]:
            entries.append(Entry(name, reason=f"{source.name} lists this record but does not deliver it ({name})"))
    return entries


def raw_answer(raw: RawAnswers, sha256: str) -> bytes:
    """Return a raw answer that a search kept.

    Raises
    ------
    SearchError
        If it is missing, as in a fresh copy of the project, or damaged.
    """
    content = raw.content(sha256)
    if content is None:
        raise SearchError(f"The raw answer .raw/{sha256} is not in this folder, or is damaged: run the search again.")
    return content


def _names(page: Page, sha256: str) -> list[str]:
    """Return the identifiers of the entries of a page; those without one are named by their page and place."""
    return [entry.name or f"{sha256[:12]} entry {place}" for place, entry in enumerate(page.entries, start=1)]


def _window(dates: list[str]) -> Window:
    return Window(*map(dt.date.fromisoformat, dates))
