"""The pages on which a trial is entered: the list, the form, the preview, and saving.

Belongs here: which form is shown to whom, and when it may be saved. Does not belong here: the fields (`trial_form`),
the faults and the preview (`trial_check`), and the drafts (`drafts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from lib.desk.drafts import Draft, Drafts, differences
from lib.desk.page import Page, text_fault
from lib.desk.screening import screening
from lib.desk.screening_pages import record_values
from lib.desk.trial_check import TABLES_SEEN, Checked, check_trial, diff, moved
from lib.desk.trial_form import MOST_ARMS, arms_of, sections
from lib.desk.workspace import Refusal, Workspace
from lib.records.saving import Changed, SaveError, SaveFaults, save

_SEEN_FILES = {*(f"{table}.csv" for table in TABLES_SEEN), "references.bib"}


class _TrialPage(Page):
    """What the pages of a trial share."""

    @property
    def drafts(self) -> Drafts:
        """The drafts of this workspace."""
        return Drafts(self.desk.folder / ".raw" / "drafts")

    def record(self) -> dict[str, str]:
        """Return the record that a request names.

        Raises
        ------
        Refusal
            If there is none, or it is not included.
        """
        now, key = screening(self.desk), self.get_argument("record", "")
        if key not in now.included():
            raise Refusal("This record is not included on its full text (any more), so it has no trial to enter.")
        return now.records[key]

    def show_form(
        self, record: dict[str, str], draft: Draft, checked: Checked | None = None, status: int = 200
    ) -> None:
        """Show the form with its answers, faults, and what others answered."""
        parts = sections(self.desk, draft.answers, record)
        others = [other for other in self.drafts.of_record(draft.record) if other.extractor != draft.extractor]
        shown = [other for other in others if draft.complete and other.complete]
        faults = dict(checked.faults) if checked else {}
        for field in (field for part in parts for field in part.fields):
            field.faults = faults.pop(field.name, [])
            for other in shown:
                differs = differences(draft.answers, other.answers)
                if field.name in differs:
                    field.others.append((other.extractor, differs[field.name]))
        self.set_status(status)
        self.show(
            "trial.html",
            record=record_values(self.desk, record),
            sections=parts,
            arms=arms_of(draft.answers),
            most_arms=MOST_ARMS,
            draft=draft,
            others=others,
            shown=[other.extractor for other in shown],
            checked=checked is not None,
            wrong=[line for texts in faults.values() for line in texts],
            number=sum(map(len, checked.faults.values())) if checked else 0,
        )


class Trials(_TrialPage):
    """Included records whose trial is not entered yet, and those that are."""

    def get(self) -> None:
        """Show them."""
        self.require_reviewer()
        now = screening(self.desk)
        entered = entered_records(self.desk)
        rows = [
            {
                "record": record_values(self.desk, now.records[key]),
                "drafts": [d.extractor + (" (complete)" if d.complete else "") for d in self.drafts.of_record(key)],
            }
            for key in now.included()
            if key not in entered
        ]
        labels = self.desk.table("candidates")
        done = [row.label for row in labels.itertuples() if row.record in entered]
        self.show("trials.html", rows=rows, done=done)


def entered_records(desk: Workspace) -> set[str]:
    """Return the records whose study is in ``studies.csv``, and other reports of such studies."""

    def compute() -> set[str]:
        candidates, pairs = desk.table("candidates"), desk.table("duplicates")
        known = set(candidates.record[candidates.study.isin(desk.table("studies").study)])
        reports = pairs[pairs.relation.isin(("same_study", "erratum"))]
        return known | {
            *reports.record[reports.same_as.isin(known)],
            *reports.same_as[reports.record.isin(known)],
        }

    return desk.derived("entered", ("candidates", "duplicates", "studies"), compute)


class Trial(_TrialPage):
    """The form of a trial."""

    def get(self) -> None:
        """Show the person's draft, or a new one with what is known from the record."""
        reviewer, record = self.require_reviewer(), self.record()
        if record["record"] in entered_records(self.desk):
            raise Refusal("This trial is entered already: correct it in the tables.")
        draft = self.drafts.read(record["record"], reviewer)
        self.show_form(record, draft if draft.answers else self.new_draft(record))

    def new_draft(self, record: Mapping[str, str]) -> Draft:
        """Return a draft with what is known of the study."""
        surname = record["authors"].partition(";")[0].rpartition(" ")[0] or record["authors"]
        answers = {"label": f"{surname} {record['published'][:4]}".strip() if surname else "", "arms": "2"}
        candidates = self.desk.table("candidates")
        known = candidates[candidates.record == record["record"]]
        if len(known):
            answers |= {name: str(known.iloc[0][name]) for name in ("label", "study", "country")}
        return Draft(record["record"], self.reviewer, {**answers, "extractor": self.reviewer})

    async def post(self) -> None:
        """Keep the draft, and do what the button says."""
        reviewer, record = self.require_reviewer(), self.record()
        action = self.get_argument("action", "draft")
        draft = self.drafts.read(record["record"], reviewer)
        draft.answers = self.answers(record)
        if action in ("more-arms", "fewer-arms"):
            number = arms_of(draft.answers) + (1 if action == "more-arms" else -1)
            draft.answers["arms"] = str(min(max(number, 1), MOST_ARMS))
        elif action in ("complete", "incomplete"):
            draft.complete = action == "complete"
        self.drafts.write(draft)
        if action in ("check", "preview"):
            checked = await self.in_background(lambda: check_trial(self.desk, draft.answers, record))
            if checked.faults or action == "check":
                self.show_form(record, draft, checked, status=422 if checked.faults else 200)
            else:
                await self.show_preview(record, draft, checked)
            return
        notice = {"draft": "The draft is kept.", "complete": "Your extraction is complete; differences are shown."}
        self.done(f"/trial?record={record['record']}", notice.get(action, ""))

    def answers(self, record: Mapping[str, str]) -> dict[str, str]:
        """Return what the form sent: only fields that it has, and only texts that can stand in a table."""
        sent = {name: " ".join(self.get_argument(name, "").split()) for name in self.request.body_arguments}
        given = {name: value for name, value in sent.items() if value}
        fields = {field.name for part in sections(self.desk, given, record) for field in part.fields}
        answers = {name: value for name, value in given.items() if name in fields}
        for name, value in answers.items():
            if fault := text_fault(value):
                raise Refusal(f"{name}: {value[:60]!r} {fault}.")
        return {**answers, "arms": str(arms_of(given)), "extractor": self.reviewer}

    async def show_preview(self, record: dict[str, str], draft: Draft, checked: Checked) -> None:
        """Show what saving would change."""
        seen = self.desk.remember()
        old = self.desk.seen(seen)
        results = await self.in_background(lambda: moved(self.desk, checked))
        new = {path.name: content for path, content in checked.contents.items()}
        self.show(
            "preview.html",
            record=record_values(self.desk, record),
            results=results,
            lines=diff({name: old[name] for name in new}, new),
            seen=seen,
            digest=_digest(checked.contents),
            extractors=[other.extractor for other in self.drafts.of_record(draft.record) if other.complete],
            study=checked.trial["study"],
        )


class SaveTrial(_TrialPage):
    """The form that saves what the preview showed."""

    async def post(self) -> None:
        """Save all rows, or none."""
        reviewer, record = self.require_reviewer(), self.record()
        seen = self.desk.seen(self.get_argument("seen", ""))
        draft = self.drafts.read(record["record"], reviewer)
        files = await self.in_background(lambda: self.save(record, draft, seen))
        self.drafts.remove(record["record"])
        names = ", ".join(path.name for path in files)
        self.done("/trials", f"The trial is saved; these files have new lines: {names}. Build the book to see it.")

    def save(self, record: dict[str, str], draft: Draft, seen: dict[str, bytes]) -> list[Path]:
        """Save the draft, if neither it nor the tables have changed since the preview.

        Raises
        ------
        Refusal
            If they have, or saving is refused.
        """
        refuse_if_changed(self.desk, seen, _SEEN_FILES)
        checked = check_trial(self.desk, draft.answers, record)
        if checked.faults:
            texts = [text for texts in checked.faults.values() for text in texts]
            raise Refusal("The form has faults: check it again.", texts)
        if _digest(checked.contents) != self.get_argument("digest", ""):
            raise Refusal("The form or a table was changed since this preview was shown: look at the preview again.")
        hashes = {n: hashlib.sha256(content).hexdigest() for n, content in seen.items() if n in _SEEN_FILES}
        try:
            return save(self.desk.folder, checked.changes, seen=hashes, reference=checked.entry)
        except Changed:
            refuse_if_changed(self.desk, seen, _SEEN_FILES)
            raise
        except SaveFaults as error:
            raise Refusal("Nothing was saved: the tables would have faults.", list(map(str, error.faults))) from None
        except SaveError as error:
            raise Refusal(str(error)) from None


def refuse_if_changed(desk: Workspace, seen: Mapping[str, bytes], files: set[str]) -> None:
    """Refuse if one of some files has changed since a person saw it, and show the change.

    Raises
    ------
    Refusal
        With the lines that another person or program changed.
    """
    now = {name: content for name, content in desk.contents().items() if name in files}
    lines = diff({name: content for name, content in seen.items() if name in files}, now)
    if lines:
        signs = {"file": "", "del": "- ", "ins": "+ "}
        raise Refusal(
            "Another person or program changed the tables since the preview was shown. Nothing was saved, and your"
            " draft is kept: look at the change, and then at the preview again.",
            [signs[kind] + text for kind, text in lines],
        )


def _digest(contents: Mapping[Path, bytes]) -> str:
    whole = hashlib.sha256()
    for path, content in sorted(contents.items()):
        whole.update(f"{path.name} {hashlib.sha256(content).hexdigest()} ".encode())
    return whole.hexdigest()
