"""Tables of the audit: its rules, and the findings of each.

Belongs here: the display of findings. Does not belong here: the rules (`lib.audit`).
"""

from __future__ import annotations

import pandas as pd
from IPython.display import Markdown

from lib.audit import RULES, VERDICTS, Finding
from lib.report.tables import Table
from lib.report.wording import count


def findings(all_findings: list[Finding], verdict: str, folded: bool = False) -> Table | Markdown:
    """Show the findings of the audit with one verdict, by rule; if there are none, say so."""
    rows = [f for f in all_findings if f.verdict == verdict]
    if not rows:
        return Markdown("None.")
    frame = pd.DataFrame(
        {
            "rule": [RULES[f.rule].statement for f in rows],
            "Claim": [f.claim for f in rows],
            "Where": [f.place for f in rows],
            "Published": [f.published for f in rows],
            "Consistent value": [f.reconciling for f in rows],
            # The first source is the review.
            "Report": [next(iter(f.sources[1:]), "") for f in rows],
            "detail": [f.detail for f in rows],
        }
    ).set_index("rule")
    if verdict != "contradicted":
        frame = frame.drop(columns="Consistent value")
    caption = f"{VERDICTS[verdict].capitalize()}: {count(len(rows), 'claim')}"
    note = (
        "Lists of studies are given by the reference numbers of the review. Report: the study's own report, where the"
        " claim was compared with one; a dash means that it was not."
    )
    return Table(frame, caption, note, folded=folded, detail="detail")


def rules(all_findings: list[Finding]) -> Table:
    """Show the rules of the audit, and how often each holds."""
    verdicts = pd.crosstab([f.rule for f in all_findings], [f.verdict for f in all_findings]).reindex(
        index=list(RULES), columns=list(VERDICTS), fill_value=0
    )
    frame = verdicts.rename(columns={code: text.capitalize() for code, text in VERDICTS.items()})
    frame.insert(0, "Rule", [rule.statement for rule in RULES.values()])
    return Table(frame.reset_index(drop=True), "Number of claims by rule and verdict", numeric=frame.columns[1:])
