"""Tables of reported data: responder counts, results without counts, adverse events, maintenance, mechanisms.

Belongs here: rows of the data, in words. Does not belong here: pooled results (`rates`).
"""

from __future__ import annotations

import pandas as pd

from lib.evidence import Evidence
from lib.report.entries import later_review_key, maintenance_key
from lib.report.marked_text import Stated, study_link
from lib.report.tables.names import arm_name, label_by_key, labels, linked, meanings
from lib.report.tables.table import Table
from lib.report.wording import count, percent, ratio_text, sentence_case


def counts(evidence: Evidence, rows: pd.DataFrame) -> Table:
    """List reported counts, each with its source and derivation."""
    basis = meanings(evidence, "basis", rows.basis)
    poolable, reasons = (meanings(evidence, column, rows[column]) for column in ("poolable", "why_not"))
    frame = pd.DataFrame(
        {
            "Study": linked(rows),
            "Arm": rows.arm.map(arm_name),
            "Response": meanings(evidence, "threshold", rows.threshold),
            "Site": rows.site_detail.where(rows.site_detail != "", _sites(evidence, rows)),
            "Events/n": [f"{r.events:g}/{r.n:g} {r.unit}" for r in rows.itertuples()],
            "Source": rows.source,
            "detail": [
                f"{origin.capitalize()}, {r.confidence} confidence"
                + (f": {r.derivation}" if r.derivation else "")
                + (f". {use.capitalize()}: {reason}" if reason else "")
                + (f" ({r.remark})" if r.remark else "")
                for origin, use, reason, r in zip(basis, poolable, reasons, rows.itertuples(), strict=True)
            ],
        }
    )
    caption = f"Responder counts and their sources: {count(len(rows), 'count')}"
    return Table(frame, caption, folded=True, detail="detail")


def _sites(evidence: Evidence, rows: pd.DataFrame) -> list[str]:
    sites, subtypes = evidence.meaning("site"), evidence.meaning("subtype")
    parts = (
        (sites[row.site], subtypes.get(row.subtype, ""), "children" if row.population == "children" else "")
        for row in rows.itertuples()
    )
    return [", ".join(filter(None, part)) for part in parts]


def without_counts(evidence: Evidence, edition: str, regimen: str = "") -> Table:
    """List the results that were reported in a form that cannot be pooled.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    edition : {"original", "update"}
        Whether the studies belong to the original review or to the update.
    regimen : str
        Role of the arms; empty for all arms.
    """
    original = set(evidence.studies.study[evidence.studies.edition == "original"])
    rows = evidence.reported_without_counts
    rows = rows[rows.study.isin(original) == (edition == "original")]
    if regimen:
        rows = rows[rows.role == regimen]
    frame = pd.DataFrame(
        {
            "Study": labels(evidence, rows.study),
            "Arm": rows.arm,
            "Site": [r.site_detail or evidence.meaning("site")[r.site] for r in rows.itertuples()],
            "n": rows.n,
            "What is reported": rows.reported,
            "Source": rows.source,
        }
    )
    caption = f"Reported without a number of responders that can be pooled: {count(len(rows), 'result')}"
    return Table(frame, caption, numeric=["n"], folded=True, detail="What is reported")


def adverse_events(evidence: Evidence) -> Table:
    """List adverse events reported with a count, by the role of the arm."""
    rows = evidence.adverse_events
    names, order = label_by_key(evidence), list(evidence.meaning("ae_role"))
    rows = rows.sort_values("role", key=lambda s: s.map(order.index), kind="stable")
    frame = pd.DataFrame(
        {
            "role": meanings(evidence, "ae_role", rows.role).map(sentence_case),
            "Study": [
                study_link(names[key] + ("" if is_included else " (not included)"), key)
                for key, is_included in zip(rows.study, evidence.is_included(rows.study), strict=True)
            ],
            "Events/n": [f"{r.events:g}/{r.n:g}" for r in rows.itertuples()],
            "Arm": rows.arm,
            "Source": rows.source,
            "Event": rows.event.str.capitalize(),
        }
    ).set_index("role")
    return Table(frame, "Adverse events reported with a count", numeric=["Events/n"], detail="Event")


def maintenance(evidence: Evidence) -> Table:
    """List the loss of pigment in the maintenance trial by analysis and unit."""
    rows = evidence.maintenance
    frame = pd.DataFrame(
        {
            "analysis": [f"{row.analysis}, {row.unit}".capitalize() for row in rows.itertuples()],
            "Arm": rows.arm,
            "Share": [
                Stated(percent(r.depigmented / r.n, 1), maintenance_key(r.study, r.analysis, r.arm))
                if r.depigmented == r.depigmented
                else ""
                for r in rows.itertuples()
            ],
            "Lost pigment/n": [
                f"{r.depigmented:g}/{r.n:g}" if r.depigmented == r.depigmented else f"?/{r.n:g}"
                for r in rows.itertuples()
            ],
            "Remark": rows.note,
        },
        dtype=object,
    ).set_index("analysis")
    months = " or ".join(f"{month:g}" for month in rows.months.unique())
    return Table(frame, f"Any loss of pigment over {months} months", numeric=["Share"], detail="Remark")


def mechanism(evidence: Evidence) -> Table:
    """List the studies of the mechanism of action, as Table 1 of the review does."""
    rows = evidence.mechanism
    frame = pd.DataFrame(
        {
            "action": meanings(evidence, "action", rows.action),
            "Study": rows.label,
            "Setting": rows.setting,
            "Drug": rows.drug.str.replace(";", ", "),
            "Main result": rows.conclusion,
            "Finding": rows.finding,
        }
    ).set_index("action")
    return Table(frame, "Mechanisms of action", detail="Finding")


def later_reviews(evidence: Evidence) -> Table:
    """List the pooled results of later reviews."""
    rows = evidence.later_reviews
    frame = pd.DataFrame(
        {
            "Review": rows.label,
            "Estimate (95% CI)": [
                Stated(
                    f"{100 * r.estimate:.0f}% ({100 * r.ci_low:.0f}–{100 * r.ci_high:.0f}%)"
                    if r.measure == "rate"
                    else ratio_text(r.estimate, r.ci_low, r.ci_high),
                    later_review_key(r.review, r.comparison, r.outcome),
                )
                for r in rows.itertuples()
            ],
            "Comparison": rows.comparison,
            "Outcome": rows.outcome,
            "Measure": meanings(evidence, "measure", rows.measure),
            "Studies": rows.studies,
            "Source": rows.source,
        },
        dtype=object,
    )
    return Table(frame, "Pooled results of later reviews", numeric=["Estimate (95% CI)", "Studies"])
