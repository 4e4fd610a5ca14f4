"""Read the answers of databases into one form, and recognise those that cannot be used.

Belongs here: windows of dates, entries and pages of a result, and reading XML and JSON that may be cut off. Does not
belong here: the fields of one database (a module for each).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from lib.records.readers.values import MONTHS
from lib.records.record import Record
from lib.records.searching.client import UnusableAnswer


@dataclass(frozen=True)
class Window:
    """A period of days, both included.

    Examples
    --------
    >>> Window(dt.date(2026, 1, 1), dt.date(2026, 1, 4)).halves()[1]
    2026-01-03 to 2026-01-04
    """

    since: dt.date
    until: dt.date

    def __repr__(self) -> str:
        return f"{self.since} to {self.until}"

    def dates(self) -> list[str]:
        """Return both days as YYYY-MM-DD."""
        return [self.since.isoformat(), self.until.isoformat()]

    def halves(self) -> tuple[Window, Window]:
        """Return the earlier and the later half of a window of more than one day."""
        middle = self.since + (self.until - self.since) // 2
        return Window(self.since, middle), Window(middle + dt.timedelta(days=1), self.until)


@dataclass(frozen=True)
class Entry:
    """One entry of an answer: a record, or the reason why there is none.

    Attributes
    ----------
    name : str
        Identifier of the entry in the database, such as its PubMed number; empty if it has none.
    record : Record or None
        The record, which has no number yet.
    reason : str
        Why there is no record.
    """

    name: str
    record: Record | None = None
    reason: str = ""


@dataclass(frozen=True)
class Start:
    """What a database states when a query is put to it, before any page.

    Attributes
    ----------
    total : int
        Number of records that it found.
    token : str
        Names the first page.
    listed : tuple of str
        Identifiers of all records, if the database lists them.
    remarks : tuple of str
        What the database says of the query, such as a phrase that it did not find.
    """

    total: int
    token: str
    listed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page of a result.

    Attributes
    ----------
    entries : tuple of Entry
        Its entries, in order.
    following : str
        Names the next page; empty if this is the last one.
    total : int or None
        Number of records in all, if the page states it.
    """

    entries: tuple[Entry, ...]
    following: str = ""
    total: int | None = None


def read_json(content: bytes, *path: str) -> dict[str, Any]:
    """Return the object of a JSON answer, or the object within it that a path of names leads to.

    Raises
    ------
    UnusableAnswer
        If the answer is cut off, is a web page, or has no such object.

    Examples
    --------
    >>> read_json(b'{"message": {"total-results": 0}}', "message")
    {'total-results': 0}
    """
    _refuse_web_page(content, "JSON")
    try:
        answer = member(json.loads(content), *path)
    except ValueError:
        raise UnusableAnswer("the JSON is cut off or damaged") from None
    if not isinstance(answer, dict):
        raise UnusableAnswer(f"the JSON has another form than expected (no object {'.'.join(path) or 'at all'})")
    return answer


def list_of(answer: dict[str, Any], name: str) -> list[Any]:
    """Return a list that an object of an answer must have."""
    if not isinstance(answer.get(name), list):
        raise UnusableAnswer(f"the JSON has another form than expected (no list {name})")
    return answer[name]


def number_of(answer: dict[str, Any], name: str) -> int:
    """Return a number that an object of an answer must have."""
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnusableAnswer(f"the JSON has another form than expected (no number {name})")
    return value


def read_xml(content: bytes, root: str) -> Element:
    """Return the root of an XML answer.

    Raises
    ------
    UnusableAnswer
        If the answer is cut off, is a web page, defines entities, or has another root.

    Examples
    --------
    >>> read_xml(b"<eSearchResult><Count>0</Count></eSearchResult>", "eSearchResult").findtext("Count")
    '0'
    """
    _refuse_web_page(content, "XML")
    try:
        element: Element = defusedxml.ElementTree.fromstring(content)
    except ParseError:
        raise UnusableAnswer("the XML is cut off or damaged") from None
    except DefusedXmlException:
        raise UnusableAnswer("the XML defines entities, which no answer needs") from None
    if element.tag != root:
        error = words(element.findtext(".//ERROR") or element.get("error") or "")
        raise UnusableAnswer(f"{root} was expected, and <{element.tag}> came{f': {error}' if error else ''}")
    return element


def _refuse_web_page(content: bytes, expected: str) -> None:
    if re.match(rb"\s*(<!doctype\s+html|<html)", content[:200], re.IGNORECASE):
        raise UnusableAnswer(f"a web page came in place of {expected}")
    if not content.strip():
        raise UnusableAnswer("the answer is empty")


def words(value: object) -> str:
    r"""Return a text of an answer on one line, without tags; other values than text and numbers give an empty text.

    Examples
    --------
    >>> words("Effect of <i>made-up</i>\n  treatment")
    'Effect of made-up treatment'
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(re.sub(r"</?[A-Za-z][^<>]*>", "", str(value)).split())


def first(value: object) -> str:
    """Return the first text of a list, which may be missing."""
    return words(value[0]) if isinstance(value, list) and value else ""


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list, which may be missing."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def member(value: Any, *path: str) -> Any:
    """Return what a path of names leads to in an object of an answer; None if there is no such member.

    Examples
    --------
    >>> member({"a": {"b": 1}}, "a", "b"), member({"a": []}, "a", "b")
    (1, None)
    """
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def date_of(year: object, month: object = None, day: object = None) -> str:
    """Return a date as far as it is known, for the column ``published``; empty without a year.

    The first day of a month is given as the month, as in all tables.

    Examples
    --------
    >>> date_of("2018", "Feb"), date_of(2018, 2, 30), date_of(2018, 2, 1), date_of("2018", "Winter")
    ('2018-02', '2018-02', '2018-02', '2018')
    """
    if not re.fullmatch(r"[12][0-9]{3}", str(year)):
        return ""
    name = str(month or "").strip().casefold()
    number = int(name) if name.isascii() and name.isdecimal() else MONTHS.get(name[:3], 0)
    if not 1 <= number <= 12:
        return str(year)
    try:
        date = dt.date(int(str(year)), number, int(str(day)))
    except ValueError:
        return f"{year}-{number:02}"
    return date.isoformat() if date.day > 1 else f"{year}-{number:02}"


def date_from(text: object) -> str:
    """Return a date of the form YYYY, YYYY-MM or YYYY-MM-DD for the column ``published``."""
    return date_of(*words(text).split("T")[0].split("-")[:3])


def doi_from(text: object) -> str:
    """Return a DOI without prefix, in lower case; empty if the text is none.

    Examples
    --------
    >>> doi_from("https://doi.org/10.5555/ABC"), doi_from("n/a")
    ('10.5555/abc', '')
    """
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", words(text), flags=re.IGNORECASE).lower()
    return bare if re.fullmatch(r"10\.[0-9]{4,9}/[^\s\"<>]+", bare) else ""


def pmid_from(text: object) -> str:
    """Return a PubMed number; empty if the text holds none."""
    match = re.search(r"(?:^|/)0*([1-9][0-9]{0,7})/?$", words(text))
    return match[1] if match else ""
