"""The commands ``import`` and ``duplicates``.

Belongs here: their options, and what they print. Does not belong here: what they do (`lib.records`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.caching.os_errors import describe
from lib.commands.options import add_command

_LISTED = 50
"""Largest number of questions that the terminal lists unless all are wanted."""


def add_to(commands: Any) -> None:
    """Add the commands to the parser (`options.add_command`)."""
    text = "add the records of files that databases exported (RIS, nbib, BibTeX, CSV and others), or nothing"
    importing = add_command(commands, "import", text, lambda options: with_messages(_import, options))
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file as the database exported it")
    importing.add_argument("--source", required=True, metavar="NAME", help="the database, such as Embase")
    importing.add_argument("--platform", default="", metavar="NAME", help="where it was searched, such as Ovid")
    importing.add_argument("--date", default="", metavar="DATE", help="day of the search, YYYY-MM-DD (default: today)")
    importing.add_argument("--by", default="", metavar="NAME", help="who searched")
    importing.add_argument("--found", default="", metavar="N", help="number of records that the database stated")
    text = "find records of one report or of one study; list the pairs that a person has to decide"
    duplicates = add_command(commands, "duplicates", text, lambda options: with_messages(_duplicates, options))
    duplicates.add_argument("--dry-run", action="store_true", help="write nothing")
    duplicates.add_argument("--all", action="store_true", help=f"list all questions, not only the first {_LISTED}")


def with_messages(run: Callable[[argparse.Namespace, Path], int], options: argparse.Namespace) -> int:
    """Run a command that changes tables, report why it failed, and return the exit code.

    Parameters
    ----------
    run : callable
        The command: it receives the options and the data folder.
    options : argparse.Namespace
        The options.
    """
    from lib.evidence import DataError
    from lib.records.importing import CannotImport
    from lib.records.saving import SaveError, SaveFaults

    try:
        return run(options, options.root / options.data)
    except SaveFaults as error:
        print(error, "The tables would have these faults. Nothing was written.", sep="\n", file=sys.stderr)
    except CannotImport as error:
        print(error, "Nothing was imported.", sep="\n", file=sys.stderr)
    except SaveError as error:
        print(error, file=sys.stderr)
    except DataError as error:
        print(error, "Mend these faults first; nothing was written.", sep="\n", file=sys.stderr)
    except OSError as error:
        print(describe(error), "Nothing was written to the tables.", sep="\n", file=sys.stderr)
    return 1


def _import(options: argparse.Namespace, folder: Path) -> int:
    from lib.records.importing import Origin, import_files

    others = {"platform": options.platform} if options.platform else {}
    imported = import_files(
        folder, options.files, Origin(options.source, options.date, options.by, options.found, others)
    )
    print(*imported, sep="\n")
    new = [each for each in imported if each.is_new]
    if len(new) > 1:
        entries = sum(each.parsed.entries for each in new)
        records = sum(len(each.parsed.records) for each in new)
        print(f"Together: {entries} entries = {records} imported + {entries - records} refused.")
    for each in new:
        if options.found and int(options.found) != each.parsed.entries:
            print(
                f"{each.name}: the source stated {int(options.found)} records, and the file has {each.parsed.entries}"
                " entries: export the rest, or correct found in searches.csv.",
                file=sys.stderr,
            )
    if new:
        print("Next: python -m lib duplicates")
    return 0


def _duplicates(options: argparse.Namespace, folder: Path) -> int:
    from lib.evidence.checking import read_some_tables
    from lib.records.deduplication import DUPLICATE, changes, propose
    from lib.records.saving import hashes, refuse_faults, save

    present_hashes = hashes(folder)
    refuse_faults(folder)
    tables = read_some_tables(folder, ("records", "duplicates", "decisions", "candidates"))
    title_by_record = dict(zip(tables["records"].record, tables["records"].title, strict=True))
    screened = {*tables["decisions"].record, *tables["candidates"].record}
    proposal = propose(tables["records"].to_dict("records"), tables["duplicates"].to_dict("records"), screened)
    if proposal.decided and not options.dry_run:
        save(folder, changes(proposal), seen=present_hashes)
    same = sum(pair.relation == DUPLICATE for pair in proposal.decided)
    verb = "would be" if options.dry_run else "were"
    print(
        f"{len(title_by_record)} records, {proposal.pairs} pairs compared: {same} duplicates and"
        f" {len(proposal.decided) - same} further reports of a study {verb} added to duplicates.csv, decided by rule."
    )
    if proposal.maybes:
        print(f"{len(proposal.maybes)} pairs to decide (add a row to duplicates.csv, or decide at the desk):")
    for pair in proposal.maybes if options.all else proposal.maybes[:_LISTED]:
        print(f"  {pair.record} and {pair.same_as}: {pair.relation.replace('_', ' ')}? {pair.why}")
        print(*(f"    {title_by_record.get(key, '')}" for key in (pair.record, pair.same_as)), sep="\n")
    if len(proposal.maybes) > _LISTED and not options.all:
        print(f"  and {len(proposal.maybes) - _LISTED} more (all: duplicates --all)")
    return 0
