"""Define the types of the data dictionary: the form of their values, and their conversion to numbers.

Belongs here: the form of every type that ``data/dictionary.csv`` may name, ranges, and dates and lists of references as
they are written. Does not belong here: checking a table against the dictionary (`value_checks`).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable

import pandas as pd

from lib.evidence.characters import fault_of


def period_end(text: str) -> dt.date:
    """Return the last day of the year, month or day that a text names.

    Parameters
    ----------
    text : str
        A date as YYYY, YYYY-MM or YYYY-MM-DD.

    Returns
    -------
    datetime.date
        The last day that the text can mean.

    Raises
    ------
    ValueError
        If the text has another form or is not a day of the calendar.

    Examples
    --------
    >>> from lib.evidence import period_end
    >>> period_end("2020-02")
    datetime.date(2020, 2, 29)
    >>> period_end("2020")
    datetime.date(2020, 12, 31)
    """
    match = re.fullmatch(r"([1-9][0-9]{3})(?:-(0[1-9]|1[0-2])(?:-([0-9]{2}))?)?", text)
    if not match:
        raise ValueError(f"{text!r} is not a date of the form YYYY, YYYY-MM or YYYY-MM-DD")
    year, month = int(match[1]), int(match[2] or 12)
    if match[3]:
        return dt.date(year, month, int(match[3]))
    first_of_next = dt.date(year + 1, 1, 1) if month == 12 else dt.date(year, month + 1, 1)
    return first_of_next - dt.timedelta(days=1)


def is_past_date(text: str) -> bool:
    """Return whether a text is a date as YYYY, YYYY-MM or YYYY-MM-DD that does not lie in the future."""
    try:
        period_end(text)
    except ValueError:
        return False
    # In time zones ahead of this one it may already be tomorrow.
    return text <= (dt.date.today() + dt.timedelta(days=1)).isoformat()[: len(text)]


def reference_numbers(text: str) -> list[int]:
    """Return the numbers of a published reference list.

    Parameters
    ----------
    text : str
        Numbers and ranges, separated by commas.

    Returns
    -------
    list of int
        Every number, in the order of the list.

    Raises
    ------
    ValueError
        If the text is not such a list, or a range runs backwards.

    Examples
    --------
    >>> from lib.evidence import reference_numbers
    >>> reference_numbers("7, 8, 22-25")
    [7, 8, 22, 23, 24, 25]
    """
    numbers: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", item)
        if not match or (match[2] and int(match[2]) <= int(match[1])):
            raise ValueError(f"{text!r} is not a list of reference numbers and ranges")
        numbers.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return numbers


def _is_reference_list(text: str) -> bool:
    try:
        return bool(reference_numbers(text))
    except ValueError:
        return False


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_is_doi = _matches(r"10\.[0-9]{4,9}/[^\s\"<>]+")
_is_pmid = _matches(r"[1-9][0-9]{0,7}")
_is_number = _matches(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def _is_source(text: str) -> bool:
    prefix, _, identifier = text.partition(":")
    has_form = {"doi": _is_doi, "pmid": _is_pmid}.get(prefix.lower())
    if has_form is None:
        # An identifier in the form of a web address would not be recognised as the same source: refuse it.
        return not re.match(r"https?://(dx\.)?doi\.org/|https?://pubmed\.", text) and not fault_of(text)
    return prefix.islower() and has_form(identifier)


_NUMBER = r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?"


def _is_concentration(text: str) -> bool:
    """Return whether a text begins with a quantity and its unit, and writes every percentage in one way."""
    begins = re.match(rf"{_NUMBER}(%| [^\W\d]+/[^\W\d]+)", text)
    percentages = re.findall(r"([0-9.,]*[0-9.,] *)%", text)
    return (
        begins is not None
        and all(re.fullmatch(_NUMBER, number) for number in percentages)
        and "\N{MICRO SIGN}" not in text
        and not fault_of(text)
    )


FORMS: dict[str, tuple[Callable[[str], bool], str]] = {
    "key": (_matches(r"[a-z0-9_]+"), "lower-case letters, digits and underscores"),
    "text": (lambda text: not fault_of(text), "text"),
    "identifier": (
        _matches(r"[a-z0-9][a-z0-9_.-]*"),
        "lower-case letters, digits, hyphens, underscores and full stops, beginning with a letter or digit",
    ),
    "sha256": (_matches(r"[0-9a-f]{64}"), "a SHA-256: 64 digits and letters from a to f"),
    "concentration": (
        _is_concentration,
        "a concentration such as 0.1% or 50 μg/g, without a space before % or a zero at the end",
    ),
    "count": (_matches(r"0|[1-9][0-9]{0,8}"), "a whole number, 0 or more, in digits only"),
    "number": (_is_number, "a number with a decimal point"),
    "percent": (
        lambda text: bool(re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]+)?", text)) and float(text) <= 100,
        "a number from 0 to 100",
    ),
    "year": (
        lambda text: bool(re.fullmatch(r"[0-9]{4}", text)) and 1900 <= int(text) <= dt.date.today().year,
        "a year from 1900 to this one",
    ),
    "day": (
        lambda text: len(text) == 10 and is_past_date(text),
        "a day of the calendar as YYYY-MM-DD, not in the future",
    ),
    "date": (
        lambda text: is_past_date(text) and not (len(text) == 10 and text.endswith("-01")),
        "a day of the calendar as YYYY, YYYY-MM or YYYY-MM-DD, not in the future, and not the first of a month, which"
        " spreadsheets make of YYYY-MM",
    ),
    "refs": (_is_reference_list, "reference numbers and ranges, such as 7, 8, 22-43"),
    "source": (_is_source, "the name of a source, or doi: or pmid: and a DOI or PubMed number of the right form"),
    "doi": (_is_doi, "a DOI such as 10.1001/jamadermatol.2019.0696, without a prefix"),
    "pmid": (_is_pmid, "a PubMed number of 1 to 8 digits"),
}
"""Types of the dictionary, each with a function that checks the form of a text, and a description of that form."""
NUMBERS = ("count", "number", "percent", "year")
"""Types whose values are numbers; every column of such a type has a range in the dictionary."""
TYPES = (*FORMS, "code", "codes")
"""All types of the dictionary; ``code`` and ``codes`` take their values from a list of ``data/codes.csv``."""
REFERENCE_COLUMNS = ("key", "doi", "pmid", "url", "year", "title", "journal", "howpublished", "note")
"""Columns of the table ``references``, which is made from the bibliography."""


def limits(text: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a range of the dictionary.

    Parameters
    ----------
    text : str
        The range, such as "0 to 100"; after "none:" or without text, there are no limits.

    Returns
    -------
    low, high : float
        The lowest and the highest value that is allowed.

    Raises
    ------
    ValueError
        If the text has another form.

    Examples
    --------
    >>> from lib.evidence.column_types import limits
    >>> limits("0.1 to 120")
    (0.1, 120.0)
    >>> limits("none: the type allows 1900 to this year")
    (-inf, inf)
    """
    if not text or re.fullmatch(r"none: .*\w.*", text):
        return -math.inf, math.inf
    low, separator, high = text.partition(" to ")
    if not separator or not (_is_number(low) and _is_number(high)) or float(low) >= float(high):
        raise ValueError(f"{text!r} is not a range such as 0 to 100")
    return float(low), float(high)


def convert(frame: pd.DataFrame, types: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Convert checked text to numbers where the dictionary says so.

    Parameters
    ----------
    frame : DataFrame
        A table as `lib.evidence.checking.read_tables` returns it.
    types : iterable of (column, type)
        The types of the dictionary.

    Returns
    -------
    DataFrame
        A copy: counts, years and numbers numeric (missing: NaN), the rest text (missing: "").

    Examples
    --------
    >>> import pandas as pd
    >>> from lib.evidence.column_types import convert
    >>> frame = pd.DataFrame({"arm": ["tacrolimus", "placebo"], "n": ["20", ""]})
    >>> convert(frame, [("arm", "text"), ("n", "count")])
              arm     n
    0  tacrolimus  20.0
    1     placebo   NaN
    """
    numeric = [column for column, kind in types if kind in NUMBERS]
    return frame.assign(**{column: pd.to_numeric(frame[column]) for column in numeric}).reset_index(drop=True)
