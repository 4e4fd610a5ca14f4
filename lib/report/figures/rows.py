"""The rows and axes of interval plots: the content of a row and the position of a value on an axis.

Belongs here: the data of a plot. Does not belong here: drawing (`intervals`, `listing`) and computing estimates or
intervals, which are arguments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.report.figures.style import REPORTED
from lib.report.wording import count, percent, ratio_text, span

if TYPE_CHECKING:
    from lib.evidence import Outcome
    from lib.published import Updated
    from lib.report.entries import Entry
    from lib.stats import Pooled


@dataclass(frozen=True)
class Row:
    """One line of a forest plot.

    Attributes
    ----------
    label : str
        Text at the left.
    kind : {"heading", "study", "missing", "published", "pooled"}
        Text only, a square, a dotted line without a mark, an open diamond, a filled diamond.
    estimate, low, high : float
        Proportions; NaN if there is none. For a row of kind "missing", ``low`` and ``high`` are the range of rates
        compatible with the published results, not an interval from data.
    counts : str
        Text of the second column, such as ``"3/19"``.
    weight : float
        Share in the pooled estimate; not shown if NaN.
    colour : str
        Colour of the mark.
    remark : str
        Text in place of the estimate of a row of kind "missing".
    bold : bool
        Whether a published or pooled result is set in bold.
    key : str
        Key of the result in the registry of stated results (`lib.report.registry`); empty if it is not registered.
    study : str
        Key of the study whose record the label leads to; empty if the row is not a single study.
    """

    label: str
    kind: str = "study"
    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    counts: str = ""
    weight: float = np.nan
    colour: str = REPORTED
    remark: str = ""
    bold: bool = True
    key: str = ""
    study: str = ""


@dataclass(frozen=True)
class Scale:
    """The axis of an interval plot.

    Attributes
    ----------
    label, heading : str
        Label of the axis, and heading of the column of estimates.
    low, high, factor : float
        Ends of the axis, and the factor that converts a value to its unit.
    ticks, few_ticks : tuple of float
        Ticks of the wide and of the narrow form.
    log : bool
        Whether the axis is logarithmic.
    no_effect : float
        Value of no effect, marked with a line; NaN if there is none.
    """

    label: str
    heading: str
    low: float
    high: float
    factor: float
    ticks: tuple[float, ...]
    few_ticks: tuple[float, ...]
    log: bool = False
    no_effect: float = np.nan

    def place(self, value: float) -> float:
        """Return the position of a value in the unit of the axis, limited to its ends; NaN for NaN."""
        return value if value != value else min(max(self.factor * float(value), self.low), self.high)

    def position(self, placed: float) -> float:
        """Convert a position from `place` to percent of the length of the axis."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, placed))
        return round(100 * (at - low) / (high - low), 1)

    def text(self, estimate: float, low: float, high: float, digits: int) -> str:
        """Return an estimate with its interval as the plot shows it."""
        return ratio_text(estimate, low, high) if self.log else span(estimate, low, high, digits)


RATE = Scale("Response rate, %", "% (95% CI)", 0, 100, 100, (0, 25, 50, 75, 100), (0, 50, 100))

RATIO = Scale("Risk ratio", "RR (95% CI)", 0.05, 50, 1, (0.1, 0.5, 1, 2, 10), (0.1, 1, 10), log=True, no_effect=1)


def result_row(
    label: str, result: Entry | Outcome | Pooled | Updated, counts: str = "", kind: str = "pooled", **marks: Any
) -> Row:
    """Return the row of a result, with its estimate and interval; ``marks`` are other attributes of `Row`."""
    return Row(label, kind, float(result.estimate), float(result.ci_low), float(result.ci_high), counts, **marks)


def entry_row(label: str, entry: Entry) -> Row:
    """Return the row of a registered result, with its number of studies and its key."""
    return result_row(label, entry, f"{entry.k:g}", key=entry.key)


def alt_text(row: Row, scale: Scale) -> str:
    """Return the part of the text alternative that describes a row."""
    if row.kind == "heading":
        return f"{row.label}:"
    if row.kind == "missing" and row.low == row.low:
        state = row.remark.partition(";")[0] or "not available"
        return f"{row.label}: {state}, compatible with {possible_rates(row.low, row.high)}%;"
    if row.estimate != row.estimate:
        return f"{row.label}: {row.remark or 'no estimate'};"
    return f"{row.label}: {scale.text(row.estimate, row.low, row.high, 1)};"


def possible_rates(low: float, high: float) -> str:
    """Return the range of rates compatible with the published results in percent, as one number if its ends agree.

    Examples
    --------
    >>> possible_rates(0.05, 0.25), possible_rates(0.3212, 0.3214)
    ('5–25', '32')
    """
    return "–".join(dict.fromkeys(percent(end, sign="") for end in (low, high)))


def fold_name(missing: Sequence[Row]) -> str:
    """Return the name of the folded part of a plot: how many studies have no available counts."""
    studies = len({row.study or row.label for row in missing})
    return f"{count(studies, 'study', 'studies')} without available counts"


def table_of(rows: Sequence[Row], counts: str, scale: Scale) -> pd.DataFrame:
    """Return the rows as a table, with unrounded proportions or ratios, for a file.

    ``counts`` is the heading of the second column. If that column holds events and numbers, each becomes a column
    of its own. The interval of a proportion is cut at 0 and 1, as it is on pages.
    """
    most = math.inf if scale.log else 1.0
    table, group = [], ""
    for row in rows:
        if row.kind == "heading":
            group = row.label
            continue
        is_missing = row.kind == "missing"
        table.append(
            {
                "group": group,
                "label": row.label,
                "kind": row.kind,
                **_numbers(row.counts, counts),
                "estimate": row.estimate,
                "ci_low": np.nan if is_missing else np.clip(row.low, 0, most),
                "ci_high": np.nan if is_missing else np.clip(row.high, 0, most),
                "weight": row.weight,
                "possible_low": row.low if is_missing else np.nan,
                "possible_high": row.high if is_missing else np.nan,
                "remark": row.remark,
                "study": row.study,
                "result": row.key,
            }
        )
    frame = pd.DataFrame(table)
    if frame.empty:
        return frame
    is_filled = frame.notna() & (frame != "")
    return frame.loc[:, is_filled.any() | frame.columns.isin(["label", "kind", "estimate", "ci_low", "ci_high"])]


_COUNTS = re.compile(r"(?P<events>\d+)/(?P<n>\d+)(?: v (?P<control_events>\d+)/(?P<control_n>\d+))?|n = (?P<size>\d+)")


def _numbers(text: str, heading: str) -> dict[str, float | str]:
    """Return the numbers of a cell such as "3/19" by column, because a spreadsheet would read 3/19 as a date."""
    names = ("events", "n", "control_events", "control_n")
    match = _COUNTS.fullmatch(text)
    number_by_column = {name: float(value) for name, value in match.groupdict().items() if value} if match else {}
    number_by_column["n"] = number_by_column.pop("size", number_by_column.get("n", np.nan))
    column = heading.lower().replace("/", "_") or "counts"
    return {**{name: number_by_column.get(name, np.nan) for name in names}, **({} if match else {column: text})}
