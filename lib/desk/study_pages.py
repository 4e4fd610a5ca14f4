"""Serve the pages of a saved study: its rows in all tables, the preview of a change, and saving.

Belongs here: what a person sees and changes of a study. Does not belong here: the fields (`study_form`), the faults
(`study_check`), the drafts (`drafts`), and the preview and saving (`draft_pages`).
"""

from __future__ import annotations

from collections.abc import Mapping

from lib.desk.draft_pages import DraftPage, refuse_if_changed
from lib.desk.drafts import Draft
from lib.desk.page import one_line, refuse_text
from lib.desk.preview import Checked
from lib.desk.study_check import check_study
from lib.desk.study_form import DELETE, copied, fields_of, labels_of_studies, saved_rows, study_columns, study_tables
from lib.desk.trial_form import MOST_ROWS
from lib.desk.workspace import Refusal


class _StudyPage(DraftPage):
    """What the pages of a saved study share."""

    def study(self) -> tuple[str, str]:
        """Return the key and the name of the study that a request names.

        Raises
        ------
        Refusal
            If the tables have no such study.
        """
        key = self.get_argument("study", "")
        if key not in (labels := labels_of_studies(self.desk)):
            raise Refusal("The tables have no study with this key: choose one on the page Trials.")
        return key, labels[key]

    def draft(self, study: str) -> Draft:
        """Return the person's draft about a study; its name differs from that of every record."""
        return self.drafts.read(f"study {study}", self.require_reviewer())


class Study(_StudyPage):
    """The form of a saved study."""

    def get(self) -> None:
        """Show its rows, with what the person's draft changes."""
        key, _ = self.study()
        self.show_study(self.draft(key), self.desk.remember())

    def show_study(self, draft: Draft, seen: str, checked: Checked | None = None) -> None:
        """Show the form with its answers and faults."""
        key, label = self.study()
        tables = study_tables(self.desk, self.desk.seen(seen), key, draft.answers)
        rows = [row for table in tables for row in (*table.rows, table.blank)]
        fields = [field for row in rows for field in row.fields]
        values_of_faults = self.put_faults(fields, checked)
        names = {field.name for field in fields} | {f"{row.name}.{DELETE}" for row in rows}
        self.set_status(422 if checked and checked.faults else 200)
        self.show(
            "study.html",
            study=key,
            label=label,
            tables=tables,
            seen=seen,
            changed=bool(draft.answers),
            lost=len(draft.answers.keys() - names),
            faulty=[row for row in rows if row.faulty],
            **values_of_faults,
        )

    async def post(self) -> None:
        """Keep the draft, and do what the button says."""
        key, label = self.study()
        draft = self.draft(key)
        # The files as they are now are those that the form showed, unless somebody changed them.
        now = self.desk.remember()
        seen = self.desk.seen(self.get_argument("seen", ""))
        action, copy = self.get_argument("action", "draft"), self.get_argument("copy", "")
        draft.answers = {} if action == "discard" else self.answers(key, seen)
        address = f"/study?study={key}"
        if copy:
            before = draft.answers
            draft.answers = copied(self.desk, seen, key, before, copy)
            added = next((name for name in draft.answers if name not in before), "")
            address += f"#{'-'.join(added.split('.')[:2])}"
        self.drafts.write(draft)
        if not copy and action in ("check", "preview"):
            refuse_if_changed(self.desk, seen)
            checked = await self.desk.in_background(lambda: check_study(self.desk, key, draft.answers))
            if checked.faults or action == "check":
                self.show_study(draft, now, checked)
                return
            if checked.contents:
                await self.show_preview(
                    checked,
                    title=label,
                    note="A correction of a saved study.",
                    after="After the change",
                    about=("study", key),
                    back=address,
                )
                return
        notice = {"discard": "Your draft is discarded.", "preview": "The form changes nothing that is saved."}
        self.go_to(address, notice.get(action, "" if copy else "The draft is kept."))

    def answers(self, study: str, seen: Mapping[str, bytes]) -> dict[str, str]:
        """Return what the form sent that differs from the rows that it showed.

        Raises
        ------
        Refusal
            If a text cannot stand in a table.
        """
        shown: dict[str, str] = {}
        for row in saved_rows(self.desk, seen, study):
            shown |= {f"{row.name}.{column}": row.values[column] for column in fields_of(self.desk, row.table)}
            shown[f"{row.name}.{DELETE}"] = ""
        for table in study_columns(self.desk):
            for number in range(1, MOST_ROWS + 1):
                shown |= {f"{table}.new{number}.{column}": "" for column in fields_of(self.desk, table)}
        answers = {name: value for name, value in self.sent() if name in shown and value != one_line(shown[name])}
        for name, value in answers.items():
            refuse_text(name, value)
        return answers


class SaveStudy(_StudyPage):
    """The form that saves what the preview showed."""

    async def post(self) -> None:
        """Save all changes, or none."""
        key, _ = self.study()
        draft, seen = self.draft(key), self.desk.seen(self.get_argument("seen", ""))

        def check() -> Checked:
            return check_study(self.desk, key, draft.answers)

        files = await self.desk.in_background(lambda: self.save(check, seen))
        self.drafts.remove(draft.record, draft.extractor)
        names = ", ".join(path.name for path in files)
        notice = f"The change is saved; these files are changed: {names}. Build the book to see it."
        self.go_to(f"/study?study={key}", notice)
