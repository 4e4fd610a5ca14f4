"""The commands ``build``, ``editions``, ``watch`` and ``pdf``: the book.

Belongs here: their options and messages, and what the engine is told about this review (`PROJECT`). Does not belong
here: building, which is the engine's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.commands.options import add_command, port, report_faults, seconds
from lib.engine.project import Project

PROJECT = Project(
    loader="lib.evidence:load",
    data_error="lib.evidence:DataError",
    results="lib.report.registry:as_json",
    notices="lib.report.notices:notices",
    reader="lib.evidence.loading",
    editions_loaded="lib.evidence.loading:LOADED",
    files_read=("lib.simulations.committed:READ", "lib.report.edition_results:READ"),
    preload=(
        "lib.report.chapters.audit_findings",
        "lib.report.chapters.heterogeneity",
        "lib.report.chapters.rates",
        "lib.report.figures.forest",
        "lib.report.figures.picture",
        "lib.report.tables.data_wanted",
    ),
)
"""What the engine needs to know about this review."""


def add_to(commands: Any) -> None:
    """Add the commands to the parser (`options.add_command`)."""
    text = "check the data, execute the chapters that changed and render the book"
    build = add_command(commands, "build", text, _build)
    text = "build every edition, and the newest with links to the others"
    editions = add_command(commands, "editions", text, build_editions)
    text = "build, serve the book on this machine, and build again on every change"
    watch = add_command(commands, "watch", text, _watch)
    for command in (build, watch):
        command.add_argument("--as-of", default="", metavar="DATE", help="edition, YYYY-MM-DD (default: newest)")
    for command in (build, editions, watch):
        add_build_options(command)
    watch.add_argument("--port", default=8000, type=port, help="port to serve on (default: 8000)")
    add_command(commands, "pdf", "make one PDF of the book that was built", _pdf)


def add_build_options(command: argparse.ArgumentParser) -> None:
    """Add the options of all commands that build the book."""
    command.add_argument(
        "--time-limit",
        default=900,
        type=seconds,
        metavar="SECONDS",
        help="for one cell of a chapter whose metadata.execution.timeout sets none (default: 900)",
    )
    command.add_argument(
        "--dask", default="", metavar="ADDRESS", help="run the chapters on the Dask cluster of this scheduler"
    )


def build_editions(options: argparse.Namespace) -> int:
    """Build every edition, the newest last; return the exit code."""
    from lib.engine.editions import edition_folder, remove_others

    earlier = _earlier_editions(options.root / options.data)
    if earlier is not None:
        remove_others(options.root / "_build", earlier)
    for date in earlier or []:
        print(f"Edition of {date}:", flush=True)
        if code := _build_one(options, date, edition_folder(date)):
            return code
    return _build_one(options, "")


def _earlier_editions(folder: Path) -> list[str] | None:
    """Return the dates of the editions before the newest; None if the data have faults, which the build reports."""
    from lib.evidence import DataError, earlier_editions

    try:
        return earlier_editions(folder)
    except (DataError, ValueError):
        return None


def _build(options: argparse.Namespace) -> int:
    return _build_one(options, options.as_of)


def _build_one(options: argparse.Namespace, as_of: str, folder: str = "_build") -> int:
    from lib.engine import build

    def run() -> None:
        built = build.build(
            options.root,
            options.data,
            as_of,
            project=PROJECT,
            folder=folder,
            time_limit=options.time_limit,
            dask=options.dask,
        )
        print(build.summary(built), flush=True)

    return _with_messages(run)


def _watch(options: argparse.Namespace) -> int:
    from lib.engine.serve import watch

    def run() -> None:
        watch(
            options.root,
            options.data,
            options.as_of,
            project=PROJECT,
            port=options.port,
            time_limit=options.time_limit,
            dask=options.dask,
        )

    return _with_messages(run)


def _with_messages(run: Callable[[], None]) -> int:
    """Run a build, report why it failed, and return the exit code."""
    from lib.engine.build import BuildError, DataFaults

    try:
        run()
    except DataFaults as error:
        return report_faults(str(error).splitlines())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _pdf(options: argparse.Namespace) -> int:
    from lib.engine import pdf
    from lib.engine.errors import BuildError

    try:
        path = pdf.make(options.root)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The PDF is at {path} ({path.stat().st_size / 1e6:.1f} MB).")
    return 0
