"""Rules for the identity of studies: no trial and no report is entered twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lib.evidence.column_types import reference_numbers
from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs

_REGISTRY_NUMBER = re.compile(
    r"\b(?:NCT\d{8}|ISRCTN\d{8}|DRKS\d{8}|UMIN\d{9}|TCTR\d{11}|ACTRN\d{14}|PACTR\d{15,16}|KCT\d{7}"
    r"|EUCTR\d{4}-\d{6}-\d{2}|CTRI/\d{4}/\d{2,3}/\d{6}|IRCT[0-9N]{10,}|jRCT\w{10,}|ChiCTR[-\w]{6,})\b",
    re.IGNORECASE,
)
"""Pattern of the numbers of trial registries in the network of the WHO."""


@needs("references", "screening")
def identifiers_are_unique(tables: Tables) -> Iterator[Fault]:
    """No two references, records or studies have the same DOI or PubMed number."""
    for field, name in (("doi", "DOI"), ("pmid", "PubMed number")):
        first: dict[str, tuple[str, str]] = {}
        references = ((r.key, "references.bib", r.Index, getattr(r, field)) for r in tables["references"].itertuples())
        records = ((r.study, "screening.csv", r.Index, getattr(r, field)) for r in tables["screening"].itertuples())
        for key, file, row, value in (*references, *records):
            other, place = first.setdefault(value.casefold(), (key, _place(file, row)))
            if value and other != key:
                rule = f"is the {name} of {other} too ({place}): a report has one key; keep one of the two entries"
                yield Fault(file, row, f"{key}, {field}" if file == "references.bib" else field, value, rule)


@needs("references", "screening", "report_facts")
def registrations_are_unique(tables: Tables) -> Iterator[Fault]:
    """No two studies have the same registry number, unless one is excluded as a duplicate."""
    screening = tables["screening"]
    first = dict.fromkeys(screening.study[screening.exclusion == "duplicate"], "")
    study_by_number: dict[str, tuple[str, str]] = {}
    for file, frame, key, columns in (
        ("references.bib", tables["references"], "key", ("title", "journal", "howpublished", "note")),
        ("screening.csv", screening, "study", ("study", "title", "reason", "known")),
        ("report_facts.csv", tables["report_facts"], "study", ("value", "source", "note")),
    ):
        for row in frame.itertuples():
            study = getattr(row, key)
            if study in first:
                continue
            for column in columns:
                for number in _REGISTRY_NUMBER.findall(getattr(row, column).replace("_", " ")):
                    other, place = study_by_number.setdefault(number.upper(), (study, _place(file, row.Index)))
                    if other != study:
                        rule = (
                            f"is the registry number of {other} too ({place}): one trial must not count twice; correct"
                            " the number, or exclude one of the two records with exclusion = duplicate"
                        )
                        yield Fault(file, row.Index, f"{study}, {column}" if key == "key" else column, number, rule)


@needs("references")
def titles_are_distinct(tables: Tables) -> Iterator[Fault]:
    """No two references have the same title."""
    first: dict[str, tuple[str, str]] = {}
    for row in tables["references"].itertuples():
        title = re.sub(r"[\W_]+", "", row.title.casefold())
        other, place = first.setdefault(title, (row.key, _place("references.bib", row.Index)))
        if title and other != row.key:
            rule = f"is the title of {other} too ({place}): check that the two are not one report"
            yield Fault("references.bib", row.Index, f"{row.key}, title", row.title, rule)


@needs("studies", "mechanism")
def review_refs_are_unique(tables: Tables) -> Iterator[Fault]:
    """A study has one reference number of the original review, and no other study has it."""
    study_by_number: dict[str, str] = {}
    number_by_study: dict[str, str] = {}
    for name in ("studies", "mechanism"):
        frame = tables[name]
        for row in frame[frame.review_ref != ""].itertuples():
            number = row.review_ref.lstrip("0")
            study = study_by_number.setdefault(number, row.study)
            if study != row.study:
                rule = f"is the reference number of {study} too: the review gave each study a number of its own"
                yield Fault(f"{name}.csv", row.Index, "review_ref", row.review_ref, rule)
            elif number != number_by_study.setdefault(row.study, number):
                rule = f"differs from the number that {row.study} has elsewhere ({number_by_study[row.study]})"
                yield Fault(f"{name}.csv", row.Index, "review_ref", row.review_ref, rule)


@needs("published_rates", "published_numbers", "studies", "mechanism")
def published_lists_name_studies_once(tables: Tables) -> Iterator[Fault]:
    """A published list names no study twice, and that of a rate names only studies that are entered."""
    entered = {int(ref) for name in ("studies", "mechanism") for ref in tables[name].review_ref if ref.isdecimal()}
    for name in ("published_rates", "published_numbers"):
        for row in tables[name].itertuples():
            try:
                numbers = reference_numbers(row.refs) if row.refs else []
            except ValueError:
                continue
            if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
                yield Fault(f"{name}.csv", row.Index, "refs", row.refs, f"names {_listed(twice)} twice: leave one out")
            if name == "published_rates" and (unknown := sorted(set(numbers) - entered)):
                rule = f"no study has the reference number {_listed(unknown)}: correct it, or enter the study"
                yield Fault(f"{name}.csv", row.Index, "refs", row.refs, rule)


def _place(file: str, row: int | None) -> str:
    """Return a row of a table, or a line of the bibliography, as messages name it."""
    return file if row is None else f"{file}, {'line' if file == 'references.bib' else 'row'} {row}"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
