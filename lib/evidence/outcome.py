"""Describe one outcome of the review's Table 3: its published rate, and which of its studies have counts.

Belongs here: which arms and counts belong to an outcome, and which of its studies have available responder counts and
which have none. Does not belong here: anything statistical, and imputed counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from lib.evidence.column_types import reference_numbers
from lib.evidence.vocabulary import GROUPS

if TYPE_CHECKING:
    from lib.evidence.edition import Evidence


@dataclass(frozen=True)
class Outcome:
    """Response rate of a regimen at a threshold, in a group: one of the rates of the review's Table 3.

    Available responder counts are numbers of responders that could be obtained from a public source.

    Attributes
    ----------
    regimen, threshold, group : str
        Codes as in the tables; ``group`` is a key of `GROUPS`.
    estimate, ci_low, ci_high : float
        The pooled rate as published, as a proportion; NaN if it was not published.
    decimals : tuple of int
        Number of decimals with which each of the three was published, in percent.
    studies, patients : float
        Number of studies and patients published for the outcome; NaN if not published.
    refs : list of int
        Reference numbers published for the outcome.
    refs_of_row : bool
        True if the review gives studies, patients and references for the whole row of its Table 3 and not for this
        threshold.
    row_studies, row_patients : float
        Number of studies and patients of the whole row of Table 3, over its three thresholds.
    row_refs : str
        Reference numbers of that row, as published.
    available : DataFrame
        Available responder counts of studies of the original review, one row for each arm: study, label, arm, year, n,
        events, unit, basis, confidence, design, randomised, listed, and the other columns of
        `Evidence.reported_counts`.
        ``listed`` says whether the study is among ``refs``.
    missing : DataFrame
        Arms of the studies in ``refs`` without an available responder count that may be pooled, with n (participants
        who completed) and ``reported`` (whether there is a count that must not be pooled).
    new : DataFrame
        Available responder counts of studies of the update, columns as in ``available``.
    available_patients : int
        Participants of the listed studies in ``available``, counted as the review counts them. Every arm of the regimen
        with a reported count adds its patients, even if two arms are of the same patients and only one is pooled. If
        patches were counted, their patients are added.
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
    available: pd.DataFrame = field(repr=False)
    missing: pd.DataFrame = field(repr=False)
    new: pd.DataFrame = field(repr=False)
    available_patients: int

    @property
    def available_studies(self) -> int:
        """Number of listed studies with an available responder count."""
        return self.available.study[self.available.listed].nunique()


def build_outcome(evidence: Evidence, regimen: str, threshold: str, group: str) -> Outcome:
    """Collect the published rate of an outcome and the counts of its studies.

    Parameters
    ----------
    evidence : Evidence
        One edition, or a view of it.
    regimen, threshold, group : str
        As in `Evidence.outcome`.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        If the review has no such outcome.
    """
    population, site = GROUPS[group]
    rates = evidence.published_rates
    is_rate = (rates.regimen == regimen) & (rates.threshold == threshold)
    is_rate &= (rates.population == population) & (rates.site == site)
    rate_by_place = rates[is_rate].set_index("place")
    if "table3" not in rate_by_place.index:
        raise ValueError(f"the 2019 review published no rate of {regimen} at {threshold} in the group {group!r}")
    row = rate_by_place.loc["table3"]
    refs_of_row = "results" not in rate_by_place.index
    text = row if refs_of_row else rate_by_place.loc["results"]
    refs = reference_numbers(text.refs)

    reported = evidence.reported_counts()
    reported = reported[(reported.role == regimen) & (reported.threshold == threshold) & (reported.site == site)]
    if population != "all":
        reported = reported[reported.population == population]
    # Counts by subtype are parts of the other counts: adding them would count patients twice.
    of_all_subtypes = reported[reported.subtype == ""]
    is_poolable = of_all_subtypes.poolable.isin(["yes"] if site == "all" else ["yes", "subgroup"])
    pooled = of_all_subtypes[is_poolable]
    pooled = pooled[evidence.is_included(pooled.study)]
    pooled = pooled.assign(listed=pooled.review_ref.isin(refs))
    available = pooled[pooled.edition == "original"]

    published_alike = of_all_subtypes[is_poolable | (of_all_subtypes.why_not == "same_patients")]
    published_alike = published_alike[published_alike.study.isin(available.study[available.listed])]
    published_alike = published_alike.drop_duplicates(["study", "arm"])
    patients = published_alike.n.where(published_alike.unit == "patients", published_alike.completed)

    arms = evidence.arms[evidence.arms.role == regimen]
    arms = arms.merge(evidence.studies.drop(columns=["source", "note"]), on=["study", "part"])
    missing = arms[arms.review_ref.isin(refs) & ~arms.study.isin(available.study)]
    missing = missing.assign(n=missing.completed, reported=missing.study.isin(reported.study))
    return Outcome(
        regimen=regimen,
        threshold=threshold,
        group=group,
        estimate=float(row.estimate) / 100,
        ci_low=float(row.ci_low) / 100,
        ci_high=float(row.ci_high) / 100,
        decimals=(int(row.estimate_decimals), int(row.ci_low_decimals), int(row.ci_high_decimals)),
        studies=float(text.studies),
        patients=float(text.patients),
        refs=refs,
        refs_of_row=refs_of_row,
        row_studies=float(row.studies),
        row_patients=float(row.patients),
        row_refs=row.refs,
        available=available.reset_index(drop=True),
        missing=missing.sort_values(["year", "label", "arm"], ignore_index=True),
        new=pooled[pooled.edition == "update"].reset_index(drop=True),
        available_patients=int(patients.sum()),
    )
