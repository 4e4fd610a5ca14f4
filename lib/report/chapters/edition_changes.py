"""List the changes from each edition to the next in results, records, studies and methods, each with its reason.

Belongs here: the page *Changes between editions*. Does not belong here: the results that are compared
(`lib.report.edition_results`), whether a change of a rate changes the conclusions (`new_studies`), and what an edition
is (`lib.evidence`).

The results that an edition stated are used if they are stored. For other editions and for the newest, the results are
computed by today's methods. Differences between the results that an edition stated and those that today's methods give
for the same studies and counts are due to a change of method.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lib.evidence import THRESHOLD_NAMES, Evidence
from lib.report import edition_results
from lib.report.edition_results import EditionResult
from lib.report.entries import comparison_key, rate_key
from lib.report.tables import Table, decisions, grouped
from lib.report.tables.names import label_by_key
from lib.report.text_safety import for_html
from lib.report.wording import count, date_text, listed, outcome_name, ratio_text, sentence_case, span


@dataclass(frozen=True)
class Edition:
    """An edition to be compared.

    Attributes
    ----------
    evidence : Evidence
        What was known by its date, in today's data.
    version : str
        Version whose results are stored; empty if today's methods give them.
    stored : dict of str to EditionResult, optional
        The results that it stated, if they are stored.
    """

    evidence: Evidence
    version: str = ""
    stored: dict[str, EditionResult] | None = None

    @cached_property
    def today(self) -> dict[str, EditionResult]:
        """Its results by today's methods and data."""
        return edition_results.results(self.evidence)

    @property
    def results(self) -> dict[str, EditionResult]:
        """The results that it stated; if they are not stored, those of today."""
        return self.today if self.stored is None else self.stored

    @property
    def origin(self) -> str:
        """Where its results come from, in words."""
        return f"as version {self.version} stated them" if self.version else "by today's methods and data"


def edition_of(evidence: Evidence, date: dt.date) -> Edition:
    """Return an edition to be compared: the newest, or an earlier one with the results that it stated, if stored.

    Parameters
    ----------
    evidence : Evidence
        The newest edition.
    date : datetime.date
        Date of the edition to be returned.
    """
    if date == evidence.as_of:
        return Edition(evidence)
    version, stored = edition_results.stored_results(date.isoformat()) or ("", None)
    return Edition(evidence.earlier(date), version, stored)


class EditionChanges:
    """The changes from each edition to the next, the newest first, as a page shows them.

    Examples
    --------
    >>> from lib import evidence
    >>> EditionChanges(evidence.load("data").earlier(dt.date(2018, 8, 6)))
    changes between 1 edition
    """

    def __init__(self, evidence: Evidence):
        self._rows = list(evidence.editions.itertuples())
        self._editions = [edition_of(evidence, dt.date.fromisoformat(row.date)) for row in self._rows]

    def __repr__(self) -> str:
        return f"changes between {count(len(self._rows), 'edition')}"

    def _repr_html_(self) -> str:
        if len(self._rows) < 2:
            return "<p>There is no earlier edition.</p>"
        return "".join(self._change(i) for i in range(len(self._rows) - 1, 0, -1))

    def _change(self, i: int) -> str:
        """Return the changes from edition i - 1 to edition i."""
        row, before, after = self._rows[i], self._editions[i - 1], self._editions[i]
        dates = date_text(before.evidence.as_of), date_text(after.evidence.as_of)
        heading = f"From {dates[0]} to {dates[1]} (version {row.version})"
        statements = [
            ("Trigger", row.trigger),
            ("Questions", row.question_changes or "unchanged"),
            ("Methods", row.method_changes or "unchanged"),
            ("Records and studies", records(before.evidence, after.evidence)),
            ("Results", f"Before: {before.origin}. After: {after.origin}."),
        ]
        facts = "".join(f"<dt>{term}</dt><dd>{for_html(text)}</dd>" for term, text in statements)
        return (
            f'<section class="review-record"><h2>{for_html(heading)}</h2><dl>{facts}</dl>'
            f"{results(before, after)._repr_html_()}</section>"
        )


def records(before: Evidence, after: Evidence) -> str:
    """State which records were added, the decisions on them, the studies that were included, and other new decisions.

    An edition holds the records published by its date. A record that was entered after the earlier edition, but had
    been published by its date, is therefore in both editions, and is counted separately.
    """
    earlier_studies = set(before.screening.study)
    is_added = ~after.screening.study.isin(earlier_studies)
    added = after.screening[is_added]
    first, last = before.as_of.isoformat(), after.as_of.isoformat()
    since = after.screening.entered.between(first, last) & (after.screening.entered != first)
    sentences = ["No record was added."]
    if not added.empty:
        included = ", ".join(added.label[added.decision == "included"]) or "none"
        sentences = [f"Added: {count(len(added), 'record')} ({_decided(after, added)}). Included: {included}."]
        later = (added.entered > last).sum()
        if later:
            sentences.append(f"Of the records added, {later} had been published by then but were found later.")
    entered = after.screening[since & ~is_added]
    if not entered.empty:
        sentences.append(
            f"Found in this period, but published before it: {count(len(entered), 'record')}"
            f" ({_decided(after, entered)})."
        )
    decisions_made = after.decisions[(after.decisions.date > first) & (after.decisions.date <= last)]
    if not decisions_made.empty:
        n_by_stage = decisions_made.stage.value_counts()
        stages = [f"{name} {n_by_stage[code]}" for code, name in after.meaning("stage").items() if code in n_by_stage]
        sentences.append(f"Decisions made: {', '.join(stages)}.")
    return " ".join(sentences)


def _decided(evidence: Evidence, rows: pd.DataFrame) -> str:
    """Return how many records have each decision, in words."""
    meaning, n_by_decision = evidence.meaning("decision"), rows.decision.value_counts()
    return listed([f"{n_by_decision[code]} {meaning[code]}" for code in decisions(evidence) if code in n_by_decision])


def results(before: Edition, after: Edition) -> Table:
    """List every rate and comparison that changed between two editions, before and after, with the reason."""
    old, new = before.results, after.results
    # Today's methods can explain the change only if they, and not stored results, are those of the later edition.
    today = before.today if before.stored is not None and after.stored is None else {}
    studies = before.evidence.studies.study
    known_studies = {*studies[before.evidence.is_included(studies)]}
    names = label_by_key(before.evidence) | label_by_key(after.evidence)
    changed, total = [], 0
    for group, name, keys in _compared_results(after):
        earlier, later, recomputed = (_first_result(results_by_key, keys) for results_by_key in (old, new, today))
        total += earlier is not None or later is not None
        if _text(earlier) != _text(later):
            cause = reason(earlier, later, known_studies, names, recomputed)
            changed.append((group, {"Result": name, "Before": _text(earlier), "After": _text(later), "Reason": cause}))
    caption = f"{len(changed)} of {count(total, 'result')} changed"
    frame = grouped(changed, "group", ["Result", "Before", "After", "Reason"])
    return Table(frame, caption, detail="Reason")


def _compared_results(edition: Edition) -> Iterator[tuple[str, str, list[str]]]:
    """Yield group, name and keys of each result that is compared; the first key under which there is one is used."""
    evidence = edition.evidence
    outcomes = evidence.all_outcomes()
    for outcome in outcomes:
        keys = [rate_key(outcome, kind) for kind in ("updated", "published")]
        yield "Current rates, % (95% CI)", outcome_name(outcome), keys
    for outcome in outcomes:
        group = "Recommended method, studies with available counts, % (95% CI)"
        yield group, outcome_name(outcome), [rate_key(outcome, "recommended.available")]
    for question in evidence.questions.itertuples():
        for threshold, name in THRESHOLD_NAMES.items():
            yield "Risk ratios (95% CI)", f"{question.label}, {name}", [comparison_key(question.question, threshold)]


def _first_result(results_by_key: Mapping[str, EditionResult], keys: list[str]) -> EditionResult | None:
    return next((results_by_key[key] for key in keys if key in results_by_key), None)


def _text(result: EditionResult | None) -> str:
    if result is None:
        return "none"
    write = span if result.scale == "rate" else ratio_text
    return write(result.estimate, result.ci_low, result.ci_high)


def reason(
    before: EditionResult | None,
    after: EditionResult | None,
    known_studies: set[str],
    names: Mapping[str, str],
    today: EditionResult | None = None,
) -> str:
    """Return why a result changed: new studies, corrected counts, or a changed method.

    Parameters
    ----------
    before, after : EditionResult, optional
        The result in two editions; None if an edition has none.
    known_studies : set of str
        Keys of the studies that the earlier edition includes.
    names : mapping of str to str
        Name of each study.
    today : EditionResult, optional
        The result of the earlier edition by the methods of the later one.

    Examples
    --------
    >>> nan = float("nan")
    >>> before = EditionResult("rate.made_up", 0.2, nan, nan, "rate", "", {"a": "2/10"})
    >>> after = EditionResult("rate.made_up", 0.3, nan, nan, "rate", "", {"a": "3/10", "b": "6/20"})
    >>> reason(before, after, {"a"}, {"a": "Made-up trial A", "b": "Made-up trial B"})
    'Added: Made-up trial B; corrected count: Made-up trial A 3/10, formerly 2/10.'
    """

    def name(studies: set[str]) -> str:
        return listed(sorted(names.get(study, study) for study in studies))

    if after is None:
        return "No longer stated."
    if before is None:
        return f"First result, from {listed([names.get(study, study) for study in after.counts])}."
    old, new = before.counts, after.counts
    common = {study: (old[study], new[study]) for study in old.keys() & new.keys() if old[study] != new[study]}
    parts = [
        f"{word} {name(studies)}"
        for word, studies in (
            ("added:", new.keys() - old.keys() - known_studies),
            ("known before and now counted:", (new.keys() - old.keys()) & known_studies),
            ("no longer included:", old.keys() - new.keys()),
            ("count now available:", {study for study, (a, _) in common.items() if not a}),
            ("count no longer used:", {study for study, (_, b) in common.items() if not b}),
        )
        if studies
    ]
    corrected = sorted((names.get(study, study), a, b) for study, (a, b) in common.items() if a and b)
    if corrected:
        parts.append(f"corrected count: {listed([f'{label} {b}, formerly {a}' for label, a, b in corrected])}")
    if today is not None and _text(today) != _text(before) and (parts or _text(today) != _text(after)):
        cause = "changed method" if today.counts == old else "changed counts and methods"
        parts.append(f"{cause}: the studies of the earlier edition now give {_text(today)}")
    return sentence_case("; ".join(parts) or "changed method, with the same studies and counts") + "."
