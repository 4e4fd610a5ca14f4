"""Read BibTeX files as Scopus, Web of Science, Embase, PubMed and Zotero write them.

Belongs here: where entries begin and end, so that one with a fault takes no other with it, and what the fields mean.
Does not belong here: the syntax within an entry, which pybtex parses, and the review's own bibliography
(`lib.evidence.references`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pybtex.bibtex.utils import split_name_list
from pybtex.database.input.bibtex import LowLevelParser
from pybtex.exceptions import PybtexError
from pybtex.richtext import Text

from lib.records.readers import values
from lib.records.readers.entry import Entry, Line, Reading
from lib.records.record import Record

START = re.compile(r"[ \t]*@\s*([A-Za-z]\w*)\s*[{(]")
"""How the first line of an entry or of a command looks."""
_HEADER = re.compile(r"\s*(?:%.*|Scopus|Web of Science|Embase|PubMed|EXPORT DATE:.*)\s*", re.IGNORECASE)
_KINDS = {"article": "article", "inproceedings": "conference paper", "conference": "conference paper"}


def read(lines: Iterable[Line], abstracts: bool = True) -> Reading:
    """Read the lines of a BibTeX file.

    Every line belongs to a record or to a refused entry, or is a blank line, a comment or a definition.

    Examples
    --------
    >>> lines = ["@article{a,", "  title = {Made-up trial 17", "@article{b,", "  title = {Made-up trial 18}", "}"]
    >>> parsed = read(enumerate(lines, start=1)).parsed([])
    >>> [record.title for record in parsed.records], parsed.refused[0].reason
    (['Made-up trial 18'], 'the braces do not balance: the entry may be cut off')
    """
    reading = Reading("BibTeX", abstracts)
    macros = {name: name for name in values.MONTHS if len(name) == 3}
    entry_lines: list[Line] = []
    depth = 0
    for number, line in lines:
        if START.match(line):
            if entry_lines:
                _refuse_open(reading, entry_lines)
            entry_lines, depth = [], 0
        elif not entry_lines:
            if not line.strip() or _HEADER.fullmatch(line):
                reading.other(number)
            else:
                reading.refuse_text(number, "is text outside of the entries; an entry begins with @ and its type")
            continue
        entry_lines.append((number, line))
        depth += _depth(line)
        if depth <= 0:
            _close(reading, entry_lines, macros)
            entry_lines = []
    if entry_lines:
        _refuse_open(reading, entry_lines)
    return reading


def _depth(line: str) -> int:
    """Return by how many braces and brackets a line opens more than it closes.

    Round brackets count only where they stand for the braces of an entry, which no source in use writes.
    """
    plain = line.replace("\\{", "").replace("\\}", "")
    return plain.count("{") - plain.count("}")


def _refuse_open(reading: Reading, lines: list[Line]) -> None:
    last = max(number for number, line in lines if line.strip())
    reading.refuse(lines[0][0], last, "the braces do not balance: the entry may be cut off")
    reading.other(*(number for number, _ in lines if number > last))


def _close(reading: Reading, lines: list[Line], macros: dict[str, str]) -> None:
    """Read one entry or command with balanced braces."""
    match = START.match(lines[0][1])
    kind = match[1].lower() if match else ""
    numbers = [number for number, _ in lines]
    if kind in ("comment", "preamble"):
        reading.other(*numbers)
        return
    errors: list[PybtexError] = []
    parser = LowLevelParser("\n".join(line for _, line in lines), handle_error=errors.append, macros=macros)
    try:
        entries = list(parser)
    except PybtexError as error:
        errors.append(error)
        entries = []
    if kind == "string" and not errors:
        # The parser has added the definition to the macros.
        reading.other(*numbers)
        return
    if errors or len(entries) != 1 or kind == "string":
        reason = " ".join(str(errors[0]).split()) if errors else "it is not a single entry"
        reading.refuse(numbers[0], numbers[-1], f"cannot be read as BibTeX: {reason}")
        return
    entry = Entry(numbers[0], numbers[-1])
    for name, parts in entries[0][1][1]:
        entry.add(name.lower(), " ".join("".join(parts).split()))
    reading.keep(entry, _record(entry, kind))


def _record(entry: Entry, kind: str) -> Record:
    def text(*names: str) -> str:
        return _plain(entry.first(*names))

    title = text("title")
    journal = text("journal", "journaltitle", "booktitle")
    urls = [entry.first(name) for name in ("url", "link", "note", "annote", "howpublished")]
    doi = values.doi(entry.first("doi").replace("\\_", "_"), urls[0])
    pmid = values.pmid(entry.first("pmid", "pubmed_id", "pubmedid", "unique-id"), *urls[:1])
    types = [_KINDS.get(kind, kind), text("document_type", "type", "publication_type", "entrysubtype")]
    return Record(
        kind=values.kind(types, title=title, journal=journal, doi=doi, urls=urls),
        title=title,
        authors=values.authors(_plain(name) for name in _names(entry.first("author"))),
        published=values.date(text("year"), text("date"), text("month")),
        journal=journal,
        volume=text("volume"),
        issue=text("number", "issue"),
        pages=values.pages(text("pages").replace("--", "-"), "", text("article-number", "art_number", "eid")),
        doi=doi,
        pmid=pmid,
        registry=values.registry(entry.first("clinical_trial_numbers"), *urls)
        or values.registry(entry.first("abstract")),
        url=values.url(urls, doi, pmid),
        abstract=text("abstract"),
    )


def _names(text: str) -> list[str]:
    """Return the single names of a list of authors."""
    try:
        names = split_name_list(text)
    except PybtexError:
        names = re.split(r"\s+and\s+", text)
    return [name for name in names if name.lower() != "others"]


_COMMANDS_IN_TEXT = {"textless": "<", "textgreater": ">", "textbar": "|", "textasciitilde": "\\~{}", "url": ""}


def _plain(value: str) -> str:
    r"""Return the text of a value that may contain LaTeX; no letter or digit of it is lost.

    Examples
    --------
    >>> _plain(r"M{\"u}ller \& {Sons}: 0.1% {\textless}i{\textgreater}ointment")
    'Müller & Sons: 0.1% <i>ointment'
    """
    if not re.search(r"[\\{}$~]", value):
        return value
    for name, text in _COMMANDS_IN_TEXT.items():
        value = re.sub(rf"\\{name}(?![A-Za-z]) ?", text.replace("\\", r"\\"), value)
    # Sources write the percent sign as it is, where LaTeX has a comment.
    value = re.sub(r"(?<!\\)%", r"\\%", value)
    bare = re.sub(r"[{}\\]", "", value)
    try:
        text = " ".join(str(Text.from_latex(value)).replace("\N{NO-BREAK SPACE}", " ").split())
    except Exception:  # Whatever the decoder of LaTeX meets, the text without its signs can still be read.
        return bare
    letters = sum(map(str.isalnum, re.sub(r"\\[A-Za-z]+", "", value)))
    return text if sum(map(str.isalnum, text)) >= letters else bare
