"""The registered results of comparisons within trials, of the maintenance trial, of safety, and of later reviews.

Belongs here: every registered result that is not a response rate, and the sensitivity analyses of a comparison. Does
not belong here: the pooling of comparisons (`lib.evidence.comparisons`), and rates (`rate_entries`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from lib.caching.shared_results import shared
from lib.evidence import THRESHOLDS, Comparison, Evidence, Question, assume_correlation, compare, question
from lib.evidence.comparisons import TAU2
from lib.report.absolute_effects import absolute, needed_to_treat, possible_difference
from lib.report.counted import single_count_entry
from lib.report.entries import Entry, comparison_key, later_review_key, maintenance_key, safety_key, slug
from lib.stats import Pooled
from lib.stats.pooled_result import ESTIMATE_AND_LIMITS

_PAGE = "book/comparisons.html"

_RATIOS = {"rr": "risk ratio", "or": "odds ratio"}

SAFETY_EVENTS = ("burning", "pruritus", "erythema")
"""Adverse events that the 2019 review counts."""

_ASSUMED = (0.3, 0.6)
"""Correlations assumed between the outcomes of the same patients."""


@shared
def comparison_entries(evidence: Evidence) -> dict[str, Entry]:
    """Return the results of every question by key: pooled, of each trial, and of every sensitivity analysis."""
    entries: list[Entry] = []
    for name in evidence.questions.question:
        asked = question(evidence, name)
        for threshold in THRESHOLDS:
            compared = compare(asked.at(threshold))
            if compared is not None:
                entries += _effects(name, threshold, compared)
        for threshold in dict.fromkeys(asked.pairs.threshold):
            trials = asked.at(threshold)
            for i in trials.index:
                entries += _effects(name, threshold, _compared(trials.loc[[i]]), trial_analysis(trials.study[i]))
            if threshold in THRESHOLDS:
                entries += _sensitivity(evidence, asked, threshold)
    return {entry.key: entry for entry in entries}


def trial_analysis(study: str) -> str:
    """Return the last part of the key of a single trial's result."""
    return f"trial.{study}"


def _effects(name: str, threshold: str, compared: Comparison, analysis: str = "") -> Iterator[Entry]:
    """Yield ratios, difference and absolute effects of one or more trials, as far as they can be computed."""
    rows = compared.rows
    pooled = compared.risk_difference.k > 1
    random_effects = f", random effects ({TAU2})" if pooled else ""
    within = "treatment versus control within each trial"

    def entry(measure: str, values: Sequence[float], rows: pd.DataFrame, **rest: Any) -> Entry:
        return _entry(comparison_key(name, threshold, measure, analysis), values, rows, **rest)

    for measure, ratio in (("rr", compared.risk_ratio), ("or", compared.odds_ratio)):
        if analysis and not math.isfinite(ratio.estimate):
            continue
        method = f"{_RATIOS[measure]}, {within}" + (random_effects if ratio.k > 1 else "")
        yield _of_ratio(comparison_key(name, threshold, measure, analysis), ratio, rows, method)
    difference = compared.risk_difference
    yield entry(
        "rd",
        possible_difference(compared),
        rows[~difference.dropped],
        scale="difference",
        method=f"risk difference, {within}{random_effects}, limited to what the control arms make possible",
        tau2=difference.tau2 if pooled else math.nan,
        pooled=difference,
    )
    needed = needed_to_treat(compared)
    if needed:
        method = "number needed to treat: reciprocal of the risk difference, rounded up"
        yield entry("nnt", needed, rows, scale="number", method=method)
    effect = absolute(compared)
    by = "risk ratio" if effect.from_ratio else "risk difference"
    applied = f"{by} applied to the share of responders in the control arms, within 0 and 1"
    with_treatment = (effect.estimate, effect.ci_low, effect.ci_high)
    yield entry("without", (effect.without,), rows, method="share of responders in all control arms together")
    yield entry("with", with_treatment, rows, method=f"share of responders with the treatment: {applied}")
    method = f"difference of the shares of responders with and without the treatment: {applied}"
    yield entry("difference", effect.difference, rows, scale="difference", method=method)


def _of_ratio(key: str, ratio: Pooled, rows: pd.DataFrame, method: str) -> Entry:
    # The prediction interval is left out if there are too few studies for it to be informative.
    ends = (ratio.pi_low, ratio.pi_high) if ratio.predicts else ()
    values = (ratio.estimate, ratio.ci_low, ratio.ci_high, *ends)
    tau2 = ratio.tau2 if ratio.k > 1 else math.nan
    used = rows[~ratio.dropped]
    return _entry(key, values, used, scale="ratio", method=method, tau2=tau2, pooled=ratio)


def _entry(key: str, values: Sequence[float], rows: pd.DataFrame, **rest: Any) -> Entry:
    named: dict[str, Any] = dict(zip(ESTIMATE_AND_LIMITS, map(float, values), strict=False))
    return Entry(
        key,
        **named,
        k=len(rows),
        participants=(rows.n + rows.control_n).sum(),
        studies=tuple(rows.study),
        page=_PAGE,
        **rest,
    )


def _compared(rows: pd.DataFrame, **options: Any) -> Comparison:
    compared = compare(rows, **options)
    assert compared is not None
    return compared


# --- Sensitivity analyses ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Analysis:
    """A sensitivity analysis of a comparison.

    Attributes
    ----------
    name : str
        Its name in tables.
    kind : str
        The last part of its key.
    ratio : Pooled
        The risk ratio.
    rows : DataFrame
        Its trials.
    """

    name: str
    kind: str
    ratio: Pooled
    rows: pd.DataFrame = field(repr=False)


def analyses(rows: pd.DataFrame) -> list[Analysis]:
    """Return the sensitivity analyses of two or more trials: other selections of trials, methods and assumptions.

    Parameters
    ----------
    rows : DataFrame
        One row for each trial of one threshold, as in `evidence.Question.pairs`.

    Returns
    -------
    list of Analysis
        Selections that leave all trials or none are absent; there are none for fewer than two trials.
    """
    if len(rows) < 2:
        return []
    subsets = {
        "Randomised trials": rows.randomised == "yes",
        "Patients, not patches": rows.unit == "patients",
        "Different patients in the arms": ~rows.paired,
        "Counts of high confidence": (rows.confidence == "high") & (rows.control_confidence == "high"),
        "Stated counts, none derived": (rows.basis == "stated") & (rows.control_basis == "stated"),
        "Tacrolimus": rows.drug == "tacrolimus",
        "Up to 3 months": rows.duration_months <= 3,
    }
    found = [_analysis(name, slug(name), rows[part]) for name, part in subsets.items() if 0 < part.sum() < len(rows)]
    if len(rows) > 2:
        found += [
            _analysis(f"Without {row.label}", f"without.{row.study}", rows.drop(index=row.Index))
            for row in rows.itertuples()
        ]
    methods = {
        "Normal interval": {"ci": "normal"},
        "DerSimonian-Laird, normal interval": {"tau2": "DL", "ci": "normal"},
        "Common effect, normal interval": {"tau2": "FE", "ci": "normal"},
        "Hartung-Knapp interval": {"ci": "hksj"},
    }
    found += [_analysis(name, slug(name), rows, **options) for name, options in methods.items()]
    if rows.paired.any():
        for value in _ASSUMED:
            name = f"Correlation between lesions of the same patient assumed to be {value:g}"
            found.append(Analysis(name, slug(f"correlation {value:g}"), assume_correlation(rows, value), rows))
    return found


def _analysis(name: str, kind: str, rows: pd.DataFrame, **options: Any) -> Analysis:
    return Analysis(name, kind, _compared(rows, **options).risk_ratio, rows)


WITHOUT_CONCERNS = "without_concerns"
"""The last part of the key of a risk ratio without the trials about which there is a concern."""


def of_no_concern(evidence: Evidence, rows: pd.DataFrame) -> Comparison | None:
    """Compare the trials without concerns; return None if these are all trials, or carry no information."""
    others = compare(rows[~rows.study.isin(evidence.concerns.study)])
    if others is None or others.risk_ratio.dropped.all() or len(others.rows) == len(rows):
        return None
    return others


def _sensitivity(evidence: Evidence, asked: Question, threshold: str) -> Iterator[Entry]:
    rows = asked.at(threshold)
    found = [*analyses(rows)]
    others = of_no_concern(evidence, rows)
    if others is not None:
        name = "Without trials that raise a concern about pooling"
        found.append(Analysis(name, WITHOUT_CONCERNS, others.risk_ratio, others.rows))
    for analysis in found:
        if math.isfinite(analysis.ratio.estimate):
            key = comparison_key(asked.key, threshold, "rr", analysis.kind)
            is_proper = analysis.name.startswith(("DerSimonian", "Hartung"))
            name = analysis.name if is_proper else analysis.name[0].lower() + analysis.name[1:]
            yield _of_ratio(key, analysis.ratio, analysis.rows, f"risk ratio, sensitivity analysis: {name}")


# --- Other results ----------------------------------------------------------------------------------------


@shared
def maintenance_entries(evidence: Evidence) -> dict[str, Entry]:
    """Return the share of lesions that lost pigment in each analysis and arm of a maintenance trial, by key."""
    entries = {}
    for row in evidence.maintenance.dropna(subset=["depigmented"]).itertuples():
        key = maintenance_key(row.study, row.analysis, row.arm)
        method = f"share of {row.unit} with any loss of pigment"
        entries[key] = single_count_entry(key, row.study, row.depigmented, row.n, method, "book/maintenance.html")
    return entries


def safety_entries(evidence: Evidence) -> dict[str, Entry]:
    """Return the share of patients with each adverse event in the sums of the 2019 review, by key."""
    patients, entries = evidence.number("adverse_event_patients", "safety"), {}
    for kind in SAFETY_EVENTS:
        key, events = safety_key(kind), evidence.number(f"{kind}_events", "safety")
        method = "events that the 2019 review counts with monotherapy, per patient"
        entry = single_count_entry(key, "", events, patients, method, "book/safety.html")
        entries[key] = replace(entry, k=evidence.number("adverse_event_studies_counting", "safety"), studies=())
    return entries


def later_review_entries(evidence: Evidence) -> dict[str, Entry]:
    """Return the results of later reviews as they published them, by key."""
    entries = {}
    for row in evidence.later_reviews.itertuples():
        key = later_review_key(row.review, row.comparison, row.outcome)
        entries[key] = Entry(
            key,
            row.estimate,
            row.ci_low,
            row.ci_high,
            k=row.studies,
            participants=row.participants,
            method=f"as published by the later review ({row.measure})",
            page="book/new-studies.html",
            scale="rate" if row.measure == "rate" else "ratio",
        )
    return entries
