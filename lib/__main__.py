"""The command line: ``python -m lib check``, ``build``, ``watch``, ``pdf``, ``new-trial`` and ``simulations``."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from pathlib import Path

from lib.caching.os_errors import describe
from lib.engine.project import Project

PROJECT = Project(
    loader="lib.evidence:load",
    data_error="lib.evidence:DataError",
    results="lib.report.registry:as_json",
    notices="lib.report.chapters.overtaken:notices",
    reader="lib.evidence.edition",
    editions_loaded="lib.evidence.edition:LOADED",
    files_read=("lib.simulations.committed:READ",),
    remark="lib.evidence:warnings_in_words",
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
        "watch": "build, serve the book on this machine, and build again on every change",
        "pdf": "make one PDF of the book that was built",
        "new-trial": "ask about a trial and add its rows to all tables, or to none",
    }
    for name, text in about.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--root", default=".", type=Path, help="the project's folder (default: this one)")
        command.add_argument("--data", default="data", type=Path, help="the data folder (default: data)")
        if name == "new-trial":
            command.add_argument("--answers", type=Path, metavar="FILE", help="answers in TOML, instead of asking")
        if name == "check":
            command.add_argument("--all", action="store_true", help=f"list all faults, not only the first {_MOST}")
        if name in ("check", "new-trial", "pdf"):
            continue
        if name != "editions":
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
    given = parser.parse_args(arguments)
    try:
        if given.command == "simulations":
            code = _simulate(given.all, given.data)
        elif given.command == "pdf":
            code = _pdf(given.root)
        elif given.command == "new-trial":
            code = _new_trial(given.root / given.data, given.answers)
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


def _build(given: argparse.Namespace) -> int:
    from lib.engine import build
    from lib.engine.editions import build_folder

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
        if given.command == "editions":
            for date in _earlier_editions(given.root / given.data):
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


def _earlier_editions(folder: Path) -> list[str]:
    """Return the dates of the editions before the newest; none if the data have faults, which the build reports."""
    from lib.evidence import DataError, load

    try:
        evidence = load(folder)
    except DataError:
        return []
    return [date for date in evidence.editions.date if date != evidence.as_of.isoformat()]


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
