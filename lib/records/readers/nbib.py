"""Read nbib files, the format that PubMed calls PubMed, MEDLINE or NBIB.

Belongs here: where entries and fields begin and end, and what the tags mean. Does not belong here: the form of values
(`values`), and encodings (`source_lines`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.records.readers import values
from lib.records.readers.entry import Entry, Line, Reading
from lib.records.record import Record

START = re.compile(r"PMID ?- ?[0-9]")
"""How the first line of an entry looks."""
_TAG = re.compile(r"([A-Z]{2,4}) {0,2}-(?:\s|$)(.*)", re.DOTALL)
_FIRST_TAGS = ("PMID", "OWN", "STAT")
_SINGLE_TAGS = frozenset("PMID OWN STAT TI BTI TA JT DP VI IP PG AB SO PST JID DCOM CRDT EDAT MHDA".split())
"""Tags that an entry has once: after a blank line, a second one belongs to the next entry."""
_TAGS = _SINGLE_TAGS | frozenset(
    "AD AID AU AUID BN CDAT CI CIN CN COI COIS CON CP CRF CRI CTDT CTI DA DDIN DEP DRDT DRIN ECF ECI ED EFR EIN "
    "EN FAU FED FIR FPS GN GR GS IP IR IRAD IS ISBN JC LA LID LR MH MID NM OAB OABL OCI OID ORI OT OTO PB PHST PL "
    "PMC PMCR PS PT PUBM RF RIN RN ROF RPF RPI SB SFM SI SPIN SSN STAT TT UIN UOF VTI".split()
)
LINKS = {
    "EIN": "erratum in",
    "EFR": "erratum for",
    "RIN": "retraction in",
    "ROF": "retraction of",
    "ECI": "expression of concern in",
    "ECF": "expression of concern for",
    "CRI": "corrected and republished in",
    "CRF": "corrected and republished from",
    "RPI": "republished in",
    "RPF": "republished from",
    "UIN": "update in",
    "UOF": "update of",
    "CIN": "comment in",
    "CON": "comment on",
    "SPIN": "summary for patients in",
    "ORI": "original report in",
    "DDIN": "dataset described in",
    "DRIN": "dataset use reported in",
}
"""Tags of other reports, in words."""


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of an nbib file.

    Every line belongs to a record or to a refused entry, or is a blank line between entries.

    Examples
    --------
    >>> lines = ["PMID- 1", "TI  - Made-up", "      trial 17.", "LID - 10.5555/made.up [doi]", "EIN - Made-up J. 1:2"]
    >>> record, = read(enumerate(lines, start=1)).parsed([]).records
    >>> record.title, record.doi, record.links
    ('Made-up trial 17', '10.5555/made.up', ('erratum in: Made-up J. 1:2',))
    """
    reading = Reading("nbib (PubMed)", abstracts)
    entry: Entry | None = None
    blank: list[int] = []
    for number, line in lines:
        if not line.strip():
            blank.append(number)
            continue
        match = _TAG.match(line)
        tag = match[1] if match and match[1] in _TAGS else ""
        is_known = bool(tag) or (match is not None and len(line) > 4 and line[4] == "-")
        is_first = tag == "PMID" or (
            bool(blank) and (tag in _FIRST_TAGS or (entry is not None and tag in _SINGLE_TAGS and tag in entry.fields))
        )
        if entry is None or is_first:
            _close(reading, entry)
            reading.other(*blank)
            entry = Entry(number)
        blank = []
        entry.last_line = number
        if match and is_known:
            entry.add(match[1], match[2].strip())
        else:
            entry.extend(line.strip())
    _close(reading, entry)
    reading.other(*blank)
    return reading


def _close(reading: Reading, entry: Entry | None) -> None:
    if entry is None:
        return
    if not entry.has_tags:
        reading.refuse(entry.line, entry.last_line, "is text without a tag of PubMed's format")
    else:
        reading.keep(entry, _record(entry))


def _record(entry: Entry) -> Record:
    first, every = entry.first, entry.all
    places = every("LID", "AID")
    dois = [text for text in places if "[doi]" in text]
    doi = values.doi(*dois, *(text for text in places if "[" not in text), first("SO"))
    number = next((text for text in every("LID") if "[" not in text and not values.doi(text)), "")
    title = first("TI", "BTI", "CTI") or first("TT", "VTI")
    journal = first("JT", "TA")
    return Record(
        kind=values.kind(every("PT"), title=title, journal=journal, doi=doi),
        title=values.without_point(title),
        authors=values.authors([*(every("AU") or every("FAU")), *every("CN")]),
        published=values.date(first("DP"), first("DEP")),
        journal=journal,
        volume=first("VI"),
        issue=first("IP"),
        pages=values.pages(first("PG"), "", number),
        doi=doi,
        pmid=values.pmid(first("PMID")),
        registry=values.registry(*every("SI")) or values.registry(*every("AB")),
        abstract=first("AB"),
        links=tuple(f"{words}: {text}" for tag, words in LINKS.items() for text in every(tag)),
    )
