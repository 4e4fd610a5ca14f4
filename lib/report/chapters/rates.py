"""Sections, plots and sentences on the response rates of one regimen.

Belongs here: the parts of the chapters on monotherapy, phototherapy, children and body sites that show a rate. Does not
belong here: the results (`lib.report.rate_entries`), and tables of all rates (`lib.report.tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from IPython.display import Markdown, display

from lib.evidence import GROUP_NAMES, THRESHOLD_NAMES, THRESHOLDS, THRESHOLDS_IN_WORDS, Evidence, Outcome
from lib.published import imputation
from lib.published import results as published_results
from lib.report import figures, registry, tables
from lib.report.counted import counted_studies
from lib.report.entries import Entry, current_rate, of_rate, rate_key
from lib.report.wording import WITH_REGIMEN, headline, listed, sentence_case, stated


def section(evidence: Evidence, regimen: str, threshold: str, group: str = "total") -> None:
    """Display the headline of a rate, its forest plot, its heterogeneity, and remarks on its studies.

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
        counted_studies(outcome.available),
        counted_studies(outcome.new),
        ranges=ranges,
        updated=published_results(evidence)[regimen, threshold, group].updated,
        caption=tables.forest_caption(outcome, ranges),
        name="-".join([regimen, *[group] * (group != "total"), threshold]),
    )
    entries = registry.results(evidence)
    pooled = {
        "Original studies with available counts": of_rate(entries, outcome, "available"),
        "New studies": of_rate(entries, outcome, "new"),
    }
    display(Markdown(headline(entries, outcome)))
    display(plot)
    display(tables.heterogeneity(pooled))
    display(tables.remarks(evidence, outcome.available, outcome.new, outcome.missing))


def headlines(evidence: Evidence, regimen: str) -> str:
    """State in Markdown the rates of a regimen over the whole body, the strongest response first, and their origin."""
    entries = registry.results(evidence)
    outcomes = {THRESHOLDS_IN_WORDS[code]: evidence.outcome(regimen, code) for code in reversed(THRESHOLDS)}
    rates = [(name, stated(current_rate(entries, outcome))) for name, outcome in outcomes.items()]
    (strongest, first), *others = rates
    achieved = [f"{first} of patients (or patches) achieved {strongest} repigmentation"]
    achieved += [f"{rate} achieved {name}" for name, rate in others]
    return f"**{WITH_REGIMEN[regimen]}, {listed(achieved)}.** {origin(entries, outcomes)}"


def origin(entries: Mapping[str, Entry], outcomes: Mapping[str, Outcome]) -> str:
    """State in Markdown which of several rates new studies update, and what the review published for these rates.

    Parameters
    ----------
    entries : mapping of str to Entry
        As `registry.results` returns them.
    outcomes : mapping of str to Outcome
        The rates, by a name that distinguishes them, such as "at least 75%" or "children".
    """
    updated = {name: outcome for name, outcome in outcomes.items() if of_rate(entries, outcome, "updated")}
    if not updated:
        return "These are the rates as published by the 2019 review; no new study reports these outcomes."
    published = [f"{stated(entries[rate_key(outcome, 'published')])} for {name}" for name, outcome in updated.items()]
    if len(updated) == len(outcomes):
        return f"These rates include new studies; the 2019 review published {listed(published)}."
    return (
        f"New studies update {len(updated)} of these {len(outcomes)} rates; the 2019 review published"
        f" {listed(published)}. No new study reports the other outcomes, whose rates are those of the review."
    )


def rates_by_group(
    evidence: Evidence, regimen: str, groups: Sequence[str], caption: str
) -> figures.Picture | figures.Listing:
    """Plot the published rates of several groups of patients or sites, beside those of available and new counts."""
    outcomes = [evidence.outcome(regimen, threshold, group) for group in groups for threshold in THRESHOLDS]
    rows = []
    for outcome in outcomes:
        label = f"{GROUP_NAMES[outcome.group].lower()}, {THRESHOLD_NAMES[outcome.threshold]}"
        rows.append((sentence_case(label), outcome, counted_studies(outcome.available), counted_studies(outcome.new)))
    name = f"{regimen}-{groups[0] if len(groups) == 1 else 'rates'}"
    return figures.show(figures.rate_plot, rows, caption=caption, name=name)
