"""Check the form of a trial by the rules of ``make check``, and say what saving it would change.

Belongs here: the rows that a form adds, the faults by field, the change of each file, and how the results would move.
Does not belong here: the rules, the writing of files (`lib.records.saving`), and how a result is computed.
"""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lib import published
from lib.desk.trial_form import CITATION, EXTRA_TABLES, Answers, extra_rows, trial_of
from lib.desk.workspace import Workspace
from lib.evidence import REGIMENS, THRESHOLD_NAMES, Evidence, load
from lib.evidence.checking import read_tables, reference_table
from lib.evidence.new_trial import Trial, complete, place, reference, rows
from lib.records.saving import Change, new_contents, new_faults
from lib.report.entries import Entry, comparison_key
from lib.report.trial_entries import comparison_entries
from lib.report.wording import outcome_name, ratio_text, span

TABLES_SEEN = (
    *("candidates", "studies", "arms", "drugs", "findings", "responses", "reported_without_counts", "concerns"),
    *EXTRA_TABLES,
)
"""Tables to which a trial adds rows. If one of them or the bibliography changed since the preview, nothing is saved."""
_OF_THE_SCREENING = ("records", "decisions")
"""Tables that have their rows about the record already."""
_Place = tuple[str, int | None, str]


@dataclass
class Checked:
    """What saving a trial would write, and what is wrong with it.

    Attributes
    ----------
    trial : dict
        The answers with those that follow from them.
    changes : list of Change
        The rows.
    entry : str
        The entry of the bibliography; empty if the study has one.
    contents : dict of Path to bytes
        New contents of the files.
    faults : dict of str to list of str
        By the name of the field; those without a field are under an empty name.
    """

    trial: Trial
    changes: list[Change]
    entry: str
    contents: dict[Path, bytes]
    faults: dict[str, list[str]] = field(default_factory=dict)


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
    names: dict[_Place, str] = place(trial, tables)[1]
    candidates = tables["candidates"]
    known = candidates[candidates.record == record["record"]]
    changes = []
    for row in rows(trial, tables):
        if row.table == "candidates" and len(known):
            number = known.index[0]
            names |= {("candidates.csv", number, column): row.answer(column) for column in row.values}
            values = {column: value for column, value in row.values.items() if value}
            changes.append(Change("candidates", key={"study": known.study[number]}, values=values))
        elif row.table not in _OF_THE_SCREENING:
            changes.append(Change(row.table, values=row.values))
    at = {table: max(tables[table].index, default=1) for table in EXTRA_TABLES}
    for table, number, values in extra_rows(desk, answers, trial):
        at[table] += 1
        names |= {(f"{table}.csv", at[table], column): f"{table}.{number}.{column}" for column in values}
        changes.append(Change(table, values=values))
    corrected = {name: answers[name] for name in CITATION if answers.get(name) and answers[name] != record[name]}
    if corrected:
        changes.append(Change("records", key={"record": record["record"]}, values=corrected))
    found = tables["records"].index[tables["records"].record == record["record"]]
    names |= {("records.csv", int(row), name): name for row in found for name in CITATION}
    entry = "" if trial["study"] in set(tables["references"].key) else reference(trial)
    contents = new_contents(desk.folder, changes, entry)
    faults: defaultdict[str, list[str]] = defaultdict(list)
    for fault in new_faults(desk.folder, contents):
        name = names.get((fault.file, fault.row, fault.column), "")
        if name:
            faults[_shown(name)].append(f"{f'{fault.value!r}: ' if fault.value else ''}{fault.rule}")
        else:
            faults[""].append(str(fault))
    return Checked(
        trial, changes, entry, contents, {name: list(dict.fromkeys(texts)) for name, texts in faults.items()}
    )


def _shown(name: str) -> str:
    """Return the field beside which a fault is shown: that of the form, if the value has none of its own."""
    table, _, rest = name.partition(".")
    number, _, column = rest.partition(".")
    if table == "risk_of_bias" and column not in ("judgement", "support"):
        return f"{table}.{number}.judgement"
    if table == "adverse_events" and column in ("study", "source"):
        return f"{table}.{number}.arm"
    return {"record": "", "design_of_record": "design", "year": "published"}.get(name, name)


# --- The change of the files ------------------------------------------------------------------------------


def diff(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[tuple[str, str]]:
    r"""Return the lines that differ between two states of files: kind ("file", "del", "ins") and text.

    Examples
    --------
    >>> diff({"arms.csv": b"study,arm"}, {"arms.csv": b"study,arm\nmade_up,placebo"})
    [('file', 'arms.csv'), ('ins', 'made_up,placebo')]
    """
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = (files.get(name, b"").decode("utf-8", "replace").splitlines() for files in (old, new))
        if before == after:
            continue
        lines.append(("file", name))
        for line in list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]:
            if not line.startswith("@@"):
                lines.append(("del" if line[0] == "-" else "ins", line[1:]))
    return lines


# --- The change of the results ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Moved:
    """A result that saving would change, as a table shows it."""

    name: str
    published: str
    today: str
    after: str
    conclusions: str


def moved(desk: Workspace, checked: Checked) -> list[Moved]:
    """Return the results that saving a trial would change: rates of the regimens of its arms, then risk ratios.

    Parameters
    ----------
    desk : Workspace
        The data folder.
    checked : Checked
        A trial without faults.
    """
    regimens = [regimen for regimen in REGIMENS if any(arm["role"] == regimen for arm in checked.trial["arms"])]
    with tempfile.TemporaryDirectory() as temporary:
        for path in desk.folder.iterdir():
            if path.is_file() and not path.name.startswith("."):
                shutil.copy(path, temporary)
        for path, content in checked.contents.items():
            (Path(temporary) / path.name).write_bytes(content)
        after = load(temporary)
    tables = tuple(sorted({*desk.table("dictionary").table} - {"dictionary"}))
    before = desk.derived("edition", tables, lambda: load(desk.folder))
    return [*_rates(before, after, regimens), *_ratios(before, after)]


def _rates(before: Evidence, after: Evidence, regimens: list[str]) -> Iterator[Moved]:
    meaning = after.meaning("change_criterion")
    for regimen in regimens:
        old, new = (published.results(edition.only(regimen)) for edition in (before, after))
        for key, result in new.items():
            texts = [span(r.answer.estimate, r.answer.ci_low, r.answer.ci_high) for r in (old[key], result)]
            if texts[0] != texts[1]:
                outcome = result.outcome
                as_published = span(outcome.estimate, outcome.ci_low, outcome.ci_high)
                conclusions = "; ".join(meaning[rule] for rule in result.criteria_met) or "no"
                yield Moved(f"{outcome_name(outcome)}, %", as_published, texts[0], texts[1], conclusions)


def _ratios(before: Evidence, after: Evidence) -> Iterator[Moved]:
    entries = [comparison_entries(edition) for edition in (before, after)]
    for question in after.questions.itertuples():
        for threshold, name in THRESHOLD_NAMES.items():
            both = [part.get(comparison_key(question.question, threshold)) for part in entries]
            texts = [ratio_text(one.estimate, one.ci_low, one.ci_high) if one else "none" for one in both]
            if texts[0] != texts[1]:
                yield Moved(f"{question.label}, {name}, risk ratio", "–", texts[0], texts[1], _changed(both))


def _changed(both: list[Entry | None]) -> str:
    """Say whether a risk ratio is first known, or its interval now excludes no effect where it did not, or reverse."""
    before, after = both
    if before is None or before.estimate != before.estimate:
        return "first result"
    if after is None:
        return "result withdrawn"
    excludes = [not entry.ci_low <= 1 <= entry.ci_high for entry in (before, after)]
    if excludes[0] == excludes[1]:
        return "no"
    return "the interval now excludes no effect" if excludes[1] else "the interval now includes no effect"
