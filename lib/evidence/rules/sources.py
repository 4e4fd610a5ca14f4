"""Rules for where facts come from: every included study has results, and every count a report of its study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from lib.evidence.column_types import reference_numbers
from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, included_studies, needs

_RESULTS = ("responses", "reported_without_counts", "bounds", "adverse_events", "maintenance")
"""Tables of results."""
_COUNTS = ("responses", "adverse_events")
"""Tables of counts that are read from the report of a study."""
_NUMBERS_OF_FACTS = {
    "enrolled": (1, 100_000),
    "completed": (0, 100_000),
    "analysed": (1, 100_000),
    "duration_months": (0.1, 120),
    "duration_weeks": (0.5, 520),
}
"""Fields of report_facts.csv whose value is a number, with the range that it must be in."""


def _reports_by_study(tables: Tables) -> dict[str, set[str]]:
    """Return the forms in which a source may name the report of each study: DOI, PubMed number, address and key."""
    reports: dict[str, set[str]] = defaultdict(set)
    for key, rows in (("key", tables["references"]), ("study", tables["screening"])):
        # Iterating over rows takes a time that grows with the columns.
        for row in rows[[name for name in (key, "doi", "pmid", "url") if name in rows]].itertuples():
            study = getattr(row, key)
            identifiers = {f"doi:{row.doi}" if row.doi else "", f"pmid:{row.pmid}" if row.pmid else ""}
            reports[study] |= {_normal(text) for text in (study, *identifiers, getattr(row, "url", ""))} - {""}
    return reports


def _normal(source: str) -> str:
    """Return a source in a normal form, so that different spellings of it are equal."""
    return source.casefold().rstrip("/")


@needs("references", "screening", *_COUNTS)
def counts_are_from_reports_of_the_study(tables: Tables) -> Iterator[Fault]:
    """A count is from a report of its study, unless it is marked as from a secondary report."""
    reports = _reports_by_study(tables)
    for name in _COUNTS:
        frame = tables[name]
        for row in frame.itertuples():
            is_secondary = getattr(row, "source_kind", "") == "secondary_review"
            known = reports.get(row.study, {row.study})
            if row.source and _normal(row.source) not in known and not is_secondary:
                place = f"the entry {row.study} in references.bib"
                rule = (
                    f"is not a report of {row.study} (known: {', '.join(sorted(known))}): correct it, or add the report"
                    f" as doi, pmid or url to {place}"
                )
                if name == "responses":
                    rule += "; a count seen elsewhere has source_kind = secondary_review"
                yield Fault(f"{name}.csv", row.Index, "source", row.source, rule)


@needs("references", "screening")
def sources_are_not_of_another_study(tables: Tables) -> Iterator[Fault]:
    """A fact of a study is not from the report of another study."""
    reports = _reports_by_study(tables)
    study_by_report = {report: study for study, known in reports.items() for report in known if ":" in report}
    for name, frame in tables.items():
        if name in _COUNTS or not {"study", "source"} <= set(frame):
            continue
        for row in frame[["study", "source"]].itertuples():
            report = _normal(row.source)
            owner = study_by_report.get(report, row.study)
            if owner != row.study and report not in reports.get(row.study, ()):
                rule = f"is the report of {owner}, and the row is about {row.study}: correct one of the two"
                yield Fault(f"{name}.csv", row.Index, "source", row.source, rule)


@needs("studies", "screening", "published_rates", "published_numbers", *_RESULTS)
def included_studies_have_results(tables: Tables) -> Iterator[Fault]:
    """An included study has a result of some kind, its own or one that the review published for it."""
    with_results = set().union(*(tables[name].study for name in _RESULTS))
    published: set[int] = set()
    for refs in (*tables["published_rates"].refs, *tables["published_numbers"].refs):
        try:
            published |= set(reference_numbers(refs)) if refs else set()
        except ValueError:
            continue
    included, studies = included_studies(tables), tables["studies"].drop_duplicates("study")
    for row in studies[~studies.study.isin(with_results)].itertuples():
        number = pd.to_numeric(row.review_ref, errors="coerce")
        if row.study in included and number not in published:
            rule = (
                "is included, and has no result: enter its counts in responses.csv, or what it reports instead in"
                " reported_without_counts.csv"
            )
            yield Fault("studies.csv", row.Index, "study", row.study, rule)


@needs("report_facts")
def facts_are_numbers(tables: Tables) -> Iterator[Fault]:
    """A number of patients or a duration that a report gives is a number within its range."""
    facts = tables["report_facts"]
    for row in facts[facts.field.isin(_NUMBERS_OF_FACTS)].itertuples():
        low, high = _NUMBERS_OF_FACTS[row.field]
        number = pd.to_numeric(row.value, errors="coerce")
        if not low <= number <= high:
            rule = f"must be a number from {low:g} to {high:g} for the field {row.field}; words belong in note"
            yield Fault("report_facts.csv", row.Index, "value", row.value, rule)
