"""Read the XML that EndNote exports, and other programs write for it.

Belongs here: where records begin and end, so that one with a fault takes no other with it, and what the elements mean.
Does not belong here: the syntax within a record, which defusedxml parses, and encodings (`source_lines`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree

from lib.records.readers import values
from lib.records.readers.entry import JOINED, Entry, Line, Reading
from lib.records.record import Record

START = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>\[]*>\s*)?<xml>\s*<records\b", re.IGNORECASE)
"""How a file begins."""
_TAG = re.compile(r"<(/?)record(?:\s[^<>]*?)?(/?)>")
_OUTSIDE = re.compile(
    r"(?:<\?xml[^>]*\?>|<!DOCTYPE[^>\[]*>|</?xml>|</?records>|<records\s*/>|<!--(?:(?!--).)*-->|\s)*", re.DOTALL
)
"""What may be on a line outside of the records."""
_HEADLESS = "does not begin with <record>: the beginning of the entry is missing"
_OPEN = "does not end with </record>: the entry may be cut off"
_TEXT = "is text outside of the entries"
_PATHS = {
    "title": "titles/title",
    "secondary": "titles/secondary-title",
    "journal": "periodical/full-title",
    "abbreviation": "periodical/abbr-1",
    "author": "contributors/authors/author",
    "editor": "contributors/secondary-authors/author",
    "year": "dates/year",
    "date": "dates/pub-dates/date",
    "volume": "volume",
    "issue": "number",
    "pages": "pages",
    "article": "custom7",
    "doi": "electronic-resource-num",
    "accession": "accession-num",
    "database": "remote-database-name",
    "provider": "remote-database-provider",
    "type": "work-type",
    "url": "urls//url",
    "abstract": "abstract",
}
"""Where a record has its fields."""


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of an XML file of EndNote.

    Every line belongs to at least one record or refused entry, or is blank or has only elements around the records. A
    line can belong to several, because EndNote writes all records in one line.

    Examples
    --------
    >>> text = "<xml><records><record><titles><title>Made-up trial 17</title></titles></record><record></records></xml>"
    >>> parsed = read([(1, text)]).parsed([])
    >>> [record.title for record in parsed.records], [refused.reason for refused in parsed.refused]
    (['Made-up trial 17'], ['does not end with </record>: the entry may be cut off'])
    """
    reading = Reading("EndNote XML", abstracts)
    pieces: list[Line] = []
    is_open = False
    covered = number = 0

    def close(reason: str = "") -> None:
        """Keep the pieces as a record, or refuse them."""
        nonlocal pieces, covered
        while not pieces[-1][1].strip():
            pieces.pop()
        first, last = pieces[0][0], pieces[-1][0]
        reading.other(*range(covered + 1, first))
        covered = last
        if reason:
            reading.refuse(first, last, reason)
        else:
            _close(reading, pieces)
        pieces = []

    for number, kind, text in _pieces(lines):
        if kind == "text":
            if is_open or not _OUTSIDE.fullmatch(text):
                pieces.append((number, text))
            continue
        if kind != "end" and pieces:
            close(_OPEN if is_open else _TEXT)
        pieces.append((number, text))
        if kind == "start":
            is_open = True
        else:
            close("" if is_open or kind == "whole" else _HEADLESS)
            is_open = False
    if pieces:
        close(_OPEN if is_open else _TEXT)
    reading.other(*range(covered + 1, number + 1))
    return reading


def _pieces(lines: Iterable[Line]) -> Iterator[tuple[int, str, str]]:
    """Yield the parts of lines with their number: tags of records (start, end or whole), and the text around them."""
    for number, line in lines:
        at = 0
        for match in _TAG.finditer(line):
            if match.start() > at:
                yield number, "text", line[at : match.start()]
            yield number, "end" if match[1] else "whole" if match[2] else "start", match[0]
            at = match.end()
        yield number, "text", line[at:]


def _close(reading: Reading, pieces: list[Line]) -> None:
    """Read one record with its tags."""
    first, last = pieces[0][0], pieces[-1][0]
    text = "".join(
        piece if number == before else f"\n{piece}"
        for (before, _), (number, piece) in itertools.pairwise([(first, ""), *pieces])
    )
    try:
        root: Element = defusedxml.ElementTree.fromstring(text)
    except ParseError as error:
        line = first + error.position[0] - 1
        reading.refuse(first, last, f"cannot be read as XML: {str(error).partition(':')[0]} in line {line}")
        return
    if len(root.findall("titles/title")) > 1:
        reading.refuse(first, last, JOINED)
        return
    entry = Entry(first, last)
    for name, path in _PATHS.items():
        for element in root.iterfind(path):
            entry.add(name, " ".join("".join(element.itertext()).split()))
    types = [element.get("name", "") for element in root.iterfind("ref-type")]
    reading.keep(entry, _record(entry, types))


def _record(entry: Entry, types: list[str]) -> Record:
    first, every = entry.first, entry.all
    urls = [url for url in every("url") if not url.startswith("internal-pdf:")]
    title, journal, doi = first("title"), first("journal", "secondary", "abbreviation"), values.doi(first("doi"), *urls)
    # The number of PubMed is where other databases have their own numbers.
    is_medline = re.search("pubmed|medline|nlm", " ".join(every("database", "provider")), re.IGNORECASE)
    pmid = values.pmid(*(every("accession") if is_medline else []), *urls)
    return Record(
        kind=values.kind([*types, *every("type")], title=title, journal=journal, doi=doi, urls=urls),
        title=title,
        authors=values.authors(every("author") or every("editor")),
        published=values.date(first("year"), first("date")),
        journal=journal if journal != title else "",
        volume=first("volume"),
        issue=first("issue"),
        pages=values.pages(first("pages"), "", first("article")),
        doi=doi,
        pmid=pmid,
        registry=values.registry(*every("accession"), *urls) or values.registry(first("abstract")),
        url=values.url(urls, doi, pmid),
        abstract=first("abstract"),
    )
