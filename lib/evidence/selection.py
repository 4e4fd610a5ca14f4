"""Select the rows of the tables that belong to the edition of a date, or to a view of an edition.

Belongs here: which records, studies and decisions were known by a date, and which rows a regimen or the original review
has. Does not belong here: reading the tables (`loading`), and what an edition gives (`edition`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

import lib
from lib.evidence.column_types import period_end
from lib.evidence.csv_files import DataError, Fault
from lib.evidence.retracted import with_notices
from lib.evidence.screening import with_screening
from lib.evidence.vocabulary import REGIMENS

VIEWS = (*REGIMENS, "original")
"""Views of an edition, see `lib.evidence.edition.Evidence`."""


class PartsOfView(Mapping[str, Any]):
    """The parts of a view; the rows of a table are selected when it is first read.

    Parameters
    ----------
    parts : mapping of str to Any
        The parts of the whole edition.
    view : str
        One of `VIEWS`.
    """

    def __init__(self, parts: Mapping[str, Any], view: str):
        self._whole, self._selected = parts, dict[str, Any]()
        other = {"monotherapy": "phototherapy", "phototherapy": "monotherapy", "original": None}[view]
        arms = parts["arms"]
        keys = pd.MultiIndex.from_frame(arms[["study", "arm"]])
        self._without_records = not other
        self._dropped_arms = set(keys[arms.role == other]) - set(keys[arms.role != other])
        studies = set(parts["screening"].study)
        if other:
            studies = set(arms.study[arms.role == other]) - set(arms.study[arms.role == view])
        self._dropped = {"role": {other}, "regimen": {other}, "study": studies}

    def __getitem__(self, name: str) -> Any:
        if name not in self._selected:
            part = self._whole[name]
            self._selected[name] = self._rows(part) if isinstance(part, pd.DataFrame) else part
        return self._selected[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def _rows(self, whole: pd.DataFrame) -> pd.DataFrame:
        table = whole
        if self._without_records and "record" in table:
            table = table[:0]
        for column, values in self._dropped.items():
            if column in table:
                table = table[~table[column].isin(values)]
        if {"study", "arm"} <= {*table}:
            table = table[~pd.MultiIndex.from_frame(table[["study", "arm"]]).isin(self._dropped_arms)]
        return table.reset_index(drop=True) if len(table) < len(whole) else whole


def version_of(date: str, versions: Mapping[str, str]) -> str:
    """Return the version of the edition of a date; that of the code if the edition has not appeared.

    Parameters
    ----------
    date : str
        Date of the edition.
    versions : mapping of str to str
        Versions of the editions that have appeared, by their date, as in ``editions.csv``.

    Examples
    --------
    >>> version_of("2018-08-06", {"2018-08-06": "2019"})
    '2019'
    """
    return versions.get(date, lib.__version__)


def known_dates(tables: Mapping[str, Any]) -> tuple[dt.date, dt.date]:
    """Return the date of the original search, and that of the last entry.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Has ``searches``, ``records`` and ``retractions``.
    """
    days = {*tables["searches"].date, *tables["records"].entered, *tables["retractions"].found}
    return period_end(min(tables["searches"].date)), max(map(period_end, days))


def known_by(parts: Mapping[str, Any], date: dt.date) -> dict[str, Any]:
    """Return the parts of the evidence with only what was known by a date, and the dates of edition and last search.

    Parameters
    ----------
    parts : mapping of str to Any
        Every table by name, and ``references``.
    date : datetime.date
        Date of the edition.
    """
    parts = dict(parts)
    original_search, last_entry = known_dates(parts)
    searches, reviews, editions = (parts[name] for name in ("searches", "later_reviews", "editions"))
    later_records = _records_after(parts["records"], date, original_search)
    candidates = parts["candidates"]
    later_studies = set(candidates.study[candidates.record.isin(later_records)])
    entered = dict(zip(parts["records"].record, parts["records"].entered, strict=True))
    for name in ("records", "decisions", "duplicates"):
        table = parts[name]
        is_known = ~table.record.isin(later_records)
        if name == "duplicates":
            is_known &= ~table.same_as.isin(later_records)
        if name != "records":
            # From the day on which a record was entered, an edition has the decisions made by its own date. An edition
            # before that day has all decisions on the record, if it was published by then.
            is_known &= (table.date <= date.isoformat()) | (table.record.map(entered).fillna("") > date.isoformat())
        parts[name] = table[is_known].reset_index(drop=True)
    reviews_known_on = [last_entry if pd.isna(year) else dt.date(int(year), 12, 31) for year in reviews.year]
    parts["later_reviews"] = reviews[[min(day, last_entry) <= date for day in reviews_known_on]]
    parts["searches"] = searches = searches[[period_end(day) <= date for day in searches.date]]
    parts["refused"] = parts["refused"][parts["refused"].search.isin(searches.search)]
    parts["editions"] = editions[[period_end(day) <= date for day in editions.date]]
    parts["retractions"] = parts["retractions"][parts["retractions"].found <= date.isoformat()]
    for name, table in parts.items():
        if isinstance(table, pd.DataFrame) and "study" in table:
            parts[name] = table[~table.study.isin(later_studies)].reset_index(drop=True)
    parts = with_notices(with_screening(parts))
    last_search = max(map(period_end, searches.date[searches.kind == "database search"]))
    return {**parts, "as_of": date, "last_search": last_search}


def _records_after(records: pd.DataFrame, date: dt.date, original_search: dt.date) -> set[str]:
    """Return the keys of the records that were not known by a date: neither published nor entered by then."""
    days = {text: period_end(text) for text in {*records.published, *records.entered} if text}
    known_on = [
        min(days[entered], days.get(published, days[entered]))
        for published, entered in zip(records.published, records.entered, strict=True)
    ]
    return set(records.record[[day > date or date == original_search for day in known_on]])


def date_of_edition(as_of: str | dt.date | None, original_search: dt.date, last_entry: dt.date) -> dt.date:
    """Return the date of the edition that was asked for; that of the last entry if none was.

    Parameters
    ----------
    as_of : str or datetime.date or None
        The date that was asked for, as text YYYY-MM-DD.
    original_search, last_entry : datetime.date
        The first date of an edition, and that of the newest.

    Raises
    ------
    DataError
        If it is not a date, or if there is no edition of that date.
    """
    if as_of is None or as_of == "":
        return last_entry
    if isinstance(as_of, str):
        try:
            as_of = dt.date.fromisoformat(as_of)
        except ValueError:
            raise DataError([Fault("as_of", None, "", str(as_of), "is not a date of the form YYYY-MM-DD")]) from None
    if as_of > dt.date.today():
        raise DataError([Fault("as_of", None, "", str(as_of), "lies in the future")])
    if as_of < original_search:
        rule = f"there is no edition before the original search ({original_search})"
        raise DataError([Fault("as_of", None, "", str(as_of), rule)])
    return as_of
