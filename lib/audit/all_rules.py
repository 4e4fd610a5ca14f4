"""Apply the rules of the audit to the claims of the 2019 review.

Belongs here: applying one rule or all of them. Importing the modules of rules enters their rules in the registry
`RULES`, in the order of the imports.
Does not belong here: the rules themselves (`published_rules` by arithmetic, `report_rules` against the studies'
reports).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lib.audit import published_rules, report_rules  # noqa: F401
from lib.audit.findings import RULES, Finding
from lib.audit.review import Review
from lib.caching.shared_results import shared
from lib.evidence import Evidence

__all__ = ["RULES", "apply", "audit"]


@shared
def audit(evidence: Evidence) -> list[Finding]:
    """Apply every rule to all claims of the original review that it concerns, and return findings in order of rules."""
    review = Review(evidence)
    return [one for name in RULES for one in apply(name, review)]


def apply(name: str, review: Review) -> Iterator[Finding]:
    """Apply one rule to every claim that it concerns, and yield the findings."""
    source = review.rates.source.iloc[0]
    for one in RULES[name].check(review):
        yield replace(one, rule=name, sources=tuple(dict.fromkeys([source, *one.sources])))
