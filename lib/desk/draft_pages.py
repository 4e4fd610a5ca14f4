"""Check, preview and save a draft: what the pages of a trial and of a saved study share.

Belongs here: the drafts of the workspace, the texts that a form sends, the page of a preview, and why a draft is not
saved. Does not belong here: the forms (`trial_form`, `study_form`), and the text of a preview (`preview`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.desk.drafts import Drafts
from lib.desk.page import Page, one_line
from lib.desk.preview import Checked, changed_results, diff
from lib.desk.study_form import study_columns
from lib.desk.trial_form import Field
from lib.desk.workspace import Refusal, Workspace, digest, refusal
from lib.evidence import DataError
from lib.records.saving import Changed, SaveError, save
from lib.records.searching.raw_answers import FOLDER


class DraftPage(Page):
    """A page of a form that is kept as a draft until it is saved."""

    @property
    def drafts(self) -> Drafts:
        """The drafts of this workspace."""
        return Drafts(self.desk.folder / FOLDER / "drafts")

    def sent(self) -> Iterator[tuple[str, str]]:
        """Yield name and text, with single spaces, of each field that the form sent."""
        for name in self.request.body_arguments:
            yield name, one_line(self.get_argument(name, ""))

    async def show_preview(
        self, checked: Checked, *, title: str, note: str, after: str, about: tuple[str, str], back: str
    ) -> None:
        """Show what saving would change.

        Parameters
        ----------
        checked : Checked
            A form without faults.
        title, note, after : str
            What the form is about, a remark, and the heading of the results after the change.
        about : tuple of str
            Name and value by which the form of the preview says what is saved.
        back : str
            Address of the form; that which saves begins with its path.
        """
        seen = self.desk.remember()
        old = self.desk.seen(seen)
        try:
            results, fault = await self.desk.in_background(lambda: changed_results(self.desk, checked)), ""
        except DataError as error:
            results, fault = [], str(error.faults[0])
        new = checked.files()
        self.show(
            "preview.html",
            title=title,
            note=note,
            after=after,
            about=about,
            back=back,
            save=f"{back.partition('?')[0]}/save",
            results=results,
            fault=fault,
            lines=diff({name: old[name] for name in new}, new),
            seen=seen,
            digest=digest(new),
            study=checked.study,
        )

    def save(self, check: Callable[[], Checked], seen: Mapping[str, bytes]) -> list[Path]:
        """Save a draft, if neither it nor the tables have changed since the preview.

        Parameters
        ----------
        check : callable
            Checks the draft as it is now.
        seen : mapping of str to bytes
            The files as the preview showed them.

        Raises
        ------
        Refusal
            If they have, or saving is refused.
        """
        refuse_if_changed(self.desk, seen)
        checked = check()
        if checked.faults:
            texts = [text for texts in checked.faults.values() for text in texts]
            raise Refusal("The form has faults: check it again.", texts)
        if digest(checked.files()) != self.get_argument("digest", ""):
            raise Refusal("The form or a table was changed since this preview was shown: look at the preview again.")
        names = _files_of_forms(self.desk)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in seen.items() if name in names}
        try:
            return save(self.desk.folder, checked.changes, seen=hashes, reference=checked.entry)
        except Changed:
            refuse_if_changed(self.desk, seen)
            raise
        except SaveError as error:
            raise refusal(error) from None

    def put_faults(self, fields: Iterable[Field], checked: Checked | None) -> dict[str, Any]:
        """Put the faults of a checked form to its fields; return what its page shows of all faults.

        Parameters
        ----------
        fields : iterable of Field
            The fields of the form.
        checked : Checked, optional
            The faults; none if the form was not checked.
        """
        faults = dict(checked.faults) if checked else {}
        number = sum(map(len, faults.values()))
        for field in fields:
            field.faults = faults.pop(field.name, [])
        others = [line for texts in faults.values() for line in texts]
        return {"checked": checked is not None, "number": number, "wrong": others}


def _files_of_forms(desk: Workspace) -> set[str]:
    """Return the files that a form can change. If one of them changed since the preview, nothing is saved."""
    return {f"{table}.csv" for table in (*study_columns(desk), "drugs")} | {"references.bib"}


def refuse_if_changed(desk: Workspace, seen: Mapping[str, bytes]) -> None:
    """Refuse if a file that a form can change has changed since a person saw it, and show the change.

    Raises
    ------
    Refusal
        With the lines that another person or program changed.
    """
    names, now = _files_of_forms(desk), desk.contents()
    before, after = ({name: files[name] for name in files.keys() & names} for files in (seen, now))
    if lines := diff(before, after):
        signs = {"file": "", "del": "- ", "ins": "+ "}
        raise Refusal(
            "Another person or program changed the tables since this page was shown. Nothing was saved, and your"
            " draft is kept: look at the change, open the form again, and then its preview.",
            [signs[kind] + text for kind, text in lines],
        )
