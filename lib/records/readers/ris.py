"""Read RIS files as Embase, Web of Science, Scopus, the Cochrane Library, Ovid, PubMed, Zotero and EndNote write them.

Belongs here: where entries and fields of RIS begin and end, and what the tags mean. Does not belong here: the form of
values (`values`), and encodings (`source_lines`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.records.readers import values
from lib.records.readers.entry import Entry, Line, Reading
from lib.records.record import Record

START = re.compile(r"[ \t]*TY(?:  -.*|- *[A-Z]*| {1,3}- *[A-Z][A-Za-z]{1,11}| {1,3}-)\s*$")
"""How the first line of an entry looks, with as many spaces as files have in practice."""
_TAG = re.compile(r"([A-Z][A-Z0-9])  -(?:\s|$)(.*)", re.DOTALL)
_LOOSE_TAG = re.compile(r"[ \t]*([A-Z][A-Z0-9]) {0,3}-(?:\s|$)(.*)", re.DOTALL)
_END = re.compile(r"[ \t]*ER {0,3}-\s*$|ER  -(?:\s|$)")
_HEADER_INSIDE = re.compile(r"\s*(?:Record #[0-9]+ of [0-9]+|Provider: .+|<[0-9]+>|\x1a)\s*")
_HEADER = re.compile(rf"{_HEADER_INSIDE.pattern}|\s*(?:(?:Content|Database):.*|[0-9]+\.|-{{5,}}|End of [Ff]ile)\s*")
"""Lines before an entry; the first also end an entry whose own end is missing."""
_LINK = re.compile(r"\s*Link to (?:the )?[A-Z].*?:(.*)", re.DOTALL)
"""A line without a tag that Ovid writes after the title or the last field."""
_HEADLESS = "does not begin with a TY line: the beginning of the entry is missing"
_LIMITS = ("TY", "ER")
_TAGS = frozenset(
    "TY ER A1 A2 A3 A4 AB AD AN AU AV BT C1 C2 C3 C4 C5 C6 C7 C8 CA CN CP CT CY DA DB DI DO DP ED EP ET FU FX ID "
    "IS J1 J2 J9 JA JF JI JO KW L1 L2 L3 L4 LA LB LK M1 M2 M3 N1 N2 NV OP PA PB PI PM PP PU PY RI RN RP SE SN SO "
    "SP ST T1 T2 T3 TA TI TT U1 U2 U3 U4 U5 UR US VL VO WE WT Y1 Y2".split()
)
"""Tags that are recognised in a file with unusual spaces; in other files, every tag is."""


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of a RIS file.

    Every line belongs to a record or to a refused entry, or is a blank line or a header.

    Examples
    --------
    >>> lines = ["TY - JOUR", "TI - Made-up trial 17", "TY  - JOUR", "T1  - Made-up trial 18"]
    >>> [record.title for record in read(enumerate(lines, start=1)).parsed([]).records]
    ['Made-up trial 17', 'Made-up trial 18']
    """
    reading = Reading("RIS", abstracts)
    entry: Entry | None = None
    is_loose = is_headless = False

    def close(last_line: int, has_end: bool) -> None:
        nonlocal entry
        if entry is None:
            return
        entry.last_line = last_line
        if is_headless:
            reading.refuse(entry.line, last_line, _HEADLESS)
        else:
            reading.keep(entry, _record(entry))
            if not has_end:
                reading.ended_early(entry.line)
        entry = None

    number = 0
    for number, line in lines:
        if entry is not None and line[2:6] == "  - " and line[:2] not in _LIMITS and line[:2].isupper():
            # Almost all lines: what follows is for the others.
            entry.add(line[:2], line[6:].strip())
            continue
        if START.match(line):
            close(number - 1, has_end=False)
            entry = Entry(number)
            # Only where this line has unusual spaces may others have them: text can look like a tag, too.
            is_loose, is_headless = _TAG.match(line) is None, False
            entry.add("TY", line.partition("-")[2].strip())
            continue
        if entry is None:
            if not line.strip() or _HEADER.fullmatch(line):
                reading.other(number)
                continue
            entry, is_loose, is_headless = Entry(number), False, True
        elif _HEADER_INSIDE.fullmatch(line):
            close(number - 1, has_end=False)
            reading.other(number)
            continue
        if _END.match(line):
            close(number, has_end=True)
        elif tagged := _tag(line, is_loose):
            entry.add(tagged[0], tagged[1].strip())
        elif match := _LINK.fullmatch(line):
            entry.add("link", match[1].strip())
        elif line.strip():
            entry.extend(line.strip())
    close(number, has_end=False)
    return reading


def _tag(line: str, is_loose: bool) -> tuple[str, str] | None:
    match = _TAG.match(line)
    if not match and is_loose:
        match = _LOOSE_TAG.match(line)
        if match and match[1] not in _TAGS:
            return None
    return (match[1], match[2]) if match else None


def _record(entry: Entry) -> Record:
    first, every = entry.first, entry.all
    urls = every("UR", "L2", "LK", "L1", "link")
    doi = values.doi(first("DO"), first("DI"), *urls, first("M3"), first("N1") if "doi" in first("N1").lower() else "")
    databases = " ".join(every("DB", "DP")).lower()
    # The number of PubMed is where the database has its own numbers.
    own = every("ID", "AN") if "medline" in databases or "pubmed" in databases else []
    pmid = values.pmid(
        *every("PM"),
        *(every("C2") if "scopus" in databases or "pmid" in first("C2").lower() else []),
        *(every("C5") if "embase" in databases or "medline" in databases else []),
        *own,
        *(text for text in [*every("C3", "U1", "AN", "C2", "N1"), *urls] if not text.strip().isdecimal()),
    )
    title = first("T1", "TI", "CT") or first("BT")
    is_part = first("TY").upper() in ("CHAP", "CONF", "CPAPER", "ABST")
    journal = first("JF", "T2") or first("JO", "J2", "JA", "JI", "TA", "J9") or (first("BT") if is_part else "")
    types = every("TY", "M3", "PT")
    return Record(
        kind=values.kind(types, title=title, journal=f"{journal} {first('DB', 'PB')}", doi=doi, urls=urls),
        title=title,
        authors=values.authors(every("AU", "A1") or every("CA", "ED")),
        published=values.date(first("PY", "Y1"), first("DA"), first("Y1")),
        journal=journal if journal != title else "",
        volume=first("VL", "VO"),
        issue=first("IS", "CP"),
        pages=values.pages(first("SP"), first("EP"), first("C7")),
        doi=doi,
        pmid=pmid,
        registry=values.registry(first("AN"), *urls, *every("C4", "M2", "NV")) or values.registry(*every("AB", "N2")),
        url=values.url(urls, doi, pmid),
        abstract=first("AB", "N2"),
    )
