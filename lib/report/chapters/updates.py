"""The tables and sentences of the update in full: what adds up, which counts were drawn, what hangs on what.

Apart from `tables`, as only the chapters on the update need it and the modules it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.evidence import Evidence
from lib.published import Draws, Result, Sizes, by_study, sensitivity, update
from lib.published.count_model import WIDEST
from lib.published.imputation import OverDraws
from lib.published.participants import MOST_SOLUTIONS
from lib.report.figures import percent, span
from lib.report.tables import GROUP_NAMES, REGIMEN_NAMES, THRESHOLD_NAMES, Table, count, outcome_name, plain


def sizes(evidence: Evidence, found: Sizes) -> Table:
    """The totals that a review prints for a regimen, beside what its studies add up to."""
    claims = evidence.published_rates.set_index("claim")
    places = evidence.meaning("place")

    def name(claim: str) -> str:
        if claim not in claims.index:
            return "All studies"
        row = claims.loc[claim]
        people = "" if row.population == "all" else f", {row.population}"
        degree = "" if row.place == "table3" else f", {THRESHOLD_NAMES[row.threshold]}"
        return f"{places[row.place].capitalize()}{people}{degree}"

    frame = pd.DataFrame(
        {
            "Printed total": found.totals.claim.map(name),
            "Printed": found.totals.patients,
            "All who completed": found.totals.listed,
            "As solved": found.totals.n,
            "Met": found.totals.reproduced.map({True: "yes", False: "no"}),
        }
    )
    title = f"{REGIMEN_NAMES[found.regimen]}: printed totals of participants and what adds up to them"
    return Table(frame, title, numeric=["Printed", "All who completed", "As solved"])


def read_otherwise(evidence: Evidence, found: Sizes) -> str:
    """Say which studies have to be read otherwise than the review says, for its totals to add up."""
    names = evidence.studies.drop_duplicates("study").set_index("study").label
    ways = [
        "; ".join(f"{plain(names[study])} ({reading})" for study, reading in one.items()) for one in found.otherwise
    ]
    following = "there is no other at all"
    if found.next_departures == found.next_departures:
        following = f"the next needs {found.next_departures:g}"
    other = "No other solution departs as little" if len(ways) == 1 else f"{len(ways)} solutions depart as little"
    if len(ways) == MOST_SOLUTIONS:
        other, following = f"At least {other}", "no more were looked for"
        ways = ways[:1]
    return (
        f"{REGIMEN_NAMES[found.regimen]}: {int(found.totals.reproduced.sum())} of {len(found.totals)} totals are met"
        f" with {count(found.departures, 'departure')}: {', or '.join(ways)}. {other}"
        f"; {following}."
    )


def agreement(all_draws: Sequence[Draws]) -> Table:
    """How near the imputed counts come to each published rate."""
    rows, groups = [], []
    for draws in all_draws:
        for (threshold, group), within in draws.tolerance.items():
            given_up = within != within
            groups.append(f"{REGIMEN_NAMES[draws.block.regimen]}, {GROUP_NAMES[group].lower()}")
            rows.append(
                {
                    "Response": THRESHOLD_NAMES[threshold],
                    "Reproduced": "no" if given_up else "to the last digit" if within == 1 else "nearly",
                    "Within": "" if given_up else f"{within:g}",
                    "Search": "all counts" if draws.exact else "sampled",
                    "Imputations": f"{len(draws.events)}",
                    "R̂": f"{draws.rhat:.2f}" if np.isfinite(draws.rhat) and not draws.exact else "",
                }
            )
    note = (
        "Within: largest distance from the published rate or an end of its interval, in units of rounding (half a unit"
        f" of the last digit); beyond {WIDEST} a rate counts as not reproduced. Search: whether all possible counts"
        " were tried, or counts were searched by a Markov chain. R̂ compares populations of the chain; near 1 they"
        " agree."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="group"))
    return Table(frame, "Published rates and the counts imputed for them", note, ["Within", "Imputations", "R̂"])


def not_reproduced(all_draws: Sequence[Draws]) -> str:
    """Say which published rates no counts reproduce, and how counts were searched."""

    def named(exact: bool) -> list[str]:
        return [
            f"{REGIMEN_NAMES[d.block.regimen]}, {GROUP_NAMES[s].lower()}, {THRESHOLD_NAMES[t]}"
            for d in all_draws
            for (t, s), within in d.tolerance.items()
            if within != within and d.exact == exact
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


def over_draws(rows: Sequence[tuple[Result, OverDraws | None, OverDraws | None]]) -> Table:
    """Updated rates in closed form, over imputed counts, and over imputed counts on the logit scale."""
    frame = pd.DataFrame(
        {
            "Rate": outcome_name(result.outcome),
            "Closed form": span(result.updated.estimate, result.updated.ci_low, result.updated.ci_high),
            "Imputed counts": span(raw.estimate, raw.ci_low, raw.ci_high) if raw else "",
            "SD between imputations": f"{100 * raw.between:.2f}" if raw else "",
            "Imputed, logit scale": span(logit.estimate, logit.ci_low, logit.ci_high) if logit else "",
            "SD between imputations, logit": f"{100 * logit.between:.1f}" if logit else "",
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


def recovered(rows: pd.DataFrame) -> Table:
    """Available counts that were withheld, and the range of the counts imputed for them."""
    frame = pd.DataFrame(
        {
            "Study": rows.label,
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "Reported": [f"{r.events:g}/{r.n:g}" for r in rows.itertuples()],
            "95% range of the imputed counts": [
                f"{r.low:g} to {r.high:g}" if r.converged else "" for r in rows.itertuples()
            ],
            "Inside": [("yes" if r.inside else "no") if r.converged else "not assessed" for r in rows.itertuples()],
        }
    )
    return Table(frame, "Reported counts, withheld in turn", numeric=["Reported", "95% range of the imputed counts"])


def calibration_by(rows: pd.DataFrame, column: str, heading: str, names: Mapping | None = None) -> Table:
    """How often the 95% ranges of withheld counts of simulated reviews hold the true counts, by a column of rows."""
    found = []
    for value, group in [("All", rows), *rows.groupby(column, sort=False)]:
        share, error = coverage_of_simulated(group)
        found.append(
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
    frame = pd.DataFrame(found)
    return Table(frame, f"Simulated reviews by {heading.lower()}", note, list(frame.columns[1:]))


def chain_accuracy(rows: pd.DataFrame) -> str:
    """Say how near the Markov chain comes to exact enumeration on simulated reviews that are small enough for both."""
    chain, exact = (rows[rows.method == method] for method in ("chain", "exact"))
    reached = chain[chain.reproduced]
    near, exactly_near = ((of.variation <= 2 * of.noise + 1e-12).sum() for of in (reached, exact))
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


_MOST = 20
"""New studies of a rate that are left out in turn: of more, those that pull it most."""


def without_each(results: Sequence[Result]) -> Table:
    """The updated rates with each new study left out in turn; of very many those that pull most."""
    rows, groups, cut = [], [], False
    for result in results:
        new = by_study(result.outcome.new)
        if len(new) < 2:
            continue
        pull = result.updated.weights * np.abs(new.events / new.n - result.updated.estimate)
        most = np.argsort(-pull.to_numpy(), kind="stable")[:_MOST]
        cut |= len(most) < len(new)
        for i in sorted(most):
            kept = new.drop(index=i)
            updated = update(result.summary, kept.events, kept.n)
            groups.append(outcome_name(result.outcome))
            rows.append({"Without": new.label[i], "Updated": span(updated.estimate, updated.ci_low, updated.ci_high)})
        whole = result.updated
        groups.append(outcome_name(result.outcome))
        rows.append({"Without": "none", "Updated": span(whole.estimate, whole.ci_low, whole.ci_high)})
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="group"), columns=["Without", "Updated"])
    note = "In % (95% CI)." + f" Of each rate the {_MOST} studies that pull it most, by weight and distance." * cut
    return Table(frame, "Updated rates without each of the new studies", note, numeric=["Updated"])


def choices(results: Sequence[Result]) -> Table:
    """The updated rates as they are, and as they would be had the review pooled by another method."""
    rows, groups = [], []
    for result in results:
        if result.summary.reading.kind == "no interval":
            continue
        new, updated = by_study(result.outcome.new), result.updated
        found = {"As the review says": (updated.estimate, updated.ci_low, updated.ci_high)}
        for name, ends in (found | sensitivity(result.summary, new.events, new.n)).items():
            groups.append(outcome_name(result.outcome))
            rows.append({"Method of the review": name, "Updated": span(*ends)})
    frame = pd.DataFrame(
        rows, index=pd.Index(groups, name="group"), columns=["Method of the review", "Updated"], dtype=object
    )
    note = "In % (95% CI). Paule-Mandel: another estimator of τ². Hartung-Knapp: an interval by Student's t."
    return Table(frame, "Updated rates under other methods of the review", note, numeric=["Updated"])


def largest_change(results: Sequence[Result]) -> str:
    """Say how far another method of the review would move the updated rates and the ends of their intervals."""
    moved, ends = [0.0], [0.0]
    for result in results:
        if result.summary.reading.kind != "no interval":
            new, updated = by_study(result.outcome.new), result.updated
            for estimate, low, high in sensitivity(result.summary, new.events, new.n).values():
                moved.append(100 * abs(estimate - updated.estimate))
                ends += [100 * abs(low - updated.ci_low), 100 * abs(high - updated.ci_high)]
    return (
        f"Another method would move an updated rate by {max(moved):.1f} percentage points at most, and an end of its"
        f" interval by {max(ends):.1f}."
    )


_RULE_NAMES = {
    "all counts, the review's method": "Benchmark: all counts, the review's method",
    "chosen": "Chosen rule",
    "weights of the published variance": "Weights by the published τ², not raised",
    "weights of the combined variance": "Weights by the combined τ²",
    "raw scale, one new study without a say": "Raw scale; one new study does not change τ²",
}
_AT_EDGE = 0.1


def rules(simulated: pd.DataFrame) -> Table:
    """How the candidate rules of the update did in the simulation (`update_simulation`)."""
    found = simulated[simulated.part == "rules"]
    benchmark = found[found.rule == next(iter(_RULE_NAMES))].set_index("case")
    rows, groups = [], []
    settings = {
        f"Settings with at most {100 * _AT_EDGE:.0f}% of studies at 0% or 100%": benchmark.at_edge <= _AT_EDGE,
        f"Settings with more than {100 * _AT_EDGE:.0f}% of studies at 0% or 100%": benchmark.at_edge > _AT_EDGE,
    }
    for heading, chosen in settings.items():
        full = benchmark[chosen]
        for rule, name in _RULE_NAMES.items():
            one = found[found.rule == rule].set_index("case").loc[full.index]
            short = one.covers - full.covers
            groups.append(f"{heading}: {len(full)}")
            rows.append(
                {
                    "Rule": name,
                    "Coverage": f"{100 * one.covers.mean():.1f}",
                    "Least against benchmark": f"{100 * short.min():+.1f}",
                    "Bias": f"{100 * one.bias.abs().mean():.1f}",
                    "Error": f"{100 * np.sqrt((one.rmse**2).mean()):.1f}",
                    "Distance": f"{100 * one.distance.median():.1f} ({100 * one.distance.max():.1f})",
                    "Narrows wrongly": f"{100 * one.narrows.mean():.1f} ({100 * one.narrows_clearly.mean():.1f})",
                }
            )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="group"))
    note = (
        f"{int(found.reviews.max())} simulated reviews of 3 to 40 studies in each setting, less those whose rate has no"
        " interval; 1 or 3 new studies. Coverage: 95% intervals that hold the mean true rate of all studies, in %,"
        " averaged over settings. Least against benchmark: the setting in which coverage falls furthest behind, in"
        " percentage points (Monte Carlo error about 1.5). Bias: mean absolute; error: root mean squared, in points."
        " Distance from the benchmark's estimate that 95% of reviews stay within: median setting (largest), in points."
        " Narrows wrongly: reviews, in %, in which the rule narrows the published interval and the benchmark widens it"
        " (widens it by 5% or more)."
    )
    return Table(frame, "Rules for an update, compared by simulation", note, numeric=frame.columns[1:])


def false_alarms(simulated: pd.DataFrame) -> Table:
    """How often repeated updates without a true change meet a rule of change."""
    found = simulated[simulated.part == "repeated"]
    names = {"moved": "Moves by more than 5 points", "outside": "Excludes the published rate"}
    wide = found.pivot_table(index=["rule", "k", "rate", "sd"], columns="k_new", values="alarms").reset_index()
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
        f"Each update adds one study with the same true mean rate as the published studies;"
        f" {int(found.reviews.max())} simulated reviews in each setting. Standard deviation: of the true rates."
    )
    return Table(frame, "False alarms when a rate is updated repeatedly", note, numeric=frame.columns, folded=True)
