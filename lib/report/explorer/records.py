"""The evidence in the form in which the explorer's script reads it: arms, counts, and quantiles of Student's t.

Belongs here: which arms and counts a reader can select, and their JSON. Does not belong here: HTML (`page`), and the
selection itself, which the script makes.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from lib.evidence import REGIMENS, Evidence
from lib.report.tables.names import rows_by
from lib.report.tables.table import link_of
from lib.stats.intervals import normal_quantile, t_quantiles

LEVEL = 0.95
"""Level of all intervals of the explorer."""

ARM_FIELDS = {
    "regimen": "role",
    "drug": "drug",
    "concentration": "concentration",
    "design": "design",
    "randomised": "randomised",
    "blinding": "blinding",
    "country": "country",
    "edition": "edition",
}
"""Filters by a property of an arm or of its study: name of the filter, and column of the joined tables."""

COUNT_FIELDS = ("unit", "basis", "confidence")
"""Filters by a property of a count."""


def arms_of(evidence: Evidence) -> pd.DataFrame:
    """Return the arms that readers can select, in the order of the studies' years, with the columns of their study.

    They are the arms with a calcineurin inhibitor, alone or with phototherapy, of the included studies. Comparators are
    not among them: their rates are only compared within their own trial.
    """
    studies = evidence.studies.drop(columns=["source", "note"])
    arms = evidence.arms.drop(columns=["source", "note"]).merge(studies, on=["study", "part"])
    arms = arms[arms.role.isin(REGIMENS) & evidence.is_included(arms.study)]
    return arms.sort_values(["year", "label", "arm"], kind="stable", ignore_index=True)


def records(evidence: Evidence) -> dict[str, Any]:
    """Return everything that the script reads, as values that JSON can represent.

    Returns
    -------
    dict
        ``edition`` (its date), ``quantiles`` (``z`` of the normal distribution, and ``t`` with that of Student's t on
        each number of degrees of freedom, from 1) and ``arms``: a list in which each arm has its properties and its
        ``counts``. A value that is not available is None or an empty text.
    """
    counts = evidence.reported_counts()
    counts_by_arm = rows_by(counts[counts.role.isin(REGIMENS)], "study", "arm")
    reported = evidence.reported_without_counts
    sites_by_study: dict[tuple[str, str], list[str]] = {}
    for row in reported.itertuples():
        sites_by_study.setdefault((row.study, row.role), []).append(row.site)
    why_not = evidence.meaning("why_not")
    arms = [
        {
            "study": arm.study,
            "label": arm.label,
            "arm": arm.arm,
            "part": int(arm.part),
            "year": _number(arm.year),
            "duration": _number(arm.duration_months),
            "population": arm.population,
            "subtypes": [code.strip() for code in arm.subtype.split(";") if code],
            **{name: getattr(arm, column) for name, column in ARM_FIELDS.items()},
            "reported": sorted({*sites_by_study.get((arm.study, arm.role), ())}),
            "counts": [_count(row, why_not) for row in counts_by_arm.get((arm.study, arm.arm), ())],
        }
        for arm in arms_of(evidence).itertuples()
    ]
    return {
        "edition": evidence.as_of.isoformat(),
        "quantiles": quantiles(len({arm["study"] for arm in arms if arm["counts"]})),
        "arms": arms,
    }


def _count(row: Any, why_not: dict[str, str]) -> dict[str, Any]:
    reason = why_not.get(row.why_not, row.why_not)
    name, address = link_of(row.source) or (row.source, "")
    return {
        **{name: getattr(row, name) for name in ("site", "population", "subtype", "threshold", *COUNT_FIELDS)},
        "detail": row.site_detail,
        "n": int(row.n),
        "events": int(row.events),
        "poolable": row.poolable,
        "why": f"{reason}: {row.remark}" if reason and row.remark else reason,
        "source": name,
        "link": address,
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def quantiles(studies: int) -> dict[str, Any]:
    """Return the quantiles that the intervals of up to a number of studies need, as `lib.stats.pool` uses them.

    Parameters
    ----------
    studies : int
        Largest number of studies.

    Returns
    -------
    dict
        ``z``, the normal quantile; ``t``, a list of the quantiles of Student's t on 1, 2, ... degrees of freedom.

    Examples
    --------
    >>> {name: np.round(value, 2).tolist() for name, value in quantiles(3).items()}
    {'z': 1.96, 't': [12.71, 4.3]}
    """
    # The modified Knapp-Hartung interval of two studies has 2 degrees of freedom.
    df = np.arange(1, max(studies, 3))
    return {"z": normal_quantile(LEVEL), "t": t_quantiles(df, LEVEL, np.nan).tolist()}


def as_json(values: Any) -> str:
    r"""Return values as JSON that is safe within a script element of HTML, because nothing in it can end the element.

    Parameters
    ----------
    values : object
        A value that JSON can represent, without NaN and infinity.

    Returns
    -------
    str
        JSON in ASCII, with ``<``, ``>`` and ``&`` as escapes, too.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.

    Examples
    --------
    >>> print(as_json({"label": "</script>\u2028"}))
    {"label":"\u003c/script\u003e\u2028"}
    """
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
