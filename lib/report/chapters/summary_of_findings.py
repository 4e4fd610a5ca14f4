"""Tables and sentences of comparisons within trials, and the summary of findings.

Belongs here: how a comparison and its certainty are written, and what of a GRADE judgement follows from numbers. The
judgements themselves are data (``data/certainty.csv``); the pooling is in `comparisons`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from IPython.display import Markdown

from lib.evidence import (
    PHOTOTHERAPY_NAMES,
    RESPONSES,
    THRESHOLDS,
    Comparison,
    Evidence,
    Question,
    assume_correlation,
    compare,
    reference_numbers,
)
from lib.published import Result
from lib.report.chapters import risk_of_bias
from lib.report.figures import (
    PAIR,
    Picture,
    comparison,
    own_ratios,
    percent,
    ratio_number,
    ratio_text,
    show,
)
from lib.report.registry import Stated
from lib.report.tables import NOTHING, REGIMEN_NAMES, THRESHOLD_NAMES, Table, count, plain, rate
from lib.stats import Pooled

LEVELS = ("Very low", "Low", "Moderate", "High")
"""GRADE's levels of certainty; randomised trials begin at the last (Guyatt et al. 2011,
doi:10.1016/j.jclinepi.2010.04.026)."""
NOT_JUDGED = "Not judged"
_DOUBT = {"Very low": "the evidence is very uncertain", NOT_JUDGED: "the certainty has not been judged"}
_DOMAINS = ("risk_of_bias", "inconsistency", "indirectness", "imprecision", "publication_bias")
_ASSUMED = (0.3, 0.6)
_LARGE_I2 = 0.5
_RESPONDERS = 300
_ALL = "All trials"
_SIMILAR = (0.8, 1.25)
"""Risk ratios between these are worded as little or no difference; a choice of this project."""


# --- Numbers and names in sentences -----------------------------------------------------------------------


def ratio(pooled: Pooled) -> str:
    """Return a risk ratio with its interval for a sentence: ``1.90 (95% CI 1.37 to 2.62)``."""
    return f"{ratio_number(pooled.estimate)} (95% CI {_between(pooled.ci_low, pooled.ci_high)})"


def treatments(rows: pd.DataFrame) -> tuple[str, str]:
    """Name the two treatments of a comparison as the trials had them.

    Parameters
    ----------
    rows : DataFrame
        One row for each trial, as in `comparisons.Question.pairs`.

    Returns
    -------
    tuple of str
        Treated and control arm: ``("tacrolimus 0.03%", "hydrocortisone acetate 1%")``.
    """
    treated, control = (list(dict.fromkeys(rows[name])) for name in ("given", "control_given"))
    given = " or ".join(treated)
    kinds = list(dict.fromkeys(rows.phototherapy))
    if kinds == ["none"]:
        return given, " or ".join("no treatment" if name == "none" else name for name in control)
    light = PHOTOTHERAPY_NAMES.get(kinds[0], kinds[0]) if len(kinds) == 1 else "phototherapy"
    beside = [name for name in control if name != "none"]
    alone = ["alone"] if "none" in control else []
    return f"{given} plus {light}", f"{light} {' or '.join([*alone, *(f'with {name}' for name in beside)])}"


def label(rows: pd.DataFrame) -> str:
    """Return the label of a comparison: ``Tacrolimus 0.03% versus hydrocortisone acetate 1%``."""
    treated, control = treatments(rows)
    return f"{_sentence_case(treated)} versus {control}"


def per_100(estimate: float, low: float, high: float) -> str:
    """Return a difference of proportions as patients of 100: ``30 more (15 to 45 more)``."""
    estimate, low, high = (round(100 * value) for value in (estimate, low, high))

    def side(value: float) -> str:
        return "more" if value > 0 else "fewer" if value < 0 else ""

    first = f"{abs(estimate)} {side(estimate)}".strip()
    if low >= 0 or high <= 0:
        ends = sorted((abs(low), abs(high)))
        return f"{first} ({ends[0]} to {ends[1]} {side(low or high)}".rstrip() + ")"
    return f"{first} ({abs(low)} fewer to {high} more)"


@dataclass(frozen=True)
class Absolute:
    """The absolute effect of a comparison, as proportions within 0 and 1.

    Attributes
    ----------
    without : float
        Baseline risk: the share of responders in all control arms together.
    estimate, ci_low, ci_high : float
        Share of responders with the treatment, and its 95% confidence interval.
    from_ratio : bool
        Whether these are the baseline risk times the risk ratio. A baseline risk of 0 has no such product: they are
        then the baseline risk plus the trials' risk difference.
    """

    without: float
    estimate: float
    ci_low: float
    ci_high: float
    from_ratio: bool

    @property
    def difference(self) -> tuple[float, float, float]:
        """Responders with the treatment less those without: estimate and 95% confidence interval."""
        return self.estimate - self.without, self.ci_low - self.without, self.ci_high - self.without


def absolute(compared: Comparison) -> Absolute:
    """Apply the relative effect of a comparison to the risk in its control arms (Guyatt et al. 2013).

    The summary of findings has one effect in each row, the risk ratio, and its absolute effect follows from it
    (doi:10.1016/j.jclinepi.2012.01.012).
    """
    rows = compared.rows
    without = float(rows.control_events.sum() / rows.control_n.sum())
    from_ratio = without > 0 and math.isfinite(compared.risk_ratio.estimate)
    if from_ratio:
        values = [without * value for value in _interval(compared.risk_ratio)]
    else:
        values = [without + value for value in _interval(compared.risk_difference)]
    return Absolute(without, *(min(max(value, 0.0), 1.0) for value in values), from_ratio)


def risk_difference(compared: Comparison) -> str:
    """Return the trials' risk difference as patients of 100, no more of them than there can be."""
    without = float(compared.rows.control_events.sum() / compared.rows.control_n.sum())
    return per_100(*(min(max(value, -without), 1 - without) for value in _interval(compared.risk_difference)))


def number_needed(compared: Comparison) -> str:
    """Return the number of patients, or patches, to be treated for one more to respond (Cook & Sackett 1995).

    The reciprocal of the risk difference, rounded up as is usual (doi:10.1136/bmj.310.6977.452), with its interval.
    Where the interval of the difference or of the ratio includes no effect, the number has no finite interval, and a
    dash is returned.
    """
    estimate, low, high = _interval(compared.risk_difference)
    if not (low > 0 and compared.risk_ratio.ci_low > 1):
        return NOTHING
    # Rounded first: the reciprocal of a difference of 1/10 may be a little above 10.
    needed, least, most = (math.ceil(round(1 / value, 6)) for value in (estimate, high, low))
    return f"{needed} ({least} to {most})"


def _interval(pooled: Pooled) -> tuple[float, float, float]:
    return pooled.estimate, pooled.ci_low, pooled.ci_high


def _between(low: float, high: float) -> str:
    return f"{ratio_number(low)} to {ratio_number(high)}"


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _informative(compared: Comparison) -> pd.DataFrame:
    """Return the trials that inform the ratio: not those with no responder, or nobody else, in both arms."""
    return compared.rows[~compared.risk_ratio.dropped]


def _ratio_cell(pooled: Pooled, key: str = "") -> str:
    """Return a ratio for a cell of a table, with its key where it is registered; a dash where there is none."""
    if not math.isfinite(pooled.estimate):
        return NOTHING
    text = ratio_text(*_interval(pooled))
    return Stated(text, key) if key else text


def _key(found: Question, threshold: str, name: str = "rr") -> str:
    """Return the key of the pooled result of a question in the registry."""
    return f"comparison.{found.key}.{threshold}.{name}"


def _includes_no_effect(pooled: Pooled) -> bool:
    return not (pooled.ci_low > 1 or pooled.ci_high < 1)


def _prediction(pooled: Pooled) -> str:
    """Say where the true ratio of another trial may lie, or that so few trials do not show it."""
    if not pooled.predicts:
        return f"{count(pooled.k, 'trial')} cannot show how far the true ratio of another trial may lie from this one"
    return f"another trial's true ratio may lie from {_between(pooled.pi_low, pooled.pi_high)}"


# --- What the trials found --------------------------------------------------------------------------------


def finding(evidence: Evidence, found: Question, threshold: str) -> str:
    """State what a comparison found about the treatments, worded by its certainty.

    GRADE's informative statements: high certainty states the effect, moderate adds "probably", low says "may", very
    low adds that the evidence is very uncertain (Santesso et al. 2020, doi:10.1016/j.jclinepi.2019.10.014).

    Parameters
    ----------
    evidence : Evidence
        One edition.
    found : Question
        The comparison.
    threshold : str
        Threshold of repigmentation.

    Returns
    -------
    str
        Without a full stop at its end.
    """
    compared = compare(found.at(threshold))
    if compared is None:
        return f"No trial of {plain(found.label)} has available counts of {RESPONSES[threshold]}"
    treated, control = map(plain, treatments(compared.rows))
    effect, level = compared.risk_ratio, certainty(evidence, found, threshold)
    if not math.isfinite(effect.estimate):
        return f"{_sentence_case(treated)} and {control} cannot be compared: the arms have no responders, or no others"
    shown = "the one trial" if len(_informative(compared)) == 1 else "the pooled result"
    doubt = _DOUBT.get(level)
    firm = level in ("High", "Moderate")
    verb = {"High": "makes", "Moderate": "probably makes"}.get(level, "may make")
    unclear = _includes_no_effect(effect)
    low, high = _SIMILAR
    if unclear and (firm or low <= effect.estimate <= high):
        said = f"{verb} little or no difference to the chance of {RESPONSES[threshold]} compared with {control}"
        wide = [side for side, beyond in (("benefit", effect.ci_high > high), ("harm", effect.ci_low < low)) if beyond]
        but = [f"{shown} does not exclude an important {' or '.join(wide)}"] if wide else []
    else:
        said = f"{verb} {RESPONSES[threshold]} {'more' if effect.estimate > 1 else 'less'} likely than {control}"
        but = [f"{shown} does not show a clear difference"] if unclear else []
    but += [doubt] if doubt else []
    return f"{_sentence_case(treated)} {said}" + (f", but {' and '.join(but)}" if but else "")


def estimates(found: Question, threshold: str) -> str:
    """Give the numbers behind `finding`: the ratio, how many trials, and the absolute effect with its baseline."""
    compared = compare(found.at(threshold))
    if compared is None:
        return ""
    rows, effect = compared.rows, absolute(compared)
    within = _informative(compared)
    if within.empty or not math.isfinite(compared.risk_ratio.estimate):
        return (
            f"A risk ratio cannot be formed: in {count(len(rows), 'trial')} the arms have no responders, or no others."
        )
    randomised = int((within.randomised == "yes").sum())
    of_them = (
        f"{'all' if randomised == len(within) else randomised} of them randomised"
        if len(within) > 1
        else "randomised"
        if randomised
        else "not known to be randomised"
    )
    stated = Stated(ratio(compared.risk_ratio), _key(found, threshold))._repr_html_()
    first = f"The risk ratio is {stated} in {count(len(within), 'trial')}, {of_them}."
    if len(within) < len(rows):
        names = ", ".join(map(plain, rows.label[~rows.study.isin(within.study)]))
        first += f" Without information on the ratio, and not in it: {names}."
    if not effect.from_ratio:
        return (
            f"{first} Nobody responded in the control arms ({_baseline_source(rows)}), so the ratio rests on a"
            f" correction and has no absolute effect; the observed difference is {per_100(*effect.difference)} per 100."
        )
    return (
        f"{first} In the control arms ({_baseline_source(rows)}) {percent(effect.without, 0, '')} of 100 responded; by"
        f" this ratio {_per_100_with(effect)} would respond with the treatment, {per_100(*effect.difference)}."
    )


def reservations(evidence: Evidence, found: Question, threshold: str) -> str:
    """Say what limits a result: concerns about its trials, trials at another threshold, and trials without counts."""
    said, compared = [], compare(found.at(threshold))
    if compared is not None:
        firm = compare(compared.rows[~compared.rows.study.isin(evidence.concerns.study)])
        within = firm is not None and len(_informative(firm))
        if within and len(firm.rows) < len(compared.rows):
            said.append(
                f"Without the trials about which there is a concern (see the remarks below) the ratio is"
                f" {ratio(firm.risk_ratio)} in {count(within, 'trial')}."
            )
    said += _elsewhere(found, threshold)
    return " ".join([*said, f"{_not_retrieved(found, threshold)}."])


def _elsewhere(found: Question, threshold: str) -> list[str]:
    """Report each trial that has counts at another threshold only, in a sentence of its own."""
    sentences = []
    for _, row in found.at_other_thresholds(threshold).iterrows():
        one = compare(row.to_frame().T.infer_objects())
        treated, control = map(plain, treatments(one.rows))
        sentences.append(
            f"{plain(row.label)} has counts of {RESPONSES[row.threshold]} instead: {row.events:g} of {row.n:g} with"
            f" {treated} and {row.control_events:g} of {row.control_n:g} with {control}"
            + (f", risk ratio {ratio(one.risk_ratio)}." if one.risk_ratio.k else ".")
        )
    return sentences


def _not_retrieved(found: Question, threshold: str) -> str:
    """Say how many of the trials that made a comparison are without available counts at a threshold."""
    made, without = found.trials.study.nunique(), found.without(threshold).study.nunique()
    return f"Evidence not retrieved: counts at this threshold from {without} of {count(made, 'trial')}"


def _baseline_source(rows: pd.DataFrame) -> str:
    return ", ".join(map(plain, rows.label)) + f": {rows.control_events.sum():g} of {rows.control_n.sum():g}"


def forest_caption(found: Question, threshold: str) -> str:
    """Return the caption of a question's forest plot at one threshold."""
    trials = found.at(threshold)
    made = count(found.trials.study.nunique(), "trial")
    named = "any repigmentation" if threshold == "any" else THRESHOLD_NAMES[threshold]
    caption = f"{label(trials)}, {named}: {len(trials)} of {made} with available counts"
    patches = trials[trials.unit == "patches"]
    if len(patches):
        caption += f". Counted in patches: {', '.join(patches.label)}"
    if len(trials) > 1:
        pooled = compare(trials).risk_ratio
        caption += f". I² {100 * pooled.i2:.0f}%; {_prediction(pooled)}"
        if pooled.dropped.any():
            caption += f". Without information on the ratio, and not in it: {', '.join(trials.label[pooled.dropped])}"
    return caption + (". * Both arms are the same patients." if trials.paired.any() else ".")


def forest(found: Question, threshold: str) -> Picture | Markdown:
    """Draw what each trial of a question found at one threshold, and their pooled ratio."""
    compared = compare(found.at(threshold))
    if compared is None:
        return Markdown(f"No trial has available counts of {RESPONSES[threshold]}.")
    return show(comparison, compared.rows, compared.risk_ratio, caption=forest_caption(found, threshold))


def shown_trial_by_trial(found: Question) -> Picture | Table:
    """Draw every trial of a question by itself; if none has available counts, list the trials."""
    if found.pairs.empty:
        return without(found)
    caption = f"{found.label}: each trial by itself, nothing pooled. {'; '.join(_named(found.pairs))}."
    if found.pairs.paired.any():
        caption += " * Both arms are the same patients."
    return show(comparison, found.pairs, caption=caption)


def _named(pairs: pd.DataFrame) -> list[str]:
    """Name each trial with what it compared: ``Rafiq 2016: tacrolimus 0.03% versus clobetasol 0.05%``."""
    return [f"{name}: {' versus '.join(treatments(rows))}" for name, rows in pairs.groupby("label", sort=False)]


# --- Tables -----------------------------------------------------------------------------------------------


def pairs(found: Question) -> Table | Markdown:
    """List the available counts of both arms for every trial and threshold of a question."""
    rows = found.pairs
    if rows.empty:
        return Markdown("No trial has available counts of both arms.")
    own = own_ratios(rows)
    frame = pd.DataFrame(
        {
            "Trial": rows.label,
            "Arms": [" versus ".join(treatments(rows.loc[[i]])) for i in rows.index],
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "Treated": [f"{row.events:g}/{row.n:g}" for row in rows.itertuples()],
            "Control": [f"{row.control_events:g}/{row.control_n:g}" for row in rows.itertuples()],
            "Unit": rows.unit,
            "RR (95% CI)": [ratio_text(*values) for values in zip(own.estimate, own.ci_low, own.ci_high, strict=True)],
            "Same patients": rows.paired.map({True: "yes", False: "no"}),
            "Randomised": rows.randomised,
        }
    )
    note = (
        "RR risk ratio. Where a group has no responders, or only responders, 0.5 is added to the four counts of its"
        " trial for the ratio. Where both arms are the same patients, only the totals of each arm are available. The"
        " interval treats the arms as independent groups and is too wide if lesions of one patient respond similarly."
        " Patches of one patient are treated as independent as well, which makes the interval too narrow."
    )
    return Table(frame, f"{found.label}: available counts", note, numeric=["Treated", "Control"], detail="Arms")


def without(found: Question) -> Table:
    """List the trials that made a comparison and have no available counts at any threshold."""
    rows = found.without()
    arms = rows.treated + " versus " + rows.control
    frame = pd.DataFrame({"Trial": rows.label, "Arms": arms, "Randomised": rows.randomised})
    return Table(frame, f"{found.label}: trials without available counts", folded=True)


def summary(questions: Sequence[Question]) -> Table:
    """Show what the trials of each question found at each threshold.

    A trial whose only counts are of any repigmentation has a row of its own.
    """
    rows, groups = [], []
    for found in questions:
        shown = [(t, compare(found.at(t))) for t in reversed(THRESHOLDS)]
        others = found.pairs[~found.pairs.study.isin(found.pairs.study[found.pairs.threshold.isin(THRESHOLDS)])]
        shown += [("", compare(others.loc[[i]])) for i in others.index]
        for threshold, compared in shown:
            if compared is None:
                continue
            groups.append(found.label)
            rows.append(
                {
                    "Response": "Any repigmentation" if threshold in ("", "any") else THRESHOLD_NAMES[threshold],
                    "Trials": str(len(compared.rows)),
                    "Responders": _responders(compared.rows),
                    "RR (95% CI)": _ratio_cell(compared.risk_ratio, threshold and _key(found, threshold)),
                    "OR (95% CI)": _ratio_cell(compared.odds_ratio, threshold and _key(found, threshold, "or")),
                    "Risk difference per 100 (95% CI)": risk_difference(compared),
                    "NNT (95% CI)": number_needed(compared),
                    "Treatments": f"{label(compared.rows)} ({', '.join(compared.rows.label)})",
                }
            )
    note = (
        "RR risk ratio, OR odds ratio. NNT number needed to treat for one more to respond, rounded up; a dash where the"
        " interval of the difference or of the ratio includes no effect. A risk difference cannot be larger than the"
        " share who responded, or did not, in the control arms, and its interval is cut there. A row of one trial is"
        " that trial's own result."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"), dtype=object)
    return Table(frame, "Comparisons within trials", note, numeric=["Trials"], detail="Treatments")


def _responders(rows: pd.DataFrame) -> str:
    return " v ".join(f"{rows[events].sum():g}/{rows[n].sum():g}" for events, n in (PAIR[:2], PAIR[2:]))


def sensitivity(found: Question, threshold: str) -> Table | Markdown:
    """Show how the risk ratio of a question depends on the choices behind it."""
    rows = found.at(threshold)
    if len(rows) < 2:
        return Markdown(f"With {count(len(rows), 'trial')} there is nothing to choose.")
    subsets = {
        "Randomised trials": rows.randomised == "yes",
        "Patients, not patches": rows.unit == "patients",
        "Different patients in the arms": ~rows.paired,
        "Counts of high confidence": (rows.confidence == "high") & (rows.control_confidence == "high"),
        "Stated counts, none derived": (rows.basis == "stated") & (rows.control_basis == "stated"),
        "Tacrolimus": rows.drug == "tacrolimus",
        "Up to 3 months": rows.duration_months <= 3,
    }
    results: list[tuple[str, Pooled]] = [(_ALL, compare(rows).risk_ratio)]
    results += [(name, compare(rows[kept]).risk_ratio) for name, kept in subsets.items() if 0 < kept.sum() < len(rows)]
    results += [
        (f"Without {row.label}", compare(rows.drop(index=row.Index)).risk_ratio)
        for row in rows.itertuples()
        if len(rows) > 2
    ]
    methods = {
        "Normal interval": {"ci": "normal"},
        "DerSimonian-Laird, normal interval": {"tau2": "DL", "ci": "normal"},
        "Common effect, normal interval": {"tau2": "FE", "ci": "normal"},
        "Hartung-Knapp interval": {"ci": "hksj"},
    }
    results += [(name, compare(rows, **options).risk_ratio) for name, options in methods.items()]
    if rows.paired.any():
        name = "Outcomes of the same patients correlate by {:g}"
        results += [(name.format(value), assume_correlation(rows, value)) for value in _ASSUMED]
    frame = pd.DataFrame(
        [
            {
                "Analysis": name,
                "Trials": str(pooled.k),
                "Risk ratio (95% CI)": _ratio_cell(pooled, _key(found, threshold) if name == _ALL else ""),
                "I²": f"{100 * pooled.i2:.0f}%" if pooled.k > 1 else "",
            }
            for name, pooled in results
        ],
        dtype=object,
    )
    note = "Choices that leave all trials or none are not listed."
    return Table(frame, f"{found.label}, {THRESHOLD_NAMES[threshold]}: sensitivity analyses", note, numeric=["Trials"])


def beside_later_reviews(evidence: Evidence, questions: Sequence[Question]) -> Table | Markdown:
    """Show what later reviews pooled for the same questions, beside the results of this book."""
    later = evidence.later_reviews
    rows, groups = [], []
    for found in questions:
        here = [
            (
                "This book",
                RESPONSES[t] if t == "any" else THRESHOLD_NAMES[t],
                "RR",
                compared.risk_ratio,
                len(compared.rows),
            )
            for t in reversed(THRESHOLDS)
            if (compared := compare(found.at(t)))
        ]
        there = [
            (row.label, row.outcome, row.measure, row, row.studies)
            for row in later[later.question == found.key].itertuples()
        ]
        if not there:
            continue
        for name, outcome, measure, result, k in [*here, *there]:
            groups.append(found.label)
            rows.append(
                {
                    "Review": name,
                    "Outcome": outcome,
                    "Measure": measure,
                    "Estimate (95% CI)": ratio_text(*_interval(result)),
                    "Trials": f"{k:g}" if k == k else "",
                }
            )
    if not rows:
        return Markdown("This edition contains no later review of these questions.")
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "The same questions in later reviews", numeric=["Trials"])


# --- Certainty --------------------------------------------------------------------------------------------


def computed(evidence: Evidence, found: Question, compared: Comparison) -> dict[str, tuple[str, int | None]]:
    """Compute what numbers contribute to each domain of GRADE for a comparison.

    Returns
    -------
    dict of str to (str, int or None)
        Domain -> the numbers in words, and the levels by which they alone would lower the certainty; None: numbers do
        not decide it. Inconsistency: I² above 50%, or a range for another trial that includes no effect where the
        interval of the mean does not. Imprecision: one level for fewer than 300 responders and one for an interval that
        includes no effect (Guyatt et al. 2011, doi:10.1016/j.jclinepi.2011.01.012).
    """
    result, trials = compared.risk_ratio, compared.rows
    said: dict[str, tuple[str, int | None]] = dict.fromkeys(_DOMAINS, ("", None))
    said["risk_of_bias"] = (risk_of_bias.described(evidence, trials.study), None)
    if result.k > 1:
        apart = result.predicts and (result.pi_low <= 1 <= result.pi_high) and not _includes_no_effect(result)
        text = f"I² {100 * result.i2:.0f}%; {_prediction(result)}"
        said["inconsistency"] = (text, int(result.i2 > _LARGE_I2 or apart))
    responders = int(trials.events.sum() + trials.control_events.sum())
    wide = _includes_no_effect(result)
    text = f"{count(responders, 'responder')}, interval {'includes' if wide else 'excludes'} no effect"
    said["imprecision"] = (text, int(responders < _RESPONDERS) + int(wide))
    return said


def outcome_key(evidence: Evidence, found: Question, threshold: str) -> str:
    """Return the key of the rated outcome of a question at a threshold; empty if none is rated."""
    rows = evidence.outcomes
    rows = rows[(rows.kind == "comparison") & (rows.question == found.key) & (rows.threshold == threshold)]
    return rows.outcome.iloc[0] if len(rows) else ""


def certainty(evidence: Evidence, found: Question, threshold: str) -> str:
    """Return the certainty of a comparison: a level of `LEVELS`, or `NOT_JUDGED` where a judgement is missing.

    Evidence from randomised trials starts at high certainty, other comparisons at low.
    """
    trials = found.at(threshold)
    if trials.empty:
        return NOT_JUDGED
    start = "High" if (trials.randomised == "yes").all() else "Low"
    return _lowered(evidence, outcome_key(evidence, found, threshold), start)


def _lowered(evidence: Evidence, outcome: str, start: str) -> str:
    """Return the level that the judgements of an outcome leave of the level at which its evidence starts."""
    rows = evidence.certainty[evidence.certainty.outcome == outcome]
    if set(rows.domain) != set(_DOMAINS):
        return NOT_JUDGED
    return LEVELS[max(LEVELS.index(start) - int(rows.levels.sum()), 0)]


def certainty_of_rate(evidence: Evidence, outcome: str) -> str:
    """Return the certainty of a rate in treated people.

    Studies of one treated group start at high certainty for the question how many respond, though not for what the
    treatment adds (Iorio et al. 2015, doi:10.1136/bmj.h870). GRADE's five domains then lower it as for a comparison.
    """
    return _lowered(evidence, outcome, "High")


def reasons(evidence: Evidence, outcome: str, numbers: dict[str, tuple[str, int | None]] | None = None) -> str:
    """Name every domain that lowers the certainty of an outcome, the weightiest first.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    outcome : str
        Key of ``data/outcomes.csv``.
    numbers : dict, optional
        What `computed` returns, to be shown in brackets; the entered reason is shown where there is none.

    Returns
    -------
    str
        Such as ``imprecision by two levels (5 responders, interval includes no effect) and risk of bias by one level``;
        empty where nothing lowers it.
    """
    rows = evidence.certainty[(evidence.certainty.outcome == outcome) & (evidence.certainty.levels > 0)]
    names = evidence.meaning("certainty_domain")
    parts = []
    for row in rows.sort_values("levels", ascending=False, kind="stable").itertuples():
        shown = (numbers or {}).get(row.domain, ("", None))[0] or plain(row.reason.rstrip("."))
        levels = {1: "one level", 2: "two levels"}[int(row.levels)]
        parts.append(f"{names[row.domain]} by {levels} ({shown[:1].lower()}{shown[1:]})")
    return _listed(parts)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def in_short(evidence: Evidence, found: Question, threshold: str) -> str:
    """State a finding, its certainty with every reason that lowered it, and what could not be retrieved.

    Returns
    -------
    str
        Sentences, without a full stop at the end of the last.
    """
    compared = compare(found.at(threshold))
    said = [f"{finding(evidence, found, threshold)}."]
    if compared is not None:
        level, key = certainty(evidence, found, threshold), outcome_key(evidence, found, threshold)
        lowered = reasons(evidence, key, computed(evidence, found, compared))
        if level != NOT_JUDGED:
            said.append(f"The certainty is {level.lower()}" + (f", lowered for {lowered}." if lowered else "."))
    return " ".join([*said, *_elsewhere(found, threshold), _not_retrieved(found, threshold)])


def rated_comparisons(evidence: Evidence, questions: Sequence[Question]) -> list[tuple[Question, str]]:
    """Return each question that has a rated outcome, with what `in_short` says of it."""
    rows = evidence.outcomes[evidence.outcomes.kind == "comparison"]
    by_key = {found.key: found for found in questions}
    return [
        (by_key[row.question], in_short(evidence, by_key[row.question], row.threshold)) for row in rows.itertuples()
    ]


# --- Summary of findings ----------------------------------------------------------------------------------


def findings(evidence: Evidence, questions: Sequence[Question]) -> Table:
    """Return the summary of findings of the comparisons: one row for each rated outcome.

    Below it, a row for each trial that has counts at another threshold only.
    """
    rows, groups = [], []
    rated = evidence.outcomes[evidence.outcomes.kind == "comparison"]
    for found in questions:
        for outcome in rated[rated.question == found.key].itertuples():
            compared = compare(found.at(outcome.threshold))
            level = certainty(evidence, found, outcome.threshold)
            shown = [] if compared is None else [(compared, outcome.threshold, level)]
            others = found.at_other_thresholds(outcome.threshold)
            shown += [(compare(others.loc[[i]]), others.threshold[i], "Not rated") for i in others.index]
            for compared, threshold, level in shown:
                effect = absolute(compared)
                groups.append(found.label)
                rows.append(
                    {
                        "Response": THRESHOLD_NAMES[threshold],
                        "Without, per 100": percent(effect.without, 0, ""),
                        "With, per 100 (95% CI)": _per_100_with(effect),
                        "Difference, per 100": per_100(*effect.difference) + ("" if effect.from_ratio else " †"),
                        "Risk ratio (95% CI)": _ratio_cell(
                            compared.risk_ratio, _key(found, threshold) if threshold == outcome.threshold else ""
                        ),
                        "Certainty": level,
                        "Basis": f"{label(compared.rows)}: {_trials(compared.rows)}. Risk without: control arms of"
                        f" {', '.join(compared.rows.label)}, {compared.rows.control_events.sum():g} of"
                        f" {compared.rows.control_n.sum():g}",
                    }
                )
    note = (
        "Without: responders in the control arms that are named below each row. With: that risk times the risk ratio"
        " and the ends of its interval, within 0 and 100. † Nobody responded in the control arm, so no ratio can be"
        " applied; the risk difference of the trial and its interval, cut at 0, are shown instead, and the ratio rests"
        " on 0.5 added to each count. Not rated: trials with counts at another threshold only. Randomised trials start"
        " at high certainty, others at low."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Comparison"), dtype=object)
    return Table(frame, "Summary of findings: comparisons", note, numeric=["Without, per 100"], detail="Basis")


def _trials(rows: pd.DataFrame) -> str:
    # Patients who had both treatments count once; their patches are different ones.
    same = rows.paired & (rows.unit == "patients")
    number = (rows.n + rows.control_n).where(~same, rows[["n", "control_n"]].max(axis=1)).sum()
    return f"{count(len(rows), 'trial')}, {number:g} {' or '.join(dict.fromkeys(rows.unit))}"


def _per_100_with(effect: Absolute) -> str:
    estimate, low, high = (percent(value, 0, "") for value in (effect.estimate, effect.ci_low, effect.ci_high))
    return f"{estimate} ({low} to {high})"


@dataclass(frozen=True)
class Rated:
    """A rated outcome that is no comparison.

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
    numbers : dict of str to str
        Domain -> the numbers that bear on it, in words.
    not_retrieved : str
        What could not be retrieved, in words.
    """

    key: str
    label: str
    result: str
    finding: str
    basis: str
    certainty: str
    numbers: dict[str, str]
    not_retrieved: str


def rated(evidence: Evidence, results: dict[tuple[str, str, str], Result]) -> list[Rated]:
    """Return the rated outcomes that are no comparison: rates, maintenance and safety.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    results : dict
        The rates of the review, as `published.results` returns them.
    """
    found = []
    for row in evidence.outcomes[evidence.outcomes.kind != "comparison"].itertuples():
        if row.kind == "rate":
            found.append(_rated_rate(evidence, row, results[row.regimen, row.threshold, "total"]))
        elif row.kind == "maintenance":
            found.append(_rated_maintenance(evidence, row))
        else:
            found.append(_rated_safety(evidence, row))
    return found


def _rated_rate(evidence: Evidence, row, result: Result) -> Rated:
    outcome, answer = result.outcome, result.answer
    new = outcome.new.study.nunique()
    listed = evidence.studies[evidence.studies.review_ref.isin(outcome.refs)]
    keys = set(listed.study) | set(outcome.new.study)
    arms = evidence.arms[evidence.arms.study.isin(keys) & (evidence.arms.role == outcome.regimen)]
    studies = evidence.studies[evidence.studies.study.isin(keys)].drop_duplicates("study")
    # The arms of a within-patient study share their participants, who count once.
    shared = arms.study.isin(studies.study[studies.design == "WP"])
    arms = arms[~(shared & arms.duplicated("study"))].dropna(subset=["enrolled", "completed"])
    open_label, single = (int(n) for n in ((studies.blinding == "OL").sum(), (studies.design == "SA").sum()))
    numbers = {
        "risk_of_bias": f"{single} of {count(len(studies), 'study', 'studies')} single arm, {open_label} open label;"
        f" {arms.completed.sum():g} of {arms.enrolled.sum():g} enrolled participants completed",
        "imprecision": f"interval {percent(answer.ci_low)} to {percent(answer.ci_high)}",
    }
    low, high = getattr(answer, "pi_low", result.summary.pi_low), getattr(answer, "pi_high", result.summary.pi_high)
    if low == low:
        numbers["inconsistency"] = f"another study's true rate may lie from {percent(low)} to {percent(high)}"
    basis = f"{outcome.studies:g} studies ({outcome.patients:g} participants) of the 2019 review" + (
        f", {count(new, 'new study', 'new studies')}" if new else ""
    )
    without = f"counts for {outcome.studies - outcome.available_studies:g} of the review's {outcome.studies:g} studies"
    level = certainty_of_rate(evidence, row.outcome)
    of = f"With {REGIMEN_NAMES[outcome.regimen]}, {rate(answer)} of patients or patches"
    finding = _worded(level, f"{of} {{}}reach {RESPONSES[outcome.threshold]}")
    return Rated(row.outcome, row.label, rate(answer), finding, basis, level, numbers, without)


def _worded(level: str, sentence: str) -> str:
    """Fill the gap of a sentence with the word for a certainty, and add what very low certainty needs."""
    word = {"High": "", "Moderate": "probably "}.get(level, "may ")
    return sentence.format(word) + (f", but {_DOUBT[level]}" if level in _DOUBT else "")


def _rated_maintenance(evidence: Evidence, row) -> Rated:
    rows = evidence.maintenance[evidence.maintenance.analysis == "intention to treat"]
    studies = evidence.studies[evidence.studies.study.isin(rows.study)]
    start = "High" if (studies.randomised == "yes").all() else "Low"
    counts = [f"{r.depigmented:g} of {r.n:g} {r.unit} with {r.arm}" for r in rows.itertuples()]
    patients = evidence.maintenance[evidence.maintenance.analysis == "randomised"].n.sum()
    numbers = {
        "risk_of_bias": risk_of_bias.described(evidence, rows.study),
        "imprecision": f"{rows.depigmented.sum():g} of {rows.n.sum():g} {rows.unit.iloc[0]} lost pigment",
    }
    basis = f"{count(rows.study.nunique(), 'trial')} ({patients:g} participants)"
    level = _lowered(evidence, row.outcome, start)
    kinds = rows.arm.str.split().str[0].map(evidence.drugs.set_index("drug").kind)
    treated, control = rows[kinds == "tci"].iloc[0], rows[kinds != "tci"].iloc[0]
    fewer = treated.depigmented / treated.n < control.depigmented / control.n
    finding = _worded(
        level,
        f"{_sentence_case(treated.arm)} {{}}make loss of pigment {'less' if fewer else 'no less'}"
        f" likely than {control.arm}",
    )
    result = "; ".join(counts) + " (intention to treat)"
    without = "numbers of patients, and not of lesions, with loss of pigment"
    return Rated(row.outcome, row.label, result, f"{finding}: {result}", basis, level, numbers, without)


def _rated_safety(evidence: Evidence, row) -> Rated:
    patients = evidence.number("adverse_event_patients", "safety")
    words = {"burning": "burning", "pruritus": "itching", "erythema": "redness"}
    events = {word: evidence.number(f"{kind}_events", "safety") for kind, word in words.items()}
    counting = evidence.number("adverse_event_studies_counting", "safety")
    studies = evidence.number("monotherapy_studies", "safety")
    told = evidence.published_numbers
    refs = reference_numbers(told.refs[told.quantity == "adverse_event_studies_counting"].iloc[0])
    keys = evidence.studies.study[evidence.studies.review_ref.isin(refs)]
    own = evidence.adverse_events[evidence.adverse_events.study.isin(keys)].study.nunique()
    result = _listed([f"{word} {n} ({percent(n / patients, 1)})" for word, n in events.items()])
    level = certainty_of_rate(evidence, row.outcome)
    shares = _listed([f"{word} {percent(n / patients, 1)}" for word, n in events.items()])
    numbers = {"risk_of_bias": f"{counting} of {studies} studies counted adverse events"}
    return Rated(
        row.outcome,
        row.label,
        f"Events in {patients} patients: {result}",
        _worded(level, f"With TCI monotherapy, local reactions {{}}occur in this share of patients: {shares}"),
        f"{counting} studies ({patients} participants) of the 2019 review",
        level,
        numbers,
        f"counts for {counting - own} of the {counting} studies",
    )


def other_findings(outcomes: Sequence[Rated]) -> Table:
    """Return the summary of findings of rates, maintenance and safety."""
    frame = pd.DataFrame(
        [{"Outcome": o.label, "Result": o.result, "Studies": o.basis, "Certainty": o.certainty} for o in outcomes]
    )
    note = (
        "A rate says how many treated people reach an outcome and not what the treatment adds. Studies of treated"
        " people start at high certainty for such a rate (Iorio and colleagues, BMJ 2015), a randomised trial of"
        " maintenance at high certainty for its comparison. Rates by body site, in children and at lower thresholds"
        " are not rated separately: they come from the same studies and share the same reasons. Rare and late harms"
        " are not rated:"
        " no included study was designed to find them."
    )
    return Table(frame, "Summary of findings: rates, maintenance and safety", note)


def rate_statements(evidence: Evidence, outcomes: Sequence[Rated]) -> str:
    """Return one list item for each outcome that is no comparison: finding, certainty and every reason."""
    lines = []
    for outcome in outcomes:
        lowered = reasons(evidence, outcome.key, {name: (text, None) for name, text in outcome.numbers.items()})
        lines.append(
            f"- **{plain(outcome.label)}.** {plain(outcome.finding)}. The certainty is {outcome.certainty.lower()}"
            + (f", lowered for {lowered}." if lowered else ".")
            + f" Evidence not retrieved: {outcome.not_retrieved}."
        )
    return "\n".join(lines)


def judgements(evidence: Evidence, questions: Sequence[Question], outcomes: Sequence[Rated] = ()) -> Table:
    """Return every judgement with its reason, beside what the numbers contribute.

    The last row of each outcome says what could not be retrieved, which is no domain of GRADE.
    """
    domains = evidence.meaning("certainty_domain")
    names: dict[str, str] = {}
    numbers: dict[str, dict[str, tuple[str, int | None]]] = {}
    unknown: dict[str, str] = {}
    for found in questions:
        for outcome in evidence.outcomes[evidence.outcomes.question == found.key].itertuples():
            compared = compare(found.at(outcome.threshold))
            if compared is not None:
                names[outcome.outcome] = f"{label(compared.rows)}: {outcome.label}"
                numbers[outcome.outcome] = computed(evidence, found, compared)
                unknown[outcome.outcome] = _not_retrieved(found, outcome.threshold).removeprefix(
                    "Evidence not retrieved: "
                )
    for other in outcomes:
        names[other.key] = other.label
        numbers[other.key] = {name: (text, None) for name, text in other.numbers.items()}
        unknown[other.key] = other.not_retrieved
    rows, groups = [], []
    for key, name in names.items():
        for row in evidence.certainty[evidence.certainty.outcome == key].itertuples():
            text, levels = numbers[key].get(row.domain, ("", None))
            rows.append(
                {
                    "Domain": _sentence_case(domains[row.domain]),
                    "Levels": f"−{row.levels:g}" if row.levels else "0",
                    "Reason": row.reason,
                    "Numbers": text + _against(levels, row.levels),
                }
            )
            groups.append(name)
        rows.append(
            {
                "Domain": "Evidence not retrieved",
                "Levels": NOTHING,
                "Reason": _sentence_case(unknown[key]) + ".",
                "Numbers": "",
            }
        )
        groups.append(name)
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Outcome"))
    note = (
        "Levels: by how many the domain lowers the certainty. Numbers: computed from the data in every build. Evidence"
        " not retrieved is no domain of GRADE and lowers nothing: it is a limit of this book and not of the trials."
    )
    return Table(frame, "Judgements of certainty", note, numeric=["Levels"])


def _against(levels: int | None, judged: float) -> str:
    """Say by how much the numbers alone would lower the certainty, and whether the judgement differs."""
    if levels is None:
        return ""
    alone = f"lower by {count(levels, 'level')}" if levels else "lower nothing"
    return f"; these alone would {alone}" + ("" if levels == judged else "; the judgement differs")
