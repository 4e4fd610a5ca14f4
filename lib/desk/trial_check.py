"""Check the form of a trial by the rules of ``make check``.

Belongs here: the rows that a form adds, and the field that each of their values comes from. Does not belong here: the
rules, what saving would change (`preview`), and the writing of files (`lib.records.saving`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from lib.desk.preview import Checked, Place, faults_by_field
from lib.desk.trial_form import CITATION, EXTRA_TABLES, JUDGEMENT_COLUMNS, Answers, extra_rows, trial_of
from lib.desk.workspace import Workspace
from lib.evidence.checking import read_tables, reference_table
from lib.evidence.new_trial import complete, place, reference, rows
from lib.records.saving import Change, new_contents

_SCREENED_TABLES = ("records", "decisions")
"""Tables that have their rows about the record from its screening."""


def check_trial(desk: Workspace, answers: Answers, record: Mapping[str, str]) -> Checked:
    """Check the answers about a trial.

    Raises
    ------
    DataError
        If the data have faults already.
    """
    tables, references = read_tables(desk.folder)
    tables["references"] = reference_table(references)
    trial = complete(trial_of(answers, record), tables, desk.today) | {"record": record["record"]}
    names: dict[Place, str] = place(trial, tables)[1]
    candidates = tables["candidates"]
    of_record = candidates[candidates.record == record["record"]]
    changes = []
    for row in rows(trial, tables):
        if row.table == "candidates" and len(of_record):
            number = of_record.index[0]
            names |= {("candidates.csv", number, column): row.answer(column) for column in row.values}
            values = {column: value for column, value in row.values.items() if value}
            changes.append(Change("candidates", key={"study": of_record.study[number]}, values=values))
        elif row.table not in _SCREENED_TABLES:
            changes.append(Change(row.table, values=row.values))
    at = {table: max(tables[table].index, default=1) for table in EXTRA_TABLES}
    for table, number, values in extra_rows(desk, answers, trial):
        at[table] += 1
        names |= {(f"{table}.csv", at[table], column): f"{table}.{number}.{column}" for column in values}
        changes.append(Change(table, values=values))
    corrected = {name: answers[name] for name in CITATION if answers.get(name) and answers[name] != record[name]}
    if corrected:
        changes.append(Change("records", key={"record": record["record"]}, values=corrected))
    numbers = tables["records"].index[tables["records"].record == record["record"]]
    names |= {("records.csv", int(number), name): name for number in numbers for name in CITATION}
    entry = "" if trial["study"] in set(tables["references"].key) else reference(trial)
    contents = new_contents(desk.folder, changes, entry)
    faults = faults_by_field(desk, contents, names, _shown)
    for number, arm in enumerate(trial["arms"], start=1):
        if arm["drug"] and not arm["kind"]:
            faults.setdefault(f"arms.{number}.drug", []).append(_unknown_drug(arm["drug"], tables["drugs"].drug))
    return Checked(trial["study"], {arm["role"] for arm in trial["arms"]}, changes, contents, entry, faults)


def _unknown_drug(drug: str, known: Iterable[str]) -> str:
    """Return what to do about a drug that is not in ``drugs.csv`` and has no kind.

    Examples
    --------
    >>> _unknown_drug("Example", ["placebo", "tacrolimus"])
    "'Example' is unknown: choose the kind of a new drug; concentrations have their own field"
    """
    close = [name for name in known if drug.startswith(f"{name} ")] or difflib.get_close_matches(drug, [*known], 1)
    meant = f"write {close[-1]!r}, or choose" if close else "choose"
    return f"{drug!r} is unknown: {meant} the kind of a new drug; concentrations have their own field"


def _shown(name: str) -> str:
    """Return the field beside which a fault is shown: that of the form, if the value has none of its own."""
    table, _, rest = name.partition(".")
    number, _, column = rest.partition(".")
    if table == "risk_of_bias" and column not in JUDGEMENT_COLUMNS:
        return f"{table}.{number}.judgement"
    if table == "adverse_events" and column in ("study", "source"):
        return f"{table}.{number}.arm"
    return {"record": "", "design_of_record": "design", "year": "published"}.get(name, name)
