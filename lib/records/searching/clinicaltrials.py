"""Search ClinicalTrials.gov through version 2 of its interface, page by page with `pageToken`.

Belongs here: the requests and the JSON of ClinicalTrials.gov. Does not belong here: pages and retries in general
(`fetching`).
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
    list_of,
    member,
    number_of,
    read_json,
    words,
)
from lib.records.searching.client import Client, Request
from lib.records.searching.source import Source

PAGE = 100


class ClinicalTrials(Source):
    """ClinicalTrials.gov."""

    code = "clinicaltrials"
    name = "ClinicalTrials.gov"
    platform = "ClinicalTrials.gov interface, version 2"
    home = "https://clinicaltrials.gov/api/v2"
    overlap = 7
    why_overlap = "a record can appear some days after the day on which it was posted"
    # About 50 requests a minute are allowed.
    per_second = 0.8

    def start(self, client: Client, query: str, window: Window) -> Start:
        """Ask for the number of records, with the smallest page."""
        request = self._request(query, window, "", 1)
        total, _ = client.ask(request, lambda content: number_of(read_json(content), "totalCount"))
        return Start(total, "")

    def request(self, query: str, window: Window, token: str) -> Request:
        """Return the request for the page of a token."""
        return self._request(query, window, token, PAGE)

    def _request(self, query: str, window: Window, token: str, size: int) -> Request:
        days = f"RANGE[{window.since},{window.until}]"
        parameters = {
            "query.term": query,
            # A trial is found when it is registered, and once more when its results are posted.
            "filter.advanced": f"AREA[StudyFirstPostDate]{days} OR AREA[ResultsFirstPostDate]{days}",
            "countTotal": "true",
            "format": "json",
            "pageSize": str(size),
        }
        return Request(f"{self.address}/studies", parameters | ({"pageToken": token} if token else {}))

    def read(self, content: bytes, token: str) -> Page:
        """Read a page. Only the first one needs to state the total."""
        answer = read_json(content)
        entries = tuple(map(_entry, list_of(answer, "studies")))
        total = number_of(answer, "totalCount") if "totalCount" in answer else None
        return Page(entries, words(answer.get("nextPageToken")), total)


def _entry(item: Any) -> Entry:
    protocol = member(item, "protocolSection")
    names = member(protocol, "identificationModule")
    number = words(member(names, "nctId"))
    if not re.fullmatch(r"NCT[0-9]{8}", number):
        return Entry("", reason="has no number of ClinicalTrials.gov")
    posted = member(protocol, "statusModule", "studyFirstPostDateStruct", "date")
    record = Record(
        kind="registry_record",
        title=words(member(names, "officialTitle")) or words(member(names, "briefTitle")),
        published=date_from(posted),
        registry=number,
        url=f"https://clinicaltrials.gov/study/{number}",
        abstract=words(member(protocol, "descriptionModule", "briefSummary")),
    )
    return Entry(number, record)
