"""The command ``deposit``: an edition as a folder for Zenodo, and its upload.

Belongs here: its options and messages. Does not belong here: what a deposit holds (`lib.deposit`).
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from lib.commands.book import add_build_options, build_editions
from lib.commands.options import add_command
from lib.deposit import SERVER, TOKEN


def add_to(commands: Any) -> None:
    """Add the command to the parser (`options.add_command`)."""
    text = "build every edition and prepare the folder of a deposit on Zenodo; publishes nothing"
    command = add_command(commands, "deposit", text, _deposit)
    add_build_options(command)
    with_token = f"the access token is read from the environment variable {TOKEN}"
    step = command.add_mutually_exclusive_group()
    step.add_argument("--reserve", action="store_true", help=f"only reserve a DOI for a new draft; {with_token}")
    step.add_argument("--upload", type=_number, metavar="NUMBER", help=f"also upload it to this draft; {with_token}")
    command.add_argument(
        "--new-version-of", type=_number, metavar="NUMBER", help="with --reserve: deposit of the previous edition"
    )
    command.add_argument(
        "--server", default=SERVER, metavar="ADDRESS", help=f"Zenodo or its sandbox (default: {SERVER})"
    )


def _deposit(options: argparse.Namespace) -> int:
    from lib.deposit.folder import prepare
    from lib.deposit.metadata import DepositError
    from lib.deposit.zenodo import Zenodo

    # The processes of the build, which run the chapters, get no token.
    token = os.environ.pop(TOKEN, "").strip()
    try:
        zenodo = Zenodo(token, options.server) if options.reserve or options.upload else None
        if options.new_version_of and not options.reserve:
            print("--new-version-of is for --reserve: a draft that exists is a new version already.", file=sys.stderr)
            return 2
        if zenodo and options.reserve:
            draft = zenodo.reserve(options.new_version_of)
            print(f"Draft {draft.number} has the reserved DOI {draft.doi}.")
            print("Enter this DOI in data/settings.csv (doi), commit, and run `python -m lib deposit --upload", end=" ")
            print(f"{draft.number}`.")
            return 0
        if code := build_editions(options):
            return code
        deposit = prepare(options.root.resolve(), options.root.resolve() / "_build")
        print(f"The deposit is in {deposit.folder}")
        if left_out := deposit.stated.left_out:
            print(f"Not stated in settings.csv, and so left out of its metadata: {', '.join(left_out)}.")
        if to_do := deposit.stated.to_do:
            print("It is a draft that cannot be uploaded yet:", *(f"- {line}." for line in to_do), sep="\n")
            return 1 if zenodo else 0
        if zenodo:
            draft = zenodo.upload(options.upload, deposit.folder, deposit.doi)
            print(f"Uploaded to draft {draft.number}. Nothing is published: a person publishes it at {draft.page}")
    except DepositError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the number of a deposit: a whole number above 0, such as 1234567"
        )
    return int(text)
