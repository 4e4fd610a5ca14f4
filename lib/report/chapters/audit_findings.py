"""The tables of the audit: its rules, and what each of them found."""

from __future__ import annotations

import pandas as pd

from lib.audit import RULES, VERDICTS, Finding
from lib.report.tables import Table, count


def findings(found: list[Finding], verdict: str, folded: bool = False) -> Table:
    """The findings of the audit with one verdict, by rule."""
    rows = [f for f in found if f.verdict == verdict]
    frame = pd.DataFrame(
        {
            "rule": [RULES[f.rule].statement for f in rows],
            "Claim": [f.claim for f in rows],
            "Where": [f.place for f in rows],
            "Published": [f.published for f in rows],
            "Consistent value": [f.reconciling for f in rows],
            # The first source is the review.
            "Report": [next(iter(f.sources[1:]), "") for f in rows],
            "detail": [f.why for f in rows],
        }
    ).set_index("rule")
    if verdict != "contradicted":
        frame = frame.drop(columns="Consistent value")
    caption = f"{VERDICTS[verdict].capitalize()}: {count(len(rows), 'claim')}"
    note = "Report: that of the study, where the claim was compared with one. A dash: none."
    return Table(frame, caption, note, folded=folded, detail="detail")


def rules(found: list[Finding]) -> Table:
    """The rules of the audit, and how often each holds."""
    verdicts = pd.crosstab([f.rule for f in found], [f.verdict for f in found]).reindex(
        index=list(RULES), columns=list(VERDICTS), fill_value=0
    )
    frame = verdicts.rename(columns={code: text.capitalize() for code, text in VERDICTS.items()})
    frame.insert(0, "Rule", [rule.statement for rule in RULES.values()])
    return Table(frame.reset_index(drop=True), "The rules, and what they found", numeric=list(frame.columns[1:]))
