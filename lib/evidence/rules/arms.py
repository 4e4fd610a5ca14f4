"""Rules for the arms of a study: their roles, what they were given, and how many there are for a design."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, included_studies, needs, rows_by, words
from lib.evidence.vocabulary import REGIMENS

_TREATED = (*REGIMENS, "maintenance")
"""Roles of an arm that is given a calcineurin inhibitor and nothing else but phototherapy."""
_LIGHT = {"nbuvb", "el", "light", "uv", "phototherapy"}
"""Words that stand for phototherapy, in the form that `words` returns."""
_AS_PUBLISHED = "as published"
"""A note with these words says that the source contradicts itself and that the row repeats it unchanged."""
_OR_AS_PUBLISHED = f'; if the source contradicts itself, the note says "{_AS_PUBLISHED}"'
_EMPTY_WORDS = {"and", "or", "with", "once", "twice", "daily", "arm", "arms", "group", "side", "cream", "ointment"}
"""Words that do not distinguish one arm from another."""


@needs("arms", "drugs")
def roles_fit_treatments(tables: Tables) -> Iterator[Fault]:
    """The role of an arm agrees with its drug, with its phototherapy and with what else was given."""
    kinds = dict(zip(tables["drugs"].drug, tables["drugs"].kind, strict=True))
    active = [words(drug) for drug, kind in kinds.items() if kind not in ("none", "vehicle")]
    for arm in tables["arms"].itertuples():
        kind, has_light = kinds.get(arm.drug), arm.phototherapy in ("NBUVB", "EL")
        if arm.role in _TREATED:
            if kind not in (None, "tci"):
                rule = (
                    f"{arm.role} is the role of an arm with a calcineurin inhibitor, and this one was given"
                    f" {arm.drug}: set role to comparator, or correct drug"
                )
                yield Fault("arms.csv", arm.Index, "role", arm.role, rule)
            if any(name <= words(arm.given_with) for name in active):
                rule = (
                    f"{arm.role} is the role of an arm without another drug, and this one was given"
                    f" {arm.given_with} too: set role to comparator, or correct given_with"
                )
                yield Fault("arms.csv", arm.Index, "role", arm.role, rule)
        if arm.role == "phototherapy" and arm.phototherapy == "none":
            rule = "the role phototherapy needs NBUVB or EL here: enter it, or correct the role"
            yield Fault("arms.csv", arm.Index, "phototherapy", arm.phototherapy, rule)
        elif arm.role in ("monotherapy", "maintenance") and has_light:
            rule = f"an arm with the role {arm.role} has the code none here: write none, or set role to phototherapy"
            yield Fault("arms.csv", arm.Index, "phototherapy", arm.phototherapy, rule)
        elif arm.role == "comparator" and kind == "tci" and not arm.given_with:
            role = "phototherapy" if has_light else "monotherapy"
            rule = (
                f"this arm was given {arm.drug} and no other drug, which is the role {role}: correct the role, or"
                " enter in given_with what else it was given"
            )
            yield Fault("arms.csv", arm.Index, "role", arm.role, rule)


@needs("arms", "drugs")
def arm_names_fit_treatments(tables: Tables) -> Iterator[Fault]:
    """An arm is not named after a drug or a phototherapy that it was not given."""
    drugs = {drug: words(drug) for drug in tables["drugs"].drug if drug != "none"}
    for arm in tables["arms"].itertuples():
        named, treatment = words(arm.arm), words(f"{arm.drug} {arm.given_with} {arm.phototherapy}")
        wrong = [drug for drug, name in drugs.items() if name <= named and not name <= treatment]
        wrong += [code for code in ("NBUVB", "EL") if code.casefold() in named - treatment]
        if wrong:
            parts = ", ".join(filter(None, (arm.drug, arm.given_with, f"phototherapy {arm.phototherapy}")))
            rule = (
                f"the name says {' and '.join(wrong)}, and the row gives {parts}: correct the one that is wrong;"
                " have the arms been swapped?"
            )
            yield Fault("arms.csv", arm.Index, "arm", arm.arm, rule)


@needs("studies", "arms", "screening")
def designs_fit_arms(tables: Tables) -> Iterator[Fault]:
    """An included study has arms: one if its design is single arm, and at least two otherwise."""
    included, arms = included_studies(tables), rows_by(tables["arms"], "study", "part")
    for row in tables["studies"].itertuples():
        number = len(arms.get((row.study, row.part), []))
        if not number:
            if row.study in included:
                rule = "is included, and has no arm in arms.csv: add a row for each arm, comparators included"
                yield Fault("studies.csv", row.Index, "study", row.study, rule)
        elif _AS_PUBLISHED in row.note:
            continue
        elif row.design == "SA" and number > 1:
            rule = f"is the design with a single arm, and arms.csv has {number} arms: correct the one that is wrong"
            rule += _OR_AS_PUBLISHED
            yield Fault("studies.csv", row.Index, "design", row.design, rule)
        elif row.design in ("PD", "WP") and number == 1:
            rule = (
                "is a design with several arms, and arms.csv has only one: add the others, comparators included, or"
                f" set design to SA{_OR_AS_PUBLISHED}"
            )
            yield Fault("studies.csv", row.Index, "design", row.design, rule)


@needs("studies")
def single_arms_are_open(tables: Tables) -> Iterator[Fault]:
    """A study with a single arm is neither randomised nor double-blind."""
    studies = tables["studies"]
    is_published = studies.note.str.contains(_AS_PUBLISHED, regex=False)
    for row in studies[(studies.design == "SA") & ~is_published].itertuples():
        for column, value in (("randomised", "yes"), ("blinding", "DB")):
            if getattr(row, column) == value:
                rule = "is not possible with a single arm (design = SA): correct the one that is wrong"
                rule += _OR_AS_PUBLISHED
                yield Fault("studies.csv", row.Index, column, value, rule)


@needs("arms", "studies")
def arms_share_their_patients(tables: Tables) -> Iterator[Fault]:
    """The arms of a within-patient study have the same number of participants enrolled."""
    within = {(row.study, row.part) for row in tables["studies"].itertuples() if row.design == "WP"}
    for key, arms in rows_by(tables["arms"], "study", "part").items():
        counted = [arm for arm in arms if arm.enrolled and _AS_PUBLISHED not in arm.note] if key in within else []
        for arm in counted[1:]:
            if arm.enrolled != counted[0].enrolled:
                rule = (
                    f"the arms of a within-patient study share their participants, and row {counted[0].Index} has"
                    f" {counted[0].enrolled}: correct one of the two, or the design{_OR_AS_PUBLISHED}"
                )
                yield Fault("arms.csv", arm.Index, "enrolled", arm.enrolled, rule)


def _identifying(text: str) -> set[str]:
    """Return the words of a text that can identify an arm."""
    return {word for word in words(text) if not word.isdecimal()} - _EMPTY_WORDS


def _results(tables: Tables) -> Iterator[tuple[str, Any]]:
    for name in ("reported_without_counts", "adverse_events"):
        for row in tables[name].itertuples():
            yield f"{name}.csv", row


@needs("reported_without_counts", "adverse_events", "codes")
def roles_fit_arms_in_words(tables: Tables) -> Iterator[Fault]:
    """The role of a result agrees with the treatment that its arm in words names."""
    codes = tables["codes"]
    inhibitors = set(codes.code[codes["list"] == "tci"])
    for file, row in _results(tables):
        named = words(row.arm)
        if row.role in _TREATED and not named & inhibitors:
            rule = f"the role {row.role} needs a calcineurin inhibitor, and this names none: correct one of the two"
            yield Fault(file, row.Index, "arm", row.arm, rule)
        elif row.role == "phototherapy" and not named & _LIGHT:
            rule = "the role phototherapy needs phototherapy, and this names none: correct one of the two"
            yield Fault(file, row.Index, "arm", row.arm, rule)
        elif row.role == "monotherapy" and named & _LIGHT:
            rule = "the role monotherapy excludes phototherapy, and this names it: correct one of the two"
            yield Fault(file, row.Index, "arm", row.arm, rule)


@needs("reported_without_counts", "adverse_events", "arms")
def results_are_of_arms(tables: Tables) -> Iterator[Fault]:
    """A result that names its arm in words is of an arm of that study, in the same role."""
    arms = rows_by(tables["arms"], "study")
    for file, row in _results(tables):
        in_role = [arm for arm in arms.get((row.study,), []) if arm.role == row.role]
        known = arms.get((row.study,), []) if row.role != "all arms" else []
        named = _identifying(row.arm)
        if known and not any(named & _identifying(f"{arm.arm} {arm.drug} {arm.phototherapy}") for arm in in_role):
            names = ", ".join(arm.arm for arm in in_role) or "none"
            rule = (
                f"names no arm of {row.study} with the role {row.role} in arms.csv (there: {names}): name the drug as"
                " there, correct the role, or add the arm"
            )
            yield Fault(file, row.Index, "arm", row.arm, rule)


@needs("drugs", "arms")
def drugs_are_used(tables: Tables) -> Iterator[Fault]:
    """Every drug was given to an arm."""
    drugs = tables["drugs"]
    for row in drugs[~drugs.drug.isin(tables["arms"].drug)].itertuples():
        yield Fault("drugs.csv", row.Index, "drug", row.drug, "no arm in arms.csv has it: is it spelt as there?")
