"""The evidence of the review: its tables, checked, typed and cut to one edition, and the outcomes it answers.

Knows the tables of ``data/`` and how they join; what makes a study part of an edition; which arms and counts
belong to an outcome of the review's Table 3, which of its studies have public counts and which have none.
Computes nothing statistical, and never fills in a count: a study without a public one is listed as such.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pybtex.database import BibliographyData

from lib.caching.shared_results import READ, ask, of_one_regimen, shared
from lib.evidence.checking import read_tables
from lib.evidence.column_types import convert, period_end, reference_numbers
from lib.evidence.csv_files import DataError, Fault
from lib.evidence.vocabulary import GROUPS, REGIMENS

_RATE = ("estimate", "ci_low", "ci_high")
VIEWS = (*REGIMENS, "original")
"""What the evidence can be cut to, see `Evidence.only`."""
LOADED: set[tuple[str, str]] = set()
"""The data folders and dates of editions that this process has asked for."""


@dataclass(frozen=True)
class Outcome:
    """One question of the review: the response rate of a regimen at a threshold, in a group.

    Attributes
    ----------
    regimen, threshold, group : str
        Codes as in the tables; ``group`` is a key of `GROUPS`.
    estimate, ci_low, ci_high : float
        The pooled rate as the review prints it, as a proportion; NaN where it prints none.
    decimals : tuple of int
        Number of decimals with which each of the three is printed, in percent.
    studies, patients : float
        Number of studies and patients as printed for the outcome; NaN where none is printed.
    refs : list of int
        Reference numbers printed for the outcome.
    refs_of_row : bool
        True where the review prints studies, patients and references for the whole row of its Table 3 and
        not for this threshold.
    row_studies, row_patients : float
        Number of studies and patients of the whole row of Table 3, over its three thresholds.
    row_refs : str
        Reference numbers of that row, as published.
    public : DataFrame
        Studies of the original review with a reported count, a row an arm: study, label, arm, year, n,
        events, unit, basis, confidence, design, randomised, listed, and all else that is known of both.
        ``listed`` says whether the study is among ``refs``.
    missing : DataFrame
        Arms of the studies in ``refs`` that have no public count to pool, with n (participants who completed)
        and ``reported`` (whether there is a public count that must not be pooled).
    new : DataFrame
        Studies of the update with a reported count, columns as in ``public``.
    public_patients : int
        Participants of the listed studies in ``public``, counted as the published number of patients counts them: in
        every arm of the regimen that has a reported count, even if two arms are of the same patients and one of them
        is pooled. Patches are counted by the patients they are on.
    """

    regimen: str
    threshold: str
    group: str
    estimate: float
    ci_low: float
    ci_high: float
    decimals: tuple[int, int, int]
    studies: float
    patients: float
    refs: list[int] = field(repr=False)
    refs_of_row: bool = field(repr=False)
    row_studies: float = field(repr=False)
    row_patients: float = field(repr=False)
    row_refs: str = field(repr=False)
    public: pd.DataFrame = field(repr=False)
    missing: pd.DataFrame = field(repr=False)
    new: pd.DataFrame = field(repr=False)
    public_patients: int

    @property
    def public_studies(self) -> int:
        """Number of studies of the printed list with a public count."""
        return self.public.study[self.public.listed].nunique()


@dataclass(frozen=True, eq=False)
class Evidence:
    """One edition of the evidence, or a view of it.

    Every table of the data dictionary is an attribute of its name (``evidence.studies``): a DataFrame whose
    counts and numbers are numeric (missing: NaN) and whose other columns are text (missing: ""). Numbers do not
    know how many decimals they were printed with: for ``published_rates`` the columns ``estimate_decimals``,
    ``ci_low_decimals`` and ``ci_high_decimals`` say it. Three attributes more: ``as_of``, the date of the edition;
    ``last_search``, that of the last search of databases it knows of; ``references``, the bibliography
    (`pybtex.database.BibliographyData`). Nothing here can be changed in place: for other tables,
    `with_tables`.

    Attributes
    ----------
    view : str
        What the tables are cut to (`only`); empty: nothing is cut.
    edition : tuple of str, optional
        The data folder and date that were asked for; None where tables were replaced since.
    """

    _parts: dict[str, Any] = field(repr=False)
    view: str = ""
    edition: tuple[str, str] | None = None

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("_parts", {})
        if name not in parts:
            raise AttributeError(f"there is no table {name!r}; the tables are {', '.join(parts)}")
        READ.add((self.view, name))
        part = parts[name]
        # A copy shares its values until it is changed, and what was computed here stays true.
        return part.copy(deep=False) if isinstance(part, pd.DataFrame) else part

    def with_tables(self, **tables: pd.DataFrame) -> Evidence:
        """Return this evidence with other tables in the place of those named."""
        return Evidence({**self._parts, **tables}, self.view)

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a process has few editions
    def only(self, view: str) -> Evidence:
        """Return a view: of one regimen, or of the original review.

        The view of a regimen has no study, arm, count or printed rate that is of the other one alone; that of the
        original review ("original") has no record met since. What a chapter reads of a view stays the same when a
        study comes in that is not part of it.

        Parameters
        ----------
        view : {"monotherapy", "phototherapy", "original"}
            Which.

        Raises
        ------
        KeyError
            If there is no such view.
        ValueError
            If this is a view already.
        """
        if self.view:
            raise ValueError(f"a view of the view {self.view!r} has no name: take it of the whole")
        other = {"monotherapy": "phototherapy", "phototherapy": "monotherapy", "original": None}[view]
        arms = self._parts["arms"]
        pairs = pd.MultiIndex.from_frame(arms[["study", "arm"]])
        gone_pairs = set(pairs[arms.role == other]) - set(pairs[arms.role != other])
        gone = {"role": {other}, "regimen": {other}, "study": set(self._parts["screening"].study)}
        if other:
            gone["study"] = set(arms.study[arms.role == other]) - set(arms.study[arms.role == view])
        parts = dict(self._parts)
        for name, table in parts.items():
            if not isinstance(table, pd.DataFrame):
                continue
            for column, values in gone.items():
                if column in table:
                    table = table[~table[column].isin(values)]
            if {"study", "arm"} <= {*table}:
                table = table[~pd.MultiIndex.from_frame(table[["study", "arm"]]).isin(gone_pairs)]
            if len(table) < len(parts[name]):
                parts[name] = table.reset_index(drop=True)
        return Evidence(parts, view, self.edition)

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return a hash of each part of each view: equal where a chapter that reads it would read the same."""
        of: dict[int, str] = {}

        def fingerprint(part: Any) -> str:
            # Most parts of a view are those of the whole.
            if id(part) not in of:
                if isinstance(part, pd.DataFrame):
                    shown = part.to_csv(index=False)
                else:
                    shown = repr(list(part.entries.items()) if isinstance(part, BibliographyData) else part)
                of[id(part)] = hashlib.sha256(shown.encode()).hexdigest()
            return of[id(part)]

        views = [self, *map(self.only, VIEWS)]
        return {view.view: {name: fingerprint(part) for name, part in view._parts.items()} for view in views}

    def meaning(self, code_list: str) -> dict[str, str]:
        """Return code -> meaning of one code list, in its order."""
        rows = self.codes[self.codes["list"] == code_list]
        return dict(zip(rows["code"], rows["meaning"], strict=True))

    def number(self, quantity: str, place: str = "results") -> float:
        """Return a number that the review prints, by its quantity and place.

        Raises
        ------
        KeyError
            If the review prints no such number there.
        """
        rows = self.published_numbers
        rows = rows[(rows.quantity == quantity) & (rows.place == place)]
        if rows.empty:
            raise KeyError(f"the review prints no {quantity} in its {place}")
        value = float(rows.value.iloc[0])
        return int(value) if value.is_integer() else value

    def is_included(self, studies: pd.Series) -> pd.Series:
        """Return for each study key whether the study is included, and not excluded or waiting."""
        screened = self.screening
        return ~studies.isin(screened.study[screened.decision != "included"])

    def included(self, edition: str) -> pd.DataFrame:
        """Return the rows of ``studies`` that are included, of one edition ("original" or "update")."""
        rows = self.studies
        return rows[(rows.edition == edition) & self.is_included(rows.study)]

    def study_counts(self, edition: str) -> dict[str, int]:
        """Count the included studies of one edition by what they are on.

        Returns
        -------
        dict of str to int
            Studies of ``monotherapy``, of ``phototherapy``, of either (``efficacy``), of ``maintenance``, of
            ``mechanism`` (the original review only), and of anything (``all``). A study on two of them counts
            once in a total.
        """
        included = self.included(edition)
        arms = self.arms[self.arms.study.isin(included.study)]
        of = {role: set(arms.study[arms.role == role]) for role in (*REGIMENS, "maintenance")}
        of["efficacy"] = of["monotherapy"] | of["phototherapy"]
        of["mechanism"] = set(self.mechanism.study) if edition == "original" else set()
        of["all"] = set().union(*of.values())
        return {name: len(studies) for name, studies in of.items()}

    def table2(self) -> pd.DataFrame:
        """Return Table 2 of the original review, a row an arm joined to its study."""
        studies = self.included("original").drop(columns=["source", "note"])
        return self.arms.merge(studies, on=["study", "part"])

    def counts(self) -> pd.DataFrame:
        """Return the reported counts joined to their arm and study, a row a count."""
        return self._counts().copy(deep=False)

    @shared
    def _counts(self) -> pd.DataFrame:
        arms = self.arms.drop(columns=["source", "note"])
        studies = self.studies.drop(columns=["source", "note", "population", "subtype"])
        joined = self.responses.merge(arms, on=["study", "arm"]).merge(studies, on=["study", "part"])
        return joined.sort_values(["year", "label", "arm"], kind="stable", ignore_index=True)

    @of_one_regimen
    @shared
    def outcome(self, regimen: str, threshold: str, group: str = "total") -> Outcome:
        """Return one outcome of the review's Table 3 with everything that is known of it.

        Parameters
        ----------
        regimen : {"monotherapy", "phototherapy"}
            The regimen.
        threshold : {"ge25", "ge50", "ge75"}
            Degree of repigmentation that counts as a response.
        group : str
            A key of `GROUPS`.

        Raises
        ------
        KeyError
            If the review has no such outcome.
        """
        population, site = GROUPS[group]
        claims = self.published_rates
        claims = claims[
            (claims.regimen == regimen)
            & (claims.threshold == threshold)
            & (claims.population == population)
            & (claims.site == site)
        ].set_index("place")
        if "table3" not in claims.index:
            raise KeyError(f"the review has no outcome {regimen}, {threshold}, {group}")
        printed, row = claims.loc["table3"], claims.loc["table3"]
        if "results" in claims.index:
            row = claims.loc["results"]
        refs = reference_numbers(row.refs)

        rows = self.counts()
        rows = rows[(rows.role == regimen) & (rows.threshold == threshold) & (rows.site == site)]
        if population != "all":
            rows = rows[rows.population == population]
        reported, pooled = rows, ["yes"] if site == "all" else ["yes", "subgroup"]
        rows = rows[(rows.subtype == "") & rows.poolable.isin(pooled)]
        rows = rows[self.is_included(rows.study)].assign(listed=lambda kept: kept.review_ref.isin(refs))
        public = rows[rows.edition == "original"]
        counted = reported[reported.study.isin(public.study[public.listed]) & (reported.subtype == "")]
        counted = counted[counted.poolable.isin(pooled) | (counted.why_not == "same_patients")]
        counted = counted.drop_duplicates(["study", "arm"])
        patients = counted.n.where(counted.unit == "patients", counted.completed)

        arms = self.arms[self.arms.role == regimen].merge(
            self.studies.drop(columns=["source", "note"]), on=["study", "part"]
        )
        missing = arms[arms.review_ref.isin(refs) & ~arms.study.isin(public.study)]
        missing = missing.assign(n=missing.completed, reported=missing.study.isin(reported.study))
        return Outcome(
            regimen,
            threshold,
            group,
            *(printed[list(_RATE)].astype(float) / 100),
            decimals=tuple(int(printed[f"{name}_decimals"]) for name in _RATE),
            studies=float(row.studies),
            patients=float(row.patients),
            refs=refs,
            refs_of_row="results" not in claims.index,
            row_studies=float(printed.studies),
            row_patients=float(printed.patients),
            row_refs=printed.refs,
            public=public.reset_index(drop=True),
            missing=missing.sort_values(["year", "label", "arm"], ignore_index=True),
            new=rows[rows.edition == "update"].reset_index(drop=True),
            public_patients=int(patients.sum()),
        )

    def all_outcomes(self) -> list[Outcome]:
        """Return every outcome of the review's Table 3, in its order."""
        rows = self.published_rates[self.published_rates.place == "table3"]
        names = {v: k for k, v in GROUPS.items()}
        return [self.outcome(row.regimen, row.threshold, names[row.population, row.site]) for row in rows.itertuples()]


def load(folder: str | Path, as_of: str | dt.date | None = None) -> Evidence:
    """Read, check and join the tables, and cut them to one edition.

    The edition of the original search holds the original review alone. A later one also holds the records
    whose publication, or entry here if that came first or the date of publication was not seen, is not later
    than ``as_of``; a date known to the year or month counts as its last day. With a record go its study, arms,
    counts and remarks; later reviews go by their year, one of an unknown year by the last entry.

    Parameters
    ----------
    folder : str or Path
        The data folder.
    as_of : str or datetime.date, optional
        Date of the edition, YYYY-MM-DD; by default that of the newest record or search, so that the same data
        give the same edition on any day.

    Returns
    -------
    Evidence
        The edition.

    Raises
    ------
    DataError
        If the tables have faults (all are listed), or there is no edition of that date.
    """
    edition = (str(Path(folder).resolve()), str(as_of or ""))
    LOADED.add(edition)
    return ask(edition) or _load(folder, as_of, edition)


def _load(folder: str | Path, as_of: str | dt.date | None, edition: tuple[str, str]) -> Evidence:
    text, references = read_tables(folder)
    dictionary = text["dictionary"]
    tables = {
        name: convert(frame, dictionary.loc[dictionary.table == name, ["column", "type"]].itertuples(index=False))
        for name, frame in text.items()
    }
    for name in _RATE:
        decimals = text["published_rates"][name].str.partition(".")[2].str.len()
        tables["published_rates"][f"{name}_decimals"] = decimals.to_numpy()
    screening, searches = tables["screening"], tables["searches"]
    first = period_end(min(searches.date))
    last = max(map(period_end, [*searches.date, *screening.entered]))
    if as_of is None or as_of == "":
        as_of = last
    if isinstance(as_of, str):
        try:
            as_of = dt.date.fromisoformat(as_of)
        except ValueError:
            raise DataError([Fault("as_of", None, "", as_of, "is not a date of the form YYYY-MM-DD")]) from None
    if as_of > dt.date.today():
        raise DataError([Fault("as_of", None, "", str(as_of), "lies in the future")])
    if as_of < first:
        rule = f"there is no edition before the original search ({first})"
        raise DataError([Fault("as_of", None, "", str(as_of), rule)])

    known_on = [
        min(period_end(row.published), period_end(row.entered)) if row.published else period_end(row.entered)
        for row in screening.itertuples()
    ]
    later = set(screening.study[[day > as_of or as_of == first for day in known_on]])
    reviews = tables["later_reviews"]
    review_known = [dt.date(int(y), 12, 31) if y == y else last for y in reviews.year]
    tables["later_reviews"] = reviews[[min(day, last) <= as_of for day in review_known]]
    tables["searches"] = searches[[period_end(day) <= as_of for day in searches.date]]
    for name, frame in tables.items():
        if "study" in frame:
            tables[name] = frame[~frame.study.isin(later)].reset_index(drop=True)
    known = tables["searches"]
    last_search = max(map(period_end, known.date[known.kind == "database search"]))
    parts = {**tables, "as_of": as_of, "last_search": last_search, "references": references}
    return Evidence(parts, edition=edition)
