"""Tables of response rates: as published, updated, and from available counts, with their heterogeneity.

Belongs here: results of the registry in rows, and captions of their forest plots. Does not belong here: computing
them (`lib.report.rate_entries`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from lib.evidence import THRESHOLD_NAMES, Evidence, Outcome
from lib.published import Result, by_study
from lib.report.counted import at_edge
from lib.report.entries import Entry, of_rate
from lib.report.marked_text import Phrase, Stated
from lib.report.rate_details import implied_variance
from lib.report.tables.table import Table, grouped
from lib.report.wording import (
    count,
    coverage,
    in_cell,
    outcome_name,
    p_value,
    percent,
    prediction_in_cell,
    row_name,
    with_minus,
)
from lib.stats import ENOUGH_TO_PREDICT


def forest_caption(outcome: Outcome, ranges: pd.DataFrame | None = None) -> str:
    """Return the caption of an outcome's forest plot: its content, and the share of studies with available counts.

    Parameters
    ----------
    outcome : Outcome
        The outcome.
    ranges : DataFrame, optional
        The ranges of compatible rates that the plot shows, as in `figures.forest_plot`.
    """
    caption = (
        f"{outcome_name(outcome)} repigmentation. Original studies with available responder counts:"
        f" {coverage(outcome)}."
    )
    counts = pd.concat([outcome.available, outcome.new])
    studies = by_study(counts)
    for rows, text in (
        (
            studies[at_edge(studies)],
            "Not in the pooled results, because the review's method cannot include a rate of 0% or 100%",
        ),
        *_patches(counts),
        (counts[counts.confidence == "low"], "Counts of low confidence"),
    ):
        if len(rows):
            names = dict.fromkeys(rows.label)
            caption += f" {text}: {', '.join(names) if len(names) <= _MOST_NAMES else f'{len(names)} studies'}."
    if ranges is not None and len(ranges):
        caption += " Dotted lines are not data: they show the range of rates compatible with the published results."
        if (ranges.arms.map(len) > 1).any():
            caption += " Arms combined: the range is that of all arms of the study together."
    if outcome.refs_of_row:
        caption += (
            " The review gives no list of studies for this threshold; all studies in the row of its Table 3 are shown."
        )
    if not outcome.available.listed.all():
        caption += " † Not on that list." if outcome.refs_of_row else " † Not on the review's list for this rate."
    return caption


def _patches(rows: pd.DataFrame) -> list[tuple[pd.DataFrame, str]]:
    """Split the counts of patches by whether a patient could have more than one."""
    rows = rows[rows.unit == "patches"]
    several, as_many = rows.n > rows.enrolled.fillna(rows.completed), rows.n == rows.completed
    unit = "Unit of analysis: patches"
    return [
        (rows[several], f"{unit} (more than one per patient)"),
        (rows[~several & as_many], f"{unit} (as many as patients)"),
        (rows[~several & ~as_many], f"{unit} (possibly more than one per patient)"),
    ]


_MOST_NAMES = 12
"""Largest number of studies that a caption names; if there are more, it gives their number."""


def heterogeneity(results: Mapping[str, Entry | None]) -> Table:
    """Show each pooled result with its heterogeneity in a row; None means that fewer than two studies can be pooled."""
    rows = []
    for name, result in results.items():
        pooled = result.pooled if result else None
        if pooled is None:
            rows.append({"Result": name, "Studies": "fewer than 2"})
            continue
        rows.append(
            {
                "Result": name,
                "Studies": f"{pooled.k}",
                "% (95% CI)": in_cell(result),
                "Prediction": prediction_in_cell(result),
                "τ²": f"{pooled.tau2:.3f}",
                "I²": percent(pooled.i2),
                "Q (df), p": f"{pooled.q:.1f} ({pooled.q_df}), {p_value(pooled.q_p)}",
            }
        )
    columns = ["Result", "Studies", "% (95% CI)", "Prediction", "τ²", "I²", "Q (df), p"]
    note = (
        "The arms of a study are added together. Prediction: 95% prediction interval, where the true rate of another"
        " study may lie; a dash if there are too few studies to estimate it (fewer than 3, or fewer than"
        f" {ENOUGH_TO_PREDICT} with an estimated τ² of 0). τ²: between-study variance, on the scale of the analysis."
        " I²: share of the variation between studies that chance does not explain. Q: test of heterogeneity, with its"
        " degrees of freedom."
    )
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return Table(frame, "Pooled results and heterogeneity", note, numeric=columns[1:])


def table3(results: Mapping[tuple[str, str, str], Result], entries: Mapping[str, Entry]) -> Table:
    """Show Table 3 of the review as published, beside the updated rates and those of available counts.

    Parameters
    ----------
    results : mapping of (regimen, threshold, group) to Result
        As `published.results` returns them.
    entries : mapping of str to Entry
        As `registry.results` returns them.
    """
    rows = []
    for result in results.values():
        outcome = result.outcome
        mark = "‡" if result.summary.reading.kind == "off centre" else ""
        cells = {
            ("", "Response"): THRESHOLD_NAMES[outcome.threshold],
            ("Updated", "% (95% CI)"): in_cell(of_rate(entries, outcome, "updated")),
            ("Published", "% (95% CI)"): in_cell(of_rate(entries, outcome, "published"), mark),
            ("Published", "Studies"): f"{outcome.studies:g}",
            ("Published", "Patients"): f"{outcome.patients:g}" if outcome.patients == outcome.patients else "",
            ("New counts", "% (95% CI)"): _by_counts_alone(entries, outcome, "new"),
            ("New counts", "Studies"): outcome.new.study.nunique(),
            ("Available counts", "% (95% CI)"): _by_counts_alone(entries, outcome, "available"),
            ("Available counts", "Studies"): outcome.available.study.nunique(),
        }
        rows.append((f"{row_name(outcome.regimen, outcome.group)}: {row_totals(outcome)}", cells))
    frame = grouped(rows, "group")
    note = (
        "The heading of each group of rows gives its patients, studies and reference numbers over all thresholds, as in"
        " Table 3 of the review; the page Included studies names the studies by reference number. Published: the"
        " numbers of studies and patients are those that the text of the review gives for the threshold, otherwise"
        " those of the heading. Updated: the published rate and the new counts together. New and available counts:"
        " numbers of responders from new and from original studies, pooled by the review's method; for a single study,"
        " its rate with a score interval. A dash: none. ‡ The estimate is not in the middle of its interval, where it"
        " should be by the review's method."
    )
    return Table(frame, "Response rates as updated, as published, and from available counts", note, frame.columns[1:])


def row_totals(outcome: Outcome) -> str:
    """Return the totals of a rate's row in Table 3: ``653 patients in 25 studies (references 7, 8, 22–43, 64)``."""
    studies = count(outcome.row_studies, "study", "studies")
    return f"{outcome.row_patients:g} patients in {studies} (references {outcome.row_refs.replace('-', '–')})"


def updates(results: Mapping[tuple[str, str, str], Result], entries: Mapping[str, Entry]) -> Table:
    """Show every rate as published and as updated, and what its published interval implies.

    Parameters
    ----------
    results, entries : mapping
        As in `table3`.
    """
    rows = []
    for result in results.values():
        outcome = result.outcome
        updated = of_rate(entries, outcome, "updated")
        cells = {
            ("", "Response"): THRESHOLD_NAMES[outcome.threshold],
            ("% (95% CI)", "Updated"): in_cell(updated),
            ("% (95% CI)", "Published"): in_cell(of_rate(entries, outcome, "published")),
            ("% (95% CI)", "Change"): with_minus(f"{100 * (updated.estimate - outcome.estimate):+.1f}")
            if updated
            else "",
            ("% (95% CI)", "New studies alone"): _by_counts_alone(entries, outcome, "new"),
            ("Prediction", "Updated"): prediction_in_cell(updated),
            ("Prediction", "Published"): prediction_in_cell(of_rate(entries, outcome, "published.implied")),
            ("", "detail"): _implied_in_words(result),
        }
        rows.append((row_name(outcome.regimen, outcome.group), cells))
    frame = grouped(rows, "group")
    note = (
        "Rates are percentages. TCI: topical calcineurin inhibitor. Prediction: 95% prediction interval for the true"
        " rate of another study. The review reports none; the one shown for a published rate is derived from its"
        " confidence interval. New studies alone: pooled by the review's method, which leaves out studies at 0% or"
        " 100%; the updated rate includes them. Change: updated minus published rate, in percentage points. Implied"
        " τ²: between-study variance derived from the published interval. Its range allows for rounding only;"
        " because the studies' own rates are unknown, the true range is wider. A dash means that there is no result."
    )
    columns = frame.columns[1:-1]
    return Table(frame, "Updated, published and new response rates", note, columns, detail=("", "detail"))


def _implied_in_words(result: Result) -> Phrase:
    """Describe what a published interval implies, and the between-study variance after the update."""
    summary, updated = result.summary, result.updated
    reading = summary.reading
    if reading.kind == "no interval":
        return Phrase("No interval is published.")
    text = f"Standard error {100 * reading.se:.2f} percentage points"
    if reading.kind == "cut":
        text += ", from the limit of the interval that is not cut off"
    elif reading.wrong:
        number = _published_number(result.outcome, reading.wrong)
        text += f", with {100 * reading.reconciled:.1f} in place of the published {number}"
    end = ""
    if summary.tau2 != summary.tau2:
        end = "; sampling error alone is larger, so no between-study variance is implied"
    else:
        (implied,) = implied_variance(result)
        value = f"{implied.estimate:.4f} ({implied.ci_low:.4f} to {implied.ci_high:.4f}, allowing for rounding)"
        text = Phrase(text, "; implied τ² ", Stated(value, implied.key))
    if updated is not None and updated.k_new:
        new = count(updated.k_new, "new study", "new studies")
        end += f". Updated τ² {updated.tau2:.4f}, from {updated.k_old} published and {new}"
    if not 0 <= summary.implied_rate <= 1 and summary.implied_rate == summary.implied_rate:
        end += (
            ". The published rate and the available counts contradict each other: no rate remains for the other studies"
        )
    return Phrase(text, end, ".")


def _published_number(outcome: Outcome, name: str) -> str:
    decimals = outcome.decimals[("estimate", "ci_low", "ci_high").index(name)]
    return f"{100 * getattr(outcome, name):.{decimals}f}"


def what_changed(evidence: Evidence, results: Sequence[Result], entries: Mapping[str, Entry]) -> Table:
    """Show the changes of the rates with new studies, and the rules by which the conclusions change.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    results : sequence of Result
        Rates with new studies.
    entries : mapping of str to Entry
        As `registry.results` returns them.
    """
    meaning = {r.rule: r.meaning.replace("{}", f"{r.margin:g}") for r in evidence.change_criteria.itertuples()}
    short = evidence.meaning("change_criterion")
    rows = []
    for result in results:
        outcome, updated = result.outcome, result.updated
        assert updated is not None
        width = outcome.ci_high - outcome.ci_low
        wider = 100 * ((updated.ci_high - updated.ci_low) / width - 1) if width > 0 else math.nan
        rows.append(
            {
                "Rate": outcome_name(outcome),
                "Updated": in_cell(of_rate(entries, outcome, "updated")),
                "Published": in_cell(of_rate(entries, outcome, "published")),
                "Recommended method": in_cell(of_rate(entries, outcome, "recommended.available")),
                "Change": with_minus(f"{100 * (updated.estimate - outcome.estimate):+.1f}"),
                "Width": with_minus(f"{wider:+.0f}%") if width > 0 else "",
                "Conclusions change": ", ".join(short[rule] for rule in result.criteria_met) or "no",
            }
        )
    rules = "; ".join(meaning.values())
    note = (
        "Rates are percentages (95% CI). TCI: topical calcineurin inhibitor. Published and Updated: by the review's"
        " method. Recommended method: a logistic model of only those studies, original and new, with available"
        " responder counts; a dash means fewer than two such studies. Change: updated minus published rate, in"
        " percentage points. Width: change in the width of the confidence interval, in percent. The conclusions change"
        f" if at least one criterion is met: {rules}."
    )
    numeric = ["Published", "Updated", "Recommended method", "Change", "Width"]
    return Table(pd.DataFrame(rows, dtype=object), "What changed", note, numeric)


def _by_counts_alone(entries: Mapping[str, Entry], outcome: Outcome, kind: str) -> str:
    """Return the rate in the original or the new studies with counts, or the sums of the counts if not pooled."""
    if entry := of_rate(entries, outcome, kind):
        return in_cell(entry)
    rows = outcome.new if kind == "new" else outcome.available
    return f"{rows.events.sum():g}/{rows.n.sum():g}, not pooled" if len(rows) else ""
