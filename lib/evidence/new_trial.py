"""Turn the answers about a new trial into rows of all tables that describe the trial.

Belongs here: the questions about a trial, the fields that follow from its answers, and the new content of the files.
Does not belong here: how the answers are obtained (`interview`), the form of a value (`column_types`), and what rows
must satisfy (`rules`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib.evidence.csv_lines import with_rows, with_text
from lib.evidence.rules.base import Tables
from lib.evidence.screening import NOT_RECORDED, with_screening
from lib.evidence.vocabulary import ALL_THRESHOLDS, REGIMENS

Trial = dict[str, Any]
"""The answers about a trial, as text by name; ``arms`` is a list with a dict of the answers about each arm."""
_OF_THE_RECORD = ("records", "decisions", "candidates")
_OF_THE_STUDY = ("studies", "arms", "drugs", "findings", "responses", "reported_without_counts", "concerns")
TABLES = (*_OF_THE_RECORD, *_OF_THE_STUDY)
"""Tables that get rows for a trial. It also gets an entry in ``references.bib``."""


@dataclass(frozen=True)
class Question:
    """A question about a trial.

    Attributes
    ----------
    name : str
        Name of the answer.
    table, column : str
        The column whose entry in ``dictionary.csv`` states the question and the form of the answer.
    scope : str
        What the question is about. "record": every record; "study": an included study; "arm": each of its arms;
        "counts": a study with counts.
    derived : bool
        Whether the answer usually follows from others. If it does, the question is not asked.
    codes : str
        List of the codes that are allowed, if it is not that of the column.
    """

    name: str
    table: str
    column: str
    scope: str
    derived: bool = False
    codes: str = ""


def _questions(scope: str, table: str, names: str) -> Iterator[Question]:
    """Yield the questions of one table; a name in parentheses marks a question whose answer is derived from others."""
    for name in names.split():
        yield Question(name.strip("()"), table, name.strip("()"), scope, derived=name.startswith("("))


QUESTIONS: tuple[Question, ...] = (
    Question("decision", "decisions", "decision", "record", codes="decision"),
    Question("exclusion", "decisions", "reason", "record"),
    *_questions("record", "records", "published"),
    *_questions("record", "candidates", "label (study)"),
    *_questions("record", "records", "title doi pmid"),
    *_questions("record", "candidates", "country"),
    Question("reason", "decisions", "note", "record"),
    *_questions("record", "decisions", "reviewer"),
    *_questions("study", "studies", "design blinding randomised population subtype assessment"),
    *_questions("study", "studies", "duration_months (source)"),
    *_questions("arm", "arms", "drug"),
    *_questions("arm", "drugs", "(kind)"),
    *_questions("arm", "arms", "concentration frequency given_with phototherapy phototherapy_frequency"),
    *_questions("arm", "arms", "enrolled completed (role) (arm)"),
    *_questions("arm", "responses", "n"),
    *(Question(threshold, "responses", "events", "arm") for threshold in reversed(ALL_THRESHOLDS)),
    *_questions("arm", "responses", "(poolable) (why_not)"),
    *_questions("arm", "reported_without_counts", "reported"),
    *_questions("counts", "responses", "(months) (site) (unit) basis confidence source_kind derivation"),
    *_questions("study", "findings", "finding"),
    *_questions("study", "concerns", "concern"),
    *_questions("record", "candidates", "(regimen)"),
    Question("record_kind", "records", "kind", "record", derived=True),
    *_questions("record", "records", "(entered)"),
)
"""All questions in the order in which they are asked. The label follows the date, with which it is compared."""
_ANSWER_BY_COLUMN = {
    ("records", "kind"): "record_kind",
    ("candidates", "design"): "design_of_record",
    ("candidates", "enrolled"): "enrolled_of_record",
    ("decisions", "stage"): "decision",
    ("decisions", "reason"): "exclusion",
    ("decisions", "note"): "reason",
    ("decisions", "date"): "entered",
    ("responses", "subtype"): "",
}
"""Name of the answer that is entered in a column, where it differs from that of the column; empty for no answer."""
_STEPS = {
    "included": (("title_abstract", "include"), ("full_text", "include")),
    "excluded": (("title_abstract", "exclude"),),
    "awaiting_full_text": (("title_abstract", "include"),),
    "awaiting_classification": (("title_abstract", "include"), ("full_text", "unsure")),
}
"""Stages of screening and the decision at each, by the decision on the study."""


@dataclass(frozen=True)
class Row:
    """A new row of a table: its values by column, and the arm (from 1; 0 for none) and threshold that it is about."""

    table: str
    values: dict[str, str]
    arm: int = 0
    threshold: str = ""

    def answer(self, column: str) -> str:
        """Return the name of the answer in a column, with the number of the arm if it is about one: ``arms.2.drug``."""
        name = self.threshold if column == "events" else _ANSWER_BY_COLUMN.get((self.table, column), column)
        of_arm = any(question.name == name and question.scope == "arm" for question in QUESTIONS)
        return f"arms.{self.arm}.{name}" if self.arm and of_arm else name


def complete(trial: Trial, tables: Tables, today: str) -> Trial:
    """Return a copy of a trial with derived answers added; answers that were given are not changed.

    Parameters
    ----------
    trial : dict
        The answers so far.
    tables : mapping of str to DataFrame
        The present tables, as text.
    today : str
        Day of entry as YYYY-MM-DD.
    """
    kinds = dict(zip(tables["drugs"].drug, tables["drugs"].kind, strict=True))
    arms: list[dict[str, str]] = []
    for answers_of_arm in trial.get("arms", []):
        drug, light, extra, dose = (
            answers_of_arm.get(name, "") for name in ("drug", "phototherapy", "given_with", "concentration")
        )
        kind = answers_of_arm.get("kind") or kinds.get(drug, "")
        is_treated = kind == "tci" and not extra
        name = "+".join(part for part in (drug, light) if part and part != "none") or "untreated"
        names = (f"{name} with {extra}",) if extra else (name, f"{name} {dose}".strip())
        any_response, *others = (answers_of_arm.get(threshold) for threshold in ALL_THRESHOLDS)
        only_any = bool(any_response) and not any(others)
        derived = {
            "kind": kind,
            "role": (REGIMENS[light != "none"] if is_treated else "comparator") if kind and light else "",
            "arm": next((name for name in names if name not in [arm["arm"] for arm in arms]), ""),
            "poolable": "no" if only_any else "yes",
            "why_not": "any_alone" if only_any else "",
        }
        arms.append(derived | {name: value for name, value in answers_of_arm.items() if value})
    answers = {name: value for name, value in trial.items() if value}
    roles = [arm["role"] for arm in arms]
    words = (answers.get("design"), answers.get("blinding"), "RCT" if answers.get("randomised") == "yes" else "")
    derived = {
        "decision": "included",
        "study": re.sub(r"[^a-z0-9]", "", answers.get("label", "").lower()),
        "regimen": next((role for role in roles if role in REGIMENS), ""),
        "entered": today,
        "reviewer": NOT_RECORDED,
        "record_kind": "unknown",
        "edition": "update",
        "part": "1",
        "year": answers.get("published", "")[:4],
        "design_of_record": ", ".join(filter(None, words)),
        "source": next((f"{kind}:{answers[kind]}" for kind in ("doi", "pmid") if kind in answers), ""),
        "months": answers.get("duration_months", ""),
        "url": answers["source"] if answers.get("source", "").startswith("http") else "",
        "site": "all",
        "unit": {"individual": "patches", "total": "patients"}.get(answers.get("assessment", ""), ""),
    }
    completed: Trial = derived | answers | {"arms": arms}
    completed["record"] = f"other.{completed['study']}"
    enrolled = [arm.get("enrolled", "") for arm in arms if arm["role"] == completed["regimen"]]
    if enrolled and all(map(str.isdecimal, enrolled)):
        # The arms of a within-patient trial share their patients.
        total = (max if completed.get("design") == "WP" else sum)(map(int, enrolled))
        completed.setdefault("enrolled_of_record", str(total))
    return completed


def rows(trial: Trial, tables: Tables) -> Iterator[Row]:
    """Yield the rows that a trial adds to the tables.

    Parameters
    ----------
    trial : dict
        The answers, as `complete` returns them; a value without an answer is left empty.
    tables : mapping of str to DataFrame
        The present tables, as text.
    """

    def row(table: str, number: int = 0, threshold: str = "", fixed: Mapping[str, str] = {}) -> Row:
        arm = trial["arms"][number - 1] if number else {}
        answers = {**trial, **arm, "threshold": threshold, "events": arm.get(threshold, "")}
        columns = tables["dictionary"].column[tables["dictionary"].table == table]
        values = {column: answers.get(_ANSWER_BY_COLUMN.get((table, column), column), "") for column in columns}
        values.update(fixed)
        return Row(table, values, number, threshold)

    yield row("records")
    yield row("candidates")
    steps = _STEPS.get(trial["decision"], (("title_abstract", trial["decision"]),))
    for number, (stage, decision) in enumerate(steps, start=1):
        fixed = {"stage": stage, "role": "reviewer", "decision": decision}
        yield row("decisions", fixed=fixed | ({} if number == len(steps) else {"reason": "", "note": ""}))
    if trial["decision"] != "included":
        return
    yield row("studies")
    yield row("findings")
    if trial.get("concern"):
        yield row("concerns")
    known_drugs = set(tables["drugs"].drug)
    for number, arm in enumerate(trial["arms"], start=1):
        yield row("arms", number)
        if arm.get("drug") not in known_drugs:
            known_drugs.add(arm.get("drug"))
            yield row("drugs", number)
        yield from (row("responses", number, threshold) for threshold in ALL_THRESHOLDS if arm.get(threshold))
        if arm.get("reported"):
            yield row("reported_without_counts", number)


def place(trial: Trial, tables: Tables) -> tuple[dict[str, pd.DataFrame], dict[tuple[str, int | None, str], str]]:
    """Append the rows of a trial to the tables, and its key to the bibliography.

    Returns
    -------
    tables : dict of str to DataFrame
        The tables with the new rows, for the rules.
    answers : dict of (str, int, str) to str
        The name of the answer in each new cell, by file, row and column in the form in which faults name them.
    """
    added = dict(tables)
    answers: dict[tuple[str, int | None, str], str] = {}
    if trial["study"] not in set(added["references"].key):
        entry = {column: trial.get(column, "") for column in added["references"]} | {"key": trial["study"]}
        added["references"] = pd.concat([added["references"], pd.DataFrame(entry, index=[None], dtype=str)])
    for row in rows(trial, tables):
        number = int(max(added[row.table].index, default=1)) + 1
        added[row.table] = pd.concat([added[row.table], pd.DataFrame(row.values, index=[number], dtype=str)])
        answers |= {(f"{row.table}.csv", number, column): row.answer(column) for column in row.values}
    return with_screening(added), answers


def reference(trial: Trial) -> str:
    r"""Return the entry of a trial in the bibliography; fields without an answer are left out.

    It is an article if author, title, journal and year are known. An entry without a title has the trial's label as its
    note, because the book cannot show one that has neither.

    Examples
    --------
    >>> print(reference({"study": "a2024", "title": "0.1% of it", "year": "2024", "doi": "10.5555/a_b"}))
    @misc{a2024,
      title = {{0.1\% of it}},
      year = {2024},
      doi = {10.5555/a_b},
    }
    """
    escaped = {character: f"\\{character}" for character in "%&#_$"} | dict.fromkeys("{}\\", "")
    texts = ("authors", "title", "journal", "volume", "issue", "pages", "label")
    authors, title, journal, volume, issue, pages, label = (
        trial.get(name, "").translate(str.maketrans(escaped)) for name in texts
    )
    fields = {
        "author": " and ".join(f"{{{name.strip()}}}" for name in authors.split(";") if name.strip()),
        "title": title and f"{{{title}}}",
        "journal": journal,
        "year": trial.get("year", ""),
        **{"volume": volume, "number": issue, "pages": pages},
        **{name: trial.get(name, "") for name in ("doi", "pmid", "url")},
        "note": "" if title else label,
    }
    kind = "article" if all(fields[name] for name in ("author", "title", "journal", "year")) else "misc"
    if kind == "misc":
        # Only an article has these fields; the book's style shows ``howpublished`` of other types, but no journal.
        fields |= {"journal": "", "volume": "", "number": "", "pages": "", "howpublished": journal}
    lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
    return f"@{kind}{{{trial['study']},\n{''.join(lines)}}}"


def new_contents(folder: Path, new: list[Row], entry: str) -> dict[Path, bytes]:
    """Return the content of the files of a data folder with new rows and an entry of the bibliography.

    Lines are only added, and existing lines keep every byte. New lines have the line ends and the order of columns of
    the file.
    """
    contents = {}
    for table in dict.fromkeys(row.table for row in new):
        path = folder / f"{table}.csv"
        contents[path] = with_rows(path.read_bytes(), [row.values for row in new if row.table == table])
    path = folder / "references.bib"
    return contents | {path: with_text(path.read_bytes(), f"\n{entry}\n")}
