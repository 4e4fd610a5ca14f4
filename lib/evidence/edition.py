"""The evidence of the review as of one date: `Evidence`, an edition with its tables, outcomes and counts.

Belongs here: what an edition or one of its views gives. Does not belong here: reading the tables (`loading`), the
selection of rows (`selection`), the content of one outcome (`outcome`), and anything statistical. The module is long
because each method of the class has an example.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pybtex.database import BibliographyData

from lib.caching.shared_results import READ, of_one_regimen, shared
from lib.evidence.counts import Counts, select_counts
from lib.evidence.csv_files import Fault
from lib.evidence.outcome import Outcome, build_outcome
from lib.evidence.screening import MEANING, NAME
from lib.evidence.selection import VIEWS, PartsOfView, known_by, known_dates
from lib.evidence.vocabulary import GROUPS, REGIMENS, THRESHOLDS
from lib.stats.checks import unknown

EDITIONS = ("original", "update")
"""Whether a study belongs to the original review or came after it: codes of ``studies.edition``."""


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
        self._require_parts(tables)
        return Evidence({**self._parts, **tables}, self.view)

    def reduced_to(self, *names: str) -> Evidence:
        """Return this evidence with some of its parts alone, so that what is computed from it depends on no other.

        Parameters
        ----------
        *names : str
            Names of tables, or of other parts such as ``as_of``. A view (`only`) needs ``arms`` and ``screening``.

        Raises
        ------
        ValueError
            If there is no such part.
        """
        self._require_parts(names)
        return Evidence({name: self._parts[name] for name in names}, self.view, self.edition)

    def _require_parts(self, names: Iterable[str]) -> None:
        """Raise ValueError for the first name that no part has."""
        for name in names:
            if name not in self._parts:
                raise ValueError(unknown("table", name, self._parts))

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
        return Evidence(PartsOfView(self._parts, view), view, self.edition)

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
        first, _ = known_dates(self._parts)
        if not first <= date <= self.as_of:
            raise ValueError(f"date must be from {first} to {self.as_of}, not {date}")
        # An earlier edition depends on every part.
        READ.update(("", name) for name in self._parts)
        return Evidence(known_by(self._parts, date))

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
        at_place = numbers[numbers.place == place]
        if at_place.empty:
            raise ValueError(unknown("place", place, numbers.place))
        rows = at_place[at_place.quantity == quantity]
        if rows.empty:
            other_places = ", ".join(dict.fromkeys(numbers.place[numbers.quantity == quantity]))
            hint = f"; it is in: {other_places}" if other_places else ""
            message = unknown("quantity", quantity, at_place.quantity)
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
