"""Make the form of a saved study from its rows in every table that the dictionary describes.

Belongs here: the tables with rows about studies, the rows of a study with their fields, and the changes that a form
asks for. Does not belong here: how a field is described (`trial_form`), and what is wrong with the changes
(`study_check`).

A field has the name of its table, its row and its column, such as ``bounds.4f1c09aa52d7.value``. A row is named by a
hash of its key, so that a name stays right when other rows come and go; a new row is named new1, new2 and so on.
Answers hold only what differs from the tables; ``bounds.4f1c09aa52d7.delete`` asks for a row to be deleted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lib.desk.trial_form import MOST_ROWS, Answers, Field, described_field, entries
from lib.desk.workspace import Workspace, from_tables
from lib.evidence.csv_lines import numbered_rows

DELETE = "delete"
_LONGEST_LINE = 60
"""Characters of the longest value that is shown in one line."""
_LONGEST_HEADING = 100
"""Characters of the values of a row that its heading shows."""
Values = Mapping[str, str]


@dataclass(frozen=True)
class SavedRow:
    """A row of a table about a study: its name, its number in the file, and its values by column."""

    table: str
    name: str
    number: int
    values: Values


@dataclass
class FormRow:
    """A row of the form: its name, what its heading says, its fields, and whether it is to be deleted."""

    name: str
    heading: str
    fields: list[Field]
    is_new: bool = False
    is_deleted: bool = False

    @property
    def id(self) -> str:
        """Identifier in the page."""
        return self.name.replace(".", "-")

    @property
    def faulty(self) -> bool:
        """Whether something is wrong with it."""
        return any(field.faults for field in self.fields)

    @property
    def unfold(self) -> bool:
        """Whether its fields are shown: it is changed, or something is wrong with it."""
        is_changed = any(field.value if self.is_new else field.others for field in self.fields)
        return self.faulty or is_changed or self.is_deleted


@dataclass
class FormTable:
    """A table of the form: its name and meaning, its rows, and a row without values that can be filled in."""

    name: str
    meaning: str
    rows: list[FormRow]
    blank: FormRow


@from_tables("dictionary")
def study_columns(desk: Workspace) -> dict[str, str]:
    """Return the column with the key of a study for each table that has one, in the order of the dictionary.

    It is the column that is called study, or that refers to the bibliography.
    """
    dictionary = desk.table("dictionary")
    of_study = dictionary[(dictionary.column == "study") | (dictionary.refers_to == "references.key")]
    return dict(zip(of_study.table, of_study.column, strict=True))


@from_tables("mechanism", "candidates", "studies")
def labels_of_studies(desk: Workspace) -> dict[str, str]:
    """Return the name of each study that has one, by its key."""
    tables = [desk.table(table) for table in ("mechanism", "candidates", "studies")]
    return {row.study: row.label for table in tables for row in table.itertuples()}


def saved_rows(desk: Workspace, contents: Mapping[str, bytes], study: str) -> Iterator[SavedRow]:
    """Yield the rows of a study in every table.

    Parameters
    ----------
    desk : Workspace
        The data folder, whose dictionary says which tables they are.
    contents : mapping of str to bytes
        The files by name.
    study : str
        Key of the study.
    """
    for table, column in study_columns(desk).items():
        rows_with_key: Counter[str] = Counter()
        for number, row in numbered_rows(contents[f"{table}.csv"]):
            if row.get(column) == study:
                values = {name: row.get(name, "") for name in desk.columns(table)}
                key = hashlib.sha256("\0".join(key_of(desk, table, values).values()).encode()).hexdigest()[:12]
                yield SavedRow(table, f"{table}.{key}" + "x" * rows_with_key[key], number, values)
                rows_with_key[key] += 1


def key_of(desk: Workspace, table: str, values: Values) -> dict[str, str]:
    """Return the values by which a row is found: those of the key of its table, or all if it has no key."""
    described = entries(desk)
    key = {column: value for column, value in values.items() if described[table, column]["key"] == "yes"}
    return key or dict(values)


def new_rows(desk: Workspace, answers: Answers, table: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield name and values of each row that a form adds to a table."""
    columns = fields_of(desk, table)
    for number in range(1, MOST_ROWS + 1):
        name = f"{table}.new{number}"
        values = {column: answers.get(f"{name}.{column}", "") for column in columns}
        if any(values.values()):
            yield name, values


def fields_of(desk: Workspace, table: str) -> list[str]:
    """Return the columns of a table that a form asks for: all except that of the study."""
    of_study = study_columns(desk)[table]
    return [column for column in desk.columns(table) if column != of_study]


def copied(desk: Workspace, contents: Mapping[str, bytes], study: str, answers: Answers, name: str) -> Answers:
    """Return the answers with a new row that has the values of another one; unchanged if there is no such row."""
    table = name.partition(".")[0]
    added = dict(new_rows(desk, answers, table)) if table in study_columns(desk) else {}
    rows = {row.name: row.values for row in saved_rows(desk, contents, study)} | added
    free = next((f"{table}.new{n}" for n in range(1, MOST_ROWS + 1) if f"{table}.new{n}" not in added), "")
    if name not in rows or not free:
        return answers
    values = {column: answers.get(f"{name}.{column}", rows[name][column]) for column in fields_of(desk, table)}
    return answers | {f"{free}.{column}": value for column, value in values.items() if value}


def study_tables(desk: Workspace, contents: Mapping[str, bytes], study: str, answers: Answers) -> list[FormTable]:
    """Return the form of a saved study, with the answers that differ from its rows.

    Parameters
    ----------
    desk, contents, study
        As in `saved_rows`.
    answers : dict of str to str
        The answers, by the name of the field.
    """
    saved = list(saved_rows(desk, contents, study))
    suggestions: dict[str, list[str]] = {}
    for row in saved:
        for column, value in row.values.items():
            values_of_column = suggestions.setdefault(column, [])
            if value and value not in values_of_column and len(value) <= _LONGEST_LINE:
                values_of_column.append(value)

    def form_row(table: str, name: str, values: Values, is_new: bool) -> FormRow:
        shown = {column: answers.get(f"{name}.{column}", values.get(column, "")) for column in fields_of(desk, table)}
        fields = []
        for column, value in shown.items():
            field = described_field(desk, f"{name}.{column}", table, column, value)
            field.options = field.options or list(desk.codes(f"{shown.get('tool')}_{column}").items())
            field.suggestions = [] if field.options else suggestions.get(column, [])
            field.is_long = field.is_long or len(value) > _LONGEST_LINE
            if not is_new and f"{name}.{column}" in answers:
                field.others.append(("Saved", values[column]))
            fields.append(field)
        return FormRow(name, _heading(desk, table, fields), fields, is_new, bool(answers.get(f"{name}.{DELETE}")))

    tables = []
    for table in study_columns(desk):
        rows = [form_row(table, row.name, row.values, False) for row in saved if row.table == table]
        added = dict(new_rows(desk, answers, table))
        rows += [form_row(table, name, {}, True) for name in added]
        free = next((n for n in range(1, MOST_ROWS + 1) if f"{table}.new{n}" not in added), MOST_ROWS)
        blank = form_row(table, f"{table}.new{free}", {}, True)
        tables.append(FormTable(table, desk.codes("table")[table], rows, blank))
    return tables


def _heading(desk: Workspace, table: str, fields: list[Field]) -> str:
    """Return the heading of a row: the values of its key, and its numbers with their names."""
    words, numbers, is_named, described = [], [], False, entries(desk)
    for field in fields:
        entry = described[table, field.name.rpartition(".")[2]]
        is_named = is_named or entry["key"] == "yes"
        if field.value and entry["type"] in ("count", "number"):
            unit = "" if " or " in field.unit else field.unit
            numbers.append(f"{field.label.lower()} {field.value} {unit}".strip())
        elif field.value and entry["key"] == "yes":
            words.append(dict(field.options).get(field.value, field.value))
    if not is_named:
        words = [field.value for field in fields if field.value][:1]
    text = ", ".join(words)
    shown = text if len(text) <= _LONGEST_HEADING else f"{text[:_LONGEST_HEADING]}…"
    return "; ".join(filter(None, [shown, *numbers]))
