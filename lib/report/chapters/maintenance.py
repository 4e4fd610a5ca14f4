"""Numbers and sentences of the chapter on maintenance about its one trial.

Belongs here: shares, numbers and design of the trial for its sentences. Does not belong here: the registered results
(`lib.report.trial_entries`), and the table (`lib.report.tables.maintenance`).
"""

from __future__ import annotations

import pandas as pd

from lib.evidence import Evidence
from lib.report.entries import maintenance_key
from lib.report.trial_entries import maintenance_entries
from lib.report.wording import rounded


def rows(evidence: Evidence) -> pd.DataFrame:
    """Return the table of maintenance trials with two more columns: the drug of each arm, and the key of the result."""
    rows = evidence.maintenance
    keys = [maintenance_key(row.study, row.analysis, row.arm) for row in rows.itertuples()]
    return rows.assign(drug=rows.arm.str.split().str[0], key=keys)


def shares_lost(evidence: Evidence) -> dict[str, dict[str, str]]:
    """Return the share of lesions that lost pigment as text with its key, by analysis and drug."""
    entries, shares = maintenance_entries(evidence), dict[str, dict[str, str]]()
    for row in rows(evidence).itertuples():
        entry = entries.get(row.key)
        if entry is not None:
            shares.setdefault(row.analysis, {})[row.drug] = rounded(entry, 1)
    return shares


def numbers(evidence: Evidence) -> pd.Series:
    """Return the numbers of patients or lesions, indexed by analysis and drug."""
    return rows(evidence).set_index(["analysis", "drug"]).n


def design(evidence: Evidence) -> str:
    """Return the design of the trial for a sentence: ``randomised and double-blind``."""
    trial = evidence.studies[evidence.studies.study.isin(evidence.maintenance.study)].iloc[0]
    blinding = evidence.meaning("blinding")[trial.blinding]
    return f"randomised and {blinding}" if trial.randomised == "yes" else blinding
