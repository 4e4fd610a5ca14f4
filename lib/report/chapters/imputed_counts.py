"""Tables and sentences on imputed counts.

Belongs here: participants behind the published rates, imputed counts and updates over them, and their calibration by
simulation. Does not belong here: the imputation (`lib.published`), and updates in closed form (`updates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.evidence import GROUP_NAMES, REGIMEN_NAMES, THRESHOLD_NAMES, Evidence
from lib.published import Draws, Result, Sizes
from lib.published.count_model import WIDEST
from lib.published.imputation import OverDraws
from lib.published.participants import MOST_SOLUTIONS
from lib.report.chapters.updates import updated_span
from lib.report.entries import Entry
from lib.report.rate_details import SCALES, over_imputations
from lib.report.tables import Table, grouped, linked
from lib.report.text_safety import for_markdown
from lib.report.wording import count, in_cell, outcome_name


def other_readings(evidence: Evidence, solved: Sizes) -> str:
    """Name the studies that must be counted differently from the review's description for its totals to add up."""
    names = evidence.studies.drop_duplicates("study").set_index("study").label
    solutions = [
        "; ".join(f"{for_markdown(names[study])} ({reading})" for study, reading in readings.items())
        for readings in solved.otherwise
    ]
    next_best = "there is no other at all"
    if solved.next_departures == solved.next_departures:
        next_best = f"the next needs {solved.next_departures:g}"
    other = (
        "No other solution departs as little" if len(solutions) == 1 else f"{len(solutions)} solutions depart as little"
    )
    if len(solutions) == MOST_SOLUTIONS:
        other, next_best = f"At least {other}", "no more were looked for"
        solutions = solutions[:1]
    return (
        f"{REGIMEN_NAMES[solved.regimen]}: {int(solved.totals.reproduced.sum())} of {len(solved.totals)} totals are"
        f" reproduced with {count(solved.departures, 'departure')}: {', or '.join(solutions)}. {other}"
        f"; {next_best}."
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
            "As solved": solved.totals.n,
            "Reproduced": solved.totals.reproduced.map({True: "yes", False: "no"}),
        }
    )
    title = f"{REGIMEN_NAMES[solved.regimen]}: published totals of participants, and the sums of the studies"
    return Table(frame, title, numeric=["Published", "All who completed", "As solved"])


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
            rows.append((f"{REGIMEN_NAMES[block.block.regimen]}, {GROUP_NAMES[group].lower()}", cells))
    note = (
        "Within: largest distance from the published rate or an end of its interval, in units of rounding (half a unit"
        f" of the last digit); beyond {WIDEST} a rate counts as not reproduced. Search: whether all possible counts"
        " were tried, or counts were searched by a Markov chain. R̂ compares populations of the chain; near 1 they"
        " agree."
    )
    frame = grouped(rows, "group")
    return Table(frame, "Published rates and the counts imputed for them", note, ["Within", "Imputations", "R̂"])


def not_reproduced(imputations: Sequence[Draws]) -> str:
    """Name the published rates that no counts reproduce, and state how counts were searched for."""

    def named(exact: bool) -> list[str]:
        return [
            f"{REGIMEN_NAMES[block.block.regimen]}, {GROUP_NAMES[group].lower()}, {THRESHOLD_NAMES[threshold]}"
            for block in imputations
            for (threshold, group), tolerance in block.tolerance.items()
            if tolerance != tolerance and block.exact == exact
        ]

    tried, sampled = named(True), named(False)
    if not tried and not sampled:
        return "Imputed counts reproduce every published rate, exactly or nearly (see the table)."
    sentences = []
    if tried:
        sentences.append(
            f"For {count(len(tried), 'published rate')} there are no counts within {WIDEST} units of rounding: all"
            f" possible counts were tried ({'; '.join(tried)})."
        )
    if sampled:
        sentences.append(
            f"For {count(len(sampled), 'published rate')} the search by a Markov chain found no counts within {WIDEST}"
            " units of rounding together with the other rates; it is no proof that there are none"
            f" ({'; '.join(sampled)})."
        )
    return " ".join(sentences) + (
        " This holds for the studies and sizes above, the available counts and the method as the review describes it."
        " That method gives no weight to a study without responders; how the review treated such studies is not"
        " reported."
    )


OverCounts = tuple[Entry | None, OverDraws | None]

Pair = tuple[Result, OverCounts, OverCounts]
"""An updated rate, and the rate over imputed counts on the raw and on the logit scale (None without imputations)."""


def update_over_imputations(results: Sequence[Result], imputations: Sequence[Draws]) -> list[Pair]:
    """Update rates over imputed counts, on the raw and on the logit scale.

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
    """Show updated rates in closed form, over imputed counts, and over imputed counts on the logit scale."""
    frame = pd.DataFrame(
        {
            "Rate": outcome_name(result.outcome),
            "Closed form": updated_span(result),
            "Imputed counts": in_cell(raw[0]),
            "SD between imputations": f"{100 * raw[1].between:.2f}" if raw[1] else "",
            "Imputed, logit scale": in_cell(logit[0]),
            "SD between imputations, logit": f"{100 * logit[1].between:.1f}" if logit[1] else "",
        }
        for result, raw, logit in rows
    )
    note = (
        "In % (95% CI). Imputed counts: the unknown counts are imputed many times, each set is pooled with the"
        " available and the new counts, and the results are combined by Rubin's rules. SD between imputations: standard"
        " deviation in percentage points, which is what the unknown counts leave open. These rates rest on counts that"
        " no study reported."
    )
    return Table(frame, "Updated rates, in closed form and with imputed counts", note, frame.columns[1:])


def largest_differences(rows: Sequence[Pair]) -> str:
    """State how much updates over imputed counts differ from the closed form, and their remaining uncertainty."""
    differences = [
        (raw.estimate - result.updated.estimate, raw.between, logit.between)
        for result, (_, raw), (_, logit) in rows
        if result.updated and raw and logit
    ]
    if not differences:
        return "Nothing to update: this edition has no new counts."
    gap, raw_sd, logit_sd = np.abs(100 * np.array(differences)).max(axis=0)
    return (
        f"The closed form and the mean over the imputed counts are at most {gap:.1f} points apart. On the review's raw"
        f" scale the unknown counts move the updated rates by no more than {raw_sd:.1f} points (one standard"
        " deviation), because the published rates fix them. On the logit scale, which keeps studies at 0% and 100%,"
        f" they leave up to {logit_sd:.1f} points open."
    )


def recovery(rows: pd.DataFrame) -> str:
    """State in Markdown how many withheld counts lie within the range of the counts imputed for them."""
    assessed = rows[rows.converged]
    outside = ", ".join(map(for_markdown, assessed.label[~assessed.inside].unique()))
    missing = len(rows) - len(assessed)
    text = (
        f"**{assessed.inside.sum()} of {len(assessed)}** reported counts lie within the 95% range of the counts imputed"
        " for them"
    )
    if outside:
        text += f"; those outside are of {outside}"
    if missing:
        text += f". {count(missing, 'count')} could not be assessed, as the chain did not converge"
    return f"{text}."


def calibration(simulated: pd.DataFrame) -> str:
    """State how often the 95% ranges of withheld counts of simulated reviews contain the true counts."""
    share, error = coverage_of_simulated(simulated)
    not_converged, sampled = (~simulated.converged).sum(), (~simulated.exact).sum()
    return (
        f"Over {len(simulated)} simulated reviews of {simulated.studies.min()} to {simulated.studies.max()} studies,"
        f" the 95% ranges held {100 * share:.1f}% of the withheld counts (Monte Carlo error {100 * error:.1f} points)."
        f" In {len(simulated) - sampled} reviews all possible counts could be tried; the other {sampled} were sampled"
        f" by a Markov chain, which did not converge in {not_converged}"
        f" ({100 * not_converged / len(simulated):.0f}% of all reviews). Those are not in the coverage, and where the"
        " same happens in this review no range is shown. In"
        f" {100 * simulated.reproduced.mean():.0f}% of the reviews the imputed counts reproduce every rate to its last"
        " digit, as they should, since the true counts do."
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


def calibration_by(rows: pd.DataFrame, column: str, heading: str, names: Mapping[str, str] | None = None) -> Table:
    """Show how often the 95% ranges of withheld counts of simulated reviews contain the true counts, by a column."""
    rows_of_table = []
    for value, group in [("All", rows), *rows.groupby(column, sort=False)]:
        share, error = coverage_of_simulated(group)
        rows_of_table.append(
            {
                heading: (names or {}).get(value, value) if value != "All" or column != "studies" else "All",
                "Reviews": len(group),
                "All counts tried": int(group.exact.sum()),
                "Chain did not converge": f"{(~group.converged).sum()} ({100 * (~group.converged).mean():.0f}%)",
                "Coverage, %": f"{100 * share:.1f}" if share == share else "",
                "Monte Carlo error": f"{100 * error:.1f}" if error == error else "",
            }
        )
    note = (
        "Coverage: mean over the reviews that converged of the share of withheld counts within their 95% range. Monte"
        " Carlo error: its standard error, in percentage points."
    )
    frame = pd.DataFrame(rows_of_table)
    return Table(frame, f"Simulated reviews by {heading.lower()}", note, list(frame.columns[1:]))


def chain_accuracy(rows: pd.DataFrame) -> str:
    """State how closely the Markov chain agrees with exact enumeration on simulated reviews small enough for both."""
    chain, exact = (rows[rows.method == method] for method in ("chain", "exact"))
    reached = chain[chain.reproduced]
    near, exactly_near = ((part.variation <= 2 * part.noise + 1e-12).sum() for part in (reached, exact))
    return (
        f"{count(len(chain), 'simulated review')} of {rows.studies.min()} to {rows.studies.max()} studies were small"
        " enough to try all counts, and were also sampled by the chain. The chain found counts that reproduce every"
        f" rate in {len(reached)} of {len(chain)}, enumeration in {exact.reproduced.sum()}. The total variation of the"
        f" chain's draws from the exact distribution was {reached.variation.mean():.3f} on average, where independent"
        f" draws have {reached.noise.mean():.3f} by chance; it was at most twice the chance value in {near} of"
        f" {len(reached)} reviews. For the draws from the enumeration these numbers are {exact.variation.mean():.3f},"
        f" {exact.noise.mean():.3f} and {exactly_near} of {len(exact)}."
    )


def coverage_of_simulated(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the mean share of covered counts of the simulated reviews that converged, and its standard error."""
    shares = (rows.covered / rows.withheld)[rows.converged]
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else np.nan
