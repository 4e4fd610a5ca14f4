"""Store the raw answers of databases under their hash, and the journal of an unfinished search.

Belongs here: files in the folder ``.raw`` of a data folder. They are third-party text, which is not published. Does not
belong here: what the answers mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.caching.safe_files import replace_if_changed

FOLDER = ".raw"
"""Name of the folder, in the data folder."""


class RawAnswers:
    """Raw answers by the SHA-256 of their content.

    Parameters
    ----------
    folder : Path
        The data folder.
    read_only : bool
        Whether nothing is to be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     raw = RawAnswers(Path(folder))
    ...     raw.content(raw.keep(b"an answer"))
    b'an answer'
    """

    def __init__(self, folder: Path, read_only: bool = False):
        self.folder, self.read_only = folder / FOLDER, read_only

    def keep(self, content: bytes) -> str:
        """Write an answer to the file of its hash, and return the hash."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.read_only:
            replace_if_changed(self.folder / sha256, content)
        return sha256

    def content(self, sha256: str) -> bytes | None:
        """Return an answer; None if it is not in the folder or no longer has its hash."""
        try:
            content = (self.folder / sha256).read_bytes()
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == sha256 else None


class Journal:
    """What an unfinished search has fetched so far: lines of JSON, each written in one piece.

    A process that is killed leaves at most half a line at the end, which is ignored.

    Parameters
    ----------
    folder : Path
        The data folder.
    query : str
        Key of the query, which has at most one unfinished search.
    """

    def __init__(self, folder: Path, query: str):
        self.path = folder / FOLDER / f"unfinished-{re.sub('[^a-z0-9_.-]', '_', query)}.jsonl"

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what is noted, in order."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        for line in content.split(b"\n")[:-1]:
            try:
                yield json.loads(line)
            except ValueError:
                return

    def begin(self, line: dict[str, Any]) -> None:
        """Start a new journal with a first line."""
        replace_if_changed(self.path, _as_line(line))

    def note(self, line: dict[str, Any]) -> None:
        """Add a line."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        with open(self.path, "r+b") as file:
            # What a killed process had begun to write goes first.
            file.truncate(len(whole))
            file.seek(len(whole))
            file.write(_as_line(line))
            file.flush()
            os.fsync(file.fileno())

    def end(self) -> None:
        """Remove the journal of a search that is finished."""
        self.path.unlink(missing_ok=True)


def is_manifest(content: bytes) -> bool:
    """Return whether a raw answer is that of a whole search, which names its pages, and not a file of records.

    Examples
    --------
    >>> is_manifest(b'{"source": "pubmed", "parts": []}'), is_manifest(b"TY  - JOUR")
    (True, False)
    """
    if not content.startswith(b"{"):
        return False
    try:
        answer = json.loads(content)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.keys() >= {"source", "parts"}


def _as_line(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n"
