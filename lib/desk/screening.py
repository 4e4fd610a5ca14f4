"""List what awaits each reviewer: records to screen, disagreements to resolve, full texts to read.

Belongs here: the records of the review with their decisions, as the desk shows them, and what each reviewer may see.
Does not belong here: which decision stands (`lib.evidence.screening`), and how decisions are saved
(`lib.records.saving`).

`lib.records.decisions` computes states from whole tables, for the book. The desk answers in a tenth of a second with
10,000 records, so it looks again only at records that changed; and it shows nobody a list that would give away another
reviewer's decision. A test compares the two.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from lib.desk.outbox import key_of_change
from lib.desk.ranking import FEWEST, Ranking, Vocabulary
from lib.desk.workspace import Workspace, from_tables
from lib.evidence.screening import CONFLICT, NOT_RECORDED, STAGES, standing

TITLE_ABSTRACT, FULL_TEXT = STAGES
TABLES = ("records", "decisions", "duplicates", "searches")
_Place = tuple[str, str]
"""A record and a stage of screening."""


class Decision(NamedTuple):
    """A row of ``decisions.csv``."""

    record: str
    stage: str
    reviewer: str
    role: str
    decision: str
    reason: str
    note: str
    date: str

    @property
    def key(self) -> dict[str, str]:
        """The values that make the row unique."""
        return {name: getattr(self, name) for name in ("record", "stage", "reviewer", "role")}


class Standing(NamedTuple):
    """The decision that stands for a record at a stage."""

    decision: str
    reviewers: int
    resolved: bool


@dataclass
class Screening:
    """All records that are screened, with their decisions, as the tables are now.

    Attributes
    ----------
    records : dict of str to dict
        The rows of ``records.csv`` by key, the newest first, without duplicates of others.
    decisions : dict of (str, str) to list of Decision
        By record and stage.
    standing : dict of (str, str) to Standing
        By record and stage.
    """

    records: dict[str, dict[str, str]] = field(default_factory=dict)
    decisions: dict[_Place, list[Decision]] = field(default_factory=dict)
    standing: dict[_Place, Standing] = field(default_factory=dict)
    _at_stage: dict[str, list[str]] = field(default_factory=dict, repr=False)
    _settled: dict[str, dict[str, None]] = field(default_factory=dict, repr=False)

    # --- What awaits whom ---------------------------------------------------------------------------------

    def at_stage(self, stage: str) -> list[str]:
        """Return the records that have reached a stage and not passed it, or still lack a decision at it."""
        if stage not in self._at_stage:
            if stage == TITLE_ABSTRACT:
                keys = [key for key in self.records if (key, FULL_TEXT) not in self.standing]
            else:
                # Not before both reviewers have decided: the list would give away the decision of the first.
                keys = [key for key in self.settled(TITLE_ABSTRACT) if self.decided(key, TITLE_ABSTRACT) == "include"]
            self._at_stage[stage] = keys
        return self._at_stage[stage]

    def settled(self, stage: str) -> dict[str, None]:
        """Return the records that await no reviewer at a stage, in order: two have decided, or one has resolved.

        A decision without the name of its reviewer was made before there were two; it is not asked for again.
        """
        if stage not in self._settled:
            self._settled[stage] = {key: None for key in self.records if self._is_settled(key, stage)}
        return self._settled[stage]

    def _is_settled(self, key: str, stage: str) -> bool:
        standing = self.standing.get((key, stage))
        if standing is None:
            return False
        if standing.resolved or standing.reviewers >= 2:
            return True
        return any(row.reviewer == NOT_RECORDED for row in self.decisions[key, stage])

    def is_open(self, key: str, stage: str) -> bool:
        """Whether a record awaits a reviewer at a stage."""
        return key not in self.settled(stage)

    def awaits(self, stage: str, reviewer: str) -> list[str]:
        """Return the records that await the decision of a reviewer: no resolution, fewer than two others decided."""
        settled = self.settled(stage)
        left = [key for key in self.at_stage(stage) if key not in settled]
        return [
            key for key in left if not any(row.reviewer == reviewer for row in self.decisions.get((key, stage), ()))
        ]

    def decided(self, key: str, stage: str) -> str:
        """Return the decision that stands for a record; empty if there is none."""
        standing = self.standing.get((key, stage))
        return standing.decision if standing else ""

    def known_to(self, stage: str, reviewer: str) -> dict[str, str]:
        """Return the decision on each record as far as a reviewer may know it."""
        known = {key: self.standing[key, stage].decision for key in self.settled(stage)}
        own = (row for rows in self.decisions.values() for row in rows if row.reviewer == reviewer)
        return {row.record: row.decision for row in own if row.stage == stage and row.role == "reviewer"} | known

    def conflicts(self, stage: str) -> list[str]:
        """Return the records on which two reviewers differ, or both are unsure, and that nobody has resolved."""
        return [
            key
            for key in self.at_stage(stage)
            if (standing := self.standing.get((key, stage)))
            and not standing.resolved
            and (standing.decision == CONFLICT or (standing.decision == "unsure" and standing.reviewers >= 2))
        ]

    def included(self) -> list[str]:
        """Return the records that were included on their full text."""
        return [key for key in self.settled(FULL_TEXT) if self.decided(key, FULL_TEXT) == "include"]

    # --- What a reviewer may see --------------------------------------------------------------------------

    def own(self, key: str, stage: str, reviewer: str) -> Decision | None:
        """Return the decision of a reviewer on a record."""
        rows = self.decisions.get((key, stage), [])
        return next((row for row in rows if row.reviewer == reviewer and row.role == "reviewer"), None)

    def visible(self, key: str, stage: str, reviewer: str) -> list[Decision]:
        """Return the decisions on a record that a reviewer may see: all once two have decided, else only the own."""
        rows = self.decisions.get((key, stage), [])
        return [row for row in rows if not self.is_open(key, stage) or row.reviewer == reviewer]

    def reviewers(self) -> list[str]:
        """Return the names of all who decided, in alphabetical order."""
        names = {row.reviewer for rows in self.decisions.values() for row in rows}
        return sorted(names - {NOT_RECORDED})


def screening(desk: Workspace) -> Screening:
    """Return the records of a workspace with their decisions, also those that wait to be saved.

    Raises
    ------
    DataError
        If one of the tables has a fault.
    """
    # Read before the table: a change that is saved in between is then applied twice, which changes nothing.
    version, waiting = desk.outbox.version, desk.outbox.waiting("decisions")

    def compute() -> Screening:
        version_of_pairs = desk.outbox.version if desk.outbox.waiting("duplicates") else 0
        records = desk.derived("records", ("records", "duplicates"), lambda: _records(desk), version_of_pairs)
        return Screening(records, *_with_waiting(*_decisions(desk), waiting))

    return desk.derived("screening", TABLES, compute, version)


def duplicates(desk: Workspace) -> list[dict[str, str]]:
    """Return the rows of ``duplicates.csv``, also those that wait to be saved."""
    rows: list[dict[str, str]] = desk.table("duplicates").to_dict("records")
    for change in desk.outbox.waiting("duplicates"):
        key = key_of_change(change)
        rows = [row for row in rows if (row["record"], row["same_as"]) != (key["record"], key["same_as"])]
        rows += [change["row"]] if "row" in change else []
    return rows


def _records(desk: Workspace) -> dict[str, dict[str, str]]:
    """Return the records by key, the newest first, without those that are the same report as another."""
    frame = desk.table("records")
    merged = {row["record"] for row in duplicates(desk) if row["relation"] == "duplicate"}
    rows: list[dict[str, Any]] = frame[~frame.record.isin(merged)].to_dict("records")
    # Equal dates keep the order of the file.
    rows.sort(key=lambda row: row["entered"], reverse=True)
    return {row["record"]: row for row in rows}


@dataclass
class _LastDecisions:
    """The rows of ``decisions.csv`` when they were last read, and the decisions that stood then."""

    rows: set[Decision] = field(default_factory=set)
    standing: dict[_Place, Standing] = field(default_factory=dict)


@from_tables("decisions")
def _decisions(desk: Workspace) -> tuple[dict[_Place, list[Decision]], dict[_Place, Standing]]:
    """Return all saved decisions, and those that stand; only records whose rows have changed are looked at again."""
    frame = desk.table("decisions")
    rows = list(map(Decision._make, frame[list(Decision._fields)].itertuples(index=False, name=None)))
    last = desk.derived("last decisions", (), _LastDecisions)
    changed = {row.record for row in last.rows ^ set(rows)}
    unchanged = {place: value for place, value in last.standing.items() if place[0] not in changed}
    last.rows = set(rows)
    last.standing = unchanged | _standing([row for row in rows if row.record in changed])
    return _by_place(rows), last.standing


def _with_waiting(
    decisions: dict[_Place, list[Decision]], stands: dict[_Place, Standing], waiting: list[dict[str, Any]]
) -> tuple[dict[_Place, list[Decision]], dict[_Place, Standing]]:
    """Return decisions, and those that stand, with the changes that wait to be saved."""
    if not waiting:
        return decisions, stands
    decisions, stands = dict(decisions), dict(stands)
    touched = set()
    for change in waiting:
        row = Decision(**change["row"]) if "row" in change else None
        key = key_of_change(change)
        place = key["record"], key["stage"]
        others = [other for other in decisions.get(place, []) if other.key != key]
        decisions[place] = [*others, row] if row else others
        touched.add(place)
    for place in touched:
        stands.pop(place, None)
        if not decisions[place]:
            del decisions[place]
    return decisions, stands | _standing([row for place in touched for row in decisions.get(place, [])])


def _by_place(rows: list[Decision]) -> dict[_Place, list[Decision]]:
    by_place: defaultdict[_Place, list[Decision]] = defaultdict(list)
    for row in rows:
        by_place[row.record, row.stage].append(row)
    return dict(by_place)


def _standing(rows: list[Decision]) -> dict[_Place, Standing]:
    if not rows:
        return {}
    frame = standing(pd.DataFrame(rows, columns=Decision._fields))
    return {
        (row.record, row.stage): Standing(row.decision, int(row.reviewers), bool(row.resolved))
        for row in frame.itertuples()
    }


def ranking(desk: Workspace, reviewer: str) -> Ranking | None:
    """Return the ranking of the records by the decisions on title and abstract; None if too few are decided.

    It rests on decisions that the reviewer may know. Otherwise, it would give away what another one has decided.
    """
    now = screening(desk)
    known = now.known_to(TITLE_ABSTRACT, reviewer)
    included, excluded = (
        [key for key, decision in known.items() if decision == code] for code in ("include", "exclude")
    )
    if len(included) + len(excluded) < FEWEST or not included or not excluded:
        return None

    def read_texts() -> Vocabulary:
        return Vocabulary({key: text_of(desk, record) for key, record in now.records.items()})

    vocabulary = desk.derived("vocabulary", ("records", "duplicates"), read_texts)
    return desk.derived(
        f"ranking for {reviewer}",
        TABLES,
        lambda: vocabulary.rank(included, excluded),
        desk.outbox.version,
    )


def text_of(desk: Workspace, record: dict[str, str]) -> str:
    """Return title and abstract of a record as one text."""
    return f"{record['title']} {desk.abstract(record)}"
