"""Find the judgements of certainty that are outdated, because the numbers on which they rest have changed.

A judgement is outdated if it rests on facts (column ``rests_on`` of ``data/certainty.csv``) that differ from
those that the numbers now give.

Belongs here: finding these judgements, and naming them on the terminal and on the page. Does not belong here: the
levels of the judgements (`certainty`).
"""

from __future__ import annotations

from lib.evidence import Evidence, Fault, compare, question
from lib.report.chapters.certainty import facts_by_domain
from lib.report.text_safety import for_markdown
from lib.report.wording import count

_TABLE, _COLUMN = "certainty.csv", "rests_on"


def judgement_faults(evidence: Evidence) -> list[Fault]:
    """Return a fault for each judgement that rests on facts which are no longer true of the numbers.

    Parameters
    ----------
    evidence : Evidence
        One edition. The judgements are about the newest edition: for an edition that was requested by its date, the
        list is empty.

    Returns
    -------
    list of Fault
        File, row and column to be changed, and the facts that are now true of the numbers.
    """
    if evidence.edition is not None and evidence.edition[1]:
        return []
    meaning = evidence.meaning("certainty_fact")
    faults = []
    outcomes = evidence.outcomes.set_index("outcome")
    for key, rows in evidence.certainty.groupby("outcome", sort=False):
        outcome = outcomes.loc[key]
        facts: dict[str, tuple[str, ...]] = {}
        if outcome.kind == "comparison":
            compared = compare(question(evidence, outcome.question).at(outcome.threshold))
            facts = facts_by_domain(compared) if compared is not None else {}
        for row in rows.itertuples():
            stated_facts = [code.strip() for code in row.rests_on.split(";") if code.strip()]
            current_facts = facts.get(row.domain, ())
            if set(stated_facts) != set(current_facts):
                facts_in_words = ", ".join(meaning[code] for code in current_facts) or "none of these facts"
                instruction = f"enter {';'.join(current_facts)}" if current_facts else "leave the column empty"
                rule = (
                    f"no longer agrees with the numbers of {key} ({row.domain}), which give: {facts_in_words}."
                    f" Judge this domain again, change levels and reason if needed, and {instruction}"
                )
                faults.append(Fault(_TABLE, int(row.row), _COLUMN, row.rests_on, rule))
    return faults


def notices(evidence: Evidence) -> list[str]:
    """Return the faults of `judgement_faults` in words."""
    return list(map(str, judgement_faults(evidence)))


def note(evidence: Evidence) -> str:
    """Return a note in Markdown that names each judgement to be changed; empty if there is none."""
    faults = notices(evidence)
    if not faults:
        return ""
    judgements = count(len(faults), "judgement below no longer agrees", "judgements below no longer agree")
    lines = "\n".join(f"- {for_markdown(fault)}" for fault in faults)
    return f"**{judgements} with the numbers:**\n\n{lines}"
