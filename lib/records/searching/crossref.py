"""Search Crossref through its REST interface, page by page with cursors.

Belongs here: the requests and the JSON of Crossref. Does not belong here: pages and retries in general (`fetching`),
and the look-up of retractions (`lib.records.retractions`).
"""

from __future__ import annotations

from typing import Any

from lib.records.record import Record
from lib.records.searching.answers import (
    Entry,
    Page,
    Start,
    Window,
    date_of,
    doi_from,
    first,
    list_of,
    member,
    number_of,
    objects,
    read_json,
    words,
)
from lib.records.searching.client import Client, Request
from lib.records.searching.source import Source

PAGE = 100
_KINDS = {
    "journal-article": "article",
    "posted-content": "preprint",
    "dissertation": "thesis",
    "book-chapter": "other",
    "proceedings-article": "other",
    "peer-review": "other",
}
_NOTICES = {
    "retraction": "retraction_notice",
    "partial_retraction": "retraction_notice",
    "withdrawal": "retraction_notice",
    "removal": "retraction_notice",
    "erratum": "erratum",
    "corrigendum": "erratum",
    "correction": "erratum",
}


class Crossref(Source):
    """Crossref."""

    code = "crossref"
    name = "Crossref"
    platform = "Crossref REST interface"
    home = "https://api.crossref.org"
    overlap = 7
    why_overlap = "a record can become searchable some days after the day on which its DOI was registered"
    # What Crossref allows for lists.
    per_second = 1.0
    environment = {"mailto": "SEARCH_EMAIL"}

    def start(self, client: Client, query: str, window: Window) -> Start:
        """Ask for the number of records, without any."""
        request = self._request(query, window, {"rows": "0"})
        total, _ = client.ask(request, lambda content: number_of(read_json(content, "message"), "total-results"))
        return Start(total, "*")

    def request(self, query: str, window: Window, token: str) -> Request:
        """Return the request for the page of a cursor."""
        return self._request(query, window, {"rows": str(PAGE), "cursor": token})

    def _request(self, query: str, window: Window, paging: dict[str, str]) -> Request:
        days = f"from-created-date:{window.since},until-created-date:{window.until}"
        return Request(f"{self.address}/works", {"query.title": query, "filter": days, **paging})

    def read(self, content: bytes, token: str) -> Page:
        """Read a page. The service gives a cursor after the last page, too, which leads to an empty one."""
        message = read_json(content, "message")
        items = list_of(message, "items")
        entries = tuple(map(_entry, items))
        following = words(message.get("next-cursor")) if items else ""
        return Page(entries, following, number_of(message, "total-results"))


def _entry(item: Any) -> Entry:
    doi = doi_from(member(item, "DOI"))
    if not doi:
        return Entry("", reason="has no DOI")
    updates = [(words(u.get("type")), doi_from(u.get("DOI"))) for u in objects(item.get("update-to"))]
    kind = next((_NOTICES[update] for update, _ in updates if update in _NOTICES), "")
    trials = objects(item.get("clinical-trial-number"))
    dates = member(item, "issued", "date-parts")
    parts = dates[0] if isinstance(dates, list) and dates and isinstance(dates[0], list) else []
    record = Record(
        kind=kind or _KINDS.get(words(item.get("type")), "other"),
        title=first(item.get("title")),
        authors="; ".join(filter(None, map(_author, objects(item.get("author"))))),
        published=date_of(*parts[:3]) if parts else "",
        journal=first(item.get("container-title")) or first(item.get("institution")),
        volume=words(item.get("volume")),
        issue=words(item.get("issue")),
        pages=words(item.get("page")) or words(item.get("article-number")),
        doi=doi,
        registry=words(trials[0].get("clinical-trial-number")).upper() if trials else "",
        url=f"https://doi.org/{doi}",
        abstract=words(item.get("abstract")),
        links=tuple(f"{update} of: doi:{updated}" for update, updated in updates),
    )
    return Entry(doi, record)


def _author(author: dict[str, Any]) -> str:
    if surname := words(author.get("family")):
        initials = "".join(name[0] for name in words(author.get("given")).replace("-", " ").split())
        return f"{surname} {initials}".strip()
    return words(author.get("name"))
