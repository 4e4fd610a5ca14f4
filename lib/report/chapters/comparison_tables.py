"""Tables of comparisons within trials.

Belongs here: the counts compared, pooled effects, sensitivity analyses, and later reviews of the same questions. Does
not belong here: sentences (`comparison_findings`) and the summary of findings (`summary_of_findings`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown

from lib.evidence import RESPONSES, THRESHOLD_NAMES, THRESHOLDS, Evidence, Question, assume_correlation, compare
from lib.report.chapters.comparison_effects import (
    compare_some,
    estimate_with_interval,
    label,
    number_needed,
    own_ratios,
    ratio_cell,
    responders,
    risk_difference,
    treatments,
)
from lib.report.entries import comparison_key
from lib.report.tables import Table, grouped, linked
from lib.report.wording import count, ratio_text
from lib.stats import Pooled

_ASSUMED = (0.3, 0.6)
"""Correlations assumed between the outcomes of the same patients."""

_ALL = "All trials"


def pairs(question: Question) -> Table | Markdown:
    """List the available counts of both arms for every trial and threshold of a question."""
    rows = question.pairs
    if rows.empty:
        return Markdown("No trial has available counts of both arms.")
    own = own_ratios(rows)
    intervals = np.column_stack([own.estimate, own.ci_low, own.ci_high])
    frame = pd.DataFrame(
        {
            "Trial": linked(rows),
            "Arms": [" versus ".join(treatments(rows.loc[[i]])) for i in rows.index],
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "Treated": [f"{row.events:g}/{row.n:g}" for row in rows.itertuples()],
            "Control": [f"{row.control_events:g}/{row.control_n:g}" for row in rows.itertuples()],
            "Unit": rows.unit,
            "RR (95% CI)": [ratio_text(*values) for values in intervals],
            "Same patients": rows.paired.map({True: "yes", False: "no"}),
            "Randomised": rows.randomised,
        }
    )
    note = (
        "RR risk ratio. Where a group has no responders, or only responders, 0.5 is added to the four counts of its"
        " trial for the ratio. Where both arms are the same patients, only the totals of each arm are available. The"
        " interval treats the arms as independent groups and is too wide if lesions of one patient respond similarly."
        " Patches of one patient are treated as independent as well, which makes the interval too narrow."
    )
    return Table(frame, f"{question.label}: available counts", note, numeric=["Treated", "Control"], detail="Arms")


def without(question: Question) -> Table:
    """List the trials that made a comparison and have no available counts at any threshold."""
    rows = question.without()
    arms = rows.treated + " versus " + rows.control
    frame = pd.DataFrame({"Trial": linked(rows), "Arms": arms, "Randomised": rows.randomised})
    return Table(frame, f"{question.label}: trials without available counts", folded=True)


def summary(questions: Sequence[Question]) -> Table:
    """Show the pooled effects of each question at each threshold.

    A trial whose only counts are of any repigmentation has a row of its own.
    """
    rows = []
    for question in questions:
        pairs = question.pairs
        results = [(t, compare(question.at(t))) for t in reversed(THRESHOLDS)]
        others = pairs[~pairs.study.isin(pairs.study[pairs.threshold.isin(THRESHOLDS)])]
        results += [("", compare(others.loc[[i]])) for i in others.index]
        for threshold, compared in results:
            if compared is None:
                continue
            # Results of any repigmentation are not registered.
            rr_key, or_key = (threshold and comparison_key(question.key, threshold, name) for name in ("rr", "or"))
            cells = {
                "Response": THRESHOLD_NAMES[threshold] if threshold else "Any repigmentation",
                "Trials": str(len(compared.rows)),
                "Responders": responders(compared.rows),
                "RR (95% CI)": ratio_cell(compared.risk_ratio, rr_key),
                "OR (95% CI)": ratio_cell(compared.odds_ratio, or_key),
                "Risk difference per 100 (95% CI)": risk_difference(compared),
                "NNT (95% CI)": number_needed(compared),
                "Treatments": f"{label(compared.rows)} ({', '.join(compared.rows.label)})",
            }
            rows.append((question.label, cells))
    note = (
        "RR risk ratio, OR odds ratio. NNT number needed to treat for one more to respond, rounded up; a dash where the"
        " interval of the difference or of the ratio includes no effect. A risk difference cannot be larger than the"
        " share who responded, or did not, in the control arms, and its interval is cut there. A row of one trial is"
        " that trial's own result."
    )
    frame = grouped(rows, "Question")
    return Table(frame, "Comparisons within trials", note, numeric=["Trials"], detail="Treatments")


def sensitivity(question: Question, threshold: str) -> Table | Markdown:
    """Show how the risk ratio of a question depends on the choices behind it."""
    rows = question.at(threshold)
    if len(rows) < 2:
        return Markdown(f"With {count(len(rows), 'trial')} there is nothing to choose.")
    subsets = {
        "Randomised trials": rows.randomised == "yes",
        "Patients, not patches": rows.unit == "patients",
        "Different patients in the arms": ~rows.paired,
        "Counts of high confidence": (rows.confidence == "high") & (rows.control_confidence == "high"),
        "Stated counts, none derived": (rows.basis == "stated") & (rows.control_basis == "stated"),
        "Tacrolimus": rows.drug == "tacrolimus",
        "Up to 3 months": rows.duration_months <= 3,
    }
    results: list[tuple[str, Pooled]] = [(_ALL, compare_some(rows).risk_ratio)]
    results += [
        (name, compare_some(rows[part]).risk_ratio) for name, part in subsets.items() if 0 < part.sum() < len(rows)
    ]
    if len(rows) > 2:
        results += [
            (f"Without {row.label}", compare_some(rows.drop(index=row.Index)).risk_ratio) for row in rows.itertuples()
        ]
    methods = {
        "Normal interval": {"ci": "normal"},
        "DerSimonian-Laird, normal interval": {"tau2": "DL", "ci": "normal"},
        "Common effect, normal interval": {"tau2": "FE", "ci": "normal"},
        "Hartung-Knapp interval": {"ci": "hksj"},
    }
    results += [(name, compare_some(rows, **options).risk_ratio) for name, options in methods.items()]
    if rows.paired.any():
        name = "Outcomes of the same patients correlate by {:g}"
        results += [(name.format(value), assume_correlation(rows, value)) for value in _ASSUMED]
    registered = comparison_key(question.key, threshold)
    frame = pd.DataFrame(
        [
            {
                "Analysis": name,
                "Trials": str(pooled.k),
                "Risk ratio (95% CI)": ratio_cell(pooled, registered if name == _ALL else ""),
                "I²": f"{100 * pooled.i2:.0f}%" if pooled.k > 1 else "",
            }
            for name, pooled in results
        ],
        dtype=object,
    )
    note = "Choices that leave all trials or none are not listed."
    return Table(
        frame, f"{question.label}, {THRESHOLD_NAMES[threshold]}: sensitivity analyses", note, numeric=["Trials"]
    )


def beside_later_reviews(evidence: Evidence, questions: Sequence[Question]) -> Table | Markdown:
    """Show the pooled results of later reviews of the same questions, beside those of this book."""
    later = evidence.later_reviews
    rows = []
    for question in questions:
        here = [
            (
                "This book",
                RESPONSES[t] if t == "any" else THRESHOLD_NAMES[t],
                "RR",
                compared.risk_ratio,
                len(compared.rows),
            )
            for t in reversed(THRESHOLDS)
            if (compared := compare(question.at(t)))
        ]
        elsewhere = [
            (row.label, row.outcome, row.measure, row, row.studies)
            for row in later[later.question == question.key].itertuples()
        ]
        if not elsewhere:
            continue
        for name, outcome, measure, result, k in [*here, *elsewhere]:
            cells = {
                "Review": name,
                "Outcome": outcome,
                "Measure": measure,
                "Estimate (95% CI)": ratio_text(*estimate_with_interval(result)),
                "Trials": f"{k:g}" if k == k else "",
            }
            rows.append((question.label, cells))
    if not rows:
        return Markdown("This edition contains no later review of these questions.")
    frame = grouped(rows, "Question")
    return Table(frame, "The same questions in later reviews", numeric=["Trials"])
