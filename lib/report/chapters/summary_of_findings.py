"""The summary of findings: comparisons, rates, maintenance and safety, each with its certainty.

Belongs here: the tables and lists of that chapter. Does not belong here: how a level of certainty is determined
(`certainty`), and how a comparison is worded (`comparison_findings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lib.evidence import (
    REGIMEN_NAMES,
    RESPONSES,
    THRESHOLD_NAMES,
    Comparison,
    Evidence,
    Question,
    compare,
    reference_numbers,
)
from lib.published import Result
from lib.report.absolute_effects import absolute
from lib.report.chapters import risk_of_bias
from lib.report.chapters.certainty import (
    Numbers,
    certainty_of_comparison,
    certainty_of_rate,
    level_with_reasons,
    lowered_level,
    numbers_by_domain,
    with_certainty,
)
from lib.report.chapters.comparison_effects import (
    label,
    per_100,
    per_100_with,
    ratio_cell,
    trials_and_patients,
    with_key,
)
from lib.report.chapters.comparison_findings import not_retrieved
from lib.report.entries import comparison_key, rate_key, safety_key
from lib.report.marked_text import Phrase, Stated, in_markdown, marked
from lib.report.tables import Table, grouped
from lib.report.text_safety import for_markdown
from lib.report.trial_entries import SAFETY_EVENTS, compare_some, trial_analysis
from lib.report.wording import NOTHING, count, listed, percent, rate, sentence_case


def findings(evidence: Evidence, questions: Sequence[Question]) -> Table:
    """Return the summary of findings of the comparisons: one row for each rated outcome.

    Below it, a row for each trial that has counts at another threshold only.
    """
    rows = []
    for question in questions:
        for outcome_threshold in _rated_thresholds(evidence, question):
            level = certainty_of_comparison(evidence, question, outcome_threshold)
            compared = compare(question.at(outcome_threshold))
            if compared is not None:
                rows.append((question.label, _finding_cells(question, compared, outcome_threshold, level)))
            others = question.at_other_thresholds(outcome_threshold)
            for row in others.itertuples():
                compared, analysis = compare_some(others.loc[[row.Index]]), trial_analysis(row.study)
                cells = _finding_cells(question, compared, row.threshold, "Not rated", analysis)
                rows.append((question.label, cells))
    note = (
        "Without: responders per 100 in the control arms, which are named below each row. With: responders per 100"
        " expected with the treatment, computed from the risk without it, the risk ratio and the limits of its interval"
        " (0 to 100). † Nobody responded in the control arm, so the ratio cannot be applied to it. The risk difference"
        " of the trial and its interval, cut at 0, are shown instead, and the ratio is computed with 0.5 added to each"
        " count. Not rated: trials with counts at another threshold only. Randomised trials start at high certainty,"
        " other studies at low."
    )
    frame = grouped(rows, "Comparison")
    return Table(frame, "Summary of findings: comparisons", note, numeric=["Without, per 100"], detail="Basis")


def _rated_thresholds(evidence: Evidence, question: Question) -> list[str]:
    outcomes = evidence.outcomes
    return list(outcomes.threshold[(outcomes.kind == "comparison") & (outcomes.question == question.key)])


def _finding_cells(
    question: Question, compared: Comparison, threshold: str, level: str, analysis: str = ""
) -> dict[str, str]:
    """Return the cells of a row; ``analysis`` is the part of its keys that names a single trial, if it is one."""
    effect, trials = absolute(compared), compared.rows
    key = {
        name: comparison_key(question.key, threshold, name, analysis)
        for name in ("rr", "without", "with", "difference")
    }
    difference = per_100(*effect.difference) + ("" if effect.from_ratio else " †")
    return {
        "Response": THRESHOLD_NAMES[threshold],
        "Without, per 100": with_key(percent(effect.without, 0, ""), key["without"]),
        "With, per 100 (95% CI)": with_key(per_100_with(effect), key["with"]),
        "Difference, per 100": with_key(difference, key["difference"]),
        "Risk ratio (95% CI)": ratio_cell(compared.risk_ratio, key["rr"]),
        "Certainty": level,
        "Basis": f"{label(trials)}: {trials_and_patients(trials)}. Risk without: control arms of"
        f" {', '.join(trials.label)}, {trials.control_events.sum():g} of {trials.control_n.sum():g}",
    }


@dataclass(frozen=True)
class Rated:
    """A rated outcome other than a comparison.

    Attributes
    ----------
    key, label : str
        As in ``data/outcomes.csv``.
    result : str
        The result, for a table.
    finding : str
        The result as a sentence about the treatment, worded by its certainty, without a full stop.
    basis : str
        Studies and participants behind it.
    certainty : str
        A level of `LEVELS`, or `NOT_JUDGED`.
    numbers : dict
        The numbers relevant to each domain, in words; they do not determine a level.
    not_retrieved : str
        The data that could not be retrieved, in words.
    """

    key: str
    label: str
    result: str
    finding: str
    basis: str
    certainty: str
    numbers: Numbers
    not_retrieved: str


def rated(evidence: Evidence, results: Mapping[tuple[str, str, str], Result]) -> list[Rated]:
    """Return the rated outcomes other than comparisons: rates, maintenance and safety.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    results : mapping
        The rates of the review, as `published.results` returns them.
    """
    outcomes = []
    for row in evidence.outcomes[evidence.outcomes.kind != "comparison"].itertuples():
        if row.kind == "rate":
            outcomes.append(_rated_rate(evidence, row, results[row.regimen, row.threshold, "total"]))
        elif row.kind == "maintenance":
            outcomes.append(_rated_maintenance(evidence, row))
        else:
            outcomes.append(_rated_safety(evidence, row))
    return outcomes


def _rated_rate(evidence: Evidence, row: Any, result: Result) -> Rated:
    outcome, answer = result.outcome, result.current
    new = outcome.new.study.nunique()
    original = evidence.studies[evidence.studies.review_ref.isin(outcome.refs)]
    keys = set(original.study) | set(outcome.new.study)
    arms = evidence.arms[evidence.arms.study.isin(keys) & (evidence.arms.role == outcome.regimen)]
    studies = evidence.studies[evidence.studies.study.isin(keys)].drop_duplicates("study")
    # The arms of a within-patient study share their participants, who count once.
    shared = arms.study.isin(studies.study[studies.design == "WP"])
    arms = arms[~(shared & arms.duplicated("study"))].dropna(subset=["enrolled", "completed"])
    open_label, single = (int(n) for n in ((studies.blinding == "OL").sum(), (studies.design == "SA").sum()))
    bias = (
        f"{single} of {count(len(studies), 'study', 'studies')} with a single arm, {open_label} open label;"
        f" {arms.completed.sum():g} of {arms.enrolled.sum():g} enrolled participants completed"
    )
    is_updated = answer is not outcome
    key = rate_key(outcome, "updated" if is_updated else "published")
    value = Stated(rate(answer), key)
    interval = Stated(f"{percent(answer.ci_low)} to {percent(answer.ci_high)}", key, "interval")
    numbers: Numbers = {"risk_of_bias": (bias, None), "imprecision": (Phrase("interval ", interval), None)}
    low, high = getattr(answer, "pi_low", result.summary.pi_low), getattr(answer, "pi_high", result.summary.pi_high)
    if low == low:
        prediction_key = key if is_updated else rate_key(outcome, "published.implied")
        predicted = Stated(f"{percent(low)} to {percent(high)}", prediction_key, "prediction")
        numbers["inconsistency"] = (Phrase("the true rate in another study may lie from ", predicted), None)
    basis = f"{outcome.studies:g} studies ({outcome.patients:g} participants) of the 2019 review" + (
        f", {count(new, 'new study', 'new studies')}" if new else ""
    )
    missing = f"counts for {outcome.studies - outcome.available_studies:g} of the review's {outcome.studies:g} studies"
    level = certainty_of_rate(evidence, row.outcome)
    share = f"With {REGIMEN_NAMES[outcome.regimen]}, {value} of patients or patches"
    finding = marked(with_certainty(level, f"{share} {{}}reach {RESPONSES[outcome.threshold]}"), value)
    return Rated(row.outcome, row.label, value, finding, basis, level, numbers, missing)


def _rated_maintenance(evidence: Evidence, row: Any) -> Rated:
    rows = evidence.maintenance[evidence.maintenance.analysis == "intention to treat"]
    studies = evidence.studies[evidence.studies.study.isin(rows.study)]
    start = "High" if (studies.randomised == "yes").all() else "Low"
    counts = [f"{r.depigmented:g} of {r.n:g} {r.unit} with {r.arm}" for r in rows.itertuples()]
    patients = evidence.maintenance[evidence.maintenance.analysis == "randomised"].n.sum()
    lost = f"{rows.depigmented.sum():g} of {rows.n.sum():g} {rows.unit.iloc[0]} lost pigment"
    numbers: Numbers = {
        "risk_of_bias": (risk_of_bias.overall_in_words(evidence, rows.study), None),
        "imprecision": (lost, None),
    }
    basis = f"{count(rows.study.nunique(), 'trial')} ({patients:g} participants)"
    level = lowered_level(evidence, row.outcome, start)
    kinds = rows.arm.str.split().str[0].map(evidence.drugs.set_index("drug").kind)
    treated, control = rows[kinds == "tci"].iloc[0], rows[kinds != "tci"].iloc[0]
    fewer = treated.depigmented / treated.n < control.depigmented / control.n
    likely = "less likely" if fewer else "no less likely"
    finding = with_certainty(
        level, f"{sentence_case(treated.arm)} {{}}make loss of pigment {likely} than {control.arm}"
    )
    result = "; ".join(counts) + " (intention to treat)"
    missing = "numbers of patients, rather than lesions, with loss of pigment"
    return Rated(row.outcome, row.label, result, f"{finding}: {result}", basis, level, numbers, missing)


def _rated_safety(evidence: Evidence, row: Any) -> Rated:
    words = dict(zip(SAFETY_EVENTS, ("burning", "itching", "redness"), strict=True))
    patients = evidence.number("adverse_event_patients", "safety")
    events = {kind: evidence.number(f"{kind}_events", "safety") for kind in words}
    shares = {kind: Stated(percent(n / patients, 1), safety_key(kind)) for kind, n in events.items()}
    with_counts = listed([f"{words[kind]} {n} ({shares[kind]})" for kind, n in events.items()])
    shares_alone = listed([f"{words[kind]} {share}" for kind, share in shares.items()])
    counting = evidence.number("adverse_event_studies_counting", "safety")
    studies = evidence.number("monotherapy_studies", "safety")
    published = evidence.published_numbers
    references = reference_numbers(published.refs[published.quantity == "adverse_event_studies_counting"].iloc[0])
    counting_studies = evidence.studies.study[evidence.studies.review_ref.isin(references)]
    available = evidence.adverse_events[evidence.adverse_events.study.isin(counting_studies)].study.nunique()
    level = certainty_of_rate(evidence, row.outcome)
    finding = with_certainty(
        level, f"With TCI monotherapy, local reactions {{}}occur in this share of patients: {shares_alone}"
    )
    return Rated(
        row.outcome,
        row.label,
        result=marked(f"Events in {patients} patients: {with_counts}", *shares.values()),
        finding=marked(finding, *shares.values()),
        basis=f"{counting} studies ({patients} participants) of the 2019 review",
        certainty=level,
        numbers={"risk_of_bias": (f"{counting} of {studies} studies counted adverse events", None)},
        not_retrieved=f"counts for {counting - available} of the {counting} studies",
    )


def other_findings(outcomes: Sequence[Rated]) -> Table:
    """Return the summary of findings of rates, maintenance and safety."""
    frame = pd.DataFrame(
        [{"Outcome": o.label, "Result": o.result, "Studies": o.basis, "Certainty": o.certainty} for o in outcomes],
        dtype=object,
    )
    note = (
        "TCI: topical calcineurin inhibitor. A rate shows how many treated people reach an outcome, not what the"
        " treatment adds. For such a rate, studies of treated people start at high certainty (Iorio and colleagues,"
        " BMJ 2015). The randomised trial of maintenance starts at high certainty for its comparison. Rates by body"
        " site, in children and at lower thresholds are not rated separately, because they come from the same"
        " studies and share the same reasons. Rare and late harms are not rated, because no included study was"
        " designed to find them."
    )
    return Table(frame, "Summary of findings: rates, maintenance and safety", note)


def rate_statements(evidence: Evidence, outcomes: Sequence[Rated]) -> str:
    """Return one list item for each outcome other than comparisons: finding, certainty and every reason."""
    return "\n".join(
        f"- **{for_markdown(outcome.label)}.** {in_markdown(outcome.finding)}."
        f" {level_with_reasons(evidence, outcome.key, outcome.certainty, outcome.numbers)}"
        f" Evidence not available: {outcome.not_retrieved}."
        for outcome in outcomes
    )


def judgements(evidence: Evidence, questions: Sequence[Question], outcomes: Sequence[Rated] = ()) -> Table:
    """Return every judgement with its reason and the numbers relevant to it.

    The last row of each outcome states which data could not be retrieved, which is not a domain of GRADE.
    """
    domains = evidence.meaning("certainty_domain")
    rows = []
    for key, name, numbers, missing in [*_judged_comparisons(evidence, questions), *map(_judged_outcome, outcomes)]:
        for row in evidence.certainty[evidence.certainty.outcome == key].itertuples():
            text, levels = numbers.get(row.domain, ("", None))
            cells = {
                "Domain": sentence_case(domains[row.domain]),
                "Levels": f"−{row.levels:g}" if row.levels else "0",
                "Reason": row.reason,
                "Numbers": Phrase(text, _levels_by_numbers(levels, row.levels)),
            }
            rows.append((name, cells))
        cells = {"Domain": "Evidence not available", "Levels": NOTHING, "Reason": f"{sentence_case(missing)}."}
        rows.append((name, {**cells, "Numbers": ""}))
    frame = grouped(rows, "Outcome")
    note = (
        "Levels: number of levels by which the domain lowers the certainty. Numbers: computed from the data of this"
        " edition. Evidence not available is not a domain of GRADE and does not lower the certainty: it is a limitation"
        " of this book, not of the trials."
    )
    return Table(frame, "Judgements of certainty", note, numeric=["Levels"])


def _judged_comparisons(evidence: Evidence, questions: Sequence[Question]) -> Iterator[tuple[str, str, Numbers, str]]:
    """Yield key, name, numbers and the data not retrieved of every rated comparison."""
    for question in questions:
        for outcome in evidence.outcomes[evidence.outcomes.question == question.key].itertuples():
            compared = compare(question.at(outcome.threshold))
            if compared is not None:
                name = f"{label(compared.rows)}: {outcome.label}"
                missing = not_retrieved(question, outcome.threshold)
                key = comparison_key(question.key, outcome.threshold)
                numbers = numbers_by_domain(evidence, compared, key)
                yield outcome.outcome, name, numbers, missing


def _judged_outcome(outcome: Rated) -> tuple[str, str, Numbers, str]:
    return outcome.key, outcome.label, outcome.numbers, outcome.not_retrieved


def _levels_by_numbers(levels: int | None, judged: float) -> str:
    """State by how much the numbers alone would lower the certainty, and whether the judgement differs."""
    if levels is None:
        return ""
    alone = f"lower the certainty by {count(levels, 'level')}" if levels else "not lower the certainty"
    return f"; the numbers alone would {alone}" + ("" if levels == judged else "; the judgement differs")
