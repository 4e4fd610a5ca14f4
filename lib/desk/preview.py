"""Describe what saving the answers of a form would change, and what is wrong with them.

Belongs here: the faults by field, the changes of each file, and the results that would change. Does not belong here:
which rows a form changes (`trial_check`, `study_check`), the rules, the writing of files (`lib.records.saving`), and
how a result is computed.
"""

from __future__ import annotations

import difflib
import functools
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lib import published
from lib.desk.workspace import Workspace
from lib.evidence import REGIMENS, THRESHOLD_NAMES, Evidence, load
from lib.records.saving import Change, new_faults
from lib.report.entries import Entry, comparison_key, rate_key
from lib.report.rate_entries import rate_entries
from lib.report.trial_entries import comparison_entries
from lib.report.wording import outcome_name, ratio_text, span

Place = tuple[str, int | None, str]
"""File, row and column of a value, as a fault names them."""


@dataclass
class Checked:
    """What saving a form would write, and what is wrong with it.

    Attributes
    ----------
    study : str
        Key of the study.
    roles : set of str
        Roles of its arms, before and after the change.
    changes : list of Change
        The rows.
    contents : dict of Path to bytes
        New contents of the files.
    entry : str
        The entry to be added to the bibliography; empty for no entry.
    faults : dict of str to list of str
        By the name of the field; those without a field are under an empty name.
    """

    study: str
    roles: set[str]
    changes: list[Change]
    contents: dict[Path, bytes]
    entry: str = ""
    faults: dict[str, list[str]] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """Return the new contents of the files by their names."""
        return {path.name: content for path, content in self.contents.items()}


def faults_by_field(
    desk: Workspace,
    contents: Mapping[Path, bytes],
    names: Mapping[Place, str],
    shown: Callable[[str], str] = lambda name: name,
) -> dict[str, list[str]]:
    """Return the faults that new contents of the files would bring, by the name of the field beside which they stand.

    Parameters
    ----------
    desk : Workspace
        The data folder.
    contents : mapping of Path to bytes
        New contents of some files.
    names : mapping of Place to str
        The name of the field of each value of the form. A fault of several columns belongs to the first of them that
        has a field.
    shown : callable
        Takes the name of a value and returns that of the field beside which its faults are shown.
    """
    faults: defaultdict[str, list[str]] = defaultdict(list)
    for fault in new_faults(desk.folder, contents):
        places = [(fault.file, fault.row, column) for column in fault.column.split(" + ")]
        name = next((shown(names[place]) for place in places if names.get(place)), "")
        faults[name].append(f"{f'{fault.value!r}: ' if fault.value else ''}{fault.rule}" if name else str(fault))
    return {name: list(dict.fromkeys(texts)) for name, texts in faults.items()}


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
class ChangedResult:
    """A result that saving would change, as a table shows it."""

    name: str
    published: str
    today: str
    after: str
    conclusions: str


def changed_results(desk: Workspace, checked: Checked) -> list[ChangedResult]:
    """Return the results that saving would change: rates of the regimens of the study's arms, then risk ratios.

    Parameters
    ----------
    desk : Workspace
        The data folder.
    checked : Checked
        A form without faults.

    Raises
    ------
    DataError
        If the data have faults that the form does not concern.
    """
    regimens = [regimen for regimen in REGIMENS if regimen in checked.roles]
    files = desk.contents()
    before, after = (_load(tuple(contents.items())) for contents in (files, files | checked.files()))
    return [*_rates(before, after, regimens), *_ratios(before, after)]


@functools.lru_cache(maxsize=3)
def _load(files: tuple[tuple[str, bytes], ...]) -> Evidence:
    """Load the edition that some files give.

    The last editions are remembered with their results: what a preview shows as changed is, once it is saved, what the
    next preview compares with.
    """
    with tempfile.TemporaryDirectory() as temporary:
        for name, content in files:
            (Path(temporary) / name).write_bytes(content)
        return load(temporary)


def _rates(before: Evidence, after: Evidence, regimens: list[str]) -> Iterator[ChangedResult]:
    meaning = after.meaning("change_criterion")
    for regimen in regimens:
        editions = [edition.only(regimen) for edition in (before, after)]
        old, new = map(published.results, editions)
        entries = [rate_entries(edition, regimen) for edition in editions]
        for key, result in new.items():
            outcome = result.outcome
            as_published = span(outcome.estimate, outcome.ci_low, outcome.ci_high)
            texts = [span(r.current.estimate, r.current.ci_low, r.current.ci_high) for r in (old[key], result)]
            if texts[0] != texts[1]:
                conclusions = "; ".join(meaning[rule] for rule in result.criteria_met) or "no"
                yield ChangedResult(f"{outcome_name(outcome)}, %", as_published, texts[0], texts[1], conclusions)
            # Only this one depends on the counts of the original studies.
            both = [part.get(rate_key(outcome, "recommended.available")) for part in entries]
            texts = [span(one.estimate, one.ci_low, one.ci_high) if one else "none" for one in both]
            if texts[0] != texts[1]:
                name = f"{outcome_name(outcome)}, recommended method, studies with available counts, %"
                yield ChangedResult(name, as_published, texts[0], texts[1], "no")


def _ratios(before: Evidence, after: Evidence) -> Iterator[ChangedResult]:
    entries = [comparison_entries(edition) for edition in (before, after)]
    for question in after.questions.itertuples():
        for threshold, name in THRESHOLD_NAMES.items():
            both = [part.get(comparison_key(question.question, threshold)) for part in entries]
            texts = [ratio_text(one.estimate, one.ci_low, one.ci_high) if one else "none" for one in both]
            if texts[0] != texts[1]:
                yield ChangedResult(f"{question.label}, {name}, risk ratio", "–", texts[0], texts[1], _changed(both))


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
