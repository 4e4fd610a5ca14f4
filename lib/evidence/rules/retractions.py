"""Rules for retracted references: somebody has decided about each, and the data follow the decision.

Belongs here: the table ``retractions``. Does not belong here: finding retractions (`lib.records.retractions`), and how
they are shown (`lib.evidence.selection`, `lib.report`).
"""

from __future__ import annotations

from collections.abc import Iterator

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs

CONCERN = "expression_of_concern"
"""The kind of notice that requires no decision yet, because the report is still being investigated."""


def awaits_decision(fault: Fault) -> bool:
    """Return whether a fault only says that nobody has decided about a retraction yet.

    Nothing is built until somebody has. Rows that have nothing to do with it, such as new records, can be saved.
    """
    return (fault.file, fault.column, fault.value) == ("retractions.csv", "decision", "")


@needs("retractions")
def retractions_are_decided(tables: Tables) -> Iterator[Fault]:
    """A retracted reference has a decision, and a decision has its reason."""
    for row in tables["retractions"].itertuples():
        if not row.decision and row.kind != CONCERN:
            rule = (
                f"must be given: {row.reference} was retracted ({row.notice}). Enter kept or removed, and the reason;"
                " until then nothing is built"
            )
            yield Fault("retractions.csv", row.Index, "decision", "", rule)
        elif bool(row.decision) != bool(row.reason):
            rule = "must be given where there is a decision, and only there"
            yield Fault("retractions.csv", row.Index, "reason", row.reason, rule)


@needs("retractions", "responses")
def removed_studies_are_not_pooled(tables: Tables) -> Iterator[Fault]:
    """No count of a study that was removed because of its retraction enters a pooled result."""
    retractions, responses = tables["retractions"], tables["responses"]
    removed = set(retractions.reference[retractions.decision == "removed"])
    for row in responses[responses.study.isin(removed) & (responses.poolable != "no")].itertuples():
        rule = f"{row.study} was removed because of its retraction (retractions.csv): enter no, and"
        rule += " why_not = study_excluded"
        yield Fault("responses.csv", row.Index, "poolable", row.poolable, rule)


@needs("retractions")
def concerns_await_a_decision(tables: Tables) -> Iterator[Fault]:
    """An expression of concern has a decision."""
    retractions = tables["retractions"]
    undecided = retractions[(retractions.kind == CONCERN) & (retractions.decision == "")]
    for row in undecided.itertuples():
        rule = f"there is an expression of concern about {row.reference} ({row.notice}): read it, and enter a decision"
        yield Fault("retractions.csv", row.Index, "decision", "", rule)
