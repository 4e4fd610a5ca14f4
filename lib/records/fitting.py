"""Make the values of a record fit the tables of the data folder, or say why they cannot.

Belongs here: what is done with a value of the wrong form, and the remark about it. Does not belong here: the forms
themselves (`lib.evidence.column_types`, `lib.evidence.characters`), and what sources write (`readers.values`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from lib.evidence.characters import fault_of, forbidden
from lib.evidence.column_types import FORMS
from lib.records.record import FACTS, Parsed, Record, Refused

_LONGEST = {"title": 2000, "authors": 20_000, "journal": 500, "url": 2000, "doi": 300}
"""Largest number of characters of a value; a longer one is another field's text, or a damaged file."""
_LONGEST_OTHER = 100
_TYPED = {"published": "date", "doi": "doi", "pmid": "pmid"}
"""Columns of ``records.csv`` whose values have a form, and the type of the dictionary that states it."""
KINDS = (
    *("article", "preprint", "registry_record", "congress_abstract", "erratum", "retraction_notice", "review"),
    *("thesis", "other", "unknown"),
)
"""Codes of the kind of a record."""


def fit(parsed: Parsed) -> Parsed:
    """Return records whose values fit the tables; entries with none left are refused, and counted as such.

    Parameters
    ----------
    parsed : Parsed
        As a reader or a search returns it.
    """
    records: list[Record] = []
    refused = [_with_plain_reason(entry) for entry in parsed.refused]
    remarks = list(parsed.remarks)
    for record in parsed.records:
        entry, remarks_on_values = fit_record(record)
        remarks += remarks_on_values
        if isinstance(entry, Refused):
            refused.append(entry)
        else:
            records.append(entry)
    refused.sort(key=lambda entry: entry.position)
    return replace(parsed, records=tuple(records), refused=tuple(refused), remarks=tuple(remarks))


def fit_record(record: Record) -> tuple[Record | Refused, list[str]]:
    """Return a record whose values the check of the data accepts, or the refused entry.

    A value that would be executed by a spreadsheet gets an apostrophe in front, as everywhere in the book. Invisible
    characters are removed. A value of another form is left out, and an entry that loses its title and every
    identifier is refused.

    Parameters
    ----------
    record : Record
        A record as a reader or a search returns it.

    Returns
    -------
    entry : Record or Refused
        The record, or why it cannot be imported.
    remarks : list of str
        What was changed or left out.

    Examples
    --------
    >>> record, remarks = fit_record(Record(1, line=7, title="=HYPERLINK(1)", pmid="PMC12", published="2020-01-01"))
    >>> record.title, record.pmid, record.published
    ("'=HYPERLINK(1)", '', '2020-01')
    >>> print(*remarks, sep="; ")  # doctest: +ELLIPSIS
    line 7, title: begins with '=', ... an apostrophe was put before it; line 7, pmid: 'PMC12' was left out: must be ...
    """
    where = f"line {record.line}" if record.line else f"entry {record.position}"
    remarks: list[str] = []
    values: dict[str, str] = {}
    for name in FACTS:
        value = getattr(record, name)
        if value and not _is_plain(value):
            value, remark = _text(name, value)
            remarks += [f"{where}, {name}: {remark}"] if remark else []
        if value:
            value, remark = _typed(name, value)
            remarks += [f"{where}, {name}: {remark}"] if remark else []
        values[name] = value
    if not any(values[name] for name in ("title", "doi", "pmid", "registry")):
        lost = "; ".join(remark.partition(": ")[2] for remark in remarks)
        reason = "has no title, DOI, PubMed number or registry number" + (f" that can be kept: {lost}" if lost else "")
        return _with_plain_reason(Refused(record.position, record.line, reason, record.last_line)), []
    if all(values[name] == getattr(record, name) for name in FACTS):
        return record, remarks
    return replace(record, **values), remarks  # type: ignore[arg-type]


def _with_plain_reason(refused: Refused) -> Refused:
    """Return a refused entry whose reason the check of the data accepts."""
    reason = _visible(refused.reason)[:300]
    return replace(refused, reason=f"'{reason}" if fault_of(reason) else reason)


_PLAIN = re.compile(r"[0-9]{1,9}(?:-[0-9]{1,9})?|10\.[0-9]{4,9}/[!-~]{1,90}")


def _is_plain(value: str) -> bool:
    """Return whether a value is a number, a DOI or short ASCII text: most are, and need no closer look."""
    if _PLAIN.fullmatch(value):
        return True
    return (
        value.isascii()
        and value.isprintable()
        and value[0].isalpha()
        # A shorter one could be what a spreadsheet made of something else, such as TRUE or Mar-15.
        and 8 < len(value) <= 100
        and "  " not in value
        and value[-1] != " "
    )


def _text(name: str, value: str) -> tuple[str, str]:
    """Return a text that readers can see and no spreadsheet executes, and what was done to it."""
    remark = ""
    text = _visible(value)
    longest = _LONGEST.get(name, _LONGEST_OTHER)
    if len(text) > longest:
        if name not in ("title", "authors"):
            return "", f"was left out: it has {len(text)} characters, and {longest} are allowed"
        # Authors are cut between two names.
        cut = text[: longest - 1].rpartition(";")[0] if name == "authors" else ""
        text, remark = (
            f"{cut or text[: longest - 1]}…",
            f"was cut: it has {len(text)} characters, and {longest} are allowed",
        )
    fault = fault_of(text) if text else ""
    if "wrong encoding" in fault:
        text = _visible(text.encode("cp1252").decode("utf-8"))
        remark, fault = "was read in the wrong encoding, and was put right", fault_of(text) if text else ""
    if fault.startswith("begins with"):
        fault = fault.partition(":")[0]
        text, remark = f"'{text}", f"{fault}; an apostrophe was put before it"
        fault = fault_of(text)
    if fault:
        return "", f"{text[:80]!r} was left out: it {fault}"
    return text, remark


def _visible(text: str) -> str:
    """Return a text in one line, with ordinary spaces and without characters that no page can show."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = unicodedata.normalize("NFC", text)
    for _ in range(len(text)):
        character = forbidden(text)
        if not character:
            break
        is_lost = character == "\N{REPLACEMENT CHARACTER}"
        is_space = unicodedata.category(character)[0] == "Z" or character in "\t\r\v\f\x85"
        text = text.replace(character, "?" if is_lost else " " if is_space else "")
    return " ".join(text.split())


def _typed(name: str, value: str) -> tuple[str, str]:
    """Return a value if it has the form of its column, and why it was left out if it has not."""
    if name == "kind":
        return (value, "") if value in KINDS else ("unknown", f"{value!r} is no kind of record; it is unknown now")
    if name == "published" and len(value) == 10 and value.endswith("-01"):
        # What a spreadsheet makes of a month, and what sources write if they know no day.
        value = value[:7]
    if name == "published" and not FORMS["date"][0](value):
        shorter = next((part for part in (value[:7], value[:4]) if FORMS["date"][0](part)), "")
        return shorter, f"{value!r} was left out or shortened: must be {FORMS['date'][1]}"
    kind = _TYPED.get(name, "")
    if kind and not FORMS[kind][0](value):
        return "", f"{value[:80]!r} was left out: must be {FORMS[kind][1]}"
    return value, ""
