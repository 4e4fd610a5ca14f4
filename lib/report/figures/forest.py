"""Forest plots of response rates and of comparisons within trials.

Belongs here: the rows of a forest plot, with their order, marks and colours. Does not belong here: how a row is drawn
(`intervals`), and any pooling: pooled results and the intervals of single studies are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.evidence import THRESHOLD_NAMES, Outcome
from lib.report.entries import rate_key
from lib.report.figures.drawing import Drawing
from lib.report.figures.intervals import interval_plot
from lib.report.figures.letters import shortened
from lib.report.figures.listing import Listing
from lib.report.figures.rows import RATE, RATIO, Row, possible_rates, result_row
from lib.report.figures.style import INK, MANY, NEW, PUBLISHED, REPORTED
from lib.report.wording import count

if TYPE_CHECKING:
    from lib.published import Updated
    from lib.report.counted import CountedStudies
    from lib.report.entries import Entry
    from lib.stats import Pooled


def forest_plot(
    outcome: Outcome,
    original: CountedStudies,
    new: CountedStudies,
    *,
    wide: bool,
    ranges: pd.DataFrame | None = None,
    updated: Updated | None = None,
) -> Drawing | Listing:
    """Plot all studies of an outcome, including those without available responder counts.

    Parameters
    ----------
    outcome : Outcome
        The outcome: its studies and what the review published.
    original, new : CountedStudies
        Studies of the review and of the update with available counts.
    wide : bool
        Form.
    ranges : DataFrame, optional
        Ranges of rates compatible with the published results for studies without available counts, as
        `published.imputation.consistent_ranges` returns them.
    updated : Updated, optional
        The updated rate; drawn if there are new studies.

    Returns
    -------
    Drawing or Listing
        Reported counts as squares with the score interval (Wilson 1927), the arms of a study added up; labelled grey
        rows for studies whose counts are not available, with the compatible range as a dotted line; the published
        result as an open diamond; pooled results as filled diamonds; the studies of the update in a separate group
        below. A dagger marks a study with available counts that the review's reference list of the outcome lacks.
    """
    patients = f"n = {outcome.patients:g}" if outcome.patients == outcome.patients else ""
    published = _published_row(outcome, f"Published, {outcome.studies:g} studies", patients)
    groups = {
        "Original review": (
            _study_rows(original, REPORTED, wide) + _missing_rows(outcome, ranges, wide),
            [published, *_pooled_rows("Available counts", original, REPORTED, rate_key(outcome, "available"))],
        )
    }
    if len(new.studies):
        groups["Update since August 2018"] = (
            _study_rows(new, NEW, wide),
            _pooled_rows("New counts", new, NEW, rate_key(outcome, "new")),
        )
    last = []
    if updated is not None and updated.k_new:
        label = "Updated: published and new"
        key = rate_key(outcome, "updated")
        last = [result_row(label, updated, colour=INK, key=key)]
    alt = (
        f"Forest plot. {outcome.available_studies} of {outcome.studies:g} studies of the original review have available"
        f" counts; {outcome.missing.study.nunique()} are listed without counts."
    )
    return interval_plot(_arranged(groups, last), wide=wide, counts="Events/n", alt=alt)


def _published_row(outcome: Outcome, label: str, counts: str) -> Row:
    return result_row(label, outcome, counts, "published", colour=PUBLISHED, key=rate_key(outcome, "published"))


def _pooled_rows(label: str, counted: CountedStudies, colour: str, key: str) -> list[Row]:
    """Return the row of a pooled rate with its total counts; no row if nothing is pooled."""
    if counted.pooled is None:
        return []
    counts = _total(counted.studies[~counted.pooled.dropped])
    return [result_row(label, counted.pooled, counts, colour=colour, key=key)]


def _total(studies: pd.DataFrame) -> str:
    """Return the sums of the counts of studies, ``"120/310"``."""
    return f"{studies.events.sum():g}/{studies.n.sum():g}"


def _study_rows(counted: CountedStudies, colour: str, wide: bool) -> list[Row]:
    studies, pooled = counted.studies, counted.pooled
    weights = pooled.weights if pooled is not None else np.full(len(studies), np.nan)
    rows = []
    for study, label, weight in zip(studies.itertuples(), _labels(studies, wide), weights, strict=True):
        label += "" if study.listed or study.edition != "original" else "†"
        counts = f"{study.events:g}/{study.n:g}"
        rows.append(
            Row(label, "study", study.rate, study.ci_low, study.ci_high, counts, weight, colour, study=study.study)
        )
    return rows


def _missing_rows(outcome: Outcome, ranges: pd.DataFrame | None, wide: bool) -> list[Row]:
    """Return a row for each arm whose counts are not available, with the compatible range if there is one."""
    rows = []
    # For a body site, the number of patients with a lesion there is not known, only the number who completed.
    with_size = outcome.group == "total"
    for study, label in zip(outcome.missing.itertuples(), _labels(outcome.missing, wide), strict=True):
        counts = f"n = {study.n:g}" if with_size and study.n == study.n else ""
        remark = "not pooled" if study.reported else "not available"
        low, high, together = _compatible_range(ranges, study)
        if low == low:
            remark = f"{'arms combined' if together else 'not available'}; {possible_rates(low, high)}"
        rows.append(Row(label, "missing", np.nan, low, high, counts, remark=remark, study=study.study))
    return rows


_SHORT = {"tacrolimus": "tac.", "pimecrolimus": "pim."}


def _labels(studies: pd.DataFrame, wide: bool) -> list[str]:
    drugs = studies.drug if wide else studies.drug.replace(_SHORT, regex=True)
    several = studies.study.duplicated(keep=False) | studies.drug.str.contains("; ")
    # Number of letters for which there is space beside the counts.
    room = 40 if wide else 32
    drugs = (", " + drugs).where(several, "")
    return [shortened(label, room - len(drug)) + drug for label, drug in zip(studies.label, drugs, strict=True)]


def studies_plot(studies: pd.DataFrame, pooled: Pooled, *, wide: bool) -> Drawing | Listing:
    """Plot the proportions of studies of any selection, and their pooled proportion.

    Parameters
    ----------
    studies : DataFrame
        One row for each study: label, events, n, and the limits of its interval, ci_low and ci_high.
    pooled : Pooled
        Their pooled proportion.
    wide : bool
        Form.
    """
    fits_picture = len(studies) < MANY
    rows = []
    for study, weight in zip(studies.itertuples(), pooled.weights, strict=True):
        label = shortened(study.label, 40 if wide else 32) if fits_picture else study.label
        values = (study.events / study.n, study.ci_low, study.ci_high)
        rows.append(Row(label, "study", *values, f"{study.events:g}/{study.n:g}", weight, REPORTED))
    result = result_row("Pooled", pooled, _total(studies[~pooled.dropped]), colour=INK)
    scale = replace(RATE, heading=RATE.heading.replace("95", f"{100 * pooled.level:g}"))
    alt = f"Forest plot of {count(len(studies), 'study', 'studies')}."
    # Put the pooled result first if the studies need a long table, so that readers see it.
    rows = [*rows, result] if fits_picture else [result, *rows]
    return interval_plot(rows, wide=wide, scale=scale, counts="Events/n", alt=alt)


def _arranged(groups: dict[str, tuple[list[Row], list[Row]]], last: list[Row]) -> list[Row]:
    """Arrange the groups of a forest plot, each with its results below, or above if there are very many rows."""
    rows = []
    for heading, (studies, results) in groups.items():
        rows += [Row(heading, "heading"), *studies, *results]
    if len(rows + last) <= MANY:
        return rows + last
    all_results = [row for _, results in groups.values() for row in results]
    all_studies = [row for heading, (rows, _) in groups.items() for row in (Row(heading, "heading"), *rows)]
    return [Row("Results", "heading"), *all_results, *last, *all_studies]


def _compatible_range(ranges: pd.DataFrame | None, study: Any) -> tuple[float, float, bool]:
    """Return the compatible range of an arm, and whether it is that of several arms; it is shown for the first."""
    for row in () if ranges is None else ranges[ranges.study == study.study].itertuples():
        if study.arm == min(row.arms):
            return row.low, row.high, len(row.arms) > 1
    return np.nan, np.nan, False


def update_plot(results: Sequence[tuple[str, Sequence[Entry | None]]], *, wide: bool) -> Drawing | Listing:
    """Plot published rates beside the rates of new studies, updated rates, and rates by the recommended method.

    Parameters
    ----------
    results : sequence of (label, (published, new, updated, recommended))
        The rates; nothing is drawn for None.
    wide : bool
        Form.
    """
    kinds = (
        ("Published", "published", PUBLISHED),
        ("New studies alone", "pooled", NEW),
        ("Updated", "pooled", INK),
        ("Recommended method", "pooled", REPORTED),
    )
    rows = []
    for label, rates in results:
        rows.append(Row(label, "heading"))
        for (name, kind, colour), rate in zip(kinds, rates, strict=True):
            if rate is not None:
                kind = "study" if rate.k == 1 else kind
                bold = name == "Updated"
                rows.append(result_row(name, rate, f"{rate.k:g}", kind, colour=colour, bold=bold, key=rate.key))
    return interval_plot(rows, wide=wide, counts="Studies")


def rate_plot(
    results: Sequence[tuple[str, Outcome, CountedStudies, CountedStudies]], *, wide: bool
) -> Drawing | Listing:
    """Plot the published rates of several outcomes beside the rates from available and from new counts.

    Parameters
    ----------
    results : sequence of (label, outcome, original, new)
        The outcomes, each with the studies of the review and of the update that have available counts. If these are not
        pooled, they are drawn as single studies.
    wide : bool
        Form.
    """
    rows = []
    for label, outcome, original, new in results:
        rows.append(Row(label, "heading"))
        rows.append(_published_row(outcome, "Published", f"{outcome.studies:g}"))
        for name, kind, counted, colour in (
            ("Available counts", "available", original, REPORTED),
            ("New counts", "new", new, NEW),
        ):
            key = rate_key(outcome, kind)
            if counted.pooled is not None:
                rows.append(result_row(name, counted.pooled, f"{len(counted.studies)}", colour=colour, key=key))
            else:
                key = key if len(counted.studies) == 1 else ""
                rows += [
                    Row(name, "study", rate, low, high, "1", colour=colour, key=key)
                    for rate, low, high in counted.studies[["rate", "ci_low", "ci_high"]].itertuples(index=False)
                ]
    return interval_plot([replace(row, bold=False) for row in rows], wide=wide, counts="Studies")


def comparison_plot(
    trials: pd.DataFrame,
    ratios: Pooled,
    pooled: Pooled | None = None,
    *,
    wide: bool,
    keys: Sequence[str] = (),
    pooled_key: str = "",
) -> Drawing | Listing:
    """Plot comparisons within trials, as risk ratios.

    Parameters
    ----------
    trials : DataFrame
        One row for each trial, as in `evidence.Question.pairs`.
    ratios : Pooled
        The risk ratio of each trial, shape (number of trials,).
    pooled : Pooled, optional
        Their pooled risk ratio, drawn if there is more than one trial.
    wide : bool
        Form.
    keys : sequence of str
        Key of each trial's risk ratio in the registry of stated results; by default none.
    pooled_key : str
        Key of the pooled risk ratio.
    """
    if pooled is not None and pooled.k < 2:
        pooled = None
    weights = pooled.weights if pooled is not None else np.full(len(trials), np.nan)
    rows = []
    intervals = np.column_stack([ratios.estimate, ratios.ci_low, ratios.ci_high])
    keys = keys or [""] * len(trials)
    for trial, (estimate, low, high), weight, key in zip(trials.itertuples(), intervals, weights, keys, strict=True):
        threshold = THRESHOLD_NAMES[trial.threshold]
        counts = f"{trial.events:g}/{trial.n:g} v {trial.control_events:g}/{trial.control_n:g}"
        label = shortened(trial.label, (38 if wide else 26) - len(threshold))
        label = f"{label}{'*' * trial.paired}, {threshold}"
        colour = NEW if trial.edition == "update" else REPORTED
        # A trial that carries no information on the ratio has no registered result.
        key = key if estimate == estimate else ""
        rows.append(Row(label, "study", estimate, low, high, counts, weight, colour, key=key, study=trial.study))
    if pooled is not None:
        rows.append(result_row("Pooled", pooled, colour=INK, key=pooled_key))
    alt = f"Forest plot of {count(trials.study.nunique(), 'trial')}, risk ratio."
    return interval_plot(rows, wide=wide, scale=RATIO, counts="Responders", alt=alt)
