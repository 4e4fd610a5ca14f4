"""Rules for facts that are in several tables: the tables agree, or a remark explains why they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, included_studies, needs, rows_by, with_numbers

_POPULATIONS = {
    "all": {"all", "children", "adult"},
    "children": {"children"},
    "adult": {"adult"},
    "ND": {"all", "ND"},
}
"""Age groups that a count may have, by the age group of its study."""
_DESIGN_CODES = {"SA", "WP", "PD", "DB", "SB", "OL", "RCT"}
"""Codes of which the design of a record may consist; a design that has other words is not compared."""
_YEAR = re.compile(r"\b(?:19|20)[0-9]{2}\b")
_ONE_PER_STUDY = ("edition", "review_ref", "year", "country")
"""Columns of studies.csv that must be the same for all parts of a report."""


@needs("studies")
def parts_agree(tables: Tables) -> Iterator[Fault]:
    """The parts of a report have the same edition, reference number, year and country."""
    for rows in rows_by(tables["studies"], "study").values():
        for row in rows[1:]:
            for column in _ONE_PER_STUDY:
                if getattr(row, column) != getattr(rows[0], column):
                    rule = (
                        f"differs from {getattr(rows[0], column) or 'the empty value'} in row {rows[0].Index}, another"
                        " part of the same report: correct one of the two"
                    )
                    yield Fault("studies.csv", row.Index, column, getattr(row, column), rule)


@needs("responses", "arms", "studies")
def populations_agree(tables: Tables) -> Iterator[Fault]:
    """The age group and the subtype of a count are possible for its study."""
    study_by_part = {(row.study, row.part): row for row in tables["studies"].itertuples()}
    part_by_arm = {(arm.study, arm.arm): arm.part for arm in tables["arms"].itertuples()}
    for row in tables["responses"].itertuples():
        study = study_by_part.get((row.study, part_by_arm.get((row.study, row.arm), "")))
        if study is None:
            continue
        allowed = _POPULATIONS.get(study.population, {row.population})
        if row.population not in allowed:
            rule = (
                f"does not fit the population of the study ({study.population} in studies.csv, row {study.Index}):"
                f" allowed there: {', '.join(sorted(allowed))}; correct one of the two"
            )
            yield Fault("responses.csv", row.Index, "population", row.population, rule)
        subtypes = [part.strip() for part in study.subtype.split(";")]
        if row.subtype and study.subtype and row.subtype not in subtypes:
            rule = f"is not a subtype of the study ({study.subtype} in studies.csv, row {study.Index}): correct it"
            yield Fault("responses.csv", row.Index, "subtype", row.subtype, rule)


def _records_of_studies(tables: Tables) -> Iterator[tuple[Any, Any]]:
    """Yield the row of each record whose study is in ``studies.csv``, and the row of that study."""
    study_by_key = {row.study: row for row in tables["studies"].itertuples()}
    for row in tables["screening"].itertuples():
        if row.study in study_by_key:
            yield row, study_by_key[row.study]


@needs("screening", "studies")
def countries_agree(tables: Tables) -> Iterator[Fault]:
    """A study has the same country as its record."""
    for row, study in _records_of_studies(tables):
        if study.country.casefold() != row.country.casefold():
            rule = (
                f"differs from studies.csv, row {study.Index} ({study.country or 'empty there'}): enter the same in"
                " both, or leave both empty"
            )
            yield Fault("screening.csv", row.Index, "country", row.country, rule)


@needs("screening", "studies")
def designs_agree(tables: Tables) -> Iterator[Fault]:
    """The design, blinding and randomisation of a study are those that its record gives."""
    for row, study in _records_of_studies(tables):
        codes = {code.strip() for code in row.design.split(",")} - {""}
        if not codes & _DESIGN_CODES:
            continue
        for column, kinds in (("design", {"SA", "WP", "PD"}), ("blinding", {"DB", "SB", "OL"})):
            named_kinds = codes & kinds
            if named_kinds and getattr(study, column) not in named_kinds:
                rule = _design_rule(study.Index, column, getattr(study, column))
                yield Fault("screening.csv", row.Index, "design", row.design, rule)
        if ("RCT" in codes) != (study.randomised == "yes"):
            rule = _design_rule(study.Index, "randomised", study.randomised)
            yield Fault("screening.csv", row.Index, "design", row.design, rule)


def _design_rule(row: int, column: str, value: str) -> str:
    return f"does not fit {column} in studies.csv, row {row} ({value or 'empty there'}): correct one of the two"


@needs("screening", "studies", "arms")
def regimens_agree(tables: Tables) -> Iterator[Fault]:
    """The regimen that an included record was considered for is the role of an arm of its study."""
    included, arms = included_studies(tables), rows_by(tables["arms"], "study")
    for row in tables["screening"].itertuples():
        roles = list(dict.fromkeys(arm.role for arm in arms.get((row.study,), [])))
        if row.study in included and roles and row.regimen not in roles:
            rule = f"is the role of no arm of this study in arms.csv (there: {', '.join(roles)}): correct one of them"
            yield Fault("screening.csv", row.Index, "regimen", row.regimen, rule)


@needs("screening", "studies", "arms")
def enrolled_agree(tables: Tables) -> Iterator[Fault]:
    """The number of participants of a record is that of one arm of its regimen, or of all these arms together."""
    included, arms = included_studies(tables), rows_by(with_numbers(tables["arms"], "enrolled"), "study")
    for row in with_numbers(tables["screening"], "enrolled").itertuples():
        numbers = [arm.enrolled for arm in arms.get((row.study,), []) if arm.role == row.regimen]
        is_known = row.study in included and row.enrolled > 0 and numbers and all(number > 0 for number in numbers)
        if is_known and row.enrolled not in (*numbers, sum(numbers)):
            rule = (
                f"differs from the arms with the role {row.regimen} in arms.csv"
                f" ({' + '.join(f'{n:g}' for n in numbers)}): enter the number of one of them, or of all together"
            )
            yield Fault("screening.csv", row.Index, "enrolled", f"{row.enrolled:g}", rule)


def _unexplained(year: str, other: str, explanation: str) -> bool:
    """Return whether two years differ and the explanation does not name the other year."""
    return bool(year and other and year != other and other not in _YEAR.findall(explanation))


@needs("studies", "screening", "references")
def years_agree(tables: Tables) -> Iterator[Fault]:
    """A study or record has the year of its reference, or a remark that names the other year."""
    year_by_key = dict(zip(tables["references"].key, tables["references"].year, strict=True))
    notes = {row.study: row.note for row in tables["studies"].itertuples()}
    for row in tables["studies"].itertuples():
        other = year_by_key.get(row.study, "")
        if _unexplained(row.year, other, row.note):
            rule = f"differs from references.bib ({other}): correct one of the two, or explain in note why {other}"
            yield Fault("studies.csv", row.Index, "year", row.year, rule)
    for row in tables["screening"].itertuples():
        other, explanation = year_by_key.get(row.study, ""), f"{row.reason} {row.known} {notes.get(row.study, '')}"
        if _unexplained(row.published[:4], other, explanation):
            rule = f"differs from references.bib ({other}): correct one of the two, or explain in reason why {other}"
            yield Fault("screening.csv", row.Index, "published", row.published, rule)


@needs("studies")
def labels_have_the_year(tables: Tables) -> Iterator[Fault]:
    """The label of a study ends in its year, in a year that its note names, or in (undated)."""
    for row in tables["studies"].itertuples():
        years = _YEAR.findall(row.label)
        if row.year and not _YEAR.fullmatch(row.year):
            continue
        if row.year and not years:
            rule = f"has no year: end it with that of the study ({row.year})"
        elif years and not row.year:
            rule = 'has a year, and the study has none: end it with "(undated)", or enter year'
        elif years and _unexplained(row.year, years[-1], row.note):
            rule = f"has another year than the study ({row.year}): correct one of the two, or explain it in note"
        else:
            continue
        yield Fault("studies.csv", row.Index, "label", row.label, rule)


@needs("screening")
def entries_follow_publication(tables: Tables) -> Iterator[Fault]:
    """A record was entered no earlier than it was published."""
    for row in tables["screening"].itertuples():
        if row.published and row.entered and row.entered[: len(row.published)] < row.published:
            rule = f"is before the date of publication ({row.published}): check both"
            yield Fault("screening.csv", row.Index, "entered", row.entered, rule)
