"""The registered results of comparisons within trials and of the maintenance trial.

Belongs here: results whose keys begin with ``comparison.`` or ``maintenance.``. Does not belong here: the pooling of
comparisons (`lib.evidence.comparisons`), and rates (`rate_entries`).
"""

from __future__ import annotations

import math

import numpy as np

from lib.caching.shared_results import shared
from lib.evidence import THRESHOLDS, Evidence, compare, question
from lib.evidence.comparisons import TAU2
from lib.report.counted import single_count_entry
from lib.report.entries import Entry, comparison_key, maintenance_key

_MEASURES = {"rr": "risk ratio", "or": "odds ratio", "rd": "risk difference"}
_LIMITS = {"rr": (0, np.inf), "or": (0, np.inf), "rd": (-1, 1)}


@shared
def comparison_entries(evidence: Evidence) -> dict[str, Entry]:
    """Return the pooled risk ratio, odds ratio and risk difference of every question and threshold, by key."""
    entries = {}
    for name in evidence.questions.question:
        trials = question(evidence, name)
        for threshold in THRESHOLDS:
            compared = compare(trials.at(threshold))
            if compared is None:
                continue
            for measure, pooled in (
                ("rr", compared.risk_ratio),
                ("or", compared.odds_ratio),
                ("rd", compared.risk_difference),
            ):
                rows = compared.rows[~pooled.dropped]
                estimate, ci_low, ci_high, pi_low, pi_high = (
                    float(np.clip(value, *_LIMITS[measure]))
                    for value in (pooled.estimate, pooled.ci_low, pooled.ci_high, pooled.pi_low, pooled.pi_high)
                )
                key = comparison_key(name, threshold, measure)
                entries[key] = Entry(
                    key,
                    estimate,
                    ci_low,
                    ci_high,
                    # The prediction interval is left out if there are too few studies for it to be informative.
                    pi_low=pi_low if pooled.predicts else math.nan,
                    pi_high=pi_high if pooled.predicts else math.nan,
                    tau2=pooled.tau2 if pooled.k > 1 else math.nan,
                    k=pooled.k,
                    participants=(rows.n + rows.control_n).sum(),
                    method=f"{_MEASURES[measure]}, treated against control within each trial"
                    + (f", random effects ({TAU2})" if pooled.k > 1 else ""),
                    studies=tuple(rows.study),
                    page="book/comparisons.html",
                    pooled=pooled,
                )
    return entries


@shared
def maintenance_entries(evidence: Evidence) -> dict[str, Entry]:
    """Return the share of lesions that lost pigment in each analysis and arm of a maintenance trial, by key."""
    entries = {}
    for row in evidence.maintenance.dropna(subset=["depigmented"]).itertuples():
        key = maintenance_key(row.study, row.analysis, row.arm)
        method = f"share of {row.unit} with any loss of pigment"
        entries[key] = single_count_entry(key, row.study, row.depigmented, row.n, method, "book/maintenance.html")
    return entries
