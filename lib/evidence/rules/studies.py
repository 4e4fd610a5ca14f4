"""Rules for studies and records: original review and update, screening, flow of records, and main findings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lib.evidence.column_types import is_past_date
from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs, rows_by, with_numbers


def _included_in_update(tables: Tables) -> set[str]:
    studies, screening = tables["studies"], tables["screening"]
    return set(studies.study[studies.edition == "update"]) - set(screening.study[screening.decision != "included"])


@needs("findings", "studies", "screening")
def update_has_findings(tables: Tables) -> Iterator[Fault]:
    """Every included study of the update has its main finding."""
    studies = tables["studies"]
    without = _included_in_update(tables) - set(tables["findings"].study)
    for row in studies[studies.study.isin(without)].drop_duplicates("study").itertuples():
        rule = "an included study of the update needs its main finding in findings.csv"
        yield Fault("studies.csv", row.Index, "study", row.study, rule)


@needs("findings", "studies", "screening")
def findings_are_of_the_update(tables: Tables) -> Iterator[Fault]:
    """Every main finding is that of an included study of the update."""
    findings = tables["findings"]
    for row in findings[~findings.study.isin(_included_in_update(tables))].itertuples():
        yield Fault("findings.csv", row.Index, "study", row.study, "must be an included study of the update")


@needs("findings", "responses")
def findings_repeat_no_counts(tables: Tables) -> Iterator[Fault]:
    """A main finding contains no count or percentage of the responses, because the book adds these to it."""
    counts = with_numbers(tables["responses"], "events", "n").dropna(subset=["events", "n"])
    counts = counts[counts.n > 0].drop_duplicates(["study", "events", "n"])
    counts_by_study = rows_by(counts, "study")
    for row in tables["findings"].itertuples():
        for count in counts_by_study.get((row.study,), []):
            percentages = {f"{100 * count.events / count.n:.{decimals}f}" for decimals in (0, 1, 2)}
            repeated = rf"\b{count.events:g} ?(?:/|of) ?{count.n:g}\b|\b(?:{'|'.join(map(re.escape, percentages))})%"
            if match := re.search(repeated, row.finding):
                rule = f"the book adds this from responses.csv, row {count.Index}: leave it out"
                yield Fault("findings.csv", row.Index, "finding", match[0], rule)
                break


@needs("studies")
def original_studies_have_review_refs(tables: Tables) -> Iterator[Fault]:
    """A study has a reference number of the original review if, and only if, it belongs to that review."""
    studies = tables["studies"]
    for row in studies[(studies.edition == "original") != (studies.review_ref != "")].itertuples():
        rule = "a study of the original review has its reference number in review_ref, and no other has"
        yield Fault("studies.csv", row.Index, "edition", row.edition, rule)


@needs("studies", "screening")
def original_studies_are_not_screened(tables: Tables) -> Iterator[Fault]:
    """A study of the original review is not among the records screened since."""
    studies, screening = tables["studies"], tables["screening"]
    original = set(studies.study[studies.edition == "original"])
    for row in screening[screening.study.isin(original)].itertuples():
        yield Fault("screening.csv", row.Index, "study", row.study, "is a study of the original review")


@needs("screening", "searches")
def included_records_follow_the_original_search(tables: Tables) -> Iterator[Fault]:
    """An included record was published no earlier than the original search."""
    screening = tables["screening"]
    search = min(filter(is_past_date, tables["searches"].date), default="")
    for row in screening[(screening.decision == "included") & (screening.published != "")].itertuples():
        if row.published < search[: len(row.published)]:
            rule = f"an included record must have appeared after the original search ({search})"
            yield Fault("screening.csv", row.Index, "published", row.published, rule)


@needs("flow", "codes")
def flow_is_complete(tables: Tables) -> Iterator[Fault]:
    """Every step of the flow of records has a row."""
    codes = tables["codes"]
    steps = codes.code[codes["list"] == "flow_step"]
    for step in steps[~steps.isin(tables["flow"].step)]:
        yield Fault("flow.csv", None, "step", step, "the step has no row")


@needs("studies", "screening")
def update_is_screened(tables: Tables) -> Iterator[Fault]:
    """A study of the update has a screened record, published in the year of the study."""
    studies = tables["studies"]
    published = tables["screening"].drop_duplicates("study").set_index("study").published
    for row in studies[studies.edition == "update"].itertuples():
        if row.study not in published.index:
            rule = "a study of the update needs a row in candidates.csv"
            yield Fault("studies.csv", row.Index, "study", row.study, rule)
        elif row.year != published[row.study][:4]:
            rule = f"differs from the date in records.csv ({published[row.study] or 'none'})"
            yield Fault("studies.csv", row.Index, "year", row.year, rule)


@needs("screening", "references")
def identifiers_agree(tables: Tables) -> Iterator[Fault]:
    """A record has the same DOI and PubMed number as its entry in the bibliography."""
    references = tables["references"].set_index("key")
    for row in tables["screening"].itertuples():
        for field in ("doi", "pmid"):
            screened, cited = getattr(row, field), references[field].get(row.study, "")
            if screened and cited and screened.lower() != cited.lower():
                yield Fault("screening.csv", row.Index, field, screened, f"differs from references.bib ({cited})")
