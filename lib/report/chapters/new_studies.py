"""Sentences on the records and studies since the original search, and on the changes that follow from them.

Belongs here: numbers of records and studies, the main finding of each new study, and which conclusions change. Does not
belong here: the tables of new studies (`lib.report.tables`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lib.evidence import GROUP_NAMES, THRESHOLD_NAMES, THRESHOLDS, Evidence, period_end
from lib.records.flow import flow
from lib.report.tables.names import rows_by
from lib.report.text_safety import for_markdown
from lib.report.wording import count, date_text, outcome_name, within_sentence

if TYPE_CHECKING:
    from lib.published import Result


def records_since_search(evidence: Evidence, with_excluded: bool = False) -> str:
    """State how many records were identified since the original search, and the decisions on them; empty if none."""
    records = _numbers_of_records(evidence)
    if not records["identified"]:
        return ""
    awaiting = records["awaiting_full_text"] + records["awaiting_decision"]
    excluded = f"{records['excluded']} excluded, " if with_excluded else ""
    duplicates = f"{count(records['duplicates'], 'duplicate')}, " if with_excluded and records["duplicates"] else ""
    return (
        f"Since then, {count(records['identified'], 'record has', 'records have')} been identified"
        f" ({records['included']} included, {duplicates}{excluded}{awaiting} awaiting a full text or a decision)."
    )


def _numbers_of_records(evidence: Evidence) -> dict[str, int]:
    """Return the numbers of records identified since the original search, by their state."""
    column = flow(evidence)[-1]
    n = {name: box.n for name, box in column.boxes.items()} if column.is_computed else {}
    parts = {
        "identified": ("identified",),
        "duplicates": ("duplicates",),
        "included": ("included",),
        "excluded": ("excluded", "excluded_full_text"),
        "awaiting_full_text": ("awaiting_full_text",),
        "awaiting_decision": ("awaiting_screening", "awaiting_classification"),
    }
    return {name: sum(n.get(box, 0) for box in boxes) for name, boxes in parts.items()}


def last_search(evidence: Evidence) -> str:
    """State in a sentence where the records since the original search come from, and when databases were searched."""
    last = date_text(evidence.last_search)
    if evidence.last_search == period_end(min(evidence.searches.date)):
        return (
            "The records of the update come from a collection of published abstracts; no systematic database search has"
            f" been run since {last}, so other studies may exist."
        )
    return f"Databases were last searched on {last}."


def studies_since_search(evidence: Evidence) -> str:
    """State in Markdown how many studies were included since the original search, for the abstract."""
    studies = evidence.study_counts("update")
    if not studies["all"]:
        return nothing_new(evidence, "No study has been included since the search of the 2019 review.")
    counts = evidence.reported_counts().query("edition == 'update' and role != 'comparator' and poolable == 'yes'")
    return (
        "Since the search of the 2019 review,"
        f" {count(studies['efficacy'], 'study has', 'studies have')} been included:"
        f" {studies['monotherapy']} of monotherapy and {studies['phototherapy']} with phototherapy. Responder counts"
        f" that can be pooled are available for {counts.study.nunique()} of them. {last_search(evidence)}"
    )


def included_and_awaiting(evidence: Evidence) -> str:
    """State in Markdown how many studies are included and how many records await a decision, to head a chapter."""
    if evidence.screening.empty:
        return nothing_new(evidence)
    studies, records = evidence.study_counts("update"), _numbers_of_records(evidence)
    return (
        f"**This edition includes {count(studies['all'], 'study', 'studies')} published since August 2018:"
        f" {studies['monotherapy']} of monotherapy and {studies['phototherapy']} with phototherapy. Of the other"
        f" records, {records['awaiting_full_text']} await a full text, {records['awaiting_decision']} await a"
        f" decision and {records['excluded']} are excluded.** {last_search(evidence)}"
    )


def state_of_evidence(evidence: Evidence) -> str:
    """State in Markdown the dates of search and edition, and how many records await a decision."""
    last_change = max(map(period_end, evidence.screening.entered), default=None)
    records = _numbers_of_records(evidence)
    return (
        f"*Last search of databases: {date_text(evidence.last_search)}. Last change of the data:"
        f" {date_text(last_change) if last_change else 'none since'}. Records awaiting a full text:"
        f" {records['awaiting_full_text']}; awaiting a decision: {records['awaiting_decision']}. Edition of"
        f" {date_text(evidence.as_of)}.*"
    )


def nothing_new(evidence: Evidence, text: str = "None in this edition.") -> str:
    """Return ``text``, or another sentence if the edition ends with the original search and cannot have new studies."""
    return text if len(evidence.screening) else "No new studies: this edition ends with the original search."


def later_reviews(evidence: Evidence) -> str:
    """State in Markdown how many later reviews are listed; empty if there are none."""
    number = evidence.later_reviews.review.nunique()
    if not number:
        return ""
    return (
        f"The page on [new studies](new-studies.ipynb) lists {count(number, 'later review')} on parts of the question."
    )


def changed_conclusions(results: Sequence[Result]) -> list[str]:
    """Name the rates on which new studies change the conclusions."""
    return [outcome_name(result.outcome) for result in results if result.criteria_met]


def what_changes(results: Sequence[Result], total: int) -> str:
    """State in Markdown for how many of the published rates there are new studies, and which conclusions change.

    Parameters
    ----------
    results : sequence of Result
        Rates with new studies.
    total : int
        Number of published rates.
    """
    changed = changed_conclusions(results)
    conclusions = "none changes the conclusions"
    if changed:
        verb = "changes" if len(changed) == 1 else "change"
        conclusions = f"{len(changed)} of them {verb} the conclusions: {'; '.join(changed)}"
    return (
        f"**New studies bear on {len(results)} of the {total} response rates that the 2019 review published;"
        f" {conclusions}.** The criteria are listed below, under *Criteria for a change in conclusions*."
    )


def what_changes_in_brief(results: Sequence[Result]) -> str:
    """State in Markdown how many rates have new studies, and which conclusions change; empty if there are none."""
    if not results:
        return ""
    changed = changed_conclusions(results)
    rates = f"{count(len(changed), 'rate')}: {'; '.join(changed)}" if changed else "none of these rates"
    return (
        f"Studies published since August 2018 bear on {count(len(results), 'rate')}. By the criteria given in"
        f" [What is new](what-is-new.ipynb), they change the conclusions on {rates}."
    )


def rules_of_change(evidence: Evidence) -> str:
    """Explain in Markdown when an update changes the conclusions, and how repeated updates affect these criteria."""
    rules = [r.meaning.replace("{}", f"{r.margin:g}") for r in evidence.change_criteria.itertuples()]
    return (
        "An update changes the conclusions on a rate if at least one of these is true:\n\n"
        + "\n".join(f"- {for_markdown(rule)};" for rule in rules[:-1])
        + f"\n- {for_markdown(rules[-1])}.\n\n"
        "This project chose these limits. No test of significance is made. Each edition compares the current rate with"
        " the rate published by the 2019 review, and not with the rate of the previous edition, so that small changes"
        " add up and are not missed. A rate that is updated repeatedly can meet a criterion by chance, especially if"
        " the published studies are few and differ widely. No correction is made for this: a change in conclusions is a"
        " reason to examine the new studies, and not a finding in itself. The table below shows how often a false alarm"
        " is to be expected."
    )


_NEWEST = 60
"""Largest number of studies whose findings `finding_lines` gives."""


def finding_lines(evidence: Evidence) -> list[str]:
    """Return the main finding of each new study as a list item in Markdown: in words, then its counts.

    The words are those of the table ``findings``. The counts are those of all arms of the study, for the whole body or
    a site, whether they are pooled or compared. If there are very many studies, only the newest ones are listed, with
    the number of the others.

    Parameters
    ----------
    evidence : Evidence
        One edition.

    Returns
    -------
    list of str
        A line for each study.
    """
    rows = evidence.reported_counts()
    rows = rows[(rows.poolable != "no") & (rows.subtype == "") & (rows.site != "other")]
    counts_by_study = rows_by(rows[rows.threshold.isin(THRESHOLDS)], "study")
    finding_by_study = dict(zip(evidence.findings.study, evidence.findings.finding, strict=True))
    studies = evidence.included("update").drop_duplicates("study")
    shown = studies if len(studies) <= _NEWEST else studies.nlargest(_NEWEST, "year")
    lines = []
    for study in shown.itertuples():
        counts = _counts_in_words(evidence, counts_by_study.get((study.study,), []))
        words = [for_markdown(finding_by_study[study.study])] if study.study in finding_by_study else []
        lines.append(f"- **{for_markdown(study.label)}.** {' '.join([*words, counts])}")
    return [*lines, f"- and {len(studies) - len(shown)} more"] if len(shown) < len(studies) else lines


def _counts_in_words(evidence: Evidence, rows: list[Any]) -> str:
    """State the counts of a study in a sentence, the strongest response first, all arms of one outcome together."""
    if not rows:
        return "The numbers of responders in its arms are not available, so it is not part of any pooled rate."
    rows_by_outcome: dict[tuple[str, str], list[Any]] = {}
    strongest = THRESHOLDS[::-1]
    for row in sorted(rows, key=lambda r: (r.site != "all", strongest.index(r.threshold))):
        rows_by_outcome.setdefault((row.threshold, row.site), []).append(row)
    parts = []
    for (threshold, site), arms in rows_by_outcome.items():
        place = "" if site == "all" else f" on the {GROUP_NAMES[site].lower()}"
        arms.sort(key=lambda r: r.role == "comparator")
        counts = [f"{r.events:g} of {r.n:g} {r.unit} with {for_markdown(_arm_in_words(r))}" for r in arms]
        counts[1:] = [text.replace(f" {r.unit}", "", 1) for text, r in zip(counts[1:], arms[1:], strict=True)]
        parts.append(f"Repigmentation {THRESHOLD_NAMES[threshold]}{place}: {', '.join(counts)}")
    basis, derived = evidence.meaning("basis"), {r.basis for r in rows} - {"stated"}
    derivations = [text for code, text in basis.items() if code in derived]
    confidence = [code for code in evidence.meaning("confidence") if code in {r.confidence for r in rows}]
    text = "; ".join([parts[0], *map(within_sentence, parts[1:])])
    return (
        f"{text} (counts {' or '.join(derivations)}; {' or '.join(confidence)} confidence)."
        if derivations
        else f"{text}."
    )


def _arm_in_words(arm: Any) -> str:
    name = arm.drug if " or " in arm.drug else arm.arm
    words = {"NBUVB": "NB-UVB", "EL": "excimer light"}
    return " and ".join(words.get(part, part) for part in name.split("+"))
