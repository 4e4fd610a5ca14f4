"""Tables and sentences on the updated rates: their sensitivity, and the performance of the update rule in simulations.

Belongs here: sensitivity of the updated rates. Does not belong here: the update (`lib.published`), and updates over
imputed counts (`imputed_counts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.published import Result, Updated, by_study, sensitivity
from lib.report.entries import rate_key
from lib.report.marked_text import Stated
from lib.report.rate_details import under_other_methods, without_each_new_study
from lib.report.tables import Table, grouped
from lib.report.wording import in_cell, outcome_name, percent, span, with_minus

_MOST = 20
"""Largest number of new studies of a rate that are left out in turn; if there are more, the most influential ones."""


def with_new_studies(results: Mapping[tuple[str, str, str], Result]) -> list[Result]:
    """Return the rates that new studies update."""
    return [result for result in results.values() if result.updated is not None and result.updated.k_new]


def updated_span(result: Result) -> str:
    """Return an updated rate with its interval for a cell of a table, with its key."""
    updated = _updated(result)
    return Stated(span(updated.estimate, updated.ci_low, updated.ci_high), rate_key(result.outcome, "updated"))


def _updated(result: Result) -> Updated:
    if result.updated is None:
        raise ValueError(f"{outcome_name(result.outcome)} has no updated rate: select with `with_new_studies`")
    return result.updated


def without_each(results: Sequence[Result]) -> Table:
    """Show the updated rates with each new study, or each of the most influential ones, left out in turn."""
    rows, some_omitted = [], False
    for result in results:
        new, name, updated = by_study(result.outcome.new), outcome_name(result.outcome), _updated(result)
        if len(new) < 2:
            continue
        influence = updated.weights * np.abs(new.events / new.n - updated.estimate)
        largest = np.argsort(-influence.to_numpy(), kind="stable")[:_MOST]
        some_omitted |= len(largest) < len(new)
        entries = without_each_new_study(result)
        rows += [(name, {"Without": new.label[i], "Updated": in_cell(entries[i])}) for i in sorted(largest)]
        rows.append((name, {"Without": "none", "Updated": updated_span(result)}))
    frame = grouped(rows, "group", columns=["Without", "Updated"])
    note = "Rates are percentages (95% CI)."
    if some_omitted:
        note += (
            f" For each rate, the {_MOST} new studies with the largest influence (their weight times their distance"
            " from the updated rate)."
        )
    return Table(frame, "Updated rates with each new study left out in turn", note, numeric=["Updated"])


def choices(results: Sequence[Result]) -> Table:
    """Show the updated rates, and what they would be if the review had used another method."""
    rows = []
    for result in results:
        if result.summary.reading.kind == "no interval":
            continue
        name = outcome_name(result.outcome)
        rows.append((name, {"Method of the review": "As reported", "Updated": updated_span(result)}))
        for method, entry in under_other_methods(result).items():
            rows.append((name, {"Method of the review": method, "Updated": in_cell(entry)}))
    frame = grouped(rows, "group", columns=["Method of the review", "Updated"])
    note = (
        "Rates are percentages (95% CI). Paule-Mandel: another estimator of the between-study variance τ²."
        " Hartung-Knapp: an interval based on Student's t distribution."
    )
    return Table(frame, "Updated rates if the review had used another method", note, numeric=["Updated"])


def largest_change(results: Sequence[Result]) -> str:
    """State by how much the updated rates and their intervals would differ if the review had used another method."""
    moved, ends = [0.0], [0.0]
    for result in results:
        if result.summary.reading.kind != "no interval":
            new, updated = by_study(result.outcome.new), _updated(result)
            for estimate, low, high in sensitivity(result.summary, new.events, new.n).values():
                moved.append(100 * abs(estimate - updated.estimate))
                ends += [100 * abs(low - updated.ci_low), 100 * abs(high - updated.ci_high)]
    return (
        f"With another method of the review, the updated rates change by {max(moved):.1f} percentage points at most,"
        f" and the limits of their intervals by {max(ends):.1f} percentage points at most."
    )


_RULE_NAMES = {
    "all counts, the review's method": "Benchmark: all counts, the review's method",
    "chosen": "Chosen rule",
    "weights of the published variance": "Weights by the published τ², without a minimum",
    "weights of the combined variance": "Weights by the combined τ²",
    "raw scale, one new study without a say": "Raw proportions; one new study does not change τ²",
}

_AT_EDGE = 0.1


def rules(simulated: pd.DataFrame) -> Table:
    """Show the performance of the candidate rules of the update, from `simulations.update_rules`."""
    cases = simulated[simulated.part == "rules"]
    benchmark = cases[cases.rule == next(iter(_RULE_NAMES))].set_index("case")
    rows = []
    settings = {
        f"Settings with at most {100 * _AT_EDGE:.0f}% of studies at 0% or 100%": benchmark.at_edge <= _AT_EDGE,
        f"Settings with more than {100 * _AT_EDGE:.0f}% of studies at 0% or 100%": benchmark.at_edge > _AT_EDGE,
    }
    for heading, in_setting in settings.items():
        reference = benchmark[in_setting]
        for rule, name in _RULE_NAMES.items():
            tested = cases[cases.rule == rule].set_index("case").loc[reference.index]
            cells = {
                "Rule": name,
                "Coverage": f"{100 * tested.covers.mean():.1f}",
                "Worst difference": with_minus(f"{100 * (tested.covers - reference.covers).min():+.1f}"),
                "Bias": f"{100 * tested.bias.abs().mean():.1f}",
                "Error": f"{100 * np.sqrt((tested.rmse**2).mean()):.1f}",
                "Distance (largest)": f"{100 * tested.distance.median():.1f} ({100 * tested.distance.max():.1f})",
                "Narrows wrongly (clearly)": f"{100 * tested.narrows.mean():.1f}"
                f" ({100 * tested.narrows_clearly.mean():.1f})",
            }
            rows.append((f"{heading}: {len(reference)}", cells))
    frame = grouped(rows, "group")
    note = (
        f"Each setting: {int(cases.reviews.max())} simulated reviews of 3 to 40 studies, without those whose rate has"
        " no interval, and 1 or 3 new studies. Points are percentage points. Coverage: percentage of 95% intervals that"
        " contain the mean true rate of all studies, averaged over settings. Worst difference: coverage minus that of"
        " the benchmark, in the setting where this is lowest, in points (Monte Carlo error about 1.5). Bias: mean"
        " absolute bias, in points. Error: root mean squared error, in points. Distance: 95% of reviews have an"
        " estimate within this distance of the benchmark's, in points; median of the settings (largest). Narrows"
        " wrongly: percentage of reviews in which the rule narrows the published interval while the benchmark widens it"
        " (clearly: by 5% or more)."
    )
    return Table(frame, "Rules for updating a published rate, compared by simulation", note, numeric=frame.columns[1:])


def false_alarms(simulated: pd.DataFrame) -> Table:
    """Show how often repeated updates meet a criterion for a change in conclusions although nothing has changed."""
    cases = simulated[simulated.part == "repeated"]
    names = {"moved": "Moves by more than 5 points", "outside": "Excludes the published rate"}
    wide = cases.pivot_table(index=["rule", "k", "rate", "sd"], columns="k_new", values="alarms").reset_index()
    frame = pd.DataFrame(
        {
            "rule": wide.rule.map(names),
            "Published studies": wide.k.astype(str),
            "True rate": [percent(rate) for rate in wide.rate],
            "Standard deviation": [f"{100 * sd:.0f} points" for sd in wide.sd],
            **{f"{upto} updates" if upto > 1 else "1 update": [percent(v) for v in wide[upto]] for upto in (1, 5, 10)},
        }
    ).set_index("rule")
    note = (
        "Percentage of simulated reviews that met a criterion by chance in this number of updates. Each update adds one"
        " study; the true rates of the new and of the published studies have the same mean."
        f" {int(cases.reviews.max())} simulated reviews in each setting. Standard deviation: of the studies' true"
        " rates."
    )
    return Table(frame, "False alarms when a rate is updated repeatedly", note, numeric=frame.columns, folded=True)
