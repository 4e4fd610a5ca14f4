"""Check the form of a saved study by the rules of ``make check``.

Belongs here: the rows that a form changes, adds and deletes, and the field that each of their values comes from. Does
not belong here: the fields (`study_form`), the rules, and what saving would change (`preview`).
"""

from __future__ import annotations

from lib.desk.preview import Checked, Place, faults_by_field
from lib.desk.study_form import DELETE, fields_of, key_of, new_rows, saved_rows, study_columns
from lib.desk.trial_form import Answers
from lib.desk.workspace import Refusal, Workspace
from lib.evidence.csv_lines import numbered_rows
from lib.records.saving import Change, SaveError, new_contents


def check_study(desk: Workspace, study: str, answers: Answers) -> Checked:
    """Check the answers about a saved study.

    Raises
    ------
    Refusal
        If not exactly one row of a table has the key of a row to be changed.
    """
    contents = desk.contents()
    changes: list[Change] = []
    names: dict[Place, str] = {}
    tables = study_columns(desk)
    last = {table: max((n for n, _ in numbered_rows(contents[f"{table}.csv"])), default=1) for table in tables}
    deleted = dict.fromkeys(tables, 0)
    roles = set()
    for row in saved_rows(desk, contents, study):
        if row.table == "arms":
            roles |= {row.values["role"], answers.get(f"{row.name}.role", "")}
        key = key_of(desk, row.table, row.values)
        if answers.get(f"{row.name}.{DELETE}"):
            changes.append(Change(row.table, key=key))
            deleted[row.table] += 1
            continue
        fields = {column: f"{row.name}.{column}" for column in fields_of(desk, row.table)}
        if corrected := {column: answers[name] for column, name in fields.items() if name in answers}:
            changes.append(Change(row.table, key=key, values=corrected))
        # The rows below a deleted one move up.
        at = row.number - deleted[row.table]
        names |= {(f"{row.table}.csv", at, column): name for column, name in fields.items()}
    for table, column_of_study in tables.items():
        for number, (name, values) in enumerate(new_rows(desk, answers, table), start=1):
            roles.add(values.get("role", "") if table == "arms" else "")
            changes.append(Change(table, values=values | {column_of_study: study}))
            at = last[table] - deleted[table] + number
            names |= {(f"{table}.csv", at, column): f"{name}.{column}" for column in values}
    try:
        new = new_contents(desk.folder, changes)
    except SaveError as error:
        raise Refusal(str(error)) from None
    return Checked(study, roles, changes, new, faults=faults_by_field(desk, new, names) if new else {})
