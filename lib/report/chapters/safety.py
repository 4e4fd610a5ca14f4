"""Sentences and plots on adverse events.

Belongs here: the contents of the chapter on safety other than its table. Does not belong here: the table
(`lib.report.tables.adverse_events`), and the certainty (`certainty`).
"""

from __future__ import annotations

from lib.evidence import Evidence
from lib.report import figures
from lib.report.counted import count_row, count_rows
from lib.report.entries import safety_key
from lib.report.tables import labels
from lib.report.text_safety import for_markdown
from lib.report.trial_entries import SAFETY_EVENTS


def events_plot(evidence: Evidence) -> figures.Picture | figures.Listing:
    """Plot the sums of the review and the counts in reports of single studies, for monotherapy."""
    patients = evidence.number("adverse_event_patients", "safety")
    rows = [figures.Row("Pooled by the 2019 review", "heading")]
    for kind in SAFETY_EVENTS:
        events = evidence.number(f"{kind}_events", "safety")
        rows.append(count_row(kind.capitalize(), events, patients, figures.PUBLISHED, safety_key(kind)))
    reported = evidence.adverse_events[evidence.is_included(evidence.adverse_events.study)]
    reported = reported.query("role == 'monotherapy' and kind not in ['any or serious', 'stopped for side effects']")
    rows += count_rows(
        reported.assign(label=labels(evidence, reported.study)), "kind", "label", "events", study="study"
    )
    caption = (
        "Adverse events with monotherapy: the sums of the review, and the counts in reports of single studies. Events"
        " that a report counts together are shown together."
    )
    return figures.show(
        figures.interval_plot,
        rows,
        xlabel="With the event, %",
        counts="Events/n",
        caption=caption,
        name="adverse-events",
    )


def stopped_treatment(evidence: Evidence) -> str:
    """Name the studies of the review in which patients stopped monotherapy for side effects; empty if none."""
    events = evidence.adverse_events[evidence.adverse_events.study.isin(evidence.included("original").study)]
    events = events.query("kind == 'stopped for side effects' and role == 'monotherapy' and events > 0")
    if events.empty:
        return ""
    studies = [
        f"{for_markdown(label)}, {row.events} of {row.n} patients on {for_markdown(row.arm)}"
        for label, row in zip(labels(evidence, events.study), events.itertuples(), strict=True)
    ]
    exceptions = "one exception" if len(events) == 1 else f"{len(events)} exceptions"
    return f"Reports of its studies give {exceptions}: {'; '.join(studies)}."
