"""Tables and sentences of the chapter that compares pooling methods, on the available counts and in simulations.

Belongs here: the comparison of methods. Does not belong here: the methods and simulations (`lib.simulations`), and how
the studies of one rate differ (`heterogeneity`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from lib.evidence import Outcome
from lib.report import figures
from lib.report.counted import counts_of
from lib.report.entries import rate_key
from lib.report.marked_text import Stated
from lib.report.rate_details import method_key
from lib.report.tables import Table, grouped
from lib.report.wording import count, outcome_name, percent, span
from lib.simulations.coverage import METHODS, RATES, RECOMMENDED, Method
from lib.simulations.interval_coverage import ARMS, RISKS, SETS, TAUS
from lib.simulations.prediction_coverage import SPREADS
from lib.stats import ENOUGH_TO_PREDICT, Pooled


def rows(outcome: Outcome) -> list[figures.Row]:
    """Return the rows of an interval plot: the published rate, and the available counts by each method."""
    counts, key = counts_of(outcome), rate_key(outcome, "published")
    published = figures.result_row("Published", outcome, f"{outcome.studies:g}", "published", key=key)
    return [published, *(_row(outcome, method, method.pool(counts.events, counts.n)) for method in METHODS)]


def _row(outcome: Outcome, method: Method, pooled: Pooled) -> figures.Row:
    is_recommended = method is RECOMMENDED
    colour = figures.INK if is_recommended else figures.REPORTED
    key = method_key(outcome, method) if pooled.estimate == pooled.estimate else ""
    return figures.result_row(method.name, pooled, f"{pooled.k}", colour=colour, bold=is_recommended, key=key)


def results(outcomes: Sequence[Outcome]) -> Table:
    """Show the pooled available counts of several rates by every method."""
    rows = []
    for outcome in outcomes:
        counts = counts_of(outcome)
        for method in METHODS:
            pooled = method.pool(counts.events, counts.n)
            rate = span(pooled.estimate, pooled.ci_low, pooled.ci_high)
            prediction = span(math.nan, pooled.pi_low, pooled.pi_high)
            cells = {
                "Method": method.name,
                "Studies": str(pooled.k),
                "Rate, % (95% CI)": Stated(rate, method_key(outcome, method)) if rate else "",
                "Prediction, %": (
                    Stated(prediction, method_key(outcome, method), "prediction")
                    if pooled.predicts and prediction
                    else "too few"
                ),
                "τ²": f"{pooled.tau2:.4f}",
                "I²": percent(pooled.i2),
                "Left out": f"{int(pooled.dropped.sum()) or ''}",
            }
            rows.append((outcome_name(outcome), cells))
    note = (
        "DL: DerSimonian-Laird. PM: Paule-Mandel. HK: Hartung-Knapp. Prediction: 95% prediction interval for the"
        f" true rate of another study. Too few: fewer than 3 studies, or fewer than {ENOUGH_TO_PREDICT} with an"
        " estimated τ² of 0, cannot show how much the rates of studies differ. τ² is on the scale of each method,"
        " and cannot be compared between scales. Left out: studies in which nobody or everybody responded, which"
        " have no weight on the raw scale. Intervals are cut at 0% and 100%."
    )
    frame = grouped(rows, "Rate")
    return Table(
        frame, "Available responder counts, pooled by every method", note, numeric=["Studies", "Left out"], folded=True
    )


def coverage_at_low_rates(simulated: pd.DataFrame) -> str:
    """State how often the intervals of the review's and of the recommended method contain a low true rate."""
    low_rate = simulated.rate.min()
    coverage = simulated[(simulated.sizes == "review") & (simulated.rate == low_rate)].groupby("method").covers
    lowest, highest = coverage.min(), coverage.max()
    review, ours = (f"{percent(lowest[m.name])} to {percent(highest[m.name])}" for m in (METHODS[0], RECOMMENDED))
    return (
        "The method of the 2019 review gives confidence intervals that are too narrow where rates are low. In"
        f" simulated reviews with a rate of {percent(low_rate)}, its 95% intervals contain the true rate"
        f" in {review} of the reviews, and those of the recommended method in {ours}."
    )


def covered(simulated: pd.DataFrame, note: str) -> Table:
    """Show how often the 95% intervals of each method contain the true rate in simulations."""
    frame = pd.DataFrame({"Method": [method.name for method in METHODS]})
    for (rate, tau), rows in simulated.groupby(["rate", "tau"], sort=False):
        covers = rows.set_index("method").covers
        frame[f"{percent(rate, 1)}, {tau:g}"] = [percent(covers[name]) for name in frame.Method]
    return Table(
        frame,
        "Coverage: percentage of 95% confidence intervals that contain the true rate",
        note,
        numeric=frame.columns[1:],
    )


_RULES = {
    "normal": "Normal",
    "hksj": "Hartung-Knapp",
    "wider": "The wider of these two",
    "mkh": "Modified Knapp-Hartung (chosen)",
    "mkh on k - 1": "Modified Knapp-Hartung without the exception for two trials",
}


def interval_rules(simulated: pd.DataFrame) -> Table:
    """Show coverage and width of the intervals of pooled comparisons, from `simulations.interval_coverage`."""
    rows = []
    for (trials, rule), part in simulated.groupby(["trials", "rule"], sort=False):
        if rule == "mkh on k - 1" and trials > 2:
            continue
        cells = {
            "Interval": _RULES[rule],
            "Least coverage": percent(part.covers.min(), 1),
            "Mean coverage": percent(part.covers.mean(), 1),
            "Where trials agree": percent(np.average(part.covers_alike, weights=part.alike), 1),
            "Median width": f"{part.width.median():.2f}",
        }
        rows.append((count(trials, "trial"), cells))
    note = (
        f"{SETS} sets of trials in each of {len(RISKS) * len(TAUS)} scenarios: geometric mean risk of the arms"
        f" {_either(risk for risk, _ in RISKS)}, true risk ratio {_either(ratio for _, ratio in RISKS)}, standard"
        f" deviation of the log risk ratios {_either(TAUS)}; arms of {min(map(min, ARMS))} to {max(map(max, ARMS))}"
        " participants."
        " Least coverage: that in the worst scenario. Where trials agree: coverage in the sets whose trials differ less"
        " than sampling error alone would make them. Width: on the scale of the log risk ratio. τ² is estimated by"
        " restricted maximum likelihood."
    )
    frame = grouped(rows, "Trials")
    return Table(
        frame,
        "Coverage of 95% confidence intervals of pooled risk ratios",
        note,
        numeric=frame.columns[1:],
        folded=True,
    )


def _either(values: Iterable[float]) -> str:
    """Return the distinct values as text: ``0.1, 0.2 or 0.4``."""
    *others, last = (f"{value:g}" for value in dict.fromkeys(values))
    return f"{', '.join(others)} or {last}"


def predictions(simulated: pd.DataFrame) -> Table:
    """Show how often prediction intervals contain another study's true rate."""
    rows = []
    for studies, part in simulated.groupby("studies", sort=False):
        cells = {"Studies": f"{studies}"}
        for transform, name in (("raw", "Raw"), ("logit", "Logit")):
            on_scale = part[part["transform"] == transform]
            for quantile, label in (("normal", "normal"), ("t", "t")):
                cells[f"{name}, {label}"] = (
                    f"{percent(on_scale[quantile].mean())} ({percent(on_scale[quantile].min())})"
                )
        for tau, with_spread in part.groupby("tau"):
            cells[f"τ² = 0, spread {tau:g}"] = percent(with_spread.zero.mean())
        rows.append(cells)
    note = (
        "Coverage averaged over the scenarios (coverage in the worst scenario). Scenarios: rates of"
        f" {_either(100 * rate for rate in RATES)}%, with a spread (standard deviation of the logits) of"
        f" {_either(SPREADS)}; τ² by DerSimonian-Laird. Normal: interval based on the normal distribution. t: interval"
        " based on Student's t with k − 2 degrees of freedom. τ² = 0: percentage of simulated reviews in which τ² is"
        " estimated as 0 although the rates differ by that spread."
    )
    frame = pd.DataFrame(rows)
    return Table(
        frame, "Coverage of prediction intervals for the true rate of another study", note, numeric=frame.columns
    )
