"""Serve the page on which an edition is made.

Belongs here: the checklist as a page, and the form of an edition. Does not belong here: what the items mean, and what
is written (`releasing`).
"""

from __future__ import annotations

from lib.desk.duplicate_pages import proposals
from lib.desk.page import Page, one_line, refuse_text
from lib.desk.releasing import NOTHING_NEW, changes_since, checklist, edition_dates, make_edition, next_version
from lib.desk.trial_form import entries
from lib.desk.workspace import Refusal
from lib.evidence import load

_COLUMNS = ("version", "trigger", "question_changes", "method_changes", "authors", "status", "next_search")


class Edition(Page):
    """The checklist, the changes since the last edition if asked for, and the form."""

    async def get(self) -> None:
        """Show the checklist and the form."""
        self.require_reviewer()
        pairs = await proposals(self.desk)
        items = await self.desk.in_background(lambda: checklist(self.desk, pairs))
        wanted = bool(self.get_argument("changes", ""))
        blocked = any(item.must and not item.done for item in items)
        changed = await self.desk.in_background(lambda: changes_since(self.desk)) if wanted and not blocked else None
        last = self.desk.table("editions").iloc[-1].to_dict()
        proposed = {"version": next_version(last["version"]), "authors": last["authors"], "status": last["status"]}
        described = {name: entries(self.desk)["editions", name] for name in _COLUMNS}
        fields = [
            {
                "name": name,
                "label": name.replace("_", " ").capitalize(),
                "help": entry["meaning"],
                "value": proposed.get(name, ""),
                "options": self.desk.codes(entry["allowed"]),
                "required": entry["required"] == "yes",
            }
            for name, entry in described.items()
        ]
        left = sum(not item.done for item in items)
        self.show("edition.html", items=items, changed=changed, fields=fields, last=last, left=left, blocked=blocked)

    async def post(self) -> None:
        """Make the edition."""
        self.require_reviewer()
        pairs = await proposals(self.desk)
        items = await self.desk.in_background(lambda: checklist(self.desk, pairs))
        left = [item.text for item in items if not item.done]
        if any(item.must and not item.done for item in items):
            raise Refusal("An edition cannot be made before this is done:", left)
        if left and self.get_argument("anyway", "") != "yes":
            raise Refusal(
                "Some items of the checklist are open. Say in the form that the edition appears anyway.", left
            )
        row = {name: self.text(name) for name in _COLUMNS}
        lines = [one_line(line).removeprefix("- ") for line in self.get_argument("changelog", "").splitlines()]
        lines = [line for line in lines if line]
        if not lines:
            raise Refusal("Say in a line or more what readers will notice: it becomes the entry of the changelog.")
        for line in lines:
            refuse_text("Changelog", line)
        last, date = edition_dates(await self.desk.in_background(lambda: load(self.desk.folder)))
        if date <= last:
            raise Refusal(f"{NOTHING_NEW} An edition is dated by its newest entry, and one of {last} exists.")
        await self.desk.in_background(lambda: make_edition(self.desk, {"date": date, **row}, lines))
        notice = f"The edition of {date} is in editions.csv and CHANGELOG.md. Build all with make editions."
        self.go_to("/edition", notice)
