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
from lib.evidence import THRESHOLDS, Comparison, Evidence, Question, assume_correlation, compare
from lib.evidence import question as question_by_key
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
    for key in evidence.questions.question:
        question = question_by_key(evidence, key)
        for threshold in THRESHOLDS:
            compared = compare(question.at(threshold))
            if compared is not None:
                entries += _effects(key, threshold, compared)
        for threshold in dict.fromkeys(question.pairs.threshold):
            trials = question.at(threshold)
            for i in trials.index:
                entries += _effects(key, threshold, compare_some(trials.loc[[i]]), trial_analysis(trials.study[i]))
            if threshold in THRESHOLDS:
                entries += _sensitivity(evidence, question, threshold)
    return {entry.key: entry for entry in entries}


def compare_some(rows: pd.DataFrame, **options: Any) -> Comparison:
    """Compare the arms of one or more trials, as `evidence.compare` does; there must be at least one.

    Raises
    ------
    ValueError
        If there is no trial.
    """
    compared = compare(rows, **options)
    if compared is None:
        raise ValueError("there is no trial to compare: check for an empty table first")
    return compared


def trial_analysis(study: str) -> str:
    """Return the last part of the key of a single trial's result."""
    return f"trial.{study}"


def trial_keys(question: Question, trials: pd.DataFrame) -> list[str]:
    """Return the key of the risk ratio of each single trial."""
    return [
        comparison_key(question.key, trial.threshold, "rr", trial_analysis(trial.study))
        for trial in trials.itertuples()
    ]


def _effects(name: str, threshold: str, compared: Comparison, analysis: str = "") -> Iterator[Entry]:
    """Yield ratios, difference and absolute effects of one or more trials, as far as they can be computed."""
    rows = compared.rows
    pooled = compared.risk_difference.k > 1
    random_effects = f", random effects ({TAU2})" if pooled else ""
    within = "treatment versus control within each trial"

    def entry(measure: str, values: Sequence[float], rows: pd.DataFrame, **fields: Any) -> Entry:
        return _entry(comparison_key(name, threshold, measure, analysis), values, rows, **fields)

    for measure, ratio in (("rr", compared.risk_ratio), ("or", compared.odds_ratio)):
        if analysis and not math.isfinite(ratio.estimate):
            continue
        method = f"{_RATIOS[measure]}, {within}" + (random_effects if ratio.k > 1 else "")
        yield _ratio_entry(comparison_key(name, threshold, measure, analysis), ratio, rows, method)
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
    basis = "risk ratio" if effect.from_ratio else "risk difference"
    applied = f"{basis} applied to the share of responders in the control arms, within 0 and 1"
    with_treatment = (effect.estimate, effect.ci_low, effect.ci_high)
    yield entry("without", (effect.without,), rows, method="share of responders in all control arms together")
    yield entry("with", with_treatment, rows, method=f"share of responders with the treatment: {applied}")
    method = f"difference of the shares of responders with and without the treatment: {applied}"
    yield entry("difference", effect.difference, rows, scale="difference", method=method)


def _ratio_entry(key: str, ratio: Pooled, rows: pd.DataFrame, method: str) -> Entry:
    # The prediction interval is left out if there are too few studies for it to be informative.
    prediction = (ratio.pi_low, ratio.pi_high) if ratio.predicts else ()
    values = (ratio.estimate, ratio.ci_low, ratio.ci_high, *prediction)
    tau2 = ratio.tau2 if ratio.k > 1 else math.nan
    trials = rows[~ratio.dropped]
    return _entry(key, values, trials, scale="ratio", method=method, tau2=tau2, pooled=ratio)


def _entry(key: str, values: Sequence[float], rows: pd.DataFrame, **fields: Any) -> Entry:
    numbers: dict[str, Any] = dict(zip(ESTIMATE_AND_LIMITS, map(float, values), strict=False))
    return Entry(
        key,
        **numbers,
        k=len(rows),
        participants=(rows.n + rows.control_n).sum(),
        studies=tuple(rows.study),
        page=_PAGE,
        **fields,
    )


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
    results = [
        _analysis(name, slug(name), rows[selected])
        for name, selected in subsets.items()
        if 0 < selected.sum() < len(rows)
    ]
    if len(rows) > 2:
        results += [
            _analysis(f"Without {row.label}", f"without.{row.study}", rows.drop(index=row.Index))
            for row in rows.itertuples()
        ]
    methods = {
        "Normal interval": {"ci": "normal"},
        "DerSimonian-Laird, normal interval": {"tau2": "DL", "ci": "normal"},
        "Common effect, normal interval": {"tau2": "FE", "ci": "normal"},
        "Hartung-Knapp interval": {"ci": "hksj"},
    }
    results += [_analysis(name, slug(name), rows, **options) for name, options in methods.items()]
    if rows.paired.any():
        for value in _ASSUMED:
            name = f"Correlation between lesions of the same patient assumed to be {value:g}"
            results.append(Analysis(name, slug(f"correlation {value:g}"), assume_correlation(rows, value), rows))
    return results


def _analysis(name: str, kind: str, rows: pd.DataFrame, **options: Any) -> Analysis:
    return Analysis(name, kind, compare_some(rows, **options).risk_ratio, rows)


WITHOUT_CONCERNS = "without_concerns"
"""The last part of the key of a risk ratio without the trials about which there is a concern."""


def compare_without_concerns(evidence: Evidence, rows: pd.DataFrame) -> Comparison | None:
    """Compare the trials without concerns; return None if these are all trials, or carry no information."""
    without_concern = compare(rows[~rows.study.isin(evidence.concerns.study)])
    if without_concern is None or without_concern.risk_ratio.dropped.all() or len(without_concern.rows) == len(rows):
        return None
    return without_concern


def _sensitivity(evidence: Evidence, question: Question, threshold: str) -> Iterator[Entry]:
    rows = question.at(threshold)
    results = [*analyses(rows)]
    without_concern = compare_without_concerns(evidence, rows)
    if without_concern is not None:
        name = "Without trials that raise a concern about pooling"
        results.append(Analysis(name, WITHOUT_CONCERNS, without_concern.risk_ratio, without_concern.rows))
    for analysis in results:
        if math.isfinite(analysis.ratio.estimate):
            key = comparison_key(question.key, threshold, "rr", analysis.kind)
            is_proper = analysis.name.startswith(("DerSimonian", "Hartung"))
            name = analysis.name if is_proper else analysis.name[0].lower() + analysis.name[1:]
            yield _ratio_entry(key, analysis.ratio, analysis.rows, f"risk ratio, sensitivity analysis: {name}")


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
