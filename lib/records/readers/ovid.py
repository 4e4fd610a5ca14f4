"""Read the tagged text that Ovid writes for reference managers, of MEDLINE, Embase and other databases.

Belongs here: where entries and fields begin and end, what the tags mean, and the citation in which Ovid writes journal,
volume, issue and pages together. Does not belong here: the form of values (`values`), encodings (`source_lines`), and
what Ovid writes as RIS or tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.records.readers import values
from lib.records.readers.entry import JOINED, Entry, Line, Reading
from lib.records.record import Record

START = re.compile(r"VN {1,2}- Ovid", re.IGNORECASE)
"""How the first line of an entry with a tag looks."""
_TAG = re.compile(r"([A-Z][A-Z0-9]) {1,2}-(?:\s(.*)|)", re.DOTALL)
_NUMBER = re.compile(r"\s*<\s*[0-9]+\s*\.?\s*>\s*")
"""The line with the number of an entry, before it."""
_HEADER = re.compile(r"\s*(?:(?:Database|Search Strategy):.*|-{5,}|[0-9]+ .*\([0-9]+\)|\x1a)\s*", re.DOTALL)
"""Lines of the history of a search, before the first entry."""
_SINGLE_TAGS = frozenset({"DB", "UI", "AN", "TI", "SO"})
"""Tags that an entry has once: after a blank line, a second one belongs to the next entry."""
_CITATION = re.compile(
    r"(?P<journal>.+?)\.\s+(?:Conference:.*?\.\s+)?(?=[0-9])"
    # A year alone is no volume.
    r"(?:(?!(?:19|20)[0-9]{2}\b(?!\s*\())(?P<volume>[0-9]+[A-Za-z]?)"
    r"(?:\s*\((?!pp |no pagination)(?P<issue>[^()]*)\))?"
    r"\s*(?:\(pp (?P<pages>[^()]+)\)|\(no pagination\)|:\s*(?P<range>[A-Za-z]{0,3}[0-9][-A-Za-z0-9]*))?\s*[,.])?",
    re.DOTALL,
)
_ROLE = re.compile(r"\s*\[.*|[\s0-9,*+]+$", re.DOTALL)
"""What follows the name of an author: the role, and marks of affiliations."""


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of a file of Ovid.

    Every line belongs to a record or to a refused entry, or is a blank line between entries or a header.

    Examples
    --------
    >>> lines = ["<1. >", "VN  - Ovid Technologies", "TI  - Made-up trial 17.", "SO  - Made-up J. 7(2):1-9, 2020 Mar."]
    >>> record, = read(enumerate(lines, start=1)).parsed([]).records
    >>> record.title, record.journal, record.volume, record.issue, record.pages, record.published
    ('Made-up trial 17', 'Made-up J', '7', '2', '1-9', '2020-03')
    """
    reading = Reading("Ovid tagged text", abstracts)
    entry: Entry | None = None
    blank: list[int] = []
    for number, line in lines:
        if not line.strip():
            blank.append(number)
            continue
        match, is_number = _TAG.fullmatch(line), bool(_NUMBER.fullmatch(line))
        tag = match[1] if match else ""
        if entry is None and _HEADER.fullmatch(line):
            reading.other(*blank, number)
            blank = []
            continue
        if entry is None or is_number or _is_next(entry, tag, bool(blank)):
            _close(reading, entry)
            reading.other(*blank)
            entry = Entry(number)
        blank = []
        entry.last_line = number
        if match:
            entry.add(tag, (match[2] or "").strip())
        elif not is_number:
            entry.extend(line.strip())
    _close(reading, entry)
    reading.other(*blank)
    return reading


def _is_next(entry: Entry, tag: str, is_after_blank: bool) -> bool:
    """Return whether a tag begins the next entry, whose number is missing."""
    if tag == "VN":
        return entry.has_tags
    return is_after_blank and tag in _SINGLE_TAGS and tag in entry.fields


def _close(reading: Reading, entry: Entry | None) -> None:
    if entry is None:
        return
    if not entry.has_tags:
        reading.refuse(entry.line, entry.last_line, "is text without a tag of Ovid's format")
    elif len(entry.fields.get("TI", ())) > 1:
        reading.refuse(entry.line, entry.last_line, JOINED)
    else:
        reading.keep(entry, _record(entry))


def _record(entry: Entry) -> Record:
    first, every = entry.first, entry.all
    source = first("SO")
    match = _CITATION.match(source)
    cited = {name: text or "" for name, text in match.groupdict().items()} if match else {}
    title = re.sub(r"\s*\[(?:Article|Report|Miscellaneous|References)\]\s*\.?$", "", first("TI"))
    journal = first("JT", "JN") or cited.get("journal", "") or first("JA", "TA")
    doi = values.doi(*every("DO", "DI"))
    is_medline = "medline" in first("DB").lower()
    return Record(
        kind=values.kind(every("PT", "DT", "ST"), title=title, journal=journal, doi=doi),
        title=values.without_point(title),
        authors=values.authors(_ROLE.sub("", name) for name in every("AU") or every("FA")),
        published=values.date(first("YR"), first("DP", "DG"), source[match.end() :] if match else source),
        journal=journal,
        volume=first("VI") or cited.get("volume", ""),
        issue=first("IP") or cited.get("issue", ""),
        pages=values.pages(_pages(first("PG")) or cited.get("pages", "") or cited.get("range", "")),
        doi=doi,
        # Embase adds an address in brackets.
        pmid=values.pmid(*(text.partition("[")[0] for text in every("PM")), *(every("UI", "AN") if is_medline else [])),
        registry=values.registry(*every("SI", "CN")) or values.registry(*every("AB")),
        abstract=first("AB"),
        links=tuple(every("CM")),
    )


def _pages(text: str) -> str:
    return text if re.search("[0-9]", text) else ""
