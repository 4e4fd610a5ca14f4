"""Obtain the answers about a new trial, from a person or from a file, and add its rows to the data folder.

Belongs here: the conversation, and the file of answers. Does not belong here: the questions, and what follows from
their answers (`new_trial`).
"""

from __future__ import annotations

import datetime as dt
import difflib
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pandas as pd

from lib.caching.safe_files import replace_all
from lib.evidence.checking import check, read_tables, reference_table
from lib.evidence.csv_files import Fault
from lib.evidence.new_trial import QUESTIONS, Question, Trial, complete, new_contents, place, reference, rows
from lib.evidence.repeated_checks import hash_table, rule_faults
from lib.evidence.rules import RULES, arms, sources
from lib.evidence.value_checks import form_rule, value_faults
from lib.evidence.vocabulary import ALL_THRESHOLDS

_OPTIONAL = ("n", *ALL_THRESHOLDS, "reported", "concern")
"""Answers that may stay empty although their column is required: the trial then gets no row in that table."""
_REQUIRED = ("reason",)
"""Answers that a trial needs although their column may be empty."""
_OF_A_WHOLE_TRIAL = (arms.designs_fit_arms, sources.included_studies_have_results)
"""Rules that report missing rows. Until the last answer rows are missing anyway: they are checked only then."""
_HIDDEN = shutil.ignore_patterns(".*")
"""What a data folder may hold besides its tables, such as the raw answers of searches."""


class AnswerError(ValueError):
    """A file of answers cannot be read, or has an answer without a question."""


def add_trial(folder: Path, answers: Path | None = None, ask: Callable[[str], str] = input) -> bool:
    """Ask about a trial, check its rows on a copy of the data folder, and add them to all tables or to none.

    Parameters
    ----------
    folder : Path
        The data folder.
    answers : Path, optional
        A file of answers in TOML: ``name = "value"``, and one ``[[arms]]`` for each arm. By default they are asked for.
    ask : callable
        Return the line that a person enters after a prompt.

    Returns
    -------
    bool
        Whether the rows were added; if not, the faults were printed.

    Raises
    ------
    DataError
        If the data folder has faults already.
    AnswerError
        If the file of answers cannot be read.
    """
    tables, references = read_tables(folder)
    tables["references"] = reference_table(references)
    talk = _Interview(tables, ask, read_answers(answers) if answers else {"arms": []})
    if not answers:
        talk.ask_everything()
    while True:
        trial = talk.full()
        new = list(rows(trial, tables))
        contents = new_contents(folder, new, reference(trial))
        names = place(trial, tables)[1]
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(shutil.copytree(folder, Path(temporary) / "data", ignore=_HIDDEN))
            for path, content in contents.items():
                (copy / path.name).write_bytes(content)
            faults = talk.of_own_lists() or [_message(fault, names) for fault in check(copy)]
        print(*(dict.fromkeys(faults) or talk.summary(trial)), sep="\n")
        if answers and faults:
            return False
        hint = "" if faults else " (Enter: none, add the rows)"
        name = "" if answers else ask(f"\nAnswer to change, by its name{hint}: ").strip()
        if name:
            talk.change(name)
        elif not faults and new_contents(folder, new, reference(trial)) == contents:
            replace_all(contents)
            print(f"{folder}: lines were added to {', '.join(path.name for path in contents)}.")
            return True
        elif not faults:
            print("A file was changed meanwhile: the rows are checked again.")


def read_answers(path: Path) -> Trial:
    """Read a file of answers.

    Raises
    ------
    AnswerError
        If it cannot be read, or an answer has no question; the message names every such answer.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AnswerError(f"{path}: the file cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise AnswerError(f"{path}: the file is not TOML in UTF-8: {error}") from None
    arms = content.pop("arms", [])
    if not isinstance(arms, list) or not all(isinstance(arm, dict) for arm in arms):
        raise AnswerError(f"{path}, arms: write a line [[arms]] before the answers about each arm")
    faults = []
    for number, part in enumerate([content, *arms]):
        allowed = [question.name for question in QUESTIONS if (question.scope == "arm") == bool(number)]
        for name, value in part.items():
            answer = f"{path}, {f'arms.{number}.' if number else ''}{name}"
            if name not in allowed:
                nearest = difflib.get_close_matches(name, allowed, n=1) or allowed
                faults.append(f"{answer}: there is no such question; allowed: {', '.join(nearest)}")
            elif isinstance(value, dict | list):
                faults.append(f"{answer}: must be a single value")
            part[name] = ("no", "yes")[value] if isinstance(value, bool) else " ".join(str(value).split())
    if faults:
        raise AnswerError("\n".join(faults))
    return {**content, "arms": arms}


def _message(fault: Fault, names: dict[tuple[str, int | None, str], str]) -> str:
    """Describe a fault by the answer that it is in; by its place in the tables if it is in none."""
    name = names.get((fault.file, fault.row, fault.column))
    return str(fault) if not name else f"{name}:{f' {fault.value!r}:' if fault.value else ''} {fault.rule}"


@dataclass
class _Interview:
    """A conversation about one trial; arms are numbered from 1, and 0 stands for the trial itself."""

    tables: dict[str, pd.DataFrame]
    ask: Callable[[str], str]
    trial: Trial
    today: str = field(default_factory=lambda: dt.date.today().isoformat())

    def ask_everything(self) -> None:
        """Ask every question that applies."""
        print("A new trial. Enter leaves an answer empty, or takes the one in brackets. Ctrl-C: nothing is written.")
        for of_arm, group in groupby(QUESTIONS, lambda question: question.scope == "arm"):
            questions = list(group)
            if not of_arm:
                self.ask_all(questions, 0)
                continue
            while self.full()["decision"] == "included":
                self.trial["arms"].append({})
                print(f"\nArm {len(self.trial['arms'])}")
                self.ask_all(questions, len(self.trial["arms"]))
                if self.ask("\nAnother arm (yes or no) [no]: ").strip().lower() not in ("y", "yes"):
                    break

    def full(self) -> Trial:
        """Return the answers so far with those that follow from them."""
        return complete(self.trial, self.tables, self.today)

    def ask_all(self, questions: list[Question], number: int) -> None:
        """Ask those questions that apply."""
        for question in questions:
            decision, has_n = self.full()["decision"], bool(self.answers(number).get("n"))
            applies = {
                "exclusion": decision == "excluded",
                "reported": not has_n,
                **dict.fromkeys((*ALL_THRESHOLDS, "poolable", "why_not"), has_n),
            }
            if question.scope == "counts":
                applies = {question.name: any(arm.get("n") for arm in self.trial["arms"])}
            is_of_record = question.scope == "record" or decision == "included"
            if is_of_record and applies.get(question.name, True):
                self.ask_one(question, number, silent=question.derived)

    def answers(self, number: int) -> dict[str, str]:
        """Return the answers about an arm, or about the trial."""
        return self.trial["arms"][number - 1] if number else self.trial

    def ask_one(self, question: Question, number: int, silent: bool = False) -> None:
        """Ask a question until the answer is right; if ``silent``, only if what follows from others is not right."""
        full = self.full()
        default = (full["arms"][number - 1] if number else full).get(question.name, "")
        entry = self.tables["dictionary"].set_index(["table", "column"]).loc[(question.table, question.column)]
        if question.codes:
            entry = entry.copy()
            entry["allowed"] = question.codes
        is_required = (entry.required == "yes" and question.name not in _OPTIONAL) or question.name in _REQUIRED
        value = default if silent else None
        while value is None or (faults := self.faults(question, number, value, is_required)):
            if value is None or silent:
                print(f"\n{self.text(question, entry)}")
            if value is not None:
                print(*faults, sep="\n")
            silent = False
            hint = f" [{default}]" if default else "" if is_required else " (optional)"
            value = " ".join(self.ask(f"{question.name}{hint}: ").split()) or default
        self.answers(number)[question.name] = "" if value == default else value

    def text(self, question: Question, entry: pd.Series) -> str:
        """Return a question and what is allowed, as the dictionary and the codes have them."""
        codes = self.tables["codes"].groupby("list", sort=False)
        if entry.allowed:
            lines = (f"  {row.code}: {row.meaning}" for row in codes.get_group(entry.allowed).itertuples())
            return "\n".join([entry.meaning, *lines])
        meaning_by_code = {name: rows.set_index("code").meaning for name, rows in codes}
        threshold = f": {meaning_by_code['threshold'][question.name]}" if question.column == "events" else ""
        form = "" if entry.type == "text" else f" ({meaning_by_code['type'][entry.type]})"
        return f"{entry.meaning}{threshold}{form}"

    def faults(self, question: Question, number: int, value: str, is_required: bool) -> list[str]:
        """Return what is wrong with an answer, by its form and by the rules for the rows so far."""
        if not value and is_required:
            return ["a value is required"]
        dictionary = self.tables["dictionary"]
        entry = dictionary[(dictionary.table == question.table) & (dictionary.column == question.column)]
        if question.codes:
            entry = entry.assign(allowed=question.codes)
        frame = pd.DataFrame({question.column: [value]})
        of_form = value_faults(question.table, frame, entry, self.tables["codes"]) if value else ()
        if faults := list(of_form):
            return [f"{fault.value!r}: {fault.rule}" for fault in faults]
        if not question.derived and (not value or entry.type.isin(["code", "codes"]).any()):
            return []
        draft = {**self.trial, "arms": [dict(arm) for arm in self.trial["arms"]]}
        (draft["arms"][number - 1] if number else draft)[question.name] = value
        draft = complete(draft, self.tables, self.today)
        tables, names = place(draft, self.tables)
        name = f"arms.{number}.{question.name}" if number else question.name
        hashes = {name: hash_table(table) for name, table in tables.items()}
        rules = [rule for rule in RULES if rule not in _OF_A_WHOLE_TRIAL]
        faults = [fault for rule in rules for fault in rule_faults(rule, tables, hashes)]
        return [_message(fault, names) for fault in faults if names.get((fault.file, fault.row, fault.column)) == name]

    def of_own_lists(self) -> list[str]:
        """Return what is wrong with the answers whose codes are not those of a column."""
        codes = self.tables["codes"]
        faults = []
        for question in QUESTIONS:
            allowed = list(codes.code[codes["list"] == question.codes])
            value = self.full()[question.name] if allowed else ""
            if allowed and value not in allowed:
                rule = form_rule("code", value, f"must be one of: {', '.join(allowed)}", allowed)
                faults.append(f"{question.name}: {value!r}: {rule}")
        return faults

    def change(self, name: str) -> None:
        """Ask a question again, by the name of its answer."""
        of_arm, _, last = name.rpartition(".")
        for number in range(len(self.trial["arms"]) + 1):
            for question in QUESTIONS:
                if (of_arm, last) == (f"arms.{number}" * bool(number), question.name) and (
                    (question.scope == "arm") == bool(number)
                ):
                    self.answers(number).pop(last, None)
                    return self.ask_one(question, number)
        print(f"There is no answer {name!r}: write a name as in the list, such as label or arms.1.drug.")
        return None

    def summary(self, trial: Trial) -> list[str]:
        """Return every answer, with those that follow from others."""
        lines = []
        for question in QUESTIONS:
            parts = enumerate(trial["arms"], start=1) if question.scope == "arm" else [(0, trial)]
            for number, part in parts:
                if part.get(question.name):
                    lines.append(f"{f'arms.{number}.' * bool(number)}{question.name} = {part[question.name]}")
        return lines
