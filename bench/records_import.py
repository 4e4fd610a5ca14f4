"""Measure the import of a long RIS file, and the de-duplication of many records.

Run with ``python bench/records_import.py [--entries 100000] [--records 10000]``. The records are made up, and the data
folder is a copy: nothing of the project is changed.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "records")]

LIMITS = {"import": (60.0, 1024), "duplicates": (120.0, 1024)}
"""Limits that the project sets itself: seconds, and MB of memory."""


def write_ris(path: Path, entries: int) -> None:
    """Write a RIS file of made-up entries with abstracts of the usual length."""
    from made_up import entry, ris

    with path.open("w", encoding="utf-8") as file:
        for number in range(entries):
            lines = ris(entry(number))
            lines[-2:-2] = [f"KW  - made-up keyword {i}" for i in range(10)]
            text = "\n".join(lines).replace("BACKGROUND: made-up text", "BACKGROUND: " + "made-up text " * 120)
            file.write(f"{text}\n\n")


def import_file(folder: Path, path: Path) -> str:
    """Import a file into a copy of the data folder, and describe what was imported."""
    from lib.records.importing import Origin, import_files

    (imported,) = import_files(folder, [path], Origin("Made-up database", "2026-01-02"))
    return str(imported).splitlines()[0]


def find_duplicates(records: int) -> str:
    """De-duplicate a made-up library whose duplicates are known, and describe how well that went."""
    from library import library

    from lib.records.deduplication import DUPLICATE, propose

    sample = library(records, seed=1)
    begin = time.perf_counter()
    proposals = propose(sample.rows)
    seconds = time.perf_counter() - begin
    group = {key: key for key in sample.report}
    for pair in proposals.decided:
        if pair.relation == DUPLICATE:
            group[pair.record] = pair.same_as
    members: dict[str, list[str]] = {}
    for key, main in group.items():
        members.setdefault(main, []).append(key)
    merged = {frozenset((a, b)) for keys in members.values() for a in keys for b in keys if a < b}
    true = sample.true_pairs()
    return (
        f"{len(sample.rows)} records, {proposals.pairs} pairs compared in {seconds:.1f} s; of {len(true)} true pairs"
        f" {len(merged & true)} merged (recall {len(merged & true) / len(true):.3f}), {len(merged - true)} wrongly;"
        f" {len(proposals.maybes)} questions"
    )


def measure(name: str, function, *arguments) -> bool:
    """Run a function in a process of its own; print its result, time and memory; return whether both are in limits."""
    with get_context("spawn").Pool(1) as pool:
        text, seconds, processor, megabytes = pool.apply(_measured, (function, arguments))
    limit_seconds, limit_megabytes = LIMITS[name]
    print(
        f"{name}: {text}\n  {seconds:.1f} s (limit {limit_seconds:.0f}), of them {processor:.1f} s of one processor;"
        f" {megabytes:.0f} MB (limit {limit_megabytes})"
    )
    return seconds <= limit_seconds and megabytes <= limit_megabytes


def _measured(function, arguments) -> tuple[str, float, float, float]:
    begin, processor = time.perf_counter(), time.process_time()
    text = function(*arguments)
    seconds, processor = time.perf_counter() - begin, time.process_time() - processor
    return text, seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run the measurements, and return 1 if one is beyond its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000, help="entries of the RIS file")
    parser.add_argument("--records", type=int, default=10_000, help="records to de-duplicate")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(ROOT / "data", Path(temporary) / "data", ignore=shutil.ignore_patterns(".raw")))
        path = Path(temporary) / "made-up.ris"
        write_ris(path, options.entries)
        print(f"RIS file: {options.entries} entries, {path.stat().st_size / 1e6:.0f} MB")
        within_limits = measure("import", import_file, folder, path)
        within_limits = measure("duplicates", find_duplicates, options.records) and within_limits
    return 0 if within_limits else 1


if __name__ == "__main__":
    sys.exit(main())
