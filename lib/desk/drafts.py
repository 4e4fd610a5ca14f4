"""Store the drafts of forms, one for each trial or study and person.

Belongs here: writing and reading drafts, and where two of them differ. Does not belong here: the forms
(`trial_form`, `study_form`).

Drafts are in the folder that git ignores, under names made of hashes: no name of a record or a person, and so no part
of a request, becomes a path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lib.caching.safe_files import replace_if_changed


@dataclass
class Draft:
    """What one person has entered about a trial or a saved study.

    Attributes
    ----------
    record, extractor : str
        Key of the record, or "study" with the key of the study; the person's name.
    answers : dict of str to str
        Answers by the name of the field.
    complete : bool
        Whether the person has said that the extraction is complete. Others' answers are shown from then on.
    """

    record: str
    extractor: str
    answers: dict[str, str] = field(default_factory=dict)
    complete: bool = False


class Drafts:
    """The drafts of a folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drafts = Drafts(Path(folder))
    ...     drafts.write(Draft("made_up.1", "Ada Example", {"design": "PD"}))
    ...     drafts.read("made_up.1", "Ada Example").answers, drafts.read("made_up.1", "Ben Example").answers
    ({'design': 'PD'}, {})
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def _path(self, record: str, extractor: str) -> Path:
        return self._folder / f"{_hash(record)}-{_hash(extractor)}.json"

    def read(self, record: str, extractor: str) -> Draft:
        """Return a person's draft, empty if there is none."""
        path = self._path(record, extractor)
        if not path.is_file():
            return Draft(record, extractor)
        return Draft(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, draft: Draft) -> None:
        """Write a draft, in place of the person's earlier one."""
        content = json.dumps(asdict(draft), ensure_ascii=False, indent=1).encode()
        replace_if_changed(self._path(draft.record, draft.extractor), content)

    def of_record(self, record: str) -> list[Draft]:
        """Return everybody's drafts of a record, by name."""
        paths = sorted(self._folder.glob(f"{_hash(record)}-*.json"))
        drafts = [Draft(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]
        return sorted(drafts, key=lambda draft: draft.extractor)

    def remove(self, record: str, extractor: str = "") -> None:
        """Remove all drafts of a record, after its trial was saved, or only that of one person."""
        for path in self._folder.glob(f"{_hash(record)}-{_hash(extractor) if extractor else '*'}.json"):
            path.unlink()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def differences(own: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Return the other's answers that differ from the own ones; an answer that is missing there is empty.

    Examples
    --------
    >>> differences({"design": "PD", "n": "40"}, {"design": "WP", "n": "40"})
    {'design': 'WP'}
    """
    names = sorted((own.keys() | other.keys()) - {"extractor"})
    return {name: other.get(name, "") for name in names if own.get(name, "") != other.get(name, "")}
