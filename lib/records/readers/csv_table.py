"""Read CSV files as Embase, Web of Science, Scopus, the Cochrane Library, Ovid, PubMed and Zotero write them.

Belongs here: where the rows of such a file begin and end, so that one with a fault takes no other with it, and what the
columns mean. Does not belong here: the tables of the data folder (`lib.evidence.csv_files`).
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator

from lib.records.readers import values
from lib.records.readers.entry import Entry, Line, Reading
from lib.records.record import Record

SEPARATORS = ",\t;"
_COLUMNS = {
    "title": "title|article title|ti|document title|primary title|t1|study title|public title|scientific title",
    "authors": "authors|author|author names|author(s)|au|author full names|author full name|a1",
    "journal": "source title|source|publication title|journal/book|journal|so|secondary title|jn|jf|jt",
    "year": "publication year|year|py|yr|pub year",
    "date": "date of publication|publication date|date|pd|da|dp|first posted|date registration",
    "volume": "volume|vl|vo|vi",
    "issue": "issue|is|ip|number",
    "first": "first page|page start|start page|bp|pages|pg|page range|page(s)|sp",
    "last": "last page|page end|end page|ep",
    "article": "art. no.|article number|ar|article no",
    "doi": "doi|di|do",
    "pmid": "pmid|medline pmid|pubmed id|pm|pubmed-id|pubmed number",
    "registry": "clinical trial numbers|ctgov id|ictrp id|nct number|trialid|trial registration|si",
    "type": "publication type|document type|item type|dt|pt|type of publication|m3|type",
    "url": "url|link|embase link|full text link|links|ur|doi link|study url|web address",
    "abstract": "abstract|abstract note|ab|brief summary",
    "citation": "citation",
}
_FIELD_BY_COLUMN = {column: field for field, columns in _COLUMNS.items() for column in columns.split("|")}
_MOST_LINES, _LONGEST = 2000, 1_000_000
"""Limits of one row: a longer one has a quotation mark too many."""
_SEARCHED = 40
"""Number of lines among which the header must be."""
_UNBALANCED = "the quotation marks do not balance from this line on"


def header_of(lines: list[str]) -> tuple[int, str]:
    """Return the place of the header among the first lines of a file, and the separator; (-1, "") if there is none.

    Examples
    --------
    >>> header_of(["Export of a made-up database", "PMID,Title,Authors,DOI"])
    (1, ',')
    """
    most, header = 2, (-1, "")
    for place, line in enumerate(lines[:_SEARCHED]):
        for separator in SEPARATORS:
            names = next(csv.reader([line], delimiter=separator), [])
            fields = {_FIELD_BY_COLUMN[name] for name in map(_plain, names) if name in _FIELD_BY_COLUMN}
            if len(fields) > most and ("title" in fields or fields & {"doi", "pmid"}):
                most, header = len(fields), (place, separator)
    return header


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of a CSV file.

    Every line belongs to a record or to a refused row, or is a blank line, the header or stands before it.

    Examples
    --------
    >>> lines = ["Title,Authors,DOI", 'Made-up trial 17,"Made-Up A, Other B",10.5555/1', '"Made-up trial 18,X', "a,b,c"]
    >>> parsed = read(enumerate(lines, start=1)).parsed([])
    >>> [record.title for record in parsed.records], [refused.line for refused in parsed.refused]
    (['Made-up trial 17', 'a'], [3])
    """
    reading = Reading("CSV", abstracts)
    stream = iter(lines)
    first_lines = list(itertools.islice(stream, _SEARCHED))
    place, separator = header_of([line for _, line in first_lines])
    reading.other(*(number for number, _ in first_lines[: place + 1]))
    columns = [_plain(name) for name in next(csv.reader([first_lines[place][1]], delimiter=separator))]
    while columns and not columns[-1]:
        columns.pop()
    rows = itertools.chain(first_lines[place + 1 :], stream)
    for first, last, row in _rows(rows, separator, len(columns), reading):
        entry = Entry(first, last)
        for column, value in zip(columns, row, strict=False):
            if value.strip():
                entry.add(column, value.strip())
        reading.keep(entry, _record(entry))
    return reading


def _rows(lines: Iterator[Line], separator: str, width: int, reading: Reading) -> Iterator[tuple[int, int, list[str]]]:
    """Yield first line, last line and values of each good row, and refuse the others.

    Where a row cannot be right, only its first line is refused, and reading goes on with the next line: a quotation
    mark too many must not join rows.
    """
    waiting: list[Line] = []
    is_recovering = False
    while True:
        if not waiting:
            numbered = next(lines, None)
            if numbered is None:
                return
            waiting.append(numbered)
        if not waiting[0][1].strip(f" \r\n{separator}"):
            reading.other(waiting.pop(0)[0])
            continue
        row, number_of_lines, reason = _row(waiting, lines, separator, width)
        if row:
            yield waiting[0][0], waiting[number_of_lines - 1][0], row
            del waiting[:number_of_lines]
            is_recovering = False
            continue
        if is_recovering:
            # The rest of a row that was refused: its parts are no rows of their own.
            reading.refuse_more(waiting[0][0])
        else:
            reading.refuse(waiting[0][0], waiting[0][0], reason)
            is_recovering = number_of_lines > 1
        waiting.pop(0)


def _row(waiting: list[Line], lines: Iterator[Line], separator: str, width: int) -> tuple[list[str], int, str]:
    """Return the values of the row that begins the waiting lines, its number of lines, and what is wrong with it.

    Lines are added to the waiting ones until the quotation marks balance. Values are empty if something is wrong.
    """
    used = quotes = length = 0
    reason = _UNBALANCED
    while used < _MOST_LINES and length < _LONGEST:
        if used == len(waiting):
            numbered = next(lines, None)
            if numbered is None:
                break
            waiting.append(numbered)
        quotes += waiting[used][1].count('"')
        length += len(waiting[used][1])
        used += 1
        if quotes % 2 and used > 1:
            continue
        try:
            row = next(csv.reader([f"{line}\n" for _, line in waiting[:used]], delimiter=separator, strict=True), [])
        except csv.Error:
            if quotes % 2:
                continue
            return [], used, "a quotation mark within a value is not doubled, or one is missing before"
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) == width:
            return row, used, ""
        reason = f"has {len(row)} values where the header has {width} columns"
        if quotes % 2 == 0:
            break
    return [], used, reason


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", name.strip(" \"'\ufeff")).lower()


def _record(entry: Entry) -> Record:
    def every(field: str) -> list[str]:
        return entry.all(*_COLUMNS[field].split("|"))

    def first(field: str) -> str:
        return " ".join(entry.first(*_COLUMNS[field].split("|")).split())

    urls = every("url")
    doi = values.doi(first("doi"), *urls, first("citation"))
    pmid = values.pmid(first("pmid"), *urls)
    volume, issue = first("volume"), first("issue")
    pages = values.pages(first("first"), first("last"), first("article"))
    if match := re.search(r";([^():;]*)(?:\(([^)]*)\))?:([^.;]*)\.", first("citation")):
        volume, issue, pages = volume or match[1].strip(), issue or match[2] or "", pages or values.pages(match[3])
    title = first("title")
    return Record(
        kind=values.kind(every("type"), title=title, journal=first("journal"), doi=doi, urls=urls),
        title=title,
        authors=values.authors(values.split_authors(entry.first(*_COLUMNS["authors"].split("|")))),
        published=values.date(first("year"), first("date"), _cited_date(first("citation"))),
        journal=first("journal"),
        volume=volume,
        issue=issue,
        pages=pages,
        doi=doi,
        pmid=pmid,
        registry=values.registry(*every("registry")) or values.registry(first("abstract")),
        url=values.url(urls, doi, pmid),
        abstract=first("abstract"),
    )


def _cited_date(citation: str) -> str:
    """Return the date within a citation as PubMed writes it: "Made-up J. 2020 Feb 3;63(2):1-2."."""
    match = re.search(r"\. ([12][0-9]{3}[^.;:]*)[;:.]", citation)
    return match[1] if match else ""
