"""Serve the pages on which a trial is entered: the list, the form, the preview, and saving.

Belongs here: which form is shown to whom. Does not belong here: the fields (`trial_form`), the faults (`trial_check`),
the drafts (`drafts`), the preview and saving (`draft_pages`), and a study that is saved already (`study_pages`).
"""

from __future__ import annotations

from collections.abc import Mapping

from lib.desk.draft_pages import DraftPage
from lib.desk.drafts import Draft, differences
from lib.desk.page import refuse_text
from lib.desk.preview import Checked
from lib.desk.screening import screening
from lib.desk.screening_pages import record_values
from lib.desk.study_form import labels_of_studies
from lib.desk.trial_check import check_trial
from lib.desk.trial_form import MOST_ARMS, arms_of, sections
from lib.desk.workspace import Refusal, Workspace, from_tables


class _TrialPage(DraftPage):
    """What the pages of a trial share."""

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
        fields = [field for part in parts for field in part.fields]
        for other in shown:
            differs = differences(draft.answers, other.answers)
            for field in fields:
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
            **self.put_faults(fields, checked),
        )


class Trials(_TrialPage):
    """Included records whose trial is not entered yet, and the studies that have data."""

    def get(self) -> None:
        """Show the records and the studies."""
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
        saved = {*self.desk.table("studies").study}
        studies = sorted(labels_of_studies(self.desk).items(), key=lambda item: item[1].casefold())
        with_data, others = ([item for item in studies if (item[0] in saved) is is_saved] for is_saved in (True, False))
        self.show("trials.html", rows=rows, with_data=with_data, others=others)


@from_tables("candidates", "duplicates", "studies")
def entered_records(desk: Workspace) -> dict[str, str]:
    """Return the study of each record whose study is in ``studies.csv``, and of other reports of such studies."""
    candidates, pairs = desk.table("candidates"), desk.table("duplicates")
    entered = candidates[candidates.study.isin(desk.table("studies").study)]
    study_by_record = dict(zip(entered.record, entered.study, strict=True))
    reports = pairs[pairs.relation.isin(("same_study", "erratum"))]
    both = [*zip(reports.record, reports.same_as, strict=True), *zip(reports.same_as, reports.record, strict=True)]
    others = {one: study_by_record[other] for one, other in both if other in study_by_record}
    return others | study_by_record


class Trial(_TrialPage):
    """The form of a trial."""

    def get(self) -> None:
        """Show the person's draft, or a new one with what is known from the record."""
        reviewer, record = self.require_reviewer(), self.record()
        if study := entered_records(self.desk).get(record["record"]):
            self.redirect(f"/study?study={study}", status=303)
            return
        draft = self.drafts.read(record["record"], reviewer)
        self.show_form(record, draft if draft.answers else self.new_draft(record))

    def new_draft(self, record: Mapping[str, str]) -> Draft:
        """Return a draft with what is known of the study."""
        surname = record["authors"].partition(";")[0].rpartition(" ")[0] or record["authors"]
        answers = {"label": f"{surname} {record['published'][:4]}".strip() if surname else "", "arms": "2"}
        candidates = self.desk.table("candidates")
        of_record = candidates[candidates.record == record["record"]]
        if len(of_record):
            answers |= {name: str(of_record.iloc[0][name]) for name in ("label", "study", "country")}
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
            checked = await self.desk.in_background(lambda: check_trial(self.desk, draft.answers, record))
            if checked.faults or action == "check":
                self.show_form(record, draft, checked, status=422 if checked.faults else 200)
            else:
                await self.preview(record, checked)
            return
        notice = {"draft": "The draft is kept.", "complete": "Your extraction is complete; differences are shown."}
        self.go_to(f"/trial?record={record['record']}", notice.get(action, ""))

    def answers(self, record: Mapping[str, str]) -> dict[str, str]:
        """Return what the form sent: only fields that it has, and only texts that can stand in a table."""
        sent = {name: value for name, value in self.sent() if value}
        fields = {field.name for part in sections(self.desk, sent, record) for field in part.fields}
        answers = {name: value for name, value in sent.items() if name in fields}
        for name, value in answers.items():
            refuse_text(name, value)
        return {**answers, "arms": str(arms_of(sent)), "extractor": self.reviewer}

    async def preview(self, record: Mapping[str, str], checked: Checked) -> None:
        """Show what saving would change, and who has extracted the data."""
        key = record["record"]
        names = [other.extractor for other in self.drafts.of_record(key) if other.complete]
        note = "Only one person has completed the extraction of this trial."
        if len(names) > 1:
            note = f"Extracted by {' and '.join(names)}; your answers are saved."
        await self.show_preview(
            checked,
            title=record["title"],
            note=note,
            after="With this study",
            about=("record", key),
            back=f"/trial?record={key}",
        )


class SaveTrial(_TrialPage):
    """The form that saves what the preview showed."""

    async def post(self) -> None:
        """Save all rows, or none."""
        reviewer, record = self.require_reviewer(), self.record()
        seen = self.desk.seen(self.get_argument("seen", ""))
        draft = self.drafts.read(record["record"], reviewer)

        def check() -> Checked:
            return check_trial(self.desk, draft.answers, record)

        files = await self.desk.in_background(lambda: self.save(check, seen))
        self.drafts.remove(record["record"])
        names = ", ".join(path.name for path in files)
        self.go_to("/trials", f"The trial is saved; these files have new lines: {names}. Build the book to see it.")
