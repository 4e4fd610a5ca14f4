"""Tables of bibliographic records: searches, screening decisions, and the steps of the flow diagram.

Belongs here: records and the decisions on them. Does not belong here: included studies (`included`).
"""

from __future__ import annotations

import pandas as pd

from lib.evidence import Evidence
from lib.report.tables.names import linked, meanings, with_labels
from lib.report.tables.table import Table
from lib.report.wording import count


def flow_steps(evidence: Evidence) -> dict[str, list[tuple[str, str]]]:
    """Return the flow of records for `figures.flow_diagram`: of the review, and of the update if there is one."""
    n = evidence.flow.set_index("step").n
    reasons = evidence.flow[evidence.flow.step.str.startswith("excluded_")]
    kinds = evidence.study_counts("original")
    columns = {
        "2019 review, to August 2018": [
            (
                f"Records identified by database searches (n = {n.identified})",
                f"Removed on title and abstract (n = {n.removed})",
            ),
            (
                f"Full texts assessed for eligibility (n = {n.assessed})",
                f"Full texts excluded (n = {reasons.n.sum()})\n"
                + "\n".join(f"• {r.label} ({r.n})" for r in reasons.itertuples()),
            ),
            (
                f"Studies included (n = {n.included})\nMechanism ({kinds['mechanism']})\n"
                f"Monotherapy ({kinds['monotherapy']})\nWith phototherapy ({kinds['phototherapy']})\n"
                f"Maintenance ({kinds['maintenance']})",
                "",
            ),
        ]
    }
    records = evidence.screening
    if len(records):
        decided = decisions(evidence)
        excluded = records[records.decision == "excluded"].exclusion.value_counts()
        meaning = evidence.meaning("exclusion")
        columns["Update, since August 2018"] = [
            (
                f"Records identified in published abstracts (n = {len(records)})",
                f"Excluded (n = {decided['excluded']})\n"
                + "\n".join(f"• {text} ({excluded[kind]})" for kind, text in meaning.items() if kind in excluded),
            ),
            (
                f"Eligible or possibly eligible (n = {len(records) - decided['excluded']})",
                f"Awaiting full text ({decided['awaiting_full_text']})\n"
                f"Awaiting classification ({decided['awaiting_classification']})",
            ),
            (f"Studies included (n = {decided['included']})", ""),
        ]
    return columns


def decisions(evidence: Evidence) -> dict[str, int]:
    """Count the records identified since the original search by the decision on them, in the order of the codes."""
    counts = evidence.screening.decision.value_counts()
    return {decision: int(counts.get(decision, 0)) for decision in evidence.meaning("decision")}


def screening(evidence: Evidence, decision: str) -> Table:
    """List the records identified since the original search with one decision, each with its reason."""
    rows = evidence.screening[evidence.screening.decision == decision]
    frame = pd.DataFrame(
        {
            "Record": linked(rows),
            "Published": rows.published,
            "Regimen": meanings(evidence, "role", rows.regimen),
            "Enrolled": rows.enrolled,
            "Source": [f"doi:{r.doi}" if r.doi else f"pmid:{r.pmid}" if r.pmid else "" for r in rows.itertuples()],
            "Reason": with_labels(evidence, rows.reason),
        }
    )
    if decision == "excluded":
        kinds = list(evidence.meaning("exclusion"))
        frame = frame.drop(columns="Enrolled").assign(kind=rows.exclusion)
        frame = frame.sort_values("kind", key=lambda s: s.map(kinds.index), kind="stable")
        frame["kind"] = meanings(evidence, "exclusion", frame.kind)
        frame = frame.set_index("kind")
    title = evidence.meaning("decision")[decision].capitalize()
    return Table(frame, f"{title}: {count(len(rows), 'record')}", numeric=["Enrolled"], detail="Reason")


def searches(evidence: Evidence) -> Table:
    """List the searches behind the edition."""
    rows = evidence.searches
    frame = pd.DataFrame({"Date": rows.date, "Kind": rows.kind, "Searched": rows.sources, "Remark": rows.note})
    return Table(frame, "Searches")
