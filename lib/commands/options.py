"""Options that several commands have, and how faults are listed.

Belongs here: what more than one module of commands needs. Does not belong here: the options of one command.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_FAULTS = 20
"""Largest number of faults that the terminal shows: one mistake can have many, and the first say which it is."""


def add_command(commands: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> Any:
    """Add a command with the options ``--root`` and ``--data``.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        What ``add_subparsers`` returned.
    name, text : str
        Name of the command, and its description.
    run : callable
        What runs it: it receives the options and returns the exit code.

    Returns
    -------
    argparse.ArgumentParser
        The parser of the command, for further options.
    """
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--root", default=".", type=Path, help="the project's folder (default: this one)")
    command.add_argument("--data", default="data", type=Path, help="the data folder (default: data)")
    command.set_defaults(run=run)
    return command


def port(text: str) -> int:
    """Read the number of a port."""
    if not (text.isascii() and text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: a whole number from 1 to 65535, or 0 for any free one"
        )
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, such as 900")
    return number


def report_faults(faults: list[str], every: bool = False) -> int:
    """List faults on the standard error, at most `MOST_FAULTS` unless all are wanted; return the exit code 1."""
    # Imported here because the import of NumPy takes longer than reading the options of a command.
    from lib.stats.display import counted

    listed = faults if every or len(faults) <= MOST_FAULTS else faults[:MOST_FAULTS]
    print(*listed, sep="\n", file=sys.stderr)
    if len(listed) < len(faults):
        files = dict.fromkeys(fault.partition(",")[0].partition(":")[0] for fault in faults[len(listed) :])
        print(f"and {len(faults) - len(listed)} more, in {', '.join(files)} (all: check --all)", file=sys.stderr)
    print(f"{counted(len(faults), 'fault', 'faults')}; nothing was built.", file=sys.stderr)
    return 1
