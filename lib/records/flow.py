"""Compute the flow of records after PRISMA 2020: one column for each edition, and the rows in each box.

Belongs here: which rows belong to which box, and that the boxes add up. Does not belong here: how the flow is shown
(`lib.report.figures`), and the decisions that stand (`lib.evidence.screening`).

The first column is the original review, whose counts were published without the records behind them (``flow.csv``).
Each further column has all records found since, as they were on the day of that edition.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lib.evidence import Evidence
from lib.evidence.screening import STAGES
from lib.records.decisions import states, unique_records

_PUBLISHED = {"identified": "identified", "removed": "excluded", "assessed": "assessed", "included": "studies"}
"""Box of each published step that is no reason for exclusion."""
SUMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("entries", ("identified", "refused")),
    ("identified", ("databases", "other_methods")),
    ("identified", ("duplicates", "unique")),
    ("unique", ("awaiting_screening", "screened")),
    ("screened", ("excluded", "sought")),
    ("sought", ("awaiting_full_text", "assessed")),
    ("assessed", ("excluded_full_text", "awaiting_classification", "included")),
)
"""Boxes that are the sum of others, from top to bottom: each row of the box is in exactly one of the others."""
_PUBLISHED_SUMS = (("identified", ("excluded", "assessed")), ("assessed", ("excluded_full_text", "studies")))
REGISTERED = ("database search", "registry search")
"""Kinds of search that PRISMA counts as databases and registers."""


class FlowError(ValueError):
    """The boxes of a flow do not add up."""


@dataclass(frozen=True)
class Box:
    """A box of the flow.

    Attributes
    ----------
    n : int
        Its number.
    keys : tuple of str
        Keys of its rows: records, or studies; empty if the number was published without them.
    groups : dict of str to tuple of str
        The rows of exclusions by the code of their reason, those of records identified by their search (empty: none),
        and those that await a decision by what stands: nothing, "unsure" or "conflict".
    """

    n: int
    keys: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """The flow of one edition.

    Attributes
    ----------
    date : datetime.date
        Date of the edition.
    version : str
        Its version; empty for a state that is no edition.
    boxes : dict of str to Box
        Boxes by name, those of `SUMS` and ``studies``. A published column has only those that were published.
    published : tuple of (code, label, int)
        Reasons for exclusion of the full text, as published with their numbers; empty for a computed column.
    """

    date: dt.date
    version: str
    boxes: Mapping[str, Box]
    published: tuple[tuple[str, str, int], ...] = ()

    @property
    def is_computed(self) -> bool:
        """Whether the rows behind the numbers are known."""
        return not self.published


def flow(evidence: Evidence) -> list[Column]:
    """Return the flow of records, one column for each edition from the original review on.

    The last column is the state of the evidence, with all of its records; if no edition has that date, it has no
    version. A column between has the records that were entered by its date, and the decisions made by then.

    Parameters
    ----------
    evidence : Evidence
        An edition.

    Returns
    -------
    list of Column
        In the order of their dates.

    Raises
    ------
    FlowError
        If the boxes of a column do not add up.

    Examples
    --------
    >>> from lib import evidence
    >>> from lib.records.flow import flow
    >>> review, *updates = flow(evidence.load("data"))
    >>> [review.boxes[name].n for name in ("identified", "excluded", "assessed", "excluded_full_text", "studies")]
    [250, 148, 102, 46, 56]
    """
    first, *later = evidence.editions.itertuples()
    columns = [_published(evidence, first)]
    names = ("records", "refused", "duplicates", "decisions", "searches", "candidates")
    tables = {name: getattr(evidence, name) for name in names}
    for row in later:
        date = dt.date.fromisoformat(row.date)
        if date < evidence.as_of:
            columns.append(_computed(_as_of(tables, row.date), date, row.version))
    versions = {row.date: row.version for row in later}
    if evidence.as_of > columns[0].date and len(tables["records"]):
        columns.append(_computed(tables, evidence.as_of, versions.get(evidence.as_of.isoformat(), "")))
    for column in columns:
        if faults := sums_that_differ(column):
            raise FlowError("\n".join(faults))
    return columns


def sums_that_differ(column: Column) -> list[str]:
    """Return which boxes of a column are not the sum of theirs, as sentences; empty if all are.

    Parameters
    ----------
    column : Column
        A column; boxes that it does not have are left out.
    """
    boxes, faults = column.boxes, []
    for name, parts in SUMS if column.is_computed else _PUBLISHED_SUMS:
        total = sum(boxes[part].n for part in parts)
        keys = sorted(key for part in parts for key in boxes[part].keys)
        stray = sorted(set(keys) ^ set(boxes[name].keys))
        if boxes[name].n != total or (column.is_computed and keys != sorted(boxes[name].keys)):
            which = f"; rows in one only: {', '.join(stray[:5])}" if column.is_computed and stray else ""
            faults.append(f"{column.date}: {name} is {boxes[name].n}, and {' + '.join(parts)} is {total}{which}")
    for name in ("studies", "identified") if column.is_computed else ("studies",):
        n, different = boxes[name].n, len(set(boxes[name].keys))
        if n != different:
            faults.append(f"{column.date}: {name} is {n}, and {different} different rows are entered")
    return faults


def _published(evidence: Evidence, edition: Any) -> Column:
    """Return the flow of the original review; of its boxes, only the studies have rows."""
    rows = evidence.flow
    n = dict(zip(rows.step, rows.n.astype(int), strict=True))
    reasons = rows[rows.step.str.startswith("excluded_")]
    boxes = {box: Box(n[step]) for step, box in _PUBLISHED.items()}
    boxes["databases"] = boxes["identified"]
    boxes["excluded_full_text"] = Box(int(reasons.n.sum()))
    studies = dict.fromkeys([*evidence.included("original").study, *evidence.mechanism.study])
    boxes["studies"] = Box(n["included"], tuple(studies))
    published = tuple((row.step.removeprefix("excluded_"), row.label, int(row.n)) for row in reasons.itertuples())
    return Column(dt.date.fromisoformat(edition.date), edition.version, boxes, published)


def _as_of(tables: Mapping[str, pd.DataFrame], date: str) -> dict[str, pd.DataFrame]:
    """Return the tables with what was entered, searched and decided by a date."""
    earlier = dict(tables)
    earlier["searches"] = tables["searches"][tables["searches"].date <= date]
    earlier["refused"] = tables["refused"][tables["refused"].search.isin(earlier["searches"].search)]
    earlier["records"] = tables["records"][tables["records"].entered <= date]
    for name in ("duplicates", "decisions"):
        table = tables[name]
        earlier[name] = table[(table.date <= date) & table.record.isin(earlier["records"].record)]
    return earlier


def _computed(tables: Mapping[str, pd.DataFrame], date: dt.date, version: str) -> Column:
    """Return the flow of all records found since the original search."""
    records = tables["records"]
    kinds = dict(zip(tables["searches"].search, tables["searches"].kind, strict=True))
    registered = records.search.map(kinds).isin(REGISTERED)
    unique = unique_records(records, tables["duplicates"]).record
    state = states(records, tables["duplicates"], tables["decisions"])
    at_title, at_full = (state[state.stage == stage] for stage in STAGES)
    included = at_full[at_full.decision == "include"].record
    studies = tables["candidates"].study[tables["candidates"].record.isin(included)]
    refused_keys = [f"{row.search}.{row.position:g}" for row in tables["refused"].itertuples()]
    boxes = {
        "entries": _box([*records.record, *refused_keys]),
        "refused": _box(refused_keys),
        "identified": _box(records.record),
        "databases": _box(records.record[registered], records.search[registered]),
        "other_methods": _box(records.record[~registered], records.search[~registered]),
        "duplicates": _box(records.record[~records.record.isin(unique)]),
        "unique": _box(unique),
        "studies": _box(studies),
        **_boxes_of_stage(at_title, "screened", "awaiting_screening", "excluded", "sought"),
    }
    decided = at_full[at_full.decision != ""]
    boxes["awaiting_full_text"] = _box(at_full.record[at_full.decision == ""])
    boxes["assessed"] = _box(decided.record)
    full = _boxes_of_stage(decided, "", "awaiting_classification", "excluded_full_text", "included")
    return Column(date, version, boxes | full)


def _boxes_of_stage(state: pd.DataFrame, decided: str, awaiting: str, excluded: str, included: str) -> dict[str, Box]:
    """Return the boxes of one stage, by the names that they are to have (empty: none)."""
    is_excluded, is_included = state.decision == "exclude", state.decision == "include"
    is_open = ~(is_excluded | is_included)
    boxes = {
        decided: _box(state.record[~is_open]),
        awaiting: _box(state.record[is_open], state.decision[is_open]),
        excluded: _box(state.record[is_excluded], state.reason[is_excluded]),
        included: _box(state.record[is_included]),
    }
    return {name: box for name, box in boxes.items() if name}


def _box(keys: Iterable[str], groups: pd.Series | None = None) -> Box:
    """Return a box of rows; ``groups`` has a name for each of them."""
    rows = tuple(keys)
    by_group: dict[str, list[str]] = {}
    for key, group in zip(rows, () if groups is None else groups, strict=groups is not None):
        by_group.setdefault(group, []).append(key)
    return Box(len(rows), rows, {group: tuple(members) for group, members in by_group.items()})
