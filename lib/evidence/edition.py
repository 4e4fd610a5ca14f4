"""The evidence of the review as of one date: `load` returns an edition as `Evidence`, with its tables and outcomes.

Belongs here: how the tables of ``data/`` are joined, which records belong to the edition of a date, and the views of an
edition. Does not belong here: the content of one outcome (`outcome`), and anything statistical.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pybtex.database import BibliographyData

import lib
from lib.caching.shared_results import READ, ask, of_one_regimen, shared
from lib.evidence.checking import find_warnings, read_some_tables, read_tables
from lib.evidence.column_types import convert, period_end
from lib.evidence.counts import Counts, select_counts
from lib.evidence.csv_files import DataError, Fault
from lib.evidence.outcome import Outcome, build_outcome
from lib.evidence.retracted import with_notices
from lib.evidence.screening import MEANING, NAME, with_screening
from lib.evidence.vocabulary import GROUPS, REGIMENS, THRESHOLDS
from lib.stats.arguments import unknown

_ESTIMATES = ("estimate", "ci_low", "ci_high")
VIEWS = (*REGIMENS, "original")
"""Views of an edition, see `Evidence`."""
EDITIONS = ("original", "update")
"""Whether a study belongs to the original review or came after it: codes of ``studies.edition``."""
LOADED: set[tuple[str, str]] = set()
"""Data folders and dates of the editions that this process has loaded."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """One edition of the evidence, or a view of it.

    Every table of the data dictionary is an attribute of its name (``evidence.studies``): a DataFrame whose counts and
    numbers are numeric (missing: NaN) and whose other columns are text (missing: ""). One more table is assembled from
    these: ``screening`` has, for each study considered since the original search, its record and the decision that
    stands. ``published_rates`` also has the columns ``estimate_decimals``, ``ci_low_decimals`` and
    ``ci_high_decimals``, the number of decimals with which each was published. Three more attributes are ``as_of``, the
    date of the edition; ``last_search``, the date of the last search of databases by then; and ``references``, the
    bibliography (`pybtex.database.BibliographyData`). ``dir()``, and so tab completion, lists them all. An instance
    cannot be changed; `with_tables` returns one with other tables.

    A *view* is the same edition with all columns of every table and only some of the rows. A chapter that reads a view
    need not run again when rows outside of it change. There are three:

    - ``monotherapy`` and ``phototherapy``: without the arms of the other regimen, its published rates, and the
      studies that have arms of the other regimen and none of this one;
    - ``original``: without the records found since the original search and without all rows of their studies.

    Attributes
    ----------
    view : str
        Name of the view; empty for the whole edition.
    edition : tuple of str, optional
        Data folder and date as they were given to `load`; None if tables have been replaced (`with_tables`).
    warnings : tuple of Fault
        What in the data folder is allowed but probably a mistake (`lib.evidence.check_with_warnings`).
    """

    _parts: Mapping[str, Any] = field(repr=False)
    view: str = ""
    edition: tuple[str, str] | None = None
    warnings: tuple[Fault, ...] = field(default=(), repr=False)

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("_parts", {})
        if name not in parts:
            raise AttributeError(unknown("table", name, parts))
        READ.add((self.view, name))
        part = parts[name]
        # Return a copy, so that a caller who changes it cannot affect results of others that use the table.
        return part.copy(deep=False) if isinstance(part, pd.DataFrame) else part

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__dict__.get("_parts", {})]

    def __repr__(self) -> str:
        heading, rows = self._contents()
        width = max((len(name) for name, *_ in rows), default=0)
        return "\n".join([heading, *(f"  {name.ljust(width)}  {n} rows" for name, n, _ in rows)])

    def _repr_html_(self) -> str:
        """Return the tables with their numbers of rows and their meaning, which a notebook displays."""
        heading, rows = self._contents()
        cells = [
            f'<tr><td style="text-align: left"><code>{html.escape(name)}</code></td><td>{n}</td>'
            f'<td style="text-align: left">{html.escape(meaning)}</td></tr>'
            for name, n, meaning in rows
        ]
        head = '<tr><th style="text-align: left">Table</th><th>Rows</th><th style="text-align: left">Content</th></tr>'
        return f"<p>{html.escape(heading)}</p><table><thead>{head}</thead><tbody>{''.join(cells)}</tbody></table>"

    def _contents(self) -> tuple[str, list[tuple[str, int, str]]]:
        """Return a heading, and the name, number of rows and meaning of each table."""
        heading = f"Evidence as of {self.as_of}" + (f", view {self.view!r}" if self.view else "")
        meaning = {**self.meaning("table"), NAME: MEANING}
        tables = {name: getattr(self, name) for name, part in self._parts.items() if isinstance(part, pd.DataFrame)}
        return heading, [(name, len(table), meaning.get(name, "")) for name, table in tables.items()]

    def with_tables(self, **tables: pd.DataFrame) -> Evidence:
        """Return this evidence with other tables in place of those named.

        Parameters
        ----------
        **tables : DataFrame
            The new tables, by name.

        Returns
        -------
        Evidence
            A copy, whose attribute ``edition`` is None.

        Raises
        ------
        ValueError
            If there is no such table.
        """
        for name in tables:
            if name not in self._parts:
                raise ValueError(unknown("table", name, self._parts))
        return Evidence({**self._parts, **tables}, self.view)

    def reduced_to(self, *names: str) -> Evidence:
        """Return this evidence with some of its parts alone, so that what is computed of it depends on no other.

        Parameters
        ----------
        *names : str
            Names of tables, or of other parts such as ``as_of``. A view (`only`) needs ``arms`` and ``screening``.

        Raises
        ------
        ValueError
            If there is no such part.
        """
        for name in names:
            if name not in self._parts:
                raise ValueError(unknown("table", name, self._parts))
        return Evidence({name: self._parts[name] for name in names}, self.view, self.edition)

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a process has few editions
    def only(self, view: str) -> Evidence:
        """Return a view of this edition.

        Parameters
        ----------
        view : {"monotherapy", "phototherapy", "original"}
            Name of the view, see `Evidence`.

        Returns
        -------
        Evidence
            The rows of the view.

        Raises
        ------
        ValueError
            If there is no such view, or if this is a view already.
        """
        if self.view:
            raise ValueError(f"this is the view {self.view!r}, and a view has no views: take one of the whole edition")
        if view not in VIEWS:
            raise ValueError(unknown("view", view, VIEWS))
        return Evidence(_PartsOfView(self._parts, view), view, self.edition)

    def earlier(self, date: dt.date) -> Evidence:
        """Return the edition of an earlier date.

        Parameters
        ----------
        date : datetime.date
            Not before the original search, and not after this edition.

        Returns
        -------
        Evidence
            What was known by then, as `load` returns it.

        Raises
        ------
        ValueError
            If this is a view, or if the date lies before the original search or after this edition.

        Examples
        --------
        >>> import datetime as dt
        >>> from lib import evidence
        >>> len(evidence.load("data").earlier(dt.date(2018, 8, 6)).screening)
        0
        """
        if self.view:
            raise ValueError(f"this is the view {self.view!r}: take an earlier edition of the whole")
        first, _ = _known_dates(self._parts)
        if not first <= date <= self.as_of:
            raise ValueError(f"date must be from {first} to {self.as_of}, not {date}")
        READ.update(("", name) for name in self._parts)
        return Evidence(_known_by(self._parts, date))

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Hash every part of every view.

        Returns
        -------
        dict of str to dict of str to str
            Content hash by view (empty: the whole edition) and name of the part. If the hash has not changed, the
            content of the part has not changed either.
        """
        hash_by_id: dict[int, str] = {}

        def hash_part(part: Any) -> str:
            # Views share most parts with the whole edition: each object is hashed once.
            if id(part) not in hash_by_id:
                if isinstance(part, pd.DataFrame):
                    text = part.to_csv(index=False)
                else:
                    text = repr(list(part.entries.items()) if isinstance(part, BibliographyData) else part)
                hash_by_id[id(part)] = hashlib.sha256(text.encode()).hexdigest()
            return hash_by_id[id(part)]

        views = [self, *map(self.only, VIEWS)]
        return {view.view: {name: hash_part(part) for name, part in view._parts.items()} for view in views}

    def meaning(self, code_list: str) -> dict[str, str]:
        """Return the meaning of each code of a list of ``codes.csv``, in the order of the list.

        Parameters
        ----------
        code_list : str
            Name of the list, such as "design".

        Returns
        -------
        dict of str to str
            Meaning by code.

        Raises
        ------
        ValueError
            If there is no such list.
        """
        rows = self.codes[self.codes["list"] == code_list]
        if rows.empty:
            raise ValueError(unknown("code list", code_list, self.codes["list"]))
        return dict(zip(rows["code"], rows["meaning"], strict=True))

    def number(self, quantity: str, place: str = "results") -> float:
        """Return a number that the review published.

        Parameters
        ----------
        quantity, place : str
            The quantity, and the part of the article that reports it, as in ``published_numbers``.

        Returns
        -------
        float
            The number, as an int if it is a whole number.

        Raises
        ------
        ValueError
            If the review published no such number there.
        """
        numbers = self.published_numbers
        there = numbers[numbers.place == place]
        if there.empty:
            raise ValueError(unknown("place", place, numbers.place))
        rows = there[there.quantity == quantity]
        if rows.empty:
            elsewhere = ", ".join(dict.fromkeys(numbers.place[numbers.quantity == quantity]))
            hint = f"; it is in: {elsewhere}" if elsewhere else ""
            message = unknown("quantity", quantity, there.quantity)
            raise ValueError(f"the review published no such number in {place!r}{hint}: {message}")
        value = float(rows.value.iloc[0])
        return int(value) if value.is_integer() else value

    def is_included(self, studies: pd.Series) -> pd.Series:
        """Return for each study key whether the study is included: neither excluded nor awaiting a decision."""
        screening = self.screening
        return ~studies.isin(screening.study[screening.decision != "included"])

    def included(self, edition: str) -> pd.DataFrame:
        """Return the included studies of the original review or of the update.

        Parameters
        ----------
        edition : {"original", "update"}
            Whether the studies belong to the original review or to the update.

        Returns
        -------
        DataFrame
            Their rows of the table ``studies``.

        Raises
        ------
        ValueError
            If the edition is neither.
        """
        if edition not in EDITIONS:
            raise ValueError(unknown("edition", edition, EDITIONS))
        rows = self.studies
        return rows[(rows.edition == edition) & self.is_included(rows.study)]

    def study_counts(self, edition: str) -> dict[str, int]:
        """Count the included studies by subject.

        Parameters
        ----------
        edition : {"original", "update"}
            Whether the studies belong to the original review or to the update.

        Returns
        -------
        dict of str to int
            Number of studies of ``monotherapy``, of ``phototherapy``, of either (``efficacy``), of ``maintenance``, of
            ``mechanism`` (the original review only), and of any subject (``all``). A study of two subjects counts
            once in a total.
        """
        included = self.included(edition)
        arms = self.arms[self.arms.study.isin(included.study)]
        by_subject = {role: set(arms.study[arms.role == role]) for role in (*REGIMENS, "maintenance")}
        by_subject["efficacy"] = by_subject["monotherapy"] | by_subject["phototherapy"]
        by_subject["mechanism"] = set(self.mechanism.study) if edition == "original" else set()
        by_subject["all"] = set().union(*by_subject.values())
        return {name: len(studies) for name, studies in by_subject.items()}

    def table2(self) -> pd.DataFrame:
        """Return Table 2 of the original review: one row for each arm, with the columns of its study."""
        studies = self.included("original").drop(columns=["source", "note"])
        return self.arms.merge(studies, on=["study", "part"])

    def counts(self, *, threshold: str, **filters: Any) -> Counts:
        """Return the available responder counts of a selection of studies, one row for each study.

        Only counts that this book would pool are returned: those of included studies, each patient once, comparators
        left out; the arms of a study are added up. ``left_out`` of the result lists the studies and counts that fit the
        selection but are not in the result, and why. `reported_counts` returns every count.

        Parameters
        ----------
        threshold : {"any", "ge25", "ge50", "ge75"}
            Threshold of repigmentation that counts as a response.
        **filters
            Values that the rows must have, by name of a column of ``responses``, ``arms`` or ``studies``, as the data
            dictionary describes them: ``drug``, ``randomised``, ``design``, ``year``, ``country``, ``edition``,
            ``population``, ``site``, ``basis``, ``confidence`` and so on. A list or range means any of its values;
            True and False mean "yes" and "no". ``drug`` is a name, with or without the concentration. Two more
            filters: ``regimen`` ("monotherapy" or "phototherapy"; by default both) and ``group``, a key of `GROUPS`.
            Without ``site`` or ``group`` the counts are those over the whole body.

        Returns
        -------
        Counts
            A DataFrame with the names of the studies as index.

        Raises
        ------
        ValueError
            If a filter or a value is unknown (the message names those that are allowed), or if a study has several
            counts in the selection that may be of the same patients.

        Examples
        --------
        >>> from lib import evidence
        >>> ev = evidence.load("data")
        >>> studies = ev.counts(threshold="ge75", regimen="phototherapy", randomised=True)
        >>> {*studies.role}, studies.index.name
        ({'phototherapy'}, 'label')
        >>> {*studies.left_out.columns} == {"study", "label", "arm", "reason"}
        True
        >>> ev.counts(threshold="ge75", regimen="fototherapy")
        Traceback (most recent call last):
        ValueError: regimen must be one of monotherapy, phototherapy, not 'fototherapy': did you mean 'phototherapy'?
        """
        return select_counts(self, threshold, filters)

    def reported_counts(self) -> pd.DataFrame:
        """Return every reported count, pooled or not: one row for each, with the columns of its arm and study."""
        return self._counts().copy(deep=False)

    @shared
    def _counts(self) -> pd.DataFrame:
        arms = self.arms.drop(columns=["source", "note"])
        studies = self.studies.drop(columns=["source", "note", "population", "subtype"])
        joined = self.responses.merge(arms, on=["study", "arm"]).merge(studies, on=["study", "part"])
        return joined.sort_values(["year", "label", "arm"], kind="stable", ignore_index=True)

    def outcome(self, regimen: str, threshold: str, group: str = "total") -> Outcome:
        """Return one outcome of the review's Table 3.

        Parameters
        ----------
        regimen : {"monotherapy", "phototherapy"}
            The regimen.
        threshold : {"ge25", "ge50", "ge75"}
            Threshold of repigmentation that counts as a response.
        group : str
            A key of `GROUPS`.

        Returns
        -------
        Outcome
            Its published rate, and the studies with and without counts.

        Raises
        ------
        ValueError
            If the review has no such outcome.
        """
        for name, value, allowed in (
            ("regimen", regimen, REGIMENS),
            ("threshold", threshold, THRESHOLDS),
            ("group", group, GROUPS),
        ):
            if value not in allowed:
                raise ValueError(unknown(name, value, allowed))
        return self._outcome(regimen, threshold, group)

    @of_one_regimen
    @shared
    def _outcome(self, regimen: str, threshold: str, group: str) -> Outcome:
        return build_outcome(self, regimen, threshold, group)

    def all_outcomes(self) -> list[Outcome]:
        """Return every outcome of the review's Table 3, in its order."""
        keys = self._outcome_keys()
        by_regimen = {regimen: self._outcomes(regimen) for regimen in dict.fromkeys(regimen for regimen, *_ in keys)}
        return [by_regimen[regimen][threshold, group] for regimen, threshold, group in keys]

    @of_one_regimen
    @shared
    def _outcomes(self, regimen: str) -> dict[tuple[str, str], Outcome]:
        """Return the outcomes of a regimen, by threshold and group: one request to the result server, and not many."""
        return {
            (threshold, group): self._outcome(regimen, threshold, group)
            for of_regimen, threshold, group in self._outcome_keys()
            if of_regimen == regimen
        }

    def _outcome_keys(self) -> list[tuple[str, str, str]]:
        """Return regimen, threshold and group of every outcome of the review's Table 3."""
        rows = self.published_rates[self.published_rates.place == "table3"]
        group_by_codes = {codes: group for group, codes in GROUPS.items()}
        groups = [group_by_codes[codes] for codes in zip(rows.population, rows.site, strict=True)]
        return list(zip(rows.regimen, rows.threshold, groups, strict=True))


def load(folder: str | Path, as_of: str | dt.date | None = None) -> Evidence:
    """Read and check the data folder, and return the edition of a date.

    The edition of the original search holds the original review alone. A later edition also holds every record that
    was published or entered here by ``as_of``, with its study, arms, counts and remarks, and with the decisions that
    were made by ``as_of``. A record that was entered after ``as_of`` comes with all its decisions. A date known only to
    the year or month counts as the last day of that period. Later reviews are included by their year, or by the last
    entry if the year is unknown.

    Parameters
    ----------
    folder : str or Path
        The data folder.
    as_of : str or datetime.date, optional
        Date of the edition, as text YYYY-MM-DD. By default that of the newest record or search, so that the same data
        give the same edition on any day.

    Returns
    -------
    Evidence
        The edition.

    Raises
    ------
    DataError
        If the tables have faults (all are listed), or if there is no edition of that date.
    """
    edition = (str(Path(folder).resolve()), str(as_of or ""))
    LOADED.add(edition)
    return ask(edition) or _load(folder, as_of, edition)


def _load(folder: str | Path, as_of: str | dt.date | None, edition: tuple[str, str]) -> Evidence:
    texts, references = read_tables(folder)
    warnings = tuple(find_warnings(texts, references))
    tables = _convert_tables(texts)
    date = _date_of_edition(as_of, *_known_dates(tables))
    parts = {**_known_by(tables, date), "references": references}
    return Evidence(parts, edition=edition, warnings=warnings)


class _PartsOfView(Mapping[str, Any]):
    """The parts of a view (see `Evidence`); the rows of a table are selected when it is first read."""

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


def earlier_editions(folder: str | Path) -> list[str]:
    """Return the dates of the editions before the newest, without checking the data.

    Parameters
    ----------
    folder : str or Path
        The data folder.

    Returns
    -------
    list of str
        Dates of ``editions.csv`` other than that of the newest record or search, as they are written there.

    Raises
    ------
    DataError
        If a table from which the dates come cannot be read.
    ValueError
        If a date in it has a wrong form.

    Examples
    --------
    >>> earlier_editions("data")[0]
    '2018-08-06'
    """
    tables = read_some_tables(folder, ("searches", "records", "retractions", "editions"))
    _, newest = _known_dates(tables)
    return [date for date in tables["editions"].date if period_end(date) < newest]


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


def _known_dates(tables: Mapping[str, Any]) -> tuple[dt.date, dt.date]:
    """Return the date of the original search, and that of the last entry."""
    days = {*tables["searches"].date, *tables["records"].entered, *tables["retractions"].found}
    return period_end(min(tables["searches"].date)), max(map(period_end, days))


def _known_by(parts: Mapping[str, Any], date: dt.date) -> dict[str, Any]:
    """Return the parts of the evidence with only what was known by a date, and the dates of edition and last search."""
    parts = dict(parts)
    original_search, last_entry = _known_dates(parts)
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


def warnings_in_words(evidence: Evidence) -> str:
    """Return the number of warnings about the data in a line of text; empty if there are none."""
    number = len(evidence.warnings)
    plural = "s" * (number != 1)
    return f"{number} warning{plural} about the data: `make check` lists {'them' if plural else 'it'}." * bool(number)


def _convert_tables(texts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Convert the text of all tables.

    Add the number of their decimals to the published rates, and the spreadsheet row to the judgements of certainty.
    """
    dictionary = texts["dictionary"]
    tables = {
        name: convert(text, dictionary.loc[dictionary.table == name, ["column", "type"]].itertuples(index=False))
        for name, text in texts.items()
    }
    for name in _ESTIMATES:
        decimals = texts["published_rates"][name].str.partition(".")[2].str.len()
        tables["published_rates"][f"{name}_decimals"] = decimals.to_numpy()
    tables["certainty"]["row"] = texts["certainty"].index.to_numpy()
    return with_screening(tables)


def _date_of_edition(as_of: str | dt.date | None, original_search: dt.date, last_entry: dt.date) -> dt.date:
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
