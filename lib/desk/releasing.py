"""Make an edition: what must be done before, what changed since the last one, and its row and entry.

Belongs here: the checklist, the row of ``editions.csv`` and the entry of the changelog. Does not belong here: the page
(`edition_pages`), and how two editions are compared (`lib.report.chapters.edition_changes`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.caching.safe_files import replace_if_changed
from lib.desk.screening import screening
from lib.desk.screening_pages import STAGE_ADDRESSES
from lib.desk.trial_pages import entered_records
from lib.desk.workspace import Refusal, Workspace, refusal
from lib.evidence import Evidence, check, load
from lib.records.decisions import STAGE_NAMES
from lib.records.deduplication import Proposals
from lib.records.saving import Change, SaveError, save
from lib.report.chapters import edition_changes
from lib.report.text_safety import Html

NOTHING_NEW = "No search and no record was entered since the last edition."


@dataclass(frozen=True)
class Item:
    """An item of the checklist.

    Attributes
    ----------
    text, address : str
        What is counted, with the number; the page that helps.
    done : bool
        Whether it is done.
    must : bool
        Whether an edition cannot be made without it.
    """

    text: str
    address: str
    done: bool
    must: bool = False


def checklist(desk: Workspace, pairs: Proposals) -> list[Item]:
    """Return what should be done before an edition, and whether it is."""
    now, editions, searches = screening(desk), desk.table("editions"), desk.table("searches")
    last = str(editions.date.max())
    since = searches[(searches.date > last) & searches.kind.str.endswith("search")]
    items = [Item(f"Searches since the last edition ({last}): {len(since)}", "/", len(since) > 0)]
    for stage, name in STAGE_NAMES.items():
        undecided = [key for key in now.at_stage(stage) if (key, stage) not in now.standing]
        decided_once = [key for key in now.at_stage(stage) if now.is_open(key, stage) and (key, stage) in now.standing]
        page = STAGE_ADDRESSES[stage]
        items.append(Item(f"Records without a decision on {name}: {len(undecided)}", page, not undecided))
        text = f"Records that await a second reviewer on {name}: {len(decided_once)}"
        items.append(Item(text, page, not decided_once))
    differ = sum(len(now.conflicts(stage)) for stage in STAGE_NAMES)
    items.append(Item(f"Open disagreements: {differ}", "/conflicts", not differ))
    open_pairs = len(pairs.decided) + len(pairs.maybes)
    items.append(Item(f"Undecided pairs of similar records: {open_pairs}", "/duplicates", not open_pairs))
    entered = entered_records(desk)
    left = [key for key in now.included() if key not in entered]
    items.append(Item(f"Included records whose trial is not entered: {len(left)}", "/trials", not left))
    waiting = len(desk.outbox.waiting())
    items.append(Item(f"Decisions that are not saved: {waiting}", "/", not waiting, must=True))
    faults = len(check(desk.folder))
    items.append(Item(f"Faults in the data: {faults}", "/", not faults, must=True))
    return items


@dataclass(frozen=True)
class Differences:
    """What changed since the last edition: the date of the new one, the records in words, and a table of results."""

    date: str
    last: str
    records: str
    results: Html


def changes_since(desk: Workspace) -> Differences:
    """Compare the data as they are now with the last edition.

    Raises
    ------
    DataError
        If the data have faults.
    """
    after = load(desk.folder)
    last, date = edition_dates(after)
    if date <= last:
        return Differences(date, last, NOTHING_NEW, Html(""))
    before = edition_changes.edition_of(after, dt.date.fromisoformat(last))
    table = edition_changes.results(before, edition_changes.edition_of(after, after.as_of))
    return Differences(date, last, edition_changes.records(before.evidence, after), Html(table._repr_html_()))


def edition_dates(evidence: Evidence) -> tuple[str, str]:
    """Return the date of the last edition, and that of an edition made of the evidence as it is."""
    return evidence.editions.date.max(), evidence.as_of.isoformat()


def next_version(last: str) -> str:
    """Suggest the version after another one.

    Examples
    --------
    >>> next_version("1.1.0"), next_version("2019")
    ('1.2.0', '')
    """
    parts = re.fullmatch(r"(\d+)\.(\d+)(?:\.\d+)?", last)
    return f"{parts[1]}.{int(parts[2]) + 1}.0" if parts else ""


def with_entry(changelog: str, version: str, date: str, lines: Sequence[str]) -> str:
    r"""Return the changelog with an entry about an edition, under the heading of its version.

    Examples
    --------
    >>> print(with_entry("# Changelog\n\n## 1.0.0\n\n- First.\n", "1.1.0", "2026-11-26", ["A made-up trial."]))
    # Changelog
    <BLANKLINE>
    ## 1.1.0
    <BLANKLINE>
    ### Edition of 2026-11-26
    <BLANKLINE>
    - A made-up trial.
    <BLANKLINE>
    ## 1.0.0
    <BLANKLINE>
    - First.
    <BLANKLINE>
    """
    entry = "\n".join([f"### Edition of {date}", "", *(f"- {line}" for line in lines), "", ""])
    if heading := re.search(rf"^## {re.escape(version)}\s*\n+", changelog, flags=re.MULTILINE):
        return changelog[: heading.end()] + entry + changelog[heading.end() :]
    first = re.search(r"^## ", changelog, flags=re.MULTILINE)
    at = first.start() if first else len(changelog)
    return f"{changelog[:at]}## {version}\n\n{entry}{changelog[at:]}"


def make_edition(desk: Workspace, row: Mapping[str, str], lines: Sequence[str]) -> None:
    """Add an edition to ``editions.csv`` and the changelog, or to neither.

    Raises
    ------
    Refusal
        If the data would have faults, or there is no changelog.
    OSError
        If the changelog cannot be written.
    """
    path = desk.root / "CHANGELOG.md"
    if not path.is_file():
        raise Refusal("CHANGELOG.md is not in the project's folder: start the desk there, or with --root.")
    changelog = with_entry(path.read_text(encoding="utf-8"), row["version"], row["date"], lines)
    try:
        save(desk.folder, [Change("editions", values=row)])
    except SaveError as error:
        raise refusal(error) from None
    try:
        replace_if_changed(path, changelog.encode())
    except OSError:
        save(desk.folder, [Change("editions", key={"date": row["date"]})])
        raise
