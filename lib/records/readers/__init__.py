"""Readers of the files that bibliographic databases export, which account for every line.

The module of each format has ``START``, how the first line of a file or entry looks, and ``read(lines, abstracts)``,
which takes numbered lines and returns a `Reading`.

Belongs here: recognising a format by its content (this module), lines and encodings (`source_lines`), the formats
(`ris`, `nbib`, `bibtex`, `web_of_science`, `ovid`, `endnote_xml`, `csv_table`), the form of single values (`values`),
and what the readers share (`entry`).

Does not belong here: whether a value fits the tables of the data folder (`lib.records.fitting`), and what is written
(`lib.records.importing`).
"""

from __future__ import annotations

import itertools
import re

from lib.evidence.csv_files import other_format
from lib.records.readers import bibtex, csv_table, endnote_xml, nbib, ovid, ris, web_of_science
from lib.records.readers.entry import ReadError
from lib.records.readers.source_lines import SourceLines, utf16_of
from lib.records.record import Parsed

__all__ = ["ReadError", "parse"]

_EXPORT = "export the records again as RIS, nbib (PubMed), BibTeX, CSV or EndNote XML"
_SEARCHED = 2000
"""Number of lines among which the first entry must begin."""
_ENDNOTE_TAGGED = re.compile(r"%0 [A-Z]")


def parse(content: bytes, *, abstracts: bool = True) -> Parsed:
    r"""Read the content of a file of bibliographic records.

    Parameters
    ----------
    content : bytes
        The file, whose format is recognised by its content.
    abstracts : bool
        Whether to keep abstracts, which take most of the memory.

    Returns
    -------
    Parsed
        The records and the refused entries, which together are all entries.

    Raises
    ------
    ReadError
        If the file holds no records in a known format. The message says why, and what to do.

    Examples
    --------
    >>> parsed = parse(b"TY  - JOUR\nTI  - Made-up trial 17\nER  - \n")
    >>> parsed.form, parsed.entries, parsed.records[0].title
    ('RIS', 1, 'Made-up trial 17')
    """
    start = content[:4096].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if not start:
        raise ReadError(f"the file is empty: {_EXPORT}")
    is_endnote = endnote_xml.START.match(start) is not None
    if not is_endnote and (problem := other_format(content[:4096] if not utf16_of(content) else start)):
        raise ReadError(f"{problem}, and not an export of records: {_EXPORT}")
    if b"<html" in start[:1024].lower() or b"<head" in start[:1024].lower():
        raise ReadError(f"is a web page, perhaps of a login, and not an export of records: {_EXPORT}")
    reader = endnote_xml if is_endnote else _reader(content)
    lines = SourceLines(content)
    return reader.read(lines, abstracts).parsed(lines.remarks())


def _reader(content: bytes):
    """Return the module that reads a file: that of the format in which the first entry is written."""
    lines = [line for _, line in itertools.islice(SourceLines(content), _SEARCHED)]
    for line in lines:
        if _ENDNOTE_TAGGED.match(line):
            raise ReadError(f"is in a tagged format of EndNote that is not supported: {_EXPORT}")
        for reader in (ris, nbib, bibtex, web_of_science, ovid):
            if reader.START.match(line):
                return reader
    if csv_table.header_of(lines)[1]:
        return csv_table
    first = next((line.strip() for line in lines if line.strip()), "")
    raise ReadError(f"is in no known format; it begins with {first[:60]!r}: {_EXPORT}")
