"""Collect what needs action after a build: warnings about the data, and judgements of certainty that are outdated.

Belongs here: the list of all kinds of notices. Does not belong here: how each is found, and faults, which stop a build.
"""

from __future__ import annotations

from lib.evidence import Evidence, warnings_in_words
from lib.report.chapters import outdated_judgements


def notices(evidence: Evidence) -> list[str]:
    """Return a line of text for everything that needs action."""
    warnings = warnings_in_words(evidence)
    return [*([warnings] if warnings else []), *outdated_judgements.notices(evidence)]
