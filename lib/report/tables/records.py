"""Tables of bibliographic records: searches, screening decisions, and the steps of the flow diagram.

Belongs here: records and the decisions on them. Does not belong here: included studies (`included`).
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping

import pandas as pd

from lib.evidence import Evidence
from lib.evidence.screening import CONFLICT
from lib.records.decisions import awaiting_second
from lib.records.flow import Column, flow
from lib.report.figures.flow import FlowBox, FlowStep
from lib.report.tables.names import linked, meanings, with_labels
from lib.report.tables.table import Table
from lib.report.wording import count, date_text, sentence_case

_MOST = 1000
"""Largest number of rows of a list; all of them are in the CSV files."""
NO_GROUP = "none"
"""Name, in the id of a list, of the group of rows without a search or without any decision."""
UNDECIDED = {"": "No decision", "unsure": "Unsure", CONFLICT: "Reviewers differ"}
"""Names of the groups of records that await a decision."""


def flow_anchor(column: Column, box: str, group: str = "") -> str:
    """Return the id of the list of the rows of a box of the flow, or of one group of them."""
    return "-".join(filter(None, ["flow", column.date.isoformat(), box, group]))


def record_anchor(record: str) -> str:
    """Return the id of a record in the list of records."""
    return f"record-{record}"


def in_order(groups: Mapping[str, tuple[str, ...]], words: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of a box in the order of the words for their codes, those without a word first."""
    order = {code: i for i, code in enumerate(words)}
    return dict(sorted(groups.items(), key=lambda item: order.get(item[0], -1)))


def flow_steps(evidence: Evidence) -> dict[str, list[FlowStep]]:
    """Return the flow of records for `figures.flow_diagram`: a column for the review and for each edition since.

    A number leads to the list of its rows (`lib.report.chapters.record_listing`); those of the review, which were
    published without the records behind them, do not, except for the studies included.
    """
    review, *updates = flow(evidence)
    steps = {column_heading(review): _published_steps(evidence, review)}
    return steps | {column_heading(column): _computed_steps(evidence, column, review) for column in updates}


def column_heading(column: Column) -> str:
    """Return the name of a column of the flow: its version, and the date of its edition."""
    date = date_text(column.date)
    if not column.is_computed:
        return f"2019 review, to {date}"
    return f"Version {column.version}, {date}" if column.version else f"State of {date}"


def search_names(evidence: Evidence) -> dict[str, str]:
    """Return how records were found, by the key of their search: its kind and date.

    An edition also has records that were published by its date and that a later search found.
    """
    names = {
        row.search: f"{sentence_case(row.kind)}, {date_text(dt.date.fromisoformat(row.date))}"
        for row in evidence.searches.itertuples()
    }
    return dict.fromkeys(evidence.records.search, "A search after this edition") | names | {"": "Without a search"}


def _box(column: Column, name: str, text: str, words: Mapping[str, str] | None = None) -> FlowBox:
    """Return a box of a column, with a line for each group of its rows if there are ``words`` for the groups."""
    if name not in column.boxes:
        return FlowBox(text, None, key=name)
    content, words = column.boxes[name], words or {}
    lines = tuple(
        FlowBox(
            words.get(code, code),
            len(keys),
            f"#{flow_anchor(column, name, code or NO_GROUP)}",
            key=f"{name}.{code or NO_GROUP}",
        )
        for code, keys in in_order(content.groups, words).items()
        if words
    )
    is_listed = column.is_computed and content.n > 0
    return FlowBox(text, content.n, f"#{flow_anchor(column, name)}" if is_listed else "", lines, name)


def _published_steps(evidence: Evidence, column: Column) -> list[FlowStep]:
    """Return the flow of the 2019 review, as it was published."""
    box = functools.partial(_box, column)
    excluded = FlowBox(
        "Full texts excluded",
        column.boxes["excluded_full_text"].n,
        lines=tuple(FlowBox(label, n, key=f"excluded_full_text.{code}") for code, label, n in column.published),
        key="excluded_full_text",
    )
    kinds = evidence.study_counts("original")
    subjects = {
        "mechanism": "Mechanism",
        "monotherapy": "Monotherapy",
        "phototherapy": "With phototherapy",
        "maintenance": "Maintenance",
    }
    lines = tuple(FlowBox(text, kinds[kind], key=f"studies.{kind}") for kind, text in subjects.items())
    studies = FlowBox("Studies included", column.boxes["studies"].n, "study-records.html", lines, "studies")
    return [
        FlowStep(box("databases", "Records identified in databases"), (box("duplicates", "Duplicates removed"),)),
        FlowStep(box("screened", "Records screened"), (box("excluded", "Records excluded"),)),
        FlowStep(box("sought", "Reports sought for retrieval"), (box("not_retrieved", "Reports not retrieved"),)),
        FlowStep(box("assessed", "Reports assessed for eligibility"), (excluded,)),
        FlowStep(studies),
    ]


def _computed_steps(evidence: Evidence, column: Column, review: Column) -> list[FlowStep]:
    """Return the flow of an edition since the 2019 review, computed from the records and the decisions on them."""
    box, boxes = functools.partial(_box, column), column.boxes
    reasons, searches = evidence.meaning("exclusion"), search_names(evidence)
    identified = FlowBox(
        "Records identified",
        boxes["identified"].n,
        f"#{flow_anchor(column, 'identified')}",
        (
            FlowBox("Databases and registers", boxes["databases"].n, key="databases"),
            *box("databases", "", searches).lines,
            FlowBox("Other methods", boxes["other_methods"].n, key="other_methods"),
            *box("other_methods", "", searches).lines,
        ),
        "identified",
    )
    removed = [box("duplicates", "Duplicates removed")]
    if boxes["refused"].n:
        removed.append(box("refused", "Entries that could not be read"))
    if boxes["awaiting_screening"].n:
        removed.append(box("awaiting_screening", "Records awaiting screening", UNDECIDED))
    n_review, n_update = review.boxes["studies"].n, boxes["studies"].n
    total = FlowBox(
        f"Studies in the review, with the {n_review} of the 2019 review", n_review + n_update, key="studies.in_review"
    )
    href = f"#{flow_anchor(column, 'included')}" if n_update else ""
    return [
        FlowStep(identified, tuple(removed)),
        FlowStep(box("screened", "Records screened"), (box("excluded", "Records excluded", reasons),)),
        FlowStep(
            box("sought", "Reports sought for retrieval"), (box("awaiting_full_text", "Reports awaiting full text"),)
        ),
        FlowStep(
            box("assessed", "Reports assessed for eligibility"),
            (
                box("excluded_full_text", "Reports excluded", reasons),
                box("awaiting_classification", "Reports awaiting classification", UNDECIDED),
            ),
        ),
        FlowStep(FlowBox("Studies included in the update", n_update, href, (total,), "studies")),
    ]


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


def awaiting_second_reviewer(evidence: Evidence) -> Table:
    """List the decisions that await a second reviewer; what the first decided is not shown."""
    waiting = awaiting_second(evidence.records, evidence.duplicates, evidence.decisions)
    frame = pd.DataFrame(
        {
            "Record": waiting.record,
            "Stage": meanings(evidence, "stage", waiting.stage),
            "Decided by": waiting.reviewer,
            "Date": waiting.date,
        }
    )
    caption = f"Awaiting a second reviewer: {count(len(frame), 'decision')} of one reviewer"
    note = f"The first {_MOST} are listed." if len(frame) > _MOST else ""
    return Table(frame[:_MOST], caption, note, folded=True)
