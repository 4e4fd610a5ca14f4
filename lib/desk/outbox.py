"""Store decisions that are not saved yet, and save them in the background.

Belongs here: the list of waiting decisions, on disk and in memory, and the worker that saves them. Does not belong
here: how rows are saved (`lib.records.saving`), and which decision is allowed (`lib.desk.screening_pages`).

A save checks the whole data folder and waits for a build that is at work. Beside ``make watch`` that can take minutes,
and a reviewer decides in seconds. A decision is therefore written to a small file at once, which takes milliseconds,
and the worker saves all that wait in one go. If the desk is stopped or killed, it saves them when it is started again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lib.caching.os_errors import describe
from lib.caching.safe_files import replace_if_changed
from lib.records.decisions import STAGE_NAMES
from lib.records.saving import Change, SaveError, save

KEYS = {"decisions": ("record", "stage", "reviewer", "role"), "duplicates": ("record", "same_as")}
"""Tables whose changes wait, and the columns by which a row is found."""


class Outbox:
    """Changes of ``decisions.csv`` and ``duplicates.csv`` that wait to be saved.

    Parameters
    ----------
    path : Path
        The file that holds them; it need not exist.
    folder : Path
        The data folder.
    after : callable
        Called by the worker after each save.

    Attributes
    ----------
    version : int
        Number that rises with each change of the list.
    problems : list of str
        What could not be saved, and why.
    """

    def __init__(self, path: Path, folder: Path, after: Callable[[], object] = lambda: None):
        self.version, self.problems = 0, list[str]()
        self._path, self._folder, self._after = path, folder, after
        self._changed = threading.Condition()
        self._waiting: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        self._saving, self._stopped = 0, False
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def waiting(self, table: str = "") -> list[dict[str, Any]]:
        """Return the changes that are not saved, of one table or all: a ``row`` to add, or ``key`` of one to delete."""
        with self._changed:
            return [change for change in self._waiting if table in ("", change["table"])]

    def add(self, table: str, row: Mapping[str, str]) -> None:
        """Queue a new row of a table.

        Raises
        ------
        OSError
            If the file of waiting decisions cannot be written; nothing waits then.
        """
        with self._changed:
            self._set([*self._waiting, {"table": table, "row": dict(row)}])

    def delete(self, table: str, key: Mapping[str, str]) -> None:
        """Queue the deletion of a row; a new row that is not saved yet is removed from the queue instead."""
        with self._changed:
            same = [
                i for i, one in enumerate(self._waiting) if one["table"] == table and key_of_change(one) == dict(key)
            ]
            if same and same[-1] >= self._saving and "row" in self._waiting[same[-1]]:
                self._set(self._waiting[: same[-1]] + self._waiting[same[-1] + 1 :])
            else:
                self._set([*self._waiting, {"table": table, "key": dict(key)}])

    def stop(self) -> None:
        """Save what waits, and end the worker; what cannot be saved waits for the next start."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._worker.join()

    def wait(self, timeout: float = 60) -> bool:
        """Wait until everything is saved, or cannot be; return whether that was so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def dismiss_problems(self) -> None:
        """Clear the messages about what could not be saved."""
        with self._changed:
            self.problems = []

    def _set(self, waiting: list[dict[str, Any]]) -> None:
        replace_if_changed(self._path, json.dumps(waiting, ensure_ascii=False, indent=1).encode())
        self._waiting, self.version = waiting, self.version + 1
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if not self._waiting:
                    return
                batch, stopped = list(self._waiting), self._stopped
                self._saving = len(batch)
            problems = self._save(batch)
            if problems is None and stopped:
                return
            with self._changed:
                self._saving = 0
                if problems is not None:
                    self.problems += problems
                    self._set(self._waiting[len(batch) :])
                elif not self._stopped:
                    # A full disk or a long build: try again in a while.
                    self._changed.wait(10)

    def _save(self, batch: list[dict[str, Any]]) -> list[str] | None:
        """Save changes together, or else one by one; return the problems, or None if no file could be written."""
        try:
            save(self._folder, map(_change, batch))
            self._after()
            return []
        except SaveError as error:
            if len(batch) == 1:
                return [f"{_in_words(batch[0])} was not saved. {error}"]
        except OSError as error:
            self.problems = [f"Decisions wait to be saved: {describe(error)}"]
            return None
        except Exception as error:  # noqa: BLE001 - the worker must live on, and the page says what happened.
            return [f"{_in_words(change)} was not saved: {error!r}" for change in batch]
        parts = [self._save([change]) for change in batch]
        return [problem for part in parts for problem in part or []]


def _change(change: Mapping[str, Any]) -> Change:
    return Change(change["table"], key=change.get("key"), values=change.get("row"))


def key_of_change(change: Mapping[str, Any]) -> dict[str, str]:
    """Return the values by which the row of a waiting change is found."""
    return {name: (change.get("row") or change["key"])[name] for name in KEYS[change["table"]]}


def _in_words(change: Mapping[str, Any]) -> str:
    key, what = key_of_change(change), "decision" if "row" in change else "deletion of the decision"
    if change["table"] == "duplicates":
        return f"The {what} that compares {key['record']} and {key['same_as']}"
    return f"The {what} of {key['reviewer']} on {key['record']} ({STAGE_NAMES[key['stage']]})"
