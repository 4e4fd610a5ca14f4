"""Helpers for the rules of all subjects.

Belongs here: the type of a rule, the decorator `needs`, and comparisons that more than one module of rules makes.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from lib.evidence.csv_files import Fault
from lib.evidence.screening import NAME, PARTS, at_its_origin

Tables = Mapping[str, pd.DataFrame]
"""Tables by name: all values as text, indexed by spreadsheet row."""
Rule = Callable[[Tables], Iterator[Fault]]
"""A function that yields a fault for every place where the tables break a rule."""


def needs(*names: str) -> Callable[[Rule], Rule]:
    """Declare which tables a rule reads.

    The rule is skipped if one of them could not be read: that fault is already reported. A rule that compares tables is
    skipped too while one of them has values of the wrong form. Who reads ``screening`` reads the tables of which it is
    assembled, and the faults that the rule finds in it are those of the values there.

    Parameters
    ----------
    *names : str
        Names of tables.

    Returns
    -------
    callable
        A decorator of a rule.
    """
    read = (*names, *PARTS) if NAME in names else names

    def decorate(rule: Rule) -> Rule:
        @functools.wraps(rule)
        def apply(tables: Tables) -> Iterator[Fault]:
            if set(read) <= tables.keys():
                faults = rule(tables)
                yield from (at_its_origin(fault, tables) for fault in faults) if NAME in names else faults

        apply.tables = read  # type: ignore[attr-defined]
        return apply

    return decorate


def with_numbers(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return a copy with some columns as numbers; other text becomes NaN, because its form is reported elsewhere."""
    return frame.assign(**{column: pd.to_numeric(frame[column], errors="coerce") for column in columns})


def exceeding(tables: Tables, name: str, smaller: str, larger: str, rule: str) -> Iterator[Fault]:
    """Yield a fault for every row of a table in which one column exceeds another.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        The tables.
    name : str
        The table.
    smaller, larger : str
        Numeric columns; the first must not exceed the second.
    rule : str
        Message for rows in which it does.

    Yields
    ------
    Fault
        At ``smaller``, with the value of ``larger``.
    """
    frame = tables[name]
    numbers = with_numbers(frame, smaller, larger)
    for row in frame.index[numbers[smaller] > numbers[larger]]:
        yield Fault(f"{name}.csv", row, smaller, frame.at[row, smaller], f"{rule} ({larger} = {frame.at[row, larger]})")


def rows_by(frame: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], list[Any]]:
    """Return the rows of a table, as named tuples, grouped by their values in some columns."""
    rows: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for row in frame.itertuples():
        rows[tuple(getattr(row, column) for column in columns)].append(row)
    return dict(rows)


def included_studies(tables: Tables) -> set[str]:
    """Return the keys of the studies that are included: those whose record was not excluded and awaits nothing."""
    screening = tables["screening"]
    return set(tables["studies"].study) - set(screening.study[screening.decision != "included"])


def words(text: str) -> set[str]:
    """Return the words of a text in lower case, with one word for each kind of phototherapy.

    Examples
    --------
    >>> from lib.evidence.rules.base import words
    >>> sorted(words("Tacrolimus 0.1% + NB-UVB"))
    ['0', '1', 'nbuvb', 'tacrolimus']
    """
    text = re.sub(r"\b(?:nb[- ]?)?uv[- ]?b\b|\bnarrow[- ]?band\b", " nbuvb ", text.casefold())
    return set(re.findall(r"[^\W_]+", re.sub(r"\bexcimer\b|\blaser\b", " el ", text)))
