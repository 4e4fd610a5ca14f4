"""Time of the check, and of what is computed from records, with many records. Nothing in them is evidence.

Every record made up here is called "Made-up record", and never enters ``data/``. The argument of
``python bench/records.py`` is the number of records, 10,000 if there is none.
"""

from __future__ import annotations

import csv
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SEARCH, DAY = "made-up-2026-11-22", "2026-11-22"
REVIEWERS = ("Made-up reviewer A", "Made-up reviewer B")


def add_records(folder: Path, number: int) -> None:
    """Add a made-up search with records, duplicates, refused entries and decisions to a data folder."""
    chance = random.Random(number)
    refused = number // 1000
    add = {
        "searches": [(SEARCH, DAY, "database search", "made up", "", "", "", "", "", number + refused, "", "", "", "")]
    }
    add |= {name: [] for name in ("records", "refused", "duplicates", "decisions")}
    for position in range(1, number + 1):
        record, year = f"{SEARCH}.{position}", chance.randint(1990, 2026)
        title = f"Made-up record {position}: " + " ".join(chance.choices(("cream", "light", "skin", "trial"), k=12))
        add["records"].append(
            (record, SEARCH, position, "article", title, f"Made A{position}; Up B", year, "Made-up journal", 1, 2)
            + (f"{position}-{position + 9}", f"10.5555/made.up.{position}", 90_000_000 + position, "", "", DAY)
        )
        if position % 10 == 0:
            add["duplicates"].append((record, f"{SEARCH}.{position - 1}", "duplicate", "rule", "made up", DAY))
        elif position % 10 < 8:
            first = chance.choices(("exclude", "include", "unsure"), (90, 5, 5))[0]
            for reviewer in REVIEWERS[: chance.choice((1, 2, 2))]:
                decision = first if chance.random() < 0.95 else "unsure"
                reason = "outcome" if decision == "exclude" else ""
                add["decisions"].append((record, "title_abstract", reviewer, "reviewer", decision, reason, "", DAY))
    for position in range(number + 1, number + refused + 1):
        add["refused"].append((SEARCH, position, position * 20, "made up"))
    for name, rows in add.items():
        with (folder / f"{name}.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def measured(name: str, compute: Callable[[], object], times: int = 3) -> None:
    """Print the median time of a computation, and that of the processor, which other programs affect less."""
    wall, processor = [], []
    for _ in range(times):
        start = time.perf_counter(), time.process_time()
        compute()
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    print(f"{name}: {statistics.median(wall):.2f} s (processor {statistics.median(processor):.2f} s)", flush=True)


def first_check(folder: Path) -> None:
    """Check a data folder as a new process does."""
    from lib import evidence
    from lib.evidence import repeated_checks

    repeated_checks.forget()
    evidence.check(folder)


def main(number: int) -> None:
    """Measure with a copy of the data and a number of records more."""
    from lib import evidence
    from lib.records.decisions import agreement, states
    from lib.records.flow import flow
    from lib.report.chapters.record_listing import RecordListing

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(ROOT / "data", Path(temporary) / "data", ignore=shutil.ignore_patterns(".*")))
        measured("first check, the data as they are", lambda: first_check(folder))
        add_records(folder, number)
        faults = evidence.check(folder)
        if faults:
            raise SystemExit("\n".join(map(str, faults)))
        print(f"{number:,} records more:")
        measured("first check", lambda: first_check(folder))
        measured("check again", lambda: evidence.check(folder))
        measured("load", lambda: evidence.load(folder))
        ev = evidence.load(folder)
        measured("state of each record", lambda: states(ev.records, ev.duplicates, ev.decisions))
        measured("agreement of reviewers", lambda: agreement(ev.decisions))
        measured("flow", lambda: flow(ev))
        measured("lists on the page", lambda: RecordListing(ev)._repr_html_())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
