"""The tables and sentences of comparisons within trials, and the summary of findings.

Apart from `tables`, as only two chapters need it. Computes what of GRADE's judgements follows from numbers, and shows
it beside the judgement that is entered in ``data/certainty.csv``; it makes no judgement itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lib.comparisons import Compared, Question, assume_correlation, compare
from lib.evidence import THRESHOLDS, Evidence
from lib.figures import DEGREES, PAIR, Picture, comparison, ratio_text, show
from lib.pooling import Pooled, pool_ratios
from lib.tables import NOTHING, THRESHOLD_NAMES, Table, count

DEGREE_NAMES = {"any": "any repigmentation", **THRESHOLD_NAMES}
LEVELS = ("Very low", "Low", "Moderate", "High")
"""GRADE's levels of certainty; randomised trials begin at the last (Guyatt et al. 2011,
doi:10.1016/j.jclinepi.2010.04.026)."""
_ASSUMED = (0.3, 0.6)
_LARGE_I2 = 0.5
_RESPONDERS = 300


# --- Sentences --------------------------------------------------------------------------------------------


def ratio(pooled: Pooled) -> str:
    """Return a risk ratio with its interval for a sentence: ``1.90 (95% CI 1.37 to 2.62)``."""
    estimate, low, high = ratio_text(*_interval(pooled)).replace("(", "").replace(")", "").replace("–", " ").split()
    return f"{estimate} (95% CI {low} to {high})"


def per_100(pooled: Pooled) -> str:
    """Return a risk difference as patients of 100: ``30 more (15 to 45 more)``."""
    estimate, low, high = (round(100 * value) for value in _interval(pooled))

    def side(value: float) -> str:
        return "more" if value > 0 else "fewer" if value < 0 else ""

    first = f"{abs(estimate)} {side(estimate)}".strip()
    if low >= 0 or high <= 0:
        ends = sorted((abs(low), abs(high)))
        return f"{first} ({ends[0]} to {ends[1]} {side(low or high)})"
    return f"{first} ({abs(low)} fewer to {high} more)"


def number_needed(pooled: Pooled) -> str:
    """Return the number of patients to be treated for one more to respond (Cook & Sackett 1995).

    The reciprocal of the risk difference (doi:10.1136/bmj.310.6977.452), with its interval; where that includes no
    difference the number has no interval that could be printed, and none is given.
    """
    estimate, low, high = _interval(pooled)
    return f"{1 / estimate:.1f} ({1 / high:.1f} to {1 / low:.1f})" if low > 0 else NOTHING


def _interval(pooled: Pooled) -> tuple[float, float, float]:
    return pooled.estimate, pooled.ci_low, pooled.ci_high


def forest_caption(found: Question, threshold: str) -> str:
    """Return the caption of a question's forest plot at one degree of repigmentation."""
    trials = found.at(threshold)
    public, hidden = trials.study.nunique(), found.without.study.nunique()
    caption = (
        f"{found.label}, {DEGREE_NAMES[threshold]}: {public} of {count(public + hidden, 'trial')} with public counts"
    )
    patches = trials[trials.unit == "patches"]
    if len(patches):
        caption += f". Counted in patches: {', '.join(patches.label)}"
    pooled = compare(trials).ratio
    if pooled.k > 1:
        between = f"another trial's ratio may lie from {pooled.pi_low:.2f} to {pooled.pi_high:.2f}"
        caption += f". I² {100 * pooled.i2:.0f}%; {between}"
    return caption + (". * Both arms are the same patients." if trials.paired.any() else ".")


def shown_trial_by_trial(found: Question) -> Picture | Table:
    """Draw every public pair of a question, each by itself; where there is none, list who made the comparison."""
    if found.pairs.empty:
        return without(found)
    caption = f"{found.label}: each trial by itself, nothing pooled."
    if found.pairs.paired.any():
        caption += " * Both arms are the same patients."
    return show(comparison, found.pairs, caption=caption)


# --- Tables -----------------------------------------------------------------------------------------------


def pairs(found: Question) -> Table:
    """Every public pair of counts that answers a question."""
    rows = found.pairs
    own = pool_ratios(*(rows[[name]].to_numpy(float).T for name in PAIR))
    frame = pd.DataFrame(
        {
            "Trial": rows.label,
            "Arms": rows.treated + " against " + rows.control,
            "Response": rows.threshold.map(DEGREES),
            "Treated": [f"{row.events:g}/{row.n:g}" for row in rows.itertuples()],
            "Control": [f"{row.control_events:g}/{row.control_n:g}" for row in rows.itertuples()],
            "Of": rows.unit,
            "RR (95% CI)": [ratio_text(*values) for values in zip(own.estimate, own.ci_low, own.ci_high, strict=True)],
            "Same patients": rows.paired.map({True: "yes", False: "no"}),
            "Randomised": rows.randomised,
        }
    )
    note = (
        "RR risk ratio. An empty cell has 0.5 added to all four of its trial. Where both arms are the same patients"
        " only their totals are public: the interval takes them for independent groups, and is too wide where a"
        " patient's lesions do alike. Patches of one patient are taken for independent too, which makes it too narrow."
    )
    return Table(frame, f"{found.label}: public counts", note, numeric=["Treated", "Control"], detail="Arms")


def without(found: Question) -> Table:
    """The trials that made a comparison and whose counts are not public."""
    frame = pd.DataFrame(
        {
            "Trial": found.without.label,
            "Arms": found.without.treated + " against " + found.without.control,
            "Randomised": found.without.randomised,
        }
    )
    return Table(frame, f"{found.label}: trials without public counts", folded=True)


def summary(questions: Sequence[Question]) -> Table:
    """What each question's trials say at each degree of repigmentation."""
    rows, groups = [], []
    for found in questions:
        for threshold in reversed(THRESHOLDS):
            compared = compare(found.at(threshold))
            if compared is None:
                continue
            groups.append(found.label)
            trials = compared.rows
            rows.append(
                {
                    "Response": THRESHOLD_NAMES[threshold],
                    "Trials": str(compared.ratio.k),
                    "Responders": " v ".join(
                        f"{trials[events].sum():g}/{trials[n].sum():g}" for events, n in (PAIR[:2], PAIR[2:])
                    ),
                    "RR (95% CI)": ratio_text(*_interval(compared.ratio)),
                    "OR (95% CI)": ratio_text(*_interval(compared.odds)),
                    "Of 100 (95% CI)": per_100(compared.difference),
                    "Number needed": number_needed(compared.difference),
                }
            )
    note = (
        "RR risk ratio, OR odds ratio. Of 100: how many more respond with the treatment. Number needed: patients to"
        " be treated for one more to respond; a dash where the interval includes no difference. One trial: that trial,"
        " and nothing pooled."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "Comparisons within trials", note, numeric=["Trials"])


def sensitivity(found: Question, threshold: str) -> Table:
    """How the risk ratio of a question moves with the choices behind it."""
    rows = found.at(threshold)
    subsets = {
        "Randomised trials": rows.randomised == "yes",
        "Patients, not patches": rows.unit == "patients",
        "Different patients in the arms": ~rows.paired,
        "Counts of high confidence": rows.confidence == "high",
        "Stated counts, none derived": rows.basis == "stated",
        "Tacrolimus": rows.drug == "tacrolimus",
        "Up to 3 months": rows.duration_months <= 3,
    }
    results: list[tuple[str, Pooled]] = [("All trials", compare(rows).ratio)]
    results += [(name, compare(rows[kept]).ratio) for name, kept in subsets.items() if 0 < kept.sum() < len(rows)]
    results += [
        (f"Without {row.label}", compare(rows.drop(index=row.Index)).ratio)
        for row in rows.itertuples()
        if len(rows) > 2
    ]
    methods = {"DerSimonian-Laird": {"tau2": "DL"}, "Common effect": {"tau2": "FE"}, "Hartung-Knapp": {"ci": "hksj"}}
    results += [(name, compare(rows, **options).ratio) for name, options in methods.items()]
    if rows.paired.any():
        name = "Outcomes of the same patients correlate by {:g}"
        results += [(name.format(value), assume_correlation(rows, value)) for value in _ASSUMED]
    frame = pd.DataFrame(
        [
            {
                "Analysis": name,
                "Trials": str(pooled.k),
                "Risk ratio (95% CI)": ratio_text(*_interval(pooled)),
                "I²": f"{100 * pooled.i2:.0f}%" if pooled.k > 1 else "",
            }
            for name, pooled in results
        ]
    )
    note = "Choices that leave all trials or none are not listed."
    return Table(frame, f"{found.label}, {THRESHOLD_NAMES[threshold]}: other choices", note, numeric=["Trials"])


def beside_later_reviews(evidence: Evidence, questions: Sequence[Question]) -> Table:
    """What later reviews pooled for the same questions, beside what is public here."""
    later = evidence.later_reviews
    rows, groups = [], []
    for found in questions:
        here = [
            ("Here", DEGREE_NAMES[t], "RR", compared.ratio, compared.ratio.k)
            for t in reversed(THRESHOLDS)
            if (compared := compare(found.at(t)))
        ]
        there = [
            (row.label, row.outcome, row.measure, row, row.studies)
            for row in later[later.question == found.key].itertuples()
        ]
        if not there:
            continue
        for label, outcome, measure, result, k in [*here, *there]:
            groups.append(found.label)
            rows.append(
                {
                    "Review": label,
                    "Outcome": outcome,
                    "Measure": measure,
                    "Estimate (95% CI)": ratio_text(*_interval(result)),
                    "Trials": f"{k:g}" if k == k else "",
                }
            )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "The same questions in later reviews", numeric=["Trials"])


# --- Summary of findings ----------------------------------------------------------------------------------


def computed(found: Question, compared: Compared) -> dict[str, str]:
    """Say what the numbers alone tell of each domain of GRADE; empty where they tell nothing."""
    ratio_, trials = compared.ratio, compared.rows
    said = dict.fromkeys(("risk_of_bias", "inconsistency", "indirectness", "imprecision", "publication_bias"), "")
    randomised = int((trials.randomised == "yes").sum())
    said["risk_of_bias"] = f"{randomised} of {count(len(trials), 'trial')} randomised"
    if ratio_.k > 1:
        apart = (ratio_.pi_low <= 1 <= ratio_.pi_high) and not (ratio_.ci_low <= 1 <= ratio_.ci_high)
        large = ratio_.i2 > _LARGE_I2 or apart
        said["inconsistency"] = (
            f"I² {100 * ratio_.i2:.0f}%, another trial's ratio {ratio_.pi_low:.2f} to {ratio_.pi_high:.2f}:"
            f" {'lower by 1' if large else 'none'}"
        )
    responders = int(trials.events.sum() + trials.control_events.sum())
    wide = ratio_.ci_low <= 1 <= ratio_.ci_high
    lower = (responders < _RESPONDERS) + (wide and ratio_.k == 1)
    said["imprecision"] = (
        f"{count(responders, 'responder')}, interval {'includes' if wide else 'excludes'} no difference:"
        f" {f'lower by {lower}' if lower else 'none'}"
    )
    hidden, public = found.without.study.nunique(), trials.study.nunique()
    said["publication_bias"] = f"{hidden} of {count(hidden + public, 'trial')} without public counts"
    return said


def certainty(evidence: Evidence, found: Question, threshold: str) -> str:
    """Return the level of certainty that the entered judgements leave for an answer."""
    rows = evidence.certainty
    lowered = rows.levels[(rows.question == found.key) & (rows.threshold == threshold)].sum()
    start = LEVELS.index("High") if (found.at(threshold).randomised == "yes").all() else LEVELS.index("Low")
    return LEVELS[max(start - int(lowered), 0)]


def in_short(evidence: Evidence, found: Question, threshold: str) -> str:
    """Say how sure an answer is, and what most decides it, for a sentence."""
    compared = compare(found.at(threshold))
    if compared is None:
        return "No trial has public counts"
    said = computed(found, compared)
    agree = "agree" if said["inconsistency"].endswith("none") else "differ" if said["inconsistency"] else "are one"
    return (
        f"{certainty(evidence, found, threshold)} certainty; the trials that can be counted {agree}, and"
        f" {said['publication_bias'].replace(' without', ' are without')}"
    )


def findings(evidence: Evidence, questions: Sequence[Question]) -> Table:
    """The summary of findings: a row for each question that has been judged."""
    judged = evidence.certainty[["question", "threshold"]].drop_duplicates()
    rows = []
    for found in questions:
        for threshold in judged.threshold[judged.question == found.key]:
            compared = compare(found.at(threshold))
            if compared is None:
                continue
            control = compared.rows.control_events.sum() / compared.rows.control_n.sum()
            patients = compared.rows.n.sum() + compared.rows.control_n.sum()
            rows.append(
                {
                    "Question": found.label,
                    "Response": THRESHOLD_NAMES[threshold],
                    "Trials (participants or patches)": f"{compared.ratio.k} ({patients:g})",
                    "Without, of 100": f"{100 * control:.0f}",
                    "Difference, of 100 (95% CI)": per_100(compared.difference),
                    "Risk ratio (95% CI)": ratio_text(*_interval(compared.ratio)),
                    "Certainty": certainty(evidence, found, threshold),
                }
            )
    note = (
        "Randomised trials begin at high certainty, others at low; each judgement below takes off what its row says."
        " Counts that are not public are in none of these numbers."
    )
    return Table(pd.DataFrame(rows), "Summary of findings", note, numeric=["Without, of 100"])


def judgements(evidence: Evidence, questions: Sequence[Question]) -> Table:
    """Every judgement with its reason, beside what the numbers tell."""
    domains = evidence.meaning("certainty_domain")
    by_key = {found.key: found for found in questions}
    rows, groups = [], []
    for row in evidence.certainty.itertuples():
        found = by_key.get(row.question)
        compared = None if found is None else compare(found.at(row.threshold))
        if compared is None:
            continue
        groups.append(f"{found.label}, {THRESHOLD_NAMES[row.threshold]}")
        rows.append(
            {
                "Domain": domains[row.domain],
                "Lowered by": f"{row.levels:g}",
                "Reason": row.reason,
                "From the numbers": computed(found, compared)[row.domain],
            }
        )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "Judgements of certainty", numeric=["Lowered by"])
