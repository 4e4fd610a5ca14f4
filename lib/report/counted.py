"""Studies with available responder counts: each study's own rate with its interval, and their pooled rate.

Belongs here: rates and log odds from counts, for figures and tables, without a key of the registry. Does not belong
here: the pooling methods (`lib.stats`), and registered results (`rate_entries`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.evidence import Outcome
from lib.published import by_study
from lib.report.entries import Entry
from lib.report.figures.rows import Row
from lib.report.figures.style import REPORTED
from lib.stats import LeftOutWarning, Pooled, pool_proportions, proportion_interval, proportions


@dataclass(frozen=True, eq=False)
class CountedStudies:
    """Studies with available responder counts of one outcome.

    Attributes
    ----------
    studies : DataFrame
        One row for each study, the arms of a study added up, with its ``rate`` and the score interval ``ci_low``,
        ``ci_high`` (Wilson 1927, doi:10.1080/01621459.1927.10502953), as proportions.
    pooled : Pooled or None
        Their pooled rate by the review's method, with weights in the order of ``studies``; None if fewer than two can
        be pooled.
    """

    studies: pd.DataFrame
    pooled: Pooled | None


def counted_studies(rows: pd.DataFrame) -> CountedStudies:
    """Add up the counts of each study, such as those in ``outcome.available``; compute its rate and the pooled rate."""
    studies = by_study(rows)
    low, high = proportion_interval(studies.events, studies.n)
    studies = studies.assign(rate=studies.events / studies.n, ci_low=low, ci_high=high)
    return CountedStudies(studies, pool_counts(studies))


def counts_of(outcome: Outcome) -> pd.DataFrame:
    """Return the available counts of an outcome, original and new, one row per study."""
    return by_study(pd.concat([outcome.available, outcome.new], ignore_index=True))


def pool_counts(rows: pd.DataFrame, **options: Any) -> Pooled | None:
    """Pool counts by study with `stats.pool_proportions`; return None if fewer than two studies can be pooled.

    Parameters
    ----------
    rows : DataFrame
        Counts with ``study``, ``label``, ``events`` and ``n``, such as ``outcome.available``; those of several arms of
        a study are added up, as in `published.by_study`.
    **options
        Options of `stats.pool_proportions`. By default a study at 0% or 100% cannot be pooled.

    Returns
    -------
    Pooled or None
        With weights in the order of `published.by_study`.
    """
    rows = by_study(rows)
    raw = options.get("transform", "raw") == "raw"
    poolable = ~at_edge(rows) if raw else rows.n > 0
    if poolable.sum() < 2:
        return None
    # No warning is needed: pages that show the result also name the studies that it leaves out (`dropped`).
    with warnings.catch_warnings(action="ignore", category=LeftOutWarning):
        return pool_proportions(rows.events, rows.n, **options)


def log_odds(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the log odds of a response in each study, and their sampling variances."""
    return proportions(rows.events, rows.n, transform="logit")


def at_edge(rows: pd.DataFrame) -> pd.Series:
    """Mark the counts of 0% or 100%, which have no weight on the raw scale."""
    return (rows.events == 0) | (rows.events == rows.n)


def single_count_entry(key: str, study: str, events: float, n: float, method: str, page: str) -> Entry:
    """Return the registered result of one count, with the score interval (Wilson 1927)."""
    low, high = map(float, proportion_interval(events, n))
    method = f"{method}, with the score interval (Wilson 1927)"
    return Entry(key, events / n, low, high, k=1, participants=n, method=method, studies=(study,), page=page)


def count_row(label: str, events: float, n: float, colour: str = REPORTED, key: str = "", study: str = "") -> Row:
    """Return the row of one proportion, with its score interval (Wilson 1927), and its key if it is registered."""
    low, high = proportion_interval(events, n)
    ends, counts = (float(low), float(high)), f"{events:g}/{n:g}"
    return Row(label, "study", events / n, *ends, counts, colour=colour, key=key, study=study)


def count_rows(frame: pd.DataFrame, heading: str, label: str, events: str, key: str = "", study: str = "") -> list[Row]:
    """Return a row for each proportion of a table, under a heading for each group.

    Parameters
    ----------
    frame : DataFrame
        With column ``n`` and the columns named here.
    heading, label, events, key, study : str
        Columns of the group, the name, the number with the event, the key of the registered result (by default none is
        registered), and the key of the study to whose record the name leads (by default to none).
    """
    rows: list[Row] = []
    for name, group in frame.groupby(heading, sort=False):
        rows.append(Row(str(name).capitalize(), "heading"))
        rows += [
            count_row(r[label], r[events], r["n"], key=r[key] if key else "", study=r[study] if study else "")
            for _, r in group.iterrows()
        ]
    return rows
