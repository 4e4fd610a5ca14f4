"""What changed from each edition to the next: results, records, studies and methods.

Belongs here: the page *Changes between editions*. Does not belong here: whether a change of a rate changes the
conclusions (`new_studies`), and what an edition is (`lib.evidence`).

Every edition is computed by today's code from today's data, so a difference between two editions comes from what was
known by their dates; changes of question and method are stated in ``editions.csv``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from lib.evidence import REGIMENS, THRESHOLD_NAMES, Evidence
from lib.report.entries import Entry, comparison_key, current_rate, of_rate
from lib.report.rate_entries import rate_entries
from lib.report.tables import Table, decisions, grouped
from lib.report.tables.names import label_by_key
from lib.report.text_safety import for_html
from lib.report.trial_entries import comparison_entries
from lib.report.wording import count, date_text, listed, outcome_name, ratio_text, sentence_case, span


class EditionChanges:
    """The changes from each edition to the next, the newest first, as a page shows them.

    Examples
    --------
    >>> from lib import evidence
    >>> EditionChanges(evidence.load("data").earlier(dt.date(2018, 8, 6)))
    changes between 1 edition
    """

    def __init__(self, evidence: Evidence):
        self._evidence = evidence
        self._rows = list(evidence.editions.itertuples())
        dates = [dt.date.fromisoformat(row.date) for row in self._rows]
        self._editions = [evidence if date == evidence.as_of else evidence.earlier(date) for date in dates]

    def __repr__(self) -> str:
        return f"changes between {count(len(self._rows), 'edition')}"

    def _repr_html_(self) -> str:
        if len(self._rows) < 2:
            return "<p>There is no earlier edition.</p>"
        return "".join(self._change(i) for i in range(len(self._rows) - 1, 0, -1))

    def _change(self, i: int) -> str:
        """Return the changes from edition i - 1 to edition i."""
        row, before, after = self._rows[i], self._editions[i - 1], self._editions[i]
        heading = f"From {date_text(before.as_of)} to {date_text(after.as_of)} (version {row.version})"
        stated = [
            ("Trigger", row.trigger),
            ("Questions", row.question_changes or "unchanged"),
            ("Methods", row.method_changes or "unchanged"),
            ("Records and studies", records(before, after)),
        ]
        facts = "".join(f"<dt>{term}</dt><dd>{for_html(text)}</dd>" for term, text in stated)
        return (
            f'<section class="review-record"><h2>{for_html(heading)}</h2><dl>{facts}</dl>'
            f"{results(before, after)._repr_html_()}</section>"
        )


def records(before: Evidence, after: Evidence) -> str:
    """State how many records were added, the decisions on them, and the studies that were included."""
    known = set(before.screening.study)
    added = after.screening[~after.screening.study.isin(known)]
    if added.empty:
        return "None were added."
    meaning, number = after.meaning("decision"), added.decision.value_counts()
    decided = [f"{number[code]} {meaning[code]}" for code in decisions(after) if code in number]
    included = ", ".join(added.label[added.decision == "included"]) or "none"
    return f"{count(len(added), 'record')} added: {listed(decided)}. Included: {included}."


def results(before: Evidence, after: Evidence) -> Table:
    """List every rate and comparison that changed, before and after, with the reason.

    Parameters
    ----------
    before, after : Evidence
        Two editions.
    """
    old, new = (_entries(edition) for edition in (before, after))
    rows: list[tuple[str, str, Entry | None, Entry | None]] = []
    for outcome in after.all_outcomes():
        name = outcome_name(outcome)
        rows.append(("Current rates, % (95% CI)", name, current_rate(old, outcome), current_rate(new, outcome)))
    for outcome in after.all_outcomes():
        a, b = (of_rate(entries, outcome, "recommended.available") for entries in (old, new))
        rows.append(("Recommended method, studies with available counts, % (95% CI)", outcome_name(outcome), a, b))
    for question in after.questions.itertuples():
        for threshold, name in THRESHOLD_NAMES.items():
            a, b = (entries.get(comparison_key(question.question, threshold)) for entries in (old, new))
            rows.append(("Risk ratios (95% CI)", f"{question.label}, {name}", a, b))
    names = label_by_key(after)
    changed = [
        (group, {"Result": name, "Before": _text(a), "After": _text(b), "Reason": _reason(a, b, names)})
        for group, name, a, b in rows
        if _text(a) != _text(b)
    ]
    total = sum(a is not None or b is not None for _, _, a, b in rows)
    caption = f"{len(changed)} of {count(total, 'result')} changed"
    return Table(grouped(changed, "group", ["Result", "Before", "After", "Reason"]), caption, detail="Reason")


def _entries(evidence: Evidence) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for regimen in REGIMENS:
        entries |= rate_entries(evidence, regimen)
    return entries | comparison_entries(evidence)


def _text(entry: Entry | None) -> str:
    if entry is None:
        return "none"
    write = span if entry.is_rate else ratio_text
    return write(entry.estimate, entry.ci_low, entry.ci_high)


def _reason(before: Entry | None, after: Entry | None, names: Mapping[str, str]) -> str:
    """Return why a result changed, from the studies behind it."""
    if before is None and after is not None:
        return f"First result, from {listed([names[study] for study in dict.fromkeys(after.studies)])}."
    old, new = (set(entry.studies) if entry else set() for entry in (before, after))
    parts = [
        f"{word} {listed([names[study] for study in sorted(studies, key=names.__getitem__)])}"
        for word, studies in (("added:", new - old), ("no longer included:", old - new))
        if studies
    ]
    return sentence_case("; ".join(parts) or "other counts of the same studies") + "."
