"""Tables of unavailable data: the rates that lack them, the studies that would help most, and known bounds.

Belongs here: which data are missing and where they may be found. Does not belong here: the ranking itself
(`lib.published.imputation`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.evidence import THRESHOLD_NAMES, Evidence, Outcome
from lib.report.citations import citation, identifiers
from lib.report.marked_text import study_link
from lib.report.tables.names import arm_name, bound_texts, labels, meanings
from lib.report.tables.table import Table, grouped
from lib.report.text_safety import for_markdown
from lib.report.wording import count, row_name


def coverages(outcomes: Sequence[Outcome]) -> Table:
    """Show for how many studies and participants of each rate responder counts are available."""
    rows = []
    for outcome in outcomes:
        participants = f"{outcome.available_patients} of {outcome.patients:g}"
        cells = {
            "Response": THRESHOLD_NAMES[outcome.threshold],
            "Studies": f"{outcome.available_studies} of {outcome.studies:g}",
            "Participants": participants if outcome.patients == outcome.patients else "",
            "Without counts": ", ".join(dict.fromkeys(outcome.missing.label)),
        }
        rows.append((row_name(outcome.regimen, outcome.group), cells))
    frame = grouped(rows, "group")
    detail = "Without counts"
    note = (
        "Below each rate: studies without available responder counts at this threshold; some have counts at another"
        " threshold."
    )
    title = "Available responder counts by rate"
    return Table(frame, title, note, numeric=["Studies", "Participants"], detail=detail, folded=True)


def without_available_counts(outcomes: Sequence[Outcome]) -> tuple[list[str], list[str]]:
    """Name the studies of the review whose responder counts are not available.

    Returns
    -------
    none : list of str
        Studies without counts for any rate.
    partly : list of str
        Studies with counts for some rates, with the rates for which they are missing: ``Kanwar 2004 (TCI monotherapy,
        total: ≥25%; TCI monotherapy, children: ≥25%)``.
    """
    missing = _missing_rates(outcomes)
    partly = {study for outcome in outcomes for study in outcome.available.study}
    labels = {
        study: label
        for outcome in outcomes
        for study, label in zip(outcome.missing.study, outcome.missing.label, strict=True)
    }
    return (
        [labels[study] for study in missing if study not in partly],
        [f"{labels[study]} ({rates})" for study, rates in missing.items() if study in partly],
    )


def missing_counts(outcomes: Sequence[Outcome]) -> str:
    """Name the studies with counts for some rates only, in a sentence; empty if there are none."""
    _, partly = without_available_counts(outcomes)
    if not partly:
        return ""
    return (
        "These studies have available counts for some rates only (the missing rates are in brackets):"
        f" {for_markdown('; '.join(partly))}."
    )


def _missing_rates(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return for each study the rates for which its counts are not available, as text."""
    thresholds_by_study: dict[str, dict[str, list[str]]] = {}
    for outcome in outcomes:
        for study in dict.fromkeys(outcome.missing.study):
            by_row = thresholds_by_study.setdefault(study, {})
            name = row_name(outcome.regimen, outcome.group)
            by_row.setdefault(name, []).append(THRESHOLD_NAMES[outcome.threshold])
    return {
        study: "; ".join(f"{row}: {', '.join(sorted(thresholds))}" for row, thresholds in rows.items())
        for study, rows in thresholds_by_study.items()
    }


_WANTED = ((2.0, "Highest value"), (0.5, "Medium value"), (-np.inf, "Lower value"))
"""Groups of the ranked studies: smallest narrowing of the 95% ranges, in percentage points, and name of the group."""


def bounds(evidence: Evidence) -> Table:
    """List the statements of reports that bound a count without giving it."""
    rows = evidence.bounds
    frame = pd.DataFrame(
        {
            "Study": labels(evidence, rows.study),
            "Arm": rows.arm.map(arm_name),
            "Site": meanings(evidence, "site", rows.site),
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "Limit": bound_texts(evidence, rows),
            "Source": rows.source,
            "Why": rows.reason.str.capitalize(),
        }
    )
    return Table(frame, f"Limits on counts that are not reported: {count(len(rows), 'limit')}", detail="Why")


def wanted(evidence: Evidence, ranked: pd.DataFrame, outcomes: Sequence[Outcome]) -> Table:
    """List the studies whose counts would help, the most useful first, with their citations.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    ranked : DataFrame
        The ranking, as `published.imputation.most_wanted` returns it.
    outcomes : sequence of Outcome
        All outcomes of the review.
    """
    rows = []
    missing, partly = _missing_rates(outcomes), {study for outcome in outcomes for study in outcome.available.study}
    for place, study in enumerate(ranked.itertuples(), start=1):
        country = evidence.studies.country[evidence.studies.study == study.study].iloc[0]
        regimen, group, threshold = study.most
        group_of_rank = next(name for least, name in _WANTED if study.narrowing >= least)
        cells = {
            "Rank": place,
            "Study": study_link(study.label, study.study),
            "Rates": study.rates,
            "Counts": "some" if study.study in partly else "none",
            "Narrows by": f"{study.narrowing:.1f}",
            "Source": next(iter(identifiers(evidence, study.study)), ""),
            "detail": f"{citation(evidence, study.study)} Largest effect on: {row_name(regimen, group)},"
            f" {THRESHOLD_NAMES[threshold]}."
            + (f" Missing: {missing[study.study]}." if study.study in partly and study.study in missing else "")
            + f" Country: {country or 'not reported'}.",
        }
        rows.append((group_of_rank, cells))
    note = (
        "Rates: number of published rates that include the study and for which its counts are missing. Counts:"
        " whether the study has available responder counts for other rates. Narrows by: if the counts of the study"
        " were known, the 95% ranges of those rates, pooled on the logit scale, would become narrower by this many"
        " percentage points in total. With other imputed counts, neighbouring studies may change places, but the"
        " groups stay the same."
    )
    frame = grouped(rows, "group")
    return Table(
        frame, "Studies whose counts would help most", note, numeric=["Rank", "Rates", "Narrows by"], detail="detail"
    )
