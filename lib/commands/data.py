"""The commands ``check``, ``new-trial``, ``store-edition`` and ``simulations``: data and what is computed beforehand.

Belongs here: their options and messages. Does not belong here: what they do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from lib.caching.os_errors import describe
from lib.commands.options import MOST_FAULTS, add_command, report_faults


def add_to(commands: Any) -> None:
    """Add the commands to the parser (`options.add_command`)."""
    check = add_command(commands, "check", "check the data and list every fault and warning", _check)
    check.add_argument("--all", action="store_true", help=f"list all faults, not only the first {MOST_FAULTS}")
    text = "ask about a trial and add its rows to all tables, or to none"
    new_trial = add_command(commands, "new-trial", text, _new_trial)
    new_trial.add_argument("--answers", type=Path, metavar="FILE", help="answers in TOML, instead of asking")
    text = "store the results of the newest edition, with which later ones are compared"
    add_command(commands, "store-edition", text, _store_edition)
    text = "compute committed simulations and imputed counts again where their code or data changed"
    simulations = add_command(commands, "simulations", text, _simulations)
    simulations.add_argument("--all", action="store_true", help="also those whose code has not changed")


def _check(options: argparse.Namespace) -> int:
    from lib.evidence import check_with_warnings, unstated
    from lib.stats.display import counted

    folder = options.root / options.data
    faults, warnings = check_with_warnings(folder)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if faults:
        return report_faults([str(fault) for fault in faults], options.all)
    count = f", {counted(len(warnings), 'warning', 'warnings')}" if warnings else ""
    print(f"{folder}: no faults{count}.")
    if missing := unstated(folder):
        print(f"Not stated yet in settings.csv, and so marked on the page About this review: {', '.join(missing)}.")
    return 0


def _new_trial(options: argparse.Namespace) -> int:
    from lib.evidence import DataError
    from lib.evidence.interview import AnswerError, add_trial

    if options.answers is None and not sys.stdin.isatty():
        print("There is no terminal to ask questions on: give a file of answers with --answers.", file=sys.stderr)
        return 2
    try:
        if add_trial(options.root / options.data, options.answers):
            return 0
        print("Nothing was written: mend the answers and run the command again.", file=sys.stderr)
    except DataError as error:
        print(error, "Mend these faults first; nothing was written.", sep="\n", file=sys.stderr)
    except OSError as error:
        print(describe(error), "Nothing was written.", sep="\n", file=sys.stderr)
    except AnswerError as error:
        print(error, "Nothing was written.", sep="\n", file=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        print("\nNothing was written.", file=sys.stderr)
        return 130
    return 1


def _store_edition(options: argparse.Namespace) -> int:
    from lib.evidence import DataError, load
    from lib.report import edition_results

    try:
        print(f"Stored in {edition_results.store(load(options.root / options.data))}")
    except DataError as error:
        return report_faults(str(error).splitlines())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _simulations(options: argparse.Namespace) -> int:
    from lib.evidence import DataError, load
    from lib.published import committed_counts
    from lib.simulations import committed

    for name in committed.SIMULATIONS:
        if options.all or not committed.is_current(name):
            committed.remake(name)
    try:
        evidence = load(options.root / options.data)
    except DataError as error:
        return report_faults(str(error).splitlines())
    changed = committed_counts.write_committed(evidence)
    print(f"Imputed counts: {len(changed)} files written or removed.")
    return 0
