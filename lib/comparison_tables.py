"""The tables and sentences of comparisons within trials, and the summary of findings.

Apart from `tables`, as only two chapters need it. Computes what of GRADE's judgements follows from numbers, and shows
it beside the judgement that is entered in ``data/certainty.csv``; it makes no judgement itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from IPython.display import Markdown

from lib.comparisons import Compared, Question, assume_correlation, compare
from lib.evidence import THRESHOLDS, Evidence
from lib.figures import DEGREES_IN_SHORT, PAIR, Picture, comparison, own_ratios, ratio_number, ratio_text, show
from lib.pooling import Pooled
from lib.tables import NOTHING, THRESHOLD_NAMES, Table, count

DEGREE_NAMES = {"any": "any repigmentation", **THRESHOLD_NAMES}
LEVELS = ("Very low", "Low", "Moderate", "High")
"""GRADE's levels of certainty; randomised trials begin at the last (Guyatt et al. 2011,
doi:10.1016/j.jclinepi.2010.04.026)."""
_DOMAINS = ("risk_of_bias", "inconsistency", "indirectness", "imprecision", "publication_bias")
_ASSUMED = (0.3, 0.6)
_LARGE_I2 = 0.5
_RESPONDERS = 300


# --- Sentences --------------------------------------------------------------------------------------------


def ratio(pooled: Pooled) -> str:
    """Return a risk ratio with its interval for a sentence: ``1.90 (95% CI 1.37 to 2.62)``."""
    return f"{ratio_number(pooled.estimate)} (95% CI {_between(pooled.ci_low, pooled.ci_high)})"


def headline(found: Question, threshold: str) -> str:
    """Say what the trials of a question found at one degree of repigmentation."""
    compared = compare(found.at(threshold))
    if compared is None:
        return f"no trial has a public pair of counts of a response of {DEGREE_NAMES[threshold]}."
    if not compared.ratio.k:
        return f"no trial with a public pair of counts has information on the ratio of {DEGREE_NAMES[threshold]}."
    informative = compared.rows[~compared.ratio.dropped]
    whole, randomised = compared.ratio, (informative.randomised == "yes").sum()
    of_them = (
        f"{'all' if randomised == whole.k else randomised} of them randomised"
        if whole.k > 1
        else "randomised"
        if randomised
        else "not known to be randomised"
    )
    return (
        f"the risk ratio of a response of {DEGREE_NAMES[threshold]} is {ratio(whole)} in {count(whole.k, 'trial')},"
        f" {of_them}; of 100 patients or patches {per_100(compared.difference)} respond."
    )


def reservations(evidence: Evidence, found: Question, threshold: str) -> str:
    """Say what `headline` hangs on: how few trials it is of, concerns about them, and those without counts."""
    said, compared = [], compare(found.at(threshold))
    if compared is not None:
        trials, whole = compared.rows, compared.ratio
        normal = compare(trials, ci="normal").ratio
        if normal.ci_high < whole.ci_high:
            ends = _between(normal.ci_low, normal.ci_high)
            said.append(f"The interval allows for how few the trials are; without that it would be {ends}.")
        firm = compare(trials[~trials.study.isin(evidence.concerns.study)])
        if firm and firm.ratio.k < whole.k:
            said.append(
                f"Without the trials of which there is a concern (see the remarks below) the ratio is"
                f" {ratio(firm.ratio)} in {count(firm.ratio.k, 'trial')}."
            )
    without = found.without(threshold).study.nunique()
    made = count(without, "more trial" if said or compared else "trial")
    return " ".join([*said, f"{made} compared the two and {'has' if without == 1 else 'have'} no such pair of counts."])


def per_100(pooled: Pooled) -> str:
    """Return a risk difference as patients of 100: ``30 more (15 to 45 more)``; no more than 100 of them."""
    estimate, low, high = (round(100 * min(max(value, -1), 1)) for value in _interval(pooled))

    def side(value: float) -> str:
        return "more" if value > 0 else "fewer" if value < 0 else ""

    first = f"{abs(estimate)} {side(estimate)}".strip()
    if low >= 0 or high <= 0:
        ends = sorted((abs(low), abs(high)))
        return f"{first} ({ends[0]} to {ends[1]} {side(low or high)}".rstrip() + ")"
    return f"{first} ({abs(low)} fewer to {high} more)"


def number_needed(compared: Compared) -> str:
    """Return the number of patients, or patches, to be treated for one more to respond (Cook & Sackett 1995).

    The reciprocal of the risk difference (doi:10.1136/bmj.310.6977.452), with its interval; where the interval of the
    difference or of the ratio includes no effect the number has no interval that could be printed, and none is given.
    """
    estimate, low, high = _interval(compared.difference)
    return f"{1 / estimate:.1f} ({1 / high:.1f} to {1 / low:.1f})" if low > 0 and compared.ratio.ci_low > 1 else NOTHING


def _interval(pooled: Pooled) -> tuple[float, float, float]:
    return pooled.estimate, pooled.ci_low, pooled.ci_high


def forest_caption(found: Question, threshold: str) -> str:
    """Return the caption of a question's forest plot at one degree of repigmentation."""
    trials = found.at(threshold)
    made = count(found.made.study.nunique(), "trial")
    caption = f"{found.label}, {DEGREE_NAMES[threshold]}: {len(trials)} of {made} with a public pair of counts"
    patches = trials[trials.unit == "patches"]
    if len(patches):
        caption += f". Counted in patches: {', '.join(patches.label)}"
    if len(trials) > 1:
        pooled = compare(trials).ratio
        caption += f". I² {100 * pooled.i2:.0f}%; {_prediction(pooled)}"
        if pooled.dropped.any():
            names = ", ".join(trials.label[pooled.dropped])
            caption += f". Without information on the ratio, and not in it: {names}"
    return caption + (". * Both arms are the same patients." if trials.paired.any() else ".")


def _prediction(pooled: Pooled) -> str:
    """Say where the true ratio of another trial may lie, or that so few trials do not show it."""
    if not pooled.predicts:
        return f"{count(pooled.k, 'trial')} cannot show how far the true ratio of another trial may lie from this one"
    return f"95% prediction interval of another trial's true ratio {_between(pooled.pi_low, pooled.pi_high)}"


def _between(low: float, high: float) -> str:
    return f"{ratio_number(low)} to {ratio_number(high)}"


def forest(found: Question, threshold: str) -> Picture | Markdown:
    """Draw what each trial of a question found at one degree of repigmentation, and their pooled ratio."""
    compared = compare(found.at(threshold))
    if compared is None:
        return Markdown(f"No trial has a public pair of counts of {DEGREE_NAMES[threshold]}.")
    return show(comparison, compared.rows, compared.ratio, caption=forest_caption(found, threshold))


def shown_trial_by_trial(found: Question) -> Picture | Table:
    """Draw every public pair of a question, each by itself; where there is none, list who made the comparison."""
    if found.pairs.empty:
        return without(found)
    caption = f"{found.label}: each trial by itself, nothing pooled."
    if found.pairs.paired.any():
        caption += " * Both arms are the same patients."
    return show(comparison, found.pairs, caption=caption)


# --- Tables -----------------------------------------------------------------------------------------------


def pairs(found: Question) -> Table | Markdown:
    """Every public pair of counts that answers a question."""
    rows = found.pairs
    if rows.empty:
        return Markdown("No trial has a public pair of counts.")
    own = own_ratios(rows)
    frame = pd.DataFrame(
        {
            "Trial": rows.label,
            "Arms": rows.treated + " against " + rows.control,
            "Response": rows.threshold.map(DEGREES_IN_SHORT),
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
    """The trials that made a comparison and have no public pair of counts."""
    rows = found.without()
    arms = rows.treated + " against " + rows.control
    frame = pd.DataFrame({"Trial": rows.label, "Arms": arms, "Randomised": rows.randomised})
    return Table(frame, f"{found.label}: trials without a public pair of counts", folded=True)


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
                    "Number needed": number_needed(compared),
                }
            )
    note = (
        "RR risk ratio, OR odds ratio. Of 100: how many more respond with the treatment, cut at 100. Number needed:"
        " patients to be treated for one more to respond; a dash where the interval includes no difference. One trial:"
        " that trial, and nothing pooled, with 0.5 added to its four counts where one of them is 0."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "Comparisons within trials", note, numeric=["Trials"])


def sensitivity(found: Question, threshold: str) -> Table | Markdown:
    """How the risk ratio of a question moves with the choices behind it."""
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
    results: list[tuple[str, Pooled]] = [("All trials", compare(rows).ratio)]
    results += [(name, compare(rows[kept]).ratio) for name, kept in subsets.items() if 0 < kept.sum() < len(rows)]
    results += [
        (f"Without {row.label}", compare(rows.drop(index=row.Index)).ratio)
        for row in rows.itertuples()
        if len(rows) > 2
    ]
    methods = {
        "Normal interval": {"ci": "normal"},
        "DerSimonian-Laird, normal interval": {"tau2": "DL", "ci": "normal"},
        "Common effect, normal interval": {"tau2": "FE", "ci": "normal"},
        "Hartung-Knapp interval": {"ci": "hksj"},
    }
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


def beside_later_reviews(evidence: Evidence, questions: Sequence[Question]) -> Table | Markdown:
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
    if not rows:
        return Markdown("This edition knows of none.")
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "The same questions in later reviews", numeric=["Trials"])


# --- Summary of findings ----------------------------------------------------------------------------------


def computed(found: Question, compared: Compared) -> dict[str, tuple[str, int | None]]:
    """Say what the numbers alone tell of each domain of GRADE.

    Returns
    -------
    dict of str to (str, int or None)
        Domain -> what they tell, and the levels by which they would lower the certainty; None: they do not decide it.
        Inconsistency: I² above 50%, or a prediction interval (where there is one to show, `Pooled.predicts`) that
        includes no effect where the confidence interval does not. Imprecision: fewer than 300 responders (Guyatt et
        al. 2011, doi:10.1016/j.jclinepi.2011.01.012), and an interval that includes no effect.
    """
    result, trials = compared.ratio, compared.rows
    said: dict[str, tuple[str, int | None]] = dict.fromkeys(_DOMAINS, ("", None))
    randomised = int((trials.randomised == "yes").sum())
    said["risk_of_bias"] = (f"{randomised} of {count(len(trials), 'trial')} randomised", None)
    if result.k > 1:
        apart = (
            result.predicts and (result.pi_low <= 1 <= result.pi_high) and not (result.ci_low <= 1 <= result.ci_high)
        )
        text = f"I² {100 * result.i2:.0f}%; {_prediction(result)}"
        said["inconsistency"] = (text, int(result.i2 > _LARGE_I2 or apart))
    responders = int(trials.events.sum() + trials.control_events.sum())
    wide = bool(result.ci_low <= 1 <= result.ci_high)
    text = f"{count(responders, 'responder')}, interval {'includes' if wide else 'excludes'} no effect"
    said["imprecision"] = (text, int(responders < _RESPONDERS) + int(wide))
    made = found.made.study.nunique()
    text = f"{made - len(trials)} of {count(made, 'trial')} without a public pair of counts"
    said["publication_bias"] = (text, None)
    return said


def certainty(evidence: Evidence, found: Question, threshold: str) -> str:
    """Return the level of certainty that the entered judgements leave for an answer; "not judged" if one is missing."""
    rows = evidence.certainty
    rows = rows[(rows.question == found.key) & (rows.threshold == threshold)]
    trials = found.at(threshold)
    if set(rows.domain) != set(_DOMAINS) or trials.empty:
        return "Not judged"
    start = LEVELS.index("High") if (trials.randomised == "yes").all() else LEVELS.index("Low")
    return LEVELS[max(start - int(rows.levels.sum()), 0)]


def in_short(evidence: Evidence, found: Question, threshold: str) -> str:
    """Say how sure an answer is, and what most decides it, for a sentence."""
    compared = compare(found.at(threshold))
    if compared is None:
        return "No trial has a public pair of counts"
    said = computed(found, compared)
    lowered = said["inconsistency"][1]
    agree = {None: "there is one trial", 0: "the trials do not clearly differ"}.get(lowered, "the trials differ")
    level = certainty(evidence, found, threshold)
    return (
        f"{level if level == 'Not judged' else f'{level} certainty'}: {agree}, and {_are(said['publication_bias'][0])}"
    )


def _are(text: str) -> str:
    return text.replace(" without", " are without")


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
        " Counts that are not public are in none of these numbers. Without: responders of all control arms together,"
        " for orientation; the difference is pooled from the trials' own, and cut at 100."
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
        text, levels = computed(found, compared)[row.domain]
        rows.append(
            {
                "Domain": domains[row.domain],
                "Lowered by": f"{row.levels:g}",
                "Reason": row.reason,
                "From the numbers": text + _against(levels, row.levels),
            }
        )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Question"))
    return Table(frame, "Judgements of certainty", numeric=["Lowered by"])


def _against(levels: int | None, judged: float) -> str:
    """Say what the numbers alone would lower by, and whether the judgement departs from it."""
    if levels is None:
        return ""
    return f": lower by {levels}" + ("" if levels == judged else "; the judgement departs from it")
