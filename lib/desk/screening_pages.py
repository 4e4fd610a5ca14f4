"""Serve the pages on which records are screened: title and abstract, full text, and disagreements.

Belongs here: one record at a time, its form, and which decision may be saved. Does not belong here: what awaits whom
(`lib.desk.screening`), and the writing of rows (`lib.desk.outbox`).
"""

from __future__ import annotations

from typing import Any

from lib.desk.highlighting import CRITERIA, parts
from lib.desk.outbox import key_of_change
from lib.desk.page import NAME_COOKIE, SHORTCUTS_COOKIE, Page, clean_name
from lib.desk.ranking import ENOUGH, FEWEST
from lib.desk.screening import FULL_TEXT, TITLE_ABSTRACT, Decision, Screening, ranking, screening, text_of
from lib.desk.workspace import Refusal, Workspace, from_tables
from lib.records.decisions import STAGE_NAMES, agreement
from lib.report.wording import fixed, with_minus

_LINKS = {
    "doi": ("DOI {}", "https://doi.org/{}"),
    "pmid": ("PubMed {}", "https://pubmed.ncbi.nlm.nih.gov/{}/"),
    "registry": ("Registry {}", "https://clinicaltrials.gov/study/{}"),
}
STAGE_ADDRESSES = {TITLE_ABSTRACT: "/screen", FULL_TEXT: "/full-texts"}


class Home(Page):
    """The first page: who is at the desk, and what is waiting."""

    def get(self) -> None:
        """Show the first page."""
        now = screening(self.desk)
        name = self.reviewer
        waiting = []
        for stage, title in ((TITLE_ABSTRACT, "Screen title and abstract"), (FULL_TEXT, "Read full texts")):
            total = sum(now.is_open(key, stage) for key in now.at_stage(stage))
            own = len(now.awaits(stage, name)) if name else "–"
            waiting.append({"name": title, "address": STAGE_ADDRESSES[stage], "own": own, "total": total})
        differ = sum(len(now.conflicts(stage)) for stage in STAGE_NAMES)
        waiting.insert(1, {"name": "Resolve disagreements", "address": "/conflicts", "own": differ, "total": differ})
        self.show(
            "home.html",
            names=now.reviewers(),
            waiting=waiting,
            folder=self.desk.folder.name,
            agreements=_agreements(self.desk),
            unsaved=_unsaved(self.desk, self.reviewer),
        )


class Reviewer(Page):
    """The form for the name of the person at the desk."""

    def post(self) -> None:
        """Store the name in a cookie."""
        name = clean_name(self.text("name"))
        if not name:
            raise Refusal("This cannot be a reviewer's name: write it with letters, such as Ada Example.")
        self.set_private_cookie(NAME_COOKIE, name)
        self.go_to("/screen" if self.get_argument("then", "") == "screen" else "/")


class Shortcuts(Page):
    """The switch for keyboard shortcuts of a single key."""

    def post(self) -> None:
        """Store the choice in a cookie."""
        self.set_private_cookie(SHORTCUTS_COOKIE, "off" if self.get_argument("shortcuts", "on") == "off" else "on")
        back = self.get_argument("back", "/")
        self.go_to(back if back in self.application.settings["addresses"] else "/")


class Problems(Page):
    """The form that puts away messages about decisions that could not be saved."""

    def post(self) -> None:
        """Forget the messages."""
        self.desk.outbox.dismiss_problems()
        self.go_to("/")


class Screen(Page):
    """One record that awaits the reviewer's decision on its title and abstract."""

    stage = TITLE_ABSTRACT

    def get(self) -> None:
        """Show the record that was asked for, or else the next one."""
        reviewer, now = self.require_reviewer(), screening(self.desk)
        queue = now.awaits(self.stage, reviewer)
        ranked = ranking(self.desk, reviewer) if self.stage == TITLE_ABSTRACT else None
        order = self.get_argument("order", "newest")
        if ranked and order == "ranked":
            queue.sort(key=lambda key: -ranked.scores.get(key, 0.0))
        wanted = self.get_argument("record", "")
        if wanted and wanted not in now.records:
            raise Refusal(f"There is no record {wanted[:80]!r}, or it is a duplicate of another.")
        key = wanted or next(iter(queue), "")
        stage = self.stage
        own = _own_decisions(now, stage, reviewer)
        last = own[-1] if own and not _reason_to_keep(now, own[-1]) else None
        self.show(
            "screen.html",
            stage=stage,
            stage_name=STAGE_NAMES[stage],
            record=record_values(self.desk, now.records[key]) if key else None,
            may_decide=key in queue,
            visible=now.visible(key, stage, reviewer) if key else [],
            meanings=self.desk.codes("screening_decision"),
            reasons=self.desk.codes("exclusion"),
            criteria=CRITERIA,
            left=len(queue),
            decided=len(own),
            total=len(own) + len(queue),
            undo=last,
            undo_title=now.records[last.record]["title"] if last else "",
            order=order if ranked else "newest",
            ranked=ranked,
            why=ranked.strongest_of(text_of(self.desk, now.records[key])) if ranked and key else [],
            fewest=FEWEST,
            enough=ENOUGH,
            address=STAGE_ADDRESSES[stage],
            unsaved=_unsaved(self.desk, self.reviewer),
        )


class FullTexts(Screen):
    """Records that were included on title and abstract: a list, or one of them."""

    stage = FULL_TEXT

    def get(self) -> None:
        """Show the list, or the record that was asked for."""
        if self.get_argument("record", ""):
            super().get()
            return
        reviewer, now = self.require_reviewer(), screening(self.desk)
        rows = []
        for key in now.at_stage(self.stage):
            own, record = now.own(key, self.stage, reviewer), record_values(self.desk, now.records[key])
            rows.append({"record": record, "own": own, "state": _state(now, key, reviewer, self.desk)})
        rows.sort(key=lambda row: row["own"] is not None)
        self.show("full_texts.html", rows=rows)


class Decide(Page):
    """The form of one decision."""

    def post(self) -> None:
        """Check the decision, let it wait to be saved, and go to the next record."""
        reviewer, now = self.require_reviewer(), screening(self.desk)
        record, stage = self.get_argument("record", ""), self.get_argument("stage", "")
        if record not in now.records or stage not in STAGE_NAMES:
            raise Refusal("There is no such record: open the queue again.")
        decision, reason = self.choice()
        note = self.text("note")
        if stage == FULL_TEXT and not note:
            raise Refusal("Give the reason in a sentence (the note): the book shows it beside the study.")
        if record not in now.at_stage(stage):
            raise Refusal(f"This record is not at the stage {STAGE_NAMES[stage]}.")
        if record not in now.awaits(stage, reviewer):
            rows = now.visible(record, stage, reviewer)
            decisions = [f"{row.reviewer}: {row.decision} {row.reason} {row.note}".strip() for row in rows]
            raise Refusal("This record was decided meanwhile. Nothing was saved; these decisions stand:", decisions)
        row = Decision(record, stage, reviewer, "reviewer", decision, reason, note, self.desk.today)
        self.desk.outbox.add("decisions", row._asdict())
        order = "?order=ranked" if self.get_argument("order", "") == "ranked" and stage == TITLE_ABSTRACT else ""
        self.go_to(STAGE_ADDRESSES[stage] + order)

    def choice(self) -> tuple[str, str]:
        """Return the decision and the code of its reason.

        Raises
        ------
        Refusal
            If there is none, or an exclusion lacks its reason.
        """
        decision, _, reason = self.get_argument("choice", "").partition(":")
        if decision not in self.desk.codes("screening_decision"):
            raise Refusal("Choose include, unsure, or a reason to exclude.")
        if decision == "exclude" and reason not in self.desk.codes("exclusion"):
            raise Refusal("An exclusion needs its reason: choose one of the list.")
        return decision, reason if decision == "exclude" else ""


class Undo(Page):
    """The form that takes back a decision of the reviewer."""

    def post(self) -> None:
        """Take the decision back, unless another one rests on it."""
        reviewer, now = self.require_reviewer(), screening(self.desk)
        record, stage = self.get_argument("record", ""), self.get_argument("stage", "")
        role = self.get_argument("role", "reviewer")
        rows = [row for row in now.decisions.get((record, stage), []) if (row.reviewer, row.role) == (reviewer, role)]
        if not rows:
            raise Refusal("You have no decision on this record that could be taken back.")
        if reason := _reason_to_keep(now, rows[0]):
            raise Refusal(f"This decision cannot be taken back: {reason}.")
        self.desk.outbox.delete("decisions", rows[0].key)
        address = "/conflicts" if role == "resolution" else f"{STAGE_ADDRESSES[stage]}?record={record}"
        self.go_to(address, "The decision was taken back. Decide again.")


class Conflicts(Page):
    """Records on which two reviewers differ, with both decisions, and the form of a resolution."""

    def get(self) -> None:
        """Show the disagreements."""
        reviewer, now = self.require_reviewer(), screening(self.desk)
        rows = [
            {
                "record": record_values(self.desk, now.records[key]),
                "stage": stage,
                "stage_name": STAGE_NAMES[stage],
                "decisions": now.decisions[key, stage],
                "own": any(row.reviewer == reviewer for row in now.decisions[key, stage]),
            }
            for stage in STAGE_NAMES
            for key in now.conflicts(stage)
        ]
        resolved = [
            row
            for (key, _), decisions in now.decisions.items()
            for row in decisions
            if row.role == "resolution" and row.reviewer == reviewer and key in now.records
        ]
        self.show(
            "conflicts.html",
            rows=rows,
            meanings=self.desk.codes("screening_decision"),
            reasons=self.desk.codes("exclusion"),
            undo=resolved[-1] if resolved and not _reason_to_keep(now, resolved[-1]) else None,
            undo_title=now.records[resolved[-1].record]["title"] if resolved else "",
        )


class Resolve(Decide):
    """The form of a resolution."""

    def post(self) -> None:
        """Check the resolution, and let it wait to be saved."""
        reviewer, now = self.require_reviewer(), screening(self.desk)
        record, stage = self.get_argument("record", ""), self.get_argument("stage", "")
        if stage not in STAGE_NAMES or record not in now.conflicts(stage):
            raise Refusal(
                "This disagreement was resolved meanwhile, or a decision was taken back. Open the list again."
            )
        decision, reason = self.choice()
        if decision == "unsure":
            raise Refusal("A resolution includes or excludes.")
        note = self.text("note")
        if not note:
            raise Refusal("Say in a sentence how the disagreement was resolved.")
        self.desk.outbox.add(
            "decisions",
            Decision(record, stage, reviewer, "resolution", decision, reason, note, self.desk.today)._asdict(),
        )
        self.go_to("/conflicts", "The disagreement is resolved.")


@from_tables("decisions")
def _agreements(desk: Workspace) -> list[str]:
    """State how far the reviewers of the same records agree."""
    return [
        f"{row.first} and {row.second} agree on {row.agreed} of {row.records} records at {STAGE_NAMES[row.stage]}"
        + (f" (kappa {with_minus(fixed(row.kappa, 2))})." if row.kappa == row.kappa else ".")
        for row in agreement(desk.table("decisions")).itertuples()
    ]


def _unsaved(desk: Workspace, reviewer: str) -> int:
    """Return the number of a reviewer's own decisions that wait to be saved."""
    return sum(key_of_change(change)["reviewer"] == reviewer for change in desk.outbox.waiting("decisions"))


def record_values(desk: Workspace, record: dict[str, str]) -> dict[str, Any]:
    """Return what a page shows of a record."""
    links = [
        (text.format(record[column]), address.format(record[column]))
        for column, (text, address) in _LINKS.items()
        if record[column]
    ]
    if record["url"].startswith(("https://", "http://")):
        links.append(("Address given by the source", record["url"]))
    title = record["title"] or "Title not stated"
    columns = ("authors", "journal", "published", "volume", "issue", "pages", "kind")
    return {column: record[column] for column in columns} | {
        "key": record["record"],
        "title": title,
        "title_parts": parts(title),
        "abstract_parts": parts(desk.abstract(record)),
        "links": links,
        "kind_name": desk.codes("record_kind").get(record["kind"], record["kind"]),
    }


def _own_decisions(now: Screening, stage: str, reviewer: str) -> list[Decision]:
    """Return the decisions of a reviewer at a stage, the last one at the end."""
    return [
        row
        for (_, at), rows in now.decisions.items()
        if at == stage
        for row in rows
        if row.reviewer == reviewer and row.role == "reviewer" and row.record in now.records
    ]


def _reason_to_keep(now: Screening, row: Decision) -> str:
    """Return why a decision cannot be taken back; empty if it can."""
    if row.stage == TITLE_ABSTRACT and (row.record, FULL_TEXT) in now.decisions:
        return "the full text was decided upon since; take that decision back first"
    standing = now.standing.get((row.record, row.stage))
    if row.role == "reviewer" and standing is not None and standing.resolved:
        return "the disagreement was resolved since; take the resolution back first"
    return ""


def _state(now: Screening, key: str, reviewer: str, desk: Workspace) -> str:
    """Describe the state of a full text, without giving away the other's decision."""
    standing = now.standing.get((key, FULL_TEXT))
    if standing is None:
        return "awaits both reviewers"
    if now.is_open(key, FULL_TEXT):
        return "awaits a second reviewer" if now.own(key, FULL_TEXT, reviewer) else "awaits you"
    if key in now.conflicts(FULL_TEXT):
        return "disagreement"
    return desk.codes("screening_decision").get(standing.decision, standing.decision)
