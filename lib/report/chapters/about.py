"""Statements about the review itself: people, funding, contact, protocol, editions, status; and reporting checklists.

Belongs here: the pages *About this review* and *Reporting checklists*, from the tables ``settings``, ``editions`` and
``checklists``. Does not belong here: the citation at the foot of a page, which the book's Sphinx extension
``page_metadata`` writes.
"""

from __future__ import annotations

import pandas as pd

from lib.evidence import Evidence
from lib.report.marked_text import page_link
from lib.report.tables import Table
from lib.report.tables.names import meanings
from lib.report.text_safety import for_markdown
from lib.report.wording import count, sentence_case

NOT_STATED = "not stated yet"
"""Text in place of a setting that has no value."""


def statement(evidence: Evidence, *settings: str) -> str:
    """Return the values of some settings as a Markdown list, with a placeholder for a setting that has no value.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    *settings : str
        Codes of the settings, as in the code list ``setting``.
    """
    meaning, values = evidence.meaning("setting"), evidence.settings.set_index("setting").value
    return "\n".join(
        f"- **{sentence_case(meaning[setting])}:** {for_markdown(values[setting]) or NOT_STATED}"
        for setting in settings
    )


def editions(evidence: Evidence) -> Table:
    """List the editions up to this one, the newest first."""
    rows = evidence.editions.iloc[::-1]
    frame = pd.DataFrame(
        {
            "Edition": rows.date,
            "Version": rows.version,
            "Trigger": rows.trigger,
            "Authors": rows.authors,
            "Status": meanings(evidence, "edition_status", rows.status),
            "Next search due": rows.next_search,
            "detail": [
                _changes(row.question_changes, row.method_changes) if row.Index else "" for row in rows.itertuples()
            ],
        }
    )
    return Table(frame, "Editions", detail="detail")


def _changes(question: str, methods: str) -> str:
    return f"Questions: {question or 'unchanged'}. Methods: {methods or 'unchanged'}."


def assessors(evidence: Evidence) -> str:
    """State who judged the risk of bias, as the data name them."""
    studies_by_assessor = evidence.risk_of_bias.groupby("assessor").study.nunique()
    return "\n".join(
        f"- **Assessment of the risk of bias:** {for_markdown(assessor)} ({count(studies, 'study', 'studies')})"
        for assessor, studies in studies_by_assessor.items()
    )


def checklist(evidence: Evidence, name: str) -> Table:
    """List the items of a reporting checklist with their state, and a link to where the book reports each.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    name : str
        Code of the checklist, as in the code list ``checklist``.
    """
    rows = evidence.checklists[evidence.checklists.checklist == name]
    frame = pd.DataFrame(
        {
            "Item": rows.item.str.replace("_", " "),
            "Topic": rows.topic,
            "State": meanings(evidence, "checklist_state", rows.state).str.capitalize(),
            "Where": pd.Series([*map(page_link, rows.page)], index=rows.index, dtype=object),
            "Note": rows.note,
        }
    )
    caption = f"{evidence.meaning('checklist')[name]}: {(rows.state == 'reported').sum()} of {count(len(rows), 'item')}"
    return Table(frame, f"{caption} reported in full", detail="Note")
