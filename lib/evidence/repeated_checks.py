"""Skip what a check of the same tables has found right before, in the same process.

Belongs here: what the result of a rule depends on, and the record of rules and values that were right. Does not belong
here: the rules (`rules`), and the order in which they run (`checking`).

The desk and the import of records check the data after each change, which concerns one or two tables. A rule depends
only on the tables that it reads, which are observed, not declared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping

import pandas as pd

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Rule

Hashes = Mapping[str, bytes]
"""Hash of the content of each table, by its name."""
_MOST = 10_000
"""Largest number of records of what was right; a check of all tables makes about a hundred."""
_right: set[Hashable] = set()
_read_by_rule: dict[Rule, frozenset[str]] = {}


class TablesRead(Mapping[str, pd.DataFrame]):
    """Tables that record which of them are read.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        The tables.

    Attributes
    ----------
    names : set of str
        The names of the tables that were read.

    Examples
    --------
    >>> import pandas as pd
    >>> from lib.evidence.repeated_checks import TablesRead
    >>> tables = TablesRead({"arms": pd.DataFrame(), "studies": pd.DataFrame()})
    >>> "studies" in tables, len(tables["arms"]), tables.names
    (True, 0, {'arms'})
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame]):
        self._tables = tables
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> pd.DataFrame:
        table = self._tables[name]
        self.names.add(name)
        return table

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def hash_table(frame: pd.DataFrame) -> bytes:
    """Return a hash of the columns, the index and the values of a table of text."""
    content = [list(frame), frame.index.tolist(), frame.to_numpy().tolist()]
    return hashlib.sha256(json.dumps(content).encode()).digest()


def rule_faults(rule: Rule, tables: Mapping[str, pd.DataFrame], hashes: Hashes) -> Iterator[Fault]:
    """Yield the faults that a rule finds; none, without running it, if it found none in the same tables before.

    Parameters
    ----------
    rule : callable
        A rule of `lib.evidence.rules`.
    tables : mapping of str to DataFrame
        The tables.
    hashes : mapping of str to bytes
        `hash_table` of each of them.

    Yields
    ------
    Fault
        As the rule does.
    """
    # Which tables there are matters too: a rule is skipped if one that it needs could not be read.
    present = frozenset(tables)
    if rule in _read_by_rule and (rule, present, _content(_read_by_rule[rule] & present, hashes)) in _right:
        return
    observed = TablesRead(tables)
    if not (yield from _counted(rule(observed))):
        _read_by_rule[rule] = frozenset(observed.names)
        _record((rule, present, _content(observed.names, hashes)))


def unless_right(name: str, hashes: Hashes, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield the faults of the values of a table; none, without looking for them, if it had none before.

    Parameters
    ----------
    name : str
        The table.
    hashes : mapping of str to bytes
        `hash_table` of the table, of the dictionary and of the codes.
    faults : iterable of Fault
        What `lib.evidence.value_checks.value_faults` yields for the table.

    Yields
    ------
    Fault
        As ``faults`` does.
    """
    key = (name, _content({name, "dictionary", "codes"}, hashes))
    if key in _right:
        return
    if not (yield from _counted(faults)):
        _record(key)


def _counted(faults: Iterable[Fault]) -> Generator[Fault, None, int]:
    """Yield faults, and return their number once all were asked for."""
    number = 0
    for fault in faults:
        number += 1
        yield fault
    return number


def forget() -> None:
    """Forget what was right, so that the next check is as a first one in a new process."""
    _right.clear()


def _content(names: Iterable[str], hashes: Hashes) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, hashes[name]) for name in sorted(names))


def _record(key: Hashable) -> None:
    if len(_right) >= _MOST:
        forget()
    _right.add(key)
