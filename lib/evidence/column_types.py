"""Check the values of single columns against the data dictionary, and convert them.

Belongs here: the form of every type that ``data/dictionary.csv`` may name, and the schema of a table, which is built
from the dictionary and from ``data/codes.csv`` so that the book's data dictionary and the check cannot differ. Does not
belong here: rules about several values or tables (`rules`).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Iterator

import pandas as pd
import pandera.pandas as pa
from pybtex.database import BibliographyData

from lib.evidence.csv_files import Fault


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
        If the text has another form or is no day of the calendar.

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
_is_number = _matches(r"-?[0-9]+(\.[0-9]+)?")


def _is_source(text: str) -> bool:
    prefix, _, identifier = text.partition(":")
    has_form = {"doi": _is_doi, "pmid": _is_pmid}.get(prefix.lower())
    return has_form is None or has_form(identifier)


FORMS: dict[str, tuple[Callable[[str], bool], str]] = {
    "key": (_matches(r"[a-z0-9_]+"), "lower-case letters, digits and underscores"),
    "text": (lambda text: "\x00" not in text, "text"),
    "count": (_matches(r"[0-9]{1,9}"), "a whole number, 0 or more, in digits only"),
    "number": (_is_number, "a number with a decimal point"),
    "percent": (
        lambda text: bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)) and float(text) <= 100,
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
    "date": (is_past_date, "a day of the calendar as YYYY, YYYY-MM or YYYY-MM-DD, not in the future"),
    "refs": (_is_reference_list, "reference numbers and ranges, such as 7, 8, 22-43"),
    "source": (_is_source, "the name of a source; after doi: or pmid: a DOI or PubMed number of the right form"),
    "doi": (_is_doi, "a DOI such as 10.1001/jamadermatol.2019.0696, without a prefix"),
    "pmid": (_is_pmid, "a PubMed number of 1 to 8 digits"),
}
"""Types of the dictionary: a function that checks the form of a text, and the form in words."""
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
        The limits, which belong to the range.

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


def _is_range(text: str) -> bool:
    try:
        return bool(limits(text))
    except ValueError:
        return False


def dictionary_faults(dictionary: pd.DataFrame) -> Iterator[Fault]:
    """Yield the faults of the dictionary that prevent checking other tables by it.

    Parameters
    ----------
    dictionary : DataFrame
        ``dictionary.csv`` as text.

    Yields
    ------
    Fault
        An unknown type, a number without a range, or a reference to a table or column that does not exist.
    """
    known = {(row.table, row.column) for row in dictionary.itertuples()}
    known |= {("references", column) for column in REFERENCE_COLUMNS}
    for row in dictionary.itertuples():
        if row.type not in TYPES:
            yield Fault("dictionary.csv", row.Index, "type", row.type, f"must be one of: {', '.join(TYPES)}")
        elif (row.type in NUMBERS) != (row.range != ""):
            rule = 'must be given for a number, such as "0 to 100", or "none: " and the reason; and only for a number'
            yield Fault("dictionary.csv", row.Index, "range", row.range, rule)
        elif row.range and not _is_range(row.range):
            rule = 'must be the lowest and the highest value, such as "0 to 100", or "none: " and the reason'
            yield Fault("dictionary.csv", row.Index, "range", row.range, rule)
        for target in filter(None, map(str.strip, row.refers_to.split("|"))):
            table, _, columns = target.partition(".")
            if any((table, column) not in known for column in columns.split("+")):
                yield Fault("dictionary.csv", row.Index, "refers_to", target, "there is no such table or column")


def value_faults(name: str, frame: pd.DataFrame, dictionary: pd.DataFrame, codes: pd.DataFrame) -> Iterator[Fault]:
    """Yield the faults of single values of a table.

    Parameters
    ----------
    name : str
        Name of the table.
    frame : DataFrame
        The table as text, indexed by spreadsheet row.
    dictionary, codes : DataFrame
        ``dictionary.csv`` and ``codes.csv`` as text.

    Yields
    ------
    Fault
        A value that is missing, not of the type that the dictionary names, or outside of its range.
    """
    try:
        _schema(dictionary[dictionary.table == name], codes).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        for case in errors.failure_cases.itertuples():
            yield Fault(f"{name}.csv", int(case.index), str(case.column), str(case.failure_case), str(case.check))


def _schema(columns: pd.DataFrame, codes: pd.DataFrame) -> pa.DataFrameSchema:
    """Build the schema of one table from its rows of the dictionary."""
    return pa.DataFrameSchema({row.column: _schema_column(row, codes) for row in columns.itertuples()})


def _schema_column(row, codes: pd.DataFrame) -> pa.Column:
    checks = []
    has_form: Callable[[str], bool]
    if row.required == "yes":
        checks.append(pa.Check(lambda text: text != "", error="a value is required"))
    if row.type in ("code", "codes"):
        allowed = dict.fromkeys(codes.loc[codes["list"] == row.allowed, "code"])
        form = f"{'one or more' if row.type == 'codes' else 'one'} of: {', '.join(allowed)}"

        def is_allowed(text: str) -> bool:
            parts = [part.strip() for part in text.split(";")] if row.type == "codes" else [text]
            return all(part in allowed for part in parts)

        has_form = is_allowed
    else:
        has_form, form = FORMS[row.type]
    checks.append(
        pa.Check(lambda text: text == "" or has_form(text), element_wise=True, error=f"must be {form}"),
    )
    if row.type == "codes":
        checks.append(pa.Check(_is_distinct, element_wise=True, error="names a code twice: leave one out"))
    low, high = limits(row.range)
    if not math.isinf(low):
        unit = f" {row.unit}" if row.unit and row.unit != "%" else row.unit
        form = f"must be from {row.range}{unit} (range in dictionary.csv)"

        def is_in_range(text: str) -> bool:
            return not has_form(text) or low <= float(text) <= high

        checks.append(pa.Check(is_in_range, element_wise=True, error=form))
    return pa.Column(checks=checks)


def _is_distinct(text: str) -> bool:
    codes = [code.strip() for code in text.split(";")]
    return len(set(codes)) == len(codes)


def reference_faults(file: str, references: BibliographyData) -> Iterator[Fault]:
    """Yield the faults of the identifiers in the bibliography.

    Parameters
    ----------
    file : str
        Name of the file, for the messages.
    references : pybtex.database.BibliographyData
        The bibliography.

    Yields
    ------
    Fault
        A DOI or PubMed number of the wrong form.
    """
    for key, entry in references.entries.items():
        for field in ("doi", "pmid"):
            has_form, form = FORMS[field]
            if field in entry.fields and not has_form(entry.fields[field]):
                yield Fault(file, None, f"{key}, {field}", entry.fields[field], f"must be {form}")


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
