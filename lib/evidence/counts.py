"""Select available responder counts for an analysis of one's own: one row for each study, and what was left out.

Belongs here: which reported counts fit a selection, which of them may be pooled, and adding up the arms of a study.
Does not belong here: pooling, and counts that are not available (`lib.published` imputes those).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.evidence.column_types import NUMBERS
from lib.evidence.vocabulary import ALL_THRESHOLDS, GROUPS, REGIMENS
from lib.stats.checks import unknown
from lib.stats.display import counted

if TYPE_CHECKING:
    from lib.evidence.edition import Evidence

_TABLES = ("responses", "arms", "studies")
"""Tables whose columns can be filters; if several have a column of the same name, that of the first is used."""
_NO_FILTERS = ("threshold", "role", "label", "n", "events", "poolable", "why_not", "remark", "derivation", "source")
"""Columns that cannot be filters: those with an argument of their own, counts, reasons not to pool, and remarks."""
_FIRST = ("study", "year", "role", "arm", "drug", "concentration", "events", "n", "unit", "design", "edition")
"""First columns of a selection."""
_SHOWN = ("year", "role", "drug", "concentration", "events", "n")
"""Columns that a notebook shows."""
_SAME = ("role", "site", "site_detail", "subtype")
"""Columns in which the counts of a study must have the same value, or they are not added up."""


class Counts(pd.DataFrame):
    """Available responder counts of a selection, one row for each study.

    This is a DataFrame. Its index holds the names of the studies (``label``), its columns are those of
    `Evidence.reported_counts`. The result of an operation of pandas, such as a part of it, is an ordinary DataFrame.

    Attributes
    ----------
    left_out : DataFrame
        Counts and studies that fit the selection but were left out: study, label, arm (empty: the whole study) and
        reason.
    """

    _metadata = ["left_out"]
    left_out: pd.DataFrame

    def __repr__(self) -> str:
        return f"{pd.DataFrame(self)[[*_SHOWN]].to_string(float_format=_short)}\n{self._note()}"

    def _repr_html_(self) -> str:
        table = pd.DataFrame(self)[[*_SHOWN]].to_html(float_format=_short)
        return f"{table}<p>{html.escape(self._note())}</p>"

    def _note(self) -> str:
        """Describe the selection, and which studies are left out of it."""
        names = list(dict.fromkeys(self.left_out.label))
        text = f"{counted(len(self))}, {len(self.columns)} columns."
        if not names:
            return f"{text} Nothing is left out."
        listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        return f"{text} Left out, in whole or in part: {listed}; .left_out gives the reasons."


def _short(value: float) -> str:
    return f"{value:g}"


def select_counts(evidence: Evidence, threshold: str, filters: Mapping[str, Any]) -> Counts:
    """Return the available responder counts that fit a selection, with arguments and errors of `Evidence.counts`."""
    reported = evidence.reported_counts()
    if threshold not in ALL_THRESHOLDS:
        raise ValueError(unknown("threshold", threshold, ALL_THRESHOLDS))
    columns = _filter_columns(evidence, reported)
    filters = _without_group(filters, [*columns, "regimen", "group"])
    regimens = _as_list(filters.pop("regimen", REGIMENS))
    for regimen in regimens:
        if regimen not in REGIMENS:
            raise ValueError(unknown("regimen", regimen, REGIMENS))
    values_by_column = {name: _allowed_values(evidence, name, columns[name], value) for name, value in filters.items()}

    fits = reported[(reported.threshold == threshold) & reported.role.isin(regimens)]
    by_site = not {"site", "site_detail"}.isdisjoint(values_by_column)
    if not by_site:
        fits = fits[fits.site == "all"]
    if "subtype" not in values_by_column:
        # Counts by subtype are parts of the other counts: adding them would count patients twice.
        fits = fits[fits.subtype == ""]
    fits = fits[_matches(fits, values_by_column)]
    is_poolable = fits.poolable.isin(["yes", "subgroup"] if by_site or "subtype" in values_by_column else ["yes"])
    is_poolable &= evidence.is_included(fits.study)
    _refuse_dependent(fits[is_poolable])
    studies = by_study(fits[is_poolable])
    order = [*_FIRST, *(column for column in studies.columns if column not in (*_FIRST, "label"))]
    selection = Counts(studies.set_index("label")[order])
    left_out = [*_not_pooled(evidence, fits[~is_poolable])]
    left_out += _without_count(evidence, threshold, regimens, values_by_column, {*fits.study})
    selection.left_out = pd.DataFrame(left_out, columns=["study", "label", "arm", "reason"])
    return selection


def by_study(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per study: counts of its arms are added up, as the review does.

    Parameters
    ----------
    rows : DataFrame
        Counts, a row per arm, with ``study``, ``label``, ``events`` and ``n`` among the columns.

    Returns
    -------
    DataFrame
        The same columns, studies in the order of their first row. Numbers of participants are added up, different
        texts of the arms are joined by a semicolon, and other columns have the first arm's value.

    Examples
    --------
    >>> rows = pd.DataFrame({"study": ["a", "b", "a"], "events": [3, 5, 4], "n": [10, 20, 12]})
    >>> by_study(rows.assign(arm=["0.03%", "0.1%", "0.1%"])).to_dict("list")
    {'study': ['a', 'b'], 'events': [7, 5], 'n': [22, 20], 'arm': ['0.03%; 0.1%', '0.1%']}
    """
    first = rows.drop_duplicates("study").reset_index(drop=True)
    if len(first) == len(rows):
        return first
    # With some forty columns and few rows, a group-by for each column would take longer than everything else.
    arms_by_study: dict[str, list[int]] = {}
    for at, study in enumerate(rows.study):
        arms_by_study.setdefault(study, []).append(at)
    multi_arm = [(at, arms) for at, arms in enumerate(arms_by_study.values()) if len(arms) > 1]
    for name in rows.columns.drop("study"):
        column = rows[name].to_numpy()
        if name in ("events", "n", "enrolled", "completed"):
            values = [column[arms].sum() for _, arms in multi_arm]
        elif all(isinstance(value, str) for value in column):
            values = ["; ".join(dict.fromkeys(column[arms])) for _, arms in multi_arm]
        else:
            continue
        if any(value != column[arms[0]] for value, (_, arms) in zip(values, multi_arm, strict=True)):
            first.loc[[at for at, _ in multi_arm], name] = values
    return first


def _filter_columns(evidence: Evidence, reported: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the data dictionary for each column of the reported counts that can be a filter."""
    dictionary = evidence.dictionary
    columns: dict[str, Any] = {}
    for table in _TABLES:
        for row in dictionary[dictionary.table == table].itertuples():
            if row.column in reported and row.column not in _NO_FILTERS:
                columns.setdefault(row.column, row)
    return columns


def _without_group(filters: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Replace the filter ``group`` with its population and site; raise ValueError for an unknown filter."""
    filters = dict(filters)
    for name in filters:
        if name not in names:
            raise ValueError(unknown("filter", name, sorted(names)))
    if "group" in filters:
        group = filters.pop("group")
        if group not in GROUPS:
            raise ValueError(unknown("group", group, GROUPS))
        twice = {"population", "site", "site_detail"} & {*filters}
        if twice:
            raise ValueError(f"group names a population and a site: leave out {' and '.join(sorted(twice))}, or group")
        population, site = GROUPS[group]
        filters |= {"site": site} if site != "all" else {}
        filters |= {"population": population} if population != "all" else {}
    return filters


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _allowed_values(evidence: Evidence, name: str, column: Any, value: Any) -> list[Any]:
    """Return the values of a filter as the tables hold them; raise ValueError for one that no row can have."""
    tables = (getattr(evidence, table) for table in _TABLES)
    column_values = pd.concat([table[name] for table in tables if name in table])
    values, codes = _as_list(value), evidence.codes
    if not values:
        raise ValueError(f"{name} has no values to select")
    if column.type in NUMBERS:
        present = sorted(column_values.dropna().unique())
        known = [one for one in values if one in present]
        if not known or (len(known) < len(values) and not isinstance(value, range)):
            wrong = next(one for one in values if one not in present)
            raise ValueError(unknown(name, wrong, (f"{one:g}" for one in present)))
        return known
    allowed = list(codes.code[codes["list"] == column.allowed]) if column.allowed else sorted({*column_values} - {""})
    if name == "drug":
        allowed += sorted({*_drug_with_concentration(evidence.arms)} - {*allowed})
    if column.allowed == "yes_no":
        values = [("yes" if one else "no") if isinstance(one, bool | np.bool_) else one for one in values]
    for one in values:
        # The empty text selects rows whose value is not available.
        if one not in allowed and not (one == "" and (column_values == "").any()):
            raise ValueError(unknown(name, one, allowed))
    return values


def _drug_with_concentration(arms: pd.DataFrame) -> pd.Series:
    """Return the topical drug of each arm with its concentration."""
    return (arms.drug + " " + arms.concentration).str.strip()


def _matches(rows: pd.DataFrame, values_by_column: Mapping[str, list[Any]]) -> pd.Series:
    """Mark the rows that have one of the wanted values in each wanted column that the table has."""
    matches = pd.Series(True, index=rows.index)
    for name, values in values_by_column.items():
        if name == "drug":
            matches &= rows.drug.isin(values) | _drug_with_concentration(rows).isin(values)
        elif name in ("assessment", "subtype"):
            matches &= (
                rows[name]
                .str.split(r"\s*;\s*", regex=True)
                .map(lambda codes, values=values: not {*values}.isdisjoint(codes))
            )
        elif name in rows:
            matches &= rows[name].isin(values)
    return matches


def _refuse_dependent(rows: pd.DataFrame) -> None:
    """Raise ValueError if a study has several counts that may be of the same patients or are not of one kind."""
    for _, counts in rows[rows.study.duplicated(keep=False)].groupby("study", sort=False):
        differing = [column for column in _SAME if counts[column].nunique() > 1]
        if not differing and not counts.arm.duplicated().any() and "WP" not in {*counts.design}:
            continue
        columns = differing or ["arm", *(name for name in ("population", "months") if counts[name].nunique() > 1)]
        names = {"role": "regimen"}
        values = "; ".join(f"{names.get(c, c)}: {', '.join(dict.fromkeys(map(str, counts[c])))}" for c in columns)
        raise ValueError(
            f"{counts.label.iloc[0]} has {len(counts)} counts in this selection that are not independent ({values}):"
            f" choose one by {' or '.join(names.get(column, column) for column in columns)}"
        )


def _not_pooled(evidence: Evidence, rows: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Yield the counts of a selection that may not be pooled, each with the reason."""
    meaning = evidence.meaning("why_not")
    for row in rows.itertuples():
        yield row.study, row.label, row.arm, meaning.get(row.why_not, "the study is not included")


def _without_count(
    evidence: Evidence, threshold: str, regimens: list[str], values_by_column: Mapping[str, list[Any]], shown: set[str]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield the included studies whose arms fit a selection but that have no count in it."""
    arms = evidence.arms[["study", "part", *_columns_of(evidence, "arms")]]
    studies = evidence.studies[["study", "part", "label", *_columns_of(evidence, "studies")]]
    arms = arms.merge(studies, on=["study", "part"]).sort_values(["year", "label"], kind="stable")
    of_arm = {name: values for name, values in values_by_column.items() if name in arms}
    arms = arms[arms.role.isin(regimens) & evidence.is_included(arms.study) & ~arms.study.isin(shown)]
    arms = arms[_matches(arms, of_arm)].drop_duplicates("study")
    counts = evidence.reported_counts()
    counts = counts[(counts.threshold == threshold) & counts.role.isin(regimens) & (counts.poolable != "no")]
    counted = {*counts.study[_matches(counts, of_arm)]}
    for row in arms.itertuples():
        reason = (
            "its available counts do not fit the selection" if row.study in counted else "no available responder count"
        )
        yield row.study, row.label, "", reason


def _columns_of(evidence: Evidence, table: str) -> list[str]:
    """Return the columns of arms or studies that belong to a selection and are not also those of its counts."""
    others = {"study", "part", "label", "source", "note", *evidence.responses.columns}
    others |= {*evidence.arms.columns} if table == "studies" else {"arm"}
    return [column for column in getattr(evidence, table).columns if column not in others]
