"""Compute the state of each record at each stage of screening, and how far reviewers agree.

Belongs here: what follows from the rows of ``decisions.csv``. Does not belong here: which decision stands for a record
(`lib.evidence.screening.standing`), and whether the rows are allowed (`lib.evidence.rules.records`).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from lib.evidence.screening import CONFLICT, NOT_RECORDED, STAGES, standing

AWAITS_FIRST = "awaits_first"
AWAITS_SECOND = "awaits_second"
CONFLICTING = CONFLICT
DECIDED = "decided"
RESOLVED = "resolved"
STATES = (AWAITS_FIRST, AWAITS_SECOND, CONFLICTING, DECIDED, RESOLVED)
"""States of a record at a stage: nobody decided; one reviewer did; reviewers differ; two or more agree; resolved."""
STAGE_NAMES = dict(zip(STAGES, ("title and abstract", "full text"), strict=True))
"""Stages of screening in words."""
DECISIONS = ("include", "unsure", "exclude")
"""What a reviewer decides: codes of ``decisions.decision``."""


def unique_records(records: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Return the records that are the duplicate of no other, in their order."""
    return records[~records.record.isin(duplicates.record[duplicates.relation == "duplicate"])]


def states(records: pd.DataFrame, duplicates: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the state of each record at each stage at which it is due.

    Every record that is no duplicate is due at title and abstract. It is due at the full text once its inclusion on
    title and abstract stands.

    Parameters
    ----------
    records, duplicates, decisions : DataFrame
        The tables of these names.

    Returns
    -------
    DataFrame
        One row for each record and stage, in the order of stages and of ``records``: ``record``, ``stage``, ``state``
        (one of `STATES`), ``decision`` (the one that stands, "conflict", or empty), ``reason``, ``note``,
        ``reviewers`` (how many decided) and ``date`` (of the last decision, or empty).

    Examples
    --------
    >>> from lib import evidence
    >>> from lib.records.decisions import states
    >>> ev = evidence.load("data")
    >>> table = states(ev.records, ev.duplicates, ev.decisions)
    >>> len(table[table.stage == "title_abstract"]) == len(ev.records)
    True
    """
    decided = standing(decisions)
    due = unique_records(records, duplicates)[["record"]]
    parts = []
    for stage in STAGES:
        at_stage = decided[decided.stage == stage].drop(columns=["stage", "row"])
        part = due.merge(at_stage, on="record", how="left").assign(stage=stage)
        parts.append(part)
        due = part.loc[part.decision == "include", ["record"]]
    table = pd.concat(parts, ignore_index=True)
    table["reviewers"] = table.reviewers.fillna(0).astype(int)
    resolved = table.resolved.fillna(False).astype(bool)
    for column in ("decision", "reason", "note", "date"):
        table[column] = table[column].fillna("")
    table["state"] = np.select(
        [resolved, table.decision == CONFLICT, table.reviewers == 0, table.reviewers == 1],
        [RESOLVED, CONFLICTING, AWAITS_FIRST, AWAITS_SECOND],
        DECIDED,
    )
    return table[["record", "stage", "state", "decision", "reason", "note", "reviewers", "date"]]


def awaiting_second(records: pd.DataFrame, duplicates: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """List what awaits a second reviewer.

    Parameters
    ----------
    records, duplicates, decisions : DataFrame
        The tables of these names.

    Returns
    -------
    DataFrame
        ``record``, ``stage``, ``reviewer`` (who decided) and ``date``. The decision is left out, because the second
        reviewer is not to know it.
    """
    table = states(records, duplicates, decisions)
    waiting = table.loc[table.state == AWAITS_SECOND, ["record", "stage", "date"]]
    decided = decisions.loc[decisions.role == "reviewer", ["record", "stage", "reviewer"]]
    return waiting.merge(decided, on=["record", "stage"])[["record", "stage", "reviewer", "date"]]


def kappa(counts: np.ndarray) -> float:
    """Return Cohen's kappa of two raters.

    Parameters
    ----------
    counts : array_like, shape (k, k)
        Number of subjects by the category of the first rater (rows) and of the second (columns).

    Returns
    -------
    float
        Agreement beyond that expected by chance, as a share of the largest possible; NaN if there are no subjects, or
        if both raters used one and the same category only.

    References
    ----------
    Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960;20:37-46.
    doi:10.1177/001316446002000104

    Examples
    --------
    >>> round(kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]]), 3)
    0.492
    """
    table = np.asarray(counts, dtype=float)
    total = table.sum()
    if total == 0:
        return float("nan")
    observed = np.trace(table) / total
    expected = float((table.sum(axis=0) * table.sum(axis=1)).sum()) / total**2
    return float((observed - expected) / (1 - expected)) if expected < 1 else float("nan")


def agreement(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the agreement of each pair of reviewers who decided on the same records, before any resolution.

    Decisions whose reviewer was not recorded are left out: they may be those of several people.

    Parameters
    ----------
    decisions : DataFrame
        The table ``decisions``.

    Returns
    -------
    DataFrame
        One row for each stage and pair of reviewers: ``stage``, ``first``, ``second``, ``records`` (decided on by
        both), ``agreed``, ``raw`` (their share) and ``kappa`` (`kappa`, of the three decisions `DECISIONS`).

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("a.1", "include", "include"), ("a.2", "exclude", "exclude"), ("a.3", "include", "exclude")]
    >>> frame = pd.DataFrame([
    ...     {"record": record, "stage": "title_abstract", "reviewer": name, "role": "reviewer", "decision": decision}
    ...     for record, *pair in rows for name, decision in zip(["First", "Second"], pair)])
    >>> agreement(frame)[["records", "agreed", "kappa"]]
       records  agreed  kappa
    0        3       2    0.4
    """
    named = decisions[(decisions.role == "reviewer") & (decisions.reviewer != NOT_RECORDED)]
    rows = []
    for stage in STAGES:
        wide = named[named.stage == stage].pivot(index="record", columns="reviewer", values="decision")
        for first, second in combinations(wide.columns, 2):
            both = wide[[first, second]].dropna()
            if both.empty:
                continue
            counts = pd.crosstab(both[first], both[second]).reindex(index=DECISIONS, columns=DECISIONS, fill_value=0)
            agreed = int(np.trace(counts.to_numpy()))
            rows.append((stage, first, second, len(both), agreed, agreed / len(both), kappa(counts.to_numpy())))
    return pd.DataFrame(rows, columns=["stage", "first", "second", "records", "agreed", "raw", "kappa"])
