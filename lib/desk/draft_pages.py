"""What pages share on which a draft is checked, previewed and saved.

Belongs here: the drafts of the workspace, the texts that a form sends, the page of a preview, and why a draft is not
saved. Does not belong here: the forms (`trial_form`, `study_form`), and the text of a preview (`preview`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from lib.desk.drafts import Drafts
from lib.desk.page import Page, text_fault
from lib.desk.preview import Checked, diff, moved
from lib.desk.study_form import study_columns
from lib.desk.workspace import Refusal, Workspace
from lib.evidence import DataError
from lib.records.saving import Changed, SaveError, SaveFaults, save


class DraftPage(Page):
    """A page of a form that is kept as a draft until it is saved."""

    @property
    def drafts(self) -> Drafts:
        """The drafts of this workspace."""
        return Drafts(self.desk.folder / ".raw" / "drafts")

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
            results, fault = await self.in_background(lambda: moved(self.desk, checked)), ""
        except DataError as error:
            results, fault = [], str(error.faults[0])
        new = {path.name: content for path, content in checked.contents.items()}
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
            digest=_digest(checked.contents),
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
        files = files_of_studies(self.desk)
        refuse_if_changed(self.desk, seen, files)
        checked = check()
        if checked.faults:
            texts = [text for texts in checked.faults.values() for text in texts]
            raise Refusal("The form has faults: check it again.", texts)
        if _digest(checked.contents) != self.get_argument("digest", ""):
            raise Refusal("The form or a table was changed since this preview was shown: look at the preview again.")
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in seen.items() if name in files}
        try:
            return save(self.desk.folder, checked.changes, seen=hashes, reference=checked.entry)
        except Changed:
            refuse_if_changed(self.desk, seen, files)
            raise
        except SaveFaults as error:
            raise Refusal("Nothing was saved: the tables would have faults.", list(map(str, error.faults))) from None
        except SaveError as error:
            raise Refusal(str(error)) from None


def one_line(text: str) -> str:
    """Return a text as a form sends it to a table: with single spaces."""
    return " ".join(text.split())


def refuse_text(name: str, value: str) -> None:
    """Refuse an answer that cannot stand in a table.

    Raises
    ------
    Refusal
        With the name of its field and the reason.
    """
    if fault := text_fault(value):
        raise Refusal(f"{name}: {value[:60]!r} {fault}.")


def files_of_studies(desk: Workspace) -> set[str]:
    """Return the files that a form can change. If one of them changed since the preview, nothing is saved."""
    return {f"{table}.csv" for table in (*study_columns(desk), "drugs")} | {"references.bib"}


def refuse_if_changed(desk: Workspace, seen: Mapping[str, bytes], files: Collection[str]) -> None:
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
            "Another person or program changed the tables since this page was shown. Nothing was saved, and your"
            " draft is kept: look at the change, open the form again, and then its preview.",
            [signs[kind] + text for kind, text in lines],
        )


def _digest(contents: Mapping[Path, bytes]) -> str:
    whole = hashlib.sha256()
    for path, content in sorted(contents.items()):
        whole.update(f"{path.name} {hashlib.sha256(content).hexdigest()} ".encode())
    return whole.hexdigest()
