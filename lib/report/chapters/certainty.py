"""Determine how certain the evidence for an outcome is, by the GRADE approach.

Belongs here: the parts of a GRADE judgement that follow from numbers, the level that results from all judgements, and
their reasons in words. Does not belong here: the judgements themselves, which are data (``data/certainty.csv``).
"""

from __future__ import annotations

from lib.evidence import Comparison, Evidence, Question
from lib.report.chapters import risk_of_bias
from lib.report.chapters.comparison_effects import includes_no_effect, prediction
from lib.report.marked_text import Phrase, in_markdown
from lib.report.wording import count, listed, within_sentence

LEVELS = ("Very low", "Low", "Moderate", "High")
"""GRADE's levels of certainty, in ascending order; randomised trials start at the highest (Guyatt et al. 2011,
doi:10.1016/j.jclinepi.2010.04.026)."""

NOT_JUDGED = "Not judged"

DOUBT = {"Very low": "the evidence is very uncertain", NOT_JUDGED: "the certainty has not been judged"}
"""Reservation that is added to a finding, by its certainty."""

_DOMAINS = ("risk_of_bias", "inconsistency", "indirectness", "imprecision", "publication_bias")

Numbers = dict[str, tuple[str, int | None]]
"""For each domain, the relevant numbers in words, and the levels by which they alone would lower the certainty."""

_LARGE_I2 = 0.5
"""Above this I², the results of trials are inconsistent."""

_ENOUGH_RESPONDERS = 300
"""With fewer responders in all trials together, a result is imprecise."""


def numbers_by_domain(evidence: Evidence, compared: Comparison, key: str) -> Numbers:
    """Return the numbers of a comparison that are relevant to each domain of GRADE.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    compared : Comparison
        The pooled comparison.
    key : str
        Key of its risk ratio in the registry, which the numbers carry.

    Returns
    -------
    dict of str to (str, int or None)
        By domain, the numbers in words, and the levels by which they alone would lower the certainty (None if numbers
        do not determine them). Inconsistency: I² above 50%, or a prediction interval that includes no effect while the
        confidence interval does not. Imprecision: one level for fewer than 300 responders and one for an interval that
        includes no effect (Guyatt et al. 2011, doi:10.1016/j.jclinepi.2011.01.012).
    """
    result, trials, facts = compared.risk_ratio, compared.rows, facts_by_domain(compared)
    numbers: Numbers = dict.fromkeys(_DOMAINS, ("", None))
    numbers["risk_of_bias"] = (risk_of_bias.overall_in_words(evidence, trials.study), None)
    if result.k > 1:
        text = Phrase(f"I² {100 * result.i2:.0f}%; ", prediction(result, key))
        numbers["inconsistency"] = (text, int("trials_differ" in facts["inconsistency"]))
    imprecise = "includes_no_effect" in facts["imprecision"]
    size = f"{count(_responders(compared), 'responder')}, interval {'includes' if imprecise else 'excludes'} no effect"
    numbers["imprecision"] = (size, int("few_responders" in facts["imprecision"]) + int(imprecise))
    return numbers


def facts_by_domain(compared: Comparison) -> dict[str, tuple[str, ...]]:
    """Return the facts about the numbers of a comparison on which a judgement of a domain can rest.

    Returns
    -------
    dict of str to tuple of str
        By domain, codes of the list ``certainty_fact`` of ``data/codes.csv``.
    """
    result = compared.risk_ratio
    imprecise = includes_no_effect(result)
    inconsistent = result.predicts and (result.pi_low <= 1 <= result.pi_high) and not imprecise
    differ = result.i2 > _LARGE_I2 or inconsistent
    few = _responders(compared) < _ENOUGH_RESPONDERS
    agreement = "one_trial" if result.k == 1 else "trials_differ" if differ else "trials_agree"
    return {
        "inconsistency": (agreement,) if result.k else (),
        "imprecision": (
            "includes_no_effect" if imprecise else "excludes_no_effect",
            "few_responders" if few else "enough_responders",
        ),
    }


def _responders(compared: Comparison) -> int:
    return int(compared.rows.events.sum() + compared.rows.control_events.sum())


def outcome_key(evidence: Evidence, question: Question, threshold: str) -> str:
    """Return the key of the rated outcome of a question at a threshold; empty if none is rated."""
    rows = evidence.outcomes
    rows = rows[(rows.kind == "comparison") & (rows.question == question.key) & (rows.threshold == threshold)]
    return rows.outcome.iloc[0] if len(rows) else ""


def certainty_of_comparison(evidence: Evidence, question: Question, threshold: str) -> str:
    """Return the certainty of a comparison: a level of `LEVELS`, or `NOT_JUDGED` if a judgement is missing.

    Evidence from randomised trials starts at high certainty, other comparisons at low.
    """
    trials = question.at(threshold)
    if trials.empty:
        return NOT_JUDGED
    start = "High" if (trials.randomised == "yes").all() else "Low"
    return lowered_level(evidence, outcome_key(evidence, question, threshold), start)


def lowered_level(evidence: Evidence, outcome: str, start: str) -> str:
    """Return the level of certainty after the judgements on an outcome have lowered the level ``start``."""
    rows = evidence.certainty[evidence.certainty.outcome == outcome]
    if set(rows.domain) != set(_DOMAINS):
        return NOT_JUDGED
    return LEVELS[max(LEVELS.index(start) - int(rows.levels.sum()), 0)]


def certainty_of_rate(evidence: Evidence, outcome: str) -> str:
    """Return the certainty of a rate in treated people.

    Studies of one treated group start at high certainty for the proportion that responds, but not for the effect of the
    treatment (Iorio et al. 2015, doi:10.1136/bmj.h870). GRADE's five domains then lower it as for a comparison.
    """
    return lowered_level(evidence, outcome, "High")


def reasons(evidence: Evidence, outcome: str, numbers: Numbers) -> str:
    """Name every domain that lowers the certainty of an outcome, those that lower it most first.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    outcome : str
        Key of ``data/outcomes.csv``.
    numbers : dict
        As `numbers_by_domain` returns them, shown in brackets; for a domain without numbers, the recorded reason is.

    Returns
    -------
    str
        Such as ``imprecision by two levels (5 responders, interval includes no effect) and risk of bias by one level``;
        empty if nothing lowers it.
    """
    rows = evidence.certainty[(evidence.certainty.outcome == outcome) & (evidence.certainty.levels > 0)]
    names = evidence.meaning("certainty_domain")
    parts = []
    for row in rows.sort_values("levels", ascending=False, kind="stable").itertuples():
        text = in_markdown(numbers.get(row.domain, ("", None))[0] or row.reason.rstrip("."))
        levels = {1: "one level", 2: "two levels"}[int(row.levels)]
        parts.append(f"{names[row.domain]} by {levels} ({within_sentence(text)})")
    return listed(parts)


def level_with_reasons(evidence: Evidence, outcome: str, level: str, numbers: Numbers) -> str:
    """State the certainty of an outcome in a sentence, with every reason that lowered it (`reasons`)."""
    lowered = reasons(evidence, outcome, numbers)
    return f"The certainty is {level.lower()}" + (f", lowered for {lowered}." if lowered else ".")


def with_certainty(level: str, sentence: str) -> str:
    """Insert the word for a level of certainty into a sentence, and add a reservation if the certainty is very low.

    Parameters
    ----------
    level : str
        A level of `LEVELS`, or `NOT_JUDGED`.
    sentence : str
        With ``{}`` before its verb, and without a full stop.
    """
    word = {"High": "", "Moderate": "probably "}.get(level, "may ")
    return sentence.format(word) + (f", but {DOUBT[level]}" if level in DOUBT else "")
