"""A data folder with many more studies, for measuring how the book grows. Nothing in it is evidence.

Every study made up here is called "Synthetic", says so in its source, and never enters ``data/``.
"""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

TABLES = ("records", "decisions", "candidates", "studies", "findings", "arms", "responses")
THRESHOLDS = ("ge25", "ge50", "ge75")


def enlarge(data: Path, target: Path, times: int) -> int:
    """Copy a data folder and add synthetic studies until it has ``times`` as many; return how many were added."""
    shutil.copytree(data, target)
    header, rows = {}, {}
    for table in TABLES:
        with (target / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            header[table], *rows[table] = list(csv.reader(file))
    added = (times - 1) * len({row[0] for row in rows["studies"]})
    chance = random.Random(times)
    references = []
    for number in range(added):
        key = f"synthetic{number:05d}"
        for table, row in _study(key, number, chance):
            rows[table].append([row.get(column, "") for column in header[table]])
        references.append(f"@misc{{{key},\n  title = {{Synthetic study {number}, made for a benchmark}},\n}}\n")
    for table in TABLES:
        with (target / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header[table], *rows[table]])
    with (target / "references.bib").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(references))
    return added


def _study(key: str, number: int, chance: random.Random) -> list[tuple[str, dict[str, object]]]:
    regimen = ("monotherapy", "phototherapy")[number % 2]
    n = chance.randint(12, 80)
    rate = min(max(chance.gauss(0.6, 0.15), 0.05), 0.95)
    events = [sum(chance.random() < rate for _ in range(n))]
    for share in (0.7, 0.5):
        events.append(sum(chance.random() < share for _ in range(events[-1])))
    events_by_threshold = zip(THRESHOLDS, events, strict=True)
    year = 2019 + number % 8
    common = {"study": key, "source": key}
    arm = {"arm": "tacrolimus", "enrolled": n, "completed": n, "drug": "tacrolimus", "concentration": "0.1%"}
    arm |= {"frequency": "twice daily", "role": regimen, "part": 1}
    arm["phototherapy"] = {"monotherapy": "none", "phototherapy": "NBUVB"}[regimen]
    count = {"arm": "tacrolimus", "site": "all", "population": "all", "months": 6, "unit": "patients", "n": n}
    count |= {"basis": "stated", "confidence": "high", "poolable": "yes", "source_kind": "full_text"}
    label = f"Synthetic {number}, {year}"
    record = f"other.{key}"
    bibliography = {"record": record, "kind": "unknown", "published": str(year), "entered": "2026-11-22"}
    candidate = {"study": key, "record": record, "label": label, "regimen": regimen, "design": "SA, OL", "enrolled": n}
    decision = {"record": record, "reviewer": "not recorded", "role": "reviewer", "decision": "include"}
    decision |= {"note": "Made for a benchmark.", "date": "2026-11-22"}
    study = {"part": 1, "edition": "update", "label": label, "year": year, "design": "SA", "blinding": "OL"}
    study |= {"randomised": "no", "population": "all", "assessment": "total", "duration_months": 6}
    return [
        ("records", bibliography),
        *[("decisions", decision | {"stage": stage}) for stage in ("title_abstract", "full_text")],
        ("candidates", candidate),
        ("studies", common | study),
        ("findings", common | {"finding": "Made for a benchmark."}),
        ("arms", common | arm),
        *[("responses", common | count | {"threshold": t, "events": e}) for t, e in events_by_threshold],
    ]
