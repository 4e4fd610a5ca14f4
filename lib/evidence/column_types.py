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
from typing import Any

import pandas as pd

from lib.evidence.characters import fault_of, forbidden, visible
from lib.evidence.csv_files import Fault
from lib.evidence.rewritten import remedy


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


def _is_range(text: str) -> bool:
    try:
        return bool(limits(text))
    except ValueError:
        return False


def dictionary_faults(dictionary: pd.DataFrame) -> Iterator[Fault]:
    """Yield the faults of the dictionary because of which it cannot be used to check other tables.

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
    columns = dictionary[dictionary.table == name]
    types = dict(zip(columns.column, columns.type, strict=True))
    lists = dict(zip(columns.column, columns.allowed, strict=True))
    checks = {row.column: _checks(row, codes) for row in columns.itertuples()}
    # Most tables have no wrong value. To import pandera and to validate them takes longer than all other checks.
    wrong = {column: each for column, each in checks.items() if not _are_right(frame[column], each)}
    if not wrong:
        return
    import pandera.pandas as pa

    def check(is_right: Callable[[str], bool], error: str) -> pa.Check:
        # Check each value once, however often it occurs.
        return pa.Check(lambda texts: texts.map({text: is_right(text) for text in texts.unique()}), error=error)

    schema = pa.DataFrameSchema(
        {name: pa.Column(checks=[check(*each) for each in some]) for name, some in wrong.items()}
    )
    # Check the table in parts, so that the faults of a long one take little memory.
    for start in range(0, len(frame), _PART):
        try:
            schema.validate(frame.iloc[start : start + _PART], lazy=True)
        except pa.errors.SchemaErrors as errors:
            for case in errors.failure_cases.sort_values("index", kind="stable").itertuples():
                column, value, rule = str(case.column), str(case.failure_case), str(case.check)
                if value and not rule.endswith((_TWICE, _RANGE)):
                    allowed = codes.loc[codes["list"] == lists[column], "code"]
                    rule = form_rule(types[column], value, rule, allowed)
                yield Fault(f"{name}.csv", int(case.index), column, value, rule)


_PART = 20_000
"""Number of rows that are checked at a time."""


def form_rule(kind: str, value: str, rule: str = "", codes: Iterable[str] = ()) -> str:
    """Return what is wrong with a value of a type, and what to write instead.

    Parameters
    ----------
    kind : str
        A type of the dictionary.
    value : str
        The value.
    rule : str
        Message for a wrong code; for other types the message is made from `FORMS`.
    codes : iterable of str
        The codes that are allowed.

    Returns
    -------
    str
        Empty if nothing is wrong.

    Examples
    --------
    >>> form_rule("count", "1,234")
    "must be a whole number, 0 or more, in digits only; a spreadsheet may have rewritten it: write '1234'"
    """
    if kind in FORMS:
        has_form, form = FORMS[kind]
        rule = f"must be {form}"
        if has_form(value):
            return ""
    else:
        allowed = {*codes}

        def has_form(text: str) -> bool:
            return ({part.strip() for part in text.split(";")} if kind == "codes" else {text}) <= allowed

    if kind == "text" or forbidden(value):
        meant = visible(value)
        advice = f" (write {meant!r})" if kind != "text" and has_form(meant) else ""
        return fault_of(value) + advice
    return f"{rule}{remedy(value, has_form, codes)}"


_Check = tuple[Callable[[str], bool], str]
"""Whether a text is right, and what is wrong otherwise."""


def _are_right(texts: pd.Series, checks: list[_Check]) -> bool:
    return all(is_right(text) for text in texts.unique() for is_right, _ in checks)


def _checks(row: Any, codes: pd.DataFrame) -> list[_Check]:
    """Return the checks of one column from its row of the dictionary."""
    checks: list[_Check] = []
    has_form: Callable[[str], bool]
    if row.required == "yes":
        checks.append((bool, "a value is required"))
    if row.type in ("code", "codes"):
        allowed = dict.fromkeys(codes.loc[codes["list"] == row.allowed, "code"])
        form = f"{'one or more' if row.type == 'codes' else 'one'} of: {', '.join(allowed)}"

        def is_allowed(text: str) -> bool:
            parts = [part.strip() for part in text.split(";")] if row.type == "codes" else [text]
            return all(part in allowed for part in parts)

        has_form = is_allowed
    else:
        has_form, form = FORMS[row.type]

    def add(is_right: Callable[[str], bool], error: str) -> None:
        checks.append((lambda text: text == "" or is_right(text), error))

    add(has_form, f"must be {form}")
    if row.type == "codes":
        add(_is_distinct, _TWICE)
    low, high = limits(row.range)
    if not math.isinf(low):
        unit = f" {row.unit}" if row.unit and row.unit != "%" else row.unit
        form = f"must be from {row.range}{unit} {_RANGE}"
        add(lambda text: not has_form(text) or low <= float(text) <= high, form)
    return checks


# Ends of messages about values whose form is right but which are not allowed.
_TWICE, _RANGE = "names a code twice: leave one out", "(range in dictionary.csv)"


def _is_distinct(text: str) -> bool:
    codes = [code.strip() for code in text.split(";")]
    return len(set(codes)) == len(codes)


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
