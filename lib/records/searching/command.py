"""The command ``python -m lib search``.

Belongs here: what the terminal shows of a search, and its exit status. Does not belong here: the search itself
(`search`).
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from lib.records.searching.client import SearchError
from lib.records.searching.search import SOURCES, Setting, search


def run(
    folder: Path,
    sources: Sequence[str],
    since: str,
    dry_run: bool,
    by: str = "",
    setting: Setting | None = None,
) -> int:
    """Search the databases from the command line.

    Parameters
    ----------
    folder : Path
        The data folder.
    sources : sequence of str
        Codes of the databases; empty: all that have a query.
    since : str
        First day of the window as YYYY-MM-DD; empty: some days before the end of the last search.
    dry_run : bool
        Whether nothing is to be written.
    by : str
        Who searches.
    setting : Setting, optional
        Where and how the databases are reached.

    Returns
    -------
    int
        Exit status: 0 done, 1 a search failed, 2 wrong usage.
    """
    setting = setting or Setting.usual()
    for code in sources:
        if code not in SOURCES:
            return _usage(f"--source {code}: there is no such source; choose from {', '.join(SOURCES)}.")
    first = None
    if since:
        try:
            first = dt.date.fromisoformat(since)
        except ValueError:
            return _usage(f"--since {since}: is not a day of the form YYYY-MM-DD.")
        if first > setting.today:
            return _usage(f"--since {since}: lies in the future; the window ends today, on {setting.today}.")
    with _Progress() as progress:
        try:
            return search(
                folder,
                sources,
                first,
                dry_run=dry_run,
                by=by,
                setting=setting,
                say=progress.say,
                warn=progress.warn,
                report=progress.show,
            )
        except SearchError as error:
            progress.warn(str(error))
            return 1


def _usage(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


class _Progress:
    """A bar of the records fetched, if the standard error is a terminal, and messages above it."""

    def __enter__(self) -> _Progress:
        self._bar = tqdm(bar_format="{desc}", disable=None, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, name: str, done: int, total: int) -> None:
        """Show how many records of a database have been fetched."""
        self._bar.set_description_str(f"{name}: {done} of {total} records fetched")

    def say(self, message: str) -> None:
        """Write a message to the standard output."""
        self._bar.clear()
        print(message, flush=True)

    def warn(self, message: str) -> None:
        """Write a message to the standard error."""
        self._bar.clear()
        print(message, file=sys.stderr, flush=True)
