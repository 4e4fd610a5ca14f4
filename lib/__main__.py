"""The command line: ``python -m lib --help`` lists the commands."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from pathlib import Path

from lib.caching.os_errors import describe
from lib.engine.project import Project
from lib.records import commands as records

PROJECT = Project(
    loader="lib.evidence:load",
    data_error="lib.evidence:DataError",
    results="lib.report.registry:as_json",
    notices="lib.report.notices:notices",
    reader="lib.evidence.edition",
    editions_loaded="lib.evidence.edition:LOADED",
    files_read=("lib.simulations.committed:READ", "lib.report.edition_results:READ"),
    preload=(
        "pandera.backends.pandas.builtin_checks",
        "lib.report.chapters.audit_findings",
        "lib.report.chapters.heterogeneity",
        "lib.report.chapters.rates",
        "lib.report.figures.forest",
        "lib.report.figures.picture",
        "lib.report.tables.data_wanted",
    ),
)
"""What the engine needs to know about this review."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault in data or chapters, 2 wrong usage, 130 stopped."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its number (\u2265), and not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="python -m lib", description="The living review.")
    commands = parser.add_subparsers(dest="command", required=True)
    about = {
        "check": "check the data and list every fault and warning",
        "build": "check the data, execute the chapters that changed and render the book",
        "editions": "build every edition, and the newest with links to the others",
        "deposit": "build every edition and prepare the folder of a deposit on Zenodo; publishes nothing",
        "store-edition": "store the results of the newest edition, with which later ones are compared",
        "watch": "build, serve the book on this machine, and build again on every change",
        "pdf": "make one PDF of the book that was built",
        "new-trial": "ask about a trial and add its rows to all tables, or to none",
        "desk": "screen records, enter trials and make editions in the browser, on this machine",
    }
    for name, text in about.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--root", default=".", type=Path, help="the project's folder (default: this one)")
        command.add_argument("--data", default="data", type=Path, help="the data folder (default: data)")
        if name == "new-trial":
            command.add_argument("--answers", type=Path, metavar="FILE", help="answers in TOML, instead of asking")
        if name == "check":
            command.add_argument("--all", action="store_true", help=f"list all faults, not only the first {_MOST}")
        if name == "desk":
            command.add_argument("--port", default=8010, type=_port, help="port of the desk (default: 8010)")
        if name in ("check", "new-trial", "desk", "store-edition", "pdf"):
            continue
        if name == "deposit":
            _add_deposit_options(command)
        if name not in ("editions", "deposit"):
            command.add_argument("--as-of", default="", metavar="DATE", help="edition, YYYY-MM-DD (default: newest)")
        command.add_argument(
            "--time-limit",
            default=900,
            type=_seconds,
            metavar="SECONDS",
            help="for one cell of a chapter whose metadata.execution.timeout sets none (default: 900)",
        )
        command.add_argument(
            "--dask", default="", metavar="ADDRESS", help="run the chapters on the Dask cluster of this scheduler"
        )
        if name == "watch":
            command.add_argument("--port", default=8000, type=_port, help="port to serve on (default: 8000)")
    remade = commands.add_parser(
        "simulations", help="compute committed simulations and imputed counts again where their code or data changed"
    )
    remade.add_argument("--all", action="store_true", help="also those whose code has not changed")
    remade.add_argument("--data", default="data", type=Path, help="the data folder (default: data)")
    records.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        if given.command == "simulations":
            code = _simulate(given.all, given.data)
        elif given.command == "desk":
            from lib.desk.application import serve

            code = serve(given.root, given.data, given.port)
        elif given.command == "store-edition":
            code = _store_edition(given.root / given.data)
        elif given.command == "deposit":
            code = _deposit(given)
        elif given.command == "pdf":
            code = _pdf(given.root)
        elif given.command == "new-trial":
            code = _new_trial(given.root / given.data, given.answers)
        elif given.command in records.COMMANDS:
            code = records.run(given)
        else:
            code = _check(given.root / given.data, given.all) if given.command == "check" else _build(given)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(describe(error), file=sys.stderr)
        # What is left in the buffer cannot be written either, and would raise again when Python ends.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        return 1


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: a whole number from 1 to 65535, or 0 for any free one"
        )
    return int(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the number of a deposit: a whole number above 0, such as 1234567"
        )
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, such as 900")
    return seconds


def _check(folder: Path, every: bool) -> int:
    from lib.evidence import check_with_warnings, unstated

    faults, warnings = check_with_warnings(folder)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if faults:
        return _report_faults([str(fault) for fault in faults], every)
    count = f", {len(warnings)} warning{'s' * (len(warnings) != 1)}" if warnings else ""
    print(f"{folder}: no faults{count}.")
    if missing := unstated(folder):
        print(f"Not stated yet in settings.csv, and so marked on the page About this review: {', '.join(missing)}.")
    return 0


def _new_trial(folder: Path, answers: Path | None) -> int:
    from lib.evidence import DataError
    from lib.evidence.interview import AnswerError, add_trial

    if answers is None and not sys.stdin.isatty():
        print("There is no terminal to ask questions on: give a file of answers with --answers.", file=sys.stderr)
        return 2
    try:
        if add_trial(folder, answers):
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


def _pdf(root: Path) -> int:
    from lib.engine import pdf
    from lib.engine.errors import BuildError

    try:
        path = pdf.make(root)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The PDF is at {path} ({path.stat().st_size / 1e6:.1f} MB).")
    return 0


def _simulate(every: bool, data: Path) -> int:
    from lib.evidence import DataError, load
    from lib.published import committed_counts
    from lib.simulations import committed

    for name in committed.SIMULATIONS:
        if every or not committed.is_current(name):
            committed.remake(name)
    try:
        evidence = load(data)
    except DataError as error:
        return _report_faults(str(error).splitlines())
    changed = committed_counts.write_committed(evidence)
    print(f"Imputed counts: {len(changed)} files written or removed.")
    return 0


def _store_edition(data: Path) -> int:
    from lib.evidence import DataError, load
    from lib.report import edition_results

    try:
        print(f"Stored in {edition_results.store(load(data))}")
    except DataError as error:
        return _report_faults(str(error).splitlines())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _build(given: argparse.Namespace) -> int:
    from lib.engine import build
    from lib.engine.editions import build_folder, remove_others

    try:
        if given.command == "watch":
            from lib.engine.serve import watch

            watch(
                given.root,
                given.data,
                given.as_of,
                project=PROJECT,
                port=given.port,
                time_limit=given.time_limit,
                dask=given.dask,
            )
            return 0
        options = {"project": PROJECT, "time_limit": given.time_limit, "dask": given.dask}
        if given.command in ("editions", "deposit"):
            earlier = _earlier_editions(given.root / given.data)
            if earlier is not None:
                remove_others(given.root / "_build", earlier)
            for date in earlier or []:
                print(f"Edition of {date}:", flush=True)
                built = build.build(given.root, given.data, date, folder=build_folder(date), **options)
                print(build.summary(built), flush=True)
        built = build.build(given.root, given.data, getattr(given, "as_of", ""), **options)
        print(build.summary(built))
    except build.DataFaults as error:
        return _report_faults(str(error).splitlines())
    except build.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _add_deposit_options(command: argparse.ArgumentParser) -> None:
    from lib.deposit import SERVER, TOKEN

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


def _deposit(given: argparse.Namespace) -> int:
    from lib.deposit import TOKEN
    from lib.deposit.folder import prepare
    from lib.deposit.metadata import DepositError
    from lib.deposit.zenodo import Zenodo

    # The processes of the build, which run the chapters, get no token.
    token = os.environ.pop(TOKEN, "").strip()
    try:
        zenodo = Zenodo(token, given.server) if given.reserve or given.upload else None
        if given.new_version_of and not given.reserve:
            print("--new-version-of is for --reserve: a draft that exists is a new version already.", file=sys.stderr)
            return 2
        if zenodo and given.reserve:
            draft = zenodo.reserve(given.new_version_of)
            print(f"Draft {draft.number} has the reserved DOI {draft.doi}.")
            print("Enter this DOI in data/settings.csv (doi), commit, and run `python -m lib deposit --upload", end=" ")
            print(f"{draft.number}`.")
            return 0
        if code := _build(given):
            return code
        deposit = prepare(given.root.resolve(), given.root.resolve() / "_build")
        print(f"The deposit is in {deposit.folder}")
        if left_out := deposit.stated.left_out:
            print(f"Not stated in settings.csv, and so left out of its metadata: {', '.join(left_out)}.")
        if to_do := deposit.stated.to_do:
            print("It is a draft that cannot be uploaded yet:", *(f"- {line}." for line in to_do), sep="\n")
            return 1 if zenodo else 0
        if zenodo:
            draft = zenodo.upload(given.upload, deposit.folder, deposit.doi)
            print(f"Uploaded to draft {draft.number}. Nothing is published: a person publishes it at {draft.page}")
    except DepositError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _earlier_editions(folder: Path) -> list[str] | None:
    """Return the dates of the editions before the newest; None if the data have faults, which the build reports."""
    from lib.evidence import DataError, earlier_editions

    try:
        return earlier_editions(folder)
    except (DataError, ValueError):
        return None


def _report_faults(faults: list[str], every: bool = False) -> int:
    listed = faults if every or len(faults) <= _MOST else faults[:_MOST]
    print(*listed, sep="\n", file=sys.stderr)
    if len(listed) < len(faults):
        files = dict.fromkeys(fault.partition(",")[0].partition(":")[0] for fault in faults[len(listed) :])
        print(f"and {len(faults) - len(listed)} more, in {', '.join(files)} (all: check --all)", file=sys.stderr)
    print(f"{len(faults)} fault{'s' * (len(faults) != 1)}; nothing was built.", file=sys.stderr)
    return 1


_MOST = 20
"""Largest number of faults that the terminal shows: one mistake can have many, and the first say which it is."""


if __name__ == "__main__":
    sys.exit(main())
