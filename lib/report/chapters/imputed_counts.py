"""Tables and sentences on imputed counts.

Belongs here: participants behind the published rates, imputed counts and updates over them, and their calibration by
simulation. Does not belong here: the imputation (`lib.published`), and updates in closed form (`updates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.evidence import REGIMEN_NAMES, THRESHOLD_NAMES, Evidence
from lib.published import Draws, Result, Sizes
from lib.published.count_model import WIDEST
from lib.published.imputation import OverDraws
from lib.published.participants import MOST_SOLUTIONS
from lib.report.chapters.updates import updated_span
from lib.report.entries import Entry
from lib.report.rate_details import SCALES, over_imputations
from lib.report.tables import Table, grouped, linked
from lib.report.text_safety import for_markdown
from lib.report.wording import count, in_cell, outcome_name, row_name


def other_readings(evidence: Evidence, solved: Sizes) -> str:
    """Name the studies for which the count must depart from the review's description if its totals are to add up."""
    names = evidence.studies.drop_duplicates("study").set_index("study").label
    solutions = [
        "; ".join(f"{for_markdown(names[study])} ({reading})" for study, reading in readings.items())
        for readings in solved.solutions
    ]
    next_best = "no other solution exists"
    if solved.next_departures == solved.next_departures:
        next_best = f"the next best needs {solved.next_departures:g}"
    needed = f"{len(solutions)} solutions need this number of departures"
    others = "No other solution needs as few" if len(solutions) == 1 else f"In all, {needed}"
    if len(solutions) == MOST_SOLUTIONS:
        others, next_best = f"At least {needed}", "the search stopped there"
        solutions = solutions[:1]
    return (
        f"{REGIMEN_NAMES[solved.regimen]}: {int(solved.totals.reproduced.sum())} of {len(solved.totals)} totals are"
        f" reproduced with {count(solved.departures, 'departure')} from the review's description:"
        f" {', or '.join(solutions)}. {others}; {next_best}."
    )


def sizes(evidence: Evidence, solved: Sizes) -> Table:
    """Show the published totals of participants of a regimen, beside the sums of its studies."""
    claims = evidence.published_rates.set_index("claim")
    places = evidence.meaning("place")

    def name(claim: str) -> str:
        if claim not in claims.index:
            return "All studies"
        row = claims.loc[claim]
        population = "" if row.population == "all" else f", {row.population}"
        threshold = "" if row.place == "table3" else f", {THRESHOLD_NAMES[row.threshold]}"
        return f"{places[row.place].capitalize()}{population}{threshold}"

    frame = pd.DataFrame(
        {
            "Published total": solved.totals.claim.map(name),
            "Published": solved.totals.patients,
            "All who completed": solved.totals.listed,
            "Sum in the solution": solved.totals.n,
            "Reproduced": solved.totals.reproduced.map({True: "yes", False: "no"}),
        }
    )
    title = f"{REGIMEN_NAMES[solved.regimen]}: published totals of participants, and the sums of the studies"
    return Table(frame, title, numeric=["Published", "All who completed", "Sum in the solution"])


def agreement(imputations: Sequence[Draws]) -> Table:
    """Show how closely the imputed counts reproduce each published rate."""
    rows = []
    for block in imputations:
        for (threshold, group), tolerance in block.tolerance.items():
            no_counts = tolerance != tolerance
            cells = {
                "Response": THRESHOLD_NAMES[threshold],
                "Reproduced": "no" if no_counts else "to the last digit" if tolerance == 1 else "nearly",
                "Within": "" if no_counts else f"{tolerance:g}",
                "Search": "all counts" if block.exact else "sampled",
                "Imputations": f"{len(block.events)}",
                "R̂": f"{block.rhat:.2f}" if np.isfinite(block.rhat) and not block.exact else "",
            }
            rows.append((row_name(block.block.regimen, group), cells))
    note = (
        "Within: largest distance of the imputed results from the published rate and the limits of its interval, in"
        f" units of rounding (half a unit of the last digit). Beyond {WIDEST} units a rate counts as not reproduced."
        " Search: whether all possible counts were tried, or a sample of them by a Markov chain. R̂ shows whether the"
        " chain has converged; a value near 1 means that it has."
    )
    frame = grouped(rows, "group")
    return Table(frame, "Published rates and the counts imputed for them", note, ["Within", "Imputations", "R̂"])


def not_reproduced(imputations: Sequence[Draws]) -> str:
    """Name the published rates that no counts reproduce, and state how counts were searched for."""

    def names(exact: bool) -> list[str]:
        return [
            f"{row_name(block.block.regimen, group)}, {THRESHOLD_NAMES[threshold]}"
            for block in imputations
            for (threshold, group), tolerance in block.tolerance.items()
            if tolerance != tolerance and block.exact == exact
        ]

    tried, sampled = names(True), names(False)
    if not tried and not sampled:
        return "The imputed counts reproduce every published rate, exactly or nearly (see the table)."
    sentences = []
    if tried:
        sentences.append(
            f"For {count(len(tried), 'published rate')}, all possible counts were tried, and none is within {WIDEST}"
            f" units of rounding ({'; '.join(tried)})."
        )
    if sampled:
        sentences.append(
            f"For {count(len(sampled), 'published rate')}, the search by a Markov chain found no counts within {WIDEST}"
            " units of rounding that also agree with the other rates, which does not prove that there are none"
            f" ({'; '.join(sampled)})."
        )
    return " ".join(sentences) + (
        " This applies to the studies and sizes above, the available counts, and the method that the review describes."
        " That method gives no weight to a study without responders; the review does not report how it treated such"
        " studies."
    )


OverCounts = tuple[Entry | None, OverDraws | None]

Pair = tuple[Result, OverCounts, OverCounts]
"""An updated rate, and the rates from imputed counts on the raw and on the logit scale (None without imputations)."""


def update_over_imputations(results: Sequence[Result], imputations: Sequence[Draws]) -> list[Pair]:
    """Update rates from imputed counts, on the raw and on the logit scale.

    Parameters
    ----------
    results : sequence of Result
        Rates with new studies.
    imputations : sequence of Draws
        Imputed counts of every block of rates, as `published.impute` returns them.
    """
    block_of = {(block.block.regimen, group): block for block in imputations for group in block.block.groups}
    rows = []
    for result in results:
        outcome = result.outcome
        block = block_of[outcome.regimen, outcome.group]
        raw, logit = (over_imputations(result, block, scale) for scale in SCALES)
        rows.append((result, raw, logit))
    return rows


def updates_over_imputations(rows: Sequence[Pair]) -> Table:
    """Show updated rates without imputation, from imputed counts, and from imputed counts on the logit scale."""
    frame = pd.DataFrame(
        {
            "Rate": outcome_name(result.outcome),
            "Without imputation": updated_span(result),
            "Imputed counts": in_cell(raw[0]),
            "SD between imputations": f"{100 * raw[1].between:.2f}" if raw[1] else "",
            "Imputed counts, logit scale": in_cell(logit[0]),
            "SD between imputations, logit": f"{100 * logit[1].between:.1f}" if logit[1] else "",
        }
        for result, raw, logit in rows
    )
    note = (
        "Rates are percentages (95% CI). Without imputation: the updated rate, computed from the published rate and"
        " its interval. Imputed counts: the unknown counts are imputed many times, each set is pooled with the"
        " available and the new counts, and the results are combined by Rubin's rules. These rates depend on counts"
        " that no study reported. SD between imputations: standard deviation of the rate between sets of imputed"
        " counts, in percentage points; it shows the uncertainty that is due to the unknown counts."
    )
    return Table(frame, "Updated rates without and with imputed counts", note, frame.columns[1:])


def largest_differences(rows: Sequence[Pair]) -> str:
    """State how much updates from imputed counts differ from those without imputation, and their uncertainty."""
    differences = [
        (raw.estimate - result.updated.estimate, raw.between, logit.between)
        for result, (_, raw), (_, logit) in rows
        if result.updated and raw and logit
    ]
    if not differences:
        return "Nothing to update: this edition has no new counts."
    gap, raw_sd, logit_sd = np.abs(100 * np.array(differences)).max(axis=0)
    return (
        f"The updated rates without imputation and the means over the imputed counts differ by at most {gap:.1f}"
        " percentage points. On the raw scale, which the review used, the unknown counts move the updated rates by no"
        f" more than {raw_sd:.1f} percentage points (one standard deviation), because the published rates determine"
        " them. On the logit scale, which includes studies at 0% and 100%, they move the updated rates by up to"
        f" {logit_sd:.1f} percentage points."
    )


def recovery(rows: pd.DataFrame) -> str:
    """State in Markdown how many withheld counts lie within the range of the counts imputed for them."""
    assessed = rows[rows.converged]
    outside = ", ".join(map(for_markdown, assessed.label[~assessed.inside].unique()))
    missing = len(rows) - len(assessed)
    text = (
        f"Of the reported counts, **{assessed.inside.sum()} of {len(assessed)}** that could be assessed lie within the"
        " 95% range of the counts imputed for them"
    )
    if outside:
        text += f"; those outside are from {outside}"
    if missing:
        text += f". For {count(missing, 'count')} the Markov chain did not converge, so no range could be assessed"
    return f"{text}."


def calibration(simulated: pd.DataFrame) -> str:
    """State how often the 95% ranges of withheld counts of simulated reviews contain the true counts."""
    share, error = coverage_of_simulated(simulated)
    not_converged, sampled = (~simulated.converged).sum(), (~simulated.exact).sum()
    return (
        f"In {len(simulated)} simulated reviews of {simulated.studies.min()} to {simulated.studies.max()} studies,"
        f" the 95% ranges contained {100 * share:.1f}% of the withheld counts (Monte Carlo error {100 * error:.1f}"
        f" percentage points). All possible counts could be tried in {len(simulated) - sampled} reviews; in the other"
        f" {sampled} they were sampled by a Markov chain. The chain did not converge in {not_converged} reviews"
        f" ({100 * not_converged / len(simulated):.0f}% of all). These are not included in the percentage, and where"
        f" the chain does not converge in this review, no range is shown. In {100 * simulated.reproduced.mean():.0f}%"
        " of the simulated reviews, the imputed counts reproduce every rate to its last digit, as the true counts"
        " do."
    )


def recovered(rows: pd.DataFrame) -> Table:
    """Show available counts that were withheld, and the range of the counts imputed for them."""
    frame = pd.DataFrame(
        {
            "Study": linked(rows),
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "Reported": [f"{r.events:g}/{r.n:g}" for r in rows.itertuples()],
            "95% range of the imputed counts": [
                f"{r.low:g} to {r.high:g}" if r.converged else "" for r in rows.itertuples()
            ],
            "Inside": [("yes" if r.inside else "no") if r.converged else "not assessed" for r in rows.itertuples()],
        }
    )
    return Table(frame, "Reported counts, withheld in turn", numeric=["Reported", "95% range of the imputed counts"])


def calibration_by(simulated: pd.DataFrame, column: str, heading: str, names: Mapping[str, str] | None = None) -> Table:
    """Show how often the 95% ranges of withheld counts contain the true counts, for each value of a column."""
    rows = []
    for value, group in [("All", simulated), *simulated.groupby(column, sort=False)]:
        share, error = coverage_of_simulated(group)
        rows.append(
            {
                heading: (names or {}).get(value, value),
                "Reviews": len(group),
                "All counts tried": int(group.exact.sum()),
                "Chain did not converge": f"{(~group.converged).sum()} ({100 * (~group.converged).mean():.0f}%)",
                "Coverage, %": f"{100 * share:.1f}" if share == share else "",
                "Monte Carlo error": f"{100 * error:.1f}" if error == error else "",
            }
        )
    note = (
        "Coverage: percentage of withheld counts within their 95% range, averaged over the reviews in which the chain"
        " converged or all counts were tried. Monte Carlo error: standard error of the coverage, in percentage points."
    )
    frame = pd.DataFrame(rows)
    return Table(frame, f"Simulated reviews by {heading.lower()}", note, frame.columns[1:])


def chain_accuracy(rows: pd.DataFrame) -> str:
    """State how closely the Markov chain agrees with exact enumeration on simulated reviews small enough for both."""
    chain, exact = (rows[rows.method == method] for method in ("chain", "exact"))
    reached = chain[chain.reproduced]
    near, exactly_near = ((part.variation <= 2 * part.noise + 1e-12).sum() for part in (reached, exact))
    return (
        f"In {count(len(chain), 'simulated review')} of {rows.studies.min()} to {rows.studies.max()} studies, all"
        " possible counts could be tried, and were also sampled by the chain. The chain found counts that reproduce"
        f" every rate in {len(reached)} of {len(chain)} reviews; trying all counts found them in"
        f" {exact.reproduced.sum()}."
        " The difference between the counts sampled by the chain and the exact distribution is measured by the total"
        f" variation distance (0 for identical, 1 for separate distributions). It was {reached.variation.mean():.3f}"
        f" on average, while independent samples from the exact distribution have {reached.noise.mean():.3f} by"
        f" chance; it was at most twice the chance value in {near} of {len(reached)} reviews. For samples taken after"
        f" trying all counts, these numbers are {exact.variation.mean():.3f}, {exact.noise.mean():.3f} and"
        f" {exactly_near} of {len(exact)}."
    )


def coverage_of_simulated(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the mean share of covered counts of the simulated reviews that converged, and its standard error."""
    shares = (rows.covered / rows.withheld)[rows.converged]
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else np.nan
