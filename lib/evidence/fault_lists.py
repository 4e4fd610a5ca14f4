"""Shorten lists of faults for readers: join faults that differ only in their row, and list only the first of a kind.

Belongs here: which faults of a long list are shown. Does not belong here: finding faults (`checking`, `rules`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from lib.evidence.csv_files import Fault

MOST = 20
"""Largest number of faults of one rule in one column that are listed."""
_LAST = 2000
"""Largest number of faults that are requested from one rule."""
_ROWS = 5
"""Largest number of further rows that a fault names."""


def limited(faults: Iterable[Fault]) -> list[Fault]:
    """Return the first faults of one rule; join those that differ only in their row.

    Parameters
    ----------
    faults : iterable of Fault
        The faults that one rule finds. Only the first 2000 are read.

    Returns
    -------
    list of Fault
        At most 20 for each file and column; the last of them says how many more there are.

    Examples
    --------
    >>> for fault in limited(Fault("arms.csv", row, "n", "many", "must be a number") for row in range(2, 12)):
    ...     print(fault)
    arms.csv, row 2, column n: 'many': must be a number (also in rows 3, 4, 5, 6, 7 and 4 more)
    >>> long = limited(Fault("arms.csv", row, "n", f"x{row}", "must be a number") for row in range(2, 102))
    >>> len(long), str(long[-1])
    (20, "arms.csv, row 21, column n: 'x21': must be a number (and 80 more faults of this kind)")
    """
    rows: dict[Fault, list[int | None]] = {}
    first: dict[Fault, Fault] = {}
    listed: Counter[tuple[str, str]] = Counter()
    more: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], Fault] = {}
    at_least = ""
    for number, fault in enumerate(faults, start=1):
        same, kind = replace(fault, row=None), (fault.file, fault.column)
        if same in first:
            rows[same].append(fault.row)
        elif listed[kind] < MOST:
            first[same], rows[same], last[kind] = fault, [], same
            listed[kind] += 1
        else:
            more[kind] += 1
        if number == _LAST:
            at_least = "at least "
            break
    for same, fault in first.items():
        if rows[same]:
            first[same] = fault = replace(fault, rule=f"{fault.rule} ({_further(rows[same])})")
        kind = (fault.file, fault.column)
        if more[kind] and last[kind] == same:
            rule = f"{fault.rule} (and {at_least}{more[kind]} more faults of this kind)"
            first[same] = replace(fault, rule=rule)
    return list(first.values())


def _further(rows: list[int | None]) -> str:
    named = ", ".join(map(str, rows[:_ROWS]))
    if len(rows) > _ROWS:
        return f"also in rows {named} and {len(rows) - _ROWS} more"
    return f"also in row{'s' * (len(rows) > 1)} {' and '.join(named.rsplit(', ', 1))}"
