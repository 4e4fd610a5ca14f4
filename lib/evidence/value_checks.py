"""Check the values of single columns, and the data dictionary that says what they may be.

Belongs here: the schema of a table, which is built from the dictionary and from ``data/codes.csv`` so that the book's
data dictionary and the check cannot differ, and the messages about values. Does not belong here: the form of each type
(`column_types`), and rules about several values or tables (`rules`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd

from lib.evidence.characters import fault_of, forbidden, visible
from lib.evidence.column_types import FORMS, NUMBERS, REFERENCE_COLUMNS, TYPES, limits
from lib.evidence.csv_files import Fault
from lib.evidence.rewritten import remedy

# Ends of messages about values whose form is right but which are not allowed.
_TWICE, _RANGE = "names a code twice: leave one out", "(range in dictionary.csv)"
_PART = 20_000
"""Number of rows that are checked at a time."""


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
    # Importing pandera and validating with it takes longer than all other checks, and most tables have no wrong value.
    with_faults = {column: some for column, some in checks.items() if not _are_right(frame[column], some)}
    if not with_faults:
        return
    import pandera.pandas as pa

    def check(is_right: Callable[[str], bool], error: str) -> pa.Check:
        # Check each value once, however often it occurs.
        return pa.Check(lambda texts: texts.map({text: is_right(text) for text in texts.unique()}), error=error)

    schema = pa.DataFrameSchema(
        {column: pa.Column(checks=[check(*each) for each in some]) for column, some in with_faults.items()}
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


def _is_distinct(text: str) -> bool:
    codes = [code.strip() for code in text.split(";")]
    return len(set(codes)) == len(codes)
