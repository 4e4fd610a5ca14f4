"""Search OpenAlex through its REST interface: with a key by cursors, without one by numbered pages.

Belongs here: the requests and the JSON of OpenAlex. Does not belong here: pages and retries in general (`fetching`).
"""

from __future__ import annotations

import re
from typing import Any

from lib.records.record import Record
from lib.records.searching.answers import (
    Entry,
    Page,
    Start,
    Window,
    date_from,
    doi_from,
    list_of,
    member,
    number_of,
    objects,
    pmid_from,
    read_json,
    words,
)
from lib.records.searching.client import Client, Request
from lib.records.searching.source import Source

PAGE = 100
_KINDS = {
    "article": "article",
    "letter": "article",
    "preprint": "preprint",
    "review": "review",
    "dissertation": "thesis",
    "erratum": "erratum",
    "retraction": "retraction_notice",
}


class OpenAlex(Source):
    """OpenAlex. Without a key, the service gives out 10,000 records of a query, as numbered pages, and 100 a day."""

    code = "openalex"
    name = "OpenAlex"
    platform = "OpenAlex REST interface"
    home = "https://api.openalex.org"
    overlap = 90
    why_overlap = (
        "the window goes by the date of publication (the date of entry is not open to all), "
        "and many works are entered weeks after they were published"
    )
    per_second = 5.0
    environment = {"api_key": "OPENALEX_API_KEY"}

    def __init__(self, address: str = "", secrets: dict[str, str] | None = None):
        super().__init__(address, secrets)
        self.most = 0 if "api_key" in self.secrets else 10_000

    def start(self, client: Client, query: str, window: Window) -> Start:
        """Ask for the number of records, with the smallest page."""
        request = self._request(query, window, {"per_page": "1"})
        total, _ = client.ask(request, lambda content: number_of(read_json(content, "meta"), "count"))
        return Start(total, "1" if self.most else "*")

    def request(self, query: str, window: Window, token: str) -> Request:
        """Return the request for a page."""
        return self._request(query, window, {"per_page": str(PAGE), "page" if token.isdecimal() else "cursor": token})

    def _request(self, query: str, window: Window, paging: dict[str, str]) -> Request:
        days = f"from_publication_date:{window.since},to_publication_date:{window.until}"
        # The order by relevance changes between requests.
        parameters = {"search": query, "filter": days, "sort": "publication_date", **paging}
        return Request(f"{self.address}/works", parameters)

    def read(self, content: bytes, token: str) -> Page:
        """Read a page."""
        answer = read_json(content)
        meta = read_json(content, "meta")
        items = list_of(answer, "results")
        entries = tuple(map(_entry, items))
        total = number_of(meta, "count")
        if token.isdecimal():
            following = str(int(token) + 1) if int(token) * PAGE < total else ""
        else:
            following = words(meta.get("next_cursor"))
        return Page(entries, following if items else "", total)


def _entry(item: Any) -> Entry:
    match = re.search(r"W[0-9]+$", words(member(item, "id")))
    if not match:
        return Entry("", reason="has no OpenAlex number")
    pages = [words(member(item, "biblio", name)) for name in ("first_page", "last_page")]
    names = [words(member(a, "author", "display_name")) for a in objects(item.get("authorships"))]
    record = Record(
        kind=_KINDS.get(words(item.get("type")), "other"),
        title=words(item.get("title")) or words(item.get("display_name")),
        authors="; ".join(filter(None, map(surname_first, names))),
        published=date_from(item.get("publication_date")) or date_from(item.get("publication_year")),
        journal=words(member(item, "primary_location", "source", "display_name")),
        volume=words(member(item, "biblio", "volume")),
        issue=words(member(item, "biblio", "issue")),
        pages="-".join(dict.fromkeys(filter(None, pages))),
        doi=doi_from(item.get("doi")),
        pmid=pmid_from(member(item, "ids", "pmid")),
        url=f"https://openalex.org/{match[0]}",
        abstract=_abstract(item.get("abstract_inverted_index")),
    )
    return Entry(match[0], record)


def surname_first(name: str) -> str:
    """Return the surname and initials of a name that OpenAlex gives in one piece.

    The last word is taken for the surname, together with small words before it; OpenAlex does not say which it is.

    Examples
    --------
    >>> surname_first("Ada M. van der Made-Up")
    'van der Made-Up AM'
    """
    match = re.fullmatch(r"(?P<given>.*?)\s*(?P<surname>(?:\b[a-z]+\s+)*\S+)", name)
    if not match or not match["given"]:
        return name
    initials = "".join(part[0] for part in re.findall(r"[^\W\d_]+", match["given"]) if part[0].isupper())
    return f"{match['surname']} {initials}".strip()


def _abstract(index: object) -> str:
    """Return the abstract, which OpenAlex gives as the places of each word."""
    if not isinstance(index, dict):
        return ""
    places = [(at, word) for word, ats in index.items() if isinstance(ats, list) for at in ats if isinstance(at, int)]
    return words(" ".join(word for _, word in sorted(places)))
