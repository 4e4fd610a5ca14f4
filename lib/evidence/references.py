"""Read and check the bibliography, ``references.bib``.

Belongs here: the form of the file, of its entries and of their fields, so that the renderer of the book never meets one
that it cannot show. Does not belong here: whether studies and references agree (`rules`).
"""

from __future__ import annotations

import difflib
import functools
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pybtex.bibtex.utils import split_name_list
from pybtex.database import BibliographyData, InvalidNameString, Person, parse_string
from pybtex.database.input.bibtex import LowLevelParser
from pybtex.exceptions import PybtexError
from pybtex.richtext import Text
from pybtex.scanner import PybtexSyntaxError

from lib.evidence.characters import fault_of
from lib.evidence.column_types import FORMS
from lib.evidence.csv_files import MERGE_MARKS, MERGE_RULE, Fault, file_fault
from lib.evidence.value_checks import form_rule

REQUIRED: dict[str, tuple[str, ...]] = {
    "article": ("author", "title", "journal", "year"),
    "book": ("author|editor", "title", "publisher", "year"),
    "booklet": ("author", "title", "year"),
    "inbook": ("author|editor", "title", "publisher", "year"),
    "incollection": ("author", "title", "booktitle", "year"),
    "inproceedings": ("author", "title", "booktitle", "year"),
    "manual": ("title",),
    "mastersthesis": ("author", "title", "school", "year"),
    "phdthesis": ("author", "title", "school", "year"),
    "proceedings": ("title", "year"),
    "techreport": ("author", "title", "institution", "year"),
    "unpublished": ("author", "title", "note"),
    "misc": ("author|title|howpublished|note",),
    "online": ("author|title|howpublished|note",),
    "dataset": ("author|title|howpublished|note",),
}
"""Types of entries that the book's style can show, and the fields that it needs for each (``a|b``: one of them)."""
FIELDS = (
    *("author", "title", "journal", "year", "volume", "number", "pages", "doi", "pmid", "note", "howpublished"),
    *("booktitle", "publisher", "editor", "school", "institution", "organization", "address", "edition", "series"),
    *("chapter", "month", "url", "urldate", "isbn", "type", "eprint"),
)
"""Fields that an entry may have."""
_LARGEST = 10_000_000
"""Largest size of the file in bytes: three hundred times its size in 2026."""


@dataclass(frozen=True)
class _Entry:
    """An entry as it is written: its type, key, line and fields, with repeated ones."""

    kind: str
    key: str
    line: int
    fields: list[tuple[str, str, int]]


def read_references(path: Path) -> tuple[BibliographyData, dict[str, int], list[Fault]]:
    """Read and check the BibTeX file of references.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    references : pybtex.database.BibliographyData
        Empty if there is any fault.
    lines : dict of str to int
        Line on which each entry begins, by key.
    faults : list of Fault
        Every fault, with line, key and field.
    """
    fault = file_fault(path)
    if not fault and path.stat().st_size > _LARGEST:
        rule = f"the file has more than {_LARGEST // 1_000_000} MB, and a bibliography some KB. Is it the right file?"
        fault = Fault(path.name, None, "", "", rule)
    if fault:
        return BibliographyData(), {}, [fault]
    text = path.read_text(encoding="utf-8-sig")
    return pickle.loads(_pickled(path.name, text))


# A process checks the same text several times. It is read once, and every caller gets a copy.
@functools.lru_cache(maxsize=8)
def _pickled(file: str, text: str) -> bytes:
    references, lines, faults = _read(file, text)
    return pickle.dumps((BibliographyData(), {}, faults) if faults else (references, lines, faults))


def _read(file: str, text: str) -> tuple[BibliographyData, dict[str, int], list[Fault]]:
    """Return what `read_references` returns for a text."""
    entries, faults = _entries(file, text)
    lines: dict[str, int] = {}
    for entry in entries:
        first = lines.setdefault(entry.key.lower(), entry.line)
        if first != entry.line:
            rule = f"is the key of the entry on line {first} too: remove one of the two, or give it another key"
            faults.append(Fault(file, entry.line, "", entry.key, rule))
        faults += _entry_faults(file, entry)
    if not entries and not faults:
        faults.append(Fault(file, None, "", "", "the file has no entries"))
    references = BibliographyData()
    if not faults:
        try:
            references = parse_string(text, "bibtex")
        except PybtexError as error:
            faults.append(Fault(file, None, "", "", f"cannot be read as BibTeX: {error}"))
    return references, {entry.key: entry.line for entry in entries}, faults


def _entries(file: str, text: str) -> tuple[list[_Entry], list[Fault]]:
    """Return the entries of a bibliography, and the faults in the form of the file."""
    errors: list[PybtexSyntaxError] = []
    parser = LowLevelParser(text, handle_error=errors.append)
    entries: list[_Entry] = []
    faults = list(_outside(file, text, 0, _next_entry(text, 0)))
    for command, content in parser:
        start, end = parser.command_start, parser.pos
        line = text.count("\n", 0, start) + 1
        if errors:
            faults.append(_syntax_fault(file, line, parser.current_entry_key or "", errors[0]))
            errors.clear()
        elif outside := list(_outside(file, text, end, _next_entry(text, end))):
            # The entry has ended too early. Do not check its fields: those that it lacks follow from this fault.
            faults += outside
        elif isinstance(content[-1], list) and command.lower() not in ("string", "preamble"):
            body = text[start:end]
            fields = [
                (name, " ".join("".join(parts).split()), _line_of(body, name, line)) for name, parts in content[1]
            ]
            entries.append(_Entry(command, content[0], line, fields))
        else:
            entries.append(_Entry(command, "", line, []))
    if errors:
        line = text.count("\n", 0, parser.command_start or 0) + 1
        faults.append(_syntax_fault(file, line, parser.current_entry_key or "", errors[0]))
    return entries, faults


def _next_entry(text: str, position: int) -> int:
    """Return the position at which the next entry begins; that of the end of the text if there is none."""
    match = re.compile(r"@\s*\w+\s*[{(]").search(text, position)
    return match.start() if match else len(text)


def _line_of(body: str, field: str, first: int) -> int:
    match = re.search(rf"[,\s]{re.escape(field)}\s*=", body)
    return first + body.count("\n", 0, match.start(0) + 1) if match else first


def _outside(file: str, text: str, start: int, end: int) -> Iterator[Fault]:
    """Yield a fault for the first line between two entries that is not a comment: it may be an entry without its @."""
    at = text.count("\n", 0, start) + 1
    lines = text.split("\n")
    for number, part in enumerate(text[start:end].split("\n"), start=at):
        if part.strip() and not part.lstrip().startswith("%"):
            if part.startswith(MERGE_MARKS):
                rule = MERGE_RULE
            else:
                rule = (
                    "is outside of any entry: an entry begins with @ and its type, and a comment with %; or the entry"
                    " before it has a brace too many"
                )
            yield Fault(file, number, "", lines[number - 1].strip(), rule)
            return


def _syntax_fault(file: str, line: int, key: str, error: PybtexSyntaxError) -> Fault:
    until = getattr(error, "lineno", None)
    reason = re.sub(r"^(?:syntax error|(undefined string)) in line [0-9]+: ", r"\1 ", str(error)).strip()
    note = f"; the fault shows on line {until}" if until and until != line else ""
    rule = (
        f"the entry is not well-formed BibTeX ({reason}{note}): check that braces balance, that each field ends with a"
        " comma, and that the entry has a key and a last brace"
    )
    return Fault(file, line, key, "", rule)


def _entry_faults(file: str, entry: _Entry) -> Iterator[Fault]:
    kind = entry.kind.lower()
    if kind not in REQUIRED:
        nearest = difflib.get_close_matches(kind, REQUIRED, n=1)
        remedy = f"write @{nearest[0]}" if nearest else f"use one of {', '.join(f'@{name}' for name in REQUIRED)}"
        yield Fault(file, entry.line, entry.key, f"@{entry.kind}", f"is not a type of entry: {remedy}")
        return
    has_form, form = FORMS["key"]
    if not has_form(entry.key):
        yield Fault(file, entry.line, "", entry.key, f"is not a key: a key has {form}")
    present = {name.lower() for name, value, _ in entry.fields if value}
    misspelt = set()
    names: set[str] = set()
    for name, value, line in entry.fields:
        place = f"{entry.key}, {name}"
        if name.lower() in names:
            yield Fault(file, entry.line, place, "", "the entry has this field more than once: keep one")
            continue
        names.add(name.lower())
        if name.lower() not in FIELDS:
            nearest = difflib.get_close_matches(name.lower(), [field for field in FIELDS if field not in present], n=1)
            misspelt |= {*nearest}
            remedy = f"write {nearest[0]}" if nearest else f"the fields are {', '.join(FIELDS)}"
            yield Fault(file, line, place, "", f"there is no such field: {remedy}")
        elif rule := _value_rule(name.lower(), value):
            yield Fault(file, line, place, value, rule)
    for needed in REQUIRED[kind]:
        if not {*needed.split("|")} & (present | misspelt):
            alternatives = needed.replace("|", " or ")
            advice = "" if kind == "misc" else "; if it was not seen, make the entry a @misc and leave the field out"
            yield Fault(file, entry.line, entry.key, "", f"@{kind} needs the field {alternatives}{advice}")


def _value_rule(field: str, value: str) -> str:
    """Return what is wrong with the value of a field; empty if nothing is."""
    if not value:
        return "the field is empty: leave it out"
    if rule := fault_of(value):
        return rule
    if field in ("doi", "pmid", "year"):
        return form_rule(field, value)
    if field == "url":
        return "" if re.fullmatch(r"https?://[^\s<>\"]+", value) else "must be an address that begins with https://"
    return _latex_rule(value, field in ("author", "editor"))


# Readers of LaTeX are slow, and a bibliography is checked again after each of its changes.
@functools.lru_cache(maxsize=10_000)
def _latex_rule(value: str, has_names: bool) -> str:
    """Return why LaTeX, or the reader of names, would not show a value; empty if it does."""
    if re.search(r"(?<!\\)%", value):
        return r"has a bare %, which begins a comment in LaTeX and hides the rest: write \%"
    try:
        # Only commands need a check, because the parser has made sure that braces balance.
        shown = str(Text.from_latex(value)) if "\\" in value else ""
        for name in split_name_list(value) if has_names else []:
            Person(name)
    except InvalidNameString:
        return "has a name with more than two commas: put ' and ' between names, and write each as Last, First"
    except PybtexError as error:
        return f"cannot be read as LaTeX: {error}"
    if command := re.search(r"\\[A-Za-z]+", shown):
        return f"has the command {command[0]}, which the book does not know: write the character itself"
    return ""
