"""Present the claims of the 2019 review in a form that can be checked.

Belongs here: the published rates, numbers, lists of references and Table 2 of the review, and their names for
sentences.
Does not belong here: what a claim must satisfy (`published_rules`, `report_rules`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from lib.evidence import REGIMENS, Evidence, reference_numbers

GROUP_COLUMNS = ["regimen", "population", "site"]
"""Columns that identify the patients of a rate."""


# --- Claims ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceList:
    """A published list of references for a rate, a row of Table 3 or a regimen, with its numbers.

    Attributes
    ----------
    place, name : str
        Code of the place of publication, and name of the rate, row or regimen.
    group : tuple of str
        Regimen, population and site.
    threshold : str
        Code of the threshold; empty for a regimen, and for a row of Table 3, which has all thresholds.
    studies, patients : float
        Numbers of studies and patients as published; NaN if not published.
    refs : frozenset of int
        The references.
    """

    place: str
    name: str
    group: tuple[str, str, str]
    threshold: str
    studies: float
    patients: float
    refs: frozenset[int]


@dataclass(frozen=True)
class Review:
    """The 2019 review as published.

    Attributes
    ----------
    evidence : Evidence
        Any edition: the original review is in all of them.
    """

    evidence: Evidence = field(repr=False)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """The published rates."""
        return self.evidence.published_rates

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """The published numbers that are not rates."""
        return self.evidence.published_numbers

    @cached_property
    def table2(self) -> pd.DataFrame:
        """Table 2 of the review, one row per arm."""
        return self.evidence.table2()

    @cached_property
    def treated(self) -> pd.DataFrame:
        """The arms of Table 2 on which the review's rates are based."""
        return self.table2[self.table2.role.isin(REGIMENS)]

    @cached_property
    def facts(self) -> pd.DataFrame:
        """Facts that the reports of the review's studies state."""
        studies = self.evidence.included("original").drop_duplicates("study")
        return self.evidence.report_facts.merge(studies[["study", "label", "review_ref"]], on="study")

    @cached_property
    def lists(self) -> list[ReferenceList]:
        """Every list of a rate: those of the text, then those of the rows of Table 3."""
        rows = self.rates[self.rates.refs != ""]
        in_table = rows.place == "table3"
        rows = pd.concat([rows[~in_table], rows[in_table].assign(threshold="")])
        rows = rows.drop_duplicates([*GROUP_COLUMNS, "place", "threshold", "studies", "patients", "refs"])
        return [
            ReferenceList(
                r.place,
                self.name(r),
                (r.regimen, r.population, r.site),
                r.threshold,
                r.studies,
                r.patients,
                references(r.refs),
            )
            for r in rows.itertuples()
        ]

    @cached_property
    def rows(self) -> list[ReferenceList]:
        """The lists of the rows of Table 3."""
        return [c for c in self.lists if not c.threshold]

    @cached_property
    def regimens(self) -> list[ReferenceList]:
        """The list of all studies of each regimen, with its number of patients if the same place reports one."""
        rows = self.numbers[self.numbers.refs != ""]
        rows = rows.assign(regimen=rows.quantity.str.removesuffix("_studies"))
        return [
            ReferenceList(
                r.place,
                f"{self.meaning('role')[r.regimen]}, all studies",
                (r.regimen, "all", "all"),
                "",
                r.value,
                self.values(f"{r.regimen}_patients").get(r.place, np.nan),
                references(r.refs),
            )
            for r in rows[rows.regimen.isin(REGIMENS)].itertuples()
        ]

    @cached_property
    def parts(self) -> list[tuple[ReferenceList, ReferenceList]]:
        """Pairs (part, whole): each row of Table 3 with all studies of its regimen, each age group with all ages."""
        of_all = [(row, whole) for row in self.rows for whole in self.regimens if whole.group[0] == row.group[0]]
        ages = [
            (part, whole)
            for part in self.lists
            for whole in self.lists
            if part.group[1] != "all" and (whole.place, whole.threshold) == (part.place, part.threshold)
            and whole.group == (part.group[0], "all", part.group[2])
        ]  # fmt: skip
        return of_all + ages

    def values(self, quantity: str) -> pd.Series:
        """Return the values that the review reports for a quantity, by place."""
        rows = self.numbers[self.numbers.quantity == quantity]
        return rows.set_index("place").value

    def value(self, quantity: str) -> float:
        """Return the first published value of a quantity; NaN if there is none."""
        return next(iter(self.values(quantity)), np.nan)

    def refs(self, quantity: str) -> frozenset[int]:
        """Return all references published for a quantity."""
        return frozenset().union(*map(references, self.numbers.refs[self.numbers.quantity == quantity]))

    def patients_not_in_table2(self, claim: ReferenceList) -> bool:
        """Return whether Table 2 cannot give the number of patients of a list.

        It cannot if the list concerns one site or includes a study that counted only patches.
        """
        arms = self.table2[self.table2.review_ref.isin(claim.refs)]
        return claim.group[2] != "all" or (arms.assessment == "individual").any()

    @cached_property
    def _meanings(self) -> dict[str, dict[str, str]]:
        return {name: self.evidence.meaning(name) for name in self.evidence.codes["list"].unique()}

    def meaning(self, code_list: str) -> dict[str, str]:
        """Return the meanings of one code list, by code."""
        return self._meanings[code_list]

    def places(self, codes: Iterable[str]) -> str:
        """Return the names of places in the review, separated by semicolons."""
        codes = set(codes)
        return "; ".join(text for code, text in self.meaning("place").items() if code in codes)

    def subject(self, quantity: str, *places: str) -> tuple[str, str]:
        """Return the names of the places where the review reports a quantity, and the name of the quantity.

        Without the argument ``places``, these are all places where the quantity is published.
        """
        return self.places(places or self.values(quantity).index), self.meaning("quantity")[quantity]

    def name(self, row) -> str:
        """Return the name of a rate, or of a row of rates: ``TCI monotherapy, children, marked (≥75%)``."""
        group = [self.meaning(kind)[getattr(row, kind)] for kind in GROUP_COLUMNS[1:] if getattr(row, kind) != "all"]
        threshold = [self.meaning("threshold")[row.threshold]] if row.threshold else []
        return ", ".join([self.meaning("role")[row.regimen], *(group or ["total"]), *threshold])

    def cite(self, refs: Iterable[int]) -> str:
        """Return the names of studies with their reference numbers."""
        return ", ".join(f"{ref} ({self._labels[ref]})" if ref in self._labels else f"{ref}" for ref in sorted(refs))

    @cached_property
    def _labels(self) -> dict[float, str]:
        studies = self.evidence.studies.dropna(subset="review_ref")
        return dict(zip(studies.review_ref, studies.label, strict=True))


# --- Text -------------------------------------------------------------------------------------------------


def references(refs: str) -> frozenset[int]:
    """Read a published list of reference numbers."""
    return frozenset(reference_numbers(refs)) if refs else frozenset()


def ranges(numbers: Iterable[int], separator: str = "-") -> str:
    """Return whole numbers as a reference list, in which three or more consecutive numbers become a range."""
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{run[0]}{separator}{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def studies_in_words(n: float) -> str:
    """Return a number of studies in words."""
    return f"{n:g} {'study' if n == 1 else 'studies'}"
