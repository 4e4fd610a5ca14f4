"""Tables of the included studies: their design and arms, their numbers, and their limitations.

Belongs here: descriptions of studies. Does not belong here: the counts that they report (`reported`).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from lib.evidence import Evidence
from lib.report.marked_text import study_link
from lib.report.tables.names import label_by_key, meanings, rows_by, with_labels
from lib.report.tables.table import Table
from lib.report.wording import count


def studies(evidence: Evidence, edition: str) -> Table:
    """List the studies of one edition with their arms, as Table 2 of the review does."""
    # Leave out arms of "one drug or the other", which combine the counts of several arms.
    arms = rows_by(evidence.arms[~evidence.arms.drug.str.contains(" or ")], "study", "part")
    rows = []
    for study in evidence.included(edition).itertuples():
        design = [study.design, study.blinding, "RCT" if study.randomised == "yes" else ""]
        rows.append(
            {
                "Study": study_link(study.label, study.study),
                "Ref.": study.review_ref,
                "Country": study.country,
                "Design": ", ".join(d for d in design if d),
                "Population": study.population,
                "Subtype": study.subtype.replace(";", ", "),
                "Assessed": study.assessment.replace(";", ", "),
                "Months": study.duration_months,
                "Arms (enrolled/completed)": "; ".join(
                    f"{arm_text(arm)} ({enrolled_text(arm)})".replace(" ()", "")
                    for arm in arms.get((study.study, study.part), ())
                ),
            }
        )
    note = (
        "SA single arm; WP within patient (the arms share their patients); PD parallel; DB double-blind; SB"
        " single-blind; OL open label; ND not determined; NSV nonsegmental; SV segmental; NB-UVB narrowband UV-B; EL"
        " excimer light or laser. Assessed: repigmentation of each patch (individual) or of all patches together"
        " (total). Months: duration of treatment. Below each study: its arms, with the numbers of patients enrolled and"
        " completed. A dash or a question mark: not determined or not available."
    )
    title, frame = "Studies of the update", pd.DataFrame(rows)
    if edition == "original":
        title, note = "Studies of the 2019 review", f"{note} Ref.: reference number in the 2019 review."
    else:
        frame = frame.drop(columns="Ref.", errors="ignore")
    return Table(frame, title, note, numeric=["Ref.", "Months"], detail="Arms (enrolled/completed)")


def arm_text(arm: Any) -> str:
    """Return what an arm was given, in words: ``tacrolimus 0.1% twice daily + NB-UVB``."""
    parts = [] if arm.drug == "none" else [" ".join(t for t in (arm.drug, arm.concentration) if t)]
    if arm.frequency:
        parts[-1:] = [f"{parts[-1]} {arm.frequency}"] if parts else []
    if arm.given_with:
        parts.append(arm.given_with)
    if arm.phototherapy != "none":
        light = arm.phototherapy.replace("NBUVB", "NB-UVB")
        parts.append(f"{light} {arm.phototherapy_frequency}".strip())
    return " + ".join(parts) or "no treatment"


def enrolled_text(arm: Any) -> str:
    """Return how many patients of an arm were enrolled and completed, ``23/19``; empty if neither is available."""
    numbers = [f"{n:g}" if n == n else "?" for n in (arm.enrolled, arm.completed)]
    return "" if numbers == ["?", "?"] else "/".join(numbers)


def characteristics(evidence: Evidence) -> dict[str, pd.Series]:
    """Count the original studies by country, year, design, drug and duration, for `figures.bar_panels`."""
    studies = evidence.included("original")
    arms = evidence.arms[(evidence.arms.role != "comparator") & evidence.arms.study.isin(studies.study)]
    design = meanings(evidence, "design", studies.design).str.capitalize()
    design = design + studies.randomised.map({"yes": ", randomised"}).fillna("")
    several = arms.concentration.str.contains(";")
    drugs = arms.drug + (" " + arms.concentration).mask(several, ", mixed")
    return {
        "Country": _count_by(studies, studies.country),
        "Year": _count_by(studies, studies.year),
        "Design": _count_by(studies, design),
        "Drug and concentration": _count_by(arms, drugs),
        "Duration, months": _count_by(studies, studies.duration_months),
    }


def _count_by(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Count studies by a value: numbers in order, words by frequency, studies without the value last."""
    if pd.api.types.is_numeric_dtype(values):
        numbers = rows.study.groupby(values).nunique()
        numbers.index = [f"{value:g}" for value in numbers.index]
    else:
        values = values.str.strip().replace("", None)
        numbers = rows.study.groupby(values).nunique().sort_values(ascending=False, kind="stable")
    without_value = rows.study[values.isna()].nunique()
    return pd.concat([numbers, pd.Series({"not available": without_value})]) if without_value else numbers


def remarks(evidence: Evidence, *studies_shown: pd.DataFrame) -> Table:
    """List the limitations of the studies shown, and their reports' statements on size, population, unit and dose."""
    names = label_by_key(evidence)
    concerns, facts = rows_by(evidence.concerns, "study"), rows_by(evidence.report_facts, "study")
    rows = []
    for key in dict.fromkeys(key for frame in studies_shown for key in frame.study):
        name = study_link(names[key], key)
        rows += [(name, "Limitation", row.concern) for row in concerns.get((key,), ())]
        statements = [f"{fact_subject(fact)}: {fact.value}{_fact_notes(fact)}" for fact in facts.get((key,), ())]
        rows += [(name, "Reported by the study", "; ".join(statements))] if statements else []
    frame = pd.DataFrame(rows, columns=["Study", "Kind", "Remark"])
    frame["Remark"] = with_labels(evidence, frame.Remark)
    caption = f"Limitations of these studies: {count(len(frame), 'remark')}"
    return Table(frame, caption, folded=True, detail="Remark")


def fact_subject(fact: Any) -> str:
    """Return what a row of ``report_facts`` is about, with the arm if it is about one: ``unit (tacrolimus)``."""
    return fact.field.replace("_", " ") + (f" ({fact.arm})" if fact.arm else "")


def _fact_notes(fact: Any) -> str:
    notes = ["inferred"] * (fact.inferred == "yes" and "inferred" not in fact.note) + [fact.note] * bool(fact.note)
    return f" ({'; '.join(notes)})" if notes else ""
