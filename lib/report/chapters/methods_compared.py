"""Tables of the chapters that compare methods and describe heterogeneity.

Those that other chapters need too are in `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy import special

from lib.evidence import Outcome
from lib.report import figures
from lib.report.figures import INK, REPORTED, Picture, Row, percent, ratio_text, show, span
from lib.report.registry import Entry, Stated, choices, counts_of, in_cell, predicted, rate_key
from lib.report.tables import Table, count, outcome_name, p_value
from lib.simulations.coverage import METHODS, RATES, RECOMMENDED, Method
from lib.simulations.interval_coverage import ARMS, RISKS, SETS, TAUS
from lib.simulations.prediction_coverage import SPREADS
from lib.stats import (
    ENOUGH_TO_PREDICT,
    ENOUGH_TO_TEST,
    FEWEST_TO_FILL,
    TAU2,
    Pooled,
    begg,
    between_groups,
    egger,
    heterogeneity_interval,
    influence_measures,
    leave_one_out,
    permutation_test,
    peters,
    pool,
    pool_proportions,
    proportions,
    regress,
    subgroups_with_common_tau2,
    trim_and_fill,
)


def rows(outcome: Outcome) -> list[Row]:
    """Return the rows of an interval plot: the printed rate, and the public counts by each method."""
    counts = counts_of(outcome)
    printed = Row("Published", "printed", outcome.estimate, outcome.ci_low, outcome.ci_high, f"{outcome.studies:g}")
    found = [(method, method.pool(counts.events, counts.n)) for method in METHODS]
    return [printed, *(_row(method, pooled) for method, pooled in found)]


def _row(method: Method, pooled: Pooled) -> Row:
    chosen = method is RECOMMENDED
    colour = INK if chosen else REPORTED
    values = (pooled.estimate, pooled.ci_low, pooled.ci_high)
    return Row(method.name, "pooled", *values, f"{pooled.k}", colour=colour, bold=chosen)


def results(outcomes: Sequence[Outcome]) -> Table:
    """The available counts of several rates by every method."""
    shown, groups = [], []
    for outcome in outcomes:
        counts = counts_of(outcome)
        for method in METHODS:
            pooled = method.pool(counts.events, counts.n)
            groups.append(outcome_name(outcome))
            shown.append(
                {
                    "Method": method.name,
                    "Studies": str(pooled.k),
                    "Rate, % (95% CI)": _with_key(
                        span(pooled.estimate, pooled.ci_low, pooled.ci_high), outcome, method
                    ),
                    "Prediction, %": (
                        _with_key(span(float("nan"), pooled.pi_low, pooled.pi_high), outcome, method, "prediction")
                        if pooled.predicts
                        else "too few"
                    ),
                    "τ²": f"{pooled.tau2:.4f}",
                    "I²": percent(pooled.i2),
                    "Left out": f"{int(pooled.dropped.sum()) or ''}",
                }
            )
    note = (
        "DL DerSimonian-Laird, PM Paule-Mandel, HK Hartung-Knapp. Prediction: 95% prediction interval of another"
        " study's true rate; too few: fewer than 3 studies, or fewer than"
        f" {ENOUGH_TO_PREDICT} with an estimated τ² of 0, cannot show how far the rates of studies lie apart. τ² is on"
        " the scale of each method, and cannot be compared between scales. Left out: studies at 0% or 100%, which the"
        " raw scale cannot weigh. Intervals are cut at 0% and 100%."
    )
    frame = pd.DataFrame(shown, index=pd.Index(groups, name="Rate"), dtype=object)
    return Table(frame, "Available counts by every method", note, numeric=["Studies", "Left out"], folded=True)


_REGISTERED = {RECOMMENDED.name: "recommended.available", "Logit, DL": "logit"}
"""Methods whose results are registered, and their kinds of result."""


def _with_key(text: str, outcome: Outcome, method: Method, part: str = "") -> str:
    """Return the text of a method's result, with its key where it is registered."""
    kind = _REGISTERED.get(method.name)
    return Stated(text, rate_key(outcome, kind), part) if kind and text else text


def spread(outcomes: Sequence[Outcome]) -> Table:
    """The between-study variance of each outcome's public counts by every estimator, with its interval."""
    shown = []
    for outcome in outcomes:
        counts = counts_of(outcome)
        if len(counts) < 2:
            continue
        y, v = proportions(counts.events, counts.n, transform="logit")
        ends = heterogeneity_interval(y, v)
        shown.append(
            {
                "Rate": outcome_name(outcome),
                **{name: f"{pool(y, v, tau2=name).tau2:.2f}" for name in TAU2 if name != "FE"},
                "95% CI": f"{ends.tau2_low:.2f}–{ends.tau2_high:.{2 if ends.tau2_high < 100 else 0}f}",
                "I² (95% CI)": span(pool(y, v).i2, ends.i2_low, ends.i2_high, 0),
            }
        )
    note = (
        "Logit scale. DL DerSimonian-Laird, PM Paule-Mandel, REML and ML restricted and full maximum likelihood, EB"
        " empirical Bayes, SJ Sidik-Jonkman, HE Hedges. Intervals by the Q-profile, which belong to none of them."
    )
    frame = pd.DataFrame(shown)
    return Table(frame, "Between-study variance by every estimator", note, numeric=[*frame.columns[1:]])


def sensitivity(outcome: Outcome, found: Mapping[str, Entry]) -> Table:
    """The available counts of a rate, split by what could matter, by the recommended method."""
    counts = counts_of(outcome)
    shown, groups = [], []
    for choice in choices(counts):
        p = _test_between(choice.names, counts)
        for name in sorted(choice.names.unique()):
            entry = found.get(rate_key(outcome, choice.kind(name)))
            groups.append(choice.heading)
            shown.append(
                {
                    "Counts": name.capitalize(),
                    "Studies": f"{(choice.names == name).sum()}",
                    "Rate, % (95% CI)": in_cell(entry),
                    "Test between": p,
                }
            )
            p = ""
    note = (
        "A single count has its score interval. Test between: p-value for a difference between the groups, on the logit"
        " scale with one between-study variance for all. With so few studies only very large differences could be"
        " found, and of several tests one may be small by chance."
    )
    title = f"{outcome_name(outcome)}: the rate in subgroups of the studies with available counts"
    frame = pd.DataFrame(shown, index=pd.Index(groups, name="Choice"), dtype=object)
    return Table(frame, title, note, numeric=["Studies"])


def _test_between(names: pd.Series, counts: pd.DataFrame) -> str:
    """Test the groups against each other with one tau² for all; empty where each has but one study."""
    if names.value_counts().max() < 2:
        return ""
    counts = counts.loc[names.index]
    y, v = proportions(counts.events, counts.n, transform="logit")
    _, pooled = subgroups_with_common_tau2(names.to_numpy(), y, v, tau2="REML")
    return p_value(between_groups(pooled.estimate, pooled.se**2)[2])


def small_studies(outcomes: Sequence[Outcome]) -> Table:
    """Tests of small-study effects for each outcome with available counts of enough studies for trim-and-fill."""
    shown = []
    for outcome in outcomes:
        counts = counts_of(outcome)
        if len(counts) < FEWEST_TO_FILL:
            continue
        y, v = proportions(counts.events, counts.n, transform="logit")
        tests = {"Egger": egger(y, v), "Peters": peters(y, counts.events, counts.n), "Begg": begg(y, v)}
        filled = trim_and_fill(y, v, tau2="REML")
        shown.append(
            {
                "Rate": outcome_name(outcome),
                "Studies": f"{len(counts)}",
                **{f"{name}, p": p_value(test.p) if test.p == test.p else "" for name, test in tests.items()},
                "Trim and fill": f"{filled.missing:g} put in, {percent(special.expit(filled.pooled.estimate), 1)}",
                "What it means": "nothing: too few studies" if tests["Egger"].too_few else "can be asked",
            }
        )
    note = (
        f"Logit scale. With fewer than {ENOUGH_TO_TEST} studies no test of asymmetry means anything, whatever p it"
        f" gives. Trim-and-fill needs at least {FEWEST_TO_FILL} studies: rates with fewer are not listed."
    )
    return Table(pd.DataFrame(shown), "Small-study effects", note, numeric=["Studies"])


def heterogeneity_in_short(outcome: Outcome, logit: Entry | None) -> str:
    """Say how far the available counts of an outcome lie apart, for the head of a chapter."""
    counts = counts_of(outcome)
    studies = f"{count(len(counts), 'study', 'studies')} with available responder counts ({outcome_name(outcome)})"
    if logit is None:
        return f"**Heterogeneity cannot be estimated from {studies}.**"
    spread = (
        f"the true rate of another study may lie anywhere from {predicted(logit)} (95% prediction interval)"
        if logit.pi_low == logit.pi_low
        else "so few cannot show where the true rate of another study may lie"
    )
    return f"**Among the {studies} I² is {percent(logit.pooled.i2)}, and {spread}.**"


def without_each(outcome: Outcome) -> Picture | Markdown:
    """Draw the pooled rate of an outcome's public counts with each of them left out in turn."""
    counts = counts_of(outcome).sort_values("year", kind="stable")
    if len(counts) < 2:
        return Markdown(f"Of {count(len(counts), 'count')} none can be left out.")
    whole = pool_proportions(counts.events, counts.n, transform="logit")
    without = pool_proportions(*leave_one_out(counts.events, counts.n), transform="logit")
    rows = figures.result_rows(["All"], whole, counts=[f"{whole.k}"])
    names = [f"without {label}" for label in counts.label]
    rows += figures.result_rows(names, without, counts=[f"{k}" for k in without.k])
    caption = f"{outcome_name(outcome)}: the pooled rate with each study left out in turn."
    return show(figures.intervals, rows, counts="Studies", caption=caption)


def influence(outcome: Outcome) -> Table | Markdown:
    """What each public count of an outcome does to its pooled rate."""
    counts, found = _influence(outcome)
    if len(counts) < 2:
        return Markdown("Nor is there an influence of it to measure.")
    frame = pd.DataFrame(
        {
            "Study": counts.label,
            "Rate": [f"{row.events:g}/{row.n:g}" for row in counts.itertuples()],
            "Weight": [percent(value) for value in found.hat],
            "Studentised residual": [f"{value:.2f}" for value in found.residual],
            "DFFITS": [f"{value:.2f}" for value in found.dffits],
            "Cook's distance": [f"{value:.2f}" for value in found.cook],
            "Contribution to heterogeneity": [f"{value:.2f}" for value in found.baujat_x],
            "Pull on the result": [f"{value:.2f}" for value in found.baujat_y],
        }
    )
    note = (
        "Logit scale, REML. A residual beyond ±2 or a Cook's distance beyond 1 would call for a look at the study. The"
        " last two columns are the axes of Baujat's plot."
    )
    return Table(frame, f"{outcome_name(outcome)}: the influence of each study", note, numeric=[*frame.columns[1:]])


def baujat(outcome: Outcome) -> Picture | Markdown:
    """Baujat's plot of an outcome's public counts, or that it is not worth drawing."""
    counts, found = _influence(outcome)
    if len(counts) < _ENOUGH_TO_PLOT:
        return Markdown(f"Of {count(len(counts), 'count')} Baujat's plot would tell no more than the table.")
    counts = counts.assign(heterogeneity=found.baujat_x, pull=found.baujat_y)
    groups = {name: counts[counts.edition == edition] for edition, name in _EDITIONS.items()}
    caption = (
        f"{outcome_name(outcome)}: what each study adds to heterogeneity, and the square of how many standard errors"
        " the pooled log odds move without it. Named are studies with twice the mean of either, or more."
    )
    return show(figures.baujat, groups, caption=caption)


_EDITIONS = {"original": "Original review", "update": "Update"}
# With fewer each has a third of the weight or more, and pulls whatever it found.
_ENOUGH_TO_PLOT = 4


def _influence(outcome: Outcome) -> tuple[pd.DataFrame, influence_measures.Influence]:
    counts = counts_of(outcome)
    return counts, influence_measures.influence(*proportions(counts.events, counts.n, transform="logit"), tau2="REML")


_MODERATORS = {"year": "Year of publication", "months": "Months of treatment", "children": "Children alone"}


def moderators(outcome: Outcome) -> Table:
    """Meta-regressions of an outcome's public counts on one moderator each, with permutation p-values."""
    counts = counts_of(outcome).assign(children=lambda rows: (rows.population == "children").astype(float))
    y, v = proportions(counts.events, counts.n, transform="logit")
    shown = []
    for column, name in _MODERATORS.items():
        x = counts[column].to_numpy(float)
        known = ~np.isnan(x)
        if known.sum() < 4 or len(set(x[known])) < 2:
            shown.append({"Moderator": name, "Studies": f"{known.sum()}", "Odds ratio per unit (95% CI)": ""})
            continue
        fit = regress(y, v, x, ci="hksj")
        chance = permutation_test(y, v, x, ci="hksj")
        values = np.exp([fit.coefficients[1], fit.ci_low[1], fit.ci_high[1]])
        shown.append(
            {
                "Moderator": name,
                "Studies": f"{fit.k}",
                "Odds ratio per unit (95% CI)": ratio_text(*values),
                "p": p_value(fit.p[1]),
                "p by permutation": p_value(chance.p[0]),
                "Arrangements": f"{chance.number}{'' if chance.exact else ', drawn'}",
            }
        )
    note = (
        "Logit scale, REML, Knapp-Hartung. By permutation: the share of arrangements of the moderator among the studies"
        " that would look at least as strong; it can be no smaller than one in their number. A dash: it does not vary,"
        " or fewer than four studies have it."
    )
    return Table(pd.DataFrame(shown), f"{outcome_name(outcome)}: moderators", note, numeric=["Studies", "Arrangements"])


def coverage_in_short(simulated: pd.DataFrame) -> str:
    """Say how often the review's and the recommended method's intervals contain a low true rate, from `coverage`."""
    low = simulated[(simulated.sizes == "review") & (simulated.rate == simulated.rate.min())].groupby("method").covers
    least, most = low.min(), low.max()
    review, ours = (f"{percent(least[m.name])} to {percent(most[m.name])}" for m in (METHODS[0], RECOMMENDED))
    return (
        "The review's own method gives intervals that are too narrow where rates are low. In simulated reviews with a"
        f" rate of {percent(simulated.rate.min())}, its 95% intervals contain the true rate in {review} of the reviews,"
        f" those of the recommended method in {ours}."
    )


def covered(simulated: pd.DataFrame, note: str) -> Table:
    """How often the 95% interval of each method contains its rate: some cases of the simulation in `coverage`."""
    frame = pd.DataFrame({"Method": [method.name for method in METHODS]})
    for (rate, tau), rows in simulated.groupby(["rate", "tau"], sort=False):
        of_method = rows.set_index("method").covers
        frame[f"{percent(rate, 1)}, {tau:g}"] = [percent(of_method[name]) for name in frame.Method]
    return Table(frame, "Intervals that contain the true rate", note, numeric=[*frame.columns[1:]])


_RULES = {
    "normal": "Normal",
    "hksj": "Hartung-Knapp",
    "wider": "The wider of both",
    "mkh": "Modified Knapp-Hartung: chosen",
    "mkh on k - 1": "The same without the exception for two trials",
}


def interval_rules(simulated: pd.DataFrame) -> Table:
    """Coverage and width of the intervals of pooled comparisons, from the simulation in `interval_coverage`."""
    rows, groups = [], []
    for (trials, rule), part in simulated.groupby(["trials", "rule"], sort=False):
        if rule == "mkh on k - 1" and trials > 2:
            continue
        groups.append(count(trials, "trial"))
        rows.append(
            {
                "Interval": _RULES[rule],
                "Least coverage": percent(part.covers.min(), 1),
                "Mean coverage": percent(part.covers.mean(), 1),
                "Where trials agree": percent(np.average(part.covers_alike, weights=part.alike), 1),
                "Median width": f"{part.width.median():.2f}",
            }
        )
    note = (
        f"{SETS} sets of trials in each of {len(RISKS) * len(TAUS)} scenarios: geometric mean risk of the arms"
        f" {_listed(RISKS, 0)}, true risk ratio {_listed(RISKS, 1)}, standard deviation of the log risk ratios"
        f" {_listed([(tau,) for tau in TAUS], 0)}; arms of {min(map(min, ARMS))} to {max(map(max, ARMS))} participants."
        " Least: in the worst scenario. Where trials agree: in the sets whose trials differ less than sampling error"
        " alone would make them. Width: on the scale of the log risk ratio. τ² by restricted maximum likelihood."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="Trials"))
    return Table(frame, "95% intervals of pooled risk ratios", note, numeric=[*frame.columns[1:]], folded=True)


def _listed(rows: Sequence[tuple[float, ...]], at: int) -> str:
    *some, last = (f"{value:g}" for value in dict.fromkeys(row[at] for row in rows))
    return f"{', '.join(some)} or {last}"


def predictions(simulated: pd.DataFrame) -> Table:
    """How often prediction intervals contain another study's true rate, from `prediction_coverage`."""
    rows = []
    for studies, part in simulated.groupby("studies", sort=False):
        shown = {"Studies": f"{studies}"}
        for transform, name in (("raw", "Raw"), ("logit", "Logit")):
            of_scale = part[part["transform"] == transform]
            for quantile, label in (("normal", "normal"), ("t", "t")):
                shown[f"{name}, {label}"] = (
                    f"{percent(of_scale[quantile].mean())} ({percent(of_scale[quantile].min())})"
                )
        for tau, some in part.groupby("tau"):
            shown[f"τ² = 0, spread {tau:g}"] = percent(some.zero.mean())
        rows.append(shown)
    note = (
        "Mean over the scenarios (in the worst one in brackets): rates of"
        f" {_listed([(100 * rate,) for rate in RATES], 0)}%, with a spread (standard deviation of the logits) of"
        f" {_listed([(spread,) for spread in SPREADS], 0)}; DerSimonian-Laird. Normal: with the quantile 1.96; t: with"
        " Student's t on k − 2 degrees of freedom. τ² = 0: share of the simulated reviews in which τ² is estimated as 0"
        " although the rates differ by that spread."
    )
    frame = pd.DataFrame(rows)
    return Table(frame, "Prediction intervals that contain another study's true rate", note, numeric=[*frame.columns])
