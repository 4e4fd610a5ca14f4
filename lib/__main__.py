"""The command line: ``python -m lib check``, ``build`` and ``watch``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib.validation import DataError, check


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault in data or chapters, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m lib", description="The living review.")
    commands = parser.add_subparsers(dest="command", required=True)
    about = {
        "check": "check the data and list every fault",
        "build": "check the data, execute the chapters and render the book",
        "watch": "build, serve the book on this machine, and build again on every change",
    }
    for name, text in about.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--root", default=".", type=Path, help="the project's folder (default: this one)")
        command.add_argument("--data", default="data", type=Path, help="the data folder (default: data)")
        if name != "check":
            command.add_argument("--as-of", default="", metavar="DATE", help="edition, YYYY-MM-DD (default: newest)")
        if name == "watch":
            command.add_argument("--port", default=8000, type=int, help="port to serve on (default: 8000)")
    given = parser.parse_args(arguments)
    if given.command == "check":
        return _check(given.root / given.data)

    from lib import build

    try:
        if given.command == "watch":
            build.watch(given.root, given.data, given.as_of, given.port)
        else:
            site = build.build(given.root, given.data, given.as_of)
            print(f"The book is at {site / 'index.html'}")
    except DataError as error:
        return _tell(error.faults)
    except (build.BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _check(folder: Path) -> int:
    faults = check(folder)
    if faults:
        return _tell(faults)
    print(f"{folder}: no faults.")
    return 0


def _tell(faults) -> int:
    print(*faults, sep="\n", file=sys.stderr)
    print(f"{len(faults)} fault{'s' * (len(faults) != 1)}; nothing was built.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
