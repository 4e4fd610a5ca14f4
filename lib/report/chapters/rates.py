"""Sections, plots and sentences on the response rates of one regimen.

Belongs here: the parts of the chapters on monotherapy, phototherapy, children and body sites that show a rate. Does not
belong here: the results (`lib.report.rate_entries`), and tables of all rates (`lib.report.tables`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from IPython.display import display

from lib.evidence import GROUP_NAMES, THRESHOLD_NAMES, THRESHOLDS, Evidence, Outcome
from lib.published import imputation
from lib.published import results as published_results
from lib.report import figures, registry, tables
from lib.report.counted import counted
from lib.report.entries import Entry, of_rate, rate_key
from lib.report.wording import count, headline, listed, sentence_case, stated


def section(evidence: Evidence, regimen: str, threshold: str, group: str = "total") -> None:
    """Display the forest plot of a rate, its heterogeneity, and remarks on its studies.

    Parameters
    ----------
    evidence : Evidence
        One edition, or its view of the regimen.
    regimen, threshold, group : str
        Codes as in the data, such as "monotherapy", "ge75" and "total".
    """
    outcome = evidence.outcome(regimen, threshold, group)
    ranges = imputation.consistent_ranges(evidence, outcome)
    plot = figures.show(
        figures.forest_plot,
        outcome,
        counted(outcome.available),
        counted(outcome.new),
        ranges=ranges,
        updated=published_results(evidence)[regimen, threshold, group].updated,
        caption=tables.forest_caption(outcome, ranges),
    )
    entries = registry.results(evidence)
    pooled = {
        "Available counts": of_rate(entries, outcome, "available"),
        "New counts": of_rate(entries, outcome, "new"),
    }
    display(plot)
    display(tables.heterogeneity(pooled))
    display(tables.remarks(evidence, outcome.available, outcome.new, outcome.missing))


def headlines(evidence: Evidence, regimen: str) -> str:
    """Return the headlines of a regimen's rates over the whole body, the strongest response first, in Markdown."""
    entries = registry.results(evidence)
    outcomes = (evidence.outcome(regimen, threshold) for threshold in reversed(THRESHOLDS))
    return "\n\n".join(headline(entries, outcome) for outcome in outcomes)


def origin_by_group(entries: Mapping[str, Entry], outcomes: Sequence[Outcome]) -> str:
    """State in Markdown which of several rates new studies update, and the published rates of those."""
    updated = [outcome for outcome in outcomes if of_rate(entries, outcome, "updated")]
    if not updated:
        return "These are the rates as published by the 2019 review; no new study reports these outcomes."
    published = [
        f"{stated(entries[rate_key(outcome, 'published')])} ({GROUP_NAMES[outcome.group].lower()})"
        for outcome in updated
    ]
    return (
        f"New studies update {len(updated)} of these {count(len(outcomes), 'rate')}; the 2019 review published"
        f" {listed(published)}. The other rates are as published by the review."
    )


def rates_by_group(
    evidence: Evidence, regimen: str, groups: Iterable[str], caption: str
) -> figures.Picture | figures.Listing:
    """Plot the published rates of several groups of patients or sites, beside those of available and new counts."""
    outcomes = [evidence.outcome(regimen, threshold, group) for group in groups for threshold in THRESHOLDS]
    rows = []
    for outcome in outcomes:
        label = f"{GROUP_NAMES[outcome.group].lower()}, {THRESHOLD_NAMES[outcome.threshold]}"
        rows.append((sentence_case(label), outcome, counted(outcome.available), counted(outcome.new)))
    return figures.show(figures.rate_plot, rows, caption=caption)
