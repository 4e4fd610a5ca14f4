"""The command line: ``python -m lib --help`` lists the commands, which are in `lib.commands`."""

from __future__ import annotations

import argparse
import io
import os
import sys

from lib.caching.os_errors import describe
from lib.commands import book, data, deposit, desk, records, search


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault in data or chapters, 2 wrong usage, 130 stopped."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its number (\u2265), and not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="python -m lib", description="The living review.")
    commands = parser.add_subparsers(dest="command", required=True)
    for group in (data, book, search, records, desk, deposit):
        group.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
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


if __name__ == "__main__":
    sys.exit(main())
