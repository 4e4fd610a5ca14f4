"""Read the plain text files of Web of Science, with a tag of two characters at the beginning of each field.

Belongs here: where entries and fields begin and end, and what the tags mean. Does not belong here: the form of values
(`values`), encodings (`source_lines`), and what Web of Science writes as RIS, BibTeX or tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.records.readers import values
from lib.records.readers.entry import JOINED, Entry, Line, Reading
from lib.records.record import Record

START = re.compile(r"FN [A-Z].*|PT [A-Z]\s*", re.DOTALL)
"""How the first line of a file, or of an entry, looks."""
_TAG = re.compile(r"([A-Z][A-Z0-9])(?:\s(.*)|)", re.DOTALL)
_HEADER = re.compile(r"(?:FN [A-Z].*|VR [0-9.]+\s*|EF\s*)", re.DOTALL)
"""The lines at the beginning and at the end of a file, which joined files have in the middle."""
_HEADLESS = "does not begin with a PT line: the beginning of the entry is missing"
_LISTS = frozenset({"AU", "AF", "BA", "BE", "BF", "CA", "C1", "CR"})
"""Tags of lists, each line of which is a value."""


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of a plain text file of Web of Science.

    Every line belongs to a record or to a refused entry, or is a blank line or a header.

    Examples
    --------
    >>> lines = ["FN Made-up", "PT J", "AU Made-Up, A", "   Other, B", "TI Made-up", "   trial 17", "ER", "EF"]
    >>> record, = read(enumerate(lines, start=1)).parsed([]).records
    >>> record.title, record.authors
    ('Made-up trial 17', 'Made-Up A; Other B')
    """
    reading = Reading("Web of Science plain text", abstracts)
    entry: Entry | None = None
    tag = ""
    for number, line in lines:
        is_first, is_header = line.startswith("PT ") and bool(START.fullmatch(line)), bool(_HEADER.fullmatch(line))
        if entry is not None and (is_first or is_header):
            _close(reading, entry)
            reading.ended_early(entry.line)
            entry = None
        if entry is None:
            if is_header or not line.strip():
                reading.other(number)
                continue
            entry, tag = Entry(number), ""
        entry.last_line = number
        match = _TAG.fullmatch(line)
        if match and match[1] == "ER" and not match[2]:
            _close(reading, entry)
            entry = None
        elif match:
            tag = match[1]
            entry.add(tag, (match[2] or "").strip())
        elif line.strip() and tag in _LISTS:
            entry.add(tag, line.strip())
        elif line.strip():
            entry.extend(line.strip())
    if entry is not None:
        _close(reading, entry)
        reading.ended_early(entry.line)
    return reading


def _close(reading: Reading, entry: Entry) -> None:
    if "PT" not in entry.fields:
        reading.refuse(entry.line, entry.last_line, _HEADLESS)
    elif len(entry.fields.get("TI", ())) > 1:
        reading.refuse(entry.line, entry.last_line, JOINED)
    else:
        reading.keep(entry, _record(entry))


def _record(entry: Entry) -> Record:
    first, every = entry.first, entry.all
    title, journal, doi = first("TI"), first("SO"), values.doi(first("DI"), first("D2"))
    pmid = values.pmid(first("PM"), *(every("UT") if first("UT").startswith("MEDLINE:") else []))
    return Record(
        kind=values.kind(every("PT", "DT"), title=title, journal=journal, doi=doi),
        title=title,
        authors=values.authors(every("AU", "CA") or every("BA", "BE")),
        published=values.date(first("PY"), first("PD"), first("EA")),
        journal=journal,
        volume=first("VL"),
        issue=first("IS"),
        pages=values.pages(first("BP"), first("EP"), first("AR")),
        doi=doi,
        pmid=pmid,
        registry=values.registry(first("AB")),
        abstract=first("AB"),
    )
