"""Tables of comparisons within trials.

Belongs here: the counts compared, pooled effects, sensitivity analyses, and later reviews of the same questions. Does
not belong here: sentences (`comparison_findings`) and the summary of findings (`summary_of_findings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Markdown

from lib.evidence import THRESHOLD_NAMES, THRESHOLDS, Evidence, Question, compare
from lib.report.absolute_effects import estimate_with_interval
from lib.report.chapters.comparison_effects import (
    label,
    number_needed,
    own_ratios,
    ratio_cell,
    responders,
    risk_difference,
    treatments,
    with_key,
)
from lib.report.entries import comparison_key, later_review_key
from lib.report.tables import Table, grouped, linked
from lib.report.tables.names import arm_name
from lib.report.trial_entries import analyses, compare_some, trial_analysis, trial_keys
from lib.report.wording import count, ratio_text
from lib.stats import Pooled


def pairs(question: Question) -> Table | Markdown:
    """List the available counts of both arms for every trial and threshold of a question."""
    rows = question.pairs
    if rows.empty:
        return Markdown("No trial has available counts of both arms.")
    intervals = np.column_stack(estimate_with_interval(own_ratios(rows)))
    keys = trial_keys(question, rows)
    frame = pd.DataFrame(
        {
            "Trial": linked(rows),
            "Arms": [" versus ".join(treatments(rows.loc[[i]])) for i in rows.index],
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "RR (95% CI)": [with_key(ratio_text(*values), key) for values, key in zip(intervals, keys, strict=True)],
            "Treated": [f"{row.events:g}/{row.n:g}" for row in rows.itertuples()],
            "Control": [f"{row.control_events:g}/{row.control_n:g}" for row in rows.itertuples()],
            "Unit": rows.unit,
            "Same patients": rows.paired.map({True: "yes", False: "no"}),
            "Randomised": rows.randomised,
        },
        dtype=object,
    )
    note = (
        "RR: risk ratio. If nobody or everybody responded in an arm, 0.5 is added to the four counts of the trial for"
        " the ratio. Same patients: if the same patients received both treatments, only the totals of each arm are"
        " available. The arms are then treated as independent groups, which makes the interval too wide if the lesions"
        " of a patient respond similarly. Patches of one patient are also treated as independent, which makes the"
        " interval too narrow."
    )
    return Table(frame, f"{question.label}: available counts", note, numeric=["Treated", "Control"], detail="Arms")


def without(question: Question) -> Table:
    """List the trials that made a comparison and have no available counts at any threshold."""
    rows = question.without()
    arms = (rows.treated + " versus " + rows.control).map(arm_name)
    frame = pd.DataFrame({"Trial": linked(rows), "Arms": arms, "Randomised": rows.randomised})
    return Table(frame, f"{question.label}: trials without available counts", folded=True)


def summary(questions: Sequence[Question]) -> Table:
    """Show the pooled effects of each question at each threshold.

    A trial whose only counts are of any repigmentation has a row of its own.
    """
    rows = []
    for question in questions:
        pairs = question.pairs
        results = [(t, "", compare(question.at(t))) for t in reversed(THRESHOLDS)]
        others = pairs[~pairs.study.isin(pairs.study[pairs.threshold.isin(THRESHOLDS)])]
        results += [
            (row.threshold, trial_analysis(row.study), compare(others.loc[[row.Index]])) for row in others.itertuples()
        ]
        for threshold, analysis, compared in results:
            if compared is None:
                continue
            keys = {name: comparison_key(question.key, threshold, name, analysis) for name in ("rr", "or", "rd", "nnt")}
            cells = {
                "Response": "Any repigmentation" if threshold == "any" else THRESHOLD_NAMES[threshold],
                "RR (95% CI)": ratio_cell(compared.risk_ratio, keys["rr"]),
                "Trials": str(len(compared.rows)),
                "Responders": responders(compared.rows),
                "OR (95% CI)": ratio_cell(compared.odds_ratio, keys["or"]),
                "Risk difference per 100 (95% CI)": with_key(risk_difference(compared), keys["rd"]),
                "NNT (95% CI)": with_key(number_needed(compared), keys["nnt"]),
                "Treatments": f"{label(compared.rows)} ({', '.join(compared.rows.label)})",
            }
            rows.append((question.label, cells))
    note = (
        "RR: risk ratio. OR: odds ratio. NNT: number needed to treat for one additional patient to respond, rounded up;"
        " a dash where the confidence interval of the difference or of the ratio includes no effect. The"
        " interval of the risk difference is cut off where all patients, or none, would respond with the treatment. A"
        " row with one trial shows the result of that trial."
    )
    frame = grouped(rows, "Question")
    return Table(frame, "Comparisons within trials", note, numeric=["Trials"], detail="Treatments")


def sensitivity(question: Question, threshold: str) -> Table | Markdown:
    """Show how the risk ratio of a question depends on the choices behind it."""
    rows = question.at(threshold)
    if len(rows) < 2:
        return Markdown(f"With {count(len(rows), 'trial')} no sensitivity analysis is possible.")
    main = comparison_key(question.key, threshold)
    results: list[tuple[str, str, Pooled]] = [("All trials", main, compare_some(rows).risk_ratio)]
    results += [(choice.name, f"{main}.{choice.kind}", choice.ratio) for choice in analyses(rows)]
    frame = pd.DataFrame(
        [
            {
                "Analysis": name,
                "Trials": str(pooled.k),
                "Risk ratio (95% CI)": ratio_cell(pooled, key),
                "I²": f"{100 * pooled.i2:.0f}%" if pooled.k > 1 else "",
            }
            for name, key, pooled in results
        ],
        dtype=object,
    )
    note = "Selections that leave all trials or none are not listed."
    return Table(
        frame, f"{question.label}, {THRESHOLD_NAMES[threshold]}: sensitivity analyses", note, numeric=["Trials"]
    )


def beside_later_reviews(evidence: Evidence, questions: Sequence[Question]) -> Table | Markdown:
    """Show the pooled results of later reviews of the same questions, beside those of this book."""

    def cells(review: str, result: Any, key: str, measure: str, outcome: str, k: float) -> dict[str, str]:
        return {
            "Review": review,
            "Estimate (95% CI)": with_key(ratio_text(*estimate_with_interval(result)), key),
            "Measure": measure,
            "Outcome": outcome,
            "Trials": f"{k:g}" if k == k else "",
        }

    rows = []
    for question in questions:
        reviews = evidence.later_reviews[evidence.later_reviews.question == question.key]
        if reviews.empty:
            continue
        for threshold in reversed(THRESHOLDS):
            compared = compare(question.at(threshold))
            if compared is not None:
                key, name = comparison_key(question.key, threshold), THRESHOLD_NAMES[threshold]
                row = cells("This book", compared.risk_ratio, key, "RR", name, len(compared.rows))
                rows.append((question.label, row))
        for review in reviews.itertuples():
            key = later_review_key(review.review, review.comparison, review.outcome)
            row = cells(review.label, review, key, review.measure, review.outcome, review.studies)
            rows.append((question.label, row))
    if not rows:
        return Markdown("This edition contains no later review of these questions.")
    frame = grouped(rows, "Question")
    return Table(frame, "Results of this book and of later reviews", numeric=["Trials"])
