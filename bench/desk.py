"""Measure how long the desk takes to answer with 10,000 records, most of them decided by two reviewers.

The data are a copy with made-up records; nothing is written to ``data/``.
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from desk_client import Answer, Desk, add_rows, decision, made_up, running_desk  # noqa: E402

RECORDS, DECIDED, TIMES = 10_000, 9_000, 15
LIMIT = 0.1
ADA, BEN = "Ada Example", "Ben Sample"
WORDS = (
    "made-up trial study ointment light patients mice children cream placebo random vehicle skin cells review".split()
)


def fill(data: Path) -> None:
    """Add made-up records and decisions to a copy of the data."""
    chance = random.Random(17)
    records = [made_up(n, title=f"Made-up {n}: {' '.join(chance.choices(WORDS, k=12))}") for n in range(RECORDS)]
    add_rows(data, "records", records)
    rows = []
    for number in range(DECIDED):
        what = "include" if chance.random() < 0.05 else "exclude"
        rows += [decision(f"other.madeup{number}", name, what) for name in (ADA, BEN)]
    add_rows(data, "decisions", rows)


def measure(name: str, ask: Callable[[int], Answer]) -> float:
    """Ask several times; print the median of time and processor time, and return that of time."""
    seconds, busy = [], []
    for number in range(TIMES):
        start, begin = time.perf_counter(), time.process_time()
        answer = ask(number)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - begin)
        assert answer.status in (200, 303), answer.text[:500]
    middle = statistics.median(seconds)
    most, processor = max(seconds), statistics.median(busy)
    print(
        f"{name:38} {1000 * middle:6.0f} ms  (at most {1000 * most:.0f}; processor {1000 * processor:.0f})", flush=True
    )
    return middle


def run(desk: Desk) -> list[float]:
    """Measure the pages that a reviewer uses again and again, and the decision itself."""
    ada = desk.visitor(ADA)
    start = time.perf_counter()
    ada.get("/screen?order=ranked")
    print(f"{'first page after the start':38} {1000 * (time.perf_counter() - start):6.0f} ms")
    pages = {"overview": "/", "screen, newest first": "/screen", "screen, ranked": "/screen?order=ranked"}
    medians = [measure(name, lambda _, path=path: ada.get(path)) for name, path in pages.items()]
    medians.append(measure("one record", lambda n: ada.get(f"/screen?record=other.madeup{n}")))
    medians.append(measure("conflicts", lambda _: ada.get("/conflicts")))
    place = {"stage": "title_abstract", "choice": "exclude:design"}

    def decide(number: int) -> Answer:
        return ada.post("/decide", record=f"other.madeup{DECIDED + number}", **place)

    def decide_and_ask(number: int) -> Answer:
        decide(TIMES + number)
        return ada.get("/screen?order=ranked")

    medians.append(measure("a decision", decide))
    # Two answers: twice the limit.
    medians.append(measure("a decision and the next record, ranked", decide_and_ask) / 2)
    start = time.perf_counter()
    assert desk.workspace.outbox.wait(600)
    print(f"{'all decisions saved after':38} {time.perf_counter() - start:6.1f} s")
    medians.append(measure("screen, after saving", lambda _: ada.get("/screen")))
    return medians


def main() -> int:
    """Print the times; return 1 if a median exceeds the limit."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(shutil.copytree(ROOT / "data", Path(folder) / "data", ignore=shutil.ignore_patterns(".*")))
        fill(data)
        with running_desk(data) as desk:
            slow = [seconds for seconds in run(desk) if seconds > LIMIT]
    print(f"{RECORDS} records, {2 * DECIDED} decisions: {len(slow)} of the medians exceed {1000 * LIMIT:.0f} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
