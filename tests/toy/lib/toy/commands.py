"""The toy project's commands ``build`` and ``watch``, their messages, and what the engine needs to know."""

from __future__ import annotations

import argparse
import sys

from lib.caching.os_errors import describe
from lib.engine.errors import BuildError
from lib.engine.project import Project

PROJECT = Project(
    loader="lib.toy.weather:load",
    data_error="lib.toy.weather:DataError",
    results="lib.toy.results:as_json",
    notices="lib.toy.results:notices",
    reader="lib.toy.weather",
    editions_loaded="lib.toy.weather:LOADED",
    preload=("lib.toy.results",),
)


def main() -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["build", "watch"])
    parser.add_argument("--time-limit", type=float, default=900)
    parser.add_argument("--dask", default="")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    options = {"project": PROJECT, "time_limit": given.time_limit, "dask": given.dask}
    try:
        # Imported here because every forked process imports this module.
        if given.command == "watch":
            from lib.engine.serve import watch

            watch(".", port=given.port, **options)
        else:
            from lib.engine.build import build, summary

            print(summary(build(".", **options)), flush=True)
    except KeyboardInterrupt:
        return 130
    except BuildError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(describe(error), file=sys.stderr)
    else:
        return 0
    return 1
