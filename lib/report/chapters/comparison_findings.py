"""Findings of comparisons within trials, in sentences worded by certainty, and their forest plots.

Belongs here: findings, their limitations, and captions. Does not belong here: tables (`comparison_tables`), and the
certainty itself (`certainty`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import Markdown

from lib.evidence import RESPONSES, THRESHOLD_NAMES, Evidence, Question, compare
from lib.report import figures
from lib.report.absolute_effects import absolute
from lib.report.chapters.certainty import (
    DOUBT,
    NOT_JUDGED,
    certainty_of_comparison,
    level_with_reasons,
    numbers_by_domain,
    outcome_key,
)
from lib.report.chapters.comparison_effects import (
    includes_no_effect,
    informative,
    label,
    own_ratios,
    per_100,
    per_100_with,
    prediction,
    treatments,
)
from lib.report.chapters.comparison_tables import without
from lib.report.entries import Entry, comparison_key
from lib.report.marked_text import Phrase, in_sentence
from lib.report.tables import Table
from lib.report.text_safety import for_markdown
from lib.report.trial_entries import WITHOUT_CONCERNS, compare_some, compare_without_concerns, trial_keys
from lib.report.wording import count, percent, ratio, sentence_case, stated

_SIMILAR = (0.8, 1.25)
"""Risk ratios between these are worded as little or no difference; a choice of this project."""


def finding(evidence: Evidence, question: Question, threshold: str) -> str:
    """State the finding of a comparison as a sentence about the treatments, worded by its certainty.

    GRADE's informative statements: high certainty states the effect, moderate adds "probably", low says "may", very
    low adds that the evidence is very uncertain (Santesso et al. 2020, doi:10.1016/j.jclinepi.2019.10.014).

    Parameters
    ----------
    evidence : Evidence
        One edition.
    question : Question
        The comparison.
    threshold : str
        Threshold of repigmentation.

    Returns
    -------
    str
        Without a full stop at its end.
    """
    compared = compare(question.at(threshold))
    if compared is None:
        return f"No trial of {for_markdown(question.label)} has available counts of {RESPONSES[threshold]}"
    treated, control = map(for_markdown, treatments(compared.rows))
    effect, level = compared.risk_ratio, certainty_of_comparison(evidence, question, threshold)
    if not math.isfinite(effect.estimate):
        return f"{sentence_case(treated)} and {control} cannot be compared: nobody or everybody responded"
    result = "the one trial" if len(informative(compared)) == 1 else "the pooled result"
    verb = {"High": "makes", "Moderate": "probably makes"}.get(level, "may make")
    unclear, response = includes_no_effect(effect), RESPONSES[threshold]
    low, high = _SIMILAR
    if unclear and (level in ("High", "Moderate") or low <= effect.estimate <= high):
        statement = f"{verb} little or no difference to the chance of {response} compared with {control}"
        possible = ["benefit"] * (effect.ci_high > high) + ["harm"] * (effect.ci_low < low)
        limits = [f"{result} does not exclude an important {' or '.join(possible)}"] if possible else []
    else:
        statement = f"{verb} {response} {'more' if effect.estimate > 1 else 'less'} likely than {control}"
        limits = [f"{result} does not show a clear difference"] if unclear else []
    if level in DOUBT:
        limits.append(DOUBT[level])
    return f"{sentence_case(treated)} {statement}" + (f", but {' and '.join(limits)}" if limits else "")


def estimates(question: Question, threshold: str) -> str:
    """State the numbers behind `finding`: ratio, number of trials, and absolute effect with its baseline risk."""
    compared = compare(question.at(threshold))
    if compared is None:
        return ""
    rows, effect = compared.rows, absolute(compared)
    trials = informative(compared)
    if trials.empty or not math.isfinite(compared.risk_ratio.estimate):
        return (
            "A risk ratio cannot be calculated: in both arms of"
            f" {count(len(rows), 'trial')}, nobody or everybody responded."
        )
    key = functools.partial(comparison_key, question.key, threshold)
    value = in_sentence(ratio(compared.risk_ratio), key("rr"))
    text = f"The risk ratio is {value} in {count(len(trials), 'trial')}, {_randomised(trials)}."
    if len(trials) < len(rows):
        names = ", ".join(map(for_markdown, rows.label[~rows.study.isin(trials.study)]))
        text += f" Left out, because nobody or everybody responded in both arms: {names}."
    difference = in_sentence(per_100(*effect.difference), key("difference"))
    source = f"{', '.join(map(for_markdown, rows.label))}: {rows.control_events.sum():g} of {rows.control_n.sum():g}"
    if not effect.from_ratio:
        return (
            f"{text} Nobody responded in the control arms ({source}). The ratio therefore depends on a"
            " [continuity correction](glossary.md#continuity-correction), and no absolute effect can be derived from"
            f" it; the observed difference is {difference} per 100."
        )
    without, treated = in_sentence(percent(effect.without, 0, ""), key("without")), per_100_with(effect)
    return (
        f"{text} In the control arms, {without} per 100 responded ({source}). With this risk ratio,"
        f" {in_sentence(treated, key('with'))} per 100 would respond with the treatment: {difference} per 100."
    )


def _randomised(trials: pd.DataFrame) -> str:
    """State how many of the trials were randomised: ``all of them randomised``."""
    randomised = int((trials.randomised == "yes").sum())
    if len(trials) == 1:
        return "randomised" if randomised else "not known to be randomised"
    return f"{'all' if randomised == len(trials) else randomised} of them randomised"


def limitations(evidence: Evidence, question: Question, threshold: str) -> str:
    """State the limitations of a result: concerns about trials, trials at other thresholds, trials without counts."""
    sentences, compared = [], compare(question.at(threshold))
    without_concern = compare_without_concerns(evidence, compared.rows) if compared is not None else None
    if without_concern is not None:
        key = comparison_key(question.key, threshold, "rr", WITHOUT_CONCERNS)
        trials = count(len(informative(without_concern)), "trial")
        sentences.append(
            "Without the trials that raise a concern about pooling (see *Limitations of the trials* below), the"
            f" ratio is {in_sentence(ratio(without_concern.risk_ratio), key)} in {trials}."
        )
    sentences += _at_other_thresholds(question, threshold)
    return " ".join([*sentences, f"Evidence not available: {not_retrieved(question, threshold)}."])


def _at_other_thresholds(question: Question, threshold: str) -> list[str]:
    """Describe each trial that has counts at another threshold only, in a sentence of its own."""
    sentences = []
    others = question.at_other_thresholds(threshold)
    for row, key in zip(others.itertuples(), trial_keys(question, others), strict=True):
        compared = compare_some(others.loc[[row.Index]])
        treated, control = map(for_markdown, treatments(compared.rows))
        sentences.append(
            f"For {RESPONSES[row.threshold]}, counts are available from {for_markdown(row.label)}: {row.events:g} of"
            f" {row.n:g} with {treated} and {row.control_events:g} of {row.control_n:g} with {control}"
            + (f", risk ratio {in_sentence(ratio(compared.risk_ratio), key)}." if compared.risk_ratio.k else ".")
        )
    return sentences


def not_retrieved(question: Question, threshold: str) -> str:
    """State how many of the trials that made a comparison are without available counts at a threshold."""
    trials, missing = question.trials.study.nunique(), question.without(threshold).study.nunique()
    return f"counts at this threshold from {missing} of {count(trials, 'trial')}"


def summary_sentences(evidence: Evidence, question: Question, threshold: str) -> str:
    """State a finding, its certainty with every reason that lowered it, and the data that could not be retrieved.

    Returns
    -------
    str
        Sentences, without a full stop at the end of the last.
    """
    compared = compare(question.at(threshold))
    sentences = [f"{finding(evidence, question, threshold)}."]
    level = certainty_of_comparison(evidence, question, threshold)
    if compared is not None and level != NOT_JUDGED:
        numbers = numbers_by_domain(evidence, compared, comparison_key(question.key, threshold))
        sentences.append(level_with_reasons(evidence, outcome_key(evidence, question, threshold), level, numbers))
    sentences += _at_other_thresholds(question, threshold)
    return " ".join([*sentences, f"Evidence not available: {not_retrieved(question, threshold)}"])


def abstract_sentences(evidence: Evidence, question: Question, entries: Mapping[str, Entry]) -> str:
    """State the marked response to a calcineurin inhibitor added to phototherapy, for the abstract, in Markdown."""
    entry = entries.get(comparison_key(question.key, "ge75"))
    if entry is None:
        return "No trial has available responder counts in both arms."
    return (
        "A response rate does not show what a treatment adds, because some patients improve without it. Trials that"
        " compared a calcineurin inhibitor plus phototherapy with phototherapy alone can show this:"
        f" {count(entry.k, 'trial has', 'trials have')} available responder counts in both arms, and the risk ratio of"
        f" a marked response is {stated(entry)}. {finding(evidence, question, 'ge75')}."
        " [Comparisons with control treatments](comparisons.ipynb) shows the trials and their limitations, and"
        " [Certainty of the evidence](certainty.ipynb) gives the reasons for the certainty."
    )


def result_sentences(evidence: Evidence, question: Question, threshold: str) -> str:
    """State a finding in bold, its numbers and its limitations, in Markdown."""
    first = f"**{finding(evidence, question, threshold)}.**"
    return f"{first} {estimates(question, threshold)} {limitations(evidence, question, threshold)}"


def rated_comparisons(evidence: Evidence, questions: Sequence[Question]) -> list[tuple[Question, str]]:
    """Return each question that has a rated outcome, with its `summary_sentences`."""
    rows = evidence.outcomes[evidence.outcomes.kind == "comparison"]
    question_by_key = {question.key: question for question in questions}
    return [
        (question_by_key[row.question], summary_sentences(evidence, question_by_key[row.question], row.threshold))
        for row in rows.itertuples()
    ]


def forest_caption(question: Question, threshold: str) -> Phrase:
    """Return the caption of a question's forest plot at one threshold."""
    trials = question.at(threshold)
    response = "any repigmentation" if threshold == "any" else THRESHOLD_NAMES[threshold]
    n_trials = count(question.trials.study.nunique(), "trial")
    caption = f"{label(trials)}, {response}: {len(trials)} of {n_trials} with available counts"
    patches = trials[trials.unit == "patches"]
    if len(patches):
        caption += f". Unit of analysis: patches in {', '.join(patches.label)}"
    parts = [caption]
    if len(trials) > 1:
        pooled = compare_some(trials).risk_ratio
        parts += [f". I² {100 * pooled.i2:.0f}%; ", prediction(pooled, comparison_key(question.key, threshold))]
        if pooled.dropped.any():
            names = ", ".join(trials.label[pooled.dropped])
            parts.append(f". Left out, because nobody or everybody responded in both arms: {names}")
    return Phrase(*parts, ". * The same patients received both treatments." if trials.paired.any() else ".")


def forest(question: Question, threshold: str) -> figures.Picture | figures.Listing | Markdown:
    """Plot the risk ratio of each trial of a question at one threshold, and their pooled ratio."""
    compared = compare(question.at(threshold))
    if compared is None:
        return Markdown(f"No trial has available counts of {RESPONSES[threshold]}.")
    caption = forest_caption(question, threshold)
    trials = compared.rows
    return figures.show(
        figures.comparison_plot,
        trials,
        own_ratios(trials),
        compared.risk_ratio,
        caption=caption,
        keys=trial_keys(question, trials),
        pooled_key=comparison_key(question.key, threshold),
        name=f"{question.key}-{threshold}",
    )


def shown_trial_by_trial(question: Question) -> figures.Picture | figures.Listing | Table:
    """Plot every trial of a question by itself; if none has available counts, list the trials."""
    if question.pairs.empty:
        return without(question)
    treatments_by_trial = [
        f"{name}: {' versus '.join(treatments(rows))}" for name, rows in question.pairs.groupby("label", sort=False)
    ]
    caption = f"{question.label}: each trial separately; no trials are pooled. {'; '.join(treatments_by_trial)}."
    if question.pairs.paired.any():
        caption += " * The same patients received both treatments."
    return figures.show(
        figures.comparison_plot,
        question.pairs,
        own_ratios(question.pairs),
        caption=caption,
        keys=trial_keys(question, question.pairs),
        name=f"{question.key}-by-trial",
    )
