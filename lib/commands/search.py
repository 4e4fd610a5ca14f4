"""The commands ``search`` and ``retractions``.

Belongs here: their options, and what the terminal shows. Does not belong here: what they do (`lib.records.searching`,
`lib.records.retractions`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lib.commands.options import add_command
from lib.commands.records import with_messages

if TYPE_CHECKING:
    # The HTTP library is slow to import, and most commands do without it.
    from lib.records.searching.search import Setting


def add_to(commands: Any) -> None:
    """Add the commands to the parser (`options.add_command`)."""
    text = "search the databases for new records, with the queries of queries.csv"
    search = add_command(commands, "search", text, lambda options: with_messages(run_search, options))
    search.add_argument(
        "--source", action="append", default=[], metavar="CODE", help="a database, such as pubmed (default: all)"
    )
    search.add_argument(
        "--since", default="", metavar="DATE", help="first day, YYYY-MM-DD (default: some days before the last search)"
    )
    search.add_argument("--dry-run", action="store_true", help="say what would be asked and found, and write nothing")
    search.add_argument("--by", default="", metavar="NAME", help="who searches, for searches.csv")
    text = "ask Crossref and PubMed whether anything that the review cites was retracted"
    retractions = add_command(commands, "retractions", text, lambda options: with_messages(_retractions, options))
    retractions.add_argument("--dry-run", action="store_true", help="write nothing")


def run_search(options: argparse.Namespace, folder: Path, setting: Setting | None = None) -> int:
    """Search the databases, and return the exit code.

    Parameters
    ----------
    options : argparse.Namespace
        The options, as `add_to` describes them.
    folder : Path
        The data folder.
    setting : Setting, optional
        How the databases are reached.
    """
    from lib.records.searching.client import SearchError
    from lib.records.searching.search import Setting, search

    setting = setting or Setting.usual()
    since, fault = _usage(options, setting.today)
    if fault:
        print(fault, file=sys.stderr)
        return 2
    with _Progress() as progress:
        try:
            return search(
                folder,
                options.source,
                since,
                dry_run=options.dry_run,
                by=options.by,
                setting=setting,
                say=progress.say,
                warn=progress.warn,
                report=progress.show,
            )
        except SearchError as error:
            progress.warn(str(error))
            return 1


def _retractions(options: argparse.Namespace, folder: Path) -> int:
    from lib.records import retractions
    from lib.records.searching.client import SearchError
    from lib.records.searching.search import Setting

    try:
        retractions.watch(folder, dry_run=options.dry_run, setting=Setting.usual())
    except SearchError as error:
        print(error, "Nothing was written.", sep="\n", file=sys.stderr)
        return 1
    return 0


def _usage(options: argparse.Namespace, today: dt.date) -> tuple[dt.date | None, str]:
    """Return the first day of the window, if one is given, and what is wrong with the options."""
    from lib.records.searching.search import SOURCES

    for code in options.source:
        if code not in SOURCES:
            return None, f"--source {code}: there is no such source; choose from {', '.join(SOURCES)}."
    if not options.since:
        return None, ""
    try:
        since = dt.date.fromisoformat(options.since)
    except ValueError:
        return None, f"--since {options.since}: is not a day of the form YYYY-MM-DD."
    if since > today:
        return None, f"--since {options.since}: lies in the future; the window ends today, on {today}."
    return since, ""


class _Progress:
    """A line with the number of records fetched, if the standard error is a terminal, and messages above it."""

    def __enter__(self) -> _Progress:
        self._bar = tqdm(bar_format="{desc}", disable=None, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, name: str, fetched: int, total: int) -> None:
        """Show how many records of a database have been fetched."""
        self._bar.set_description_str(f"{name}: {fetched} of {total} records fetched")

    def say(self, message: str) -> None:
        """Write a message to the standard output."""
        self._bar.clear()
        print(message, flush=True)

    def warn(self, message: str) -> None:
        """Write a message to the standard error."""
        self._bar.clear()
        print(message, file=sys.stderr, flush=True)
