"""Assemble the table ``screening``: each study considered since the original search, with its record and its decision.

Belongs here: which decision stands for a record, how the tables `PARTS` are joined to one row for each study, and from
which of them each column of that row comes. Does not belong here: the rules that these tables must satisfy (`rules`),
and the state of records that did not become studies (`lib.records.decisions`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from lib.evidence.csv_files import Fault

NAME = "screening"
PARTS = ("candidates", "records", "decisions")
"""Tables of which ``screening`` is assembled."""
MEANING = "Studies considered since the original search: candidates.csv with record and decision"
STAGES = ("title_abstract", "full_text")
"""Stages of screening in their order: codes of ``decisions.stage``."""
NOT_RECORDED = "not recorded"
"""Name in place of a reviewer who was not recorded; it may stand for more than one person."""
CONFLICT = "conflict"
"""The decision that stands if reviewers disagree and their disagreement has not been resolved."""
_ORIGIN = {
    "study": ("candidates", "study"),
    "label": ("candidates", "label"),
    "decision": ("decisions", "decision"),
    "regimen": ("candidates", "regimen"),
    "published": ("records", "published"),
    "entered": ("records", "entered"),
    "country": ("candidates", "country"),
    "design": ("candidates", "design"),
    "enrolled": ("candidates", "enrolled"),
    "exclusion": ("decisions", "reason"),
    "reason": ("decisions", "note"),
    "title": ("records", "title"),
    "doi": ("records", "doi"),
    "pmid": ("records", "pmid"),
    "known": ("candidates", "known"),
}
"""Table and column from which each column of the assembled table comes, in the order of its columns."""
COLUMNS = tuple(_ORIGIN)
"""Columns of the assembled table."""


def standing(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the decision that stands for each record at each stage.

    A resolution stands. Otherwise, a decision stands if all reviewers who decided made the same one.

    Parameters
    ----------
    decisions : DataFrame
        The table ``decisions``, or some of its rows.

    Returns
    -------
    DataFrame
        One row for each record and stage with a decision, in the order of their first rows: ``record``, ``stage``,
        ``decision`` ("include", "exclude", "unsure", or `CONFLICT`), ``reason``, ``note`` (all notes behind the
        decision), ``reviewers`` (their number), ``resolved`` (whether a resolution stands), ``date`` (the last one),
        and ``row``, the index of the row that decides.

    Examples
    --------
    >>> import pandas as pd
    >>> from lib.evidence.screening import standing
    >>> rows = [("a.1", "title_abstract", name, "reviewer", decision, "", "", "2026-11-26")
    ...         for name, decision in [("First", "include"), ("Second", "exclude")]]
    >>> columns = ["record", "stage", "reviewer", "role", "decision", "reason", "note", "date"]
    >>> standing(pd.DataFrame(rows, columns=columns))[["record", "decision", "reviewers"]]
      record  decision  reviewers
    0    a.1  conflict          2
    """
    rows_by_stage: dict[tuple[str, str], list[tuple]] = {}
    columns = (decisions[name] for name in ("record", "stage", "role", "decision", "reason", "note", "date"))
    for record, stage, *row in zip(*columns, decisions.index, strict=True):
        rows_by_stage.setdefault((record, stage), []).append(tuple(row))
    # Lists take a tenth of the time that pandas takes for as many small groups.
    results = []
    for key, rows in rows_by_stage.items():
        resolutions = [row for row in rows if row[0] == "resolution"]
        deciding = resolutions or rows
        _, decision, reason, _, _, last = deciding[-1]
        if not resolutions and len({row[1] for row in rows}) > 1:
            decision, reason = CONFLICT, ""
        note = " ".join(dict.fromkeys(row[3] for row in deciding if row[3]))
        date = max(row[4] for row in deciding)
        results.append((*key, decision, reason, last, note, len(rows) - len(resolutions), bool(resolutions), date))
    names = ("record", "stage", "decision", "reason", "row", "note", "reviewers", "resolved", "date")
    types = {"row": decisions.index.dtype, "reviewers": int, "resolved": bool}
    return pd.DataFrame(results, columns=names).astype({name: types.get(name, str) for name in names})


def assemble(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row for each row of ``candidates``, with the facts of its record and the decision that stands.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        The tables `PARTS`. If a record does not exist, its values are empty; if it is entered twice, its first row is
        used. Rules report both. If there is also a table ``studies``, a study whose full text was included awaits
        classification until it has a row in it.

    Returns
    -------
    DataFrame
        The columns `COLUMNS`, with the index of ``candidates``.
    """
    candidates = tables["candidates"]
    records = tables["records"].drop_duplicates("record").set_index("record")
    decisions = tables["decisions"]
    decided = standing(decisions[decisions.record.isin(candidates.record)])
    last = decided.assign(order=decided.stage.map({stage: i for i, stage in enumerate(STAGES)}))
    last = last.sort_values("order", kind="stable").drop_duplicates("record", keep="last").set_index("record")
    by_part = {"candidates": candidates.set_index("record", drop=False), "records": records, "decisions": last}
    columns = {
        column: by_part[part][name].reindex(candidates.record).fillna("").to_numpy()
        if part != "candidates"
        else candidates[name].to_numpy()
        for column, (part, name) in _ORIGIN.items()
    }
    stage, decision = (last[name].reindex(candidates.record).fillna("") for name in ("stage", "decision"))
    is_entered = candidates.study.isin(tables["studies"].study) if "studies" in tables else [True] * len(candidates)
    columns["decision"] = [_outcome(*each) for each in zip(stage, decision, is_entered, strict=True)]
    frame = pd.DataFrame(columns, index=candidates.index)
    return frame.astype({column: str for column in frame if column != "enrolled"})


def _outcome(stage: str, decision: str, is_entered: bool) -> str:
    """Return the code of the list ``decision`` for a study.

    Parameters
    ----------
    stage, decision : str
        The last stage with a decision, and the decision that stands at that stage.
    is_entered : bool
        Whether the data of the study are entered.
    """
    if decision == "exclude":
        return "excluded"
    if decision == "include" and stage != STAGES[-1]:
        return "awaiting_full_text"
    return "included" if decision == "include" and is_entered else "awaiting_classification"


def with_screening(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables with ``screening`` assembled anew; without it if one of its parts could not be read."""
    others = {name: table for name, table in tables.items() if name != NAME}
    return {**others, NAME: assemble(others)} if others.keys() >= {*PARTS} else others


def at_its_origin(fault: Fault, tables: Mapping[str, pd.DataFrame]) -> Fault:
    """Return a fault of the assembled table at the file, row and column that hold the value; others unchanged.

    Rows of the assembled table that are named in the message are converted in the same way.
    """
    rule = _PLACE.sub(lambda match: _place(int(match[1]), fault.column.split(", ")[-1], tables), fault.rule)
    if fault.file != f"{NAME}.csv" or fault.row is None:
        return replace(fault, rule=rule) if rule != fault.rule else fault
    file, row, column = origin(fault.row, fault.column, tables)
    return replace(fault, file=file, row=row, column=column, rule=rule)


_PLACE = re.compile(rf"\b{NAME}\.csv, row ([0-9]+)")


def _place(row: int, column: str, tables: Mapping[str, pd.DataFrame]) -> str:
    file, number, _ = origin(row, column, tables)
    return f"{file}, row {number}"


def origin(row: int, column: str, tables: Mapping[str, pd.DataFrame]) -> tuple[str, int, str]:
    """Return file, row and column behind a value of the assembled table."""
    part, name = _ORIGIN.get(column, ("candidates", "study"))
    record = tables["candidates"].record[row]
    rows = tables[part]
    rows = rows[rows.record == record] if part != "candidates" else rows.loc[[row]]
    if part == "decisions" and len(rows):
        decided = standing(rows)
        rows = rows.loc[[decided.row[decided.stage.map(STAGES.index).idxmax()]]]
    return (f"{part}.csv", int(rows.index[0]), name) if len(rows) else ("candidates.csv", row, "record")
