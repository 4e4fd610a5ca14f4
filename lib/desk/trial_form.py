"""Make the form of a trial from the questions about a trial, the data dictionary and the codes.

Belongs here: fields with their labels, help, units and allowed values, and the answers about a trial as a form sends
them. Does not belong here: the questions and what follows from their answers (`lib.evidence.new_trial`), and what is
wrong with them (`lib.desk.trial_check`).

A field has the name of its answer: ``design``, ``arms.2.drug``, ``adverse_events.1.event``, ``risk_of_bias.3.support``.
What must be answered is open; what is optional, or follows from other answers, is folded away.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lib.desk.workspace import Workspace, from_tables
from lib.evidence.new_trial import QUESTIONS, Question, Trial, complete
from lib.evidence.vocabulary import ALL_THRESHOLDS

Answers = dict[str, str]
"""What a form holds: text by the name of the field."""
MOST_ARMS, MOST_ROWS = 8, 40
CITATION = ("title", "authors", "published", "journal", "volume", "issue", "pages", "doi", "pmid", "url")
"""Columns of the record that the form shows filled in."""
EXTRA_TABLES = {"adverse_events": "Adverse events", "risk_of_bias": "Risk of bias"}
"""Tables with rows of their own in the form, and their headings."""
_EVENT_COLUMNS = ("arm", "role", "kind", "event", "events", "n")
JUDGEMENT_COLUMNS = ("judgement", "support")
"""Columns of these tables that the form asks for; the others follow from the trial."""
_ANSWERED_BY_SCREENING = ("decision", "exclusion", "reason", "reviewer", "entered", "record_kind")
"""Answers that the screening of the record has given."""
_ASKED_THOUGH_OPTIONAL = ("n", *ALL_THRESHOLDS[1:], "randomised", "duration_months")
_FOLDED_THOUGH_REQUIRED = ("any", "reported", "concern")
_LONG_TEXTS = ("reason", "reported", "finding", "concern", "derivation", "support", "title", "authors")
_LABELS = {
    "n": "Number assessed",
    "any": "Responders: any repigmentation",
    "doi": "DOI",
    "pmid": "PubMed number",
    "url": "Address",
    "study": "Key of the study",
    "label": "Name of the study",
    "why_not": "Why the count is not pooled",
    "events": "Number with the event",
    "source_kind": "Kind of document",
    "basis": "Basis of the counts",
    "given_with": "Given together with",
    "duration_months": "Duration of treatment",
    "months": "Time of assessment",
}


@dataclass
class Field:
    """One field of a form.

    Attributes
    ----------
    name, label, help, unit : str
        Name of its answer, and what is shown beside it.
    value, derived : str
        The answer, and what follows from other answers if it is empty.
    options : list of (str, str)
        Allowed values with their meanings; empty for free text.
    suggestions : list of str
        Values that other rows have; others are allowed.
    is_open : bool
        Whether it is shown without unfolding.
    required, is_long : bool
        Whether it must be answered in the end; whether its text may be long.
    faults : list of str
        What is wrong with the answer.
    others : list of (str, str)
        What other extractors answered, by their names.
    """

    name: str
    label: str
    help: str = ""
    unit: str = ""
    value: str = ""
    derived: str = ""
    options: list[tuple[str, str]] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    is_open: bool = True
    required: bool = False
    is_long: bool = False
    faults: list[str] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether the answer is one of the allowed values."""
        return self.value in [code for code, _ in self.options]

    @property
    def id(self) -> str:
        """Identifier in the page."""
        return self.name.replace(".", "-")


@dataclass
class Section:
    """A part of a form: its heading and its fields."""

    title: str
    fields: list[Field]
    folded_title: str = "Further details"

    @property
    def open_fields(self) -> list[Field]:
        """Fields that are shown at once."""
        return [field for field in self.fields if field.is_open]

    @property
    def folded(self) -> list[Field]:
        """Fields that are folded away."""
        return [field for field in self.fields if not field.is_open]

    @property
    def unfold(self) -> bool:
        """Whether the folded fields are shown, because one of them has an answer, a fault, or another answer."""
        return any(field.value or field.faults or field.others for field in self.folded)


def arms_of(answers: Mapping[str, str]) -> int:
    """Return the number of arms of a form, two at first."""
    text = answers.get("arms", "2")
    return min(max(int(text), 1), MOST_ARMS) if text.isdecimal() else 2


def rows_of(answers: Mapping[str, str], table: str) -> int:
    """Return the number of rows of a table in a form: those with an answer."""
    numbers = [int(name.split(".")[1]) for name, value in answers.items() if value and name.startswith(f"{table}.")]
    return min(max(numbers, default=0), MOST_ROWS)


def trial_of(answers: Mapping[str, str], record: Mapping[str, str]) -> Trial:
    """Return the answers of a form as `lib.evidence.new_trial` takes them, with the facts of the record.

    An arm without any answer is left out.
    """
    arms = []
    for number in range(1, arms_of(answers) + 1):
        names = [question.name for question in QUESTIONS if question.scope == "arm"]
        arm = {name: answers.get(f"arms.{number}.{name}", "") for name in names}
        if any(arm.values()):
            arms.append(arm)
    facts = {name: answers.get(name) or record[name] for name in CITATION}
    names = [q.name for q in QUESTIONS if q.scope != "arm" and q.name not in _ANSWERED_BY_SCREENING]
    own = {name: answers.get(name, "") for name in names}
    trial = {**own, **{name: value for name, value in facts.items() if value}, "arms": arms}
    if not (trial.get("doi") or trial.get("pmid")) and not trial.get("source") and trial.get("url"):
        trial["source"] = trial["url"]
    return {**trial, "decision": "included", "record": record["record"], "record_kind": record["kind"]}


def sections(desk: Workspace, answers: Mapping[str, str], record: Mapping[str, str]) -> list[Section]:
    """Return the form of a trial, with its answers."""
    trial = complete(trial_of(answers, record), {"drugs": desk.table("drugs")}, desk.today)
    suggestions = {
        "drug": list(dict.fromkeys(desk.table("drugs").drug)),
        "country": sorted({*desk.table("studies").country} - {""}),
        "concentration": sorted({*desk.table("arms").concentration} - {""}),
        "frequency": sorted({*desk.table("arms").frequency} - {""}),
        "phototherapy_frequency": sorted({*desk.table("arms").phototherapy_frequency} - {""}),
    }

    def field_of(question: Question, number: int = 0) -> Field:
        name = f"arms.{number}.{question.name}" if number else question.name
        arms = trial["arms"]
        derived = arms[number - 1] if number and number <= len(arms) else {} if number else trial
        field = described_field(desk, name, question.table, question.column, answers.get(name, ""))
        field.suggestions = suggestions.get(question.name, [])
        field.derived = "" if field.value else str(derived.get(question.name, ""))
        must = field.required and question.name not in _FOLDED_THOUGH_REQUIRED
        field.is_open = not question.derived and (must or question.name in _ASKED_THOUGH_OPTIONAL)
        field.required = field.is_open and must and question.name not in _ASKED_THOUGH_OPTIONAL
        if question.column == "events":
            meaning = desk.codes("threshold")[question.name]
            field.label = f"Responders: {meaning}"
            field.help = "Leave it empty if the report does not give the number."
        return field

    by_scope = {
        scope: [q for q in QUESTIONS if q.scope == scope and q.name not in (*_ANSWERED_BY_SCREENING, *CITATION)]
        for scope in ("record", "study", "arm", "counts")
    }
    first = [q for q in by_scope["study"] if q.table == "studies"]
    last = [q for q in by_scope["study"] if q.table != "studies"]
    form = [Section("The study", [field_of(q) for q in (*by_scope["record"], *first)])]
    for number in range(1, arms_of(answers) + 1):
        form.append(Section(f"Arm {number}", [field_of(q, number) for q in by_scope["arm"]], "More about this arm"))
    form.append(Section("How the counts were obtained", [field_of(q) for q in by_scope["counts"]]))
    form.append(Section("Main finding", [field_of(q) for q in last]))
    form.append(Section("Citation", list(_citation(desk, answers, record)), "The citation, filled in from the record"))
    return [*form, *_extra(desk, answers, trial)]


def _citation(desk: Workspace, answers: Mapping[str, str], record: Mapping[str, str]) -> Iterator[Field]:
    for name in CITATION:
        field = described_field(desk, name, "records", name, answers.get(name, ""))
        field.is_open, field.required, field.derived = False, False, "" if field.value else record[name]
        yield field


def _extra(desk: Workspace, answers: Mapping[str, str], trial: Trial) -> Iterator[Section]:
    """Yield the sections of the tables that have rows of their own."""
    arms = [arm["arm"] for arm in trial["arms"] if arm["arm"]]
    rows = []
    for number in range(1, rows_of(answers, "adverse_events") + 2):
        for column in _EVENT_COLUMNS:
            name = f"adverse_events.{number}.{column}"
            field = described_field(desk, name, "adverse_events", column, answers.get(name, ""))
            field.suggestions = arms if column == "arm" else []
            field.label, field.is_open, field.required = f"Event {number}: {field.label.lower()}", False, False
            rows.append(field)
    yield Section(EXTRA_TABLES["adverse_events"], rows, "Adverse events that the report counts")
    tool, rows = tool_of(trial), []
    for number, (code, domain) in enumerate(desk.codes(f"{tool}_domain").items(), start=1):
        for column in JUDGEMENT_COLUMNS:
            name = f"risk_of_bias.{number}.{column}"
            field = described_field(desk, name, "risk_of_bias", column, answers.get(name, ""))
            if column == "judgement":
                field.options = list(desk.codes(f"{tool}_judgement").items())
            field.label, field.is_open, field.required = f"{domain.capitalize()}: {column}", False, False
            field.help = "" if code == "overall" and column == "support" else field.help
            rows.append(field)
    yield Section(EXTRA_TABLES["risk_of_bias"], rows, f"Judgements by {desk.codes('bias_tool')[tool]}")


def tool_of(trial: Trial) -> str:
    """Return the tool for the risk of bias of a trial: RoB 2 for a randomised one, ROBINS-I for any other."""
    return "rob2_2019" if trial.get("randomised") == "yes" else "robins_i_2016"


def extra_rows(desk: Workspace, answers: Mapping[str, str], trial: Trial) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Yield table, number in the form, and values of each row of the tables with rows of their own."""
    shared = {"study": trial["study"], "source": trial.get("source", "")}
    for number in range(1, rows_of(answers, "adverse_events") + 1):
        values = {column: answers.get(f"adverse_events.{number}.{column}", "") for column in _EVENT_COLUMNS}
        if any(values.values()):
            yield "adverse_events", number, values | shared
    if rows_of(answers, "risk_of_bias"):
        tool = tool_of(trial)
        for number, code in enumerate(desk.codes(f"{tool}_domain"), start=1):
            values = {column: answers.get(f"risk_of_bias.{number}.{column}", "") for column in JUDGEMENT_COLUMNS}
            fixed = {"tool": tool, "domain": code, "assessor": answers["extractor"]}
            yield "risk_of_bias", number, values | fixed | shared


def described_field(desk: Workspace, name: str, table: str, column: str, value: str) -> Field:
    """Return a field of a column, as the dictionary describes it."""
    entry = entries(desk)[table, column]
    codes = list(desk.codes(entry["allowed"]).items()) if entry["allowed"] else []
    if entry["type"] == "codes" and 1 < len(codes) < 4:
        pairs = itertools.combinations(codes, 2)
        codes += [(f"{a}; {b}", f"{one}; {other}") for (a, one), (b, other) in pairs]
    last = name.rpartition(".")[2]
    label = _LABELS.get(last) or column.replace("_", " ").capitalize()
    return Field(
        name,
        label,
        help=f"{entry['meaning']}.",
        unit=entry["unit"],
        value=value,
        options=codes,
        required=entry["required"] == "yes",
        is_long=column in _LONG_TEXTS,
    )


@from_tables("dictionary")
def entries(desk: Workspace) -> dict[tuple[str, str], dict[str, str]]:
    """Return the entries of the dictionary by table and column."""
    return {(row["table"], row["column"]): row for row in desk.table("dictionary").to_dict("records")}
