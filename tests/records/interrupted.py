"""Kill a search by SIGKILL at random points, resume it, and print what became of it as JSON.

Run by ``test_interrupted_search.py`` in a process of its own, without threads, because it forks: the imports, which
take long, are made once. A point is an operation on a file or a connection, just before which the process is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

import lib.records.saving
from lib.records.searching.client import Client
from lib.records.searching.raw_answers import RawAnswers
from lib.records.searching.search import SOURCES
from searched import Searched, make_folder, make_pages_small, rows

EVENTS = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "socket.connect", "os.chmod"}
POINTS = 20


def run(folder: Path, address: str, kill_at: int = 0) -> int:
    """Search in a child process; return the number of operations, or -1 if the child was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader) as counted:
            text = counted.read()
        os.waitpid(child, 0)
        return int(text) if text else -1
    os.close(reader)
    count = 0

    def operation(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in EVENTS:
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(operation)
    searched = Searched(folder, lambda code: f"{address}/{code}")
    if searched.status == 0:
        os.write(writer, str(count).encode())
    os._exit(0)


def state(folder: Path) -> dict[str, object]:
    """Return what the tables hold after a search."""
    tables = {name: rows(folder, name) for name in ("searches", "records", "refused")}
    return {
        "searches": [[row["search"], row["found"], row["entries"]] for row in tables["searches"]],
        "records": sorted(row["record"] for row in tables["records"]),
        "titles": sorted(row["search"] + " " + row["title"] for row in tables["records"]),
        "refused": sorted(row["search"] + "." + row["position"] for row in tables["refused"]),
        "unfinished": sorted(path.name for path in (folder / ".raw").glob("unfinished*")),
    }


def main(folder: Path, address: str, seed: int) -> None:
    # What rules say of a whole folder is tested elsewhere, and takes a second each time.
    lib.records.saving.check = lambda folder: []  # type: ignore[assignment]
    make_pages_small(setattr)
    with Client("made up", RawAnswers(folder)):
        # The certificates, which take long to read, are read once.
        pass
    undisturbed = make_folder(folder / "undisturbed")
    operations = run(undisturbed, address)
    points = sorted(random.Random(seed).sample(range(1, operations + 1), POINTS))
    outcomes = []
    for point in points:
        disturbed = make_folder(folder / f"killed-{point}")
        killed = run(disturbed, address, kill_at=point) == -1
        resumed = run(disturbed, address) >= 0
        outcomes.append({"point": point, "killed": killed, "resumed": resumed, "state": state(disturbed)})
    print(json.dumps({"operations": operations, "expected": state(undisturbed), "outcomes": outcomes}))


if __name__ == "__main__":
    assert set(SOURCES)
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
