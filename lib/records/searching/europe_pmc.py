"""Search Europe PMC through its REST interface, page by page with `cursorMark`.

Belongs here: the requests and the JSON of Europe PMC. Does not belong here: pages and retries in general (`fetching`).
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
_KINDS = (
    ("preprint", "preprint"),
    ("retraction of publication", "retraction_notice"),
    ("retraction notice", "retraction_notice"),
    ("published erratum", "erratum"),
    ("meta-analysis", "review"),
    ("systematic review", "review"),
    ("review", "review"),
    ("review-article", "review"),
    ("congress", "congress_abstract"),
    ("thesis", "thesis"),
    ("journal article", "article"),
    ("research-article", "article"),
    ("letter", "article"),
)


class EuropePmc(Source):
    """Europe PMC."""

    code = "europe_pmc"
    name = "Europe PMC"
    platform = "Europe PMC REST interface"
    home = "https://www.ebi.ac.uk/europepmc/webservices/rest"
    overlap = 7
    why_overlap = "a record can become searchable some days after the day on which it was first indexed"

    def start(self, client: Client, query: str, window: Window) -> Start:
        """Ask for the number of records, with the smallest page."""
        request = self._request(query, window, "*", 1)
        total, _ = client.ask(request, lambda content: number_of(read_json(content), "hitCount"))
        return Start(total, "*")

    def request(self, query: str, window: Window, token: str) -> Request:
        """Return the request for the page of a cursor."""
        return self._request(query, window, token, PAGE)

    def _request(self, query: str, window: Window, cursor: str, size: int) -> Request:
        parameters = {
            "query": f"({query}) AND (FIRST_IDATE:[{window.since} TO {window.until}])",
            "resultType": "core",
            "format": "json",
            "pageSize": str(size),
            "cursorMark": cursor,
        }
        return Request(f"{self.address}/search", parameters)

    def read(self, content: bytes, token: str) -> Page:
        """Read a page. At the end, the service gives the cursor of the same page, or none."""
        answer = read_json(content)
        items = list_of(read_json(content, "resultList"), "result")
        following = words(answer.get("nextCursorMark"))
        entries = tuple(map(_entry, items))
        return Page(entries, "" if following == token or not items else following, number_of(answer, "hitCount"))


def _entry(item: Any) -> Entry:
    name = f"{words(member(item, 'source'))}:{words(member(item, 'id'))}"
    if len(name) < 3 or name.startswith(":") or name.endswith(":"):
        return Entry("", reason="has no identifier")
    journal = member(item, "journalInfo")
    types = [words(text).casefold() for text in member(item, "pubTypeList", "pubType") or ()]
    kind = next((kind for text, kind in _KINDS if text in types), "unknown")
    authors = [
        words(author.get("collectiveName"))
        or f"{words(author.get('lastName'))} {words(author.get('initials'))}".strip()
        or words(author.get("fullName"))
        for author in objects(member(item, "authorList", "author"))
    ] or words(item.get("authorString")).rstrip(".").split(", ")
    numbers = re.findall(r"\bNCT[0-9]{8}\b", " ".join(_accessions(item)))
    record = Record(
        kind="preprint" if item.get("source") == "PPR" else kind,
        title=words(item.get("title")),
        authors="; ".join(filter(None, authors)),
        published=date_from(item.get("firstPublicationDate")) or date_from(item.get("pubYear")),
        journal=words(member(journal, "journal", "isoabbreviation"))
        or words(member(journal, "journal", "title"))
        or words(member(item, "bookOrReportDetails", "publisher")),
        volume=words(member(journal, "volume")),
        issue=words(member(journal, "issue")),
        pages=words(item.get("pageInfo")),
        doi=doi_from(item.get("doi")),
        pmid=pmid_from(item.get("pmid")),
        registry=numbers[0] if numbers else "",
        url=f"https://europepmc.org/article/{words(item['source'])}/{words(item['id'])}",
        abstract=words(item.get("abstractText")),
    )
    return Entry(name, record)


def _accessions(item: dict[str, Any]) -> list[str]:
    names = objects(member(item, "dataLinksTagsList", "dataLinkstag"))
    listed = member(item, "tmAccessionTypeList", "accessionType")
    return [*map(str, names), *map(words, listed if isinstance(listed, list) else [])]
